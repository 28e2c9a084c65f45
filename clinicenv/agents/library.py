"""Text that a doctor may search: folders of `.txt` and `.md` files that the user names, ranked by BM25.

Never a folder that has to do with scenarios or runs: they hold the answers.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from clinicenv import shipped
from clinicenv.files import MAX_BYTES, InputError, printable

PASSAGE = 1000
"""Characters that a passage has at most."""

MAX_FILE = 100_000_000
"""Bytes of a text file; the longest textbooks have a quarter of that."""

MAX_QUERY = 300
"""Characters of a query that are searched for."""

_TEXT = (".txt", ".md")
_CASE_FILES = (".yaml", ".yml", ".json", ".jsonl")
_TRAJECTORIES = "trajectories.jsonl"
_CASE = [
    re.compile(rf"(?m)(?:^|[{{,\s])[\"']?{key}[\"']?\s*:") for key in ("schema_version", "setting", "patient")
]
_PLAYED = [re.compile(rf'"{key}"\s*:') for key in ("scenario_hash", "events")]
_NAME = re.compile(r"[A-Za-z0-9](?:[\w-]{0,38}[A-Za-z0-9])?")
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


# Ranking


class Ranking:
    """BM25 over texts, by the library bm25s as it is set by default (Lucene's form, k1 1.5, b 0.75).

    English stop words are left out and plurals read as singulars. InputError where bm25s is not installed.
    """

    def __init__(self, texts: Sequence[str]):
        need_bm25()
        import bm25s

        words = [_words(text) for text in texts]
        self._bm25 = bm25s.BM25() if any(words) else None
        if self._bm25:
            self._bm25.index(words, show_progress=False)
        self._size = len(texts)

    def best(self, query: str, n: int | None = None) -> list[tuple[int, float]]:
        """(the place of a text, its score), best first, at most `n`; equal scores in the texts' order."""
        import numpy as np

        words = _words(query)
        if not self._bm25 or not words:
            return [(place, 0.0) for place in range(self._size)][:n]
        scores = self._bm25.get_scores(words)
        return [(int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable")[:n]]


def need_bm25() -> None:
    """InputError where bm25s is not installed."""
    if find_spec("bm25s") is None:
        raise InputError(
            "`lookup` and `example` on a card need the `lookup` extra: pip install 'clinicenv[lookup]'"
        )


def _words(text: str) -> list[str]:
    from bm25s.stopwords import STOPWORDS_EN

    return [sys.intern(_singular(w)) for w in re.findall(r"[^\W_]+", text.lower()) if w not in STOPWORDS_EN]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "sui" else word


# The library


@dataclass(frozen=True, slots=True)
class Passage:
    """Some paragraphs of a file. `file` is its path in the source's folder; `score` is BM25's, 0 unranked."""

    source: str
    file: str
    text: str
    score: float = 0.0

    @property
    def hash(self) -> str:
        """16 hex digits of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


class Library:
    """The sources that a doctor may search: name -> a folder of text files.

    All files are read when it is made, so it is made once for a run; a source is indexed at its first search,
    which takes seconds for a shelf of textbooks. May be used from several threads.

    Raises InputError for a folder or a file that cannot be read, is not UTF-8, holds no text, or has to do
    with scenarios; and where bm25s is not installed.
    """

    def __init__(self, folders: Mapping[str, Path | str]):
        need_bm25()
        self._passages: dict[str, list[Passage]] = {}
        for name, folder in folders.items():
            if not _NAME.fullmatch(name) or name.casefold() in map(str.casefold, self._passages):
                raise InputError(
                    f"lookup: `{name}` cannot name a source; use one word of letters, digits, - and _, once"
                )
            self._passages[name] = list(_read(name, Path(folder)))
        if not self._passages:
            raise InputError("lookup: no source is named; write `lookup: {NAME: FOLDER}`")
        self._rankings: dict[str, Ranking] = {}
        self._lock = Lock()

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self._passages)

    def described(self) -> dict[str, Any]:
        """For the log: what each source held when it was read."""
        return {
            name: {
                "files": len({p.file for p in passages}),
                "passages": len(passages),
                "sha256": hashlib.sha256(
                    "\n".join(f"{p.file} {p.hash}" for p in passages).encode()
                ).hexdigest()[:16],
            }
            for name, passages in self._passages.items()
        }

    def find(self, source: str) -> str | None:
        """The source that is meant, whatever the case of its letters; the only one if none is named."""
        known = {name.casefold(): name for name in self._passages}
        if not source and len(known) == 1:
            return next(iter(known.values()))
        return known.get(source.casefold())

    def search(self, source: str, query: str, n: int = 3) -> list[Passage]:
        """The passages nearest to the query, best first; none where no word of it occurs.

        The same for the same files in any process; equal scores come by file and place. InputError for a
        source that does not exist.
        """
        name = self.find(source)
        if name is None:
            raise InputError(f"lookup: no source is called `{source}`; there are: {', '.join(self.sources)}")
        passages = self._passages[name]
        with self._lock:
            ranking = self._rankings.get(name)
            if ranking is None:
                ranking = self._rankings[name] = Ranking([p.text for p in passages])
        found = ranking.best(query[:MAX_QUERY], n)
        return [replace(passages[i], score=score) for i, score in found if score > 0]


def _read(source: str, folder: Path) -> Iterator[Passage]:
    """The passages of a folder's text files, in order of file and place."""
    try:
        folder = folder.resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as e:  # RuntimeError: links in a circle
        reason = getattr(e, "strerror", None) or e
        raise InputError(f"the folder of `{source}` cannot be read: {reason}", file=folder) from e
    if not folder.is_dir():
        raise InputError(f"lookup: `{source}` needs a folder, and this is none", file=folder)
    _refuse_place(folder)
    files = list(_files(folder))
    for path in files:
        if path.suffix.lower() in _CASE_FILES:
            _refuse_case(path)
    some = False
    for path in files:
        if path.suffix.lower() in _TEXT:
            for text in passages_of(_text(path)):
                some = True
                yield Passage(source, printable(path.relative_to(folder).as_posix()), text)
    if not some:
        raise InputError(
            f"lookup: `{source}` has no text; put .txt or .md files here (symbolic links are not followed)",
            file=folder,
        )


def _files(folder: Path) -> Iterator[Path]:
    """The regular files below a folder in a fixed order; links are not followed."""

    def stop(error: OSError) -> None:
        raise InputError(f"cannot be read: {error.strerror}", file=error.filename) from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders.sort()
        yield from (p for p in (Path(place, n) for n in sorted(names)) if p.is_file() and not p.is_symlink())


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE:
            raise InputError(f"the file is larger than {MAX_FILE:,} bytes; split it", file=path)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise InputError(f"not UTF-8 text (byte {e.start}); save the file as UTF-8", file=path) from e
    except OSError as e:
        raise InputError(f"cannot be read: {e.strerror}", file=path) from e
    if _is_case(text):
        raise _refused(path, "it is a scenario or a played consultation")
    return text


def passages_of(text: str) -> Iterator[str]:
    """The text in passages: paragraphs joined, and too long ones cut, to at most `PASSAGE` characters."""
    waiting = ""
    for part in (piece for paragraph in _BLANK.split(text) for piece in _pieces(paragraph.strip())):
        if waiting and len(waiting) + len(part) + 2 > PASSAGE:
            yield waiting
            waiting = ""
        waiting = f"{waiting}\n\n{part}" if waiting else part
    if waiting:
        yield waiting


def _pieces(paragraph: str) -> Iterator[str]:
    """A paragraph, or its sentences, or pieces of them."""
    if len(paragraph) <= PASSAGE:
        if paragraph:
            yield paragraph
        return
    waiting = ""
    for sentence in _SENTENCE.split(paragraph):
        if waiting and len(waiting) + len(sentence) + 1 > PASSAGE:
            yield waiting
            waiting = ""
        waiting = f"{waiting} {sentence}" if waiting else sentence
        while len(waiting) > PASSAGE:
            cut = max(waiting.rfind(" ", 0, PASSAGE), waiting.rfind("\n", 0, PASSAGE))
            cut = cut if cut > 0 else PASSAGE
            yield waiting[:cut]
            waiting = waiting[cut:].lstrip()
    if waiting:
        yield waiting


# Never over scenarios


def _refused(place: Path, why: str) -> InputError:
    return InputError(
        f"a doctor may not search here: {why}, and scenarios and runs hold the answers;"
        " keep the texts to search in a folder of their own",
        file=place,
    )


def _refuse_place(folder: Path) -> None:
    """InputError where the folder is, holds or lies in a place of scenarios or of a run."""
    bundled = shipped.folder("scenarios").resolve()
    if folder == bundled or bundled in folder.parents:
        raise _refused(folder, "it belongs to the bundled scenarios")
    if folder in bundled.parents:
        raise _refused(folder, "the bundled scenarios are inside")
    for above in folder.parents:
        if (above / _TRAJECTORIES).exists():
            raise _refused(folder, f"it lies in the run {above.name}")
    try:
        beside = sorted(p for p in folder.parent.iterdir() if p.suffix.lower() in (".yaml", ".yml"))
    except PermissionError:  # nobody who may not list a folder loads scenarios from it
        return
    for path in beside:
        if path.is_file() and _is_case(_head(path)):
            raise _refused(folder, f"the scenario {path.name} is in the folder around it")


def _refuse_case(path: Path) -> None:
    if path.name == _TRAJECTORIES:
        raise _refused(path.parent, "it is a run's folder")
    if _is_case(_head(path)):
        raise _refused(path.parent, f"{path.name} is a scenario or a played consultation")


def _head(path: Path) -> str:
    """As much of a file as a scenario could have."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", errors="replace")
    except OSError as e:
        raise InputError(f"cannot be read: {e.strerror}", file=path) from e


def _is_case(text: str) -> bool:
    """Whether it has a scenario's keys, as YAML or JSON, or those of a trajectory's line."""
    return any(all(key.search(text) for key in keys) for keys in (_CASE, _PLAYED))
