"""`clinicenv run` as a user starts it: scripted consultations a second, and a model batch's wall time."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SERVER = Path(__file__).parents[1] / "tests" / "fake_server.py"
SCENARIO = "sharp-chest-pain-01"
IN_FLIGHT = 100
TURNS = 6


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[str]:
    """The fake server in a process of its own: its URL."""
    command = [sys.executable, str(SERVER), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def run(*arguments: str) -> float:
    """Seconds of wall time of the command in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "clinicenv", "run", *arguments, "--json"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def scripted(repeats: int = 100) -> dict[str, Any]:
    """The three scripted doctors over all bundled scenarios, the store and start-up included; one core."""
    with tempfile.TemporaryDirectory() as folder:
        doctors = ("--doctor", "random", "--doctor", "scripted", "--doctor", "guess")
        seconds = run(*doctors, "--repeats", str(repeats), "--out", f"{folder}/run")
        n = Path(folder, "run", "trajectories.jsonl").read_text().count("\n")
    return {"consultations": n, "seconds": round(seconds, 2), "consultations_per_s": round(n / seconds, 1)}


def models(latency: float = 1.0) -> dict[str, Any]:
    """Consultations with a model doctor, 100 in flight, against a server with 1 s latency.

    `ratio` is the wall time over calls / 100 x latency + start-up; start-up is the wall time of a run of one
    turn, less its one call.
    """
    options = ("--latency", str(latency), "--reply", "When did it start?")
    with served(*options) as url, tempfile.TemporaryDirectory() as tmp:
        common = ("--doctor", f"openai:fake@{url}", "--scenarios", SCENARIO, "--concurrency", str(IN_FLIGHT))
        one = run(*common, "--max-turns", "1", "--out", f"{tmp}/one")
        many = run(*common, "--repeats", "200", "--max-turns", str(TURNS), "--out", f"{tmp}/many")
        calls = Path(tmp, "many", "calls.jsonl").read_text().count("\n")
    start_up = one - latency
    ideal = calls / IN_FLIGHT * latency + start_up
    return {
        "calls": calls,
        "in_flight": IN_FLIGHT,
        "latency_s": latency,
        "start_up_s": round(start_up, 2),
        "wall_s": round(many, 2),
        "ratio": round(many / ideal, 3),
    }


def imports() -> dict[str, float]:
    """Seconds over a bare `python -c pass`, the best of seven."""

    def best(*arguments: str) -> float:
        times = []
        for _ in range(7):
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        return min(times)

    bare = best("-c", "pass")
    return {
        "import_s": round(best("-c", "from clinicenv import Consultation") - bare, 3),
        "help_s": round(best("-m", "clinicenv", "--help") - bare, 3),
    }


def measure() -> dict[str, Any]:
    """All figures."""
    return {"light": imports(), "scripted": scripted(), "models": models()}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
