"""A language model as the doctor: steps, tools, asking again, look-ups, reflection, examples, notes."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from fake_server import Answer, FakeServer, Messages, calling
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_prompts import assert_strict

from clinicenv.agents.cards import AgentCard, load_card
from clinicenv.agents.cast import Cast, play
from clinicenv.agents.model import ModelAgent
from clinicenv.agents.model_doctor import MAX_SEARCHES
from clinicenv.cli.main import call
from clinicenv.consultation import Turn
from clinicenv.events import Action, Diagnose, Examine, OrderTests, Report, Say, Trajectory, Unparsed
from clinicenv.scenario import load_scenario

CHEST = "sharp-chest-pain-01"
END = "DIAGNOSE: acute pericarditis"
ENDS = calling(("diagnose", {"differential": ["acute pericarditis"], "plan": "rest"}))


@contextmanager
def saying(*replies: Answer) -> Iterator[FakeServer]:
    """A server that gives one reply after the other, whatever it is asked."""
    left = iter(replies)
    with FakeServer(lambda _: next(left)) as server:
        yield server


def consult(server: FakeServer, card: AgentCard | str, **settings: Any) -> Trajectory:
    """A consultation of the card, played by the server's model; where it is over no reply is left."""
    named = load_card("doctor", card) if isinstance(card, str) else card
    doctor = ModelAgent(named.model_copy(update={"model": f"openai:tiny@{server.url}"}))
    return play(load_scenario(settings.pop("case", CHEST)), Cast(doctor), **settings)


def chat(**changes: Any) -> AgentCard:
    """The chat card with these fields."""
    return AgentCard.model_validate({**load_card("doctor", "chat").model_dump(), **changes})


def prompts(server: FakeServer) -> list[Messages]:
    return [seen.body["messages"] for seen in server.requests]


def newest(server: FakeServer, call: int = -1) -> str:
    content = prompts(server)[call][-1]["content"]
    assert isinstance(content, str)
    return content


def acts(log: Trajectory, kind: type = Action) -> list[Any]:  # type: ignore[assignment]
    return [e.what for e in log.events if e.role == "doctor" and isinstance(e.what, kind)]


def asides(log: Trajectory) -> list[dict[str, Any]]:
    """What each turn of the doctor leaves beside its first act."""
    return [aside for act in acts(log) if (aside := act.aside)]


def heard(log: Trajectory) -> str:
    """The dialogue, with all that either side says."""
    return "\n".join(e.what.text for e in log.events if isinstance(e.what, Say))


def ended_well(log: Trajectory, turns: int) -> bool:
    assert log.outcome
    return (log.outcome.status, log.outcome.reason, log.outcome.turns) == ("terminated", "diagnose", turns)


def assert_history_grows(server: FakeServer, calls: Sequence[int]) -> None:
    """The prompts of these calls, the first of each turn, begin one another."""
    firsts = [prompts(server)[n] for n in calls]
    for before, after in itertools.pairwise(firsts):
        assert after[: len(before)] == before
        assert after[len(before)]["role"] == "assistant"


# The tools protocol


def test_parallel_calls_are_carried_out_and_their_results_come_back_to_each() -> None:
    both = calling(
        ("examine", {"items": ["heart"]}),
        ("order_tests", {"items": ["ECG", "troponin"]}),
        content="Where exactly does it hurt?",
    )
    with saying(both, ENDS) as server:
        log = consult(server, "tools")
    assert ended_well(log, 2)
    said, examined, ordered, ended = acts(log)
    assert said == Say("Where exactly does it hurt?", aside=said.aside)
    assert (examined.items, ordered.items) == (("heart",), ("ECG", "troponin"))
    assert ended.plan.text == "rest"
    first, _ = asides(log)
    assert first["raw"] == "Where exactly does it hurt?"
    assert [c["name"] for c in first["calls"]] == ["examine", "order_tests"]
    (report,) = (e.what for e in log.events if isinstance(e.what, Report))
    _, *before, called, exam, tests, user = prompts(server)[1]
    assert prompts(server)[0][1:] == before
    assert (called["content"], called["tool_calls"]) == (both["content"], both["tool_calls"])
    assert [m["tool_call_id"] for m in (exam, tests)] == ["call_0", "call_1"]
    for result in report.results:
        at = exam if result.kind == "exam" else tests
        assert result.text in at["content"]
        assert result.text not in user["content"]
    assert user["content"].startswith("Patient: ")
    assert user["content"].endswith("[turn 2 of 30]")


