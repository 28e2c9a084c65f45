"""Models through LangChain, against a local server in Anthropic's format and with objects from Python."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clinicenv.files import InputError
from clinicenv.models import loop
from clinicenv.models.call import ModelError, Reply, Request, ToolCall, Usage
from clinicenv.models.langchain import ChatModel, is_chat_model
from clinicenv.models.names import ModelName

pytest.importorskip("langchain_anthropic")
sys.path.insert(0, str(Path(__file__).parents[1]))
from fake_anthropic import (
    BROKEN,
    BUSY,
    OVERLOADED,
    TOO_LONG,
    FakeAnthropic,
    error,
    text,
    thinking,
    tool_use,
)
from fake_server import DROP, EMPTY, HANG, HTML, MALFORMED, Failure, FakeServer, calling, nobody

KEY = "sk-ant-canary-0123456789"
PIXEL = "iVBORw0KGgo="
ASK = {
    "type": "function",
    "function": {
        "name": "ask",
        "description": "Asks the patient.",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
    },
}
SCHEMA = {"type": "object", "properties": {"urgent": {"type": "boolean"}}, "required": ["urgent"]}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


HELLO = Request([user("How long has it hurt?")], {"temperature": 0.3})


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_URL",
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "LANGSMITH_GATEWAY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def named(server: FakeAnthropic, **options: Any) -> ChatModel:
    return ChatModel.named(ModelName.parse(f"anthropic:tiny@{server.address}"), **options)


def ask(server: FakeAnthropic, request: Request = HELLO, **options: Any) -> Reply:
    return loop.run(named(server, **options).complete(request))


def error_of(server: FakeAnthropic, request: Request = HELLO, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as e:
        ask(server, request, **options)
    return e.value


def test_a_reply_has_the_text_and_the_usage_and_the_request_has_the_settings() -> None:
    with FakeAnthropic(cached=7) as server:
        heard: list[str] = []
        model = named(server)
        reply = loop.run(model.complete(HELLO, heard.append))
        assert str(model) == f"anthropic:tiny@{server.address}"
    assert (reply.text, reply.reasoning, reply.finish_reason, reply.dropped) == (
        "Two days.",
        None,
        "stop",
        (),
    )
    assert reply.usage is not None
    assert (reply.usage.completion_tokens, reply.usage.cached_tokens) == (2, 7)
    assert reply.usage.prompt_tokens >= 7  # Anthropic counts the cached ones apart
    assert heard == ["Two days."]
    assert server.requests[0].body["temperature"] == 0.3


def test_thoughts_are_reasoning_and_not_text() -> None:
    with FakeAnthropic(lambda _: [thinking("Ask first."), text("How long?")], thought=2) as server:
        blocks = ask(server)
    with FakeAnthropic(lambda _: "<think>Ask first.</think>How long?") as server:
        tags = ask(server)
    assert [(r.text, r.reasoning) for r in (blocks, tags)] == [("How long?", "Ask first.")] * 2
    assert blocks.usage is not None
    assert blocks.usage.reasoning_tokens == 2


def test_tools_are_called_and_their_results_and_pictures_go_back() -> None:
    with FakeAnthropic(
        lambda _: [text("One moment."), tool_use("ask", {"q": "Où ?"}), tool_use("ask", {}, 2)]
    ) as server:
        reply = ask(server, Request(HELLO.messages, {"tool_choice": "required"}, (ASK,)))
        called = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in reply.calls
        ]
        picture = [
            {"type": "text", "text": "Look."},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ]
        messages = [
            {"role": "system", "content": "You are a doctor."},
            *HELLO.messages,
            {"role": "assistant", "content": None, "tool_calls": called},
            *({"role": "tool", "tool_call_id": c.id, "content": "Here."} for c in reply.calls),
            user(picture),
        ]
        ask(server, Request(messages, {}, (ASK,)))
    assert reply.text == "One moment."
    assert reply.calls == (ToolCall("toolu_1", "ask", '{"q": "Où ?"}'), ToolCall("toolu_2", "ask", "{}"))
    assert reply.finish_reason == "tool_calls"
    first, second = (seen.body for seen in server.requests)
    assert first["tools"][0]["input_schema"] == ASK["function"]["parameters"]
    assert first["tool_choice"] == {"type": "any"}
    assert second["system"] == "You are a doctor."
    assert [b["input"] for b in second["messages"][1]["content"]] == [{"q": "Où ?"}, {}]
    results = second["messages"][2]["content"]
    assert [b["type"] for b in results] == ["tool_result", "tool_result", "text", "image"]
    assert results[3]["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}


def test_a_tool_call_that_is_no_json_can_be_sent_back() -> None:
    broken = {"id": "c1", "type": "function", "function": {"name": "ask", "arguments": '{"q": '}}
    messages = [
        *HELLO.messages,
        {"role": "assistant", "content": "", "tool_calls": [broken]},
        {"role": "tool", "tool_call_id": "c1", "content": "That was no JSON."},
    ]
    with FakeAnthropic() as server:
        assert ask(server, Request(messages, {}, (ASK,))).text == "Two days."
    assert server.requests[0].body["messages"][1]["content"][0]["input"] == {"unreadable": '{"q": '}


@pytest.mark.parametrize("setting", ["seed", "top_k"])
def test_a_setting_that_is_not_taken_is_left_out_once_and_for_all(setting: str) -> None:
    """`seed` is unknown to Anthropic's library, `top_k` is refused by this server."""
    with FakeAnthropic(refuses=("top_k",)) as server:
        model = named(server)
        request = Request(HELLO.messages, {"temperature": 0.3, setting: 5})
        replies = [loop.run(model.complete(request)) for _ in range(2)]
        untouched = loop.run(model.complete(HELLO))
    assert [r.dropped for r in replies] == [(setting,)] * 2
    assert untouched.dropped == ()
    answered = [s.body for s in server.requests if "top_k" not in s.body]
    assert [b["temperature"] for b in answered] == [0.3] * 3
    assert len(server.requests) - len(answered) == (setting == "top_k")


