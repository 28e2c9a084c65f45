"""The files of lines in a run's folder, and the short result lines that are derived from the trajectories."""

import gc
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from clinicenv.events import RankVerdict
from clinicenv.files import InputError
from clinicenv.perturb import phrase
from clinicenv.score.summary import CALL_FIELDS, Calls, row_of

TRAJECTORIES = "trajectories.jsonl"
CALLS = "calls.jsonl"
RESULTS = "results.jsonl"


def compact(data: Mapping[str, Any]) -> str:
    """JSON on one line, the same bytes for the same content."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


class Log:
    """A file of lines that only grows. A last line without its newline is cut off when the file is opened."""

    def __init__(self, path: Path):
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        self.size = _whole_lines(self._file)
        self.cut(self.size)

    def cut(self, size: int) -> None:
        """Keeps the first `size` bytes."""
        if os.fstat(self._file).st_size > size:
            os.ftruncate(self._file, size)
        self.size = size

    def append(self, line: bytes) -> None:
        """Adds the line and its newline, or nothing: InputError where the disk is full or gone."""
        rest = memoryview(line + b"\n")
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except BaseException as e:  # half a line would spoil the next one
            os.ftruncate(self._file, self.size)
            if isinstance(e, OSError):
                raise InputError(f"cannot be written: {e.strerror}", file=self.path) from e
            raise
        self.size += len(line) + 1

    def close(self) -> None:
        os.close(self._file)


def _whole_lines(file: int, block: int = 1 << 16) -> int:
    """The position after the last newline: what is behind it was torn."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - block)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


class Line(NamedTuple):
    """A whole line of a file: its place (bytes, the newline included), its number from 1, its JSON object."""

    offset: int
    length: int
    number: int
    data: dict[str, Any]


def read_lines(path: Path, offset: int = 0, before: int = 0) -> Iterator[Line]:
    """The lines from an offset on, which has `before` lines in front of it; none where there is no file.

    A torn last line is left out; any other line that is no JSON object is an InputError.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for number, raw in enumerate(file, before + 1):
            if not raw.endswith(b"\n"):
                return
            data = read_object(raw)
            if data is None:
                raise unreadable(path, number)
            yield Line(offset, len(raw), number, data)
            offset += len(raw)


def read_object(raw: bytes | str) -> dict[str, Any] | None:
    """The JSON object in a line, or None where it holds anything else."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def unreadable(path: Path, number: int) -> InputError:
    return InputError(
        "this line cannot be read; restore the file from a copy, or delete the line to lose it",
        file=path,
        line=number,
    )


class ResultLine(NamedTuple):
    """One consultation in short. `offset` and `length` (bytes, with the newline) find its trajectory."""

    key: str
    scenario: str
    arm: str
    """the doctor's name or model, and what else is not as usual in the cast, the profiles and the settings"""
    status: str
    reason: str
    marks: dict[str, Any]
    """`credit` (0..1), `correct` and `diagnosed` by the rule; `correct` is None where a task has no right
    answer; for a `question` also `pair`, the texts of its `options`, and the `chosen` one; empty where there
    is no verdict"""
    turns: int
    minutes: int
    tests: int
    cost: float
    """of tests and images, in the scenario's illustrative dollars"""
    repeat: int
    perturbed: str
    """what was done to the case; empty for one as it is"""
    tokens: int
    """of the models' calls, in and out, in the try that ended so; what broken and killed tries spent is in
    calls.jsonl"""
    usd: float | None
    """what these calls cost, in dollars; None where one of them has no price"""
    routes: dict[str, int]
    """how many images reached the doctor by which way: `direct`, `reader NAME` or `report`"""
    usage: list[dict[str, Any]]
    """the same by role, model and step: the fields of `clinicenv.score.summary.CallRow`"""
    offset: int
    length: int

    def to_json(self) -> str:
        return compact(self._asdict())

    @staticmethod
    def from_data(data: Any) -> "ResultLine | None":
        """The result in a line's JSON, or None where it is none."""
        if not isinstance(data, dict) or data.keys() != _FIELDS:
            return None
        result = ResultLine(**data)
        placed = type(result.offset) is int and type(result.length) is int and result.length > 0
        fits = placed and isinstance(result.key, str) and (result.usage == [] or _is_usage(result.usage))
        return result if fits else None


