"""A run's summary and a consultation's transcript, as a person wants to read them.

All text of models and files is shown as it is, without the control characters that a terminal would obey.
"""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TextIO

from clinicenv.events import Ended, Trajectory, Verdict
from clinicenv.files import printable
from clinicenv.report.lines import lines
from clinicenv.runs.results import perturbed_of, seat_name
from clinicenv.score.summary import Row

WIDTH = 100


def print_summary(rows: Sequence[Row], stream: TextIO) -> None:
    """The table of a run: one row for each arm."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=None)
    table.add_column("doctor", overflow="fold")
    for name in ("n", "accuracy", "95 % interval", "no diagnosis", "turns", "tests", "cost", "errors"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        interval = "-" if row.low is None or row.high is None else f"{row.low:.0%} to {row.high:.0%}"
        table.add_row(
            Text(printable(row.arm)),
            str(row.consultations),
            _figure(row.accuracy, "{:.0%}"),
            interval,
            str(row.undiagnosed),
            _figure(row.turns, "{:.1f}"),
            _figure(row.tests, "{:.1f}"),
            _figure(row.cost, "${:,.0f}"),
            str(row.errors),
        )
    console = Console(file=stream) if stream.isatty() else Console(file=stream, width=WIDTH)
    console.print(table)
    print(
        "accuracy: the first diagnosis, or the answer, is right, mean over scenarios; interval: Wilson, by"
        "\nscenario; cost: of tests and images, illustrative dollars. Errors count in no mean.",
        file=stream,
    )
    for row in rows:
        if row.routes:
            ways = ", ".join(f"{way} {n}" for way, n in row.routes.items())
            print(printable(f"images of {row.arm}, by what the doctor got: {ways}"), file=stream)


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def transcript(trajectory: Trajectory, width: int = WIDTH) -> Iterator[str]:
    """The lines of one consultation: who said what, what was ordered, what came back, the verdict and why."""
    h = trajectory.header
    yield f"{printable(h.scenario)} · seed {h.seed} · repeat {h.repeat} · key {trajectory.key}"
    for role, seat in h.cast.items():
        profile = seat.get("profile", {}).get("id", "-")
        yield "  " + printable(f"{role}: {seat_name(seat)}, profile {profile}")
    if h.perturbed:
        yield "  " + printable(f"{perturbed_of({'perturbed': h.perturbed})}: {h.perturbed['what']}")
    turn = -1
    for event in trajectory.events:
        shown = lines(event)
        if not shown:
            continue
        if event.turn != turn and not isinstance(event.what, (Verdict, Ended)):
            turn = event.turn
            yield ""
            yield f"── {'start' if not turn else f'turn {turn}'} ".ljust(width, "─")
        for label, text in shown:
            yield from _wrapped(label, text, width)
    if trajectory.outcome:
        o = trajectory.outcome
        yield ""
        yield (
            f"{o.status} ({o.reason}) after {o.turns} turns, {o.minutes} minutes, {o.tests} tests,"
            f" ${o.cost:,.0f}; trust at the end {o.trust:.2f}"
        )


def _wrapped(label: str, text: str, width: int) -> Iterator[str]:
    head = f"{label:>11}  "
    for line in text.splitlines() or [""]:
        yield from textwrap.wrap(
            printable(line), width, initial_indent=head, subsequent_indent=" " * len(head)
        ) or [head.rstrip()]
        head = " " * len(head)
