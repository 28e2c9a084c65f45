"""Statistics of shares and means over scenarios, and of differences between doctors that saw the same ones.

The unit is the scenario: repeats of one are not independent, so they count once, as their mean. All but the
functions before `pass_k` need the `stats` extra (numpy, scipy).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import comb, sqrt
from statistics import NormalDist, mean
from typing import TYPE_CHECKING, Any, TypeAlias

from clinicenv.files import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

DRAWS = 10_000
"""Of a bootstrap."""

CHUNK = 500
"""Draws that are made at once, so that memory stays small."""


def wilson(p: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion `p` seen in `n` independent trials.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212. (0, 1) for no trials.
    """
    if n <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def per_scenario(values: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """The values of each scenario, of (scenario, value)."""
    found: dict[str, list[float]] = {}
    for scenario, value in values:
        found.setdefault(scenario, []).append(value)
    return found


def over_scenarios(values: Iterable[tuple[str, float]]) -> float | None:
    """The mean over scenarios of (scenario, value); repeats count once, as their mean. None of none."""
    means = [mean(own) for own in per_scenario(values).values()]
    return mean(means) if means else None


def accuracy(by_scenario: Mapping[str, Sequence[float]]) -> tuple[float, float, float]:
    """Mean accuracy over scenarios, and its interval.

    Repeats of one scenario are not independent, so the scenario is the unit: its share of right answers
    counts once, and the interval is Wilson's with the number of scenarios. That is exact for one repeat
    and on the safe side for more.
    """
    shares = [mean(map(float, marks)) for marks in by_scenario.values() if marks]
    p = mean(shares) if shares else 0.0
    return (p, *wilson(p, len(shares)))


def pass_k(right: int, tries: int, k: int) -> float:
    """How likely `k` tries of a scenario are all right, estimated without bias from `tries` of them.

    Source: pass^k of tau-bench, arXiv 2406.12045: C(right, k) / C(tries, k). ValueError for k > tries.
    """
    if not 0 < k <= tries:
        raise ValueError(f"k is {k}, and there are {tries} tries")
    return comb(right, k) / comb(tries, k)


def need_stats() -> Any:
    """numpy; InputError where the extra is missing."""
    try:
        import numpy
        import scipy  # noqa: F401
    except ImportError as e:
        raise InputError("comparing runs needs the `stats` extra: pip install 'clinicenv[stats]'") from e
    return numpy


def resampled(values: "Array", seed: int = 0, draws: int = DRAWS) -> "Array":
    """Means over resampled units: draws x columns, of values that are units x columns.

    A unit is drawn with all its columns, so that what is paired stays paired.
    """
    np = need_stats()
    luck, n = np.random.default_rng(seed), len(values)
    found: Array = np.empty((draws, values.shape[1]))
    for start in range(0, draws, CHUNK):
        drawn = luck.integers(n, size=(min(CHUNK, draws - start), n))
        for column in range(values.shape[1]):
            found[start : start + len(drawn), column] = values[:, column][drawn].mean(axis=1)
    return found


def interval(means: "Array", n: int, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
    """The interval of a mean over `n` units from its resampled means: percentiles, widened for small n. None
    for fewer than two units, which say nothing of others.

    Source: the expanded percentile interval of T. Hesterberg, Am. Stat. 69 (2015) 371-386, section 4.2.
    """
    np = need_stats()
    from scipy.stats import t

    if n < 2:
        return None, None
    tail = NormalDist().cdf(sqrt(n / (n - 1)) * t.ppf((1 - level) / 2, n - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def rank_intervals(means: "Array", level: float = 0.95) -> list[tuple[int, int]]:
    """Between which ranks (1 is best, equal ones share the better) each column lies, from resampled means."""
    np = need_stats()
    ranks = 1 + (means[:, None, :] > means[:, :, None] + 1e-12).sum(axis=2)
    tail = (1 - level) / 2
    low, high = np.quantile(ranks, [tail, 1 - tail], axis=0, method="nearest")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def mcnemar(lost: int, gained: int) -> float:
    """The exact p of McNemar's test: whether pairs turn one way as often as the other."""
    need_stats()
    from scipy.stats import binomtest

    turned = lost + gained
    return float(binomtest(lost, turned).pvalue) if turned else 1.0


def wilcoxon(differences: Sequence[float]) -> float:
    """The p of Wilcoxon's signed-rank test; pairs without a difference are left out, 1 where none is left."""
    need_stats()
    from scipy import stats

    moved = [d for d in differences if d]
    return float(stats.wilcoxon(moved).pvalue) if moved else 1.0


def false_discovery(ps: Sequence[float]) -> list[float]:
    """The p values corrected for being many: Benjamini, Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300."""
    need_stats()
    from scipy.stats import false_discovery_control

    return [float(q) for q in false_discovery_control(ps)] if ps else []


def detectable(n: int, discordant: float, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest difference of two shares that `n` pairs show with this power, where a share `discordant`
    of the pairs turn; 1 where none does.

    Source: R. J. Connor, Biometrics 43 (1987) 207-211, for McNemar's test:
    n = (z_a sqrt(q) + z_b sqrt(q - d^2))^2 / d^2 with q the discordant share and d the difference, solved
    for d.
    """
    z_a, z_b = (NormalDist().inv_cdf(p) for p in (0.5 + level / 2, power))
    inside = n + z_b**2 - z_a**2
    if n < 1 or inside < 0:
        return 1.0
    found = sqrt(discordant) * (z_a * sqrt(n) + z_b * sqrt(inside)) / (n + z_b**2)
    return found if found <= discordant else 1.0
