"""The score of a whole consultation: one number from named parts, and what was taken off.

Weights: 0.40 diagnosis, 0.20 history, 0.10 examination, 0.10 investigations, 0.10 management, 0.10
communication; taken off: harm of the plan (0.1 for each grade), each harmful test 0.1, a dangerous diagnosis
that nothing addresses 0.2. A plan that could do grave harm has a veto: the score is 0. What a scenario has
nothing of gives its weight to the others in proportion. These are the project's own choice. A `communicate`
scenario's score is its goals (0.8) and communication (0.2), a question's the answer.
"""

from dataclasses import dataclass, field

from clinicenv.events import Trajectory
from clinicenv.scenario import Scenario
from clinicenv.score.process import Process, process

WEIGHTS = {
    "diagnosis": 0.4,
    "history": 0.2,
    "examination": 0.1,
    "investigations": 0.1,
    "management": 0.1,
    "communication": 0.1,
}
HARM, MISSED = 0.1, 0.2
PER_TURN, PER_THOUSAND = 0.005, 0.02
"""Taken off `net`: for each turn of the doctor, and for each thousand illustrative dollars."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The score, 0 to 1, and what it is made of."""

    score: float
    net: float
    """less what turns and costs take off; may be negative"""
    parts: dict[str, float] = field(default_factory=dict)
    """each 0 to 1, before its weight"""
    taken_off: dict[str, float] = field(default_factory=dict)


def terminal(scenario: Scenario, trajectory: Trajectory, marks: Process | None = None) -> Terminal:
    """The score of a consultation; ValueError for one that goes on or ended as `error`."""
    if trajectory.outcome is None or trajectory.outcome.status == "error":
        raise ValueError("a consultation that broke or goes on has no score")
    marks = marks or process(scenario, trajectory)
    parts = _parts(scenario, trajectory, marks)
    weights = _weights(scenario, parts)
    whole = sum(weights.values())
    gained = sum(parts[name] * weight for name, weight in weights.items()) / whole if whole else 0.0
    taken = _taken_off(marks) if scenario.task == "diagnose" else {}
    vetoed = scenario.task == "diagnose" and marks.veto.value
    score = 0.0 if vetoed else min(max(gained - sum(taken.values()), 0.0), 1.0)
    outcome = trajectory.outcome
    net = score - PER_TURN * outcome.turns - PER_THOUSAND * outcome.cost / 1000
    return Terminal(score, net, parts, taken)


def _parts(scenario: Scenario, trajectory: Trajectory, marks: Process) -> dict[str, float]:
    verdict = trajectory.verdict
    if scenario.task == "question":
        return {"answer": float(bool(verdict and verdict.answer_correct))}
    if scenario.task == "communicate":
        found = {"goals": marks.goals.value, "communication": marks.communication.value}
    else:
        found = {
            "diagnosis": float(verdict.credit) if verdict else 0.0,
            "history": marks.history.value,
            "examination": marks.examination.value,
            "investigations": _investigations(marks),
            "management": marks.management.value,
            "communication": marks.communication.value,
        }
    return {name: value for name, value in found.items() if value is not None}


def _investigations(marks: Process) -> float | None:
    """The share of the essential ones that were done, less a fifth for each one of little value."""
    if marks.essential.value is None:
        return None
    return max(0.0, marks.essential.value - 0.2 * (marks.low_value.value or 0))


def _weights(scenario: Scenario, parts: dict[str, float]) -> dict[str, float]:
    if scenario.task == "question":
        return {"answer": 1.0}
    every = {"goals": 0.8, "communication": 0.2} if scenario.task == "communicate" else WEIGHTS
    return {name: weight for name, weight in every.items() if name in parts}


def _taken_off(marks: Process) -> dict[str, float]:
    missed = 0.0 if marks.must_not_miss.value is None else MISSED * (1 - marks.must_not_miss.value)
    harmful = (marks.harmful.value or 0) + (marks.harm.value or 0)
    return {name: value for name, value in (("missed", missed), ("harm", HARM * harmful)) if value}