def test_a_setting_with_a_bad_value_is_not_left_out() -> None:
    with FakeAnthropic() as server:
        server.fail(error(400, "invalid_request_error", "temperature: range: 0..1"))
        e = error_of(server, Request(HELLO.messages, {"temperature": 7}))
    assert e.kind == "refused"
    assert "temperature: range: 0..1" in str(e)


def test_a_schema_is_held_by_the_server_or_asked_for_without() -> None:
    asked = Request(HELLO.messages, schema=SCHEMA)
    with FakeAnthropic(lambda _: '{"urgent": true}') as server:
        held = ask(server, asked)
    with FakeAnthropic(lambda _: '{"urgent": true}', refuses=("output_config",)) as old:
        model = named(old)
        free = [loop.run(model.complete(asked)) for _ in range(2)]
    sent = server.requests[0].body["output_config"]["format"]["schema"]
    assert sent["properties"]["urgent"]["type"] == "boolean"
    assert (held.text, held.dropped) == ('{"urgent": true}', ())
    assert [(r.text, r.dropped) for r in free] == [('{"urgent": true}', ("schema",))] * 2
    assert ["output_config" in seen.body for seen in old.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("stop", "finish"), [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length")]
)
def test_the_finish_reason_has_its_openai_name(stop: str, finish: str) -> None:
    with FakeAnthropic(stop=stop) as server:
        assert ask(server).finish_reason == finish


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (error(401, "authentication_error", f"bad key {KEY}"), "auth", "check ANTHROPIC_API_KEY"),
        (error(403, "permission_error", "not for you"), "auth", "403: not for you"),
        (error(404, "not_found_error", "model: tiny"), "model", "no such model (404: model: tiny)"),
        (Failure(404, "<html>no</html>", {"content-type": "text/html"}), "address", "check the address"),
        (BUSY, "rate_limit", "429: This request would exceed"),
        (BROKEN, "server", "500: Internal server error"),
        (OVERLOADED, "server", "529: Overloaded"),
        (TOO_LONG, "refused", "210000 tokens > 200000"),
        (Failure(408, "slow"), "timeout", "408"),
        (DROP, "server", "broke off the connection"),
        (HANG, "timeout", "did not answer in time"),
        (MALFORMED, "bad_reply", "cannot read the reply"),
        (EMPTY, "bad_reply", "cannot read the reply"),
        (HTML, "bad_reply", "cannot read the reply"),
        (Failure(200, {"odd": 1}), "bad_reply", "cannot read the reply"),
        (error(400, "invalid_request_error", "\x1b[2J" + "x" * 5000), "refused", "xxx"),
    ],
)  # fmt: skip
def test_every_failure_is_one_sentence_of_the_right_kind(failure: Failure, kind: str, words: str) -> None:
    with FakeAnthropic() as server:
        server.fail(failure)
        e = error_of(server, retries=0, timeout=0.4 if failure is HANG else 5)
    assert e.kind == kind
    assert words in str(e)
    assert str(e).startswith("anthropic:tiny@")
    assert KEY not in str(e)
    assert len(str(e)) < 420
    assert str(e).isprintable()


