"""The same doctor behind every way to a model: the same actions, and `aside` in the same shape."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fake_anthropic import FakeAnthropic, text, thinking, tool_use
from fake_server import FakeServer, Messages, completion

from clinicenv.agents.calls import CALL_LOG
from clinicenv.agents.cards import load_card
from clinicenv.agents.cast import Cast, Player, aplay
from clinicenv.agents.model import ModelAgent
from clinicenv.events import Diagnose, Event, OrderTests, Say, Trajectory, Unparsed, without_aside
from clinicenv.models import loop
from clinicenv.scenario import load_scenario

pytest.importorskip("langchain_anthropic")

CACHED, THOUGHT = 7, 2
USAGE = {"prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"}


@dataclass(frozen=True)
class Reply:
    """What the doctor's model says in one call, in no format yet."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    reasoning: str = "What is dangerous here?"


ENDING = {"differential": ["acute pericarditis", "costochondritis"], "plan": "rest"}
BY_TEXT = (
    Reply("Hello, when did the pain start?"),
    Reply("EXAMINE: heart\nORDER: ECG; troponin\nDoes it ease when you sit up?"),
    Reply("I think it is pericarditis.\nDIAGNOSE: acute pericarditis; costochondritis\nPLAN: rest"),
)
BY_TOOLS = (
    Reply("Hello, when did the pain start?"),
    Reply(
        "Does it ease when you sit up?",
        (("examine", {"items": ["heart"]}), ("order_tests", {"items": ["ECG", "troponin"]})),
    ),
    Reply(calls=(("prescribe", {"drug": "ibuprofen"}), ("order_tests", {"items": ["CRP"]}))),
    Reply("I think it is pericarditis.", (("diagnose", ENDING),)),
)
ANALYSIS = {
    "positive": ["chest pain"],
    "negative": [],
    "differential": [{"diagnosis": "pericarditis", "confidence": 0.7, "why": "sharp"}],
    "urgency": "urgent",
    "missing": ["ECG"],
}
OF_AMIE = (
    *(Reply(json.dumps(ANALYSIS)), Reply("A draft."), BY_TEXT[1]),
    *(Reply(json.dumps(ANALYSIS)), Reply("A draft."), BY_TEXT[2]),
)
SCRIPTS = {"chat": BY_TEXT, "tools": BY_TOOLS, "amie": OF_AMIE}

Next = Callable[[], Reply]
Way = Callable[[str, Next], Any]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-dummy")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-dummy")


# The ways


def as_openai(reply: Reply, messages: Messages) -> tuple[int, Any]:
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for n, (name, given) in enumerate(reply.calls)
    ]
    more = {"tool_calls": calls} if calls else {}
    body = completion(reply.text or None, messages, reasoning_content=reply.reasoning, **more)
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": CACHED}
    body["usage"]["completion_tokens_details"] = {"reasoning_tokens": THOUGHT}
    return 200, body


def as_blocks(reply: Reply) -> list[dict[str, Any]]:
    called = [tool_use(name, given, n) for n, (name, given) in enumerate(reply.calls)]
    return [thinking(reply.reasoning), *([text(reply.text)] if reply.text else []), *called]


@contextmanager
def fast(card: str, after: Next) -> Iterator[Player]:
    with FakeServer(lambda messages: as_openai(after(), messages)) as server:
        yield f"{card}=openai:tiny@{server.url}"


@contextmanager
def anthropic(card: str, after: Next) -> Iterator[Player]:
    with FakeAnthropic(lambda _: as_blocks(after()), cached=CACHED, thought=THOUGHT) as server:
        yield f"{card}=anthropic:tiny@{server.address}"


@contextmanager
def anthropic_object(card: str, after: Next) -> Iterator[Player]:
    from langchain_anthropic import ChatAnthropic

    with FakeAnthropic(lambda _: as_blocks(after()), cached=CACHED, thought=THOUGHT) as server:
        chat = ChatAnthropic(model_name="tiny", base_url=server.address, timeout=5, stop=None)
        yield seated(card, chat)


@contextmanager
def python_object(card: str, after: Next) -> Iterator[Player]:
    yield seated(card, chat_object(after))