def test_the_tools_offered_are_the_legal_actions_and_stay_the_same() -> None:
    with saying(calling(("examine", {"items": ["heart"]})), "Since when?", ENDS) as server:
        assert ended_well(consult(server, "tools", max_turns=3), 3)
    offered = [seen.body["tools"] for seen in server.requests]
    assert offered[0] == offered[1] == offered[2]
    assert "diagnose" in [t["function"]["name"] for t in offered[0]]
    with saying("Since when?", END) as server:
        consult(server, "chat")
    assert all("tools" not in seen.body for seen in server.requests)


def test_a_reply_in_text_is_read_though_tools_were_offered() -> None:
    with saying("ORDER: ECG\nHow long have you had it?", END) as server:
        log = consult(server, "tools")
    assert ended_well(log, 2)
    ordered, asked, _ = acts(log)
    assert (type(ordered), type(asked)) == (OrderTests, Say)
    (report,) = (e.what for e in log.events if isinstance(e.what, Report))
    assert report.results[0].text in newest(server)
    assert prompts(server)[1][-2] == {
        "role": "assistant",
        "content": "ORDER: ECG\nHow long have you had it?",
    }


def test_calls_are_read_though_no_tools_were_offered() -> None:
    """Then the history, which is text, says the same in words."""
    made = calling(("order_tests", {"items": ["ECG"]}), content="One moment.")
    with saying(made, END) as server:
        log = consult(server, "chat")
    assert ended_well(log, 2)
    assert [type(a) for a in acts(log)] == [Say, OrderTests, Diagnose]
    assert prompts(server)[1][-2] == {"role": "assistant", "content": "One moment.\nORDER: ECG"}
    assert [c["name"] for c in asides(log)[0]["calls"]] == ["order_tests"]
    assert asides(log)[0]["raw"] == "One moment."


def test_a_wrong_tool_is_asked_for_again_once_and_the_second_reply_counts() -> None:
    wrong = calling(("prescribe", {"drug": "ibuprofen"}))
    with saying(wrong, calling(("order_tests", {"items": ["ECG"]})), ENDS) as server:
        log = consult(server, "tools")
    assert ended_well(log, 2)
    assert [type(a) for a in acts(log)] == [OrderTests, Diagnose]
    *history, called, answered, again = prompts(server)[1]
    assert history[:-1] == prompts(server)[0][:-1]
    assert called["tool_calls"][0]["function"]["name"] == "prescribe"
    assert "no tool `prescribe`" in answered["content"]
    assert "Write your whole reply again" in again["content"]
    assert_history_grows(server, (0, 2))
    assert "prescribe" not in str(prompts(server)[2])
    (failed,) = asides(log)[0]["again"]
    assert failed["calls"][0]["name"] == "prescribe"
    assert "no tool" in failed["why"]


def test_a_tool_that_stays_wrong_is_recorded_and_told_in_the_next_prompt() -> None:
    wrong = calling(("prescribe", {"drug": "ibuprofen"}))
    with saying(wrong, wrong, ENDS) as server:
        log = consult(server, "tools")
    assert ended_well(log, 2)
    (unread,) = acts(log, Unparsed)
    assert unread.text == 'prescribe({"drug": "ibuprofen"})'
    *_, called, answered, user = prompts(server)[2]
    assert (called["content"], len(called["tool_calls"])) == ("", 1)  # the model wrote nothing beside it
    assert answered["content"] == unread.reason
    assert user["content"] == "[turn 2 of 30]"
    assert_history_grows(server, (0, 2))


