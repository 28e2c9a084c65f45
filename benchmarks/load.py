"""What `clinicenv run` carries: consultations a second and memory: `python -m benchmarks.load`.

A model doctor, a scripted patient, and a server that takes a second for each answer, in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.run import SCENARIO, served

LATENCY = 1.0
"""seconds a call"""
CALLS = 15
QUESTION = "Could you tell me more about that, and about anything else that you have noticed since it began?"
DIAGNOSIS = "DIAGNOSE: acute pericarditis; pulmonary embolism\nPLAN: rest, and come back if it gets worse"

CHILD = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""A small process between: what a process's peak memory is begins with that of the one that starts it."""


def run(folder: str, in_flight: int, consultations: int, calls: int) -> dict[str, Any]:
    """So many consultations of so many calls with `clinicenv run`, as a user starts it."""
    lines = [part for line in [QUESTION] * (calls - 1) + [DIAGNOSIS] for part in ("--reply", line)]
    with served("--latency", str(LATENCY), *lines) as url:
        command = [sys.executable, "-m", "clinicenv", "run", "--doctor", f"openai:fake@{url}"]
        command += ["--scenarios", SCENARIO, "--repeats", str(consultations), "--concurrency", str(in_flight)]
        between = [sys.executable, "-c", CHILD, *command, "--json", "--out", folder]
        ended = subprocess.run(between, check=True, capture_output=True, text=True)
    code, seconds, cpu, peak = json.loads(ended.stdout)
    made = Path(folder, "calls.jsonl").read_text().count("\n")
    if code or made != consultations * calls:
        raise RuntimeError(
            f"exit code {code}, {made} of {consultations * calls} calls: {ended.stderr[-2000:]}"
        )
    return {
        "in_flight": in_flight,
        "consultations": consultations,
        "calls_each": calls,
        "latency_s": LATENCY,
        "seconds": round(seconds, 2),
        "cpu_s": round(cpu, 2),
        "peak_mb": round(peak),
    }


def measure() -> dict[str, Any]:
    """Four waves of 256 consultations at once, and one of 2,000; peak memory in MiB is that of clinicenv.

    `start_up_s` is the time of a run with one call, less that call: Python, imports, and the check of the
    model before the start, which takes a call too. `consultations_per_s` is without it.
    """
    with tempfile.TemporaryDirectory() as tmp:
        one = run(f"{tmp}/one", in_flight=1, consultations=1, calls=1)
        many = run(f"{tmp}/many", in_flight=256, consultations=1024, calls=CALLS)
        most = run(f"{tmp}/most", in_flight=2000, consultations=2000, calls=2)
    start_up = one["seconds"] - LATENCY
    many["start_up_s"] = round(start_up, 2)
    many["consultations_per_s"] = round(many["consultations"] / (many["seconds"] - start_up), 2)
    many["with_start_up_per_s"] = round(many["consultations"] / many["seconds"], 2)
    many["at_best_per_s"] = round(many["in_flight"] / (CALLS * LATENCY), 2)
    return {"cores": os.cpu_count(), "throughput": many, "memory": most}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
