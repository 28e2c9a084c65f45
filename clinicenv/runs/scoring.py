"""The marks of a run's consultations, from what it keeps: its log, and the scenarios as they were played."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path

from clinicenv.runs.results import ResultLine
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.marks import marks_of

Marks = dict[str, float | None]

MANY = 1000
"""Consultations from which on several processes share the work: each takes a second to start."""

BATCH = 250


def scored(store: Store, results: Iterable[ResultLine]) -> Iterator[tuple[ResultLine, Marks]]:
    """Each result with its marks, in order; the marks of one that broke are empty."""
    wanted = list(results)
    if len(wanted) < MANY or (cpu_count() or 1) < 2:
        yield from ((r, _mark(store, r.key)) for r in wanted)
        return
    keys = [r.key for r in wanted]
    parts = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = (m for part in pool.map(_marks, [store.folder] * len(parts), parts) for m in part)
        yield from zip(wanted, found, strict=True)


def _mark(store: Store, key: str) -> Marks:
    trajectory = store.trajectory(key)
    return marks_of(_scenario(store.folder, trajectory.header.scenario_hash), trajectory)


def _marks(folder: Path, keys: list[str]) -> list[Marks]:
    store = _opened(folder)
    return [_mark(store, key) for key in keys]


@lru_cache(maxsize=4)
def _opened(folder: Path) -> Store:
    return Store.open(folder)


@lru_cache(maxsize=4096)
def _scenario(folder: Path, hash: str) -> Scenario:
    return _opened(folder).scenario(hash)
