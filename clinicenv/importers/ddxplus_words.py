"""How the codes of DDXPlus are spoken: the vocabulary of `ddxplus_words.yaml`, and who speaks it."""

import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from clinicenv.files import load_model
from clinicenv.story import Section, Slot

FILE = Path(__file__).resolve().with_name("ddxplus_words.yaml")

_BRACES = re.compile(r"\{([^{}]+)\}")
_PER_SENTENCE = 3
"""Places that one sentence lists at most."""
_SHE_SAYS = {
    "have": "has", "do": "does", "don't": "doesn't", "can": "can", "can't": "can't", "may": "may",
    "could": "could",
}  # fmt: skip
"""The verbs whose third person is not regular, and those that have none."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Word(_Part):
    """What an evidence becomes. `concept`: one of the lexicon's, or `@pain`, `@swelling`, `@main`."""

    concept: str = ""
    slot: Slot = "present"
    say: str = "{it}"
    value: str = ""
    opening: str = ""
    """what is said of it first, where `say` alone would not be understood"""
    values: dict[str, str] = Field(default_factory=dict)
    """by value; an empty one has nothing to tell"""
    upto: dict[int, str] = Field(default_factory=dict)
    """of a scale: what is said up to a number"""
    sites: bool = False
    none: str = ""
    """what is said of no site at all"""
    sex: Literal["female", "male"] | None = None
    ethnicity: str = ""
    ask: tuple[str, ...] = ()
    """questions that are meant for it and would be taken for something else"""


class Site(_Part):
    """A place of the body: right and left, or one code."""

    codes: tuple[str, ...]
    one: str
    both: str = ""
    pain: str
    swelling: str = "swelling"
    sex: Literal["female", "male"] | None = None


class Group(_Part):
    """An evidence whose concept hangs on where it is."""

    sites: str
    also: str
    lead: dict[str, str]


class Named(_Part):
    """A condition by its right name."""

    name: str
    synonyms: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()
    subtypes: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()


class Names(_Part):
    """First names by sex, and family names, joined by commas."""

    female: str
    male: str
    family: str


class Words(_Part):
    """The vocabulary."""

    names: Names
    groups: dict[Literal["pain", "swelling"], Group]
    sites: tuple[Site, ...]
    nowhere: str
    evidences: dict[Section, dict[str, tuple[Word, ...] | Word]]
    conditions: dict[str, Named]

    @cached_property
    def by_code(self) -> dict[str, tuple[Section, tuple[Word, ...]]]:
        """Section and words of each evidence."""
        return {
            code: (section, word if isinstance(word, tuple) else (word,))
            for section, words in self.evidences.items()
            for code, word in words.items()
        }

    @cached_property
    def site_of(self) -> dict[str, Site]:
        """The place that a value code means."""
        return {code: site for site in self.sites for code in site.codes}

    def knows(self, code: str, value: str = "") -> bool:
        """Whether there are words for the evidence, and for this value of it."""
        if code not in self.by_code:
            return False
        return not value or any(
            value in word.values
            or (word.sites and (value == self.nowhere or value in self.site_of))
            or (value.isdecimal() and bool(word.upto) and int(value) <= max(word.upto))
            for word in self.by_code[code][1]
        )

    def fits(self, code: str, value: str, sex: str) -> bool:
        """Whether a patient of this sex can have it."""
        sexes = [word.sex for word in self.by_code[code][1]]
        if value in self.site_of and any(word.sites for word in self.by_code[code][1]):
            sexes.append(self.site_of[value].sex)
        return all(only in (None, sex) for only in sexes)

    def places(self, values: Sequence[str], speaker: "Speaker") -> list[str]:
        """The places in words, right and left of one kind together."""
        found: list[str] = []
        for site in dict.fromkeys(self.site_of[v] for v in values if v in self.site_of):
            sides = [side for side, c in zip(("right", "left"), site.codes, strict=False) if c in values]
            text = site.both if len(sides) == 2 else site.one.replace("{side}", sides[0])
            found.append(speaker.says(text, begin=False))
        return found

    def sentences(self, word: Word, values: Sequence[str], speaker: "Speaker") -> str:
        """What is said of an evidence with these values; empty where there is nothing to tell."""
        if word.sites:
            return speaker.lists(word.say, self.places(values, speaker)) or speaker.says(word.none)
        if word.upto:
            return " ".join(speaker.says(_upto(word.upto, int(v)), v) for v in values if v.isdecimal())
        if word.values:
            phrases = [speaker.says(p, begin=False) for v in values if (p := word.values.get(v))]
            return speaker.says(word.say, listed(phrases)) if phrases else ""
        return speaker.says(word.say)


def _upto(scale: dict[int, str], number: int) -> str:
    return next((text for top, text in sorted(scale.items()) if number <= top), "")


class Speaker(NamedTuple):
    """Who speaks: the patient, or a parent of a child of this sex."""

    sex: Literal["female", "male"]
    is_parent: bool

    @property
    def you(self) -> str:
        """Whom a question to this speaker is about."""
        return "you" if not self.is_parent else "she" if self.sex == "female" else "he"

    def says(self, text: str, it: str = "", *, begin: bool = True) -> str:
        """The text in this speaker's words; `begin`: with a capital at the start of each sentence."""
        told = _BRACES.sub(lambda m: it if m[1] == "it" else self._word(m[1]), text)
        return re.sub(r"(?:^|(?<=[.!?] ))\w", lambda m: m[0].upper(), told) if begin else told

    def lists(self, text: str, places: Sequence[str]) -> str:
        """The text with a few places for {it}, and a sentence with each few more."""
        parts = [places[i : i + _PER_SENTENCE] for i in range(0, len(places), _PER_SENTENCE)]
        return " ".join(
            self.says(text if n == 0 else "It's also {it}.", listed(some)) for n, some in enumerate(parts)
        )

    def _word(self, word: str) -> str:
        if not self.is_parent:
            return word
        he, his, him = ("she", "her", "her") if self.sex == "female" else ("he", "his", "him")
        pronouns = {"I": he, "I'm": f"{he}'s", "I've": f"{he}'s", "I'd": f"{he}'d", "my": his, "me": him}
        pronouns["myself"] = f"{him}self"
        return pronouns.get(word) or _SHE_SAYS.get(word) or _with_s(word)


def _with_s(verb: str) -> str:
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "o")) else f"{verb}s"


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


@cache
def vocabulary() -> Words:
    """The bundled vocabulary."""
    return load_model(Words, FILE)[0]


def all_texts(words: Words) -> Iterator[str]:
    """Every text that may be said."""
    for group in words.groups.values():
        yield from (group.also, *group.lead.values())
    for site in words.sites:
        yield from (site.one, site.both)
    for _, found in words.by_code.values():
        for word in found:
            yield from (word.say, word.opening, word.none, *word.values.values(), *word.upto.values())
