"""`clinicenv show`: a run's summary, or one consultation."""

import json
import sys
from pathlib import Path

import click

from clinicenv.cli.outcome import BY, data_of, print_outcome
from clinicenv.cli.output import echo_json
from clinicenv.files import printable
from clinicenv.runs.store import Store


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("key", required=False)
@click.option("--by", type=click.Choice(list(BY)), help="Divide the rows of the table by this.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(run: Path, key: str | None, by: str | None, as_json: bool) -> int:
    """Show the summary of RUN (a folder), or the consultation whose key starts with KEY."""
    store = Store.open(run)
    if key:
        _consultation(store, store.find(key), as_json)
    elif as_json:
        _as_json(store, by)
    else:
        _summary(store, by)
    return 0


def _consultation(store: Store, key: str, as_json: bool) -> None:
    from clinicenv.report.spending import print_calls
    from clinicenv.report.terminal import transcript
    from clinicenv.score.summary import calls_of

    trajectory = store.trajectory(key)
    result = store.results().get(key)  # none for a consultation that a person is still playing
    calls = calls_of(result.usage if result else ())
    if as_json:
        echo_json({**json.loads(trajectory.to_json()), "calls": [row.data() for row in calls]})
        return
    click.echo("\n".join(transcript(trajectory)))
    if calls:
        click.echo()
        print_calls(calls, sys.stdout)


def _as_json(store: Store, by: str | None) -> None:
    from clinicenv.score.summary import calls_of

    results = list(store.results().values())
    spent = store.spent()
    echo_json(
        {
            "run": str(store.folder),
            **data_of(store, results, by),
            "calls": [row.data() for row in calls_of(row for r in results for row in r.usage)],
            "spent": [row.data() for row in spent.rows],
            "consultations": [r._asdict() for r in results],
        }
    )


def _summary(store: Store, by: str | None) -> None:
    from clinicenv.report.spending import print_calls, spent_line
    from clinicenv.score.summary import calls_of

    results = list(store.results().values())
    print_outcome(store, results, sys.stdout, by)
    spent = store.spent().rows
    if spent:
        click.echo()
        print_calls(calls_of(row for r in results for row in r.usage), sys.stdout)
        click.echo(spent_line(spent))
    click.echo()
    for r in sorted(results, key=lambda r: (r.scenario, r.arm, r.repeat)):
        mark = {True: "right", False: "wrong", None: "-"}[r.marks.get("correct")]
        ended = r.status if r.status != "terminated" else ""
        names = f"{printable(r.key)}  {printable(r.scenario):<28} {printable(r.arm):<24}"
        click.echo(f"{names} {r.turns:>3} turns  {mark:<6} {printable(ended)}".rstrip())
