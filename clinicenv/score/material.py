"""What a rater is shown of a consultation: as much as an axis needs, and never who the doctor was.

Everything is data (strings in lists and dicts), each line with the number of its event, so that a rater can
point to it and no line can pass for another. What agents keep to themselves (`aside`) is never shown.
"""

from collections.abc import Collection, Iterator
from typing import Any

from clinicenv.events import (
    ORDERS,
    PLAN_FIELDS,
    Diagnose,
    DoorNote,
    Event,
    Leave,
    Report,
    Role,
    Say,
    Trajectory,
)
from clinicenv.scenario import Scenario
from clinicenv.score.rubric import Needs, Rubric

_PLAN = ("immediate", "investigations", "treatment", "referral", "safety_net")


def material(
    rubric: Rubric, needs: Collection[Needs], scenario: Scenario, trajectory: Trajectory
) -> dict[str, Any]:
    """The parts that are needed, by name; a patient sees no results, and no ranked list."""
    found: dict[str, Any] = {}
    if "transcript" in needs:
        found["lines"] = lines(trajectory, rubric.perspective == "patient")
    final = next((e.what for e in reversed(trajectory.events) if isinstance(e.what, Diagnose)), None)
    if "questionnaire" in needs or "differential" in needs:
        found["differential"] = list(final.differential) if final else []
    if "questionnaire" in needs:
        plan = final.plan if final else None
        found["plan"] = {n: text for n in ("text", *PLAN_FIELDS) if (text := getattr(plan, n, ""))}
    if "answer_key" in needs:
        found["answer_key"] = _key(scenario, whole="questionnaire" in needs or "transcript" in needs)
    return found


def lines(trajectory: Trajectory, as_patient: bool = False) -> list[dict[str, Any]]:
    """The talk, a line each: `line` is the event's number."""
    return [
        {"line": event.n, "who": who, "text": text}
        for event in trajectory.events
        for who, text in _line(event)
        if not as_patient or who != "results"
    ]


def _line(event: Event) -> Iterator[tuple[str, str]]:
    what = event.what
    if isinstance(what, DoorNote):
        yield "door note", what.text
    elif isinstance(what, (Say, Leave)):
        leaves = " [leaves]" if isinstance(what, Leave) else ""
        yield event.role.value, (what.text + leaves).strip()
    elif isinstance(what, ORDERS):
        yield event.role.value, f"[{what.type.replace('_', ' ')}] {'; '.join(what.items)}"
    elif isinstance(what, Report):
        yield "results", "\n".join(f"{r.name}: {r.text}" for r in what.results)
    elif event.role is Role.DOCTOR and not isinstance(what, Diagnose) and (text := getattr(what, "text", "")):
        yield event.role.value, text


def _key(scenario: Scenario, whole: bool) -> dict[str, Any]:
    """The answer; with `whole` also what else the authors hold right."""
    answer = scenario.answer.diagnosis
    key: dict[str, Any] = {}
    if answer:
        key["diagnosis"] = answer.name
        key["also_called"] = [*answer.synonyms, *answer.abbreviations]
    if not whole:
        return key
    key["acceptable"] = [d.name for d in scenario.answer.differentials if d.credit]
    key["must_not_be_missed"] = [d.name for d in scenario.answer.must_not_miss]
    key["facts_that_matter"] = [scenario.facts[k.id].say[0] for k in scenario.answer.key_facts]
    key["goals"] = [g.text for g in scenario.goals]
    key["plan"] = {name: list(items) for name in _PLAN if (items := getattr(scenario.plan, name))}
    key["plan_must_avoid"] = [a.item for a in scenario.plan.avoid]
    key["findings"] = [f.text for f in scenario.exam.findings if f.abnormal]
    return key
