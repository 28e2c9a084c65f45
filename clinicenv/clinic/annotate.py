"""The rule annotator: which facts a reply told that no scripted patient wrote.

A reply and the wordings of a fact become words with several names each: the stem, the group of lay synonyms it is
in (annotation.yaml), the finding it names (lexicon.yaml), the length of time it gives. A fact's marks say how much
of one of its wordings the reply holds, how much of a clause of the reply it accounts for, whether it was asked
for, and whether the reply affirms or denies. Their sum, by fixed weights, decides.
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

FILE = Path(__file__).resolve().parent / "knowledge" / "annotation.yaml"

WEIGHTS = {
    "base": -7.0,
    "cover": 2.4,
    "sentence": 1.9,
    "alike": 0.7,
    "clause": 1.9,
    "one_word": -1.2,
    "named": 0.4,
    "absent": 0.9,
    "absent_denied": 1.5,
    "absent_not": -1.5,
    "asked": 4.1,
    "asked_many": 1.2,
    "asked_cover": 0.4,
    "asked_no": -1.9,
    "asked_yes": 3.3,
    "asked_absent": 1.7,
    "new": 4.0,
    "new_share": 2.3,
}
"""What each mark counts; fitted on the `dev` half of the labelled replies (benchmarks/annotation.py)."""

FEW_ASKED = 2
"""A question for at most so many facts asks for each of them; one for more is an open one."""

LIKELY = 1.1
"""A fact accounts for the words that it shares where its shares of wording, sentence and clause come to this."""

TELLING = 0.25
"""Words of a smaller weight tell nothing by themselves."""

SMOOTH = 0.6
"""Added to what a share is of, so that one word is never all of it."""

ALIKE = 0.6
"""Share of what a sentence and a wording hold together that makes them alike."""

MUCH = 3.0
"""Words of this weight are as much as a fact needs."""

FEW_WORDS = 3
"""A yes with no more words than this is just a yes."""

WEAK, NUMBER, UNKNOWN = 0.45, 0.6, 0.3
"""Weights of words that facts share by chance, of numbers, and of words that no fact of the case holds."""

SAME_TIME = 1.15
"""Lengths of time that differ by a smaller factor may be the same one."""

_SENTENCE = re.compile(r"[^.?!\n]+[.?!\n]*")
_CLAUSE = re.compile(
    r"[,;:()]|\s-\s|\u2014|\b(?:but|though|although|except|apart from)\b", re.IGNORECASE
)
_POINT = re.compile(r"(?<=\d)\.(?=\d)|\b([ap])\.m\.")
_ATTACHED = re.compile(r"(\d+)([a-z]+)")
_PART = re.compile(r"[,;:]")

_Word = frozenset[str]


def facts_told(text: str, facts: Iterable[Fact], asked: Collection[str] = ()) -> tuple[str, ...]:
    """Ids of the facts that a reply told, in the order of `facts`. Questions in it tell nothing.

    `asked` are the ids of the facts that the doctor's last line asked for.
    """
    facts = tuple(facts)
    marks, reply = marks_of(text, facts, asked)
    told = {i for i, of in marks.items() if sum(WEIGHTS[name] * value for name, value in of.items()) > 0}
    named = {f.concept for f in facts if f.id in asked or reply.said.get(f.concept)}
    told |= _present(facts, told, named)
    return tuple(f.id for f in facts if f.id in told)


def marks_of(
    text: str, facts: tuple[Fact, ...], asked: Collection[str]
) -> tuple[dict[str, dict[str, float]], "_Reply"]:
    """The marks of each fact that a reply may tell; and the reply as it was read."""
    reply, marks = _Reply.read(text), dict[str, dict[str, float]]()
    if reply.sentences and facts:
        case = _case(facts)
        for known in case.known:
            found = _marks(case, known, reply, asked)
            if found and not _contradicts(known.fact, reply, asked):
                marks[known.fact.id] = found
        _add_new(case, reply, marks)
    return marks, reply


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    groups: dict[tuple[str, ...], _Word]
    """a lay form -> the names of the groups that it is in"""
    longest: dict[str, int]
    """first word of a form -> words of the longest such form"""
    weak: _Word
    common: _Word
    denials: _Word
    agrees: _Word
    fine: _Word
    others: _Word
    values: dict[str, int]
    units: dict[str, float]


@cache
def _vocabulary() -> _Vocabulary:
    data = yaml.load(FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    values = {normalise(w)[0]: int(n) for n, words in data["numbers"].items() for w in listed(words)}
    units = {normalise(w)[0]: float(days) for w, days in data["units"].items()}
    groups: dict[tuple[str, ...], set[str]] = {}
    for line in data["same"]:
        forms = listed(line)
        for form in forms:
            groups.setdefault(tuple(_numbers(normalise(form), values)), set()).add("#" + forms[0])
    longest: dict[str, int] = {}
    for form in groups:
        longest[form[0]] = max(len(form), longest.get(form[0], 0))
    named = {form: frozenset(names) for form, names in groups.items()}
    sets = {k: _stems(data[k], values) for k in ("weak", "common", "denials", "agrees", "fine", "others")}
    for key in ("weak", "others"):  # all that means the same too
        sets[key] = sets[key].union(*(named.get((word,), ()) for word in sets[key]))
    return _Vocabulary(named, longest, values=values, units=units, **sets)


def _stems(text: str, values: dict[str, int]) -> _Word:
    return frozenset(stem for word in listed(text) for stem in _numbers(normalise(word), values))


def _numbers(tokens: Iterable[str], values: dict[str, int]) -> list[str]:
    """The tokens with numbers in digits: "twenty five" is 25, "two hundred and fifty" is 250, "4am" 4 and am."""
    found: list[str] = []
    number: int | None = None
    for token in tokens:
        value = values.get(token)
        if number and token == "hundr" and number < 10:
            number *= 100
        elif number and value and ((number % 100 == 0) or (number % 10 == 0 and number > 10 > value)):
            number += value
        elif number and number % 100 == 0 and token == "and":
            continue
        else:
            found += [] if number is None else [str(number)]
            number = value
            if value is None:
                attached = _ATTACHED.fullmatch(token)
                found += attached.groups() if attached else [token]
    return found + ([] if number is None else [str(number)])


@dataclass(frozen=True, slots=True)
class _Clause:
    words: tuple[_Word, ...]
    stems: _Word
    denies: bool
    about: _Word
    """the other person that it is about, by all names; empty for the patient"""


@lru_cache(maxsize=8192)
def _clause(text: str) -> _Clause:
    vocabulary = _vocabulary()
    tokens = _numbers(normalise(text), vocabulary.values)
    words = _named(tokens)
    others = (w | {t} for t, w in zip(tokens[:3], words[:3], strict=True) if t in vocabulary.others)
    stems = frozenset(tokens)
    about = frozenset().union(*others)
    return _Clause(tuple(filter(None, words)), stems, not stems.isdisjoint(vocabulary.denials), about)


def _named(tokens: Sequence[str]) -> list[_Word]:
    """Each token's names; empty for one that says nothing by itself."""
    vocabulary, same = _vocabulary(), lexicon().same_as
    names = [set[str]() if t in vocabulary.common else {t} for t in tokens]
    for i, token in enumerate(tokens):
        for length in range(1, vocabulary.longest.get(token, 0) + 1):
            names[i] |= vocabulary.groups.get(tuple(tokens[i : i + length]), frozenset())
        if token.isdecimal():
            names[i] |= _duration(int(token), tokens[i + 1 : i + 4])
    for concept, start, _ in find_concepts(tokens):
        names[start].update("@" + c for c in (concept, *same.get(concept, ())))
    return list(map(frozenset, names))


