"""What the README tells a reader to type works, and its figures are those of the benchmarks."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = [(m[1], m[2]) for m in re.finditer(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)]
SHELL = "".join(text for kind, text in BLOCKS[1:] if kind == "sh")
PYTHON = [text for kind, text in BLOCKS if kind == "python"]


def test_the_first_lines_are_the_two_commands() -> None:
    kind, text = BLOCKS[0]
    assert kind == "sh"
    assert re.findall(r"^make (\w+)", text, re.M) == ["demo", "test"]
    assert README.index("make demo") < 100


def test_the_shell_commands_work(tmp_path: Path) -> None:
    script = f'set -euo pipefail\nclinicenv() {{ "{sys.executable}" -m clinicenv "$@"; }}\n{SHELL}'
    (tmp_path / "runs").mkdir()
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "the answer: acute pericarditis" in done.stdout.lower()
    assert (tmp_path / "runs" / "my-case-01.yaml").exists()


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
