"""How long a run of 100,000 finished consultations takes to resume, and to rebuild its results.

    python benchmarks/resume.py [--consultations 100000]

Needs about 0.7 GB of free disk, which it gives back. The aim: finding out what is left in less than 2 s.
"""

import json
import tempfile
import time
from pathlib import Path

from clinicenv.runs.results import RESULTS, TRAJECTORIES
from clinicenv.runs.spec import CastSpec, Specification, arms, jobs
from clinicenv.runs.store import Store

AIM = 2.0
"""seconds"""


def line(n: int) -> str:
    """A trajectory's line of about 6 kB, with a verdict; every thousandth ended as `error`."""
    status = "error" if n % 1000 == 999 else "terminated"
    say = {"type": "say", "text": "How long have you had it, and does it come and go? " * 8}
    events = [{"n": i, "turn": i // 2, "role": "doctor", "what": say} for i in range(12)]
    verdict = {"type": "verdict", "ranks": [], "credit": 0.6, "diagnosis_given": True}
    events.append({"n": 12, "turn": 6, "role": "core", "what": verdict})
    header = {
        "scenario": f"scenario-{n % 40:02}",
        "scenario_hash": f"{n % 40:016x}",
        "task": "diagnose",
        "cast": {"doctor": {"agent": {"name": "scripted"}}},
        "seed": 0,
        "repeat": n // 40,
    }
    outcome = {"status": status, "reason": "diagnose", "turns": 7, "minutes": 9, "tests": 3, "cost": 120.0}
    return json.dumps({"key": f"{n:016x}", "header": header, "outcome": outcome, "events": events})


def resume(folder: Path) -> tuple[float, int]:
    """Seconds to open the run for writing and know what is finished, and how many are."""
    start = time.perf_counter()
    with Store.create(folder, {}, {}, resume=True, force=False) as store:
        finished = len(store.finished())
    return time.perf_counter() - start, finished


def measure(count: int = 100_000) -> dict[str, float]:
    """Seconds: to read what is finished and to work out the keys of what was asked."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        Store.create(folder, {}, {}, resume=False, force=False).close()
        with (folder / TRAJECTORIES).open("w") as f:
            f.writelines(line(n) + "\n" for n in range(count))
        rebuilt, _ = resume(folder)
        times = sorted(resume(folder)[0] for _ in range(5))
        sizes = {name: (folder / name).stat().st_size / count for name in (TRAJECTORIES, RESULTS)}
    spec = Specification(cast=CastSpec(doctor=("guess",)), repeats=count // 6)
    all_arms = arms(spec)
    start = time.perf_counter()
    keys = sum(1 for job in jobs(spec, all_arms) if job.key)
    keyed = time.perf_counter() - start
    return {
        "consultations": count,
        "keys": keys,
        "read_s": round(times[2], 3),
        "keys_s": round(keyed, 3),
        "what_is_left_s": round(times[2] + keyed, 3),
        "rebuild_results_s": round(rebuilt, 3),
        "bytes_a_trajectory": round(sizes[TRAJECTORIES]),
        "bytes_a_result": round(sizes[RESULTS]),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
