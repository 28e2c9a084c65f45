"""The catalogue of common tests: finding a test by its name, and what it shows in a healthy person."""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clinicenv.files import InputError, load_model

FILE = Path(__file__).resolve().parent / "knowledge" / "tests.yaml"

SPELLING_RATIO = 92
"""Least `rapidfuzz` ratio at which another spelling counts as the same name."""

_MIDDLE = 0.8
"""The share of a range, around its centre, that healthy values are drawn from."""

_OPTIONAL = frozenset(
    {
        "serum",
        "plasma",
        "blood",
        "level",
        "levels",
        "test",
        "tests",
        "scan",
        "panel",
        "profile",
        "urgent",
        "stat",
    }
    | {"repeat", "routine", "baseline", "a", "an", "the", "of", "for", "with", "and"}
)
_NOT_WORDS = re.compile(r"[^a-z0-9]+")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Bounds(_Part):
    """A range of which one side may be open."""

    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Bounds":
        if self.low is None and self.high is None:
            raise ValueError("needs `low` or `high`")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"`low` {self.low:g} is not below `high` {self.high:g}; swap or correct them")
        return self

    def holds(self, value: float) -> bool:
        """Whether a value is inside; the ends are."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


class Reference(Bounds):
    """A reference range, with the ranges of women and men where those differ."""

    female: Bounds | None = None
    male: Bounds | None = None

    def of(self, sex: str | None) -> Bounds:
        """The range for a sex; the general one where the sex has none of its own or is unknown."""
        own = {"female": self.female, "male": self.male}.get(sex or "")
        return own or self


class CatalogueComponent(_Part):
    """One measured line: a number with its range, or what is normally seen, in words."""

    name: str
    unit: str = ""
    ref: Reference | None = None
    typical: Bounds | None = None
    """what healthy people have, for drawing a value where the range is open or very wide"""
    decimals: int = Field(default=0, ge=0, le=4)
    normal_text: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "CatalogueComponent":
        if (self.ref is None) == (self.normal_text is None):
            raise ValueError("needs `ref` (a number) or `normal_text` (words), and not both")
        drawn = self.typical or self.ref
        if drawn and drawn.high is None:
            raise ValueError(
                "values cannot be drawn without an upper end; give `typical: {low: .., high: ..}`"
            )
        return self


class CatalogueTest(_Part):
    """A test that any doctor may order. `cost` in illustrative dollars, `minutes` until the report."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    name: str
    aliases: tuple[str, ...] = ()
    category: Literal["lab", "ecg", "imaging", "micro", "path", "bedside", "procedure"]
    unit: str = ""
    ref: Reference | None = None
    typical: Bounds | None = None
    decimals: int = Field(default=0, ge=0, le=4)
    components: tuple[CatalogueComponent, ...] = ()
    normal_text: str | None = None
    cost: float = Field(ge=0)
    minutes: int = Field(ge=0)
    invasiveness: int = Field(default=0, ge=0, le=3)

    @model_validator(mode="after")
    def _one_form(self) -> "CatalogueTest":
        if sum(map(bool, (self.ref, self.components, self.normal_text))) != 1:
            raise ValueError("needs exactly one of `ref`, `components` and `normal_text`")
        if self.ref:
            self.lines()
        return self

    def lines(self) -> tuple[CatalogueComponent, ...]:
        """What is measured: the components of a panel, or the test itself; none where it is all words."""
        if self.ref is None:
            return self.components
        return (
            CatalogueComponent(
                name=self.name, unit=self.unit, ref=self.ref, typical=self.typical, decimals=self.decimals
            ),
        )


class _Catalogue(_Part):
    tests: tuple[CatalogueTest, ...]


class Reading(NamedTuple):
    """A line of a result. `value` is words for a line that has no number."""

    name: str
    value: float | str
    unit: str
    low: float | None
    high: float | None


@cache
def catalogue() -> dict[str, CatalogueTest]:
    """All tests by id, in the order of the file."""
    loaded, document = load_model(_Catalogue, FILE)
    tests: dict[str, CatalogueTest] = {}
    for index, test in enumerate(loaded.tests):
        if test.id in tests:
            raise InputError(
                f"the id `{test.id}` is taken; choose another",
                file=FILE,
                line=document.line(("tests", index)),
            )
        tests[test.id] = test
    return tests


def _plain(name: str) -> str:
    return _NOT_WORDS.sub(" ", name.lower()).strip()


def _core(plain: str) -> str:
    """The words that matter, in an order that does not depend on how they were put."""
    return " ".join(sorted(word for word in plain.split() if word not in _OPTIONAL))


@cache
def _names() -> tuple[dict[str, str], dict[str, str]]:
    """Test ids by plain name, and by the words of it that matter; the first test keeps a shared name."""
    plain: dict[str, str] = {}
    core: dict[str, str] = {}
    for test in catalogue().values():
        for name in (test.id, test.name, *test.aliases):
            key = _plain(name)
            plain.setdefault(key, test.id)
            if _core(key):
                core.setdefault(_core(key), test.id)
    return plain, core


def _marks(plain: str) -> list[str]:
    """Words too short to be misspelt, or with digits: `b`, `t4`. They tell similar tests apart."""
    return sorted(word for word in plain.split() if len(word) <= 3 or not word.isalpha())


def _respelt(plain: str, known: dict[str, str]) -> str | None:
    from rapidfuzz import fuzz, process

    if len(plain) < 5:
        return None
    near = process.extract(plain, list(known), scorer=fuzz.ratio, score_cutoff=SPELLING_RATIO, limit=5)
    return next((known[name] for name, _, _ in near if _marks(name) == _marks(plain)), None)


@lru_cache(maxsize=4096)
def _find(plain: str) -> CatalogueTest | None:
    names, cores = _names()
    found = names.get(plain) or cores.get(_core(plain)) or _respelt(plain, names)
    return catalogue()[found] if found else None


def find(name: str) -> CatalogueTest | None:
    """The test of that id, name or alias, or None.

    Case, punctuation, the order of words and words like `serum` or `level` do not matter, nor does a slip
    of spelling in a long word.
    """
    plain = _plain(name)
    return _find(plain) if plain else None


def normal_result(
    test: CatalogueTest, number: Callable[[str], float], sex: str | None = None
) -> list[Reading]:
    """What a healthy person's result shows, line by line; empty where the whole result is `normal_text`.

    `number` gives a number in [0, 1) for a line's name; the same numbers give the same result.
    """
    return [_reading(line, number, sex) for line in test.lines()]


def _reading(line: CatalogueComponent, number: Callable[[str], float], sex: str | None) -> Reading:
    if line.ref is None:
        return Reading(line.name, line.normal_text or "", line.unit, None, None)
    ref = line.ref.of(sex)
    source = line.typical or ref
    low, high = source.low or 0.0, source.high or 0.0
    margin = (1 - _MIDDLE) / 2
    value = round(low + (high - low) * (margin + _MIDDLE * number(line.name)), line.decimals)
    return Reading(line.name, value if line.decimals else int(value), line.unit, ref.low, ref.high)
