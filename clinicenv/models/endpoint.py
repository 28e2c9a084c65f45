"""OpenAI-compatible chat endpoints: the name of a model, one request, its reply, and what can go wrong."""

import asyncio
import atexit
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from clinicenv.files import InputError, printable
from clinicenv.models import loop

DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent to servers of one's own when no key is set: the SDK insists on one, they ignore it."""

Kind = Literal["auth", "address", "model", "rate_limit", "timeout", "bad_reply", "refused", "server"]

_NAME = re.compile(r"(?P<provider>[^:/@]+)[:/](?P<model>.+?)(?:@(?P<url>https?://.*))?", re.DOTALL)
_THOUGHT = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.DOTALL)
_KEY_LIKE = re.compile(r"\bsk-[\w*-]{6,}")
_OWN_FIELDS = {"model", "messages", "stream"}


class ModelError(Exception):
    """A model could not be asked, or did not answer. `cause` is one sentence, without the key."""

    def __init__(self, cause: str, kind: Kind):
        super().__init__(cause, kind)
        self.cause, self.kind = cause, kind

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model and, where the name says so, the server that has it."""

    model: str
    url: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """`openai:NAME` or `openai:NAME@URL` (`openai/NAME` reads the same); InputError for anything else."""
        found = _NAME.fullmatch(text.strip())
        if found is None:
            raise InputError(f"`{text}` is not a model; write `openai:NAME` or `openai:NAME@URL`")
        if found["provider"] != "openai":
            raise InputError(
                f"`{text}`: the provider `{found['provider']}` is not supported; only OpenAI-compatible "
                "servers are: write `openai:NAME`, or `openai:NAME@URL` for a server of your own"
            )
        return cls(found["model"], found["url"] and checked_url(found["url"]))

    def __str__(self) -> str:
        return f"openai:{self.model}" + (f"@{self.url}" if self.url else "")


@dataclass(frozen=True, slots=True)
class Request:
    """Messages in the OpenAI format, and settings (temperature, max_tokens, seed, ...) sent as they are."""

    messages: list[dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them."""

    prompt_tokens: int
    completion_tokens: int


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


class _Server:
    """One HTTP client and its limit on requests in flight; belongs to the background loop."""

    def __init__(self, url: str, key: str, concurrency: int):
        import openai

        # `post` on the aiohttp transport takes a tenth of the CPU time that `chat.completions.create` takes.
        self.client = openai.AsyncOpenAI(
            base_url=url, api_key=key, http_client=openai.DefaultAioHttpClient(), max_retries=0
        )
        self.slots = asyncio.Semaphore(concurrency)


_servers: dict[tuple[int, str, str, int], _Server] = {}
"""By process (a forked child must not touch its parent's connections), URL, key and concurrency."""


@atexit.register
def _close() -> None:
    """Closes this process's connections, for aiohttp complains at exit about open ones."""
    mine = [server for where, server in _servers.items() if where[0] == os.getpid()]

    async def close_all() -> None:
        for server in mine:
            await server.client.close()

    if mine:
        loop.run(close_all())


