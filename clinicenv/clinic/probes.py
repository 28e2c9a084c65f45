"""What a question asks for, as probes: whether there is any, an attribute of that, or part of the history."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from clinicenv.clinic.clauses import Clause
from clinicenv.clinic.lexicon import Intent, lexicon, routing
from clinicenv.clinic.naming import Span, is_a, is_illness
from clinicenv.clinic.question import OPENS, THERE, Question, line_of, question_of
from clinicenv.events import Probe

_THING = re.compile(
    rf"{OPENS}(?:{THERE}|there (?:is|was) (?:no|any) |you (?:do not |not |also |have )?have "
    r"|diagnos with |was you (?:wear|expos|us|giv|born) "
    r"|(?:do|did|have) you (?:(?:ever|still|currently|usually|been|recently|sometimes|all) )*"
    r"(?:have|get|feel|notic|experienc|suffer|find|develop|wear|use|observ|any|diagnos|been) )"
)
"""How one asks for a thing, be it one that the lexicon has no word for."""


def probes_of(clause: Clause, spans: list[Span], topic: str | None) -> list[Probe]:
    """What a clause asks for; `spans` are the concepts that it names, `topic` is what the talk is about."""
    return _probes(question_of(clause, spans, topic))


def _probes(question: Question) -> list[Probe]:
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
    if not found and _THING.match(line_of(question.tokens)):
        found = [question.probe("presence", "symptom" if question.whole else None)]
    return found


def _found(question: Question) -> list[Probe]:
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


def _settle_sections(question: Question) -> None:
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


def _of_medicines(question: Question) -> None:
    """A medicine for a symptom relieves it; whether it is taken as told is a topic of its own."""
    lex = lexicon()
    remedies = [h for h in question.heads if h in lex.remedies]
    if not remedies:
        return
    if not {"allergy", "drug_allergy"}.isdisjoint(question.heads):  # "any allergies at all, to medicines?"
        others = [h for h in question.heads if h not in (*remedies, "allergy", "drug_allergy")]
        question.heads = [*others, "drug_allergy"]
        return
    did = not routing("does").isdisjoint(question.tokens)
    if did and "rash" in question.heads:  # "has one ever given you a rash?"
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


def _plain_probes(question: Question) -> list[Probe]:
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


def _previous(question: Question) -> list[Probe]:
    """ "Have you had this before?" asks for earlier episodes; with an illness, for that illness."""
    if any(h not in lexicon().symptoms for h in question.heads):
        return [question.about(h) for h in question.heads]
    new = [h for h in question.heads if not (question.topic and is_a(question.topic, h))]
    return [question.probe("previous_episodes", h) for h in new or ["previous_episode"]]


def _body_part(question: Question) -> Probe | None:
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


def _slot_probes(question: Question) -> Iterator[Probe]:
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


def _subjects(question: Question) -> list[str | None]:
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
