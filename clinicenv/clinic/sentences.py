"""Which sentence of a case answers a question, where the facts are sentences of clinical prose.

A question and each fact become sets of features: word stems, concepts of the lexicon, groups of the thesaurus
and the kind of detail that is asked for or given. A question is answered by the fact that holds most of what it
names; what no fact holds, and what two different facts hold alike, is left unanswered.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from clinicenv.clinic.lexicon import Table, descendants, find_concepts, lexicon, listed, normalise
from clinicenv.events import Probe
from clinicenv.story import Fact

_FILE = Path(__file__).resolve().parent / "knowledge" / "thesaurus.yaml"

ENOUGH = 0.5
"""The share of a question that a fact must hold to answer it."""
ALIKE = 0.04
"""Facts whose shares are this close answer alike."""
MOST = 2
"""Facts that answer alike and are told together."""

_WEIGHTS = {"name": 1.0, "word": 0.6, "kind": 0.6, "it": 0.5}
_KINDS: tuple[tuple[str, str, str], ...] = (
    (
        "time",
        r"\b(?:when|since when|how (?:long|soon|old|many (?:days|weeks|months|years|hours)|far along)|for how|"
        r"(?:at )?what age|for how many|many weeks)\b",
        r"\bago\b|\bsince\b|\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|few|several|past|last|a)[ -]"
        r"(?:\w+[ -])?(?:second|minute|hour|day|week|month|year)|year-long|\bhistory of (?:\d|one|two)|"
        r"yesterday|\bafter birth|\blast night|\bthis (?:morning|evening)",
    ),
    (
        "frequency",
        r"\bhow (?:often|frequent|many (?:times|nights))|\bmore (?:common|often)\b",
        r"\btimes?\b|\bdaily\b|\bevery\b|\bper (?:day|week|month|night)|\bepisodes?\b|\bfrequen|\boccasional|"
        r"\bintermittent|\bonce\b|\btwice\b|\brecurrent",
    ),
    ("amount", r"\bhow (?:much|many|heavy|big|large)\b", r"\d|\b(?:one|two|three|several|multiple|few)\b"),
    (
        "relief",
        r"\b(?:help|better|ease|relie(?:f|ve)|sooth|improve|settle|any good|make a difference)",
        r"\breliev|\balleviat|\bimprov|\bbetter\b|\brelief\b|\bresolv|\brespon(?:d|siv)|\beas(?:e|ed|es)\b",
    ),
    (
        "worse",
        r"\b(?:worse|worst|br(?:ing|ought|ings) (?:it )?on|trigger|set(?:s)? (?:it )?off|aggravat|make any difference)",
        r"\bwors|\bexacerbat|\baggravat|\bintensif|\btrigger|\bprecipitat|\bespecially\b",
    ),
    (
        "course",
        r"\b(?:getting|become|becoming|got|gett?ing) (?:any )?(?:worse|better|bigger|larger|more)|\bchang(?:ed|ing)|"
        r"\bspread|\bgrow(?:n|ing)|\bgone down",
        r"\bincreas|\bprogress|\bworsen|\bdecreas|\bspread|\bgrow|\benlarg|\bpersist|\bgradual|\bcontinu",
    ),
    (
        "place",
        r"\b(?:where(?:abouts)?|which (?:bit|part|side|area|leg|arm|eye|ear|knee|hand|breast))\b",
        r"\b(?:left|right|both|bilateral|upper|lower|generali[sz]ed|trunk|extremit|region|area)",
    ),
    (
        "clock",
        r"\b(?:time of (?:the )?day|in the day|of the day|mornings?|evenings?|when (?:is|are|do|does)\b.*\bworst)",
        r"\bmorning|\bnight|\bevening|\bend of the day|\bafternoon",
    ),
    (
        "cause",
        r"\b(?:how did|what happened|what (?:had|have|were) you (?:been )?(?:do|been)|how come|why)\b",
        r"\bafter\b|\bfollowing\b|\bwhile\b|\bduring\b|\bdue to\b|\bbecause\b|\bcaught\b|\bfell\b|\binvolved in\b",
    ),
)
"""A kind of detail: how it is asked for, and what a sentence has that gives it."""
_POINTS = re.compile(r"\b(?:it|this|that|these|those|they|them|symptoms?|problem|trouble|all this|like this)\b", re.I)
_RELATIVES = "g:relatives"


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that a question names: the features of which any answers to it."""

    kind: str
    """`name`, `word`, `kind` or `it`"""
    features: tuple[str, ...]
    words: tuple[str, ...] = ()


