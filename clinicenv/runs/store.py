"""A run's folder: what was asked, the scenarios as played, and every consultation; `kill -9` loses no line.

Each line is written whole, the trajectory before its result. One process writes at a time; any may read.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import ValidationError

from clinicenv.events import Trajectory
from clinicenv.files import InputError, read_text, write_text
from clinicenv.runs.results import (
    CALLS,
    RESULTS,
    TRAJECTORIES,
    Index,
    Line,
    Log,
    ResultLine,
    compact,
    read_at,
    read_index,
    read_lines,
    read_object,
    summarise,
    unreadable,
)
from clinicenv.scenario import Scenario
from clinicenv.score.summary import Calls, row_of

FORMAT = 1
"""The version of run.json."""

OPEN = "open"
"""The folder of consultations that a person is playing."""


class Store:
    """A run's folder, from `Store.create` to write it or `Store.open` to read it as it is at that moment."""

    def __init__(self, folder: Path, specification: dict[str, Any], versions: dict[str, Any], index: Index):
        self.folder = folder
        self.specification = specification
        self.versions = versions
        self._index = index
        self._writer: _Writer | None = None
        self._scenarios: dict[str, Scenario] = {}

    @staticmethod
    def create(
        folder: Path | str, spec: Mapping[str, Any], versions: Mapping[str, Any], *, resume: bool, force: bool
    ) -> "Store":
        """The folder, ready to write; torn last lines are cut off and results.jsonl is brought up to date.

        Raises InputError where the folder is in use without `resume`, is another kind of folder, is being
        written by another process, or holds another specification or versions and `force` is not given.
        """
        folder = Path(folder)
        refuse_unasked(folder, resume)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = lock_of(folder)
        except OSError as e:
            raise InputError(f"cannot be written: {e.strerror}", file=folder) from e
        try:
            refuse_unasked(folder, resume)  # again: another process may have filled it before we had the lock
            given = {"format": FORMAT, "specification": dict(spec), "versions": dict(versions)}
            record = json.loads(compact(given))  # as it will be read back: tuples are lists
            _settle(folder, record, force)
            (folder / "scenarios").mkdir(exist_ok=True)
            writer = _Writer(folder, lock)
        except BaseException:
            os.close(lock)
            raise
        store = Store(folder, record["specification"], record["versions"], writer.index)
        store._writer = writer
        return store

    @staticmethod
    def open(folder: Path | str) -> "Store":
        """The folder as it is now, to read; changes nothing. InputError where it is no run's folder."""
        folder = Path(folder)
        record = _read_record(folder)
        return Store(folder, record["specification"], record["versions"], read_index(folder)[0])

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets another process write. A store that was opened to read needs no closing."""
        if self._writer:
            self._writer.close()
            self._writer = None

    @property
    def _writing(self) -> "_Writer":
        if self._writer is None:
            raise RuntimeError("this store was opened to read, or is closed")
        return self._writer

    def put_scenario(self, scenario: Scenario) -> None:
        """Keeps the scenario as it is played, so that the run can be scored when its file is gone."""
        path = self._writing.folder / "scenarios" / f"{scenario.hash}.json"
        if not path.exists():
            write_text(path, scenario.canonical + "\n")

    def scenario(self, hash: str) -> Scenario:
        """The scenario as it was played, read once; InputError where it is not here or was changed since."""
        if hash not in self._scenarios:
            self._scenarios[hash] = self._read_scenario(hash)
        return self._scenarios[hash]

    def _read_scenario(self, hash: str) -> Scenario:
        path = self.folder / "scenarios" / f"{hash}.json"
        text = read_text(path).removesuffix("\n")
        if hashlib.sha256(text.encode()).hexdigest()[:16] != hash:
            raise InputError("was changed after the run; restore it from a copy", file=path)
        try:
            return Scenario.model_validate_json(text)
        except ValidationError as e:
            raise InputError("is no scenario of this version of clinicenv", file=path) from e

    def scenarios(self) -> Iterator[Scenario]:
        """The scenarios that were played as they are, not perturbed."""
        for path in sorted((self.folder / "scenarios").glob("*.json")):
            scenario = self.scenario(path.stem)
            if not scenario.perturbed:
                yield scenario

    def append(self, line: str | Trajectory) -> None:
        """Keeps a finished consultation, as a trajectory or its line. ValueError where it is none.

        A character that is no Unicode text (half of a surrogate pair, as a model may write) becomes `?`.
        """
        text = line.to_json() if isinstance(line, Trajectory) else line
        key = self._writing.append(text.encode(errors="replace"))
        self._open_file(key).unlink(missing_ok=True)

    def keep_open(self, trajectory: Trajectory) -> None:
        """Keeps a consultation that a person is playing, as far as it has come, until it is appended."""
        folder = self._writing.folder / OPEN
        folder.mkdir(exist_ok=True)
        write_text(self._open_file(trajectory.key), trajectory.to_json() + "\n")

    def append_call(self, call: Mapping[str, Any]) -> None:
        """Keeps the record of a model's call: `key`, what `CallRow` counts where it is known, and what else
        the caller wants to keep. The store adds `attempt` and `session` (see `attempt`)."""
        self._writing.append_call(call)

    def attempt(self, key: str) -> int:
        """How often this consultation has already ended, as `error`: 0 at first. A killed try ended not at
        all, so its next one has the same number (and may use its cached calls), in a later session."""
        return self._index.tries.get(key, 0)

    def results(self) -> dict[str, ResultLine]:
        """The last result of each key."""
        return dict(self._index.last)

    def finished(self) -> set[str]:
        """The keys that need no more work: all but those whose last try ended as `error`."""
        return {key for key, line in self._index.last.items() if line.status != "error"}

    def find(self, prefix: str) -> str:
        """The one key that starts so, of a finished or an open consultation; InputError where none or more
        than one does."""
        opened = {p.stem for p in (self.folder / OPEN).glob("*.jsonl")}
        if prefix in self._index.last:
            return prefix
        found = [key for key in {*self._index.last, *opened} if key.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise InputError(f"no consultation of this run has a key like `{prefix}`", file=self.folder)
        few = ", ".join(sorted(found)[:3])
        raise InputError(
            f"{len(found)} keys start with `{prefix}` ({few}, ...); give more of it", file=self.folder
        )

    def trajectory(self, key: str) -> Trajectory:
        """The last trajectory of a key, finished or open; KeyError where the run has none."""
        opened = self._open_file(key)
        if key not in self._index.last and opened.exists():
            try:
                return Trajectory.from_json(read_text(opened))
            except ValidationError as e:
                raise unreadable(opened, 1) from e
        return self._read(self._index.last[key])

    def _open_file(self, key: str) -> Path:
        return self.folder / OPEN / f"{key}.jsonl"

    def trajectories(self) -> Iterator[Trajectory]:
        """The last trajectory of each key, in the order of the file."""
        for line in sorted(self._index.last.values(), key=lambda line: line.offset):
            yield self._read(line)

    def calls(self) -> Iterator[dict[str, Any]]:
        """Every recorded call of a model, those of broken and killed tries too."""
        return (line.data for line in read_lines(self.folder / CALLS))

    def spent(self) -> Calls:
        """All recorded calls added up: those of broken and killed tries too, which `results` leaves out."""
        path, spent = self.folder / CALLS, Calls()
        for line in read_lines(path):
            try:
                spent.add(row_of(line.data))
            except TypeError as e:
                raise unreadable(path, line.number) from e
        return spent

    def _read(self, result: ResultLine) -> Trajectory:
        path = self.folder / TRAJECTORIES
        try:
            trajectory = Trajectory.from_json(read_at(path, result))
        except FileNotFoundError as e:
            raise InputError("is missing; restore it from a copy", file=path) from e
        except ValidationError as e:
            raise unreadable(path, _line_number(path, result.offset)) from e
        if trajectory.key != result.key:
            raise InputError(
                f"does not fit {TRAJECTORIES}; delete it, it will be made again", file=self.folder / RESULTS
            )
        return trajectory


class _Writer:
    """The open files of the one process that writes. Threads may share it."""

    def __init__(self, folder: Path, lock: int):
        self.folder = folder
        self._lock = lock
        self._mutex = Lock()
        self._made: dict[str, Calls] = {}
        """the calls of the tries that go on now"""
        self._trajectories = Log(folder / TRAJECTORIES)
        self._calls = Log(folder / CALLS)
        self._session = self._last_session() + 1
        self.index, good, fresh = read_index(folder)
        self._results = Log(folder / RESULTS)
        self._results.cut(good)
        for result in fresh:
            self._results.append(result.to_json().encode())

    def append(self, raw: bytes) -> str:
        """The line's key, once it is kept."""
        if b"\n" in raw:
            raise ValueError("a trajectory is one line")
        data = read_object(raw)
        if data is None:
            raise ValueError("a trajectory's line is a JSON object")
        with self._mutex:
            line = Line(self._trajectories.size, len(raw) + 1, self.index.total + 1, data)
            result = summarise(line, self._made.get(str(data.get("key")), Calls()))
            self._trajectories.append(raw)
            self._results.append(result.to_json().encode())
            self.index.add(result)
            self._made.pop(result.key, None)
        return result.key

    def append_call(self, call: Mapping[str, Any]) -> None:
        key, row = call["key"], row_of(call)
        with self._mutex:
            more = {"attempt": self.index.tries.get(key, 0), "session": self._session}
            self._calls.append(compact({**call, **more}).encode(errors="replace"))
            self._made.setdefault(key, Calls()).add(row)

    def _last_session(self) -> int:
        """The number of the session that wrote the last call, or -1."""
        path, size = self._calls.path, self._calls.size
        with path.open("rb") as file:
            file.seek(max(0, size - (1 << 20)))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        try:
            return int(json.loads(last)["session"]) if last else -1
        except (ValueError, KeyError, TypeError) as e:
            raise unreadable(path, _line_number(path, size - 1)) from e

    def close(self) -> None:
        for log in (self._trajectories, self._calls, self._results):
            log.close()
        os.close(self._lock)


