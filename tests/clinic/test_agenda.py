"""The patient's own agenda: cues, false beliefs, decisions, and other people in the room."""

from itertools import pairwise
from typing import Any

import pytest

from clinicenv import Cast, Leave, Say, play
from clinicenv.agents.prompts import messages
from clinicenv.clinic.agenda import addressed, says
from clinicenv.clinic.conditions import met
from clinicenv.consultation import Consultation, Turn
from clinicenv.events import Heard, Role, Trajectory
from clinicenv.profile import BiasProfile, Trust
from clinicenv.scenario import Conditions, Scenario
from tests.conftest import Lines, Unhelpful


def fact(id: str, concept: str, say: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "section": "hpi", "concept": concept, "say": [say], **more}


def case(**patient: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "schema_version": "1.0",
            "id": "talk",
            "task": "communicate",
            "title": "A talk",
            "meta": {"specialty": "surgery", "license": "MIT"},
            "setting": {"site": "ward", "door_note": "Mr Berg wants to talk."},
            "patient": {
                "identity": {"name": "Otto Berg", "age": 70, "sex": "male"},
                "opening": ["You wanted to see me."],
                "appearance": "Sits up straight.",
                "facts": [
                    fact("cough", "cough", "I cough a bit.", disclosure="spontaneous"),
                    fact(
                        "nights", "confusion", "He wanders about at night.",
                        disclosure="trust", unlock={"informant": "wife"}, if_hidden="deny",
                    ),
                ],
                "others": [{"id": "wife", "name": "Clara Berg", "relation": "wife"}],
                "cues": [
                    {"id": "brave", "say": "One has to be brave."},
                    {"id": "late", "say": "Evenings are long.", "when": {"after_turn": 3}},
                ],
                "beliefs": [
                    {
                        "id": "knife",
                        "holds": "An operation makes a growth spread.",
                        "corrected_by": ["does not spread", "operation not spread"],
                        "then_says": "So it's not the knife that does it.",
                    }
                ],
                "decisions": [
                    {
                        "id": "operation",
                        "asked_by": ["agree to the operation", "have the operation"],
                        "needs": {
                            "trust": 0.5, "acts": ["empathise"], "corrected": ["knife"], "told": ["risk"],
                        },
                        "agrees": "All right, operate.",
                        "refuses": "No. Not yet.",
                    }
                ],
                **patient,
            },
            "goals": [{"id": "any", "text": "Any", "met_by": {"any": [{"act": "greet"}]}}],
        }
    )  # fmt: skip


def talk(*lines: str, scenario: Scenario | None = None) -> Trajectory:
    acts: list[Any] = [*map(Say, lines), Leave("Goodbye.")]
    return play(scenario or case(), Cast(doctor=Lines(acts)), seed=1)


def replies(done: Trajectory) -> list[str]:
    return [e.what.text for e in done.events if e.role is Role.PATIENT and isinstance(e.what, Say)][1:]


def heard(done: Trajectory) -> list[Heard]:
    return [e.what for e in done.events if isinstance(e.what, Heard)]


@pytest.mark.parametrize(
    ("text", "words", "there"),
    [
        ("It is cancer, I'm afraid.", "is cancer", True),
        ("Is it cancer?", "is cancer", False),
        ("It is not cancer.", "is cancer", False),
        ("It is not cancer.", "not cancer", True),
        ("It isn't a cancer.", "not cancer", True),
        ("We found cancerous cells. The lump is a kind of cancer.", "lump cancer", True),
        ("The lump will go. You asked about your aunt's cancer.", "lump cancer", False),
        ("Cancer is what we looked for in the lump.", "lump cancer", False),
        ("The lump, which you first felt on holiday in the spring, is cancer.", "lump cancer", False),
    ],
)
def test_words_count_in_order_near_each_other_in_a_statement(text: str, words: str, there: bool) -> None:
    assert says(text, words) is there


def test_a_cue_is_let_slip_once_and_picked_up_only_soon_after() -> None:
    kind = talk("Hello.", "That must be hard for you.", "I see.")
    assert ["One has to be brave." in r for r in replies(kind)] == [True, False, False]
    assert [h.picked_up for h in heard(kind)] == [(), ("brave",), ()]
    late = talk("Hello.", "I see.", "I see.", "That must be hard for you.")
    assert all(h.picked_up == () for h in heard(late))
    before = talk("That must be hard for you.", "Hello.")
    assert all(h.picked_up == () for h in heard(before))


def test_cues_come_one_a_turn_and_not_before_their_turn() -> None:
    done = talk("Hello.", "I see.", "I see.", "I see.", "I see.")
    assert ["Evenings are long." in r for r in replies(done)] == [False, False, False, True, False]


def test_a_false_belief_is_given_up_when_it_is_put_right_and_a_question_does_not_do_it() -> None:
    done = talk(
        "Do you think an operation does not spread it?", "The operation does not spread it.", "Right."
    )
    assert [h.corrected for h in heard(done)] == [(), ("knife",), ()]
    assert "So it's not the knife that does it." in replies(done)[1]
    assert met(case(), done.events, Conditions.model_validate({"all": [{"corrected": "knife"}]}))


