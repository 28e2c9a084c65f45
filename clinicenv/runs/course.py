"""How the calls of a consultation grow, in tokens: the most that can happen, and what is likely.

The most: every turn is used, every reply is as long as its `max_tokens`, each is asked again once, every step
is taken. A text has no more tokens than UTF-8 bytes, for a byte-level vocabulary never makes more of it; a
reply read by another model counts `REREAD` times its `max_tokens`. The case's results come once, and in
every turn `MORE` bytes of results that are ordered again or that the case does not list. Not counted are
replies that a server made and lost (a broken connection, a body that is no reply).

Likely: half of the turns, `LIKELY_REPLY` tokens a reply, four bytes a token, half of the results, no reply
asked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from clinicenv.agents import analysis, lookup
from clinicenv.agents.cards import AgentCard, Step
from clinicenv.agents.library import PASSAGE
from clinicenv.agents.model_doctor import MAX_SEARCHES
from clinicenv.events import MAX_ITEMS, Role
from clinicenv.protocol import MAX_DIAGNOSES, MAX_ITEM
from clinicenv.runs.seats import UTF8, Seat, size, size_of_results
from clinicenv.runs.spec import Job

LIKELY_REPLY = 60
"""Tokens."""

REREAD = 2
"""Tokens that a reply has for another model, for each one that it had for its writer: vocabularies differ."""

MORE = 600
"""Bytes of results a turn beside the case's own."""

SPOKEN, SPOKEN_MOST = 150, 600
"""Bytes of a turn's words where no model writes them."""

FRAME = 200
"""Bytes that the core adds in a turn: counters, notices, directions."""

PASSAGES = lookup.MAX_LOOKUPS * 3 * (PASSAGE + 100)
"""Characters that a doctor's look-ups bring into a turn."""


@dataclass(frozen=True)
class Figures:
    """Calls, tokens and dollars; `usd` is None where the model has no price."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None = None

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
        )

    def times(self, n: int) -> "Figures":
        usd = None if self.usd is None else self.usd * n
        return Figures(self.calls * n, self.prompt_tokens * n, self.completion_tokens * n, usd)


NOTHING = Figures(0, 0, 0, 0.0)


def courses(job: Job, seats: Mapping[Role, Seat]) -> tuple["Course", "Course | None"]:
    """The likely course, and the one that asks most; None where a reply has no limit."""
    turns = int(job.first.limits["max_turns"] or 1)
    longest = {role: seat.longest for role, seat in seats.items()}
    table = size_of_results(job)
    likely = Course(
        turns=(turns + 1) // 2,
        per_byte=0.25,
        asks=1,
        reread=1,
        replies={role: min(LIKELY_REPLY, most or LIKELY_REPLY) for role, most in longest.items()},
        models={role: seat.model for role, seat in seats.items()},
        spoken=SPOKEN,
        table=table // 2,
        more=0,
        items=1,
    )
    bounded = {role: most for role, most in longest.items() if most is not None}
    if len(bounded) < len(longest):
        return likely, None
    most = replace(
        likely,
        turns=turns,
        per_byte=1.0,
        asks=2,
        reread=REREAD,
        replies=bounded,
        spoken=SPOKEN_MOST,
        table=table,
        more=MORE,
        items=MAX_ITEMS * turns,
    )
    return likely, most


@dataclass(frozen=True)
class Course:
    """How a consultation goes, as supposed: the sizes of all that is written in it."""

    turns: int
    per_byte: float
    """tokens"""
    asks: int
    """calls for one reply"""
    reread: int
    replies: Mapping[Role, int]
    """tokens of a model's reply"""
    models: Mapping[Role, str]
    spoken: int
    table: int
    """bytes of the case's results that come in the whole consultation"""
    more: int
    items: int
    """calls of a model for results that the case leaves open, in the whole consultation"""

    def of(self, seat: Seat) -> Figures:
        """What a role's model is asked in the whole consultation."""
        return _OF[seat.role](seat, self)

    def read(self, size: float) -> float:
        """Tokens of a text of so many bytes."""
        return size * self.per_byte

    def heard(self, speaker: Role, by: Role) -> float:
        """Tokens of a reply for another role's model."""
        if speaker not in self.models:
            return self.read(self.spoken)
        same = self.models[speaker] == self.models[by]
        return self.replies[speaker] * (1 if same else self.reread)

    def talk(self, first: float, grow: float, turn: "_Calls") -> Figures:
        """The same calls in every turn, after a history that has `first` tokens in the first turn and `grow`
        more in each next one."""
        n = self.turns
        history = n * first + grow * n * (n - 1) / 2
        prompt = turn.count * history + n * turn.prompts
        return Figures(n * turn.count, round(prompt), n * turn.count * turn.own)

    def reply(self, own: int, times: int = 1) -> "_Calls":
        """One reply, asked again where that is supposed, `times` over."""
        calls = _Calls(own)
        for ask in range(self.asks):
            calls.add(self.read(FRAME) if ask else 0)
        return replace(calls, count=calls.count * times, prompts=calls.prompts * times)


