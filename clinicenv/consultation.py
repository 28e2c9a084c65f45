"""The one loop: a state machine that says whose turn it is and what they see, and takes what they did.

It never calls a model, opens a file, sleeps or awaits.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeAlias, TypedDict, Unpack

from clinicenv import __version__
from clinicenv.clinic.annotate import facts_told
from clinicenv.clinic.hearing import Hearing
from clinicenv.clinic.lint_text import telling_concepts
from clinicenv.clinic.verdicts import judge
from clinicenv.draws import Draw, Draws, Fork, TurnDraw, pick
from clinicenv.events import (
    FINAL,
    ORDERS,
    Action,
    Answer,
    Diagnose,
    DoorNote,
    Ended,
    Event,
    Examine,
    Failed,
    Happening,
    Header,
    Heard,
    IllegalAction,
    Judge,
    Leave,
    Notice,
    Order,
    OrderTests,
    Outcome,
    Rate,
    Report,
    RequestImage,
    Role,
    Say,
    Status,
    Trajectory,
    Unparsed,
    to_data,
)
from clinicenv.profile import BiasProfile
from clinicenv.scenario import Scenario
from clinicenv.view import (
    Common,
    View,
    doctor_view,
    for_doctor,
    for_patient,
    measurement_view,
    moderator_view,
    patient_view,
    script_of,
)

DEFAULT_MAX_TURNS = 20


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is, what they see, what they may do, and their only randomness."""

    role: Role
    view: View
    legal: tuple[type, ...]
    draw: Draw


Acted: TypeAlias = Action | Sequence[Action]


class Agent(Protocol):
    """Anything that acts. It holds no state that it could not rebuild from its view."""

    def act(self, turn: Turn) -> Acted | Awaitable[Acted]: ...


@dataclass(frozen=True)
class Seat:
    """Who plays a role: the full settings of its agent, and the profile it plays under."""

    settings: Mapping[str, Any]
    profile: BiasProfile

    @cached_property
    def kind(self) -> str:
        """`scripted`, `model`, `human`, `replay` or `plugin`."""
        return str(self.settings.get("kind", "plugin"))

    @cached_property
    def described(self) -> dict[str, Any]:
        """For the header: all that could change what this seat does."""
        profile = self.profile.model_dump(mode="json", exclude_defaults=True)
        return {"agent": to_data(self.settings), "profile": profile}


class Cast(Protocol):
    """The agents for the roles of one consultation, and their seats."""

    @property
    def seats(self) -> Mapping[Role, Seat]: ...

    def __getitem__(self, role: Role) -> Agent: ...


class AgentError(Exception):
    """An agent could not act; the consultation ends as `error` with this cause."""


class EngineError(Exception):
    """The simulator itself broke over a legal action: no agent's fault. The cause is chained."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table: who is on, what they may do, and what may come next."""

    role: Role
    legal: tuple[type, ...]
    then: tuple[str, ...]


_ASKS = (Say, Examine, OrderTests, RequestImage)
_END = ("judged", "rated", "over")
TABLE: dict[str, Step] = {
    "diagnose": Step(Role.DOCTOR, (*_ASKS, Diagnose, Leave, Unparsed), ("measured", "answered", "on", *_END)),
    "communicate": Step(Role.DOCTOR, (*_ASKS, Leave, Unparsed), ("measured", "answered", "on", *_END)),
    "question": Step(Role.DOCTOR, (*_ASKS, Answer, Leave, Unparsed), ("measured", "answered", "on", *_END)),
    "shown": Step(Role.MEASUREMENT, (Report,), ("on",)),
    "measured": Step(Role.MEASUREMENT, (Report,), ("answered", "on", *_END)),
    "answered": Step(Role.PATIENT, (Say, Leave), ("on", *_END)),
    "judged": Step(Role.MODERATOR, (Judge,), ("rated", "over")),
    "rated": Step(Role.PATIENT, (Rate,), ("over",)),
}
"""Whose turn may follow whose, and which actions each may take. `on` is the doctor again, by task; `shown` is
before the first turn, for what is handed out unasked; `over` is the end."""

LAST = {
    "diagnose": "This is your last turn: commit to a diagnosis and a plan now.",
    "communicate": "This is your last turn: bring the conversation to a close now.",
    "question": "This is your last turn: give your answer now.",
}
"""What the doctor is told with the last turn, by task."""


