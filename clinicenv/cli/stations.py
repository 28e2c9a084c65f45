"""Stations in `clinicenv score`: checklists, the pass mark, and the reliability of the whole."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from clinicenv.cli.output import echo_json
from clinicenv.events import Trajectory
from clinicenv.files import InputError, printable
from clinicenv.runs.ratings import RULE, Kept, kept
from clinicenv.runs.results import ResultLine
from clinicenv.runs.scoring import each
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.checklist import met_items
from clinicenv.score.stations import Candidate, Performance, reliability, station

GLOBAL = "station-global-1"
"""The rubric of the global rating."""
BORDER = "borderline"


def stations(store: Store, results: Sequence[ResultLine], rater: str | None, as_json: bool) -> int:
    """A line for each scenario with a checklist; the pass mark by the global ratings of one rater."""
    from clinicenv.report.stations import print_stations

    ratings = _global(store, rater)
    found: dict[str, dict[Candidate, Performance]] = {}
    shown = each(store, [r.key for r in results], checked)
    for result, (share, missed) in zip(results, shown, strict=True):
        if share is not None:
            rating = _place(ratings, result.key) if ratings else None
            candidate = (result.arm, result.repeat)
            found.setdefault(result.scenario, {})[candidate] = Performance(share, missed, rating)
    if not found:
        raise InputError("none of the scenarios played has a checklist", file=store.folder)
    border = ratings.rubric.scale(ratings.rubric.axes[0]).places[BORDER] if ratings else 0
    rows = [station(name, list(found[name].values()), border) for name in sorted(found)]
    alpha, candidates = reliability(found)
    if as_json:
        data = {"rater": ratings.rater if ratings else None, "alpha": alpha, "candidates": candidates}
        echo_json({"run": str(store.folder), **data, "stations": [asdict(row) for row in rows]})
        return 0
    print_stations(rows, alpha, candidates, sys.stdout)
    if ratings:
        click.echo(f"Global ratings by {printable(ratings.rater)}.")
    else:
        click.echo(
            "No pass mark: nobody gave global ratings yet. To give them:"
            f"\n  clinicenv score {store.folder} --rubric {GLOBAL} --rater human   (or a model)"
        )
    return 0


def checked(scenario: Scenario, trajectory: Trajectory) -> tuple[float | None, bool]:
    """The share of the checklist's points, None for no checklist, and whether a critical item is missed."""
    whole = sum(item.points for item in scenario.checklist)
    if not whole:
        return None, False
    met = met_items(scenario, trajectory)
    got = sum(item.points for item in scenario.checklist if item.id in met)
    return got / whole, any(item.critical and item.id not in met for item in scenario.checklist)


def _global(store: Store, rater: str | None) -> Kept | None:
    """The global ratings of the rater, of the only one if none is named; None where there are none."""
    found = {k.rater: k for k in kept(store) if k.rubric.id == GLOBAL and k.rater != RULE}
    if rater is None and len(found) <= 1:
        return next(iter(found.values()), None)
    known = ", ".join(sorted(found)) or "nobody"
    if rater is None:
        raise InputError(f"which global ratings? Name one of the raters with --rater: {known}")
    if rater not in found:
        raise InputError(f"`{rater}` gave no global ratings; who did: {known}", file=store.folder)
    return found[rater]


def _place(ratings: Kept, key: str) -> int | None:
    axis = ratings.rubric.axes[0]
    one = ratings.ratings.get(key, {}).get(axis.id)
    return ratings.rubric.scale(axis).places[one.option] if one and one.option else None
