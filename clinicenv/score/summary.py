"""A run in two tables: a row for each arm, and a row for each kind of model call."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
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
    @property
    def routes(self) -> Mapping[str, int]: ...


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
    routes: dict[str, int]
    """by which way how many images reached the doctor"""


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
        routes=dict(sorted(sum((Counter(r.routes) for r in results), Counter[str]()).items())),
    )


@dataclass(slots=True)
class CallRow:
    """What one role asked of one model in one step (empty where its card has none).

    `calls` has those that failed and those that the cache answered, which are also in `cached` and whose
    tokens count though they were not paid for. `cached_tokens`, which the server had in its prefix cache, are
    part of `prompt_tokens`. `usd` is None where any call has no price; a failed call costs nothing, as no
    server told its tokens.
    """

    role: str
    model: str
    step: str
    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def add(self, other: "CallRow") -> None:
        self.calls += other.calls
        self.cached += other.cached
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cached_tokens += other.cached_tokens
        self.usd = None if self.usd is None or other.usd is None else self.usd + other.usd

    def data(self) -> dict[str, Any]:
        """As JSON has it; dollars to the trillionth, far below a token's price, so that sums look right."""
        data = {name: getattr(self, name) for name in CALL_FIELDS}
        return {**data, "usd": None if self.usd is None else round(self.usd, 12)}


CALL_FIELDS = {f.name: None for f in fields(CallRow)}.keys()


def row_of(call: Mapping[str, Any]) -> CallRow:
    """The record of one call (`calls.jsonl`) as a row; TypeError where it is none.

    Older records have no step, no cache and no price.
    """
    role, model, step = (call.get(name) or "" for name in ("role", "model", "step"))
    if not (isinstance(role, str) and isinstance(model, str) and isinstance(step, str)):
        raise TypeError("the role, the model and the step of a call are text")
    usd = call.get("usd")
    return CallRow(
        role,
        model,
        step,
        calls=1,
        cached=int(bool(call.get("cached"))),
        prompt_tokens=_count(call.get("prompt_tokens")),
        completion_tokens=_count(call.get("completion_tokens")),
        cached_tokens=_count(call.get("cached_tokens")),
        usd=None if usd is None and not call.get("error") else 0.0 + (usd or 0),
    )


def _count(given: Any) -> int:
    return 0 + (given or 0)


class Calls:
    """Rows that add up, in the order in which each was first seen."""

    def __init__(self, rows: Iterable[CallRow] = ()) -> None:
        self._rows: dict[tuple[str, str, str], CallRow] = {}
        for row in rows:
            self.add(row)

    def add(self, row: CallRow) -> None:
        found = self._rows.get((row.role, row.model, row.step))
        if found is None:
            found = self._rows[row.role, row.model, row.step] = CallRow(row.role, row.model, row.step)
        found.add(row)

    @property
    def rows(self) -> list[CallRow]:
        return list(self._rows.values())

    @property
    def total(self) -> CallRow:
        """All rows in one, which has no names."""
        whole = CallRow("", "", "")
        for row in self._rows.values():
            whole.add(row)
        return whole


ROLES = ("doctor", "patient", "measurement", "moderator")


def calls_of(usage: Iterable[Mapping[str, Any]]) -> list[CallRow]:
    """The rows of many consultations (`usage` in `results.jsonl`) added up: by role, model and step."""
    rows = Calls(CallRow(**row) for row in usage).rows
    place = {role: n for n, role in enumerate(ROLES)}
    return sorted(rows, key=lambda row: (place.get(row.role, len(place)), row.role, row.model))


def dollars(usd: float | None) -> str:
    """An amount for people: in cents from a dollar on, finer below; `no price` where none is known."""
    if usd is None:
        return "no price"
    if usd >= 1:
        return f"${usd:,.2f}"
    if 0 < usd < 1e-6:
        return "<$0.000001"
    return f"${usd:.3f}" if usd >= 0.01 else "$" + f"{usd:.6f}".rstrip("0").rstrip(".")
