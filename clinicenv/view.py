"""What one role may know at this moment: separate frozen objects, the only thing an agent receives."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from clinicenv.events import (
    Diagnose,
    DoorNote,
    Event,
    Examine,
    Heard,
    Leave,
    Notice,
    Order,
    OrderTests,
    Rate,
    Report,
    RequestImage,
    Result,
    Role,
    Say,
    without_aside,
)
from clinicenv.profile import BiasProfile
from clinicenv.scenario import Scenario
from clinicenv.story import Belief, Cue, Decision, Fact, Identity, Informant, Patient
from clinicenv.workup import Exam, Image, Test


@dataclass(frozen=True, slots=True)
class View:
    """Common to all: `events` are those that the role took part in, stripped of what it may not see.

    `turn` is the number of the doctor's act that is due or being answered, from 1.
    """

    role: Role
    turn: int
    max_turns: int
    events: tuple[Event, ...]
    profile: BiasProfile


@dataclass(frozen=True, slots=True)
class AskedOption:
    """An option of a question, without the mark that says which is right."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class DoctorView(View):
    """The doctor's: where it is and what was said and shown. Event 0 is the door note."""

    task: str
    site: str
    position: str
    resources: tuple[str, ...]
    question: str | None
    options: tuple[AskedOption, ...]
    age: float
    sex: str
    case: str = ""
    """`case_mark`: the same for a case and its twins; an example with this mark is not shown"""


@lru_cache(maxsize=4096)
def case_mark(lineage: str) -> str:
    """A scenario's mark: digits, so that it spells no name."""
    return str(int.from_bytes(hashlib.blake2b(lineage.encode(), digest_size=8).digest()))


@dataclass(frozen=True, slots=True)
class Script:
    """The patient's side of the case without its gated facts: fixed for a consultation."""

    identity: Identity
    informant: str
    informant_name: str | None
    appearance: str
    facts: tuple[Fact, ...]
    """`spontaneous`, `open`, `asked` and `probed` facts"""
    questions: tuple[tuple[str, int, tuple[str, ...]], ...]
    """(the question, from which turn on, the acts that settle it)"""
    default: str
    unknown_slot: str
    absent: tuple[str, ...]
    """concepts that are surely absent"""
    others: tuple[Informant, ...]
    cues: tuple[Cue, ...]
    beliefs: tuple[Belief, ...]
    decisions: tuple[Decision, ...]
    challenge: tuple[str, ...]
    defused_by: tuple[str, ...]
    fact_order: tuple[str, ...]
    """ids of `facts`, in the file's order"""
    unnamed: frozenset[str]
    """concepts whose common name would give the answer away: a model is told what group they are of"""


@dataclass(frozen=True, slots=True)
class PatientView(View):
    """The patient's: no answer, plan, checklist, or test result that nobody told it."""

    script: Script
    trust: float
    opened: tuple[Fact, ...]
    """gated facts whose gate has opened, in order of opening"""
    locked: tuple[Fact, ...]
    """gated facts still shut; empty but for scripted patients and human actors"""
    due: tuple[Event, ...]
    """the `Heard` events that the reply answers (for those without `locked`: no fact ids of shut facts)"""


@dataclass(frozen=True, slots=True)
class MeasurementView(View):
    """The measurement agent's: what examinations, tests and images show; no answer."""

    exam: Exam
    tests: tuple[Test, ...]
    images: tuple[Image, ...]
    unlisted: str
    sex: str
    age: float
    orders: tuple[Order, ...]
    """to be reported now, in order"""
    folder: Path | None
    """where the pictures of the images lie"""


@dataclass(frozen=True, slots=True)
class ModeratorView(View):
    """The moderator's: the ranked list and the answer, never the transcript."""

    differential: tuple[str, ...]
    answer: str
    synonyms: tuple[str, ...]


# What a role knows at its turn


class Common(TypedDict):
    """The fields of `View`, which are found alike for all roles."""

    role: Role
    turn: int
    max_turns: int
    events: tuple[Event, ...]
    profile: BiasProfile


def doctor_view(s: Scenario, common: Common) -> DoctorView:
    """Of the case, only what hangs on the door."""
    asked = s.question
    return DoctorView(
        **common,
        task=s.task,
        site=s.setting.site,
        position=s.setting.role,
        resources=s.setting.resources,
        question=asked.put if asked else None,
        options=tuple(AskedOption(o.id, o.text) for o in asked.options) if asked else (),
        age=s.patient.identity.age,
        sex=s.patient.identity.sex,
        case=case_mark(s.lineage),
    )


