"""Model calls as a user meets them, against a local server that fails on demand."""

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from clinicenv.files import InputError
from clinicenv.models import loop
from clinicenv.models.call import ModelError, Reply, Request, Usage
from clinicenv.models.endpoint import Endpoint
from clinicenv.models.names import ModelName

sys.path.insert(0, str(Path(__file__).parents[1]))
from fake_server import DROP, HANG, MALFORMED, Failure, FakeServer, completion, rate_limited

KEY = "sk-secret-0123456789"
HELLO = Request([{"role": "user", "content": "How long has it hurt?"}], {"temperature": 0.3})


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def at(server: FakeServer, model: str = "tiny") -> ModelName:
    return ModelName.parse(f"openai:{model}@{server.url}")


def ask(server: FakeServer, request: Request = HELLO, **options: Any) -> Reply:
    return loop.run(Endpoint(at(server), **options).complete(request))


def error_of(server: FakeServer, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as e:
        ask(server, **options)
    return e.value


def answering(content: str | None = None, **message: Any) -> FakeServer:
    """A server whose replies have these fields in their message."""
    return FakeServer(lambda messages: (200, completion(content, messages, **message)))


def test_a_reply_has_the_text_and_the_usage_and_the_request_has_the_settings() -> None:
    with FakeServer(lambda _: "Two days.") as server:
        heard: list[str] = []
        reply = loop.run(Endpoint(at(server)).complete(HELLO, heard.append))
    assert (reply.text, reply.reasoning, reply.finish_reason, reply.tries) == ("Two days.", None, "stop", 1)
    assert reply.usage == Usage(prompt_tokens=5, completion_tokens=2)
    assert heard == ["Two days."]
    assert server.requests[0].body == {"model": "tiny", "messages": HELLO.messages, "temperature": 0.3}


def test_rate_limits_are_retried() -> None:
    with FakeServer(lambda _: "Two days.") as server:
        server.fail(rate_limited(), rate_limited())
        reply = ask(server)
    assert (reply.text, reply.tries) == ("Two days.", 3)


def test_a_rate_limit_that_stays_is_an_error_that_counts_the_tries() -> None:
    with FakeServer() as server:
        server.fail(*[rate_limited()] * 3)
        e = error_of(server, retries=2)
    assert e.kind == "rate_limit"
    assert "429: too many requests" in str(e)
    assert "after 3 tries" in str(e)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(500, "out of memory"), "server"),
        (DROP, "server"),
        (HANG, "timeout"),
        (MALFORMED, "bad_reply"),
        (Failure(200, {"choices": []}), "bad_reply"),
        (Failure(200, {"choices": [{"message": "hi"}]}), "bad_reply"),
        (Failure(200, {"error": "no"}), "bad_reply"),
        (Failure(200, "[]"), "bad_reply"),
        (Failure(400, {"error": {"message": "temperature is too high"}}), "refused"),
        (Failure(404, {"detail": "Not Found"}), "address"),
    ],
)
def test_each_failure_is_named_by_its_kind(failure: Failure, kind: str) -> None:
    with FakeServer() as server:
        server.fail(failure)
        e = error_of(server, retries=0, timeout=0.2)
    assert e.kind == kind
    assert server.url in str(e)


def test_an_error_quotes_the_server_shortly_and_without_control_characters() -> None:
    with FakeServer() as server:
        server.fail(Failure(400, "\x1b[31mbad\n" + "x" * 5000))
        e = error_of(server)
    assert str(e).isprintable()
    assert len(str(e)) < 400


def test_a_wrong_key_is_an_error_that_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer(key="another") as server:
        e = error_of(server)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert e.kind == "auth"
    assert "check OPENAI_API_KEY" in str(e)
    assert KEY not in repr(e)


def test_a_key_is_hidden_even_where_the_quote_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "company-secret-0123456789")
    with FakeServer() as server:
        server.fail(Failure(400, "x" * 190 + "company-secret-0123456789"))
        e = error_of(server)
    assert "company" not in str(e)


