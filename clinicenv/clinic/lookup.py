"""Which of a scenario's facts a probe asks for: those that a full answer would tell, whatever their gate."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from clinicenv.clinic.lexicon import Intent, descendants, lexicon, normalise, routing
from clinicenv.clinic.sentences import Sentences
from clinicenv.events import Probe
from clinicenv.scenario import Scenario
from clinicenv.story import Fact

THRESHOLD = 0.45
MARGIN = 0.1
THRESHOLD_ALONE = 0.6
"""A question's wording is a fact's if their similarity is this high, and this far above the next fact's;
where the question names no concept, it must be higher and rest on `LEAST_WORDS` words or more."""
LEAST_WORDS = 3

_WHOLE_SECTIONS = frozenset({"pmh", "psh", "meds", "allergy", "fh"})
"""Sections that a question about them asks for as a whole; of the others only its own concept."""

_PROSE = frozenset({"agentclinic"})
"""Formats of import whose facts are sentences that somebody else wrote: their concepts are guesses."""

_OPEN = frozenset({"opening", "tell_me_more", "anything_else"})
_ASKS_NO_FACT = frozenset({"consent", "medical_opinion", "results"})
_NEAR: dict[str, tuple[str, ...]] = {
    "onset": ("timing", "course"),
    "timing": ("onset", "course"),
    "course": ("timing",),
    "severity": ("detail", "dose"),
    "character": ("detail",),
    "dose": ("detail", "severity"),
    "detail": ("character", "severity", "dose"),
}
"""Slots that authors file the same thing under, nearest first."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A scenario that compares by its hash alone."""

    hash: str
    scenario: Scenario = field(compare=False)


@lru_cache(maxsize=256)
def _index(key: _Key) -> "FactIndex":
    scenario = key.scenario
    prose = scenario.imported is not None and scenario.imported.format in _PROSE
    return FactIndex(scenario.facts.values(), scenario.patient.denials.explicit, prose=prose)


class FactIndex:
    """The facts of one scenario, by concept and slot, by section, and by their wording.

    `absent` are concepts that the scenario denies in so many words.
    """

    def __init__(self, facts: Iterable[Fact], absent: Iterable[str] = (), *, prose: bool = False) -> None:
        self.facts, self.absent = tuple(facts), frozenset(absent)
        self.order = {f.id: n for n, f in enumerate(self.facts)}
        self.by_concept = _by_concept(self.facts)
        self.sentences = Sentences(self.facts) if prose else None
        self.variants: dict[tuple[str, ...], list[Fact]] = {}
        self.wording = Wording()
        for fact in self.facts:
            for variant in fact.question_variants:
                self.variants.setdefault(tuple(normalise(variant)), []).append(fact)
            for text in (*fact.question_variants, *fact.say):
                self.wording.add(fact.id, text)
        self.wording.finish()
        told = [f for f in self.facts if f.disclosure == "spontaneous" and f.present]
        told += [f for f in self.facts if f.disclosure == "open" and f.present]
        self.open = tuple(f.id for f in told)
        self.lead = next((f.concept for f in (*told, *self.facts) if f.concept in lexicon().symptoms), None)

    @staticmethod
    def of(scenario: Scenario) -> "FactIndex":
        """The index of a scenario, built once for each content."""
        return _index(_Key(scenario.hash, scenario))

    def find(self, probe: Probe) -> tuple[str, ...]:
        """Ids of the facts that a full answer would tell, in the scenario's order; () where there is none.

        Open questions give the facts that are told freely, `spontaneous` before `open`.
        """
        if exact := self.worded(probe.text):
            return self._ids(exact)
        if probe.intent in _ASKS_NO_FACT:
            return ()
        if probe.intent == "opening" or (probe.intent in _OPEN and probe.concept is None):
            return self.open
        if probe.intent == "tell_me_more" and probe.concept:
            free = [f for f in self._on(probe.concept) if f.id in self.open]
            return self._ids(free) or self._presence(probe.concept)
        if self.sentences:
            return self.sentences.answering(probe)
        found = self._recorded(probe)
        related = self._on(probe.concept) if probe.concept else list(self.facts)
        if found or not related or not probe.text:
            return found
        near = self.wording.best(probe.text, alone=probe.concept is None)
        return (near,) if near and any(f.id == near for f in related) else ()

    def worded(self, text: str) -> list[Fact]:
        """The facts of which the question is a variant, word for word."""
        return self.variants.get(tuple(normalise(text)), []) if text else []

    def _recorded(self, probe: Probe) -> tuple[str, ...]:
        """By concept and slot, or by section."""
        concept = probe.concept or (self.lead if probe.slot else None)
        if concept is None:
            return ()
        if probe.slot and probe.slot != "present":
            found = self._slot(concept, probe.slot)
            if found or concept in lexicon().symptoms:
                return found
        intent = lexicon().intents.get(probe.intent)
        if intent and intent.section and concept == intent.concept:
            return self._section(intent)
        return self._presence(concept)

    def _section(self, intent: Intent) -> tuple[str, ...]:
        """What belongs to a section question and to no other: illnesses, not operations or vaccinations."""
        lex, concept = lexicon(), str(intent.concept)
        own = {concept, *descendants(lex, concept)}
        whole = intent.section in _WHOLE_SECTIONS
        free = (f for f in self.facts if lex.section_intent.get(f.concept, intent.id) == intent.id)
        return self._ids(
            f
            for f in free
            if (f.concept in own and f.section not in ("hpi", "ros"))
            or (whole and f.section == intent.section)
        ) or self._presence(concept)

    def _presence(self, concept: str) -> tuple[str, ...]:
        """Whether there is any; of a group, which members there are, or else which there are not."""
        told: list[Fact] = []
        for facts in _by_concept(self._on(concept)).values():
            told += [f for f in facts if f.slot == "present"] or facts[:1]
        own = [f for f in told if f.concept == concept]
        return self._ids(own + [f for f in told if f.present] or told)

    def _slot(self, concept: str, slot: str) -> tuple[str, ...]:
        facts = self._on(concept)
        for wanted in (slot, *_NEAR.get(slot, ())):
            found = [f for f in facts if f.slot == wanted]
            if found:
                return self._ids(found + self._taken(concept, slot))
        if slot == "association":
            return self._beside(concept)
        if all(f.slot == "present" for f in facts):  # all that is known stands there, or that there is none
            return self._ids(facts + self._taken(concept, slot))
        return self._ids(self._taken(concept, slot))

    def _beside(self, concept: str) -> tuple[str, ...]:
        """The other symptoms: what comes with something, else what is told freely."""
        own = {concept, *descendants(lexicon(), concept)}
        others = [f for f in self.facts if f.concept not in own and f.present]
        free = [f for f in others if f.concept in lexicon().symptoms and f.slot == "present"]
        return self._ids(f for f in others if f.slot == "association") or self._ids(
            f for f in free if f.id in self.open
        )

    def _taken(self, concept: str, slot: str) -> list[Fact]:
        """What the patient takes for pain belongs to what relieves it."""
        if slot != "relieving" or concept not in ("pain", *descendants(lexicon(), "pain")):
            return []
        return [f for c in ("painkillers", "over_the_counter") for f in self.by_concept.get(c, ())]

    def _on(self, concept: str) -> list[Fact]:
        """The facts on a concept, else on members of its group, else on a wider or the same thing."""
        lex, own = lexicon(), self.by_concept.get(concept, [])
        if own and concept in lex.symptoms:
            return own
        members = [f for c in descendants(lex, concept) for f in self.by_concept.get(c, ())]
        if own or members:
            return own + members
        wider = sorted(w for w in routing("wider") if concept in lex.children.get(w, ()))
        found = [f for w in wider for f in self.by_concept.get(w, ())]
        near = lex.same_as.get(concept, ()) if concept not in self.absent else ()
        return found or [f for c in near for f in self.by_concept.get(c, ()) if f.present]

    def _ids(self, facts: Iterable[Fact]) -> tuple[str, ...]:
        return tuple(sorted({f.id for f in facts}, key=self.order.__getitem__))


