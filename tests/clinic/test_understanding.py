"""How well the router understands doctors, on questions and lines that it was not tuned on.

Nobody reads the rows of the halves `test`; their figures say how the router does on doctors that it has never
heard.
"""

import pytest

from benchmarks import understanding as u
from clinicenv.clinic.hearing import Hearing
from clinicenv.profile import Trust
from clinicenv.scenario import load_scenario
from tests.conftest import SHARED

QUESTIONS = SHARED / "questions"
WITHOUT = "the data set of real questions is not beside this checkout"


@pytest.mark.skipif(not QUESTIONS.is_dir(), reason=WITHOUT)
def test_real_questions_that_nobody_tuned_on_are_understood() -> None:
    asked = u.real_questions(QUESTIONS)
    assert len(asked) >= 600
    held_out = u.understanding([q for q in asked if q.half == "test"])
    assert held_out.n >= 300
    assert held_out.intent >= 0.8
    assert held_out.concept >= 0.88


@pytest.mark.skipif(not QUESTIONS.is_dir(), reason=WITHOUT)
def test_two_annotators_agree_on_the_labels() -> None:
    agreed = u.annotated(u.real_questions(QUESTIONS))
    assert agreed.kappa >= 0.8
    assert agreed.concept >= 0.8


def test_questions_of_our_own_wording_are_understood() -> None:
    asked = u.own_questions()
    assert len(asked) >= 300
    held_out = u.understanding([q for q in asked if q.half == "test"])
    assert held_out.intent >= 0.85
    assert held_out.concept >= 0.88


def test_the_labels_of_real_questions_hold_no_sentence() -> None:
    columns = (u.LABELS / "questions.tsv").read_text().splitlines()[0].split("\t")
    assert "question" not in columns


def test_acts_are_heard_in_lines_that_nobody_tuned_on() -> None:
    held_out = [line for line in u.doctor_lines() if line.half == "test"]
    assert len(held_out) >= 300
    scores = u.act_scores(held_out)
    assert {act: round(scores[act], 3) for act in u.ACTS if scores[act] < 0.85} == {}
    assert scores["all"] >= 0.85


def test_facts_are_reached_by_questions_written_without_sight_of_their_own() -> None:
    for case, facts in u.reach().items():
        assert set(facts) == set(load_scenario(case).facts)
    found = u.reached()
    assert found.short == {}
    assert found.reached >= 0.93


def test_on_a_named_case_hardly_any_question_is_answered_from_a_wrong_fact() -> None:
    found = u.wrong_facts()
    assert found["n"] >= 200
    assert found["wrong"] <= 0.03


def test_empathy_in_every_line_gains_no_more_trust_than_once() -> None:
    scenario, numbers = load_scenario("no-spark-01"), Trust(initial=0.2, gain={"empathise": 0.1})
    kind = "That must be very hard for you."
    once, stuffed = Hearing(scenario, numbers), Hearing(scenario, numbers)
    once.hear(f"{kind} When did it start?", of=0, turn=1)
    for n in range(5):
        stuffed.hear(f"{kind} {kind} When did it start?", of=n, turn=1)
    assert stuffed.trust == once.trust == pytest.approx(0.3)
