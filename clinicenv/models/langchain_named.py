"""LangChain's chat model object for a model's name."""

import os
import re
from collections.abc import Iterator
from typing import Any

from clinicenv.files import InputError, did_you_mean
from clinicenv.models.errors import quote
from clinicenv.models.names import LOCAL, OPENAI, ModelName

NO_KEY = "none"
"""Given to a server of one's own when no key is set: the libraries insist on one."""

_KEY_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9_]*_(?:KEY|TOKEN)\b")
_OFF = {"", "0", "false", "no"}


class _NoKey(InputError):
    """A provider's key is not set."""


def make(name: ModelName, url: str | None, **options: Any) -> Any:
    """LangChain's object for the model, InputError where it does not make one.

    A server of one's own, at `url`, needs no key.
    """
    if name.provider != "langsmith" and os.environ.get("LANGSMITH_GATEWAY", "").lower() not in _OFF:
        raise InputError(
            f"LANGSMITH_GATEWAY is set, so {name} would be asked through LangSmith; unset it, or ask for"
            " langsmith:NAME"
        )
    if url is None:
        return _init(name, **options)
    try:
        chat = _init(name, base_url=url, **options)
    except _NoKey:
        chat = _init(name, base_url=url, api_key=NO_KEY, **options)
    if "base_url" not in fields_of(chat):
        raise InputError(f"the provider `{name.provider}` takes no address; write {name.provider}:NAME")
    return chat


def _init(name: ModelName, **options: Any) -> Any:
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as e:
        near = did_you_mean(name.provider, [OPENAI, LOCAL])
        raise InputError(
            f"`{name}` is asked through LangChain{near}: pip install 'clinicenv[langchain]' and the"
            f" provider's package, e.g. langchain-{name.provider.replace('_', '-')}"
        ) from e
    from pydantic import ValidationError

    try:
        chat = init_chat_model(name.model, model_provider=name.provider, **options)
    except ImportError as e:
        package = re.search(r"pip install ([\w.-]+)", str(e))
        what = f"pip install {package[1]}" if package else quote(str(e))
        raise InputError(f"`{name}` needs its provider's package: {what}") from e
    except ValidationError as e:
        not_taken = {str(x["loc"][0]) for x in e.errors() if x["type"] == "extra_forbidden"} & options.keys()
        if not_taken - {"base_url"}:
            return _init(name, **{k: v for k, v in options.items() if k not in not_taken})
        raise _not_made(name, "; ".join(x["msg"] for x in e.errors())) from None
    except Exception as e:  # noqa: BLE001  # each provider has exceptions of its own
        raise _not_made(name, str(e)) from None
    if variable := next(key_variables(chat, unset=True), None):
        raise _NoKey(f"no key for {name}; set {variable}")
    return chat


def _not_made(name: ModelName, why: str) -> InputError:
    """What is wrong when LangChain does not make the object."""
    if why.startswith("Unsupported provider"):
        known = {*re.findall(r"\w+", why.partition("are: ")[2]), OPENAI, LOCAL}
        near = did_you_mean(name.provider, known) or f"; known are {', '.join(sorted(known))}"
        return InputError(f"`{name}`: there is no provider `{name.provider}`{near}")
    if variable := _KEY_VARIABLE.search(why):
        return _NoKey(f"no key for {name}; set {variable[0]}")
    return InputError(f"{name}: LangChain does not take it: {quote(why)}")


def key_variables(chat: Any, unset: bool = False) -> Iterator[str]:
    """The environment variables that the object's keys come from; with `unset`, those of keys it lacks."""
    for field, variable in chat.lc_secrets.items():
        secret: Any = getattr(chat, field, None)
        if hasattr(secret, "get_secret_value") and not (unset and secret.get_secret_value()):
            yield variable


def address_from_environment(chat: Any) -> str | None:
    """The object's address, where a variable such as ANTHROPIC_BASE_URL has changed it from the usual one."""
    address = getattr(chat, fields_of(chat).get("base_url", ""), None)
    return address if isinstance(address, str) and address in os.environ.values() else None


def fields_of(chat: Any) -> dict[str, str]:
    """The object's fields by their names and their aliases."""
    fields = type(chat).model_fields
    return {name: field for field, info in fields.items() for name in (field, info.alias or field)}