def _by_concept(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.concept, []).append(fact)
    return found


class Wording:
    """How near a question is to the facts' own words: TF-IDF cosine over word stems and trigrams."""

    def __init__(self) -> None:
        self._documents: list[tuple[str, Counter[str]]] = []
        self._weights: dict[str, float] = {}
        self._postings: dict[str, list[tuple[int, float]]] = {}

    def add(self, fact: str, text: str) -> None:
        """One of the fact's wordings."""
        self._documents.append((fact, _grams(text)))

    def finish(self) -> None:
        """Builds the inverted index; `best` works from here on."""
        counts = Counter(g for _, grams in self._documents for g in grams)
        total = len(self._documents)
        self._weights = {g: math.log(1 + total / n) for g, n in counts.items()}
        for n, (_, grams) in enumerate(self._documents):
            norm = math.sqrt(sum((c * self._weights[g]) ** 2 for g, c in grams.items())) or 1.0
            for gram, count in grams.items():
                self._postings.setdefault(gram, []).append((n, count * self._weights[gram] / norm))

    def best(self, text: str, *, alone: bool = False) -> str | None:
        """The fact whose wording is nearest, if it is near enough and clearly nearer than the next fact's.

        `alone`: nothing but the wording speaks for it.
        """
        if alone and len(_content(text)) < LEAST_WORDS:
            return None
        unseen = math.log(1 + len(self._documents))
        grams = _grams(text)
        norm = math.sqrt(sum((c * self._weights.get(g, unseen)) ** 2 for g, c in grams.items())) or 1.0
        scores: dict[int, float] = {}
        for gram, count in grams.items():
            for n, weight in self._postings.get(gram, ()):
                scores[n] = scores.get(n, 0.0) + weight * count * self._weights[gram] / norm
        facts: dict[str, float] = {}
        for n, score in scores.items():
            fact = self._documents[n][0]
            facts[fact] = max(score, facts.get(fact, 0.0))
        ranked = sorted(facts.items(), key=lambda item: (-item[1], item[0]))[:2]
        if not ranked or ranked[0][1] < (THRESHOLD_ALONE if alone else THRESHOLD):
            return None
        return ranked[0][0] if len(ranked) == 1 or ranked[0][1] - ranked[1][1] >= MARGIN else None


_COMMON = frozenset(
    {"is", "was", "do", "did", "have", "you", "i", "it", "this", "that", "any", "of", "to", "in", "on", "at"}
    | {"and", "or", "be", "been", "what", "how", "can", "could", "would"}
)


def _content(text: str) -> list[str]:
    return [w for w in normalise(text[:1000]) if w not in _COMMON]


def _grams(text: str) -> Counter[str]:
    words = _content(text)
    grams = Counter(words)
    for word in words:
        padded = f"<{word}>"
        grams.update(padded[i : i + 3] for i in range(len(padded) - 2))
    return grams
