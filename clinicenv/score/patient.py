"""How good a patient was, from the log alone: what it leaked, missed, invented and contradicted.

Sets of fact ids decide what they can; findings named in speech are found by the lexicon and its rules of
denial, so for models these are estimates; for scripted patients the figures are exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from clinicenv.clinic.acts import has_jargon
from clinicenv.clinic.answers import OPEN_INTENTS
from clinicenv.clinic.lexicon import descendants, label, lexicon, mentions, parent
from clinicenv.clinic.lint_text import names_answer
from clinicenv.events import Heard, Probe, Role, Say, Trajectory
from clinicenv.scenario import Scenario
from clinicenv.story import Fact

Kind: TypeAlias = Literal[
    "answer leak", "premature", "unsupported", "contradiction", "self-contradiction", "wrong fact", "missed"
]
KINDS: tuple[Kind, ...] = (
    "answer leak", "premature", "unsupported", "contradiction", "self-contradiction", "wrong fact", "missed",
)  # fmt: skip


INVENTED: tuple[Kind, ...] = ("unsupported", "contradiction", "self-contradiction", "wrong fact")


@dataclass(frozen=True, slots=True)
class Slip:
    """One thing that went wrong in a reply: `what` it is about, a fact's id or a finding's name."""

    kind: Kind
    what: str
    turn: int
    asked: str
    said: str


@dataclass(frozen=True, slots=True)
class PatientMarks:
    """The slips, and what they are shares of."""

    replies: int = 0
    asked: int = 0
    """questions on facts that could be told"""
    told: int = 0
    """of these, those that were answered with one of the facts"""
    deferred: int = 0
    """of these, those that were answered with no fact at all"""
    volunteered: int = 0
    """facts told that nothing had asked for"""
    jargon: int = 0
    """replies with a word that only clinicians use"""
    slips: tuple[Slip, ...] = ()

    def __add__(self, other: "PatientMarks") -> "PatientMarks":
        return PatientMarks(
            self.replies + other.replies,
            self.asked + other.asked,
            self.told + other.told,
            self.deferred + other.deferred,
            self.volunteered + other.volunteered,
            self.jargon + other.jargon,
            self.slips + other.slips,
        )

    @property
    def leaks(self) -> int:
        """Of the answer, and of what was still guarded."""
        return self.count("answer leak") + self.count("premature")

    @property
    def invented(self) -> int:
        """Findings invented, contradicted, or told in place of others."""
        return sum(map(self.count, INVENTED))

    @property
    def missed(self) -> float | None:
        """Share of the questions that could have been answered but were not; None where there were none."""
        return (self.asked - self.told) / self.asked if self.asked else None

    def count(self, kind: Kind) -> int:
        """How many slips of a kind there were."""
        return sum(s.kind == kind for s in self.slips)


def patient_marks(scenario: Scenario, trajectory: Trajectory) -> PatientMarks:
    """The marks of the patient of one consultation; the opening line is the scenario's own and no reply."""
    reading = _Reading(scenario)
    for event in trajectory.events[2:]:
        what = event.what
        if isinstance(what, Heard):
            reading.hears(what)
        elif isinstance(what, Say) and event.role is Role.DOCTOR:
            reading.asked.append(what.text)
            reading.doctor_named = reading.doctor_named or bool(_named(scenario, what.text))
        elif isinstance(what, Say) and event.role is Role.PATIENT:
            reading.replies(what, event.turn)
    return reading.marks


_named = lru_cache(maxsize=1 << 16)(names_answer)
_mentions = lru_cache(maxsize=1 << 16)(mentions)
_jargon = lru_cache(maxsize=1 << 16)(has_jargon)
"""Scripted patients and doctors say the same lines again and again."""