def patient_view(
    script: Script, trust: float, opened: Iterable[Fact], locked: Iterable[Fact], due: int, common: Common
) -> PatientView:
    """`locked` are the shut facts that it may see; `due` is the place in its events from which on it
    has not answered yet."""
    return PatientView(
        **common,
        script=script,
        trust=trust,
        opened=tuple(opened),
        locked=tuple(locked),
        due=tuple(e for e in common["events"][due:] if isinstance(e.what, Heard)),
    )


def measurement_view(s: Scenario, orders: tuple[Order, ...], common: Common) -> MeasurementView:
    """All that can be found, and what was ordered."""
    return MeasurementView(
        **common,
        exam=s.exam,
        tests=s.shown_tests,
        images=s.shown_images,
        unlisted=s.unlisted_tests,
        sex=s.patient.identity.sex,
        age=s.patient.identity.age,
        orders=orders,
        folder=s.folder,
    )


def moderator_view(s: Scenario, events: Sequence[Event], common: Common) -> ModeratorView:
    """The last diagnosis among the events, and the answer."""
    given = next(e.what for e in reversed(events) if isinstance(e.what, Diagnose))
    answer = s.answer.diagnosis
    assert answer
    return ModeratorView(
        **common, differential=given.differential, answer=answer.name, synonyms=answer.synonyms
    )


def script_of(scenario: Scenario, unnamed: frozenset[str] = frozenset()) -> Script:
    """The ungated part of the patient's side; `unnamed` are concepts whose name gives the answer away."""
    p: Patient = scenario.patient
    facts = tuple(f for f in scenario.facts.values() if not f.gated)
    return Script(
        identity=p.identity,
        informant=p.informant,
        informant_name=p.informant_name,
        appearance=p.appearance,
        facts=facts,
        questions=tuple((q.ask, q.when.after_turn, q.satisfied_by) for q in p.questions),
        default=p.denials.default,
        unknown_slot=p.denials.unknown_slot,
        absent=p.denials.explicit,
        others=p.others,
        cues=p.cues,
        beliefs=p.beliefs,
        decisions=p.decisions,
        challenge=p.challenge.script if p.challenge.type != "none" else (),
        defused_by=p.challenge.defused_by,
        fact_order=tuple(f.id for f in facts),
        unnamed=unnamed,
    )


# What a role sees of an event

_SEEN_BY_DOCTOR = (DoorNote, Report, Say, Leave)
_SEEN_BY_PATIENT = (Say, Leave, Rate)


def _numbered(event: Event, n: int) -> Event:
    return Event(n, event.turn, event.role, event.what)


def for_doctor(event: Event, n: int) -> Event | None:
    """The event as the doctor sees it, numbered in its own view, or None."""
    what = event.what
    if event.role is Role.DOCTOR:
        return _numbered(event, n)
    if isinstance(what, Notice):
        return _numbered(event, n) if what.to is Role.DOCTOR else None
    if not isinstance(what, _SEEN_BY_DOCTOR):
        return None
    if isinstance(what, Report):
        what = replace(what, results=tuple(_plain(r) for r in what.results))
    if isinstance(what, Say):
        what = Say(what.text)
    return Event(n, event.turn, event.role, without_aside(what))


def _plain(result: Result) -> Result:
    """A result without what would tell a listed test from another."""
    return replace(result, ids=(), source="scenario", route=())


def for_patient(event: Event, n: int, shut: Collection[str], sees_locked: bool) -> Event | None:
    """The event as the patient sees it, or None. `shut` are the ids of facts still locked."""
    what = event.what
    if event.role is Role.PATIENT:
        if isinstance(what, Say) and not sees_locked:  # the rule may find what the patient is not to know
            event = replace(event, what=replace(what, ids=tuple(i for i in what.ids if i not in shut)))
        return _numbered(event, n)
    if isinstance(what, Heard):
        if not sees_locked:
            probes = tuple(replace(p, facts=tuple(i for i in p.facts if i not in shut)) for p in what.probes)
            what = replace(what, probes=probes)
        return Event(n, event.turn, event.role, what)
    if isinstance(what, Notice):
        return _numbered(event, n) if what.to is Role.PATIENT else None
    if isinstance(what, Diagnose):  # the patient hears what it is told, not the ranked list
        return None
    if isinstance(what, (Examine, OrderTests, RequestImage)):
        return Event(n, event.turn, event.role, without_aside(what))
    if not isinstance(what, _SEEN_BY_PATIENT):
        return None
    return Event(n, event.turn, event.role, without_aside(what))
