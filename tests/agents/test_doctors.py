"""The doctors that need no model: what they do in whole consultations, and how they read replies."""

from dataclasses import replace

import pytest

from clinicenv.agents import doctor_lines as lines
from clinicenv.agents.cast import Cast, play
from clinicenv.agents.doctor_notes import band_of, take_notes, unfit
from clinicenv.agents.doctor_reports import looks_abnormal, spoken_for
from clinicenv.agents.doctors import DOCTORS, agenda
from clinicenv.clinic.lexicon import lexicon, mentions
from clinicenv.clinic.router import read
from clinicenv.consultation import Consultation, Turn, drive_sync
from clinicenv.draws import Draws, TurnDraw
from clinicenv.events import (
    FINAL,
    Answer,
    Diagnose,
    DoorNote,
    Event,
    Examine,
    Leave,
    OrderTests,
    Report,
    RequestImage,
    Result,
    Role,
    Say,
    Trajectory,
)
from clinicenv.profile import BiasProfile
from clinicenv.scenario import load_scenario, select
from clinicenv.view import AskedOption, DoctorView

CASES = [s.id for s in select("task:diagnose") if not s.twin_of]
TALKS = [s.id for s in select("task:communicate")]
CASE = "sharp-chest-pain-01"


def consult(doctor: str, case: str = CASE, seed: int = 0, **settings: object) -> Trajectory:
    return play(load_scenario(case), Cast(doctor=doctor), seed=seed, **settings)


def of_doctor(trajectory: Trajectory, kind: type) -> list[object]:
    return [e.what for e in trajectory.of(kind) if e.role is Role.DOCTOR]


def heard_concepts(trajectory: Trajectory) -> set[str]:
    return {c for e in trajectory.events if e.what.type == "heard" for c in e.what.concepts}


def view_of(*events: tuple[Role, object], turn: int = 2, **changes: object) -> DoctorView:
    view = DoctorView(
        role=Role.DOCTOR,
        turn=turn,
        max_turns=20,
        events=tuple(Event(n, n, role, what) for n, (role, what) in enumerate(events)),
        profile=BiasProfile(id="default", target="doctor"),
        task="diagnose",
        site="clinic",
        position="doctor",
        resources=(),
        question=None,
        options=(),
        age=40,
        sex="female",
    )
    return replace(view, **changes)


def turn_of(view: DoctorView, *legal: type) -> Turn:
    return Turn(Role.DOCTOR, view, legal, TurnDraw(Draws(0, 0, "case"), "doctor", view.turn))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("doctor", sorted(DOCTORS))
def test_every_doctor_ends_every_case_with_a_diagnosis(doctor: str, case: str) -> None:
    trajectory = consult(doctor, case, budget=10**6, minutes=10**4)
    assert trajectory.outcome is not None
    assert (trajectory.outcome.status, trajectory.outcome.reason) == ("terminated", "diagnose")


@pytest.mark.parametrize("case", TALKS)
@pytest.mark.parametrize("doctor", sorted(DOCTORS))
def test_every_doctor_ends_a_difficult_conversation_with_a_goodbye(doctor: str, case: str) -> None:
    trajectory = consult(doctor, case, budget=10**6, minutes=10**4)
    assert trajectory.outcome is not None
    assert trajectory.outcome.reason == "leave"


@pytest.mark.parametrize("doctor", sorted(DOCTORS))
def test_the_same_seed_gives_the_same_log(doctor: str) -> None:
    assert consult(doctor, seed=3).to_json() == consult(doctor, seed=3).to_json()


def test_another_seed_changes_the_words() -> None:
    assert of_doctor(consult("scripted", seed=1), Say) != of_doctor(consult("scripted", seed=2), Say)


@pytest.mark.parametrize("doctor", ["random", "scripted"])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_few_turns_are_enough_to_diagnose(doctor: str, most: int) -> None:
    trajectory = consult(doctor, max_turns=most)
    assert trajectory.outcome is not None
    assert trajectory.outcome.reason == "diagnose"
    assert trajectory.outcome.turns <= most


