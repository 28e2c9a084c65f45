"""The scripted patient: one reply to all that the doctor's act said, and the ratings at the end.

Each probe is answered from the facts that it asks for, as far as their disclosure lets them out; where
nothing is recorded the scenario's policy decides. All words come from the facts or from the lines below.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from clinicenv.clinic.denials import deniable, denials, speaker
from clinicenv.clinic.lexicon import lexicon, normalise
from clinicenv.clinic.router import MAX_PER_LINE
from clinicenv.draws import Draw, pick
from clinicenv.events import Event, Heard, Leave, Probe, Rate, Role, Say
from clinicenv.story import Fact
from clinicenv.view import PatientView, Script

MOST_FACTS = 6
"""Facts that one reply tells at most, shared among the questions; each question gets one in any case."""

PRIVATE = 0.5
"""The sensitivity from which a gated fact, once open, is still told only when it is asked for by its name."""

OPEN_INTENTS = frozenset({"opening", "tell_me_more", "anything_else"})
"""Intents of questions that leave it to the patient what to tell."""

Question = tuple[str, int, tuple[str, ...]]
"""What the patient asks, from which turn on, and the acts that settle it."""

_REPHRASE = "I'm sorry, I don't understand. Can you ask that another way?"
_STILL_LOST = "I don't know."
_UNSURE = "I'm not sure."
_NOTHING_TO_SAY = "Nothing special to tell."
_NOTHING_ELSE = "Nothing else that I've noticed."
_NOTHING_IN_MIND = "Nothing that comes to mind."
_YOU_ARE_THE_DOCTOR = "You're the doctor, I hoped you could tell me."
_AGREES = "Yes, that's fine."
_NO_QUESTIONS = "No, I don't think so."
_WALKS_OUT = "I've had enough of these questions. I'm leaving."
_EVASIVE = (
    "I'd rather not go into that.",
    "I don't see what that has to do with it.",
    "Can we talk about something else?",
)
_NO_MORE = {
    "opening": "I think I've told you all there is.",
    "tell_me_more": "I think I've told you all there is.",
    "anything_else": "No, I think that's everything.",
}
_BY_ACT = {
    "hostile": "There's no need to talk to me like that.",
    "consent": _AGREES,
    "request_exam": "All right, go ahead.",
    "order_test": "All right.",
    "confidentiality": "Thank you, that's good to know.",
    "ask_private": "All right.",
    "close": "Thank you, doctor. Goodbye.",
    "diagnose": "I see. Thank you for telling me.",
    "plan": "All right, I understand.",
    "safety_net": "All right, I'll do that.",
    "explain": "I see.",
    "summarise": "Yes, that's right.",
    "empathise": "Thank you.",
    "validate": "Thank you.",
    "reassure": "Thank you, that helps.",
    "greet": "Hello, doctor.",
}
"""What is said to an act that asks nothing; the first act of this list that was heard counts."""


def reply(view: PatientView, draw: Draw) -> Say | Leave:
    """The patient's one reply to the `Heard` events of `view.due`.

    `Say.ids` are the facts that it tells, in the order told, vague ones included; what is said of a shut fact
    counts as not told. `Leave` where more questions were wasted than the persona bears.
    """
    past = _past(view)
    if past.wasted(view.profile.persona.patience):
        return Leave(_WALKS_OUT)
    heard = [e.what for e in view.due if isinstance(e.what, Heard)]
    probes = [p for h in heard for p in h.probes]
    acts = {a for h in heard for a in h.acts}
    answer = _Answer(view, draw, past, _needed(view, probes))
    for probe, most in zip(probes, answer.shares(probes), strict=True):
        answer.to(probe, most)
    if not probes and "ask_open" in acts:
        answer.volunteer("tell_me_more")
    answer.deny()
    answer.parts += _on_agenda(view.script, heard)
    parts = [*_first(view, past, acts, bool(probes)), *answer.parts]
    if not answer.parts:
        parts.append(next((line for act, line in _BY_ACT.items() if act in acts), "Okay."))
    parts += _question(view, past)
    return Say(_joined(parts), tuple(answer.ids), "agent")


@dataclass(frozen=True, slots=True)
class _Past:
    """What went before, as far as a reply depends on it; most is worked out only when it is asked for."""

    told: frozenset[str]
    said: tuple[str, ...]
    heard: tuple[Heard, ...]
    """lines answered before, in order"""
    due: tuple[Heard, ...]

    def wasted(self, most: int) -> bool:
        """Whether more than `most` questions, due ones included, were asked before or not understood."""
        lines = (*self.heard, *self.due)
        if len(lines) * MAX_PER_LINE <= most or sum([len(h.probes) for h in lines]) <= most:
            return False
        count, asked = 0, set[tuple[str, str | None, str | None]]()
        for probe in [p for h in lines for p in h.probes]:
            intent = probe.intent
            if intent == "unknown":
                count += 1
            elif (probe.concept or probe.slot) and intent not in OPEN_INTENTS:
                key = (intent, probe.concept, probe.slot)
                count += key in asked
                asked.add(key)
        return count > most

    def asked_about(self, concept: str | None) -> bool:
        """Whether an earlier line asked about the concept."""
        return any(p.concept == concept for h in self.heard for p in h.probes)

    def done(self, act: str) -> bool:
        """Whether an earlier line was the dialogue act."""
        return any(act in h.acts for h in self.heard)

    @property
    def lost(self) -> bool:
        """Whether the line before was not understood."""
        return bool(self.heard) and "unknown" in self.heard[-1].intents

    @property
    def alone(self) -> bool:
        """Whether the doctor has asked for a word in private and addressed nobody else since."""
        for heard in reversed((*self.heard, *self.due)):
            if heard.turned_to or "ask_private" in heard.acts:
                return not heard.turned_to
        return False


def _past(view: PatientView) -> _Past:
    due = tuple([e.what for e in view.due if isinstance(e.what, Heard)])
    lines = {heard.of for heard in due}
    heard = [w for e in view.events if type(w := e.what) is Heard]  # once a reply over all that went before
    own = [w for e in view.events if type(w := e.what) is Say and e.role is Role.PATIENT]
    told = frozenset[str]().union(*[say.ids for say in own])
    before = tuple([h for h in heard if h.of not in lines])
    return _Past(told, tuple([say.text for say in own]), before, due)


def _needed(view: PatientView, probes: Iterable[Probe]) -> dict[str, Fact]:
    ids = {i for p in probes for i in p.facts}
    if not ids:
        return {}
    return {f.id: f for facts in (view.script.facts, view.opened, view.locked) for f in facts if f.id in ids}


class _Answer:
    """The answers to probes, one after the other."""

    __slots__ = ("denied", "draw", "evaded", "facts", "ids", "parts", "past", "script", "shut", "view")

    def __init__(self, view: PatientView, draw: Draw, past: _Past, facts: dict[str, Fact]) -> None:
        self.view, self.draw, self.past, self.facts = view, draw, past, facts
        self.script = view.script
        self.shut = {f.id for f in view.locked}
        self.ids: list[str] = []
        self.parts: list[str] = []
        self.denied: list[str] = []
        self.evaded: set[str] = set()
        """clauses of which something was evaded: the rest of them is not denied, it may be about the same"""

    def shares(self, probes: Sequence[Probe]) -> list[int]:
        """How many facts each probe may be told, shared out in turns: at least one, `MOST_FACTS` in all."""
        shares = [1] * len(probes)
        if not self.facts:
            return shares
        wanted = [sum([i in self.facts and i not in self.shut for i in p.facts]) for p in probes]
        left = MOST_FACTS - sum(map(bool, wanted))
        while left > 0 and (short := [n for n, share in enumerate(shares) if share < wanted[n]]):
            for n in short[:left]:
                shares[n] += 1
            left -= len(short)
        return shares

    def to(self, probe: Probe, most: int) -> None:
        """Answers one probe with `most` facts that this reply has not told yet, or fewer."""
        if probe.intent in OPEN_INTENTS and (probe.concept is None or probe.intent == "opening"):
            self.volunteer(probe.intent)
        elif any(i in self.facts for i in probe.facts):
            self._recorded(probe, [self.facts[i] for i in probe.facts if i in self.facts], most)
        elif not probe.text or probe.text not in self.evaded:
            self._unrecorded(probe)

    def volunteer(self, intent: str) -> None:
        """The next one or two facts that come by themselves; `open` ones once the others are out."""
        addressed = {i for e in self.view.due if isinstance(e.what, Heard) for i in e.what.turned_to}
        theirs = [f for f in self.view.opened if f.unlock and f.unlock.informant in addressed]
        own = (
            [f for f in self.script.facts if f.disclosure == d and f.present] for d in ("spontaneous", "open")
        )
        for facts in (theirs, *own):
            untold = [f for f in facts if f.id not in self.past.told and f.id not in self.ids]
            if untold:
                two = self.draw("volunteer") < 0.5 + self.view.profile.persona.verbosity / 2
                for fact in untold[: 2 if two else 1]:
                    self._tell(fact)
                return
        if not self.parts:
            self.parts.append(_NO_MORE[intent])

    def _recorded(self, probe: Probe, facts: list[Fact], most: int) -> None:
        if probe.intent in OPEN_INTENTS:  # on one concept: what is new, one or two at a time
            facts = [f for f in facts if f.id not in self.past.told][:2]
            if not facts:
                return self.volunteer(probe.intent)
        if probe.slot == "association":
            facts = [f for f in facts if f.id not in self.past.told and f.id not in self.ids]
            if not facts:
                return self._once(_NOTHING_ELSE)
        free = [f for f in facts if f.id not in self.shut and self._lets_out(f, probe)]
        for fact in [f for f in free if f.id not in self.ids][:most]:
            self._tell(fact)
        if free:
            return
        hidden = next((f for f in facts if f.id in self.shut), None)
        if hidden is None:
            return self._once(_NOTHING_IN_MIND)
        if hidden.if_hidden != "deny":
            self.evaded.add(probe.text)
        self._hide(hidden)

    def _lets_out(self, fact: Fact, probe: Probe) -> bool:
        """Whether the question is close enough; what is private is not told to one on the whole group."""
        if self.past.alone and fact.unlock and fact.unlock.informant:
            return False  # who knows it has left the room
        private = fact.gated and fact.sensitivity >= PRIVATE
        if (fact.disclosure != "probed" and not private) or _is_variant(probe.text, fact):
            return True
        if probe.facts == (fact.id,) and not (private and probe.concept):
            return True  # by its wording it is about just this
        near = fact.concept, *lexicon().same_as.get(fact.concept, ())
        if probe.concept not in near or probe.intent in OPEN_INTENTS:
            return False
        if private:
            return True
        slot = probe.slot or "present"
        return slot == fact.slot or self.past.asked_about(probe.concept)

    def _tell(self, fact: Fact) -> None:
        recall = self.view.profile.persona.recall
        forgets = recall < 1 and self.draw("recall", fact.id) < (1 - recall) * (1 - fact.salience)
        if forgets and fact.say_vague:
            text = fact.say_vague
        elif fact.id in self.past.told:
            text = min(fact.say, key=len)
        else:
            text = pick(fact.say, self.draw("say", fact.id))
        self.ids.append(fact.id)
        self.parts.append(_voice(self.script, fact.unlock.informant if fact.unlock else None) + text)

    def _hide(self, fact: Fact) -> None:
        if fact.if_hidden == "deny":
            self._deny(fact.concept)
        elif fact.if_hidden == "partial" and fact.say_vague:
            self._once(fact.say_vague)
        else:
            self._once(pick(_EVASIVE, self.draw("evade", fact.id)))

    def _unrecorded(self, probe: Probe) -> None:
        concept, script = probe.concept, self.script
        if probe.intent == "unknown":
            self._once(_STILL_LOST if self.past.lost else _REPHRASE)
        elif probe.intent in ("medical_opinion", "results"):
            self._once(_YOU_ARE_THE_DOCTOR)
        elif probe.intent == "consent":
            self._once(_NO_QUESTIONS if "question" in probe.text.lower() else _AGREES)
        elif concept is None:
            self._once(_UNSURE)
        elif concept in script.absent:
            self._deny(concept)
        elif known := _from_identity(concept, script):
            self._once(known)
        elif probe.slot == "association" and not self._nothing_of(concept):
            self._once(_NOTHING_ELSE)
        elif probe.slot not in (None, "present") and not self._nothing_of(concept):
            self._deny(concept) if script.unknown_slot == "deny" else self._once(_UNSURE)
        elif script.default == "deny":
            self._deny(concept)
        else:
            self._once(_UNSURE)

    def _nothing_of(self, concept: str) -> bool:
        """Whether the patient surely has none of it, so that asking for its details gets a denial too."""
        if self.script.default != "deny" or concept not in lexicon().symptoms:
            return False
        view = self.view
        return not any(f.concept == concept for g in (self.script.facts, view.opened, view.locked) for f in g)

    def _deny(self, concept: str) -> None:
        if not deniable(concept):
            self._once(_NOTHING_TO_SAY)
        elif concept not in self.denied:
            self.denied.append(concept)

    def deny(self) -> None:
        """Says all denials at once."""
        short = len(self.denied) == 1 and self.draw("deny", self.denied[0]) < 0.5
        self.parts += denials(self.denied, speaker(self.script), short=short, first=not self.parts)

    def _once(self, text: str) -> None:
        if text not in self.parts:
            self.parts.append(text)


def _from_identity(concept: str, script: Script) -> str | None:
    who, own = script.identity, script.informant in ("self", "interpreter")
    if concept == "name":
        return f"{'My' if own else 'The'} name is {who.name}."
    if concept == "age":
        years = f"{who.age:g} years" if who.age >= 1 else f"{round(who.age * 12)} months"
        return f"{speaker(script).subject} {years} old."
    if concept == "occupation" and who.occupation:
        return f"{'My' if own else 'The'} work: {who.occupation}."
    return None


@lru_cache(maxsize=4096)
def _is_variant(text: str, fact: Fact) -> bool:
    asked = normalise(text)
    return any(normalise(variant) == asked for variant in fact.question_variants)


def _first(view: PatientView, past: _Past, acts: set[str], asked: bool) -> Iterator[str]:
    """What comes before the answers: a greeting back, and the next line of what makes the talk hard."""
    if asked and "greet" in acts and not past.done("greet"):
        yield _BY_ACT["greet"]
    script = view.script
    if script.challenge and acts.isdisjoint(script.defused_by) and not any(map(past.done, script.defused_by)):
        line = next((c for c in script.challenge if not any(c in s for s in past.said)), None)
        if line:
            yield line


def _voice(script: Script, informant: str | None) -> str:
    """What stands before the words of another person in the room."""
    other = next((o for o in script.others if o.id == informant), None)
    return f"{other.name} ({other.relation}): " if other else ""


def _on_agenda(script: Script, heard: Iterable[Heard]) -> Iterator[str]:
    """A false belief given up, what was decided, and a cue."""
    if not (script.beliefs or script.decisions or script.cues):
        return
    done = list(heard)
    corrected = {i for h in done for i in h.corrected}
    yield from (b.then_says for b in script.beliefs if b.id in corrected)
    agreed, refused = ({i for h in done for i in getattr(h, kind)} for kind in ("agreed", "refused"))
    for decision in script.decisions:
        if decision.id in agreed | refused:
            said = decision.agrees if decision.id in agreed else decision.refuses
            yield _voice(script, decision.maker) + said
    slipped = {h.cue for h in done}
    yield from (c.say for c in script.cues if c.id in slipped)


def _question(view: PatientView, past: _Past) -> list[str]:
    """The patient's own next question, where its turn has come."""
    for ask, after, _ in view.script.questions:
        if view.turn > after and not any(ask in said for said in past.said):
            return [ask]
    return []


