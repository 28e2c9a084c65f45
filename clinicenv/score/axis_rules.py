"""The rules that rate axes from the log, each with the events that decide it.

A rule gives a value from 0 (worst) to 1 (best), or None where it does not apply. The weights are the
project's own; what they are held to is that scripted doctors of three grades come out in their order
(`validated: local`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from clinicenv.clinic.names import same_diagnosis
from clinicenv.events import Diagnose, Heard, Plan, Trajectory
from clinicenv.scenario import Scenario
from clinicenv.score.process import Mark, Process, has, item_of, process, said_in

Value = float | None

HISTORY = (
    "onset", "site", "character", "radiation", "severity", "timing", "exacerbating", "relieving",
    "association", "course",
)  # fmt: skip
"""What is asked of a presenting complaint."""

PERSON = ("ideas", "concerns", "expectations", "impact", "work", "home", "support", "function", "mood")
"""Questions about the person and not the disease."""

SYSTEMS = 5
"""Systems, or symptoms beside the complaint, that a thorough review asks about."""


@dataclass(frozen=True)
class Evidence:
    """What the log shows of a doctor's work."""

    scenario: Scenario
    trajectory: Trajectory

    @cached_property
    def marks(self) -> Process:
        return process(self.scenario, self.trajectory)

    @cached_property
    def _heard(self) -> list[tuple[int, int, Heard]]:
        return [(e.n, e.turn, e.what) for e in self.trajectory.events if isinstance(e.what, Heard)]

    @cached_property
    def acts(self) -> dict[str, list[int]]:
        """act -> the events, one for each turn in which it was done"""
        found: dict[str, dict[int, int]] = {}
        for n, turn, heard in self._heard:
            for act in heard.acts:
                found.setdefault(act, {}).setdefault(turn, n)
        return {act: list(turns.values()) for act, turns in found.items()}

    @cached_property
    def asked(self) -> dict[str, int]:
        """intents and concepts that were asked for -> the first event"""
        found: dict[str, int] = {}
        for n, _, heard in self._heard:
            for probe in heard.probes:
                for name in (probe.intent, probe.concept):
                    if name:
                        found.setdefault(name, n)
        return found

    @cached_property
    def symptoms(self) -> dict[str, int]:
        """concepts whose presence was asked for -> the last event"""
        asked = ((n, p) for n, _, heard in self._heard for p in heard.probes)
        return {p.concept: n for n, p in asked if p.intent == "presence" and p.concept}

    def times_asked(self, intent: str) -> tuple[int, ...]:
        """An event for each question with this intent."""
        return tuple(n for n, _, heard in self._heard for probe in heard.probes if probe.intent == intent)

    @cached_property
    def final(self) -> tuple[int, Diagnose] | None:
        return next(
            ((e.n, e.what) for e in reversed(self.trajectory.events) if isinstance(e.what, Diagnose)), None
        )

    @property
    def plan(self) -> Plan:
        return self.final[1].plan if self.final else Plan()

    @cached_property
    def picked_up(self) -> list[int]:
        return [n for n, _, heard in self._heard if heard.picked_up]

    @cached_property
    def agreed(self) -> list[int]:
        return [n for n, _, heard in self._heard if heard.agreed]

    def did(self, *acts: str) -> bool:
        return any(act in self.acts for act in acts)

    def turns_with(self, *acts: str) -> int:
        """In how many turns any of the acts was done."""
        return len({self.trajectory.events[n].turn for act in acts for n in self.acts.get(act, ())})

    def of(self, *names: str) -> tuple[int, ...]:
        """The events of acts and questions, in order."""
        acts = [n for name in names for n in self.acts.get(name, ())]
        return tuple(sorted({*acts, *(self.asked[name] for name in names if name in self.asked)}))


Rule = Callable[[Evidence], tuple[Value, tuple[int, ...]]]


def _sum(parts: Iterable[tuple[float, bool]]) -> float:
    return sum(weight for weight, held in parts if held)


def _rude(e: Evidence) -> float:
    return 0.5 * len(e.acts.get("hostile", ()))