def test_what_can_be_read_beside_a_wrong_call_counts_at_once() -> None:
    mixed = calling(("prescribe", {}), ("examine", {"items": ["heart"]}), ("order_tests", '{"items": ['))
    with saying(mixed, ENDS) as server:
        log = consult(server, "tools")
    assert ended_well(log, 2)
    assert [type(a) for a in acts(log)] == [Unparsed, Examine, Unparsed, Diagnose]
    called, *answered = prompts(server)[1][-5:-1]
    assert [m["tool_call_id"] for m in answered] == ["call_0", "call_1", "call_2"]
    for each in called["tool_calls"]:  # a strict server reads them all
        assert isinstance(json.loads(each["function"]["arguments"]), dict)


# Asking again


def test_a_reply_of_nothing_that_can_be_read_is_asked_for_again_once() -> None:
    with saying("ORDER:", "ORDER: ECG", END) as server:
        log = consult(server, "chat")
    assert ended_well(log, 2)
    assert [type(a) for a in acts(log)] == [OrderTests, Diagnose]
    assert "Write your whole reply again" in newest(server, 1)
    assert_history_grows(server, (0, 2))
    assert prompts(server)[2][-2]["content"] == "ORDER: ECG"
    first, _ = asides(log)
    assert first["again"][0]["raw"] == "ORDER:"
    assert first["usage"]["completion_tokens"] == 3  # both calls'
    seeds = [seen.body["seed"] for seen in server.requests]
    assert len(set(seeds)) == 3


def test_both_sides_in_one_reply_are_cut_where_the_patient_speaks() -> None:
    both = "When did it start?\n**Patient:** Two days ago.\nDoctor: And then?\nDIAGNOSE: gout"
    with saying(both, END) as server:
        log = consult(server, "chat")
    assert ended_well(log, 2)
    first, _ = asides(log)
    assert acts(log)[0].text == first["raw"] == "When did it start?"
    assert first["cut"].strip().startswith("**Patient:** Two days ago.")
    assert "gout" in first["cut"]
    assert prompts(server)[1][-2]["content"] == "When did it start?"
    assert "Two days ago." not in str(prompts(server)[1])


def test_the_cut_is_logged_beside_calls_too() -> None:
    made = calling(("order_tests", {"items": ["ECG"]}), content="An ECG first.\nPatient: Is it bad?")
    with saying(made, ENDS) as server:
        log = consult(server, "tools")
    assert acts(log)[0].text == "An ECG first."
    assert asides(log)[0]["cut"].strip() == "Patient: Is it bad?"
    assert "Is it bad?" not in str(prompts(server)[1])


@pytest.mark.parametrize("thought", ["field", "block"])
@pytest.mark.parametrize("card", ["chat", "tools"])
def test_thoughts_go_to_aside_and_nowhere_else(card: str, thought: str) -> None:
    said: Answer = "<think>It smells of SECRET.</think>When did it start?"
    if thought == "field":
        said = {"content": "When did it start?", "reasoning_content": "It smells of SECRET."}
    with saying(said, END) as server:
        log = consult(server, card)
    assert asides(log)[0]["reasoning"] == "It smells of SECRET."
    assert acts(log)[0].text == "When did it start?"
    assert "SECRET" not in heard(log)
    assert "SECRET" not in str(prompts(server))


# Steps


def analysis(**changes: Any) -> str:
    return json.dumps(
        {
            "positive": ["sharp chest pain"],
            "negative": [],
            "differential": [{"diagnosis": "MARKED pericarditis", "confidence": 0.6, "why": "sharp"}],
            "urgency": "urgent",
            "missing": ["ECG"],
            **changes,
        }
    )


