"""The router: what a doctor's line asks about, and what else it does. Pure functions of text.

A line is cut into sentences and clauses. A clause that asks something yields probes: an intent, a concept of
the lexicon and a slot. A clause that names no concept is about the one in focus.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from clinicenv.clinic.acts import find_acts
from clinicenv.clinic.lexicon import (
    Intent,
    descendants,
    find_concepts,
    find_intents,
    in_family,
    lexicon,
    normalise,
    routing,
)
from clinicenv.events import Probe

MAX_PER_SENTENCE = 3
MAX_PER_LINE = 6
"""Probes that one sentence and one line may hold: stuffing a line with questions must not pay."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The dialogue acts of a line, and what it asks about, in order."""

    acts: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()


_SENTENCE = re.compile(r"[^.?!;\n？]+[.?!;\n？]*")
_SUBJECT = (
    r"(?:you|your|he|his|she|her|it|its|they|their|the|that|this|these|those|there|any|anyone|anybody|anything"
    r"|i|we)\b"
)
_AUXILIARY = (
    r"(?:do|does|did|is|are|was|were|have|has|had|can|could|will|would|may|shall|should)(?:n't| not)?"
)
_AFTER_WHAT = (
    r"(?:'s|'re|'d)?\s+(?:do|does|did|is|are|was|were|have|has|had|can|could|would|will|should|kind|sort|type"
    r"|about|colou?r|brings?|brought|makes?|seems?|happen\w*|other|else|exactly|time|day|dose|medic\w+|long"
    r"|often|much|many|bad|badly|old|far|severe|frequent\w*|quick\w*|big|heavy|high|part|side|leg|arm|one"
    r"|tablets|symptoms|work|might|worries|causes?)\b"
)
_ASKS = (
    rf"(?:(?:what|when|where|which|who|why|how|whereabouts)(?:{_AFTER_WHAT}|(?=\W*$))|{_AUXILIARY}\s+{_SUBJECT}"
    r"|any\b|since when|tell (?:me|us)|describe|talk me|walk me|take me through|run me through"
    r"|rate (?:the|your|it)|show me|point to"
    r"|(?:i'd|i would|i'll|i need to|i want to|i have to|let me|i'm going to|i am going to)\s+"
    r"(?:like to |just )*(?:ask|hear|know))"
)
_CLAUSE = re.compile(
    r"(?:\s*(?:,|:|--|\s-\s)\s*(?:(?:and|or|but|so|also|then|um|uh)\s+)*|\s+(?:and|or|but)\s+(?:also\s+)?)"
    rf"(?={_ASKS})",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"\W*(?:(?:and|so|but|or|ok|okay|well|now|then|right|alright|also|please|first|firstly|next|finally|um|uh"
    rf"|great|good|thanks|thank you|i see|sure|yes|no|doctor|sir|madam)\W+)*{_ASKS}",
    re.IGNORECASE,
)


@lru_cache(maxsize=2048)
def read(text: str, focus: str | None = None) -> Reading:
    """What the router makes of a doctor's line; `focus` is the concept that the talk was about last.

    Any text is read; what is not understood in a question becomes a probe with the intent `unknown`.
    """
    acts: dict[str, None] = {}
    probes: dict[tuple[str, str | None, str | None], Probe] = {}
    topic = focus
    for sentence in _SENTENCE.findall(text):
        told, asked, topic = _sentence(sentence, topic)
        acts.update(dict.fromkeys(told))
        for probe in asked:
            if len(probes) < MAX_PER_LINE:
                probes.setdefault((probe.intent, probe.concept, probe.slot), probe)
    return Reading(tuple(acts), tuple(probes.values()))


def _sentence(sentence: str, topic: str | None) -> tuple[list[str], list[Probe], str | None]:
    marked = sentence.rstrip().endswith(("?", "？"))
    clauses = [(c.strip(), tokens) for c in _CLAUSE.split(sentence) if (tokens := normalise(c))]
    if not clauses:
        return [], [], topic
    asks = [bool(_OPENS.match(c)) for c, _ in clauses]
    if marked:
        asks = [a or _only_names(tokens) for a, (_, tokens) in zip(asks, clauses, strict=True)]
        asks[-1] = True
    probes, after = _ask(clauses, asks, topic)
    if marked and not all(asks) and all(p.intent in routing("last_resort") for p in probes):
        told = [True] * len(clauses)  # "You smoke, is that right?" asks in its first clause
        more, later = _ask(clauses, told, topic)
        if more:
            asks, probes, after = told, more, later
    acts = list(find_acts(clauses, asks, probes))
    if marked and not probes and routing("understood").isdisjoint(acts):
        probes = [Probe("unknown", text=sentence.strip())]
    return acts, probes[:MAX_PER_SENTENCE], after


