"""Axes of a rubric rated by rule: an option of each axis's scale, with the events that decide it."""

from collections.abc import Iterator
from dataclasses import dataclass

from clinicenv.events import Trajectory
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
    """what the rule made of the log, 0 to 1"""
    events: tuple[int, ...] = ()


def option_of(scale: Scale, value: float) -> int:
    """The place of the option that a value falls on."""
    return min(int(max(value, 0.0) * len(scale.options) + 1e-9), len(scale.options) - 1)


def rate(rubric: Rubric, scenario: Scenario, trajectory: Trajectory) -> dict[str, Rated]:
    """The axes of a rubric that rules rate; the others are left to a model or a person.

    None of them applies to a question, which is no consultation, and those about a work-up not to a difficult
    conversation.
    """
    evidence = Evidence(scenario, trajectory)
    return {
        rated.axis: rated for axis in rubric.axes if axis.rule for rated in _rated(rubric, axis, evidence)
    }


def _rated(rubric: Rubric, axis: Axis, evidence: Evidence) -> Iterator[Rated]:
    task, rule = evidence.scenario.task, str(axis.rule)
    if task == "question" or (task == "communicate" and rule in OF_A_DIAGNOSIS):
        yield Rated(axis.id, None, None)
        return
    value, events = RULES[rule](evidence)
    events = tuple(sorted(set(events)))
    if value is None:
        yield Rated(axis.id, None, None, events)
        return
    scale = rubric.scale(axis)
    yield Rated(axis.id, scale.options[option_of(scale, value)].id, min(max(value, 0.0), 1.0), events)
