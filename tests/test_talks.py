"""The difficult conversations, end to end: a kind doctor reaches their goals, a curt one does not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clinicenv import Cast, Leave, Say, load_scenario, play, select
from clinicenv.consultation import Turn
from clinicenv.events import Heard, Trajectory

TALKS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data" / "talks.yaml").read_text())
CASES = [s.id for s in select("task:communicate")]


def talk(case: str, doctor: str, seed: int = 7) -> Trajectory:
    script = TALKS[case][doctor]

    def act(turn: Turn) -> Say | Leave:
        n = turn.view.turn - 1
        return Say(script["lines"][n]) if n < len(script["lines"]) else Leave(script["goodbye"])

    return play(load_scenario(case), Cast(doctor=act), seed=seed)


def test_there_are_enough_of_them_and_each_has_its_two_doctors() -> None:
    assert len(CASES) >= 5
    assert sorted(TALKS) == CASES


@pytest.mark.parametrize("case", CASES)
def test_a_kind_doctor_reaches_every_goal_whatever_the_seed(case: str) -> None:
    goals = {g.id for g in load_scenario(case).goals}
    for seed in (1, 7):
        done = talk(case, "kind", seed)
        assert done.outcome is not None
        assert (done.outcome.status, done.outcome.reason) == ("terminated", "leave")
        assert done.verdict is not None
        assert goals - set(done.verdict.goals_met) == set()


@pytest.mark.parametrize("case", CASES)
def test_a_curt_doctor_reaches_at_most_a_third(case: str) -> None:
    done = talk(case, "curt")
    assert done.verdict is not None
    assert len(done.verdict.goals_met) <= len(load_scenario(case).goals) / 3


@pytest.mark.parametrize("case", CASES)
def test_what_needs_trust_is_told_to_the_kind_doctor_only_and_what_is_never_known_to_nobody(
    case: str,
) -> None:
    facts = load_scenario(case).facts.values()
    gated, never = {f.id for f in facts if f.unlock}, {f.id for f in facts if f.disclosure == "never"}
    kind, curt = talk(case, "kind").told(), talk(case, "curt").told()
    assert len(kind & gated) >= 2
    assert len(kind & gated) > len(curt & gated)
    assert never
    assert not (kind | curt) & never


@pytest.mark.parametrize("case", CASES)
def test_trust_moves_in_the_log_as_numbers(case: str) -> None:
    kind, curt = ([e.what.trust for e in talk(case, d).of(Heard)] for d in ("kind", "curt"))  # type: ignore[union-attr]
    assert kind[-1] > kind[0]
    assert kind[-1] > curt[-1] + 0.1
