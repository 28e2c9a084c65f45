"""Statistics of proportions."""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import NormalDist, mean


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


def accuracy(by_scenario: Mapping[str, Sequence[bool]]) -> tuple[float, float, float]:
    """Mean accuracy over scenarios, and its interval.

    Repeats of one scenario are not independent, so the scenario is the unit: its share of right answers
    counts once, and the interval is Wilson's with the number of scenarios. That is exact for one repeat
    and on the safe side for more.
    """
    shares = [mean(map(float, marks)) for marks in by_scenario.values() if marks]
    p = mean(shares) if shares else 0.0
    return (p, *wilson(p, len(shares)))
