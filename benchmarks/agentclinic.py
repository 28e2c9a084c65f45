"""Prompts and wall time beside AgentClinic's: `python -m benchmarks.agentclinic`.

AgentClinic's five first MedQA cases, imported, with a model in all four roles and the same canned utterances
in each: 8 turns of the doctor, of which 4 ask, 3 request a test and the last diagnoses. What AgentClinic
needs for as much was measured on its unmodified script with a server of the same kind.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import Any

from clinicenv import Cast, aplay, load_scenario
from clinicenv.agents.cards import cards
from clinicenv.models import loop
from clinicenv.scenario import Scenario
from tests.fake_server import Answer, FakeServer, calling, script

CASES = Path(__file__).parents[2] / "shared" / "data" / "agentclinic" / "agentclinic_medqa.jsonl"
COUNT = 5
LATENCY = 0.05
"""seconds a call"""
ROLES = ("doctor", "patient", "measurement", "moderator")
CARDS = ("chat", "tools", "agentclinic")
PER_CASE = ("calls", "prompt_tokens", "new_prompt_tokens")
CL100K = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""How tiktoken calls the file of cl100k_base, which the llama-index-core wheel carries."""
AGENTCLINIC = {
    "calls": 16,
    "prompt_tokens": 6664,
    "new_prompt_tokens": 4325,
    "completion_tokens": 422,
    "seconds_one_by_one": 7.86,
    "without_its_sleeps": 0.86,
}
"""Per case, at 50 ms a call, one call in flight at any time; tokens by cl100k_base."""

ASKED = (
    "Good morning, I am Doctor Lee. Please tell me in your own words what has brought you here today, when it"
    " began, and how it has gone on since then up to now.",
    "Thank you, that helps me a lot. Is there anything that makes it better or worse, and have you seen any"
    " other change in your body since it first began?",
    "Have you had any illness or operation in the past, and do you take any medicine at the moment, also"
    " without a prescription, or have an allergy to one?",
    "Could you tell me a little about your life: your work, your home, whether you smoke or drink, how well"
    " you sleep and eat, and which illnesses run in the family?",
)
ORDERED = ("vital signs", "complete blood count", "biopsy")
"""On file in each case; known to the program; on file in one case, so that the model must answer in four."""
DIAGNOSED = "myasthenia gravis; multiple sclerosis; Lambert-Eaton syndrome"
PLANNED = "refer to a specialist this week, and come back at once if breathing or swallowing gets hard"
ANSWERED = (
    "It started some weeks ago, doctor. At first I thought nothing of it and went on as usual, but by now it"
    " is getting in the way of everything that I do at home and at work.",
    "Resting helps a bit, I think, and it is worse by the evening or after a long day. I have not really seen"
    " anything else that I could name, apart from being tired.",
    "No, nothing serious that I can remember, and no operations. I take a painkiller now and then, but"
    " nothing every day, and no allergies that I know of, at least so far.",
    "I work in an office and I live with my family. I have a glass of wine on some evenings, I never smoked,"
    " and nobody else at home has had this before.",
)
MEASURED = "RESULTS: within the normal range for age and sex; no abnormality was reported by the laboratory"
JUDGED = "1. same\n2. different\n3. different"

DOCTOR_TEXT = (
    *ASKED[:2],
    f"EXAMINE: {ORDERED[0]}",
    ASKED[2],
    f"ORDER: {ORDERED[1]}",
    ASKED[3],
    f"ORDER: {ORDERED[2]}",
    f"DIAGNOSE: {DIAGNOSED}\nPLAN: {PLANNED}",
)
DOCTOR_TOOLS: tuple[Answer, ...] = (
    *ASKED[:2],
    calling(("examine", {"items": [ORDERED[0]]})),
    ASKED[2],
    calling(("order_tests", {"items": [ORDERED[1]]})),
    ASKED[3],
    calling(("order_tests", {"items": [ORDERED[2]]})),
    calling(("diagnose", {"differential": DIAGNOSED.split("; "), "plan": PLANNED})),
)


def encoder() -> Callable[[str], list[int]] | None:
    """cl100k_base without a network, from the package that carries it; None where it is not installed."""
    try:
        import tiktoken

        (file,) = [f for f in metadata.files("llama-index-core") or () if f.name == CL100K]
    except (ImportError, metadata.PackageNotFoundError):
        return None
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(str(file.locate())).parent)
    return tiktoken.get_encoding("cl100k_base").encode_ordinary


