"""Lint rules on names: ids are unique, and whatever a scenario refers to is there."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from clinicenv.clinic.lexicon import lexicon
from clinicenv.clinic.lint_case import Case, Finding, Where
from clinicenv.files import did_you_mean
from clinicenv.scenario import Condition, Conditions
from clinicenv.workup import UNITS

_AGENDA = ("others", "cues", "beliefs", "decisions")

FORMS = frozenset({"ask_open", "ask_closed", "ask_choice"})
"""Acts that the router reads off the form of a question, not off words of the lexicon."""


def acts() -> set[str]:
    """Every dialogue act that the router can hear."""
    return {*lexicon().act_table.names.values(), *FORMS}


def unique_ids(case: Case) -> Iterator[Finding]:
    """An id stands once among the things that share its namespace."""
    s = case.scenario
    options = s.question.options if s.question else ()
    groups: list[list[tuple[Where, str]]] = [
        [(where, fact.id) for where, fact in case.facts()],
        _ids(("exam", "findings"), s.exam.findings),
        _ids(("tests",), s.tests) + _ids(("images",), s.images),
        _ids(("checklist",), s.checklist),
        _ids(("goals",), s.goals),
        *(_ids(("patient", kind), getattr(s.patient, kind)) for kind in _AGENDA),
        _ids(("question", "options"), options),
    ]
    for group in groups:
        first: dict[str, Where] = {}
        for where, name in group:
            if name in first:
                line = case.document.line((*first[name], "id"))
                yield case.finding(
                    (*where, "id"), f"`{name}` is already used in line {line}; give it another id"
                )
            first.setdefault(name, where)


def _ids(where: Where, items: Iterable[Any]) -> list[tuple[Where, str]]:
    return [((*where, n), item.id) for n, item in enumerate(items)]


def fact_references(case: Case) -> Iterator[Finding]:
    """Opening facts, key facts and red flags name facts; opening facts are spontaneous ones."""
    s, facts = case.scenario, case.scenario.facts
    for n, name in enumerate(s.patient.opening_facts):
        where = ("patient", "opening_facts", n)
        if name not in facts:
            yield _unknown(case, where, "fact", name, facts)
        elif facts[name].disclosure != "spontaneous":
            yield case.finding(
                where,
                f"`{name}` is told by the opening but its disclosure is `{facts[name].disclosure}`;"
                " make it `spontaneous` or take it out",
            )
    for n, key in enumerate(s.answer.key_facts):
        if key.id not in facts:
            yield _unknown(case, ("answer", "key_facts", n, "id"), "fact", key.id, facts)
    for n, name in enumerate(s.answer.red_flags):
        if name not in facts:
            yield _unknown(case, ("answer", "red_flags", n), "fact", name, facts)


def exclusions(case: Case) -> Iterator[Finding]:
    """Each `ruled_out_by` is `test:`, `finding:`, `image:` or `fact:` and an id of that kind."""
    kinds = _kinds(case)
    for n, missed in enumerate(case.scenario.answer.must_not_miss):
        for m, by in enumerate(missed.ruled_out_by):
            where = ("answer", "must_not_miss", n, "ruled_out_by", m)
            kind, colon, name = by.partition(":")
            if not colon or kind not in kinds:
                known = ", ".join(f"`{k}:ID`" for k in kinds)
                yield case.finding(where, f"`{by}` says not what it is; write one of {known}")
            elif name not in kinds[kind]:
                yield _unknown(case, where, kind, name, kinds[kind])


def _kinds(case: Case) -> dict[str, set[str]]:
    s = case.scenario
    return {
        "test": {t.id for t in s.tests},
        "finding": {f.id for f in s.exam.findings},
        "image": {i.id for i in s.images},
        "fact": set(s.facts),
    }


def other_references(case: Case) -> Iterator[Finding]:
    """The question's image, and what a checklist item must come before."""
    s, kinds = case.scenario, _kinds(case)
    if s.question and s.question.image and s.question.image not in kinds["image"]:
        yield _unknown(case, ("question", "image"), "image", s.question.image, kinds["image"])
    known = {*(c.id for c in s.checklist), *(name for names in kinds.values() for name in names)}
    for n, item in enumerate(s.checklist):
        if item.before and item.before not in known:
            yield _unknown(case, ("checklist", n, "before"), "id", item.before, known)
    goals = {g.id for g in s.goals}
    for n, goal in enumerate(s.goals):
        if goal.before and goal.before not in goals - {goal.id}:
            yield _unknown(case, ("goals", n, "before"), "other goal", goal.before, goals)


