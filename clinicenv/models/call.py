"""One call of a model: what is asked, what comes back, and what can go wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

Message: TypeAlias = dict[str, Any]
"""A chat message in the OpenAI format, e.g. `{"role": "user", "content": "Hello."}`."""

Kind = Literal[
    "auth", "address", "model", "rate_limit", "timeout", "bad_reply", "refused", "server", "budget"
]


LONGEST = 5
"""A call may take so many times the time limit of a try, with all tries and the waits between them."""

MAX_TEXT = 100_000
"""The longest reply in characters, its tool calls included: more is no turn of a talk."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Args:
        messages: in the OpenAI format, tool calls and images included.
        settings: parameters of the call (temperature, max_tokens, seed, ...), sent as they are.
        tools: function tools in the OpenAI format that the model may call; empty for none.
        schema: the JSON schema that the text of the reply should fit; None for free text. Not every server
            holds its model to it, so whoever asks validates.
    """

    messages: list[Message]
    settings: dict[str, Any] = field(default_factory=dict)
    tools: tuple[dict[str, Any], ...] = ()
    schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them. `cached_tokens`, which the server had in its prefix cache, are part
    of `prompt_tokens`; `reasoning_tokens` are part of `completion_tokens`."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class ModelError(Exception):
    """A model could not be asked, or did not answer. `cause` is one sentence, without the key; `usage` is
    that of a reply which was no use."""

    def __init__(self, cause: str, kind: Kind, usage: Usage | None = None):
        super().__init__(cause, kind)
        self.cause, self.kind, self.usage = cause, kind, usage

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    `text` is without thoughts and may be empty; `reasoning` has the thoughts, if there are any; `usage` is
    None where the server did not count. `seconds` has the waits between tries, not the wait for a free slot.
    """

    text: str
    reasoning: str | None
    usage: Usage | None
    seconds: float
    tries: int
    finish_reason: str | None
    calls: tuple[ToolCall, ...] = ()
    dropped: tuple[str, ...] = ()
    """settings that the server refuses, so they were left out"""
    cached: bool = False
    """whether it comes from the cache: no call was made"""


class Model(Protocol):
    """A model that can be asked. `str(model)` names it, without its key."""

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        """The model's reply, on the background loop (`models.loop`) unless its `Connection` says otherwise;
        ModelError where there is none.

        `on_text` is called with the text as it comes, at least once with all of it.
        """
        ...

    async def probe(self) -> None:
        """One cheap call, within about 10 s; ModelError where the model cannot be asked."""
        ...