def imported(folder: Path) -> list[Scenario]:
    """The first cases, as `clinicenv import` makes them."""
    command = [sys.executable, "-m", "clinicenv", "import", "agentclinic", str(CASES), "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return [load_scenario(path) for path in sorted(folder.glob("*.yaml"))[:COUNT]]


def cast_of(card: str, url: str) -> Cast:
    """A model behind this card in each role that has it, and behind `chat` in the others."""
    which = {role: card if card in cards(role) else "chat" for role in ROLES}
    return Cast(**{role: f"{which[role]}=openai:{role}@{url}" for role in ROLES})


def text_of(body: dict[str, Any]) -> str:
    """What a request puts before the model, without the marks that a chat template sets between messages."""
    parts = [json.dumps(tool) for tool in body.get("tools", ())]
    for message in body["messages"]:
        parts += [str(message.get("content") or "")]
        parts += [json.dumps(call["function"]) for call in message.get("tool_calls") or ()]
    return "\n".join(parts)


def count(bodies: Sequence[dict[str, Any]], encode: Callable[[str], list[int]]) -> dict[str, Counter[str]]:
    """Per role, of one case's requests in their order: calls, prompt tokens, those in the system message, and
    those that do not repeat the role's previous prompt from its first token on."""
    before: dict[str, list[int]] = {}
    found = {role: Counter[str]() for role in ROLES}
    for body in bodies:
        role, tokens = body["model"], encode(text_of(body))
        old = before.get(role, ())
        repeated = sum(1 for _ in takewhile(lambda p: p[0] == p[1], zip(old, tokens, strict=False)))
        before[role] = tokens
        system = len(encode(body["messages"][0]["content"]))
        found[role].update(
            calls=1, prompt_tokens=len(tokens), new_prompt_tokens=len(tokens) - repeated, system_tokens=system
        )
    return found


def played(scenarios: Sequence[Scenario], card: str, encode: Callable[[str], list[int]]) -> dict[str, Any]:
    """Figures per case with this card, one case after the other and then all at once."""
    doctor = DOCTOR_TOOLS if _acts_by_tools(card) else DOCTOR_TEXT
    replies = {
        "doctor": script(doctor),
        "patient": script(("", *ANSWERED)),  # its opening line is the scenario's
        "measurement": lambda _: MEASURED,
        "moderator": lambda _: JUDGED,
    }
    by_role = {role: Counter[str]() for role in ROLES}
    with FakeServer(replies, latency=LATENCY) as server:
        cast = cast_of(card, server.url)
        loop.run(aplay(scenarios[0], cast))  # connects, and imports what is imported on first use
        seconds = []
        for scenario in scenarios:
            server.requests.clear()
            start = time.perf_counter()
            ended = loop.run(aplay(scenario, cast)).outcome
            seconds.append(time.perf_counter() - start)
            if ended is None or (ended.status, ended.turns) != ("terminated", len(doctor)):
                raise RuntimeError(f"{scenario.id} with the card `{card}` did not go as written: {ended}")
            for role, found in count([seen.body for seen in server.requests], encode).items():
                by_role[role] += found
        start = time.perf_counter()
        loop.run(_together(scenarios, cast))
        together = time.perf_counter() - start
    total = sum(by_role.values(), Counter[str]())
    per_case = {name: round(total[name] / len(scenarios), 1) for name in PER_CASE}
    return {
        **per_case,
        "new_over_agentclinic": round(per_case["new_prompt_tokens"] / AGENTCLINIC["new_prompt_tokens"], 3),
        "seconds_one_by_one": round(sum(seconds) / len(seconds), 3),
        "seconds_all_at_once": round(together / len(scenarios), 3),
        "by_role": {r: {n: round(v / len(scenarios), 1) for n, v in c.items()} for r, c in by_role.items()},
    }


def _acts_by_tools(card: str) -> bool:
    from clinicenv.agents.cards import load_card

    return card in cards("doctor") and load_card("doctor", card).protocol == "tools"


async def _together(scenarios: Sequence[Scenario], cast: Cast) -> None:
    await asyncio.gather(*(aplay(scenario, cast) for scenario in scenarios))


def measure() -> dict[str, Any]:
    """All figures, per case; `skipped` says why there are none."""
    encode = encoder()
    if encode is None:
        return {"skipped": "needs `uv pip install tiktoken` and `uv pip install --no-deps llama-index-core`"}
    if not CASES.exists():
        return {
            "skipped": f"no {CASES.name} beside the checkout, in {CASES.parent.relative_to(CASES.parents[3])}"
        }
    with tempfile.TemporaryDirectory() as folder:
        scenarios = imported(Path(folder, "cases"))
        lines = (*DOCTOR_TEXT, *ANSWERED, MEASURED, MEASURED, MEASURED, JUDGED)
        return {
            "tokenizer": "cl100k_base (tiktoken)",
            "cases": len(scenarios),
            "latency_s": LATENCY,
            "canned_completion_tokens": sum(len(encode(line)) for line in lines),
            "agentclinic_itself": AGENTCLINIC,
            "cards": {card: played(scenarios, card, encode) for card in CARDS if card in cards("doctor")},
        }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
