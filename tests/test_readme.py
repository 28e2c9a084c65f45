"""What the README tells a reader to type works, and its figures are those of the benchmarks."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from fake_server import FakeServer

README = (ROOT / "README.md").read_text()


def blocks(text: str) -> list[tuple[str, str]]:
    """Kind and content of the code blocks."""
    return [(m[1], m[2]) for m in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)]


BLOCKS = blocks(README)
SHELL = "".join(text for kind, text in BLOCKS[1:] if kind == "sh")
PYTHON = [text for kind, text in BLOCKS if kind == "python"]


def test_the_first_lines_are_the_two_commands() -> None:
    kind, text = BLOCKS[0]
    assert kind == "sh"
    assert re.findall(r"^make (\w+)", text, re.M) == ["demo", "test"]
    assert README.index("make demo") < 100


def shell(commands: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The commands in an empty folder, stopped by the first that fails."""
    script = f'set -euo pipefail\nclinicenv() {{ "{sys.executable}" -m clinicenv "$@"; }}\n{commands}'
    (folder / "runs").mkdir()
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip


def test_the_shell_commands_work(tmp_path: Path) -> None:
    done = shell(SHELL, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "the answer: acute pericarditis" in done.stdout.lower()
    assert (tmp_path / "runs" / "my-case-01.yaml").exists()


def test_the_commands_of_the_guide_to_robustness_work(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "robustness.md").read_text()
    done = shell("".join(text for kind, text in blocks(guide) if kind == "sh"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("robustness of bayes") == 2


def test_the_commands_of_the_guide_to_models_work(tmp_path: Path) -> None:
    guide = "".join(text for kind, text in blocks((ROOT / "docs" / "models.md").read_text()) if kind == "sh")
    with FakeServer(lambda _: "DIAGNOSE: acute pericarditis") as server:
        done = shell(guide, tmp_path, OPENAI_BASE_URL=server.url, CLINICENV_CACHE=str(tmp_path / "c.sqlite"))
    assert done.returncode == 0, done.stderr
    cold, warm = ((tmp_path / "runs" / run / "trajectories.jsonl").read_bytes() for run in ("cold", "warm"))
    assert cold == warm
    assert '"cached":true' in (tmp_path / "runs" / "warm" / "calls.jsonl").read_text()


def rating(messages: list[dict[str, Any]]) -> str:
    """A rater that gives every axis its last but one option."""
    if len(messages) == 1:
        return "Hello."
    axes = json.loads(messages[1]["content"])["axes"]
    chosen = {name: list(axis["options"])[-2] for name, axis in axes.items()}
    return json.dumps({a: {"reason": "so", "evidence": [], "option": o} for a, o in chosen.items()})


def test_the_commands_of_the_guide_to_scoring_work(tmp_path: Path) -> None:
    guide = "".join(text for kind, text in blocks((ROOT / "docs" / "scoring.md").read_text()) if kind == "sh")
    with FakeServer(rating) as server:
        done = shell(guide, tmp_path, OPENAI_BASE_URL=server.url)
    assert done.returncode == 0, done.stderr
    assert "rule and openai:tiny" in done.stdout
    assert "talk of" in done.stdout


@pytest.mark.parametrize("code", PYTHON, ids=lambda c: c.split()[1])
def test_the_python_examples_work(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = "terminated" if "trajectory" in code else "'correct': "
    assert shown in done.stdout
    assert ("exact" in done.stdout) == ("trajectory" in code)


def test_the_figures_are_the_benchmarks() -> None:
    from benchmarks.__main__ import table

    found = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    assert table(found) in README