def _joined(parts: Sequence[str]) -> str:
    """The parts as one text; only the first answers with "Yes" or "No"."""
    sentences: list[str] = []
    for part in parts:
        text = part.strip()
        if sentences and text.startswith(("Yes, ", "No, ")):
            text = text.partition(", ")[2]
            text = text[:1].upper() + text[1:]
        text = text if text.endswith((".", "?", "!")) else f"{text}."
        if text not in sentences:  # two facts may have the same wording
            sentences.append(text)
    return " ".join(sentences)


def unsettled(questions: Iterable[Question], events: Iterable[Event]) -> tuple[int, int]:
    """(how many of the patient's questions were put, how many of those were not settled).

    A question is settled by one of its acts, heard in the turn that it was put in or later.
    """
    events = tuple(events)
    put = open_ = 0
    for ask, _, acts in questions:
        turn = next((e.turn for e in events if e.role is Role.PATIENT and _asks(e, ask)), None)
        if turn is None:
            continue
        put += 1
        later = (e.what for e in events if e.turn >= turn and isinstance(e.what, Heard))
        open_ += all(set(acts).isdisjoint(h.acts) for h in later)
    return put, open_


def _asks(event: Event, ask: str) -> bool:
    return isinstance(event.what, Say) and " ".join(ask.lower().split()) in " ".join(
        event.what.text.lower().split()
    )


def rate(view: PatientView) -> Rate:
    """The patient's ratings, from trust t and the settled share s of its questions (1 if it put none).

    Each is 1 + 9 x, rounded: x is .7 t + .3 s for confidence, .8 t + .2 s for compliance, and
    .5 t + .5 s for the consultation as a whole. The weights are ours.
    """
    heard = {e.what.of for e in view.events if isinstance(e.what, Heard)}
    due = [e for e in view.due if isinstance(e.what, Heard) and e.what.of not in heard]
    put, left = unsettled(view.script.questions, (*view.events, *due))
    t, s = view.trust, 1 - left / put if put else 1.0
    confidence, compliance, whole = (1 + int(9 * (w * t + (1 - w) * s) + 0.5) for w in (0.7, 0.8, 0.5))
    return Rate(confidence, compliance, whole)