_FIELDS = set(ResultLine._fields)


def _is_usage(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(r, dict) and r.keys() == CALL_FIELDS for r in rows)


def summarise(line: Line, calls: Calls) -> ResultLine:
    """The short form of a trajectory's line and of the calls made for it; ValueError where the line is no
    finished consultation."""
    key = line.data.get("key")
    if not isinstance(key, str) or not key:
        raise ValueError("a trajectory's line needs its key")
    try:
        header, outcome = line.data["header"], line.data["outcome"]
        total = calls.total
        return ResultLine(
            key=key,
            scenario=header["scenario"],
            arm=arm_of(header),
            status=outcome["status"],
            reason=outcome["reason"],
            marks=_marks(header["task"], line.data.get("events", [])),
            turns=outcome["turns"],
            minutes=outcome["minutes"],
            tests=outcome["tests"],
            cost=outcome["cost"],
            repeat=header["repeat"],
            perturbed=perturbed_of(header),
            tokens=total.tokens,
            usd=total.data()["usd"],
            routes=_routes(line.data.get("events", [])),
            usage=[row.data() for row in calls.rows],
            offset=line.offset,
            length=line.length,
        )
    except (KeyError, TypeError, AttributeError) as e:
        raise ValueError(f"not the line of a finished consultation ({e!r})") from e


USUAL = {"patient": "scripted", "measurement": "scripted"}


def arm_of(header: Mapping[str, Any]) -> str:
    """What sets this consultation apart from others of its run, in words: `scripted`, or
    `openai:small, patient openai:large, patient profile anxious, seed 1`."""
    cast = header.get("cast", {})
    parts = [seat_name(cast.get("doctor", {}))]
    parts += sorted({str(seat["agent"]["language"]) for seat in cast.values() if _language(seat)})
    for role in sorted(cast):
        name = seat_name(cast[role])
        if role != "doctor" and name != USUAL.get(role):
            parts.append(f"{role} {name}")
        profile = cast[role].get("profile", {}).get("id", "default")
        if profile != "default":
            parts.append(f"{role} profile {profile}")
    if header.get("images", "request") != "request":
        parts.append(f"images {header['images']}")
    parts += plan_of(cast.get("measurement", {}).get("agent", {}).get("images", {}))
    parts += [f"{name} {header['limits'][name]:g}" for name in header.get("limits_set", ())]
    if header.get("seed"):
        parts.append(f"seed {header['seed']}")
    if made := perturbed_of(header):
        parts.append(made)
    return ", ".join(parts)


def perturbed_of(header: Mapping[str, Any]) -> str:
    """What was done to the case, in words; empty for one as it is."""
    made = header.get("perturbed", {})
    return phrase(made["kind"], bool(made.get("clean"))) if made else ""


def plan_of(plan: Mapping[str, Any]) -> list[str]:
    """How pictures are to be shown, as far as that is not as usual."""
    parts = [f"by {plan['route']}"] if plan.get("route", "auto") != "auto" else []
    parts += [f"{kind} read by {name}" for kind, name in sorted(plan.get("readers", {}).items())]
    parts += ["with the report"] if plan.get("both") else []
    return parts + [f"{name} {plan[name]}" for name in ("longest", "detail") if name in plan]


def _language(seat: Mapping[str, Any]) -> bool:
    return bool(seat.get("agent", {}).get("language"))


def seat_name(seat: Mapping[str, Any]) -> str:
    """As a user would write it: a card's name, a model, or `CARD=MODEL`."""
    agent = seat.get("agent", {})
    card, model = agent.get("name"), agent.get("model")
    name = f"{card}={model}" if model and card not in (None, "chat") else model or card
    return str(name or agent.get("kind", ""))


