"""Where the bundled scenarios, agent cards, profiles and prices are, in a wheel or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(kind: str) -> Path:
    """The folder of bundled `scenarios`, `agents` or `bias_profiles`."""
    in_wheel = _PACKAGE / "shipped" / kind
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / kind


def file(name: str) -> Path:
    """The bundled file, e.g. `prices.yaml`."""
    in_wheel = _PACKAGE / "shipped" / name
    return in_wheel if in_wheel.is_file() else _PACKAGE.parent / name
