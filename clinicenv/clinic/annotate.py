"""The rule annotator: which facts a reply told that no scripted patient wrote.

It is conservative. A fact counts as told where the reply holds most of the words of one of its wordings or
of its value, or names its finding, and never where the reply denies what the fact affirms, or the other way
round.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from clinicenv.clinic.lexicon import lexicon, mentions, normalise
from clinicenv.story import Fact

ENOUGH = 0.6
"""Share of a wording's words, rare ones weighted more, that a reply must hold."""

LEAST_WORDS = 2
"""Words of a wording that a reply must hold; one in common proves nothing."""

_SENTENCE = re.compile(r"[^.?!\n]+[.?!\n]*")
_PART = re.compile(r"[,;:]")
_COMMON = frozenset(
    {
        "is",
        "was",
        "be",
        "been",
        "do",
        "did",
        "have",
        "had",
        "has",
        "you",
        "i",
        "it",
        "this",
        "that",
        "there",
        "he",
    }
    | {
        "she",
        "him",
        "her",
        "we",
        "they",
        "me",
        "of",
        "to",
        "in",
        "on",
        "at",
        "for",
        "with",
        "and",
        "or",
        "but",
    }
    | {
        "so",
        "not",
        "no",
        "yes",
        "just",
        "all",
        "can",
        "get",
        "got",
        "go",
        "my",
        "as",
        "if",
        "when",
        "then",
        "up",
    }
    | {
        "out",
        "now",
        "about",
        "from",
        "by",
        "bit",
        "like",
        "really",
        "feel",
        "very",
        "some",
        "any",
        "more",
        "too",
    }
)
_TIMES = frozenset(
    {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "hour", "day", "week"}
    | {"month", "year", "ago", "last", "night", "morning", "since", "time"}
    | set(map(str, range(61)))
)
"""A part of a value that is only these is shared by chance."""


def facts_told(text: str, facts: Iterable[Fact]) -> tuple[str, ...]:
    """Ids of the facts that a reply told, in the order of `facts`. Questions in it tell nothing."""
    stated = " ".join(s for s in _SENTENCE.findall(text) if not s.rstrip().endswith("?"))
    words = frozenset(normalise(stated))
    facts = tuple(facts)
    if not words or not facts:
        return ()
    said = mentions(stated)
    counts = _counts(tuple(say for f in facts for say in f.say))
    return tuple(f.id for f in facts if _told(f, words, said, counts))


def _told(fact: Fact, words: frozenset[str], said: dict[str, bool], counts: Counter[str]) -> bool:
    affirmed = said.get(fact.concept)
    if affirmed is not None:
        if affirmed not in _polarity(fact.concept, fact.slot, fact.present, fact.say):
            return False
        if fact.slot == "present" and fact.concept in lexicon().symptoms:
            return True
    least = LEAST_WORDS if affirmed is None else 1
    if any(_share(_content(say), words, counts, least) >= ENOUGH for say in fact.say):
        return True
    # the value of a denial is "none" or the like, which many a sentence holds
    return fact.present and fact.value is not None and _holds_value(fact.value, words, counts)


def _holds_value(value: str, words: frozenset[str], counts: Counter[str]) -> bool:
    if _share(_content(value), words, counts, LEAST_WORDS) >= ENOUGH:
        return True
    parts = (_content(part) for part in _PART.split(value))
    return any(len(part) >= LEAST_WORDS and part <= words and not part <= _TIMES for part in parts)


def _share(wording: frozenset[str], words: frozenset[str], counts: Counter[str], least: int) -> float:
    shared = wording & words
    if len(shared) < least:
        return 0.0
    whole = sum(1 / max(1, counts[w]) for w in sorted(wording))
    return sum(1 / max(1, counts[w]) for w in sorted(shared)) / whole


@lru_cache(maxsize=4096)
def _content(text: str) -> frozenset[str]:
    return frozenset(normalise(text)) - _COMMON


@lru_cache(maxsize=256)
def _counts(says: tuple[str, ...]) -> Counter[str]:
    """In how many wordings of the case each word is."""
    return Counter(w for say in says for w in sorted(_content(say)))


@lru_cache(maxsize=4096)
def _polarity(concept: str, slot: str, present: bool, says: tuple[str, ...]) -> frozenset[bool]:
    """Whether the fact affirms its finding, by its own words where they name it; an attribute does."""
    own = frozenset(m[concept] for say in says if concept in (m := mentions(say)))
    return (own or frozenset({present})) | ({True} if slot != "present" else frozenset())
