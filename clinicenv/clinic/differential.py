"""The baseline doctor's reasoning: naive Bayes over disease profiles, and what is worth asking or testing.

Findings and tests are taken as independent given the disease (naive Bayes); the worth of a question is its
expected information gain, the mutual information of answer and disease in bits.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import exp, log, log2
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from clinicenv.clinic.catalogue import catalogue
from clinicenv.files import InputError, load_model

FILE = Path(__file__).resolve().parent / "knowledge" / "diseases.yaml"

Band = Literal["usual", "often", "sometimes", "rare"]
AgeBand = Literal["infant", "child", "young", "middle", "old"]
Shown: TypeAlias = bool | Literal["low", "high"]
"""What a test showed: normal (False), out of range (True), or out of range on a known side."""

BANDS: dict[Band, float] = {"usual": 0.9, "often": 0.6, "sometimes": 0.2, "rare": 0.02}
"""How likely a finding is, given the disease."""

_AGE_ENDS: tuple[tuple[float, AgeBand], ...] = ((2, "infant"), (16, "child"), (40, "young"), (65, "middle"))

SIGN_BACKGROUND = 0.2
"""How often an examination shows something abnormal that has nothing to do with the disease."""

ATTENTION = 10.0
"""What ordering any test costs besides its price, in the same dollars; so that free tests are not endless."""

LEAST_GAIN = 0.005
"""Bits below which a question or a test is not worth anybody's time."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Accuracy(_Part):
    """How a test comes out in a disease: the side, and how often with and without the disease."""

    flag: Literal["low", "high", "abnormal"]
    sensitivity: float = Field(gt=0, lt=1)
    specificity: float = Field(gt=0, lt=1)


class Management(_Part):
    """What is done about a disease, one line each, in general terms."""

    investigations: str
    treatment: str
    disposition: str
    safety_net: str


class Disease(_Part):
    """A disease profile. `weight`, `sex` and `age` multiply to its relative prior."""

    name: str
    synonyms: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()
    specialty: str
    weight: float = Field(gt=0)
    sex: dict[Literal["female", "male"], float] = Field(default_factory=dict)
    age: dict[AgeBand, float] = Field(default_factory=dict)
    must_not_miss: bool = False
    findings: dict[str, Band]
    signs: dict[str, Band] = Field(default_factory=dict)
    """what to examine, in words, and how often it is abnormal"""
    tests: dict[str, Accuracy]
    plan: Management


class _Background(_Part):
    default: float = Field(gt=0, lt=1)
    rates: dict[str, float]


