"""Importing AgentClinic's cases: nothing is lost, nothing hostile gets in, nothing half done is left."""

import contextlib
import copy
import io
import json
import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from clinicenv.agents.cast import Cast, play
from clinicenv.cli.main import call
from clinicenv.clinic.lint import lint_file
from clinicenv.clinic.lint_content import reaches
from clinicenv.clinic.lookup import FactIndex
from clinicenv.consultation import Turn
from clinicenv.events import Leave, Role, Say
from clinicenv.files import InputError
from clinicenv.importers import Conversion, importer, save
from clinicenv.importers.findings import findings_in
from clinicenv.importers.opening import opening
from clinicenv.importers.pieces import pieces
from clinicenv.importers.prose import first_person, is_third_person, of_child
from clinicenv.scenario import Scenario, find_files, load_file, select

SMALL = Path(__file__).parent / "data" / "agentclinic_like.jsonl"
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "agentclinic" / "agentclinic_medqa.jsonl"
needs_real = pytest.mark.skipif(not REAL.is_file(), reason="AgentClinic's own file is not here")

THIRD = "third-person-wording"

FLAG_WORDS = {
    "elevated": "high",
    "increased": "high",
    "prolonged": "high",
    "decreased": "low",
    "reduced": "low",
}
FLAG_WORDS |= {"within normal limits": "normal", "high": "high", "low": "low", "normal": "normal"}


def convert(file: Path) -> Conversion:
    return importer("agentclinic").convert(file)


def scenario(line: int) -> Scenario:
    return convert(SMALL).scenarios[line - 1]