def chat_object(after: Next) -> Any:
    """A chat model that somebody wrote in Python, with tools and usage."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Doctor(BaseChatModel):
        model_name: str = "mine"

        @property
        def _llm_type(self) -> str:
            return "doctor"

        def bind_tools(self, tools: Any, **options: Any) -> Any:
            return self.bind(tools=tools, **options)

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
            reply = after()
            calls = [
                {"name": name, "args": given, "id": f"mine_{n}", "type": "tool_call"}
                for n, (name, given) in enumerate(reply.calls)
            ]
            usage = {
                "input_tokens": sum(len(str(m.content).split()) for m in messages),
                "output_tokens": len(reply.text.split()),
                "total_tokens": 0,
                "input_token_details": {"cache_read": CACHED},
                "output_token_details": {"reasoning": THOUGHT},
            }
            content = [
                {"type": "reasoning", "reasoning": reply.reasoning},
                {"type": "text", "text": reply.text},
            ]
            message = AIMessage(content=content, tool_calls=calls, usage_metadata=usage)
            return ChatResult(generations=[ChatGeneration(message=message)])

    return Doctor()


def seated(card: str, chat: Any) -> Player:
    """The object as a doctor: as it is for the default card, with another one through `ModelAgent`."""
    if card == "chat":
        found: Player = chat
        return found
    return ModelAgent(load_card("doctor", card), chat=chat)


WAYS: dict[str, Way] = {
    "fast": fast,
    "anthropic": anthropic,
    "anthropic object": anthropic_object,
    "python object": python_object,
}


def played(way: str, card: str) -> tuple[Trajectory, list[dict[str, Any]]]:
    """A consultation with the card's script, and the record of its calls."""
    left = iter(SCRIPTS[card])
    calls: list[dict[str, Any]] = []

    async def logged(cast: Cast) -> Trajectory:
        CALL_LOG.set(calls.append)
        return await aplay(load_scenario("sharp-chest-pain-01"), cast, seed=5)

    with WAYS[way](card, lambda: next(left)) as doctor:
        log = loop.run(logged(Cast(doctor)))
    return log, calls


def seen(log: Trajectory) -> list[Event]:
    """All events, without what only the doctor's model knows."""
    return [replace(e, what=without_aside(e.what)) for e in log.events]


def asides(log: Trajectory) -> list[dict[str, Any]]:
    return [a for e in log.events if e.role == "doctor" and (a := getattr(e.what, "aside", None))]


# What they have in common


@pytest.mark.parametrize("card", SCRIPTS)
def test_the_fast_path_does_what_the_script_says(card: str) -> None:
    log, _ = played("fast", card)
    assert log.outcome
    assert (log.outcome.status, log.outcome.reason) == ("terminated", "diagnose")
    did = [type(e.what) for e in log.events if e.role == "doctor"]
    assert {Say, OrderTests, Diagnose} <= set(did)
    assert did.count(Unparsed) == (1 if card == "tools" else 0)


@pytest.mark.parametrize("card", SCRIPTS)
@pytest.mark.parametrize("way", list(WAYS)[1:])
def test_every_other_way_gives_the_same_consultation(way: str, card: str) -> None:
    (one, _), (other, _) = played("fast", card), played(way, card)
    assert seen(other) == seen(one)
    assert other.outcome == one.outcome
    for mine, theirs in zip(asides(other), asides(one), strict=True):
        assert mine.keys() == theirs.keys()
        same = set(mine) - {"usage", "calls"}
        assert {k: mine[k] for k in same} == {k: theirs[k] for k in same}
        assert [(c["name"], json.loads(c["arguments"])) for c in mine.get("calls", ())] == [
            (c["name"], json.loads(c["arguments"])) for c in theirs.get("calls", ())
        ]


@pytest.mark.parametrize("card", SCRIPTS)
@pytest.mark.parametrize("way", WAYS)
def test_usage_has_the_same_fields_and_counts_on_every_way(way: str, card: str) -> None:
    log, calls = played(way, card)
    per_turn = [a["usage"] for a in asides(log)]
    made = 3 if card == "amie" else 1
    assert all(u.keys() == USAGE for u in per_turn)
    assert [(u["cached_tokens"], u["reasoning_tokens"]) for u in per_turn] == [
        (CACHED * made, THOUGHT * made)
    ] * len(per_turn)
    assert len(calls) == made * len(per_turn)
    for name in USAGE:
        assert sum(c[name] for c in calls) == sum(u[name] for u in per_turn)
    assert [c["turn"] for c in calls] == [t for t in range(1, len(per_turn) + 1) for _ in range(made)]


@pytest.mark.parametrize("way", WAYS)
def test_thoughts_and_the_analysis_are_kept_on_every_way(way: str) -> None:
    log, _ = played(way, "amie")
    one, two = asides(log)
    assert one["reasoning"] == "\n".join([Reply.reasoning] * 3)
    assert one["analysis"] == two["analysis"] == ANALYSIS
    assert one["steps"] == {"respond": "A draft."}
    assert Reply.reasoning not in "\n".join(e.what.text for e in log.events if isinstance(e.what, Say))


def test_a_seed_goes_where_it_is_taken_and_the_log_says_where_it_is_not() -> None:
    dropped = {way: [c.get("dropped", []) for c in played(way, "chat")[1]] for way in WAYS}
    assert dropped["fast"] == [[], [], []]
    assert dropped["anthropic"] == [["seed"]] * 3
    assert dropped["anthropic object"] == dropped["python object"] == [[], [], []]  # as they are
