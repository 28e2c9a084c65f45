"""The score of a whole consultation: who wins by it, and who must not."""

from collections.abc import Callable
from statistics import mean
from typing import Any

import pytest

from clinicenv import Cast, Diagnose, OrderTests, Say, load_scenario, play
from clinicenv.clinic.catalogue import catalogue
from clinicenv.consultation import Consultation, Turn
from clinicenv.events import Leave, Plan, Role, Trajectory
from clinicenv.scenario import select
from clinicenv.score.marks import MARKS, marks_of
from clinicenv.score.process import process
from clinicenv.score.terminal import terminal

CASES = [s for s in select("all") if s.task == "diagnose"]
COMMON = (
    "pneumonia", "pulmonary embolism", "acute coronary syndrome", "acute appendicitis", "asthma",
    "heart failure", "migraine", "depression", "hyperthyroidism", "type 1 diabetes mellitus",
)  # fmt: skip
EVERYTHING = tuple(test.name for test in catalogue().values())

Act = Callable[[Turn], Any]


def last(turn: Turn) -> bool:
    return turn.view.turn == turn.view.max_turns


def abstain(turn: Turn) -> Any:
    return Leave()


def constant(turn: Turn) -> Any:
    return Diagnose(COMMON)


def repeat_question(turn: Turn) -> Any:
    return constant(turn) if last(turn) else Say("Where does it hurt?")


def order_everything(turn: Turn) -> Any:
    start = 20 * (turn.view.turn - 1)
    return (
        constant(turn)
        if last(turn) or start >= len(EVERYTHING)
        else OrderTests(EVERYTHING[start : start + 20])
    )


def parrot(turn: Turn) -> Any:
    said = [e.what.text for e in turn.view.events if e.role is Role.PATIENT]  # type: ignore[union-attr]
    return Diagnose((said[-1].replace(";", ",")[:80],)) if last(turn) else Say(said[-1])


def keyword_stuffer(turn: Turn) -> Any:
    if last(turn):
        return constant(turn)
    return Say(
        "Hello, I am so sorry, that must be hard. Do you have pain, fever, cough, nausea, vomiting,"
        " breathlessness, weight loss, bleeding, dizziness, headache, rash, swelling, allergies, medicines,"
        " smoking, alcohol, family history, travel, ideas, concerns, expectations? To summarise, I explain."
        " Come back if it gets worse. Goodbye."
    )


DEGENERATE: dict[str, Act | str] = {
    "always-abstain": abstain,
    "constant answer": constant,
    "repeat-question": repeat_question,
    "order-everything": order_everything,
    "parrot": parrot,
    "keyword-stuffer": keyword_stuffer,
    "random": "random",
}


def scores(doctor: Act | str) -> list[float]:
    found = []
    for seed in range(100):
        scenario = CASES[seed % len(CASES)]
        found.append(terminal(scenario, play(scenario, Cast(doctor=doctor), seed=seed)).score)
    return found


@pytest.fixture(scope="module")
def competent() -> list[float]:
    return scores("scripted")


@pytest.mark.parametrize("name", DEGENERATE)
def test_no_degenerate_doctor_comes_near_a_competent_one(name: str, competent: list[float]) -> None:
    found = scores(DEGENERATE[name])
    assert mean(competent) - mean(found) >= 0.2  # of a range of 0 to 1
    assert sum(a > b for a, b in zip(competent, found, strict=True)) >= 90


CASE = load_scenario("sharp-chest-pain-01")


class Does:
    """One act a turn."""

    def __init__(self, *acts: Any) -> None:
        self.acts = acts

    def act(self, turn: Turn) -> Any:
        return self.acts[turn.view.turn - 1]


def played(*acts: Any) -> Trajectory:
    return play(CASE, Cast(doctor=Does(*acts)), seed=1)


RIGHT = Diagnose(("acute pericarditis",))


def test_each_part_is_earned_by_what_it_is_about() -> None:
    bare = terminal(CASE, played(RIGHT))
    assert bare.parts["diagnosis"] == 1
    asked = terminal(CASE, played(Say("What makes it better?"), Say("Have you been ill recently?"), RIGHT))
    assert asked.parts["history"] > bare.parts["history"]
    ordered = terminal(CASE, played(OrderTests(("ECG", "troponin")), RIGHT))
    assert ordered.parts["investigations"] > bare.parts["investigations"]
    plan = Plan(treatment="ibuprofen with stomach protection, and colchicine for three months")
    assert terminal(CASE, played(Diagnose(RIGHT.differential, plan))).parts["management"] > 0
    wrong = terminal(CASE, played(Diagnose(("tension headache",))))
    assert wrong.parts["diagnosis"] == 0


