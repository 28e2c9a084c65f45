"""The loop: turns, legality, limits, the end."""

import pytest
from conftest import Lines, Unhelpful

from clinicenv.agents.cast import Cast, aplay, play
from clinicenv.consultation import TABLE, Consultation, Turn, drive_sync
from clinicenv.events import (
    Diagnose,
    DoorNote,
    Heard,
    IllegalAction,
    Leave,
    Notice,
    OrderTests,
    Plan,
    Report,
    RequestImage,
    Role,
    Say,
    Trajectory,
    Unparsed,
    Verdict,
)
from clinicenv.scenario import Scenario, load_scenario

ID = "sharp-chest-pain-01"


@pytest.fixture
def scenario() -> Scenario:
    return load_scenario(ID)


def kinds(trajectory: Trajectory) -> list[str]:
    return [f"{e.role}:{e.what.type}" for e in trajectory.events]


def test_starts_with_the_door_note_and_the_opening_line(scenario: Scenario) -> None:
    c = Consultation(scenario, Cast())
    door, opening = c.trajectory.events
    assert isinstance(door.what, DoorNote)
    assert door.what.text == scenario.setting.door_note
    assert opening.role is Role.PATIENT
    assert opening.what.text in scenario.patient.opening
    assert c.pending is not None
    assert c.pending.role is Role.DOCTOR


def test_measurement_answers_before_the_patient_and_once_for_all_says(scenario: Scenario) -> None:
    acts = [
        [Say("Does it hurt to breathe in?"), OrderTests(["ECG"]), Say("Do you smoke?")],
        Diagnose(["flu"]),
    ]
    t = play(scenario, Cast(doctor=Lines(acts)))
    turn_one = [k for k, e in zip(kinds(t), t.events, strict=True) if e.turn == 1]
    assert turn_one == [
        "doctor:say", "core:heard", "doctor:order_tests", "doctor:say", "core:heard",
        "measurement:report", "patient:say",
    ]  # fmt: skip


def test_a_say_beside_a_diagnosis_is_heard_and_unanswered(scenario: Scenario) -> None:
    t = play(scenario, Cast(doctor=Lines([[Say("Goodbye, take care."), Diagnose(["flu"], "rest")]])))
    assert [e.what.type for e in t.events if e.turn == 1][:3] == ["say", "heard", "diagnose"]
    assert not [e for e in t.events if e.role is Role.PATIENT and e.turn == 1 and isinstance(e.what, Say)]
    assert t.outcome is not None
    assert (t.outcome.status, t.outcome.reason) == ("terminated", "diagnose")
    assert t.verdict is not None
    assert t.verdict.plan_given


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [Report(())],
        [Diagnose(["flu"]), Say("bye")],
        [OrderTests(["ECG"]), Diagnose(["flu"])],
        [Leave(), Leave()],
        ["DIAGNOSE: flu"],
        [Verdict((), 0, True, True, True, True)],
    ],
)
def test_an_illegal_action_raises_and_changes_nothing(scenario: Scenario, wrong: list[object]) -> None:
    c = Consultation(scenario, Cast())
    before, turn = c.trajectory, c.pending
    with pytest.raises(IllegalAction):
        c.submit(wrong)  # type: ignore[arg-type]
    assert c.trajectory == before
    assert c.pending == turn
    c.submit(Diagnose(["flu"]))
    while c.pending:
        drive_sync(c, Cast())
    with pytest.raises(IllegalAction, match="over"):
        c.submit(Say("hello"))


def test_the_last_turn_carries_a_notice_and_is_answered(scenario: Scenario) -> None:
    t = play(scenario, Cast(doctor=Lines([])), max_turns=3)
    assert t.outcome is not None
    assert (t.outcome.status, t.outcome.reason, t.outcome.turns) == ("truncated", "max_turns", 3)
    notices = [e for e in t.events if isinstance(e.what, Notice)]
    assert [e.turn for e in notices] == [2]
    assert "last turn" in notices[0].what.text
    assert t.events[-3].what.type == "verdict"
    assert not t.verdict.diagnosis_given
    assert [e.turn for e in t.events if e.role is Role.PATIENT and isinstance(e.what, Say)] == [0, 1, 2, 3]


def test_limits_of_minutes_and_budget_truncate(scenario: Scenario) -> None:
    t = play(scenario, Cast(doctor=Lines([Say("And?")] * 9)), minutes=4)
    assert t.outcome is not None
    assert (t.outcome.reason, t.outcome.minutes) == ("minutes", 4)
    t = play(scenario, Cast(doctor=Lines([OrderTests(["ECG", "troponin"])] * 9)), budget=1)
    assert t.outcome is not None
    assert (t.outcome.reason, t.outcome.turns) == ("budget", 1)
    assert t.outcome.cost > 1


