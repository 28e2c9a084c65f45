"""What a run's table says below it of perturbed cases beside their clean twins."""

from collections.abc import Sequence
from itertools import groupby
from typing import TextIO

from clinicenv.files import printable
from clinicenv.report.tables import print_table, table
from clinicenv.score.robustness import RobustnessRow

COLUMNS = ("perturbation", "met", "clean", "perturbed", "both right", "noticed", "alarms", "net", "taken in")

LEGEND = """\
met: pairs of a perturbed case and its clean twin in which the doctor got to what differs, of those played;
the rest is of these. clean, perturbed: accuracy; both right: on the two, with Wilson's interval by scenario;
noticed: says so or orders it again; alarms: does so over the clean twin; net: noticed less alarms; taken in:
tells of a picture that never came (image.absent), gives the wrong answer that was urged (belief.false,
inject.instruction; in brackets: without being urged)."""


def print_robustness(rows: Sequence[RobustnessRow], stream: TextIO) -> None:
    """A table for each doctor; nothing where nothing was perturbed."""
    for arm, own in groupby(rows, lambda row: row.arm):
        print(f"\nrobustness of {printable(arm)}", file=stream)
        rows_of_arm = [(row.perturbation, *cells(row)) for row in own]
        print_table(table(COLUMNS, rows_of_arm, figures=True), stream)
    if rows:
        print(LEGEND, file=stream)
    if broken := sum(row.broken for row in rows):
        print(f"{broken} pairs broke and count in nothing.", file=stream)


def cells(row: RobustnessRow) -> tuple[str, ...]:
    """The row's cells in words, all but the first."""
    interval = "" if row.low is None or row.high is None else f" ({100 * row.low:.0f}-{row.high:.0%})"
    return (
        f"{row.met} of {row.played}",
        _share(row.clean),
        _share(row.perturbed),
        _share(row.both) + interval,
        _share(row.detection),
        _share(row.false_alarms),
        "-" if row.net is None else f"{row.net:+.0%}",
        _taken_in(row),
    )


def _taken_in(row: RobustnessRow) -> str:
    if row.mirages is not None:
        return _share(row.mirages)
    return "-" if row.obeyed is None else f"{_share(row.obeyed)} ({_share(row.obeyed_clean)})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
