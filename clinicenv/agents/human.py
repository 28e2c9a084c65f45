"""A person as the doctor, line by line: works on a terminal and through a pipe."""

import sys
from typing import TextIO

from clinicenv.consultation import AgentError, Turn
from clinicenv.events import Action, Event, Notice, Released, Report, Role, Say
from clinicenv.files import printable
from clinicenv.protocol import parse, render_results, usage


class LineDoctor:
    """Prints what is new and reads what the doctor does. An empty line is asked again; `?` shows help.

    Several lines make one act when all but the last end in a backslash, and a plan follows `DIAGNOSE:` until
    an empty line or a full stop alone.
    """

    def __init__(self, source: TextIO | None = None, sink: TextIO | None = None) -> None:
        self._source, self._sink = source, sink
        self.settings = {"kind": "human", "name": "human"}

    def act(self, turn: Turn) -> list[Action]:
        for event in _new(turn.view.events):
            for line in shown(event):
                self._print(line)
        self._print(f"[turn {turn.view.turn} of {turn.view.max_turns}]")
        while True:
            text = self._read()
            if text == "?":
                self._print(usage(turn.legal))
            elif text:
                return parse(text, turn.legal)

    def _read(self) -> str:
        lines = [self._line("doctor> ")]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(self._line("   ...> "))
        if lines[0].strip().lower().lstrip("*-# ").startswith(("diagnose", "plan:")):
            self._print("(plan: e.g. `PLAN: treatment ...`; an empty line ends it)")
            while (line := self._line("   plan> ", required=False)).strip() not in ("", "."):
                lines.append(line if ":" in line or len(lines) > 1 else f"PLAN: {line}")
        return "\n".join(lines).strip()

    def _line(self, prompt: str, required: bool = True) -> str:
        source = self._source or sys.stdin
        if source.isatty():
            print(prompt, end="", file=self._sink or sys.stdout, flush=True)
        line = source.readline()
        if not line and required:
            raise AgentError("the input ended before the consultation did")
        return line.rstrip("\n")

    def _print(self, line: str) -> None:
        print(line, file=self._sink or sys.stdout, flush=True)


def _new(events: tuple[Event, ...]) -> list[Event]:
    """What happened since the doctor's last act."""
    last = max((n for n, e in enumerate(events) if e.role is Role.DOCTOR), default=-1)
    return list(events[last + 1 :])


def shown(event: Event) -> list[str]:
    """An event as the doctor reads it."""
    what = event.what
    if isinstance(what, (Report, Released)):
        return [printable(line) for line in render_results(what).splitlines()]
    if isinstance(what, Notice):
        return [f"({printable(what.text)})"]
    if isinstance(what, Say):
        return [f"Patient: {printable(what.text)}"]
    text = getattr(what, "text", "")
    return [printable(text)] if text else []
