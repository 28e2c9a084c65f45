"""Lint rules on substance: values fit their flags, questions reach their facts, nothing needed is missing."""

import math
import re
from collections.abc import Iterator

from clinicenv.clinic.agenda import addressed
from clinicenv.clinic.lexicon import label, lexicon
from clinicenv.clinic.lint_case import Case, Finding, Where
from clinicenv.clinic.lookup import FactIndex
from clinicenv.clinic.router import read
from clinicenv.story import Fact
from clinicenv.workup import Measured

_NUMBER = re.compile(r"\s*[-+]?\d+(?:\.\d+)?\s*")
_PURE_NUMBER = re.compile(
    r"\b(?:pH|INR|ratio|(?:specific )?gravity|index|score|titre|titer)\b|FEV1/FVC", re.IGNORECASE
)
"""Quantities without a unit."""


def by_hand(case: Case) -> Iterator[Finding]:
    """Nothing that only a run puts into a case."""
    what = "is made by `clinicenv run --perturb`, not by hand; take it out"
    if case.scenario.perturbed:
        yield case.finding(("perturbed",), what)
    for n, image in enumerate(case.scenario.images):
        if image.altered:
            yield case.finding(("images", n, "altered"), what)
    for n, test in enumerate(case.scenario.tests):
        if test.comment:
            yield case.finding(("tests", n, "comment"), what)


def measured_values(case: Case) -> Iterator[Finding]:
    """Each value of a test: its unit, its range, and whether the flag says what the value says."""
    for n, test in enumerate(case.scenario.tests):
        if test.result:
            yield from _measured(case, ("tests", n, "result"), test.result, test.name)
        for m, line in enumerate(test.components):
            yield from _measured(case, ("tests", n, "components", m), line, line.name)


def vital_signs(case: Case) -> Iterator[Finding]:
    """A vital sign that is a number has a unit."""
    for name, vital in case.scenario.exam.vitals.items():
        number = _number(vital.value)
        where: Where = ("exam", "vitals", name)
        if number is not None and not math.isfinite(number):
            yield case.finding(where, f"{number} is no measurement; give a finite number")
        elif number is not None and not vital.unit:
            yield case.finding(
                where, f"no unit; write e.g. `{name}: {{value: {vital.value}, unit: ...}}`", "warning"
            )


def _number(value: float | str | None) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return value


def _measured(case: Case, where: Where, m: Measured, name: str) -> Iterator[Finding]:
    number, ref = _number(m.value), m.ref
    if number is None:
        if ref and m.value is not None:
            yield case.finding(
                (*where, "value"),
                "a reference range needs a number as value; put the words into `text`",
                "warning",
            )
        return
    if not math.isfinite(number):
        yield case.finding((*where, "value"), f"{number} is no measurement; give a finite number")
        return
    if not m.unit and not _PURE_NUMBER.search(name):
        yield case.finding(where, "a number without `unit`; add it", "warning")
    if ref is None:
        return
    if ref.low is None and ref.high is None:
        yield case.finding((*where, "ref"), "the range is empty; give `low`, `high` or both", "warning")
    elif ref.low is not None and ref.high is not None and ref.low > ref.high:
        yield case.finding(
            (*where, "ref"), f"`low` {ref.low:g} is above `high` {ref.high:g}; swap or correct them"
        )
    else:
        yield from _flag(case, where, m, number)


def _flag(case: Case, where: Where, m: Measured, number: float) -> Iterator[Finding]:
    low, high = (m.ref.low, m.ref.high) if m.ref else (None, None)
    side = (
        "low"
        if low is not None and number < low
        else "high"
        if high is not None and number > high
        else "normal"
    )
    place = {"low": "below", "high": "above", "normal": "inside"}[side]
    if m.flag is None:
        if side != "normal":
            yield case.finding(
                where, f"{number:g} is {place} the reference range; add `flag: {side}`", "warning"
            )
    elif m.flag != side and (side == "normal" or m.flag not in ("abnormal", "critical")):
        what = f"{number:g} is {place} the reference range but the flag is `{m.flag}`; correct one of them"
        yield case.finding((*where, "flag"), what, case.level)


