"""What `check` finds out about a model: each finding against a server that does the thing, or does not."""

from collections.abc import Mapping
from typing import Any

import pytest
from fake_anthropic import FakeAnthropic, text, tool_use
from fake_server import Answer, Failure, FakeServer, Messages, calling, nobody
from test_sight import sees, shown

from clinicenv.models import loop
from clinicenv.models.checks import Finding, check
from clinicenv.models.gateway import Gateway
from clinicenv.models.names import ModelName
from clinicenv.models.prices import Price, Prices


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def able(messages: Messages) -> Answer:
    """A model that can do everything."""
    if shown(messages):
        return sees(messages)
    asked = messages[-1]["content"]
    if "tool" in asked:
        return calling(("order_test", {"test": "ECG"}))
    return '{"colour": "red"}' if "tomato" in asked else "Hello, I am tiny."


def talks(messages: Messages) -> Answer:
    """A model that can do nothing but talk."""
    return "I am fine."


def checked(url: str, prices: Mapping[str, Price] | None = None) -> dict[str, Finding]:
    gateway = Gateway(retries=1, prices=Prices(prices or {}))
    found = loop.run(check(gateway.model(ModelName("openai", "tiny", url))))
    assert len({f.what for f in found}) == len(found) == 9
    return {f.what: f for f in found}


def states(found: Mapping[str, Finding]) -> dict[str, str]:
    return {what: f.state for what, f in found.items()}


def test_a_model_that_can_do_everything() -> None:
    with FakeServer(able) as server:
        name = f"openai:*@{server.url}"
        found = checked(server.url, {name: Price(input=2, output=10)})
    assert set(states(found).values()) == {"ok"}
    assert len(server.requests) == 5
    assert found["answers"].detail == "`Hello, I am tiny.`"
    assert found["tools"].detail == '`order_test({"test": "ECG"})`'
    assert found["sight"].detail.startswith("proven: ")
    assert found["price"].detail == "$2 for a million tokens of prompts, $10 of replies"
    assert "median of 5" in found["latency"].detail
    assert found["usage"].detail.endswith("tokens of prompts, 12 of replies in 5 calls")


def test_a_model_that_only_talks() -> None:
    with FakeServer(talks) as server:
        found = checked(server.url)
    assert states(found) == {
        "reachable": "ok",
        "answers": "ok",
        "tools": "no",
        "structured output": "no",
        "sight": "no",
        "latency": "ok",
        "usage": "ok",
        "settings": "ok",
        "price": "no",
    }
    assert "it said `I am fine.`" in found["tools"].detail
    assert found["sight"].detail.startswith("not proven: it says the same to two different pictures")


@pytest.mark.parametrize("call", [("order_test", "ECG"), ("order_test", {}), ("other", {"test": "ECG"})])
def test_a_call_that_cannot_be_read_is_no_tool_call(call: tuple[str, Any]) -> None:
    with FakeServer(lambda m: calling(call) if "tool" in str(m) else able(m)) as server:
        found = checked(server.url)
    assert (found["tools"].state, found["sight"].state) == ("no", "ok")
    assert "cannot be read" in found["tools"].detail


@pytest.mark.parametrize(
    "said", ['{"color": "red"}', '{"colour": 1}', '{"colour": "red", "more": 1}', "[]", "[" * 50_000]
)
def test_structured_output_is_validated(said: str) -> None:
    with FakeServer(lambda m: said if "tomato" in str(m) else able(m)) as server:
        found = checked(server.url)
    assert found["structured output"].state == "no"
    assert len(found["structured output"].detail) < 200


def test_what_the_server_refuses_is_named() -> None:
    with FakeServer(able, refuses=("seed", "response_format")) as server:
        found = checked(server.url)
    assert (found["settings"].state, found["structured output"].state) == ("no", "no")
    assert "refuses seed," in found["settings"].detail
    assert found["structured output"].detail == "the server takes no schema"
    with FakeServer(able, refuses=("tools",)) as server:
        found = checked(server.url)
    assert (found["tools"].state, found["sight"].state) == ("no", "ok")
    assert "Unknown parameter: 'tools'" in found["tools"].detail


def test_tokens_that_are_not_counted_are_said() -> None:
    class Silent(FakeServer):
        def _answer(self, seen: Any) -> Failure:
            answer = super()._answer(seen)
            del answer.body["usage"]
            return answer

    with Silent(able) as server:
        found = checked(server.url)
    assert found["usage"].state == "no"
    assert "in 5 of 5 calls" in found["usage"].detail
    assert "tokens/s" not in found["latency"].detail


def test_what_fails_in_one_check_does_not_stop_the_others() -> None:
    broken = (500, {"error": {"message": "out of memory"}}, {"retry-after-ms": "1"})
    with FakeServer(lambda m: broken if "tool" in str(m) else able(m)) as server:
        found = checked(server.url)
    assert found["tools"].state == "error"
    assert "out of memory" in found["tools"].detail
    assert (found["structured output"].state, found["sight"].state) == ("ok", "ok")


def test_without_a_server_all_else_is_skipped() -> None:
    with nobody() as url:
        found = checked(url)
    assert found.pop("reachable").state == "error"
    assert {f.state for f in found.values()} == {"skipped"}


def test_a_wrong_key_is_no_answer_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    with FakeServer(able, key="another") as server:
        found = checked(server.url)
    assert (found["reachable"].state, found["answers"].state, found["tools"].state) == (
        "ok",
        "error",
        "skipped",
    )
    assert "check OPENAI_API_KEY" in found["answers"].detail
    assert "sk-canary-0123456789" not in str(found)
    assert len(server.requests) == 1


def test_a_thinking_model_answers_with_more_room() -> None:
    class Thinker(FakeServer):
        def _answer(self, seen: Any) -> Failure:
            answer = super()._answer(seen)
            if seen.body["max_tokens"] < 1000:
                answer.body["choices"][0].update(finish_reason="length", message={"content": "<think>Hm"})
            return answer

    with Thinker(able) as server:
        found = checked(server.url)
    assert (found["answers"].state, found["tools"].state, found["sight"].state) == ("ok", "ok", "ok")
    assert "it thinks first" in found["answers"].detail


def test_text_of_a_model_cannot_control_the_terminal() -> None:
    with FakeServer(lambda _: "\x1b[31mred\x07\n" * 100) as server:
        found = checked(server.url)
    assert all(f.detail.isprintable() and len(f.detail) < 300 for f in found.values())


def test_through_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langchain_anthropic")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789")

    def say(messages: Messages) -> Any:
        asked = str(messages)
        if "order_test" in asked:
            return [tool_use("order_test", {"test": "ECG"})]
        return [text('{"colour": "red"}' if "tomato" in asked else "Hello.")]

    with FakeAnthropic(say) as server:
        name = ModelName("anthropic", "claude-tiny", server.address)
        found = {f.what: f for f in loop.run(check(Gateway(retries=1).model(name)))}
    wanted = ("answers", "tools", "structured output", "usage")
    assert [found[what].state for what in wanted] == ["ok"] * 4
    assert found["sight"].state == "no"
    assert "says the same" in found["sight"].detail
    assert (found["settings"].state, "seed" in found["settings"].detail) == ("no", True)