def test_the_key_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "se\ncret")
    with pytest.raises(InputError, match="OPENAI_API_KEY") as e:
        Endpoint(ModelName("openai", "tiny"))
    assert "cret" not in str(e.value)


def test_the_default_server_needs_a_key() -> None:
    with pytest.raises(InputError, match="set OPENAI_API_KEY"):
        Endpoint(ModelName("openai", "gpt"))


def test_the_address_comes_from_the_name_then_the_card_then_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/env/")
    assert Endpoint(ModelName.parse("openai:m")).url == "http://localhost:1/env"
    assert Endpoint(ModelName.parse("openai:m"), "http://localhost:1/card").url == "http://localhost:1/card"
    named = ModelName.parse("openai:m@http://localhost:1/name")
    assert Endpoint(named, "http://localhost:1/card").url == "http://localhost:1/name"


def test_the_environment_names_the_server_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(lambda _: "Two days.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert loop.run(Endpoint(ModelName.parse("openai:m")).complete(HELLO)).text == "Two days."


@pytest.mark.parametrize(
    ("text", "model", "url"),
    [
        ("openai:gpt-x", "gpt-x", None),
        ("openai/gpt-x", "gpt-x", None),
        ("openai:org/model:7b@https://host/v1/", "org/model:7b", "https://host/v1"),
        ("openai:@cf/org/model@http://[::1]:80/v1", "@cf/org/model", "http://[::1]:80/v1"),
    ],
)
def test_model_names(text: str, model: str, url: str | None) -> None:
    name = ModelName.parse(text)
    assert (name.model, name.url) == (model, url)
    assert ModelName.parse(str(name)) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpt-x", "write PROVIDER:NAME"),
        ("openai:", "write PROVIDER:NAME"),
        ("local:folder@http://localhost/v1", "a local model has no address"),
        ("openai:m@http://", "not a server's address"),
        ("openai:m@http://host:port/v1", "not a server's address"),
        ("openai:m@http://user:secret@host/v1", "put the key in the environment"),
    ],
)
def test_names_that_are_none_say_why(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        ModelName.parse(text)


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ("<think>\nGout?\n</think>\n\nWhere?", "Where?", "Gout?"),
        ("<think>a</think>One <think>b</think>two", "One two", "a\nb"),
        ("Gout?</think>Where?", "Where?", "Gout?"),
        ("Where?<think>never closed", "Where?", "never closed"),
        ("I think so.", "I think so.", None),
        ("", "", None),
        ("half \ud83d", "half ?", None),
    ],
)
def test_thoughts_are_taken_out_of_the_text(content: str, text: str, reasoning: str | None) -> None:
    with answering(content=content) as server:
        reply = ask(server)
    assert (reply.text, reply.reasoning) == (text, reasoning)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thoughts_in_a_field_of_their_own(name: str) -> None:
    with answering(content="Where?", **{name: "Gout?"}) as server:
        assert ask(server).reasoning == "Gout?"


def test_a_reply_without_content_is_empty_and_a_refusal_is_told() -> None:
    with answering() as server:
        assert ask(server).text == ""
    with answering(refusal="I will not.") as server:
        e = error_of(server)
    assert e.kind == "refused"
    assert "I will not." in str(e)


def test_a_reply_that_is_all_thoughts_says_to_raise_the_limit() -> None:
    body = completion("<think>on and on", HELLO.messages)
    body["choices"][0]["finish_reason"] = "length"
    with FakeServer(lambda _: (200, body)) as server:
        e = error_of(server)
    assert e.kind == "bad_reply"
    assert "max_tokens" in str(e)


def test_settings_cannot_change_the_model() -> None:
    with FakeServer() as server, pytest.raises(InputError, match="`model`"):
        ask(server, Request(HELLO.messages, {"model": "other"}))


