"""Which sentence of a case answers a question, where the facts are sentences that somebody else wrote.

A question is answered by the fact that holds most of what it names, the rarer in the case the more, or by two
that hold as much. What no fact holds enough of is left unanswered.
"""

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from clinicenv.clinic.lexicon import Intent, descendants, lexicon
from clinicenv.clinic.terms import KINDS, Name, Term, features, terms
from clinicenv.events import Probe
from clinicenv.story import Fact

ENOUGH = 0.52
"""The share of a question that a fact must hold to answer it."""
ALIKE = 0.1
"""Facts whose shares are this close answer alike."""
MOST = 2
"""Facts that answer alike and are told together."""

_WEIGHTS = {"name": 1.0, "word": 0.6, "kind": 0.8, "it": 0.5}
_UNKNOWN = 0.3
"""The weight of a word that no fact has, and that no list knows."""
_ABSENT = 0.7
"""How much less it counts what no fact of the case holds."""
_MEANT = 1.6
"""How much more that counts which the router takes to be asked for."""
_AGAIN = 2.0
"""How much more it counts that something was there before than what it was."""
_BEFORE = Term("kind", (Name(("k:before",)),))
_WHOSE = 0.5
"""How much less it counts that relatives are asked about than what they have."""
_OTHERS = 0.6
"""What is left of the share of a fact on relatives where the question is not on them, or the other way."""

_LEAST = 0.4
"""How well a fact must answer to one thing that is named, whatever detail it gives."""
_IN_PART = 0.5
"""How well the words of a name that are left without those that mean little stand for it."""
_WITHOUT = 0.7
"""What is left of the share of a fact that gives no such detail as is asked for."""
_SAID = 0.02
"""What a word of the question itself adds among facts that answer alike."""
_SECTION = 0.1
"""What a fact of the section that is asked about has beside its share."""
_BACK = 0.5
"""How well `these symptoms` stands for a symptom."""

_POINTS = re.compile(r"\b(?:it|this|that|these|those|they|them|symptoms?|problem|trouble)\b", re.I)
_REPORTED = re.compile(
    r"\b(?:(?:the )?(?:patient|child|infant|newborn|baby)['’]s\s+|(?:my|his|her|the)\s+)?"
    r"(?:mother|father|parents?|family(?: members)?|wife|husband|daughter|roommates|caregiver)\s+"
    r"(?:reports?|notes?|mentions?|states?|describes?|says?|adds|recalls|believes?|perceives|have noticed|"
    r"noticed|is concerned)\b",
    re.I,
)
"""Who tells it: not what it is about."""
_NO_CONCEPT = frozenset({"main_problem", "home_situation"})
"""Concepts that a sentence gets where no other is found in it."""
_FAMILY = "k:family"
_NO_DETAILS = frozenset(
    f"k:{name}" for name, _, _ in KINDS if name not in ("before", "place", "relief", "worse")
)
"""What a question on something that is not there need not be told."""


