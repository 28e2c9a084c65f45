"""Names of diagnoses, compared as sets of word stems: whatever the spelling, the order and the number."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from unicodedata import combining, normalize

NEGATED = re.compile(
    r"\b(?:not|no|never|unlikely|improbable|exclud\w+|rul(?:e[sd]?|ing)[ -]?out|r/o|negative for|absence of"
    r"|absent|less likely|doubtful|instead of|rather than|no longer|against|cannot|except|false|denied"
    r"|low probability|less probable|\w+n['\u2019]t)\b",
    re.IGNORECASE,
)
EITHER = re.compile(r"\s(?:or|vs\.?|versus|and/or|/)\s", re.IGNORECASE)
BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_PERCENT = re.compile(r"\(?\b\d+(?:\.\d+)?\s*%\)?")
WORD = re.compile(r"[a-z0-9]+")
DROPPED = frozenset({
    "a", "an", "the", "of", "in", "on", "with", "by", "to", "acute", "likely", "most", "probable",
    "probably", "possible", "possibly", "suspected", "suspect", "presumed", "presumptive",
    "provisional", "working", "diagnosis", "dx", "confirmed", "query", "clinical", "very", "highly",
    "consistent", "favoured",
})  # fmt: skip
HARMLESS = frozenset({
    "left", "right", "bilateral", "unilateral", "side", "sided", "upper", "lower", "middle", "lobe",
    "lobar", "central", "peripheral", "segmental", "subsegmental", "multiple", "single", "large",
    "small", "mild", "moderate", "severe", "massive", "submassive", "extensive", "early", "late", "new",
    "onset", "first", "recent", "recurrent", "episode", "typical", "atypical", "classic", "classical",
    "uncomplicated", "complicated", "provoked", "unprovoked", "idiopathic", "viral", "bacterial",
    "autoimmune", "infectious", "postviral", "post", "spontaneous", "proximal", "distal", "anterior",
    "posterior", "inferior", "lateral", "decompensated", "symptomatic", "subacute", "sudden",
    "intermediate", "high", "low", "risk",
})  # fmt: skip
"""Words that add a side, a site, a degree or a cause to a diagnosis and leave it what it is."""

_OPPOSITES = (
    ("acute", "chronic"), ("left", "right"), ("primary", "secondary"), ("upper", "lower"),
    ("viral", "bacterial"),
    ("benign", "malignant"), ("ischemic", "hemorrhagic"), ("stable", "unstable"), ("provoked", "unprovoked"),
    ("1", "2"), ("unilateral", "bilateral"), ("open", "closed"), ("early", "late"), ("anterior", "posterior"),
    ("central", "peripheral"), ("infectious", "autoimmune"), ("systolic", "diastolic"), ("high", "low"),
)  # fmt: skip
_ROMAN = {"ii": "2", "iii": "3"}
_SAME = {
    "newborn": "neonatal", "cmv": "cytomegalovirus", "tb": "tuberculosis", "bleeding": "hemorrhage",
    "bleed": "hemorrhage", "physiological": "physiologic",
}  # fmt: skip
_LETTER_A = re.compile(r"(?<=[a-z] )(?:A\b|a$)")
"""The letter in `haemophilia A`, which is no article."""


def plain_letters(text: str) -> str:
    """The text without accents: Guillain-Barré is also written Guillain-Barre."""
    if text.isascii():
        return text
    return "".join(c for c in normalize("NFKD", text) if not combining(c))


@lru_cache(maxsize=16384)
def stems(name: str) -> frozenset[str]:
    """The words of a name, each in one spelling whether American or British, singular or plural."""
    return frozenset(in_order(name))


@lru_cache(maxsize=16384)
def in_order(name: str) -> tuple[str, ...]:
    """The stems in their order."""
    text = _LETTER_A.sub("lettera", plain_letters(name))
    text = text.lower().replace("\u2019", "'").replace("'s", "").replace("post-", "post")
    return tuple(_stem(_ROMAN.get(w, w)) for w in WORD.findall(text))


def _stem(word: str) -> str:
    word = _SAME.get(word, word).replace("ae", "e").replace("oe", "e")
    word = word.replace("isation", "ization").replace("ise", "ize")
    if len(word) > 4 and word.endswith("our"):
        word = word[:-3] + "or"
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith("boli"):
        return word[:-1] + "us"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=16384)
def words_of(name: str) -> frozenset[str]:
    """The words that matter."""
    every = stems(name)
    return (every - DROPPED) or every


def cleaned(said: str) -> str:
    return " ".join(_PERCENT.sub(" ", said).strip(" .,:;-?!").split())


def _equal(said: str, name: str) -> bool:
    same = words_of(said) == words_of(name) or words_of(said.replace("-", "")) == words_of(
        name.replace("-", "")
    )
    return same and not opposed(said, [name])


def opposed(said: str, names: Iterable[str]) -> bool:
    """Whether it says the contrary of something that every one of the names says, or acute for chronic."""
    words = stems(said)
    known = [stems(n) for n in names]
    for pair in _OPPOSITES:
        for one, other in (pair, pair[::-1]):
            if one in words and other not in words and any(other in k and one not in k for k in known):
                return True
    return False


def same_diagnosis(said: str, name: str, synonyms: Iterable[str] = ()) -> bool:
    """Whether the words mean this diagnosis: its name or a synonym, whatever the case, punctuation, order
    of words, spelling (American or British) and a leading `acute`, `likely` or `suspected`.

    A negated or hedged name, or one with words beside it, is not the same.
    """
    return match(cleaned(said), [name, *synonyms]) is not None


def match(said: str, names: Sequence[str]) -> str | None:
    """The name that is said, alone or with another of the names in brackets."""
    if not said:
        return None
    for name in names:
        if _equal(said, name):
            return name
    if NEGATED.search(said):
        return None
    either = [part for part in EITHER.split(said) if part.strip()]
    if len(either) > 1:
        found = [match(part, names) for part in either]
        return found[0] if all(found) else None
    inside = BRACKETS.findall(said)
    if inside:
        found = [match(part, names) for part in (BRACKETS.sub(" ", said), *inside)]
        return found[0] if all(found) else None
    return None
