"""Ratings as a table: an axis a line, a doctor a column, raw options and what does not apply kept apart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, TextIO

from clinicenv.report.tables import print_table, table
from clinicenv.score.axes import Rated
from clinicenv.score.rubric import Axis, Rubric
from clinicenv.score.statistics import over_scenarios

Given = Sequence[tuple[str, Mapping[str, Rated]]]
"""(scenario, ratings) of each consultation of one doctor"""


@dataclass(frozen=True, slots=True)
class AxisSummary:
    """One axis of one doctor. Options without an order have counts and no mean."""

    axis: str
    kind: str
    n: int
    """consultations with an option"""
    not_applicable: int
    not_rated: int
    options: dict[str, int]
    mean: float | None
    """mean place on the scale from 1, over scenarios; of a binary scale the share of the good option"""


def summarise(rubric: Rubric, axis: Axis, given: Given) -> AxisSummary:
    """The axis over all consultations of a doctor."""
    scale = rubric.scale(axis)
    found = [(scenario, ratings[axis.id]) for scenario, ratings in given if axis.id in ratings]
    rated = [(scenario, r) for scenario, r in found if r.option is not None]
    counts = Counter(str(r.option) for _, r in rated)
    places = [o.id for o in scale.options]
    first = 0 if scale.kind == "binary" else 1
    return AxisSummary(
        axis=axis.id,
        kind=scale.kind,
        n=len(rated),
        not_applicable=len(found) - len(rated),
        not_rated=len(given) - len(found),
        options={o.id: counts[o.id] for o in scale.options if counts[o.id]},
        mean=over_scenarios((s, first + places.index(str(r.option))) for s, r in rated)
        if scale.ordered
        else None,
    )


def as_data(rubric: Rubric, arms: Mapping[str, Given]) -> dict[str, Any]:
    found = {arm: [asdict(summarise(rubric, a, given)) for a in rubric.axes] for arm, given in arms.items()}
    return {"rubric": rubric.id, "rubric_hash": rubric.hash, "arms": found}


def print_ratings(rubric: Rubric, arms: Mapping[str, Given], stream: TextIO) -> None:
    rows: list[tuple[str, ...]] = []
    for group, axes in groupby(rubric.axes, lambda axis: axis.group):
        rows.append((group, *[""] * (len(arms) + 1)))
        for axis in axes:
            cells = (_cell(rubric, axis, summarise(rubric, axis, given)) for given in arms.values())
            rows.append((f"  {axis.id}", *cells, axis.validated))
    print_table(table(("axis", *arms, "validated"), rows, figures=True), stream)
    print(
        f"{rubric.title}. Ordinal axes: mean place on the scale; yes-or-no axes: share of the good answer; in"
        "\nbrackets the consultations that it is of, and those to which the axis does not apply (n/a)."
        "\nvalidated local: the rule puts scripted doctors of three grades in order; no person checked it.",
        file=stream,
    )


def _cell(rubric: Rubric, axis: Axis, found: AxisSummary) -> str:
    if found.n == 0:
        return "n/a" if found.not_applicable else "not rated"
    of = f" ({found.n}{f', {found.not_applicable} n/a' if found.not_applicable else ''})"
    if found.mean is None:
        return ", ".join(f"{name} {n}" for name, n in found.options.items()) + of
    if found.kind == "binary":
        return f"{found.mean:.0%}{of}"
    return f"{found.mean:.1f} of {len(rubric.scale(axis).options)}{of}"
