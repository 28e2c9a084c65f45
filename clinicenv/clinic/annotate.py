"""The rule annotator: which facts a reply told that no scripted patient wrote.

A reply and the wordings of a fact become words with several names each: the stem, the group of lay synonyms
(annotation.yaml), the finding (lexicon.yaml), the length of time. A fact's marks say how much of one of its
wordings the reply holds, how much of the reply it accounts for, whether it was asked for, and whether the
reply affirms or denies. Their sum by fixed weights decides.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import yaml

from clinicenv.clinic.lexicon import find_concepts, lexicon, listed, mentions, normalise
from clinicenv.story import Fact

WEIGHTS = {
    "base": -6.8,
    "cover": 2.5,
    "alike": 1.9,
    "clause": 2.3,
    "one_word": -1.0,
    "named": 4.7,
    "absent": 0.6,
    "absent_denied": 1.6,
    "asked": 3.8,
    "asked_many": 1.6,
    "asked_no": -1.9,
    "asked_yes": 4.1,
    "asked_denied": 1.8,
    "asked_absent": 1.2,
    "new": 4.2,
    "new_share": 2.9,
}
"""What each mark counts: fitted by logistic regression on the `dev` half of the labelled replies
(benchmarks/annotation.py), the bundled cases' own scripted wordings, and made-up short replies ("Yes.")."""

FEW_ASKED = 2
"""A question for at most so many facts asks for each of them; one for more is an open one."""

LIKELY, ALIKE = 1.1, 0.6
"""From which shares on a fact accounts for what it shares, and a sentence and a wording are alike."""

WEAK, NUMBER, UNKNOWN, TELLING = 0.45, 0.6, 0.3, 0.25
"""Weights of words that facts share by chance, of numbers, of words of no fact; the least that tells."""

SMOOTH, MUCH, SAME_TIME, JUST_YES = 0.6, 3.0, 1.15, 3
"""What keeps a share of one word from being all; the weight of words that is much; the factor by which equal
times may differ; with how many words a yes is just a yes."""

_SENTENCE = re.compile(r"[^.?!\n]+[.?!\n]*")
_CLAUSE = re.compile(r"[,;:()]|\s-\s|\u2014|\b(?:but|though|although|except|apart from)\b", re.IGNORECASE)
_POINT = re.compile(r"(?<=\d)\.(?=\d)|\b([ap])\.m\.")
_ATTACHED = re.compile(r"(\d+)([a-z]+)")

_Word = frozenset[str]
_Marks = dict[str, float]
_Asked = Collection[str]
_Sized = Sequence[Sequence[tuple["_Clause", float]]]  # the clauses of each sentence, and their words' weight


def facts_told(text: str, facts: Iterable[Fact], asked: Collection[str] = ()) -> tuple[str, ...]:
    """Ids of the facts that a reply told, in the order of `facts`. Questions in it tell nothing.

    `asked` are the ids of the facts that the doctor's last line asked for.
    """
    facts = tuple(facts)
    reply = _Reply.read(text)
    told = {i for i, of in marks(reply, facts, asked).items() if sum(WEIGHTS[m] * of[m] for m in of) > 0}
    about = {f.concept for f in facts if f.id in asked or reply.said.get(f.concept)}
    about &= {f.concept for f in facts if f.id in told and f.slot != "present" and f.present}
    told |= {f.id for f in facts if f.slot == "present" and f.present and f.concept in about}
    return tuple(f.id for f in facts if f.id in told)


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    groups: dict[tuple[str, ...], _Word]
    """a lay form -> the names of the groups that it is in"""
    longest: int
    """words of the longest form"""
    values: dict[str, int]
    units: dict[str, float]
    weak: _Word
    common: _Word
    denials: _Word
    agrees: _Word
    fine: _Word
    others: _Word


