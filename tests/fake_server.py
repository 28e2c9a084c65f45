"""A local server that speaks enough of the OpenAI chat format for tests and benchmarks, and fails on demand.

In a test: `with FakeServer(reply=...) as server: ... server.url`. As a program it prints its URL and serves
until it is ended: `python tests/fake_server.py --latency 1 --port 0 --reply "Line 1" --reply "Line 2"`.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Messages: TypeAlias = list[dict[str, Any]]


@dataclass(frozen=True)
class Failure:
    """What one request gets instead of a reply.

    A status of 0 closes the connection, `reset` breaks it (RST); `cut` ends the body and the connection
    after so many bytes; `pace` is in seconds a byte of the body.
    """

    status: int = 500
    body: Any = "made to fail"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    cut: int | None = None
    pace: float = 0.0


Answer: TypeAlias = str | dict[str, Any] | tuple[Any, ...] | Failure
"""The model's text, or the fields of its message (tool calls, another role, reasoning), or a status, a body
(JSON data, or a string that is sent as it is) and perhaps headers, or a failure."""
Replying: TypeAlias = Callable[[Messages], Answer]


def _told(**error: Any) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    return {"error": {"message": "", "type": "invalid_request_error", "param": None, "code": None, **error}}


HELLO = {"choices": [{"message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]}
PAGE = "<!doctype html><html><head><title>Sign in</title></head><body>Sign in to go on.</body></html>"
SOON = {"retry-after-ms": "1"}
"""What real servers send too, if with longer waits."""

HANG = Failure(hang=True)
DROP = Failure(status=0)
RESET = Failure(reset=True)
MALFORMED = Failure(200, '{"choices": [')
EMPTY = Failure(200, "")
HTML = Failure(200, PAGE, {"content-type": "text/html"})
TRUNCATED = Failure(200, HELLO, cut=40)
TRICKLE = Failure(200, HELLO, pace=0.2)
NO_KEY = Failure(401, _told(message="You didn't provide an API key.", code="invalid_api_key"))
TOO_LONG = Failure(
    400,
    _told(
        message="This model's maximum context length is 8192 tokens. However, your messages resulted in 9000"
        " tokens. Please reduce the length of the messages.",
        param="messages",
        code="context_length_exceeded",
    ),
)
TOO_LONG_VLLM = Failure(
    400,
    {
        "object": "error",
        "message": "This model's maximum context length is 8192 tokens. However, you requested 9024 tokens"
        " (9000 in the messages, 24 in the completion).",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    },
)
TIMED_OUT = Failure(408, _told(message="request timed out", type="timeout"), SOON)
OVERLOADED = Failure(503, _told(message="the model is overloaded", type="server_error"), SOON)
BROKEN = Failure(500, _told(message="internal error", type="server_error"), SOON)
BUSY = Failure(429, _told(message="too many requests", code="rate_limit_exceeded"))


def rate_limited(retry_after: float = 0.01) -> Failure:
    """A 429 that asks to wait so many seconds (the openai SDK ignores 0 and waits on its own)."""
    return Failure(429, {"error": {"message": "too many requests"}}, {"retry-after": str(retry_after)})


def busy(milliseconds: int = 1) -> Failure:
    """A 429 that says in milliseconds how long to wait."""
    return Failure(429, BUSY.body, {"retry-after-ms": str(milliseconds)})


def _unknown_to_openai(names: Sequence[str]) -> Failure:
    told = _told(message=f"Unknown parameter: '{names[0]}'.", param=names[0], code="unknown_parameter")
    return Failure(400, told)


def _unsupported_by_openai(names: Sequence[str]) -> Failure:
    text = f"Unsupported parameter: '{names[0]}' is not supported with this model."
    return Failure(400, _told(message=text, param=names[0], code="unsupported_parameter"))


def _unexpected_by_transformers(names: Sequence[str]) -> Failure:
    return Failure(422, {"detail": f"Unexpected fields in the request: {{{', '.join(map(repr, names))}}}"})


def _forbidden_by_vllm(names: Sequence[str]) -> Failure:
    what = "'msg': 'Extra inputs are not permitted'"
    text = "; ".join(f"{{'type': 'extra_forbidden', 'loc': ('body', '{name}'), {what}}}" for name in names)
    return Failure(
        400, {"error": {"message": f"[{text}]", "type": "Bad Request", "param": None, "code": 400}}
    )


REFUSALS: dict[str, Callable[[Sequence[str]], Failure]] = {
    "openai unknown": _unknown_to_openai,
    "openai unsupported": _unsupported_by_openai,
    "transformers": _unexpected_by_transformers,
    "vllm": _forbidden_by_vllm,
}
"""How servers say that they do not take a parameter."""

BAD_BODIES = (EMPTY, MALFORMED, HTML)
TRANSIENT = (
    (busy(), rate_limited(), TIMED_OUT, BROKEN, OVERLOADED) * 3 + BAD_BODIES * 2 + (TRUNCATED, DROP, RESET)
)
"""Failures that pass; those whose connection breaks cannot say how soon to come back, so they are rare."""


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; `at` is in seconds of the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float


def echo(messages: Messages) -> str:
    return f"You said: {messages[-1]['content']}"


def script(lines: Sequence[Answer]) -> Replying:
    """A reply function that says line k to a dialogue with k replies in it, and the last line ever after."""

    def reply(messages: Messages) -> Answer:
        told = len([m for m in messages if m["role"] == "assistant"])
        return lines[min(told, len(lines) - 1)]

    return reply


def calling(*calls: tuple[str, Any], content: str | None = None) -> dict[str, Any]:
    """A message that calls these tools: names, and arguments as data or as the text that the model wrote."""
    return {
        "content": content,
        "tool_calls": [
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": a if isinstance(a, str) else json.dumps(a)},
            }
            for n, (name, a) in enumerate(calls)
        ],
    }


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """The address of a server that refuses every connection."""
    with socket.socket() as held:  # bound, but nobody listens
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


class FakeServer:
    """The server, on a thread and a loop of its own.

    `reply` is a function of the messages, or one for each model's name. `latency` is in seconds per request.
    With `key`, other keys get a 401 that repeats them; with `models`, other models get a 404. A request with
    parameters in `refuses` gets `refusal` of them. `fail_share` of the requests, decided by `seed`, fail in
    one of the ways of `transient`; `fail(...)` lines up failures for the next requests. `requests` has every
    request that came (none with `keep=False`), `most_in_flight` how many were open at once.
    """

    def __init__(
        self,
        reply: Replying | Mapping[str, Replying] = echo,
        *,
        latency: float = 0.0,
        key: str | None = None,
        models: set[str] | None = None,
        refuses: Sequence[str] = (),
        refusal: Callable[[Sequence[str]], Failure] = _unknown_to_openai,
        fail_share: float = 0.0,
        seed: int = 0,
        transient: Sequence[Failure] = TRANSIENT,
        keep: bool = True,
        port: int = 0,
    ):
        self.reply, self.latency, self.key, self.models = reply, latency, key, models
        self.refuses, self.refusal = refuses, refusal
        self.fail_share, self.transient, self._draws = fail_share, transient, random.Random(seed)
        self.requests: list[Seen] = []
        self.in_flight = self.most_in_flight = self.failed = 0
        self.url = ""
        self._keep = keep
        self._failures: deque[Failure] = deque()
        self._fault: Exception | None = None
        self._never = asyncio.Event()
        self._port, self._up, self._loop = port, threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fake server", daemon=True)

    def fail(self, *failures: Failure) -> None:
        self._failures.extend(failures)

    def __enter__(self) -> "FakeServer":
        self._thread.start()
        if not self._up.wait(10):
            raise RuntimeError("the fake server did not come up")
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join()
        if self._fault:
            raise RuntimeError("the fake server broke") from self._fault

    def _run(self) -> None:
        self._serving = self._loop.create_task(self._serve())
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._serving)
            while open_connections := asyncio.all_tasks(self._loop):
                for task in open_connections:
                    task.cancel()
                self._loop.run_until_complete(asyncio.gather(*open_connections, return_exceptions=True))
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, backlog=4096)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._up.set()
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except Exception as e:  # noqa: BLE001
            self._fault = e
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection stays open."""
        seen = await _read(reader)
        if self._keep:
            self.requests.append(seen)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            answer = self._next_failure() or self._answer(seen)
            if answer.hang:
                await self._never.wait()
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        return await _write(writer, answer)

    def _next_failure(self) -> Failure | None:
        if self._failures:
            return self._failures.popleft()
        if self.fail_share and self._draws.random() < self.fail_share:
            self.failed += 1
            return self._draws.choice(self.transient)
        return None

    def _answer(self, seen: Seen) -> Failure:
        sent = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key is not None and sent != self.key:
            return Failure(401, {"error": {"message": f"Incorrect API key provided: {sent}."}})
        if seen.path != "/v1/chat/completions":
            return Failure(404, {"detail": "Not Found"})
        model = seen.body["model"]
        if self.models is not None and model not in self.models:
            return Failure(404, {"error": {"message": f"The model `{model}` does not exist."}})
        if refused := [name for name in self.refuses if name in seen.body]:
            return self.refusal(refused)
        messages = seen.body["messages"]
        said = (self.reply[model] if isinstance(self.reply, Mapping) else self.reply)(messages)
        if isinstance(said, (tuple, Failure)):
            return said if isinstance(said, Failure) else Failure(*said)
        message = said if isinstance(said, dict) else {"content": said}
        rest = {name: value for name, value in message.items() if name != "content"}
        return Failure(200, completion(message.get("content"), messages, **rest))


