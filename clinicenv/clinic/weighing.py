"""A second opinion on a sentence: linear models over all its words and what the rules make of it.

The rules know phrases; these know how much each word, each pair of words and the rules' own reading speak for
an intent or a dialogue act. They were fitted by `training/fit.py` to the lines in that folder.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from operator import sub
from pathlib import Path
from typing import Any

from clinicenv.clinic.acts import marks
from clinicenv.clinic.lexicon import find_concepts, find_intents, in_family, lexicon, routing
from clinicenv.clinic.naming import is_illness
from clinicenv.events import Probe

FILE = Path(__file__).resolve().parent / "knowledge" / "weights.json"

NO_PROBE = "-"
"""Stands for the rules' intent where they find none."""

_MOST_WORDS = 40


_BITS = 32
_ZERO = 1 << (_BITS - 1)


def _packed(numbers: Iterable[tuple[int, int]]) -> int:
    """One number of (place, value): sums of such are sums at every place, in one addition."""
    return sum(value << (_BITS * place) for place, value in numbers)


@dataclass(frozen=True, slots=True)
class Model:
    """A linear model: the score of a label is its bias and the weights of the features that there are."""

    labels: tuple[str, ...]
    bias: int
    """packed, each place counting from `_ZERO`, so that no sum borrows from its neighbour"""
    weights: dict[str, int]
    """feature -> its weights for all labels, packed"""

    def scores(self, features: Iterable[str]) -> tuple[int, ...]:
        """The score of each label: log odds up to a constant, in whole hundredths, so that sums are exact."""
        weights = self.weights
        total = self.bias + sum([weights[f] for f in features if f in weights])
        found = struct.unpack(
            f"<{len(self.labels)}I", total.to_bytes(len(self.labels) * _BITS // 8, "little")
        )
        return tuple([score - _ZERO for score in found])


@cache
def models() -> dict[str, Model]:
    """The models by name: `intents`, `acts`."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: model_of(data[name]) for name in ("intents", "acts")}


def model_of(raw: Mapping[str, Any]) -> Model:
    """A model as `training` writes it: `labels`, their `bias`, and `weights` by feature and label's place."""
    bias = _packed((label, _ZERO + score) for label, score in enumerate(raw["bias"]))
    weights = {
        feature: _packed((int(label), weight) for label, weight in row.items())
        for feature, row in raw["weights"].items()
    }
    return Model(tuple(raw["labels"]), bias, weights)


@lru_cache(maxsize=1024)
def kind(concept: str) -> str:
    """What sort of thing a concept is, as far as it tells what is asked: its section, else its group."""
    lex = lexicon()
    section = lex.section_intent.get(concept)
    if section:
        return "<ros>" if section.startswith("ros_") else f"<{section}>"
    if concept in lex.symptoms:
        return "<symptom>"
    entry = lex.concepts.get(concept)
    return f"<{entry.parent if entry else None}>"


def in_pairs(stream: Sequence[str]) -> list[str]:
    """The pairs of what follows each other, with at most one between them."""
    found = [f"{one} {other}" for one, other in pairwise(stream)]
    return found + [f"{one} _ {other}" for one, other in zip(stream, stream[2:], strict=False)]


def intent_features(tokens: Sequence[str], probes: Sequence[Probe]) -> set[str]:
    """The features of a sentence's word stems and of what the rules hear asked in it."""
    persons = lexicon().persons
    tokens = tokens[:_MOST_WORDS]
    words = [persons.get(t, t) for t in tokens]
    spans = find_concepts(tokens, loose=True)
    kinds = [kind(name) for name, _, _ in spans]
    stream = words.copy()
    for (_, start, end), what in sorted(zip(spans, kinds, strict=True), key=lambda s: -s[0][1]):
        stream[start:end] = [what]
    stream = ["^", *stream, "$"]
    features = {*words, *(f"S {what}" for what in kinds)}
    features.update(in_pairs(stream))
    features.update([f"I {name}" for name in find_intents(tokens, spans)])
    heard = probes[0].intent if probes else NO_PROBE
    features.add(f"R {heard}")
    if probes:
        concept = probes[0].concept
        features.add(f"R {heard} {kind(concept) if concept else NO_PROBE}")
    return features


def intent_of(tokens: Sequence[str], probes: Sequence[Probe]) -> str:
    """The weightiest intent of a sentence, for which the rules' is one feature; `NO_PROBE` for none."""
    heard = probes[0].intent if probes else NO_PROBE
    model = models()["intents"]
    if heard != NO_PROBE and heard not in model.labels:
        return heard
    scores = model.scores(intent_features(tokens, probes))
    best = model.labels[max(range(len(scores)), key=scores.__getitem__)]
    return NO_PROBE if best == "none" else best


_BY_RULE = frozenset({("results", "presence"), ("relieving", "medicines")})
"""What a rule sets apart from another intent in the same words: "Did you see anybody about it?"."""


def weighed(tokens: Sequence[str], probes: list[Probe], topic: str | None, text: str) -> list[Probe]:
    """The probes of a sentence, with another intent where all its words together speak for that."""
    intent = intent_of(tokens, probes)
    heard = probes[0].intent if probes else NO_PROBE
    first = probes[0].concept if probes else None
    topic_asked = intent == "presence" and probes and _is_topic(first)
    named_one = intent.startswith("ros_") and first and lexicon().section_intent.get(first) != intent
    if intent == heard or topic_asked or named_one or (heard, intent) in _BY_RULE:
        return probes
    if intent == NO_PROBE:
        return []
    named = [s[0] for s in find_concepts(tokens, loose=True) if s[0] != "symptom"]
    if not probes:
        words = [t for t in tokens if len(t) > 3]  # of things that have no name here nothing is guessed
        known = named or (intent != "presence" and not (words and lexicon().known.isdisjoint(words)))
        return [_as(intent, None, named, topic, text)] if known else []
    changed = [_as(intent, p.concept, named, topic, p.text) if p.intent == heard else p for p in probes]
    return list(dict.fromkeys(changed))


def _is_topic(concept: str | None) -> bool:
    """Whether it is what a section of the history is about, as medication is; that is then asked for."""
    section = lexicon().section_intent.get(concept or "", "ros_")
    return not section.startswith("ros_")


def _as(intent: str, concept: str | None, named: Sequence[str], topic: str | None, text: str) -> Probe:
    """A probe with an intent that the rules did not hear, on what they did or on what is named."""
    lex = lexicon()
    wanted = lex.intents.get(intent)
    if wanted and wanted.concept and not wanted.slot:  # a section of the history
        things = [in_family(c) if intent == "family" else c for c in (concept, *named) if c]
        if intent == "previous_episodes":
            own = [c for c in things if c in lex.symptoms]
        else:
            own = [c for c in things if lex.section_intent.get(c) == intent]
            if not own and concept and intent == "diet" and concept not in lex.symptoms:
                own = [concept]  # coffee in a question on the diet
        return Probe(intent, own[0] if own else wanted.concept, None, text)
    if wanted and not wanted.slot:
        ill = [c for c in (concept, *named) if c in lex.symptoms or (c and is_illness(c))]
        return Probe(intent, ill[0] if ill and intent == "results" else None, None, text)
    found = concept or next(iter(named), None)
    if wanted and wanted.slot and (found is None or found not in lex.symptoms):
        other = topic if wanted.slot in routing("circumstantial_slots") or found not in named else found
        found = next((c for c in named if c in lex.symptoms), other)
    return Probe(intent, found, wanted.slot if wanted else None, text)


ACTS = ("hostile", "confidentiality")
"""The acts that are weighed; the others are heard by rule alone."""


FAR_FROM = -100
"""A line whose single words and rules alone score an act lower than this is not looked at more closely."""


@lru_cache(maxsize=16384)
def _alone(word: str, classes: tuple[str, ...]) -> tuple[int, ...]:
    """What a word and its classes weigh by themselves, for each of `ACTS`."""
    model = models()["acts"]
    return tuple(map(sub, model.scores({word, *classes}), model.scores(())))


def act_features(text: str, acts: Iterable[str]) -> set[str]:
    """The features of a line's words and of the acts that the rules hear in it."""
    marked = marks(text)
    words = ["^", *[word for word, _ in marked if word], "$"]
    features = {*words, *[f"A {act}" for act in acts]}
    features.update(in_pairs(words))
    earlier: tuple[str, ...] = ()
    for n, (word, classes) in enumerate(marked, 1):
        features.update(classes)
        if word and classes:
            before, after = words[n - 1], words[n + 1]
            for name in classes:
                features.add(f"{before} {name}")
                features.add(f"{name} {after}")
                features.update([f"{one} {name}" for one in earlier])
        earlier = classes
    return features


def acts_of(text: str, acts: tuple[str, ...]) -> tuple[str, ...]:
    """The acts of a line: those that the rules hear, `ACTS` as all its words weigh."""
    model = models()["acts"]
    heard = set(ACTS).intersection(acts)
    if not heard:
        alone = [_alone(word, classes) for word, classes in marks(text)]
        sums = map(sum, zip(model.scores(()), *alone, strict=True))
        if max(sums) < FAR_FROM:
            return acts
    scores = model.scores(act_features(text, acts))
    felt = [act for act, score in zip(model.labels, scores, strict=True) if score > 0]
    return (
        *(act for act in acts if act not in model.labels or act in felt),
        *(a for a in felt if a not in acts),
    )
