"""The ranked diagnoses against the answer: which of them it is, and what that is worth.

Names are compared as sets of word stems. A name that is negated or hedged never counts, and one that holds
more than the answer counts only where the rest does no harm; what a rule cannot tell is `undecided`, without
credit.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

from clinicenv.events import RankVerdict
from clinicenv.scenario import Diagnosis, Differential, Scenario

RANK_DISCOUNT = (1.0, 0.6, 0.4)
"""What a right diagnosis is worth in first, second and third place; further down nothing."""

Kind = Literal["exact", "synonym", "subtype", "parent", "acceptable", "wrong", "undecided"]

_NEGATED = re.compile(
    r"\b(?:not|no|never|unlikely|improbable|exclud\w+|rul(?:e[sd]?|ing)[ -]?out|r/o|negative for|absence of"
    r"|absent|less likely|doubtful|instead of|rather than|no longer|against)\b",
    re.IGNORECASE,
)
_EITHER = re.compile(r"\s(?:or|vs\.?|versus|and/or)\s|\s*/\s*", re.IGNORECASE)
_CAUSED = re.compile(
    r"[\s,]+(?:due to|secondary to|caused by|because of|following|provoked by|related to|associated with"
    r"|complicating|in the setting of)\s",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")
_PERCENT = re.compile(r"\(?\b\d+(?:\.\d+)?\s*%\)?")
_WORD = re.compile(r"[a-z0-9]+")
_DROPPED = frozenset({
    "a", "an", "the", "of", "in", "on", "with", "by", "to", "acute", "likely", "most", "probable",
    "probably", "possible", "possibly", "suspected", "suspect", "presumed", "presumptive",
    "provisional", "working", "diagnosis", "dx", "confirmed", "query", "clinical", "very", "highly",
    "consistent", "favoured",
})  # fmt: skip
_HARMLESS = frozenset({
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
_GENERIC = frozenset({"disease", "syndrome", "disorder", "infection", "injury", "failure", "pain", "crisis"})
_ROMAN = {"ii": "2", "iii": "3"}


# --- names


@lru_cache(maxsize=16384)
def stems(name: str) -> frozenset[str]:
    """The words of a name, each in one spelling whether American or British, singular or plural."""
    text = name.lower().replace("\u2019", "'").replace("'s", "").replace("post-", "post")
    return frozenset(_stem(_ROMAN.get(w, w)) for w in _WORD.findall(text))


def _stem(word: str) -> str:
    word = word.replace("ae", "e").replace("oe", "e").replace("isation", "ization").replace("ise", "ize")
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
def _words(name: str) -> frozenset[str]:
    """The words that matter."""
    every = stems(name)
    return (every - _DROPPED) or every


def _cleaned(said: str) -> str:
    return " ".join(_PERCENT.sub(" ", said).strip(" .,:;-?!").split())


def _equal(said: str, name: str) -> bool:
    same = _words(said) == _words(name) or _words(said.replace("-", "")) == _words(name.replace("-", ""))
    return same and not _opposed(said, [name])


def _opposed(said: str, names: Iterable[str]) -> bool:
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
    return _matches(_cleaned(said), [name, *synonyms]) is not None


def _matches(said: str, names: Sequence[str]) -> str | None:
    """The name that is said, alone or with another of the names in brackets."""
    if not said:
        return None
    for name in names:
        if _equal(said, name):
            return name
    if _NEGATED.search(said):
        return None
    either = [part for part in _EITHER.split(said) if part.strip()]
    if len(either) > 1:
        found = [_matches(part, names) for part in either]
        return found[0] if all(found) else None
    inside = _BRACKETS.findall(said)
    if inside:
        found = [_matches(part, names) for part in (_BRACKETS.sub(" ", said), *inside)]
        return found[0] if all(found) else None
    return None


# --- the ranked list


@lru_cache(maxsize=1024)
def rank(said: str, scenario: Scenario) -> RankVerdict:
    answer, text = scenario.answer.diagnosis, _cleaned(said)
    if answer is None:
        return RankVerdict(said, "undecided", "The scenario names no diagnosis.")
    kind, why, credit = _listed(text, answer, scenario.answer.differentials) or _unlisted(text, answer)
    return RankVerdict(said, kind, why, credit)


_Found = tuple[Kind, str, float]


def _listed(text: str, answer: Diagnosis, differentials: Sequence[Differential]) -> _Found | None:
    """By a name that the scenario lists."""
    if _matches(text, [answer.name]):
        return "exact", f"It is the answer, {answer.name}.", 1.0
    own = [answer.name, *answer.synonyms, *answer.abbreviations]
    if name := _matches(text, own):
        return "synonym", f"{name} is another name of the answer, {answer.name}.", 1.0
    subtype = 1.0 if answer.accept_subtype else answer.parent_credit
    if name := _matches(text, answer.subtypes):
        return "subtype", f"{name} is a kind of the answer, {answer.name}.", subtype
    if name := _matches(text, answer.parents):
        return "parent", f"{name} is wider than the answer, {answer.name}.", answer.parent_credit
    for other in differentials:
        if _matches(text, [other.name, *other.synonyms]):
            kind: Kind = "acceptable" if other.credit > 0 else "wrong"
            return kind, f"{other.name} is listed as a differential worth {other.credit:g}.", other.credit
    return None


def _unlisted(text: str, answer: Diagnosis) -> _Found:
    """By words that are shared with the answer's names."""
    own = [answer.name, *answer.synonyms, *answer.abbreviations]
    contained = [n for n in own if _words(n) <= _words(text)]
    if _NEGATED.search(text):
        return "wrong", "The name is negated or hedged.", 0.0
    if len(_EITHER.split(text)) > 1:
        named = any(_matches(part, [*own, *answer.subtypes]) for part in _EITHER.split(text))
        return ("undecided", "It names alternatives.", 0.0) if named or contained else _WRONG
    if _opposed(text, [answer.name]):
        return "wrong", f"It contradicts the answer, {answer.name}, in a word.", 0.0
    subtype = 1.0 if answer.accept_subtype else answer.parent_credit
    head = _CAUSED.split(text, maxsplit=1)[0]
    for name in contained:
        if _words(text) - _words(name) <= _HARMLESS:
            return "subtype", f"It is the answer, {name}, with a side, site, degree or cause added.", subtype
        if head != text and (_equal(head, name) or _only_adds(head, name)):
            return "subtype", f"It is the answer, {name}, with a cause added.", subtype
    if contained:
        return "undecided", f"It holds the answer's words, {contained[0]}, among others.", 0.0
    return _near(text, own) or _WRONG


_WRONG: _Found = ("wrong", "It is none of the names of the answer, its kinds or its alternatives.", 0.0)


def _only_adds(said: str, name: str) -> bool:
    return _words(name) <= _words(said) and _words(said) - _words(name) <= _HARMLESS


def _near(text: str, own: Iterable[str]) -> _Found | None:
    """A slip of the pen, or a part of the name: a rule cannot say whether it means the answer."""
    from rapidfuzz.distance import OSA

    said = _words(text)
    for name in own:
        words = _words(name)
        last = _WORD.findall(name.lower())[-1:]
        head = {_stem(w) for w in last} - _GENERIC
        if said < words and head <= said and head and 2 * len(said) >= len(words):
            return "undecided", f"It leaves out a part of {name}.", 0.0
        ours, theirs = " ".join(sorted(words)), " ".join(sorted(said))
        if len(ours) >= 8 and OSA.distance(ours, theirs, score_cutoff=1) <= 1:
            return "undecided", f"It differs from {name} by one letter.", 0.0
    return None
