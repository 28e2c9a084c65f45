"""How far a run is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from clinicenv.events import Trajectory

EVERY = 5.0
"""Seconds between plain lines."""


@contextmanager
def progress_of(total: int, stream: TextIO) -> Iterator[Callable[[Trajectory], None]]:
    """A function to call with each finished consultation."""
    if stream.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=stream)) as bar:
            task = bar.add_task("consultations", total=total)
            errors = 0

            def advance(trajectory: Trajectory) -> None:
                nonlocal errors
                errors += bool(trajectory.outcome and trajectory.outcome.status == "error")
                bar.update(task, advance=1, description=f"consultations, {errors} errors" if errors else None)

            yield advance
        return
    yield _Lines(total, stream)


class _Lines:
    """Plain lines: at the end, and every few seconds before it."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.stream = total, stream
        self.done = self.errors = 0
        self.last = time.monotonic()

    def __call__(self, trajectory: Trajectory) -> None:
        self.done += 1
        self.errors += bool(trajectory.outcome and trajectory.outcome.status == "error")
        if self.done == self.total or time.monotonic() - self.last > EVERY:
            self.last = time.monotonic()
            print(
                f"{self.done} of {self.total} consultations, {self.errors} errors",
                file=self.stream,
                flush=True,
            )
