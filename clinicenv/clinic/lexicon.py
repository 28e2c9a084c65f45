"""The lexicon: which words stand for which finding, question intent or dialogue act, and what a text denies.

Text becomes a list of word stems without articles, possessives and fillers. Forms of the lexicon are looked
up in it as tuples of stems, longest first.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

_KNOWLEDGE = Path(__file__).resolve().parent / "knowledge"
FILES = (_KNOWLEDGE / "lexicon.yaml", _KNOWLEDGE / "acts.yaml")

REPAIR_FROM = 6
"""Unknown words with shorter stems are left alone: too many words are one letter apart."""

_LONGEST = 30
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_SENTENCE = re.compile(r"[^.?!;\n]+[.?!;\n]*")
_QUOTES = str.maketrans("\u2019\u2018\u02bc`", "''''")
_ENDINGS = {"m": "is", "re": "is", "ve": "have", "ll": "will", "d": "would"}
_BEFORE_BEEN = frozenset({"have", "you", "i", "he", "she", "we", "they", "it", "not", "ever", "never", "any"})
_HARMLESS = ""
"""Stands in a table for forms that mean nothing, so that no shorter form is found in them."""

_JOINS = frozenset({"or", "and", "nor"})

_REACH = 5
"""Words between which a pair is still one thing: "swelling in both of your ankles"."""

WEAK = "~"
"""Ends the name of an intent whose words only count where the question is not whether there is any."""


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = {}
    for file in FILES:
        data |= yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return data


def listed(text: str) -> list[str]:
    """The items of a comma-separated line of the file."""
    return [item for part in text.split(",") if (item := part.strip())]


@dataclass(frozen=True, slots=True)
class _Grammar:
    dropped: frozenset[str]
    is_after: frozenset[str]
    split: dict[str, list[str]]
    stems: dict[str, str]


@cache
def _grammar() -> _Grammar:
    raw = _data()["grammar"]
    stems = {word: word for word in listed(raw["unchanged"])}
    stems |= {word: stem for stem, words in raw["irregular"].items() for word in listed(words)}
    split = {word: words.split() for word, words in raw["split"].items()}
    return _Grammar(frozenset(listed(raw["dropped"])), frozenset(listed(raw["is_after"])), split, stems)


@lru_cache(maxsize=16384)
def _stem(word: str) -> str:
    """A crude stem: the lexicon's forms and the text both go through it, so it need only be consistent."""
    known = _grammar().stems.get(word)
    if known or len(word) <= 3 or not word.isascii():
        return known or word
    word = word.replace("ae", "e").replace("oe", "e")
    if word.endswith("ness") and len(word) > 6:
        word = word[:-4]
        word = word[:-1] + "y" if word.endswith("i") else word
    if word.endswith(("ies", "ied")):
        word = word[:-3] + "y"
    elif word.endswith("ing") and len(word) >= 6:
        word = _single(word[:-3])
    elif word.endswith("ed") and len(word) >= 5 and not word.endswith("eed"):
        word = _single(word[:-2])
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) >= 5 and word.endswith("our"):
        word = word[:-3] + "or"
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _single(stem: str) -> str:
    """`stopp` (from `stopped`) is `stop`; `swell` and `pass` keep both letters."""
    doubled = len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz"
    return stem[:-1] if doubled else stem


def _words(text: str) -> list[str]:
    """Lower-case words, contractions written out, articles and fillers dropped."""
    grammar = _grammar()
    found: list[str] = []
    for word in _WORD.findall(text.lower().translate(_QUOTES)):
        if word in grammar.dropped:
            continue
        if word in grammar.split:
            found += grammar.split[word]
        elif "'" in word:
            found += _contraction(word, grammar)
        else:
            found.append(word)
    return found


def _contraction(word: str, grammar: _Grammar) -> list[str]:
    if word.endswith("n't"):
        return [word[:-3], "not"]
    head, _, tail = word.rpartition("'")
    if tail == "s":
        return [head, "is"] if head in grammar.is_after else [head]
    return [head, _ENDINGS[tail]] if tail in _ENDINGS else [head.replace("'", "") + tail]


