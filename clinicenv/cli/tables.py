"""Tables of the command line: cells are plain text, whatever a file or a model has put into them."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clinicenv.files import printable

if TYPE_CHECKING:
    from rich.table import Table

_PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
    """A table of plain text: no markup of a case file is obeyed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD)
    for n, name in enumerate(columns):
        made.add_column(name, no_wrap=n == 0)
    for row in rows:
        made.add_row(*(Text(printable(str(cell))) for cell in row))
    return made


def print_table(table: "Table") -> None:
    """To stdout, as wide as the terminal is."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)
    console.print(table)
