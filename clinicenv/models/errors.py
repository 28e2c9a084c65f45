"""What the errors of servers and their libraries mean: a setting to leave out, or a cause in words."""

import os
import re
from collections.abc import Collection, Iterator
from typing import Any

from clinicenv.files import printable
from clinicenv.models.call import Kind

_KEY_LIKE = re.compile(r"\b(?:sk|pk|lsv2|gsk|xai|hf|pplx|nvapi)[-_][\w*-]{6,}|\bAIza[\w-]{10,}")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
_NOT_TAKEN = re.compile(
    r"not (?:\w+ )?(?:support|permit|allow|recogni[sz]|accept|available|implemented)|unsupported|unknown"
    r"|unrecogni[sz]ed|unexpected|extra (?:inputs|fields)|cannot (?:both )?be (?:set|used|specified)"
    r"|deprecated",
    re.IGNORECASE,
)
_ALSO_CALLED = {
    "max_tokens": ("max_completion_tokens", "max_output_tokens", "max_tokens_to_sample"),
    "reasoning_effort": ("effort", "output_config", "thinking", "reasoning"),
    "schema": ("output_config", "output_format", "response_format", "json_schema", "structured outputs?"),
    "stop": ("stop_sequences",),
}


def refused_setting(e: Exception, names: Collection[str]) -> str | None:
    """Which of these settings the library or the server does not take, if the error is about that.

    `schema` stands for the structured output that was asked for. A value that is out of range is no such
    error, nor is a prompt that leaves no room for `max_tokens`: of those the user has to hear.
    """
    status = _status(e)
    in_the_library = status is None and isinstance(e, (TypeError, ValueError))
    says = _says(e)
    if not (in_the_library or status in (400, 422)) or not _NOT_TAKEN.search(says):
        return None
    places = {name: found.start() for name in names if (found := _called(name).search(says))}
    return min(places, key=lambda name: (places[name], name), default=None)


def explain(e: Exception, key_name: str, secrets: Collection[str]) -> tuple[str, Kind]:
    """What happened and what to do, without any key, and of which kind it is.

    `key_name` is where the model's key comes from, `secrets` what else must not be shown; the values of all
    environment variables that look like keys are not shown either.
    """
    status, text = _status(e), quote(_says(e), secrets)
    says = "(" + ": ".join(part for part in (str(status or ""), text) if part) + ")"
    what, kind = by_status(status, says, f"check {key_name}") if status else _by_class(e, says)
    tries = _tries(e)
    return what + (f" (after {tries} tries)" if tries > 1 else ""), kind


def by_status(status: int, says: str, mend_key: str) -> tuple[str, Kind]:
    """What an HTTP status that is none of success means; `says` is what the server said, in brackets."""
    if status < 400:
        return f"the server sends requests on to another address {says}; name that one instead", "address"
    if status in (401, 403):
        return f"the server refused the key {says}; {mend_key}", "auth"
    if status == 404 and "model" in says.lower():
        return f"the server has no such model {says}; check the name", "model"
    if status in (404, 405):
        return f"the server has no chats here {says}; check the address, which often ends in /v1", "address"
    if status == 408:
        return f"the server gave up waiting {says}; try again", "timeout"
    if status == 429:
        return f"the server allows no more requests {says}; wait, or lower the concurrency", "rate_limit"
    if status >= 500:
        return f"the server failed {says}; look at its log or try later", "server"
    return f"the server refused the request {says}; check settings and messages", "refused"


def _by_class(e: Exception, says: str) -> tuple[str, Kind]:
    """For errors without a status: of the connection, of the library, of replies that nobody can read."""
    names = {kind.__name__ for link in _chain(e) for kind in type(link).__mro__}
    if names & {"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionRefusedError"}:
        return f"no connection {says}; is the server running, and is the address right?", "address"
    if any("Timeout" in name for name in names):
        return f"the server did not answer in time {says}; is it overloaded?", "timeout"
    if names & {"TransportError", "APIConnectionError", "ClientConnectionError", "OSError"}:
        return f"the server broke off the connection {says}; look at its log", "server"
    if isinstance(e, RuntimeError) and "loop" in says:
        what = f"its client was used on another event loop before {says}; hand over a new chat model object"
        return what, "refused"
    return f"LangChain cannot make this call, or cannot read the reply {says}", "bad_reply"


def _chain(e: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it came from."""
    while e is not None:
        yield e
        e = e.__cause__


def _status(e: Exception) -> int | None:
    """The HTTP status, wherever the provider's library keeps it."""
    for link in _chain(e):
        for holder in (link, getattr(link, "response", None)):
            for name in ("status_code", "code", "status"):
                if isinstance(status := getattr(holder, name, None), int) and 100 <= status < 600:
                    return status
    return None


def _says(e: Exception) -> str:
    """What the server or the library said, without the layers around it."""
    body = next((b for link in _chain(e) if isinstance(b := getattr(link, "body", None), dict)), None)
    while isinstance(body, dict):
        body = next((body[k] for k in ("error", "message", "detail") if body.get(k)), None)
    if isinstance(body, str):
        return body
    deepest = list(_chain(e))[-1]
    return str(e) if _status(e) else f"{type(deepest).__name__}: {deepest}".removesuffix(": ")


def quote(text: str, secrets: Collection[str] = ()) -> str:
    """The first 200 characters of it, without keys (some servers repeat them)."""
    from_environment = (value.strip() for name, value in os.environ.items() if _SECRET_NAME.search(name))
    for secret in sorted({*secrets, *from_environment}, key=len, reverse=True):
        if len(secret) >= 6:
            text = text.replace(secret, "***")
    return printable(_KEY_LIKE.sub("***", text))[:200]


def _tries(e: Exception) -> int:
    """How often the provider's library tried, where it tells."""
    request: Any = next((r for link in _chain(e) if (r := getattr(link, "request", None)) is not None), None)
    return int(getattr(request, "headers", {}).get("x-stainless-retry-count", 0)) + 1


def _called(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join((re.escape(name), *_ALSO_CALLED.get(name, ())))})(?!\w)")
