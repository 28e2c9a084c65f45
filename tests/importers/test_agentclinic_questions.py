"""AgentClinic's image questions, in lines of our own invention."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from test_vqa import PNG

from clinicenv import Cast, play
from clinicenv.cli.main import call
from clinicenv.clinic.lint import lint_files
from clinicenv.importers import Conversion, importer
from clinicenv.importers.agentclinic_questions import spoken
from clinicenv.scenario import find_files, load_file

CASE: dict[str, Any] = {
    "question": "A 51-year-old baker has had an itchy forearm for a week. What is the most likely cause?",
    "image_url": "https://pictures.example.org/store/images/A17.jpg",
    "patient_info": "You are a 51-year-old woman. Your left forearm itches. It bothers you at night.",
    "physical_exams": "Raised red rings on the left forearm. The rest of the skin is clear.",
    "answers": [
        {"text": "Flour", "correct": False},
        {"text": "A mite", "correct": True},
        {"text": "Soap", "correct": False},
    ],
    "type": ["dermatology"],
}


def convert(folder: Path, *cases: dict[str, Any], images: Path | None = None) -> Conversion:
    file = folder / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, cases)))
    return importer("agentclinic").convert(file, images)


def run(folder: Path, *more: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = call(
            ["import", "agentclinic", str(folder / "questions.jsonl"), "--out", str(folder / "out"), *more]
        )
    return code, stdout.getvalue(), stderr.getvalue()


def test_the_doctor_is_asked_the_question_and_may_talk_to_the_patient(tmp_path: Path) -> None:
    (case,) = convert(tmp_path, CASE).scenarios
    assert case.task == "question"
    assert case.question
    assert case.question.ask == CASE["question"]
    assert [(o.id, o.text) for o in case.question.options if o.correct] == [("B", "A mite")]
    assert (case.patient.identity.age, case.patient.identity.sex) == (51, "female")
    assert "My left forearm itches." in [say for f in case.facts.values() for say in f.say]
    assert any("Raised red rings" in f.text for f in case.exam.findings)


def test_without_images_it_comes_without_its_picture_and_says_so(tmp_path: Path) -> None:
    convert(tmp_path, CASE)
    code, out, err = run(tmp_path)
    assert code == 0
    assert "1 flagged" in out
    assert "image_url: imported without its picture; give --images FOLDER" in err
    case = load_file(find_files(tmp_path / "out")[0])
    assert case.images == ()
    assert [f.level for f in lint_files(find_files(tmp_path / "out")) if "no-picture" in f.what] == [
        "warning"
    ]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://pictures.example.org/store/images/A17.jpg", "A17.jpg"),
        ("https://pictures.example.org/store/images/A17.jpg", "A17.jpg.png"),
        ("https://pictures.example.org/store/images?id=A17", "A17.png"),
        ("https://pictures.example.org/A%2017.png?size=large", "A 17.png"),
    ],
)
def test_the_users_own_picture_goes_with_it(url: str, name: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / name).write_bytes(PNG)
    convert(tmp_path, {**CASE, "image_url": url})
    code, _, err = run(tmp_path, "--images", str(own))
    assert code == 0, err
    files = find_files(tmp_path / "out")
    (case,) = map(load_file, files)
    assert case.question
    assert case.question.image == case.images[0].id
    assert case.images[0].modality == "dermatology"
    assert [f for f in lint_files(files) if f.level == "error"] == []
    assert play(case, Cast(doctor="scripted")).outcome


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example.org/../../secret.png",
        "https://x.example.org/..%2Fsecret.png",
        "..",
        "https://x.example.org/?id=../secret.png",
    ],
)
def test_a_picture_that_is_not_in_the_folder_is_an_error_with_its_fix(url: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "secret.png").write_bytes(PNG)
    (bad,) = convert(tmp_path, {**CASE, "image_url": url}, images=tmp_path / "own").bad
    assert "`image_url` names" in bad.what
    assert "or import without --images" in bad.what


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": []}, "`answers` should be a list of 2 to 26"),
        (
            {"answers": [{"text": "x", "correct": True}, {"text": "y", "correct": True}]},
            "`answers` has 2 correct ones",
        ),
        ({"answers": [{"text": "x", "correct": 1}, {"text": "y"}]}, "answer A should be an object"),
        ({"patient_info": 3}, "`patient_info` should be text, found a number"),
        ({"image_url": ""}, "`image_url` should be text, found empty text"),
    ],
)
def test_a_bad_question_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    (bad,) = convert(tmp_path, {**CASE, **change}).bad
    assert said in bad.what
    assert bad.line == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("You are tired and your arm hurts.", "I am tired and my arm hurts."),
        ("It was given to you.", "It was given to me."),
        ("You hurt yourself when you fell", "I hurt myself when I fell"),
        ("Your husband says that you snore.", "My husband says that I snore."),
    ],
)
def test_a_script_is_said_in_the_first_person(script: str, said: str) -> None:
    assert spoken(script) == said
