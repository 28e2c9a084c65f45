"""How well the router reads doctors' questions and acts: the labelled sets, and what counts as right.

The labels stand in `tests/clinic/data`; the sentences of the real questions stay in their own data set, found
there by row. Nothing here looks at how the router works.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clinicenv import Cast, Leave, Role, Say, Turn, play
from clinicenv.clinic.answers import OPEN_INTENTS
from clinicenv.clinic.hearing import Hearing
from clinicenv.clinic.lexicon import lexicon
from clinicenv.clinic.router import Reading, read
from clinicenv.events import Heard
from clinicenv.profile import load_profile
from clinicenv.scenario import Scenario, load_scenario
from clinicenv.score.agreement import agreement

QUESTIONS = Path(__file__).resolve().parents[2] / "shared" / "data" / "questions"
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


def real_sentences(folder: Path) -> dict[tuple[str, int], str]:
    """What real doctors asked, by file and row, from the data set's folder."""
    return {
        (file.stem, row): json.loads(line)["question"]
        for file in sorted(folder.glob("*.jsonl"))
        for row, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    }


def real_questions(folder: Path) -> list[Labelled]:
    """The labelled questions of real doctors."""
    sentences = real_sentences(folder)
    return [_labelled(row, sentences[row["source"], int(row["row"])]) for row in _rows("questions.tsv")]


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
class Annotated:
    """Of two annotators: share of the same first intent, Cohen's kappa of it, share of the same concepts."""

    intent: float
    kappa: float
    concept: float


def annotated(questions: Sequence[Labelled]) -> Annotated:
    """How far the annotators agree before any discussion."""
    firsts = [[intent.split("|")[0] for intent, _ in q.by] for q in questions]
    places = {intent: n for n, intent in enumerate(sorted({i for pair in firsts for i in pair}))}
    one, other = ([places[pair[k]] for pair in firsts] for k in (0, 1))
    found = agreement(one, other, ordered=False)
    alike = sum(_same(*(_concepts(c) for _, c in q.by)) for q in questions) / len(questions)
    assert found.exact is not None
    assert found.kappa is not None
    return Annotated(found.exact, found.kappa, alike)


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


def reach() -> dict[str, dict[str, list[str]]]:
    """Case -> fact -> questions for it, written by people who saw neither the lexicon nor the case's own."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows("reach.tsv"):
        found[row["scenario"]][row["fact"]].append(row["question"])
    return found


@dataclass(frozen=True, slots=True)
class Reach:
    """Questions asked, the share that reach their fact, and the facts that fewer than `ENOUGH` reach."""

    n: int
    facts: int
    reached: float
    short: dict[str, int]


ENOUGH = 3
"""Questions that must reach each fact."""


def reached() -> Reach:
    """Asks each question cold, as the first of a consultation."""
    trust = load_profile("default", "patient").trust
    hits: dict[str, list[bool]] = {}
    for case, facts in reach().items():
        scenario = load_scenario(case)
        for fact, questions in facts.items():
            heard = (Hearing(scenario, trust).hear(q, of=0, turn=1) for q in questions)
            hits[f"{case} {fact}"] = [any(fact in p.facts for p in h.probes) for h in heard]
    every = [hit for found in hits.values() for hit in found]
    short = {name: sum(found) for name, found in hits.items() if sum(found) < ENOUGH}
    return Reach(len(every), len(hits), sum(every) / len(every), short)


def wrong_facts() -> dict[str, float]:
    """On the named case: how many questions, and the share of them that is answered from a wrong fact."""
    scenario = load_scenario(NAMED)
    asked = [(fact, q) for fact, questions in reach()[NAMED].items() for q in questions]
    wrong = sum(answered_wrongly(scenario, fact, q) for fact, q in asked)
    return {"n": len(asked), "wrong": round(wrong / len(asked), 4)}


def answered_wrongly(scenario: Scenario, fact: str, question: str) -> bool:
    """Whether the scripted patient answers a question that is meant for a fact from other facts only.

    Saying that there is none, that it is not sure or that it did not understand is no wrong fact. Nor is what
    it tells by itself in answer to an open question.
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


def speed(lines: Sequence[str], seconds: float = 3.0) -> int:
    """Lines a second that the router reads on one core when it has seen none of them before."""
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        read.cache_clear()
        for line in lines:
            read(line)
        done += len(lines)
    return round(done / (time.perf_counter() - start))


def measure() -> dict[str, Any]:
    """How held-out questions and acts are understood, how the facts are reached, and how fast that goes."""
    own, lines = own_questions(), doctor_lines()
    found: dict[str, Any] = {
        "own": asdict(understanding([q for q in own if q.half == "test"])),
        "acts": {"n": sum(x.half == "test" for x in lines)}
        | act_scores([x for x in lines if x.half == "test"]),
        "questions_per_s": speed([q.text for q in own] + [x.text for x in lines]),
        "wrong_facts": wrong_facts(),
        "reach": asdict(reached()),
    }
    if QUESTIONS.is_dir():
        real = real_questions(QUESTIONS)
        found["real"] = asdict(understanding([q for q in real if q.half == "test"]))
        found["agreement"] = {"n": len(real), **asdict(annotated(real))}
    return found


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
