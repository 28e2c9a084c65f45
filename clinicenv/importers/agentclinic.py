"""AgentClinic's cases, one JSON object a line, as scenarios: OSCE cases (its MedQA files), and by
`agentclinic_questions` image questions (its NEJM files).

A case becomes a scenario whose history is as fine as its sentences: each is a fact that comes out when asked.
"""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from clinicenv.files import InputError, did_you_mean
from clinicenv.importers import agentclinic_questions as questions
from clinicenv.importers import agentclinic_results as results
from clinicenv.importers.agentclinic_facts import History
from clinicenv.importers.base import Conversion, Note, json_lines, kind
from clinicenv.importers.fields import empties
from clinicenv.importers.person import age_in, sex_in
from clinicenv.importers.prose import Answer, Sex, abbreviations, unbracketed, words
from clinicenv.importers.questions import split
from clinicenv.scenario import Answer as RightAnswer
from clinicenv.scenario import Diagnosis, Imported, Meta, Scenario, Setting, Source
from clinicenv.story import Denials, Identity, Patient
from clinicenv.workup import Exam, Test

_TOP = "OSCE_Examination"
_SOURCES = (
    Source(name="AgentClinic MedQA", url="https://github.com/SamuelSchmidgall/AgentClinic", license="MIT"),
    Source(name="MedQA", url="https://github.com/jind11/MedQA"),
)
THIRD_PERSON = "third-person-wording"
"""The flag of a case with lines that could not safely be put into the speaker's mouth."""
_CHILD = 12
"""Years. Below this age a parent speaks."""


def convert(file: Path, images: Path | None = None) -> Conversion:
    """All cases of the file; a line that is no case becomes one error in `bad`.

    Image questions come without their picture unless it lies in `images`. InputError where the file cannot be
    read or holds no case at all.
    """
    done = Conversion()
    for line, given in json_lines(file):
        try:
            if isinstance(given, InputError):
                raise given
            if questions.is_one(given):
                scenario, notes, pictures = questions.convert(given, file, line, images, _prefix(file))
                done.pictures |= {p.name: p for p in pictures}
            else:
                scenario, notes = _case(given, file, line)
        except InputError as e:
            done.bad.append(e)
        except ValidationError as e:
            first = e.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            what = f"{where}: {first['msg']}" if where else first["msg"]
            done.bad.append(InputError(f"does not fit a scenario: {what}", file=file, line=line))
        else:
            done.scenarios.append(scenario)
            done.notes += notes
    if not done.scenarios and not done.bad:
        raise InputError(f"no case in this file; expected one JSON object with `{_TOP}` a line", file=file)
    return done


class _Case:
    """The parts of one line that a case must have; InputError naming what is wrong otherwise."""

    def __init__(self, given: dict[str, Any], file: Path, line: int):
        self.file, self.line = file, line
        self.unmapped: dict[str, Any] = {}
        self.notes: list[Note] = []
        self.osce = self.object(given, _TOP, "")
        self.actor = self.object(self.osce, "Patient_Actor", _TOP)
        self.symptoms = self.object(self.actor, "Symptoms", "Patient_Actor")
        self.examinations = self.object(self.osce, "Physical_Examination_Findings", _TOP)
        self.results = self.object(self.osce, "Test_Results", _TOP)
        self.objective = self.text(self.osce, "Objective_for_Doctor", _TOP)
        self.diagnosis = self.text(self.osce, "Correct_Diagnosis", _TOP)
        self.demographics = self.text(self.actor, "Demographics", "Patient_Actor")
        self._get(self.actor, "History", "Patient_Actor")
        self._leave_extra(given)

    def _get(self, parent: dict[str, Any], key: str, where: str) -> Any:
        if key not in parent:
            near = did_you_mean(key, set(parent))
            place = f"in `{where}`" if where else "on this line"
            raise InputError(f"`{key}` is missing {place}{near}; add it", file=self.file, line=self.line)
        return parent[key]

    def object(self, parent: dict[str, Any], key: str, where: str) -> dict[str, Any]:
        """The object under a key."""
        value = self._get(parent, key, where)
        if not isinstance(value, dict):
            raise InputError(
                f"`{key}` should be an object, found {kind(value)}", file=self.file, line=self.line
            )
        return value

    def text(self, parent: dict[str, Any], key: str, where: str) -> str:
        """The text under a key, on one line."""
        value = self._get(parent, key, where)
        if not isinstance(value, str) or not words(value):
            found = "empty text" if isinstance(value, str) else kind(value)
            raise InputError(f"`{key}` should be text, found {found}", file=self.file, line=self.line)
        return " ".join(value.split())

    def leave(self, path: tuple[str, ...], value: Any, why: str) -> None:
        """Keeps under `unmapped` what has no place in a scenario, and says so."""
        name = ".".join(path)
        self.unmapped[name] = value
        self.notes.append(
            Note(self.file, self.line, name, f"{why}; kept under imported.unmapped", unmapped=True)
        )

    def _leave_extra(self, given: dict[str, Any]) -> None:
        known = {
            "Objective_for_Doctor", "Patient_Actor", "Physical_Examination_Findings", "Test_Results",
            "Correct_Diagnosis",
        }  # fmt: skip
        for name, parent, keys in (("", given, {_TOP}), (_TOP, self.osce, known)):
            for key in parent:
                if key not in keys:
                    self.leave((name, key) if name else (key,), parent[key], "is no field of an OSCE case")
        for name, parent in (
            ("Patient_Actor", self.actor),
            ("Physical_Examination_Findings", self.examinations),
            ("Test_Results", self.results),
        ):
            for path, value in empties(parent):
                if path != ("Symptoms", "Secondary_Symptoms"):
                    self.leave((name, *path), value, "is empty")


