"""Many consultations: killed, resumed, counted."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from conftest import ROOT, clinicenv

from clinicenv.agents.cast import Cast
from clinicenv.consultation import Turn
from clinicenv.events import Say
from clinicenv.models import loop
from clinicenv.runs import batch
from clinicenv.runs.spec import Arm, Specification, jobs

BATCH = (
    "run", "--doctor", "random", "--doctor", "scripted", "--repeats", "12", "--seed", "1",
    "--scenarios", "group:sharp-chest-pain,group:tired-and-thin",
)  # fmt: skip
N = 2 * 12 * 7


def keys(folder: Path) -> list[str]:
    return [json.loads(line)["key"] for line in (folder / "trajectories.jsonl").read_text().splitlines()]


def test_killed_at_twenty_moments_and_resumed(tmp_path: Path) -> None:
    """`kill -9`, then --resume: every consultation once, none lost, none twice, no torn line."""
    whole = clinicenv(*BATCH, "--out", str(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    luck = random.Random(7)
    folder = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "clinicenv",
        *BATCH,
        "--out",
        str(folder),
        "--resume",
        "--concurrency",
        "4",
    ]
    kept: list[str] = []
    for _ in range(20):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log = folder / "trajectories.jsonl"
        target = (log.stat().st_size if log.exists() else 0) + luck.randrange(0, 40_000)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and log.stat().st_size >= target:
                break
            time.sleep(0.001)
        time.sleep(luck.random() / 50)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        complete = log.read_text().split("\n")[:-1] if log.exists() else []
        now = [json.loads(line)["key"] for line in complete]
        assert now[: len(kept)] == kept
        kept = now
    end = clinicenv(*BATCH, "--out", str(folder), "--resume")
    assert end.returncode == 0, end.stderr
    assert Counter(keys(folder)) == Counter(keys(tmp_path / "whole"))
    assert set(Counter(keys(folder)).values()) == {1}
    assert len(keys(folder)) == N
    lines = [
        sorted((tmp_path / d / "trajectories.jsonl").read_text().splitlines()) for d in ("whole", "killed")
    ]
    assert lines[0] == lines[1]


def test_resuming_a_finished_run_plays_nothing(tmp_path: Path) -> None:
    run = ("run", "--doctor", "guess", "--out", str(tmp_path / "r"))
    assert clinicenv(*run).returncode == 0
    before = (tmp_path / "r" / "trajectories.jsonl").read_bytes()
    again = clinicenv(*run, "--resume")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "r" / "trajectories.jsonl").read_bytes() == before
    assert "accuracy" in again.stdout


class Checked:
    """An agent of one's own that wants to be checked before a run."""

    def __init__(self) -> None:
        self.settings = {"kind": "plugin", "name": "checked"}
        self.checks = 0

    async def preflight(self) -> None:
        self.checks += 1

    def act(self, turn: Turn) -> Say:
        return Say("How are you?")


def test_whoever_can_be_checked_is_checked_once_however_many_arms_have_it() -> None:
    doctor, other = Checked(), Checked()
    casts = (Cast(doctor), Cast(doctor, patient=other))
    arms = [Arm(cast, seed, {}, "request") for cast in casts for seed in (0, 1)]
    loop.run(batch.preflight(list(jobs(Specification(), arms))))
    assert (doctor.checks, other.checks) == (1, 1)