@dataclass(slots=True)
class _Reading:
    scenario: Scenario
    marks: PatientMarks = PatientMarks()
    asked: list[str] = field(default_factory=list)
    """the doctor's lines since the last reply"""
    doctor_named: bool = False
    _heard: list[Heard] = field(default_factory=list)
    _shut: set[str] = field(init=False)
    _polarity: dict[str, bool] = field(default_factory=dict)
    _own: frozenset[tuple[str, bool]] = field(init=False)
    _supported: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._own = _own_words(_texts(self.scenario))
        self._supported = _supported(frozenset(f.concept for f in self.scenario.facts.values() if f.present))
        self._shut = {f.id for f in self.scenario.facts.values() if f.gated}

    def hears(self, heard: Heard) -> None:
        self._shut -= set(heard.opened)
        for fact in (self.scenario.facts[i] for i in heard.opened):
            self._polarity.pop(fact.concept, None)  # what was denied while it was shut may be owned now
        self._heard.append(heard)

    def replies(self, say: Say, turn: int) -> None:
        found = [*self._leaks(say), *self._speech(say)]
        probes = [p for h in self._heard for p in h.probes if self._can_tell(p)]
        told = sum(not set(p.facts).isdisjoint(say.ids) for p in probes)
        wanted = {i for h in self._heard for p in h.probes for i in p.facts}
        free = any(p.intent in OPEN_INTENTS for h in self._heard for p in h.probes) or not wanted
        if probes and not told:
            wrong = bool(say.ids) and wanted.isdisjoint(say.ids)
            found.append(("wrong fact" if wrong else "missed", ", ".join(probes[0].facts[:3])))
        slips = tuple(Slip(kind, what, turn, " ".join(self.asked), say.text) for kind, what in found)
        self.marks += PatientMarks(
            replies=1,
            asked=len(probes),
            told=told,
            deferred=len(probes) if not say.ids else 0,
            volunteered=0 if free else len(set(say.ids) - wanted),
            jargon=int(_jargon(say.text)),
            slips=slips,
        )
        self.asked, self._heard = [], []

    def _can_tell(self, probe: Probe) -> bool:
        facts = self.scenario.facts
        open_ = [i for i in probe.facts if i not in self._shut and facts[i].disclosure != "probed"]
        return bool(open_) and probe.intent not in OPEN_INTENTS

    def _leaks(self, say: Say) -> Iterable[tuple[Kind, str]]:
        named = _named(self.scenario, say.text)
        if named and not self.doctor_named:
            yield "answer leak", named
        yield from (("premature", i) for i in say.ids if i in self._shut)

    def _speech(self, say: Say) -> Iterable[tuple[Kind, str]]:
        """What the words affirm or deny, against the facts and against what was said before."""
        symptoms, own = lexicon().symptoms, self._own
        for concept, affirmed in _mentions(say.text).items():
            if concept not in symptoms or lexicon().children.get(concept):
                continue
            before = self._polarity.setdefault(concept, affirmed)
            if before != affirmed and (concept, affirmed) not in own:
                yield "self-contradiction", label(concept)
            self._polarity[concept] = affirmed
            recorded = {f.present for f in _presence(self.scenario, concept) if f.id not in self._shut}
            if (concept, affirmed) in own:
                continue
            if affirmed and concept not in self._supported:
                yield ("contradiction" if recorded == {False} else "unsupported"), label(concept)
            elif not affirmed and recorded == {True}:
                yield "contradiction", label(concept)


def _presence(scenario: Scenario, concept: str) -> list[Fact]:
    return [f for f in scenario.facts.values() if f.concept == concept and f.slot == "present"]


def _texts(scenario: Scenario) -> tuple[str, ...]:
    """All that the scenario has its patient say."""
    p = scenario.patient
    facts = (t for f in scenario.facts.values() for t in (*f.say, *filter(None, (f.say_vague,))))
    agenda = (*(c.say for c in p.cues), *(b.then_says for b in p.beliefs), *(b.holds for b in p.beliefs))
    decided = (t for d in p.decisions for t in (d.agrees, d.refuses))
    return (*p.opening, *facts, *(q.ask for q in p.questions), *p.challenge.script, *agenda, *decided)


@lru_cache(maxsize=256)
def _own_words(texts: tuple[str, ...]) -> frozenset[tuple[str, bool]]:
    """The findings that the scenario's own words affirm or deny somewhere."""
    return frozenset(pair for text in texts for pair in mentions(text).items())


@lru_cache(maxsize=256)
def _supported(present: frozenset[str]) -> frozenset[str]:
    """The findings that there is a ground to affirm: those present, their groups and their like."""
    lex, found = lexicon(), set[str]()
    for concept in present:
        found |= {concept, *lex.same_as.get(concept, ()), *descendants(lex, concept)}
        above = parent(concept)
        while above:
            found.add(above)
            above = parent(above)
    return frozenset(found)
