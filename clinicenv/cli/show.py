"""`clinicenv show`: a run's summary, or one consultation."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from clinicenv.cli.output import echo_json
from clinicenv.files import printable
from clinicenv.runs.store import Store


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(run: Path, key: str | None, as_json: bool) -> int:
    """Show the summary of RUN (a folder), or the consultation whose key starts with KEY."""
    from clinicenv.report.terminal import print_summary, transcript
    from clinicenv.score.summary import summarise

    store = Store.open(run)
    if key:
        trajectory = store.trajectory(store.find(key))
        if as_json:
            echo_json(json.loads(trajectory.to_json()))
        else:
            click.echo("\n".join(transcript(trajectory)))
        return 0
    results = list(store.results().values())
    rows = summarise(results)
    if as_json:
        shown = {
            "run": str(run),
            "arms": [asdict(r) for r in rows],
            "consultations": [r._asdict() for r in results],
        }
        echo_json(shown)
        return 0
    print_summary(rows, sys.stdout)
    click.echo()
    for r in sorted(results, key=lambda r: (r.scenario, r.arm, r.repeat)):
        mark = {True: "right", False: "wrong", None: "-"}[r.marks.get("correct")]
        ended = r.status if r.status != "terminated" else ""
        names = f"{printable(r.key)}  {printable(r.scenario):<28} {printable(r.arm):<24}"
        click.echo(f"{names} {r.turns:>3} turns  {mark:<6} {printable(ended)}".rstrip())
    return 0
