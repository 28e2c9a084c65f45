"""Tables for a terminal: cells are plain text, whatever a file or a model has put into them."""

import sys
from collections.abc import Sequence
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
