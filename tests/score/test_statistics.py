"""Intervals and summaries."""

from itertools import combinations
from math import sqrt
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon as wilcoxon_of_scipy
from statsmodels.regression.linear_model import OLS
from statsmodels.stats import contingency_tables
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.tools import add_constant

from clinicenv.score.agreement import agreement
from clinicenv.score.stations import Performance, alpha, borderline, reliability, station
from clinicenv.score.statistics import (
    accuracy,
    detectable,
    false_discovery,
    interval,
    mcnemar,
    pass_k,
    rank_intervals,
    resampled,
    wilcoxon,
    wilson,
)
from clinicenv.score.summary import summarise


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [  # scipy 1.17.1: binomtest(right, n).proportion_ci(0.95, "wilson")
        (0, 6, 0.0, 0.390334),
        (2, 6, 0.096771, 0.700007),
        (6, 6, 0.609666, 1.0),
        (37, 107, 0.262433, 0.439845),
    ],
)
def test_wilson_is_what_scipy_gives(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right / n, n) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 500), st.floats(0, 1))
def test_an_interval_holds_its_proportion(n: int, p: float) -> None:
    low, high = wilson(p, n)
    assert 0 <= low <= p + 1e-12
    assert p - 1e-12 <= high <= 1
    assert wilson(p, 4 * n)[1] - wilson(p, 4 * n)[0] < high - low


def test_repeats_of_one_scenario_make_no_narrower_interval() -> None:
    once = accuracy({"a": [True], "b": [False]})
    often = accuracy({"a": [True] * 50, "b": [False] * 50})
    assert once == often
    assert accuracy({"a": [True, False], "b": [True, True]})[0] == 0.75


def result(**given: object) -> SimpleNamespace:
    usual = {"scenario": "a", "arm": "x", "status": "terminated", "turns": 4, "tests": 1, "cost": 10.0}
    marks = {"correct": True, "diagnosed": True}
    return SimpleNamespace(**{**usual, "marks": marks, "routes": {}, **given})


def test_errors_count_in_no_mean_and_a_missing_diagnosis_is_not_right() -> None:
    (row,) = summarise(
        [
            result(),
            result(scenario="b", status="truncated", marks={"correct": False, "diagnosed": False}, turns=20),
            result(scenario="c", status="error", marks={}, turns=99, cost=9999.0),
        ]
    )
    assert (row.consultations, row.errors, row.scored, row.undiagnosed) == (3, 1, 2, 1)
    assert (row.accuracy, row.turns, row.cost) == (0.5, 12, 10.0)


def test_an_arm_without_anything_to_score_has_no_accuracy() -> None:
    (row,) = summarise([result(marks={"correct": None, "diagnosed": True})])
    assert (row.accuracy, row.low, row.high) == (None, None, None)


# Differences between doctors that saw the same scenarios


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_that_of_statsmodels(lost: int, gained: int) -> None:
    wanted = contingency_tables.mcnemar([[5, lost], [gained, 5]], exact=True).pvalue if lost + gained else 1.0
    assert mcnemar(lost, gained) == pytest.approx(wanted, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_false_discovery_is_that_of_statsmodels(ps: list[float]) -> None:
    assert false_discovery(ps) == pytest.approx(multipletests(ps, method="fdr_bh")[1], abs=1e-9)


@given(st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=40))
def test_wilcoxon_is_that_of_scipy_without_the_ties(differences: list[float]) -> None:
    moved = [d for d in differences if d]
    wanted = float(wilcoxon_of_scipy(moved).pvalue) if moved else 1.0
    assert wilcoxon(differences) == pytest.approx(wanted, abs=1e-9)


ratings = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60)


@given(ratings, st.booleans())
def test_kappa_is_that_of_statsmodels(pairs: list[tuple[int, int]], ordered: bool) -> None:
    found = agreement([a for a, _ in pairs], [b for _, b in pairs], ordered)
    table = [[sum(pair == (a, b) for pair in pairs) for b in range(5)] for a in range(5)]
    if found.kappa is None:
        assert len({a for a, _ in pairs}) == 1 or len({b for _, b in pairs}) == 1
    else:
        wanted = cohens_kappa(table, wt="quadratic" if ordered else None, return_results=False)
        assert found.kappa == pytest.approx(wanted, abs=1e-9)
    assert found.constant_exact is not None
    for same in range(5):
        assert agreement([same] * len(pairs), [b for _, b in pairs]).exact <= found.constant_exact + 1e-12


