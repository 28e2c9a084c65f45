"""`clinicenv score`: every mark of a run by rule, for each doctor."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from clinicenv.cli.outcome import BY
from clinicenv.cli.output import echo_json
from clinicenv.files import InputError
from clinicenv.report.tables import print_table, table
from clinicenv.runs.ratings import rate_by_rule
from clinicenv.runs.results import ResultLine
from clinicenv.runs.scoring import Marks, scored
from clinicenv.runs.store import Store
from clinicenv.score.axes import Rated
from clinicenv.score.marks import MARKS, means_of
from clinicenv.score.rubric import Rubric, load_rubric


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("key", required=False)
@click.option("--by", type=click.Choice(list(BY)), help="Divide the columns by this.")
@click.option("--rubric", metavar="ID", help="Rate the axes of a rubric: amie-patient-26, a file, ...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def score(run: Path, key: str | None, by: str | None, rubric: str | None, as_json: bool) -> int:
    """Score RUN (a folder), or the consultation whose key starts with KEY, by all rules.

    Means are over scenarios, of the consultations that a mark applies to; those that broke count nowhere.
    Ratings of a rubric are kept in the run's folder.
    """
    store = Store.open(run)
    if key and rubric:
        return _rated(store, load_rubric(rubric), store.find(key), as_json)
    if key:
        return _one(store, store.find(key), as_json)
    results = [r for r in store.results().values() if r.status != "error" and not r.perturbed]
    if not results:
        raise InputError("no consultation has come to an end yet", file=run)
    values = {s.id: BY[by](s) for s in store.scenarios()} if by else {}
    names = {r.key: f"{r.arm}: {values[r.scenario]}" if by else r.arm for r in results}
    if rubric:
        return _ratings(store, load_rubric(rubric), results, names, as_json)
    arms: dict[str, list[tuple[str, Marks]]] = {}
    for result, marks in scored(store, results):
        arms.setdefault(names[result.key], []).append((result.scenario, marks))
    means = {arm: means_of(arms[arm]) for arm in sorted(arms)}
    if as_json:
        echo_json({"run": str(run), "arms": means})
        return 0
    _print(means)
    return 0


def _ratings(
    store: Store, rubric: Rubric, results: list[ResultLine], names: dict[str, str], as_json: bool
) -> int:
    """The axes of a rubric, for each doctor."""
    from clinicenv.report.ratings import as_data, print_ratings

    scenarios = {r.key: r.scenario for r in results}
    arms: dict[str, list[tuple[str, dict[str, Rated]]]] = {}
    for key, ratings in rate_by_rule(store, rubric, scenarios):
        arms.setdefault(names[key], []).append((scenarios[key], ratings))
    ordered = {arm: arms[arm] for arm in sorted(arms)}
    if as_json:
        echo_json({"run": str(store.folder), **as_data(rubric, ordered)})
    else:
        print_ratings(rubric, ordered, sys.stdout)
    return 0


def _rated(store: Store, rubric: Rubric, key: str, as_json: bool) -> int:
    """The axes of one consultation, with the events that decided them."""
    ((_, ratings),) = rate_by_rule(store, rubric, [key])
    if as_json:
        echo_json({"key": key, "rubric": rubric.id, "ratings": {n: asdict(r) for n, r in ratings.items()}})
        return 0
    for axis in rubric.axes:
        rated = ratings.get(axis.id)
        option = "not rated" if rated is None else rated.option or "does not apply"
        where = f"   events {', '.join(map(str, rated.events))}" if rated and rated.events else ""
        click.echo(f"{axis.id:<24}{option}{where}")
    return 0


def _print(arms: dict[str, dict[str, dict[str, float]]]) -> None:
    rows = [
        (name, *(_cell(means.get(name)) for means in arms.values()))
        for name in MARKS
        if any(name in means for means in arms.values())
    ]
    print_table(table(("mark", *arms), rows, figures=True))
    click.echo(
        "Means over scenarios, in brackets the number of consultations that the mark applies to. Shares are"
        "\n0 to 1; what each mark is: clinicenv/score/process.py, terminal.py, marks.py. The last three are"
        "\nabout the patient: where it leaks, invents or misses, the marks above are less the doctor's own."
    )


def _cell(found: dict[str, float] | None) -> str:
    return "-" if found is None else f"{found['mean']:.3g} ({found['n']:.0f})"


def _one(store: Store, key: str, as_json: bool) -> int:
    """The marks of one consultation, with the events that earned them."""
    from clinicenv.score.marks import marks_of
    from clinicenv.score.process import process
    from clinicenv.score.terminal import terminal

    trajectory = store.trajectory(key)
    scenario = store.scenario(trajectory.header.scenario_hash)
    done = process(scenario, trajectory)
    marks = marks_of(scenario, trajectory, done)
    if not marks:
        raise InputError(f"the consultation {key} broke or goes on, and has no score")
    evidence = {name: mark["events"] for name, mark in asdict(done).items()}
    parts = asdict(terminal(scenario, trajectory, done))
    if as_json:
        echo_json({"key": key, "marks": marks, "events": evidence, "terminal": parts})
        return 0
    for name, value in marks.items():
        if value is not None:
            where = ", ".join(map(str, evidence.get(name, ())))
            click.echo(f"{name:<16}{value:>8.3g}" + (f"   events {where}" if where else ""))
    click.echo(f"parts of the score: {json.dumps(parts['parts'])}")
    if parts["taken_off"]:
        click.echo(f"taken off: {json.dumps(parts['taken_off'])}")
    return 0
