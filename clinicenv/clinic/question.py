"""What one clause asks: of what it names and what it wants to know, the probes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from clinicenv.clinic.clauses import Clause
from clinicenv.clinic.lexicon import WEAK, Intent, find_intents, in_family, lexicon, routing
from clinicenv.clinic.naming import Span, behind_from, heads_of, is_a, is_illness
from clinicenv.events import Probe


def probes_of(clause: Clause, spans: list[Span], topic: str | None) -> list[Probe]:
    """What a clause asks for; `spans` are the concepts that it names, `topic` is what the talk is about."""
    return _probes(_question(clause, spans, topic))


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
    _of_places(question)
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


def _of_places(question: _Question) -> None:
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
        found = [question.probe("presence", "symptom" if question.whole else None)]
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
    if not routing("affected").isdisjoint(question.heads):  # "has it affected your sleep?"
        question.sections = [s for s in question.sections if s.id != "impact"]
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
    if any(s.id == "timing" for s in question.slots) and question.heads:  # "the itch, more in bed at night?"
        question.sections = [s for s in question.sections if s.id != "sleep"]
        question.heads = [h for h in question.heads if h != "sleep_problem"] or question.heads
    over = [s for s in question.sections if s.id in routing("over_concepts")]
    if over and question.heads:
        question.heads, question.slots = [], []
        question.sections = over[:1]
    elif question.heads:
        joined = not {"or", "and"}.isdisjoint(question.tokens)
        question.sections = [
            s
            for s in question.sections
            if s.id in routing("beside_concepts")
            or (joined and s.id.startswith("ros_"))
            or (s.id == "impact" and routing("background").issuperset(question.heads))  # on work or school
        ]


def _of_medicines(question: _Question) -> None:
    """A medicine for a symptom relieves it; whether it is taken as told is a topic of its own."""
    lex = lexicon()
    remedies = [h for h in question.heads if h in lex.remedies]
    if not remedies:
        return
    if not {"allergy", "drug_allergy"}.isdisjoint(question.heads):  # "any allergies at all, to medicines?"
        others = [h for h in question.heads if h not in (*remedies, "allergy", "drug_allergy")]
        question.heads = [*others, "drug_allergy"]
        return
    if "rash" in question.heads and not routing("does").isdisjoint(
        question.tokens
    ):  # "has one given you a rash?"
        question.heads = ["drug_allergy"]
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
        question.heads.insert(0, _adherence(question.tokens))
        question.slots = []
    elif "for" in question.tokens:  # "tablets for asthma"
        question.heads += [c for c in question.circumstances if c not in lex.symptoms]
        question.circumstances, question.slots = [], [s for s in question.slots if s.id != "relieving"]


def _adherence(tokens: list[str]) -> str:
    """Whether it is asked for missed doses, or how a medicine is taken at all."""
    return "adherence" if routing("missing").isdisjoint(tokens) else "missed_doses"


def _plain_probes(question: _Question) -> list[Probe]:
    """Of a clause that asks for no attribute: whether there is any, a section, or an open question."""
    sections = [question.probe(s.id, s.concept) for s in question.sections]
    if any(s.id == "adherence" for s in question.sections):
        missed = _adherence(question.tokens)
        sections = [replace(p, concept=missed) if p.concept == "adherence" else p for p in sections]
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
        if not lexicon().symptoms.isdisjoint(named):  # "does exercise bring on the pain?"
            named = [h for h in named if h in lexicon().symptoms]
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
