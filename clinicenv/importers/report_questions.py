"""Report error-checking: does a report hold an error, and of which kind? Each question has its clean twin."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clinicenv.draws import Draws
from clinicenv.files import InputError, read_text
from clinicenv.importers.questions import options, scenario, split
from clinicenv.importers.report_errors import KINDS, LEVELS, Error, errors
from clinicenv.scenario import Imported, Meta, Question, Scenario, Source, select

ASK = (
    "Check this radiology report. Does it hold an error, and of which kind? Omission: something is missing;"
    " insertion: a statement contradicts another; side: left and right are confused; number or unit: one is"
    " wrong. It holds one error at most, and the report alone is enough to tell."
)
CLEAN = "no error"
OPTIONS: Mapping[str, str] = dict(zip("ABCDEF", (CLEAN, *KINDS), strict=True))
_LETTER = dict(zip(KINDS, "BCDEF", strict=True))
_DIFFICULTY = {1: 2, 2: 4}
SHORTEST = 40
"""Characters; a shorter text is no report."""


@dataclass(frozen=True, slots=True)
class CleanReport:
    """A report without an error, on one line, and where it is from."""

    text: str
    file: str
    line: int
    license: str


def read(source: str) -> list[CleanReport]:
    """The reports of a text file, a paragraph each (between blank lines), or of the images of scenarios.

    `source` is a file, or a selection such as `all` or a folder; InputError where there is no report.
    """
    path = Path(source)
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        found = list(_paragraphs(path))
    else:
        found = [
            CleanReport(_one_line(image.report), s.id, n, image.license)
            for s in select(source)
            for n, image in enumerate(s.images, 1)
        ]
    found = [r for r in found if len(r.text) >= SHORTEST]
    if not found:
        raise InputError(f"no report of {SHORTEST} characters or more; give one a paragraph", file=source)
    return list({r.text: r for r in reversed(found)}.values())[::-1]


def _paragraphs(path: Path) -> Iterator[CleanReport]:
    text, line = read_text(path), 1
    for part in re.split(r"(\n[ \t]*\n\s*)", text):
        if part.strip():
            first = line + part[: len(part) - len(part.lstrip())].count("\n")
            yield CleanReport(_one_line(part), path.name, first, "not stated")
        line += part.count("\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def generate(reports: Sequence[CleanReport], n: int, seed: int) -> list[Scenario]:
    """`n` pairs: a report with an error, and the same one without; kinds and levels in turn.

    The same for the same reports, `n` and `seed`; a smaller `n` gives the first of them. InputError where
    the reports do not allow so many.
    """
    cells: dict[tuple[str, int], list[tuple[float, int, Error]]] = {(k, v): [] for v in LEVELS for k in KINDS}
    draws = Draws(seed, 0, "report-errors")
    for index, report in enumerate(reports):
        for error in errors(report.text):
            item = f"{report.text}\x1f{error}"
            order = draws.number("case", "error", 0, item)
            cells[error.kind, error.level].append((order, index, error))
    for cell in cells.values():
        cell.sort(key=lambda c: (c[0], c[1]), reverse=True)
    chosen: list[tuple[int, Error]] = []
    while len(chosen) < n and any(cells.values()):
        for cell in cells.values():
            if cell and len(chosen) < n:
                _, index, error = cell.pop()
                chosen.append((index, error))
    if len(chosen) < n:
        what = f"these {len(reports)} reports allow {len(chosen)} errors, not {n}; add reports or lower --n"
        raise InputError(what)
    return [s for number, (i, e) in enumerate(chosen, 1) for s in _pair(reports[i], e, number, seed)]


def _pair(report: CleanReport, error: Error, number: int, seed: int) -> tuple[Scenario, Scenario]:
    """The two, in an order that tells nothing."""
    name = f"report-check-{str(seed).replace('-', 'm')}-{number:04d}"
    first = Draws(seed, 0, name).number("case", "order", 0) < 0.5
    wrong = _scenario(report, error, name, "a" if first else "b", made=True)
    clean = _scenario(report, error, name, "b" if first else "a", made=False)
    return (wrong, clean) if first else (clean, wrong)


def _scenario(report: CleanReport, error: Error, name: str, letter: str, made: bool) -> Scenario:
    text = error.made_in(report.text) if made else report.text
    was = report.text[error.start : error.end]
    return scenario(
        f"{name}{letter}",
        "A report to check",
        Question(
            ask=ASK,
            options=options(OPTIONS, _LETTER[error.kind] if made else "A"),
            report=text,
            kind="report_check",
            pair=name,
        ),
        Meta(
            specialty="radiology",
            difficulty=_DIFFICULTY[error.level],
            split=split(report.text),
            tags=("report-check", f"level-{error.level}"),
            license=report.license,
            sources=(Source(name=report.file, license=report.license),),
            disclaimer="derived",
        ),
        (),
        Imported(
            format="reports",
            file=report.file,
            line=report.line,
            unmapped={"error": {**asdict(error), "right": was}} if made else {},
        ),
    )
