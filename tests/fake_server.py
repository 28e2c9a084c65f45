"""A local server that speaks enough of the OpenAI chat format for tests and benchmarks, and fails on demand.

In a test: `with FakeServer(reply=...) as server: ... server.url`. As a program it prints its URL and serves
until it is ended: `python tests/fake_server.py --latency 1 --port 0 --reply "Line 1" --reply "Line 2"`.
"""

import argparse
import asyncio
import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Messages = list[dict[str, Any]]
Answer = str | tuple[int, Any]
"""The model's text, or a status and a body (JSON data, or a string that is sent as it is)."""


@dataclass(frozen=True)
class Failure:
    """What one request gets instead of a reply. A status of 0 closes the connection."""

    status: int = 500
    body: Any = "made to fail"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False


HANG = Failure(hang=True)
DROP = Failure(status=0)
MALFORMED = Failure(status=200, body='{"choices": [')


def rate_limited(retry_after: float = 0.01) -> Failure:
    """A 429 that asks to wait so many seconds (the openai SDK ignores 0 and waits on its own)."""
    return Failure(429, {"error": {"message": "too many requests"}}, {"retry-after": str(retry_after)})


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; `at` is in seconds of the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float


def echo(messages: Messages) -> str:
    return f"You said: {messages[-1]['content']}"


def script(lines: Sequence[str]) -> Callable[[Messages], str]:
    """A reply function that says line k to a dialogue with k replies in it, and the last line ever after."""

    def reply(messages: Messages) -> str:
        told = len([m for m in messages if m["role"] == "assistant"])
        return lines[min(told, len(lines) - 1)]

    return reply


class FakeServer:
    """The server, on a thread and a loop of its own.

    `latency` is in seconds per request. With `key`, other keys get a 401 that repeats them; with `models`,
    other models get a 404. `fail(...)` lines up failures for the next requests. `requests` has every request
    that came, `most_in_flight` how many were open at once.
    """

    def __init__(
        self,
        reply: Callable[[Messages], Answer] = echo,
        *,
        latency: float = 0.0,
        key: str | None = None,
        models: set[str] | None = None,
        port: int = 0,
    ):
        self.reply, self.latency, self.key, self.models = reply, latency, key, models
        self.requests: list[Seen] = []
        self.in_flight = self.most_in_flight = 0
        self.url = ""
        self._failures: deque[Failure] = deque()
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
        server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._up.set()
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection stays open."""
        seen = await _read(reader)
        self.requests.append(seen)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            failure = self._failures.popleft() if self._failures else None
            if failure is not None and failure.hang:
                await self._never.wait()
            await asyncio.sleep(self.latency)
            answer = failure or self._answer(seen)
        finally:
            self.in_flight -= 1
        if not answer.status:
            return False
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        head = [f"HTTP/1.1 {answer.status} Said", f"content-length: {len(body.encode())}"]
        head += ["content-type: application/json", *(f"{k}: {v}" for k, v in answer.headers.items())]
        writer.write("\r\n".join([*head, "", body]).encode())
        await writer.drain()
        return True

    def _answer(self, seen: Seen) -> Failure:
        sent = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key is not None and sent != self.key:
            return Failure(401, {"error": {"message": f"Incorrect API key provided: {sent}."}})
        if seen.path != "/v1/chat/completions":
            return Failure(404, {"detail": "Not Found"})
        model = seen.body["model"]
        if self.models is not None and model not in self.models:
            return Failure(404, {"error": {"message": f"The model `{model}` does not exist."}})
        said = self.reply(seen.body["messages"])
        return (
            Failure(*said)
            if isinstance(said, tuple)
            else Failure(200, completion(said, seen.body["messages"]))
        )


def completion(text: str | None, messages: Messages, **message: Any) -> dict[str, Any]:
    """A chat completion with one choice; tokens are words. `message` adds fields to the choice's message."""
    asked = sum(len(str(m["content"]).split()) for m in messages)
    usage = {"prompt_tokens": asked, "completion_tokens": len((text or "").split())}
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text, **message},
    }
    return {"id": "fake", "object": "chat.completion", "choices": [choice], "usage": usage}


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(head[0].split()[1], headers, json.loads(body or b"{}"), time.monotonic())


def main() -> None:
    """Serves until interrupted or terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per request")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--reply", action="append", help="what to say; again for the next turn of a dialogue")
    options = parser.parse_args()
    reply = script(options.reply) if options.reply else echo
    with FakeServer(reply, latency=options.latency, port=options.port) as server:
        print(server.url, flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
