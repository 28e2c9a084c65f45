"""clinicenv: a simulation environment for clinical dialogue. It simulates; it is no medical device."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Consultation": "clinicenv.consultation",
    "IllegalAction": "clinicenv.events",
    "Turn": "clinicenv.consultation",
    "Role": "clinicenv.events",
    "Trajectory": "clinicenv.events",
    "Say": "clinicenv.events",
    "Examine": "clinicenv.events",
    "OrderTests": "clinicenv.events",
    "RequestImage": "clinicenv.events",
    "Diagnose": "clinicenv.events",
    "Plan": "clinicenv.events",
    "Answer": "clinicenv.events",
    "Leave": "clinicenv.events",
    "Scenario": "clinicenv.scenario",
    "load_scenario": "clinicenv.scenario",
    "select": "clinicenv.scenario",
    "Cast": "clinicenv.agents.cast",
    "play": "clinicenv.agents.cast",
    "aplay": "clinicenv.agents.cast",
    "InputError": "clinicenv.files",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used, so that `import clinicenv` stays light."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'clinicenv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*_HOME, "__version__"]
