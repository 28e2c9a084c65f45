"""What the doctor has newly read and heard, as text."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import cast

from clinicenv import protocol
from clinicenv.consultation import Consultation
from clinicenv.events import DoorNote, Event, Leave, Notice, Report, Role, Say, Trajectory
from clinicenv.view import DoctorView, for_doctor


def gained(consultation: Consultation) -> tuple[int, str]:
    """The doctor's acts so far, and what its view gained since the last; while the doctor is due.

    At the start that is the door note, the patient's opening and, in a `question` task, the question.
    """
    assert consultation.pending
    view = cast(DoctorView, consultation.pending.view)
    taken = view.turn - 1
    parts = [words(e) for e in _of_turn(view.events, taken)]
    if not taken:
        parts += _question(view)
    return taken, "\n\n".join(parts)


def gained_at_end(log: Trajectory) -> tuple[int, str]:
    """The same when all is over, and no view is due that would say what the doctor sees."""
    assert log.outcome
    taken = log.outcome.turns
    seen = (for_doctor(e, e.n) for e in _of_turn(log.events, taken))
    return taken, "\n\n".join(words(e) for e in seen if e)


def words(event: Event) -> str:
    """An event of another role as the doctor reads it."""
    what = event.what
    if isinstance(what, DoorNote):
        return what.text
    if isinstance(what, Say):
        return f"Patient: {what.text}"
    if isinstance(what, Report):
        return protocol.render_results(what)
    if isinstance(what, Notice):
        return f"[{what.text}]"
    assert isinstance(what, Leave)
    return f"Patient: {what.text}\n[The patient leaves.]" if what.text else "[The patient leaves.]"


def _of_turn(events: Sequence[Event], turn: int) -> list[Event]:
    """What the others did in the turn that has just been played; 0 is the start."""
    last = list(takewhile(lambda e: e.turn == turn, reversed(events)))
    return [e for e in reversed(last) if e.role is not Role.DOCTOR]


def _question(view: DoctorView) -> Iterator[str]:
    """The question of a `question` task, with its options."""
    if view.question:
        yield "\n".join([f"Question: {view.question}", *(f"{o.id}: {o.text}" for o in view.options)])
