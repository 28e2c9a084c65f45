"""Which of a scenario's facts a probe asks for: those that a full answer would tell, whatever their gate."""

import math
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache

from clinicenv.clinic.lexicon import Intent, descendants, find_concepts, lexicon, normalise, routing
from clinicenv.clinic.naming import is_a
from clinicenv.clinic.sentences import Sentences
from clinicenv.events import Probe
from clinicenv.scenario import Scenario
from clinicenv.story import Fact

SURE = 0.6
"""How likely a fact must be for it to be told although concept and slot do not lead to it."""
QUITE_SURE = 0.8
"""The same where the question leaves it to the patient what to tell, or seems to ask for no fact."""
DOUBT = 0.4
"""Facts to which they lead, all together less likely than this, are not told."""
BESIDE = 0.08
"""How likely a fact on the same concept must be to be told with a likelier one."""
PROBED = 0.25
"""How likely a fact that is told only when just that is asked for must be, for it to be just that."""

FEW_WORDS = 3

_WHOLE_SECTIONS = frozenset({"pmh", "psh", "meds", "allergy", "fh"})
"""Sections that a question about them asks for as a whole; of the others only its own concept."""

_PROSE = frozenset({"agentclinic"})
"""Formats of import whose facts are sentences that somebody else wrote: their concepts are guesses."""

_OPEN = frozenset({"opening", "tell_me_more", "anything_else"})
_OF_TELLER = _OPEN | {"ideas", "concerns", "expectations", "impact", "support", "unknown"}
"""Intents that ask somebody who is addressed for that person's own view."""
_ASKS_NO_FACT = frozenset({"consent", "medical_opinion"})
_W = {
    "holds": 5.1, "like": 2.1, "named": 2.5, "far": -1.4, "lead": -1.2, "slot": 1.4, "present": 0.3,
    "other_slot": -0.3, "found": 1.0, "one_found": 1.5, "open": 1.3, "addressed": 2.5, "not_addressed": -0.7,
}  # fmt: skip
"""What speaks for a fact. A conditional logit, fitted to the questions that authors wrote for facts of the
bundled cases, each looked up as if it were not there, and to questions on what a case has nothing on."""
_NONE = {"any": 2.9, "unlike": 2.4, "found": -1.4, "topic": 0.8, "unknown": -0.8, "few_words": -1.1}
"""What speaks for none."""

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