def act_names(case: Case) -> Iterator[Finding]:
    """Wherever a dialogue act is named, the lexicon has it."""
    known = acts()
    for where, name in _named_acts(case):
        if name not in known:
            yield _unknown(case, where, "dialogue act", name, known)


def _named_acts(case: Case) -> Iterator[tuple[Where, str]]:
    patient = case.scenario.patient
    lists: list[tuple[Where, tuple[str, ...]]] = [
        ((*where, "unlock", "after"), fact.unlock.after) for where, fact in case.facts() if fact.unlock
    ]
    lists += [
        (("patient", "questions", n, "satisfied_by"), q.satisfied_by) for n, q in enumerate(patient.questions)
    ]
    lists.append((("patient", "challenge", "defused_by"), patient.challenge.defused_by))
    lists += [(("patient", "cues", n, "answered_by"), c.answered_by) for n, c in enumerate(patient.cues)]
    lists += [
        (("patient", "decisions", n, "needs", "acts"), d.needs.acts) for n, d in enumerate(patient.decisions)
    ]
    for where, names in lists:
        for n, name in enumerate(names):
            yield (*where, n), name
    for where, condition in case.conditions():
        if condition.act is not None:
            yield (*where, "act"), condition.act


def concept_ids(case: Case) -> Iterator[Finding]:
    """Facts, findings and denials use the lexicon's concepts."""
    exam, denied = case.scenario.exam, case.scenario.patient.denials.explicit
    used: list[tuple[Where, str]] = [((*where, "concept"), fact.concept) for where, fact in case.facts()]
    used += [
        (("exam", "findings", n, "concept"), f.concept) for n, f in enumerate(exam.findings) if f.concept
    ]
    used += [(("patient", "denials", "explicit", n), c) for n, c in enumerate(denied)]
    known = lexicon().concepts
    for where, concept in used:
        if concept not in known:
            yield _unknown(case, where, "concept", concept, known)


def attainable(case: Case) -> Iterator[Finding]:
    """What the checklist and the goals look for can happen in this case."""
    for where, condition in case.conditions():
        yield from _impossible(case, where, condition)
    for where, item in case.marks():
        if not _can_be_met(case, item.met_by):
            yield case.finding(
                (*where, "met_by"),
                f"`{item.id}` can never be met: it needs a fact that the patient never tells (disclosure"
                " `never`); accept another way or change the disclosure",
                case.level,
            )


def _impossible(case: Case, where: Where, condition: Condition) -> Iterator[Finding]:
    kinds, vitals = _kinds(case), {"vitals", *UNITS, *case.scenario.exam.vitals}
    targets: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
        "asked": ("fact or concept", lambda: {*kinds["fact"], *lexicon().concepts}),
        "reached": ("fact", lambda: kinds["fact"]),
        "examined": ("finding or vital sign", lambda: kinds["finding"] | vitals),
        "ordered": ("test or image", lambda: kinds["test"] | kinds["image"]),
        "picked_up": ("cue", lambda: {c.id for c in case.scenario.patient.cues}),
        "corrected": ("belief", lambda: {b.id for b in case.scenario.patient.beliefs}),
        "agreed": ("decision", lambda: {d.id for d in case.scenario.patient.decisions}),
    }
    for name, (what, known) in targets.items():
        wanted = getattr(condition, name)
        if wanted is not None and wanted not in known():
            yield _unknown(case, (*where, name), what, wanted, known())


def _can_be_met(case: Case, conditions: Conditions) -> bool:
    """Whether no fact that is never told stands in the way; unknown names are found elsewhere."""
    facts = case.scenario.facts

    def possible(condition: Condition) -> bool:
        fact = facts.get(condition.reached or "")
        return fact is None or fact.disclosure != "never"

    some = not conditions.any or any(map(possible, conditions.any))
    return some and all(map(possible, conditions.all))


def _unknown(case: Case, where: Where, kind: str, name: str, known: Iterable[str]) -> Finding:
    near = did_you_mean(name, set(known))
    return case.finding(where, f"there is no {kind} `{name}`{near}; {_FIX.get(kind, 'correct it or add it')}")


_FIX = {
    "concept": "use a concept of the lexicon",
    "dialogue act": "use an act that the router hears, e.g. `empathise`",
}