class Table:
    """Forms as tuples of stems, and what each stands for."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, ...], str] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}

    def add(self, form: tuple[str, ...], name: str) -> None:
        """The first name that claims a form keeps it."""
        if form and form not in self.names:
            self.names[form] = name
            lengths = {len(form), *self._lengths.get(form[0], ())}
            self._lengths[form[0]] = tuple(sorted(lengths, reverse=True))

    def find(self, tokens: Sequence[str]) -> list[tuple[str, int, int]]:
        """(name, start, end) of the forms in the tokens, longest first, without overlaps, in order."""
        tokens, lengths, names = tuple(tokens), self._lengths, self.names
        found, i, n = [], 0, len(tokens)
        while i < n:
            for length in lengths.get(tokens[i], ()):
                name = names.get(tokens[i : i + length]) if i + length <= n else None
                if name is not None:
                    found.append((name, i, i + length))
                    i += length - 1
                    break
            i += 1
        return found


@dataclass(frozen=True, slots=True)
class Concept:
    """A finding or topic: how to name it to a person, its group, and what it is called in relatives."""

    id: str
    label: str
    parent: str | None
    in_family: str | None


@dataclass(frozen=True, slots=True)
class Intent:
    """What a question wants to know: its slot, its topic where it names none, its section of the record."""

    id: str
    slot: str | None
    concept: str | None
    section: str | None


@dataclass(slots=True)
class Lexicon:
    """All of lexicon.yaml and acts.yaml, compiled."""

    concepts: dict[str, Concept] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)
    children: dict[str, tuple[str, ...]] = field(default_factory=dict)
    section_intent: dict[str, str] = field(default_factory=dict)
    """concept -> the intent that is about it, e.g. smoking -> smoking, past_illness -> pmh"""
    symptoms: frozenset[str] = frozenset()
    remedies: frozenset[str] = frozenset()
    """the medicines of all kinds"""
    gives_way: dict[str, frozenset[str]] = field(default_factory=dict)
    """concept -> those beside which it is not meant"""
    same_as: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """concept -> those so near it that who has one of them cannot deny it"""
    concept_table: Table = field(default_factory=Table)
    intent_table: Table = field(default_factory=Table)
    act_table: Table = field(default_factory=Table)
    site_table: Table = field(default_factory=Table)
    """body parts, and the pain that each may have"""
    pairs: dict[tuple[str, str], str] = field(default_factory=dict)
    """two words that, near each other, stand for a concept, in either order"""
    intent_pairs: dict[tuple[str, str], str] = field(default_factory=dict)
    """the same for intents"""
    paired: frozenset[str] = frozenset()
    """all words of `pairs`"""
    paired_intents: frozenset[str] = frozenset()
    """all words of `intent_pairs`"""
    endings: tuple[tuple[str, str], ...] = ()
    """(ending of the name of a medicine or operation, concept)"""
    persons: dict[str, str] = field(default_factory=dict)
    things: dict[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    """all stems of all tables, and of words that are not to be repaired"""
    vocabulary: dict[str, list[str]] = field(default_factory=dict)
    """the longer ones by first letter, for repairing spelling"""


@cache
def lexicon() -> Lexicon:
    """The lexicon, read and compiled once in a process."""
    lex, data = Lexicon(), _data()
    lex.persons = dict.fromkeys(listed(data["grammar"]["persons"]), "you")
    lex.things = lex.persons | dict.fromkeys(listed(data["grammar"]["things"]), "it")
    for kind, words in data["grammar"]["kinds"].items():
        lex.things |= {form[0]: _stem(kind) for form in _forms(words)}
    for form in _forms(data["harmless"]):
        lex.concept_table.add(tuple(lex.persons.get(t, t) for t in form), _HARMLESS)
    for form in _forms(data["harmless_acts"]):
        lex.act_table.add(form, _HARMLESS)
    _compile_concepts(lex, data)
    for group in map(listed, data["same_as"]):
        for name in group:
            lex.same_as[name] = (*lex.same_as.get(name, ()), *(other for other in group if other != name))
    lex.gives_way = {name: frozenset(listed(text)) for name, text in data["gives_way"].items()}
    _compile_intents(lex, data)
    for name, patterns in data["acts"].items():
        for form in _forms(patterns):
            lex.act_table.add(form, name)
    lex.endings = tuple((e, name) for name, text in data["endings"].items() for e in listed(text))
    lex.paired = frozenset(word for pair in lex.pairs for word in pair)
    lex.paired_intents = frozenset(word for pair in lex.intent_pairs for word in pair)
    tables = (lex.concept_table, lex.intent_table, lex.act_table, lex.site_table)
    named = {token for table in tables for form in table.names for token in form} | set(lex.things)
    named |= lex.paired | lex.paired_intents
    for token in sorted(named):
        if len(token) >= REPAIR_FROM - 1:
            lex.vocabulary.setdefault(token[0], []).append(token)
    lex.known = frozenset(named | {_stem(word) for word in listed(data["grammar"]["plain"])})
    return lex


def _compile_intents(lex: Lexicon, data: dict[str, Any]) -> None:
    for name, entry in data["intents"].items():
        intent = lex.intents[name] = Intent(
            name, entry.get("slot"), entry.get("concept"), entry.get("section")
        )
        if intent.concept and not intent.slot and name != "opening":
            for concept in (intent.concept, *listed(entry.get("also", ""))):
                lex.section_intent.setdefault(concept, name)
        for key, mark in (("patterns", ""), ("weak", WEAK)):
            for form in _forms(entry.get(key, "")):
                lex.intent_table.add(tuple(lex.things.get(t, t) for t in form), name + mark)
        for pair in _pairs(entry.get("pairs", "")):
            lex.intent_pairs.setdefault(tuple(lex.things.get(t, t) for t in pair), name)  # type: ignore[arg-type]


def _compile_concepts(lex: Lexicon, data: dict[str, Any]) -> None:
    below: dict[str, list[str]] = {}
    for name, entry in data["concepts"].items():
        lex.concepts[name] = Concept(name, entry["label"], entry.get("parent"), entry.get("in_family"))
        below.setdefault(entry.get("parent", ""), []).append(name)
        below.setdefault(name, []).extend(listed(entry.get("covers", "")))
        for form in _forms(entry.get("forms", "")):
            lex.concept_table.add(tuple(lex.persons.get(form[i], form[i]) for i in _kept(form)), name)
        for pair in _pairs(entry.get("pairs", "")):
            lex.pairs.setdefault(pair, name)
    before, after = (list(_forms(data["grammar"][key])) for key in ("before_site", "after_site"))
    aches, unpaired = (
        [form[0] for form in _forms(data["grammar"][key])] for key in ("site_pairs", "unpaired_sites")
    )
    for name, entry in data["concepts"].items():  # after all written forms, which go before composed ones
        for site in _forms(entry.get("sites", "")):
            lex.site_table.add(site, name)
            for words in (*(b + site for b in before), *(site + a for a in after)):
                lex.concept_table.add(words, name)
            if len(site) == 1 and site[0] not in unpaired:
                for word in aches:
                    lex.pairs.setdefault((word, site[0]), name)
                    lex.pairs.setdefault((site[0], word), name)
    lex.children = {name: tuple(dict.fromkeys(members)) for name, members in below.items() if name}
    lex.symptoms = frozenset(descendants(lex, "symptom")) - {"main_problem"}
    notes = {"adherence", "missed_doses", "side_effects"}
    lex.remedies = frozenset(("medication", *descendants(lex, "medication"))) - notes


def _forms(text: str) -> Iterator[tuple[str, ...]]:
    return (tuple(map(_stem, _words(form))) for form in listed(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The pairs of "swell, puff + ankle, foot; fluid + leg", in both orders."""
    for part in filter(None, (p.strip() for p in text.split(";"))):
        ones, others = ([form[0] for form in _forms(side)] for side in part.split("+"))
        for one in ones:
            for other in others:
                yield one, other
                yield other, one