def _polite(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    value = 0.5 + _sum([(0.25, e.did("greet")), (0.25, e.did("close"))]) - _rude(e)
    return value, e.of("greet", "close", "hostile")


def _at_ease(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    kind = [(0.25, e.did("greet")), (0.4, e.did("empathise")), (0.15, e.did("validate", "reassure"))]
    value = _sum([*kind, (0.2, e.did("close"))]) - _rude(e)
    return value, e.of("greet", "empathise", "validate", "reassure", "close", "hostile")


def _listening(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    openly = min(e.turns_with("ask_open"), 3) / 3
    value = 0.5 * openly + _sum([(0.3, e.did("summarise")), (0.2, bool(e.picked_up) or e.did("clarify"))])
    value -= 0.1 * e.turns_with("leading") + 0.05 * (e.marks.repeats.value or 0)
    return value, (*e.of("ask_open", "summarise", "clarify", "leading"), *e.picked_up)


def _assessing(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    return _mean([(0.7, e.marks.history_asked), (0.3, e.marks.examination)])


def _explaining(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    told = e.did("explain", "diagnose") or bool(e.plan.explanation)
    value = _sum([(0.4, told), (0.2, e.did("plan")), (0.2, e.did("safety_net"))])
    value += 0.2 * (told and not e.did("jargon")) - 0.2 * e.turns_with("jargon")
    return value, e.of("explain", "diagnose", "plan", "safety_net", "jargon")


def _involving(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    asks = [(0.4, e.did("consent")), (0.3, "expectations" in e.asked), (0.15, "ideas" in e.asked)]
    value = _sum([*asks, (0.15, bool(e.agreed) or e.did("explain"))]) - _rude(e)
    return value, (*e.of("consent", "expectations", "ideas", "explain"), *e.agreed)


def _arranging(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    planned = e.marks.management.value
    if planned is None:
        return None, ()
    value = 0.6 * min(1.0, 2 * planned) + _sum([(0.2, bool(e.marks.safety_net.value)), (0.2, bool(e.plan))])
    return value, (*e.marks.management.events, *e.marks.safety_net.events)


def _see_again(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    """By the trust that is left at the end; half of it is what the usual patient begins with."""
    outcome = e.trajectory.outcome
    left = outcome.reason == "patient_left" if outcome else False
    return (None if outcome is None else 0.0 if left else float(outcome.trust)), e.of("empathise", "hostile")


def _rapport(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    value = float(e.did("empathise", "validate") and not e.did("hostile"))
    return value, e.of("empathise", "validate", "hostile")


def _partnership(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    value = float((e.did("consent") or "expectations" in e.asked) and not e.did("hostile"))
    return value, e.of("consent", "expectations", "hostile")


def _commitment(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    value = float(bool(e.marks.safety_net.value) and e.did("empathise", "reassure", "validate"))
    return value, (*e.marks.safety_net.events, *e.of("empathise", "reassure", "validate"))


def _greeting(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    """Within the doctor's first two turns."""
    early = tuple(n for n in e.acts.get("greet", ()) if e.trajectory.events[n].turn <= 2)
    return float(bool(early)), early


def _language(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    """One word of jargon may slip out."""
    silent = not e.asked and not e.acts
    return (None if silent else 1 - 0.3 * e.turns_with("jargon")), e.of("jargon")


def _participation(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    own = any(name in e.asked for name in ("ideas", "concerns", "expectations", "anything_else"))
    return float(e.did("ask_open") and own), e.of("ask_open", "ideas", "concerns", "expectations")


def _valuing(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    asked = [name for name in PERSON if name in e.asked]
    return len(asked) / 4, e.of(*asked)


def _concerns(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    verdict = e.trajectory.verdict
    parts = [(0.4, "concerns" in e.asked or bool(e.picked_up)), (0.2, "ideas" in e.asked)]
    parts += [(0.2, "expectations" in e.asked), (0.2, bool(verdict and verdict.questions_resolved))]
    return _sum(parts) - _rude(e), (*e.of("concerns", "ideas", "expectations"), *e.picked_up)


def _empathy(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    value = (0.0, 0.5, 0.75, 1.0)[min(e.turns_with("empathise", "validate"), 3)]
    return value - _rude(e), e.of("empathise", "validate", "hostile")


def _welfare(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    parts = [(0.3, e.did("consent")), (0.3, bool(e.marks.safety_net.value)), (0.2, e.did("empathise"))]
    value = _sum([*parts, (0.2, not e.did("hostile"))]) - _rude(e)
    return value, e.of("consent", "safety_net", "empathise", "hostile")


def _presenting_complaint(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    asked = [name for name in HISTORY if name in e.asked]
    return min(1.0, len(asked) / 6), e.of(*asked)


def _systems_review(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    systems = [name for name in e.asked if name.startswith("ros_")]
    return min(1.0, (len(systems) + len(e.symptoms)) / SYSTEMS), (*e.of(*systems), *e.symptoms.values())


def _past_history(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    parts = [(0.6, "pmh" in e.asked), (0.2, "surgery" in e.asked), (0.2, "previous_episodes" in e.asked)]
    return _sum(parts), e.of("pmh", "surgery", "previous_episodes")


def _family_history(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    """One question does for most; a second, e.g. for a disease or for the parents, makes it thorough."""
    events = e.times_asked("family")
    return min(1.0, 0.6 * min(len(events), 1) + 0.4 * max(len(events) - 1, 0)), events


def _medication_history(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    more = any(name in e.asked for name in ("drugs", "dose", "adherence"))
    parts = [(0.45, "medicines" in e.asked), (0.45, "allergy" in e.asked), (0.1, more)]
    return _sum(parts), e.of("medicines", "allergy", "drugs", "dose", "adherence")


def _clear(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    talked = bool(e.acts or e.asked)
    parts = [(0.4, e.did("explain", "diagnose", "plan")), (0.3, e.did("summarise"))]
    value = _sum([*parts, (0.3, talked and not e.did("jargon"))]) - 0.1 * e.turns_with("jargon")
    return value, e.of("explain", "diagnose", "plan", "summarise", "jargon")


def _differential(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    verdict = e.trajectory.verdict
    if verdict is None or e.scenario.answer.diagnosis is None:
        return None, ()
    sensible = [r for r in verdict.ranks if r.verdict not in ("wrong", "undecided")]
    more = min(len(sensible), 3) / 3
    return 0.7 * verdict.credit + 0.3 * more, (e.final[0],) if e.final else ()


def _candidates(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    """Of the answer, the dangers, and the differentials that are likely or earn credit: who is listed."""
    answer = e.scenario.answer
    if answer.diagnosis is None:
        return None, ()
    own = answer.diagnosis
    wanted = [(own.name, (*own.synonyms, *own.abbreviations, *own.subtypes))]
    wanted += [(d.name, d.synonyms) for d in answer.differentials if d.credit > 0 or d.plausibility >= 0.2]
    wanted += [(d.name, d.synonyms) for d in answer.must_not_miss]
    said = e.final[1].differential if e.final else ()
    named = sum(any(same_diagnosis(s, name, others) for s in said) for name, others in wanted)
    return min(1.0, 2 * named / len(wanted)), (e.final[0],) if e.final else ()


def _management(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    planned = e.marks.management.value
    if planned is None:
        return None, ()
    value = 0.6 * min(1.0, 2 * planned)
    value += _sum([(0.2, bool(e.marks.safety_net.value)), (0.2, bool(e.plan.follow_up or e.plan.escalation))])
    return value - 0.25 * (e.marks.harm.value or 0), (*e.marks.management.events, *e.marks.harm.events)


def _enabling(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    parts = [(0.4, bool(e.marks.safety_net.value)), (0.3, e.did("explain", "plan"))]
    parts += [(0.3, any(name in e.asked for name in ("expectations", "support", "adherence", "function")))]
    return _sum(parts), e.of("safety_net", "explain", "plan", "expectations", "support", "function")


def _investigations(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    return e.marks.essential.value, e.marks.essential.events


def _investigations_avoided(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    unfit = (e.marks.low_value.value or 0) + (e.marks.harmful.value or 0)
    return float(not unfit), (*e.marks.low_value.events, *e.marks.harmful.events)


def _treatments(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    wanted = [item for item in map(item_of, e.scenario.plan.treatment) if item.words]
    if not wanted:
        return None, ()
    said = said_in((e.plan.treatment, e.plan.text))
    got = sum(has(said, item) for item in wanted)
    return got / len(wanted), (e.final[0],) if e.final and got else ()


def _treatments_avoided(e: Evidence) -> tuple[Value, tuple[int, ...]]:
    return (float(not e.marks.harm.value) if e.plan else None), e.marks.harm.events


def _mean(parts: list[tuple[float, Mark]]) -> tuple[Value, tuple[int, ...]]:
    known = [(weight, mark.value) for weight, mark in parts if mark.value is not None]
    whole = sum(weight for weight, _ in known)
    events = tuple(n for _, mark in parts for n in mark.events)
    return (sum(weight * value for weight, value in known) / whole if whole else None), events


OF_A_DIAGNOSIS = frozenset({
    "assessing", "arranging", "presenting_complaint", "systems_review", "past_history", "family_history",
    "medication_history", "differential", "candidates", "management", "investigations",
    "investigations_avoided", "treatments", "treatments_avoided",
})  # fmt: skip
"""Rules about finding out what is wrong and treating it."""

RULES: dict[str, Rule] = {
    "polite": _polite,
    "at_ease": _at_ease,
    "listening": _listening,
    "assessing": _assessing,
    "explaining": _explaining,
    "involving": _involving,
    "arranging": _arranging,
    "see_again": _see_again,
    "rapport": _rapport,
    "partnership": _partnership,
    "commitment": _commitment,
    "greeting": _greeting,
    "language": _language,
    "participation": _participation,
    "valuing": _valuing,
    "concerns": _concerns,
    "empathy": _empathy,
    "welfare": _welfare,
    "presenting_complaint": _presenting_complaint,
    "systems_review": _systems_review,
    "past_history": _past_history,
    "family_history": _family_history,
    "medication_history": _medication_history,
    "clear": _clear,
    "differential": _differential,
    "candidates": _candidates,
    "management": _management,
    "enabling": _enabling,
    "investigations": _investigations,
    "investigations_avoided": _investigations_avoided,
    "treatments": _treatments,
    "treatments_avoided": _treatments_avoided,
}