# Thesaurus -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Thesaurus:
    table: Table
    endings: tuple[tuple[str, str], ...]
    dropped: frozenset[str]


@cache
def _thesaurus() -> _Thesaurus:
    data: dict[str, Any] = yaml.load(_FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    groups: dict[tuple[str, ...], list[str]] = {}
    endings: list[tuple[str, str]] = []
    for name, forms in data["groups"].items():
        for form in listed(forms):
            if form.startswith("-"):
                endings.append((normalise(form)[-1], name))
            else:
                groups.setdefault(_stream(normalise(form)), []).append(name)
    table = Table()
    for stems, names in groups.items():
        table.add(stems, " ".join(dict.fromkeys(names)))
    dropped = frozenset(t for word in listed(data["drop"]) for t in _stream(normalise(word)))
    return _Thesaurus(table, tuple(endings), dropped)


def _stream(tokens: Sequence[str]) -> tuple[str, ...]:
    persons = lexicon().persons
    return tuple(persons.get(t, t) for t in tokens)


# Features ------------------------------------------------------------------------------------------


def _spans(tokens: Sequence[str]) -> list[tuple[tuple[str, ...], int, int]]:
    """(features, start, end) of what the lexicon and the thesaurus know, without what lies inside a longer one."""
    words = _thesaurus()
    found = [((f"c:{name}",), start, end) for name, start, end in find_concepts(tokens)]
    for names, start, end in words.table.find(_stream(tokens)):
        found.append((tuple(f"g:{n}" for n in names.split()), start, end))
    for i, token in enumerate(tokens):
        ends = tuple(f"g:{name}" for ending, name in words.endings if _ends(token, ending))
        if ends:
            found.append((ends, i, i + 1))
    return [s for s in found if not any(_inside(s, other) for other in found)]


def _ends(token: str, ending: str) -> bool:
    return len(token) > len(ending) + 2 and token.endswith(ending)


def _inside(span: tuple[object, int, int], other: tuple[object, int, int]) -> bool:
    return other[1] <= span[1] and span[2] <= other[2] and other[2] - other[1] > span[2] - span[1]


@lru_cache(maxsize=4096)
def terms(text: str) -> tuple[Term, ...]:
    """What a question names, in order, then the kinds of detail that it asks for."""
    tokens, dropped = normalise(text), _thesaurus().dropped
    stream = _stream(tokens)
    groups: list[tuple[set[str], int, int]] = []
    for features, start, end in sorted(_spans(tokens), key=lambda s: (s[1], s[2])):
        if groups and start < groups[-1][2]:
            last = groups[-1]
            groups[-1] = (last[0] | set(features), last[1], max(last[2], end))
        else:
            groups.append((set(features), start, end))
    covered = {i for _, start, end in groups for i in range(start, end)}
    found = [
        Term("name", tuple(sorted(features)), tuple(t for t in stream[start:end] if t not in dropped))
        for features, start, end in groups
    ]
    free = [t for i, t in enumerate(stream) if i not in covered and t not in dropped and len(t) > 1]
    found += [Term("word", (f"w:{t}",), (t,)) for t in dict.fromkeys(free)]
    kinds = [Term("kind", (f"k:{name}",)) for name, asks, _ in _KINDS if re.search(asks, text, re.I)]
    return (*found, *kinds)


def features(text: str) -> frozenset[str]:
    """What a sentence holds."""
    tokens = normalise(text)
    found = {f for names, _, _ in _spans(tokens) for f in names}
    found |= {f"w:{t}" for t in _stream(tokens)}
    found |= {f"k:{name}" for name, _, holds in _KINDS if re.search(holds, text, re.I)}
    return frozenset(found)


@lru_cache(maxsize=4096)
def _members(concept: str) -> frozenset[str]:
    return frozenset(descendants(lexicon(), concept))


def _held(feature: str, by: frozenset[str]) -> float:
    """How well a sentence with these features answers to one of a question's."""
    if feature in by:
        return 1.0
    kind, name = feature.split(":", 1)
    if kind == "w" and len(name) >= 4:
        return 0.8 if any(_akin(name, f[2:]) for f in by if f.startswith("w:")) else 0.0
    if kind != "c":
        return 0.0
    concepts = {f[2:] for f in by if f.startswith("c:")}
    if not _members(name).isdisjoint(concepts):
        return 0.9
    if not concepts.isdisjoint(lexicon().same_as.get(name, ())):
        return 0.8
    return 0.6 if any(name in _members(c) and not c.endswith("_trouble") for c in concepts) else 0.0


def _akin(word: str, other: str) -> bool:
    """Whether two stems are forms of one word: `urinat` and `urination`."""
    short = min(len(word), len(other))
    return short >= 4 and word[: max(short - 1, 4)] == other[: max(short - 1, 4)]


# Ranking -------------------------------------------------------------------------------------------


class Sentences:
    """The facts of one case, each with what it holds."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = tuple(facts)
        self._features = [self._of(f) for f in self._facts]

    @staticmethod
    def _of(fact: Fact) -> frozenset[str]:
        texts = ". ".join((fact.say[0], *fact.question_variants[:1]))
        found = features(texts) | {f"c:{fact.concept}"}
        if fact.section == "fh" or fact.concept.startswith("family_"):
            found |= {_RELATIVES}
        if fact.section == "hpi":
            found |= {"it"}
        return frozenset(found)

    def answering(self, probe: Probe) -> tuple[str, ...]:
        """Ids of the facts that answer the probe, best first; () where none does or it is not clear which."""
        asked = self._asked(probe)
        if not asked:
            return ()
        ranked = sorted(
            ((self._share(asked, n), -n) for n in range(len(self._facts))), key=lambda r: (-r[0], -r[1])
        )
        best = ranked[0][0]
        if best < ENOUGH:
            return ()
        alike = [-n for share, n in ranked if best - share < ALIKE]
        return tuple(self._facts[n].id for n in alike[:MOST])

    def _asked(self, probe: Probe) -> list[tuple[Term, float]]:
        """The terms of a question with their weights: the rarer in the case, the more."""
        found = list(terms(probe.text))
        named = {f for t in found for f in t.features}
        if probe.concept and f"c:{probe.concept}" not in named and probe.concept != "main_problem":
            if not any(t.kind == "name" for t in found):
                found.insert(0, Term("name", (f"c:{probe.concept}",)))
        if not any(t.kind in ("name", "word") for t in found):
            if not found or not _POINTS.search(probe.text):
                return []
            found.append(Term("it", ("it",)))
        return [(t, _WEIGHTS[t.kind] * self._rarity(t)) for t in found]

    def _rarity(self, term: Term) -> float:
        holding = sum(_quality(term, held) >= 0.5 for held in self._features)
        return math.log(1 + len(self._features) / (holding + 0.5))

    def _share(self, asked: Sequence[tuple[Term, float]], n: int) -> float:
        held = self._features[n]
        whole = sum(weight for _, weight in asked) or 1.0
        share = sum(weight * _quality(term, held) for term, weight in asked) / whole
        family = any(_of_relatives(t) for t, _ in asked)
        return share if family == (_RELATIVES in held) else share * 0.7


def _of_relatives(term: Term) -> bool:
    return any(f == _RELATIVES or f.startswith("c:family_") for f in term.features)


def _quality(term: Term, held: frozenset[str]) -> float:
    best = max(_held(f, held) for f in term.features)
    if best < 0.7 and term.kind == "name" and term.words:
        by_words = sum(_held(f"w:{w}", held) > 0 for w in term.words) / len(term.words)
        best = max(best, 0.7 * by_words)
    return best
