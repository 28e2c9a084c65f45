"""The router: what a doctor's line asks about, and what else it does. Pure functions of text.

A line is cut into sentences and clauses. A clause that asks something yields probes: an intent, a concept of
the lexicon and a slot. A clause that names no concept is about the one in focus.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from clinicenv.clinic import weighing
from clinicenv.clinic.acts import find_acts
from clinicenv.clinic.clauses import Clause, Sentence, sentences
from clinicenv.clinic.lexicon import (
    WEAK,
    Intent,
    find_concepts,
    find_intents,
    in_family,
    lexicon,
    normalise,
    routing,
)
from clinicenv.clinic.naming import Span, concepts_of, heads_of, is_a, is_illness
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
    reading = by_rule(text, focus, patient, weigh=True)
    return Reading(weighing.acts_of(text, reading.acts), reading.probes)


def by_rule(
    text: str, focus: str | None = None, patient: frozenset[str] = frozenset(), *, weigh: bool = False
) -> Reading:
    """As `read`, by the rules alone; with `weigh`, what each sentence asks is weighed too."""
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
        _, probes, topic = _sentence(sentence, topic)
        probes = [p for p in probes if p.intent != "unknown"]
        if probes:
            return tokens, probes
    return tokens, []


def _sentence(
    sentence: Sentence, topic: str | None, *, weigh: bool = False
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
        probes = _weighed(sentence, probes, topic)
    if sentence.question and not probes and routing("understood").isdisjoint(acts):
        probes = [Probe("unknown", text=sentence.text.strip())]
    return acts, probes[:MAX_PER_SENTENCE], after


_BY_RULE = frozenset({("results", "presence"), ("relieving", "medicines")})
"""What a rule sets apart from another intent in the same words: "Did you see anybody about it?"."""


def _weighed(sentence: Sentence, probes: list[Probe], topic: str | None) -> list[Probe]:
    """The probes with another intent where all words together speak for that."""
    tokens = [t for clause in sentence.clauses for t in clause.tokens]
    intent = weighing.intent_of(tokens, probes)
    heard = probes[0].intent if probes else weighing.NO_PROBE
    topic_asked = intent == "presence" and probes and _is_topic(probes[0].concept)
    if intent == heard or topic_asked or (heard, intent) in _BY_RULE:
        return probes
    if intent == "none":
        return []
    named = [s[0] for s in find_concepts(tokens, loose=True) if s[0] != "symptom"]
    if not probes:
        known = named or intent != "presence"  # whether there is any of what has no name here stays unknown
        return [_as(intent, None, named, topic, sentence.text.strip())] if known else []
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
        return Probe(intent, own[0] if own else wanted.concept, None, text)
    if wanted and not wanted.slot:
        ill = [c for c in (concept, *named) if c in lex.symptoms or (c and is_illness(c))]
        return Probe(intent, ill[0] if ill and intent == "results" else None, None, text)
    found = concept or next(iter(named), None)
    if wanted and wanted.slot and (found is None or found not in lex.symptoms):
        found = next((c for c in named if c in lex.symptoms), found if found in named else topic)
    return Probe(intent, found, wanted.slot if wanted else None, text)


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
        for probe in _probes(_question(clause, spans, topic)):
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


@dataclass(slots=True)
class _Question:
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


def _question(clause: Clause, spans: list[Span], topic: str | None) -> _Question:
    lex, tokens = lexicon(), clause.tokens
    whole = any(s[0] == "symptom" for s in spans)
    spans = [s for s in spans if s[0] != "symptom"]
    names = dict.fromkeys(find_intents(tokens, spans))
    heads, circumstances = heads_of(clause, spans, named=bool(names))
    if heads and _whether_any(tokens, spans):
        names = {n: None for n in names if not n.endswith(WEAK) or not lex.intents[n[:-1]].slot}
    intents = dict.fromkeys(lex.intents[n.removesuffix(WEAK)] for n in names)
    plain = [lex.intents[n] for n in names if not n.endswith(WEAK)]
    question = _Question(
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
    question.sections = [s for s in question.sections if not any(is_a(h, s.concept) for h in question.heads)]
    return question


_OPENS = (
    r"(?:(?:and|so|but|or|ok|well|now|then|right|alright|yes|no|yeah|great|good|thank|hi|hello|you know) )*"
)
_THERE = r"any |no |not any |(?:is|was) there |have there been |what about |how about "
_ANY = re.compile(
    rf"{_OPENS}(?:{_THERE}|how (?:is|was|have) "
    r"|(?:do|did|have|is|was) (?:you|baby|child) (?!know |rememb |think |mean |tell |say )"
    r"|you (?:do not |not )?(?:have|get|feel|notic|is|was))"
)
"""How one asks whether there is any: then "at night" or "sharp" is no question of its own."""
_THING = re.compile(
    rf"{_OPENS}(?:{_THERE}|there (?:is|was) (?:no|any) |you (?:do not |not |also |have )?have "
    r"|diagnos with |was you (?:wear|expos|us|giv|born) "
    r"|(?:do|did|have) you (?:(?:ever|still|currently|usually|been|recently|sometimes|all) )*"
    r"(?:have|get|feel|notic|experienc|suffer|find|develop|wear|use|observ|any|diagnos|been) )"
)
"""How one asks for a thing, be it one that the lexicon has no word for."""
_DOES = re.compile(rf"{_OPENS}(?:do|did|have) $")


def _line(tokens: list[str]) -> str:
    persons = lexicon().persons
    return " ".join(persons.get(t, t) for t in tokens)


def _whether_any(tokens: list[str], spans: list[Span]) -> bool:
    """Whether it is asked if there is any, not how what there is behaves ("Is the pain sharp?")."""
    if _ANY.match(_line(tokens)):
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


def _of_relatives(question: _Question) -> None:
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


def _probes(question: _Question) -> list[Probe]:
    lex = lexicon()
    if "none" in question.others:
        return []
    for strong in ("consent", "medical_opinion"):
        if strong in question.others:
            return [question.probe(strong, None)]
    if "results" in question.others:
        named = [h for h in (*question.heads, *question.circumstances) if h in lex.symptoms or is_illness(h)]
        return [question.probe("results", named[0] if named else None)]
    found = _found(question)
    if not found and question.resorts:
        first = question.resorts[0]
        found = [question.probe(first, lex.intents[first].concept)]
    if not found and _THING.match(_line(question.tokens)):
        found = [question.probe("presence", None)]
    return found


def _found(question: _Question) -> list[Probe]:
    named = question.heads or question.sections or question.circumstances
    if not named and not question.slots and set(question.others) <= {"tell_me_more"}:
        found = _body_part(question)
        if found:
            return [found]
    if any(s.id == "previous_episodes" for s in question.sections):
        return _previous(question)
    _of_medicines(question)
    both = [*question.heads, *question.circumstances]
    if both and "anything_else" in question.others and routing("together").intersection(question.tokens):
        return [question.probe("association", both[0], "association")]
    _settle_sections(question)
    views = [*question.heads, *(s.concept for s in question.sections if s.concept)]
    views = [c for c in views if lexicon().concepts[c].parent == "perspective"]
    if views:
        return [question.about(c) for c in dict.fromkeys(views)]
    if question.heads and all(s.id == "relieving" for s in question.slots) and _is_review(question.heads):
        question.slots = []  # "Are your bowels working as they should?"
    return list(_slot_probes(question)) if question.slots else _plain_probes(question)


def _is_review(heads: Iterable[str]) -> bool:
    return all(lexicon().section_intent.get(h, "").startswith("ros_") for h in heads)


def _settle_sections(question: _Question) -> None:
    """Either the concepts named or the section meant: "appendix removal" is an operation, no pain."""
    over = [s for s in question.sections if s.id in routing("over_concepts")]
    if over and question.heads:
        question.heads, question.slots = [], []
        question.sections = over[:1]
    elif question.heads:
        joined = not {"or", "and"}.isdisjoint(question.tokens)
        question.sections = [
            s
            for s in question.sections
            if s.id in routing("beside_concepts") or (joined and s.id.startswith("ros_"))
        ]


def _of_medicines(question: _Question) -> None:
    """A medicine for a symptom relieves it; whether it is taken as told is a topic of its own."""
    lex = lexicon()
    remedies = [h for h in question.heads if h in lex.remedies]
    if not remedies:
        return
    if "allergy" in question.heads:  # "any allergies at all, to medicines?"
        question.heads = [h for h in question.heads if h not in (*remedies, "allergy")] + ["drug_allergy"]
        return
    if len(remedies) > 1 and "or" not in question.tokens:
        question.heads = [h for h in question.heads if h != "medication"]
    ills = [h for h in (*question.heads, *question.circumstances) if h in lex.symptoms]
    ills = [h for h in ills if not is_a(h, "mood_trouble")]
    if "painkillers" in remedies:
        ills = [h for h in ills if h != "pain"]
    if (
        ills
        and not question.names("exacerbating")
        and (question.names("relieving") or not {"for", "help"}.isdisjoint(question.tokens))
    ):
        question.heads, question.circumstances = ills, []
        question.slots = [lex.intents["relieving"]]
    elif question.names("adherence"):
        question.heads = [h for h in question.heads if h not in remedies]
        question.heads.insert(0, "adherence")
        question.slots = []
    elif "for" in question.tokens:  # "tablets for asthma"
        question.heads += [c for c in question.circumstances if c not in lex.symptoms]
        question.circumstances, question.slots = [], [s for s in question.slots if s.id != "relieving"]


def _plain_probes(question: _Question) -> list[Probe]:
    """Of a clause that asks for no attribute: whether there is any, a section, or an open question."""
    sections = [question.probe(s.id, s.concept) for s in question.sections]
    if "tell_me_more" in question.others and "opening" not in question.others:
        found = [question.about(h) for h in question.heads]
        found = [question.probe("tell_me_more", p.concept) if p.intent == "presence" else p for p in found]
        if found or sections:
            return found + sections
        back = question.topic if routing("points_back").intersection(question.tokens) else None
        return [question.probe("tell_me_more", next(iter(question.circumstances), back))]
    found = [question.about(h) for h in question.heads] + sections
    if found or (question.circumstances and not question.others):
        return found or [question.about(c) for c in question.circumstances]
    first = next((o for o in ("anything_else", "opening", *question.others) if o in question.others), None)
    if first == "opening" and question.circumstances:  # "How are you doing with the pain?"
        with_what = question.circumstances[0]
        ill = with_what in lexicon().symptoms
        return [question.probe("course", with_what, "course") if ill else question.about(with_what)]
    return [question.probe(first, lexicon().intents[first].concept)] if first else []


def _previous(question: _Question) -> list[Probe]:
    """ "Have you had this before?" asks for earlier episodes; with an illness, for that illness."""
    if any(h not in lexicon().symptoms for h in question.heads):
        return [question.about(h) for h in question.heads]
    new = [h for h in question.heads if not (question.topic and is_a(question.topic, h))]
    return [question.probe("previous_episodes", h) for h in new or ["previous_episode"]]


def _body_part(question: _Question) -> Probe | None:
    """ "On your face?" asks where; "how is your knee?" asks for pain in it."""
    tokens = question.tokens
    for name, start, _ in lexicon().site_table.find(tokens):
        asked = tokens[0] == "is" and not routing("pronouns").isdisjoint(tokens[:3])
        if asked and tokens[start - 1] in routing("whereabouts"):  # "Is it in your legs or your arms?"
            return question.probe("site", question.topic, "site")
        if tokens[0] == "to":
            return question.probe("radiation", question.topic, "radiation")
        if tokens[0] in routing("whereabouts"):
            return question.probe("site", question.topic, "site")
        if tokens[0] == "how" and "do" in tokens[start:]:
            return question.probe("course", name, "course")
        asked = start == 0 or (start < 4 and tokens[0] in ("how", "what", "tell", "any"))
        return question.probe("presence", name) if asked else None
    return None


def _about_another(tokens: list[str]) -> bool:
    """Whether a clause without a concept names a thing that the lexicon has no word for: not the topic."""
    if not routing("points_back").isdisjoint(tokens):
        return False
    known = lexicon().known
    return any(len(t) > 3 and t not in known and t.isalpha() for t in tokens)


def _slot_probes(question: _Question) -> Iterator[Probe]:
    if any(s.slot == "association" for s in question.slots) and question.heads:
        both = [*question.heads, *question.circumstances]  # "any nausea with the pain?" asks for nausea
        asked = [c for c in both if c != question.topic] if question.topic in both else question.heads
        yield from map(question.about, asked or question.heads)
        return
    named = question.heads or question.sections or question.circumstances
    if not named and not question.whole and _about_another(question.tokens):
        yield from (question.probe(s.id, None) for s in question.slots[:1])  # of a thing without a name here
        return
    for n, concept in enumerate(_subjects(question)):
        if n > 0 and len(question.slots) > 1:
            yield question.probe("presence", concept)
            continue
        for slot in question.slots:
            yield question.probe(_slot_intent(slot, concept), concept, slot.slot)


def _slot_intent(slot: Intent, concept: str | None) -> str:
    """Sections take all questions on their things, but a medicine's dose and effect are of their own."""
    if concept is None or (concept in lexicon().remedies and slot.id in ("dose", "relieving")):
        return slot.id
    section = lexicon().section_intent.get(concept, slot.id)
    return slot.id if section.startswith("ros_") else section


