"""Taking a note-like sentence apart: `Non-smoker, drinks wine, works as a baker` is three statements.

So is `Denies fever, cough, or rash`: each thing that is denied can be asked for by itself.
"""

import re
from collections.abc import Callable
from itertools import pairwise

from clinicenv.clinic.lexicon import lexicon, normalise

_VERB = (
    r"(?:drinks|takes|smokes|works|lives|has|uses|reports|enjoys|consumes|says|mentions|complains|attends|plays|"
    r"exercises|travels)\b"
)
_CLAUSE = re.compile(
    r"^(?:the|patient|he|she|his|her|it|they|there|this|these|i|we|during|after|before|when|since|over|for|on|"
    r"in|at|upon|despite|although|additionally|following|approximately)\b|"
    r"\b(?:is|are|was|were|been|had|denies|states|presents)\b|^history of\b|\bsuch as\b",
    re.I,
)
"""What a full clause or an enumeration has: its commas join what belongs together."""
_LEANS = re.compile(
    rf"^(?!(?:retired|married|divorced|widowed|unemployed|(?:rare|occasional|current|social)ly\s+{_VERB}))"
    r"(?:or|but|which|who|whom|where|that|as|with|without|including|such|e\.g|i\.e|both|then|now|due|for|in|on|at|to|from|"
    r"of|by|until|after|before|since|when|while|worse|better|especially|particularly|specifically|most|more|less|"
    r"none|other|half|found|well-|current|treatment|status|approximately|about|\w+ing|\w+ed|\w+ly|\d+)\b",
    re.I,
)
"""How a part begins that only makes sense after the part before it."""
_DENIES = re.compile(r"\b(?:no|not|never|denies|without|none|neither)\b", re.I)
_OWN_START = re.compile(rf"^(?:{_VERB}|no\b|not\b|non-|never\b|denies\b)", re.I)


def pieces(sentence: str, about: Callable[[str], str | None]) -> list[str]:
    """The statements of a sentence, or the sentence itself where it cannot be split with its sense kept.

    `about` names the concept of a part, or None where it has none; each statement must have its own. An `and`
    before a part goes.
    """
    for mark in (r";\s+", r",\s+"):
        parts = re.split(mark, sentence.rstrip("."))
        parts = [parts[0], *(re.sub(r"^and\s+", "", p) for p in parts[1:])]
        concepts = {about(p) for p in parts}
        own = None not in concepts and len(concepts) == len(parts)
        if len(parts) > 1 and own and _splits(parts, clauses=mark.startswith(";")):
            return [p[:1].upper() + p[1:] for p in parts]
    return [sentence]


def _splits(parts: list[str], *, clauses: bool) -> bool:
    if any(p.count("(") != p.count(")") or not p for p in parts):
        return False
    if any(_LEANS.match(p) for p in parts[1:]):
        return False
    if clauses:
        return True
    if any(_CLAUSE.search(p) for p in parts):
        return False
    return all(  # a denial reaches over a list up to a part with a verb or a denial of its own
        _OWN_START.match(after) or not _DENIES.search(before) for before, after in pairwise(parts)
    )


_PERSON = r"(?:(?:the\s+)?(?:patient|baby|child|infant|newborn|mother)|he|she|parents?|roommates)\s+"
_NO = (
    r"(?:denies|denied|no|without|negative for|reports no|(?:does|did|do) not report|"
    r"ha(?:s|ve) not (?:noticed|had|experienced))\s+"
)
_ANY = (
    r"(?:(?:having|experiencing|feeling|any|an?|associated|reported|prior|"
    r"(?:known )?(?:history|histories|episodes|signs|mention|reports) of)\s+)*"
)
_DENIAL = re.compile(
    rf"^(?:{_PERSON})?(?:also\s+)?{_NO}{_ANY}(?P<things>.+?)(?:\s+(?:reported|noted|identified))?$", re.I
)
_GOES_ON = re.compile(
    r"[(;:]|\b(?:but|that|which|who|such as|including|is|are|was|were|has|have|does|did)\b|"
    r"\band (?:\w+s|\w+ly)\s|\b(?:nor|not|denies)\b",
    re.I,
)
"""What no plain list has."""
_BETWEEN = re.compile(r",\s+(?:(?:and|or)\s+)?(?:(?:no|any)\s+)*|\s+or\s+(?:(?:no|any)\s+)*", re.I)
_HALF = re.compile(
    r"\b(?:medical|surgical|psychiatric|personal|family|prenatal|dietary|bowel|bladder|urinary|significant|known|"
    r"recent|genetic|other|skin|visual|respiratory|cardiac|gastrointestinal|pulmonary|neurological|sensory|motor)$",
    re.I,
)
"""How a part ends whose noun stands in a later part."""
_NO_THING = re.compile(
    r"^(?:which|who|that|as|with|such|then|now|due|for|in|on|at|to|from|by|until|after|before|since|when|while|"
    r"especially|particularly|the|he|she|it)\b|^(?:gain|loss|change)s?$",
    re.I,
)
_WITHIN = re.compile(r"\b(?:in|of|with|from|to|at|for|about)\b", re.I)


def denied(sentence: str) -> list[str]:
    """The things that a sentence denies, as written, where it does nothing else; else nothing."""
    found = _DENIAL.match(sentence.strip().rstrip("."))
    if not found or _GOES_ON.search(found["things"]):
        return []
    things: list[str] = []
    start = 0
    for gap in _BETWEEN.finditer(found["things"]):
        thing = found["things"][start : gap.start()]
        if gap[0].startswith(",") or not _WITHIN.search(thing):
            things.append(thing)
            start = gap.end()
    things.append(found["things"][start:])
    whole = all(t and not _HALF.search(t) and not _NO_THING.match(t) and not _is_site(t) for t in things)
    return things if len(things) > 1 and whole else []


def _is_site(thing: str) -> bool:
    """Whether it only says where: `skin or nipple changes` are not `skin`."""
    tokens = normalise(thing)
    return any(end - start == len(tokens) for _, start, end in lexicon().site_table.find(tokens))
