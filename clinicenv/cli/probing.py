"""`clinicenv scenarios probe`: what a patient agent leaks, misses, invents and contradicts."""

from collections.abc import Iterator
from typing import Any

import click

from clinicenv.agents.cast import Cast
from clinicenv.agents.probe import Probed, probe
from clinicenv.files import printable
from clinicenv.models import loop
from clinicenv.report.tables import print_table, table
from clinicenv.scenario import select
from clinicenv.score.patient import KINDS, PatientMarks

SHOWN = 5
"""Examples of each kind of slip that are printed."""


def run(selection: str, patient: str, profile: str, seed: int) -> list[Probed]:
    """The suite on every scenario of the selection, one after the other."""
    for model in Cast("random", patient, profiles={"patient": profile}).models:
        loop.run(model.preflight())
    return [loop.run(probe(s, patient, profile, seed)) for s in select(selection)]


def as_data(done: list[Probed]) -> list[dict[str, Any]]:
    """Counts by part and every slip, as JSON data."""
    return [_data(p) for p in done]


def _data(probed: Probed) -> dict[str, Any]:
    slips = [
        {"part": part, **{name: getattr(s, name) for name in ("kind", "what", "turn", "asked", "said")}}
        for part, marks in probed.parts.items()
        for s in marks.slips
    ]
    return {
        "scenario": probed.scenario,
        "parts": {part: _counts(marks) for part, marks in probed.parts.items()},
        "whole": _counts(probed.whole),
        "failed": dict(probed.failed),
        "slips": slips,
    }


def _counts(marks: PatientMarks) -> dict[str, Any]:
    counts: dict[str, Any] = {
        name: getattr(marks, name) for name in ("replies", "asked", "told", "deferred", "volunteered")
    }
    return counts | {kind.replace(" ", "_").replace("-", "_"): marks.count(kind) for kind in KINDS}


def show(done: list[Probed]) -> None:
    """A table of counts, and examples of each kind of slip."""
    columns = ("scenario", "replies", "facts asked", "told", *KINDS)
    rows = [(p.scenario, p.whole.replies, p.whole.asked, p.whole.told, *_slips(p.whole)) for p in done]
    if len(done) > 1:
        whole = sum((p.whole for p in done), PatientMarks())
        rows.append(("all", whole.replies, whole.asked, whole.told, *_slips(whole)))
    print_table(table(columns, rows))
    for line in _examples(done):
        click.echo(printable(line))


def _slips(marks: PatientMarks) -> Iterator[int]:
    return (marks.count(kind) for kind in KINDS)


def _examples(done: list[Probed]) -> Iterator[str]:
    for probed in done:
        for part, why in probed.failed.items():
            yield f"{probed.scenario}, {part}: stopped early: {why}"
    for kind in KINDS:
        found = [(p.scenario, s) for p in done for s in p.whole.slips if s.kind == kind]
        for scenario, slip in found[:SHOWN]:
            yield f"{kind} ({slip.what}), {scenario}:"
            yield f"    asked: {slip.asked}"
            yield f"    said:  {slip.said}"
        if len(found) > SHOWN:
            yield f"    ... and {len(found) - SHOWN} more; --json has them all"