def _kept(tokens: Sequence[str]) -> list[int]:
    """The positions that count in a finding's name: not `any`, nor `been` as in "ankles been swelling"."""
    return [
        i
        for i, t in enumerate(tokens)
        if t != "any" and not (t == "been" and i and tokens[i - 1] not in _BEFORE_BEEN)
    ]


def descendants(lex: Lexicon, name: str) -> list[str]:
    """All members of a group, members of members included, in the order of the file."""
    found: dict[str, None] = {}
    queue = list(lex.children.get(name, ()))
    while queue:
        member = queue.pop(0)
        if member not in found and member != name:
            found[member] = None
            queue += lex.children.get(member, ())
    return list(found)


@lru_cache(maxsize=16384)
def _token(word: str) -> str:
    """The word's stem; an unknown long word becomes the nearest known stem with the same first letter."""
    if len(word) > _LONGEST:
        return word
    lex, stem = lexicon(), _stem(word)
    if stem in lex.known or len(stem) < REPAIR_FROM or not word.isalpha():
        return stem
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    most = 1 if len(stem) < 9 else 2
    near = process.extractOne(stem, lex.vocabulary.get(stem[0], ()), scorer=OSA.distance, score_cutoff=most)
    return str(near[0]) if near else stem


def normalise(text: str) -> list[str]:
    """The word stems of a text: lower case, contractions written out, spelling repaired, fillers gone."""
    return [_token(word) for word in _words(text)]