@lru_cache(maxsize=256)
def _index(scenario: Scenario) -> "FactIndex":
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
            self.wording.add(fact.id, (*fact.question_variants, *fact.say), str(fact.value or ""))
        self.wording.finish()
        told = [f for f in self.facts if f.disclosure == "spontaneous" and f.present]
        told += [f for f in self.facts if f.disclosure == "open" and f.present]
        self.open = tuple(f.id for f in told)
        self.lead = next((f.concept for f in (*told, *self.facts) if f.concept in lexicon().symptoms), None)

    @staticmethod
    def of(scenario: Scenario) -> "FactIndex":
        """The index of a scenario, built once for each content."""
        return _index(scenario)

    def find(self, probe: Probe, turned_to: Collection[str] = ()) -> tuple[str, ...]:
        """Ids of the facts that a full answer would tell, in the scenario's order; () where there is none.

        Open questions give the facts that are told freely, `spontaneous` before `open`. `turned_to` are the
        other people in the room whom the line addresses.
        """
        if exact := self.worded(probe.text):
            return self._ids(exact)
        if self.sentences:
            return self._led_to(probe) if probe.intent in _OPEN else self.sentences.answering(probe)
        found = self._led_to(probe)
        if not probe.text or probe.slot == "association":
            return found
        if turned_to and probe.intent in _OF_TELLER and (theirs := self._known_to(turned_to)):
            return self._told_by(theirs, probe, turned_to)
        return self._weighed(probe, found, turned_to)

    def _known_to(self, others: Collection[str]) -> tuple[str, ...]:
        """The facts that only other people in the room can tell."""
        return tuple(f.id for f in self.facts if f.unlock and f.unlock.informant in others)

    def _told_by(self, theirs: tuple[str, ...], probe: Probe, turned_to: Collection[str]) -> tuple[str, ...]:
        """What somebody else tells who is asked for a view: all to an open question, else the likeliest."""
        if probe.intent in _OPEN:
            return theirs
        chances = self._chances(probe, theirs, turned_to)
        best = max(theirs, key=chances.__getitem__)
        return (best,) if chances[best] >= PROBED else ()

    def _led_to(self, probe: Probe) -> tuple[str, ...]:
        """What intent, concept and slot lead to, whatever the words."""
        if probe.intent in _ASKS_NO_FACT or (probe.intent == "results" and probe.concept is None):
            return ()
        if probe.intent == "opening" or (probe.intent in _OPEN and probe.concept is None):
            return self.open
        if probe.intent == "tell_me_more" and probe.concept:
            free = [f for f in self._on(probe.concept) if f.id in self.open]
            return self._ids(free) or self._presence(probe.concept)
        return self._recorded(probe)

    def doubtful(self, probe: Probe) -> bool:
        """Of a question for which none was found: whether there are facts on what it names all the same."""
        return bool(probe.concept and probe.text and self._recorded(probe))

    def topic(self, probe: Probe, facts: tuple[str, ...]) -> str | None:
        """What a probe is about once its facts are known: where they are on something else, that."""
        if probe.concept is None or probe.intent in _OPEN or not facts:
            return probe.concept
        about = {self.facts[self.order[i]].concept for i in facts}
        related = any(_akin(probe.concept, concept) for concept in about)
        return probe.concept if related or len(about) > 1 or facts == self._recorded(probe) else about.pop()

    def worded(self, text: str) -> list[Fact]:
        """The facts of which the question is a variant, word for word."""
        return self.variants.get(tuple(normalise(text)), []) if text else []

    def _weighed(self, probe: Probe, found: tuple[str, ...], turned_to: Collection[str]) -> tuple[str, ...]:
        """What to tell, given the facts that concept and slot lead to: these, the likeliest, both or none."""
        chances = self._chances(probe, found, turned_to)
        best = max(chances, key=lambda i: (chances[i], -self.order[i]), default=None)
        if best is None:
            return found
        if probed := [f.id for f in self.facts if f.disclosure == "probed" and chances[f.id] >= PROBED]:
            return (max(probed, key=chances.__getitem__),)
        concept = {f.id: f.concept for f in self.facts}
        near = [i for i, chance in chances.items() if chance >= BESIDE and concept[i] == concept[best]]
        if probe.intent in (*_OPEN, *_ASKS_NO_FACT):
            few = len(_content(probe.text, _EMPTY)) <= FEW_WORDS
            other = not few and best not in found and self._likely(chances, near, QUITE_SURE)
            return tuple(near) if other else found
        if best in found or concept[best] in {concept[i] for i in found}:
            both = {*found, *near}
            if best not in found and chances[best] >= SURE:
                both = set(near)
            told = tuple(i for i in self.order if i in both)
            return told if self._plain(probe) or self._likely(chances, both) else ()
        if self._likely(chances, near, SURE):
            return tuple(near)
        return found if self._plain(probe) or self._likely(chances, found) else ()

    def _plain(self, probe: Probe) -> bool:
        """Whether a question is too short to hold more than what it is read as."""
        return probe.concept is not None and len(_content(probe.text, _EMPTY)) <= FEW_WORDS

    @staticmethod
    def _likely(chances: dict[str, float], ids: Iterable[str], least: float = DOUBT) -> bool:
        return sum(chances[i] for i in ids) >= least

    def _chances(self, probe: Probe, found: Collection[str], turned_to: Collection[str]) -> dict[str, float]:
        """How likely it is of each fact that it is asked for; the rest to 1 is that none is."""
        named = {name for name, _, _ in find_concepts(normalise(probe.text), loose=True)}
        like, holds = self.wording.alike(probe.text), self.wording.holding(probe.text)
        open_ = self.open if probe.intent in _OPEN and probe.concept in (None, "main_problem") else ()
        scores = {
            f.id: _W["holds"] * holds.get(f.id, 0.0)
            + _W["like"] * like.get(f.id, 0.0)
            + self._by_topic(probe, f, named)
            + (_W["open"] if f.id in open_ else 0.0)
            + _by_teller(f, turned_to)
            for f in self.facts
        }
        theirs = self._known_to(turned_to)
        for i in found:
            if not theirs or i in theirs:  # who is addressed is asked for what only they know
                scores[i] += _W["found"] + _W["one_found"] / len(found)
        none = _NONE["any"] + _NONE["unlike"] * (1 - max(like.values(), default=0.0))
        none += _NONE["found"] if found else 0.0
        none += _NONE["topic"] if probe.concept or probe.slot else 0.0
        none += _NONE["unknown"] if probe.intent == "unknown" else 0.0
        none += _NONE["few_words"] if len(_content(probe.text, _EMPTY)) <= FEW_WORDS else 0.0
        whole = math.exp(none) + sum(map(math.exp, scores.values()))
        return {i: math.exp(score) / whole for i, score in scores.items()}

    def _by_topic(self, probe: Probe, fact: Fact, named: set[str]) -> float:
        """How far concept and slot speak for a fact."""
        score = _W["named"] if fact.concept in named else 0.0
        if probe.concept is None:
            score += _W["lead"] if fact.concept == self.lead else 0.0
        elif not _akin(probe.concept, fact.concept):
            score += _W["far"]
        if not probe.slot:
            return score + (_W["present"] if fact.slot == "present" else 0.0)
        if fact.slot == probe.slot:
            return score + _W["slot"]
        return score + (_W["other_slot"] if fact.slot != "present" else 0.0)

    def _recorded(self, probe: Probe) -> tuple[str, ...]:
        """By concept and slot, or by section."""
        concept = probe.concept or (self.lead if probe.slot else None)
        if concept is None:
            return ()
        if probe.intent == "previous_episodes" and concept in lexicon().symptoms:
            return self._ids(self.by_concept.get("previous_episode", ())) or self._presence(concept)
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
        alike = [f for c in near for f in self.by_concept.get(c, ())]
        return found or [f for f in alike if f.present] or alike

    def _ids(self, facts: Iterable[Fact]) -> tuple[str, ...]:
        return tuple(sorted({f.id for f in facts}, key=self.order.__getitem__))


