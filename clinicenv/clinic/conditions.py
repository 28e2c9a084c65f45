"""What a log shows of the conditions of checklists and goals, and whether they are met."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clinicenv.clinic.agenda import says
from clinicenv.clinic.answers import OPEN_INTENTS
from clinicenv.clinic.names import same_diagnosis, stems
from clinicenv.events import PLAN_FIELDS, Diagnose, Event, Heard, Leave, Plan, Report, Role, Say
from clinicenv.scenario import Condition, Conditions, Scenario


@dataclass(frozen=True, slots=True)
class Shown:
    """What a log shows, as far as conditions ask for it."""

    asked: frozenset[str]
    """facts and concepts that questions were about; open questions are about none of their facts"""
    told: frozenset[str]
    examined: frozenset[str]
    ordered: frozenset[str]
    acts: frozenset[str]
    diagnosed: tuple[str, ...]
    plan: tuple[frozenset[str], ...]
    """the words of each clause of the plan that does not advise against something"""
    lines: tuple[str, ...] = ()
    """what the doctor said"""
    picked_up: frozenset[str] = frozenset()
    corrected: frozenset[str] = frozenset()
    agreed: frozenset[str] = frozenset()


def gather(events: Iterable[Event]) -> Shown:
    """What these events show; give it the part of the log that counts, e.g. up to a turn."""
    asked, told, examined, ordered, acts = set[str](), set[str](), set[str](), set[str](), set[str]()
    agenda = {kind: set[str]() for kind in ("picked_up", "corrected", "agreed")}
    lines: list[str] = []
    final: Diagnose | None = None
    for event in events:
        what = event.what
        if isinstance(what, Heard):
            acts.update(what.acts)
            for kind, ids in agenda.items():
                ids.update(getattr(what, kind))
            for probe in what.probes:
                asked.update([probe.concept] if probe.concept else [])
                whole = probe.intent in OPEN_INTENTS and probe.concept in (None, "main_problem")
                asked.update(() if whole else probe.facts)
        elif isinstance(what, Say) and event.role is Role.PATIENT:
            told.update(what.ids)
        elif isinstance(what, (Say, Leave)) and event.role is Role.DOCTOR:
            lines.append(what.text)
        elif isinstance(what, Report):
            for result in what.results:
                (examined if result.kind == "exam" else ordered).update(result.ids)
        elif isinstance(what, Diagnose):
            final = what
    return Shown(
        frozenset(asked),
        frozenset(told),
        frozenset(examined),
        frozenset(ordered),
        frozenset(acts),
        final.differential if final else (),
        _clauses(final.plan) if final else (),
        tuple(lines),
        **{kind: frozenset(ids) for kind, ids in agenda.items()},
    )


_CLAUSE = re.compile(r"[.;,\n]| but | then ", re.IGNORECASE)
AGAINST = re.compile(
    r"\b(?:no|not|avoid\w*|without|stop\w*|never|withhold\w*|hold|none|cannot|defer\w*|refrain\w*|harmful"
    r"|contraindicated|unnecessary|ruled out|(?:advis\w*|recommend\w*|decid\w*) against|\w+n['\u2019]t)\b",
    re.IGNORECASE,
)
"""Words of a plan that advise against what stands beside them."""

_AT_ONCE = re.compile(
    r"\b(?:without (?:any )?delay|(?:do not|don['\u2019]t) (?:wait|delay)|no delay)\b", re.IGNORECASE
)


def plainly(text: str) -> str:
    """The text with `at once` for `without delay` and the like, which advise against nothing."""
    return _AT_ONCE.sub("at once", text)


def _clauses(plan: Plan) -> tuple[frozenset[str], ...]:
    texts = (getattr(plan, name) for name in ("text", *PLAN_FIELDS))
    clauses = (c for text in texts for c in _CLAUSE.split(plainly(text)) if not AGAINST.search(c))
    return tuple(words for c in clauses if (words := stems(c)))


def met(scenario: Scenario, events: Iterable[Event], conditions: Conditions) -> bool:
    """Whether events meet conditions: all of `all`, and one of `any` where there are some."""
    return met_by(scenario, gather(events), conditions)


def met_by(scenario: Scenario, shown: Shown, conditions: Conditions) -> bool:
    """As `met`, for several conditions on the same events."""
    return all(_holds(scenario, shown, c) for c in conditions.all) and (
        not conditions.any or any(_holds(scenario, shown, c) for c in conditions.any)
    )


def _holds(scenario: Scenario, shown: Shown, condition: Condition) -> bool:
    (kind,) = condition.model_fields_set
    value = str(getattr(condition, kind))
    if kind == "diagnosed":
        synonyms = _synonyms(scenario, value)
        return any(same_diagnosis(said, value, synonyms) for said in shown.diagnosed)
    if kind == "planned":
        wanted = stems(value)
        return any(all(_has(clause, w) for w in wanted) for clause in shown.plan)
    if kind == "told":
        return any(says(line, value) for line in shown.lines)
    if kind == "examined":
        whole = "vitals" in shown.examined and value in scenario.exam.vitals
        return whole or value in shown.examined
    seen = {
        "asked": shown.asked,
        "reached": shown.told,
        "ordered": shown.ordered,
        "act": shown.acts,
        "picked_up": shown.picked_up,
        "corrected": shown.corrected,
        "agreed": shown.agreed,
    }
    return value in seen[kind]


def _has(clause: frozenset[str], word: str) -> bool:
    """Whether a clause has the word, or one that begins with it: `anticoagul` is in `anticoagulate`."""
    return word in clause or (len(word) >= 5 and any(w.startswith(word) for w in clause))


def _synonyms(scenario: Scenario, name: str) -> tuple[str, ...]:
    """Other names of a diagnosis that the scenario lists."""
    a = scenario.answer
    known = [(d.name, d.synonyms) for d in a.differentials]
    known += [(d.name, d.synonyms) for d in a.must_not_miss]
    if a.diagnosis:
        known.append((a.diagnosis.name, (*a.diagnosis.synonyms, *a.diagnosis.abbreviations)))
    return tuple(s for main, others in known if same_diagnosis(name, main, others) for s in (main, *others))
