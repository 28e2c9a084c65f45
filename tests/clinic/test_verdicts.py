"""The rule's judgement of the ranked list and of the ending."""

from typing import Any

import pytest

from clinicenv.clinic.conditions import met
from clinicenv.clinic.disease_names import thesaurus
from clinicenv.clinic.names import same_diagnosis
from clinicenv.clinic.verdicts import judge
from clinicenv.events import (
    Answer,
    Diagnose,
    Event,
    Examine,
    Heard,
    Leave,
    Plan,
    Probe,
    Report,
    Result,
    Role,
    Say,
)
from clinicenv.scenario import Conditions, Scenario

ANSWER = {
    "diagnosis": {
        "name": "acute pulmonary embolism",
        "synonyms": ["pulmonary thromboembolism", "clot in the lung"],
        "abbreviations": ["PE"],
        "subtypes": ["submassive pulmonary embolism"],
        "parents": ["venous thromboembolism"],
        "parent_credit": 0.5,
    },
    "differentials": [
        {"name": "community-acquired pneumonia", "synonyms": ["pneumonia"], "credit": 0.3},
        {"name": "oesophageal spasm", "credit": 0.0},
    ],
}


def case(**fields: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "schema_version": "1.0",
            "id": "case",
            "title": "Breathless",
            "meta": {"specialty": "respiratory", "license": "MIT"},
            "setting": {"site": "ed", "door_note": "Breathless."},
            "patient": {
                "identity": {"name": "Ann Lee", "age": 40, "sex": "female"},
                "opening": ["I can't breathe."],
                "appearance": "Pale.",
                "facts": [
                    {"id": "calf", "section": "ros", "concept": "calf_pain", "say": ["My calf hurts."]}
                ],
                "questions": [{"ask": "Is it bad?", "satisfied_by": ["explain", "reassure"]}],
            },
            "exam": {"vitals": {"hr": 120, "bp": "100/60"}},
            "answer": ANSWER,
            **fields,
        }
    )


def log(*steps: tuple[Role, Any]) -> list[Event]:
    """Events of which each doctor's act begins a turn."""
    events: list[Event] = []
    turn = 0
    for n, (role, what) in enumerate(steps):
        turn += role is Role.DOCTOR
        events.append(Event(n, turn, role, what))
    return events


def first(said: str, **fields: Any) -> tuple[str, float]:
    rank = judge(case(**fields), log((Role.DOCTOR, Diagnose((said,))))).ranks[0]
    assert rank.why.endswith(".")
    return rank.verdict, rank.credit


@pytest.mark.parametrize(
    ("said", "verdict", "credit"),
    [
        ("Acute Pulmonary Embolism", "exact", 1),
        ("pulmonary embolism", "exact", 1),
        ("embolism, pulmonary", "exact", 1),
        ("the likely pulmonary embolisms.", "exact", 1),
        ("suspected PE", "synonym", 1),
        ("pulmonary thrombo-embolism", "synonym", 1),
        ("Pulmonary embolism (PE)", "synonym", 1),
        ("PE or pulmonary embolism", "synonym", 1),
        ("submassive pulmonary embolism", "subtype", 1),
        ("acute right-sided pulmonary embolism", "subtype", 1),
        ("massive bilateral PE", "subtype", 1),
        ("pulmonary embolism due to DVT", "subtype", 1),
        ("venous thromboembolism", "parent", 0.5),
        ("pneumonia", "acceptable", 0.3),
        ("esophageal spasm", "wrong", 0),
        ("not pulmonary embolism", "wrong", 0),
        ("rule out pulmonary embolism", "wrong", 0),
        ("pulmonary embolism excluded", "wrong", 0),
        ("PE (ruled out)", "wrong", 0),
        ("pulmonary embolism unlikely", "wrong", 0),
        ("no evidence of PE", "wrong", 0),
        ("chronic pulmonary embolism", "wrong", 0),
        ("pulmonary hypertension", "wrong", 0),
        ("anxiety", "wrong", 0),
        ("PE or pneumonia", "wrong", 0),
        ("pulmonary embolism vs pneumonia", "wrong", 0),
        ("pulmonary embolism and pneumonia", "undecided", 0),
        ("pneumonia due to pulmonary embolism", "undecided", 0),
        ("pulmonary embolsim", "synonym", 1),
    ],
)
def test_each_diagnosis_gets_its_verdict(said: str, verdict: str, credit: float) -> None:
    assert first(said) == (verdict, credit)


def test_a_subtype_is_worth_less_where_the_scenario_wants_the_wider_name() -> None:
    diagnosis = {**ANSWER["diagnosis"], "accept_subtype": False, "parent_credit": 0.4}  # type: ignore[dict-item]
    assert first("submassive pulmonary embolism", answer={"diagnosis": diagnosis}) == ("subtype", 0.4)
    assert first("left pulmonary embolism", answer={"diagnosis": diagnosis}) == ("subtype", 0.4)
    both = "submassive pulmonary embolism or pulmonary embolism"
    assert first(both, answer={"diagnosis": diagnosis}) == ("subtype", 0.4)