def _case(given: dict[str, Any], file: Path, line: int) -> tuple[Scenario, list[Note]]:
    case = _Case(given, file, line)
    answer = Answer(case.diagnosis)
    sex = _sex(case)
    identity = Identity(name=f"Patient {line}", age=_age(case), sex=sex)
    informant: Literal["self", "parent"] = "parent" if identity.age < _CHILD else "self"
    told = History(sex, informant, answer)
    told.read(case.symptoms, case.actor, case.leave)
    exam = _exam(case)
    tests = tuple(results.tests(case.results, answer))
    scenario = Scenario(
        schema_version="1.0",
        id=f"{_prefix(file)}-{line:03d}",
        title=f"AgentClinic case {line}",
        meta=_meta(case.diagnosis),
        setting=Setting(site=_site(case), door_note=case.objective),
        patient=Patient(
            identity=identity,
            informant=informant,
            opening=(told.opening,),
            opening_facts=told.opening_facts,
            appearance=case.demographics,
            facts=tuple(told.facts),
            denials=Denials(default="unsure", explicit=told.denied),
        ),
        exam=exam,
        tests=tests,
        unlisted_tests="normal",
        answer=RightAnswer(diagnosis=_diagnosis(case.diagnosis)),
        imported=Imported(
            format="agentclinic",
            file=file.name,
            line=line,
            unmapped=case.unmapped,
            flags=tuple(_flags(case, answer, told, exam, tests)),
        ),
    )
    return scenario, case.notes


# Who and where -----------------------------------------------------------------------------------


def _sex(case: _Case) -> Sex:
    """As the demographics say, else as the history's pronouns do; else `unknown`, with a note."""
    for text in (case.demographics, str(case.actor["History"]), str(case.actor)):
        if sex := sex_in(text):
            return sex
    what = "the sex is not given; it is set to `unknown`"
    case.notes.append(Note(case.file, case.line, "Patient_Actor.Demographics", what))
    return "unknown"


def _age(case: _Case) -> float:
    if (age := age_in(case.demographics)) is not None:
        return age
    raise InputError(
        f"`Demographics` gives no age: `{case.demographics[:60]}`; expected e.g. `35-year-old woman`",
        file=case.file,
        line=case.line,
    )


def _site(case: _Case) -> Literal["ed", "clinic"]:
    return "ed" if re.search(r"emergency", f"{case.objective} {case.actor['History']}", re.I) else "clinic"


# Examination, answer, meta -----------------------------------------------------------------------


def _exam(case: _Case) -> Exam:
    given = dict(case.examinations)
    vitals = results.vitals(given.pop("Vital_Signs", {}))
    as_data = {name: vital.model_dump() for name, vital in vitals.items()}
    return Exam.model_validate({"vitals": as_data, "findings": tuple(results.findings(given))})


def _diagnosis(name: str) -> Diagnosis:
    short = unbracketed(name)
    return Diagnosis(
        name=name, synonyms=() if short == name else (short,), abbreviations=tuple(abbreviations(name))
    )


def _meta(diagnosis: str) -> Meta:
    return Meta(
        specialty="general",
        split=split(words(unbracketed(diagnosis))),
        tags=("agentclinic",),
        license="MIT",
        sources=_SOURCES,
        disclaimer="derived",
    )


def _prefix(file: Path) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")[:50].strip("-")
    return stem if stem.startswith("agentclinic") else f"agentclinic-{stem or 'case'}"


def _flags(case: _Case, answer: Answer, told: History, exam: Exam, tests: tuple[Test, ...]) -> list[str]:
    """What is wrong with the case: who could name the answer, and lines that no patient would say."""
    vitals = [str(v.value) for v in exam.vitals.values()]
    shown = [t for f in exam.findings for t in (f.system, f.manoeuvre, f.text)]
    named = {
        "door-note-names-the-answer": answer.named_in(case.objective, case.demographics),
        "history-names-the-answer": answer.named_in(
            *(t for f in told.facts for t in (*f.say, f.value or ""))
        ),
        "examination-names-the-answer": answer.named_in(*vitals, *shown),
        "results-name-the-answer": any(t.report_reveals for t in tests),
    }
    flags = [flag for flag, is_so in named.items() if is_so]
    for flag in flags:
        case.notes.append(Note(case.file, case.line, "Correct_Diagnosis", f"flagged {flag}"))
    if told.in_third_person:
        what = f"flagged {THIRD_PERSON}; lines left as they are: {len(told.in_third_person)}"
        case.notes.append(Note(case.file, case.line, "Patient_Actor", what))
        flags.append(THIRD_PERSON)
    return flags
