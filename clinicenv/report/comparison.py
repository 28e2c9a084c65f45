"""A comparison of doctors as a table for people, papers and programs."""

from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from clinicenv.files import printable
from clinicenv.report.tables import print_notes, print_rows
from clinicenv.score.comparison import ComparedRow, Comparison
from clinicenv.score.marks import BINARY, SHARES

COLUMNS = (
    "doctor", "n", "mean", "95 %", "rank", "difference", "its 95 %", "p", "q", "all right", "turns", "cost",
)  # fmt: skip

Took = Mapping[str, tuple[float, float]]
"""arm -> mean turns and cost of its consultations"""


def cells(comparison: Comparison, row: ComparedRow, took: Took | None = None) -> tuple[str, ...]:
    """The row's cells in words; shares as percentages."""
    show = _percent if comparison.mark in BINARY | SHARES else _plain
    signed = _signed_percent if show is _percent else _signed
    rank = str(row.best_rank) if row.best_rank == row.worst_rank else f"{row.best_rank}-{row.worst_rank}"
    reference = row.difference is None
    return (
        printable(row.arm),
        f"{comparison.scenarios}" + (f" x {comparison.repeats}" if comparison.repeats > 1 else ""),
        show(row.mean),
        _span(row.low, row.high, show),
        rank,
        "reference" if reference else signed(row.difference or 0),
        "" if reference else _span(row.difference_low, row.difference_high, signed),
        "" if row.p is None else _p(row.p),
        "" if row.q is None else _p(row.q),
        "" if row.all_k is None else f"{_percent(row.all_k)} of {comparison.repeats}",
        *((f"{took[row.arm][0]:.1f}", f"${took[row.arm][1]:,.0f}") if took else ("", "")),
    )


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know of the table, a sentence each."""
    c = comparison
    found = [
        f"{c.mark}: mean over {c.scenarios} scenarios that all have, with its interval (Wilson for yes-or-no,"
        " else bootstrap);"
        f" difference: to {printable(c.reference)}, paired bootstrap by scenario; rank: 95 % interval;"
        " p: McNemar (yes-or-no, one repeat) or Wilcoxon by scenario; q: p after Benjamini and Hochberg."
    ]
    if c.chosen and len(c.rows) > 2:
        found.append(
            "The reference is the best of the same data, which makes p and q too small; name one with"
            " --reference for tests that hold."
        )
    if c.visible is not None and c.discordant is not None:
        seen = "no difference" if c.visible >= 1 else f"a gap of {c.visible:.0%} or more"
        found.append(
            f"With {c.scenarios} scenarios, of which {c.discordant:.0%} turn between doctors, {seen} shows"
            " with 80 % power; what is smaller may be there unseen."
        )
    if c.left_out:
        few = ", ".join(c.left_out[:5]) + (", ..." if len(c.left_out) > 5 else "")
        found.append(f"{len(c.left_out)} scenarios are left out, which not all doctors have: {few}.")
    return found


def tabled(
    comparison: Comparison, took: Took | None = None, whole: bool = False
) -> tuple[list[str], list[list[str]]]:
    """The columns and the rows; a column in which nothing stands is left out unless `whole`."""
    rows = [cells(comparison, row, took) for row in comparison.rows]
    kept = [n for n in range(len(COLUMNS)) if whole or any(row[n] for row in rows)]
    return [COLUMNS[n] for n in kept], [[row[n] for n in kept] for row in rows]


def print_comparison(comparison: Comparison, took: Took, form: str, stream: TextIO) -> None:
    """The table in one of `FORMS`, with its notes."""
    print_rows(*tabled(comparison, took, whole=form == "csv"), form, stream)
    print_notes(notes(comparison), form, stream)


def print_divided(by: str, found: Sequence[tuple[str, Comparison, Took]], stream: TextIO) -> None:
    """Several comparisons as one CSV, with a column for what they are divided by."""
    rows = [[value, *row] for value, c, took in found for row in tabled(c, took, whole=True)[1]]
    print_rows([by, *COLUMNS], rows, "csv", stream)


def _span(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    if low is None or high is None:
        return "-"
    return f"{show(low)} to {show(high)}"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _plain(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{_plain(abs(value))}"


def _signed_percent(value: float) -> str:
    return f"{value:+.0%}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