def find_concepts(tokens: Sequence[str], *, loose: bool = False) -> list[tuple[str, int, int]]:
    """As `concepts`, for tokens that `normalise` made.

    `loose` also finds pairs of words that stand near each other, and medicines and operations whose names
    are known by their ending.
    """
    return list(_find_concepts(tuple(tokens), loose))


@lru_cache(maxsize=16)  # the same clause is looked at more than once in reading a line
def _find_concepts(tokens: tuple[str, ...], loose: bool) -> list[tuple[str, int, int]]:
    lex = lexicon()
    kept = _kept(tokens)
    stream = tuple(lex.persons.get(tokens[i], tokens[i]) for i in kept)
    found = lex.concept_table.find(stream)
    if found and not _JOINS.isdisjoint(stream):
        found = _coordinated(stream, found)
    if loose:
        found = _by_ending(stream, _with_pairs(stream, found))
    return [(name, kept[start], kept[end - 1] + 1) for name, start, end in found if name != _HARMLESS]


def _with_pairs(stream: tuple[str, ...], found: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """With the pairs of words; each takes the place of what its words mean alone."""
    lex = lexicon()
    places = [i for i, t in enumerate(stream) if t in lex.paired]
    if len(places) < 2:
        return found
    general = routing("loose_groups")
    taken = {
        i for name, start, end in found if end - start > 1 and name not in general for i in range(start, end)
    }
    places = [i for i in places if i not in taken]
    alone = {name for name, _, _ in found}
    more: list[tuple[str, int, int]] = []
    for n, i in enumerate(places):
        for j in places[n + 1 :]:
            if j - i > _REACH or not routing("parts").isdisjoint(stream[i + 1 : j]):
                break
            name = lex.pairs.get((stream[i], stream[j]))
            if name and name not in alone:
                more.append((name, i, j + 1))
    if not more:
        return found
    ends = {i for _, start, end in more for i in (start, end - 1)}
    kept = [
        s for s in found if (s[2] - s[1] > 1 and s[0] not in general) or ends.isdisjoint(range(s[1], s[2]))
    ]
    inside = {i for _, start, end in kept for i in range(start, end)}
    for k, (name, start, end) in enumerate(more):  # what stands between the words of a pair is no part of it
        again = k > 0 and more[k - 1][1] == start
        which = end - start > 3 and start > 0 and stream[start - 1] in ("which", "what")
        if again or which or not inside.isdisjoint(range(start, end)):
            more[k] = (name, end - 1, end)
    return sorted((*kept, *more), key=lambda s: s[1])


def _by_ending(stream: tuple[str, ...], found: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """With the medicines and operations that are known by the ending of their name alone."""
    lex = lexicon()
    more = [
        (name, i, i + 1)
        for i, token in enumerate(stream)
        if token not in lex.known and len(token) > 6
        for ending, name in lex.endings
        if token.endswith(ending)
    ]
    return sorted((*found, *more), key=lambda s: s[1]) if more else found


def _coordinated(stream: tuple[str, ...], found: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Also the other half of "chest or belly pain" and of "blood in your urine or stool"."""
    names, both = lexicon().concept_table.names, []
    for n, (name, start, end) in enumerate(found):
        begins = found[n - 1][2] if n else 0
        ends = found[n + 1][1] if n + 1 < len(found) else len(stream)
        whole = end - start > 1
        if whole and start - 2 >= begins and stream[start - 1] in _JOINS:
            first = names.get((stream[start - 2], *stream[start + 1 : end]))
            both += [(first, start - 2, start - 1)] if first else []
        both.append((name, start, end))
        if whole and end + 2 <= ends and stream[end] in _JOINS:
            second = names.get((*stream[start : end - 1], stream[end + 1]))
            both += [(second, end + 1, end + 2)] if second else []
    return both


def find_intents(tokens: Sequence[str], spans: Iterable[tuple[str, int, int]]) -> list[str]:
    """The intents in tokens, in order; `spans` are the concepts in them: a symptom reads as `it`.

    Those ending in `WEAK` are of words that a question whether there is any may hold too.
    """
    return list(_find_intents(tuple(tokens), tuple(spans)))


@lru_cache(maxsize=16)
def _find_intents(tokens: tuple[str, ...], spans: tuple[tuple[str, int, int], ...]) -> list[str]:
    lex = lexicon()
    stream: list[str] = [lex.things.get(t, t) for t in tokens]
    for name, start, end in sorted(spans, key=lambda s: -s[1]):
        if name in lex.symptoms:
            stream[start:end] = ["it"]
        elif name in lex.remedies:
            stream[start:end] = ["medication"]
    found = [name for name, _, _ in lex.intent_table.find(stream)]
    words = (lex.things.get(t, t) for t in tokens)
    places = [(i, t) for i, t in enumerate(words) if t in lex.paired_intents]
    for n, (i, one) in enumerate(places):
        near = [lex.intent_pairs.get((one, other)) for j, other in places[n + 1 :] if j - i <= _REACH]
        found += filter(None, near)
    return found


def find_act_words(tokens: Sequence[str]) -> list[str]:
    """The dialogue acts whose words are in the tokens, in order."""
    return [name for name, _, _ in lexicon().act_table.find(tokens) if name != _HARMLESS]


@cache
def routing(name: str) -> frozenset[str]:
    """A set of the file's `routing` part: its words, also as stems."""
    words = listed(_data()["routing"][name])
    return frozenset((*words, *map(_stem, words)))


def concepts(text: str) -> list[tuple[str, int, int]]:
    """(concept, start, end) of each finding or topic in a text; positions are those of `normalise(text)`."""
    return find_concepts(normalise(text))


def label(concept: str) -> str:
    """A lay noun phrase that completes "Have you had any ...?"; an unknown id with its underscores spaced."""
    entry = lexicon().concepts.get(concept)
    return entry.label if entry else concept.replace("_", " ")


def parent(concept: str) -> str | None:
    """The group that a concept is in, or None."""
    entry = lexicon().concepts.get(concept)
    return entry.parent if entry else None


def in_family(concept: str) -> str:
    """The concept as it is asked about relatives: diabetes becomes family_diabetes; others stay."""
    entry = lexicon().concepts.get(concept)
    return (entry and entry.in_family) or concept


@dataclass(frozen=True, slots=True)
class _Negation:
    no_denial: frozenset[tuple[str, ...]]
    denials: frozenset[str]
    next_only: frozenset[str]
    scope_ends: frozenset[str]
    through: frozenset[str]
    after: frozenset[str]
    after_not: frozenset[str]
    relatives: frozenset[str]


@cache
def _negation() -> _Negation:
    forms = {key: frozenset(_forms(text)) for key, text in _data()["negation"].items()}
    no_denial = forms.pop("no_denial")
    return _Negation(no_denial, **{key: frozenset(f[0] for f in given) for key, given in forms.items()})


def mentions(text: str) -> dict[str, bool]:
    """The findings that a statement affirms (True) or denies (False); questions in it count for neither.

    A finding that is both affirmed and denied counts as affirmed.
    """
    found: dict[str, bool] = {}
    for sentence in _SENTENCE.findall(text):
        if not sentence.rstrip().endswith("?"):
            for concept, affirmed in _polarity(normalise(sentence)):
                found[concept] = affirmed or found.get(concept, False)
    return found


def _polarity(tokens: list[str]) -> Iterator[tuple[str, bool]]:
    words, spans = _negation(), find_concepts(tokens)
    denied = _denied(tokens, {i for _, start, end in spans for i in range(start, end)})
    family = not words.relatives.isdisjoint(tokens)
    for name, start, end in spans:
        after = tokens[end : end + 4]
        late = not words.after.isdisjoint(after[:2])
        late = late or ("not" in after and not words.after_not.isdisjoint(after))
        yield in_family(name) if family else name, not (start in denied or late)


def _denied(tokens: list[str], inside: set[int]) -> set[int]:
    """The positions in the scope of a denial; one inside a finding ("cannot sleep") belongs to that."""
    words = _negation()
    denied, denying, cue = set(), False, -9
    for i, token in enumerate(tokens):
        if token in words.next_only:
            denied.add(i + 1)
        elif token in words.denials and i not in inside:
            start = tokens[i : i + 2]
            named = start[0] == "no" and i + 1 in inside  # "no changes in bowel habit" denies just that
            denying, cue = named or tuple(start) not in words.no_denial, i
        elif token in words.scope_ends and not (i - cue == 2 and tokens[i - 1] in words.through):
            denying = False
        if denying:
            denied.add(i)
    return denied