def test_a_decision_is_asked_for_and_got_only_with_what_it_needs() -> None:
    ask = "Would you agree to the operation?"
    needs = (
        "That must be hard for you.",
        "The operation does not spread it.",
        "There is a small risk of bleeding.",
    )
    done = talk(ask, *needs, ask)
    assert (heard(done)[0].refused, heard(done)[-1].agreed) == (("operation",), ("operation",))
    assert "No. Not yet." in replies(done)[0]
    assert "All right, operate." in replies(done)[-1]
    assert "don't understand" not in " ".join(replies(done))
    for left_out in range(3):
        short = talk(*(line for n, line in enumerate(needs) if n != left_out), ask)
        assert heard(short)[-1].refused == ("operation",)
    agreed = Conditions.model_validate({"all": [{"agreed": "operation"}, {"told": "risk bleeding"}]})
    assert met(case(), done.events, agreed)
    assert not met(case(), talk(ask).events, agreed)


def test_another_person_tells_what_they_know_once_addressed_and_not_when_sent_out() -> None:
    question = "Has he been confused?"
    nobody = talk(question)
    assert "nights" not in nobody.told()
    asked = talk("May I ask your wife what she has seen?", question)
    assert "nights" in asked.told()
    assert any("Clara Berg (wife): He wanders about at night." in r for r in replies(asked))
    by_name = talk("Clara, what have you noticed?")
    assert "nights" in by_name.told()
    alone = talk("Clara, hello.", "Could I speak to you alone for a moment?", question)
    assert "nights" not in alone.told()


def test_a_shared_surname_addresses_the_patient() -> None:
    assert not any(h.turned_to for h in heard(talk("Mr Berg, do you cough?")))


def test_a_model_patient_is_told_by_directions_that_only_grow_at_the_end() -> None:
    patient = Unhelpful()
    cast = Cast(doctor=Lines([]), patient=patient)
    consultation = Consultation(case(), cast, seed=1)
    lines = ("Hello.", "Clara, hello.", "The operation does not spread it.", "Will you have the operation?")
    sent: list[list[dict[str, Any]]] = []
    for line in lines:
        consultation.submit(Say(line))
        turn = consultation.pending
        assert isinstance(turn, Turn)
        sent.append(messages(turn.view, "{{ beliefs | join }} {% for o in others %}{{ o.name }}{% endfor %}"))
        consultation.submit(Say("Yes."))
    system = sent[0][0]["content"]
    assert "An operation makes a growth spread." in system
    assert "wanders" not in system
    assert "brave" in sent[0][-1]["content"]
    assert "wanders" in sent[1][-1]["content"]
    assert "not the knife" in sent[2][-1]["content"]
    assert "Not yet" in sent[3][-1]["content"]
    for earlier, later in pairwise(sent):
        assert later[: len(earlier)] == earlier


def test_a_goal_may_have_to_come_before_another() -> None:
    goals = [
        {"id": "ask", "text": "Asks first", "met_by": {"any": [{"asked": "ideas"}]}, "before": "tell"},
        {"id": "tell", "text": "Tells", "met_by": {"any": [{"told": "is cancer"}]}},
    ]
    scenario = Scenario.model_validate(case().model_dump() | {"goals": goals})
    ask, tell = "What do you think it is?", "It is cancer."
    first, late = talk(ask, tell, scenario=scenario), talk(tell, ask, scenario=scenario)
    assert first.verdict is not None
    assert late.verdict is not None
    assert first.verdict.goals_met == ("ask", "tell")
    assert late.verdict.goals_met == ("tell",)


def test_what_is_private_is_not_told_to_a_question_on_the_whole_group() -> None:
    dark = fact(
        "dark", "suicidal_thoughts", "I've thought of ending it.",
        disclosure="trust", unlock={"trust": 0.1}, sensitivity=0.9,
    )  # fmt: skip
    low = fact("low", "low_mood", "I feel low.")
    scenario = case(facts=[dark, low], cues=[], others=[])
    trusting = BiasProfile(id="t", target="patient", trust=Trust(initial=0.9))
    acts: list[Any] = [
        Say("How has your mood been?"),
        Say("Have you had thoughts of ending your life?"),
        Leave("Bye."),
    ]
    done = play(scenario, Cast(doctor=Lines(acts), profiles={"patient": trusting}))
    told = [e.what.ids for e in done.events if e.role is Role.PATIENT and isinstance(e.what, Say)][1:]
    assert told[0] == ("low",)
    assert "dark" in told[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Clara, what have you seen?", ("wife",)),
        ("What have you seen, Mrs Berg?", ("wife",)),
        ("And as his wife, how do you find him?", ("wife",)),
        ("May I ask your wife what she has seen?", ("wife",)),
        ("Mr Berg, how are you?", ()),
        ("How is your wife?", ()),
    ],
)
def test_others_in_the_room_are_addressed(text: str, expected: tuple[str, ...]) -> None:
    assert addressed(text, case().patient) == expected


def test_who_is_addressed_tells_what_only_they_know() -> None:
    lines = [
        Say("Clara, what have you noticed?"),
        Say("And what worries you, Mrs Berg?"),
        Leave("Thank you."),
    ]
    asked = play(case(), Cast(doctor=Lines(lines)))
    assert [list(p.facts) for e in asked.of(Heard) for p in e.what.probes] == [["nights"], ["nights"]]  # type: ignore[union-attr]
