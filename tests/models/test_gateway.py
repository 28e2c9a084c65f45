"""The one way to models: cache, limits, time, and what a server does not take."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fake_server import BUSY, HANG, TOO_LONG, Answer, Failure, FakeServer, Seen

from clinicenv.files import InputError
from clinicenv.models import loop
from clinicenv.models.cache import Cache
from clinicenv.models.call import ModelError, Reply, Request
from clinicenv.models.gateway import Connection, Gateway
from clinicenv.models.names import ModelName
from clinicenv.models.prices import Price, Prices


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL", "LANGSMITH_GATEWAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary-0123456789")
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.002)


def request(text: str = "How are you?", **settings: Any) -> Request:
    return Request([{"role": "user", "content": text}], settings)


def model(gateway: Gateway, server: FakeServer, name: str = "tiny") -> Connection:
    return gateway.model(ModelName("openai", name, server.url))


def ask(connection: Connection, asked: Request | None = None, attempt: int = 0) -> Reply:
    return loop.run(connection.complete(asked or request(), attempt=attempt))


def ask_at_once(connection: Connection, many: int) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        return await asyncio.gather(*(connection.complete(request(f"Question {n}?")) for n in range(many)))

    return loop.run(all_of_them())


# Limits


def test_calls_in_flight_fall_after_429_and_rise_again() -> None:
    bears = [3]

    def reply(_: Any) -> Answer:
        return "Fine." if server.in_flight <= bears[0] else BUSY

    with FakeServer(reply, latency=0.1) as server:  # long beside what this side takes to send them all
        tiny = model(Gateway(concurrency=32), server)
        ask_at_once(tiny, 60)
        assert server.most_in_flight == 32
        server.most_in_flight, server.latency = 0, 0.005
        ask_at_once(tiny, 60)
        assert server.most_in_flight <= 16  # at least halved; it tries one more now and then
        bears[0], server.most_in_flight, server.latency = 1000, 0, 0.1  # long beside what this side takes
        ask_at_once(tiny, 400)
        assert 16 < server.most_in_flight <= 32


class Bears(FakeServer):
    """Turns away what comes while it has three calls in hand."""

    in_hand = 0

    def _answer(self, seen: Seen) -> Failure:
        if self.in_hand >= 3:
            return BUSY
        self.in_hand += 1
        asyncio.get_running_loop().call_later(0.01, self._done)
        return super()._answer(seen)

    def _done(self) -> None:
        self.in_hand -= 1


def test_a_server_that_bears_few_calls_gets_all_of_them_done() -> None:
    with Bears() as server:
        replies = ask_at_once(model(Gateway(concurrency=100), server), 150)
    assert len(replies) == 150
    assert max(reply.tries for reply in replies) > 1


def test_a_slow_endpoint_holds_up_no_other() -> None:
    async def both(slow: Connection, quick: Connection) -> list[str]:
        waiting = [asyncio.create_task(slow.complete(request())) for _ in range(4)]
        await asyncio.sleep(0.05)
        replies = [(await quick.complete(request(str(n)))).text for n in range(3)]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return replies

    with FakeServer(lambda _: HANG) as hangs, FakeServer(lambda _: "Fine.") as works:
        gateway = Gateway(concurrency=2)
        assert loop.run(both(model(gateway, hangs), model(gateway, works))) == ["Fine."] * 3
        assert len(hangs.requests) == 2


def test_addresses_of_one_provider_share_no_limit() -> None:
    pytest.importorskip("langchain_anthropic")
    from fake_anthropic import FakeAnthropic

    async def both(slow: Connection, quick: Connection) -> str:
        waiting = asyncio.create_task(slow.complete(request()))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(10):
            reply = await quick.complete(request())
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return reply.text

    with FakeAnthropic() as hangs, FakeAnthropic() as works:
        hangs.fail(HANG)
        gateway = Gateway(concurrency=1)
        slow, quick = (gateway.model(ModelName.parse(f"anthropic:tiny@{s.address}")) for s in (hangs, works))
        assert loop.run(both(slow, quick)) == "Two days."


# Time


def test_a_server_that_hangs_is_given_up() -> None:
    with FakeServer(lambda _: HANG) as server, pytest.raises(ModelError, match=r"within 0\.2 s") as e:
        ask(model(Gateway(timeout=0.2, retries=0), server))
    assert e.value.kind == "timeout"


def test_an_object_that_hangs_is_given_up() -> None:
    core = pytest.importorskip("langchain_core.language_models")

    class Hangs(core.GenericFakeChatModel):  # type: ignore[misc, name-defined]
        async def _agenerate(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

    with pytest.raises(ModelError, match=r"no reply within 0\.5 s, all tries together") as e:
        ask(Gateway(timeout=0.1).object(Hangs(messages=iter([]))))
    assert e.value.kind == "timeout"


# What a server wants


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_carries_no_prompt_to_another_server(status: int) -> None:
    with FakeServer() as other:
        away = Failure(status, "", {"location": f"{other.url}/chat/completions"})
        with FakeServer(lambda _: away) as server, pytest.raises(ModelError) as e:
            ask(model(Gateway(), server))
        assert other.requests == []
    assert e.value.kind == "address"
    assert "name that one instead" in str(e.value)


def test_a_setting_that_was_refused_is_not_sent_to_that_model_again() -> None:
    with FakeServer(lambda _: "Fine.", refuses=("seed",)) as server:
        tiny = model(Gateway(), server)
        replies = [ask(tiny, request(seed=n, temperature=0.5)) for n in range(3)]
        sent = [sorted(seen.body) for seen in server.requests]
        ask(model(Gateway(), server, "large"), request(seed=1))
    assert [reply.tries for reply in replies] == [2, 1, 1]
    assert [reply.dropped for reply in replies] == [("seed",)] * 3
    assert ["seed" in fields for fields in sent] == [True, False, False, False]
    assert all("temperature" in fields for fields in sent)
    assert "seed" in server.requests[4].body  # another model may take it


def test_calls_that_were_under_way_when_a_setting_was_refused_are_made_without_it_too() -> None:
    with FakeServer(lambda _: "Fine.", refuses=("seed", "top_k"), latency=0.02) as server:
        tiny = model(Gateway(), server)

        async def at_once() -> list[Reply]:
            return await asyncio.gather(*(tiny.complete(request(seed=n, top_k=5)) for n in range(8)))

        assert [reply.text for reply in loop.run(at_once())] == ["Fine."] * 8


def test_a_limit_of_tokens_has_another_name_for_some_models() -> None:
    with FakeServer(lambda _: "Fine.", refuses=("max_tokens",)) as server:
        tiny = model(Gateway(), server)
        for _ in range(2):
            ask(tiny, request(max_tokens=77))
    limits = [(s.body.get("max_tokens"), s.body.get("max_completion_tokens")) for s in server.requests]
    assert limits == [(77, None), (None, 77), (None, 77)]


# The cache


def count() -> Any:
    """Says how often it was asked."""
    asked = iter(range(1, 1000))
    return lambda _: f"Reply {next(asked)}"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "replies.sqlite", "readwrite")


def test_the_same_is_asked_once_and_anything_else_again(cache: Cache) -> None:
    with FakeServer(count()) as server:
        tiny, large = model(Gateway(cache), server), model(Gateway(cache), server, "large")
        assert [ask(tiny, request(seed=1)).text for _ in range(2)] == ["Reply 1"] * 2
        assert ask(tiny, request(seed=2)).text == "Reply 2"
        assert ask(tiny, request("And you?", seed=1)).text == "Reply 3"
        assert ask(tiny, request(seed=1), attempt=1).text == "Reply 4"
        assert ask(large, request(seed=1)).text == "Reply 5"
        assert (ask(tiny, request(seed=1)).text, len(server.requests)) == ("Reply 1", 5)


def test_a_reply_is_shown_as_it_comes_from_the_cache_too(cache: Cache) -> None:
    shown: list[str] = []
    with FakeServer(count()) as server:
        tiny = model(Gateway(cache), server)
        for _ in range(2):
            loop.run(tiny.complete(request(), shown.append))
    assert shown == ["Reply 1"] * 2


@pytest.mark.parametrize("bad", [TOO_LONG, "x" * 200_000])
def test_what_is_no_reply_is_not_kept(cache: Cache, bad: Answer) -> None:
    answers = [bad]
    with FakeServer(lambda _: answers[0]) as server:
        tiny = model(Gateway(cache, retries=0), server)
        with pytest.raises(ModelError):
            ask(tiny)
        answers[0] = "Fine."
        assert ask(tiny).text == "Fine."


def test_a_check_that_went_well_is_remembered_and_no_other(cache: Cache) -> None:
    with FakeServer(models={"tiny"}) as server:
        for _ in range(2):
            loop.run(model(Gateway(cache), server).probe())
        assert len(server.requests) == 1
        for _ in range(2):
            with pytest.raises(ModelError, match="no such model"):
                loop.run(model(Gateway(cache), server, "large").probe())
        assert len(server.requests) == 3


def test_an_object_gets_no_cache(cache: Cache) -> None:
    core = pytest.importorskip("langchain_core.language_models")
    messages = pytest.importorskip("langchain_core.messages")
    chat = core.GenericFakeChatModel(messages=iter([messages.AIMessage(content=c) for c in "ab"]))
    gateway = Gateway(cache)
    assert [ask(gateway.object(chat)).text for _ in range(2)] == ["a", "b"]
    assert gateway.object(chat) is gateway.object(chat)


# The price


def test_a_reply_costs_what_its_tokens_cost_and_nothing_from_the_cache(cache: Cache) -> None:
    with FakeServer(lambda _: "I am fine.") as server:  # 3 words for 3
        prices = Prices({f"openai:tiny@{server.url}": Price(input=1, output=10)})
        tiny, large = (model(Gateway(cache, prices=prices), server, name) for name in ("tiny", "large"))
        first, again, other = ask(tiny), ask(tiny), ask(large)
    assert tiny.usd(first) == pytest.approx(33 / 1e6)
    assert tiny.usd(again) == 0
    assert large.usd(other) is None


def test_a_reply_without_a_count_of_tokens_has_no_known_cost() -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": "Fine."}}]}
    with FakeServer(lambda _: (200, body)) as server:
        tiny = model(Gateway(prices=Prices({f"openai:*@{server.url}": Price(input=1, output=10)})), server)
        assert tiny.usd(ask(tiny)) is None


def test_a_name_that_is_no_model_is_told() -> None:
    with pytest.raises(InputError, match="there is no provider `opnai`"):
        Gateway().model(ModelName.parse("opnai:tiny@http://127.0.0.1:9"))
