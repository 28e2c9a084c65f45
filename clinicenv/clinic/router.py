"""The router: what a doctor's line asks about, and what else it does. Pure functions of text.

A line is cut into sentences and clauses. A clause that asks something yields probes: an intent, a concept of
the lexicon and a slot. A clause that names no concept is about the one in focus.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from clinicenv.clinic import weighing
from clinicenv.clinic.acts import find_acts
from clinicenv.clinic.clauses import Clause, Sentence, sentences
from clinicenv.clinic.lexicon import (
    lexicon,
    normalise,
    routing,
)
from clinicenv.clinic.naming import concepts_of
from clinicenv.clinic.probes import probes_of
from clinicenv.events import Probe

MAX_PER_SENTENCE = 3
MAX_PER_LINE = 6
"""Probes that one sentence and one line may hold: stuffing a line with questions must not pay."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The dialogue acts of a line, and what it asks about, in order."""

    acts: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()


@lru_cache(maxsize=2048)
def read(text: str, focus: str | None = None, patient: frozenset[str] = frozenset()) -> Reading:
    """What the router makes of a doctor's line; `focus` is the concept that the talk was about last.

    `patient` are the stems of words that mean the patient, as "mother" does to a son who speaks for her.

    Any text is read; what is not understood in a question becomes a probe with the intent `unknown`.
    """
    reading = _read(text, focus, patient, weigh=True)
    return Reading(weighing.acts_of(text, reading.acts), reading.probes)


def by_rule(text: str) -> Reading:
    """As `read`, by the rules alone: what the weights are fitted beside."""
    return _read(text, None, frozenset(), weigh=False)


def _read(text: str, focus: str | None, patient: frozenset[str], *, weigh: bool) -> Reading:
    acts: dict[str, None] = {}
    probes: dict[tuple[str, str | None, str | None], Probe] = {}
    topic = None if focus == "symptom" else focus
    for sentence in sentences(text, patient):
        told, asked, topic = _sentence(sentence, topic, weigh=weigh)
        acts.update(dict.fromkeys(told))
        for probe in asked:
            if len(probes) < MAX_PER_LINE:
                probes.setdefault((probe.intent, probe.concept, probe.slot), probe)
    return Reading(tuple(acts), tuple(probes.values()))


def first_asked(text: str) -> tuple[list[str], list[Probe]]:
    """The stems of the first sentence in which the rules hear something asked, and what; else the last."""
    tokens, topic = [], None
    for sentence in sentences(text):
        tokens = [t for clause in sentence.clauses for t in clause.tokens]
        _, probes, topic = _sentence(sentence, topic, weigh=False)
        probes = [p for p in probes if p.intent != "unknown"]
        if probes:
            return tokens, probes
    return tokens, []


def _sentence(
    sentence: Sentence, topic: str | None, *, weigh: bool
) -> tuple[list[str], list[Probe], str | None]:
    clauses, every = sentence.clauses, False
    probes, after = _ask(clauses, topic)
    if sentence.question and not all(c.asks for c in clauses) and _says_little(sentence, probes):
        more, later = _ask(clauses, topic, every=True)
        more = [p for p in more if p.intent not in routing("yields")] or more
        if more and (not probes or any(p.concept or p.slot for p in more)):
            every, probes, after = True, more, later
    said = [(c.text, normalise(c.text) if sentence.tagged else c.tokens) for c in clauses]
    acts = list(find_acts(said, [c.asks or every for c in clauses], probes))
    if weigh and (probes or sentence.question):
        tokens = [t for clause in clauses for t in clause.tokens]
        probes = weighing.weighed(tokens, probes, topic, sentence.text.strip())
    if sentence.question and not probes and routing("understood").isdisjoint(acts):
        probes = [Probe("unknown", text=sentence.text.strip())]
    return acts, probes[:MAX_PER_SENTENCE], after


_LEADS_IN = re.compile(
    r"(?:\W*(?:and|so|now|ok|okay|um))*\W*(?:in|regarding|about|as for|concerning|with)\b", re.I
)


def _says_little(sentence: Sentence, probes: list[Probe]) -> bool:
    """Whether the clause before has what is asked about: "You smoke, is that so?", "As for him, ...?"."""
    if _LEADS_IN.match(sentence.text) and all(p.intent in routing("yields") for p in probes):
        return True
    return all(p.intent == "presence" and not p.concept for p in probes)


def _ask(clauses: list[Clause], topic: str | None, *, every: bool = False) -> tuple[list[Probe], str | None]:
    """The probes of the clauses that ask, or of `every` one, and what the talk is about after them."""
    probes: dict[tuple[str, str | None, str | None], Probe] = {}
    for clause in clauses:
        spans = concepts_of(clause)
        if not (clause.asks or every):
            for name, _, _ in spans:
                topic = _next_topic(topic, name)
            continue
        for probe in probes_of(clause, spans, topic):
            probes.setdefault((probe.intent, probe.concept, probe.slot), probe)
            topic = _next_topic(topic, probe.concept)
    resort = [p for p in probes.values() if p.intent in routing("last_resort")]
    others = [p for p in probes.values() if p not in resort]
    others.sort(key=lambda p: p.intent == "anything_else")  # what is named goes first
    return others or resort[:1], topic


def _next_topic(topic: str | None, concept: str | None) -> str | None:
    """Questions on the whole problem and on the patient's view of it change no topic."""
    whole = concept in (None, "main_problem", "previous_episode", "symptom")
    return topic if whole or lexicon().concepts[str(concept)].parent == "perspective" else concept