def _only_names(tokens: list[str]) -> bool:
    """Whether a clause is a bare list, as in "No fever, cough, any rash?"."""
    named = {i for _, start, end in find_concepts(tokens) for i in range(start, end)}
    return all(i in named or t in ("no", "or", "and", "any") for i, t in enumerate(tokens))


def _ask(
    clauses: list[tuple[str, list[str]]], asks: list[bool], topic: str | None
) -> tuple[list[Probe], str | None]:
    """The probes of the clauses that ask, and what the talk is about after them."""
    probes: dict[tuple[str, str | None, str | None], Probe] = {}
    for (text, tokens), asking in zip(clauses, asks, strict=True):
        spans = [s for s in find_concepts(tokens) if s[0] != "symptom"]
        if not asking:
            for name, _, _ in spans:
                topic = _next_topic(topic, name)
            continue
        for probe in _probes(_clause(text, tokens, spans, topic)):
            probes.setdefault((probe.intent, probe.concept, probe.slot), probe)
            topic = _next_topic(topic, probe.concept)
    resort = [p for p in probes.values() if p.intent in routing("last_resort")]
    others = [p for p in probes.values() if p not in resort]
    return others or resort[:1], topic


def _next_topic(topic: str | None, concept: str | None) -> str | None:
    """Questions on the whole problem and on the patient's view of it change no topic."""
    whole = concept in (None, "main_problem", "previous_episode")
    return topic if whole or lexicon().concepts[str(concept)].parent == "perspective" else concept


@dataclass(slots=True)
class _Clause:
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

    def probe(self, intent: str, concept: str | None, slot: str | None = None) -> Probe:
        return Probe(intent, concept, slot, self.text)

    def about(self, concept: str) -> Probe:
        """Whether there is any, or all about it where it is a section of the history."""
        return self.probe(lexicon().section_intent.get(concept, "presence"), concept)


def _clause(text: str, tokens: list[str], spans: list[tuple[str, int, int]], topic: str | None) -> _Clause:
    lex = lexicon()
    names = dict.fromkeys(lex.intents[name] for name in find_intents(tokens, spans))
    heads: dict[str, None] = {}
    circumstances: dict[str, None] = {}
    for name, start, _ in spans:
        before = [t for t in tokens[max(0, start - 3) : start] if t not in routing("between")]
        aside = bool(before) and before[-1] in routing("before_context") and bool(heads or names)
        (circumstances if aside else heads)[name] = None
    clause = _Clause(
        text,
        tokens,
        topic,
        list(heads),
        list(circumstances),
        slots=_slots(names),
        sections=[i for i in names if i.concept and not i.slot and i.id != "opening"],
        others=[i.id for i in names if not i.slot and (not i.concept or i.id == "opening")],
    )
    _of_relatives(clause)
    clause.sections = [s for s in clause.sections if not any(_is_a(h, s.concept) for h in clause.heads)]
    return clause


def _slots(names: Iterable[Intent]) -> list[Intent]:
    """The intents with a slot; what makes it worse or better goes before whether it got so."""
    slots = [i for i in names if i.slot]
    if any(i.slot in ("exacerbating", "relieving") for i in slots):
        slots = [i for i in slots if i.slot != "course"]
    return slots


def _of_relatives(clause: _Clause) -> None:
    """Illnesses in a question about relatives become those of the family."""
    if "family_history" not in clause.heads and not any(s.id == "family" for s in clause.sections):
        return
    if not routing("not_of_relatives").isdisjoint(clause.heads):
        clause.heads = [h for h in clause.heads if h != "family_history"]
        clause.sections = [s for s in clause.sections if s.id != "family"]
        return
    mapped = [in_family(h) for h in (*clause.heads, *clause.circumstances)]
    mapped = list(dict.fromkeys(h if h.startswith("family_") else "family_history" for h in mapped))
    clause.heads = [h for h in mapped if h != "family_history"] or mapped
    clause.circumstances = []
    clause.sections = [s for s in clause.sections if s.id == "family" or s.id.startswith("ros_")]


