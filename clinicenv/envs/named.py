"""Things of a user's own, named as data: `module:name`."""

import importlib
import inspect
from typing import Any, cast

from clinicenv.agents.cast import Player
from clinicenv.files import InputError

PLUGIN = "plugin:"
"""Before `module:name` where an agent is meant: without it, `openai:NAME` might be a model or a module."""


def load(name: str, what: str) -> Any:
    """What `module:name` names. InputError says which part of it is wrong; `what` is for its message.

    An error inside the module itself comes through as it is.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute.isidentifier():
        raise InputError(f"{what}: `{name}` should be written as module:name, e.g. mypackage.clinic:mine")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as e:
        if e.name is None or not f"{module_name}.".startswith(f"{e.name}."):
            raise
        raise InputError(
            f"{what}: no module `{e.name}` for `{name}`; install it, or put its folder on PYTHONPATH"
        ) from e
    if not hasattr(module, attribute):
        raise InputError(f"{what}: the module `{module_name}` has nothing called `{attribute}`")
    return getattr(module, attribute)


def player(role: str, name: str) -> Player:
    """A name as `Cast` takes it, or one's own agent for `plugin:module:name`; InputError if it is none."""
    if not isinstance(name, str):
        raise InputError(
            f"{role}: the arguments of an environment are data, got {type(name).__name__};"
            f" name an agent of your own as {PLUGIN}module:name"
        )
    if not name.startswith(PLUGIN):
        return name
    found = load(name.removeprefix(PLUGIN), role)
    makes_one = inspect.isclass(found) or (callable(found) and not hasattr(found, "act"))
    agent = found() if makes_one else found
    if not hasattr(agent, "act"):
        raise InputError(f"{role}: `{name}` gives no agent: it has no `act(turn)`")
    return cast(Player, agent)
