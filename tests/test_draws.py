"""Draws are keyed by what they are for."""

from hypothesis import given
from hypothesis import strategies as st

from clinicenv.draws import Draws, Fork, TurnDraw, pick

NAMES = st.text(max_size=20)


@given(st.integers(), st.integers(0, 99), NAMES, NAMES, st.integers(0, 50), NAMES)
def test_a_draw_depends_on_its_key_alone(
    seed: int, repeat: int, line: str, what: str, turn: int, item: str
) -> None:
    first, again = Draws(seed, repeat, line), Draws(seed, repeat, line)
    again.number("patient", "other", 3)
    n = first.number("patient", what, turn, item)
    assert 0 <= n < 1
    assert n == again.number("patient", what, turn, item)
    assert n != Draws(seed + 1, repeat, line).number("patient", what, turn, item)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 3))
def test_a_fork_changes_only_the_turns_after_it(turn: int, at: int, sibling: int) -> None:
    parent, child = Draws(1, 0, "x"), Draws(1, 0, "x", (Fork(at, sibling),))
    same = parent.number("patient", "say", turn) == child.number("patient", "say", turn)
    assert same == (turn <= at)
    assert child.number("patient", "opening", 0) == parent.number("patient", "opening", 0)


def test_results_are_drawn_once_whenever_they_are_asked_for() -> None:
    draws = Draws(1, 0, "x")
    early, late = TurnDraw(draws, "measurement", 2), TurnDraw(draws, "measurement", 9)
    assert early("result", "sodium") == late("result", "sodium")
    assert early("say", "sodium") != late("say", "sodium")


def test_pick_reaches_every_option() -> None:
    assert {pick("abc", n / 100) for n in range(100)} == set("abc")
