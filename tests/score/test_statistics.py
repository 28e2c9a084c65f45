"""Intervals and summaries."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinicenv.score.statistics import accuracy, wilson
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