def test_nobody_at_the_address_is_an_error_of_the_address() -> None:
    with nobody() as url, pytest.raises(ModelError) as e:
        loop.run(ChatModel.named(ModelName.parse(f"anthropic:tiny@{url}"), retries=0).complete(HELLO))
    assert e.value.kind == "address"


@pytest.mark.parametrize(
    ("stop", "kind", "words"),
    [("refusal", "refused", "refused to reply"), ("max_tokens", "bad_reply", "raise max_tokens")],
)
def test_a_reply_without_anything_in_it_says_why(stop: str, kind: str, words: str) -> None:
    with FakeAnthropic(lambda _: [], stop=stop) as server:
        e = error_of(server)
    assert e.kind == kind
    assert words in str(e)


def test_the_library_tries_again_and_an_error_counts_the_tries() -> None:
    with FakeAnthropic() as server:
        server.fail(BUSY, OVERLOADED)
        assert ask(server).text == "Two days."
        server.fail(*[BUSY] * 3)
        assert "after 3 tries" in str(error_of(server, retries=2))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_carries_no_prompt_to_another_server(status: int) -> None:
    with FakeAnthropic() as there, FakeAnthropic() as here:
        here.fail(Failure(status, "", {"location": f"{there.address}/v1/messages"}))
        e = error_of(here, retries=0)
    assert there.requests == []
    assert e.kind == "address"


