"""A run as an examination: its scenarios are stations, each arm and repeat is a candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinicenv.events import Trajectory
from clinicenv.files import InputError
from clinicenv.runs.ratings import RULE, Kept, kept
from clinicenv.runs.results import ResultLine
from clinicenv.runs.scoring import each
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.checklist import met_items
from clinicenv.score.rubric import Rubric
from clinicenv.score.stations import Candidate, Performance, Station, reliability, station

GLOBAL = "station-global-1"
"""The rubric of the global rating."""
BORDER = "borderline"
"""The option between pass and fail."""


@dataclass(frozen=True, slots=True)
class Examination:
    """The stations, by name, and how far they measure the same thing."""

    stations: tuple[Station, ...]
    alpha: float | None
    candidates: int
    """who did all stations"""
    rater: str | None
    """whose global ratings the pass marks are from; None where nobody gave any"""


def examination(store: Store, results: Sequence[ResultLine], rater: str | None = None) -> Examination:
    """The scenarios with a checklist; pass marks are by this rater's global ratings, or the only one's.

    InputError where it must be said whose.
    """
    ratings = _global(store, rater)
    found: dict[str, dict[Candidate, Performance]] = {}
    shown = each(store, [r.key for r in results], checked)
    for result, (share, missed) in zip(results, shown, strict=True):
        if share is not None:
            rating = _place(ratings, result.key) if ratings else None
            candidate = (result.arm, result.repeat)
            found.setdefault(result.scenario, {})[candidate] = Performance(share, missed, rating)
    border = _border(ratings.rubric) if ratings else 0
    stations = tuple(station(name, list(found[name].values()), border) for name in sorted(found))
    return Examination(stations, *reliability(found), ratings.rater if ratings else None)


def checked(scenario: Scenario, trajectory: Trajectory) -> tuple[float | None, bool]:
    """The share of the checklist's points, None for no checklist, and whether a critical item is missed."""
    whole = sum(item.points for item in scenario.checklist)
    if not whole:
        return None, False
    met = met_items(scenario, trajectory)
    got = sum(item.points for item in scenario.checklist if item.id in met)
    return got / whole, any(item.critical and item.id not in met for item in scenario.checklist)


def _global(store: Store, rater: str | None) -> Kept | None:
    found = {k.rater: k for k in kept(store) if k.rubric.id == GLOBAL and k.rater != RULE}
    if rater is None and len(found) <= 1:
        return next(iter(found.values()), None)
    known = ", ".join(sorted(found)) or "nobody"
    if rater is None:
        raise InputError(f"which global ratings? Name one of the raters with --rater: {known}")
    if rater not in found:
        raise InputError(f"`{rater}` gave no global ratings; who did: {known}", file=store.folder)
    return found[rater]


def _border(rubric: Rubric) -> int:
    """The place of the borderline option."""
    places = rubric.scale(rubric.axes[0]).places
    if BORDER not in places:
        raise InputError(
            f"the rubric `{rubric.id}` that was used has no option `{BORDER}`; give it another id"
        )
    return places[BORDER]


def _place(ratings: Kept, key: str) -> int | None:
    axis = ratings.rubric.axes[0]
    one = ratings.ratings.get(key, {}).get(axis.id)
    return ratings.rubric.scale(axis).places[one.option] if one and one.option else None
