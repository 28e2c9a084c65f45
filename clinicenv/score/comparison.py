"""Doctors compared on the scenarios that all of them saw: means, paired differences, ranks, power.

The unit is the scenario: repeats count as their mean. Needs the `stats` extra.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from clinicenv.score.statistics import (
    detectable,
    false_discovery,
    interval,
    mcnemar,
    need_stats,
    pass_k,
    rank_intervals,
    resampled,
    wilcoxon,
    wilson,
)

Values = Mapping[str, Mapping[str, Sequence[float]]]
"""arm -> scenario -> the values of its repeats"""


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One arm. Differences are to the reference arm, in the mark's own unit; None for that arm itself."""

    arm: str
    consultations: int
    mean: float
    low: float | None
    high: float | None
    """95 % interval over scenarios: Wilson's for a yes-or-no mark, else by bootstrap; None for one"""
    best_rank: int
    worst_rank: int
    """between which ranks it lies with 95 % confidence, 1 the best"""
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    p: float | None
    """McNemar's exact test for a yes-or-no mark with one repeat, else Wilcoxon's, by scenario"""
    q: float | None
    """the same after Benjamini and Hochberg, over all arms"""
    all_k: float | None
    """pass^k: how likely k repeats of a scenario are all right; None for other marks, or one repeat"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows, best first, and what a comparison of so many scenarios can show."""

    mark: str
    reference: str
    chosen: bool
    """whether the reference is the best arm of the same data, so that p and q are too small"""
    rows: tuple[ComparedRow, ...]
    scenarios: int
    repeats: int
    """the fewest that an arm has of a scenario"""
    left_out: tuple[str, ...]
    """scenarios that not all arms have"""
    discordant: float | None
    """mean share of scenarios that turn between the reference and another arm, for a yes-or-no mark"""
    visible: float | None
    """the smallest difference that shows with 80 % power at that share"""


def compare(
    values: Values,
    mark: str,
    binary: bool,
    reference: str | None = None,
    seed: int = 0,
    lower_is_better: bool = False,
) -> Comparison:
    """The comparison; the reference is the best arm unless named. ValueError where nothing is common."""
    np = need_stats()
    arms = list(values)
    common = sorted(set.intersection(*(set(found) for found in values.values()))) if values else []
    if not common:
        raise ValueError("no scenario has this mark in all arms")
    every = set().union(*(set(found) for found in values.values()))
    table = np.array([[mean(values[arm][s]) for arm in arms] for s in common])
    means = resampled(table, seed)
    sign = -1 if lower_is_better else 1
    alone = len(common) < 2  # of one scenario nothing can be said of others
    ranks = [(1, len(arms))] * len(arms) if alone else rank_intervals(sign * means)
    first = arms.index(reference) if reference else int((sign * table.mean(axis=0)).argmax())
    repeats = min(len(values[arm][s]) for arm in arms for s in common)
    single = max(len(values[arm][s]) for arm in arms for s in common) == 1
    tested = binary and not lower_is_better and repeats > 1
    changes = {arm: table[:, n] - table[:, first] for n, arm in enumerate(arms) if n != first}
    ps = {arm: _p(change, binary and single) for arm, change in changes.items()}
    qs = dict(zip(ps, false_discovery(list(ps.values())), strict=True))
    rows = []
    for n, arm in enumerate(arms):
        own, moved = float(table[:, n].mean()), arm in changes
        low, high = wilson(own, len(common)) if binary else interval(means[:, n], len(common))
        d_low, d_high = interval(means[:, n] - means[:, first], len(common))
        rows.append(
            ComparedRow(
                arm=arm,
                consultations=sum(len(values[arm][s]) for s in common),
                mean=own,
                low=low,
                high=high,
                best_rank=ranks[n][0],
                worst_rank=ranks[n][1],
                difference=float(changes[arm].mean()) if moved else None,
                difference_low=d_low if moved else None,
                difference_high=d_high if moved else None,
                p=ps.get(arm),
                q=qs.get(arm),
                all_k=_all_right(values[arm], common, repeats) if tested else None,
            )
        )
    turned = [float(np.abs(change).mean()) for change in changes.values()]
    share = mean(turned) if binary and turned else None
    return Comparison(
        mark=mark,
        reference=arms[first],
        rows=tuple(sorted(rows, key=lambda row: -sign * row.mean)),
        chosen=reference is None,
        scenarios=len(common),
        repeats=repeats,
        left_out=tuple(sorted(every - set(common))),
        discordant=share,
        visible=detectable(len(common), share) if share else None,
    )


def _p(change: Sequence[float], yes_or_no: bool) -> float:
    if yes_or_no:
        return mcnemar(sum(c < 0 for c in change), sum(c > 0 for c in change))
    return wilcoxon([float(c) for c in change])


def _all_right(found: Mapping[str, Sequence[float]], common: Sequence[str], k: int) -> float:
    return mean(pass_k(sum(v > 0 for v in found[s]), len(found[s]), k) for s in common)
