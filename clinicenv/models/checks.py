"""What a model can do, found out with one cheap call for each thing; five calls in all."""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from clinicenv.files import printable
from clinicenv.models import sight
from clinicenv.models.call import Kind, Model, ModelError, Reply, Request
from clinicenv.models.gateway import Connection

State = Literal["ok", "no", "error", "skipped"]

REACHABLE, ANSWERS = "reachable", "answers"
_ALL = (REACHABLE, ANSWERS, "tools", "structured output", "sight", "latency", "usage", "settings", "price")

_SAMPLING = {"temperature": 0, "seed": 0}
_HELLO = Request([{"role": "user", "content": "Hello. Who are you?"}], {"max_tokens": 8, **_SAMPLING})
_TOOL = {
    "type": "function",
    "function": {
        "name": "order_test",
        "description": "Orders a test for the patient.",
        "parameters": {
            "type": "object",
            "properties": {"test": {"type": "string", "description": "The test's name."}},
            "required": ["test"],
        },
    },
}
_CALL = Request(
    [{"role": "user", "content": "Call the tool order_test once, with the test ECG."}],
    {"max_tokens": 128, **_SAMPLING},
    tools=(_TOOL,),
)
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}},
    "required": ["colour"],
    "additionalProperties": False,
}
# The question names neither JSON nor the field: what fits the schema was held to it, not told of it.
_FIELD = Request(
    [{"role": "user", "content": "Which colour is a ripe tomato?"}],
    {"max_tokens": 64, **_SAMPLING},
    schema=_SCHEMA,
)
_UNREACHED: frozenset[Kind] = frozenset({"address", "timeout", "server"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at; whether it is so (`ok`, `no`), could not be found out (`error`) or was not tried
    (`skipped`); and one sentence about it, fit for a terminal."""

    what: str
    state: State
    detail: str


class _Meter:
    """The model, and the replies that it gave."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.replies: list[Reply] = []
        self.thinks = False
        """whether a call needed room for thoughts"""

    def __str__(self) -> str:
        return str(self._model)

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        reply = await self._model.complete(request, on_text)
        self.replies.append(reply)
        self.thinks = self.thinks or request.settings["max_tokens"] == sight.MORE
        return reply

    async def probe(self) -> None:
        await self._model.probe()


async def check(connection: Connection) -> list[Finding]:
    """What the model can do; where it does not answer, the rest is skipped. Runs on the background loop.

    The connection should have no cache: replies from there say nothing of what the model does today.
    """
    meter = _Meter(connection)
    try:
        hello = await sight.ask(meter, _HELLO)
    except ModelError as e:
        return unusable(e.cause, reached=e.kind not in _UNREACHED)
    return [
        Finding(REACHABLE, "ok", f"after {hello.seconds:.2f} s"),
        _answers(hello, meter.thinks),
        await _tried("tools", _tools, meter),
        await _tried("structured output", _structured, meter),
        await _tried("sight", _sight, meter),
        _latency(meter.replies),
        _usage(meter.replies),
        _settings(meter.replies),
        _price(connection),
    ]


def unusable(cause: str, reached: bool = False) -> list[Finding]:
    """The findings for a model that could not be asked, or (`reached`) whose server gives no answer."""
    found = [Finding(REACHABLE, "ok", "its server responds")] if reached else []
    found.append(Finding(ANSWERS if reached else REACHABLE, "error", printable(cause)))
    return found + [Finding(what, "skipped", "") for what in _ALL[len(found) :]]


async def _tried(what: str, trial: Callable[[Model], Any], model: Model) -> Finding:
    try:
        able, detail = await trial(model)
    except ModelError as e:
        return Finding(what, "no" if e.kind == "refused" else "error", printable(e.cause))
    return Finding(what, "ok" if able else "no", printable(detail))


def _answers(reply: Reply, thinks: bool) -> Finding:
    if not reply.text:
        return Finding(ANSWERS, "no", "the reply has no text")
    room = f" (it thinks first: 8 tokens left no room, so it had {sight.MORE:,})" if thinks else ""
    return Finding(ANSWERS, "ok", _quote(reply.text) + room)


async def _tools(model: Model) -> tuple[bool, str]:
    reply = await sight.ask(model, _CALL)
    if not reply.calls:
        return False, f"it called no tool; it said {_quote(reply.text)}"
    call = reply.calls[0]
    written = f"{call.name}({call.arguments})"
    arguments = _json(call.arguments)
    readable = isinstance(arguments, dict) and isinstance(arguments.get("test"), str)
    if call.name != "order_test" or not readable:
        return False, f"its call cannot be read: {_quote(written)}"
    return True, _quote(written)


async def _structured(model: Model) -> tuple[bool, str]:
    reply = await sight.ask(model, _FIELD)
    if "schema" in reply.dropped:
        return False, "the server takes no schema"
    data = _json(reply.text)
    if isinstance(data, dict) and data.keys() == {"colour"} and isinstance(data["colour"], str):
        return True, _quote(reply.text)
    return False, f"the reply was not held to the schema: {_quote(reply.text)}"


async def _sight(model: Model) -> tuple[bool, str]:
    seen = await sight.prove(model)
    return seen.proven, ("proven: " if seen.proven else "not proven: ") + seen.why


def _latency(replies: list[Reply]) -> Finding:
    """The median of the calls' seconds; tokens/s over all calls whose tokens were counted."""
    seconds = statistics.median(r.seconds for r in replies)
    counted = [(r.usage.completion_tokens, r.seconds) for r in replies if r.usage]
    took = sum(s for _, s in counted)
    speed = f", {sum(t for t, _ in counted) / took:.0f} tokens/s" if took else ""
    return Finding("latency", "ok", f"{seconds:.2f} s a call (median of {len(replies)}){speed}")


def _usage(replies: list[Reply]) -> Finding:
    counted = [r.usage for r in replies if r.usage]
    prompt, answer = sum(u.prompt_tokens for u in counted), sum(u.completion_tokens for u in counted)
    if len(counted) < len(replies) or not prompt:
        missing = sum(not (r.usage and r.usage.prompt_tokens) for r in replies)
        detail = f"no tokens counted in {missing} of {len(replies)} calls; tokens and cost will be unknown"
        return Finding("usage", "no", detail)
    detail = f"counted: {prompt:,} tokens of prompts, {answer:,} of replies in {len(replies)} calls"
    return Finding("usage", "ok", detail)


def _settings(replies: list[Reply]) -> Finding:
    refused = sorted({name for r in replies for name in r.dropped} & _SAMPLING.keys())
    if refused:
        what = " and ".join(refused)
        return Finding("settings", "no", f"the server refuses {what}, so replies vary from run to run")
    return Finding("settings", "ok", "seed and temperature are accepted")


def _price(connection: Connection) -> Finding:
    if (price := connection.price) is None:
        return Finding("price", "no", "none known, so cost is unknown; add an entry to your prices.yaml")
    per = f"${price.input:g} for a million tokens of prompts, ${price.output:g} of replies"
    return Finding("price", "ok", per)


def _json(text: str) -> Any:
    """The data in the text; None where it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _quote(text: str) -> str:
    return f"`{printable(text)[:80]}`"
