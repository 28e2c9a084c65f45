"""Actions that roles take, things that happen, and the trajectory that holds them all."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter

FORMAT = 1
"""The version of a trajectory line."""

Aside: TypeAlias = dict[str, Any] | None
"""What no other role sees: reasoning, look-ups, raw model text. JSON data."""


class Role(StrEnum):
    """Who acts. The core itself signs its events as `core`."""

    DOCTOR = "doctor"
    PATIENT = "patient"
    MEASUREMENT = "measurement"
    MODERATOR = "moderator"
    CORE = "core"


class IllegalAction(ValueError):
    """An action that the role may not take now, or that is malformed. Nothing has changed."""


def _items(given: Iterable[str], what: str, least: int, most: int) -> tuple[str, ...]:
    if isinstance(given, str):
        given = (given,)
    items = tuple(given)
    if not all(isinstance(i, str) for i in items):
        raise IllegalAction(f"{what}: every item must be text")
    items = tuple(" ".join(i.split()) for i in items)
    if any(not i or ";" in i for i in items):
        raise IllegalAction(f"{what}: an item is empty or has a `;` in it")
    if not least <= len(items) <= most:
        raise IllegalAction(f"{what}: needs {least} to {most} items, got {len(items)}")
    return items


def _text(given: str, what: str) -> str:
    if not isinstance(given, str):
        raise IllegalAction(f"{what}: needs text, got {type(given).__name__}")
    return given.strip()


MAX_ITEMS = 20
"""Examinations, tests or images in one action; more is a shotgun, not a work-up."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speech. `ids` are the facts it told, and `ids_by` who says so: the agent or the rule annotator."""

    text: str
    ids: tuple[str, ...] = ()
    ids_by: Literal["agent", "rule"] | None = None
    aside: Aside = None
    type: Literal["say"] = "say"

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _text(self.text, "Say"))
        if not self.text:
            raise IllegalAction("Say: the text is empty")


@dataclass(frozen=True, slots=True)
class Examine:
    """Examinations, as the doctor words them."""

    items: tuple[str, ...]
    aside: Aside = None
    type: Literal["examine"] = "examine"

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", _items(self.items, "Examine", 1, MAX_ITEMS))


@dataclass(frozen=True, slots=True)
class OrderTests:
    """Tests, as the doctor words them."""

    items: tuple[str, ...]
    aside: Aside = None
    type: Literal["order_tests"] = "order_tests"

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", _items(self.items, "OrderTests", 1, MAX_ITEMS))


@dataclass(frozen=True, slots=True)
class RequestImage:
    """Image studies, as the doctor words them."""

    items: tuple[str, ...]
    aside: Aside = None
    type: Literal["request_image"] = "request_image"

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", _items(self.items, "RequestImage", 1, MAX_ITEMS))


PLAN_FIELDS = ("escalation", "investigations", "treatment", "follow_up", "safety_net", "explanation")


@dataclass(frozen=True, slots=True)
class Plan:
    """Management in the fields of AMIE's post-questionnaire (arXiv 2401.05654), and free text."""

    text: str = ""
    escalation: str = ""
    investigations: str = ""
    treatment: str = ""
    follow_up: str = ""
    safety_net: str = ""
    explanation: str = ""

    def __post_init__(self) -> None:
        for name in ("text", *PLAN_FIELDS):
            lines = (line.strip() for line in _text(getattr(self, name), f"Plan.{name}").splitlines())
            object.__setattr__(self, name, "\n".join(line for line in lines if line))

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in ("text", *PLAN_FIELDS))


@dataclass(frozen=True, slots=True)
class Diagnose:
    """The doctor's end: a differential of 1 to 10, most likely first, and a plan."""

    differential: tuple[str, ...]
    plan: Plan = Plan()
    aside: Aside = None
    type: Literal["diagnose"] = "diagnose"

    def __post_init__(self) -> None:
        object.__setattr__(self, "differential", _items(self.differential, "Diagnose", 1, 10))
        if isinstance(self.plan, str):
            object.__setattr__(self, "plan", Plan(self.plan))


@dataclass(frozen=True, slots=True)
class Answer:
    """The doctor's end of a `question` task: an option's id, or free text."""

    text: str
    aside: Aside = None
    type: Literal["answer"] = "answer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", " ".join(_text(self.text, "Answer").split()))
        if not self.text:
            raise IllegalAction("Answer: the text is empty")


@dataclass(frozen=True, slots=True)
class Leave:
    """The doctor ends the talk, or the patient walks out."""

    text: str = ""
    aside: Aside = None
    type: Literal["leave"] = "leave"

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", " ".join(_text(self.text, "Leave").split()))


@dataclass(frozen=True, slots=True)
class Unparsed:
    """Text that cannot be read as an action, or that is not legal now, and why."""

    text: str
    reason: str
    aside: Aside = None
    type: Literal["unparsed"] = "unparsed"


