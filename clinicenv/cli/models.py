"""`clinicenv models`: which models can be used here, and what each of them can do."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clinicenv.cli.output import echo_json
from clinicenv.files import InputError, parse_yaml, printable, read_text
from clinicenv.models.names import LOCAL, OPENAI, ModelName, checked_url

if TYPE_CHECKING:
    from clinicenv.models.checks import Finding
    from clinicenv.models.gateway import Gateway

PROVIDERS: dict[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "azure_openai": ("AZURE_OPENAI_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "huggingface": ("HUGGINGFACEHUB_API_TOKEN",),
    "mistralai": ("MISTRAL_API_KEY",),
    "nvidia": ("NVIDIA_API_KEY",),
    "ollama": (),
    "openrouter": ("OPENROUTER_API_KEY",),
    "perplexity": ("PPLX_API_KEY", "PERPLEXITY_API_KEY"),
    "together": ("TOGETHER_API_KEY",),
    "upstage": ("UPSTAGE_API_KEY",),
    "xai": ("XAI_API_KEY",),
}
"""What LangChain calls a provider, and the variables of which one holds its key; it knows more providers."""
_PACKAGES = {"azure_openai": "langchain-openai", "nvidia": "langchain-nvidia-ai-endpoints"}

_LISTING = 5.0
"""Seconds that a server has to say which models it serves."""
_SHOWN = 20
_CHECKED = 5
"""Models of a server that are checked unasked."""
_PATIENCE: dict[str, Any] = {"timeout": 60.0, "retries": 1}


@dataclass(frozen=True, slots=True)
class Listed:
    """A model as it is written for clinicenv, and the bytes of its weights where it lies here."""

    model: str
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where models come from; `ok`, `missing` (something is to be set or installed) or `error`."""

    what: str
    state: str
    detail: str
    models: tuple[Listed, ...] = ()


@click.group("models")
def models() -> None:
    """Which models can be used here, and what each of them can do."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def list_(as_json: bool) -> None:
    """List providers, local models and prices. No model is asked; keys are never shown."""
    rows = [_openai(), *_langchain(), *_local(), _prices()]
    if as_json:
        echo_json([asdict(row) for row in rows])
        return
    for row in rows:
        click.echo(f"{row.state:<8} {row.what:<22} {printable(row.detail)}")
        for listed in row.models[:_SHOWN]:
            size = f"  {listed.bytes / 1e9:.1f} GB" if listed.bytes is not None else ""
            click.echo(f"{'':<31} {printable(listed.model)}{size}")
        if len(row.models) > _SHOWN:
            click.echo(f"{'':<31} and {len(row.models) - _SHOWN} more; --json has all")


@models.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def check(names: tuple[str, ...], as_json: bool) -> int:
    """Ask each MODEL whether it answers, calls tools, keeps to a schema, sees, ...: about five cheap calls.

    Without MODEL: those that OPENAI_BASE_URL serves. Exit codes: 0 all answer, 1 one does not.
    """
    from clinicenv.models.checks import ANSWERS
    from clinicenv.models.gateway import Gateway

    asked = [ModelName.parse(name) for name in dict.fromkeys(names)] or _served_here()
    gateway, reports = Gateway(**_PATIENCE), []
    for name in asked:
        found = _findings(gateway, name)
        answers = any(f.what == ANSWERS and f.state == "ok" for f in found)
        report = {"model": str(name), "answers": answers, "findings": [asdict(f) for f in found]}
        reports.append(report)
        if not as_json:
            click.echo(printable(str(name)))
            for f in found:
                click.echo(f"  {f.state:<8} {f.what:<18} {f.detail}".rstrip())
    if as_json:
        echo_json(reports)
    return 0 if all(report["answers"] for report in reports) else 1


def _findings(gateway: "Gateway", name: ModelName) -> "list[Finding]":
    """A local model's server is ended afterwards, so that the next one has the memory."""
    from clinicenv.models import checks, loop

    try:
        return loop.run(checks.check(gateway.model(name)))
    except InputError as e:  # no key, no package, no such folder: the other models are asked all the same
        return checks.unusable(str(e))
    finally:
        if name.provider == LOCAL:
            from clinicenv.models import local

            local.close()


def _served_here() -> list[ModelName]:
    """The models of OPENAI_BASE_URL, where they are few."""
    from clinicenv.models.call import ModelError

    url = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not url:
        raise InputError("name a model, e.g. openai:NAME, openai:NAME@URL, anthropic:NAME or local:FOLDER")
    try:
        served = _served(checked_url(url))
    except ModelError as e:
        raise InputError(f"{e}; name a model, e.g. openai:NAME") from e
    if not 1 <= len(served) <= _CHECKED:
        first = ", ".join(served[:3])
        count = f"serves {len(served)} models ({first}, ...)" if served else "names no model that it serves"
        raise InputError(f"{url} {count}; name those to check, e.g. openai:{served[0] if served else 'NAME'}")
    return [ModelName(OPENAI, model) for model in served]


