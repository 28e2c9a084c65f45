"""How far a run is, told while it goes on."""

import io
import re
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from rich.console import Console

from clinicenv.events import Header, Outcome, Status, Trajectory
from clinicenv.report import progress as module
from clinicenv.report.progress import Progress, progress_of


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Run:
    """A run of 100 consultations whose clock a test sets."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.progress = Progress(100, self.clock)

    def play(self, first: int, last: int, status: Status = "terminated") -> None:
        for n in range(first, last):
            self.progress.started(str(n))
            self.progress.finished(ended(str(n), status))

    def shown(self, width: int) -> list[str]:
        out = io.StringIO()
        Console(file=out, width=width, force_terminal=True, color_system=None).print(self.progress)
        return out.getvalue().splitlines()


def ended(key: str, status: Status = "terminated") -> Trajectory:
    header = Header("case", "0" * 16, "diagnose", {}, 0, 0, {}, "request")
    return Trajectory(header, (), Outcome(status, "diagnose", 3, 3, 0, 0.0, 0.5), key)


def call(model: str = "openai:small", **more: Any) -> dict[str, Any]:
    return {"model": model, "prompt_tokens": 90, "completion_tokens": 10, "usd": 0.001, "seconds": 1.0} | more


def test_it_counts_what_is_done_what_runs_and_what_failed() -> None:
    run = Run()
    for n in range(8):
        run.progress.started(str(n))
    run.play(0, 3)
    run.play(3, 5, "error")
    assert run.progress.counts == "5 of 100 consultations, 3 running, 2 errors, 0:00 left"


def test_the_time_left_is_told_once_the_first_have_ended_and_no_longer_at_the_end() -> None:
    run = Run()
    run.progress.started("0")
    run.clock.now += 60
    assert "left" not in run.progress.line
    run.play(0, 10)
    assert run.progress.counts.endswith("9:00 left")
    run.clock.now += 6000
    assert run.progress.counts.endswith("15:09:00 left")
    run.play(10, 100)
    assert run.progress.line == "100 of 100 consultations, 0 errors"


def test_nothing_is_said_of_models_where_none_is_called() -> None:
    run = Run()
    run.play(0, 50)
    assert run.progress.models == ""
    assert not re.search(r"calls|tokens|\$", "".join(run.shown(100)))


def test_rates_are_those_of_the_last_ten_seconds() -> None:
    run = Run()
    for _ in range(20):  # 5 calls of 100 tokens a second
        for _ in range(5):
            run.progress.called(call())
        run.clock.now += 1
    assert run.progress.models.startswith("5.0 calls/s, 500 tokens/s, $0.100")
    run.clock.now += 5
    assert run.progress.models.startswith("2.5 calls/s, 250 tokens/s")
    run.clock.now += 60
    assert run.progress.models.startswith("0.0 calls/s, 0 tokens/s, $0.100")


def test_rates_are_right_from_the_start() -> None:
    run = Run()
    run.clock.now += 2
    for _ in range(6):
        run.progress.called(call())
    assert run.progress.models.startswith("3.0 calls/s, 300 tokens/s")


def test_the_slowest_endpoint_is_named_by_the_median_of_its_latest_calls() -> None:
    run = Run()
    for seconds in [50.0] * 60 + [0.5] * 60:  # it was slow and is not any more
        run.progress.called(call("openai:once-slow", seconds=seconds))
    run.progress.called(call("openai:once-slow", seconds=100.0))
    assert run.progress.models.endswith("openai:once-slow 0.5 s")
    run.progress.called(call("openai:slow", seconds=2.0))
    assert run.progress.models.endswith("slowest openai:slow 2.0 s")


def test_replies_from_the_cache_are_no_calls() -> None:
    run = Run()
    run.progress.called(call(cached=True, usd=0, seconds=0.0))
    assert run.progress.models == "0.0 calls/s, 0 tokens/s, 1 replies from the cache, $0"


def test_a_cost_that_is_not_known_is_said_to_be_so() -> None:
    run = Run()
    run.progress.called(call(usd=None))
    assert ", no price, " in run.progress.models
    run.progress.called(call(usd=2.5))
    assert "$2.50 and calls without a price" in run.progress.models


def test_failed_and_uncounted_calls_are_counted_as_calls() -> None:
    run = Run()
    run.clock.now += 1
    run.progress.called({"model": "openai:small", "error": "timeout"})
    run.progress.called(call(prompt_tokens=None, completion_tokens=None, usd=None))
    assert run.progress.models.startswith("2.0 calls/s, 0 tokens/s, no price")


@pytest.mark.parametrize("width", [20, 40, 79, 80, 120])
def test_it_fits_terminals_of_any_width(width: int) -> None:
    run = Run()
    run.play(0, 40)
    run.progress.called(call("openai:a-model-with-quite-a-long-name@http://localhost:8000/v1"))
    lines = run.shown(width)
    assert all(len(line.rstrip()) <= width for line in lines)
    words = " ".join(" ".join(lines).split())
    assert "40 of 100 consultations" in words
    assert "calls/s" in words
    assert "━" in words


def test_names_of_models_cannot_steer_the_terminal() -> None:
    run = Run()
    run.progress.called(call("openai:\x1b[2Jevil[bold]"))
    assert "\x1b" not in run.progress.line
    assert "\x1b[2J" not in "".join(run.shown(100))
    assert "[bold]" in "".join(run.shown(100))


def test_a_terminal_gets_a_bar_and_notes_that_stay() -> None:
    stream = Terminal()
    with progress_of(2, stream) as progress:
        progress.started("a")
        progress.finished(ended("a"))
        progress.note("the ceiling is \x1b[31mnear")
        progress.finished(ended("b"))
    assert "the ceiling is [31mnear" in stream.getvalue()
    assert "2 of 2 consultations, 0 errors" in stream.getvalue()


def test_elsewhere_come_plain_lines_even_where_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.01)
    stream = io.StringIO()
    with progress_of(2, stream) as progress:
        progress.started("a")
        progress.note("a note")
        deadline = time.monotonic() + 5
        while stream.getvalue().count("1 running") < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        progress.finished(ended("a", "error"))
    lines = stream.getvalue().splitlines()
    assert lines.count("0 of 2 consultations, 1 running, 0 errors") >= 3
    assert "a note" in lines
    assert re.fullmatch(r"1 of 2 consultations, 1 error, 0:0\d left", lines[-1])


def test_the_last_line_comes_however_the_run_ended() -> None:
    stream = io.StringIO()

    def interrupted() -> None:
        with progress_of(2, stream) as progress:
            progress.finished(ended("a"))
            progress.finished(ended("b"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue() == "2 of 2 consultations, 0 errors\n"


def test_a_run_without_anything_to_play_says_nothing() -> None:
    stream = io.StringIO()
    with progress_of(0, stream):
        pass
    assert stream.getvalue() == ""
