"""The bundled ways of playing for models: what each prompt holds, and that what it asks for can be read."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinicenv import protocol
from clinicenv.agents import prompts
from clinicenv.agents.analysis import Analysis, read, schema
from clinicenv.agents.cards import ROLES, AgentCard, cards, load_card
from clinicenv.agents.cast import Cast
from clinicenv.agents.lint import samples
from clinicenv.agents.model import read_verdicts
from clinicenv.consultation import Consultation, Turn
from clinicenv.events import Answer, Diagnose, Leave, OrderTests, Report, RequestImage, Say
from clinicenv.models.templates import render
from clinicenv.scenario import Scenario, load_scenario, select
from clinicenv.view import DoctorView, PatientView

SCENARIOS = select("all")
MODELS = [card for role in ROLES for name in cards(role) if (card := load_card(role, name)).kind == "model"]
DOCTORS = [card for card in MODELS if card.role == "doctor"]


class Modelled:
    """A seat of the kind `model`, so that the view is what a model gets. The tests act for it."""

    def __init__(self) -> None:
        self.settings = {"kind": "model", "name": "test"}

    def act(self, turn: Turn) -> Say:
        raise AssertionError("played by the test")


def consult(scenario: Scenario, **arguments: Any) -> Consultation:
    """At the doctor's first turn: the picture of a question, which comes unasked, is handed out empty."""
    cast = Cast(Modelled(), Modelled(), Modelled(), Modelled())
    consultation = Consultation(scenario, cast, **arguments)
    if scenario.question and scenario.question.image:
        consultation.submit(Report(()))
    return consultation


def doctors_system(card: AgentCard, turn: Turn, **more: Any) -> str:
    assert isinstance(turn.view, DoctorView)
    data = prompts.doctor_data(turn.view, turn.legal, card.protocol == "tools")
    return render(card.system or "", **{"language": "", **data, **more})


def due(consultation: Consultation) -> Turn:
    turn = consultation.pending
    assert turn
    return turn


def named(card: AgentCard) -> str:
    return f"{card.role}-{card.name}"


# All cards


@pytest.mark.parametrize("card", MODELS, ids=named)
def test_a_language_is_named_where_there_is_one_and_only_there(card: AgentCard) -> None:
    data, other = samples(card.role)[:2]
    assert (data["language"], other["language"]) == ("", "French")
    without, with_ = render(card.system or "", **data), render(card.system or "", **other)
    assert "French" in with_
    assert "English" not in without
    assert len(without.split()) < len(with_.split())


@pytest.mark.parametrize("card", MODELS, ids=named)
def test_a_profiles_words_come_into_the_prompt(card: AgentCard) -> None:
    data = {**samples(card.role)[0], "style": "You mumble a lot.", "rules": ["Sigh once."]}
    shown = render(card.system or "", **data)
    assert "You mumble a lot.\n- Sigh once." in shown


@pytest.mark.parametrize("card", DOCTORS, ids=named)
def test_a_doctors_system_message_stays_the_same_and_holds_nothing_of_the_case(card: AgentCard) -> None:
    for scenario in SCENARIOS:
        consultation = consult(scenario)
        first = doctors_system(card, due(consultation))
        consultation.submit(Say("Hello, I am the doctor."))
        consultation.submit(Say("Hello."))
        assert doctors_system(card, due(consultation)) == first
        assert "simulation" in first
        assert scenario.setting.door_note not in first
        assert scenario.patient.identity.name not in first
        diagnosis = scenario.answer.diagnosis
        assert not diagnosis or diagnosis.name not in first


@pytest.mark.parametrize("card", DOCTORS, ids=named)
def test_a_doctor_without_images_is_told_of_none(card: AgentCard) -> None:
    turn = due(consult(load_scenario("sharp-chest-pain-01"), images="none"))
    assert "image" not in doctors_system(card, turn).lower()


@pytest.mark.parametrize("card", DOCTORS, ids=named)
def test_a_doctor_is_asked_its_question(card: AgentCard) -> None:
    turn = due(consult(SCENARIOS[0]))
    shown = doctors_system(
        card, turn, task="question", question="Which is it?", options=[{"id": "A", "text": "Gout"}]
    )
    assert "Which is it?" in shown
    assert "A) Gout" in shown


def test_the_tools_card_shows_no_keyword_line() -> None:
    for scenario in SCENARIOS:
        shown = doctors_system(load_card("doctor", "tools"), due(consult(scenario)))
        assert not any(f"{word}:" in shown for word in protocol.KINDS)


# AgentClinic's


