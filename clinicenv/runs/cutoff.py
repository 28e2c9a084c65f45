"""Free analyses of a log: what would have been diagnosed after fewer turns, and by another doctor.

Nothing is played again. A doctor is given the view that was there after a turn, told that it is the last
one, and acts once; the rule judges what it diagnoses. With a model as the doctor each is a call.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from inspect import isawaitable

from clinicenv.agents.cast import Cast
from clinicenv.clinic.verdicts import judge
from clinicenv.consultation import LAST, TABLE, Agent, AgentError, Turn
from clinicenv.draws import Draws, Fork, TurnDraw
from clinicenv.events import Action, Event, Notice, Report, RequestImage, Role, Trajectory, Verdict
from clinicenv.files import InputError
from clinicenv.models import loop
from clinicenv.profile import BiasProfile
from clinicenv.runs.results import ResultLine, seat_name
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.view import Common, doctor_view, for_doctor

AT_ONCE = 64
"""Diagnoses that are asked for at the same time."""

WHOLE = 0
"""In place of a number of turns: the whole talk."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A doctor's diagnosis from somebody's talk; `by` is empty where that is their own."""

    key: str
    arm: str
    scenario: str
    by: str
    after: int
    """turns of the talk that it has, or `WHOLE`"""

    @property
    def doctor(self) -> tuple[str, str]:
        """Who is asked: somebody by name, or the doctor of an arm."""
        return (self.by, "" if self.by else self.arm)


def diagnosed(
    store: Store, results: Sequence[ResultLine], after: Sequence[int], by: Sequence[str]
) -> tuple[dict[Asked, bool], dict[Asked, str]]:
    """Whether the first diagnosis is right, and why there is none where a doctor could not be asked.

    `after` are numbers of turns or `WHOLE`; `by` has `""` for each talk's own doctor. A talk that has not so
    many turns counts as it ended. InputError where a doctor cannot be seated as it was.
    """
    asking = _Asking(store)
    wanted = [Asked(r.key, r.arm, r.scenario, name, n) for r in results for name in by for n in after]
    return loop.run(asking.all(wanted))


class _Asking:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._doctors: dict[tuple[str, str], Agent] = {}

    async def all(self, wanted: Sequence[Asked]) -> tuple[dict[Asked, bool], dict[Asked, str]]:
        """A few at a time; agents that do not await come one after another."""
        right: dict[Asked, bool] = {}
        failed: dict[Asked, str] = {}
        for asked in wanted:
            await self._seat(asked)

        async def one(asked: Asked) -> None:
            try:
                right[asked] = await self._right(asked)
            except AgentError as e:
                failed[asked] = str(e)

        await loop.in_parallel(wanted, one, AT_ONCE)
        return right, failed

    async def _right(self, asked: Asked) -> bool:
        trajectory = self._store.trajectory(asked.key)
        assert trajectory.outcome
        talked = trajectory.outcome.turns - (trajectory.outcome.reason == "diagnose")
        turns = min(asked.after or talked, talked)
        if not asked.by and turns == talked:
            return _first_right(trajectory.verdict)
        scenario = self._store.scenario(trajectory.header.scenario_hash)
        events = cut(trajectory, turns)
        doctor = self._doctors[asked.doctor]
        if hasattr(doctor, "preflight") and any(pictures(e) for e in events):
            raise AgentError("the pictures that the doctor was shown are not in the log")
        acted = doctor.act(last_turn(scenario, trajectory, events, turns))
        acts = await acted if isawaitable(acted) else acted
        given: Iterable[Action] = acts if isinstance(acts, Iterable) else [acts]
        said = [Event(len(events) + n, turns + 1, Role.DOCTOR, act) for n, act in enumerate(given)]
        return _first_right(judge(scenario, [*events, *said]))

    async def _seat(self, asked: Asked) -> None:
        """The doctor of that name, or the talk's own as it was; a model is tried first."""
        as_it_ended = not asked.by and asked.after == WHOLE  # so nobody is asked
        if as_it_ended or asked.doctor in self._doctors:
            return
        seat = self._store.trajectory(asked.key).header.cast["doctor"]
        name, was = asked.by or seat_name(seat), seat["agent"]
        sampling = {} if asked.by else dict(was.get("sampling", {}))
        try:
            cast = Cast(name, arguments={"doctor": sampling} if sampling else None)
        except InputError as e:
            raise InputError(f"the doctor `{name}` cannot be seated here: {e.what}") from e
        if not asked.by and cast.seats[Role.DOCTOR].described["agent"] != was:
            raise InputError(f"the doctor `{name}` is not here as it was in the run; it cannot be asked")
        for model in cast.models:
            await model.preflight()
        self._doctors[asked.doctor] = cast[Role.DOCTOR]


def _first_right(verdict: Verdict | None) -> bool:
    return verdict is not None and bool(verdict.ranks) and verdict.ranks[0].right


def pictures(event: Event) -> bool:
    """Whether it shows the doctor a picture."""
    return isinstance(event.what, Report) and any(r.pictures for r in event.what.results)


def cut(trajectory: Trajectory, turns: int) -> list[Event]:
    """The events of the first turns, with the word that the next one is the last."""
    events = [e for e in trajectory.events if e.turn <= turns]
    last = LAST["diagnose"]
    told = any(isinstance(e.what, Notice) and e.what.text == last and e.turn == turns for e in events)
    if not told:
        events.append(Event(len(events), turns, Role.CORE, Notice(Role.DOCTOR, last)))
    return events


def last_turn(scenario: Scenario, trajectory: Trajectory, events: Sequence[Event], turns: int) -> Turn:
    """What a doctor sees who has these events and one turn left."""
    header = trajectory.header
    seen: list[Event] = []
    for event in events:
        if (shown := for_doctor(event, len(seen))) is not None:
            seen.append(shown)
    draws = Draws(header.seed, header.repeat, scenario.lineage, tuple(Fork(**f) for f in header.forks))
    profile = BiasProfile.model_validate(header.cast["doctor"]["profile"])
    common = Common(
        role=Role.DOCTOR, turn=turns + 1, max_turns=turns + 1, events=tuple(seen), profile=profile
    )
    legal = tuple(t for t in TABLE["diagnose"].legal if header.images != "none" or t is not RequestImage)
    return Turn(Role.DOCTOR, doctor_view(scenario, common), legal, TurnDraw(draws, Role.DOCTOR, turns + 1))
