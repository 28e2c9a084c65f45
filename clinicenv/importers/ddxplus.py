"""DDXPlus's synthetic patients (its patients CSV, with the two JSON files beside it) as scenarios.

Fansi Tchango et al., NeurIPS 2022 Datasets and Benchmarks, arXiv 2205.09148; CC BY 4.0. Each recorded
evidence becomes facts in our own words (`ddxplus_words.yaml`); the condition is the answer.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from clinicenv.clinic.lint_text import names_answer
from clinicenv.draws import CASE, Draws, pick
from clinicenv.files import InputError, printable
from clinicenv.importers.base import Conversion, Note
from clinicenv.importers.ddxplus_facts import History
from clinicenv.importers.ddxplus_rows import COLUMNS, BadRow, Release, Row, columns, lines, release, row
from clinicenv.importers.ddxplus_words import Named, Speaker, Words, vocabulary
from clinicenv.scenario import (
    Answer,
    Diagnosis,
    Differential,
    Imported,
    Meta,
    MustNotMiss,
    Scenario,
    Setting,
    Source,
)
from clinicenv.story import Identity, Patient

MOST_DIFFERENTIALS = 5
NAMES_ANSWER = "history-names-the-answer"
"""The flag of a case in which the patient says the answer."""

_GRAVE = 2
"""DDXPlus's severities run from 1 (most severe) to 5."""
_CHILD = 12
"""Years. Below this age a parent speaks."""
_SOURCE = Source(
    name="Contains data from DDXPlus (Fansi Tchango et al., 2022), CC BY 4.0, modified.",
    url="https://github.com/mila-iqia/ddxplus",
    license="CC-BY-4.0",
)
_SPLITS: tuple[tuple[str, Literal["train", "dev", "test"]], ...] = (
    ("train", "train"), ("valid", "dev"), ("test", "test"),
)  # fmt: skip


def convert(file: Path, images: Path | None = None) -> Conversion:
    """All patients of the CSV; a row that is none becomes one error in `bad`.

    InputError where the file or a JSON file beside it cannot be read, the columns are not DDXPlus's, or
    `images` is given: there are none.
    """
    if images:
        raise InputError("DDXPlus has no pictures; leave --images out")
    done = Conversion()
    rows = lines(file)
    header = next(rows, (0, []))[1]
    if isinstance(header, InputError):
        raise header
    where = columns(header, file)
    known = release(file.parent)
    done.notes += [Note(file, 1, c, "is no column of DDXPlus; left out") for c in header if c not in COLUMNS]
    for number, (line, cells) in enumerate(rows, 1):
        try:
            if isinstance(cells, InputError):
                raise cells
            if len(cells) != len(header):
                raise BadRow(f"the row has {len(cells)} cells, the header {len(header)}; mend the row")
            patient = row({name: cells[n] for name, n in where.items()}, known)
            scenario, notes = _scenario(patient, known, file, number, line)
        except InputError as e:
            done.bad.append(e)
        except BadRow as e:
            done.bad.append(InputError(str(e), file=file, line=line))
        except ValidationError as e:
            first = e.errors(include_url=False)[0]
            what = f"does not fit a scenario: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            done.bad.append(InputError(what, file=file, line=line))
        else:
            done.scenarios.append(scenario)
            done.notes += notes
    if not done.scenarios and not done.bad:
        raise InputError("no patient in this file; expected one row for each below the header", file=file)
    return done


# Making ------------------------------------------------------------------------------------------


