"""A run in a table: one row for each arm."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any, Protocol

from clinicenv.score.statistics import accuracy


class Result(Protocol):
    """The short line of a finished consultation (`results.jsonl`)."""

    @property
    def scenario(self) -> str: ...
    @property
    def arm(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def marks(self) -> Mapping[str, Any]: ...
    @property
    def turns(self) -> int: ...
    @property
    def tests(self) -> int: ...
    @property
    def cost(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One arm. Errors count nowhere but in `errors`; a consultation without a diagnosis is not correct."""

    arm: str
    consultations: int
    errors: int
    scored: int
    """consultations that have a right answer"""
    accuracy: float | None
    low: float | None
    high: float | None
    """95 % interval of the accuracy"""
    undiagnosed: int
    """ended without a diagnosis"""
    turns: float | None
    tests: float | None
    cost: float | None
    """means over the consultations that did not fail; cost in the scenarios' illustrative dollars"""


def summarise(results: Iterable[Result]) -> list[Row]:
    """The rows, in the order of the arms' names."""
    arms: dict[str, list[Result]] = {}
    for result in results:
        arms.setdefault(result.arm, []).append(result)
    return [_row(arm, arms[arm]) for arm in sorted(arms)]


def _row(arm: str, results: list[Result]) -> Row:
    done = [r for r in results if r.status != "error"]
    by_scenario: dict[str, list[bool]] = {}
    for r in done:
        if r.marks.get("correct") is not None:
            by_scenario.setdefault(r.scenario, []).append(bool(r.marks["correct"]))
    scored = sum(map(len, by_scenario.values()))
    p, low, high = accuracy(by_scenario) if scored else (None, None, None)
    return Row(
        arm=arm,
        consultations=len(results),
        errors=len(results) - len(done),
        scored=scored,
        accuracy=p,
        low=low,
        high=high,
        undiagnosed=sum(not r.marks.get("diagnosed", True) for r in done),
        turns=mean(r.turns for r in done) if done else None,
        tests=mean(r.tests for r in done) if done else None,
        cost=mean(r.cost for r in done) if done else None,
    )