def _by_concept(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.concept, []).append(fact)
    return found


@lru_cache(maxsize=16384)
def _akin(concept: str, other: str) -> bool:
    """Whether one is the group of the other, or they are nearly the same."""
    return is_a(concept, other) or is_a(other, concept) or other in lexicon().same_as.get(concept, ())


def _by_teller(fact: Fact, turned_to: Collection[str]) -> float:
    """What another person in the room knows is asked of that person."""
    if fact.unlock is None or fact.unlock.informant is None:
        return 0.0
    return _W["addressed" if fact.unlock.informant in turned_to else "not_addressed"]


class Wording:
    """How near a question is to the facts' own words."""

    def __init__(self) -> None:
        self._documents: list[tuple[str, Counter[str]]] = []
        self._weights: dict[str, float] = {}
        self._postings: dict[str, list[tuple[int, float]]] = {}
        self._words: dict[str, set[str]] = {}
        self._holders: Counter[str] = Counter()

    def add(self, fact: str, texts: Iterable[str], note: str = "") -> None:
        """A fact's wordings, and a note whose words are the fact's too."""
        texts = tuple(texts)
        self._documents += [(fact, _grams(text)) for text in texts]
        self._words[fact] = {w for text in (*texts, note) for w in _content(text, _EMPTY)}

    def finish(self) -> None:
        """Builds the inverted index; the questions may come from here on."""
        self._holders = Counter(w for words in self._words.values() for w in words)
        counts = Counter(g for _, grams in self._documents for g in grams)
        total = len(self._documents)
        self._weights = {g: math.log(1 + total / n) for g, n in counts.items()}
        for n, (_, grams) in enumerate(self._documents):
            norm = math.sqrt(sum((c * self._weights[g]) ** 2 for g, c in grams.items())) or 1.0
            for gram, count in grams.items():
                self._postings.setdefault(gram, []).append((n, count * self._weights[gram] / norm))

    def holding(self, text: str) -> dict[str, float]:
        """The share of the question's words that each fact has somewhere, the rarer the heavier."""
        asked = set(_content(text, _EMPTY))
        weights = {w: math.log(1 + len(self._words) / (self._holders[w] or 0.7)) for w in asked}
        whole = sum(weights.values()) or 1.0
        return {f: sum(weights[w] for w in asked & words) / whole for f, words in self._words.items()}

    def alike(self, text: str) -> dict[str, float]:
        """TF-IDF cosine, over stems and trigrams, with the nearest of each fact's wordings."""
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
        return facts


_COMMON = frozenset(
    {"is", "was", "do", "did", "have", "you", "i", "it", "this", "that", "any", "of", "to", "in", "on", "at"}
    | {"and", "or", "be", "been", "what", "how", "can", "could", "would"}
)
_EMPTY = _COMMON | frozenset(
    {"me", "my", "your", "he", "she", "they", "him", "her", "his", "them", "a", "an", "the", "with", "for"}
    | {"there", "has", "had", "does", "are", "were", "get", "when", "where", "who", "which", "not", "no"}
    | {"if", "as", "so", "about", "tell"}
)
"""Words that hold nothing of their own."""


def _content(text: str, common: frozenset[str] = _COMMON) -> list[str]:
    return [w for w in normalise(text[:1000]) if w not in common]


def _grams(text: str) -> Counter[str]:
    words = _content(text)
    grams = Counter(words)
    for word in words:
        padded = f"<{word}>"
        grams.update(padded[i : i + 3] for i in range(len(padded) - 2))
    return grams