def test_command_line_limits_go_before_the_scenarios(scenario: Scenario) -> None:
    data = scenario.model_dump(mode="json")
    data["setting"]["limits"] = {"max_turns": 2}
    own = Scenario.model_validate(data)
    assert play(own, Cast(doctor=Lines([]))).outcome.turns == 2
    assert play(own, Cast(doctor=Lines([])), max_turns=4).outcome.turns == 4


def test_settings_that_cannot_be_are_refused(scenario: Scenario) -> None:
    with pytest.raises(TypeError, match="maxturns"):
        Consultation(scenario, Cast(), maxturns=3)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="images"):
        Consultation(scenario, Cast(), images="sometimes")
    for limit in ("max_turns", "minutes", "budget"):
        with pytest.raises(ValueError, match=limit):
            Consultation(scenario, Cast(), **{limit: 0})


def test_unparsed_alone_uses_the_turn_and_only_the_core_replies(scenario: Scenario) -> None:
    t = play(scenario, Cast(doctor=Lines([Unparsed("ORDER", "name a test after ORDER:"), Diagnose(["flu"])])))
    assert [k for k, e in zip(kinds(t), t.events, strict=True) if e.turn == 1] == [
        "doctor:unparsed",
        "core:notice",
    ]


def test_images_at_the_start_on_request_or_never(scenario: Scenario) -> None:
    start = play(scenario, Cast(doctor=Lines([Diagnose(["flu"])])), images="start")
    shown = start.events[2]
    assert (shown.role, shown.turn) == (Role.MEASUREMENT, 0)
    assert [r.text for r in shown.what.results] == [i.report for i in scenario.images]  # type: ignore[union-attr]
    assert start.outcome
    assert (start.outcome.tests, start.outcome.cost) == (0, 0)  # unasked, so free
    never = Consultation(scenario, Cast(), images="none")
    with pytest.raises(IllegalAction, match="RequestImage"):
        never.submit(RequestImage(["chest x-ray"]))


def test_a_failing_agent_ends_it_as_error_and_scores_nothing(scenario: Scenario) -> None:
    c = Consultation(scenario, Cast())
    c.submit(Say("Hello"))
    c.fail(Role.PATIENT, "the server is gone")
    t = c.trajectory
    assert t.outcome is not None
    assert (t.outcome.status, t.verdict) == ("error", None)
    assert c.pending is None


async def test_async_and_sync_functions_play_the_same(scenario: Scenario) -> None:
    def doctor(turn: Turn) -> object:
        return Diagnose(["pericarditis"]) if turn.view.turn == 3 else Say("When did it start?")

    async def slow(turn: Turn) -> object:
        return doctor(turn)

    slow.__qualname__, slow.__module__ = doctor.__qualname__, doctor.__module__
    assert await aplay(scenario, Cast(doctor=slow)) == play(scenario, Cast(doctor=doctor))


def test_the_patient_rates_privately_at_the_very_end(scenario: Scenario) -> None:
    t = play(scenario, Cast(doctor=Lines([Diagnose(["flu"], Plan(treatment="rest"))])))
    assert kinds(t)[-2:] == ["patient:rate", "core:ended"]


def test_the_table_names_only_steps_that_exist() -> None:
    for step in TABLE.values():
        assert set(step.then) <= {*TABLE, "on", "over"}


def test_a_patient_that_tells_facts_without_ids_gets_them_from_the_rule(scenario: Scenario) -> None:
    fact = next(f for f in scenario.facts.values() if f.disclosure == "asked" and f.present)

    class Teller(Unhelpful):
        def act(self, turn: Turn) -> Say:
            return Say(fact.say[0])

    t = play(scenario, Cast(doctor=Lines([Say("Anything else?"), Diagnose(["flu"])]), patient=Teller()))
    said = next(e.what for e in t.events if e.role is Role.PATIENT and e.turn == 1)
    assert fact.id in said.ids
    assert said.ids_by == "rule"


def test_a_patient_cannot_tell_a_fact_that_is_none(scenario: Scenario) -> None:
    c = Consultation(scenario, Cast())
    c.submit(Say("Anything else?"))
    before = c.trajectory
    with pytest.raises(IllegalAction, match="no fact `made-up`"):
        c.submit(Say("I see aliens.", ids=("made-up",), ids_by="agent"))
    assert c.trajectory == before


def test_trust_moves_once_per_act_and_turn(scenario: Scenario) -> None:
    kind = "I'm so sorry, that must be frightening."
    once = Consultation(scenario, Cast())
    once.submit([Say(kind)])
    often = Consultation(scenario, Cast())
    often.submit([Say(kind), Say(kind), Say(f"{kind} {kind}")])
    heard = [
        [e.what.trust for e in c.trajectory.events if isinstance(e.what, Heard)][-1] for c in (once, often)
    ]
    assert heard[0] == heard[1] > Cast().seats[Role.PATIENT].profile.trust.initial
