"""Importing DDXPlus's patients: every code has our words, and nothing hostile gets in."""

import contextlib
import csv
import io
import json
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clinicenv.agents.cast import Cast, play
from clinicenv.cli.main import call
from clinicenv.clinic.lexicon import lexicon
from clinicenv.clinic.lint import lint_file
from clinicenv.clinic.lint_content import reaches
from clinicenv.clinic.lookup import FactIndex
from clinicenv.clinic.names import same_diagnosis
from clinicenv.importers import Conversion, importer, save
from clinicenv.importers.ddxplus_words import Speaker, all_texts, vocabulary
from clinicenv.scenario import Scenario, find_files, load_file
from clinicenv.story import Fact

SMALL = Path(__file__).parent / "data" / "ddxplus" / "test_patients.csv"
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "ddxplus"
REAL = SHARED / "test_patients_sample.csv"
needs_real = pytest.mark.skipif(not REAL.is_file(), reason="DDXPlus's own files are not here")
CODES = SHARED / "release_evidences.json"
CONDITIONS = SHARED / "release_conditions.json"

HEADER = ("AGE", "DIFFERENTIAL_DIAGNOSIS", "SEX", "PATHOLOGY", "EVIDENCES", "INITIAL_EVIDENCE")
GOOD = {
    "AGE": "40",
    "DIFFERENTIAL_DIAGNOSIS": "[['Bronchitis', 0.6], ['Pneumonia', 0.4]]",
    "SEX": "F",
    "PATHOLOGY": "Bronchitis",
    "EVIDENCES": "['E_201', 'E_91']",
    "INITIAL_EVIDENCE": "E_201",
}


def convert(file: Path) -> Conversion:
    return importer("ddxplus").convert(file)


def scenario(row: int) -> Scenario:
    return convert(SMALL).scenarios[row - 1]


def facts(row: int) -> dict[str, Fact]:
    return scenario(row).facts