Source: TypeAlias = Literal[
    "scenario", "normal", "unavailable", "unknown", "model", "report", "person", "picture", "reader"
]
"""Where a result is from. Only the log says it: the doctor sees the same format for all."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one item showed. `ids` are the findings, tests or images of the scenario behind it."""

    item: str
    """as the doctor worded it"""
    name: str
    text: str
    """what the doctor reads: values with units and reference ranges"""
    kind: Literal["exam", "test", "image"]
    ids: tuple[str, ...] = ()
    source: Source = "scenario"
    route: tuple[str, ...] = ()
    """the steps of an image's route, or which policy answered"""
    flags: tuple[str, ...] = ()
    """`low`, `high`, `abnormal`, `critical`: one for each value out of range"""
    cost: int | float = 0
    minutes: int = 0
    """for examinations: time in the room; for tests: turnaround"""
    pictures: tuple[str, ...] = ()
    """keys of the pictures that the doctor is shown, see `clinicenv.gallery`"""


@dataclass(frozen=True, slots=True)
class Report:
    """The measurement agent's results, in the order that they were asked for."""

    results: tuple[Result, ...]
    aside: Aside = None
    type: Literal["report"] = "report"


@dataclass(frozen=True, slots=True)
class Judge:
    """A moderator's verdict for each ranked diagnosis."""

    verdicts: tuple[str, ...]
    aside: Aside = None
    type: Literal["judge"] = "judge"


@dataclass(frozen=True, slots=True)
class Rate:
    """The patient's private ratings at the end, 1 to 10 (AgentClinic's three, arXiv 2405.07960)."""

    confidence: int
    compliance: int
    consultation: int
    aside: Aside = None
    type: Literal["rate"] = "rate"

    def __post_init__(self) -> None:
        for value in (self.confidence, self.compliance, self.consultation):
            if not isinstance(value, int) or not 1 <= value <= 10:
                raise IllegalAction("Rate: each rating is a whole number from 1 to 10")


Action: TypeAlias = (
    Say | Examine | OrderTests | RequestImage | Diagnose | Answer | Leave | Unparsed | Report | Judge | Rate
)
Order: TypeAlias = Examine | OrderTests | RequestImage
FINAL = (Diagnose, Answer, Leave)
ORDERS = (Examine, OrderTests, RequestImage)


@dataclass(frozen=True, slots=True)
class DoorNote:
    """Event 0: the doctor's first message."""

    text: str
    type: Literal["door_note"] = "door_note"


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that a doctor's line asks about. `text` is the doctor's own words for it."""

    intent: str
    concept: str | None = None
    slot: str | None = None
    text: str = ""
    facts: tuple[str, ...] = ()
    """the facts that a full answer would tell, whatever their gate"""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A thing just asked about that stays hidden, in the doctor's words, and how. Never the value."""

    about: str
    how: Literal["deny", "evade", "partial"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the router made of the doctor's `Say` in event `of`: the same for every kind of patient."""

    of: int
    acts: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    trust: int | float = 0.0
    opened: tuple[str, ...] = ()
    """gated facts that this line opened"""
    withheld: tuple[Withheld, ...] = ()
    """what it asked for that is still gated"""
    cue: str = ""
    """the cue that the patient lets slip in the reply"""
    picked_up: tuple[str, ...] = ()
    """cues of earlier replies that this line answers"""
    corrected: tuple[str, ...] = ()
    """false beliefs that it puts right"""
    turned_to: tuple[str, ...] = ()
    """other people in the room whom it addresses"""
    agreed: tuple[str, ...] = ()
    """decisions that it asked for and got"""
    refused: tuple[str, ...] = ()
    """decisions that it asked for and did not get"""
    type: Literal["heard"] = "heard"

    @property
    def intents(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.intent for p in self.probes))

    @property
    def concepts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.concept for p in self.probes if p.concept))


@dataclass(frozen=True, slots=True)
class Notice:
    """A word from the core to one role: why a line could not be read, that this is the last turn."""

    to: Role
    text: str
    type: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True)
class RankVerdict:
    """The rule's verdict on one ranked diagnosis: what it matched, why, and the credit it earns."""

    diagnosis: str
    verdict: Literal["exact", "synonym", "subtype", "parent", "acceptable", "wrong", "undecided"]
    why: str
    credit: int | float = 0.0

    @property
    def right(self) -> bool:
        """Whether it is the answer, by name or as a kind of it, at full credit."""
        return self.verdict in ("exact", "synonym", "subtype") and self.credit >= 1


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an answer to a question chose, and from what: all that scores of pairs need."""

    pair: str = ""
    options: tuple[str, ...] = ()
    """their texts, as they were offered"""
    option: str = ""
    """the text of the chosen one; empty where the answer names none of them, or more than one"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The rule's judgement of the whole: ranks, and four facts about the ending."""

    ranks: tuple[RankVerdict, ...]
    credit: int | float
    """of the differential, with the discount of second and third place"""
    diagnosis_given: bool
    plan_given: bool
    questions_resolved: bool
    farewell: bool
    answer_correct: bool | None = None
    """for `question` tasks"""
    chosen: Chosen | None = None
    """for `question` tasks"""
    goals_met: tuple[str, ...] = ()
    """for `communicate` tasks"""
    type: Literal["verdict"] = "verdict"