def test_amie_makes_three_calls_a_turn_and_only_the_last_is_said() -> None:
    with saying(
        *(analysis(), "DRAFT one.", "When did it start?"),
        *(analysis(urgency="routine"), "DRAFT two.", END),
    ) as server:
        log = consult(server, "amie")
    assert ended_well(log, 2)
    one, two = asides(log)
    assert one["analysis"]["differential"][0]["confidence"] == 0.6
    assert (one["analysis"]["urgency"], two["analysis"]["urgency"]) == ("urgent", "routine")
    assert one["steps"] == {"respond": "DRAFT one."}
    assert one["raw"] == "When did it start?"
    assert one["usage"]["completion_tokens"] == sum(
        len(text.split()) for text in (analysis(), "DRAFT one.", "When did it start?")
    )
    for hidden in ("MARKED", "DRAFT"):
        assert hidden not in heard(log)
        assert hidden not in str(prompts(server)[3])
    assert "MARKED" in str(prompts(server)[1])
    assert "DRAFT one." in str(prompts(server)[2])


def test_only_the_analysis_is_asked_for_by_a_schema_and_steps_see_the_turns_left() -> None:
    with saying(analysis(), "A draft.", "Go on.", analysis(), "A draft.", END) as server:
        consult(server, "amie", max_turns=2)
    shaped = ["response_format" in seen.body for seen in server.requests]
    assert shaped == [True, False, False] * 2
    assert "1 turns are left" in newest(server, 1)
    assert "This is the last turn" in newest(server, 4)


def plain(messages: Messages) -> Messages:
    """The messages of a prompt without what the step at its end asks."""
    return [{**m, "content": m["content"].split("\n\n[Do not reply")[0]} for m in messages]


def test_with_steps_too_each_turns_history_begins_the_next_ones() -> None:
    turns = ("ORDER: ECG", "EXAMINE: heart\nDoes it ease when you sit up?", "How long?", END)
    said = itertools.chain.from_iterable((analysis(), "A draft.", turn) for turn in turns)
    with saying(*said) as server:
        assert ended_well(consult(server, "amie"), 4)
    firsts = [plain(p) for p in prompts(server)[::3]]
    for turn, (before, after) in enumerate(itertools.pairwise(firsts)):
        assert after[: len(before)] == before
        assert after[len(before)] == {"role": "assistant", "content": turns[turn]}
        assert len(after) == len(before) + 2
    for n in range(1, 3):  # within a turn, each call begins the next one as it stands
        assert prompts(server)[n][: len(prompts(server)[n - 1])] == prompts(server)[n - 1]


@pytest.mark.parametrize("broken", ['{"positive": [', "I think it is the heart.", "", analysis(urgency="?")])
def test_a_broken_analysis_is_asked_for_again_once_with_what_was_wrong(broken: str) -> None:
    with saying(broken, analysis(), "A draft.", END) as server:
        log = consult(server, "amie")
    assert ended_well(log, 1)
    assert asides(log)[0]["analysis"]["urgency"] == "urgent"
    assert "JSON" in newest(server, 1)
    assert "response_format" in server.requests[1].body
    assert all(m["content"] for m in prompts(server)[1])


def test_an_analysis_that_stays_broken_is_recorded_and_the_turn_goes_on() -> None:
    with saying("No.", "Still no.", "A draft.", END) as server:
        log = consult(server, "amie")
    assert ended_well(log, 1)
    (aside,) = asides(log)
    assert "analysis" not in aside
    assert aside["analyse_unread"]["raw"] == "Still no."
    assert "JSON" in aside["analyse_unread"]["why"]


