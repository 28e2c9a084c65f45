"""Shared by all tests: the bundled scenarios, and small agents."""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from clinicenv.consultation import Turn
from clinicenv.events import Action, Report, Say
from clinicenv.scenario import Scenario, select

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs start without

settings.register_profile("clinicenv", deadline=None)  # timings live in benchmarks, never in tests
settings.load_profile("clinicenv")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


LOCAL_NEEDS = ("torch", "transformers", "accelerate", "PIL", "uvicorn")


@pytest.fixture(scope="session")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real multimodal model, built on the spot."""
    if missing := [name for name in LOCAL_NEEDS if importlib.util.find_spec(name) is None]:
        pytest.skip(f"needs the `local` extra ({', '.join(missing)} missing); `make test-local` installs it")
    folder = tmp_path_factory.mktemp("model") / "tiny llava"
    program = ROOT / "tests" / "local" / "tiny_llava.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, str(program), str(folder)], env=environment, check=True)
    return folder


@pytest.fixture(scope="session")
def scenarios() -> list[Scenario]:
    return select("all")


class Lines:
    """A doctor that submits a fixed list of acts, one a turn; then leaves it to the turn limit."""

    def __init__(self, acts: list[Action | list[Action]]) -> None:
        self.acts = acts
        self.settings = {"kind": "plugin", "name": "lines"}

    def act(self, turn: Turn) -> Action | list[Action]:
        n = turn.view.turn - 1
        return self.acts[n] if n < len(self.acts) else Say("I see.")


class Unhelpful:
    """A patient seated as a model is: without locked facts. Says the same to everything."""

    def __init__(self) -> None:
        self.settings = {"kind": "model", "name": "unhelpful"}
        self.views: list[object] = []

    def act(self, turn: Turn) -> Action:
        self.views.append(turn.view)
        return Report(()) if Report in turn.legal else Say("I don't know.")


def clinicenv(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "clinicenv", *arguments],
        cwd=cwd or ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
