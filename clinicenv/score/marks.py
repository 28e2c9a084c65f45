"""All marks of a consultation by name, as numbers: what tables and comparisons are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from clinicenv.events import RankVerdict, Trajectory
from clinicenv.scenario import Scenario
from clinicenv.score.patient import patient_marks
from clinicenv.score.process import Process, process
from clinicenv.score.statistics import over_scenarios
from clinicenv.score.terminal import terminal

TOP = (1, 3, 5, 10)

PROCESS = tuple(f.name for f in fields(Process))

PATIENT = ("patient_leaks", "patient_invented", "patient_missed")
"""How well the patient was played: leaks of the answer and of what was still guarded; findings invented,
contradicted or told in place of others; share of the questions that it could have answered but did not."""

BINARY = frozenset({"correct", "undecided", "no_diagnosis", "veto", *(f"top_{k}" for k in TOP)})
"""Marks that are yes or no."""

SHARES = frozenset({
    "score", "credit", "history", "history_asked", "red_flags", "examination", "essential", "must_not_miss",
    "management", "safety_net", "communication", "goals", "checklist", "patient_missed",
})  # fmt: skip
"""Marks that lie between 0 and 1."""

LOWER_IS_BETTER = frozenset({
    "rank", "undecided", "no_diagnosis", "low_value", "harmful", "harm", "veto", "questions", "repeats",
    "turns", "minutes", "tests", "cost", *PATIENT,
})  # fmt: skip

OF_A_WORK_UP = frozenset(PROCESS) - {
    "safety_net", "communication", "questions", "repeats", "goals", "checklist",
}  # fmt: skip
"""Marks that a difficult conversation has not; a question has none of the process's."""

MARKS = (
    "correct", "score", "net", *(f"top_{k}" for k in TOP), "rank", "credit", "undecided", "no_diagnosis",
    *PROCESS, "turns", "minutes", "tests", "cost", *PATIENT,
)  # fmt: skip
"""`correct`: the first diagnosis or the answer is right; `score`, `net`: see `score.terminal`; `top_k`: a
right one is among the first k; `rank`: of the first right one, left out where there is none; `undecided`: the
rule cannot tell whether the first one is right; the others: see `score.process` and `Outcome`."""


def marks_of(
    scenario: Scenario, trajectory: Trajectory, done: Process | None = None
) -> dict[str, float | None]:
    """The marks of a finished consultation; None for one that does not apply to it. Empty where it broke."""
    outcome, verdict = trajectory.outcome, trajectory.verdict
    if outcome is None or outcome.status == "error" or verdict is None:
        return {}
    done = done or process(scenario, trajectory)
    whole = terminal(scenario, trajectory, done)
    found: dict[str, float | None] = dict.fromkeys(MARKS)
    found |= {"score": whole.score, "net": whole.net, "turns": outcome.turns, "minutes": outcome.minutes}
    found |= {"tests": outcome.tests, "cost": outcome.cost}
    kept = PROCESS if scenario.task == "diagnose" else [p for p in PROCESS if p not in OF_A_WORK_UP]
    found |= _patient(scenario, trajectory)
    if scenario.task != "question":
        found |= {name: getattr(done, name).value for name in kept}
    if scenario.task == "question":
        found["correct"] = float(bool(verdict.answer_correct))
    elif scenario.task == "diagnose":
        found |= _diagnosis(verdict.ranks) | {"credit": float(verdict.credit)}
    return found


def _patient(scenario: Scenario, trajectory: Trajectory) -> dict[str, float | None]:
    marks = patient_marks(scenario, trajectory)
    if not marks.replies:
        return dict.fromkeys(PATIENT)
    return dict(zip(PATIENT, (marks.leaks, marks.invented, marks.missed), strict=True))


def _diagnosis(ranks: tuple[RankVerdict, ...]) -> dict[str, float | None]:
    place = next((n for n, rank in enumerate(ranks, 1) if rank.right), None)
    found: dict[str, float | None] = {f"top_{k}": float(place is not None and place <= k) for k in TOP}
    return {
        **found,
        "correct": found["top_1"],
        "rank": place,
        "undecided": float(bool(ranks) and ranks[0].verdict == "undecided"),
        "no_diagnosis": float(not ranks),
    }


def means_of(found: Sequence[tuple[str, Mapping[str, float | None]]]) -> dict[str, dict[str, float]]:
    """For each mark that applies to any of these (scenario, marks): its `mean` over scenarios, and of how
    many consultations it is (`n`)."""
    means = {}
    for name in MARKS:
        values = [(scenario, value) for scenario, marks in found if (value := marks.get(name)) is not None]
        if (over := over_scenarios(values)) is not None:
            means[name] = {"mean": over, "n": len(values)}
    return means