def _duration(number: int, after: Sequence[str]) -> set[str]:
    """Names of a length of time, such that "eight weeks" and "two months" share one."""
    units = _vocabulary().units
    for token in after:
        if token in units:
            size = math.log(max(number, 1) * units[token], SAME_TIME)
            return {f"~{math.floor(size)}", f"~{math.floor(size + 0.5)}+"}
    return set()


def _clauses(sentence: str) -> tuple[_Clause, ...]:
    return tuple(_clause(part) for part in _CLAUSE.split(sentence) if part.strip())


def _sentences(text: str) -> list[str]:
    text = _POINT.sub(lambda m: m[1] + "m" if m[1] else " point ", text)
    return [s for s in _SENTENCE.findall(text) if s.strip()]


@dataclass(frozen=True, slots=True)
class _Known:
    """A fact with its wordings; each word of one with its names and its weight."""

    fact: Fact
    wordings: tuple[tuple[tuple[_Word, float], ...], ...]
    names: _Word


@dataclass(frozen=True, slots=True)
class _Case:
    known: tuple[_Known, ...]
    weights: dict[str, float]
    """of each name in the wordings: the fewer facts hold it, the more it tells"""

    def weight(self, names: Iterable[str]) -> float:
        """Of the name that tells most."""
        return max((self.weights.get(name, 0.0) for name in names), default=0.0)

    def whole(self, words: Iterable[_Word]) -> float:
        """Of all these words."""
        return sum(max(self.weight(word), UNKNOWN) for word in words)


