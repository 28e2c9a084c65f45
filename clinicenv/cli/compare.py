"""`clinicenv compare`: the doctors of one or several runs on the scenarios that all of them saw."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from clinicenv.cli.cutoffs import cutoffs, turns_of
from clinicenv.cli.outcome import BY
from clinicenv.cli.output import echo_json
from clinicenv.events import Header
from clinicenv.files import InputError
from clinicenv.runs.results import ResultLine, seat_name
from clinicenv.runs.scoring import scored
from clinicenv.runs.store import Store
from clinicenv.score.marks import BINARY, LOWER_IS_BETTER, MARKS


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--mark", type=click.Choice(MARKS), default="correct", show_default=True, help="What is compared."
)
@click.option("--reference", metavar="ARM", help="The arm that the others are compared with.  [the best]")
@click.option("--by", type=click.Choice(list(BY)), help="A comparison for each value of this.")
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
    from clinicenv.report.comparison import print_comparison
    from clinicenv.score.comparison import compare as compared

    loaded = _load(runs)
    warnings = _differences(loaded)
    for warning in warnings:
        click.echo(f"clinicenv: {warning}", err=True)
    if cut_off or diagnosed_by:
        named = [
            (run.store, run.results, {a: run.name(a, _shared(loaded)) for a in run.arms()}) for run in loaded
        ]
        return cutoffs(named, turns_of(cut_off), diagnosed_by, form)
    arms = {run.name(arm, _shared(loaded)) for run in loaded for arm in run.arms()}
    if reference is not None and reference not in arms:
        raise InputError(f"no arm is called `{reference}`; there are: {', '.join(sorted(arms))}")
    found = []
    for value, table in _tables(loaded, mark, by).items():
        if reference is not None and reference not in table:
            click.echo(f"clinicenv: {value or mark}: `{reference}` has no value here", err=True)
            continue
        if missing := sorted(arms - table.keys()):
            click.echo(f"clinicenv: no value of {mark} for {', '.join(missing)}", err=True)
        try:
            lower = mark in LOWER_IS_BETTER
            found.append((value, compared(table, mark, mark in BINARY, reference, seed, lower)))
        except ValueError as e:
            click.echo(f"clinicenv: {f'{value}: ' if value else ''}{e}", err=True)
    if form == "json":
        echo_json({"warnings": warnings, "comparisons": [{"of": v, **asdict(c)} for v, c in found]})
        return 0
    for value, comparison in found:
        if value:
            click.echo(f"\n{value}")
        print_comparison(comparison, form, sys.stdout)
    return 0 if found else 2


class _Run:
    """A run, and by which name each of its arms goes."""

    def __init__(self, folder: Path, label: str) -> None:
        self.store = Store.open(folder)
        self.results = [r for r in self.store.results().values() if not r.perturbed]
        self._suffix = f" [{label}]"

    def arms(self) -> set[str]:
        return {r.arm for r in self.results}

    def name(self, arm: str, shared: set[str]) -> str:
        return arm + self._suffix if arm in shared else arm


def _load(folders: Sequence[Path]) -> list[_Run]:
    resolved = [folder.resolve() for folder in folders]
    if twice := next((f for f in resolved if resolved.count(f) > 1), None):
        raise InputError("is named twice; a run is not compared with itself", file=twice)
    loaded = [_Run(folder, label) for folder, label in zip(folders, _labels(resolved), strict=True)]
    if not any(run.results for run in loaded):
        raise InputError("nothing was played yet", file=folders[0])
    _same_cases(loaded)
    return loaded


def _labels(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the runs apart."""
    depth = 1
    while len({f.parts[-depth:] for f in folders}) < len(folders):
        depth += 1
    return ["/".join(f.parts[-depth:]) for f in folders]


def _shared(loaded: Sequence[_Run]) -> set[str]:
    """The arms that more than one run has."""
    seen: set[str] = set()
    twice: set[str] = set()
    for run in loaded:
        twice |= seen & run.arms()
        seen |= run.arms()
    return twice


def _same_cases(loaded: Sequence[_Run]) -> None:
    """InputError where two runs played different scenarios of the same id."""
    if len(loaded) < 2:
        return
    known: dict[str, str] = {}
    for run in loaded:
        for scenario in run.store.scenarios():
            first = known.setdefault(scenario.id, scenario.hash)
            if first != scenario.hash:
                raise InputError(
                    f"`{scenario.id}` is not the same scenario in all runs; compare runs of the same files",
                    file=run.store.folder,
                )


def _tables(
    loaded: Sequence[_Run], mark: str, by: str | None
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """What is compared: value of `by` -> arm -> scenario -> the values of its repeats."""
    shared = _shared(loaded)
    tables: dict[str, dict[str, dict[str, list[float]]]] = {}
    for run in loaded:
        values = {s.id: BY[by](s) for s in run.store.scenarios()} if by else {}
        for result, number in _numbers(run, mark):
            if number is not None:
                table = tables.setdefault(values.get(result.scenario, ""), {})
                arm = table.setdefault(run.name(result.arm, shared), {})
                arm.setdefault(result.scenario, []).append(float(number))
    return dict(sorted(tables.items()))


def _numbers(run: _Run, mark: str) -> Iterable[tuple[ResultLine, float | None]]:
    done = [r for r in run.results if r.status != "error"]
    if mark == "correct":  # the result lines have it: no trajectory need be read
        return ((r, r.marks["correct"]) for r in done)
    return ((r, marks.get(mark)) for r, marks in scored(run.store, done))


def _differences(loaded: Sequence[_Run]) -> list[str]:
    """What beside the doctor sets the arms apart, so that a difference may not be the doctor's."""
    headers = {}
    for run in loaded:
        for arm in sorted(run.arms()):
            first = next(r for r in run.results if r.arm == arm)
            headers[run.name(arm, _shared(loaded))] = run.store.trajectory(first.key).header
    found: dict[str, dict[str, list[str]]] = {}
    for arm, header in headers.items():
        for what, value in _settings(header).items():
            found.setdefault(what, {}).setdefault(value, []).append(arm)
    return [
        f"the doctors differ in {what}, so a difference may come from that: "
        + "; ".join(f"{value} ({', '.join(arms)})" for value, arms in values.items())
        for what, values in found.items()
        if len(values) > 1
    ]


def _settings(header: Header) -> Mapping[str, str]:
    cast: Mapping[str, Any] = header.cast
    others = {f"the {role}": seat_name(seat) for role, seat in cast.items() if role != "doctor"}
    profiles = {f"the profile of the {r}": s.get("profile", {}).get("id", "") for r, s in cast.items()}
    images = cast.get("measurement", {}).get("agent", {}).get("images", {})
    return {
        **others,
        **profiles,
        "how images are shown": f"{header.images} {images or ''}".strip(),
        "the seed": str(header.seed),
        "limits": ", ".join(f"{n} {header.limits[n]}" for n in header.limits_set) or "the scenarios' own",
        "the version of clinicenv": header.versions.get("clinicenv", "unknown"),
    }
