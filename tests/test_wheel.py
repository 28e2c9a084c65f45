"""A built wheel alone, in a clean environment, is a working clinicenv."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from clinicenv import select


def test_the_wheel_brings_scenarios_cards_and_profiles(tmp_path: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    if subprocess.run([*uv, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("uv is not installed here; `make test` installs it")

    def run(*command: str) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(*uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "dist"), str(ROOT))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(*uv, "venv", "--quiet", "--python", sys.executable, "clean")
    python = str(tmp_path / "clean" / "bin" / "python")
    constraints = str(ROOT / "constraints.txt")
    run(*uv, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, str(wheel))
    clinicenv = str(tmp_path / "clean" / "bin" / "clinicenv")
    assert f" {len(select('all'))} bundled" in run(clinicenv, "check")
    assert "accuracy" in run(clinicenv, "run", "--doctor", "scripted", "--out", "r")
    assert "sharp-chest-pain-01" in run(clinicenv, "scenarios", "list")
    assert "made-up-01" in run(clinicenv, "scenarios", "new", "made-up-01", "--out", ".")
    assert "validated" in run(clinicenv, "score", "r", "--rubric", "amie-patient-26")
    run(*uv, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, f"{wheel}[report]")
    run(clinicenv, "report", "r", "--out", "page.html")
    assert "data-consultation" in (tmp_path / "page.html").read_text()