def test_agentclinics_forms_are_read_as_the_actions_of_the_task() -> None:
    card, turn = load_card("doctor", "agentclinic"), due(consult(SCENARIOS[0]))
    ends = {"diagnose": Diagnose, "question": Answer, "communicate": Leave}
    legal = (Say, OrderTests, RequestImage, Diagnose, Answer, Leave)
    for task, end in ends.items():
        shown = doctors_system(card, turn, task=task, question="Which?")
        lines = [line for line in shown.splitlines() if line.split(":")[0].isupper()]
        read_ = [protocol.parse(f"{line.split(':')[0]}: chest", legal) for line in lines]
        assert [type(action) for (action,) in read_] == [OrderTests, RequestImage, end]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_agentclinics_patient_knows_all_facts_but_the_gated_ones(scenario: Scenario) -> None:
    consultation = consult(scenario)
    consultation.submit(Say("Hello."))
    view = due(consultation).view
    assert isinstance(view, PatientView)
    card = load_card("patient", "agentclinic")
    shown = render(card.system or "", language="", **prompts.patient_data(view))
    for fact in scenario.facts.values():
        assert (fact.say[0] in shown) is not fact.gated
    diagnosis = scenario.answer.diagnosis
    assert not diagnosis or diagnosis.name not in shown
    assert scenario.patient.identity.name in shown


def test_agentclinics_moderator_answers_in_words_that_are_read() -> None:
    system = load_card("moderator", "agentclinic").system or ""
    assert "Yes if it is the same disease, No if not" in system
    assert read_verdicts("1. Yes\n2. No", 2) == ("same", "different")


# AMIE's


def test_amie_analyses_responds_and_refines_with_two_questions_at_most() -> None:
    card = load_card("doctor", "amie")
    assert [(s.name, s.output) for s in card.steps] == [
        ("analyse", "analysis"),
        ("respond", "text"),
        ("refine", "text"),
    ]
    assert card.max_questions == 2
    assert all(f'"{field}":' in card.steps[0].prompt for field in Analysis.model_fields)
    data = samples("doctor")[0]
    now, last = (render(card.steps[1].prompt, **data, turn=20 - left, turns_left=left) for left in (7, 0))
    assert "7 turns are left" in now
    assert "last turn" in last
    assert "0 turns" not in last


# The analysis

FULL: dict[str, Any] = {
    "positive": ["sharp pain"],
    "negative": [],
    "differential": [{"diagnosis": "pericarditis", "confidence": 0.7, "why": "eases when leaning forward"}],
    "urgency": "urgent",
    "missing": ["ECG"],
}
TEXT = json.dumps(FULL)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        json.dumps(FULL, indent=2),
        f"```json\n{TEXT}\n```",
        f"Here it is {{as asked}}:\n{TEXT}\nDoes that help?",
        f'{{"note": 1}} {TEXT}',
        json.dumps({**FULL, "more": "ignored"}),
    ],
)
def test_an_analysis_is_found_in_a_reply(text: str) -> None:
    found = read(text)
    assert isinstance(found, Analysis)
    assert found.model_dump() == FULL


def without(field: str, **other: Any) -> str:
    return json.dumps({k: v for k, v in {**FULL, **other}.items() if k != field})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON object"),
        ("I think it is pericarditis.", "no JSON object"),
        (TEXT[:-30], "cut short"),
        (without("urgency"), "`urgency`: is missing"),
        (without("", urgency="soon"), "`urgency`: input should be 'emergency', 'urgent' or 'routine'"),
        (without("", differential=[]), "`differential`: list should have at least 1 item"),
        (TEXT.replace("0.7", "70"), "`differential[0].confidence`: input should be less than or equal to 1"),
        (TEXT.replace("0.7", "NaN"), "`differential[0].confidence`"),
        ("x" * 100_001, "over 100000 characters"),
        ('{"a":' * 16_000, "cut short"),
        ("{" * 100_000, "cut short"),
        ('{"positive":' + "[" * 99_000, "cut short"),
    ],
)
def test_a_reply_without_an_analysis_says_why_in_a_sentence(text: str, says: str) -> None:
    found = read(text)
    assert isinstance(found, str)
    assert says in found
    assert found.endswith(".")
    assert found.isprintable()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='{}[]":,0x \\\ud800\x1b', max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_explained(text: str) -> None:
    assert isinstance(read(text), (str, Analysis))


def test_the_schema_is_strict_and_plain() -> None:
    def check(node: Any) -> None:
        if isinstance(node, dict):
            assert "$ref" not in node
            if node.get("type") == "object":
                assert node["additionalProperties"] is False
                assert node["required"] == list(node["properties"])
            for inner in node.values():
                check(inner)

    check(schema())
    assert schema()["required"] == list(Analysis.model_fields)
    assert all(field["description"] for field in schema()["properties"].values())