class Endpoint:
    """A model on a server. All endpoints on the same server share its connections and its limit.

    `base_url` is what a card says; the name's own URL wins over it, it over OPENAI_BASE_URL. `concurrency` is
    the number of requests in flight per server, 1 to 1000 (endpoints with different numbers do not share).
    `timeout` is in seconds per try; `retries` follow rate limits, server errors, timeouts, lost connections.
    InputError for a bad address, a missing key or a missing `models` extra.
    """

    def __init__(
        self,
        name: ModelName,
        base_url: str | None = None,
        *,
        concurrency: int = 128,
        timeout: float = 120.0,
        retries: int = 10,
    ):
        if not 1 <= concurrency <= 1000:
            raise InputError(f"concurrency is {concurrency}; it must be between 1 and 1000")
        _need_sdk()
        self.name = name
        self.url = checked_url(name.url or base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL)
        self._key = _key(self.url)
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries

    def __str__(self) -> str:
        return f"openai:{self.name.model}@{self.url}"

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        """The model's reply; `on_text` is called once with the whole text. Runs on the background loop only.

        ModelError when the server cannot be reached, refuses, or answers without content.
        """
        if taken := _OWN_FIELDS & request.settings.keys():
            raise InputError(f"the setting `{min(taken)}` cannot be set by hand; remove it")
        body = {"model": self.name.model, "messages": request.messages, **request.settings}
        server = self._server()
        async with server.slots:
            started = time.perf_counter()
            content, tries = await self._post(server, body, self._retries, self._timeout)
            seconds = time.perf_counter() - started
        reply = self._read(content, seconds, tries)
        if on_text is not None:
            on_text(reply.text)
        return reply

    async def probe(self) -> None:
        """Asks for one token, once, and waits at most 10 s; ModelError if key, address or model is wrong."""
        body = {
            "model": self.name.model,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 1,
        }
        try:
            async with asyncio.timeout(10):
                content, _ = await self._post(self._server(), body, retries=0, limit=10)
        except TimeoutError:
            raise self._error(
                "the server did not answer within 10 s; is it up and idle?", "timeout"
            ) from None
        except ModelError as e:
            # Some models refuse a limit of one token, and a busy server turns requests away: not our fault.
            accepted = "max_tokens" in e.cause if e.kind == "refused" else e.kind == "rate_limit"
            if not accepted or "quota" in e.cause:
                raise
            return
        self._message(content)

    def _server(self) -> _Server:
        if not loop.inside():
            raise RuntimeError("model calls run on the background loop; use clinicenv.models.loop.run")
        where = (os.getpid(), self.url, self._key, self._concurrency)
        if where not in _servers:
            _servers[where] = _Server(self.url, self._key, self._concurrency)
        return _servers[where]

    async def _post(self, server: _Server, body: object, retries: int, limit: float) -> tuple[bytes, int]:
        """The body of the answer, and how many tries (of `limit` seconds each) it took."""
        import aiohttp
        import openai

        try:
            answer: Any = await server.client.post(
                "/chat/completions",
                body=body,
                cast_to=object,
                options={
                    "max_retries": retries,
                    "timeout": openai.Timeout(limit, connect=5.0),
                    "headers": {"X-Stainless-Raw-Response": "true"},  # bytes and the number of tries
                },
            )
        except openai.APIStatusError as e:
            raise self._status_error(e.status_code, e.body, e.code, _tries(e.request)) from None
        except openai.APIConnectionError as e:
            raise self._connection_error(_transport_error(e), _tries(e.request), limit) from None
        except aiohttp.ClientError as e:  # the SDK's transport does not know all of them
            what = f"the server does not speak HTTP ({type(e).__name__}); check the address"
            raise self._error(what, "address") from None
        return answer.http_response.content, answer.retries_taken + 1

    def _read(self, content: bytes, seconds: float, tries: int) -> Reply:
        answer, choice, message = self._message(content)
        said, finish = message.get("content"), choice.get("finish_reason")
        if said is None and (refusal := message.get("refusal")):
            raise self._error(f"the model refused: {self._quote(str(refusal))}", "refused")
        if said is None and finish == "content_filter":
            raise self._error("the server's content filter withheld the reply", "refused")
        text, thoughts = _without_thoughts(_whole(said)) if isinstance(said, str) else ("", [])
        if not text and finish == "length":
            what = "the token limit ended the reply before any text; raise max_tokens"
            raise self._error(what, "bad_reply")
        if not isinstance(said, str):
            raise self._bad_reply("has no text", content)
        thoughts += [t for f in ("reasoning_content", "reasoning") if isinstance(t := message.get(f), str)]
        reasoning = _whole("\n".join(t.strip() for t in dict.fromkeys(thoughts))) or None
        finish_reason = finish if isinstance(finish, str) else None
        return Reply(text, reasoning, _usage(answer), seconds, tries, finish_reason)

    def _message(self, content: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The answer, its first choice and that choice's message."""
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise self._bad_reply("is not JSON", content) from None
        try:
            choice = answer["choices"][0]
            message = choice["message"]
        except (KeyError, IndexError, TypeError):
            raise self._bad_reply("has no choices", content) from None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise self._bad_reply("has no message", content)
        return answer, choice, message

    def _bad_reply(self, what: str, content: bytes) -> ModelError:
        return self._error(f"the reply {what}: {self._quote(content.decode(errors='replace'))}", "bad_reply")

    def _status_error(self, status: int, body: object, code: str | None, tries: int) -> ModelError:
        quote = self._quote(_says(body))
        says = f"({status}: {quote})" if quote else f"({status})"
        if status in (401, 403):
            fix = "set OPENAI_API_KEY" if self._key == NO_KEY else "check OPENAI_API_KEY"
            return self._error(f"the server refused the key {says}; {fix}", "auth")
        if code == "model_not_found" or (status == 404 and "model" in says.lower()):
            return self._error(f"the server has no such model {says}; check the name", "model")
        if status in (404, 405):
            return self._error(
                f"the server has no chat completions here {says}; check the address, which often ends in /v1",
                "address",
            )
        if status == 429:
            what = f"the server allows no more requests {says}; wait, or lower the concurrency"
            return self._error(what, "rate_limit", tries)
        if status == 408:
            return self._error(f"the server gave up waiting {says}; try again", "timeout", tries)
        if status >= 500:
            return self._error(f"the server failed {says}; look at its log or try later", "server", tries)
        return self._error(f"the server refused the request {says}; check settings and messages", "refused")

    def _connection_error(self, e: BaseException, tries: int, limit: float) -> ModelError:
        import aiohttp

        if isinstance(e, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            what = f"no connection ({self._quote(str(e))}); is the server running, and is the address right?"
            return self._error(what, "address", tries)
        if isinstance(e, TimeoutError):
            what = f"the server did not answer within {limit:g} s; is it overloaded?"
            return self._error(what, "timeout", tries)
        says = self._quote(str(e) or type(e).__name__)
        return self._error(f"the server broke off the connection ({says}); look at its log", "server", tries)

    def _error(self, what: str, kind: Kind, tries: int = 1) -> ModelError:
        return ModelError(
            printable(f"{self}: {what}" + (f" (after {tries} tries)" if tries > 1 else "")), kind
        )

    def _quote(self, text: str) -> str:
        """The first 200 characters of what a server said, without the key (some servers repeat it)."""
        shown = text if self._key == NO_KEY else text.replace(self._key, "***")
        return printable(_KEY_LIKE.sub("sk-***", shown))[:200]


async def preflight(name: ModelName, base_url: str | None = None) -> None:
    """Makes sure, with one cheap request and within about 10 s, that the model can be asked.

    InputError or ModelError, which say what to mend, when the key, the address or the model is wrong.
    """
    await Endpoint(name, base_url).probe()


def checked_url(text: str) -> str:
    """The base URL without a slash at its end; InputError if it is none, or holds a password or a query."""
    try:
        parts = urlsplit(text.strip())
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise InputError(f"`{text}` is not a server's address; write for example http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "the server's address has a password or a query in it; put the key in OPENAI_API_KEY"
        )
    return text.strip().rstrip("/")


def _key(url: str) -> str:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and url == DEFAULT_URL:
        raise InputError(
            f"no key for {url}; set OPENAI_API_KEY, or name your own server with `openai:NAME@URL`"
        )
    if not (key.isascii() and key.isprintable()):
        raise InputError("OPENAI_API_KEY has characters that no key has; copy it again")
    return key or NO_KEY


def _need_sdk() -> None:
    try:
        import aiohttp  # noqa: F401
        import openai  # noqa: F401
    except ImportError as e:
        raise InputError("asking a model needs the `models` extra: pip install 'clinicenv[models]'") from e


def _tries(request: Any) -> int:
    return int(request.headers.get("x-stainless-retry-count", 0)) + 1


def _transport_error(e: BaseException) -> BaseException:
    """The aiohttp error under the SDK's: the layer between calls a refused connection a timeout."""
    import aiohttp

    below: BaseException | None = e
    while below is not None and not isinstance(below, aiohttp.ClientError):
        below = below.__cause__
    return below or e


def _says(body: object) -> str:
    """The message in an error's body, whatever its shape."""
    if isinstance(body, dict):
        for name in ("message", "detail", "error"):
            if isinstance(body.get(name), str):
                return str(body[name])
    return body if isinstance(body, str) else json.dumps(body)


def _without_thoughts(said: str) -> tuple[str, list[str]]:
    """The text without its `<think>` blocks, and what stood in them."""
    opening, closing = said.find("<think>"), said.find("</think>")
    if closing >= 0 and not 0 <= opening < closing:  # some chat templates put the opening tag into the prompt
        said = "<think>" + said
    return _THOUGHT.sub("", said).strip(), _THOUGHT.findall(said)


def _whole(text: str) -> str:
    """The text with half characters, which a server that cuts by bytes may send, replaced by `?`."""
    return text.encode(errors="replace").decode()


def _usage(answer: dict[str, Any]) -> Usage | None:
    counts = answer.get("usage")
    if not isinstance(counts, dict):
        return None
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    return Usage(prompt, completion) if isinstance(prompt, int) and isinstance(completion, int) else None
