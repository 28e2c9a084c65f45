"""Tables for a terminal, for papers and for programs: cells are plain text, whatever a file or a model has
put into them."""

import csv
import io
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from clinicenv.files import printable

if TYPE_CHECKING:
    from rich.table import Table

_PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], figures: bool = False) -> "Table":
    """A table of plain text: no markup of a case file is obeyed.

    With `figures`, all columns but the first hold figures and stand at the right. Where the terminal is
    narrow a cell goes on below, and nothing is cut off.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0) if figures else (0, 1))
    for n, name in enumerate(columns):
        made.add_column(
            Text(printable(name)),
            no_wrap=n == 0 and not figures,
            overflow="fold" if figures else "ellipsis",
            min_width=8 if figures and n == 0 else None,
            justify="right" if figures and n else "left",
        )
    for row in rows:
        made.add_row(*(Text(printable(str(cell))) for cell in row))
    return made


def print_table(table: "Table", stream: TextIO | None = None) -> None:
    """To a stream, stdout if none is given, as wide as its terminal is."""
    from rich.console import Console

    stream = stream or sys.stdout
    console = Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH, highlight=False)
    console.print(table)


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], form: str, stream: TextIO) -> None:
    """Figures in one of `FORMS`."""
    FORMS[form](columns, rows, stream)


def print_notes(notes: Sequence[str], form: str, stream: TextIO) -> None:
    """What a reader must know of a table in that form."""
    for note in notes:
        print(_NOTE[form].format(printable(note)), file=stream)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    print_table(table(columns, rows, figures=True), stream)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    stream.write(out.getvalue())


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "@", "\t") else cell


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    print("\n".join(lines), end="\n\n", file=stream)


def _latex(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    print(r"\begin{tabular}{l" + "r" * (len(columns) - 1) + "}\n\\hline", file=stream)
    for row in (columns, *rows):
        print(" & ".join(map(_tex, row)) + r" \\", file=stream)
        if row is columns:
            print(r"\hline", file=stream)
    print("\\hline\n\\end{tabular}", file=stream)


_TEX = str.maketrans(
    {c: "\\" + c for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def _tex(cell: str) -> str:
    return cell.translate(_TEX)


FORMS: dict[str, Callable[[Sequence[str], Sequence[Sequence[str]], TextIO], None]] = {
    "table": _table,
    "csv": _csv,
    "md": _markdown,
    "latex": _latex,
}
_NOTE = {"table": "{}", "csv": "# {}", "md": "{}\n", "latex": "% {}"}