def test_more_than_two_questions_are_asked_for_again_once() -> None:
    many = "When? Where? How long? Any fever?"
    with saying(analysis(), "A draft.", many, "When? Where?", analysis(), "A draft.", END) as server:
        log = consult(server, "amie")
    assert ended_well(log, 2)
    assert acts(log)[0].text == "When? Where?"
    assert "2 questions" in newest(server, 3)
    assert "has 4" in newest(server, 3)
    assert many not in str(prompts(server)[4])
    with saying(analysis(), "A draft.", many, many, analysis(), "A draft.", END) as server:
        log = consult(server, "amie")
    assert ended_well(log, 2)
    assert acts(log)[0].text == many  # it stands as it is, and what was asked too
    assert "has 4" in asides(log)[0]["again"][0]["why"]


def test_a_worse_second_reply_does_not_replace_one_that_only_asked_too_much() -> None:
    card = chat(max_questions=1)
    with saying("When? Where?", "ORDER:", END) as server:
        log = consult(server, card)
    assert acts(log)[0].text == "When? Where?"
    assert prompts(server)[2][-2]["content"] == "When? Where?"


# Reflection


def test_before_a_diagnosis_counts_it_is_thought_over_and_may_change() -> None:
    card = chat(reflect=True)
    with saying("When?", "DIAGNOSE: gout", "THOUGHT: the ECG is missing.", "ORDER: ECG") as server:
        log = consult(server, card, max_turns=2)
    assert [type(a) for a in acts(log)] == [Say, OrderTests]
    reflection = asides(log)[1]["reflection"]
    assert reflection == {"before": "DIAGNOSE: gout", "thought": "THOUGHT: the ECG is missing."}
    assert "think" in newest(server, 2)
    assert prompts(server)[3][-2] == {"role": "assistant", "content": "THOUGHT: the ECG is missing."}
    assert "THOUGHT" not in heard(log)


def test_only_before_the_last_turn_a_question_instead_is_offered() -> None:
    with saying(END, "Hm.", "When?", END, "Hm.", END) as server:
        log = consult(server, chat(reflect=True), max_turns=2)
    assert ended_well(log, 2)
    assert "question or test instead" in newest(server, 2)
    assert "the same or another diagnosis" in newest(server, 5)


def test_what_was_thought_is_in_no_later_prompt() -> None:
    card = chat(reflect=True)
    said = ("DIAGNOSE: gout", "A THOUGHT.", "ORDER: ECG", END, "Another.", END)
    with saying(*said) as server:
        log = consult(server, card)
    assert ended_well(log, 2)
    assert acts(log)[-1].differential == ("acute pericarditis",)
    assert_history_grows(server, (0, 3))
    assert "THOUGHT" not in str(prompts(server)[3])
    assert "gout" not in str(prompts(server)[3])


def test_a_diagnosis_stands_where_nothing_can_be_read_after_the_thought() -> None:
    with saying(END, "Hm.", "ORDER:", "ORDER:") as server:
        log = consult(server, chat(reflect=True))
    assert ended_well(log, 1)
    assert acts(log)[0].differential == ("acute pericarditis",)


def test_a_diagnosis_by_call_is_thought_over_too() -> None:
    card = load_card("doctor", "tools").model_copy(update={"reflect": True})
    with saying(ENDS, "It fits.", ENDS) as server:
        log = consult(server, card)
    assert ended_well(log, 1)
    called, answered, asked = prompts(server)[1][-3:]
    assert answered["tool_call_id"] == called["tool_calls"][0]["id"]
    assert "Before this counts" in asked["content"]
    assert asides(log)[0]["reflection"]["calls"][0]["name"] == "diagnose"
    # a doctor that acts in text gets no calls back, for a server that was offered no tools refuses them
    with saying(ENDS, "It fits.", END) as server:
        consult(server, chat(reflect=True))
    assert "tool_calls" not in str(prompts(server)[1])
    assert "DIAGNOSE: acute pericarditis" in str(prompts(server)[1])


# Look-ups


@pytest.fixture
def books(tmp_path: Path) -> dict[str, str]:
    pytest.importorskip("bm25s")
    for source, text in (
        ("books", "Pericarditis eases on sitting forward. PASSAGE ONE."),
        ("guidelines", "An ECG within ten minutes. PASSAGE TWO."),
    ):
        (tmp_path / source).mkdir()
        (tmp_path / source / "text.txt").write_text(text)
    return {source: str(tmp_path / source) for source in ("books", "guidelines")}


