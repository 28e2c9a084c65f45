"""`clinicenv check`: what is installed, reachable and missing, and what to do about it."""

import os
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import click

from clinicenv import __version__, shipped
from clinicenv.agents.cards import ROLES, cards
from clinicenv.cli.models import PROVIDERS
from clinicenv.cli.output import echo_json
from clinicenv.clinic.lint import lint_file
from clinicenv.files import printable
from clinicenv.scenario import find_files

EXTRAS = {
    "models": ("openai", "aiohttp"),
    "langchain": ("langchain",),
    "local": ("transformers", "torch", "accelerate", "pillow", "uvicorn"),
    "lookup": ("bm25s",),
    "gym": ("gymnasium",),
    "images": ("pillow", "pydicom", "numpy"),
    "ocr": ("rapidocr", "onnxruntime", "pillow"),
    "ecg": ("neurokit2", "pillow"),
    "stats": ("numpy", "scipy"),
    "data": ("pyarrow",),
    "inspect": ("inspect-ai", "openai"),
    "report": ("altair", "vl-convert-python", "numpy", "scipy"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(as_json: bool) -> int:
    """Say what is installed and missing, and what to do about it. Exit code 1 if anything is broken."""
    rows = [*_core(), *_extras(), *_models()]
    if as_json:
        echo_json([dict(zip(("what", "state", "detail"), r, strict=True)) for r in rows])
    else:
        for what, state, detail in rows:
            click.echo(f"{state:<8} {what:<22} {detail}")
    return 1 if any(state == "broken" for _, state, _ in rows) else 0


def _core() -> list[tuple[str, str, str]]:
    files = find_files(shipped.folder("scenarios"))
    bad = [f for path in files for f in lint_file(path) if f.level == "error"]
    scenarios = (
        ("broken", f"{bad[0].file}:{bad[0].line}: {bad[0].what}") if bad else ("ok", f"{len(files)} bundled")
    )
    n_cards = sum(len(cards(r)) for r in ROLES)
    runs = Path("runs") if Path("runs").is_dir() else Path.cwd()
    writable = os.access(runs, os.W_OK)
    return [
        ("clinicenv", "ok", f"{__version__}, Python {sys.version.split()[0]}"),
        ("scenarios", *scenarios)
        if files
        else ("scenarios", "broken", "none found; install clinicenv again"),
        ("agent cards", "ok" if n_cards else "broken", f"{n_cards} bundled"),
        (
            "folder for runs",
            "ok" if writable else "broken",
            f"{runs}" if writable else f"{runs} cannot be written; use --out",
        ),
    ]


def _extras() -> list[tuple[str, str, str]]:
    rows = []
    for extra, packages in EXTRAS.items():
        try:
            rows.append((f"extra `{extra}`", "ok", ", ".join(f"{p} {version(p)}" for p in packages)))
        except PackageNotFoundError:
            rows.append((f"extra `{extra}`", "missing", f"pip install 'clinicenv[{extra}]'"))
    return rows


def _models() -> list[tuple[str, str, str]]:
    key = os.environ.get("OPENAI_API_KEY")
    url = os.environ.get("OPENAI_BASE_URL")
    rows = [
        (
            "OPENAI_API_KEY",
            "ok" if key else "missing",
            "set" if key else "needed for openai:NAME at OpenAI only",
        )
    ]
    if url:
        problem = unreachable(url)
        rows.append(("OPENAI_BASE_URL", "broken" if problem else "ok", problem or "answers"))
    others = sorted({variable for variables in PROVIDERS.values() for variable in variables})
    return rows + [(variable, "ok", "set") for variable in others if os.environ.get(variable)]


def unreachable(url: str) -> str | None:
    """Why nothing listens there, or None. Opens a connection and sends nothing."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        if not parts.hostname or not port:
            return "is no http(s) address"
        socket.create_connection((parts.hostname, port), timeout=3).close()
    except (OSError, ValueError) as e:
        return f"nothing answers at {printable(parts.hostname or '')}: {printable(str(e))}"
    return None
