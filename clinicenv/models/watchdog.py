"""A program that ends another program, and all that it started, when whoever wanted it is gone.

    python watchdog.py LOG -- COMMAND...

runs COMMAND in a process group of its own, with what it writes going to the file LOG, until COMMAND exits
(the watchdog then exits with its code), the watchdog's standard input reaches its end (the parent holds the
other end of the pipe and closes it, or died), its parent is gone (a copy of the pipe may live on in a process
that the parent forked), or the watchdog is told to end. The group then gets SIGTERM, and SIGKILL at most
`GRACE` seconds later. Start it in a session of its own, so that Ctrl-C in the terminal does not reach COMMAND
before the parent has ended. Standard library only, POSIX only; it imports nothing of clinicenv.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

POLL = 0.25
"""Seconds between two looks at the command and at the parent."""
GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL."""
GRACE_REST = 0.4
"""Seconds for the rest of the group after its leader; few, for dead ones may linger there unreaped."""


def watch(command: list[str], log: str) -> int:
    """Runs the command to its end, or ends it; its exit code (negative: the signal that ended it)."""
    parent, told = os.getppid(), []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    with open(log, "ab") as output:
        started = subprocess.Popen(  # noqa: S603 - the command is the caller's own
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
        )
    while started.poll() is None and os.getppid() == parent and not told and not _input_ended():
        pass
    _end_group(started)
    return started.returncode


def _input_ended() -> bool:
    """Whether standard input has ended; waits for that up to `POLL` seconds."""
    readable, _, _ = select.select([0], [], [], POLL)
    return bool(readable) and not os.read(0, 4096)


def _end_group(leader: subprocess.Popen[bytes]) -> None:
    """Ends the leader's whole group: politely, then for certain."""
    _signal(leader.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while leader.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    until = min(until, time.monotonic() + GRACE_REST)
    while _signal(leader.pid, 0) and time.monotonic() < until:
        time.sleep(0.02)
    _signal(leader.pid, signal.SIGKILL)
    leader.wait()


def _signal(group: int, number: int) -> bool:
    """Signals the group; whether it still has a process in it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: PermissionError for zombies
        os.killpg(group, number)
        return True
    return False


def main() -> int:
    log, dashes, *command = sys.argv[1:]
    if dashes != "--" or not command:
        sys.exit("usage: watchdog.py LOG -- COMMAND...")
    try:
        return watch(command, log)
    except OSError as e:
        with open(log, "a", encoding="utf-8") as f:
            f.write(f"{command[0]}: {e.strerror}\n")
        return 127


if __name__ == "__main__":
    code = main()
    sys.exit(code if code >= 0 else 128 - code)
