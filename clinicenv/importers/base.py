"""What every importer shares: its result, reading hostile JSON lines, and writing all scenarios or none."""

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

import yaml

from clinicenv.files import MAX_BYTES, InputError, write_bytes
from clinicenv.importers.pictures import Copied
from clinicenv.scenario import Scenario

MAX_LINE = 100_000
"""Bytes. A case has a few thousand; a longer line is not one."""
MAX_DEPTH = 16
MAX_TEXT = 8000
"""Characters of one text, as in a scenario."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about a case that did come through; `field` is its dotted path."""

    file: Path
    line: int
    field: str
    what: str
    unmapped: bool = False
    """the field has no place in a scenario and is kept under `imported.unmapped`"""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.what}"


@dataclass(slots=True)
class Conversion:
    """The cases that came through, what to know about them, and one error for each that did not."""

    pictures: dict[str, Copied] = field(default_factory=dict)
    """the pictures of the cases, by the name that they get beside the scenario files"""
    scenarios: list[Scenario] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    bad: list[InputError] = field(default_factory=list)


class Importer(Protocol):
    """A module (or object) that reads one format."""

    def convert(self, file: Path, images: Path | None = None) -> Conversion:
        """All cases of the file, none written; `images` is where pictures lie that the file names.

        InputError where the file as a whole cannot be read, or its format has no pictures and `images` is
        given.
        """


def json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any] | InputError]]:
    """Line number (from 1) and object of each line that is not blank, or an InputError in its place."""
    try:
        with file.open("rb") as stream:
            number = 0
            while raw := stream.readline(MAX_LINE + 1):
                number += 1
                if len(raw) > MAX_LINE:
                    _skip_rest_of_line(stream.readline, raw)
                    what = f"the line is longer than {MAX_LINE:,} bytes; expected one case a line"
                    yield number, InputError(what, file=file, line=number)
                    continue
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if raw.strip():
                    yield number, _parse(raw, file, number)
    except OSError as e:
        raise InputError(f"cannot be read: {e.strerror or e}", file=file) from e


def _skip_rest_of_line(readline: Any, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = readline(MAX_LINE)


def _parse(raw: bytes, file: Path, line: int) -> dict[str, Any] | InputError:
    try:
        given = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        _check(given, 0)
    except UnicodeDecodeError as e:
        what = f"not UTF-8 text (byte {e.start} of the line); save the file as UTF-8"
    except json.JSONDecodeError as e:
        what = f"not valid JSON: {e.msg} at column {e.colno}; expected one JSON object a line"
    except RecursionError:
        what = f"nested deeper than {MAX_DEPTH} levels; expected a case"
    except ValueError as e:  # ours, and an integer with too many digits
        what = f"{e}; mend the line"
    else:
        if isinstance(given, dict):
            return given
        what = f"expected one JSON object a line, found {kind(given)}"
    return InputError(what, file=file, line=line)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key `{next(k for k in keys if keys.count(k) > 1)}` stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _check(value: Any, depth: int) -> None:
    """Refuses what no case holds or YAML could not give back: deep nesting, control characters, infinity."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check(key, depth)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)
    elif isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"a text is longer than {MAX_TEXT:,} characters")
        for c in value:
            if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t":
                raise ValueError(f"the control character U+{ord(c):04X} stands in a text")
    elif isinstance(value, (int, float)) and not abs(value) < 1e15:  # infinity too
        raise ValueError("a number is too large")


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")


def to_yaml(scenario: Scenario) -> str:
    """The text of a scenario file; fields with their default value are left out."""
    data = scenario.model_dump(mode="json", exclude_defaults=True)
    return yaml.dump(data, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=100)


def save(scenarios: list[Scenario], folder: Path, pictures: Mapping[str, Copied] | None = None) -> list[Path]:
    """Writes `<id>.yaml` for each scenario, and the pictures beside them; returns the scenarios' paths.
    InputError and no new file otherwise.

    A file that is there already with the same content is left as it is; other content is never overwritten.
    """
    texts = {folder / f"{s.id}.yaml": to_yaml(s).encode() for s in scenarios}
    for path, text in texts.items():
        if len(text) > MAX_BYTES:
            raise InputError(f"would be larger than {MAX_BYTES:,} bytes; take the case out", file=path)
    content: dict[Path, Callable[[], bytes]] = {
        folder / name: picture.read for name, picture in (pictures or {}).items()
    }
    content |= {path: lambda text=text: text for path, text in texts.items()}  # type: ignore[misc]
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = [path for path, data in content.items() if not _is_there(path, data)]
        for path in new:
            write_bytes(path, content[path]())
            written.append(path)
    except BaseException as e:
        for path in written:
            path.unlink()
        if isinstance(e, OSError):
            raise InputError(
                f"cannot be written: {e.strerror or e}; choose another folder", file=folder
            ) from e
        raise
    return list(texts)


def _is_there(path: Path, content: Callable[[], bytes]) -> bool:
    if not path.exists() and not path.is_symlink():
        return False
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content():
        return True
    raise InputError("is there already with other content; choose another folder", file=path)
