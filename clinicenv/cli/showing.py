"""What `clinicenv scenarios show` shows of a case, with and without its answer key."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from clinicenv.clinic.lint_text import names_answer
from clinicenv.scenario import Scenario
from clinicenv.workup import Image, Measured, Test

HIDDEN = "(hidden: could name the answer; --answer shows it)"

Rows: TypeAlias = tuple[Sequence[str], list[Sequence[Any]]]
Part: TypeAlias = str | Rows
"""A line of text, or the columns and rows of a table."""

_KEY = ("answer", "plan", "checklist", "goals", "logic", "knowledge", "imported")
_RESULT = ("result", "components", "report", "findings", "alt_text")
_KEY_OF_TEST = ("supports", "indicated", "report_reveals")


def as_data(s: Scenario, answer: bool) -> dict[str, Any]:
    """The scenario as JSON data; without `answer` no key, no right option and no result that names it."""
    data = s.model_dump(mode="json", exclude_defaults=True)
    if answer:
        return data
    for name in _KEY:
        data.pop(name, None)
    data["meta"].pop("sources", None)  # their titles and addresses name the disease
    orders: list[Test | Image] = [*s.tests, *s.images]
    for shown, item in zip([*data.get("tests", ()), *data.get("images", ())], orders, strict=True):
        for name in _KEY_OF_TEST:
            shown.pop(name, None)
        if item.report_reveals:
            for name in _RESULT:
                shown.pop(name, None)
            shown["hidden"] = True
    if "question" in data:
        data["question"].pop("accept", None)
        for option in data["question"].get("options", ()):
            option.pop("correct", None)
    masked: dict[str, Any] = _masked(s, data)
    return masked


def _masked(s: Scenario, data: Any) -> Any:
    """The data without texts that name the answer, which a bad case may have anywhere."""
    if isinstance(data, str):
        return HIDDEN if names_answer(s, data) else data
    if isinstance(data, dict):
        return {key: _masked(s, value) for key, value in data.items()}
    return [_masked(s, value) for value in data] if isinstance(data, list | tuple) else data


def parts(s: Scenario, answer: bool) -> Iterator[Part]:
    """The case for a reader, piece by piece."""
    for part in (*_patient(s), *_agenda(s), *_measurements(s, answer), *_question(s, answer)):
        if answer or isinstance(part, str):
            yield part if answer else _masked(s, part)
        else:
            yield part[0], _masked(s, part[1])
    if answer:
        yield from _key(s)


def _patient(s: Scenario) -> Iterator[Part]:
    p, who = s.patient, s.patient.identity
    yield f"{s.id}: {s.title}"
    yield f"{s.meta.specialty}, {s.task}, split {s.meta.split}, difficulty {s.meta.difficulty} of 5"
    yield ""
    yield f"Door note: {s.setting.door_note}"
    yield f"Patient: {who.name}, {', '.join(filter(None, (f'{who.age:g} years', who.sex, who.occupation)))}"
    if p.informant != "self":
        yield f"Speaks for the patient: {p.informant} {p.informant_name or ''}"
    yield f"Appearance: {p.appearance}"
    yield from (f"Opening: {line}" for line in p.opening)
    yield (
        ("fact", "concept", "slot", "disclosure", "says"),
        [(f.id, f.concept, f.slot, f.disclosure, f.say[0]) for f in s.facts.values()],
    )


def _agenda(s: Scenario) -> Iterator[Part]:
    p = s.patient
    yield from (f"In the room: {o.name}, {o.relation} (`{o.id}`)" for o in p.others)
    yield from (f"Asks: {q.ask} (from turn {q.when.after_turn + 1} on)" for q in p.questions)
    yield from (f"Cue `{c.id}`: {c.say}" for c in p.cues)
    yield from (f"False belief `{b.id}`: {b.holds}" for b in p.beliefs)
    yield from (f"Decision `{d.id}`: {d.agrees} / {d.refuses}" for d in p.decisions)


def _measurements(s: Scenario, answer: bool) -> Iterator[Part]:
    if s.exam.vitals:
        vitals = (f"{name} {_plain(v.value)} {v.unit}".strip() for name, v in s.exam.vitals.items())
        yield f"Vital signs: {', '.join(vitals)}"
    if s.exam.findings:
        yield ("finding", "system", "shows"), [(f.id, f.system, f.text) for f in s.exam.findings]
    orders: list[Test | Image] = [*s.tests, *s.images]
    if orders:
        yield (
            ("test", "name", "cost", "minutes", "shows"),
            [
                (
                    t.id,
                    t.name,
                    f"{t.cost:g}",
                    t.minutes,
                    result_line(t) if answer or not t.report_reveals else HIDDEN,
                )
                for t in orders
            ],
        )


def _question(s: Scenario, answer: bool) -> Iterator[Part]:
    if s.question:
        yield f"Question: {s.question.put}"
        for option in s.question.options:
            yield f"  {option.id}: {option.text}{' (right)' if answer and option.correct else ''}"
        if s.question.pair:
            yield f"Right only together with the other question of pair {s.question.pair}"


def result_line(item: Test | Image) -> str:
    """A result on one line."""
    if isinstance(item, Image):
        return item.report
    named = [("", item.result)] if item.result else []
    return "; ".join(
        f"{name} {_measured(m)}".strip() for name, m in [*named, *((c.name, c) for c in item.components)]
    )


def _measured(m: Measured) -> str:
    low, high = ("" if b is None else f"{b:g}" for b in ((m.ref.low, m.ref.high) if m.ref else (None, None)))
    ref = f"({low}-{high})" if m.ref else ""
    flag = m.flag if m.flag not in (None, "normal") else ""
    value = " ".join(filter(None, (_plain(m.value), m.unit, ref, flag)))
    return "; ".join(filter(None, (value, m.text)))


def _plain(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, float | int) else value or ""


def _key(s: Scenario) -> Iterator[Part]:
    a = s.answer
    yield ""
    if a.diagnosis:
        others = ", ".join((*a.diagnosis.synonyms, *a.diagnosis.abbreviations))
        yield f"Answer: {a.diagnosis.name}{f' (also: {others})' if others else ''}"
    if s.question and s.question.accept:
        yield f"Accepted answers: {', '.join(s.question.accept)}"
    if a.differentials:
        yield ("differential", "credit"), [(d.name, d.credit) for d in a.differentials]
    if a.must_not_miss:
        yield (
            ("must not miss", "ruled out by"),
            [(m.name, ", ".join(m.ruled_out_by)) for m in a.must_not_miss],
        )
    if a.key_facts:
        yield "Key facts: " + ", ".join(f"{k.id} ({k.weight:g})" for k in a.key_facts)
    if a.red_flags:
        yield "Red flags: " + ", ".join(a.red_flags)
    for name in ("immediate", "investigations", "treatment", "referral", "safety_net"):
        if lines := getattr(s.plan, name):
            yield f"Plan, {name.replace('_', ' ')}: {'; '.join(lines)}"
    if s.plan.disposition:
        yield f"Plan, disposition: {s.plan.disposition}"
    if s.plan.avoid:
        yield "Plan, avoid: " + "; ".join(f"{x.item} (harm {x.harm})" for x in s.plan.avoid)
    if s.checklist:
        yield (
            ("checklist", "domain", "points", "critical", "item"),
            [(c.id, c.domain, f"{c.points:g}", "yes" if c.critical else "", c.text) for c in s.checklist],
        )
    if s.goals:
        yield ("goal", "points", "text"), [(g.id, f"{g.points:g}", g.text) for g in s.goals]
