"""What an answer denies beside the diagnosis that it names: `type 1 diabetes, no ketoacidosis yet`."""

import re

from clinicenv.clinic.disease_names import thesaurus
from clinicenv.clinic.names import NEGATED

_FIRST = re.compile(
    r"(?:[,;(]|\s[-–—]\s)\s*(?:no|not|without|never) (?!evidence|sign)[^,;()]+", re.IGNORECASE
)
_PART = re.compile(r"\s*(?:[,;(\[]|\s[-–—]\s)\s*")
_RULED_OUT = re.compile(r"\b(?:exclud\w+|rul(?:e[sd]?|ing)[ -]?out|r/o|unlikely|doubtful)\b", re.IGNORECASE)
_OF_THE_NAME = re.compile(
    r"\b(?:consistent|fits?|fitting|suggest\w*|support\w*|confirm\w*|likely)\b", re.IGNORECASE
)
_LINKS = frozenset({
    "a", "an", "the", "it", "this", "that", "which", "has", "have", "been", "is", "was", "be", "to", "now",
    "but", "and", "so", "since", "considered", "thought", "felt", "effectively", "probably", "already",
    "largely", "clinically", "essentially", "currently", "formally", "very", "quite", "much", "less", "most",
    "more", "still", "yet", "almost", "virtually", "though", "as", "by", "seems", "diagnosis", "here", "at",
    "present", "however",
})  # fmt: skip
"""Words that are no subject of a denial."""


def asides(text: str) -> list[str]:
    """The parts that deny something else than the name: they begin with the denial, or have a subject of
    their own, as in `asthma, severe features absent`; where something is ruled out that must be a disease."""
    return [*_FIRST.findall(text), *(part for part in _behind(text) if _has_subject(part))]


def without_asides(text: str) -> str:
    """The text without them; the text itself where nothing would be left."""
    bare = _FIRST.sub("", text).strip() or text
    for part in _behind(bare):
        if _has_subject(part):
            bare = bare.replace(part, " ")
    return bare


def _behind(text: str) -> list[str]:
    """The parts behind the name."""
    return _PART.split(text.rstrip(" )]"))[1:]


def _has_subject(part: str) -> bool:
    denial = NEGATED.search(part)
    if denial is None or _OF_THE_NAME.search(part):
        return False
    before = part[: denial.start()]
    if _RULED_OUT.search(part):
        return bool(thesaurus().mentioned(before))
    return any(word not in _LINKS for word in re.findall(r"[a-z]+", before.lower()))