@pytest.mark.parametrize(
    ("ranked", "credit"),
    [
        (("PE", "pneumonia"), 1.0),
        (("anxiety", "PE"), 0.6),
        (("anxiety", "asthma", "PE"), 0.4),
        (("anxiety", "asthma", "gout", "PE"), 0.0),
        (("pneumonia", "asthma", "PE"), 0.4),
        (("pneumonia", "asthma"), 0.3),
    ],
)
def test_the_list_earns_the_best_of_its_discounted_ranks(ranked: tuple[str, ...], credit: float) -> None:
    verdict = judge(case(), log((Role.DOCTOR, Diagnose(ranked))))
    assert verdict.credit == pytest.approx(credit)
    assert [r.diagnosis for r in verdict.ranks] == list(ranked)


def test_same_diagnosis_bridges_spelling_order_and_plurals_only() -> None:
    assert same_diagnosis("Guillain-Barré syndrome", "Guillain-Barre syndrome")
    assert thesaurus().find("Sjogren syndrome") is not None
    assert thesaurus().find("Sjogren syndrome") == thesaurus().find("Sjögren's syndrome")
    assert same_diagnosis("Hemorrhagic strokes", "haemorrhagic stroke")
    assert same_diagnosis("tumor of the oesophagus", "esophagus tumour")
    assert same_diagnosis("Addison's disease", "hypoadrenalism", ["Addison disease"])
    assert same_diagnosis("type II diabetes", "type 2 diabetes")
    assert same_diagnosis("migraine without aura", "migraine without aura")
    assert not same_diagnosis("diabetes", "type 2 diabetes")
    assert not same_diagnosis("type 1 diabetes", "type 2 diabetes")
    assert not same_diagnosis("not a stroke", "stroke")
    assert not same_diagnosis("chronic pancreatitis", "acute pancreatitis")
    assert not same_diagnosis("stroke or migraine", "stroke")
    assert not same_diagnosis("?", "stroke")


def test_without_a_diagnosis_nothing_is_given_and_nothing_earned() -> None:
    verdict = judge(case(), log((Role.DOCTOR, Leave())))
    assert (verdict.ranks, verdict.credit, verdict.diagnosis_given, verdict.plan_given) == (
        (),
        0,
        False,
        False,
    )
    assert not verdict.farewell
    assert verdict.answer_correct is None


def test_a_plan_counts_when_it_says_something() -> None:
    assert judge(case(), log((Role.DOCTOR, Diagnose(("PE",), Plan("heparin"))))).plan_given
    assert not judge(case(), log((Role.DOCTOR, Diagnose(("PE",))))).plan_given


def test_a_farewell_is_said_by_the_doctor() -> None:
    assert judge(case(), log((Role.DOCTOR, Leave("Goodbye.")))).farewell
    assert judge(case(), log((Role.DOCTOR, Say("Bye")), (Role.CORE, Heard(0, ("close",))))).farewell
    assert not judge(case(), log((Role.PATIENT, Leave("I'm off.")))).farewell


def test_questions_are_resolved_by_an_act_that_comes_with_them_or_after() -> None:
    hello = (Role.DOCTOR, Say("Hello."))
    asks = (Role.PATIENT, Say("It hurts. Is it bad?"))
    explained = (Role.CORE, Heard(0, ("explain",)))
    greeted = (Role.CORE, Heard(0, ("greet",)))
    assert judge(case(), log(hello, greeted)).questions_resolved
    assert not judge(case(), log(hello, greeted, asks)).questions_resolved
    assert not judge(case(), log(hello, explained, hello, greeted, asks)).questions_resolved
    assert judge(case(), log(hello, greeted, asks, hello, explained)).questions_resolved


@pytest.mark.parametrize(
    ("text", "right"),
    [("B", True), ("b.", True), ("(B)", True), ("Option B", True), ("B: the left lung", True),
     ("the left lung", True), ("The left lung.", True), ("A", False), ("The right lung", False),
     ("not the left lung", False), ("neither", False)],
)  # fmt: skip
def test_an_answer_is_right_by_option_or_text(text: str, right: bool) -> None:
    options = [
        {"id": "A", "text": "the right lung"},
        {"id": "B", "text": "the left lung", "correct": True},
    ]
    asked = case(task="question", question={"ask": "Which lung?", "options": options})
    assert judge(asked, log((Role.DOCTOR, Answer(text)))).answer_correct is right


def test_a_free_answer_is_right_if_it_is_accepted() -> None:
    asked = case(task="question", question={"ask": "What?", "kind": "free", "accept": ["pleural effusion"]})
    assert judge(asked, log((Role.DOCTOR, Answer("A pleural effusion.")))).answer_correct
    assert judge(asked, log((Role.DOCTOR, Answer("no pleural effusion")))).answer_correct is False
    assert judge(asked, log((Role.DOCTOR, Leave()))).answer_correct is False


