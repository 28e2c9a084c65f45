"""One consultation as a report needs it: its state and counts for the tables, and all that its page shows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from clinicenv.events import Answer, Ended, Failed, Report, Trajectory, Verdict
from clinicenv.files import printable
from clinicenv.report.lines import lines
from clinicenv.report.words import SLIPS
from clinicenv.runs.pictures import asked_for
from clinicenv.runs.results import seat_name
from clinicenv.scenario import Scenario
from clinicenv.score.checklist import met_items
from clinicenv.score.marks import marks_of
from clinicenv.score.patient import KINDS, PatientMarks, patient_marks
from clinicenv.score.process import Process, process
from clinicenv.score.terminal import terminal
from clinicenv.train.dialogue import target

STATES = ("right", "wrong", "undecided", "no answer", "ended", "error")
"""How a consultation came out. `ended`: its task has no right answer; `error`: it broke, for nobody's
account."""


@dataclass(frozen=True, slots=True)
class Consulted:
    """What the rules make of one consultation."""

    scenario: str
    title: str
    state: str
    marks: dict[str, float | None]
    patient: str
    """who plays it"""
    replies: PatientMarks
    """without the slips themselves, which `slips` counts"""
    slips: dict[str, int]
    sources: dict[str, int]
    """where its results were from"""
    failed: tuple[str, str] | None
    """role and cause, where it broke"""
    images: tuple[str, ...]
    """ids of the images that were asked for and have something to look at"""
    scenario_hash: str
    page: dict[str, Any]
    """JSON data, see `page/page.js`"""


def consulted(scenario: Scenario, trajectory: Trajectory) -> Consulted:
    """All of one consultation."""
    header, outcome = trajectory.header, trajectory.outcome
    done = process(scenario, trajectory)
    marks = marks_of(scenario, trajectory, done)
    evidence = done.evidence
    replies = patient_marks(scenario, trajectory)
    failed = next((e.what for e in trajectory.events if isinstance(e.what, Failed)), None)
    results = [r for e in trajectory.of(Report) for r in e.what.results]  # type: ignore[union-attr]
    state = _state(trajectory, marks)
    page = {
        "key": trajectory.key,
        "scenario": plain(header.scenario),
        "title": plain(scenario.title),
        "task": header.task,
        "answer": plain("; ".join(target(scenario))),
        "state": state,
        "seed": header.seed,
        "repeat": header.repeat,
        "perturbed": plain(str(header.perturbed.get("what", ""))),
        "cast": [
            [role, plain(seat_name(seat)), plain(seat.get("profile", {}).get("id", "default"))]
            for role, seat in header.cast.items()
        ],
        "ended": [outcome.status, plain(outcome.reason)] if outcome else [],
        "figures": _figures(trajectory),
        "failed": [failed.role.value, _text(failed.cause)] if failed else [],
        "lines": _lines(trajectory),
        "images": _images(scenario, trajectory),
        "slips": [[s.turn, s.kind, SLIPS[s.kind], plain(s.what)] for s in replies.slips],
        "marks": [[n, f"{v:.3g}", evidence.get(n, ())] for n, v in marks.items() if v is not None],
        "checklist": _checklist(scenario, trajectory) if marks else [],
        "parts": _parts(scenario, trajectory, done) if marks else [],
    }
    return Consulted(
        scenario=header.scenario,
        title=scenario.title,
        state=state,
        marks=marks,
        patient=seat_name(header.cast.get("patient", {})),
        replies=replace(replies, slips=()),
        slips={kind: n for kind in KINDS if (n := replies.count(kind))},
        sources=dict(Counter(r.source for r in results)),
        failed=(failed.role.value, failed.cause) if failed else None,
        images=tuple(image.id for image in asked_for(scenario, trajectory)),
        scenario_hash=header.scenario_hash,
        page=page,
    )


def plain(text: str) -> str:
    """One line without control characters."""
    return printable(text)


def _text(text: str) -> str:
    """The same with its line breaks."""
    return "\n".join(printable(line) for line in text.splitlines())


def _state(trajectory: Trajectory, marks: Mapping[str, float | None]) -> str:
    if not marks:
        return "error"
    if marks["correct"] is None:
        return "ended"
    if marks["correct"]:
        return "right"
    if marks["undecided"]:
        return "undecided"
    unanswered = trajectory.header.task == "question" and not trajectory.of(Answer)
    return "no answer" if marks["no_diagnosis"] or unanswered else "wrong"


def _figures(trajectory: Trajectory) -> list[list[str]]:
    o = trajectory.outcome
    if o is None:
        return []
    found = {"turns": o.turns, "minutes": o.minutes, "tests": o.tests, "cost": f"${o.cost:,.0f}"}
    return [[name, str(value)] for name, value in {**found, "trust at the end": f"{o.trust:.2f}"}.items()]


def _lines(trajectory: Trajectory) -> list[list[Any]]:
    """[event, turn, role, label, text] of all that there is to show; those of the end have turn -1."""
    return [
        [e.n, -1 if isinstance(e.what, (Verdict, Ended)) else e.turn, e.role.value, label, _text(text)]
        for e in trajectory.events
        for label, text in lines(e)
        if text
    ]


def _images(scenario: Scenario, trajectory: Trajectory) -> list[list[Any]]:
    """[event, image's id, its name, what it shows in words] of each image that came with something to see."""
    known = {image.id: image for image in asked_for(scenario, trajectory)}
    return [
        [event.n, i, plain(known[i].name), plain(known[i].alt_text)]
        for event in trajectory.of(Report)
        for i in dict.fromkeys(i for r in event.what.results if r.kind == "image" for i in r.ids)  # type: ignore[union-attr]
        if i in known
    ]


def _checklist(scenario: Scenario, trajectory: Trajectory) -> list[list[Any]]:
    """[item, domain, points, whether it is critical, whether it is met]"""
    met = met_items(scenario, trajectory)
    return [[plain(i.text), i.domain, f"{i.points:g}", i.critical, i.id in met] for i in scenario.checklist]


def _parts(scenario: Scenario, trajectory: Trajectory, done: Process) -> list[list[str]]:
    """What the score is made of: [part, value], then what was taken off."""
    whole = terminal(scenario, trajectory, done)
    return [
        *([name, f"{value:.2f}"] for name, value in whole.parts.items()),
        *([name, f"-{value:.2f}"] for name, value in whole.taken_off.items()),
    ]