@cache
def _vocabulary() -> _Vocabulary:
    file = Path(__file__).resolve().parent / "knowledge" / "annotation.yaml"
    data = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
    values = {normalise(w)[0]: int(n) for n, words in data["numbers"].items() for w in listed(words)}
    units = {normalise(w)[0]: float(days) for w, days in data["units"].items()}
    groups: dict[tuple[str, ...], set[str]] = {}
    for forms in map(listed, data["same"]):
        for form in forms:
            groups.setdefault(tuple(_numbers(normalise(form), values)), set()).add("#" + forms[0])
    named = {form: frozenset(names) for form, names in groups.items()}
    sets: dict[str, _Word] = {}
    for key in ("weak", "common", "denials", "agrees", "fine", "others"):
        stems = frozenset(stem for w in listed(data[key]) for stem in _numbers(normalise(w), values))
        same = (named.get((stem,), frozenset()) for stem in stems if key in ("weak", "others"))
        sets[key] = stems.union(*same)
    return _Vocabulary(named, max(map(len, groups)), values, units, **sets)


def _numbers(words: Iterable[str], values: dict[str, int]) -> list[str]:
    """Numbers in digits: "twenty five" is 25, "two hundred and fifty" is 250, "4am" is 4 and am."""
    found: list[str] = []
    number: int | None = None
    for word in words:
        value = values.get(word)
        if number and word.startswith("hundr") and number < 10:
            number *= 100
        elif number and value and (number % 100 == 0 or (number % 10 == 0 and number > 10 > value)):
            number += value
        elif number is None or number % 100 or word != "and":
            found += [] if number is None else [str(number)]
            number = value
            attached = _ATTACHED.fullmatch(word)
            found += attached.groups() if attached else [word] if value is None else []
    return found + ([] if number is None else [str(number)])


@dataclass(frozen=True, slots=True)
class _Clause:
    words: tuple[_Word, ...]
    stems: _Word
    about: _Word
    """the other person that it is about, by all names; empty for the patient"""


@lru_cache(maxsize=8192)
def _clause(text: str) -> _Clause:
    vocabulary = _vocabulary()
    stems = _numbers(normalise(text), vocabulary.values)
    words = _named(stems)
    others = (w | {s} for s, w in zip(stems[:3], words[:3], strict=True) if s in vocabulary.others)
    return _Clause(tuple(filter(None, words)), frozenset(stems), frozenset[str]().union(*others))


def _named(stems: Sequence[str]) -> list[_Word]:
    """Each word's names; none for one that says nothing by itself."""
    vocabulary, same = _vocabulary(), lexicon().same_as
    names, forms = [set() if s in vocabulary.common else {s} for s in stems], vocabulary.groups
    for i, stem in enumerate(stems):
        for end in range(i + 1, min(i + vocabulary.longest, len(stems)) + 1):
            names[i] |= forms.get(tuple(stems[i:end]), frozenset())
        unit = next((vocabulary.units[s] for s in stems[i + 1 : i + 4] if s in vocabulary.units), None)
        if unit and stem.isdecimal() and len(stem) < 7:  # two sizes: "eight weeks" and "two months" share one
            size = math.log(max(int(stem), 1) * unit, SAME_TIME)
            names[i] |= {f"~{math.floor(size)}", f"~{math.floor(size + 0.5)}+"}
    for concept, start, _ in find_concepts(stems):
        names[start].update("@" + c for c in (concept, *same.get(concept, ())))
    return list(map(frozenset, names))


def _sentences(text: str) -> list[str]:
    text = _POINT.sub(lambda m: m[1] + "m" if m[1] else " point ", text)
    return [s for s in _SENTENCE.findall(text) if s.strip()]


def _clauses(sentence: str) -> tuple[_Clause, ...]:
    return tuple(_clause(part) for part in _CLAUSE.split(sentence) if part.strip())


@dataclass(frozen=True, slots=True)
class _Known:
    """A fact with its wordings: the weight of each and its words."""

    fact: Fact
    wordings: list[tuple[float, tuple[_Word, ...]]]
    names: _Word


