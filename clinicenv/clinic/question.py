"""One clause that asks: what it names and what it wants to know."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clinicenv.clinic.clauses import Clause
from clinicenv.clinic.lexicon import WEAK, Intent, find_intents, in_family, lexicon, routing
from clinicenv.clinic.naming import Span, behind_from, heads_of, is_a
from clinicenv.events import Probe


@dataclass(slots=True)
class Question:
    """A clause that asks: what it names, and what it wants to know."""

    text: str
    tokens: list[str]
    topic: str | None
    heads: list[str]
    """concepts that are asked about"""
    circumstances: list[str]
    """concepts that only say when, with what or apart from what"""
    slots: list[Intent]
    sections: list[Intent]
    """intents with a topic of their own"""
    others: list[str]
    resorts: list[str]
    """intents that count if there is nothing else"""
    whole: bool
    """the symptoms are named, and none of them"""

    def probe(self, intent: str, concept: str | None, slot: str | None = None) -> Probe:
        return Probe(intent, concept, slot, self.text)

    def about(self, concept: str) -> Probe:
        """Whether there is any, or all about it where it is a section of the history."""
        if concept == "main_problem":
            return self.probe("opening", concept)
        intent = lexicon().section_intent.get(concept, "presence")
        if intent.startswith("ros_") and routing("general").isdisjoint(self.tokens) and len(self.tokens) > 2:
            intent = "presence"  # "Is your ear blocked?" is no review of the system
        return self.probe(intent, concept)

    def names(self, intent: str) -> bool:
        return any(i.id == intent for i in (*self.slots, *self.sections))


def question_of(clause: Clause, spans: list[Span], topic: str | None) -> Question:
    """Reads a clause; `spans` are the concepts that it names, `topic` is what the talk is about."""
    lex, tokens = lexicon(), clause.tokens
    whole = any(s[0] == "symptom" for s in spans)
    spans = [s for s in spans if s[0] != "symptom"]
    names = dict.fromkeys(find_intents(tokens, spans))
    heads, circumstances = heads_of(clause, spans, named=bool(names))
    if heads and _whether_any(tokens, spans):
        names = {n: None for n in names if not n.endswith(WEAK) or not lex.intents[n[:-1]].slot}
    intents = dict.fromkeys(lex.intents[n.removesuffix(WEAK)] for n in names)
    plain = [lex.intents[n] for n in names if not n.endswith(WEAK)]
    question = Question(
        clause.text,
        tokens,
        topic,
        heads,
        circumstances,
        slots=_slots(intents, tokens),
        sections=[i for i in plain if i.concept and not i.slot and i.id != "opening"],
        others=[i.id for i in plain if not i.slot and (not i.concept or i.id == "opening")],
        resorts=[n[:-1] for n in names if n.endswith(WEAK) and not lex.intents[n[:-1]].slot],
        whole=whole,
    )
    _of_relatives(question)
    _of_places(question)
    question.sections = [s for s in question.sections if not any(is_a(h, s.concept) for h in question.heads)]
    return question


OPENS = (
    r"(?:(?:and|so|but|or|ok|well|now|then|right|alright|yes|no|yeah|great|good|thank|hi|hello|you know) )*"
)
"""What may go before a question."""
THERE = r"any |no |not any |(?:is|was) there |have there been |what about |how about "
"""How one asks for what there is."""
_ANY = re.compile(
    rf"{OPENS}(?:{THERE}|how (?:is|was|have) "
    r"|(?:do|did|have|is|was) (?:you|baby|child) (?!know |rememb |think |mean |tell |say )"
    r"|you (?:do not |not )?(?:have|get|feel|notic|is|was))"
)
"""How one asks whether there is any: then "at night" or "sharp" is no question of its own."""
_DOES = re.compile(rf"{OPENS}(?:do|did|have) $")


def line_of(tokens: list[str]) -> str:
    """The tokens as text, with one word for the patient."""
    persons = lexicon().persons
    return " ".join(persons.get(t, t) for t in tokens)


def _whether_any(tokens: list[str], spans: list[Span]) -> bool:
    """Whether it is asked if there is any, not how what there is behaves ("Is the pain sharp?")."""
    if _ANY.match(line_of(tokens)):
        return True
    _, start, end = min(spans, key=lambda s: s[1])  # "Does your jaw hurt when you chew?"
    if end - start > 1 and tokens[end - 1] in routing("verbs"):
        return bool(_DOES.match(" ".join(tokens[:start]) + " "))
    return any("when" in tokens[start:end] for _, start, end in spans)  # "pain when you swallow"


def _slots(names: Iterable[Intent], tokens: list[str]) -> list[Intent]:
    """The intents with a slot; where one is only part of how another is asked for, that one goes."""
    slots = [i for i in names if i.slot]
    kinds = {i.slot for i in slots}
    gone: set[str | None] = set()
    if kinds & {"exacerbating", "relieving"}:
        gone |= {"course", "site"}
    if "severity" in kinds and not {"ten", "10", "scal"}.isdisjoint(tokens):
        gone |= kinds - {"severity"}
    if "timing" in kinds and "last" in tokens:
        gone.add("onset")
    if "describ" in tokens and len(kinds) > 1:
        gone.add("character")
    return [i for i in slots if i.slot not in gone] or slots


def _of_relatives(question: Question) -> None:
    """Illnesses in a question about relatives become those of the family."""
    if "family_history" not in question.heads and not any(s.id == "family" for s in question.sections):
        return
    illness = not routing("illness").isdisjoint(question.tokens)
    if not illness and not routing("not_of_relatives").isdisjoint(question.heads):
        question.heads = [h for h in question.heads if h != "family_history"]
        question.sections = [s for s in question.sections if s.id != "family"]
        return
    mapped = [in_family(h) for h in (*question.heads, *question.circumstances)]
    mapped = list(dict.fromkeys(h if h.startswith("family_") else "family_history" for h in mapped))
    question.heads = [h for h in mapped if h != "family_history"] or ["family_history"]
    question.circumstances, question.slots = [], []
    question.sections = [s for s in question.sections if s.id == "family"]


def _of_places(question: Question) -> None:
    """Pain or symptoms "in your knee" are of that part of the body; so is what is asked of a joint."""
    if question.circumstances or question.sections or any(s.slot == "radiation" for s in question.slots):
        return
    tokens, behind = question.tokens, behind_from(question.tokens)
    of_joint = bool(question.slots) and not (question.heads or question.whole or question.topic)
    if not (of_joint or question.heads == ["pain"] or (question.whole and not question.heads)):
        return
    for name, start, end in lexicon().site_table.find(tokens):
        part = tokens[start:end]
        before = tokens[start - 1] if start else ""
        placed = start < behind and before in routing("whereabouts") | routing("places")
        if (placed and not of_joint and routing("no_part").isdisjoint(part)) or (
            of_joint and not routing("joints").isdisjoint(part)
        ):
            question.heads, question.whole = [name], False
            return