class Settings(TypedDict, total=False):
    """How a consultation is set up, beside its scenario and its cast."""

    seed: int
    """with the repeat, the scenario and the profiles it decides every draw; 0 if not given"""
    repeat: int
    max_turns: int | None
    """limits go before the scenario's own, which go before 20 turns"""
    minutes: int | None
    budget: float | None
    images: str
    """`request` (the doctor asks), `start` (all come after the patient's opening line) or `none`; the image
    of a question comes unasked but with `none`"""
    forks: tuple[Fork, ...]
    """where it left its parents"""


LIMITS = ("max_turns", "minutes", "budget")


def make_header(scenario: Scenario, cast: Cast, **settings: Unpack[Settings]) -> Header:
    """All that decides a consultation; its `key` is known before it is played.

    TypeError for a setting that does not exist, ValueError for a value that cannot be.
    """
    if unknown := settings.keys() - Settings.__annotations__.keys():
        raise TypeError(f"no such setting of a consultation: {', '.join(sorted(unknown))}")
    if settings.get("images", "request") not in ("request", "start", "none"):
        raise ValueError(f"images is request, start or none, not {settings['images']!r}")
    own = scenario.setting.limits.model_dump()
    given: dict[str, Any] = {name: settings.get(name) for name in LIMITS}
    if wrong := [name for name, value in given.items() if value is not None and value <= 0]:
        raise ValueError(f"{wrong[0]} must be above 0")
    limits = {name: own[name] if value is None else value for name, value in given.items()}
    return Header(
        scenario=scenario.id,
        scenario_hash=scenario.hash,
        task=scenario.task,
        cast={role.value: seat.described for role, seat in cast.seats.items()},
        seed=settings.get("seed", 0),
        repeat=settings.get("repeat", 0),
        limits={**limits, "max_turns": limits["max_turns"] or DEFAULT_MAX_TURNS},
        images=settings.get("images", "request"),
        limits_set=tuple(name for name in LIMITS if given[name] is not None),
        forks=tuple({"turn": f.turn, "sibling": f.sibling} for f in settings.get("forks", ())),
        perturbed=s.model_dump(mode="json", exclude_defaults=True) if (s := scenario.perturbed) else {},
        versions={"clinicenv": __version__},
    )