class _Profiles(_Part):
    background: _Background
    diseases: tuple[Disease, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known so far: findings by concept (present or denied), tests by catalogue id."""

    age: float | None = None
    """years"""
    sex: str | None = None
    findings: Mapping[str, bool] = field(default_factory=dict)
    tests: Mapping[str, Shown] = field(default_factory=dict)


Ratios: TypeAlias = tuple[tuple[int, float], ...]
"""Log likelihood ratios against the background, by the disease's index; diseases without one are left out."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A yes-or-no observation: how often it is made without any of the diseases, and with each of them."""

    rate: float
    rates: tuple[tuple[int, float], ...]
    entropy: float
    entropies: tuple[float, ...]
    """in bits, of the answer given each disease of `rates`"""

    def gain(self, posterior: Sequence[float]) -> float:
        """Mutual information of the answer and the disease, in bits."""
        known = yes = noise = 0.0
        for (index, rate), entropy in zip(self.rates, self.entropies, strict=True):
            p = posterior[index]
            known += p
            yes += p * rate
            noise += p * entropy
        return _entropy(yes + (1 - known) * self.rate) - noise - (1 - known) * self.entropy

    def ratios(self, happened: bool) -> Ratios:
        """What the answer does to the log-odds of the diseases."""
        if happened:
            return tuple((index, log(rate / self.rate)) for index, rate in self.rates)
        return tuple((index, log((1 - rate) / (1 - self.rate))) for index, rate in self.rates)


@dataclass(frozen=True, slots=True)
class _Tables:
    findings: dict[str, Observation]
    tests: dict[str, Observation]
    found: dict[tuple[str, bool], Ratios]
    tested: dict[tuple[str, Shown], Ratios]


def _entropy(p: float) -> float:
    return 0.0 if p <= 0 or p >= 1 else -p * log2(p) - (1 - p) * log2(1 - p)


@cache
def _profiles() -> _Profiles:
    loaded, document = load_model(_Profiles, FILE)
    seen: set[str] = set()
    for index, one in enumerate(loaded.diseases):
        line = document.line(("diseases", index))
        if one.name in seen:
            raise InputError(f"the disease `{one.name}` stands here twice; keep one", file=FILE, line=line)
        seen.add(one.name)
        for test in one.tests:
            if test not in catalogue():
                line = document.line(("diseases", index, "tests", test))
                raise InputError(f"no test `{test}` in tests.yaml; add it there", file=FILE, line=line)
    return loaded


def diseases() -> tuple[Disease, ...]:
    """All profiles, in the order of the file."""
    return _profiles().diseases


def background() -> dict[str, float]:
    """How often findings are there by chance, for those that differ from the default."""
    return _profiles().background.rates


@cache
def _by_name() -> dict[str, Disease]:
    return {one.name: one for one in diseases()}


def disease(name: str) -> Disease:
    """The profile of that name, as `rank` gives it; KeyError where there is none."""
    return _by_name()[name]


def must_not_miss(name: str) -> bool:
    """Whether overlooking the disease is dangerous; KeyError for an unknown name."""
    return disease(name).must_not_miss


def plan_for(name: str) -> Management:
    """What is done about the disease; KeyError for an unknown name."""
    return disease(name).plan


def observation(rate: float, rates: Mapping[int, float]) -> Observation:
    """From its background rate and the rates by the disease's index."""
    return Observation(rate, tuple(rates.items()), _entropy(rate), tuple(map(_entropy, rates.values())))


def _one_side(test: str, split: Observation, side: Literal["low", "high"]) -> Ratios:
    """Diseases that push the test to the other side are no likelier than background."""
    agreeing = {
        i
        for i, one in enumerate(diseases())
        if test in one.tests and one.tests[test].flag in (side, "abnormal")
    }
    return tuple((index, ratio) for index, ratio in split.ratios(True) if index in agreeing)


@cache
def _tables() -> _Tables:
    background = _profiles().background
    findings: dict[str, dict[int, float]] = defaultdict(dict)
    sensitivities: dict[str, dict[int, float]] = defaultdict(dict)
    false_alarms: dict[str, list[float]] = defaultdict(list)
    for index, one in enumerate(diseases()):
        for concept, band in one.findings.items():
            findings[concept][index] = BANDS[band]
        for test, profile in one.tests.items():
            sensitivities[test][index] = profile.sensitivity
            false_alarms[test].append(1 - profile.specificity)
    asked = {c: observation(background.rates.get(c, background.default), r) for c, r in findings.items()}
    tested = {t: observation(sum(a) / len(a), sensitivities[t]) for t, a in false_alarms.items()}
    found = {(c, said): split.ratios(said) for c, split in asked.items() for said in (True, False)}
    shown: dict[tuple[str, Shown], Ratios] = {}
    for test, split in tested.items():
        shown[test, True] = split.ratios(True)
        shown[test, False] = split.ratios(False)
        shown[test, "low"] = _one_side(test, split, "low")
        shown[test, "high"] = _one_side(test, split, "high")
    return _Tables(asked, tested, found, shown)


def _age_band(age: float) -> AgeBand:
    return next((band for end, band in _AGE_ENDS if age < end), "old")


@lru_cache(maxsize=64)
def _log_priors(sex: str | None, band: AgeBand | None) -> tuple[float, ...]:
    def prior(one: Disease) -> float:
        by_sex = next((factor for of, factor in one.sex.items() if of == sex), 1.0)
        return one.weight * by_sex * (one.age.get(band, 1.0) if band else 1.0)

    return tuple(log(prior(one)) for one in diseases())


def _posterior(evidence: Evidence) -> list[float]:
    """The probability of each disease, in the order of the file. What no profile mentions tells nothing."""
    tables = _tables()
    scores = list(_log_priors(evidence.sex, None if evidence.age is None else _age_band(evidence.age)))
    for concept, said in evidence.findings.items():
        for index, ratio in tables.found.get((concept, said), ()):
            scores[index] += ratio
    for test, result in evidence.tests.items():
        for index, ratio in tables.tested.get((test, result), ()):
            scores[index] += ratio
    best = max(scores)
    weights = [exp(score - best) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def rank(evidence: Evidence) -> list[tuple[str, float]]:
    """All diseases with their probability, best first, ties by name."""
    named = zip((one.name for one in diseases()), _posterior(evidence), strict=True)
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))


def gains_of_findings(posterior: Sequence[float], skip: Collection[str] = ()) -> dict[str, float]:
    """Expected information on the disease, in bits, of asking for each finding but those of `skip`.

    `posterior` is the probability of each disease, in the order of `diseases()`.
    """
    return {c: s.gain(posterior) for c, s in _tables().findings.items() if c not in skip}


def gains_of_tests(posterior: Sequence[float], skip: Collection[str] = ()) -> dict[str, float]:
    """As `gains_of_findings`, of each test of the catalogue; `skip` holds ids."""
    return {t: s.gain(posterior) for t, s in _tables().tests.items() if t not in skip}


def gains_of_signs(posterior: Sequence[float]) -> dict[str, float]:
    """As `gains_of_findings`, of each examination that a profile names."""
    return {sign: split.gain(posterior) for sign, split in _signs().items()}


@cache
def _signs() -> dict[str, Observation]:
    rates: dict[str, dict[int, float]] = defaultdict(dict)
    for index, one in enumerate(diseases()):
        for sign, band in one.signs.items():
            rates[sign][index] = BANDS[band]
    return {sign: observation(SIGN_BACKGROUND, by_disease) for sign, by_disease in rates.items()}


def next_findings(
    evidence: Evidence, n: int, asked: Collection[str] = (), least: float = LEAST_GAIN
) -> list[str]:
    """Up to `n` concepts most worth asking about, best first; none that would tell less than `least`."""
    gains = gains_of_findings(_posterior(evidence), {*asked, *evidence.findings})
    best = sorted(gains, key=lambda concept: (-gains[concept], concept))[:n]
    return [concept for concept in best if gains[concept] >= least]


def next_tests(evidence: Evidence, n: int, ordered: Collection[str] = ()) -> list[str]:
    """Up to `n` names of tests with the most information for their cost, best first.

    `ordered` holds ids or names of tests that are not to be proposed again.
    """
    gains = gains_of_tests(_posterior(evidence), {*ordered, *evidence.tests})
    worth = [
        (-gain / (entry.cost + ATTENTION), entry.name)
        for test, gain in gains.items()
        if gain >= LEAST_GAIN and (entry := catalogue()[test]).name not in ordered
    ]
    return [name for _, name in sorted(worth)[:n]]