def test_harm_is_taken_off_and_advice_against_it_is_not() -> None:
    harmful = terminal(CASE, played(Diagnose(RIGHT.differential, Plan(treatment="thrombolysis at once"))))
    assert harmful.taken_off["harm"] == pytest.approx(0.3)
    warned = terminal(CASE, played(Diagnose(RIGHT.differential, Plan(treatment="no thrombolysis"))))
    assert "harm" not in warned.taken_off
    assert harmful.score == 0 < warned.score  # grave harm has a veto
    lesser = Diagnose(RIGHT.differential, Plan(treatment="thrombolysis at once"))
    plan = CASE.plan.model_copy(
        update={"avoid": tuple(a.model_copy(update={"harm": 1}) for a in CASE.plan.avoid)}
    )
    assert 0 < terminal(CASE.changed(plan=plan), played(lesser)).score < warned.score


def test_a_danger_is_addressed_by_a_test_or_by_name() -> None:
    missed = terminal(CASE, played(RIGHT)).taken_off["missed"]
    by_test = terminal(CASE, played(OrderTests(("ECG",)), RIGHT)).taken_off["missed"]
    by_name = terminal(CASE, played(Diagnose(("acute pericarditis", "pulmonary embolism")))).taken_off[
        "missed"
    ]
    assert missed == pytest.approx(0.2)
    assert by_test < missed
    assert by_name < missed


def test_turns_and_costs_are_taken_off_beside_the_score() -> None:
    found = terminal(CASE, played(OrderTests(("ECG",)), RIGHT))
    done = played(OrderTests(("ECG",)), RIGHT).outcome
    assert done
    assert found.net == pytest.approx(found.score - 0.005 * 2 - 0.02 * done.cost / 1000)


def test_a_consultation_that_broke_has_no_score() -> None:
    broken = Consultation(CASE, Cast(doctor="guess"))
    broken.fail(Role.DOCTOR, "gone")
    with pytest.raises(ValueError, match="broke"):
        terminal(CASE, broken.trajectory)
    assert marks_of(CASE, broken.trajectory) == {}


def test_other_tasks_are_scored_by_what_they_are_about() -> None:
    talk, question = load_scenario("bad-news-01"), load_scenario("tracing-faints-01")
    assert set(terminal(talk, play(talk, Cast(doctor="scripted"))).parts) == {"goals", "communication"}
    assert set(terminal(question, play(question, Cast(doctor="scripted"))).parts) == {"answer"}


# The marks behind it


def test_marks_have_their_evidence() -> None:
    done = played(Say("Have you been ill recently?"), OrderTests(("ECG",)), RIGHT)
    marks = process(CASE, done)
    told = [done.events[n].what for n in marks.history.events]
    assert any("recent_cold" in what.ids for what in told)  # type: ignore[union-attr]
    assert all("ecg" in done.events[n].what.results[0].ids for n in marks.essential.events)  # type: ignore[union-attr]
    assert marks.repeats.value == 0


def test_asking_the_same_again_is_a_repeat() -> None:
    ask = Say("Do you smoke?")
    assert process(CASE, played(ask, ask, RIGHT)).repeats.value == 1


def test_what_is_told_unasked_is_history_and_was_not_asked_for() -> None:
    case = load_scenario("breathless-at-night-01")
    marks = process(case, play(case, Cast(doctor=lambda turn: RIGHT)))
    assert (marks.history.value or 0) > 0
    assert marks.history_asked.value == 0


def test_unkind_words_halve_what_good_ones_earn() -> None:
    kind = Say("Hello. I am so sorry, that sounds frightening.")
    rude = Say("Don't waste my time, you are being ridiculous.")
    good, bad = process(CASE, played(kind, RIGHT)), process(CASE, played(kind, rude, RIGHT))
    assert bad.communication.value == pytest.approx((good.communication.value or 0) / 2)


def test_top_k_and_rank_say_where_the_right_one_stands() -> None:
    marks = marks_of(CASE, played(Diagnose(("tension headache", "costochondritis", "acute pericarditis"))))
    assert set(marks) == set(MARKS)
    assert (marks["correct"], marks["top_1"], marks["top_3"], marks["rank"]) == (0, 0, 1, 3)
    nothing = marks_of(CASE, played(Leave()))
    assert (nothing["correct"], nothing["no_diagnosis"], nothing["rank"]) == (0, 1, None)


@pytest.mark.parametrize(
    ("plan", "harmful"),
    [
        ("Continue ibuprofen.", True),
        ("Continue ibuprofen without delay.", True),
        ("Do not continue ibuprofen.", False),
        ("Continue ibuprofen is contraindicated here.", False),
        ("Furosemide and oxygen.", False),
    ],
)
def test_harm_is_what_the_plan_advises_and_not_what_it_warns_of(plan: str, harmful: bool) -> None:
    case = load_scenario("breathless-at-night-01")
    assert case.answer.diagnosis
    acts = Diagnose((case.answer.diagnosis.name,), Plan(treatment=plan))
    mark = process(case, play(case, Cast(doctor=lambda turn: acts))).harm
    assert (mark.value == 2) is harmful
