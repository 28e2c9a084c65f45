"""A model of Inspect AI in a seat of ours: asked on Inspect's event loop and in the context of its sample.

So it counts there: in the transcript, the usage by role, and the limits of the sample. What Inspect raises (a
limit that is reached, a server that is gone after all tries) goes on to Inspect as it is.
"""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ContentReasoning,
    GenerateConfig,
    ModelOutput,
    ResponseSchema,
    messages_from_openai,
)
from inspect_ai.model import Model as Theirs
from inspect_ai.tool import ToolInfo, ToolParams
from inspect_ai.util import JSONSchema

from clinicenv.files import InputError, printable
from clinicenv.models import thoughts
from clinicenv.models.call import Message, ModelError, Reply, Request, ToolCall, Usage
from clinicenv.models.gateway import Connection

_ALSO_CALLED = {"stop": "stop_seqs", "max_completion_tokens": "max_tokens"}


def connection(model: Theirs) -> Connection:
    """The way to it: without a cache or limits of ours, for Inspect has its own."""
    return Connection(InspectModel(model), None, None, hosted=True)


class InspectModel:
    """The model as ours are (`clinicenv.models.call.Model`)."""

    def __init__(self, model: Theirs) -> None:
        self._model = model

    def __str__(self) -> str:
        return printable(str(self._model))

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        """The model's reply. ModelError where it refused or said nothing for want of tokens; InputError for
        a setting that Inspect does not know."""
        config = self._config(request)
        asked = await _messages(request.messages)
        started = time.perf_counter()
        output = await self._model.generate(asked, tools=[_tool(t) for t in request.tools], config=config)
        reply = self._read(output, time.perf_counter() - started)
        if on_text is not None:
            on_text(reply.text)
        return reply

    async def probe(self) -> None:
        """Nothing: Inspect's own errors say soon enough where a model cannot be asked."""

    def _config(self, request: Request) -> GenerateConfig:
        """The card's settings, but for those that the model was given in Inspect."""
        settings = {_ALSO_CALLED.get(k, k): v for k, v in request.settings.items()}
        if unknown := settings.keys() - GenerateConfig.model_fields.keys():
            raise InputError(f"Inspect has no setting `{min(unknown)}`; take it out of the card")
        if isinstance(stop := settings.get("stop_seqs"), str):
            settings["stop_seqs"] = [stop]
        config = GenerateConfig(
            **{k: v for k, v in settings.items() if getattr(self._model.config, k) is None}
        )
        if request.schema is not None:
            schema = JSONSchema.model_validate(request.schema)
            config.response_schema = ResponseSchema(name="reply", json_schema=schema)
        return config

    def _read(self, output: ModelOutput, seconds: float) -> Reply:
        usage, choice = _usage(output), None if output.empty else output.choices[0]
        if choice is None:
            raise self._error(f"no reply ({output.error or 'without a reason'})", usage)
        text, written = thoughts.split(_whole(choice.message.text))
        parts = choice.message.content if isinstance(choice.message.content, list) else []
        reasoning = [*written, *(p.reasoning for p in parts if isinstance(p, ContentReasoning))]
        calls = tuple(
            ToolCall(_whole(c.id), _whole(c.function), _whole(json.dumps(c.arguments, ensure_ascii=False)))
            for c in choice.message.tool_calls or ()
        )
        if not text and not calls and choice.stop_reason == "content_filter":
            raise self._error("the model or its server's content filter refused to reply", usage)
        if not text and not calls and choice.stop_reason in ("max_tokens", "model_length"):
            raise self._error("the token limit ended the reply before any text; raise max_tokens", usage)
        return Reply(text, _whole("\n".join(filter(None, reasoning))) or None, usage, seconds, 1, None, calls)

    def _error(self, what: str, usage: Usage | None) -> ModelError:
        return ModelError(printable(f"{self}: {what}"), "refused", usage)


async def _messages(messages: list[Message]) -> list[ChatMessage]:
    """Inspect's form of them. Their ids stay the same while the prompt grows, so that a transcript keeps each
    message once."""
    found = await messages_from_openai(messages)  # type: ignore[arg-type]
    so_far = hashlib.sha256()
    for message in found:
        so_far.update(f"{message.role}\0{message.text}\0".encode(errors="replace"))
        message.id = so_far.hexdigest()[:22]
    return found


def _tool(tool: dict[str, Any]) -> ToolInfo:
    function = tool["function"]
    parameters = ToolParams.model_validate(function["parameters"])
    return ToolInfo(name=function["name"], description=function["description"], parameters=parameters)


def _usage(output: ModelOutput) -> Usage | None:
    """As we count: what was read from the prefix cache is part of the prompt."""
    used = output.usage
    if used is None:
        return None
    cached = used.input_tokens_cache_read or 0
    prompt = used.input_tokens + cached + (used.input_tokens_cache_write or 0)
    return Usage(prompt, used.output_tokens, cached, used.reasoning_tokens or 0)


def _whole(text: str) -> str:
    """The text with halves of characters replaced by `?`."""
    return text.encode(errors="replace").decode()