def test_guess_asks_nothing_and_gives_a_plan() -> None:
    trajectory = consult("guess")
    acts = [e.what for e in trajectory.events if e.role is Role.DOCTOR]
    assert [type(a) for a in acts] == [Diagnose]
    assert acts[0].plan
    assert len(acts[0].differential) == 5


def test_random_ends_with_three_diseases_and_no_plan() -> None:
    (end,) = of_doctor(consult("random"), Diagnose)
    assert len(set(end.differential)) == 3
    assert not end.plan


@pytest.mark.parametrize("case", CASES)
def test_scripted_takes_a_whole_history_and_closes_with_a_plan(case: str) -> None:
    trajectory = consult("scripted", case, budget=10**6)
    concepts = heard_concepts(trajectory)
    assert {"allergy", "medication", "past_illness", "family_history", "ideas", "concerns"} <= concepts
    assert "vital signs" in of_doctor(trajectory, Examine)[0].items
    assert of_doctor(trajectory, OrderTests) or of_doctor(trajectory, RequestImage)
    (end,) = of_doctor(trajectory, Diagnose)
    assert all((end.plan.treatment, end.plan.follow_up, end.plan.safety_net))
    acts = {a for e in trajectory.events if e.what.type == "heard" for a in e.what.acts}
    assert {"greet", "empathise", "summarise", "explain", "safety_net"} <= acts


@pytest.mark.parametrize("case", CASES)
def test_scripted_asks_no_closed_question_twice(case: str) -> None:
    asked = [c for say in of_doctor(consult("scripted", case), Say) for c in lines.asked_in(say.text)]
    plain = [c for c in asked if c not in lines.SENSITIVE]
    assert len(plain) >= 12
    assert len(plain) == len(set(plain))


def test_scripted_stands_above_guess_above_random() -> None:
    def credit(doctor: str) -> float:
        verdicts = [consult(doctor, case).verdict for case in CASES]
        return sum(v.credit for v in verdicts if v)

    assert credit("scripted") > credit("guess") > credit("random")


@pytest.mark.parametrize("doctor", sorted(DOCTORS))
def test_one_doctor_plays_two_consultations_at_once_as_it_plays_them_apart(doctor: str) -> None:
    cast = Cast(doctor=doctor)
    apart = [play(load_scenario(case), cast, seed=5).to_json() for case in CASES[:2]]
    both = [Consultation(load_scenario(case), cast, seed=5) for case in CASES[:2]]
    while any(c.pending for c in both):
        for consultation in both:
            drive_sync(consultation, cast, until=Role.DOCTOR)
            if turn := consultation.pending:
                consultation.submit(cast[Role.DOCTOR].act(turn))
    assert [c.trajectory.to_json() for c in both] == apart


@pytest.mark.parametrize("doctor", sorted(DOCTORS))
def test_other_tasks_end_as_they_allow(doctor: str) -> None:
    said = ((Role.CORE, DoorNote("Chest pain.")), (Role.PATIENT, Say("My chest hurts when I breathe in.")))
    options = (AskedOption("a", "Infant colic"), AskedOption("b", "Pulmonary embolism"))
    view = view_of(*said, turn=20, options=options, question="Which?")
    assert DOCTORS[doctor]().act(turn_of(view, Say, Answer))[-1].text in ("a", "b")
    assert isinstance(DOCTORS[doctor]().act(turn_of(view, Say, Leave))[-1], FINAL)


def test_the_likeliest_option_is_the_answer() -> None:
    said = (
        (Role.CORE, DoorNote("Fever and a cough with phlegm.")),
        (Role.PATIENT, Say("I cough up phlegm.")),
    )
    options = (AskedOption("a", "Infant colic"), AskedOption("b", "Pneumonia"))
    (answer,) = DOCTORS["guess"]().act(turn_of(view_of(*said, options=options), Say, Answer))
    assert answer == Answer("b")


@pytest.mark.parametrize("who", ["you", "he"])
def test_each_question_is_heard_as_what_it_asks(who: str) -> None:
    wrong = {}
    for concept in lines.topics():
        for number in (0.0, 0.4, 0.9):
            text = lines.question(concept, who, number)
            heard = {p.concept for p in read(text, "fever").probes}
            if concept not in heard:
                wrong[text] = (concept, heard)
    assert not wrong