@lru_cache(maxsize=256)
def _case(facts: tuple[Fact, ...]) -> _Case:
    texts = [[_held(t) for t in _texts(f)] for f in facts]
    names = [frozenset().union(*(word for words in wordings for word in words)) for wordings in texts]
    counts = Counter(name for held in names for name in held)
    case = _Case((), {name: _rarity(name, n, len(facts)) for name, n in counts.items()})
    known = (
        _Known(f, tuple(tuple((w, case.weight(w)) for w in words) for words in wordings if words), held)
        for f, wordings, held in zip(facts, texts, names, strict=True)
    )
    return _Case(tuple(known), case.weights)


def _texts(fact: Fact) -> Iterator[str]:
    """All wordings of a fact: what it says, whole and by sentence, and its value, whole and by part."""
    for say in (*fact.say, *filter(None, (fact.say_vague,))):
        sentences = _sentences(say)
        yield from (say, *(sentences if len(sentences) > 1 else ()))
    value = fact.value or ""
    if fact.present or len(value.split()) > 3:  # the value of a denial is "none" or the like
        yield value
        yield from _PART.split(value)


def _held(text: str) -> tuple[_Word, ...]:
    """The words of a text, each once."""
    clauses = (c for sentence in _sentences(text) for c in _clauses(sentence))
    return tuple(dict.fromkeys(word for clause in clauses for word in clause.words))


def _rarity(name: str, count: int, facts: int) -> float:
    vocabulary = _vocabulary()
    kind = NUMBER if name.isdecimal() or name[0] == "~" else WEAK if name in vocabulary.weak else 1.0
    return kind * math.log(1 + facts / count) / math.log(1 + facts)


@dataclass(frozen=True, slots=True)
class _Reply:
    """What a reply states; questions in it tell nothing."""

    sentences: tuple[tuple[_Clause, ...], ...]
    agrees: bool
    denies: bool
    """whether it begins with a yes or a no"""
    just_yes: bool
    nothing_wrong: bool
    """whether it denies anything or says that something is fine"""
    said: dict[str, bool]

    @staticmethod
    def read(text: str) -> "_Reply":
        stated = [s for s in _sentences(text) if not s.rstrip().endswith("?")]
        sentences = tuple(filter(None, map(_clauses, stated)))
        clauses = [c for s in sentences for c in s]
        vocabulary = _vocabulary()
        first = normalise(stated[0])[:3] if stated else []
        fine = any(c.denies or not c.stems.isdisjoint(vocabulary.fine) for c in clauses)
        agrees, denies = (not words.isdisjoint(first) for words in (vocabulary.agrees, vocabulary.denials))
        just = agrees and not denies and sum(len(c.words) for c in clauses) <= FEW_WORDS
        return _Reply(sentences, agrees, denies, just, fine, mentions(" ".join(stated)))


