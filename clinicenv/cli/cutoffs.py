"""Cut-offs and transplants in `clinicenv compare`: diagnoses after fewer turns, and by other doctors."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import click

from clinicenv.cli.output import echo_json
from clinicenv.files import InputError, printable
from clinicenv.report import patients
from clinicenv.report.tables import print_notes, print_rows
from clinicenv.runs.compared import Run, shared_arms
from clinicenv.runs.cutoff import WHOLE, Asked, diagnosed
from clinicenv.runs.quality import quality
from clinicenv.runs.results import ResultLine
from clinicenv.score.statistics import accuracy

NOTE = (
    "Share of first diagnoses that are right, mean over scenarios, with its 95 % interval (Wilson, by"
    " scenario). A doctor gets the talk up to that turn and must diagnose at once; a talk that has not so"
    " many turns counts as it ended. Of a whole talk the doctor itself has what it diagnosed in it, perhaps"
    " nothing; others get one turn after it. Who is good with another's talk reasons well; whose talk is good"
    " for others asks well."
)


class Line(NamedTuple):
    """Whose talk, and who diagnoses from it (empty: the same doctor)."""

    talk: str
    by: str


def turns_of(text: str | None) -> list[int]:
    """`2,5,10` as numbers; InputError where one is none."""
    try:
        found = [] if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        found = [0]
    if any(n < 1 for n in found):
        raise InputError(f"--cut-off takes numbers of turns, e.g. 2,5,10, not `{text}`")
    return sorted(set(found))


def cutoffs(
    runs: Sequence[Run],
    turns: Sequence[int],
    by: Sequence[str],
    warnings: Sequence[str],
    form: str,
) -> int:
    """The table. Exit 1 where a doctor could not be asked for some."""
    after = [*turns, WHOLE]
    found: dict[tuple[Line, int], dict[str, list[bool]]] = {}
    failed: dict[Asked, str] = {}
    shared = shared_arms(runs)
    for run in runs:
        talks = [r for r in run.results if _diagnoses(r)]
        right, broken = diagnosed(run.store, talks, after, ["", *by])
        failed |= broken
        for asked, good in right.items():
            line = Line(run.name(asked.arm, shared), asked.by)
            scenarios = found.setdefault((line, asked.after), {})
            scenarios.setdefault(asked.scenario, []).append(good)
    if not found and not failed:
        raise InputError("no consultation of the runs has a diagnosis to make")
    if failed:
        one = next(iter(failed.values()))
        click.echo(
            f"clinicenv: {len(failed)} diagnoses are missing, the first for: {printable(one)}", err=True
        )
    played = {run.label: quality(run.store, run.results) for run in runs}
    lines = sorted({line for line, _ in found})
    if form == "json":
        rows = [_data(line, n, values) for (line, n), values in sorted(found.items())]
        missing = [{**asdict(asked), "why": why} for asked, why in failed.items()]
        of = {label: patients.as_data(each) for label, each in played.items()}
        echo_json({"warnings": list(warnings), "cutoffs": rows, "missing": missing, "patients": of})
    else:
        _print(lines, after, found, form)
        print_notes([line for each in played.values() for line in patients.lines(each)], form, sys.stdout)
    return int(bool(failed))


def _diagnoses(result: ResultLine) -> bool:
    """Whether its task is a diagnosis, and it came to an end."""
    marks = result.marks
    return result.status != "error" and marks.get("correct") is not None and "chosen" not in marks


def _data(line: Line, after: int, values: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    p, low, high = accuracy(values)
    return {
        "talk": line.talk,
        "diagnosed_by": line.by or line.talk,
        "after": after or None,
        "accuracy": p,
        "low": low,
        "high": high,
        "consultations": sum(map(len, values.values())),
    }


def _print(
    lines: Sequence[Line],
    after: Sequence[int],
    found: Mapping[tuple[Line, int], Mapping[str, Sequence[bool]]],
    form: str,
) -> None:
    columns = ("talk of", "diagnosed by", *(f"after {n}" if n else "whole" for n in after))
    rows = [
        (printable(line.talk), line.by or "itself", *(_cell(found.get((line, n))) for n in after))
        for line in lines
    ]
    print_rows(columns, rows, form, sys.stdout)
    print_notes([NOTE], form, sys.stdout)


def _cell(values: Mapping[str, Sequence[bool]] | None) -> str:
    if not values:
        return "-"
    p, low, high = accuracy(values)
    return f"{p:.0%} ({low:.0%} to {high:.0%})"
