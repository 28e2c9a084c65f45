"""Doctors compared on what all of them saw."""

import numpy as np
import pytest

from clinicenv.score.comparison import compare

LUCK = np.random.default_rng(3)


def values(**arms: list[list[float]]) -> dict[str, dict[str, list[float]]]:
    return {arm: {f"s{n}": repeats for n, repeats in enumerate(rows)} for arm, rows in arms.items()}


def test_the_best_comes_first_and_the_others_are_compared_with_it() -> None:
    hard = LUCK.random(80)
    table = values(
        good=[[float(h < 0.9)] for h in hard],
        bad=[[float(h < 0.4)] for h in hard],
        worse=[[0.0] for _ in hard],
    )
    found = compare(table, "correct", binary=True)
    assert [row.arm for row in found.rows] == ["good", "bad", "worse"]
    assert found.reference == "good"
    best, bad, _ = found.rows
    assert (best.difference, best.p, best.best_rank, best.worst_rank) == (None, None, 1, 1)
    assert bad.difference == pytest.approx(bad.mean - best.mean)
    assert bad.difference_low is not None
    assert bad.difference_high is not None
    assert bad.difference_low < bad.difference < bad.difference_high < 0
    assert bad.p is not None
    assert bad.q is not None
    assert bad.p <= bad.q < 0.001
    named = compare(table, "correct", binary=True, reference="worse")
    assert next(row for row in named.rows if row.arm == "bad").difference == pytest.approx(bad.mean)


def test_only_scenarios_that_all_have_are_compared_and_the_others_are_named() -> None:
    table = values(a=[[1.0], [0.0], [1.0]], b=[[1.0], [1.0], [1.0]])
    del table["b"]["s0"]
    found = compare(table, "correct", binary=True)
    assert (found.scenarios, found.left_out) == (2, ("s0",))
    del table["b"]["s1"], table["b"]["s2"]
    with pytest.raises(ValueError, match="no scenario"):
        compare(table, "correct", binary=True)


def test_repeats_count_as_their_mean_and_make_pass_k() -> None:
    table = values(a=[[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]], b=[[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    whole = compare(table, "correct", binary=True)
    found = {row.arm: row for row in whole.rows}
    assert found["a"].mean == pytest.approx(5 / 6)
    assert (found["a"].all_k, whole.repeats, found["a"].consultations) == (0.5, 3, 6)
    assert compare(table, "score", binary=False).rows[0].all_k is None


def test_what_cannot_be_seen_is_said() -> None:
    few = values(a=[[1.0]] * 9 + [[0.0]], b=[[1.0]] * 9 + [[1.0]])
    found = compare(few, "correct", binary=True)
    assert found.discordant == pytest.approx(0.1)
    assert found.visible == 1.0
    many = values(a=[[float(n % 4 > 0)] for n in range(400)], b=[[float(n % 5 > 0)] for n in range(400)])
    seen = compare(many, "correct", binary=True).visible
    assert seen is not None
    assert 0.05 < seen < 0.15


def test_the_same_table_and_seed_give_the_same_figures() -> None:
    table = values(a=[[float(x)] for x in LUCK.random(30)], b=[[float(x)] for x in LUCK.random(30)])
    assert compare(table, "score", binary=False) == compare(table, "score", binary=False)
    assert compare(table, "score", binary=False, seed=1) != compare(table, "score", binary=False)
