"""The patient's half of an AgentClinic case: sentences become facts with concept, section and disclosure."""

import re
from collections.abc import Callable
from typing import Any, Literal

from clinicenv.importers.asking import asked_for
from clinicenv.importers.fields import Ids, human, leaves, simple
from clinicenv.importers.findings import findings_in
from clinicenv.importers.opening import opening
from clinicenv.importers.pieces import denied, pieces
from clinicenv.importers.prose import Answer, Sex, first_person, is_third_person, of_child, sentences, words
from clinicenv.story import Disclosure, Fact, Section

Leave = Callable[[tuple[str, ...], Any, str], None]

_NOTHING = re.compile(
    r"^(?:n/?a\b.*|none|unknown|.*\bnot (?:been )?(?:provided|specified|available|applicable)\b.*|"
    r"no (?:\w+ ){0,6}(?:provided|given|specified|mentioned))\.?$",
    re.I,
)
"""A sentence that says that nothing is recorded."""
_DENIED = re.compile(
    r"^(?:no|non|not|denies|never|without|unremarkable|negative)\b|"
    r"\bdenies\b|\bunremarkable\b|\bdoes not (?:report|have)\b",
    re.I,
)
_FAMILY = re.compile(
    r"\bfamil(?:y history|ial)\b|\b(?:histor|diseas|illness|cancer|known)\w*\b.*\bin the family\b|"
    r"\bhistory of .* in (?:his|her) \w+",
    re.I,
)
_NO_MATTER = frozenset(
    (
        "a", "an", "any", "denies", "has", "have", "he", "her", "his", "history", "known", "no", "of",
        "patient", "presence", "recent", "reported", "reports", "she", "significant", "the",
    )
)  # fmt: skip
"""Words that make no other statement of it."""
_GENERAL_LABELS = frozenset(("general", "other", "findings"))

_FIELDS: tuple[tuple[str, Section, str], ...] = (
    (r"past medical|medical history", "pmh", "past_illness"),
    (r"surgical", "psh", "surgery"),
    (r"medication|drug history|medicine|treatment", "meds", "medication"),
    (r"allerg", "allergy", "allergy"),
    (r"family", "fh", "family_history"),
    (r"gyn|obstet|menstr", "gyn", "pregnancy"),
    (r"sexual", "sh", "sexual_history"),
    (r"social|occupation|travel", "sh", "home_situation"),
    (r"review of systems", "ros", "main_problem"),
)
"""What a field's name says: its section, and the concept of a sentence in which no other is found."""
_SOCIAL = (
    (r"smok|cigar|tobacco|pack", "smoking"),
    (r"alcohol|drink|beer|wine", "alcohol"),
    (r"\bdrugs?\b|cocaine|marijuana|substance", "recreational_drugs"),
    (r"work|job|occupation|teacher|retired|engineer|student|farmer|school|clerk|employ", "occupation"),
    (r"sexual|condom|unprotected", "sexual_history"),
    (r"travel|visit|trip|immigrated", "travel"),
    (r"enjoys|hobb|interest|hiking|golf|team", "hobbies"),
)


