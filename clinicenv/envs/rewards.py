"""What a step earns: a function of the scenario and the log so far.

A reward is called after each step with a trajectory whose `outcome` is None while the consultation goes on,
and returns what that step earned.
"""

from collections.abc import Callable
from typing import TypeAlias, cast

from clinicenv.envs.named import load
from clinicenv.events import Trajectory
from clinicenv.files import InputError
from clinicenv.scenario import Scenario

Reward: TypeAlias = Callable[[Scenario, Trajectory], float]


def credit(scenario: Scenario, trajectory: Trajectory) -> float:
    """The default: the credit of the rule's verdict, 0 to 1, at the end; 0 before the end."""
    verdict = trajectory.verdict
    return verdict.credit if verdict else 0.0


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