def test_a_doctor_looks_up_in_text_and_nobody_else_hears_it(books: dict[str, str]) -> None:
    with saying("LOOKUP books: pericarditis", "Does it ease when you sit up?", END) as server:
        log = consult(server, chat(lookup=books))
    assert ended_well(log, 2)
    assert "LOOKUP" in prompts(server)[0][0]["content"]
    assert "PASSAGE ONE" in newest(server, 1)
    first, _ = asides(log)
    (looked,) = first["lookups"]
    assert (looked["source"], looked["query"]) == ("books", "pericarditis")
    assert [f["file"] for f in looked["found"]] == ["text.txt"]
    assert "LOOKUP" not in heard(log)
    assert "PASSAGE" not in str(prompts(server)[2])
    assert "PASSAGE" not in log.to_json()
    assert_history_grows(server, (0, 2))


def test_what_stands_beside_a_look_up_is_not_said_and_the_doctor_is_told(books: dict[str, str]) -> None:
    with saying("Hello, I am the doctor.\nLOOKUP books: pericarditis", "Hello again.", END) as server:
        log = consult(server, chat(lookup=books))
    assert [a.text for a in acts(log, Say)] == ["Hello again."]
    assert "Only the look-up was done" in newest(server, 1)


def test_a_doctor_looks_up_by_tool_beside_other_calls(books: dict[str, str]) -> None:
    card = load_card("doctor", "tools").model_copy(update={"lookup": books})
    looks = calling(
        ("lookup", {"source": "guidelines", "query": "ECG minutes"}), ("order_tests", {"items": ["ECG"]})
    )
    with saying(looks, calling(("order_tests", {"items": ["ECG"]})), ENDS) as server:
        log = consult(server, card)
    assert ended_well(log, 2)
    assert "LOOKUP" not in prompts(server)[0][0]["content"]
    assert "lookup" in [t["function"]["name"] for t in server.requests[0].body["tools"]]
    found, not_done = prompts(server)[1][-2:]
    assert "PASSAGE TWO" in found["content"]
    assert "send it again" in not_done["content"]
    assert len(acts(log, OrderTests)) == 1
    assert asides(log)[0]["lookups"][0]["source"] == "guidelines"
    assert "lookup" not in str(prompts(server)[2][1:])
    assert_history_grows(server, (0, 2))


@pytest.mark.parametrize("protocol", ["text", "tools"])
def test_look_ups_in_a_turn_have_an_end(books: dict[str, str], protocol: str) -> None:
    looks: Answer = "LOOKUP books: pericarditis"
    card = chat(lookup=books)
    if protocol == "tools":
        looks = calling(("lookup", {"source": "books", "query": "pericarditis"}))
        card = load_card("doctor", "tools").model_copy(update={"lookup": books})
    with FakeServer(lambda _: looks) as server:
        log = consult(server, card, max_turns=1)
    assert log.outcome
    assert log.outcome.reason == "max_turns"
    assert len(server.requests) == MAX_SEARCHES + 2
    (unread,) = acts(log)
    assert "No more look-ups" in unread.reason
    assert len(asides(log)[0]["lookups"]) == MAX_SEARCHES
    assert "No more look-ups" in newest(server)


def test_a_look_up_after_the_other_sides_words_is_not_made(books: dict[str, str]) -> None:
    with saying("When did it start?\nPatient: Today.\nLOOKUP books: pericarditis", END) as server:
        log = consult(server, chat(lookup=books))
    assert acts(log)[0].text == "When did it start?"
    assert "lookups" not in asides(log)[0]


# Examples