def test_ratings_that_do_not_apply_count_in_no_agreement() -> None:
    found = agreement([1, None, 3, 4], [1, 2, None, 2])
    assert (found.n, found.exact, found.near) == (2, 0.5, 0.5)
    assert agreement([None], [1]).n == 0


def test_the_best_constant_rater_may_beat_a_rater() -> None:
    found = agreement([4, 4, 3, 4, 2], [4, 4, 4, 4, 4])
    assert found.exact == 0.6
    assert found.constant_exact == 1.0
    assert found.kappa is None


def test_a_pass_mark_by_hand() -> None:
    # ratings 0, 1, 2, 3 and scores 10, 14, 22, 26: the line is 9.6 + 5.6 r, so a borderline of 1 has 15.2
    found = borderline([10, 14, 22, 26], [0, 1, 2, 3], 1)
    assert found is not None
    assert (found.mark, found.slope) == pytest.approx((15.2, 5.6), abs=1e-9)
    assert found.r2 == pytest.approx(1 - 3.2 / 160, abs=1e-9)
    assert found.error == pytest.approx(sqrt(3.2 / 4), abs=1e-9)
    assert borderline([10, 14, 22], [2, 2, 2], 1) is None


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 4)), min_size=3, max_size=40))
def test_a_pass_mark_is_where_the_line_of_statsmodels_has_the_border(rows: list[tuple[float, int]]) -> None:
    scores, grades = [s for s, _ in rows], [float(g) for _, g in rows]
    found = borderline(scores, grades, 1)
    if found:
        intercept, slope = OLS(scores, add_constant(grades, has_constant="add")).fit().params
        assert found.mark == pytest.approx(intercept + slope, abs=1e-7)


def test_who_passes_a_station() -> None:
    rows = [(0.2, 0), (0.4, 1), (0.6, 2), (0.8, 3)]
    found = station("a", [Performance(score, score == 0.8, rating) for score, rating in rows], border=1)
    assert found.pass_mark is not None
    assert found.pass_mark.mark == pytest.approx(0.4)
    assert found.passed == 0.5  # 0.4 and 0.6; the best one missed what no one may miss
    assert found.critical_missed == 1
    falling = station("a", [Performance(score, False, 3 - rating) for score, rating in rows], border=1)
    assert (falling.pass_mark, falling.passed) == (None, None)
    unrated = station("a", [Performance(0.5, False, None)], border=1)
    assert (unrated.rated, unrated.spread, unrated.passed) == (0, None, None)


def test_reliability_is_of_those_who_did_all_stations() -> None:
    def at(*scores: float) -> dict[tuple[str, int], Performance]:
        return {("a", n): Performance(score, False, None) for n, score in enumerate(scores)}

    assert reliability({"x": at(1, 2, 3), "y": at(2, 4, 6, 9)}) == (alpha([[1, 2], [2, 4], [3, 6]]), 3)
    assert reliability({"x": at(1)}) == (None, 1)


def test_alpha_by_hand() -> None:
    # three candidates, two stations: variances 1 and 4 of the stations, 9 of the sums
    assert alpha([[1, 2], [2, 4], [3, 6]]) == pytest.approx(2 * (1 - 5 / 9), abs=1e-9)
    assert alpha([[1], [2]]) is None


def test_what_can_be_seen_grows_with_the_scenarios() -> None:
    assert detectable(30, 0.25) == pytest.approx(0.247, abs=0.002)
    assert detectable(160, 0.30) == pytest.approx(0.12, abs=0.005)  # Connor's formula by hand: 160 pairs
    assert detectable(626, 0.20) == pytest.approx(0.05, abs=0.001)
    assert detectable(5, 0.1) == 1.0


