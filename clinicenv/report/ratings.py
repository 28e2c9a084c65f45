"""Ratings as a table: an axis a line, a doctor a column, raw options and what does not apply kept apart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from textwrap import fill
from typing import Any, TextIO

from clinicenv.files import printable
from clinicenv.report.tables import print_table, table
from clinicenv.runs.ratings import RULE
from clinicenv.score.agreement import Agreement, Ratings, of_all, of_axis
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
    favourable: float | None
    """share of the ratings that speak for the doctor, over scenarios"""


def summarise(rubric: Rubric, axis: Axis, given: Given) -> AxisSummary:
    """The axis over all consultations of a doctor."""
    scale = rubric.scale(axis)
    found = [(scenario, ratings[axis.id]) for scenario, ratings in given if axis.id in ratings]
    rated = [(scenario, r) for scenario, r in found if r.option is not None]
    counts = Counter(str(r.option) for _, r in rated)
    first = 0 if scale.kind == "binary" else 1
    return AxisSummary(
        axis=axis.id,
        kind=scale.kind,
        n=len(rated),
        not_applicable=len(found) - len(rated),
        not_rated=len(given) - len(found),
        options={o.id: counts[o.id] for o in scale.options if counts[o.id]},
        mean=over_scenarios((s, first + scale.places[str(r.option)]) for s, r in rated)
        if scale.ordered
        else None,
        favourable=over_scenarios((s, float(scale.favourable(str(r.option)))) for s, r in rated),
    )


def as_data(rubric: Rubric, rater: str, arms: Mapping[str, Given]) -> dict[str, Any]:
    found = {arm: [asdict(summarise(rubric, a, given)) for a in rubric.axes] for arm, given in arms.items()}
    return {"rubric": rubric.id, "rubric_hash": rubric.hash, "rater": rater, "arms": found}


CEILING = 0.9
"""Share of the ratings on the best option from which on an axis cannot rank doctors."""


def notes(rubric: Rubric, rater: str, arms: Mapping[str, Given]) -> list[str]:
    """What a reader must know of the table, a sentence or two each."""
    found = [
        "Ordinal axes: mean place on the scale; yes-or-no axes: share of the good answer; in brackets the"
        " consultations that it is of, and those to which it does not apply (n/a)."
    ]
    if rater != RULE:
        found.append(
            f"Rated by {printable(rater)}. How far that can be trusted is known only as far as others rated"
            " the same."
        )
    elif any(axis.validated == "local" for axis in rubric.axes):
        found.append(
            "validated local: the rule puts scripted doctors of three grades in order; no person checked it."
        )
    if full := [axis.id for axis in rubric.axes if at_ceiling(rubric, axis, arms)]:
        found.append(
            f"At the ceiling ({CEILING:.0%} and more of all ratings on the best option, so it cannot rank):"
            f" {', '.join(full)}."
        )
    return found


def at_ceiling(rubric: Rubric, axis: Axis, arms: Mapping[str, Given]) -> bool:
    """Whether nearly all ratings of an ordered axis are its best option."""
    scale = rubric.scale(axis)
    given = [r[axis.id].option for found in arms.values() for _, r in found if axis.id in r]
    rated = [option for option in given if option is not None]
    best = scale.options[-1].id
    return scale.ordered and len(rated) > 1 and rated.count(best) >= CEILING * len(rated)


def rows(rubric: Rubric, arms: Mapping[str, Given], by_rule: bool) -> list[tuple[str, ...]]:
    """A row for each group and axis: its name, a cell for each doctor and, by rule, how it was validated."""
    found: list[tuple[str, ...]] = []
    for group, axes in groupby(rubric.axes, lambda axis: axis.group):
        found.append((group, *[""] * (len(arms) + by_rule)))
        for axis in axes:
            cells = (_cell(rubric, axis, summarise(rubric, axis, given)) for given in arms.values())
            found.append((f"  {axis.id}", *cells, *((axis.validated,) if by_rule else ())))
    return found


def columns(arms: Mapping[str, Given], by_rule: bool) -> tuple[str, ...]:
    return ("axis", *arms, *(("validated",) if by_rule else ()))


def print_ratings(rubric: Rubric, rater: str, arms: Mapping[str, Given], stream: TextIO) -> None:
    by_rule = rater == RULE
    print_table(table(columns(arms, by_rule), rows(rubric, arms, by_rule), figures=True), stream)
    print(fill(f"{printable(rubric.title)}. {' '.join(notes(rubric, rater, arms))}", 100), file=stream)


Agreed = dict[str, Agreement]
"""axis -> agreement; `ALL` for all axes together"""
ALL = "all axes"


def agreed(rubric: Rubric, one: Ratings, other: Ratings) -> Agreed:
    """Of two raters, for each axis that both rated at all."""
    found = {axis.id: of_axis(rubric, axis, one, other) for axis in rubric.axes}
    if whole := of_all(rubric, one, other):
        found[ALL] = whole
    return {name: agreement for name, agreement in found.items() if agreement.n}


AGREEMENT = ("axis", "n", "same", "constant", "kappa", "same side", "constant")


def agreement_rows(found: Agreed) -> list[tuple[str, ...]]:
    return [
        (
            name,
            str(a.n),
            _share(a.exact),
            _share(a.constant_exact),
            "-" if a.kappa is None else f"{a.kappa:.2f}{_interval(a)}",
            _share(a.side),
            _share(a.constant_side),
        )
        for name, a in found.items()
    ]


AGREEMENT_NOTE = (
    "same: both chose the same option; same side: both for the doctor, or both not; constant: what the best"
    " rater reaches that gives everybody the same, against the second one; kappa: Cohen's, quadratic weights"
    " where options have an order, with its 95 % interval by bootstrap of the pairs. An agreement that is no"
    " better than the constant's says nothing."
)


def print_agreement(one: str, other: str, found: Agreed, stream: TextIO) -> None:
    print(f"\n{printable(one)} and {printable(other)}", file=stream)
    if not found:
        print("no axis of a consultation was rated by both", file=stream)
        return
    print_table(table(AGREEMENT, agreement_rows(found), figures=True), stream)
    print(fill(AGREEMENT_NOTE, 100), file=stream)


def _interval(found: Agreement) -> str:
    if found.kappa_low is None or found.kappa_high is None:
        return ""
    return f" ({found.kappa_low:.2f} to {found.kappa_high:.2f})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _cell(rubric: Rubric, axis: Axis, found: AxisSummary) -> str:
    if found.n == 0:
        return "not rated" if found.not_rated else "n/a"
    of = f" ({found.n}{f', {found.not_applicable} n/a' if found.not_applicable else ''})"
    if found.mean is None:
        return ", ".join(f"{name} {n}" for name, n in found.options.items()) + of
    if found.kind == "binary":
        return f"{found.mean:.0%}{of}"
    return f"{found.mean:.1f} of {len(rubric.scale(axis).options)}{of}"