def test_an_example_is_another_solved_case_in_the_system_message(tmp_path: Path) -> None:
    pytest.importorskip("bm25s")
    for name in (CHEST, "sharp-chest-pain-02", "new-headache-01"):
        (tmp_path / f"{name}.yaml").write_text((ROOT / "scenarios" / f"{name}.yaml").read_text())
    twin = yaml.safe_load((ROOT / "scenarios" / f"{CHEST}.yaml").read_text())
    twin |= {"id": "the-twin", "twin_of": CHEST}
    (tmp_path / "the-twin.yaml").write_text(yaml.safe_dump(twin))
    with saying("When?", END) as server:
        log = consult(server, chat(example=str(tmp_path)))
    shown = prompts(server)[0][0]["content"]
    assert "Diagnosis: pulmonary embolism" in shown.replace("Pulmonary", "pulmonary")
    assert "pericarditis" not in shown.lower()
    assert [a["example"] for a in asides(log)] == ["sharp-chest-pain-02"] * 2
    assert_history_grows(server, (0, 1))


# Notes


NOTES = "Ask what eases the pain."
SIX = (
    "--scenarios",
    "crying-in-bouts-01,new-headache-01,rash-on-the-hands-01,sharp-chest-pain-01,sharp-chest-pain-02"
    ",tired-and-thin-01",
)


def of_notes(messages: Messages) -> bool:
    return "rewrite them now" in messages[-1]["content"]


def notebook_doctor(path: Path, server: FakeServer) -> str:
    card = {**load_card("doctor", "chat").model_dump(mode="json", exclude_defaults=True), "name": "learner"}
    path.write_text(yaml.safe_dump({**card, "notebook": 500, "model": f"openai:tiny@{server.url}"}))
    return str(path)


def counting(*, fail_from: int = 10**9) -> Callable[[Messages], Answer]:
    """A doctor that ends at once and writes its n-th note; consultations fail from the n-th on."""
    notes, talks = itertools.count(1), itertools.count(1)

    def reply(messages: Messages) -> Answer:
        if of_notes(messages):
            return f"{NOTES} Lesson {next(notes)}."
        if messages[-1]["content"] == "Hello":  # the check before a run
            return "Hello."
        return END if next(talks) < fail_from else (400, {"error": {"message": "made to fail"}})

    return reply


def notes_in(server: FakeServer) -> list[str]:
    """The last lesson that each consultation's prompt has; empty where it has none."""
    talks = [p for p in prompts(server) if p[0]["role"] == "system"]
    lessons = [p[0]["content"].partition("Lesson ")[2] for p in talks]
    return [lesson[:1] for lesson in lessons]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = call(["run", *arguments])
    return code, capsys.readouterr().err


def test_a_notebook_goes_from_one_consultation_to_the_next_in_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with FakeServer(counting()) as server:
        card = notebook_doctor(tmp_path / "learner.yaml", server)
        code, err = run(capsys, "--doctor", card, "--out", str(tmp_path / "r"), "--concurrency", "8", *SIX)
    assert code == 0
    assert "one by one" in err
    assert server.most_in_flight == 1
    assert notes_in(server) == ["", "1", "2", "3", "4", "5"]
    kept = [json.loads(line) for line in (tmp_path / "r" / "notebooks.jsonl").read_text().splitlines()]
    assert [k["notes"]["text"] for k in kept] == [f"{NOTES} Lesson {n}." for n in range(1, 7)]
    calls = [json.loads(line) for line in (tmp_path / "r" / "calls.jsonl").read_text().splitlines()]
    assert [c["step"] for c in calls] == ["reply", "notebook"] * 6


def test_a_run_that_stopped_goes_on_with_the_notes_it_had(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path / "r"), *SIX)
    with FakeServer(counting(fail_from=4)) as server:
        card = notebook_doctor(tmp_path / "learner.yaml", server)
        assert run(capsys, "--doctor", card, *out)[0] == 1
        assert notes_in(server)[:4] == ["", "1", "2", "3"]
        asked = len(prompts(server))
        server.reply = counting()
        assert run(capsys, "--doctor", card, *out, "--resume")[0] == 0
        after = notes_in(server)
    assert len(prompts(server)) > asked
    assert after[-3:] == ["3", "1", "2"]  # the fourth starts with the third's notes; the new ones count anew


