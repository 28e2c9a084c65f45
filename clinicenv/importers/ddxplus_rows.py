"""Reading DDXPlus's files: the patients CSV and the two JSON files beside it, none of them trusted."""

import ast
import csv
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from clinicenv.files import InputError, did_you_mean, printable, read_text
from clinicenv.importers.base import MAX_LINE

COLUMNS = ("AGE", "DIFFERENTIAL_DIAGNOSIS", "SEX", "PATHOLOGY", "EVIDENCES", "INITIAL_EVIDENCE")
MAX_LITERAL = 20_000
"""Characters of a list in a cell. The longest in DDXPlus has about two thousand."""

_Key = Annotated[str, StringConstraints(pattern=r"^\P{C}{1,120}$")]
"""A code or a condition; nothing that a terminal would obey."""


class BadRow(ValueError):
    """A row that is not as in DDXPlus; the message names the field and says what to do."""


class _Known(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class Evidence(_Known):
    """What an evidence may hold: yes or no (B), one value (C), several (M)."""

    kind: Literal["B", "C", "M"] = Field(alias="data_type")
    parent: str = Field(alias="code_question")
    default: int | str = Field(alias="default_value")
    possible: tuple[int | str, ...] = Field(alias="possible-values")


class Condition(_Known):
    """`severity`: 1 most severe .. 5 least."""

    severity: int = Field(ge=1, le=5)


class Release(NamedTuple):
    """What the two JSON files say."""

    evidences: dict[str, Evidence]
    conditions: dict[str, Condition]


class Row(NamedTuple):
    """One patient, checked."""

    age: int
    sex: Literal["female", "male"]
    condition: str
    differential: list[tuple[str, float]]
    evidences: dict[str, list[str]]
    initial: str


_K = TypeVar("_K", bound=_Known)


def _json(file: Path, kind: type[_K]) -> dict[str, _K]:
    if not file.is_file():
        what = "is missing; put DDXPlus's release_evidences.json and release_conditions.json beside the CSV"
        raise InputError(what, file=file)
    text = read_text(file)
    try:
        return TypeAdapter(dict[_Key, kind]).validate_python(json.loads(text))  # type: ignore[valid-type]
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))[:120]
        what = f"{where or 'the file'}: {first['msg']}; take the file as DDXPlus publishes it"
    except (ValueError, RecursionError) as e:
        what = f"not valid JSON: {str(e)[:120]}; take the file as DDXPlus publishes it"
    raise InputError(what, file=file)


def release(folder: Path) -> Release:
    """What the two JSON files in the folder say; InputError where one is missing or is something else."""
    return Release(
        _json(folder / "release_evidences.json", Evidence),
        _json(folder / "release_conditions.json", Condition),
    )


def lines(file: Path) -> Iterator[tuple[int, list[str] | InputError]]:
    """Line number and cells of each line that is not blank. A cell of DDXPlus holds no line break, so a
    stray quote spoils its own line only."""
    try:
        with file.open("rb") as stream:
            number = 0
            while raw := stream.readline(MAX_LINE + 1):
                number += 1
                too_long = len(raw) > MAX_LINE
                while too_long and raw and not raw.endswith(b"\n"):
                    raw = stream.readline(MAX_LINE)
                if too_long:
                    what = f"the line is longer than {MAX_LINE:,} bytes; expected one patient a line"
                    yield number, InputError(what, file=file, line=number)
                elif raw.strip():
                    yield (
                        number,
                        _split(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, file, number),
                    )
    except OSError as e:
        raise InputError(f"cannot be read: {e.strerror or e}", file=file) from e


def _split(raw: bytes, file: Path, line: int) -> list[str] | InputError:
    try:
        return next(csv.reader([raw.decode("utf-8").rstrip("\r\n")], strict=True))
    except UnicodeDecodeError as e:
        what = f"not UTF-8 text (byte {e.start} of the line); save the file as UTF-8"
    except (csv.Error, StopIteration) as e:
        what = f"not valid CSV: {e}; mend the quotes of the line"
    return InputError(what, file=file, line=line)


