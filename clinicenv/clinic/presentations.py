"""What the diseases of the profiles look and sound like: words for signs, reports and complaints."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clinicenv.files import load_model
from clinicenv.story import Slot, Slug, Text

FILE = Path(__file__).resolve().parent / "knowledge" / "presentations.yaml"

Tempo = Literal["minutes", "hours", "days", "weeks", "months", "years"]
Band = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Told(_Part):
    """What the patient says of one attribute of a finding, in lay words."""

    concept: Slug
    say: tuple[Text, ...] = Field(min_length=1)


class Presentation(_Part):
    """How one disease presents. `vitals` are ranges when abnormal; `bp` has `sys` and `dia`."""

    tempo: Tempo
    """how long before the visit it begins"""
    onset: tuple[Literal["sudden", "gradual"], ...] = Field(min_length=1)
    signs: dict[str, Text] = Field(default_factory=dict)
    vitals: dict[str, Band | dict[Literal["sys", "dia"], Band]] = Field(default_factory=dict)
    tests: dict[str, Text] = Field(default_factory=dict)
    """reports of tests without a number, when abnormal"""
    panels: dict[str, dict[str, Literal["low", "high"]]] = Field(default_factory=dict)
    """lines of panels that are out of range in this disease, where they are not the usual ones"""
    reveals: tuple[str, ...] = ()
    """tests whose report names the disease"""
    attributes: dict[Slot, Told] = Field(default_factory=dict)


class _Presentations(_Part):
    presentations: dict[str, Presentation]


@cache
def _all() -> dict[str, Presentation]:
    return load_model(_Presentations, FILE)[0].presentations


def presentation(name: str) -> Presentation:
    """How the disease of that name presents; KeyError for a name that has no profile."""
    return _all()[name]
