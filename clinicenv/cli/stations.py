"""Stations in `clinicenv score`: checklists, the pass mark, and the reliability of the whole."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from clinicenv.cli.output import echo_json
from clinicenv.files import InputError, printable
from clinicenv.runs.quality import quality
from clinicenv.runs.results import ResultLine
from clinicenv.runs.stations import GLOBAL, examination
from clinicenv.runs.store import Store


def stations(store: Store, results: Sequence[ResultLine], rater: str | None, as_json: bool) -> int:
    """A line for each scenario with a checklist."""
    from clinicenv.report import patients
    from clinicenv.report.stations import print_stations
    from clinicenv.report.tables import print_notes

    found = examination(store, results, rater)
    if not found.stations:
        raise InputError("none of the scenarios played has a checklist", file=store.folder)
    played = quality(store, results)
    if as_json:
        echo_json({"run": str(store.folder), **asdict(found), "patients": patients.as_data(played)})
        return 0
    print_stations(found, sys.stdout)
    print_notes(list(patients.lines(played)), "table", sys.stdout)
    if found.rater:
        click.echo(f"Global ratings by {printable(found.rater)}.")
    else:
        click.echo(
            "No pass mark: nobody gave global ratings yet. To give them:"
            f"\n  clinicenv score {store.folder} --rubric {GLOBAL} --rater human   (or a model)"
        )
    return 0