@pytest.mark.parametrize("variable", ["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"])
def test_no_call_is_traced(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain_core.tracers.langchain import wait_for_all_tracers
    from langsmith import run_trees, utils

    with FakeAnthropic() as server, FakeServer() as langsmith:
        for name, value in (("ENDPOINT", langsmith.url), ("API_KEY", "lsv2_pt_0123456789")):
            monkeypatch.setenv(f"LANGSMITH_{name}", value)
            monkeypatch.setenv(f"LANGCHAIN_{name}", value)
        monkeypatch.setenv(variable, "true")
        monkeypatch.setattr(run_trees, "_CLIENT", None)
        utils.get_env_var.cache_clear()
        try:
            assert utils.tracing_is_enabled()
            ask(server)
            wait_for_all_tracers()
        finally:
            monkeypatch.undo()
            utils.get_env_var.cache_clear()
        assert langsmith.requests == []


def test_langsmiths_gateway_is_not_used_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_GATEWAY", "true")
    with pytest.raises(InputError, match="LANGSMITH_GATEWAY"):
        ChatModel.named(ModelName("anthropic", "tiny"))


def test_a_key_is_needed_only_where_the_provider_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(InputError, match="set ANTHROPIC_API_KEY"):
        ChatModel.named(ModelName("anthropic", "tiny"))
    with FakeAnthropic() as server:
        assert ask(server).text == "Two days."


def test_an_address_from_the_environment_is_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(ChatModel.named(ModelName("anthropic", "tiny"))) == "anthropic:tiny"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:9")
    assert str(ChatModel.named(ModelName("anthropic", "tiny"))) == "anthropic:tiny@http://localhost:9"


def test_a_wrong_provider_is_told_with_the_right_one() -> None:
    with pytest.raises(InputError, match="did you mean `anthropic`"):
        ChatModel.named(ModelName("anthropc", "tiny"))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_mistralai", None)
    with pytest.raises(InputError, match="pip install langchain-mistralai"):
        ChatModel.named(ModelName("mistralai", "tiny"))
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(InputError, match=r"pip install 'clinicenv\[langchain\]'.*langchain-anthropic"):
        ChatModel.named(ModelName("anthropic", "tiny"))


def test_a_probe_says_what_is_wrong_before_a_run() -> None:
    with FakeAnthropic(key=KEY, models={"tiny"}) as server:
        loop.run(named(server).probe())
        assert server.requests[0].body["max_tokens"] == 1
        server.fail(BUSY)
        loop.run(named(server).probe())
        with pytest.raises(ModelError, match="no such model"):
            loop.run(ChatModel.named(ModelName("anthropic", "huge", server.address)).probe())
        server.fail(BROKEN)
        with pytest.raises(ModelError, match="500"):
            loop.run(named(server).probe())
        assert len(server.requests) == 4  # no retries


def test_settings_that_are_not_the_models_cannot_be_set() -> None:
    with FakeAnthropic() as server, pytest.raises(InputError, match="`base_url`"):
        ask(server, Request(HELLO.messages, {"base_url": "http://elsewhere"}))


def test_calls_run_on_the_background_loop_of_their_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeAnthropic() as server:
        model = named(server)
        with pytest.raises(RuntimeError, match="background loop"):
            model.complete(HELLO).send(None)
        loop.run(model.complete(HELLO))
        monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a forked child
        with pytest.raises(RuntimeError, match="forked"):
            loop.run(model.complete(HELLO))


def test_an_anthropic_object_is_used_as_it_is() -> None:
    from langchain_anthropic import ChatAnthropic

    with FakeAnthropic(key=KEY) as server:
        made = ChatAnthropic(
            model_name="tiny", base_url=server.address, top_k=3, max_retries=0, timeout=5, stop=None
        )
        model = ChatModel(made)
        reply = loop.run(model.complete(HELLO))
        assert (str(model), reply.text) == ("ChatAnthropic:tiny", "Two days.")
        assert (server.requests[0].body["top_k"], server.requests[0].body["temperature"]) == (3, 0.3)
        assert made.temperature is None
        other = ChatModel(
            ChatAnthropic(
                model_name="tiny", base_url=server.address, api_key="in-the-object-only", timeout=5, stop=None
            )
        )
        with pytest.raises(ModelError) as e:
            loop.run(other.complete(HELLO))
    assert e.value.kind == "auth"
    assert "in-the-object-only" not in str(e.value)


def test_an_openai_object_answers_as_the_other_ways_do() -> None:
    openai = pytest.importorskip("langchain_openai")
    said = calling(("ask", {"q": "Where?"}), ("ask", '{"q": '))
    with FakeServer(lambda _: said, refuses=("seed",)) as server:
        model = ChatModel(openai.ChatOpenAI(model="tiny", base_url=server.url, api_key="none", max_retries=0))
        reply = loop.run(model.complete(Request(HELLO.messages, {"seed": 1, "max_tokens": 9}, (ASK,))))
    assert str(model) == "ChatOpenAI:tiny"
    assert [(c.name, c.arguments) for c in reply.calls] == [("ask", '{"q": "Where?"}'), ("ask", '{"q": ')]
    assert (reply.dropped, reply.finish_reason) == (("seed",), "tool_calls")
    assert reply.usage == Usage(prompt_tokens=5, completion_tokens=0)
    assert server.requests[-1].body["tools"] == [ASK]


def fake_object(*said: str) -> Any:
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    replies: Iterator[Any] = iter([AIMessage(content=s) for s in said])
    return GenericFakeChatModel(messages=replies)


def test_an_object_without_a_server_speaks_but_calls_no_tools() -> None:
    model = ChatModel(fake_object("Two days.", "Since when?"))
    reply = loop.run(model.complete(HELLO))
    assert (str(model), reply.text, reply.usage) == ("GenericFakeChatModel", "Two days.", None)
    with pytest.raises(ModelError, match="cannot call tools"):
        loop.run(model.complete(Request(HELLO.messages, {}, (ASK,))))
    assert loop.run(model.complete(Request(HELLO.messages, schema=SCHEMA))).text == "Since when?"


def test_chat_model_objects_are_told_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_chat_model(fake_object())
    assert not any(is_chat_model(thing) for thing in ("anthropic:tiny", fake_object, None, ModuleType("m")))
    monkeypatch.delitem(sys.modules, "langchain_core.language_models.chat_models")
    assert not is_chat_model(object())
    assert "langchain_core.language_models.chat_models" not in sys.modules


def test_a_provider_that_forces_a_tool_for_a_schema_gives_its_arguments_as_text() -> None:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Forced(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "forced"

        def bind_tools(self, tools: Any, **options: Any) -> Any:
            return self.bind(tools=tools, **options)

        def _generate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            call = {"name": kwargs["tools"][0]["title"], "args": {"urgent": True}, "id": "1"}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])

    reply = loop.run(ChatModel(Forced()).complete(Request(HELLO.messages, schema=SCHEMA)))
    assert (json.loads(reply.text), reply.calls) == ({"urgent": True}, ())
