"""A run's consultations one after the other, with their scenario and marks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from clinicenv.events import Header, Trajectory
from clinicenv.runs.results import ResultLine
from clinicenv.runs.scoring import Marks, each
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.marks import marks_of

AT_ONCE = 250
"""Consultations in memory at most; fewer than what `runs.scoring` would hand out to other processes."""


class Played(NamedTuple):
    """A consultation, whole. `marks` is empty where it broke."""

    result: ResultLine
    scenario: Scenario
    trajectory: Trajectory
    marks: Marks


def played(store: Store, results: Sequence[ResultLine]) -> Iterator[Played]:
    """Each consultation of these results, in order."""
    for start in range(0, len(results), AT_ONCE):
        some = results[start : start + AT_ONCE]
        for result, whole in zip(some, each(store, [r.key for r in some], _whole), strict=True):
            yield Played(result, *whole)


def _whole(scenario: Scenario, trajectory: Trajectory) -> tuple[Scenario, Trajectory, Marks]:
    return scenario, trajectory, marks_of(scenario, trajectory)


def in_order(store: Store) -> list[ResultLine]:
    """The last result of each key: by arm, scenario and repeat."""
    return sorted(store.results().values(), key=lambda r: (r.arm, r.scenario, r.repeat, r.key))


def agent_of(header: Header, role: str) -> Mapping[str, Any]:
    """The settings of a role's agent; empty where the seat is empty."""
    agent: Mapping[str, Any] = header.cast.get(role, {}).get("agent", {})
    return agent


def profiles_of(header: Header) -> dict[str, str]:
    """role -> the name of its profile."""
    return {role: str(seat.get("profile", {}).get("id", "default")) for role, seat in header.cast.items()}