class History:
    """Collects the facts of one case: unique ids, and one fact only for a concept's slot `present`."""

    def __init__(self, sex: Sex, informant: Literal["self", "parent"], answer: Answer):
        self.facts: list[Fact] = []
        self.opening = ""
        self.opening_facts: tuple[str, ...] = ()
        self._sex, self._informant, self._answer = sex, informant, answer
        self._ids = Ids()
        self._present: set[str] = set()
        self._also: list[tuple[int, str]] = []
        """a fact's position, and a further concept that its sentence affirms"""
        self._denied: list[str] = []
        self._said_before: dict[tuple[str, bool, frozenset[str]], int] = {}
        """where a fact is told, whether there is any, and its words -> its position"""

    @property
    def denied(self) -> tuple[str, ...]:
        """Concepts that are denied in passing and are affirmed nowhere."""
        affirmed = {concept for _, concept in self._also}
        return tuple(c for c in dict.fromkeys(self._denied) if c not in self._present | affirmed)

    @property
    def in_third_person(self) -> tuple[str, ...]:
        """Lines that speak of the patient, or of the parent who speaks, as somebody else would."""
        lines = (f.say[0] for f in self.facts)
        return tuple(x for x in lines if is_third_person(x, self._sex, self._informant))

    def read(self, symptoms: dict[str, Any], actor: dict[str, Any], leave: Leave) -> None:
        """All fields of the patient's part; `leave` takes what is no fact."""
        for path, text in leaves(symptoms.get("Primary_Symptom")):
            self._sentences(("symptom", *path), text, "hpi", "main_problem", ("spontaneous",))
        opened = self.facts[:1]
        for path, text in leaves(actor["History"]):
            self._sentences(("history", *path), text, "hpi", "main_problem", ("spontaneous", "open"))
        for path, text in _items({k: v for k, v in symptoms.items() if k != "Primary_Symptom"}):
            self._sentences(("symptom", *path[1:]), text, "hpi", "main_problem", ())
        for key, value in actor.items():
            if key not in ("Demographics", "History", "Symptoms"):
                self._field(key, value, leave)
        self._ask_for_the_rest()
        self._open(opened or self.facts[:1])

    def _field(self, key: str, value: Any, leave: Leave) -> None:
        if not any(leaves(value)):
            return
        known = next(((s, c) for pattern, s, c in _FIELDS if re.search(pattern, simple(key))), None)
        if known is None:
            leave(("Patient_Actor", key), value, "is no field of a patient")
            return
        section, concept = known
        if section == "meds" and isinstance(value, list):
            value = _medicines(value, "I take" if self._informant == "self" else "My child takes")
        left: list[str] = []
        for path, text in _items(value):
            left += self._sentences((key, *path), text, section, concept, ())
        if left:
            leave(("Patient_Actor", key), left if len(left) > 1 else left[0], "says that nothing is recorded")

    def _sentences(
        self, path: tuple[str, ...], text: str, section: Section, concept: str, first: tuple[Disclosure, ...]
    ) -> list[str]:
        """Adds the facts of a text; the first ones get the disclosures `first`. Returns what is no fact."""
        left = []
        for n, sentence in enumerate(sentences(text)):
            if section in ("pmh", "sh", "ros") and _NOTHING.match(sentence) and not findings_in(sentence):
                left.append(sentence)
                continue
            disclosure = first[n] if n < len(first) else "asked"
            if things := denied(sentence):
                for thing in things:
                    whole = sentence if thing == things[0] else thing
                    self._sentence(path, f"No {thing}.", section, concept, disclosure, written=whole)
                continue
            parts = [sentence] if path[0] == "history" or first else self._parts(sentence, section)
            for part in parts:
                self._sentence(path, part, section, concept, disclosure)
        return left

    def _parts(self, sentence: str, section: Section) -> list[str]:
        if _FAMILY.search(sentence):
            return [sentence]

        def about(part: str) -> str | None:
            return next(iter(findings_in(part)), _social(part) if section == "sh" else None)

        return pieces(sentence, about)

    def _sentence(
        self,
        path: tuple[str, ...],
        sentence: str,
        section: Section,
        fallback: str,
        disclosure: Disclosure,
        written: str = "",
    ) -> None:
        """Adds the fact of a statement; `written`: how the source has it, where it is put in other words."""
        found = {} if _FAMILY.search(sentence) else findings_in(sentence)
        concept, present = self._main(sentence, section, fallback, found)
        said = self._said(sentence)
        labels = [human(p) for p in path[1:] if simple(p) not in _GENERAL_LABELS]
        fact = Fact(
            id="pending",
            section=section,
            concept=concept,
            value=None if said.rstrip(".") == (written or sentence).rstrip(".") else written or sentence,
            present=present,
            say=(said,),
            question_variants=tuple(labels),
            disclosure=disclosure,
            salience=0.8 if disclosure != "asked" else 0.5,
        )
        place = self._add(fact, path[0], sentence, written or sentence)
        for other, is_so in found.items():
            if other == concept:
                continue
            if is_so:
                self._also.append((place, other))
            else:
                self._denied.append(other)

    def _ask_for_the_rest(self) -> None:
        """Lets questions on a sentence's further concepts reach its fact, where no other fact is on them."""
        own = self._informant == "self"
        who = "you" if own else {"male": "he", "female": "she"}.get(self._sex, "they")
        done = set(self._present)
        for n, concept in self._also:
            if concept in done:
                continue
            done.add(concept)
            fact = self.facts[n]
            variants = (*fact.question_variants, *asked_for(concept, who))
            self.facts[n] = fact.model_copy(update={"question_variants": variants})

    def _main(
        self, sentence: str, section: Section, fallback: str, found: dict[str, bool]
    ) -> tuple[str, bool]:
        """The concept that a sentence is about and whether it is present."""
        present = not _DENIED.search(sentence)
        if _FAMILY.search(sentence):
            return "family_history", present
        if section in ("pmh", "meds", "allergy", "psh") and fallback not in self._present:
            return fallback, present
        free = [c for c in found if c not in self._present]
        for concept in (*free, *found):
            return concept, found[concept]
        if section == "sh":
            fallback = _social(sentence) or fallback
        return fallback, present

    def _said(self, sentence: str) -> str:
        said = (
            first_person(sentence, self._sex) if self._informant == "self" else of_child(sentence, self._sex)
        )
        return said if said[-1:] in ".!?'\"’”" else said + "."

    def _add(self, fact: Fact, source: str, statement: str, written: str) -> int:
        """Adds a fact, or its words to the fact that says the same. Returns the fact's position."""
        same = (_told_in(fact.section), fact.present, frozenset(words(statement).split()) - _NO_MATTER)
        if same[2] and same in self._said_before:
            n = self._said_before[same]
            kept = self.facts[n]
            texts = dict.fromkeys((*(kept.value or kept.say[0]).split(" | "), written))
            self.facts[n] = kept.model_copy(update={"value": " | ".join(texts)})
            return n
        slot = "detail" if fact.concept in self._present else "present"
        self._present.add(fact.concept)
        self.facts.append(fact.model_copy(update={"id": self._ids.new(simple(source)), "slot": slot}))
        return self._said_before.setdefault(same, len(self.facts) - 1)

    def _open(self, candidates: list[Fact]) -> None:
        """The opening line: the first fact that does not name the answer, in the patient's words."""
        safe = [
            f
            for f in (*candidates, *self.facts)
            if f.present and not self._answer.named_in(*f.say, f.value or "")
        ]
        if not safe:
            self.opening = "Something is wrong and I would like you to find out what it is."
            return
        self.opening = opening(safe[0].say[0], parent=self._informant == "parent")
        self.opening_facts = (safe[0].id,)


def _told_in(section: Section) -> str:
    """Sections of which a statement is the same in either."""
    return "now" if section in ("hpi", "ros") else section


def _social(sentence: str) -> str | None:
    return next((c for pattern, c in _SOCIAL if re.search(pattern, sentence, re.I)), None)


def _items(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """As `leaves`, but each text of a list by itself."""
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _items(inner, path)]
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _items(inner, (*path, key))]
    return list(leaves(value, path))


def _medicines(value: list[Any], takes: str) -> str:
    """A list of medicines as one sentence, because one question asks for all."""
    *most, last = [text for _, text in _items(value)]
    return f"{takes} {', '.join(most)} and {last}." if most else f"{takes} {last}."
