"""Ratings of a run's consultations, kept in `scores/RUBRIC@RATER.jsonl`: appended, never deleted.

A line has the consultation's key, the names and hashes of rubric and rater, and for each rated axis the
option (none where it does not apply), what decided it and where. Of several lines of a key with the present
hashes the last rating of each axis counts. The rubrics lie beside them as they were, by hash.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from clinicenv import clinic, score
from clinicenv.files import InputError, read_text, write_text
from clinicenv.runs.results import Log, compact, read_lines, unreadable
from clinicenv.runs.store import Store, lock_of
from clinicenv.score.axes import Rated
from clinicenv.score.rubric import Rubric

RULE = "rule"
"""The rater that needs nobody."""

HUMAN = "human"
FOLDER = "scores"

Ratings = dict[str, Rated]
Keep = Callable[..., None]
"""Keeps the ratings of a key; further fields go into the line as they are."""


@dataclass(frozen=True, slots=True)
class Rater:
    """Who rates: `rule`, a person (`human`, `human:NAME`) or a model, and a hash of all that decides how."""

    name: str
    hash: str


def nearness(rater: str) -> int:
    """How near a rater is to a person: rules 0, models 1, people 2."""
    return 0 if rater == RULE else 2 if rater.partition(":")[0] == HUMAN else 1


def person(name: str) -> Rater:
    return Rater(name, hashlib.sha256(name.encode()).hexdigest()[:16])


@cache
def by_rule() -> Rater:
    """The rules. The hash changes whenever code or knowledge of `score` or `clinic` does."""
    folders = (Path(package.__path__[0]) for package in (score, clinic))
    sources = [f for folder in folders for f in folder.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    whole = b"".join(file.read_bytes() for file in sorted(sources))
    return Rater(RULE, hashlib.sha256(whole).hexdigest()[:16])


@dataclass(frozen=True, slots=True)
class Kept:
    """The ratings of one rubric by one rater, by key."""

    rubric: Rubric
    rater: str
    ratings: Mapping[str, Ratings]


def path_of(folder: Path, rubric: str, rater: str) -> Path:
    """The file; a rater's name that no file can have is shortened, and told apart by a hash."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", rater)[:80]
    if name != rater:
        name += f"-{hashlib.sha256(rater.encode()).hexdigest()[:6]}"
    return folder / FOLDER / f"{rubric}@{name}.jsonl"


def read(folder: Path, rubric: Rubric, rater: Rater) -> dict[str, Ratings]:
    """The ratings by key that this rubric and rater gave; InputError where a line is none."""
    path = path_of(folder, rubric.id, rater.name)
    return _merged(path, rubric, [line for line in _lines(path) if line.hashes == (rubric.hash, rater.hash)])


def kept(store: Store) -> list[Kept]:
    """All that is kept of a run: of each rubric and rater the ratings by the last line's hashes.

    Ratings by rules of another version are left out, for they are made anew where they are asked for.
    """
    found = []
    for path in sorted((store.folder / FOLDER).glob("*@*.jsonl")):
        lines = list(_lines(path)) if path.is_file() else []
        if not lines or (lines[-1].rater == RULE and lines[-1].hashes[1] != by_rule().hash):
            continue
        last = lines[-1]
        rubric = _rubric(store.folder, last.hashes[0])
        same = [line for line in lines if line.hashes == last.hashes]
        found.append(Kept(rubric, last.rater, _merged(path, rubric, same)))
    return found


class _Line(NamedTuple):
    number: int
    key: str
    rater: str
    hashes: tuple[str, str]
    """of the rubric and of the rater"""
    ratings: Ratings


def _lines(path: Path) -> Iterator[_Line]:
    for line in read_lines(path):
        try:
            data = line.data
            ratings = {name: _rated(name, r) for name, r in data["ratings"].items()}
            hashes = str(data["rubric_hash"]), str(data["rater_hash"])
            yield _Line(line.number, str(data["key"]), str(data["rater"]), hashes, ratings)
        except (KeyError, TypeError, AttributeError) as e:
            raise unreadable(path, line.number) from e


def _merged(path: Path, rubric: Rubric, lines: Iterable[_Line]) -> dict[str, Ratings]:
    """The last rating of each axis by key; InputError where one is on no axis or option of the rubric."""
    options = {axis.id: {None, *rubric.scale(axis).places} for axis in rubric.axes}
    found: dict[str, Ratings] = {}
    for line in lines:
        if any(r.option not in options.get(name, ()) for name, r in line.ratings.items()):
            raise unreadable(path, line.number)
        found.setdefault(line.key, {}).update(line.ratings)
    return found


def _rated(name: str, data: Mapping[str, Any]) -> Rated:
    """The rating in a line; TypeError where it is none."""
    option, value, events, reason = data["option"], data["value"], data["events"], data.get("reason", "")
    fine = (
        isinstance(option, str | None) and isinstance(value, float | int | None) and isinstance(reason, str)
    )
    if not fine or not isinstance(events, list) or not all(type(n) is int for n in events):
        raise TypeError("no rating")
    return Rated(name, option, value, tuple(events), reason)


def _rubric(folder: Path, hash: str) -> Rubric:
    """The rubric as it was when it was used."""
    path = folder / FOLDER / f"{hash}.json"
    try:
        rubric = Rubric.model_validate_json(read_text(path))
    except ValidationError as e:
        raise InputError(
            "is no rubric of this version of clinicenv; restore it from a copy", file=path
        ) from e
    if rubric.hash != hash:
        raise InputError("was changed since; restore it from a copy", file=path)
    return rubric


@contextmanager
def keeping(folder: Path, rubric: Rubric, rater: Rater) -> Iterator[Keep]:
    """What keeps ratings, a line at a time; InputError where another process writes to the same file."""
    path = path_of(folder, rubric.id, rater.name)
    with ExitStack() as stack:
        try:
            path.parent.mkdir(exist_ok=True)
            stack.callback(os.close, lock_of(path.parent, f".{path.stem}.lock"))
            copy = path.parent / f"{rubric.hash}.json"
            if not copy.exists():
                write_text(copy, rubric.model_dump_json() + "\n")
            log = Log(path)
            stack.callback(log.close)
        except OSError as e:
            raise InputError(f"cannot be written: {e.strerror}", file=path.parent) from e
        yield lambda key, ratings, **more: log.append(_line(rubric, rater, key, ratings, more))


def _line(rubric: Rubric, rater: Rater, key: str, ratings: Ratings, more: Mapping[str, Any]) -> bytes:
    given = {name: {k: v for k, v in asdict(r).items() if k != "axis"} for name, r in ratings.items()}
    data = {"key": key, "rubric": rubric.id, "rubric_hash": rubric.hash, "ratings": given, **more}
    return compact({**data, "rater": rater.name, "rater_hash": rater.hash}).encode(errors="replace")


def unrated(rubric: Rubric, known: Mapping[str, Ratings], keys: Sequence[str]) -> list[str]:
    """The keys of which not all axes are rated, in an order that tells nothing of who played them."""
    left = [key for key in keys if len(known.get(key, {})) < len(rubric.axes)]
    return sorted(left, key=lambda key: hashlib.sha256(f"{rubric.id} {key}".encode()).digest())
