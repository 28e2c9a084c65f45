"""What the scripted patient answers on imported cases: from the right sentence, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.imported import Question, answered, figures, questions
from clinicenv.importers import importer
from clinicenv.importers.pieces import denied
from clinicenv.story import Fact
from tests.conftest import SHARED

REAL = SHARED / "agentclinic" / "agentclinic_medqa.jsonl"
needs_real = pytest.mark.skipif(not REAL.is_file(), reason="AgentClinic's own file is not in ../shared")

CASE: dict[str, Any] = {
    "Demographics": "50-year-old woman",
    "History": "The patient reports an itchy rash on both shins for 3 weeks. The rash improves with a cool "
    "bath and worsens at night. She has not had any contact with poison ivy.",
    "Symptoms": {"Primary_Symptom": "Itchy rash on the shins", "Secondary_Symptoms": ["No fever"]},
    "Past_Medical_History": "Hypertension, treated with lisinopril. Her mother had psoriasis.",
    "Social_History": "Works as a baker. Smokes ten cigarettes a day.",
    "Review_of_Systems": "Denies fever, cough, vomiting, or joint pain. No skin or nipple changes.",
}


def file(folder: Path, **changes: Any) -> Path:
    """A file with one case."""
    osce = {
        "Objective_for_Doctor": "Assess the patient.",
        "Patient_Actor": CASE | changes,
        "Physical_Examination_Findings": {},
        "Test_Results": {},
        "Correct_Diagnosis": "Lichen planus",
    }
    path = folder / "cases.jsonl"
    path.write_text(json.dumps({"OSCE_Examination": osce}) + "\n", encoding="utf-8")
    return path


def facts(folder: Path, **changes: Any) -> list[Fact]:
    (scenario,) = importer("agentclinic").convert(file(folder, **changes)).scenarios
    return list(scenario.patient.facts)


HISTORY, PAST, SOCIAL, REVIEW = "History", "Past_Medical_History", "Social_History", "Review_of_Systems"


@pytest.mark.parametrize(
    ("asked", "kind", "answer"),
    [
        ("How long have you had these spots?", "present", {(HISTORY, 0)}),
        ("Does anything soothe it?", "present", {(HISTORY, 1)}),
        ("What time of day is it at its worst?", "present", {(HISTORY, 1)}),
        ("What do you do for a living?", "present", {(SOCIAL, 0)}),
        ("Are you a smoker?", "present", {(SOCIAL, 1)}),
        ("Have you been throwing up?", "denied", {(REVIEW, 0)}),
        ("Have you been hot or shivery?", "denied", {(REVIEW, 0), ("Symptoms.Secondary_Symptoms", 0)}),
        ("What tablets are you on?", "present", {(PAST, 0)}),
    ],
)
def test_a_question_in_lay_words_reaches_its_sentence(
    asked: str, kind: str, answer: set[tuple[str, int]], tmp_path: Path
) -> None:
    (replied,) = answered(file(tmp_path), [Question(1, "own", asked, kind, frozenset(answer))])
    assert (replied.outcome, replied.extra) == ("right", 0), replied.said


@pytest.mark.parametrize(
    "asked", ["Have you ever had kidney stones?", "Do you keep any pets?", "Does diabetes run in the family?"]
)
def test_of_what_the_case_does_not_say_nothing_is_told(asked: str, tmp_path: Path) -> None:
    (replied,) = answered(file(tmp_path), [Question(1, "own", asked, "absent", frozenset())])
    assert replied.outcome == "right", replied.said


def test_the_illness_of_a_relative_is_not_the_patients(tmp_path: Path) -> None:
    family = Question(
        1, "own", "Does anybody in your family have psoriasis?", "present", frozenset({(PAST, 1)})
    )
    own = Question(1, "own", "Do you have high blood pressure?", "present", frozenset({(PAST, 0)}))
    assert [(r.outcome, r.extra) for r in answered(file(tmp_path), [family, own])] == [("right", 0)] * 2


def test_an_or_asks_for_any_of_the_things(tmp_path: Path) -> None:
    asked = Question(1, "own", "Any fever or a cough?", "denied", frozenset({(REVIEW, 0)}))
    (replied,) = answered(file(tmp_path), [asked])
    assert replied.outcome == "right"
    assert "vomiting" not in replied.said


def test_each_thing_that_is_denied_is_a_fact_of_its_own(tmp_path: Path) -> None:
    told = {f.concept: f for f in facts(tmp_path) if not f.present}
    assert told["cough"].say == ("No cough.",)
    assert told["vomiting"].say == ("No vomiting.",)
    assert told["vomiting"].value == "vomiting"


@pytest.mark.parametrize(
    ("sentence", "things"),
    [
        ("Denies fever, cough, or rash.", ["fever", "cough", "rash"]),
        ("The patient denies any recent fever or vomiting.", ["recent fever", "vomiting"]),
        ("No chest pain, dizziness or fainting reported.", ["chest pain", "dizziness", "fainting"]),
        ("No changes in bowel or bladder habits.", []),
        ("No skin or nipple changes.", []),
        ("No chest or back pain.", []),
        ("No weight loss or gain.", []),
        ("No significant past medical or surgical history.", []),
        ("Denies fever but has had a cough.", []),
        ("No cough.", []),
        ("Fever, cough, and rash.", []),
    ],
)
def test_a_denial_is_taken_apart_where_each_part_stands_alone(sentence: str, things: list[str]) -> None:
    assert denied(sentence) == things


def test_what_is_said_twice_is_one_fact_that_keeps_both_sentences(tmp_path: Path) -> None:
    (fever,) = [f for f in facts(tmp_path) if f.concept == "fever"]
    assert fever.value is not None
    assert set(fever.value.split(" | ")) == {"No fever.", CASE[REVIEW].split(". ")[0] + "."}


def test_a_wrong_fact_a_deferral_and_a_false_denial_are_told_apart(tmp_path: Path) -> None:
    def outcome(asked: str, kind: str, *answer: tuple[str, int]) -> str:
        return answered(file(tmp_path), [Question(1, "own", asked, kind, frozenset(answer))])[0].outcome

    assert outcome("What do you do for a living?", "present", (SOCIAL, 1)) == "wrong"
    assert outcome("What do you do for a living?", "absent") == "wrong"
    assert outcome("Do you keep any pets?", "present", (SOCIAL, 1)) == "deferred"


@needs_real
def test_the_patient_answers_from_the_right_sentence() -> None:
    asked = questions("test")
    found = figures(answered(REAL, asked))
    assert len(asked) >= 150
    assert found["right"] >= 0.85
    assert found["wrong"] <= 0.05