TALK = log(
    (Role.DOCTOR, Say("What brings you?")),
    (Role.CORE, Heard(0, ("ask_open",), (Probe("opening", "main_problem", facts=("calf", "other")),))),
    (Role.DOCTOR, Say("Any fever? I am so sorry.")),
    (Role.CORE, Heard(2, ("empathise",), (Probe("presence", "fever", facts=("hot",)),))),
    (Role.PATIENT, Say("My calf hurts.", ("calf",), "agent")),
    (Role.DOCTOR, Examine(("vitals",))),
    (Role.MEASUREMENT, Report((
        Result("vitals", "Vital signs", "...", "exam", ("vitals",)),
        Result("leg", "Leg", "...", "exam", ("leg",)),
        Result("D-dimer", "D-dimer", "...", "test", ("d_dimer",)),
    ))),
    (Role.DOCTOR, Diagnose(("asthma", "clot in the lung"), Plan(
        "Start heparin today; avoid aspirin.", safety_net="Come back if breathless.",
        follow_up="Anticoagulants.",
    ))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"asked": "fever"}, True), ({"asked": "hot"}, True), ({"asked": "rash"}, False),
        ({"asked": "calf"}, False), ({"reached": "calf"}, True), ({"reached": "hot"}, False),
        ({"examined": "vitals"}, True), ({"examined": "hr"}, True), ({"examined": "leg"}, True),
        ({"examined": "d_dimer"}, False), ({"ordered": "d_dimer"}, True), ({"ordered": "leg"}, False),
        ({"act": "empathise"}, True), ({"act": "explain"}, False),
        ({"diagnosed": "acute pulmonary embolism"}, True), ({"diagnosed": "gout"}, False),
        ({"planned": "heparin"}, True), ({"planned": "aspirin"}, False), ({"planned": "come back"}, True),
        ({"planned": "anticoagul"}, True), ({"planned": "heparin breathless"}, False),
    ],
)  # fmt: skip
def test_conditions_read_the_log(condition: dict[str, str], holds: bool) -> None:
    assert met(case(), TALK, Conditions.model_validate({"all": [condition]})) is holds


@pytest.mark.parametrize(
    ("plan", "holds"),
    [
        ("Give colchicine.", True),
        ("Give colchicine without delay.", True),
        ("Don't wait for the scan to give colchicine.", True),
        ("Defer colchicine.", False),
        ("Refrain from colchicine.", False),
        ("Colchicine isn't wanted.", False),
        ("Don\u2019t give colchicine.", False),
    ],
)
def test_what_a_plan_advises_against_is_not_planned(plan: str, holds: bool) -> None:
    events = log((Role.DOCTOR, Diagnose(("gout",), Plan(plan))))
    assert met(case(), events, Conditions.model_validate({"all": [{"planned": "colchicine"}]})) is holds


def test_conditions_need_all_of_all_and_one_of_any() -> None:
    yes, no = {"act": "empathise"}, {"act": "explain"}
    for given, holds in [
        ({"all": [yes, no]}, False),
        ({"any": [no, yes]}, True),
        ({"any": [no]}, False),
        ({"all": [yes], "any": [no]}, False),
        ({"all": [yes], "any": [no, yes]}, True),
    ]:
        assert met(case(), TALK, Conditions.model_validate(given)) is holds


def test_goals_that_are_met_are_named() -> None:
    goals = [
        {"id": "kind", "text": "Is kind", "met_by": {"all": [{"act": "empathise"}]}},
        {"id": "clear", "text": "Explains", "met_by": {"all": [{"act": "explain"}]}},
    ]
    assert judge(case(task="communicate", goals=goals), TALK).goals_met == ("kind",)


# What must not earn credit


@pytest.mark.parametrize(
    "said",
    [
        "?",
        "-",
        "(50%)",
        "word " * 12_000,
        "One of: migraine, gout, pulmonary embolism, asthma",
        "it isn't pulmonary embolism",
        "gout (pulmonary embolism)",
        "gout/migraine/asthma/pulmonary embolism",
        "gout migraine asthma pulmonary embolism",
        "gout & pulmonary embolism",
        "pneumonia and pulmonary embolism",
        "pulmonary embolism and pneumonia",
        "asthma|gout|pulmonary embolism",
        "pulmonary embolism, maybe pneumonia",
        "pulmonary embolism, could also be pneumonia",
        "migraine or gout or pulmonary embolism or asthma",
        "pulmonary embolism, excluded by CT",
        "pulmonary embolism - which has been ruled out",
        "pulmonary embolism, now considered unlikely",
        "pulmonary embolism (CT clear so ruled out)",
        "pulmonary embolism, the picture not consistent with it",
        "gout, pulmonary embolism absent",
        "gout (pulmonary embolism to be excluded)",
    ],
    ids=lambda said: said[:40],
)
def test_lists_denials_and_noise_earn_nothing(said: str) -> None:
    _, credit = first(said)
    assert credit == 0


@pytest.mark.parametrize(
    "said",
    [
        "pulmonary embolism, right heart strain absent",
        "pulmonary embolism (source not found)",
        "pulmonary embolism, pneumonia to be excluded",
        "pulmonary embolism - no infarct",
    ],
)
def test_what_is_denied_beside_the_name_takes_nothing_from_it(said: str) -> None:
    assert first(said)[1] == 1