def test_pass_k_is_the_share_of_all_choices() -> None:
    for tries in range(1, 6):
        for right in range(tries + 1):
            marks = [True] * right + [False] * (tries - right)
            for k in range(1, tries + 1):
                chosen = list(combinations(marks, k))
                assert pass_k(right, tries, k) == pytest.approx(sum(map(all, chosen)) / len(chosen))
    with pytest.raises(ValueError, match="k is 3"):
        pass_k(1, 2, 3)


def experiment(n: int, seed: int, draws: int, discrete: bool) -> tuple[bool, bool]:
    """Two doctors that are equally good on `n` scenarios: does the interval of their difference, or McNemar's
    test, say that they are not?"""
    luck = np.random.default_rng(seed)
    hard = luck.random(n)
    if discrete:
        marks = (luck.random((n, 2)) < hard[:, None]).astype(float)
    else:
        marks = hard[:, None] + luck.normal(0, 0.3, (n, 2))
    difference = marks[:, :1] - marks[:, 1:]
    low, high = interval(resampled(difference, seed, draws)[:, 0], n)
    lost, gained = int((difference > 0).sum()), int((difference < 0).sum())
    return not low <= 0 <= high, mcnemar(lost, gained) < 0.05


@pytest.mark.parametrize("n", [20, 60])
def test_doctors_that_are_equally_good_are_told_apart_no_more_than_they_should(n: int) -> None:
    found = [experiment(n, seed, 1000, discrete=False)[0] for seed in range(2000)]
    assert 0.035 <= np.mean(found) <= 0.065


def test_mcnemar_tells_equals_apart_no_more_than_it_should() -> None:
    found = [experiment(40, seed, 1, discrete=True)[1] for seed in range(2000)]
    assert np.mean(found) <= 0.065


def test_a_real_difference_is_found() -> None:
    luck = np.random.default_rng(1)
    better = luck.normal(0.3, 0.5, (100, 1))
    low, high = interval(resampled(better)[:, 0], 100)
    assert 0 < low < 0.3 < high


def test_draws_are_those_of_the_seed_and_keep_pairs() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2))
    values[:, 1] = values[:, 0] + 1
    means = resampled(values, seed=4, draws=700)
    assert (means == resampled(values, seed=4, draws=700)).all()
    assert (means[:, 1] - means[:, 0]) == pytest.approx(1)


def test_ranks_of_equals_overlap_and_those_of_unequals_do_not() -> None:
    luck = np.random.default_rng(2)
    base = luck.normal(size=(200, 1))
    values = np.hstack([base, base + luck.normal(0, 0.5, (200, 1)), base - 2])
    first, second, third = rank_intervals(resampled(values, draws=2000))
    assert (first, second) == ((1, 2), (1, 2))
    assert third == (3, 3)


def test_who_stands_on_the_pass_mark_passes_and_noise_is_no_mark() -> None:
    for step in (0.1, 0.2, 0.3, 0.07):
        rows = [Performance(0.1 + step * n, False, n) for n in range(3)]
        found = station("a", rows, border=1)
        assert found.passed == pytest.approx(2 / 3)
        assert not found.extrapolated
    for same in (0.1, 0.3, 0.7):
        flat = station("a", [Performance(same, False, n % 4) for n in range(7)], border=1)
        assert flat.pass_mark is None
    assert station("a", [Performance(0.2 * n, False, 2 + n) for n in range(3)], border=1).extrapolated
    assert alpha([[0.1, 0.2], [0.3, 0.0]]) is None


def test_kappas_interval_holds_its_value_and_narrows_with_the_pairs() -> None:
    few = [(0, 0), (1, 1), (2, 2), (3, 2), (1, 0), (2, 3)]
    widths = []
    for times in (1, 10, 50):
        found = agreement(*zip(*few * times, strict=True))
        assert found.kappa is not None
        assert found.kappa_low is not None
        assert found.kappa_high is not None
        assert found.kappa_low <= found.kappa <= found.kappa_high
        widths.append(found.kappa_high - found.kappa_low)
    assert widths[0] > widths[1] > widths[2]
    assert agreement([1, 1, 1], [0, 1, 2]).kappa_low is None