@dataclass
class _Calls:
    """Calls that follow each other within a turn: each reads the replies before it."""

    own: int
    """tokens of a reply"""
    count: int = 0
    prompts: float = 0.0
    """tokens of all their prompts together, without what all of them begin with"""
    last: float = 0.0
    """tokens that the next one reads"""

    def add(self, asked: float) -> None:
        """One more call, which is asked with so many tokens."""
        self.last += asked
        self.count += 1
        self.prompts += self.last
        self.last += self.own


def _of_doctor(seat: Seat, course: Course) -> Figures:
    card, own = seat.card, course.replies[Role.DOCTOR]
    first = course.read(seat.first + course.table + UTF8 * (card.notebook or 0))
    measured = course.heard(Role.MEASUREMENT, Role.DOCTOR) if Role.MEASUREMENT in course.models else 0
    grow = own + course.heard(Role.PATIENT, Role.DOCTOR) + course.read(course.more + FRAME)
    grow += measured * course.items / course.turns
    turn = _Calls(own)
    for step in card.steps[:-1]:
        for _ in range(course.asks if step.output == "analysis" else 1):
            turn.add(course.read(_asked_in(step)))
    prompt = course.read(_asked_in(card.steps[-1])) if card.steps else 0.0
    _decide(turn, card, course, prompt)
    if card.reflect and course.asks > 1:  # it may think again in every turn, and do something else then
        turn.add(course.read(FRAME))
        _decide(turn, card, course, course.read(FRAME))
    whole = course.talk(first, grow, turn)
    once = _Calls(own)
    end = first + course.turns * grow
    if card.reflect and course.asks == 1:
        once.add(end + course.read(FRAME))
        once.add(course.read(FRAME))
    if card.notebook:
        once.last = end
        once.add(course.read(FRAME))
    return whole + Figures(once.count, round(once.prompts), once.count * own)


def _decide(turn: _Calls, card: AgentCard, course: Course, prompt: float) -> None:
    """The calls for what the doctor does: look-ups, and once more where nothing could be read."""
    searches = 0 if not card.lookup else 1 if course.asks == 1 else MAX_SEARCHES
    for ask in range(course.asks):
        turn.add(course.read(FRAME) if ask else prompt)
        for _ in range(searches):
            turn.add(course.read(UTF8 * PASSAGES))


def _asked_in(step: Step) -> int:
    """Bytes that a step adds to the prompt."""
    schema = size(analysis.schema()) if step.output == "analysis" else 0
    return len(step.prompt.encode()) + schema + FRAME


def _of_patient(seat: Seat, course: Course) -> Figures:
    own, first = course.replies[Role.PATIENT], course.read(seat.first)
    heard = course.heard(Role.DOCTOR, Role.PATIENT) + course.read(FRAME)
    whole = course.talk(first + heard, heard + own, course.reply(own))
    if not seat.card.rates:
        return whole
    end = first + course.turns * (heard + own) + course.read(FRAME)
    return whole + _once(end, course.reply(own))


def _of_measurement(seat: Seat, course: Course) -> Figures:
    replies = course.reply(course.replies[Role.MEASUREMENT], course.items)
    return _once(course.read(seat.first + MAX_ITEM), replies)


def _of_moderator(seat: Seat, course: Course) -> Figures:
    listed = course.read(seat.first + MAX_DIAGNOSES * MAX_ITEM)
    return _once(listed, course.reply(course.replies[Role.MODERATOR]))


def _once(prompt: float, calls: _Calls) -> Figures:
    """Calls that begin with the same prompt."""
    return Figures(calls.count, round(calls.count * prompt + calls.prompts), calls.count * calls.own)


_OF = {
    Role.DOCTOR: _of_doctor,
    Role.PATIENT: _of_patient,
    Role.MEASUREMENT: _of_measurement,
    Role.MODERATOR: _of_moderator,
}
