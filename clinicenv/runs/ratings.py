"""Ratings of a run's consultations, kept in `scores/RUBRIC@RATER.jsonl`: appended, never deleted.

A line has the consultation's key, the hashes of rubric and rater, and for each rated axis the option (none
where it does not apply), what the rule made of the log, and the events that decided it. Of several lines of
a key the last one with the rubric's and the rater's present hash counts.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from clinicenv import clinic, score
from clinicenv.files import InputError
from clinicenv.runs.results import Log, compact, read_lines, unreadable
from clinicenv.runs.scoring import each
from clinicenv.runs.store import Store, lock_of
from clinicenv.score.axes import Rated, rate
from clinicenv.score.rubric import Rubric

RULE = "rule"
"""The rater that needs nobody."""

Ratings = dict[str, Rated]


@cache
def rule_hash() -> str:
    """16 hex digits that change whenever code or knowledge of `score` or `clinic` does."""
    folders = (Path(package.__path__[0]) for package in (score, clinic))
    sources = [f for folder in folders for f in folder.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    whole = b"".join(file.read_bytes() for file in sorted(sources))
    return hashlib.sha256(whole).hexdigest()[:16]


def path_of(folder: Path, rubric: Rubric, rater: str) -> Path:
    return folder / "scores" / f"{rubric.id}@{rater}.jsonl"


def read(folder: Path, rubric: Rubric, rater: str, rater_hash: str) -> dict[str, Ratings]:
    """The ratings by key that this rubric and rater gave; InputError where a line is none."""
    path = path_of(folder, rubric, rater)
    found: dict[str, Ratings] = {}
    for line in read_lines(path):
        try:
            data = line.data
            if (data["rubric_hash"], data["rater_hash"]) == (rubric.hash, rater_hash):
                found[data["key"]] = {name: _rated(name, r) for name, r in data["ratings"].items()}
        except (KeyError, TypeError, AttributeError) as e:
            raise unreadable(path, line.number) from e
    return found


def _rated(name: str, data: Mapping[str, Any]) -> Rated:
    return Rated(name, data["option"], data["value"], tuple(data["events"]))


def rate_by_rule(store: Store, rubric: Rubric, keys: Iterable[str]) -> Iterator[tuple[str, Ratings]]:
    """The ratings by rule of these consultations, in order; those that are not kept yet are made and kept."""
    wanted = list(keys)
    known = read(store.folder, rubric, RULE, rule_hash())
    if any(key not in known for key in wanted):
        _rate_the_rest(store, rubric, wanted)
        known = read(store.folder, rubric, RULE, rule_hash())
    yield from ((key, known[key]) for key in wanted)


def _rate_the_rest(store: Store, rubric: Rubric, keys: Iterable[str]) -> None:
    path = path_of(store.folder, rubric, RULE)
    try:
        path.parent.mkdir(exist_ok=True)
        lock = lock_of(path.parent)
    except OSError as e:
        raise InputError(f"cannot be written: {e.strerror}", file=path.parent) from e
    try:
        known = read(store.folder, rubric, RULE, rule_hash())  # by now, another process may have rated some
        missing = [key for key in keys if key not in known]
        log = Log(path)
        try:
            for key, ratings in zip(missing, each(store, missing, partial(rate, rubric)), strict=True):
                log.append(line_of(rubric, key, ratings))
        finally:
            log.close()
    finally:
        os.close(lock)


def line_of(rubric: Rubric, key: str, ratings: Ratings) -> bytes:
    """The line that keeps a consultation's ratings by rule, without its newline."""
    kept = {name: {k: v for k, v in asdict(r).items() if k != "axis"} for name, r in ratings.items()}
    data = {"key": key, "rubric": rubric.id, "rubric_hash": rubric.hash}
    return compact({**data, "rater": RULE, "rater_hash": rule_hash(), "ratings": kept}).encode()
