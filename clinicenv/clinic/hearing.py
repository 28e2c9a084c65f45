"""What a doctor's line does to the patient: what it asks for, what it does to trust, which gates it opens.

The same for every kind of patient; history and communication marks read it from the log.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from clinicenv.clinic.agenda import RELATIONS, Agenda, addressed
from clinicenv.clinic.lexicon import normalise
from clinicenv.clinic.lookup import FactIndex
from clinicenv.clinic.router import read
from clinicenv.events import Heard, Probe, Withheld
from clinicenv.profile import Trust
from clinicenv.scenario import Scenario
from clinicenv.story import Fact

NO_FOCUS = frozenset(
    {
        "main_problem",
        "symptom",
        "name",
        "age",
        "ideas",
        "concerns",
        "expectations",
        "impact",
        "support",
        "collateral",
    }
)
"""What "when did it start?" after a question about it does not mean."""


_PROPOSES = frozenset({"consent", "medical_opinion", "expectations"})
"""How a line that asks for a decision reads besides, whatever it names."""


@lru_cache(maxsize=65536)
def _resolved(index: FactIndex, probe: Probe, turned_to: tuple[str, ...] = ()) -> Probe:
    """With the facts that it asks for. A question that an author has written for a fact asks for that."""
    if probe.concept is None and (exact := index.worded(probe.text)):
        slot = None if exact[0].slot == "present" else exact[0].slot
        probe = Probe(slot or "presence", exact[0].concept, slot, probe.text)
    facts = index.find(probe, turned_to)
    if not facts and index.doubtful(probe):  # there is something on that: it must not be denied
        return replace(unknown := Probe("unknown", text=probe.text), facts=index.find(unknown, turned_to))
    return replace(probe, facts=facts, concept=index.topic(probe, facts))


@lru_cache(maxsize=4096)
def _understood(
    scenario: Scenario, text: str, focus: str | None, patient: frozenset[str]
) -> tuple[tuple[str, ...], tuple[Probe, ...]]:
    """The acts of a line, and what it asks for, as far as the case and the concept in focus decide that."""
    reading, index = read(text, focus, patient), FactIndex.of(scenario)
    turned_to = addressed(text, scenario.patient)
    return reading.acts, tuple(_resolved(index, p, turned_to) for p in reading.probes)


_MINE = re.compile(r"\bmy (\w+)", re.IGNORECASE)


@lru_cache(maxsize=256)
def _patient(name: str, opening: tuple[str, ...]) -> frozenset[str]:
    """The stems of what the one who speaks for the patient calls the patient: "my mother", Irene."""
    own = {word.lower() for line in opening for word in _MINE.findall(line)}
    words = [w for group in RELATIONS if own & set(group.split()) for w in group.split()]
    names = [n for n in name.split()[:1] if n.lower() not in words]
    return frozenset(normalise(" ".join((*words, *names))))


@dataclass(slots=True)
class Hearing:
    """What a patient has heard so far. One per consultation."""

    scenario: Scenario
    numbers: Trust
    trust: float = 0.0
    opened: list[Fact] = field(default_factory=list)
    shut: dict[str, Fact] = field(default_factory=dict)
    acts: set[str] = field(default_factory=set)
    agenda: Agenda = field(init=False)
    _asked: set[tuple[str, str | None, str | None, tuple[str, ...]]] = field(default_factory=set)
    _focus: str | None = None
    _turn: int = -1
    _counted: set[str] = field(default_factory=set)
    _called: frozenset[str] = frozenset()
    """stems that mean the patient where somebody else answers"""

    def __post_init__(self) -> None:
        self.trust = self.numbers.initial
        self.agenda = Agenda(self.scenario.patient)
        self.shut = {f.id: f for f in self.scenario.facts.values() if f.gated}
        patient = self.scenario.patient
        if patient.informant not in ("self", "interpreter"):
            self._called = _patient(patient.identity.name, tuple(patient.opening))

    def hear(self, text: str, *, of: int, turn: int) -> Heard:
        """Takes in one line of the doctor's; `of` is the number of its event."""
        heard, probes = _understood(self.scenario, text, self._focus, self._called)
        acts = list(heard)
        if "repeat" not in acts and self._repeats(probes):
            acts.append("repeat")
        asked_about = (p.concept for p in reversed(probes) if p.concept and p.concept not in NO_FOCUS)
        self._focus = next(asked_about, self._focus)
        self._move_trust(acts, turn)
        self.acts.update(acts)
        reaction = self.agenda.hear(text, acts, self.trust, turn)
        if reaction.agreed or reaction.refused:  # it was understood: as a proposal
            probes = tuple(p for p in probes if p.concept and p.intent not in _PROPOSES)
        opened = [f for f in self.shut.values() if self._opens(f)] if self.shut else []
        for fact in opened:
            del self.shut[fact.id]
        self.opened += opened
        return Heard(
            of=of,
            acts=tuple(acts),
            probes=probes,
            trust=round(self.trust, 6),
            opened=tuple(f.id for f in opened),
            withheld=tuple(self._withheld(probes)) if self.shut else (),
            cue=reaction.cue,
            picked_up=reaction.picked_up,
            corrected=reaction.corrected,
            turned_to=reaction.turned_to,
            agreed=reaction.agreed,
            refused=reaction.refused,
        )

    def _repeats(self, probes: Iterable[Probe]) -> bool:
        """Whether all that is asked was asked before; open questions may come again."""
        keys = [(p.intent, p.concept, p.slot, p.facts) for p in probes if p.concept]
        again = bool(keys) and all(k in self._asked for k in keys)
        self._asked.update(keys)
        return again

    def _move_trust(self, acts: Iterable[str], turn: int) -> None:
        """Each act counts once a turn, however often it is said."""
        if turn != self._turn:
            self._turn, self._counted = turn, set()
        for act in acts:
            if act not in self._counted:
                self._counted.add(act)
                change = self.numbers.gain.get(act, 0.0) - self.numbers.loss.get(act, 0.0)
                self.trust = min(1.0, max(0.0, self.trust + change))

    def _opens(self, fact: Fact) -> bool:
        gate = fact.unlock
        if gate is None:  # `never`
            return False
        return (
            (gate.trust is None or self.trust >= gate.trust - 1e-9)
            and (not gate.after or any(a in self.acts for a in gate.after))
            and (not gate.private or "ask_private" in self.acts)
            and (gate.informant is None or gate.informant in self.agenda.turned_to)
        )

    def _withheld(self, probes: Iterable[Probe]) -> Iterable[Withheld]:
        for probe in probes:
            for fact in (self.shut[i] for i in probe.facts if i in self.shut):
                yield Withheld(about=probe.text or "that", how=fact.if_hidden)
