"""An examination as a table: a station a line, with its pass mark and how good it is."""

from textwrap import fill
from typing import TextIO

from clinicenv.report.tables import print_table, table
from clinicenv.runs.stations import Examination
from clinicenv.score.stations import Station

COLUMNS = (
    "station", "n", "checklist", "rated", "pass mark", "passed", "critical missed", "slope", "R2", "error",
)  # fmt: skip

NOTE = (
    "checklist: mean share of the points and standard deviation; rated: candidates with a global rating; pass"
    " mark: the checklist score that borderline regression gives the borderline rating, if scores rise with"
    " ratings at all; passed: at or above it, with no critical item missed; slope: points for a grade of the"
    " global rating; R2: how much of the scores the ratings explain (0.5 and more is held good); error:"
    " distance of the scores from the line. *: nobody was rated borderline or below, so the mark lies beyond"
    " the ratings given."
)


def print_stations(found: Examination, stream: TextIO) -> None:
    """The table, what its columns are, and the reliability over all stations."""
    print_table(table(COLUMNS, rows(found), figures=True), stream)
    print(fill(NOTE, 100), file=stream)
    print(reliability(found), file=stream)


def rows(found: Examination) -> list[tuple[str, ...]]:
    return [_row(s) for s in found.stations]


def reliability(found: Examination) -> str:
    """How far the stations measure the same thing, in words."""
    of = f"{found.candidates} candidates who did all {len(found.stations)} stations"
    return f"Cronbach's alpha, of {of}: {'-' if found.alpha is None else f'{found.alpha:.2f}'}"


def _row(s: Station) -> tuple[str, ...]:
    mark = s.pass_mark
    return (
        s.scenario,
        str(s.candidates),
        f"{s.mean:.0%}" + ("" if s.spread is None else f" ± {s.spread:.0%}"),
        str(s.rated),
        "-" if mark is None else f"{mark.mark:.0%}{'*' if s.extrapolated else ''}",
        "-" if s.passed is None else f"{s.passed:.0%}",
        str(s.critical_missed),
        "-" if mark is None else f"{mark.slope:.0%}",
        "-" if mark is None else f"{mark.r2:.2f}",
        "-" if mark is None else f"{mark.error:.0%}",
    )