class _Case:
    """The facts of a case, and how much each name in their wordings tells: more if fewer facts hold it."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        texts = [[words for t in _texts(fact) if (words := _held(t))] for fact in facts]
        names = [frozenset[str]().union(*(w for words in wordings for w in words)) for wordings in texts]
        counts, log = Counter(name for held in names for name in held), math.log
        rare = {name: log(1 + len(facts) / n) / log(1 + len(facts)) for name, n in counts.items()}
        self.weights = {name: _kind(name) * weight for name, weight in rare.items()}
        weighed = [[(sum(map(self.weight, words)), words) for words in wordings] for wordings in texts]
        self.known = [_Known(*of) for of in zip(facts, weighed, names, strict=True)]

    def weight(self, names: _Word) -> float:
        """Of the name that tells most."""
        return max([self.weights.get(name, 0.0) for name in names], default=0.0)

    def whole(self, words: Iterable[_Word]) -> float:
        """Of all these words."""
        return sum(max(self.weight(word), UNKNOWN) for word in words)


_case = lru_cache(maxsize=256)(_Case)


def _texts(fact: Fact) -> Iterator[str]:
    """All wordings of a fact: what it says, whole and by sentence, and its value, whole and by part."""
    for say in (*fact.say, *filter(None, (fact.say_vague,))):
        sentences = _sentences(say)
        yield from (say, *(sentences if len(sentences) > 1 else ()))
    value = fact.value or ""
    if fact.present or len(value.split()) > 3:  # the value of a denial is "none" or the like
        yield from (value, *re.split("[,;:]", value))


def _held(text: str) -> tuple[_Word, ...]:
    """The words of a text, each once."""
    return tuple(dict.fromkeys(w for s in _sentences(text) for c in _clauses(s) for w in c.words))


def _kind(name: str) -> float:
    return NUMBER if name.isdecimal() or name[0] == "~" else WEAK if name in _vocabulary().weak else 1.0


@dataclass(frozen=True, slots=True)
class _Reply:
    """What a reply states; questions in it tell nothing."""

    sentences: tuple[tuple[_Clause, ...], ...]
    agrees: bool  # begins with a yes
    denies: bool  # begins with a no
    just_yes: bool
    nothing_wrong: bool  # denies anything or says that something is fine
    said: dict[str, bool]

    @staticmethod
    def read(text: str) -> "_Reply":
        vocabulary = _vocabulary()
        stated = [s for s in _sentences(text) if not s.rstrip().endswith("?")]
        sentences = tuple(filter(None, map(_clauses, stated)))
        clauses = [c for s in sentences for c in s]
        first = normalise(stated[0])[:3] if stated else []
        agrees, denies = (not words.isdisjoint(first) for words in (vocabulary.agrees, vocabulary.denials))
        just_yes = agrees and not denies and sum(len(c.words) for c in clauses) <= JUST_YES
        fine = any(not c.stems.isdisjoint(vocabulary.denials | vocabulary.fine) for c in clauses)
        return _Reply(sentences, agrees, denies, just_yes, fine, mentions(" ".join(stated)))


def marks(reply: _Reply, facts: tuple[Fact, ...], asked: _Asked) -> dict[str, _Marks]:
    """The marks of each fact that a reply may tell."""
    found: dict[str, _Marks] = {}
    if reply.sentences and facts:
        case = _case(facts)
        sized = [[(c, case.whole(c.words)) for c in s] for s in reply.sentences]
        for known in case.known:
            if _contradicts(known.fact, reply, asked):
                continue
            if of := _marks(case, known, reply, sized, asked):
                found[known.fact.id] = of
        _add_new(case, reply, found)
    return found


def _contradicts(fact: Fact, reply: _Reply, asked: _Asked) -> bool:
    """Whether the reply denies the finding where the fact affirms it, or the other way round."""
    affirmed = reply.said.get(fact.concept)
    if affirmed is None or (fact.id in asked and reply.denies and not fact.present):
        return False
    return affirmed not in _polarity(fact.concept, fact.slot, fact.present, fact.say)


@lru_cache(maxsize=4096)
def _polarity(concept: str, slot: str, present: bool, says: tuple[str, ...]) -> frozenset[bool]:
    """Whether the fact affirms its finding, by its own words where they name it; an attribute does."""
    own = frozenset(m[concept] for say in says if concept in (m := mentions(say)))
    return (own or frozenset({present})) | ({True} if slot != "present" else frozenset())


def _marks(case: _Case, known: _Known, reply: _Reply, sized: _Sized, asked: _Asked) -> _Marks:
    """What speaks for a fact and against it, if anything. Clauses on people whom it does not name are out."""
    fact, names = known.fact, known.names
    own = [[(c, size) for c, size in s if not c.about or not names.isdisjoint(c.about)] for s in sized]
    by_sentence = [names & frozenset[str]().union(*(w for c, _ in s for w in c.words)) for s in own]
    held = frozenset[str]().union(*by_sentence)
    if not held and fact.id not in asked:
        return {}
    cover, _, most = _compare(case, known, held, 0.0)
    wholes = (sum(size for _, size in s) for s in own)
    alike = (_compare(case, known, *part)[1] for part in zip(by_sentence, wholes, strict=True))
    clauses = [c for s in own for c in s]
    share = (sum(case.weight(w & names) for w in c.words) / (size + SMOOTH) for c, size in clauses)
    general = {"base": 1.0, "cover": cover, "one_word": float(most == 1)}
    general |= {"alike": max(alike, default=0.0), "clause": max(share, default=0.0)}
    general |= _said(fact, reply, (c for c, _ in clauses))
    return general | (_asked(fact, reply, asked) if fact.id in asked else {})


def _compare(case: _Case, known: _Known, held: _Word, whole: float) -> tuple[float, float, int]:
    """How much of a wording these names cover, how alike it is to what is said there, all of the weight
    `whole`, and how many words they share; at most."""
    cover, alike, most = 0.0, 0.0, 0
    for size, words in known.wordings if held else ():
        found = [case.weight(word & held) for word in words if not word.isdisjoint(held)]
        both = min(sum(found), whole)
        cover = max(cover, sum(found) / (size + SMOOTH))
        alike = max(alike, both / max(size + whole - both, SMOOTH))
        most = max(most, sum(weight > TELLING for weight in found))
    return cover, max(0.0, alike - ALIKE) / (1 - ALIKE), most


def _said(fact: Fact, reply: _Reply, clauses: Iterable[_Clause]) -> _Marks:
    """How much of a clause names the finding that is there, or whether the absent one is denied."""
    affirmed = reply.said.get(fact.concept)
    if not fact.present:
        return {"absent": 1.0, "absent_denied": float(affirmed is False)}
    if not affirmed or fact.slot != "present" or fact.concept not in lexicon().symptoms:
        return {}
    name = "@" + fact.concept
    return {"named": max((1 / len(c.words) for c in clauses if any(name in w for w in c.words)), default=0.0)}


def _asked(fact: Fact, reply: _Reply, asked: _Asked) -> _Marks:
    """How the reply answers a question for the fact."""
    few = len(asked) <= FEW_ASKED
    asked_for = {"asked": float(few), "asked_many": float(not few)}
    if fact.present:
        return asked_for | {"asked_no": float(reply.denies), "asked_yes": float(few and reply.just_yes)}
    denied, absent = (float(d and not reply.agrees) for d in (reply.denies, reply.nothing_wrong))
    return asked_for | {"asked_denied": denied, "asked_absent": absent}


def _add_new(case: _Case, reply: _Reply, found: dict[str, _Marks]) -> None:
    """Marks how much of the reply each fact accounts for that no likelier one does."""
    words = [w for s in reply.sentences for c in s for w in c.words]
    likely = {i: 2 * of["cover"] + of["clause"] + of.get("asked", 0.0) for i, of in found.items()}
    taken: set[int] = set()
    for known in sorted((k for k in case.known if k.fact.id in found), key=lambda k: -likely[k.fact.id]):
        mine = {n: case.weight(word & known.names) for n, word in enumerate(words)}
        new = sum(weight for n, weight in mine.items() if n not in taken)
        share = new / (sum(mine.values()) + SMOOTH)
        found[known.fact.id] |= {"new": min(new, MUCH) / MUCH, "new_share": share}
        if likely[known.fact.id] > LIKELY:
            taken.update(n for n, weight in mine.items() if weight)
