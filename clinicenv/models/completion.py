"""Reading a chat completion in the OpenAI wire format, from whatever a server sends with a 200."""

import json
from dataclasses import dataclass
from typing import Any

from clinicenv.models import thoughts
from clinicenv.models.call import MAX_TEXT, ToolCall, Usage


class BadBody(Exception):
    """The body is no chat completion; `args[0]` says how. Asking again may help, `again` times at most."""

    def __init__(self, how: str, again: int = 9, usage: Usage | None = None):
        super().__init__(how)
        self.again, self.usage = again, usage

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Completion:
    """What a body says. `refusal` is why the model or the server withheld a reply, if it did."""

    text: str
    reasoning: str | None
    usage: Usage | None
    finish_reason: str | None
    calls: tuple[ToolCall, ...]
    refusal: str | None


def read(content: bytes) -> Completion:
    """The completion in a body; BadBody where it is none."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise BadBody("is not JSON" if content.strip() else "is empty") from None
    try:
        choice = answer["choices"][0]
        message = choice["message"]
    except (KeyError, IndexError, TypeError):
        raise BadBody("has no choices") from None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise BadBody("has no message")
    if message.get("role", "assistant") != "assistant":
        raise BadBody("is not the assistant's")
    said, finish = message.get("content"), choice.get("finish_reason")
    text, inner = thoughts.split(_whole(_text(said)))
    calls = _calls(message.get("tool_calls"))
    length = len(text) + sum(len(call.name) + len(call.arguments) for call in calls)
    usage = _usage(answer.get("usage"))
    if length > MAX_TEXT:
        raise BadBody(f"has {length:,} characters, more than a turn of a talk can have", again=1, usage=usage)
    inner += [t for f in ("reasoning_content", "reasoning") if isinstance(t := message.get(f), str)]
    reasoning = _whole("\n".join(t.strip() for t in dict.fromkeys(inner))) or None
    return Completion(
        text=text,
        reasoning=reasoning,
        usage=usage,
        finish_reason=finish if isinstance(finish, str) else None,
        calls=calls,
        refusal=_refusal(message, finish) if said is None else None,
    )


def _text(said: object) -> str:
    if said is None or isinstance(said, str):
        return said or ""
    if isinstance(said, list):  # parts
        return "".join(p["text"] for p in said if isinstance(p, dict) and isinstance(p.get("text"), str))
    raise BadBody("has no text")


def _refusal(message: dict[str, Any], finish: object) -> str | None:
    if refusal := message.get("refusal"):
        return f"the model refused: {refusal}"
    return "the server's content filter withheld the reply" if finish == "content_filter" else None


def _calls(given: object) -> tuple[ToolCall, ...]:
    """The tool calls; one that is none keeps what can be read of it, so that the model can be told."""
    found = []
    for n, it in enumerate(given if isinstance(given, list) else ()):
        each = it if isinstance(it, dict) else {}
        function = each.get("function")
        function = function if isinstance(function, dict) else {}
        arguments = function.get("arguments") or "{}"
        if not isinstance(arguments, str):  # some servers send the object itself
            arguments = json.dumps(arguments, ensure_ascii=False)
        name, id = function.get("name"), each.get("id")
        id = id if isinstance(id, str) and id else f"call_{n}"
        found.append(ToolCall(_whole(id), _whole(name if isinstance(name, str) else ""), _whole(arguments)))
    return tuple(found)


def _whole(text: str) -> str:
    """The text with half characters, which a server that cuts by bytes may send, replaced by `?`."""
    return text.encode(errors="replace").decode()


def _usage(counts: object) -> Usage | None:
    if not isinstance(counts, dict):
        return None
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return Usage(
        prompt,
        completion,
        _detail(counts, "prompt_tokens_details", "cached_tokens"),
        _detail(counts, "completion_tokens_details", "reasoning_tokens"),
    )


def _detail(counts: dict[str, Any], group: str, name: str) -> int:
    found = counts.get(group)
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, int) else 0