def cases(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def run(file: Path, out: Path, *more: str) -> Result:
    """What `clinicenv import agentclinic FILE --out OUT` prints and how it exits."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = call(["import", "agentclinic", str(file), "--out", str(out), *more])
    return Result(code, stdout.getvalue(), stderr.getvalue())


def written(folder: Path, *given: Any) -> Path:
    """A JSON-lines file; text and bytes are lines as they are."""
    raw = [
        g if isinstance(g, bytes) else g.encode() if isinstance(g, str) else json.dumps(g).encode()
        for g in given
    ]
    file = folder / "cases.jsonl"
    file.write_bytes(b"\n".join(raw) + b"\n")
    return file


# Nothing is lost ---------------------------------------------------------------------------------


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [s for inner in value.values() for s in strings(inner)]
    if isinstance(value, list):
        return [s for inner in value for s in strings(inner)]
    return [value] if isinstance(value, str) else []


def plain(text: str) -> str:
    return " ".join(re.findall(r"[\w%<>+]+", text.lower()))


def lost(case: dict[str, Any], text: str) -> list[str]:
    """The sentences of a case that stand nowhere in a scenario file, not even as value, unit and flag."""
    data = yaml.safe_load(text)
    found = " | ".join(plain(s) for s in strings(data))
    lines = [
        line for t in data.get("tests", []) for line in (t.get("result"), *t.get("components", [])) if line
    ]
    sentences = [s for leaf in strings(case) for s in re.split(r"(?<=[.!?])['\"]*\s+", leaf) if plain(s)]
    return [
        s
        for s in sentences
        if plain(s) not in found
        and not all(plain(piece) in found for piece in _PIECE.split(s))
        and not any(shows(line, s) for line in lines)
    ]


_PIECE = re.compile(r"[;,]\s+(?:and\s+)?")
"""Where a sentence may have become several facts."""


def shows(line: dict[str, Any], text: str) -> bool:
    """Whether a parsed line of a result says the same as `13,400/mm3 (elevated)`."""
    number = re.match(r"-?[\d,]+(?:\.\d+)?", text)
    if not number or line.get("value") != float(number[0].replace(",", "")):
        return False
    rest = text[number.end() :].strip()
    unit, _, note = rest.removesuffix(")").partition("(")
    if "range" in note:
        numbers = [float(n) for n in re.findall(r"[\d.]+", note)]
        said = [line["ref"]["low"], line["ref"]["high"]] == numbers
    else:
        said = FLAG_WORDS.get(note.lower()) == line.get("flag")
    return said and line.get("unit", "") == unit.strip()


def test_every_text_of_the_small_file_survives(tmp_path: Path) -> None:
    for case, path in zip(cases(SMALL), save(convert(SMALL).scenarios, tmp_path), strict=True):
        assert lost(case, path.read_text(encoding="utf-8")) == []


@needs_real
def test_every_text_of_the_real_cases_survives_in_107_files(tmp_path: Path) -> None:
    assert run(REAL, tmp_path / "out").exit_code == 0
    paths = find_files(tmp_path / "out")
    assert [p.stem for p in paths] == [f"agentclinic-medqa-{n:03d}" for n in range(1, 108)]
    for case, path in zip(cases(REAL), paths, strict=True):
        assert lost(case, path.read_text(encoding="utf-8")) == [], path.name


@needs_real
def test_real_cases_that_name_their_answer_are_flagged() -> None:
    flags = [f for s in convert(REAL).scenarios if s.imported for f in s.imported.flags]
    assert flags.count("results-name-the-answer") == 17
    assert flags.count("examination-names-the-answer") == 1
    assert flags.count(THIRD) == 21
    assert len(flags) == 39


@needs_real
def test_real_cases_with_the_same_diagnosis_are_in_one_split() -> None:
    splits: dict[str, set[str]] = {}
    for s in convert(REAL).scenarios:
        assert s.answer.diagnosis
        splits.setdefault(s.answer.diagnosis.name.split("(")[0].strip().lower(), set()).add(s.meta.split)
    assert len(splits) < 107
    assert {len(s) for s in splits.values()} == {1}
    assert set.union(*splits.values()) == {"train", "dev", "test"}


@pytest.mark.parametrize("file", [SMALL, pytest.param(REAL, marks=needs_real)], ids=["small", "real"])
def test_a_written_file_loads_as_the_same_scenario(file: Path, tmp_path: Path) -> None:
    scenarios = convert(file).scenarios
    assert [load_file(p) for p in save(scenarios, tmp_path)] == scenarios
    assert select(str(tmp_path)) == scenarios


@pytest.mark.parametrize("file", [SMALL, pytest.param(REAL, marks=needs_real)], ids=["small", "real"])
def test_facts_have_their_own_ids_and_one_present_slot_a_concept(file: Path) -> None:
    for s in convert(file).scenarios:
        facts = s.patient.facts
        assert len({f.id for f in facts}) == len(facts)
        present = [f.concept for f in facts if f.slot != "detail"]
        assert len(set(present)) == len(present)
        assert set(s.patient.opening_facts) <= {f.id for f in facts}
        assert not set(s.patient.denials.explicit) & set(present)


# What becomes what -------------------------------------------------------------------------------


def test_history_is_told_in_the_first_person_and_kept_as_written() -> None:
    first = {f.id: f for f in scenario(1).patient.facts}
    assert first["history"].say == ("I have a one-day history of a painful red eye.",)
    assert first["history"].value == "The patient reports a one-day history of a painful red eye."
    assert [first[i].disclosure for i in ("symptom", "history", "history_2", "history_3")] == [
        "spontaneous", "spontaneous", "open", "asked",
    ]  # fmt: skip
    said = [f.say[0] for f in scenario(3).patient.facts]
    assert "I returned from a long flight last week and have been tired since." in said
    assert "I take ramipril and smoke a pipe." in said


def test_a_pronoun_that_may_be_somebody_elses_is_left_alone() -> None:
    said = [f.say[0] for f in scenario(1).patient.facts]
    assert "Her sister drove her here because she could not see well." in said


def test_a_parent_speaks_for_a_child() -> None:
    patient = scenario(2).patient
    said = [f.say[0] for f in patient.facts]
    assert (patient.informant, patient.identity.sex, round(patient.identity.age, 2)) == (
        "parent",
        "male",
        1.17,
    )
    assert "My child has had a runny nose for two days and woke last night with a barking cough." in said
    assert "My child takes Paracetamol and Vitamin D." in said


def test_sections_follow_the_source_fields_and_denials_are_absent() -> None:
    facts = {f.id: f for f in scenario(1).patient.facts}
    assert facts["past_medical_history"].section == "pmh"
    assert facts["social_history"].section == "sh"
    assert facts["review_of_systems"].section == "ros"
    assert facts["review_of_systems"].present is False
    assert [facts[f"social_history{n}"].concept for n in ("", "_2", "_3")] == [
        "smoking", "alcohol", "occupation",
    ]  # fmt: skip


def test_a_denial_ends_where_a_new_verb_begins() -> None:
    facts = {f.concept: f for f in scenario(1).patient.facts if f.slot == "present"}
    assert facts["smoking"].present is False
    assert facts["alcohol"].present is True
    assert "alcohol" not in scenario(1).patient.denials.explicit
    assert facts["weight_loss"].present is False


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("She notes a cough.", {"cough": True}),
        ("Denies fever, cough, or rash.", {"fever": False, "cough": False, "rash": False}),
        ("There have been no changes in bowel habits.", {"bowel_change": False}),
        ("A non-healing rash.", {"rash": True}),
        ("Contractions ceased.", {}),
        ("Hypertension, well controlled.", {"hypertension": True}),
    ],
)
def test_prose_is_not_read_as_talk(sentence: str, found: dict[str, bool]) -> None:
    assert findings_in(sentence) == found


def test_the_opening_never_names_the_answer(tmp_path: Path) -> None:
    assert scenario(1).patient.opening == ("I've come because of a painful red eye.",)
    assert scenario(2).patient.opening == ("We've come because of a barking cough.",)
    assert scenario(6).patient.opening == ("I have felt tired for four months and have lost 6 kg.",)
    case = cases(SMALL)[0]
    case["OSCE_Examination"]["Patient_Actor"]["Symptoms"]["Primary_Symptom"] = "Pain of anterior uveitis"
    told = convert(written(tmp_path, case)).scenarios[0]
    assert "uveitis" not in told.patient.opening[0]
    assert told.imported is not None
    assert told.imported.flags == ("history-names-the-answer", THIRD)


def test_vital_signs_take_their_usual_names_and_stay_as_written() -> None:
    vitals = {name: v.value for name, v in scenario(2).exam.vitals.items()}
    assert vitals == {"temp": "38.2°C (100.8°F)", "hr": "138/min", "rr": "34/min", "spo2": "97%"}
    assert scenario(3).exam.vitals["bp"].value == "Lying 142/88 mmHg; Standing 138/86 mmHg"
    assert scenario(4).exam.vitals == {}


def test_nested_examinations_become_findings() -> None:
    findings = {f.id: f for f in scenario(1).exam.findings}
    stained = findings["eye_examination_slit_lamp_cornea_staining"]
    assert (stained.system, stained.text, stained.abnormal) == ("eyes", "No staining", False)
    assert stained.aliases == ("Eye examination", "Slit lamp", "Cornea", "Staining")
    assert findings["eye_examination_pupils"].text == "Left pupil small; Right pupil normal"
    assert findings["eye_examination_pupils"].abnormal


def test_groups_are_taken_apart_and_panels_keep_their_lines() -> None:
    tests = {t.id: t for t in scenario(1).tests}
    assert sorted(tests) == ["blood_tests", "complete_blood_count", "hla_b27"]
    lines = {c.name: c for c in tests["complete_blood_count"].components}
    assert (lines["WBC"].value, lines["WBC"].unit) == (8900, "/μL")
    assert lines["Differential count: Neutrophils"].value == 61
    crp = tests["blood_tests"].components[0]
    assert (crp.value, crp.unit, crp.flag) == (12, "mg/L", "high")
    assert "CBC" in tests["complete_blood_count"].aliases
    assert scenario(2).tests[0].category == "imaging"


def test_a_reference_range_is_read_and_a_vague_value_stays_text() -> None:
    reticulocytes = scenario(3).tests[2].result
    assert reticulocytes is not None
    assert reticulocytes.ref is not None
    assert (reticulocytes.value, reticulocytes.ref.low, reticulocytes.ref.high) == (1.1, 0.5, 2.5)
    cortisol = next(t for t in scenario(6).tests if t.name == "Cortisol at nine").components[0]
    assert (cortisol.value, cortisol.text, cortisol.flag) == (None, "< 50 nmol/L (reduced)", "low")


def test_the_answer_keeps_its_name_and_gains_its_abbreviation() -> None:
    diagnosis = scenario(3).answer.diagnosis
    assert diagnosis is not None
    assert diagnosis.name == "Deep vein thrombosis (DVT)"
    assert (diagnosis.synonyms, diagnosis.abbreviations) == (("Deep vein thrombosis",), ("DVT",))


def test_who_names_the_answer_is_flagged() -> None:
    flags = [s.imported.flags for s in convert(SMALL).scenarios if s.imported]
    results, history = ("results-name-the-answer",), ("history-names-the-answer",)
    assert flags == [(THIRD,), results, results, (), (), (*history, THIRD)]
    assert [t.report_reveals for t in scenario(3).tests] == [False, True, False]


def test_what_has_no_place_is_reported_and_kept(tmp_path: Path) -> None:
    kept = scenario(3).imported
    assert kept is not None
    assert kept.unmapped == {
        "OSCE_Examination.Management_and_Follow_Up": {
            "Treatment": "Start an anticoagulant.",
            "Follow_Up": ["Review in one week", "Stockings"],
        }
    }
    result = run(SMALL, tmp_path)
    assert f"{SMALL}:3: OSCE_Examination.Management_and_Follow_Up: is no field" in result.stderr
    assert result.stdout == f"6 cases -> {tmp_path}, 4 flagged, 7 fields unmapped\n"


# Who speaks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Family members have seen a rash on his arms.", "Family members have seen a rash on my arms."),
        ("The family mentions that he has been confused.", "My family mentions that I have been confused."),
        ("Mother reports falling grades.", "My mother reports falling grades."),
        ("His brother saw him fall.", "His brother saw him fall."),
        ("An aunt of the patient's father had gout.", "An aunt of my father had gout."),
    ],
)
def test_the_patient_says_my_where_nobody_else_can_be_meant(sentence: str, said: str) -> None:
    assert first_person(sentence, "male") == said
    assert is_third_person(said, "male", "self") is (sentence == said)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (
            "His mother reports that she believes the child is gaining weight.",
            "I believe my child is gaining weight.",
        ),
        ("The mother notes that the infant wheezes.", "My child wheezes."),
        ("The mother says that her sister thinks she is worried.",) * 2,
        ("The patient is presented by his mother.",) * 2,
    ],
)
def test_a_parent_does_not_speak_of_the_mother(sentence: str, said: str) -> None:
    assert of_child(sentence, "male") == said
    assert is_third_person(said, "male", "parent") is (sentence == said)


def test_of_an_unknown_sex_no_pronoun_is_taken_for_the_patient() -> None:
    assert first_person("The patient has a cough.", "unknown") == "I have a cough."
    left = "The patient says that his arm hurts."
    assert first_person(left, "unknown") == left
    assert is_third_person(left, "unknown", "self")


def test_a_line_left_in_the_third_person_is_flagged_and_lint_shows_it(tmp_path: Path) -> None:
    (path,) = save([scenario(1)], tmp_path)
    assert [f.level for f in lint_file(path) if THIRD in f.what] == ["warning"]
    assert (
        f"{SMALL}:1: Patient_Actor: flagged {THIRD}; lines left as they are: 1\n"
        in run(SMALL, tmp_path / "out").stderr
    )


def test_an_unknown_sex_is_recorded_with_a_note() -> None:
    assert scenario(5).patient.identity.sex == "unknown"
    notes = [str(n) for n in convert(SMALL).notes if n.line == 5]
    assert any("the sex is not given; it is set to `unknown`" in n for n in notes)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Fatigue.", "I've come because of fatigue."),
        ("Itchy rash on both arms.", "I've come because of an itchy rash on both arms."),
        ("Pain and a cough.", "I've come because of pain and a cough."),
        ("MRI findings.", "I've come because of MRI findings."),
        ("Bell's palsy.", "I've come because of Bell's palsy."),
        ("My leg hurts.", "My leg hurts."),
        ("The wound is open.", "I have come about this: the wound is open."),
    ],
)
def test_an_opening_line_is_a_sentence(said: str, line: str) -> None:
    assert opening(said, parent=False) == line


# One fact a sentence -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("Non-smoker, drinks wine.", ["Non-smoker", "Drinks wine"]),
        ("Asthma, diabetes, and hypertension.", ["Asthma", "Diabetes", "Hypertension"]),
        ("No fever, cough or rash.", ["No fever, cough or rash."]),
        ("Asthma, treated with insulin.", ["Asthma, treated with insulin."]),
        ("She has asthma, diabetes and gout.", ["She has asthma, diabetes and gout."]),
        ("Asthma (mild, diabetes).", ["Asthma (mild, diabetes)."]),
        ("Cough, three of them.", ["Cough, three of them."]),
        ("Cough; she has asthma.", ["Cough", "She has asthma"]),
    ],
)
def test_only_a_sentence_of_statements_is_split(sentence: str, parts: list[str]) -> None:
    assert pieces(sentence, lambda part: next(iter(findings_in(part)), None)) == parts


@pytest.mark.parametrize("file", [SMALL, pytest.param(REAL, marks=needs_real)], ids=["small", "real"])
def test_no_sentence_becomes_several_facts(file: Path) -> None:
    for case, s in zip(cases(file), convert(file).scenarios, strict=True):
        given = plain(" | ".join(strings(case)))
        for text in {f.value or f.say[0] for f in s.patient.facts}:
            times = sum(text == (f.value or f.say[0]) for f in s.patient.facts)
            assert times == 1 or times <= given.count(plain(text)), text


def test_a_further_concept_of_a_sentence_is_reached_by_its_question(tmp_path: Path) -> None:
    case = changed(f"{ACTOR}.Past_Medical_History", "She has had diabetes and asthma since childhood.")
    facts = convert(written(tmp_path, case)).scenarios[0].patient.facts
    (fact,) = [f for f in facts if f.section == "pmh"]
    assert fact.say == ("I have had diabetes and asthma since childhood.",)
    for asked in ("Do you have diabetes?", "Have you had asthma?"):
        assert asked in fact.question_variants
        assert reaches(FactIndex(facts), asked, fact)


def test_only_what_the_source_denies_is_denied() -> None:
    asked = ["Do you have any allergies?", "Are your vaccinations up to date?", "Have you had weight loss?"]

    def doctor(turn: Turn) -> Say | Leave:
        return Say(asked[turn.view.turn - 1]) if turn.view.turn <= len(asked) else Leave()

    events = play(scenario(1), Cast(doctor=doctor)).events
    allergies, vaccinations, weight = [
        e.what.text for e in events if e.role is Role.PATIENT and isinstance(e.what, Say)
    ][-3:]
    assert allergies == vaccinations == "I'm not sure."
    assert weight.startswith("No")


# Fit for use -------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [SMALL, pytest.param(REAL, marks=needs_real)], ids=["small", "real"])
def test_imported_cases_lint_without_errors(file: Path, tmp_path: Path) -> None:
    paths = save(convert(file).scenarios, tmp_path)
    assert len(paths) == (6 if file == SMALL else 107)
    assert [str(f) for p in paths for f in lint_file(p) if f.level == "error"] == []


@pytest.mark.parametrize("file", [SMALL, pytest.param(REAL, marks=needs_real)], ids=["small", "real"])
@pytest.mark.parametrize(("doctor", "step"), [("guess", 1), ("scripted", 15)])
def test_imported_cases_run_to_the_end(file: Path, doctor: str, step: int) -> None:
    for s in convert(file).scenarios[:: step if file == REAL else 1]:
        played = play(s, Cast(doctor=doctor))
        assert played.outcome is not None, s.id
        assert played.outcome.status != "error", s.id
        said = [e for e in played.events if e.role is Role.PATIENT and isinstance(e.what, Say)]
        assert said, s.id


# Bad input ---------------------------------------------------------------------------------------


def changed(path: str, value: Any) -> dict[str, Any]:
    """The first case with one field set, or removed where the value is `...`."""
    case = cases(SMALL)[0]
    *parents, last = path.split(".")
    place = case
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return case


OSCE, ACTOR = "OSCE_Examination", "OSCE_Examination.Patient_Actor"
NESTED = "[" * 40_000 + "]" * 40_000


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "not valid JSON"),
        ("[1, 2]", "expected one JSON object a line, found a list"),
        ('{"OSCE_Examination": NaN}', "NaN is not a JSON value"),
        ('{1: "a"}', "not valid JSON"),
        ('{"a": 1, "a": 2}', "the key `a` stands twice"),
        ('{"a": "\\u0007"}', "the control character U+0007"),
        ('{"a": "\\ud800"}', "the control character U+D800"),
        ('{"a": 1e999}', "a number is too large"),
        ('{"a": ' + "9" * 5000 + "}", "mend the line"),
        (NESTED, "nested deeper than 16 levels"),
        ('{"a": ' + NESTED[39_970:40_030] + "}", "nested deeper than 16 levels"),
        (b'{"a": "\xff"}', "not UTF-8 text"),
        ('{"a": "' + "x" * 10_000_000 + '"}', "the line is longer than 100,000 bytes"),
        ({"question": "q", "image_url": "u", "answers": []}, "`patient_info` is missing on this line"),
        ({"OSCE_Exam": {}}, "`OSCE_Examination` is missing on this line (did you mean `OSCE_Exam`?)"),
        (changed(OSCE, []), "`OSCE_Examination` should be an object, found a list"),
        (changed(f"{OSCE}.Test_Results", ...), "`Test_Results` is missing in `OSCE_Examination`"),
        (changed(f"{OSCE}.Correct_Diagnosis", 5), "`Correct_Diagnosis` should be text, found a number"),
        (changed(f"{OSCE}.Correct_Diagnosis", " "), "`Correct_Diagnosis` should be text, found empty text"),
        (changed(f"{ACTOR}.History", ...), "`History` is missing in `Patient_Actor`"),
        (changed(f"{ACTOR}.Symptoms", "Pain"), "`Symptoms` should be an object, found text"),
        (changed(f"{ACTOR}.Demographics", "a woman"), "`Demographics` gives no age: `a woman`"),
        (changed(f"{ACTOR}.Demographics", "300-year-old woman"), "does not fit a scenario: age"),
        (changed(f"{ACTOR}.History", "x" * 9000), "a text is longer than 8,000 characters"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(line: Any, said: str, tmp_path: Path) -> None:
    file = written(tmp_path, cases(SMALL)[0], "", line)
    result = run(file, tmp_path / "out")
    assert result.exit_code == 2
    assert f"{file}:3: " in result.stderr
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_skip_bad_writes_the_good_cases(tmp_path: Path) -> None:
    good = cases(SMALL)
    file = written(tmp_path, good[0], "{", good[1], "x" * 1_500_000, good[2])
    result = run(file, tmp_path / "out", "--skip-bad")
    assert result.exit_code == 0
    assert [p.stem[-3:] for p in find_files(tmp_path / "out")] == ["001", "003", "005"]
    assert f"{file}:2: " in result.stderr
    assert f"{file}:4: " in result.stderr
    assert "3 cases" in result.stdout
    assert "2 bad skipped" in result.stdout


def test_skip_bad_with_no_good_case_is_an_error(tmp_path: Path) -> None:
    result = run(written(tmp_path, "{"), tmp_path / "out", "--skip-bad")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_a_case_is_an_error(content: str, tmp_path: Path) -> None:
    result = run(written(tmp_path, content), tmp_path / "out")
    assert result.exit_code == 2
    assert "no case in this file" in result.stderr


def test_an_unreadable_file_and_an_unknown_format_are_errors(tmp_path: Path) -> None:
    assert "cannot be read" in run(tmp_path / "none.jsonl", tmp_path / "out").stderr
    assert "cannot be read" in run(tmp_path, tmp_path / "out").stderr
    with pytest.raises(InputError, match="no import format `docx`; known: agentclinic"):
        importer("docx")


def test_a_file_with_other_content_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(SMALL, out).exit_code == 0
    assert run(SMALL, out).exit_code == 0  # the same again is no conflict
    (out / "agentclinic-like-004.yaml").write_text("mine\n")
    for other in ("001", "002"):
        (out / f"agentclinic-like-{other}.yaml").unlink()
    result = run(SMALL, out)
    assert result.exit_code == 2
    assert (
        "agentclinic-like-004.yaml: is there already with other content; choose another folder"
        in result.stderr
    )
    assert (out / "agentclinic-like-004.yaml").read_text() == "mine\n"
    assert not (out / "agentclinic-like-001.yaml").exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(SMALL, tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert "choose another folder" in result.stderr


def test_unusual_characters_survive_the_round_trip(tmp_path: Path) -> None:
    text = 'Pain: "burning" # {x} & *y \\ \u2028 \ufeff \U0001f600 \ue000 \uffff é\u0301 - yes, null ~'
    case = changed(f"{ACTOR}.History", text)
    case["OSCE_Examination"]["Extra\u2028: {key}"] = {"yes": None, "<<": "=", "1": [1.5, True, text]}
    scenarios = convert(written(tmp_path, case)).scenarios
    assert [load_file(p) for p in save(scenarios, tmp_path / "out")] == scenarios


def test_nothing_that_a_terminal_obeys_is_printed(tmp_path: Path) -> None:
    case = cases(SMALL)[0]
    case["Extra\u202e\u200b"] = "x"
    good, bad = written(tmp_path, case), tmp_path / "a\u202e.jsonl"
    bad.write_text("{\n")
    printed = run(good, tmp_path / "o\u202eut"), run(bad, tmp_path / "none")
    assert [r.exit_code for r in printed] == [0, 2]
    assert "Extra" in printed[0].stderr
    for r in printed:
        assert all(c.isprintable() or c == "\n" for c in r.stdout + r.stderr)


# Mutations ---------------------------------------------------------------------------------------

OTHER: tuple[Any, ...] = (
    None,
    0,
    -1.5,
    True,
    "",
    "x",
    [],
    {},
    [1, "a", None],
    {"a": {"b": ["c", {}]}},
    [[["d"]]],
)


def mutated(rng: random.Random) -> bytes:
    """One case with seeded faults: fields swapped or removed, then perhaps cut or with bytes overwritten."""
    case = rng.choice(cases(SMALL))
    for _ in range(rng.randint(0, 4)):
        place: Any = case
        while True:
            key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.85:
                place = place[key]
                continue
            if rng.random() < 0.4:
                del place[key]
            else:
                place[key] = copy.deepcopy(rng.choice(OTHER))
            break
        if not case:
            break
    raw = bytearray(json.dumps(case, ensure_ascii=rng.random() < 0.5).encode())
    if rng.random() < 0.25:
        del raw[rng.randrange(len(raw)) :]
    for _ in range(rng.choice((0, 0, 0, 1, 3, 10)) if raw else 0):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw)


def test_a_mutated_case_is_imported_whole_or_refused_by_name(tmp_path: Path) -> None:
    imported = refused = 0
    for seed in range(60):
        raw, folder = mutated(random.Random(seed)), tmp_path / str(seed)
        folder.mkdir()
        file, out = written(folder, raw), folder / "out"
        result = run(file, out)
        if result.exit_code == 0:
            (path,) = find_files(out)
            assert [load_file(path)] == convert(file).scenarios, seed
            assert lost(json.loads(raw), path.read_text(encoding="utf-8")) == [], seed
            imported += 1
        else:
            assert result.exit_code == 2, seed
            assert f"clinicenv: {file}: " in result.stderr, seed
            assert (f"error: {file}:1: " in result.stderr) is bool(raw.strip()), seed
            assert not out.exists(), seed
            refused += 1
    assert imported >= 10
    assert refused >= 10
