"""`clinicenv compare`: the doctors of one or several runs on the scenarios that all of them saw."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from clinicenv.cli.cutoffs import cutoffs, turns_of
from clinicenv.cli.outcome import BY
from clinicenv.cli.output import echo_json
from clinicenv.files import InputError
from clinicenv.report.tables import print_notes
from clinicenv.runs.arms import SETTINGS
from clinicenv.runs.compared import Run, differences, load, naming, tables, took
from clinicenv.runs.quality import quality
from clinicenv.score.comparison import Comparison
from clinicenv.score.marks import BINARY, LOWER_IS_BETTER, MARKS


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--mark", type=click.Choice(MARKS), default="correct", show_default=True, help="What is compared."
)
@click.option("--reference", metavar="ARM", help="The arm that the others are compared with.  [the best]")
@click.option("--by", type=click.Choice([*BY, *SETTINGS]), help="A comparison for each value of this.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--cut-off", metavar="N,N", help="What would be diagnosed after so many turns, e.g. 2,5,10.")
@click.option("--diagnosed-by", multiple=True, metavar="A", help="What doctor A diagnoses from the talks.")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "md", "latex", "json"]), default="table",
    show_default=True,
)  # fmt: skip
def compare(
    runs: tuple[Path, ...],
    mark: str,
    reference: str | None,
    by: str | None,
    seed: int,
    cut_off: str | None,
    diagnosed_by: tuple[str, ...],
    form: str,
) -> int:
    """Compare the doctors of RUNS: means with intervals, paired differences, ranks, and what can be seen.

    Consultations that broke count nowhere. Perturbed cases are left out.
    """
    loaded = load(runs)
    if not any(run.results for run in loaded):
        raise InputError("nothing was played yet", file=runs[0])
    warnings = differences(loaded)
    for warning in warnings:
        click.echo(f"clinicenv: {warning}", err=True)
    if cut_off is not None or diagnosed_by:
        if by or reference is not None or mark != "correct" or seed:
            raise InputError(
                "--cut-off and --diagnosed-by are about all diagnoses and draw nothing; leave --mark, --by,"
                " --reference and --seed out"
            )
        return cutoffs(loaded, turns_of(cut_off), diagnosed_by, warnings, form)
    found = _compared(loaded, mark, reference, by, seed)
    _print(loaded, found, by, warnings, form)
    return 0


Found = list[tuple[str, Comparison, dict[str, tuple[float, float]]]]
"""The value of what is divided by, the comparison, and what each arm took."""


def _compared(loaded: Sequence[Run], mark: str, reference: str | None, by: str | None, seed: int) -> Found:
    """The comparisons that can be made; of the others it is said why not."""
    from clinicenv.score.comparison import compare as compared

    name = naming(loaded, BY.get(by, by) if by else None)
    arms = {name(run, result)[1] for run in loaded for result in run.results}
    if reference is not None and reference not in arms:
        raise InputError(f"no arm is called `{reference}`; there are: {', '.join(sorted(arms))}")
    found: Found = []
    for value, table in tables(loaded, mark, name).items():
        if reference is not None and reference not in table:
            click.echo(f"clinicenv: {value or mark}: `{reference}` has no value here", err=True)
            continue
        if missing := sorted(arms - table.keys()):
            click.echo(f"clinicenv: no value of {mark} for {', '.join(missing)}", err=True)
        try:
            lower = mark in LOWER_IS_BETTER
            made = compared(table, mark, mark in BINARY, reference, seed, lower)
            found.append((value, made, took(loaded, table, value, name)))
        except ValueError as e:
            click.echo(f"clinicenv: {f'{value}: ' if value else ''}{e}", err=True)
    if not found:
        raise InputError(f"there is nothing to compare on {mark}")
    return found


def _print(loaded: Sequence[Run], found: Found, by: str | None, warnings: Sequence[str], form: str) -> None:
    from clinicenv.report import patients
    from clinicenv.report.comparison import print_comparison, print_divided

    played = {run.label: quality(run.store, run.results) for run in loaded}
    if form == "json":
        of = {label: patients.as_data(each) for label, each in played.items()}
        made = [{"of": value, **asdict(c), "took": took_} for value, c, took_ in found]
        echo_json({"warnings": warnings, "comparisons": made, "patients": of})
        return
    if by and form == "csv":
        print_divided(by, found, sys.stdout)
    else:
        for value, comparison, took_ in found:
            print_notes([value] if value else [], form, sys.stdout)
            print_comparison(comparison, took_, form, sys.stdout)
    print_notes([line for each in played.values() for line in patients.lines(each)], form, sys.stdout)
