"""What a run asked of models, or would ask, and what that costs, in tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from clinicenv.files import printable
from clinicenv.report.terminal import WIDTH
from clinicenv.score.summary import CallRow, dollars

if TYPE_CHECKING:
    from clinicenv.runs.course import Figures
    from clinicenv.runs.estimate import Estimate

LEAST = {"role": 6, "model": 12, "step": 7}
"""Columns that a name gets at least; longer ones go on below."""


def print_calls(rows: Sequence[CallRow], stream: TextIO) -> None:
    """The table of calls: one row for each role, model and step; nothing where no model was called.

    `from cache` are replies that clinicenv had, `of them cached` tokens that the server had.
    """
    if not rows:
        return
    steps = any(row.step for row in rows)
    figures = ("calls", "from\ncache", "tokens\nin", "of them\ncached", "tokens\nout", "cost")
    table = _table(("role", "model", "step") if steps else ("role", "model"), figures)
    for row in rows:
        names = (row.role, row.model, row.step) if steps else (row.role, row.model)
        counts = (row.calls, row.cached, row.prompt_tokens, row.cached_tokens, row.completion_tokens)
        table.add_row(*map(_text, names), *(f"{count:,}" for count in counts), dollars(row.usd))
    _print(table, stream)


def spent_line(rows: Sequence[CallRow]) -> str:
    """One sentence on what all tries of a run spent; rows from `Store.spent`."""
    calls, cached = sum(row.calls for row in rows), sum(row.cached for row in rows)
    tokens = sum(row.tokens for row in rows)
    known = [row.usd for row in rows if row.usd is not None]
    priceless = sorted({printable(row.model) for row in rows if row.usd is None})
    cost = dollars(sum(known)) if known or not priceless else ""
    if priceless:
        cost = f"{cost + ', and ' if cost else ''}no price for {', '.join(priceless)}"
    served = f" ({cached:,} from the cache)" if cached else ""
    return f"All tries of this run: {calls:,} calls{served}, {tokens:,} tokens, {cost}."


def print_estimate(estimate: "Estimate", stream: TextIO) -> None:
    """What a run would ask of models; nothing where none plays."""
    if not estimate.notes:
        return
    table = _table(("role", "model", ""), ("calls", "tokens\nin", "tokens\nout", "cost"))
    for seat in estimate.seats:
        _add(table, seat.role, seat.model, "likely", seat.likely)
        _add(table, "", "", "at most", seat.most)
    if len(estimate.seats) > 1:
        _add(table, "all", "", "likely", estimate.likely)
        _add(table, "", "", "at most", estimate.most)
    if estimate.seats:
        _print(table, stream)
    for note in estimate.notes:
        print(printable(note), file=stream)


def _add(table: Any, role: str, model: str, which: str, figures: "Figures | None") -> None:
    names = (_text(role), _text(model), which)
    if figures is None:
        table.add_row(*names, "no limit", "no limit", "no limit", "no limit")
        return
    counts = (figures.calls, figures.prompt_tokens, figures.completion_tokens)
    table.add_row(*names, *(f"{count:,}" for count in counts), dollars(figures.usd))


def _table(names: Sequence[str], figures: Sequence[str]) -> Any:
    from rich.table import Table

    table = Table()
    for name in names:
        table.add_column(name, overflow="fold", min_width=LEAST.get(name))
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _text(words: str) -> Any:
    from rich.text import Text

    return Text(printable(words))


def _print(table: Any, stream: TextIO) -> None:
    from rich import box
    from rich.console import Console

    console = Console(file=stream) if stream.isatty() else Console(file=stream, width=WIDTH)
    if console.width < WIDTH:
        table.box, table.pad_edge, table.padding = box.SIMPLE_HEAD, False, (0, 1, 0, 0)
        for column in table.columns:
            column.min_width = None
    console.print(table)
