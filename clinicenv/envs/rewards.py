"""What a step earns: a function of the scenario and the log so far.

A reward is called after each step with a trajectory whose `outcome` is None while the consultation goes on,
and returns what that step earned.
"""

from collections.abc import Callable
from typing import TypeAlias, cast

from clinicenv.envs.named import load
from clinicenv.events import Trajectory, Verdict
from clinicenv.files import InputError
from clinicenv.scenario import Scenario

Reward: TypeAlias = Callable[[Scenario, Trajectory], float]


def credit(scenario: Scenario, trajectory: Trajectory) -> float:
    """The default, 0 to 1, by the rule's verdict at the end; 0 before the end.

    The credit of the ranked diagnoses; 1 for the right answer of a `question` task; in a `communicate` task
    the points of the goals that were met, as a share of all.
    """
    verdict = trajectory.verdict
    if verdict is None:
        return 0.0
    if scenario.task == "question":
        return float(bool(verdict.answer_correct))
    if scenario.task == "communicate":
        met = sum(g.points for g in scenario.goals if g.id in verdict.goals_met)
        return met / sum(g.points for g in scenario.goals)
    return verdict.credit


def correct(scenario: Scenario, verdict: Verdict) -> bool:
    """Whether the first diagnosis or the answer is right, or every goal was met, by task."""
    if scenario.task == "question":
        return bool(verdict.answer_correct)
    if scenario.task == "communicate":
        return len(verdict.goals_met) == len(scenario.goals)
    return bool(verdict.ranks) and verdict.ranks[0].right


REWARDS: dict[str, Reward] = {"default": credit}


def resolve(name: str) -> Reward:
    """The reward of a name, or one's own function as `module:function`; InputError if there is none."""
    if name in REWARDS:
        return REWARDS[name]
    if ":" not in name:
        known = ", ".join(sorted(REWARDS))
        raise InputError(
            f"no reward is called `{name}`; there are: {known}, or name your own function as module:function"
        )
    found = load(name, "reward")
    if not callable(found):
        raise InputError(f"reward: `{name}` is no function, but a {type(found).__name__}")
    return cast(Reward, found)
