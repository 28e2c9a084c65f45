"""Models through LangChain: every provider that it knows, and any chat model object from Python."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from clinicenv.files import InputError, printable
from clinicenv.models import loop, thoughts
from clinicenv.models.call import Kind, Message, ModelError, Reply, Request, ToolCall, Usage
from clinicenv.models.errors import explain, refused_setting
from clinicenv.models.langchain_named import address_from_environment, fields_of, key_variables, make
from clinicenv.models.names import ModelName, checked_url

_NOT_SETTINGS = {
    *("model", "messages", "input", "tools", "stream", "config", "callbacks", "run_manager"),
    *("base_url", "api_key", "timeout", "max_retries"),
}
_FIELDS = {"max_tokens": ("max_output_tokens", "num_predict"), "reasoning_effort": ("reasoning",)}
"""What some classes call a setting that most call by its OpenAI name."""

_FINISH = {
    "length": {"length", "max_tokens", "model_context_window_exceeded", "max_output_tokens", "incomplete"},
    "tool_calls": {"tool_calls", "tool_use", "tool_call", "function_call"},
    "content_filter": {"content_filter", "content_filtered", "refusal", "safety", "prohibited_content"},
    "stop": {"stop", "end_turn", "stop_sequence", "eos", "complete", "completed", "finish_reason_stop"},
}


class ChatModel:
    """A model behind a LangChain chat model object.

    The object is used as it is, but its HTTP clients follow no redirects any more, which would carry prompts
    to another server. Its own retries are the only ones. From the first call on its clients belong to the
    background loop: use it nowhere else. Calls are not traced to LangSmith, whatever the environment says.
    """

    def __init__(self, chat: Any):
        self._chat = chat
        self._quick: Callable[[], Any] = lambda: chat
        self._name = _object_name(chat)
        self._refused: set[str] = set()
        self._process: int | None = None

    @classmethod
    def named(
        cls, name: ModelName, base_url: str | None = None, *, timeout: float = 120.0, retries: int = 10
    ) -> "ChatModel":
        """The model of that name, e.g. `anthropic:NAME`. The name's own URL wins over `base_url`.

        `timeout` is in seconds per try; both it and `retries` are for the provider's library, where it takes
        them. InputError for an unknown provider, a missing package, a missing key or a bad address.
        """
        address = name.url or base_url
        url = checked_url(address) if address else None
        model = cls(make(name, url, timeout=timeout, max_retries=retries))
        elsewhere = url or address_from_environment(model._chat)
        model._name = f"{name.provider}:{name.model}" + (f"@{elsewhere}" if elsewhere else "")
        model._quick = partial(make, name, url, timeout=10.0, max_retries=0)
        return model

    def __str__(self) -> str:
        return self._name

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        """The model's reply; `on_text` is called once with the whole text. Runs on the background loop only.

        A setting that the provider refuses is left out from then on, and stands in `Reply.dropped`.
        ModelError where the model cannot be asked, refuses, or answers without content.
        """
        if taken := _NOT_SETTINGS & request.settings.keys():
            raise InputError(f"the setting `{min(taken)}` cannot be set by hand; remove it")
        self._settle()
        asked = set(request.settings) | ({"schema"} if request.schema is not None else set())
        started = time.perf_counter()
        while True:
            left = asked - self._refused
            try:
                message = await _ask(self._chat, request, left)
                break
            except Exception as e:  # noqa: BLE001  # each provider has exceptions of its own
                setting = refused_setting(e, left)
                if setting is None:
                    raise self._error(e) from None
                self._refused.add(setting)
        seconds = time.perf_counter() - started
        reply = self._read(message, seconds, tuple(sorted(asked - left)), "schema" in left)
        if on_text is not None:
            on_text(reply.text)
        return reply

    async def probe(self) -> None:
        """Asks for one token, once, and waits at most 10 s; ModelError if key, address or model is wrong.

        An object makes as many tries as it was made to, within the same 10 s.
        """
        self._settle()
        chat = self._quick()
        _keep_to_its_host(chat)
        hello = Request([{"role": "user", "content": "Hello"}], {"max_tokens": 1})
        try:
            async with asyncio.timeout(10):
                await _ask(chat, hello, {"max_tokens"})
        except TimeoutError:
            what = "the server did not answer within 10 s; is it up and idle?"
            raise self._fault(what, "timeout") from None
        except Exception as e:  # noqa: BLE001
            # Some models refuse a limit of one token, and a busy server turns requests away: not our fault.
            error = self._error(e)
            accepted = "max_tokens" in error.cause if error.kind == "refused" else error.kind == "rate_limit"
            if not (accepted or refused_setting(e, {"max_tokens"})) or "quota" in error.cause:
                raise error from None

    def _settle(self) -> None:
        if not loop.inside():
            raise RuntimeError("model calls run on the background loop; use clinicenv.models.loop.run")
        if self._process is None:
            self._process = os.getpid()
            _keep_to_its_host(self._chat)
        if self._process != os.getpid():
            raise RuntimeError(f"{self} was used before this process was forked off; make it in the child")

    def _read(self, message: Any, seconds: float, dropped: tuple[str, ...], by_schema: bool) -> Reply:
        text, written = thoughts.split(_whole(str(message.text)))
        calls = tuple(_calls(message))
        if by_schema and calls and not text:  # providers without schemas are made to call a tool that has it
            text, calls = calls[0].arguments, ()
        usage = _usage(message.usage_metadata)
        finish = _finish_reason(message.response_metadata)
        if not text and not calls:
            if refusal := message.additional_kwargs.get("refusal"):
                raise self._fault(f"the model refused: {printable(str(refusal))[:200]}", "refused", usage)
            if finish == "content_filter":
                raise self._fault(
                    "the model or its server's content filter refused to reply", "refused", usage
                )
            if finish == "length":
                what = "the token limit ended the reply before any text; raise max_tokens"
                raise self._fault(what, "bad_reply", usage)
            if finish is None:
                raise self._fault("the reply is empty", "bad_reply", usage)
        reasoning = "\n".join(t.strip() for t in dict.fromkeys([*written, *_reasoning(message)]))
        return Reply(text, _whole(reasoning) or None, usage, seconds, 1, finish, calls, dropped)

    def _error(self, e: Exception) -> ModelError:
        if isinstance(e, ModelError):
            return self._fault(e.cause, e.kind)
        if isinstance(e, NotImplementedError):
            return self._fault("LangChain cannot ask this of this model", "refused")
        variables = list(key_variables(self._chat))
        secrets = [
            value.get_secret_value()
            for value in vars(self._chat).values()
            if callable(getattr(value, "get_secret_value", None))
        ]
        return self._fault(*explain(e, variables[0] if variables else "it", secrets))

    def _fault(self, what: str, kind: Kind, usage: Usage | None = None) -> ModelError:
        return ModelError(printable(f"{self}: {what}"), kind, usage)


def is_chat_model(thing: object) -> bool:
    """Whether it is a LangChain chat model; does not import LangChain."""
    core = sys.modules.get("langchain_core.language_models.chat_models")
    return core is not None and isinstance(thing, core.BaseChatModel)


def _object_name(chat: Any) -> str:
    names = (getattr(chat, field, None) for field in ("model_name", "model", "model_id", "deployment_name"))
    name = next((n for n in names if isinstance(n, str) and n), "")
    return printable(f"{type(chat).__name__}:{name}" if name else type(chat).__name__)


def _keep_to_its_host(chat: Any) -> None:
    """Turns redirects off in all HTTP clients of the object: a 307 or 308 would send the prompt elsewhere."""
    made_late = [getattr(chat, f, None) for f in ("_async_client", "root_async_client", "async_client")]
    for client in _http_clients([*made_late, getattr(chat, "client", None)], depth=4):
        if isinstance(client, dict):  # how google-genai passes options to aiohttp
            client["allow_redirects"] = False
        else:
            client.follow_redirects = False


def _http_clients(things: list[Any], depth: int) -> Iterator[Any]:
    """What has a switch for redirects among the things and the clients inside them."""
    for thing in things:
        if isinstance(getattr(thing, "follow_redirects", None), bool):
            yield thing
        elif depth and hasattr(thing, "__dict__"):
            inner = {k: v for k, v in vars(thing).items() if "client" in k}
            yield from (v for k, v in inner.items() if k.endswith("session_request_args"))
            yield from _http_clients(list(inner.values()), depth - 1)


async def _ask(chat: Any, request: Request, left: set[str]) -> Any:
    """LangChain's message for the request, with only the settings that are `left`. No call is traced."""
    from langchain_core.messages import convert_to_messages
    from langsmith import tracing_context

    settings = {k: v for k, v in request.settings.items() if k in left}
    if isinstance(settings.get("stop"), str):
        settings["stop"] = [settings["stop"]]
    chat, settings = _with_settings(chat, settings)
    asked = chat
    if request.tools:
        asked = _with_tools(chat, request, settings)
    elif request.schema is not None and "schema" in left:
        asked = _with_schema(chat, request.schema)
    with tracing_context(enabled=False):
        return await asked.ainvoke(convert_to_messages([_readable(m) for m in request.messages]), **settings)


