"""Axes of a rubric rated by rule: an option of each axis's scale, with the events that decide it."""

from collections.abc import Iterator
from dataclasses import dataclass

from clinicenv.events import Judge, Trajectory
from clinicenv.scenario import Scenario
from clinicenv.score.axis_rules import OF_A_DIAGNOSIS, RULES, Evidence
from clinicenv.score.rubric import Axis, Rubric, Scale


@dataclass(frozen=True, slots=True)
class Rated:
    """One axis of one consultation: the option, or that it does not apply, and what decided it."""

    axis: str
    option: str | None
    """None where it does not apply"""
    value: float | None
    """what the rule made of the log, 0 to 1; None where a model or a person rated"""
    events: tuple[int, ...] = ()
    reason: str = ""
    """in the words of a model or a person"""


def option_of(scale: Scale, value: float) -> int:
    """The place of the option that a value falls on."""
    return min(int(max(value, 0.0) * len(scale.options) + 1e-9), len(scale.options) - 1)


def can_apply(axis: Axis, scenario: Scenario, trajectory: Trajectory) -> bool:
    """Whether an axis is about such a consultation at all: none is about a question, which is no talk, those
    about a work-up not about a difficult conversation, those about a rank not about a shorter list."""
    if scenario.task == "question":
        return False
    if axis.rank:
        return len(trajectory.verdict.ranks if trajectory.verdict else ()) >= axis.rank
    return scenario.task != "communicate" or axis.rule not in OF_A_DIAGNOSIS


def rate(rubric: Rubric, scenario: Scenario, trajectory: Trajectory) -> dict[str, Rated]:
    """The axes of a rubric that rules rate, and those that cannot apply; the others are left to a model or a
    person, and so is a diagnosis on which the rule is undecided."""
    evidence = Evidence(scenario, trajectory)
    return {rated.axis: rated for axis in rubric.axes for rated in _rated(rubric.scale(axis), axis, evidence)}


def moderated(rubric: Rubric, trajectory: Trajectory) -> dict[str, Rated]:
    """What a moderator in the consultation said of each diagnosis, as the best and the worst option."""
    judged = next((e for e in reversed(trajectory.events) if isinstance(e.what, Judge)), None)
    if judged is None:
        return {}
    said = dict(enumerate(judged.what.verdicts, 1))  # type: ignore[union-attr]
    found = {}
    for axis in rubric.axes:
        worst, *_, best = rubric.scale(axis).places
        option = best if said.get(axis.rank or 0) == "same" else worst
        found[axis.id] = Rated(axis.id, option if axis.rank in said else None, None, (judged.n,))
    return found


def _rated(scale: Scale, axis: Axis, evidence: Evidence) -> Iterator[Rated]:
    if not can_apply(axis, evidence.scenario, evidence.trajectory):
        yield Rated(axis.id, None, None)
        return
    if not axis.rule and not axis.rank:
        return
    value, events = _of_rank(axis.rank, evidence) if axis.rank else RULES[str(axis.rule)](evidence)
    events = tuple(sorted(set(events)))
    if value is not None:
        option = scale.options[option_of(scale, value)].id
        yield Rated(axis.id, option, min(max(value, 0.0), 1.0), events)
    elif axis.rule:
        yield Rated(axis.id, None, None, events)


def _of_rank(rank: int, evidence: Evidence) -> tuple[float | None, tuple[int, ...]]:
    """The rule's verdict on a diagnosis: 1 right, just below a half partly, which is bad where there are two
    options only, 0 wrong; None where it is undecided."""
    assert evidence.trajectory.verdict
    verdict = evidence.trajectory.verdict.ranks[rank - 1]
    events = (evidence.final[0],) if evidence.final else ()
    if verdict.verdict == "undecided":
        return None, events
    return (1.0 if verdict.right else 0.49 if verdict.credit else 0.0), events