def columns(header: list[str], file: Path) -> dict[str, int]:
    """Where each of DDXPlus's columns is."""
    missing = [c for c in COLUMNS if c not in header]
    if missing:
        near = did_you_mean(missing[0], {c[:40] for c in header})
        what = f"the column `{missing[0]}` is missing{near}; expected {', '.join(COLUMNS)}"
        raise InputError(what, file=file, line=1)
    twice = next((c for c in header if header.count(c) > 1), None)
    if twice is not None:
        raise InputError(f"the column `{twice[:40]}` stands here twice; keep one", file=file, line=1)
    return {c: header.index(c) for c in COLUMNS}


def row(cells: dict[str, str], release: Release) -> Row:
    """BadRow with the field and what to do where a cell is not as in DDXPlus."""
    age, sex = cells["AGE"].strip(), cells["SEX"].strip()
    if not (age.isascii() and age.isdecimal() and len(age) <= 3 and int(age) <= 120):
        raise BadRow(f"`AGE` should be whole years from 0 to 120, found `{_shown(age)}`; correct it")
    if sex not in ("F", "M"):
        raise BadRow(f"`SEX` should be F or M, found `{_shown(sex)}`; correct it")
    condition = _condition("PATHOLOGY", cells["PATHOLOGY"], release)
    evidences = _evidences(cells["EVIDENCES"], release)
    initial = cells["INITIAL_EVIDENCE"].strip()
    if initial not in evidences or evidences[initial]:
        what = f"`INITIAL_EVIDENCE` should be one of the yes-or-no `EVIDENCES`, found `{_shown(initial)}`"
        raise BadRow(f"{what}; correct it")
    differential = _differential(cells["DIFFERENTIAL_DIAGNOSIS"], release)
    return Row(int(age), "female" if sex == "F" else "male", condition, differential, evidences, initial)


def _shown(value: object) -> str:
    return printable(str(value)[:60])


def _list(field: str, text: str) -> list[Any]:
    """The Python list in a cell, without ever running it."""
    if len(text) > MAX_LITERAL:
        raise BadRow(f"`{field}` is longer than {MAX_LITERAL:,} characters; expected a list of codes")
    try:
        with warnings.catch_warnings():  # odd escapes warn on the terminal
            warnings.simplefilter("ignore")
            found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise BadRow(f"`{field}` should be a Python list, found `{_shown(text)}`; correct it")
    return found


def _condition(field: str, name: object, release: Release) -> str:
    if not isinstance(name, str) or name not in release.conditions:
        near = did_you_mean(name[:60], set(release.conditions)) if isinstance(name, str) else ""
        what = f"`{field}` names `{_shown(name)}`, which is not in release_conditions.json{near}; correct it"
        raise BadRow(what)
    return name


def _differential(text: str, release: Release) -> list[tuple[str, float]]:
    field = "DIFFERENTIAL_DIAGNOSIS"
    found: dict[str, float] = {}
    for pair in _list(field, text):
        share = pair[1] if isinstance(pair, (list, tuple)) and len(pair) == 2 else None
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            what = f"`{field}` should hold [condition, probability from 0 to 1], found `{_shown(pair)}`"
            raise BadRow(f"{what}; correct it")
        found.setdefault(_condition(field, pair[0], release), float(share))
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _evidences(text: str, release: Release) -> dict[str, list[str]]:
    """Evidence code -> values, without the details of something that is not recorded."""
    found: dict[str, list[str]] = {}
    for item in _list("EVIDENCES", text):
        code, _, value = item.partition("_@_") if isinstance(item, str) else ("", "", "")
        known = release.evidences.get(code)
        if known is None:
            what = f"`EVIDENCES` holds `{_shown(item)}`, which is not in release_evidences.json; correct it"
            raise BadRow(what)
        if (known.kind == "B") is bool(value) or (value and value not in map(str, known.possible)):
            wanted = "no value" if known.kind == "B" else "one of its possible values after `_@_`"
            raise BadRow(f"`EVIDENCES` holds `{_shown(item)}`; `{code}` takes {wanted}; correct it")
        values = found.setdefault(code, [])
        if value and value not in values:
            values.append(value)
        if known.kind == "C" and len(values) > 1:
            raise BadRow(f"`EVIDENCES` holds two values of `{_shown(code)}`, which takes one; keep one")
    for code, values in list(found.items()):
        known = release.evidences[code]
        if known.parent != code and known.parent in release.evidences and known.parent not in found:
            if values == [str(known.default)]:
                del found[code]
            else:
                found[known.parent] = []
    return found
