"""The ranked diagnoses against the answer: which of them it is, and what that is worth.

First by the names that the scenario lists, then by the thesaurus of diseases and by words. A name that is
negated or hedged never counts, nor does one that leaves open which of two diseases it is; one that says more
than the answer counts where the rest adds to it (a side, a stage, a cause, a complication) and does not
change it. What a rule cannot tell is `undecided`, without credit.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from clinicenv.clinic.asides import asides, without_asides
from clinicenv.clinic.disease_names import Mention, initials, thesaurus, tokens_of
from clinicenv.clinic.names import (
    BRACKETS,
    DROPPED,
    EITHER,
    HARMLESS,
    NEGATED,
    cleaned,
    in_order,
    match,
    opposed,
    stems,
    words_of,
)
from clinicenv.events import RankVerdict
from clinicenv.scenario import Diagnosis, Differential, Scenario

RANK_DISCOUNT = (1.0, 0.6, 0.4)
"""What a right diagnosis is worth in first, second and third place; further down nothing."""

Kind = Literal["exact", "synonym", "subtype", "parent", "acceptable", "wrong", "undecided"]
_Found = tuple[Kind, str, float]

LONGEST_NAME = 300
"""Characters; more is a text and no name."""

_TAIL = re.compile(
    r"\s*(?:[,;:]|\s[-–—]\s|\b(?:due to|secondary to|caused by|because of|following|provoked by"
    r"|triggered by|induced by|related to|associated with|complicat\w+|in the setting of|with|after|from"
    r"|causing|leading to|in(?! situ)|presenting|without|needs?|until|pending)\s)",
    re.IGNORECASE,
)
"""Where a name ends and what is added to it begins."""

_ROOT = 6
"""Letters that a word shares with others of its root."""

_CHANGES = frozenset({
    "subclinical", "stable", "cardiac", "bipolar", "gestational", "congenital", "neonatal", "pseudo",
    "latent", "resolved", "prior", "previous", "history", "family", "prophylaxi", "contact", "healed", "old",
    "remission", "mimic", "like", "impending", "pre", "chronic", "maternal", "secondary", "non", "anti",
    "traumatic", "rheumatoid", "septic", "diabetic", "hepatic", "renal", "uremic", "alcoholic", "toxic",
})  # fmt: skip
"""Words in or beside a name that make another disease of it, unless the answer has them too."""


@lru_cache(maxsize=4096)
def rank(said: str, scenario: Scenario) -> RankVerdict:
    """The verdict on one ranked diagnosis."""
    answer, text = scenario.answer.diagnosis, cleaned(said)
    if answer is None:
        return RankVerdict(said, "undecided", "The scenario names no diagnosis.")
    if not stems(text) or len(text) > LONGEST_NAME:
        return RankVerdict(said, "wrong", "It is no name of a disease.")
    found = _listed(text, answer, scenario.answer.differentials)
    kind, why, credit = found or _unlisted(text, _answer(scenario))
    return RankVerdict(said, kind, why, credit)


def _listed(text: str, answer: Diagnosis, differentials: Sequence[Differential]) -> _Found | None:
    """By a name that the scenario lists."""
    if match(text, [answer.name]):
        return "exact", f"It is the answer, {answer.name}.", 1.0
    if name := match(text, [answer.name, *answer.synonyms, *answer.abbreviations]):
        return "synonym", f"{name} is another name of the answer, {answer.name}.", 1.0
    subtype = 1.0 if answer.accept_subtype else answer.parent_credit
    if name := match(text, answer.subtypes):
        return "subtype", f"{name} is a kind of the answer, {answer.name}.", subtype
    if name := match(text, answer.parents):
        return "parent", f"{name} is wider than the answer, {answer.name}.", answer.parent_credit
    for other in differentials:
        if match(text, [other.name, *other.synonyms]):
            kind: Kind = "acceptable" if other.credit > 0 else "wrong"
            return kind, f"{other.name} is listed as a differential worth {other.credit:g}.", other.credit
    return None


@lru_cache(maxsize=1024)
def _answer(scenario: Scenario) -> "_Answer":
    assert scenario.answer.diagnosis
    return _Answer(scenario.answer.diagnosis)


@dataclass(frozen=True)
class _Answer:
    """The right diagnosis, as the thesaurus knows it."""

    diagnosis: Diagnosis

    @property
    def name(self) -> str:
        return self.diagnosis.name

    @cached_property
    def names(self) -> list[str]:
        d = self.diagnosis
        return [d.name, *d.synonyms, *d.abbreviations]

    @cached_property
    def same(self) -> frozenset[int]:
        """The diseases of the thesaurus that it is."""
        bare = [BRACKETS.sub(" ", n) for n in self.names]
        inside = [part for n in self.names for part in BRACKETS.findall(n)]
        found = (thesaurus().find(n) for n in (*self.names, *bare, *inside))
        return frozenset(n for n in found if n is not None)

    @cached_property
    def kinds(self) -> frozenset[int]:
        found = (thesaurus().find(n) for n in self.diagnosis.subtypes)
        return frozenset(n for n in found if n is not None)

    @cached_property
    def wider(self) -> frozenset[int]:
        """What it is a kind of."""
        return frozenset().union(*(thesaurus().wider(n) for n in self.same)) - self.same

    @cached_property
    def letters(self) -> set[str]:
        return initials(self.names)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset().union(*(stems(n) for n in (*self.names, *self.diagnosis.subtypes)))

    def relation(self, disease: int) -> Kind:
        """What a disease is to it: `exact` for itself, `subtype`, `parent` or `wrong`."""
        if disease in self.same:
            return "exact"
        if disease in self.kinds or not self.same.isdisjoint(thesaurus().wider(disease)):
            return "subtype"
        return "parent" if disease in self.wider else "wrong"

    def verdict(self, kind: Kind, name: str) -> _Found:
        d = self.diagnosis
        if kind == "exact":
            return "synonym", f"{name} is another name of the answer, {d.name}.", 1.0
        if kind == "subtype":
            credit = 1.0 if d.accept_subtype else d.parent_credit
            return "subtype", f"{name} is a kind of the answer, {d.name}, or says more of it.", credit
        if kind == "parent":
            return "parent", f"{name} is wider than the answer, {d.name}.", d.parent_credit
        return "wrong", f"{name} is another disease than the answer, {d.name}.", 0.0


def _unlisted(text: str, answer: _Answer) -> _Found:
    """By the thesaurus, and by words that are shared with the answer's names."""
    own = frozenset[str]().union(*map(stems, answer.names))
    denied = any(_rare(stems(aside)) & own for aside in asides(text))
    text = without_asides(text)
    if denied or NEGATED.search(text):
        return "wrong", "The name is negated or hedged.", 0.0
    text = re.sub(r"\bw/", "with ", text)
    head, *rest = _segments(text)
    parts = [part for part in EITHER.split(head) if part.strip()]
    if len(parts) > 1 or any(_lists(part, answer) for part in rest):
        return _alternatives(EITHER.split(text), answer)
    others = _others(text, answer)
    if len(others) > 1 or (others and _OR.search(text)):
        return "wrong", "It names alternatives.", 0.0
    found = _one(text, answer)
    if others and found[2] > 0:
        return "undecided", f"It names another disease beside it, {others[0]}.", 0.0
    return found