def _marks(case: _Case, known: _Known, reply: _Reply, asked: Collection[str]) -> dict[str, float] | None:
    """What speaks for a fact and against it, or None where nothing does."""
    fact, names = known.fact, known.names
    own = [[c for c in s if not c.about or not names.isdisjoint(c.about)] for s in reply.sentences]
    by_sentence = [names & frozenset().union(*(w for c in s for w in c.words)) for s in own]
    held = frozenset[str]().union(*by_sentence)
    if not held and fact.id not in asked:
        return None
    cover, _, most = _cover(case, known, held, 0.0)
    by = [
        _cover(case, known, part, case.whole(w for c in s for w in c.words))
        for part, s in zip(by_sentence, own, strict=True)
    ]
    marks = {
        "base": 1.0,
        "cover": cover,
        "sentence": max((share for share, _, _ in by), default=0.0),
        "alike": max((alike for _, alike, _ in by), default=0.0),
        "clause": max((_share(case, c, names) for s in own for c in s), default=0.0),
        "one_word": float(most == 1),
    }
    return marks | _said(fact, reply, [c for s in own for c in s]) | (_asked(fact, reply, asked, cover) if fact.id in asked else {})


def _cover(case: _Case, known: _Known, held: _Word, whole: float) -> tuple[float, float, int]:
    """How much of a wording these names cover, how alike the two are, and how many words they share; at most.

    `whole` is the weight of all that is said there.
    """
    cover, alike, most = 0.0, 0.0, 0
    for wording in known.wordings if held else ():
        found = [case.weight(both) for word, _ in wording if (both := word & held)]
        shared, size = sum(found), sum(weight for _, weight in wording)
        cover = max(cover, shared / (size + SMOOTH))
        alike = max(alike, shared / max(size + whole - shared, 0.01))
        most = max(most, sum(weight > TELLING for weight in found))
    return cover, max(0.0, alike - ALIKE) / (1 - ALIKE), most


def _share(case: _Case, clause: _Clause, names: _Word) -> float:
    """The share of a clause that is about what has these names."""
    return sum(case.weight(word & names) for word in clause.words) / (case.whole(clause.words) + SMOOTH)


def _said(fact: Fact, reply: _Reply, clauses: Iterable[_Clause]) -> dict[str, float]:
    """How much of a clause names the finding that is there, or whether the absent one is denied."""
    affirmed = reply.said.get(fact.concept)
    if not fact.present:
        denied = float(affirmed is False)
        return {"absent": 1.0, "absent_denied": denied, "absent_not": float(not reply.nothing_wrong)}
    if not affirmed or fact.slot != "present" or fact.concept not in lexicon().symptoms:
        return {}
    name = "@" + fact.concept
    return {"named": max((1 / len(c.words) for c in clauses if any(name in w for w in c.words)), default=0.0)}


def _asked(fact: Fact, reply: _Reply, asked: Collection[str], cover: float) -> dict[str, float]:
    """How the reply answers a question for the fact."""
    few = len(asked) <= FEW_ASKED
    marks = {"asked": float(few), "asked_many": float(not few), "asked_cover": cover}
    if fact.present:
        return marks | {"asked_no": float(reply.denies), "asked_yes": float(reply.just_yes and few)}
    return marks | {"asked_absent": float(reply.nothing_wrong and not reply.agrees)}


def _add_new(case: _Case, reply: _Reply, marks: dict[str, dict[str, float]]) -> None:
    """How much of the reply each fact accounts for that no likelier one does."""
    words = [w for s in reply.sentences for c in s for w in c.words]
    order = sorted(
        (k for k in case.known if k.fact.id in marks), key=lambda k: (-_likely(marks[k.fact.id]), k.fact.id)
    )
    taken: set[int] = set()
    for known in order:
        mine = {i: case.weight(word & known.names) for i, word in enumerate(words)}
        new = sum(weight for i, weight in mine.items() if i not in taken)
        marks[known.fact.id] |= {"new": min(new, MUCH) / MUCH, "new_share": new / (sum(mine.values()) + SMOOTH)}
        if _likely(marks[known.fact.id]) > LIKELY:
            taken.update(i for i, weight in mine.items() if weight)


def _likely(marks: dict[str, float]) -> float:
    return marks["cover"] + marks["sentence"] + marks["clause"] + marks.get("asked", 0.0)


def _contradicts(fact: Fact, reply: _Reply, asked: Collection[str]) -> bool:
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


def _present(facts: Collection[Fact], told: Collection[str], named: Collection[str]) -> set[str]:
    """The findings that are there, since a detail of them was told; of those `named` or asked about."""
    having = {f.concept for f in facts if f.id in told and f.slot != "present" and f.present} & set(named)
    return {f.id for f in facts if f.slot == "present" and f.present and f.concept in having}
