"""An examination of stations: the pass mark by borderline regression, and how good the stations are.

Sources: M. Homer, G. Pell, Med. Teach. 31 (2009) 420-425, on the borderline regression method; G. Pell et
al., "How to measure the quality of the OSCE", AMEE guide 49, Med. Teach. 32 (2010) 802-811. Needs the
`stats` extra.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clinicenv.score.statistics import need_stats


@dataclass(frozen=True, slots=True)
class PassMark:
    """Where the line through checklist scores and global ratings has the borderline rating."""

    mark: float
    slope: float
    """checklist score gained with one grade of the global rating"""
    r2: float
    """share of the variance of checklist scores that the global rating explains; above 0.5 is held good"""
    error: float
    """root mean square distance of the scores from the line"""


def borderline(scores: Sequence[float], ratings: Sequence[float], border: float) -> PassMark | None:
    """The pass mark; None where all ratings are alike or fewer than three were rated."""
    np = need_stats()
    from scipy.stats import linregress

    if len(scores) < 3 or len(set(ratings)) < 2:
        return None
    line = linregress(ratings, scores)
    fitted = line.intercept + line.slope * np.asarray(ratings, dtype=float)
    error = float(np.sqrt(np.mean((np.asarray(scores, dtype=float) - fitted) ** 2)))
    return PassMark(
        mark=float(line.intercept + line.slope * border),
        slope=float(line.slope),
        r2=float(line.rvalue**2),
        error=error,
    )


def alpha(scores: Sequence[Sequence[float]]) -> float | None:
    """Cronbach's alpha of candidates x stations: how far the stations measure the same thing.

    Source: L. J. Cronbach, Psychometrika 16 (1951) 297-334. None for fewer than two stations or candidates,
    or where the candidates do not differ.
    """
    np = need_stats()
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2:
        return None
    k, whole = table.shape[1], table.sum(axis=1).var(ddof=1)
    return float(k / (k - 1) * (1 - table.var(axis=0, ddof=1).sum() / whole)) if whole else None
