"""The name of a model: who has it, what it is called there, and where that is."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from clinicenv.files import InputError

OPENAI, LOCAL = "openai", "local"

_NAME = re.compile(r"(?P<provider>[a-z][a-z0-9_]*)[:/](?P<model>.+?)(?:@(?P<url>https?://.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model: `openai:NAME`, `openai:NAME@URL` (a server that speaks OpenAI's chat completions),
    `local:PATH_OR_HUB_ID` (a server that clinicenv starts), or `PROVIDER:NAME` for what LangChain knows."""

    provider: str
    model: str
    url: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """The name in a string (`openai/NAME` reads as `openai:NAME`); InputError where it is none."""
        found = _NAME.fullmatch(text.strip())
        if found is None:
            raise InputError(
                f"`{text}` is not a model; write PROVIDER:NAME, e.g. openai:NAME, openai:NAME@URL,"
                " anthropic:NAME or local:FOLDER"
            )
        provider, model, url = found["provider"], found["model"], found["url"]
        if url and provider == LOCAL:
            raise InputError(
                f"`{text}`: a local model has no address; for a server that runs, write openai:NAME@URL"
            )
        return cls(provider, model, checked_url(url) if url else None)

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}" + (f"@{self.url}" if self.url else "")


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
            "the server's address has a password or a query in it; put the key in the environment"
        )
    return text.strip().rstrip("/")