def _with_settings(chat: Any, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A copy of the object with these settings as its own, and those that it has no field for.

    Fields have the same names in almost all classes; what a call takes beside them has not.
    """
    fields, changed, rest = fields_of(chat), {}, {}
    for setting, value in settings.items():
        field = next((f for f in (setting, *_FIELDS.get(setting, ())) if f in fields), None)
        if field is None or setting == "stop":
            rest[setting] = value
        else:
            changed[fields[field]] = value
    return (chat.model_copy(update=changed) if changed else chat), rest


def _with_tools(chat: Any, request: Request, settings: dict[str, Any]) -> Any:
    options = {k: settings.pop(k) for k in ("tool_choice", "parallel_tool_calls") if k in settings}
    choice = options.get("tool_choice")
    if isinstance(choice, dict) and "function" in choice:
        options["tool_choice"] = choice["function"]["name"]
    elif choice == "required":
        options["tool_choice"] = "any"
    try:
        return chat.bind_tools(list(request.tools), **options)
    except NotImplementedError:
        what = "this model cannot call tools through LangChain; use a card that speaks in text"
        raise ModelError(what, "refused") from None


def _with_schema(chat: Any, schema: dict[str, Any]) -> Any:
    """The object made to keep to the schema, by the provider's own means or by a tool call; or as it is."""
    titled = {"title": "reply", **schema}  # LangChain wants a name
    for options in ({"method": "json_schema"}, {}):
        try:
            structured = chat.with_structured_output(titled, **options)
        except (NotImplementedError, TypeError, ValueError):
            continue
        return getattr(structured, "first", chat)  # without the parser behind it: whoever asks validates
    return chat


def _readable(message: Message) -> Message:
    """The message with tool calls that LangChain can read: arguments that are no JSON object become one."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [{**c, "function": _with_object(c["function"])} for c in calls]}


def _with_object(function: dict[str, Any]) -> dict[str, Any]:
    try:
        fine = isinstance(json.loads(function["arguments"]), dict)
    except ValueError:
        fine = False
    return function if fine else {**function, "arguments": json.dumps({"unreadable": function["arguments"]})}


def _calls(message: Any) -> Iterator[ToolCall]:
    for call in message.tool_calls:
        yield ToolCall(call.get("id") or "", call["name"], json.dumps(call["args"], ensure_ascii=False))
    for call in message.invalid_tool_calls:
        yield ToolCall(call.get("id") or "", call.get("name") or "", call.get("args") or "")


def _reasoning(message: Any) -> list[str]:
    if isinstance(message.content, str) and not message.additional_kwargs:
        return []
    blocks = (b for b in message.content_blocks if b.get("type") == "reasoning")
    return [t for b in blocks if isinstance(t := b.get("reasoning"), str) and t.strip()]


def _finish_reason(metadata: dict[str, Any]) -> str | None:
    names = ("finish_reason", "stop_reason", "done_reason", "stopReason", "status")
    said = next((s for n in names if isinstance(s := metadata.get(n), str)), None)
    return said and next((kind for kind, others in _FINISH.items() if said.lower() in others), said.lower())


def _usage(counts: Any) -> Usage | None:
    if not counts:
        return None
    cached = (counts.get("input_token_details") or {}).get("cache_read") or 0
    reasoning = (counts.get("output_token_details") or {}).get("reasoning") or 0
    return Usage(counts["input_tokens"], counts["output_tokens"], cached, reasoning)


def _whole(text: str) -> str:
    """The text with half characters, which a server that cuts by bytes may send, replaced by `?`."""
    return text.encode(errors="replace").decode()
