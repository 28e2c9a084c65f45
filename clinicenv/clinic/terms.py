"""What a question names and what a sentence holds, by the lexicon, the thesaurus and the words themselves.

Both become features: `c:` a concept of the lexicon, `g:` a group of the thesaurus, `w:` a word stem, `k:` a
kind of detail, such as since when or what helps.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from clinicenv.clinic.lexicon import Table, find_concepts, lexicon, listed, normalise

_FILE = Path(__file__).resolve().parent / "knowledge" / "thesaurus.yaml"
_TIME = r"(?:second|minute|hour|day|week|month|year)s?"

KINDS: tuple[tuple[str, str, str], ...] = (
    (
        "time",
        rf"^\W*(?:and |so )?(?:since )?when\b(?! in the day| of the day)|\bsince when\b|"
        rf"\bhow (?:long|soon|far along)\b|\bhow many {_TIME}|\bwhen (?:did|was|were)\b|\bmany {_TIME}",
        rf"\bago\b|\bsince\b|"
        rf"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|few|several|past|last|a)[ -]"
        rf"(?:\w+[ -])?{_TIME}|year-long|\byesterday|\bafter birth|\bthis (?:morning|evening)|"
        r"\blast (?:night|evening|week|month|year)|\bovernight|\btoday\b",
    ),
    ("age", r"\bwhat age\b|\bhow old\b", r"\bage\b|\byears old|\bsince (?:birth|childhood|(?:he|she|I) was)"),
    (
        "often",
        r"\bhow (?:often|frequent|many (?:times|nights))|\bmore (?:common|often|frequent)",
        r"\btimes?\b|\bdaily\b|\bevery\b|\bper (?:day|week|month|night)|\bepisodes?\b|\bfrequen|\boccasional|"
        r"\bintermittent|\bonce\b|\btwice\b|\brecurrent",
    ),
    (
        "amount",
        r"\bhow (?:much|many|heavy|big|large)\b",
        r"\d|\b(?:one|two|three|four|five|six|several|multiple|few|half)\b|\ba day\b|\bdaily\b",
    ),
    (
        "relief",
        r"\b(?:help|better|ease|relie(?:f|ve)|sooth|improve|settle|any good)",
        r"\breliev|\bhelp(?:s|ed)?\b|\balleviat|\bimprov|\bbetter\b|\brelief\b|\bresolv|\brespon(?:d|siv)|\beas(?:e|ed|es)\b",
    ),
    (
        "worse",
        r"(?<!got )(?<!getting )(?<!got any )(?<!become )\b(?:worse|worst|br(?:ing|ought|ings) (?:it )?on|"
        r"trigger|set(?:s|ting)? (?:\w+ ){0,3}off|aggravat)",
        r"\bwors|\bexacerbat|\baggravat|\bintensif|\btrigger|\bprecipitat|\bespecially\b|"
        r"\bprovoke|\bbrought on|\bcomes? on\b|"
        r"\b(?:after|with) (?:\w+ )?(?:meals?|eating|exerci|exertion|activit|running)",
    ),
    (
        "course",
        r"\b(?:getting|become|becoming|got) (?:any )?(?:worse|better|bigger|larger|more)|\bchang(?:ed|ing)|"
        r"\bspread|\bgrow(?:n|ing)|\bgone down",
        r"\bincreas|\bprogress|\bworsen|\bdecreas|\bspread|\bgrow|\benlarg|\bpersist|\bgradual|\bcontinu|\bbecome\b|"
        r"\blighter\b|\bheavier\b|\bless (?:frequent|often)",
    ),
    (
        "factor",
        r"\bdifference\b",
        r"\bwors|\bexacerbat|\breliev|\balleviat|\bimprov|\bbetter\b|\bespecially\b",
    ),
    (
        "before",
        r"\bbefore\W*$|\bprevious|\bfirst time|\bhad (?:this|it|anything like)|"
        rf"\bin the past\b(?! (?:\w+ )?{_TIME})",
        r"\bprevious|\bprior\b|\bfirst\b|\bsimilar (?:\w+ )?(?:episode|complaint|symptom|nature)|"
        r"\bnever\b|\brecurrent|"
        rf"\bin the past\b(?! (?:\w+ )?{_TIME})",
    ),
    (
        "place",
        r"\b(?:where(?:abouts)?|which (?:bit|part|side|area|leg|arm|eye|ear|knee|hand|breast)|"
        r"which \w+ is (?:it|sore|affected))\b",
        r"\b(?:left|right|both|bilateral|upper|lower|generali[sz]ed|trunk|extremit|region|area|"
        r"home birth|at home|hospital)",
    ),
    (
        "clock",
        r"\b(?:time of (?:the )?day|in the day\b|of the day|mornings?|evenings?|"
        r"when (?:is|are|do|does)\b.*\bworst)",
        r"\bmorning|\bnight|\bevening|\bend of the day|\bafternoon",
    ),
    (
        "cause",
        r"\b(?:how did|what happened|what (?:had|have|were) you (?:been )?do|how come|why)\b",
        r"\bafter\b|\bfollowing\b|\bwhile\b|\bduring\b|\bdue to\b|\bbecause\b|\bcaught\b|\bfell\b|"
        r"\binvolved in\b",
    ),
    (
        "look",
        r"\b(?:colou?r|looks? like|appearance)\b",
        r"\b(?:yellow|green|red|pale|dark|black|brown|bilious|white|clear|pink|blood|purple|blue)",
    ),
)
"""A kind of detail: how it is asked for, and what a sentence has that gives it."""
_BACK = re.compile(
    r"\b(?:these|the|such|similar) (?:\w+ )?(?:symptoms?|episodes?|complaints?)\b|\bsimilar\b|\blike this\b",
    re.I,
)
"""Words of a sentence that stand for what was told before it."""
_ASIDE = "when before after during while since because apart than besides"
_WHERE = "to in on at from of with into"
_OR = "or"
_HARMLESS = "-"
_ELSE_IN_LONGER = "blood double"
"""Words that alone mean something else than in a longer name."""


@cache
def _stems(words: str) -> frozenset[str]:
    """When they are first needed: the lexicon takes a while to read."""
    return frozenset(normalise(words))


@dataclass(frozen=True, slots=True)
class Name:
    """A thing that a question names: the features of it, and those of each of its words."""

    features: tuple[str, ...]
    words: tuple[tuple[str, ...], ...] = ()
    """without those that mean little"""
    complete: bool = True
    """whether these are all of its words"""


@dataclass(frozen=True, slots=True)
class Term:
    """What must be held to answer: any of several things that an `or` joins; of a kind that has a weight."""

    kind: str
    """`name`, `word`, `kind` or `it`"""
    names: tuple[Name, ...]
    weight: float = 1.0
    """less where it only says when, why, where or of what"""

    @property
    def features(self) -> frozenset[str]:
        return frozenset(f for name in self.names for f in name.features)


def kinds(names: Sequence[str]) -> list[Term]:
    """Terms for kinds of detail."""
    return [Term("kind", (Name((f"k:{name}",)),)) for name in names]


# Thesaurus -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Thesaurus:
    table: Table
    endings: tuple[tuple[str, str], ...]
    dropped: frozenset[str]
    groups: dict[str, tuple[str, ...]]
    """concept -> the groups that it is of"""
    whole: dict[str, tuple[str, ...]]
    """concept -> the groups that it is as good as"""
    wider: dict[str, tuple[str, ...]]
    """group -> the groups that it is within"""


@cache
def _thesaurus() -> _Thesaurus:
    data: dict[str, Any] = yaml.load(_FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    dropped = frozenset(t for word in listed(data["drop"]) for t in _stream(normalise(word)))
    groups: dict[tuple[str, ...], list[str]] = {}
    endings: list[tuple[str, str]] = []
    for name, forms in data["groups"].items():
        for form in listed(forms):
            if form.startswith("-"):
                endings.append((normalise(form)[-1], name))
                continue
            stems = _stream(normalise(form))
            if len(stems) > 1 or not dropped.issuperset(stems):
                groups.setdefault(stems, []).append(name)
    for form in listed(data["harmless"]):
        groups[_stream(normalise(form))] = [_HARMLESS]
    table = Table()
    for stems, names in groups.items():
        table.add(stems, " ".join(dict.fromkeys(names)))
    of: dict[str, tuple[str, ...]] = {}
    whole: dict[str, tuple[str, ...]] = {}
    for name, concepts in data["concepts"].items():
        members = listed(concepts)
        of |= {c: (*of.get(c, ()), f"g:{name}") for c in members}
        whole[members[0]] = (*whole.get(members[0], ()), f"g:{name}")
    wider: dict[str, tuple[str, ...]] = {}
    for name, members in data["within"].items():
        wider |= {m: (*wider.get(m, ()), f"g:{name}") for m in listed(members)}
    return _Thesaurus(table, tuple(endings), dropped, of, whole, wider)


def _stream(tokens: Sequence[str]) -> tuple[str, ...]:
    persons = lexicon().persons
    return tuple(persons.get(t, t) for t in tokens)


_Span = tuple[tuple[str, ...], int, int]
"""Features, start and end."""


def _spans(tokens: Sequence[str]) -> list[_Span]:
    """What the lexicon and the thesaurus know of the tokens."""
    words = _thesaurus()
    found: list[_Span] = [
        ((f"c:{name}", *words.whole.get(name, ())), start, end) for name, start, end in find_concepts(tokens)
    ]
    for names, start, end in words.table.find(_stream(tokens)):
        found.append((tuple(f"g:{n}" for n in names.split() if n != _HARMLESS), start, end))
    for i, token in enumerate(tokens):
        ends = tuple(
            f"g:{g}" for ending, g in words.endings if len(token) > len(ending) + 2 and token.endswith(ending)
        )
        if ends:
            found.append((ends, i, i + 1))
    return found


# Sentences -----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def features(text: str) -> frozenset[str]:
    """What a sentence holds."""
    tokens = normalise(text)
    found = {f for names, _, _ in _spans(tokens) for f in names}
    found |= {g for f in found for g in _thesaurus().groups.get(f[2:], ()) if f.startswith("c:")}
    for token in _stream(tokens):
        found |= {
            f"w:{token}",
            *(f for f in _of_word(token) if token not in _stems(_ELSE_IN_LONGER) and f[0] != "c"),
        }
    found |= {g for f in found for g in _thesaurus().wider.get(f[2:], ()) if f.startswith("g:")}
    found |= {f"k:{name}" for name, _, holds in KINDS if re.search(holds, text, re.I)}
    if lexicon().site_table.find(tokens):
        found.add("k:place")
    if _BACK.search(text):
        found.add("k:back")
    return frozenset(found)


# Questions -----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def terms(text: str) -> tuple[Term, ...]:
    """What a question names, in order, then the kinds of detail that it asks for."""
    tokens = normalise(text)
    stream, dropped = _stream(tokens), _thesaurus().dropped
    found: list[tuple[Term, int, int]] = []
    named = _named(tokens)
    for known, start, end in named:
        if not known:
            continue
        words = tuple(_of_word(t) for t in stream[start:end] if t not in dropped)
        found.append((Term("name", (Name(known, words, len(words) == end - start),)), start, end))
    covered = {i for _, start, end in named for i in range(start, end)}
    for i, token in enumerate(stream):
        if i not in covered and token not in dropped and len(token) > 1:
            found.append((Term("word", (Name((f"w:{token}",)),)), i, i + 1))
    found.sort(key=lambda f: f[1])
    asked = [name for name, asks, _ in KINDS if re.search(asks, text, re.I)]
    if "clock" in asked and "time" in asked:
        asked.remove("time")
    return (*_joined(found, stream), *kinds(asked))


def _named(tokens: Sequence[str]) -> list[_Span]:
    """The longest known spans, those that overlap taken as one."""
    spans = _spans(tokens)
    merged: list[_Span] = []
    for known, start, end in sorted(
        (s for s in spans if not any(_inside(s, o) for o in spans)), key=lambda s: s[1:]
    ):
        if merged and start < merged[-1][2]:
            before, first, last = merged[-1]
            merged[-1] = (tuple(dict.fromkeys((*before, *known))), first, max(last, end))
        else:
            merged.append((known, start, end))
    return merged


def _inside(span: _Span, other: _Span) -> bool:
    """Whether a longer name has the span within it, or one that means nothing is as long."""
    longer = other[2] - other[1] - (span[2] - span[1])
    return other[1] <= span[1] and span[2] <= other[2] and (longer > 0 or bool(span[0] and not other[0]))


def _of_word(token: str) -> tuple[str, ...]:
    """The features of a word by itself."""
    return (*(f for known, _, _ in _spans([token]) for f in known), f"w:{token}")


def _joined(found: Sequence[tuple[Term, int, int]], stream: Sequence[str]) -> list[Term]:
    """The terms: those that an `or` joins as one, those after `when`, `in` and the like with less weight."""
    terms: list[Term] = []
    aside, after = 1.0, 0
    for term, start, end in found:
        between = stream[after:start]
        if terms and _OR in between and len(between) <= 3 and terms[-1].weight == aside:
            last = terms[-1]
            kind = "name" if "name" in (last.kind, term.kind) else "word"
            terms[-1] = Term(kind, (*last.names, *term.names), last.weight)
        else:
            aside = 0.4 if terms and not _stems(_ASIDE).isdisjoint(between) else aside
            where = bool(terms) and not _stems(_WHERE).isdisjoint(between)
            terms.append(Term(term.kind, term.names, min(aside, 0.7) if where else aside))
        after = end
    return terms