@dataclass(frozen=True, slots=True)
class Failed:
    """A role's agent broke; the consultation ends as `error`, and counts for nobody."""

    role: Role
    cause: str
    type: Literal["failed"] = "failed"


Status: TypeAlias = Literal["terminated", "truncated", "error"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: `reason` is the final action, the limit, `patient_left` or `failed`."""

    status: Status
    reason: str
    type: Literal["ended"] = "ended"


Happening: TypeAlias = DoorNote | Heard | Notice | Verdict | Failed | Ended


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted action, or a thing that happened. `turn` counts the doctor's acts, from 0."""

    n: int
    turn: int
    role: Role
    what: Action | Happening


@dataclass(frozen=True, slots=True)
class Header:
    """All that decides a consultation."""

    scenario: str
    scenario_hash: str
    task: str
    cast: dict[str, Any]
    """role -> the full settings of its agent and its profile"""
    seed: int
    repeat: int
    limits: dict[str, int | float | None]
    """the limits that hold: the run's, else the scenario's, else the default"""
    images: str
    limits_set: tuple[str, ...] = ()
    """which of them the run set"""
    forks: tuple[dict[str, Any], ...] = ()
    perturbed: dict[str, Any] = field(default_factory=dict)
    """what was done to the case (`clinicenv.scenario.Perturbed`); empty for a case as it is"""
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def key(self) -> str:
        """The consultation's name in a run: a hash of all that decides it, versions apart."""
        return self.key_of(self.repeat, self.digest())

    def digest(self) -> "hashlib._Hash":
        """A hash of all but the repeat: many repeats share it."""
        data = to_data(replace(self, versions={}, repeat=0))
        return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode())

    @staticmethod
    def key_of(repeat: int, digest: "hashlib._Hash") -> str:
        """The key of a repeat."""
        digest = digest.copy()
        digest.update(str(repeat).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end, in figures."""

    status: Status
    reason: str
    turns: int
    """acts of the doctor"""
    minutes: int
    tests: int
    """tests and images that were reported"""
    cost: int | float
    """of tests and images, in the scenario's illustrative dollars"""
    trust: int | float


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The log of one consultation. `outcome` is None while it goes on."""

    header: Header
    events: tuple[Event, ...]
    outcome: Outcome | None = None
    key: str = ""

    def of(self, *kinds: type) -> list[Event]:
        """The events of some kinds, in order."""
        return [e for e in self.events if isinstance(e.what, kinds)]

    @property
    def verdict(self) -> Verdict | None:
        return next((e.what for e in reversed(self.events) if isinstance(e.what, Verdict)), None)

    def told(self) -> set[str]:
        """The ids of the facts that the patient told."""
        says = (e.what for e in self.events if e.role is Role.PATIENT)
        return {i for say in says if isinstance(say, Say) for i in say.ids}

    def to_json(self) -> str:
        """One line, the same bytes for the same content."""
        return json.dumps(to_data(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def from_json(line: str | bytes) -> "Trajectory":
        """The trajectory in a line; pydantic's ValidationError where it is none."""
        return _trajectory().validate_json(line)


_PLAIN = (str, int, float, bool, type(None))


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    """The fields of a class and their defaults (MISSING where there is none)."""
    return tuple(
        (f.name, f.default_factory() if f.default_factory is not MISSING else f.default) for f in fields(kind)
    )


def to_data(value: Any) -> Any:
    """Plain JSON data; an empty field (None, no text, no items) is left out where that is its default."""
    if isinstance(value, _PLAIN):
        return value.value if isinstance(value, Role) else value
    if isinstance(value, Mapping):
        return {str(k): to_data(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_data(v) for v in value]
    data = {}
    for name, default in _defaults(type(value)):  # type: ignore[arg-type]
        v = getattr(value, name)
        if v or isinstance(v, (bool, int, float)) or v != default:
            data[name] = to_data(v)
    return data


_adapters: dict[str, TypeAdapter[Any]] = {}


def _trajectory() -> TypeAdapter[Trajectory]:
    if "trajectory" not in _adapters:
        _adapters["trajectory"] = TypeAdapter(Trajectory)
    return _adapters["trajectory"]


def without_aside(action: Any) -> Any:
    """The action as other roles see it."""
    return replace(action, aside=None) if getattr(action, "aside", None) is not None else action
