"""An examination of stations: the pass mark by borderline regression, and how good the stations are.

Sources: M. Homer, G. Pell, Med. Teach. 31 (2009) 420-425, on the borderline regression method; G. Pell et
al., "How to measure the quality of the OSCE", AMEE guide 49, Med. Teach. 32 (2010) 802-811. Needs the
`stats` extra.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from clinicenv.score.statistics import need_stats

_NOISE = 1e-9
"""Differences that come from rounding; marks and slopes are shares of points."""

Candidate = tuple[str, int]
"""an arm, and which of its repeats"""


@dataclass(frozen=True, slots=True)
class Performance:
    """One candidate at one station."""

    checklist: float
    """share of the points, 0 to 1"""
    critical_missed: bool
    """whether an item is not met that must be"""
    rating: int | None
    """place of the global rating on its scale, from 0; None where nobody rated"""


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


@dataclass(frozen=True, slots=True)
class Station:
    """One scenario as a station. Scores are shares of the checklist's points, 0 to 1."""

    scenario: str
    candidates: int
    mean: float
    spread: float | None
    """standard deviation; None for one candidate"""
    rated: int
    """candidates with a global rating"""
    pass_mark: PassMark | None
    """None for fewer than three ratings, ratings all alike, or scores that do not rise with them"""
    extrapolated: bool
    """whether nobody was rated borderline or below, so that the mark lies beyond all ratings given"""
    passed: float | None
    """share of the candidates at or above the mark who missed no critical item; None without a mark"""
    critical_missed: int
    """candidates who missed a critical item: they fail whatever their score"""


def station(scenario: str, performances: Sequence[Performance], border: int) -> Station:
    """A station's figures; `border` is the place of the borderline rating on its scale."""
    scores = [p.checklist for p in performances]
    rated = [p for p in performances if p.rating is not None]
    line = borderline([p.checklist for p in rated], [float(p.rating or 0) for p in rated], border)
    mark = line if line and line.slope > _NOISE else None
    passed = [
        mark is not None and p.checklist >= mark.mark - _NOISE and not p.critical_missed for p in performances
    ]
    return Station(
        scenario=scenario,
        candidates=len(performances),
        mean=fmean(scores),
        spread=stdev(scores) if len(scores) > 1 else None,
        rated=len(rated),
        pass_mark=mark,
        passed=fmean(passed) if mark else None,
        extrapolated=bool(mark) and not any(p.rating is not None and p.rating <= border for p in rated),
        critical_missed=sum(p.critical_missed for p in performances),
    )


def reliability(stations: Mapping[str, Mapping[Candidate, Performance]]) -> tuple[float | None, int]:
    """Cronbach's alpha of the stations' scores, and of how many candidates: those who did all stations."""
    whole = set.intersection(*(set(found) for found in stations.values())) if stations else set()
    table = [[found[who].checklist for found in stations.values()] for who in sorted(whole)]
    return alpha(table) if table else None, len(whole)


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
    return float(k / (k - 1) * (1 - table.var(axis=0, ddof=1).sum() / whole)) if whole > _NOISE else None
