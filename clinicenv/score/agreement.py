"""How far two raters agree, always beside what a rater would reach that gives everybody the same.

Ratings that are missing or do not apply are left out in pairs; how many are left is part of the result. Needs
the `stats` extra.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clinicenv.score.axes import Rated
from clinicenv.score.rubric import Axis, Rubric
from clinicenv.score.statistics import need_stats


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two raters on the options of one axis. Shares are 0 to 1; None where there is nothing to tell."""

    n: int
    """pairs in which both rated"""
    exact: float | None
    near: float | None
    """at most one option apart; None for options without an order"""
    kappa: float | None
    """Cohen's, quadratic weights where options have an order; None where a rater gives one option only"""
    kappa_low: float | None
    kappa_high: float | None
    """its 95 % interval by bootstrap of the pairs"""
    constant_exact: float | None
    """the best that a rater reaches who gives everybody the same option, against the second one"""
    constant_near: float | None
    side: float | None = None
    """both on the same side: the option speaks for the doctor, or not; None where sides are unknown"""
    constant_side: float | None = None


Ratings = Mapping[str, Mapping[str, Rated]]
"""consultation's key -> axis -> rating"""


def of_axis(rubric: Rubric, axis: Axis, one: Ratings, other: Ratings) -> Agreement:
    """The agreement of two raters on an axis, over the consultations that both have."""
    return _pooled(rubric, [axis], one, other)


def of_all(rubric: Rubric, one: Ratings, other: Ratings) -> Agreement | None:
    """The same over all axes together; None where they have not one scale."""
    if len({axis.scale for axis in rubric.axes}) > 1 or len(rubric.axes) < 2:
        return None
    return _pooled(rubric, rubric.axes, one, other)


def _pooled(rubric: Rubric, axes: Sequence[Axis], one: Ratings, other: Ratings) -> Agreement:
    scale = rubric.scale(axes[0])
    cells = [(key, axis.id) for key in one.keys() & other.keys() for axis in axes]
    given = [[_place(scale.places, by[key].get(name)) for key, name in cells] for by in (one, other)]
    good = [scale.favourable(o.id) for o in scale.options]
    return agreement(given[0], given[1], scale.ordered, good)


def _place(places: Mapping[str, int], rated: Rated | None) -> int | None:
    return None if rated is None or rated.option is None else places[rated.option]


def agreement(
    one: Sequence[int | None],
    other: Sequence[int | None],
    ordered: bool = True,
    good: Sequence[bool] | None = None,
) -> Agreement:
    """The agreement of two raters: places of the options that they chose, None for no rating.

    `good` says of each option whether it speaks for the doctor.
    """
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if not pairs:
        return Agreement(0, None, None, None, None, None, None, None)
    gold = [b for _, b in pairs]
    agreed = kappa(pairs, ordered)
    low, high = (None, None) if agreed is None else kappa_interval(pairs, ordered)
    sides = [(int(good[a]), int(good[b])) for a, b in pairs] if good else []
    return Agreement(
        n=len(pairs),
        exact=_share(pairs, 0),
        near=_share(pairs, 1) if ordered else None,
        kappa=agreed,
        kappa_low=low,
        kappa_high=high,
        constant_exact=max(Counter(gold).values()) / len(gold),
        constant_near=max(_share([(c, b) for b in gold], 1) for c in set(gold)) if ordered else None,
        side=_share(sides, 0) if sides else None,
        constant_side=max(Counter(b for _, b in sides).values()) / len(sides) if sides else None,
    )


def _share(pairs: Sequence[tuple[int, int]], apart: int) -> float:
    return sum(abs(a - b) <= apart for a, b in pairs) / len(pairs)


def kappa(pairs: Sequence[tuple[int, int]], ordered: bool) -> float | None:
    """Cohen's kappa (Psychol. Bull. 70 (1968) 213-220): agreement beyond chance, 1 at most.

    Disagreement weighs its squared distance where options have an order, else 1. None where one of the raters
    gives a single option: chance then explains all.
    """
    n = len(pairs)
    ours, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    if len(ours) < 2 or len(theirs) < 2:
        return None

    def weight(a: int, b: int) -> float:
        return float((a - b) ** 2) if ordered else float(a != b)

    seen = sum(weight(a, b) for a, b in pairs) / n
    chance = sum(weight(a, b) * p * q for a, p in ours.items() for b, q in theirs.items()) / (n * n)
    return 1 - seen / chance


DRAWS = 2_000


def kappa_interval(pairs: Sequence[tuple[int, int]], ordered: bool, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of kappa: percentiles of its values in `DRAWS` samples of the pairs with replacement.

    A sample in which a rater gives one option only counts as no agreement beyond chance.
    """
    np = need_stats()
    size = max(max(pair) for pair in pairs) + 1
    table = np.zeros((size, size))
    for a, b in pairs:
        table[a, b] += 1
    places = np.arange(size)
    apart = np.abs(places[:, None] - places[None, :])
    weight = apart**2 if ordered else (apart > 0).astype(float)
    n = len(pairs)
    drawn = np.random.default_rng(seed).multinomial(n, table.ravel() / n, DRAWS).reshape(DRAWS, size, size)
    seen = (drawn * weight).sum(axis=(1, 2)) / n
    ours, theirs = drawn.sum(axis=2), drawn.sum(axis=1)
    chance = np.einsum("da,ab,db->d", ours, weight, theirs) / n**2
    alone = ((ours > 0).sum(axis=1) < 2) | ((theirs > 0).sum(axis=1) < 2)
    values = np.where(alone | (chance == 0), 0.0, 1 - seen / np.where(chance == 0, 1, chance))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
