"""The catalogue of common tests: finding a test by its name, and what it shows in a healthy person."""

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clinicenv.files import InputError, load_model

FILE = Path(__file__).resolve().parent / "knowledge" / "tests.yaml"

SPELLING_RATIO = 92
"""Least `rapidfuzz` ratio at which another spelling counts as the same name."""

FOR_AGE = "within the normal range for age"
"""What a child's line shows where the catalogue has no range for the age."""

CHILD_FROM, INFANT_FROM, ADULT_FROM = 2.0, 1 / 12, 16.0
"""Years from which the ranges of children, infants and adults hold; newborns have none."""

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
    """An adult range, with those of women and men where they differ, and those of infants and children."""

    female: Bounds | None = None
    male: Bounds | None = None
    infant: Bounds | None = None
    """from one month to below two years"""
    child: Bounds | None = None
    """from two to below 16 years"""

    def of(self, sex: str | None, age: float) -> Bounds | None:
        """The range for a sex and an age in years; None below 16 years where there is none for the age.

        An adult whose sex has no range of its own, or is neither female nor male, has the general one.
        """
        if age >= ADULT_FROM:
            return {"female": self.female, "male": self.male}.get(sex or "") or self
        if age < INFANT_FROM:
            return None
        return self.infant if age < CHILD_FROM else self.child


class CatalogueComponent(_Part):
    """One measured line: a number with its range, or what is normally seen, in words."""

    name: str
    unit: str = ""
    ref: Reference | None = None
    typical: Reference | None = None
    """what healthy people have, for drawing a value where the range is open or very wide"""
    share_of: str | None = None
    """an earlier line that this one is a part of: its value is a drawn `share` of that line's"""
    share: Reference | None = None
    egfr_from: str | None = None
    """an earlier line, creatinine in µmol/L, that this one is computed from"""
    decimals: int = Field(default=0, ge=0, le=4)
    normal_text: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "CatalogueComponent":
        if (self.ref is None) == (self.normal_text is None):
            raise ValueError("needs `ref` (a number) or `normal_text` (words), and not both")
        if (self.share is None) != (self.share_of is None):
            raise ValueError("`share_of` and `share` go together; give both or none")
        if not self.egfr_from:
            self._drawable()
        return self

    def _drawable(self) -> None:
        for age, whose in ((ADULT_FROM, "adults"), (CHILD_FROM, "children"), (INFANT_FROM, "infants")):
            drawn = self.drawn_from(None, age)
            if self.ref and self.ref.of(None, age) and (drawn is None or drawn.high is None):
                lacking = "share" if self.share else "typical"
                raise ValueError(
                    f"values of {whose} cannot be drawn without an upper end;"
                    f" give `{lacking}` with `low` and `high` for them"
                )

    def drawn_from(self, sex: str | None, age: float) -> Bounds | None:
        """The range that a healthy value (or share) is drawn from; None where there is none for the age."""
        sources = (self.share,) if self.share else (self.typical, self.ref)
        return next((b for source in sources if source and (b := source.of(sex, age))), None)


class CatalogueTest(_Part):
    """A test that any doctor may order. `cost` in illustrative dollars, `minutes` until the report."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    name: str
    aliases: tuple[str, ...] = ()
    category: Literal["lab", "ecg", "imaging", "micro", "path", "bedside", "procedure"]
    unit: str = ""
    ref: Reference | None = None
    typical: Reference | None = None
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
        for index, line in enumerate(self.components):
            earlier = [c.name for c in self.components[:index]]
            for base in filter(None, (line.share_of, line.egfr_from)):
                if base not in earlier:
                    raise ValueError(
                        f"`{line.name}` rests on `{base}`, which is no line above it; move it up"
                    )
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
    test: CatalogueTest, number: Callable[[str], float], sex: str | None = None, age: float = 40.0
) -> list[Reading]:
    """What a healthy person's result shows, line by line; empty where the whole result is `normal_text`.

    `number` gives a number in [0, 1) for a line's name; the same numbers give the same result. `age` in
    years. Below 16 years a line without a range for the age says `FOR_AGE` in words. A sex other than
    `female` and `male` has the general ranges.
    """
    readings: dict[str, Reading] = {}
    for line in test.lines():
        readings[line.name] = _reading(line, number(line.name), sex, age, readings)
    return list(readings.values())


def _reading(
    line: CatalogueComponent, number: float, sex: str | None, age: float, above: Mapping[str, Reading]
) -> Reading:
    if line.ref is None:
        return Reading(line.name, line.normal_text or "", line.unit, None, None)
    ref = line.ref.of(sex, age)
    if ref is None:
        return Reading(line.name, FOR_AGE, "", None, None)
    if line.egfr_from:
        exact = egfr(float(above[line.egfr_from].value), age, sex)
    else:
        exact = _within(line.drawn_from(sex, age) or ref, number)
        if line.share_of:
            exact *= float(above[line.share_of].value)
    value = round(exact, line.decimals)
    return Reading(line.name, value if line.decimals else int(value), line.unit, ref.low, ref.high)


def _within(bounds: Bounds, number: float) -> float:
    low, high = bounds.low or 0.0, bounds.high or 0.0
    margin = (1 - _MIDDLE) / 2
    return low + (high - low) * (margin + _MIDDLE * number)


def egfr(creatinine: float, age: float, sex: str | None) -> float:
    """Estimated glomerular filtration rate of an adult in mL/min/1.73 m², of creatinine in µmol/L.

    The CKD-EPI equation of 2021 without race (Inker et al., N Engl J Med 2021;385:1737-49). For a sex other
    than `female` and `male` it is the lower of the two.
    """
    known = {"female": (0.7, -0.241, 1.012), "male": (0.9, -0.302, 1.0)}
    constants = [known[sex]] if sex in known else list(known.values())

    def rate(kappa: float, alpha: float, factor: float) -> float:
        relative = creatinine / 88.4 / kappa
        bent: float = min(relative, 1.0) ** alpha * max(relative, 1.0) ** -1.2
        aged: float = 0.9938**age
        return 142 * bent * aged * factor

    return min(rate(*each) for each in constants)
