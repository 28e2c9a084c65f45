"""The nearest solved case for a doctor to see: from a folder of scenarios that the user names.

Never the case itself, a twin of it, or a near copy: that would tell the answer.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clinicenv.agents.library import Ranking, need_bm25
from clinicenv.agents.lookup import plain
from clinicenv.events import DoorNote, Role, Say
from clinicenv.files import InputError
from clinicenv.scenario import Scenario, find_files, load_file
from clinicenv.story import Fact
from clinicenv.view import DoctorView, case_mark
from clinicenv.workup import Measured

NEAR_COPY = 90.0
"""Likeness (0..100, rapidfuzz's ratio) of door note and opening above which a case is no other case."""

LENGTH = 1500
"""Characters that an example has at most."""

_PARTS = {
    "Door note": 230,
    "Patient": 150,
    "History": 380,
    "Examination": 220,
    "Tests": 220,
    "Diagnosis": 140,
}
"""Characters of each part, about; with the words around them they stay below `LENGTH`."""

_INDICATED = ("essential", "reasonable", "low_value", "harmful")


@dataclass(frozen=True)
class Example:
    """A solved case."""

    scenario: Scenario

    @property
    def id(self) -> str:
        """The scenario's, for the log."""
        return self.scenario.id

    @cached_property
    def text(self) -> str:
        """Door note, opening, what history, examination and tests gave, and the diagnosis; short."""
        s, answer = self.scenario, self.scenario.answer.diagnosis
        assert answer
        parts = {
            "Door note": [s.setting.door_note],
            "Patient": [s.patient.opening[0]],
            "History": _history(s),
            "Examination": _examination(s),
            "Tests": _tests(s),
            "Diagnosis": [answer.name],
        }
        lines = [f"{name}: {_fitted(items, _PARTS[name])}" for name, items in parts.items()]
        start = "Another patient's case, solved, for comparison; yours may be quite different."
        return plain("\n".join([start, *(line for line in lines if not line.endswith(": "))]))


class Examples:
    """The solved cases of a folder. All files are read when it is made, so it is made once for a run.

    Raises InputError for a folder without scenarios that have a diagnosis, a file that is no scenario, two
    different files with one id, and where bm25s is not installed.
    """

    def __init__(self, folder: Path | str):
        need_bm25()
        found: dict[str, Scenario] = {}
        for path in find_files(Path(folder)):
            scenario = load_file(path)
            if scenario.answer.diagnosis is None:
                continue
            if found.setdefault(scenario.id, scenario).hash != scenario.hash:
                raise InputError(f"another file here has the id `{scenario.id}`; rename one", file=path)
        if not found:
            raise InputError("no scenario file (*.yaml) with a diagnosis in this folder", file=folder)
        self._examples = [Example(found[i]) for i in sorted(found)]
        self._starts = [_starts(e.scenario) for e in self._examples]
        self._ranking = Ranking([starts[0] for starts in self._starts])
        self._families = _families(found.values())

    @property
    def sha256(self) -> str:
        """16 hex digits that change with the content of any case, for the log."""
        hashes = "\n".join(e.scenario.hash for e in self._examples)
        return hashlib.sha256(hashes.encode()).hexdigest()[:16]

    def nearest(self, view: DoctorView) -> Example | None:
        """The case whose door note and opening line are nearest by BM25; None where no other case is left.

        The same at every turn of a consultation and in any process; equal scores come in order of id.
        """
        start = _start_of(view)
        for place, _ in self._ranking.best(start):
            example = self._examples[place]
            marks = self._families[example.id]
            if view.case not in marks and not any(_alike(start, own) for own in self._starts[place]):
                return example
        return None


def _families(scenarios: Iterable[Scenario]) -> dict[str, set[str]]:
    """By id, the marks of a scenario and of all that it is a twin of, over however many steps."""
    families: dict[str, set[str]] = {}
    for s in scenarios:
        joined = {s.id, s.lineage}
        for name in tuple(joined):
            joined |= families.get(name, set())
        for name in joined:
            families[name] = joined
    return {name: {case_mark(each) for each in family} for name, family in families.items()}


def _starts(s: Scenario) -> list[str]:
    """The door note with each of the openings that a patient may use."""
    return [_plain_start(s.setting.door_note, line) for line in s.patient.opening]


def _start_of(view: DoctorView) -> str:
    note = next((e.what.text for e in view.events if isinstance(e.what, DoorNote)), "")
    said = (e.what.text for e in view.events if e.role is Role.PATIENT and isinstance(e.what, Say))
    return _plain_start(note, next(said, ""))


def _plain_start(note: str, opening: str) -> str:
    return " ".join(re.findall(r"\w+", f"{note} {opening}".casefold()))


def _alike(one: str, other: str) -> bool:
    """Whether they are the same words, or nearly, in whatever order."""
    from rapidfuzz import fuzz

    return max(fuzz.ratio(one, other), fuzz.token_sort_ratio(one, other)) > NEAR_COPY


# A case in short


def _history(s: Scenario) -> Iterator[str]:
    """What the history gave, what matters most first."""
    key = {k.id for k in s.answer.key_facts} | set(s.answer.red_flags)
    for fact in sorted(s.facts.values(), key=lambda f: (f.id not in key, -f.salience)):
        if not fact.distractor:
            yield _fact(fact)


def _fact(fact: Fact) -> str:
    name = fact.concept.replace("_", " ")
    if not fact.present:
        return f"no {name}"
    if fact.slot == "present":
        return name if fact.value is None or fact.value.casefold() == name.casefold() else fact.value
    return f"{name}, {fact.slot}: {fact.value or fact.say[0]}"


def _examination(s: Scenario) -> Iterator[str]:
    for name, vital in s.exam.vitals.items():
        yield f"{name} {_number(vital.value)} {vital.unit}".rstrip()
    for finding in sorted(s.exam.findings, key=lambda f: not f.abnormal):
        yield finding.text


def _tests(s: Scenario) -> Iterator[str]:
    """Tests and images, the abnormal ones first, then those that a good doctor orders."""
    rows = []
    for test in s.tests:
        lines = [
            *([(test.name, test.result)] if test.result else []),
            *((c.name, c) for c in test.components),
        ]
        for name, result in lines:
            abnormal = result.flag not in (None, "normal")
            rows.append((not abnormal, _INDICATED.index(test.indicated), f"{name}: {_measured(result)}"))
    for image in s.images:
        rows.append((not image.findings, _INDICATED.index(image.indicated), f"{image.name}: {image.report}"))
    for _, rank, text in sorted(rows, key=lambda row: row[:2]):
        if rank < 2:
            yield text


def _measured(m: Measured) -> str:
    value = "" if m.value is None else f"{_number(m.value)} {m.unit}".strip()
    text = m.text or ""
    return text if value.casefold() in text.casefold() else f"{value}, {text}".removesuffix(", ")


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _fitted(items: Iterable[str], room: int) -> str:
    """The items that fit, on one line; of the first as much as fits. One that is too long is left out."""
    taken = ""
    for item in (" ".join(i.split()).rstrip(" .;") for i in items):
        if not taken and len(item) > room:
            taken = f"{item[:room].rsplit(' ', 1)[0]} ..."
        elif len(taken) + len(item) + 2 <= room:
            taken = f"{taken}; {item}" if taken else item
    return taken
