"""OpenAI-compatible chat endpoints: one request, its reply, and what can go wrong."""

import asyncio
import atexit
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from clinicenv.files import InputError, printable
from clinicenv.models import completion, loop
from clinicenv.models.call import LONGEST, Kind, ModelError, Reply, Request, Usage
from clinicenv.models.errors import by_status, quote, refused_setting
from clinicenv.models.limits import Limiter
from clinicenv.models.names import ModelName, checked_url

DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent to servers of one's own when no key is set: the SDK insists on one, they ignore it."""

_PAUSE = 0.05
"""Seconds before the first asking again for a bad body; doubled each time."""

_LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more is asked again earlier, as the SDK does."""

_HERE = {"127.0.0.1", "localhost", "::1"}
_OWN_FIELDS = {"model", "messages", "stream", "tools", "response_format"}
_RENAMED = {"max_tokens": "max_completion_tokens"}
"""What some models want in place of a setting that they refuse."""


class _Server:
    """One HTTP client and its limit on requests in flight; belongs to the background loop."""

    def __init__(self, url: str, key: str, concurrency: int):
        import openai

        self.limiter = Limiter(concurrency)
        self.refused: dict[str, set[str]] = {}
        """model -> settings that the server does not take"""
        # `post` on the aiohttp transport takes a tenth of the CPU time that `chat.completions.create` takes.
        # A proxy that the environment names is for hosts elsewhere: prompts for this machine stay on it.
        http = openai.DefaultAioHttpClient(
            event_hooks={"response": [self._answered]}, trust_env=urlsplit(url).hostname not in _HERE
        )
        self.client = openai.AsyncOpenAI(base_url=url, api_key=key, http_client=http, max_retries=0)

    async def _answered(self, response: Any) -> None:
        """Sees every answer, also those after which the SDK tries again."""
        if response.status_code == 429:
            self.limiter.backed_off()
            response.headers["x-should-retry"] = "false"  # we wait ourselves, without holding a slot
        elif response.status_code < 400:
            self.limiter.went_well()


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


@dataclass(slots=True)
class _Made:
    """What one call took: tries, seconds in which it had a slot, and the settings that were left out."""

    tries: int = 0
    seconds: float = 0.0
    dropped: tuple[str, ...] = ()


class Endpoint:
    """A model on a server. All endpoints on the same server share its connections and its limit.

    `base_url` is what a card says; the name's own URL wins over it, it over OPENAI_BASE_URL. `key` is what
    the server is sent in place of OPENAI_API_KEY. `concurrency` is the number of requests in flight per
    server, 1 to 1000, lowered for a while after a 429 (endpoints with different numbers do not share).
    `timeout` is in seconds per try, `LONGEST` times that for all of a call; `retries` follow rate limits,
    server errors, timeouts, lost connections.
    InputError for a bad address, a missing key or a missing `models` extra.
    """

    def __init__(
        self,
        name: ModelName,
        base_url: str | None = None,
        *,
        key: str | None = None,
        concurrency: int = 128,
        timeout: float = 120.0,
        retries: int = 10,
    ):
        if not 1 <= concurrency <= 1000:
            raise InputError(f"concurrency is {concurrency}; it must be between 1 and 1000")
        _need_sdk()
        self.name = name
        self.url = checked_url(name.url or base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL)
        self._key = key or _key(self.url)
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries

    def __str__(self) -> str:
        return f"openai:{self.name.model}@{self.url}"

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        """The model's reply; `on_text` is called once with the whole text. Runs on the background loop only.

        ModelError when the server cannot be reached, refuses, or does not answer with a chat completion.
        """
        if taken := _OWN_FIELDS & request.settings.keys():
            raise InputError(f"the setting `{min(taken)}` cannot be set by hand; remove it")
        made = _Made()
        reply = await self._in_turn(self._server(), request, made)
        if reply.refusal:
            raise self._error(self._quote(reply.refusal), "refused", usage=reply.usage)
        if not reply.text and not reply.calls and reply.finish_reason == "length":
            what = "the token limit ended the reply before any text; raise max_tokens"
            raise self._error(what, "bad_reply", usage=reply.usage)
        if on_text is not None:
            on_text(reply.text)
        rest = (reply.finish_reason, reply.calls, made.dropped)
        return Reply(reply.text, reply.reasoning, reply.usage, made.seconds, made.tries, *rest)

    async def _in_turn(self, server: _Server, request: Request, made: "_Made") -> completion.Completion:
        """The completion. After a 429 the slot goes back before the wait, or the calls that wait would keep
        all others off."""
        import openai

        refused = 0
        while True:
            async with server.limiter:
                started = time.perf_counter()
                try:
                    async with asyncio.timeout(limit := LONGEST * self._timeout):
                        return await self._ask(server, request, made)
                except TimeoutError:
                    what = f"no reply within {limit:g} s, all tries together; is the server overloaded?"
                    raise self._error(what, "timeout") from None
                except openai.RateLimitError as e:
                    made.tries += _tries(e.request)
                    error = self._status_error(e, made.tries)
                    wait = _wait(e.response.headers, refused)
                finally:
                    made.seconds += time.perf_counter() - started
            if refused >= self._retries or "quota" in error.cause:
                raise error
            refused += 1
            await asyncio.sleep(wait)

    async def probe(self) -> None:
        """Asks for one token and waits at most 10 s; ModelError if key, address or model is wrong.

        What may be bad luck, a server's error or a broken reply, is tried three times.
        """
        try:
            async with asyncio.timeout(10):
                for left in (2, 1, 0):
                    try:
                        return await self._probe_once()
                    except ModelError as e:
                        if e.kind not in ("server", "bad_reply") or not left:
                            raise
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            what = "the server did not answer within 10 s; is it up and idle?"
            raise self._error(what, "timeout") from None

    async def _probe_once(self) -> None:
        import openai

        hello = [{"role": "user", "content": "Hello"}]
        body = {"model": self.name.model, "messages": hello, "max_tokens": 1}
        try:
            content, _ = await self._post(self._server(), body, retries=0, limit=10)
        except openai.APIStatusError as e:
            error = self._status_error(e)
            # Some models refuse a limit of one token, and a busy server turns requests away: not our fault.
            accepted = "max_tokens" in error.cause if error.kind == "refused" else error.kind == "rate_limit"
            if not accepted or "quota" in error.cause:
                raise error from None
            return
        try:
            completion.read(content)
        except completion.BadBody as e:
            raise self._bad_reply(e, content, 1) from None

    def _server(self) -> _Server:
        if not loop.inside():
            raise RuntimeError("model calls run on the background loop; use clinicenv.models.loop.run")
        where = (os.getpid(), self.url, self._key, self._concurrency)
        if where not in _servers:
            _servers[where] = _Server(self.url, self._key, self._concurrency)
        return _servers[where]

    async def _ask(self, server: _Server, request: Request, made: "_Made") -> completion.Completion:
        """The completion, without the settings that the server refuses; openai.RateLimitError after a 429."""
        import openai

        refused = server.refused.setdefault(self.name.model, set())
        asked = request.settings.keys() | ({"schema"} if request.schema is not None else set())
        bad = 0
        while True:
            sent = asked - refused  # other calls may learn meanwhile what is refused
            body = self._body(request, refused)
            try:
                content, tries = await self._post(server, body, self._retries, self._timeout)
            except openai.RateLimitError:
                raise
            except openai.APIStatusError as e:
                setting = refused_setting(e, sent)
                if setting is None:
                    raise self._status_error(e) from None
                refused.add(setting)
                made.tries += 1
                continue
            made.tries += tries
            made.dropped = tuple(_told(name) for name in sorted(asked - sent))
            try:
                return completion.read(content)
            except completion.BadBody as e:
                if bad >= min(self._retries, e.again):  # the SDK asks again after errors only
                    raise self._bad_reply(e, content, made.tries) from None
                await asyncio.sleep(_PAUSE * 2**bad)
                bad += 1

    def _body(self, request: Request, refused: set[str]) -> dict[str, Any]:
        """The request as it is sent, without what the server refuses."""
        body: dict[str, Any] = {"model": self.name.model, "messages": request.messages}
        for name, value in request.settings.items():
            if name not in refused:
                body[name] = value
            elif name in _RENAMED:
                body[_RENAMED[name]] = value
        if request.tools:
            body["tools"] = list(request.tools)
        if request.schema is not None and "schema" not in refused:
            schema = {"name": "reply", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    async def _post(self, server: _Server, body: object, retries: int, limit: float) -> tuple[bytes, int]:
        """The body of the answer, and how many tries (of `limit` seconds each) it took.

        openai.APIStatusError for a status that is none of success, ModelError where nothing came.
        """
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
                    "follow_redirects": False,  # prompts go to the server that was named and no other
                },
            )
        except openai.APIConnectionError as e:
            raise self._connection_error(_transport_error(e), _tries(e.request), limit) from None
        except aiohttp.ClientError as e:  # the SDK's transport does not know all of them
            what = f"the server does not speak HTTP ({type(e).__name__}); check the address"
            raise self._error(what, "address") from None
        content = answer.http_response.content
        key = self._key.encode()
        if self._key != NO_KEY and key in content:  # some servers repeat it, and replies are kept
            content = content.replace(key, b"***")
        return content, answer.retries_taken + 1

    def _bad_reply(self, e: completion.BadBody, content: bytes, tries: int) -> ModelError:
        said = self._quote(content[:1000].decode(errors="replace"))
        return self._error(f"the reply {e}: {said}".rstrip(": "), "bad_reply", tries, e.usage)

    def _status_error(self, e: Any, tries: int = 0) -> ModelError:
        """What an openai.APIStatusError means; `tries` where the SDK did not make them."""
        said = self._quote(_says(e.body))
        says = f"({e.status_code}: {said})" if said else f"({e.status_code})"
        status = 404 if e.code == "model_not_found" else e.status_code
        mend_key = "set OPENAI_API_KEY" if self._key == NO_KEY else "check OPENAI_API_KEY"
        return self._error(*by_status(status, says, mend_key), tries or _tries(e.request))

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

    def _error(self, what: str, kind: Kind, tries: int = 1, usage: Usage | None = None) -> ModelError:
        after = f" (after {tries} tries)" if tries > 1 else ""
        return ModelError(printable(f"{self}: {what}{after}"), kind, usage)

    def _quote(self, text: str) -> str:
        return quote(text, {self._key})


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


def _told(name: str) -> str:
    """A setting that was left out, for the log."""
    return f"{name} (sent as {_RENAMED[name]})" if name in _RENAMED else name


def _wait(headers: Any, refused: int) -> float:
    """Seconds to wait after a 429: what the server asks for, or longer if that has not helped; else a time
    that grows. It differs from call to call, so that those refused together do not come back together."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if 0 < asked <= _LONGEST_WAIT:
            asked = max(asked, min(8.0, 0.002 * 2.0**refused))
            return asked * random.uniform(1.0, 1.25)  # noqa: S311 - no secret, and in no trajectory
    return min(8.0, 0.5 * 2.0 ** min(refused, 4)) * random.uniform(0.5, 1.0)  # noqa: S311


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
