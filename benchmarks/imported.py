"""How well the scripted patient answers on imported AgentClinic cases: `python -m benchmarks.imported FILE`.

For each labelled question a consultation of its case is started and the question put as the first line. Each
fact that the reply tells is traced to the sentences of the case that its own words were taken from.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinicenv import Cast, play
from clinicenv.consultation import Turn
from clinicenv.events import Leave, Role, Say
from clinicenv.importers import importer
from clinicenv.scenario import Scenario
from clinicenv.story import Fact

QUESTIONS = Path(__file__).resolve().parent.parent / "tests" / "clinic" / "data" / "imported_questions.jsonl"
CASES = Path(__file__).parents[2] / "shared" / "data" / "agentclinic" / "agentclinic_medqa.jsonl"

Place = tuple[str, int]
"""The path of a field below `Patient_Actor`, and the number of a sentence or of an item of a list."""

_END = re.compile(r"(?<=[.!?])\s+")
_DENIES = re.compile(r"(?:No|Nothing|Nobody|Never)\b")


@dataclass(frozen=True, slots=True)
class Question:
    """A question on a case, and the sentences of which each answers it; of none where the case is silent."""

    line: int
    half: str
    text: str
    kind: str
    """`present`, `denied` or `absent`"""
    answer: frozenset[Place]


@dataclass(frozen=True, slots=True)
class Replied:
    """What came of a question: `right`, `wrong` or `deferred`; `extra` facts are from other sentences."""

    question: Question
    said: str
    outcome: str
    extra: int


def questions(half: str, file: Path = QUESTIONS) -> list[Question]:
    """The labelled questions of one half: `dev` or `test`."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [
        Question(
            row["line"],
            half,
            row["question"],
            row["kind"],
            frozenset((a["field"], a["sentence"]) for a in row["answer"]),
        )
        for row in rows
        if row["half"] == half
    ]


def answered(file: Path, asked: Sequence[Question]) -> list[Replied]:
    """The patient's replies to the questions, judged."""
    scenarios = {s.imported.line: s for s in importer("agentclinic").convert(file).scenarios if s.imported}
    lines = file.read_text(encoding="utf-8").splitlines()
    found = []
    for question in asked:
        actor = json.loads(lines[question.line - 1])["OSCE_Examination"]["Patient_Actor"]
        scenario = scenarios[question.line]
        reply = _reply(scenario, question.text)
        told = [_sources(scenario.facts[id], actor) for id in reply.ids]
        found.append(_judged(question, reply, told))
    return found


def _reply(scenario: Scenario, question: str) -> Say:
    def doctor(turn: Turn) -> Say | Leave:
        return Say(question) if turn.view.turn == 1 else Leave()

    events = play(scenario, Cast(doctor=doctor)).events
    said = [e.what for e in events if e.role is Role.PATIENT and isinstance(e.what, Say) and e.turn > 0]
    return said[0]


def _judged(question: Question, reply: Say, told: Iterable[frozenset[Place]]) -> Replied:
    facts = list(told)
    right = sum(bool(places & question.answer) for places in facts)
    if question.kind == "absent":
        outcome = "wrong" if facts else "right"
    elif right:
        outcome = "right"
    elif facts or (question.kind == "present" and _DENIES.match(reply.text)):
        outcome = "wrong"
    else:
        outcome = "deferred"
    return Replied(question, reply.text, outcome, len(facts) - right)


# From a fact to its sentences ----------------------------------------------------------------------


def _sources(fact: Fact, actor: dict[str, Any]) -> frozenset[Place]:
    """The sentences of the case that the fact keeps as written, whole or, within its field, in part."""
    kept = fact.value or fact.say[0]
    parts = {_plain(part) for part in (kept, *kept.split(" | "), *_END.split(kept))}
    places = [(place, _plain(text)) for place, text in _places(actor)]
    found = {place for place, text in places if text in parts}
    for part in parts:  # the labels may cut where the importer did not, and the other way round
        found |= {p for p, text in places if _longer(text, part) or _longer(part, text)}
        found |= {p for p, text in places if _field(p) in fact.id and f" {part} " in f" {text} "}
    if fact.section == "meds":
        listed = {word for part in parts for word in part.split()}
        found |= {p for p, text in places if _is_list(actor, p[0]) and set(text.split()) <= listed}
    return frozenset(found)


def _field(place: Place) -> str:
    """How the ids of a field's facts begin."""
    return place[0].partition(".")[0].lower().removesuffix("s")


def _longer(text: str, part: str) -> bool:
    """Whether the text begins or ends with all of a long part."""
    long = len(part.split()) >= 5
    return long and (text.startswith(part + " ") or text.endswith(" " + part))


def _is_list(actor: dict[str, Any], path: str) -> bool:
    value: Any = actor
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return isinstance(value, list)


def _places(value: Any, path: str = "") -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield from (((path, n), str(item)) for n, item in enumerate(value))
    elif value is not None:
        yield from (((path, n), part) for n, part in enumerate(_END.split(str(value).strip())))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


# Figures -------------------------------------------------------------------------------------------


def figures(replies: Sequence[Replied]) -> dict[str, float]:
    """Shares of the replies that are right, wrong and deferred, and extra facts a reply."""
    outcomes, n = Counter(r.outcome for r in replies), len(replies)
    shares = {name: round(outcomes[name] / n, 4) for name in ("right", "wrong", "deferred")}
    return {"n": n, **shares, "extra": round(sum(r.extra for r in replies) / n, 3)}


def measure() -> dict[str, Any]:
    """The shares on the held-out half, where the cases are there."""
    if not CASES.is_file():
        return {"skipped": "the AgentClinic cases are not here"}
    return figures(answered(CASES, questions("test")))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", default=CASES)
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    options = parser.parse_args()
    replies = answered(options.file, questions(options.half))
    for kind in ("present", "denied", "absent"):
        print(kind, json.dumps(figures([r for r in replies if r.question.kind == kind])))
    print("all", json.dumps(figures(replies)))


if __name__ == "__main__":
    main()