_LIST = re.compile(r"[,;:()\[\]]|\s[-–—]\s")
_HEDGE = re.compile(r"\b(?:(?:could|may|might|can) (?:also )?be|perhaps|maybe)\b", re.IGNORECASE)
_OR = re.compile(r"(?:^|[\s,(\[])(?:or|vs\.?|versus|either)\s", re.IGNORECASE)


def _others(text: str, answer: _Answer) -> list[str]:
    """The parts between commas, dashes and brackets that are names of other diseases and nothing else."""
    whole = (part for part in _LIST.split(text) if not _TAIL.match(f"{part.strip()} "))
    parts = (_HEDGE.sub(" ", _OR.sub(" ", f" {part} ")).strip() for part in whole)
    found = [(part, thesaurus().find(part)) for part in parts if part]
    return [p for p, n in found if n is not None and answer.same and answer.relation(n) == "wrong"]


def _lists(part: str, answer: _Answer) -> bool:
    """Whether a part goes on with other diseases, as in `cholecystitis, pancreatitis or an ulcer`."""
    parts = EITHER.split(part)
    named = [thesaurus().mentioned(p) for p in parts]
    return len(parts) > 1 and all(m and answer.relation(m[-1].disease) == "wrong" for m in named)


def _alternatives(parts: list[str], answer: _Answer) -> _Found:
    """Several names: right where each of them is, else it leaves open which one it is."""
    found = [_of_names(part, answer) or _one(part, answer) for part in parts]
    if all(kind in ("synonym", "subtype") for kind, _, _ in found):
        return min(found, key=lambda verdict: verdict[2])
    return "wrong", "It names alternatives.", 0.0