def _probes(clause: _Clause) -> list[Probe]:
    named = clause.heads or clause.sections or clause.circumstances
    if not named and not clause.slots and set(clause.others) <= {"tell_me_more", "consent"}:
        found = _body_part(clause)
        if found:
            return [found]
    if any(s.id == "previous_episodes" for s in clause.sections):
        return _previous(clause)
    if clause.heads:
        clause.sections = [
            s for s in clause.sections if s.id in routing("beside_concepts") or s.id.startswith("ros_")
        ]
    if clause.slots and not any(lexicon().concepts[h].parent == "perspective" for h in clause.heads):
        return [] if not named and _about_another(clause.tokens) else list(_slot_probes(clause))
    return _plain_probes(clause)


def _plain_probes(clause: _Clause) -> list[Probe]:
    """Of a clause that asks for no attribute: whether there is any, a section, or an open question."""
    sections = [clause.probe(s.id, s.concept) for s in clause.sections]
    if "tell_me_more" in clause.others and "opening" not in clause.others:
        found = [clause.about(h) for h in clause.heads]
        found = [clause.probe("tell_me_more", p.concept) if p.intent == "presence" else p for p in found]
        if found or sections:
            return found + sections
        back = clause.topic if routing("points_back").intersection(clause.tokens) else None
        return [clause.probe("tell_me_more", next(iter(clause.circumstances), back))]
    found = [clause.about(h) for h in clause.heads] + sections
    if found or (clause.circumstances and not clause.others):
        return found or [clause.about(c) for c in clause.circumstances]
    first = "opening" if "opening" in clause.others else next(iter(clause.others), None)
    return [clause.probe(first, lexicon().intents[first].concept)] if first else []


def _previous(clause: _Clause) -> list[Probe]:
    """ "Have you had this before?" asks for earlier episodes; with an illness, for that illness."""
    if any(h not in lexicon().symptoms for h in clause.heads):
        return [clause.about(h) for h in clause.heads]
    new = [h for h in clause.heads if not (clause.topic and _is_a(clause.topic, h))]
    return [clause.probe("previous_episodes", h) for h in new or ["previous_episode"]]


def _body_part(clause: _Clause) -> Probe | None:
    """ "On your face?" asks where; "how is your knee?" asks for pain in it."""
    tokens = clause.tokens
    for name, start, _ in lexicon().site_table.find(tokens):
        if tokens[0] in routing("whereabouts"):
            return clause.probe("site", clause.topic, "site")
        asked = start == 0 or (start < 4 and tokens[0] in ("how", "what", "tell", "any"))
        return clause.probe("presence", name) if asked else None
    return None


def _about_another(tokens: list[str]) -> bool:
    """Whether a clause without a concept names a thing that the lexicon has no word for: not the topic."""
    if not routing("points_back").isdisjoint(tokens):
        return False
    known = lexicon().known
    return any(len(t) > 3 and t not in known and t.isalpha() for t in tokens)


def _slot_probes(clause: _Clause) -> Iterator[Probe]:
    if any(s.slot == "association" for s in clause.slots) and clause.heads:
        both = [*clause.heads, *clause.circumstances]  # "any nausea with the pain?" asks for nausea
        asked = [c for c in both if c != clause.topic] if clause.topic in both else clause.heads
        yield from map(clause.about, asked or clause.heads)
        return
    section = lexicon().section_intent
    for n, concept in enumerate(_subjects(clause)):
        if n > 0 and len(clause.slots) > 1:
            yield clause.probe("presence", concept)
            continue
        for slot in clause.slots:
            yield clause.probe(section.get(concept, slot.id) if concept else slot.id, concept, slot.slot)


def _subjects(clause: _Clause) -> list[str | None]:
    """What the slots are asked of: what is named, else a section, else the topic."""
    kinds, topic = {str(s.slot) for s in clause.slots}, clause.topic
    named, circumstances = clause.heads, clause.circumstances
    points = topic or not routing("points_back").isdisjoint(clause.tokens)
    if points and kinds <= routing("circumstantial_slots"):  # "worse after eating" is not about the diet
        named = [h for h in named if h not in routing("circumstances") or _is_a(h, topic)]
        apart = kinds == {"association"}  # "any other symptoms apart from the cough?"
        circumstances = [c for c in circumstances if apart and c not in routing("circumstances")]
    named = named or circumstances[:1] or [s.concept for s in clause.sections if s.concept][:1]
    if named:
        return [topic if topic and _is_a(topic, name) else name for name in named]
    default = clause.slots[0].concept  # a dose is a medicine's
    return [default if default and not (topic and _is_a(topic, default)) else topic]


@lru_cache(maxsize=1024)
def _members(group: str) -> frozenset[str]:
    return frozenset((group, *descendants(lexicon(), group)))


def _is_a(concept: str, group: str | None) -> bool:
    return group is not None and concept in _members(group)
