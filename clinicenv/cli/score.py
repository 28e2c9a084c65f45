"""`clinicenv score`: every mark of a run by rule, for each doctor."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from clinicenv.cli.outcome import BY
from clinicenv.cli.output import echo_json
from clinicenv.cli.rating import Rating, rate_one, rate_run, rater_of
from clinicenv.cli.stations import stations as examination
from clinicenv.files import InputError
from clinicenv.report.tables import print_table, table
from clinicenv.runs.results import ResultLine
from clinicenv.runs.scoring import Marks, scored
from clinicenv.runs.store import Store
from clinicenv.score.marks import MARKS, means_of
from clinicenv.score.rubric import Rubric, load_rubric

DIAGNOSIS = "diagnosis-10"
"""What a rater rates unless told otherwise."""


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("key", required=False)
@click.option("--by", type=click.Choice(list(BY)), help="Divide the columns by this.")
@click.option("--rubric", metavar="ID", help="Rate the axes of a rubric: amie-patient-26, a file, ...")
@click.option(
    "--rater",
    metavar="MODEL|human",
    help="Who rates: a model, e.g. openai:NAME, or you (human, human:NAME); the diagnoses, if no rubric is"
    " named.  [the rules]",
)
@click.option("--stations", is_flag=True, help="Scenarios as an examination: checklists and pass marks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def score(
    run: Path,
    key: str | None,
    by: str | None,
    rubric: str | None,
    rater: str | None,
    stations: bool,
    as_json: bool,
) -> int:
    """Score RUN (a folder), or the consultation whose key starts with KEY, by all rules.

    Means are over scenarios, of the consultations that a mark applies to; those that broke count nowhere.
    Ratings of a rubric are kept in the run's folder, and nothing rated is asked for again.
    """
    store = Store.open(run)
    if stations:
        if key or by or rubric is not None:
            raise InputError("--stations is of a whole run, and goes with --rater only")
        return examination(store, _finished(store), rater and rater_of(rater), as_json)
    if key and by:
        raise InputError("--by divides a run's columns; leave it out for one consultation")
    if rubric is not None or rater is not None:
        axes = load_rubric(DIAGNOSIS if rubric is None else rubric)
        return _rated(store, axes, rater_of(rater), key, by, as_json)
    if key:
        return _one(store, store.find(key), as_json)
    results = _finished(store)
    names = _names(store, results, by)
    arms: dict[str, list[tuple[str, Marks]]] = {}
    for result, marks in scored(store, results):
        arms.setdefault(names[result.key], []).append((result.scenario, marks))
    means = {arm: means_of(arms[arm]) for arm in sorted(arms)}
    if as_json:
        echo_json({"run": str(run), "arms": means})
        return 0
    _print(means)
    return 0


def _finished(store: Store) -> list[ResultLine]:
    results = [r for r in store.results().values() if r.status != "error" and not r.perturbed]
    if not results:
        raise InputError("no consultation has come to an end yet", file=store.folder)
    return results


def _names(store: Store, results: list[ResultLine], by: str | None) -> dict[str, str]:
    """The column of each consultation, by key."""
    values = {s.id: BY[by](s) for s in store.scenarios()} if by else {}
    return {r.key: f"{r.arm}: {values.get(r.scenario, 'unknown')}" if by else r.arm for r in results}


def _rated(store: Store, rubric: Rubric, rater: str, key: str | None, by: str | None, as_json: bool) -> int:
    if key:
        result = store.results().get(found := store.find(key))
        if result is None or result.status == "error":
            raise InputError(f"the consultation {found} broke or goes on, and is not rated")
        return rate_one(Rating(store, rubric, rater, [result], {found: result.arm}), as_json)
    results = _finished(store)
    return rate_run(Rating(store, rubric, rater, results, _names(store, results, by)), as_json)


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
    evidence = done.evidence
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
