"""How well the router reads doctors' questions and acts: the labelled sets, and what counts as right.

The labels stand in `tests/clinic/data`; the sentences of the real questions stay in their own data set, found
there by row. Nothing here looks at how the router works.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinicenv import Cast, Leave, Role, Say, Turn, play
from clinicenv.clinic.answers import OPEN_INTENTS
from clinicenv.clinic.lexicon import lexicon
from clinicenv.clinic.router import Reading, read
from clinicenv.events import Heard
from clinicenv.scenario import Scenario

LABELS = Path(__file__).resolve().parent.parent / "tests" / "clinic" / "data"

MOST_CONCEPTS = 3
"""Concepts of a question that are labelled and compared."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question with the readings that count as right; a concept may have alternatives too."""

    text: str
    half: str
    intents: frozenset[str]
    concepts: tuple[frozenset[str], ...]
    by: tuple[tuple[str, str], ...] = ()
    """(intent, concepts) as each of the two annotators wrote them"""


def _rows(name: str) -> Iterator[dict[str, str]]:
    head, *lines = (LABELS / name).read_text(encoding="utf-8").splitlines()
    columns = head.split("\t")
    return (dict(zip(columns, line.split("\t"), strict=True)) for line in lines)


def _concepts(text: str) -> tuple[frozenset[str], ...]:
    return () if text == "-" else tuple(frozenset(c.split("|")) for c in text.split(","))


def _labelled(row: dict[str, str], text: str) -> Labelled:
    by = tuple((row[f"intent_{x}"], row[f"concepts_{x}"]) for x in "ab")
    return Labelled(text, row["half"], frozenset(row["intent"].split("|")), _concepts(row["concepts"]), by)


def real_questions(folder: Path) -> list[Labelled]:
    """The questions of real doctors, from the data set's folder."""
    sentences: dict[str, list[str]] = {}
    found = []
    for row in _rows("questions.tsv"):
        name = row["source"]
        if name not in sentences:
            lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
            sentences[name] = [json.loads(line)["question"] for line in lines]
        found.append(_labelled(row, sentences[name][int(row["row"]) - 1]))
    return found


def own_questions() -> list[Labelled]:
    """Questions in our own wording."""
    return [_labelled(row, row["question"]) for row in _rows("own_questions.tsv")]


def intent_right(question: Labelled, reading: Reading) -> bool:
    """Whether the first thing that the router hears asked is of a labelled intent."""
    return _intent(reading) in question.intents


def _intent(reading: Reading) -> str:
    first = next((p.intent for p in reading.probes), "none")
    return "none" if first == "unknown" else first


def concepts_right(question: Labelled, reading: Reading) -> bool:
    """Whether it hears the labelled concepts and no other, the first three.

    `other`, a thing that the lexicon has no word for, must be heard as nothing. The topic of a section may be
    named or left to its intent: "What do you take?" is `medicines`, with or without `medication`.
    """
    heard = list(dict.fromkeys(p.concept for p in reading.probes if p.concept))[:MOST_CONCEPTS]
    wanted = [w for w in question.concepts if w != {"other"}]
    own = {i.concept for p in reading.probes if (i := lexicon().intents.get(p.intent)) and i.concept}
    own |= {i.concept for name in question.intents if (i := lexicon().intents.get(name)) and i.concept}
    if not wanted:
        return all(c in own for c in heard)
    if not heard:
        return all(w & own for w in wanted)
    return len(heard) == len(wanted) and all(any(c in w for w in wanted) for c in heard)


@dataclass(frozen=True, slots=True)
class Understanding:
    """Shares of questions, 0 to 1."""

    n: int
    intent: float
    concept: float


def understanding(questions: Sequence[Labelled]) -> Understanding:
    """How many of the questions are read right."""
    readings = [(q, read(q.text)) for q in questions]
    return Understanding(
        len(readings),
        sum(intent_right(q, r) for q, r in readings) / len(readings),
        sum(concepts_right(q, r) for q, r in readings) / len(readings),
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two annotators: share of the same first intent, Cohen's kappa of it, share of the same concepts."""

    intent: float
    kappa: float
    concept: float


def agreement(questions: Sequence[Labelled]) -> Agreement:
    """How far the annotators agree before any discussion."""
    pairs = [tuple(intent.split("|")[0] for intent, _ in q.by) for q in questions]
    n = len(pairs)
    same = sum(a == b for a, b in pairs) / n
    ours, theirs = (Counter(p[k] for p in pairs) for k in (0, 1))
    chance = sum(ours[k] * theirs[k] for k in ours) / n**2
    alike = sum(_same(*(_concepts(c) for _, c in q.by)) for q in questions) / n
    return Agreement(same, (same - chance) / (1 - chance), alike)


def _same(ours: Iterable[frozenset[str]], theirs: Iterable[frozenset[str]]) -> bool:
    ours, theirs = list(ours), list(theirs)
    return len(ours) == len(theirs) and all(any(a & b for b in theirs) for a in ours)


ACTS: dict[str, frozenset[str]] = {
    "empathic": frozenset({"empathise", "validate"}),
    "reassuring": frozenset({"reassure"}),
    "jargon": frozenset({"jargon"}),
    "hostile": frozenset({"hostile"}),
    "confidentiality": frozenset({"confidentiality"}),
    "leading": frozenset({"leading"}),
}
"""The labelled acts, and the router's acts that each of them is."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a doctor's with the acts that it is; most are none of the six."""

    text: str
    half: str
    acts: frozenset[str]


def doctor_lines() -> list[Line]:
    """Lines of doctors in our own wording."""
    return [Line(row["line"], row["half"], _set(row["acts"])) for row in _rows("doctor_lines.tsv")]


def _set(text: str) -> frozenset[str]:
    return frozenset() if text == "-" else frozenset(text.split(","))


def act_scores(lines: Sequence[Line]) -> dict[str, float]:
    """F1 of each act over the lines, and `all` over all acts together."""
    hits, misses, alarms = Counter[str](), Counter[str](), Counter[str]()
    for line in lines:
        heard = read(line.text).acts
        for act, forms in ACTS.items():
            said, found = act in line.acts, not forms.isdisjoint(heard)
            hits[act] += said and found
            misses[act] += said and not found
            alarms[act] += found and not said
    for counts in (hits, misses, alarms):
        counts["all"] = counts.total()
    return {a: 2 * hits[a] / (2 * hits[a] + misses[a] + alarms[a]) for a in (*ACTS, "all")}


NAMED = "sharp-chest-pain-01"
"""The case on which wrong answers are counted."""


def answered_wrongly(scenario: Scenario, fact: str, question: str) -> bool:
    """Whether the scripted patient answers a question that is meant for a fact from other facts only.

    Saying that there is none, that it is not sure or that it did not understand is no wrong fact. Nor is what it
    tells by itself in answer to an open question.
    """

    def doctor(turn: Turn) -> Say | Leave:
        return Say(question) if turn.view.turn == 1 else Leave("Thank you.")

    done = play(scenario, Cast(doctor=doctor))
    probes = [p for e in done.of(Heard) for p in e.what.probes]  # type: ignore[union-attr]
    if any(p.intent in OPEN_INTENTS and p.concept in (None, "main_problem") for p in probes):
        return False
    replies = (e.what for e in done.events[2:] if e.role is Role.PATIENT)
    told = [r.ids for r in replies if isinstance(r, Say)]
    return any(told) and not any(fact in ids for ids in told)
