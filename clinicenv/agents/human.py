"""A person as the doctor, line by line: works on a terminal and through a pipe."""

import contextlib
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import TextIO

from clinicenv.consultation import AgentError, Turn
from clinicenv.events import Action, Diagnose, Event, Leave, Notice, Report, Role, Say
from clinicenv.files import printable
from clinicenv.protocol import parse, render_results, usage
from clinicenv.view import DoctorView

PLAN_HELP = "(Your plan, line by line: free text, or e.g. `treatment: rest`. An empty line ends it.)"
JOINING = "A line that ends in \\ goes on in the next one; several lines of that kind are one turn."


class LineDoctor:
    """Prints what is new and reads what the doctor does. An empty line is asked again; `?` shows help.

    Several lines make one act when all but the last end in a backslash, and a plan follows `DIAGNOSE:` until
    an empty line, a full stop alone or the end of the input.
    """

    def __init__(self, source: TextIO | None = None, sink: TextIO | None = None) -> None:
        self.settings = {"kind": "human", "name": "human"}
        self._source, self._sink = source, sink

    def act(self, turn: Turn) -> list[Action]:
        """What the person types; AgentError where the input ends before."""
        view = turn.view
        self.show(e for e in view.events if e.turn == view.turn - 1)
        if view.turn == 1 and isinstance(view, DoctorView):
            self._print(*asked(view))
        help = "; ? for help" if view.turn == 1 else ""
        self._print(f"[turn {view.turn} of {view.max_turns}{help}]")
        while True:
            text = self._read()
            if text == "?":
                self._print(*usage(turn.legal).splitlines(), JOINING)
            elif text:
                acts = parse(text, turn.legal)
                if isinstance(acts[-1], Diagnose) and not acts[-1].plan and (plan := self._plan()):
                    return parse(f"{text}\n{plan}", turn.legal)
                return acts

    def show(self, events: Iterable[Event]) -> None:
        """Prints what others did."""
        for event in events:
            if event.role is not Role.DOCTOR:
                self._print(*shown(event))

    def _read(self) -> str:
        """One act as text: a line, and those that a backslash joins to it."""
        lines = [self._line("doctor> ")]
        while (line := lines[-1]) is not None and line.endswith("\\"):
            lines[-1] = line[:-1]
            lines.append(self._line("   ...> "))
        if None in lines:
            raise AgentError("the input ended before the consultation did")
        return "\n".join(filter(None, lines)).strip()

    def _plan(self) -> str:
        self._print(PLAN_HELP)
        lines: list[str] = []
        while (line := (self._line("   plan> ") or "").strip()) not in ("", "."):
            lines.append(line)
        if lines and not lines[0].lower().startswith("plan:"):
            lines[0] = f"PLAN: {lines[0]}"
        return "\n".join(lines)

    def _line(self, prompt: str) -> str | None:
        """The next line, or None at the end of the input."""
        try:
            if self._source is None and sys.stdin.isatty():
                return _typed(prompt)
            line = (self._source or sys.stdin).readline()
        except UnicodeDecodeError as e:
            raise AgentError("the input is not UTF-8 text") from e
        return line.rstrip("\n") if line else None

    def _print(self, *lines: str) -> None:
        sink = self._sink or sys.stdout
        width = shutil.get_terminal_size().columns - 1 if sink.isatty() else 0
        for line in lines:
            wrapped = textwrap.fill(line, width, subsequent_indent="  ") if width else line
            print(wrapped, file=sink, flush=True)


def _typed(prompt: str) -> str | None:
    """A line from the terminal, with the arrow keys at work where the system has readline."""
    with contextlib.suppress(ImportError):  # Windows has none: its console edits lines itself
        import readline  # noqa: F401
    try:
        return input(prompt)
    except EOFError:
        return None


def asked(view: DoctorView) -> list[str]:
    """The question of a `question` task and its options."""
    if not view.question:
        return []
    lines = [printable(line) for line in view.question.splitlines() if line.strip()]
    return [*lines, *(f"  {o.id}: {printable(o.text)}" for o in view.options)]


def shown(event: Event) -> list[str]:
    """An event as the doctor reads it."""
    what = event.what
    if isinstance(what, Report):
        return [printable(line) for line in render_results(what).splitlines()]
    if isinstance(what, Notice):
        return [f"({printable(what.text)})"]
    if isinstance(what, Say):
        return [f"Patient: {printable(what.text)}"]
    if isinstance(what, Leave):
        return [*([f"Patient: {printable(what.text)}"] if what.text else []), "(The patient leaves.)"]
    text = getattr(what, "text", "")
    return [printable(text)] if text else []