def test_no_more_requests_are_in_flight_than_allowed_whatever_the_model() -> None:
    async def ask_both(server: FakeServer) -> list[Reply]:
        ends = [Endpoint(at(server, m), concurrency=5) for m in ("one", "two")]
        return await asyncio.gather(*(e.complete(HELLO) for e in ends for _ in range(15)))

    with FakeServer(latency=0.02) as server:
        replies = loop.run(ask_both(server))
    assert len(replies) == 30
    assert 1 < server.most_in_flight <= 5


def test_calls_work_one_after_another_and_from_several_threads() -> None:
    with FakeServer(lambda _: "Two days.") as server:
        endpoint = Endpoint(at(server))
        texts: list[str] = []
        for _ in range(2):
            texts.append(loop.run(endpoint.complete(HELLO)).text)
        threads = [
            threading.Thread(target=lambda: texts.append(loop.run(endpoint.complete(HELLO)).text))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == ["Two days."] * 6


async def test_a_caller_with_a_loop_of_its_own_is_told_to_use_ours() -> None:
    with FakeServer() as server, pytest.raises(RuntimeError, match=r"loop\.run"):
        await Endpoint(at(server)).complete(HELLO)


def test_run_on_the_loop_itself_is_an_error_not_a_deadlock() -> None:
    async def outer() -> None:
        loop.run(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="await"):
        loop.run(outer())


def test_ctrl_c_cancels_the_coroutine_and_lets_it_clean_up() -> None:
    cleaned = []

    async def long() -> None:
        try:
            await asyncio.sleep(0.2)  # the caller waits by now
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        loop.run(long())
    assert cleaned == [True]


def _ask_in_child(url: str, result: Any) -> None:
    result.put(loop.run(Endpoint(ModelName("openai", "m", url)).complete(HELLO)).text)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_gets_a_loop_of_its_own() -> None:
    with FakeServer(lambda _: "Two days.") as server:
        ask(server)
        fork = multiprocessing.get_context("fork")
        result = fork.Queue()
        child = fork.Process(target=_ask_in_child, args=(server.url, result))
        child.start()
        assert result.get(timeout=10) == "Two days."
        child.join()


def test_preflight_passes_where_the_model_answers_or_the_server_is_busy() -> None:
    with FakeServer(lambda _: "") as server:
        loop.run(Endpoint(at(server)).probe())
        server.fail(rate_limited(100))
        loop.run(Endpoint(at(server)).probe())
        server.fail(Failure(400, {"error": {"message": "Unsupported parameter: 'max_tokens'"}}))
        loop.run(Endpoint(at(server)).probe())
        assert len(server.requests) == 3


def test_preflight_tells_a_wrong_model_key_or_page_with_few_requests() -> None:
    cases: list[tuple[Failure | None, str, int]] = [
        (None, "no such model", 1),
        (Failure(401, "no"), "set OPENAI_API_KEY", 1),
        (Failure(404, "<html>"), "check the address", 1),
        (Failure(200, "<html>"), "not JSON", 3),
        (Failure(429, {"error": {"message": "You exceeded your current quota"}}), "quota", 1),
        (Failure(503, "loading"), "loading", 3),
    ]
    with FakeServer(models={"known"}) as server:
        number = 0
        for failure, sentence, requests in cases:
            number += requests
            if failure:
                server.fail(*[failure] * requests)
            with pytest.raises(ModelError, match=sentence):
                loop.run(Endpoint(at(server, "unknown")).probe())
            assert len(server.requests) == number


def test_preflight_of_a_server_that_is_not_there_asks_once() -> None:
    with FakeServer() as server:
        gone = at(server)
    with pytest.raises(ModelError, match="is the server running") as e:
        loop.run(Endpoint(gone).probe())
    assert e.value.kind == "address"
    assert "tries" not in str(e.value)


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(InputError, match=r"pip install 'clinicenv\[models\]'"):
        Endpoint(ModelName("openai", "m", "http://localhost:1/v1"))