def _of_names(text: str, answer: _Answer) -> _Found | None:
    text = cleaned(text)
    if name := match(text, answer.names):
        return answer.verdict("exact", name)
    name = match(text, answer.diagnosis.subtypes)
    return answer.verdict("subtype", name) if name else None


def _one(text: str, answer: _Answer) -> _Found:
    segments = list(_segments(text))
    if opposed(text, [answer.name]) and not _of_names(segments[0], answer):
        return "wrong", f"It contradicts the answer, {answer.name}, in a word.", 0.0
    verdicts = [v for v in (_segment(s, answer) for s in segments) if v]
    found = _weighed(verdicts, segments, text, answer) if verdicts else None
    if found and found[0] == "synonym" and len(segments) > 1:
        return answer.verdict("subtype", text)
    if found is None or found[0] in ("wrong", "parent"):
        return _held(text, answer) or found or _near(text, answer)
    return found


def _segments(text: str) -> Iterator[str]:
    """The name, then what is added to it, then what stands in brackets."""
    yield from (part for part in _TAIL.split(BRACKETS.sub(" ", text)) if part.strip())
    for inside in BRACKETS.findall(text):
        yield from (part for part in _TAIL.split(inside) if part.strip())


def _segment(text: str, answer: _Answer) -> _Found | None:
    """What a part of the text says of the answer; None where it names no disease."""
    if found := _of_names(text, answer):
        return found
    tokens = tokens_of(text)
    if own := next((t for t in tokens if t.rpartition("-")[2] in answer.letters), None):
        return answer.verdict("subtype", own)
    named = [(answer.relation(m.disease), m) for m in thesaurus().mentioned(text)]
    by_names = _right(tokens, named, answer) or _held(text, answer)
    if by_names or not named:
        return by_names
    return _other(tokens, named, answer)


_Named = list[tuple[Kind, Mention]]


def _right(tokens: Sequence[str], named: _Named, answer: _Answer) -> _Found | None:
    """A disease that is the answer or a kind of it, with nothing beside it that makes it another one."""
    others = [m for relation, m in named if relation == "wrong"]
    for relation, mention in sorted(named, key=lambda n: n[0] != "exact"):
        if relation not in ("exact", "subtype") or _changed(tokens, mention, answer):
            continue
        name = thesaurus().names[mention.disease]
        if relation == "subtype" and not _akin(mention.disease, answer):
            return "undecided", f"{name} may be a kind of the answer, or what comes of it.", 0.0
        if not others:
            return answer.verdict("subtype", name)
    return None


def _other(tokens: Sequence[str], named: _Named, answer: _Answer) -> _Found:
    """The last disease that a part names, which is what is meant: `factor VIII deficiency haemophilia`."""
    relation, mention = named[-1]
    name = thesaurus().names[mention.disease]
    mentions = [m for _, m in named]
    if relation in ("exact", "subtype"):
        return "undecided", f"It says more of {name}.", 0.0
    if not answer.same:
        return "undecided", f"No list of diseases has the answer, {answer.name}.", 0.0
    if relation == "parent" and _unknown(tokens, mentions):
        return "undecided", f"It is a kind of {name} that no list has.", 0.0
    if relation == "wrong" and _shares(tokens, mentions, answer):
        return "undecided", f"It shares a word with the answer, {answer.name}.", 0.0
    return answer.verdict(relation, name)


def _shares(tokens: Sequence[str], mentions: Sequence[Mention], answer: _Answer) -> bool:
    """Whether a telling word of the answer stands outside of the names, as in `Listeria bacteraemia`."""
    own = {word[:_ROOT] for word in _rare(answer.words) if len(word) > _ROOT}
    return any(word[:_ROOT] in own for word in _outside(tokens, mentions))