class Sentences:
    """The facts of one case, each with what it holds."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = tuple(facts)
        self._held = [_held_by(f) for f in self._facts]

    def answering(self, probe: Probe) -> tuple[str, ...]:
        """Ids of the facts that answer the probe, best first; () where none does or it is not clear which."""
        asked = self._asked(probe)
        intent = lexicon().intents.get(probe.intent)
        shares = [
            self._share(asked, held) + (_SECTION if intent and _belongs(fact, held, intent) else 0.0)
            for fact, held in zip(self._facts, self._held, strict=True)
        ]
        best = max(shares, default=0.0)
        if not asked or best < ENOUGH:
            return ()
        alike = [n for n, share in enumerate(shares) if best - share < ALIKE]
        said = {word[-1] for term, _ in asked for name in term.names for word in name.words}
        alike.sort(key=lambda n: -shares[n] - _SAID * len(said & self._held[n]))
        return tuple(self._facts[n].id for n in alike[:MOST])

    def _asked(self, probe: Probe) -> list[tuple[Term, float]]:
        """The terms of a question with their weights."""
        found = list(terms(probe.text))
        own = [t for t in found if t.kind in ("name", "word")]
        meant = f"c:{probe.concept}"
        if probe.concept not in (None, "main_problem") and not any(t.kind == "name" for t in own):
            found.insert(0, Term("name", (Name((meant,)),)))
        elif not any(t.kind == "name" or self._holding(t) for t in own):
            if not found or not (probe.slot or _POINTS.search(probe.text)):
                return []
            found.append(Term("it", (Name(("k:it",)),)))
        return [(t, self._weight(t) * self._stress(t, meant, len(own))) for t in dict.fromkeys(found)]

    def _weight(self, term: Term) -> float:
        holding = self._holding(term)
        weight = _UNKNOWN if term.kind == "word" and not holding else _WEIGHTS[term.kind]
        weight *= 1.0 if holding else _ABSENT
        rarity = math.log(1 + len(self._held) / (holding + 0.5))
        return weight * rarity * term.weight

    def _holding(self, term: Term) -> int:
        """How many facts hold the term."""
        return sum(_quality(term, held) >= 0.5 for held in self._held)

    @staticmethod
    def _stress(term: Term, meant: str, names: int) -> float:
        if names > 1 and _of_relatives(term):
            return _WHOSE
        if term == _BEFORE:
            return _AGAIN
        return _MEANT if any(_near(f[2:], meant[2:]) for f in term.features if f[0] == "c") else 1.0

    def _share(self, asked: Sequence[tuple[Term, float]], held: frozenset[str]) -> float:
        details = any(t.kind == "kind" for t, _ in asked) and (
            "k:denied" not in held or any(t == _BEFORE for t, _ in asked)
        )
        named = any(t.kind == "name" and _quality(t, held) >= 0.8 for t, _ in asked)
        if named and "k:denied" in held:
            held |= _NO_DETAILS
        if any(t.kind == "it" for t, _ in asked) and "k:it" not in held:
            return 0.0
        whole = sum(weight for _, weight in asked) or 1.0
        share = sum(weight * _quality(t, held, details) for t, weight in asked) / whole
        things = [t for t, _ in asked if t.kind in ("name", "word")]
        pointed = any(t.kind == "it" for t, _ in asked)
        if things and not pointed and all(_quality(t, held, details) < _LEAST for t in things):
            return 0.0
        if any(t.kind == "kind" and not _quality(t, held) for t, _ in asked):
            share *= _WITHOUT
        family = any(_of_relatives(t) for t, _ in asked)
        other = not family and any("g:relatives" in t.features for t, _ in asked)
        return share if other or family == (_FAMILY in held) else share * _OTHERS


def _belongs(fact: Fact, held: frozenset[str], intent: Intent) -> bool:
    """Whether the fact is of the section that is asked about, or on its topic."""
    of_section = intent.section is not None and intent.section == fact.section
    return of_section or (f"c:{intent.concept}" in held and intent.concept not in _NO_CONCEPT)


def _held_by(fact: Fact) -> frozenset[str]:
    text = _REPORTED.sub("", ". ".join((*fact.question_variants[:1], fact.say[0])))
    found = set(features(text))
    if fact.concept not in _NO_CONCEPT:
        found.add(f"c:{fact.concept}")
    if fact.section == "fh" or any(f == "g:relatives" or f.startswith("c:family_") for f in features(text)):
        found |= {_FAMILY} if found.isdisjoint(("g:at_home", "g:married")) else set()
    if fact.section == "hpi" and fact.present:
        found.add("k:it")
    if fact.section in ("pmh", "psh"):
        found.add("k:before")
    if not fact.present:
        found.add("k:denied")
    return frozenset(found)


def _of_relatives(term: Term) -> bool:
    return all(f == "g:relatives" or f.startswith("c:family_") for f in term.features)


# How well a fact answers to one term ------------------------------------------------------------------


def _quality(term: Term, held: frozenset[str], details: bool = False) -> float:
    """`details`: whether some are asked for, which may stand in a sentence without the thing's name."""
    quality = max(_of_name(name, held) for name in term.names)
    back = details and term.kind == "name" and "k:back" in held
    return max(quality, _BACK) if back else quality


def _of_name(name: Name, held: frozenset[str]) -> float:
    whole = max(_match(f, held) for f in name.features)
    if whole == 1.0 or not name.words:
        return whole
    if name.complete and all(word[-1] in held for word in name.words):  # in so many words
        return 1.0
    parts = [max(_match(f, held) for f in word) for word in name.words]
    return max(whole, (0.85 if name.complete else _IN_PART) * sum(parts) / len(parts))


def _match(feature: str, held: frozenset[str]) -> float:
    """How well one feature of a question is met by those of a fact."""
    kind, name = feature.split(":", 1)
    if feature in held:
        return 0.9 if kind == "g" else 1.0
    if kind == "w" and len(name) >= 4:
        return 0.7 if any(f.startswith("w:") and _akin(name, f[2:]) for f in held) else 0.0
    if kind != "c":
        return 0.0
    concepts = {f[2:] for f in held if f.startswith("c:")}
    if not _members(name).isdisjoint(concepts) and (name in lexicon().symptoms or "k:denied" not in held):
        return 0.9
    if not concepts.isdisjoint(lexicon().same_as.get(name, ())):
        return 0.8
    wider = [c for c in concepts if c in lexicon().symptoms and name in _members(c)]
    if "k:denied" in held:
        return 0.8 if wider else 0.0
    return 0.45 if any(not c.endswith("_trouble") for c in wider) else 0.0


def _near(concept: str, other: str) -> bool:
    return concept == other or concept in _members(other) or other in _members(concept)


@lru_cache(maxsize=4096)
def _members(concept: str) -> frozenset[str]:
    return frozenset(descendants(lexicon(), concept))


def _akin(word: str, other: str) -> bool:
    """Whether two stems are forms of one word: `urinat` and `urination`."""
    length = max(min(len(word), len(other)) - 1, 4)
    return word[:length] == other[:length]
