"""How long a run of 100,000 finished consultations takes to resume, and to rebuild its results.

    python benchmarks/resume.py [--consultations 100000]

Needs about 0.7 GB of free disk, which it gives back. The aim: finding out what is left in less than 2 s.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from clinicenv.runs.results import RESULTS, TRAJECTORIES
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--consultations", type=int, default=100_000)
    count = parser.parse_args().consultations
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        Store.create(folder, {}, {}, resume=False, force=False).close()
        with (folder / TRAJECTORIES).open("w") as f:
            f.writelines(line(n) + "\n" for n in range(count))
        rebuilt, _ = resume(folder)
        times = sorted(resume(folder)[0] for _ in range(5))
        finished = resume(folder)[1]
        for name in (TRAJECTORIES, RESULTS):
            print(f"{name}: {(folder / name).stat().st_size / count:,.0f} bytes a consultation")
        print(f"{count:,} consultations, {count - finished:,} left to do")
        print(
            f"results.jsonl up to date: {times[2]:.2f} s (median of 5, worst {times[-1]:.2f} s; aim {AIM} s)"
        )
        print(f"results.jsonl missing:    {rebuilt:.2f} s, once")


if __name__ == "__main__":
    main()
