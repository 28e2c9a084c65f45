"""How far two raters agree, always beside what a rater would reach that gives everybody the same.

Ratings that are missing or do not apply are left out in pairs; how many are left is part of the result. Needs
the `stats` extra.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


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
    constant_exact: float | None
    """the best that a rater reaches who gives everybody the same option, against the second one"""
    constant_near: float | None


def agreement(one: Sequence[int | None], other: Sequence[int | None], ordered: bool = True) -> Agreement:
    """The agreement of two raters: places of the options that they chose, None for no rating."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if not pairs:
        return Agreement(0, None, None, None, None, None)
    gold = [b for _, b in pairs]
    return Agreement(
        n=len(pairs),
        exact=_share(pairs, 0),
        near=_share(pairs, 1) if ordered else None,
        kappa=kappa(pairs, ordered),
        constant_exact=max(Counter(gold).values()) / len(gold),
        constant_near=max(_share([(c, b) for b in gold], 1) for c in set(gold)) if ordered else None,
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