@pytest.mark.parametrize("line", [*lines.ANSWERS, *lines.COMFORTS, *lines.CONFIDING])
def test_what_goes_before_a_question_changes_no_topic(line: str) -> None:
    (probe,) = read(f"{line} Does anything make it worse?", "rash").probes
    assert (probe.concept, probe.slot) == ("rash", "exacerbating")


@pytest.mark.parametrize(
    ("text", "who", "put"),
    [
        ("Have you had pain in your belly?", "he", "Has he had pain in his belly?"),
        ("Do you have any allergies?", "she", "Does she have any allergies?"),
        ("Has anyone around you been ill?", "he", "Has anyone around you been ill?"),
        ("Have you had fever?", "they", "Have they had fever?"),
        ("Have you had fever?", "you", "Have you had fever?"),
    ],
)
def test_a_parent_is_asked_about_the_child(text: str, who: str, put: str) -> None:
    assert lines.addressed(text, who) == put


def asked(question: str, reply: str, **changes: object) -> dict[str, bool]:
    return take_notes(
        view_of(
            (Role.CORE, DoorNote("New patient.")),
            (Role.DOCTOR, Say(question)),
            (Role.PATIENT, Say(reply)),
            **changes,
        )
    ).findings


def test_a_bare_yes_or_no_answers_the_one_thing_asked() -> None:
    assert asked("Have you had any fever?", "Yes, since Monday.") == {"fever": True}
    assert asked("Have you had any fever?", "No, nothing like that.") == {"fever": False}


def test_of_several_questions_only_what_is_named_or_left_over_is_noted() -> None:
    two = "Have you had any fever? Have you had any vomiting?"
    assert asked(two, "Yes, on Monday. No vomiting.") == {"fever": True, "vomiting": False}
    assert "fever" not in asked(two, "I would rather not say.")


def test_fears_are_no_findings() -> None:
    assert asked(lines.VIEWS[0], "I am afraid of fainting again.") == {}


def test_fever_and_low_saturation_are_read_from_vital_signs() -> None:
    text = "Temperature 38.6 °C; Oxygen saturation 89%; Heart rate 120/min"
    notes = take_notes(
        view_of(
            (Role.CORE, DoorNote("New patient.")),
            (Role.MEASUREMENT, Report((Result("vital signs", "Vital signs", text, "exam"),))),
        )
    )
    assert notes.findings == {"fever": True}
    assert notes.tests == {"pulse_oximetry": "low"}
    assert notes.signs == {"vital signs": True}


def test_a_test_that_was_not_done_says_nothing() -> None:
    result = Result("Troponin", "High-sensitivity troponin", "Not available here.", "test")
    notes = take_notes(view_of((Role.CORE, DoorNote("New patient.")), (Role.MEASUREMENT, Report((result,)))))
    assert notes.tests == {}


def test_reports_speak_for_and_against_diseases() -> None:
    assert dict(spoken_for("Filling defect in the right main artery. No consolidation.")) == {
        "Pneumonia": False,
        "Pulmonary embolism": True,
    }
    assert dict(spoken_for("No aneurysm, dissection or occlusion.")) == {"Aortic dissection": False}
    assert not looks_abnormal("Lungs clear. Cardiothoracic ratio normal at 0.45. No effusion.")
    assert looks_abnormal("Large right effusion. No fracture.")


def test_nobody_is_asked_what_does_not_fit() -> None:
    assert "missed_period" in unfit("male", band_of(30)) - unfit("female", band_of(30))
    assert {"smoking", "sexual_partners"} <= unfit("female", band_of(8))
    assert "nursery" in unfit("female", band_of(30)) - unfit("female", band_of(1))


def test_a_short_visit_keeps_what_matters_most() -> None:
    assert agenda(1) == ()
    assert agenda(4) == ("open", "onset", "ask")
    assert set(agenda(7)) >= {"open", "onset", "ask", "examine", "test"}