def _subjects(question: _Question) -> list[str | None]:
    """What the slots are asked of: what is named, else a section, else the topic."""
    kinds, topic, tokens = {str(s.slot) for s in question.slots}, question.topic, question.tokens
    named, beside = question.heads, question.circumstances
    meant = [s.concept for s in question.sections if s.concept]
    if kinds <= routing("circumstantial_slots"):  # "worse after eating" is not about the diet
        points = bool(topic) or question.whole or not routing("points_back").isdisjoint(tokens)
        if points:
            own = lexicon().remedies if topic is None else ()
            named = [h for h in named if h not in routing("circumstances") or is_a(h, topic) or h in own]
        apart = kinds == {"association"} or not points  # "any other symptoms apart from the cough?"
        beside = [c for c in beside if apart and c not in routing("circumstances")]
    if question.whole or not routing("pronouns").isdisjoint(tokens):  # "did it start on holiday?"
        named, beside, meant = (
            [c for c in cs if c not in routing("settings")] for cs in (named, beside, meant)
        )
    several = kinds == {"relieving"} and "for" in tokens
    named = named or beside[: None if several else 1] or meant[:1]
    if named:
        return [topic if topic and is_a(topic, name) else name for name in named]
    default = question.slots[0].concept  # a dose is a medicine's
    if default is None and topic is None and question.whole and kinds != {"association"}:
        default = "symptom"
    return [default if default and not (topic and is_a(topic, default)) else topic]