class Consultation:
    """One consultation.

    Args:
        scenario: the case.
        cast: who plays each role; read for its seats only, never called.
        header: from `make_header`, in place of all settings.
        settings: see `Settings`.
    """

    def __init__(
        self,
        scenario: Scenario,
        cast: Cast,
        *,
        header: Header | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        self.header = header or make_header(scenario, cast, **settings)
        self.scenario = scenario
        self._seats = dict(cast.seats)
        left = tuple(Fork(**f) for f in self.header.forks)
        self._draws = Draws(self.header.seed, self.header.repeat, scenario.lineage, left)
        self._max_turns = int(self.header.limits["max_turns"] or DEFAULT_MAX_TURNS)
        self._events: list[Event] = []
        self._seen: dict[Role, list[Event]] = {Role.DOCTOR: [], Role.PATIENT: []}
        patient = self._seats[Role.PATIENT]
        self._sees_locked = patient.kind in ("scripted", "human", "replay")
        self._hearing = Hearing(scenario, patient.profile.trust)
        self._script = script_of(scenario, telling_concepts(scenario))
        self._turn = 0
        self._minutes = self._tests = 0
        self._cost = 0.0
        self._orders: tuple[Order, ...] = ()
        self._spoke = False
        self._due = 0  # the patient answers what it heard from here on in its view
        self._phase = "on"
        self._outcome: Outcome | None = None
        self._end: tuple[Status, str] | None = None
        self._pending: Turn | None = None
        self._open()

    # What is asked of it

    @cached_property
    def key(self) -> str:
        """Its name in a run."""
        return self.header.key

    @property
    def pending(self) -> Turn | None:
        """The turn that is due, or None when it is over."""
        if self._pending is None and self._phase != "over":
            step = TABLE[self._phase]
            draw = TurnDraw(self._draws, step.role, self._turn + (step.role is Role.DOCTOR))
            self._pending = Turn(step.role, self._view(step.role), self._legal(step), draw)
        return self._pending

    @property
    def trajectory(self) -> Trajectory:
        """The log so far, or the whole of it."""
        return Trajectory(self.header, tuple(self._events), self._outcome, self.key)

    def submit(self, actions: Acted) -> None:
        """Takes what the pending role did. IllegalAction on a wrong one, and nothing has changed."""
        turn = self.pending
        if turn is None:
            raise IllegalAction("the consultation is over")
        acts = _checked(actions, turn)
        if turn.role is Role.PATIENT:
            told = {i for a in acts if isinstance(a, Say) for i in a.ids}
            if unknown := told - self.scenario.facts.keys():
                raise IllegalAction(f"Say: the scenario has no fact `{min(unknown)}`")
        self._pending = None
        try:
            self._take(turn, acts)
        except Exception as e:
            raise EngineError(f"{type(e).__name__}: {e}") from e

    def _take(self, turn: Turn, acts: list[Action]) -> None:
        if turn.role is Role.DOCTOR:
            self._doctor_acted(acts)
        elif turn.role is Role.MEASUREMENT:
            self._measured(acts)
        elif self._phase == "answered":
            self._answered(acts)
        else:
            for act in acts:
                self._log(turn.role, act)
            self._after_end()

    def fail(self, role: Role, cause: str) -> None:
        """Ends it as `error`: this role's agent broke. Counts as nobody's wrong diagnosis."""
        if self._phase == "over":
            raise IllegalAction("the consultation is over")
        self._log(Role.CORE, Failed(role, cause))
        self._close("error", "failed")

    # The course

    def _open(self) -> None:
        s = self.scenario
        self._log(Role.CORE, DoorNote(s.setting.door_note))
        line = pick(s.patient.opening, self._draws.number("patient", "opening", 0))
        self._log(Role.PATIENT, Say(line, ids=s.patient.opening_facts, ids_by="agent"))
        self._due = len(self._seen[Role.PATIENT])
        if unasked := self._unasked():
            self._orders = (RequestImage(unasked),)
            self._go("shown")
        else:
            self._doctor_is_due()

    def _unasked(self) -> tuple[str, ...]:
        """The names of the images that are handed out before the first turn: all or, unless there are to be
        none, the one that the question is about."""
        s, when = self.scenario, self.header.images
        about = s.question.image if s.question and when != "none" else None
        return tuple(i.name for i in s.images if when == "start" or i.id == about)

    def _doctor_is_due(self) -> None:
        """The doctor again, unless a limit is reached."""
        limits = self.header.limits
        if self._turn >= self._max_turns:
            self._finish("truncated", "max_turns")
        elif limits["minutes"] and self._minutes >= limits["minutes"]:
            self._finish("truncated", "minutes")
        elif limits["budget"] and self._cost >= limits["budget"]:
            self._finish("truncated", "budget")
        else:
            if self._turn + 1 == self._max_turns:
                self._log(Role.CORE, Notice(Role.DOCTOR, LAST[self.scenario.task]))
            self._go("on")

    def _doctor_acted(self, acts: list[Action]) -> None:
        self._turn += 1
        self._due = len(self._seen[Role.PATIENT])
        self._spoke = any(isinstance(a, Say) for a in acts)
        for act in acts:
            self._log(Role.DOCTOR, Say(act.text, aside=act.aside) if isinstance(act, Say) else act)
            if isinstance(act, Say):
                self._minutes += 1
                self._log(Role.CORE, self._hearing.hear(act.text, of=len(self._events) - 1, turn=self._turn))
            elif isinstance(act, Unparsed):
                self._log(Role.CORE, Notice(Role.DOCTOR, act.reason))
        last = acts[-1]
        if isinstance(last, FINAL):
            return self._finish("terminated", last.type)
        self._orders = tuple(a for a in acts if isinstance(a, ORDERS))
        if self._orders:
            return self._go("measured")
        return self._go("answered") if self._spoke else self._doctor_is_due()

    def _measured(self, acts: list[Action]) -> None:
        asked_for = self._phase == "measured"
        for act in acts:
            self._log(Role.MEASUREMENT, act)
            if isinstance(act, Report) and asked_for:
                for result in act.results:
                    if result.kind == "exam":
                        self._minutes += result.minutes
                    else:
                        self._cost += result.cost
                        self._tests += result.source not in ("unavailable", "unknown")
        return self._go("answered") if self._spoke else self._doctor_is_due()

    def _answered(self, acts: list[Action]) -> None:
        for act in acts:
            self._log(Role.PATIENT, self._annotated(act) if isinstance(act, Say) else act)
        if isinstance(acts[-1], Leave):
            return self._finish("truncated", "patient_left")
        return self._doctor_is_due()

    def _annotated(self, say: Say) -> Say:
        """With the ids of the facts it told; the rule finds them where the agent does not say."""
        if say.ids_by is not None:
            return say
        heard = (e.what for e in self._seen[Role.PATIENT][self._due :] if isinstance(e.what, Heard))
        asked = {i for h in heard for p in h.probes for i in p.facts}
        told = facts_told(say.text, self.scenario.facts.values(), asked)
        return replace(say, ids=told, ids_by="rule")

    def _finish(self, status: Status, reason: str) -> None:
        """The rule's verdict, then whoever may judge or rate, then the end."""
        self._end = (status, reason)
        verdict = judge(self.scenario, self._events)
        self._log(Role.CORE, verdict)
        if verdict.diagnosis_given and Role.MODERATOR in self._seats:
            self._go("judged")
        else:
            self._after_end()

    def _after_end(self) -> None:
        assert self._end
        if self._phase != "rated" and self._seats[Role.PATIENT].settings.get("rates"):
            self._go("rated")
        else:
            self._close(*self._end)

    def _close(self, status: Status, reason: str) -> None:
        self._log(Role.CORE, Ended(status, reason))
        self._outcome = Outcome(
            status=status,
            reason=reason,
            turns=self._turn,
            minutes=self._minutes,
            tests=self._tests,
            cost=round(self._cost, 2),
            trust=round(self._hearing.trust, 6),
        )
        self._phase, self._pending = "over", None

    def _go(self, phase: str) -> None:
        here = TABLE.get(self._phase)
        if here and phase not in here.then:
            raise EngineError(f"the table has no step from {self._phase} to {phase}")
        self._phase = self.scenario.task if phase == "on" else phase

    def _log(self, role: Role, what: Action | Happening) -> None:
        event = Event(len(self._events), self._turn, role, what)
        self._events.append(event)
        doctors, patients = self._seen[Role.DOCTOR], self._seen[Role.PATIENT]
        if seen := for_doctor(event, len(doctors)):
            doctors.append(seen)
        if seen := for_patient(event, len(patients), self._hearing.shut, self._sees_locked):
            patients.append(seen)

    # What each role sees

    def _legal(self, step: Step) -> tuple[type, ...]:
        if self.header.images == "none":
            return tuple(t for t in step.legal if t is not RequestImage)
        return step.legal

    def _view(self, role: Role) -> View:
        common = Common(
            role=role,
            turn=self._turn + (role is Role.DOCTOR),
            max_turns=self._max_turns,
            events=tuple(self._seen.get(role, ())),
            profile=self._seats[role].profile,
        )
        if role is Role.DOCTOR:
            return doctor_view(self.scenario, common)
        if role is Role.PATIENT:
            hearing = self._hearing
            locked = hearing.shut.values() if self._sees_locked else ()
            return patient_view(self._script, hearing.trust, hearing.opened, locked, self._due, common)
        if role is Role.MEASUREMENT:
            return measurement_view(self.scenario, self._orders, common)
        return moderator_view(self.scenario, self._events, common)


def _checked(actions: Acted, turn: Turn) -> list[Action]:
    """The actions as a list, or IllegalAction."""
    acts: list[Action] = list(actions) if isinstance(actions, Iterable) else [actions]
    if not acts:
        raise IllegalAction("at least one action is needed")
    for act in acts:
        if type(act) not in turn.legal:
            legal = ", ".join(t.__name__ for t in turn.legal)
            raise IllegalAction(f"{type(act).__name__} is not legal for the {turn.role} now; legal: {legal}")
    if any(isinstance(a, FINAL) for a in acts[:-1]):
        raise IllegalAction("Diagnose, Answer or Leave is given once, as the last action")
    if turn.role is Role.DOCTOR:
        if isinstance(acts[-1], FINAL) and any(isinstance(a, ORDERS) for a in acts):
            raise IllegalAction("orders are not carried out beside a final action; order first, decide later")
    elif len(acts) > 1:
        raise IllegalAction(f"the {turn.role} gives one action, got {len(acts)}")
    return acts


async def drive(consultation: Consultation, cast: Cast, until: Role | None = None) -> None:
    """Plays on to the end, or until a role is due that plays from outside."""
    while (turn := consultation.pending) and turn.role is not until:
        try:
            acted = cast[turn.role].act(turn)
            if hasattr(acted, "__await__"):
                acted = await acted
        except AgentError as e:
            consultation.fail(turn.role, str(e))
        else:
            consultation.submit(acted)


def drive_sync(consultation: Consultation, cast: Cast, until: Role | None = None) -> None:
    """`drive` for agents that never await; RuntimeError if one does."""
    try:
        drive(consultation, cast, until).send(None)
    except StopIteration:
        return
    raise RuntimeError("an agent of this cast awaits; use `await drive(...)`")
