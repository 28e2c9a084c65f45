"""Lint rules on the patient's agenda, and on what a twin may change."""

from collections.abc import Iterator
from typing import Any

from clinicenv.clinic.agenda import says
from clinicenv.clinic.lexicon import normalise
from clinicenv.clinic.lint_case import Case, Finding, Where
from clinicenv.files import InputError
from clinicenv.scenario import load_file

_MAY_DIFFER = frozenset({"id", "twin_of", "differs_in", "title", "meta"})
"""Fields in which a twin is free; beside them come the declared ones, the door note and the appearance."""


def agenda_references(case: Case) -> Iterator[Finding]:
    """Informants, beliefs and the words that are listened for."""
    patient = case.scenario.patient
    others, beliefs = {o.id for o in patient.others}, {b.id for b in patient.beliefs}
    named: list[tuple[Where, str, str, set[str]]] = [
        ((*where, "unlock", "informant"), "informant", fact.unlock.informant, others)
        for where, fact in case.facts()
        if fact.unlock and fact.unlock.informant
    ]
    for n, decision in enumerate(patient.decisions):
        where: Where = ("patient", "decisions", n)
        if decision.maker:
            named.append(((*where, "maker"), "informant", decision.maker, others))
        named += [
            ((*where, "needs", "corrected", m), "belief", name, beliefs)
            for m, name in enumerate(decision.needs.corrected)
        ]
    for at, kind, name, known in named:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            yield case.finding(at, f"there is no {kind} `{name}` (there are: {listed}); correct it or add it")
    for at, words in _words(case):
        if not says(words, words, stated=False):
            yield case.finding(at, f"`{words}` can never be heard: it holds only small words; name the thing")
        elif len(normalise(words)) == 1 < len(words.split()):
            what = f"of `{words}` only `{normalise(words)[0]}` is listened for; add a word that matters"
            yield case.finding(at, what, "warning")


def _words(case: Case) -> Iterator[tuple[Where, str]]:
    patient = case.scenario.patient
    for n, belief in enumerate(patient.beliefs):
        yield from (
            (("patient", "beliefs", n, "corrected_by", m), w) for m, w in enumerate(belief.corrected_by)
        )
    for n, decision in enumerate(patient.decisions):
        at: Where = ("patient", "decisions", n)
        yield from (((*at, "asked_by", m), w) for m, w in enumerate(decision.asked_by))
        yield from (((*at, "needs", "told", m), w) for m, w in enumerate(decision.needs.told))
    for where, condition in case.conditions():
        if condition.told:
            yield (*where, "told"), condition.told


def twin(case: Case) -> Iterator[Finding]:
    """A twin is the other case but for the declared attribute, and what shows it."""
    s = case.scenario
    if s.twin_of is None:
        if s.differs_in:
            yield case.finding(("differs_in",), "only a twin differs; name the other case in `twin_of`")
        return
    if s.twin_of == s.id:
        yield case.finding(("twin_of",), "a scenario is no twin of itself; name the other one or remove this")
        return
    file = case.file.with_name(f"{s.twin_of}.yaml")
    try:
        other = load_file(file)
    except (InputError, OSError):
        yield case.finding(("twin_of",), f"there is no {file.name} beside this file; put the two together")
        return
    own, theirs = (x.model_dump(mode="json") for x in (s, other))
    if s.meta.split != other.meta.split:
        yield case.finding(
            ("meta", "split"), f"twins belong to one split; {other.id} is in {other.meta.split}"
        )
    for path in sorted(_differing(own, theirs)):
        if path[0] in _MAY_DIFFER or path in (("setting", "door_note"), ("patient", "appearance")):
            continue
        if path[:2] != ("patient", "identity"):
            yield case.finding(path, f"a twin must not differ here from {other.id}; make it the same")
        elif path[2] not in s.differs_in:
            yield case.finding(
                path, f"differs from {other.id}; add `{path[2]}` to `differs_in` or make it the same"
            )
    for n, name in enumerate(s.differs_in):
        if own["patient"]["identity"].get(name) == theirs["patient"]["identity"].get(name):
            yield case.finding(
                ("differs_in", n), f"`{name}` is the same in {other.id}; change it or take it out"
            )


def _differing(own: Any, other: Any, path: tuple[int | str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(own, dict) and isinstance(other, dict):
        for key in own.keys() | other.keys():
            yield from _differing(own.get(key), other.get(key), (*path, key))
    elif isinstance(own, list) and isinstance(other, list) and len(own) == len(other):
        for n, (a, b) in enumerate(zip(own, other, strict=True)):
            yield from _differing(a, b, (*path, n))
    elif own != other:
        yield path