def _openai() -> Source:
    """The fast path: OpenAI, or the server of OPENAI_BASE_URL."""
    from clinicenv.models.call import ModelError

    if not all(map(_version, ("openai", "aiohttp"))):
        return Source("openai", "missing", "pip install 'clinicenv[models]'")
    key = "OPENAI_API_KEY is " + ("set" if os.environ.get("OPENAI_API_KEY") else "not set")
    url = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not url:
        if os.environ.get("OPENAI_API_KEY"):
            return Source("openai", "ok", f"{key}; write openai:NAME")
        fix = "set it, or name a server of your own: openai:NAME@URL, or OPENAI_BASE_URL"
        return Source("openai", "missing", f"{key}; {fix}")
    try:
        served = _served(checked_url(url))
    except (ModelError, InputError) as e:
        return Source("openai", "error", f"OPENAI_BASE_URL: {e}")
    return Source("openai", "ok", f"{url} ({key})", tuple(Listed(f"{OPENAI}:{m}") for m in served))


def _served(url: str) -> list[str]:
    """The ids that the server's list of models has; ModelError where it gives none."""
    from clinicenv.models import loop
    from clinicenv.models.call import ModelError

    key = os.environ.get("OPENAI_API_KEY", "").strip()
    try:
        listed = json.loads(loop.run(_get_models(url, key)))["data"]
        return sorted({m["id"] for m in listed if isinstance(m["id"], str) and m["id"]})
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"{url} answers, but not with a list of models", "bad_reply") from None


async def _get_models(url: str, key: str) -> bytes:
    """What the server answers to GET /models, asked as all calls are, once and without redirects."""
    import aiohttp
    import openai

    from clinicenv.models.call import ModelError
    from clinicenv.models.errors import explain

    http = openai.DefaultAioHttpClient()
    client = openai.AsyncOpenAI(base_url=url, api_key=key or "none", http_client=http, max_retries=0)
    options: Any = {"headers": {"X-Stainless-Raw-Response": "true"}, "follow_redirects": False}
    try:
        async with asyncio.timeout(_LISTING), client:
            answer: Any = await client.get("/models", cast_to=object, options=options)
            return bytes(answer.http_response.content)
    except (openai.OpenAIError, aiohttp.ClientError, TimeoutError, OSError) as e:
        cause, kind = explain(e, "OPENAI_API_KEY", [key])
        raise ModelError(printable(f"{url} does not list its models: {cause}"), kind) from None


def _langchain() -> Iterator[Source]:
    """Providers whose package or key is here, and the names of the others."""
    if not (langchain := _version("langchain")):
        yield Source("langchain", "missing", "for other providers: pip install 'clinicenv[langchain]'")
        return
    yield Source("langchain", "ok", f"{langchain}; what it knows is written PROVIDER:NAME")
    absent = []
    for provider, variables in PROVIDERS.items():
        package = _PACKAGES.get(provider, f"langchain-{provider.replace('_', '-')}")
        installed = _version(package)
        key = next((v for v in variables if os.environ.get(v)), None)
        if installed and (key or not variables):
            said = f"{key} is set" if key else "no key needed"
            yield Source(provider, "ok", f"{package} {installed}, {said}; write {provider}:NAME")
        elif installed:
            yield Source(provider, "missing", f"{package} {installed}; set {variables[0]}")
        elif key:
            yield Source(provider, "missing", f"{key} is set; pip install {package}")
        else:
            absent.append(provider)
    yield Source(
        "other providers", "missing", f"each by its package, e.g. langchain-{absent[0]}: {', '.join(absent)}"
    )


def _local() -> Iterator[Source]:
    """Programs that serve, memory for the models, and models that lie in the Hugging Face cache."""
    from clinicenv.models import local, memory

    try:
        local.serving_command("any", 0, 1.0)
        found = ((p, _version(p)) for p in ("vllm", "transformers", "torch"))
        yield Source(
            "local: server", "ok", ", ".join(f"{p} {v}" for p, v in found if v) + "; write local:FOLDER"
        )
    except InputError:
        yield Source("local: server", "missing", "pip install 'clinicenv[local]'")
    try:
        free = f"{memory.free_memory() / 1e9:.1f} GB free for local models"
        yield Source("local: memory", "ok", f"{'on the GPU' if memory.has_gpu() else 'no GPU'}, {free}")
    except InputError as e:
        yield Source("local: memory", "error", str(e))
    folder = memory.hub_cache()
    ids = sorted(p.name.removeprefix("models--").replace("--", "/") for p in folder.glob("models--*"))
    here = tuple(Listed(f"{LOCAL}:{m}", size) for m in ids if (size := memory.size_of(m)) is not None)
    count = f"{len(here)} model{'' if len(here) == 1 else 's'} in {folder}"
    yield Source("local: downloaded", "ok" if here else "missing", count, here)


def _prices() -> Source:
    from clinicenv.models import prices

    path: Path = prices.default_path()
    try:
        prices.Prices.load(path)
        entries = parse_yaml(read_text(path), path).data
    except InputError as e:
        return Source("prices", "error", str(e))
    return Source("prices", "ok", f"{len(entries)} in {path}", tuple(Listed(name) for name in entries))


def _version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
