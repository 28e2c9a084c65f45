"""A local server that speaks enough of Anthropic's Messages format for tests, and fails on demand.

In a test: `with FakeAnthropic(lambda messages: "Hello.") as server: ... server.address`.
"""

from collections.abc import Callable
from typing import Any

from fake_server import Failure, FakeServer, Messages, Seen

Block = dict[str, Any]

TAKEN = {
    *("model", "messages", "system", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences"),
    *("tools", "tool_choice", "thinking", "output_config", "metadata", "stream"),
}
"""The parameters that the server takes; others get a 400, as from the real one."""


def thinking(text: str) -> Block:
    return {"type": "thinking", "thinking": text, "signature": "c2lnbmVk"}


def text(said: str) -> Block:
    return {"type": "text", "text": said}


def tool_use(name: str, arguments: dict[str, Any], number: int = 1) -> Block:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}


def error(status: int, kind: str, says: str, **headers: str) -> Failure:
    """An error as Anthropic sends it, e.g. `error(404, "not_found_error", "model: tiny")`."""
    body = {"type": "error", "error": {"type": kind, "message": says}, "request_id": "req_1"}
    return Failure(status, body, {k.replace("_", "-"): v for k, v in headers.items()})


OVERLOADED = error(529, "overloaded_error", "Overloaded", retry_after_ms="1")
BROKEN = error(500, "api_error", "Internal server error", retry_after_ms="1")
BUSY = error(
    429, "rate_limit_error", "This request would exceed your rate limit.", retry_after="1", retry_after_ms="1"
)
TOO_LONG = error(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")


class FakeAnthropic(FakeServer):
    """The server. `say` is a function of the messages: the model's text, or its content blocks.

    `stop` is the reason why the model stopped (`tool_use` where it calls tools), `cached` and `thought` are
    counts in the usage; `refuses` are parameters that the model does not take.
    """

    def __init__(
        self,
        say: Callable[[Messages], str | list[Block]] = lambda _: "Two days.",
        *,
        stop: str = "end_turn",
        cached: int = 0,
        thought: int | None = None,
        refuses: tuple[str, ...] = (),
        key: str | None = None,
        models: set[str] | None = None,
    ):
        super().__init__(key=key, models=models, refuses=refuses)
        self.say, self.stop, self.cached, self.thought = say, stop, cached, thought

    @property
    def address(self) -> str:
        return self.url.removesuffix("/v1")

    def _answer(self, seen: Seen) -> Failure:
        bearer = seen.headers.get("authorization", "").removeprefix("Bearer ")
        sent, body = seen.headers.get("x-api-key", bearer), seen.body
        if self.key is not None and sent != self.key:
            return error(401, "authentication_error", f"invalid x-api-key: {sent}")
        if seen.path != "/v1/messages":
            return error(404, "not_found_error", "Not Found")
        if self.models is not None and body["model"] not in self.models:
            return error(404, "not_found_error", f"model: {body['model']}")
        if unknown := sorted((body.keys() - TAKEN) | (body.keys() & set(self.refuses))):
            return error(400, "invalid_request_error", f"{unknown[0]}: Extra inputs are not permitted")
        if wrong := _wrong_tool_results(body["messages"]):
            return error(400, "invalid_request_error", wrong)
        said = self.say(body["messages"])
        return Failure(200, self._message(body, [text(said)] if isinstance(said, str) else said))

    def _message(self, body: dict[str, Any], content: list[Block]) -> dict[str, Any]:
        called = any(block["type"] == "tool_use" for block in content)
        usage: dict[str, Any] = {
            "input_tokens": len(str(body["messages"]).split()),
            "output_tokens": sum(len(str(b.get("text", b.get("thinking", ""))).split()) for b in content),
            "cache_read_input_tokens": self.cached,
            "cache_creation_input_tokens": 0,
        }
        if self.thought is not None:
            usage["output_tokens_details"] = {"thinking_tokens": self.thought}
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": "tool_use" if called else self.stop,
            "stop_sequence": None,
            "usage": usage,
        }


def _wrong_tool_results(messages: Messages) -> str | None:
    """Anthropic's complaint where a tool's result does not follow the message that calls the tool."""
    before: set[str] = set()
    for n, message in enumerate(messages):
        blocks = [b for b in message["content"] if isinstance(b, dict)]
        answered = {b["tool_use_id"] for b in blocks if b["type"] == "tool_result"}
        if answered != before:
            return f"messages.{n}: `tool_use` ids and `tool_result` blocks do not match"
        before = {b["id"] for b in blocks if b["type"] == "tool_use"}
    return None