def completion(text: str | None, messages: Messages, **message: Any) -> dict[str, Any]:
    """A chat completion with one choice; tokens are words. `message` adds fields to the choice's message."""
    asked = sum(len(str(m["content"]).split()) for m in messages)
    usage = {"prompt_tokens": asked, "completion_tokens": len(str(text or "").split())}
    choice = {
        "index": 0,
        "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
        "message": {"role": "assistant", "content": text, **message},
    }
    return {"id": "fake", "object": "chat.completion", "choices": [choice], "usage": usage}


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(head[0].split()[1], headers, json.loads(body or b"{}"), time.monotonic())


async def _write(writer: asyncio.StreamWriter, answer: Failure) -> bool:
    """Sends the answer; whether the connection stays open."""
    if answer.reset:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing sends RST
    if answer.reset or not answer.status:
        return False
    body = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
    headers = {"content-type": "application/json", **answer.headers, "content-length": len(body)}
    lines = [f"HTTP/1.1 {answer.status} Said", *(f"{k}: {v}" for k, v in headers.items())]
    head = "\r\n".join([*lines, "", ""]).encode()
    if not answer.pace:
        writer.write(head + body[: answer.cut])
        await writer.drain()
        return answer.cut is None
    writer.write(head)
    for n in range(len(body)):
        await asyncio.sleep(answer.pace)
        writer.write(body[n : n + 1])
        await writer.drain()
    return True


def main() -> None:
    """Serves until interrupted or terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per request")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--reply", action="append", help="what to say; again for the next turn of a dialogue")
    parser.add_argument("--fail-share", type=float, default=0.0, help="0 to 1, in ways that pass")
    parser.add_argument("--seed", type=int, default=0, help="decides which requests fail, and how")
    options = parser.parse_args()
    server = FakeServer(
        script(options.reply) if options.reply else echo,
        latency=options.latency,
        fail_share=options.fail_share,
        seed=options.seed,
        keep=False,
        port=options.port,
    )
    with server:
        print(server.url, flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