def _unknown(tokens: Sequence[str], mentions: Sequence[Mention]) -> bool:
    """Whether words stand outside of the names that may tell which kind is meant."""
    return bool(_outside(tokens, mentions) - DROPPED)


def _outside(tokens: Sequence[str], mentions: Sequence[Mention]) -> set[str]:
    """The telling words that stand in no name."""
    inside = {place for m in mentions for place in range(m.start, m.end)}
    return _rare(
        stem for place, token in enumerate(tokens) if place not in inside for stem in in_order(token)
    )


def _akin(disease: int, answer: _Answer) -> bool:
    """Whether the name says that it is a kind of the answer: by a word of it, or listed as one."""
    return disease in answer.kinds or bool(_rare(stems(thesaurus().names[disease])) & _rare(answer.words))


def _changed(tokens: Sequence[str], mention: Mention, answer: _Answer) -> bool:
    """Whether a word before or behind the name makes another disease of it."""
    words = {stem for token in tokens for stem in in_order(token)}
    words |= stems(thesaurus().names[mention.disease])
    return bool((words & _CHANGES) - answer.words)


def _held(text: str, answer: _Answer) -> _Found | None:
    """By the answer's own words inside the text, for names that no thesaurus has."""
    said = words_of(text)
    for name in (*answer.names, *answer.diagnosis.subtypes):
        words = words_of(name)
        if words <= said:
            more = said - words
            others = {answer.relation(m.disease) for m in thesaurus().mentioned(_without(text, words))}
            if "wrong" in others:
                return "undecided", f"It names another disease beside {name}.", 0.0
            if not more & (_CHANGES - answer.words):
                return answer.verdict("subtype", name)
            return "undecided", f"It holds the answer's words, {name}, among others.", 0.0
    return None


def _without(text: str, words: Iterable[str]) -> str:
    """The text without these words."""
    gone = set(words)
    return " ".join(token for token in tokens_of(text) if not set(in_order(token)) <= gone)


def _weighed(verdicts: Sequence[_Found], segments: Sequence[str], text: str, answer: _Answer) -> _Found:
    """The verdict of the leading part, unless that names no disease or a wider one."""
    first = _segment(segments[0], answer)
    right = next((v for v in verdicts if v[0] in ("synonym", "subtype")), None)
    if first is None and not right and _rare(stems(segments[0])):
        return "undecided", "No list of diseases has the name before what is added to it.", 0.0
    if any(v[0] == "wrong" for v in verdicts[1:]) and (first is None or first[0] == "parent"):
        return first or ("undecided", "It names several diseases.", 0.0)
    if first is None or first[0] in ("parent", "undecided"):
        return right or first or verdicts[0]
    return first


def _near(text: str, answer: _Answer) -> _Found:
    """A slip of the pen, or a part of the name: a rule cannot say whether it means the answer."""
    from rapidfuzz.distance import OSA

    said = words_of(text)
    for name in answer.names:
        words = words_of(name)
        ours, theirs = " ".join(sorted(words)), " ".join(sorted(said))
        if len(ours) >= 8 and OSA.distance(ours, theirs, score_cutoff=1) <= 1:
            return answer.verdict("exact", name)
    if not _rare(said) <= _VAGUE:
        return "undecided", "No list of diseases has it.", 0.0
    return "wrong", "It is none of the names of the answer, its kinds or its alternatives.", 0.0


_VAGUE = frozenset({
    "disease", "syndrome", "disorder", "infection", "injury", "failure", "pain", "crisis", "attack",
    "episode", "type", "state", "unspecified", "form", "other", "general", "cause", "condition", "problem",
    "emergency", "illness", "not", "otherwise", "specified", "inherited", "hereditary", "genetic", "familial",
    "primary", "neonatal", "childhood", "infantile", "adult", "female", "male", "benign", "malignant",
    "chronic", "viral", "inflammatory", "process", "pathology", "underlying", "origin", "etiology", "kind",
})  # fmt: skip
"""Words that tell no disease from another."""


def _rare(words: Iterable[str]) -> set[str]:
    return {w for w in words if len(w) > 3} - _VAGUE - HARMLESS