def reaches(index: FactIndex, question: str, fact: Fact, turned_to: tuple[str, ...] = ()) -> bool:
    """Whether a question is understood as one for this fact, cold or while the talk is about it."""
    focuses = (None, fact.concept) if fact.concept in lexicon().concepts else (None,)
    probes = (probe for focus in focuses for probe in read(question, focus).probes)
    return any(fact.id in index.find(probe, turned_to) for probe in probes)


def reachable(case: Case) -> Iterator[Finding]:
    """Each key fact can be asked for, and each question variant asks for its fact."""
    index = FactIndex.of(case.scenario)
    keys = {k.id: n for n, k in enumerate(case.scenario.answer.key_facts)}
    for where, fact in case.facts():
        works = [
            reaches(index, question, fact, addressed(question, case.scenario.patient))
            for question in fact.question_variants
        ]
        for n, (question, good) in enumerate(zip(fact.question_variants, works, strict=True)):
            if not good:
                yield case.finding(
                    (*where, "question_variants", n),
                    f"`{question}` is not understood as a question for this fact; reword it",
                    "warning",
                )
        if fact.id in keys:
            yield from _key_fact(case, index, fact, keys[fact.id], any(works))


def _key_fact(case: Case, index: FactIndex, fact: Fact, n: int, asked: bool) -> Iterator[Finding]:
    name, where = label(fact.concept), ("answer", "key_facts", n)
    plain = (f"Tell me about {name}.", f"Do you have {name}?")
    if fact.disclosure == "never":
        what = f"the patient never tells `{fact.id}` (disclosure `never`); choose another key fact"
        yield case.finding(where, what, case.level)
    elif not asked and not any(reaches(index, question, fact) for question in plain):
        what = f"no question reaches `{fact.id}`; give that fact `question_variants` with its own words"
        yield case.finding(where, what, case.level)


def required_for_task(case: Case) -> Iterator[Finding]:
    """A case to diagnose has things to confuse and to consider; a question has a right answer."""
    s = case.scenario
    if s.task == "diagnose":
        counts = [
            (
                ("patient", "facts"),
                sum(f.distractor for _, f in case.facts()),
                2,
                "facts with `distractor: true`",
            ),
            (("answer", "differentials"), len(s.answer.differentials), 3, "differentials"),
            (("answer", "must_not_miss"), len(s.answer.must_not_miss), 1, "must_not_miss diagnosis"),
        ]
        for where, found, least, what in counts:
            if found < least:
                yield case.finding(
                    where, f"at least {least} {what} needed, found {found}; add some", case.level
                )
    if s.question and not s.question.accept and not any(o.correct for o in s.question.options):
        yield case.finding(
            ("question",),
            "no right answer; mark an option `correct: true` or list answers in `accept`",
            case.level,
        )


def storable(case: Case) -> Iterator[Finding]:
    """The case can be written down as JSON, which a run does."""
    try:
        _ = case.scenario.canonical
    except (ValueError, RecursionError):
        yield case.finding(("logic",), "nested too deeply for a run to store it; flatten or remove it")


def origin(case: Case) -> Iterator[Finding]:
    """A source is named, the file is named like the case, and known faults of imported data are shown."""
    s = case.scenario
    if not s.meta.sources:
        what = "no source; name at least one that the content was checked against"
        yield case.finding(("meta", "sources"), what, case.level)
    if case.file.stem != s.id:
        what = f"the file is `{case.file.name}`; rename it to `{s.id}.yaml` or change the id"
        yield case.finding(("id",), what, "warning")
    for n, flag in enumerate(s.imported.flags if s.imported else ()):
        yield case.finding(("imported", "flags", n), f"known fault of the imported data: {flag}", "warning")