def test_notes_are_kept_out_of_the_dialogue_and_stand_in_aside(tmp_path: Path) -> None:
    with FakeServer(counting()) as server:
        doctor = ModelAgent(load_card("doctor", notebook_doctor(tmp_path / "c.yaml", server)))
        doctor.notebook.text = NOTES
        log = play(load_scenario(CHEST), Cast(doctor))
    assert asides(log)[0]["notebook"] == NOTES
    assert NOTES in prompts(server)[0][0]["content"]
    assert NOTES not in str(prompts(server)[0][1:])


# Whatever a model replies

SAID = st.sampled_from(
    (
        *("", "When did it start?", "When? Where? Why?", "ORDER:", "ORDER: ECG", "Patient: It hurts.", END),
        *("LOOKUP books: pericarditis", "Hm.\nLOOKUP no: pericarditis\nPatient: Hm.", analysis(), "{"),
        "<think>Hm.</think>EXAMINE: heart",
    )
)
CALLED = st.sampled_from(
    (
        ("lookup", {"source": "books", "query": "pericarditis"}),
        ("lookup", "{"),
        ("order_tests", {"items": ["ECG", "troponin"]}),
        ("examine", {"items": []}),
        ("prescribe", "null"),
        ("", {}),
        ("diagnose", {"differential": ["gout"]}),
    )
)
REPLY = st.builds(
    lambda text, calls: calling(*calls, content=text) if calls else text,
    SAID,
    st.lists(CALLED, max_size=3),
)


SHORT = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking: each try plays a consultation."""


@pytest.mark.parametrize("protocol", ["text", "tools"])
@pytest.mark.parametrize("steps", [(), load_card("doctor", "amie").steps], ids=["one call", "steps"])
def test_whatever_a_model_replies_a_strict_server_takes_each_prompt_and_the_log_has_it(
    books: dict[str, str], protocol: str, steps: Any
) -> None:
    base = load_card("doctor", "tools" if protocol == "tools" else "chat")
    changes = {"lookup": books, "reflect": True, "max_questions": 2, "steps": steps}
    card = base.model_copy(update=changes)

    @given(replies=st.lists(REPLY, min_size=60, max_size=60))
    @settings(max_examples=12, phases=SHORT, suppress_health_check=list(HealthCheck))
    def check(replies: list[Answer]) -> None:
        with saying(*replies) as server:
            log = consult(server, card, max_turns=3)
        assert log.outcome
        assert log.outcome.status in ("terminated", "truncated")
        for sent in prompts(server):
            assert_strict(sent)
        assert Trajectory.from_json(log.to_json()).to_json() == log.to_json()
        assert len(asides(log)) == log.outcome.turns
        assert "LOOKUP" not in heard(log)
        assert "<think>" not in heard(log)

    check()


# Another doctor after this one


def test_a_doctor_of_calls_is_followed_by_one_of_text_which_reads_what_was_done() -> None:
    """A history by tool calls, read by another doctor (after a fork), holds the acts in words."""
    made = calling(("order_tests", {"items": ["ECG"]}))
    with saying(made, ENDS) as server:
        before = consult(server, "tools")
    ordered = acts(before)[0]
    with saying(END) as server:
        card = load_card("doctor", "chat").model_copy(update={"model": f"openai:tiny@{server.url}"})
        follower = ModelAgent(card)

        async def act(turn: Turn) -> Any:
            return ordered if turn.view.turn == 1 else await follower.act(turn)

        play(load_scenario(CHEST), Cast(act))
    assert prompts(server)[0][-2] == {"role": "assistant", "content": "ORDER: ECG"}