def summary_of(trajectory: Trajectory) -> str:
    (said,) = [s.text for s in of_doctor(trajectory, Say) if "To summarise" in s.text]
    return said.split("I think this is")[0]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_summary_says_back_only_what_the_patient_said(case: str, seed: int) -> None:
    trajectory = consult("scripted", case, seed, budget=10**6)
    own = [e.what.text for e in trajectory.of(Say) if e.role is Role.PATIENT]
    affirmed = {c for text in own for c, there in mentions(text).items() if there}
    back = {c for c, there in mentions(summary_of(trajectory)).items() if there}
    assert len(back) <= 5  # four findings; a label may hold two concepts
    assert {c for c in back if not lexicon().children.get(c)} <= affirmed


def noted_after(*replies: str, door: str = "New patient.") -> tuple[str, ...]:
    events: list[tuple[Role, object]] = [(Role.CORE, DoorNote(door))]
    events += [(Role.PATIENT, Say(reply)) for reply in replies]
    return take_notes(view_of(*events)).told_first()


def test_the_summary_leaves_out_the_door_note_results_and_relatives() -> None:
    assert noted_after("I have a headache.", door="Vomiting and fever.") == ("headache",)
    assert noted_after("I have a headache. My brother has a fever.") == ("headache",)
    assert noted_after("I have a headache and a fever.", "No fever now.") == ("headache",)
    assert noted_after("I have a headache.", "A cough makes it worse.") == ("headache",)
    assert noted_after("I have a headache.", "I fall asleep on the sofa.") == ("headache",)
    assert noted_after("I have a cough.", "I have a sore throat too.") == ("cough", "sore_throat")
    notes = take_notes(
        view_of(
            (Role.CORE, DoorNote("New patient.")),
            (Role.PATIENT, Say("I have a cough.")),
            (Role.MEASUREMENT, Report((Result("vitals", "Vital signs", "Temperature 39 °C", "exam"),))),
        )
    )
    assert notes.findings["fever"]
    assert notes.told_first() == ("cough",)


def test_questions_agree_with_one_or_many() -> None:
    many = lines.on_the_problem("headache", "you")
    assert many["site"] == "Where exactly are the headaches?"
    assert many["timing"] == "Are they there all the time, or do they come and go?"
    one = lines.on_the_problem("chest_pain", "he")
    assert one["site"] == "Where exactly is the pain in his chest?"
    assert one["radiation"] == "Does it spread anywhere?"
    assert lines.on_the_problem("nausea", "you")["onset"] == "When did this start?"
    assert lines.on_the_problem("tingling", "you")["severity"] == "How bad are the pins and needles?"
    assert lines.on_the_problem("weakness", "you")["severity"] == "How bad is the weakness?"


def test_questions_are_put_as_people_speak() -> None:
    assert lines.question("hopelessness", "you", 0.4) == "Do you feel hopeless?"
    assert lines.question("fever", "she", 0.0) == "Has she had any fever?"
    assert lines.question("rash", "you", 0.4) == "Have you noticed a rash?"
    assert lines.question("family_thrombosis", "you", 0.0) == "Are there any blood clots in your family?"


@pytest.mark.parametrize("concept", ["headache", "palpitations", "nausea", "chest_pain", "rash"])
def test_questions_on_the_problem_are_heard_as_such(concept: str) -> None:
    for slot, text in lines.on_the_problem(concept, "you").items():
        assert (concept, slot) in {(p.concept, p.slot) for p in read(text, concept).probes}, text


@pytest.mark.parametrize("seed", range(4))
def test_what_is_invasive_waits_for_what_is_not(seed: int) -> None:
    trajectory = consult("scripted", "crying-in-bouts-01", seed)
    acts = [i for o in trajectory.of((OrderTests, RequestImage)) for i in [(o.turn, o.what.items)]]
    scanned = [turn for turn, items in acts if "Abdominal ultrasound" in items]
    assert scanned
    assert all(turn > scanned[0] for turn, items in acts if "Contrast or air enema" in items)


def test_a_sex_that_is_not_known_bars_no_question_and_no_child_is_he_or_she() -> None:
    assert "pregnancy" not in unfit("unknown", band_of(30))
    assert take_notes(view_of((Role.CORE, DoorNote("A child.")), age=5, sex="unknown")).who == "they"