def rows(folder: Path, *given: dict[str, str] | str | bytes, header: tuple[str, ...] = HEADER) -> Path:
    """A patients CSV with the small JSON files beside it; text and bytes are lines as they are."""
    for name in ("release_evidences.json", "release_conditions.json"):
        shutil.copy(SMALL.with_name(name), folder / name)
    lines = []
    for row in given:
        out = io.StringIO()
        if isinstance(row, dict):
            csv.writer(out, lineterminator="").writerow([row[c] for c in header])
        elif isinstance(row, str):
            out.write(row)
        lines.append(row if isinstance(row, bytes) else out.getvalue().encode())
    file = folder / "patients.csv"
    file.write_bytes(b"\n".join([",".join(header).encode(), *lines, b""]))
    return file


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def run(file: Path, out: Path, *more: str) -> Result:
    """What `clinicenv import ddxplus FILE --out OUT` prints and how it exits."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = call(["import", "ddxplus", str(file), "--out", str(out), *more])
    return Result(code, stdout.getvalue(), stderr.getvalue())


# The vocabulary ----------------------------------------------------------------------------------


@needs_real
def test_every_evidence_value_and_condition_of_ddxplus_has_words() -> None:
    words = vocabulary()
    evidences = json.loads(CODES.read_text(encoding="utf-8"))
    assert len(evidences) == 223
    without = [
        (code, value)
        for code, known in evidences.items()
        for value in ("", *map(str, known["possible-values"]))
        if not words.knows(code, value)
    ]
    assert without == []
    assert set(words.by_code) == set(evidences)
    assert set(words.conditions) == set(json.loads(CONDITIONS.read_text(encoding="utf-8")))


@needs_real
def test_no_sentence_and_no_question_of_ddxplus_is_ours() -> None:
    texts = {
        text.strip("?:. ").casefold()
        for known in json.loads(CODES.read_text(encoding="utf-8")).values()
        for text in (known["question_en"], *(v["en"] for v in known["value_meaning"].values()))
        if len(text.split()) > 2
    }
    said = [Speaker("female", False).says(text).strip("?:. ").casefold() for text in all_texts(vocabulary())]
    assert [text for text in said if any(theirs in text for theirs in texts)] == ["south east asia"]


def test_the_vocabulary_uses_the_lexicons_concepts() -> None:
    words, concepts = vocabulary(), set(lexicon().concepts)
    used = {word.concept for _, found in words.by_code.values() for word in found if word.concept}
    grouped = {"@pain", "@swelling", "@main"}
    assert used - grouped <= concepts
    for name in ("pain", "swelling"):
        leads = set(words.groups[name].lead)
        assert leads <= concepts
        assert {getattr(site, name) for site in words.sites} <= leads


@pytest.mark.parametrize("is_parent", [False, True])
def test_no_text_keeps_a_brace_and_a_parent_never_says_i(is_parent: bool) -> None:
    speaker = Speaker("male", is_parent)
    for text in all_texts(vocabulary()):
        said = speaker.says(text.replace("{side}", "left"), "x")
        assert "{" not in said
        assert said[:1] == said[:1].upper()
        if is_parent:
            assert not {"I", "I'm", "I've", "my", "me", "My", "am"} & set(said.replace(".", " ").split()), (
                said
            )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{I} {have} it. {my} head hurts.", "She has it. Her head hurts."),
        (
            "{I'm} off, {I've} gone, {I'd} go, {I} {don't} {pass}.",
            "She's off, she's gone, she'd go, she doesn't passes.",
        ),
        ("{I} {push} {myself}, {I} {carry} {me}.", "She pushes herself, she carries her."),
    ],
)
def test_a_parent_speaks_in_the_third_person(text: str, said: str) -> None:
    assert Speaker("female", True).says(text) == said


def test_no_name_of_one_condition_means_another() -> None:
    named = list(vocabulary().conditions.items())
    for n, (one, a) in enumerate(named):
        for other, b in named[n + 1 :]:
            for name in (a.name, *a.synonyms, *a.abbreviations):
                assert not same_diagnosis(name, b.name, (*b.synonyms, *b.abbreviations)), (one, other, name)


# What becomes what -------------------------------------------------------------------------------


def test_a_pain_is_filed_where_it_is_and_its_details_are_slots() -> None:
    told = facts(1)
    said = {i: f.say[0] for i, f in told.items()}
    assert said["chest_pain"] == "I've got a pain in my chest."
    assert said["chest_pain_character"] == "It feels sharp and burning."
    assert said["chest_pain_site"] == (
        "I feel it in the upper part of my chest. I can put a finger right on the spot."
    )
    assert said["chest_pain_onset"] == "It came on all at once."
    assert said["abdominal_pain"] == "It also hurts in my belly."
    assert said["breathlessness"] == "I struggle for breath."
    assert (told["chest_pain_severity"].value, said["chest_pain_severity"]) == (
        "7 out of 10",
        "I'd say 7 out of ten.",
    )
    assert told["chest_pain_radiation"].present is False
    assert "travel" not in told
    patient = scenario(1).patient
    assert (patient.opening, patient.opening_facts) == (("I've got a pain in my chest.",), ("chest_pain",))


def test_a_parent_speaks_for_a_child() -> None:
    patient = scenario(2).patient
    said = {f.id: f.say[0] for f in patient.facts}
    assert patient.informant == "parent"
    assert patient.opening == ("It's about my daughter. She's got a fever.",)
    assert said["earache_site"] == "She feels it in both ears. It's hard to say just where."
    assert said["earache_radiation"] == "It spreads, and she feels it on her forehead."
    assert said["travel"] == "In the last four weeks she has been to the Caribbean."
    assert said["vaccination"] == "Her jabs are up to date."


def test_antecedents_have_their_sections_and_names_do_not_give_the_answer_away() -> None:
    told = facts(3)
    assert {i: told[i].section for i in ("asthma", "family_history", "smoking", "infection_history")} == {
        "asthma": "pmh",
        "family_history": "fh",
        "smoking": "sh",
        "infection_history": "pmh",
    }
    assert "pneumonia" not in told["infection_history"].say[0]
    assert scenario(3).patient.identity.ethnicity == "Asian"
    assert {"sputum", "cough_character"} <= set(told)


def test_what_has_no_place_is_reported_and_kept(tmp_path: Path) -> None:
    kept = [s.imported.unmapped for s in convert(SMALL).scenarios if s.imported]
    assert list(kept[2]) == ["E_55_@_V_168"]
    assert list(kept[3]) == ["E_900", "E_204_@_V_99"]
    result = run(SMALL, tmp_path)
    assert f"{SMALL}:4: EVIDENCES.E_55_@_V_168: is not of a female patient" in result.stderr
    assert result.stdout == f"5 cases -> {tmp_path}, 0 flagged, 3 fields unmapped\n"


def test_details_of_what_is_not_recorded_are_no_facts() -> None:
    assert [i for i in facts(4) if "pain" in i] == []


def test_what_makes_it_worse_belongs_to_the_first_complaint(tmp_path: Path) -> None:
    file = rows(tmp_path, GOOD | {"EVIDENCES": "['E_218', 'E_155']", "INITIAL_EVIDENCE": "E_218"})
    patient = convert(file).scenarios[0].patient
    assert patient.opening == ("I feel bad when I push myself. It's better when I rest.",)
    assert {f.id for f in patient.facts} == {
        "palpitations", "palpitations_exacerbating", "palpitations_relieving",
    }  # fmt: skip


@pytest.mark.parametrize(("age", "question"), [("40", "Are your eyes itchy?"), ("5", "Are her eyes itchy?")])
def test_a_question_that_would_be_taken_for_another_is_heard(age: str, question: str, tmp_path: Path) -> None:
    file = rows(tmp_path, GOOD | {"AGE": age, "EVIDENCES": "['E_201', 'E_170']"})
    told = convert(file).scenarios[0].facts
    assert reaches(FactIndex(told.values()), question, told["itching_site"])


def test_the_answer_has_its_right_name_and_the_differentials_their_probabilities() -> None:
    answer = scenario(4).answer
    assert answer.diagnosis is not None
    assert answer.diagnosis.synonyms == ("acute bronchitis",)
    assert [(d.name, d.plausibility, d.credit) for d in answer.differentials] == [
        ("upper respiratory tract infection", 0.2, 0),
        ("pneumonia", 0.15, 0),
        ("acute otitis media", 0.1, 0),
        ("gastro-oesophageal reflux disease", 0.1, 0),
        ("acute pericarditis", 0.08, 0),
    ]
    assert [m.name for m in answer.must_not_miss] == ["pneumonia"]
    assert [m.name for m in scenario(1).answer.must_not_miss] == [
        "laryngospasm",
        "paroxysmal supraventricular tachycardia",
    ]
    unknown = scenario(5).answer.diagnosis
    assert unknown is not None
    assert unknown.name == "Imaginary fever"


def test_origin_licence_and_identity_are_recorded() -> None:
    s = scenario(1)
    assert (s.id, s.meta.license, s.meta.disclaimer, s.meta.split) == (
        "ddxplus-00001",
        "CC-BY-4.0",
        "derived",
        "test",
    )
    assert s.meta.sources[0].name == (
        "Contains data from DDXPlus (Fansi Tchango et al., 2022), CC BY 4.0, modified."
    )
    assert s.imported is not None
    assert (s.imported.format, s.imported.file, s.imported.line) == ("ddxplus", "test_patients.csv", 2)
    assert (s.patient.identity.age, s.patient.identity.sex) == (52, "male")
    assert not s.tests
    assert not s.exam.findings
    assert s.unlisted_tests == "normal"


def test_the_name_does_not_depend_on_the_condition(tmp_path: Path) -> None:
    other = GOOD | {"PATHOLOGY": "Pneumonia"}
    names = set()
    for n, row in enumerate((GOOD, other)):
        (tmp_path / str(n)).mkdir()
        names.add(convert(rows(tmp_path / str(n), row)).scenarios[0].patient.identity.name)
    assert len(names) == 1
    assert len({s.patient.identity.name for s in convert(SMALL).scenarios}) == 5


def test_a_history_that_names_the_answer_is_flagged(tmp_path: Path) -> None:
    row = GOOD | {"PATHOLOGY": "HIV (initial infection)", "EVIDENCES": "['E_201', 'E_2']"}
    done = convert(rows(tmp_path, row))
    assert done.scenarios[0].imported is not None
    assert done.scenarios[0].imported.flags == ("history-names-the-answer",)
    assert any("flagged history-names-the-answer" in str(note) for note in done.notes)


# Fit for use -------------------------------------------------------------------------------------


def test_the_same_file_gives_the_same_scenarios_and_they_survive_writing(tmp_path: Path) -> None:
    one, two = convert(SMALL).scenarios, convert(SMALL).scenarios
    assert [s.canonical for s in one] == [s.canonical for s in two]
    assert [load_file(p) for p in save(one, tmp_path)] == one


@pytest.mark.parametrize("doctor", ["guess", "scripted"])
def test_imported_patients_are_played_to_the_end(doctor: str) -> None:
    for s in convert(SMALL).scenarios:
        played = play(s, Cast(doctor=doctor))
        assert played.outcome is not None
        assert played.outcome.status != "error", s.id


def test_imported_patients_lint_without_errors(tmp_path: Path) -> None:
    paths = save(convert(SMALL).scenarios, tmp_path)
    assert [str(f) for p in paths for f in lint_file(p) if f.level == "error"] == []


@needs_real
def test_all_real_rows_import_fast_without_errors_and_without_naming_the_answer(tmp_path: Path) -> None:
    begun = time.monotonic()
    done = convert(REAL)
    assert time.monotonic() - begun < 60
    assert (len(done.scenarios), done.bad) == (1350, [])
    assert {s.imported.flags for s in done.scenarios if s.imported} == {()}
    for s in done.scenarios:
        keys = [(f.concept, f.slot) for f in s.patient.facts]
        assert len(set(keys)) == len(keys), s.id
        assert s.patient.opening_facts, s.id
    sample = save(done.scenarios[::9], tmp_path)
    found = [f for p in sample for f in lint_file(p)]
    assert [str(f) for f in found if f.level == "error"] == []
    known = ("`distractor: true`", "differentials needed", "must_not_miss diagnosis needed")
    assert [str(f) for f in found if not any(k in f.what for k in known)] == []
    for s in done.scenarios[::90]:
        played = play(s, Cast(doctor="scripted"))
        assert played.outcome is not None
        assert played.outcome.status != "error", s.id


# Bad input ---------------------------------------------------------------------------------------


def bad(**cells: str) -> dict[str, str]:
    return GOOD | cells


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (bad(AGE="-1"), "`AGE` should be whole years from 0 to 120, found `-1`"),
        (bad(AGE="121"), "`AGE` should be"),
        (bad(AGE="\u0664\u0665"), "`AGE` should be"),
        (bad(AGE="9" * 5000), "`AGE` should be"),
        (bad(SEX="\x1b[31mX"), "`SEX` should be F or M, found `[31mX`"),
        (
            bad(PATHOLOGY="Bronchitus"),
            "names `Bronchitus`, which is not in release_conditions.json (did you mean",
        ),
        (bad(EVIDENCES="['E_201', 'E_12345']"), "holds `E_12345`, which is not in release_evidences.json"),
        (bad(EVIDENCES="['E_201', 5]"), "`EVIDENCES` holds `5`"),
        (bad(EVIDENCES="['E_201', ['E_91']]"), "`EVIDENCES` holds"),
        (bad(EVIDENCES="['E_201_@_V_1']"), "`E_201` takes no value"),
        (bad(EVIDENCES="['E_201', 'E_204']"), "`E_204` takes one of its possible values"),
        (bad(EVIDENCES="['E_201', 'E_204_@_V_77']"), "`E_204` takes one of its possible values"),
        (bad(EVIDENCES="['E_201', 'E_56_@_1', 'E_56_@_2']"), "holds two values of `E_56`"),
        (bad(EVIDENCES="'E_201'"), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES="{'E_201': 1}"), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES="__import__('os').system('true')"), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES="['E_201'"), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES="[" * 9000), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES="-" * 19_000 + "1"), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES="9" * 9000), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES=""), "`EVIDENCES` should be a Python list"),
        (bad(EVIDENCES="['\\d']"), "`EVIDENCES` holds"),
        (bad(EVIDENCES="['E_201'," + " " * 20_000 + "]"), "`EVIDENCES` is longer than 20,000 characters"),
        (bad(INITIAL_EVIDENCE="E_97"), "`INITIAL_EVIDENCE` should be one of the yes-or-no `EVIDENCES`"),
        (bad(INITIAL_EVIDENCE="E_900", EVIDENCES="['E_900']"), "`INITIAL_EVIDENCE` E_900 has no words"),
        (bad(DIFFERENTIAL_DIAGNOSIS="[['Nothing', 0.5]]"), "`DIFFERENTIAL_DIAGNOSIS` names `Nothing`"),
        (bad(DIFFERENTIAL_DIAGNOSIS="[[['GERD'], 0.5]]"), "`DIFFERENTIAL_DIAGNOSIS` names"),
        (bad(DIFFERENTIAL_DIAGNOSIS="[['GERD', 1e999]]"), "should hold [condition, probability from 0 to 1]"),
        (bad(DIFFERENTIAL_DIAGNOSIS="[['GERD', True]]"), "should hold [condition, probability from 0 to 1]"),
        (bad(DIFFERENTIAL_DIAGNOSIS="['GERD']"), "should hold [condition, probability from 0 to 1]"),
        ("1,2,3", "the row has 3 cells, the header 6"),
        ('40,"[],F', "not valid CSV"),
        (b"\xff,,,,,", "not UTF-8 text (byte 0 of the line)"),
        ("x" * 200_000, "the line is longer than 100,000 bytes"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    row: dict[str, str] | str | bytes, said: str, tmp_path: Path
) -> None:
    file = rows(tmp_path, GOOD, row, GOOD)
    result = run(file, tmp_path / "out")
    assert result.exit_code == 2
    assert f"error: {file}:3: " in result.stderr
    assert said in result.stderr
    assert "1 bad of 3 cases, nothing written" in result.stderr
    assert all(c.isprintable() or c == "\n" for c in result.stdout + result.stderr)
    assert not (tmp_path / "out").exists()


def test_skip_bad_writes_the_good_rows_under_their_own_numbers(tmp_path: Path) -> None:
    file = rows(tmp_path, GOOD, "", bad(AGE="old"), GOOD)
    result = run(file, tmp_path / "out", "--skip-bad")
    assert result.exit_code == 0
    assert [p.stem for p in find_files(tmp_path / "out")] == ["ddxplus-00001", "ddxplus-00003"]
    assert f"{file}:4: `AGE`" in result.stderr


def test_a_missing_or_spoilt_file_is_named(tmp_path: Path) -> None:
    file = rows(tmp_path, GOOD)
    assert "cannot be read" in run(tmp_path / "none.csv", tmp_path / "out").stderr
    assert "cannot be read" in run(tmp_path, tmp_path / "out").stderr
    for name in ("release_evidences.json", "release_conditions.json"):
        kept = (tmp_path / name).read_text()
        for text in ("{", "[1]", '{"E_1": 5}', '{"a": {"severity": 9}}', "[" * 100_000, '{"\\u001b": {}}'):
            (tmp_path / name).write_text(text)
            result = run(file, tmp_path / "out")
            assert result.exit_code == 2
            assert f"{tmp_path / name}: " in result.stderr
            assert "take the file as DDXPlus publishes it" in result.stderr
        (tmp_path / name).unlink()
        assert f"{tmp_path / name}: is missing; put DDXPlus's" in run(file, tmp_path / "out").stderr
        (tmp_path / name).write_text(kept)
    assert run(file, tmp_path / "out").exit_code == 0


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (("AGE", "SEXX", *HEADER[1:2], *HEADER[3:]), "the column `SEX` is missing (did you mean `SEXX`?)"),
        ((*HEADER, "AGE"), "the column `AGE` stands here twice"),
        ((), "the column `AGE` is missing"),
    ],
)
def test_wrong_columns_are_named(header: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = run(rows(tmp_path, header=header), tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_file_of_a_header_only_is_an_error_and_a_further_column_is_not(tmp_path: Path) -> None:
    assert "no patient in this file" in run(rows(tmp_path), tmp_path / "out").stderr
    row: dict[str, Any] = GOOD | {"X\u202e": "y"}
    result = run(rows(tmp_path, row, header=(*HEADER, "X\u202e")), tmp_path / "out")
    assert result.exit_code == 0
    assert "is no column of DDXPlus; left out" in result.stderr
    assert "\u202e" not in result.stderr