def _scenario(
    patient: Row, known: Release, file: Path, number: int, line: int
) -> tuple[Scenario, list[Note]]:
    words, name = vocabulary(), f"ddxplus-{number:05d}"
    unmapped = _unmapped(patient, words)
    notes = [
        Note(file, line, f"EVIDENCES.{what}", f"{why}; kept under imported.unmapped", unmapped=True)
        for what, why in unmapped.items()
    ]
    if patient.initial in unmapped:
        raise BadRow(f"`INITIAL_EVIDENCE` {patient.initial} {unmapped[patient.initial]}; leave the row out")
    evidences = {
        code: [v for v in values if f"{code}_@_{v}" not in unmapped]
        for code, values in patient.evidences.items()
        if code not in unmapped
    }
    told = History(words, evidences, patient.initial, Speaker(patient.sex, patient.age < _CHILD))
    who = _who(patient)
    scenario = Scenario(
        schema_version="1.0",
        id=name,
        title=f"DDXPlus patient {number}",
        meta=Meta(
            specialty="general",
            split=next((split for part, split in _SPLITS if part in file.stem.lower()), "dev"),
            tags=("ddxplus",),
            license="CC-BY-4.0",
            sources=(_SOURCE,),
            disclaimer="derived",
        ),
        setting=Setting(site="clinic", door_note=f"{who}. Please take a history and say what it is."),
        patient=Patient(
            identity=Identity(
                name=_name(words, name, patient.sex),
                age=patient.age,
                sex=patient.sex,
                ethnicity=told.ethnicity,
            ),
            informant="parent" if patient.age < _CHILD else "self",
            opening=(told.opening,),
            opening_facts=told.opening_facts,
            appearance=f"{who}.",
            facts=told.facts,
        ),
        answer=_answer(patient, known, words),
    )
    said = [told.opening, *(text for fact in told.facts for text in (*fact.say, fact.value or ""))]
    flags = (NAMES_ANSWER,) if any(names_answer(scenario, text) for text in said) else ()
    notes += [Note(file, line, "PATHOLOGY", f"flagged {flag}") for flag in flags]
    origin = Imported(format="ddxplus", file=file.name, line=line, unmapped=unmapped, flags=flags)
    return scenario.model_copy(update={"imported": origin}), notes


def _unmapped(patient: Row, words: Words) -> dict[str, Any]:
    """The evidences and values that no fact can be made of, and why."""
    found: dict[str, Any] = {}
    for code, values in patient.evidences.items():
        for value in values or [""]:
            item = f"{code}_@_{value}" if value else code
            if not words.knows(code):
                found[code] = "has no words in ddxplus_words.yaml"
            elif not words.knows(code, value):
                found[item] = "has no words in ddxplus_words.yaml"
            elif not words.fits(code, value, patient.sex):
                found[item] = f"is not of a {patient.sex} patient"
    return found


def _name(words: Words, key: str, sex: Literal["female", "male"]) -> str:
    draws = Draws(0, 0, key)
    lists = {"first": getattr(words.names, sex), "family": words.names.family}
    return " ".join(
        pick(names.split(", "), draws.number("patient", "name", CASE, part)) for part, names in lists.items()
    )


def _who(patient: Row) -> str:
    ages = {True: ("girl", "boy"), False: ("woman", "man")}[patient.age < 18]
    noun = ages[patient.sex == "male"]
    if patient.age < 1:
        return f"A baby {noun} with a parent"
    article = "An" if patient.age in (8, 11, 18) or 80 <= patient.age < 90 else "A"
    return f"{article} {patient.age}-year-old {noun}" + (" with a parent" if patient.age < _CHILD else "")


def _answer(patient: Row, known: Release, words: Words) -> Answer:
    def named(condition: str) -> Named:
        return words.conditions.get(condition) or Named(name=printable(condition))

    own = named(patient.condition)
    others = [(c, p) for c, p in patient.differential if c != patient.condition][:MOST_DIFFERENTIALS]
    grave = [c for c, _ in others if known.conditions[c].severity <= _GRAVE]
    missed = grave or [c for c, _ in sorted(others, key=lambda o: known.conditions[o[0]].severity)[:1]]
    return Answer(
        diagnosis=Diagnosis(**own.model_dump()),
        differentials=tuple(
            Differential(name=n.name, synonyms=(*n.synonyms, *n.abbreviations), credit=0, plausibility=p)
            for n, p in ((named(c), p) for c, p in others)
        ),
        must_not_miss=tuple(
            MustNotMiss(name=n.name, synonyms=(*n.synonyms, *n.abbreviations)) for n in map(named, missed)
        ),
    )
