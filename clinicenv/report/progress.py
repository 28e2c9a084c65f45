"""How far a run is: live lines on a terminal, plain ones elsewhere.

Consultations report from the event loop's thread; the display is drawn by another one.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, TextIO

from clinicenv.events import Trajectory
from clinicenv.files import printable
from clinicenv.score.summary import dollars

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

EVERY = 5.0
"""Seconds between plain lines."""

WINDOW = 10
"""Seconds that calls/s and tokens/s are about."""

LATEST = 50
"""Calls of a model that its median time is about."""

REFRESH = 4
"""Drawings a second on a terminal."""

BAR = 30
"""Columns of the bar at most."""


class Progress:
    """What is known of a run while it goes on.

    Args:
        total: consultations to play.
        clock: seconds, from any start.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = self.errors = 0
        self._clock = clock
        self._start = clock()
        self._lock = Lock()
        self._running: set[str] = set()
        self._calls = self._cached = 0
        self._usd = 0.0
        self._priceless = False
        self._seconds: deque[list[int]] = deque(maxlen=WINDOW + 1)
        """[second, calls, tokens] for each of the latest seconds in which calls ended"""
        self._times: dict[str, deque[float]] = {}
        self._show_note: Callable[[str], None] = lambda text: None

    # What is reported

    def started(self, key: str) -> None:
        with self._lock:
            self._running.add(key)

    def finished(self, trajectory: Trajectory) -> None:
        with self._lock:
            self._running.discard(trajectory.key)
            self.done += 1
            self.errors += bool(trajectory.outcome and trajectory.outcome.status == "error")

    def called(self, call: Mapping[str, Any]) -> None:
        """The record of a model's call (`calls.jsonl`). A reply from the cache is no call."""
        with self._lock:
            if call.get("cached"):
                self._cached += 1
                return
            self._calls += 1
            self._usd += call.get("usd") or 0.0
            self._priceless |= call.get("usd") is None and not call.get("error")
            second = int(self._clock())
            if not self._seconds or self._seconds[-1][0] != second:
                self._seconds.append([second, 0, 0])
            latest = self._seconds[-1]
            latest[1] += 1
            latest[2] += (call.get("prompt_tokens") or 0) + (call.get("completion_tokens") or 0)
            if (took := call.get("seconds")) is not None:
                self._times.setdefault(str(call.get("model")), deque(maxlen=LATEST)).append(took)

    def note(self, text: str) -> None:
        """Shows a line that stays."""
        self._show_note(printable(text))

    # What is shown

    @property
    def counts(self) -> str:
        """`120 of 500 consultations, 64 running, 2 errors, 3:12 left`; the last only where it can be told."""
        with self._lock:
            parts = [f"{self.done:,} of {self.total:,} consultations"]
            if self._running:
                parts.append(f"{len(self._running):,} running")
            parts.append(f"{self.errors:,} error{'' if self.errors == 1 else 's'}")
            if self.done and self.done < self.total:
                left = (self.total - self.done) * (self._clock() - self._start) / self.done
                parts.append(f"{_duration(left)} left")
            return ", ".join(parts)

    @property
    def models(self) -> str:
        """`31.2 calls/s, 45,000 tokens/s, $0.42, slowest openai:big 3.1 s`; empty without models."""
        with self._lock:
            if not self._calls and not self._cached:
                return ""
            now = self._clock()
            since = int(now) - WINDOW  # whole seconds, as they are counted
            latest = [(calls, tokens) for second, calls, tokens in self._seconds if second >= since]
            span = max(1.0, now - max(since, self._start))
            calls, tokens = (sum(column) / span for column in zip(*latest, strict=True)) if latest else (0, 0)
            parts = [f"{calls:,.1f} calls/s", f"{tokens:,.0f} tokens/s"]
            if self._cached:
                parts.append(f"{self._cached:,} replies from the cache")
            if self._priceless:
                parts.append(f"{dollars(self._usd)} and calls without a price" if self._usd else "no price")
            else:
                parts.append(dollars(self._usd))
            if self._times:
                took, slowest = max((median(times), model) for model, times in self._times.items())
                word = "slowest " if len(self._times) > 1 else ""
                parts.append(f"{word}{printable(slowest)[:60]} {took:.1f} s")
            return ", ".join(parts)

    @property
    def line(self) -> str:
        return "; ".join(filter(None, (self.counts, self.models)))

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """A bar with the counts beside or below it, and a line about the models."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        counts = self.counts
        width = options.max_width
        bar = ProgressBar(total=max(1, self.total), completed=self.done, width=min(BAR, width))
        if len(counts) + BAR + 1 <= width:
            grid = Table.grid(padding=(0, 1))
            grid.add_row(bar, Text(counts))
            yield grid
        else:
            yield bar
            yield Text(counts)
        if models := self.models:
            yield Text(models, style="dim")


@contextmanager
def progress_of(total: int, stream: TextIO) -> Iterator[Progress]:
    """A run's progress, shown on the stream until the end."""
    progress = Progress(total)
    with _live(progress, stream) if stream.isatty() else _lines(progress, stream):
        yield progress


@contextmanager
def _live(progress: Progress, stream: TextIO) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream)
    progress._show_note = lambda text: console.print(Text(text))
    with Live(progress, console=console, refresh_per_second=REFRESH, redirect_stdout=False):
        yield


@contextmanager
def _lines(progress: Progress, stream: TextIO) -> Iterator[None]:
    def show(text: str) -> None:
        print(text, file=stream, flush=True)

    progress._show_note = show
    ended = Event()

    def regularly() -> None:
        while not ended.wait(EVERY):
            show(progress.line)

    thread = Thread(target=regularly, name="clinicenv progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if progress.total:
            show(progress.line)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
