"""The patient's half of a DDXPlus row: its evidences become facts, one for each concept's slot."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from clinicenv.agents.doctor_lines import addressed
from clinicenv.importers.ddxplus_words import Speaker, Word, Words
from clinicenv.story import Disclosure, Fact, Section, Slot

Evidences = Mapping[str, Sequence[str]]
"""Evidence code -> its values; a binary one has none."""

_UNCLEAR = "malaise"
"""What a row is about that records nothing but what makes it worse."""
_OPEN = frozenset(("site", "onset", "character"))


@dataclass(slots=True)
class _Told:
    """What goes into one fact."""

    section: Section
    said: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    present: bool = True
    leads: bool = False


class History:
    """What the patient of one row tells. `evidences` are all known to the words, and fit the sex."""

    def __init__(self, words: Words, evidences: Evidences, initial: str, speaker: Speaker):
        self._words, self._evidences, self._speaker = words, evidences, speaker
        self._told: dict[tuple[str, Slot], _Told] = {}
        self._grouped = {f"@{name}": self._group(name) for name in words.groups}
        self._main = self._main_concept(initial)
        codes = [initial, *(c for c in words.by_code if c in evidences and c != initial)]
        for code in codes:
            for section, word in self._said(code):
                self._tell(section, word, self._evidences[code], leads=code == initial)
        self._elsewhere()
        self.opening = self._opening(initial)
        self.facts = tuple(self._fact(key, told) for key, told in self._told.items())
        self.opening_facts = tuple(f.id for f in self.facts if f.disclosure == "spontaneous")
        self.ethnicity = next((w.ethnicity for c in codes for _, w in self._said(c) if w.ethnicity), None)

    def _said(self, code: str) -> Iterator[tuple[Section, Word]]:
        section, words = self._words.by_code[code]
        return ((section, word) for word in words)

    def _group(self, name: Literal["pain", "swelling"]) -> dict[str, list[str]]:
        """The sites by concept, the concept with most of them first."""
        values = self._evidences.get(self._words.groups[name].sites, ())
        sites = [(getattr(self._words.site_of[v], name), v) for v in values if v in self._words.site_of]
        most = Counter(concept for concept, _ in sites).most_common()
        return {c: [v for concept, v in sites if concept == c] for c, _ in most} or {name: []}

    def _main_concept(self, initial: str) -> str:
        """What `it` is in `it gets worse at night`: the pain, else the first complaint, else any."""
        codes = [initial, *(c for c in self._words.by_code if c in self._evidences)]
        complaints = [word for code in codes for section, word in self._said(code) if section == "hpi"]
        for concepts in (["@pain"], [w.concept for w in complaints if w.slot == "present"]):
            for concept in concepts:
                if concept in ("@pain", "@swelling") and any(w.concept == concept for w in complaints):
                    return next(iter(self._grouped[concept]))
                if not concept.startswith("@"):
                    return concept
        return next((w.concept for w in complaints if not w.concept.startswith("@")), _UNCLEAR)

    def _tell(self, section: Section, word: Word, values: Sequence[str], *, leads: bool) -> None:
        if not word.concept:
            return
        concept, own = word.concept, values
        if concept == "@main":
            concept = self._main
        elif concept in self._grouped:
            lead = next(iter(self._grouped[concept]))
            if word.sites and word.slot == "site":
                own = self._grouped[concept][lead]
            concept = lead
        if word.concept in self._grouped and word.slot == "present":
            text = self._speaker.says(self._words.groups[_name(word.concept)].lead[concept])
        else:
            text = self._words.sentences(word, own, self._speaker)
        if not text:
            return
        told = self._told.setdefault((concept, word.slot), _Told(section))
        if text not in told.said:
            told.said.append(text)
        if word.value:
            told.values += [word.value.replace("{it}", v) for v in own]
        told.present = not (word.none and text == self._speaker.says(word.none))
        told.asked += word.ask
        told.leads |= leads

    def _elsewhere(self) -> None:
        """Where else it hurts or is swollen: one fact for each other concept, so that it is not denied."""
        for name, group in self._words.groups.items():
            for other, values in list(self._grouped[f"@{name}"].items())[1:]:
                text = self._speaker.lists(group.also, self._words.places(values, self._speaker))
                told = self._told.setdefault((other, "present"), _Told("hpi"))
                told.said.append(text)

    def _opening(self, initial: str) -> str:
        word = self._words.by_code[initial][1][0]
        if word.concept in self._grouped and word.slot == "present":
            lead = next(iter(self._grouped[word.concept]))
            line = self._speaker.says(self._words.groups[_name(word.concept)].lead[lead])
        else:
            said = self._words.sentences(word, self._evidences[initial], self._speaker)
            line = self._speaker.says(word.opening) or said
        child = "daughter" if self._speaker.sex == "female" else "son"
        return f"It's about my {child}. {line}" if self._speaker.is_parent else line

    def _fact(self, key: tuple[str, Slot], told: _Told) -> Fact:
        concept, slot = key
        symptom = told.section == "hpi"
        disclosure: Disclosure = "asked"
        if told.leads:
            disclosure = "spontaneous"
        elif concept == self._main and (slot == "present" or slot in _OPEN):
            disclosure = "open"
        return Fact(
            id=concept if slot == "present" else f"{concept}_{slot}",
            section=told.section,
            concept=concept,
            slot=slot,
            value="; ".join(told.values) or None,
            present=told.present,
            say=(" ".join(told.said),),
            question_variants=tuple(addressed(question, self._speaker.you) for question in told.asked),
            disclosure=disclosure,
            salience=1.0 if told.leads else 0.7 if symptom else 0.5,
        )


def _name(concept: str) -> Literal["pain", "swelling"]:
    return "pain" if concept == "@pain" else "swelling"