def _line_number(path: Path, offset: int) -> int:
    with path.open("rb") as file:
        return sum(file.read(min(1 << 20, offset - at)).count(b"\n") for at in range(0, offset, 1 << 20)) + 1


def refuse_unasked(folder: Path, resume: bool) -> None:
    """InputError where the folder has something in it and `resume` is not given. Hidden files do not count:
    they are ours, from a start that was killed."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file; give a folder as --out", file=folder)
    if not resume and folder.exists() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise InputError("is not empty; use --resume to go on with that run, or another --out", file=folder)


def lock_of(folder: Path, name: str = ".lock") -> int:
    """The lock of a folder's one writer, or of one of its files'; the system gives it back even after
    `kill -9`."""
    try:
        import fcntl
    except ImportError as e:
        raise InputError("runs cannot be written on this system; use Linux, macOS or WSL", file=folder) from e
    lock = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(lock)
        raise InputError(
            "another process is writing to this run; wait for it, or take another folder", file=folder
        ) from e
    return lock


def _settle(folder: Path, record: dict[str, Any], force: bool) -> None:
    """Writes run.json where there is none; where it differs: InputError, or the new one with `force`."""
    path = folder / "run.json"
    started = path.exists()
    if not started and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise InputError("is no run's folder (it has no run.json); give another --out", file=folder)
    if started and not force:
        old = _read_record(folder)
        for part in ("specification", "versions"):
            difference = _difference(old[part], record[part])
            if difference:
                name, before, now = difference
                raise InputError(
                    f"the {part} changed: `{name}` was {before} and is now {now};"
                    " use --force to go on all the same, or another --out",
                    file=path,
                )
    if not started or force:
        write_text(path, json.dumps(record, sort_keys=True, ensure_ascii=False, indent=1) + "\n")


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    if not path.is_file():
        raise InputError("is no run's folder (it has no run.json)", file=folder)
    try:
        record = json.loads(read_text(path))
    except ValueError as e:
        raise InputError(f"not valid JSON: {e}", file=path) from e
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(
            f"is not a run of format {FORMAT}; use the version of clinicenv that wrote it", file=path
        )
    if not all(isinstance(record.get(part), dict) for part in ("specification", "versions")):
        raise InputError("has no `specification` or no `versions`; restore it from a copy", file=path)
    return record


def _difference(old: Any, new: Any, name: str = "") -> tuple[str, str, str] | None:
    """The first thing that differs, by name, and both values as short text."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            found = _difference(old.get(key), new.get(key), f"{name}.{key}".lstrip("."))
            if found:
                return found
        return None
    return None if old == new else (name, _shown(old), _shown(new))


def _shown(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
