"""Scoring stored consultations by all rules, and the bootstrap behind a comparison."""

import tempfile
import time
from pathlib import Path

from clinicenv import Cast, play
from clinicenv.runs.scoring import scored
from clinicenv.runs.store import Store
from clinicenv.scenario import select
from clinicenv.score.statistics import need_stats, resampled

CONSULTATIONS = 10_000
UNITS, DRAWS = 1_000, 10_000


def measure() -> dict[str, float]:
    """Seconds to score `CONSULTATIONS` of the scripted doctor on all cores, and to draw the bootstrap."""
    np = need_stats()
    with tempfile.TemporaryDirectory() as folder:
        _play(Path(folder))
        store = Store.open(folder)
        started = time.perf_counter()
        n = sum(1 for _ in scored(store, store.results().values()))
        seconds = time.perf_counter() - started
    values = np.random.default_rng(0).random((UNITS, 2))
    started = time.perf_counter()
    resampled(values, draws=DRAWS)
    bootstrap = time.perf_counter() - started
    return {"consultations": n, "seconds": seconds, "bootstrap_seconds": bootstrap}


def _play(folder: Path) -> None:
    scenarios, cast = select("all"), Cast(doctor="scripted")
    with Store.create(folder, {}, {}, resume=True, force=False) as store:
        for scenario in scenarios:
            store.put_scenario(scenario)
        for n in range(CONSULTATIONS):
            scenario = scenarios[n % len(scenarios)]
            store.append(play(scenario, cast, repeat=n // len(scenarios)))


if __name__ == "__main__":
    print(measure())
