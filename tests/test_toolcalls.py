"""Actions as tool calls: what models send, and the history that servers take."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_protocol import ENDINGS, FINALS, ORDER_ACTIONS, TEXTS

from clinicenv import protocol
from clinicenv.events import (
    FINAL,
    MAX_ITEMS,
    Action,
    Answer,
    Diagnose,
    Examine,
    IllegalAction,
    Leave,
    OrderTests,
    Plan,
    RequestImage,
    Result,
    Say,
    Unparsed,
)
from clinicenv.models.call import ToolCall
from clinicenv.protocol import BESIDE, EMPTY, MAX_ITEM, SECOND
from clinicenv.toolcalls import (
    NOT_DONE,
    NOTED,
    REPORTED,
    Call,
    answers,
    assistant,
    call_of,
    read,
    tools,
    usage,
)

ALL = (Say, Examine, OrderTests, RequestImage, Diagnose, Answer, Leave, Unparsed)
DIAGNOSING = (Say, Examine, OrderTests, RequestImage, Diagnose, Leave, Unparsed)


@dataclass(frozen=True)
class Decoded:
    """A call whose arguments the server has decoded."""

    id: str
    name: str
    arguments: dict[str, Any]


def call(name: str, arguments: Any = None, id: str = "c1") -> ToolCall:
    return ToolCall(id, name, arguments if isinstance(arguments, str) else json.dumps(arguments or {}))


def order(*items: str, id: str = "c1") -> ToolCall:
    return call("order_tests", {"items": items}, id)


# What is offered


@pytest.mark.parametrize("legal", [ALL, DIAGNOSING, (Say, Leave), (Say,)])
def test_one_tool_for_each_legal_action_but_speech(legal: tuple[type, ...]) -> None:
    acting = {Examine: "examine", OrderTests: "order_tests", RequestImage: "request_image"}
    ending = {Diagnose: "diagnose", Answer: "answer", Leave: "leave"}
    expected = [name for kind, name in {**acting, **ending}.items() if kind in legal]
    assert [t["function"]["name"] for t in tools(legal)] == expected
    assert json.dumps(tools(legal)) == json.dumps(tools(set(legal)))


@pytest.mark.parametrize("tool", tools(ALL), ids=lambda t: t["function"]["name"])
def test_a_schema_is_strict(tool: dict[str, Any]) -> None:
    parameters = tool["function"]["parameters"]
    assert parameters["additionalProperties"] is False
    assert parameters["required"] == list(parameters["properties"])
    for field in parameters["properties"].values():
        assert set(field) <= {"type", "items", "description"}


def test_usage_tells_what_ends_it_and_no_more_than_is_legal() -> None:
    assert "call diagnose or leave" in usage(DIAGNOSING)
    assert "call leave" in usage((Say, Leave))
    assert "diagnose" not in usage((Say, Leave))
    assert usage((Say,)) == "What you write is what you say."
    assert "write" not in usage((Diagnose,))


# What is read

READINGS: list[tuple[list[Call], str, list[Action]]] = [
    ([order("ECG", "troponin")], "", [OrderTests(("ECG", "troponin"))]),
    ([order("ECG")], "Any fever?", [Say("Any fever?"), OrderTests(("ECG",))]),
    ([Decoded("c", "examine", {"items": ["heart"]})], "", [Examine(("heart",))]),
    ([call("order_tests", {"items": "ECG; troponin"})], "", [OrderTests(("ECG", "troponin"))]),
    ([call("order_tests", {"items": "urea, creatinine"})], "", [OrderTests(("urea, creatinine",))]),
    ([call("order_tests", {"items": '["ECG", "troponin"]'})], "", [OrderTests(("ECG", "troponin"))]),
    ([call("examine", {"items": [" left\ncalf ", "", "-"]})], "", [Examine(("left calf",))]),
    ([call("order_tests", {"items": ["ECG; CRP"], "why": "pain"})], "", [OrderTests(("ECG", "CRP"))]),
    ([order("ECG"), order("ECG")], "", [OrderTests(("ECG",)), OrderTests(("ECG",))]),
    (
        [order("ECG"), call("examine", {"items": ["heart"]}), call("request_image", {"items": ["CXR"]})],
        "",
        [OrderTests(("ECG",)), Examine(("heart",)), RequestImage(("CXR",))],
    ),
    (
        [
            call(
                "diagnose",
                {"differential": ["gout", "sepsis"], "plan": "rest", "treatment": ["ice", "NSAID"]},
            )
        ],
        "It is gout.",
        [Say("It is gout."), Diagnose(("gout", "sepsis"), Plan("rest", treatment="ice\nNSAID"))],
    ),
    ([call("diagnose", {"differential": ["gout"], "plan": None})], "", [Diagnose(("gout",))]),
    ([call("answer", {"text": " B "})], "", [Answer("B")]),
    ([call("leave", "")], "Goodbye.", [Say("Goodbye."), Leave()]),
    ([call("leave", {"text": "done"})], "", [Leave("done")]),
    # text alone is read as in the text protocol
    ([], "ORDER: ECG\nAny fever?", [OrderTests(("ECG",)), Say("Any fever?")]),
    ([], "DIAGNOSE: gout\nPLAN: rest", [Diagnose(("gout",), Plan("rest"))]),
    ([], " ", [Unparsed("", EMPTY)]),
    ([order("ECG")], "```\n```", [OrderTests(("ECG",))]),
    # text that repeats the calls counts once
    ([order("ECG", "CRP")], "ORDER: ecg; CRP\nAny fever?", [Say("Any fever?"), OrderTests(("ECG", "CRP"))]),
    ([order("ECG")], "ORDER: CRP; ECG", [OrderTests(("CRP",)), OrderTests(("ECG",))]),
    ([order("ECG")], "EXAMINE: ECG", [Examine(("ECG",)), OrderTests(("ECG",))]),
    (
        [call("diagnose", {"differential": ["Gout"]})],
        "DIAGNOSE: gout\nPLAN: rest",
        [Diagnose(("Gout",), Plan("rest"))],
    ),
    ([call("leave")], "LEAVE: bye", [Leave()]),
    ([call("answer", {"text": "b"})], "ANSWER: B", [Answer("b")]),
]


@pytest.mark.parametrize(("calls", "text", "actions"), READINGS, ids=range(len(READINGS)))
def test_reads_what_models_send(calls: list[Call], text: str, actions: list[Action]) -> None:
    assert read(calls, text, ALL) == actions


UNREADABLE: list[tuple[Call, str, str]] = [
    (call("prescribe", {"items": ["x"]}), 'prescribe({"items": ["x"]})', "no tool `prescribe`"),
    (order(), 'order_tests({"items": []})', "`items` is empty"),
    (call("order_tests", "ECG"), "order_tests(ECG)", 'order_tests with {"items": ["troponin", "ECG"]}'),
    (call("order_tests", '{"items": ["ECG"'), 'order_tests({"items": ["ECG")', "no JSON object"),
    (call("order_tests", "[1]"), "order_tests([1])", "no JSON object"),
    (call("order_tests", {"tests": ["ECG"]}), 'order_tests({"tests": ["ECG"]})', "`items` is missing"),
    (call("order_tests", {"items": [1]}), 'order_tests({"items": [1]})', "no list of names"),
    (call("order_tests", {"items": {"a": 1}}), 'order_tests({"items": {"a": 1}})', "no list of names"),
    (order("x" * (MAX_ITEM + 1)), "", f"over {MAX_ITEM} characters"),
    (order(*["ECG"] * (MAX_ITEMS + 1)), "", "give 20 at most"),
    (call("diagnose", {"differential": ["a"] * 11}), "", "give 10 at most"),
    (call("diagnose", {"differential": ["a"], "treatment": 3}), "", "`treatment` is no text"),
    (call("diagnose"), "diagnose({})", "`differential` is missing"),
    (call("answer", {"text": " "}), 'answer({"text": " "})', "`text` is missing or empty"),
    (call("leave", {"text": 3}), 'leave({"text": 3})', "`text` is no text"),
    (call("leave", "[" * 100_000), "", "no JSON object"),
    (call("leave", " " * 100_001), "", "over 100000 characters"),
]


@pytest.mark.parametrize(("wrong", "shown", "reason"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_call_that_cannot_be_read_is_shown_with_what_to_do(wrong: Call, shown: str, reason: str) -> None:
    (found,) = read([wrong], "", ALL)
    assert isinstance(found, Unparsed)
    assert found.text.startswith(shown or wrong.name)
    assert len(found.text) < 600
    assert reason in found.reason


def test_a_call_that_is_not_legal_names_what_is() -> None:
    say, unread = read([call("diagnose", {"differential": ["flu"]})], "Hello.", (Say, Leave))
    assert say == Say("Hello.")
    assert unread == Unparsed(
        'diagnose({"differential": ["flu"]})',
        "diagnose is not possible now; you may call leave, or write what you say.",
    )


def test_readable_calls_beside_an_unreadable_one_count() -> None:
    unread, read_ = read([call("examine"), order("ECG")], "", ALL)
    assert isinstance(unread, Unparsed)
    assert read_ == OrderTests(("ECG",))


def test_orders_beside_a_final_action_are_not_carried_out() -> None:
    diagnose = call("diagnose", {"differential": ["gout"]})
    assert read([diagnose, order("ECG")], "ORDER: CRP\nBye.", ALL) == [
        Unparsed("ORDER: CRP", BESIDE),
        Say("Bye."),
        Unparsed('order_tests({"items": ["ECG"]})', BESIDE),
        Diagnose(("gout",)),
    ]


def test_the_first_calls_final_action_counts() -> None:
    first, second = (call("diagnose", {"differential": [d]}) for d in ("gout", "flu"))
    assert read([first, second, call("leave")], "DIAGNOSE: sepsis", ALL) == [
        Unparsed("DIAGNOSE: sepsis", SECOND),
        Unparsed('diagnose({"differential": ["flu"]})', SECOND),
        Unparsed("leave({})", SECOND),
        Diagnose(("gout",)),
    ]


def test_control_characters_and_halves_of_pairs_stay_out_of_what_is_shown() -> None:
    named, shown = read([order("E\ud800CG"), call("\x1b[31m\ud800", "\x07")], "", ALL)
    assert named == OrderTests(("E?CG",))
    assert isinstance(shown, Unparsed)
    assert (shown.text + shown.reason).isprintable()
    (say,) = read([], "It \ud800 hurts.", ALL)
    assert say == Say("It ? hurts.")


NAMES = st.sampled_from(["examine", "order_tests", "request_image", "diagnose", "answer", "leave", "", "say"])
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.just("ECG; CRP")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["items", "differential", "text", "plan", "treatment", "x"])
OBJECTS = st.dictionaries(FIELDS, DATA, max_size=4)
ARGUMENTS = st.one_of(TEXTS, OBJECTS.map(json.dumps), OBJECTS)
ANY = st.characters(exclude_categories=())
CALLS = st.builds(
    ToolCall,
    st.text(ANY, max_size=3),
    st.one_of(NAMES, st.text(ANY, max_size=9)),
    ARGUMENTS,  # type: ignore[arg-type]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(ORDER_ACTIONS, FINALS))
def test_read_undoes_call_of(action: Action) -> None:
    name, arguments = call_of(action)
    assert read([call(name, arguments)], "", ALL) == [action]
    assert read([Decoded("c", name, arguments)], "", ALL) == [action]


@settings(max_examples=200, deadline=None)
@given(ENDINGS)
def test_an_ending_by_call_reads_as_the_same_ending_by_text(acts: list[Action]) -> None:
    said = [a for a in acts if isinstance(a, Say)]
    calls = [call(*call_of(a)) for a in acts if not isinstance(a, Say)]
    assert read(calls, protocol.render(said), ALL) == acts


@settings(max_examples=600, deadline=None)
@given(st.lists(CALLS, max_size=4), TEXTS, st.sampled_from([ALL, DIAGNOSING, (Say, Leave), (OrderTests,)]))
@example([ToolCall("", "leave", ""), ToolCall("call_1_of_2", "x", "[")], "LEAVE:", ALL)
def test_whatever_comes_is_read_and_answered(calls: list[Call], text: str, legal: tuple[type, ...]) -> None:
    acts = read(calls, text, legal)
    assert acts
    assert all(type(a) in (*legal, Unparsed) for a in acts)
    assert not any(isinstance(a, FINAL) for a in acts[:-1])
    if isinstance(acts[-1], FINAL):
        assert not any(isinstance(a, (Examine, OrderTests, RequestImage)) for a in acts)
    sent = assistant(text, calls)
    replies, rest = answers(calls, acts, [])
    assert rest == []
    ids = [c["id"] for c in sent.get("tool_calls", [])]
    assert [r["tool_call_id"] for r in replies] == ids
    assert len(set(ids)) == len(ids)
    for one in sent.get("tool_calls", []):
        assert isinstance(json.loads(one["function"]["arguments"]), dict)
    assert all(r["content"] for r in replies)
    json.dumps([sent, replies], ensure_ascii=False).encode()


def test_speech_has_no_tool() -> None:
    with pytest.raises(IllegalAction, match="Say"):
        call_of(Say("Hello."))


# The history


def result(item: str, text: str = "fine", kind: Any = "test") -> Result:
    return Result(item, item, text, kind)


def test_every_call_is_followed_by_its_own_results() -> None:
    calls = [
        order("ECG", "CRP", id="a"),
        call("examine", {"items": ["heart"]}, "b"),
        call("examine", {}, "c"),
    ]
    acts = read(calls, "ORDER: urea\nAny fever?", ALL)
    found = [result("urea"), result("ECG"), result("CRP", "3 mg/L"), result("heart", "quiet", "exam")]
    replies, rest = answers(calls, acts, found)
    assert [(r["role"], r["tool_call_id"]) for r in replies] == [("tool", "a"), ("tool", "b"), ("tool", "c")]
    first, second, third = (r["content"] for r in replies)
    assert first == "ECG: fine\nCRP: 3 mg/L"
    assert second == "heart: quiet"
    assert "`items` is missing" in third
    assert rest == [found[0]]


def test_items_of_one_name_get_the_result_of_their_kind() -> None:
    calls = [
        call("request_image", {"items": ["chest"]}, "a"),
        call("examine", {"items": ["chest", "ECG"]}, "b"),
    ]
    found = [result("chest", "clear", "exam"), result("ECG", "sinus"), result("chest", "a film", "image")]
    replies, rest = answers(calls, read(calls, "", ALL), found)
    assert [r["content"] for r in replies] == ["chest: a film", "chest: clear\nECG: sinus"]
    assert rest == []


def test_an_item_that_another_one_has_shown_says_so() -> None:
    calls = [order("full blood count", id="a"), order("FBC", id="b")]
    replies, _ = answers(calls, read(calls, "", ALL), [result("full blood count")])
    assert [r["content"] for r in replies] == ["full blood count: fine", REPORTED]


def test_a_refused_call_beside_a_final_one_is_told_why() -> None:
    calls = [order("ECG", id="a"), call("leave", id="b")]
    replies, _ = answers(calls, read(calls, "", ALL), [])
    assert [r["content"] for r in replies] == [BESIDE, NOTED]


def test_a_reply_that_is_asked_for_again_was_not_carried_out() -> None:
    calls = [order("ECG", id="a"), call("examine", {}, "b")]
    acts = read(calls, "", ALL)
    first, second = (r["content"] for r in answers(calls, acts)[0])
    assert first == NOT_DONE
    assert "`items` is missing" in second
    assert answers(calls, acts, [])[0][0]["content"] == "No results."


def test_the_assistants_message_is_what_it_wrote() -> None:
    calls = [order("ECG", id="a")]
    assert assistant("Any fever?\n", calls) == {
        "role": "assistant",
        "content": "Any fever?",
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "order_tests", "arguments": '{"items": ["ECG"]}'},
            }
        ],
    }
    assert assistant("Hello.", []) == {"role": "assistant", "content": "Hello."}


def test_a_call_that_a_server_would_refuse_is_mended_in_the_history() -> None:
    calls = [
        call("order tests!", "ECG", "same"),
        call("leave", "", "same"),
        Decoded("", "leave", {"text": "é"}),
    ]
    sent = [c["function"] for c in assistant(None, calls)["tool_calls"]]
    assert [c["name"] for c in sent] == ["order_tests_", "leave", "leave"]
    assert [c["arguments"] for c in sent] == ['{"unreadable": "ECG"}', "{}", '{"text": "é"}']
