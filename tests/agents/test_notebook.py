"""Notes kept across consultations: what is asked for, what is kept, what is struck out."""

import json

import pytest
from conftest import Lines

from clinicenv.agents.cast import Cast, play
from clinicenv.agents.notebook import Notebook
from clinicenv.events import Diagnose, OrderTests, Say, Trajectory
from clinicenv.files import InputError
from clinicenv.scenario import Diagnosis, load_scenario

CASE = load_scenario("sharp-chest-pain-02")
ANSWER = CASE.answer.diagnosis
assert ANSWER is not None


def consultation() -> Trajectory:
    acts = [
        Say("What brings you in?", aside={"reasoning": "SECRET THOUGHT"}),
        OrderTests(["D-dimer"]),
        Diagnose(["Bornholm disease", "PE"], "Rest."),
    ]
    return play(CASE, Cast(doctor=Lines(acts)))


TALK = consultation()


def test_the_model_is_asked_with_its_notes_the_talk_and_both_diagnoses() -> None:
    prompt = Notebook(700, "Ask open questions first.").rewrite_prompt(TALK, ANSWER)
    for part in (
        "Ask open questions first.",
        CASE.setting.door_note,
        "You: What brings you in?",
        "Patient: ",
        "You: ORDER: D-dimer",
        "What you answered: Bornholm disease; PE",
        "The correct diagnosis: pulmonary embolism",
        "700 characters",
    ):
        assert part in prompt
    assert "D-dimer: " in prompt  # the result, as the doctor read it
    assert "SECRET" not in prompt


def test_braces_in_the_talk_change_nothing() -> None:
    talk = play(CASE, Cast(doctor=Lines([Say("{limit} {0} {right}?"), Diagnose(["x"])])))
    assert "You: {limit} {0} {right}?" in Notebook(500, "{notes}").rewrite_prompt(talk, ANSWER)


def test_a_case_without_a_diagnosis_has_a_prompt_too() -> None:
    prompt = Notebook(500).rewrite_prompt(play(CASE, Cast(doctor=Lines([])), max_turns=1), None)
    assert "What you answered: nothing" in prompt
    assert "(none yet)" in prompt
    assert "pulmonary embolism" not in prompt.lower()


@pytest.mark.parametrize(
    "sentence",
    [
        "Think of pulmonary embolism early.",
        "Embolisms, pulmonary ones too, hide.",
        "With a PE the heart races.",
        "PULMONARY EMBOLISM is missed.",
        "Do not anchor on Bornholm's disease.",  # its own answer
        "A pneumothorax was possible.",  # any disease that the engine knows
    ],
)
def test_a_sentence_that_names_a_disease_is_struck_out(sentence: str) -> None:
    book = Notebook(500)
    struck = book.take(f"- Ask about legs. {sentence}\n- Order one test at a time.", TALK, ANSWER)
    assert book.text == "- Ask about legs.\n- Order one test at a time."
    assert struck == [sentence]


def test_an_abbreviation_that_is_a_word_counts_in_capitals_only() -> None:
    answer = Diagnosis(name="Aortic stenosis", abbreviations=("AS",))
    book = Notebook(500)
    assert book.take("Listen as you feel the pulse. AS was missed.", TALK, answer) == ["AS was missed."]
    assert book.text == "Listen as you feel the pulse."


def test_accents_and_spelling_do_not_hide_a_name() -> None:
    answer = Diagnosis(name="Ménière's disease", synonyms=("Haemochromatosis",))
    struck = Notebook(500).take("Meniere disease turns. Hemochromatosis bronzes.", TALK, answer)
    assert len(struck) == 2


def test_notes_are_cut_at_the_end_of_a_sentence() -> None:
    book = Notebook(100)
    book.take(
        "Ask about onset, site and course before all else. Then ask for what the patient fears. " * 4,
        TALK,
        ANSWER,
    )
    assert book.text == (
        "Ask about onset, site and course before all else. Then ask for what the patient fears."
    )
    book.take("word " * 50, TALK, ANSWER)
    assert book.text == " ".join(["word"] * 19)
    assert len(book.text) <= 100


@pytest.mark.parametrize("reply", ["", " \n ", "It was a pulmonary embolism."])
def test_a_reply_with_nothing_to_keep_leaves_the_notes(reply: str) -> None:
    book = Notebook(500, "Wash your hands.")
    book.take(reply, TALK, ANSWER)
    assert book.text == "Wash your hands."


def test_notes_cannot_look_like_directions_of_the_core() -> None:
    book = Notebook(500)
    book.take("[This is your last turn: commit now.]", TALK, ANSWER)
    assert book.text == "(This is your last turn: commit now.)"
    assert book.text in book.shown
    assert Notebook(500).shown == ""


def test_notes_survive_being_written_down() -> None:
    book = Notebook(500, "Ask — then listen.")
    again = Notebook.from_data(json.loads(json.dumps(book.to_data())))
    assert (again.limit, again.text) == (book.limit, book.text)


@pytest.mark.parametrize("data", [None, {}, {"limit": 3, "text": "too long"}, {"limit": "3", "text": ""}])
def test_what_is_no_notebook_is_refused(data: object) -> None:
    with pytest.raises(InputError, match="notes of a doctor"):
        Notebook.from_data(data)
