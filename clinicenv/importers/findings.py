"""The findings of a sentence of clinical prose, by the lexicon that was made for talk."""

import re
from functools import cache

from clinicenv.clinic.lexicon import concepts, mentions, normalise

_VERB = r"(?:drinks|takes|smokes|works|lives|has|uses|reports|enjoys|consumes|says|mentions|complains)\b"
_NEW = r"(?:occasional|moderate|social|rare|retired|regular|current)(?:ly)?\b"
_CLAUSE = re.compile(
    rf"[,;]\s+(?=(?:{_VERB}|{_NEW}))|\s+(?:and|but)\s+(?={_VERB})|"
    r"\s+(?=(?:that|which) (?:could|may|might|has|have|is|are|was|were)\b)",
    re.I,
)
"""Where a denial ends: `Non-smoker, drinks wine`; an item of a list has no verb of its own."""
_UNCHANGED = re.compile(r"\b(?:no|not|denies|without)\b.*\bchang(?:e|es|ed)\b", re.I)
_TOLD_BY = re.compile(
    r"\bfamily(?: members)?(?= (?:ha(?:s|ve|d) noticed|notice|report|mention|note|state|say))", re.I
)
_NOTING = re.compile(r"\bnot(?:e|es|ed|ing)\b", re.I)
_TWO_MEANINGS = (
    "controlled", "high", "spots", "period", "dressing", "dresses", "care", "plan", "benefits", "pressure",
    "interest", "waking", "drunk",
)  # fmt: skip
"""Words that alone mean something else in prose: a pressure is controlled, a partner controlling."""
_GROUPS = frozenset(("symptom", "social", "personal_details", "history", "perspective", "age", "name"))
_GUESSED_FROM = 6
"""Letters. The lexicon repairs the spelling of longer words; in prose such a word is another word."""


def findings_in(sentence: str) -> dict[str, bool]:
    """Concept -> whether it is there, in the order of the sentence; affirmed goes before denied."""
    found: dict[str, bool] = {}
    for clause in _CLAUSE.split(_plain(sentence)):
        polarity, unchanged = mentions(clause), bool(_UNCHANGED.search(clause))
        sure = _sure(clause)
        for concept in sorted(polarity, key=lambda c: (sure.index(c) if c in sure else len(sure), c)):
            if concept in sure or concept.startswith("family_"):
                found[concept] = found.get(concept, False) or (polarity[concept] and not unchanged)
    return found


def _plain(sentence: str) -> str:
    """Without what would be taken for a denial or a finding: `notes`, `non-healing`, who tells it."""
    sentence = _TOLD_BY.sub("they", sentence)
    sentence = re.sub(r"\bon (?:its|their) own\b|\bfalling (?=ill\b|asleep\b)", "", sentence, flags=re.I)
    return re.sub(r"\bnon-(?!smok)", "non", _NOTING.sub("says", sentence), flags=re.I)


def _sure(clause: str) -> list[str]:
    """Concepts by place, without groups of them and without guesses."""
    tokens = normalise(clause)
    doubtful = {t for word in re.findall(r"[^\W\d_]+", clause.lower()) if (t := _guess(word))}
    sure = []
    for concept, start, end in concepts(clause):
        named = tokens[start:end]
        alone = len(named) == 1 and named[0] in _ambiguous()
        if not (alone or doubtful.intersection(named) or concept in _GROUPS or concept.endswith("_trouble")):
            sure.append(concept)
    return sure


@cache
def _ambiguous() -> frozenset[str]:
    return frozenset(normalise(" ".join(_TWO_MEANINGS)))


def _guess(word: str) -> str | None:
    """The stem that a word was taken for, where that is no stem of the word."""
    stems = normalise(word)
    if len(word) < _GUESSED_FROM or len(stems) != 1 or word.startswith(stems[0][:-1]):
        return None
    return stems[0]