def _marks(task: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    verdict = next((e["what"] for e in reversed(events) if e["what"]["type"] == "verdict"), None)
    if verdict is None:
        return {}
    correct = verdict.get("answer_correct")
    if task == "diagnose":
        ranks = verdict.get("ranks")
        correct = bool(ranks) and RankVerdict(**ranks[0]).right
    diagnosed = verdict["diagnosis_given"] if task == "diagnose" else True
    marks = {"credit": verdict["credit"], "correct": correct, "diagnosed": diagnosed}
    if task == "question" and isinstance(chosen := verdict.get("chosen"), dict):
        marks |= {"pair": chosen.get("pair", ""), "options": chosen.get("options", [])}
        marks["chosen"] = chosen.get("option", "")
    return marks


def _routes(events: list[dict[str, Any]]) -> dict[str, int]:
    shown = (e["what"] for e in events if e["what"]["type"] == "report")
    images = (r for what in shown for r in what["results"] if r["kind"] == "image" and r.get("ids"))
    return dict(Counter(r["route"][-1] for r in images if r.get("route")))


class Index:
    """The result lines in memory: the last one of each key, and how many each key has."""

    def __init__(self) -> None:
        self.last: dict[str, ResultLine] = {}
        self.tries: dict[str, int] = {}
        self.total = 0
        self.end = 0
        """the bytes of trajectories.jsonl that the lines cover"""

    def add(self, line: ResultLine) -> None:
        self.last[line.key] = line
        self.tries[line.key] = self.tries.get(line.key, 0) + 1
        self.total += 1
        self.end = line.offset + line.length


def read_index(folder: Path) -> tuple[Index, int, list[ResultLine]]:
    """All results of a folder; how many bytes of results.jsonl are good; and the lines to put behind them.

    trajectories.jsonl is read only where results.jsonl is missing, behind or does not fit.
    """
    with _uncollected():
        known = _read_results(folder)
    index, good = known or (Index(), 0)
    fresh: list[ResultLine] = []
    calls: dict[tuple[str, int], Calls] | None = None
    for line in read_lines(folder / TRAJECTORIES, index.end, index.total):
        if calls is None:
            calls = _calls(folder / CALLS)
        key = str(line.data.get("key"))
        try:
            result = summarise(line, calls.get((key, index.tries.get(key, 0)), Calls()))
        except ValueError as e:
            raise unreadable(folder / TRAJECTORIES, line.number) from e
        index.add(result)
        fresh.append(result)
    return index, good, fresh


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for garbage in cycles, which takes as long as the reading: it goes through all lines
    read so far again and again, and there is none in them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_results(folder: Path) -> tuple[Index, int] | None:
    """results.jsonl up to its last whole line, or None where it does not fit trajectories.jsonl."""
    try:
        raw = (folder / RESULTS).read_bytes()
        raw = raw[: raw.rfind(b"\n") + 1]
        # as one list: a third faster than line by line, and a run may have 100,000 lines
        lines = json.loads(b"[" + raw[:-1].replace(b"\n", b",") + b"]")
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    index, results = Index(), []
    for data in lines:
        result = ResultLine.from_data(data)
        if result is None or result.offset != index.end:
            return None
        index.add(result)
        results.append(result)
    fits = all(_holds(folder / TRAJECTORIES, result) for result in results[:1] + results[-1:])
    return (index, len(raw)) if fits else None


def _holds(path: Path, result: ResultLine) -> bool:
    """Whether the trajectory's line is where its result says."""
    if not path.exists():
        return False
    raw = read_at(path, result)
    data = read_object(raw)
    return (
        raw.endswith(b"\n") and raw.count(b"\n") == 1 and data is not None and data.get("key") == result.key
    )


def read_at(path: Path, result: ResultLine) -> bytes:
    """The bytes of a trajectory's line."""
    with path.open("rb") as file:
        file.seek(result.offset)
        return file.read(result.length)


def _calls(path: Path) -> dict[tuple[str, int], Calls]:
    """Calls by key and attempt. Of an attempt only the last session counts: the earlier ones were killed."""
    found: dict[tuple[str, int], tuple[int, Calls]] = {}
    for line in read_lines(path):
        try:
            attempt, session = (line.data["key"], line.data["attempt"]), line.data["session"]
            if attempt not in found or found[attempt][0] != session:
                found[attempt] = (session, Calls())
            found[attempt][1].add(row_of(line.data))
        except (KeyError, TypeError) as e:
            raise unreadable(path, line.number) from e
    return {attempt: calls for attempt, (_, calls) in found.items()}
