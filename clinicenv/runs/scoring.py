"""Rules put to a run's consultations, from what it keeps: its log, and the scenarios as they were played."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import TypeVar

from clinicenv.events import Trajectory
from clinicenv.runs.results import ResultLine
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.marks import marks_of

T = TypeVar("T")
Rule = Callable[[Scenario, Trajectory], T]
"""Must be a function of a module, or a partial of one: other processes call it."""

Marks = dict[str, float | None]

MANY = 1000
"""Consultations from which on several processes share the work: each takes a second to start."""

BATCH = 250


def scored(store: Store, results: Iterable[ResultLine]) -> Iterator[tuple[ResultLine, Marks]]:
    """Each result with its marks, in order; the marks of one that broke are empty."""
    wanted = list(results)
    yield from zip(wanted, each(store, [r.key for r in wanted], marks_of), strict=True)


def each(store: Store, keys: Sequence[str], rule: Rule[T]) -> Iterator[T]:
    """What a rule makes of each consultation, in order."""
    if len(keys) < MANY or (cpu_count() or 1) < 2:
        yield from _some(store, keys, rule)
        return
    parts = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    context = get_context("spawn")
    with ProcessPoolExecutor(None, context, _open, (store.folder,)) as pool:
        for found in pool.map(_part, parts, [rule] * len(parts)):
            yield from found


def _some(store: Store, keys: Sequence[str], rule: Rule[T]) -> Iterator[T]:
    for key in keys:
        trajectory = store.trajectory(key)
        yield rule(store.scenario(trajectory.header.scenario_hash), trajectory)


# In the other processes

_store: list[Store] = []


def _open(folder: Path) -> None:
    _store.append(Store.open(folder))


def _part(keys: Sequence[str], rule: Rule[T]) -> list[T]:
    return list(_some(_store[0], keys, rule))
