"""What a run will ask of models: the most that can happen, and what is likely.

The most: every turn is used, every reply is as long as its `max_tokens`, each is asked again once, every step
is taken. A text has no more tokens than UTF-8 bytes, for a byte-level vocabulary never makes more of it; a
reply read by another model counts `REREAD` times its `max_tokens`. The case's results come once, and in
every turn `MORE` bytes of results that are ordered again or that the case does not list. Not counted are
replies that a server made and lost (a broken connection, a body that is no reply).

Likely: half of the turns, `LIKELY_REPLY` tokens a reply, four bytes a token, half of the results, no reply
asked again; or, where consultations of the run are finished, what each role's model used in those.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from clinicenv import toolcalls
from clinicenv.agents import analysis, lookup, prompts
from clinicenv.agents.cards import AgentCard, Step
from clinicenv.agents.example import LENGTH
from clinicenv.agents.library import PASSAGE
from clinicenv.agents.model_doctor import MAX_SEARCHES
from clinicenv.clinic.measurement import report
from clinicenv.consultation import Consultation, Turn
from clinicenv.events import MAX_ITEMS, Diagnose, Examine, Order, OrderTests, Role, Say
from clinicenv.files import InputError
from clinicenv.models.call import Usage
from clinicenv.models.names import OPENAI, ModelName, checked_url
from clinicenv.models.prices import Price, Prices
from clinicenv.protocol import MAX_DIAGNOSES, MAX_ITEM, render_results
from clinicenv.runs.budget import no_price
from clinicenv.runs.results import ResultLine
from clinicenv.runs.spec import Job
from clinicenv.score.summary import CallRow, Calls
from clinicenv.view import MeasurementView

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

UTF8 = 4
"""Bytes of a character at most."""


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


@dataclass(frozen=True)
class SeatEstimate:
    """What one role asks of its model."""

    role: str
    model: str
    likely: Figures
    most: Figures | None
    limited: bool
    """whether its own replies have a limit; one seat without makes `most` None for all"""
    priced: bool
    """whether the model's price is known"""
    free: bool
    """whether that price is 0"""

    def __add__(self, other: "SeatEstimate") -> "SeatEstimate":
        most = self.most + other.most if self.most and other.most else None
        return replace(self, likely=self.likely + other.likely, most=most)

    def times(self, n: int) -> "SeatEstimate":
        return replace(self, likely=self.likely.times(n), most=self.most and self.most.times(n))


@dataclass(frozen=True)
class Estimate:
    """What a run asks of its models, by role and model; nothing where none plays."""

    seats: list[SeatEstimate]
    notes: list[str]
    """what the figures rest on, in words"""

    @property
    def likely(self) -> Figures:
        return sum((seat.likely for seat in self.seats), NOTHING)

    @property
    def most(self) -> Figures | None:
        all_most = [seat.most for seat in self.seats]
        return None if None in all_most else sum(filter(None, all_most), NOTHING)


@dataclass(frozen=True)
class _Seat:
    """A role with a model, and its first messages in one scenario."""

    role: Role
    model: str
    priced: str
    """the name that prices know, which has the server's address"""
    card: AgentCard
    first: int
    """bytes of the messages of its first call, tools included"""

    @cached_property
    def longest(self) -> int | None:
        """Tokens of its longest reply, None where nothing limits it."""
        names = ("max_tokens", "max_completion_tokens")
        given = [value for name in names if (value := self.card.sampling.get(name)) is not None]
        numbers = [int(v) for v in given if isinstance(v, (int, float)) and not isinstance(v, bool)]
        return max(numbers) if given and len(numbers) == len(given) else None


@dataclass(frozen=True)
class _Course:
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


def _of_doctor(seat: _Seat, course: _Course) -> Figures:
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


def _decide(turn: _Calls, card: AgentCard, course: _Course, prompt: float) -> None:
    """The calls for what the doctor does: look-ups, and once more where nothing could be read."""
    searches = 0 if not card.lookup else 1 if course.asks == 1 else MAX_SEARCHES
    for ask in range(course.asks):
        turn.add(course.read(FRAME) if ask else prompt)
        for _ in range(searches):
            turn.add(course.read(UTF8 * PASSAGES))


def _asked_in(step: Step) -> int:
    """Bytes that a step adds to the prompt."""
    schema = _bytes(analysis.schema()) if step.output == "analysis" else 0
    return len(step.prompt.encode()) + schema + FRAME


def _of_patient(seat: _Seat, course: _Course) -> Figures:
    own, first = course.replies[Role.PATIENT], course.read(seat.first)
    heard = course.heard(Role.DOCTOR, Role.PATIENT) + course.read(FRAME)
    whole = course.talk(first + heard, heard + own, course.reply(own))
    if not seat.card.rates:
        return whole
    end = first + course.turns * (heard + own) + course.read(FRAME)
    return whole + _once(end, course.reply(own))


def _of_measurement(seat: _Seat, course: _Course) -> Figures:
    replies = course.reply(course.replies[Role.MEASUREMENT], course.items)
    return _once(course.read(seat.first + MAX_ITEM), replies)


def _of_moderator(seat: _Seat, course: _Course) -> Figures:
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


class Estimator:
    """Estimates consultations; what differs only in its repeat is worked out once.

    Args:
        prices: of the models.
        earlier: consultations of the run that are finished; what is likely is then read from them.
    """

    def __init__(self, prices: Prices, earlier: Iterable[ResultLine] = ()) -> None:
        self._prices = prices
        self._earlier = _means(earlier)
        self._known: dict[tuple[int, str], tuple[Job, list[SeatEstimate]]] = {}

    def of(self, job: Job) -> list[SeatEstimate]:
        """What one consultation asks of the models in it."""
        place = (id(job.arm), job.scenario.hash)
        if place not in self._known:
            self._known[place] = (job, self._work_out(job))  # the job keeps its arm, and so the id, alive
        return self._known[place][1]

    def total(self, jobs: Iterable[Job]) -> Estimate:
        """What many consultations ask of their models."""
        counts: dict[tuple[int, str], tuple[Job, int]] = {}
        for job in jobs:
            place = (id(job.arm), job.scenario.hash)
            counts[place] = (job, counts[place][1] + 1 if place in counts else 1)
        seats: dict[tuple[str, str], SeatEstimate] = {}
        unknown: set[str] = set()
        for job, n in counts.values():
            unknown.update(_without_card(job))
            for seat in self.of(job):
                name = (seat.role, seat.model)
                more = seat.times(n)
                seats[name] = seats[name] + more if name in seats else more
        found = list(seats.values())
        return Estimate(found, self._notes(found, sorted(unknown)) if found or unknown else [])

    def most_usd(self, job: Job) -> float:
        """The most that a consultation can cost, in dollars, to reserve from a `Budget`.

        InputError where a model has no price, or nothing limits its replies.
        """
        for name in _without_card(job):
            raise no_price(name)
        seats = self.of(job)
        for seat in seats:
            if not seat.priced:
                raise no_price(seat.model)
        if all(seat.free for seat in seats):
            return 0.0
        for seat in seats:
            if not seat.limited:
                raise InputError(
                    f"--max-cost needs a limit to every reply, and the {seat.role}'s model `{seat.model}` has"
                    " none; give max_tokens in its card's `sampling`, or as an argument: max_tokens=1024"
                )
        return sum(seat.most.usd or 0.0 for seat in seats if seat.most)

    def _work_out(self, job: Job) -> list[SeatEstimate]:
        seats = _seats(job)
        turns = int(job.first.limits["max_turns"] or 1)
        longest = {seat.role: seat.longest for seat in seats.values()}
        models = {role: seat.model for role, seat in seats.items()}
        table = _results(job)
        likely = _Course(
            turns=(turns + 1) // 2,
            per_byte=0.25,
            asks=1,
            reread=1,
            replies={role: min(LIKELY_REPLY, most or LIKELY_REPLY) for role, most in longest.items()},
            models=models,
            spoken=SPOKEN,
            table=table // 2,
            more=0,
            items=1,
        )
        bounded = {role: most for role, most in longest.items() if most is not None}
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
        return [
            self._seat(seat, likely, most if len(bounded) == len(longest) else None)
            for seat in seats.values()
        ]

    def _seat(self, seat: _Seat, likely: _Course, most: _Course | None) -> SeatEstimate:
        price = self._prices.price_of(seat.priced)
        name = (seat.role.value, seat.model)
        expected = self._earlier.get(name) or _OF[seat.role](seat, likely)
        highest = _OF[seat.role](seat, most) if most else None
        return SeatEstimate(
            *name,
            likely=replace(expected, usd=_usd(price, expected)),
            most=highest and replace(highest, usd=_most_usd(price, highest)),
            limited=seat.longest is not None,
            priced=price is not None,
            free=price is not None and not price.most(1, 1),
        )

    def _notes(self, seats: list[SeatEstimate], unknown: list[str]) -> list[str]:
        learnt = [seat for seat in seats if (seat.role, seat.model) in self._earlier]
        notes = ["Likely: what this run's finished consultations used."] if learnt else []
        if len(learnt) < len(seats):
            whose = " for the others" if learnt else ""
            notes.append(
                f"Likely{whose}: half of the turns, {LIKELY_REPLY} tokens a reply, nothing asked again."
            )
        notes.append("At most: all turns, every reply at its max_tokens, each asked again once.")
        notes += [
            f"No upper bound for {name}: give max_tokens."
            for name in sorted({f"the {s.role}'s {s.model}" for s in seats if not s.limited})
        ]
        priceless = sorted({s.model for s in seats if not s.priced})
        notes += [f"No price for {model}: add it to prices.yaml." for model in priceless]
        return notes + [f"Not estimated: {name}, which is no card's model." for name in unknown]


def _usd(price: Price | None, figures: Figures) -> float | None:
    return price.usd(Usage(figures.prompt_tokens, figures.completion_tokens)) if price else None


def _most_usd(price: Price | None, figures: Figures) -> float | None:
    return price.most(figures.prompt_tokens, figures.completion_tokens) if price else None


def _means(results: Iterable[ResultLine]) -> dict[tuple[str, str], Figures]:
    """What a role's model used in a consultation on average, by role and model."""
    found: dict[tuple[str, str], tuple[int, Calls]] = {}
    for result in results:
        if result.status == "error":
            continue
        for name in {(row["role"], row["model"]) for row in result.usage}:
            count, calls = found.get(name, (0, Calls()))
            found[name] = (count + 1, calls)
        for row in result.usage:
            found[row["role"], row["model"]][1].add(CallRow(**row))
    means = {}
    for name, (count, calls) in found.items():
        total = calls.total
        sums = (total.calls, total.prompt_tokens, total.completion_tokens)
        means[name] = Figures(*(round(figure / count) for figure in sums))
    return means


# What is read from a job


def _without_card(job: Job) -> list[str]:
    """Models that are no card's, e.g. an object from Python: nothing is known of their calls."""
    return [
        str(getattr(agent, "name", type(agent).__name__))
        for agent in job.arm.cast.models
        if not isinstance(getattr(agent, "card", None), AgentCard)
    ]


def _seats(job: Job) -> dict[Role, _Seat]:
    """The roles with a model."""
    found = {}
    for role in job.arm.cast.seats:
        agent: Any = job.arm.cast[role]
        card = getattr(agent, "card", None)
        if isinstance(card, AgentCard) and card.kind == "model" and card.system:
            turn = _first_turn(job, role)
            if turn is not None:
                first = _bytes_of_first(card, card.system, turn)
                found[role] = _Seat(role, str(agent.name), _priced(card, str(agent.name)), card, first)
    return found


def _priced(card: AgentCard, name: str) -> str:
    """The model's name with the address that it is asked at; without it for OpenAI's own."""
    from clinicenv.models.endpoint import DEFAULT_URL

    model = ModelName.parse(card.model) if card.model else None
    if model is None or model.provider != OPENAI:
        return name
    url = checked_url(model.url or card.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL)
    return str(replace(model, url=None if url == DEFAULT_URL else url))


def _first_turn(job: Job, role: Role) -> Turn | None:
    """A turn of this role as it comes up, None where this task has none for it."""
    consultation = Consultation(job.scenario, job.arm.cast, header=job.first)
    if role is Role.PATIENT:
        consultation.submit(Say("Hello."))
    elif role is Role.MEASUREMENT:
        consultation.submit(OrderTests(("ECG",)))
    elif role is Role.MODERATOR:
        if job.scenario.task != "diagnose":
            return None
        consultation.submit(Diagnose(("unknown",)))
    turn = consultation.pending
    return turn if turn and turn.role is role else None


def _bytes_of_first(card: AgentCard, system: str, turn: Turn) -> int:
    by_tools = card.protocol == "tools"
    size = _bytes(prompts.messages(turn.view, system, turn.legal, by_tools=by_tools))
    if by_tools:
        size += _bytes(toolcalls.tools(turn.legal))
    return size + (UTF8 * LENGTH if card.example else 0)


def _bytes(data: Any) -> int:
    """Of its JSON, which has a little more than the words that a model reads."""
    return len(json.dumps(data, ensure_ascii=False).encode())


def _results(job: Job) -> int:
    """Bytes of all results that the case has, as the doctor reads them."""
    s = job.scenario
    consultation = Consultation(s, job.arm.cast, header=job.first)
    consultation.submit(OrderTests(("ECG",)))
    turn = consultation.pending
    assert turn
    assert isinstance(turn.view, MeasurementView)
    parts = {"vitals", *(f.system for f in s.exam.findings), *s.exam.normal_text}
    orders: list[Order] = [Examine((part,)) for part in sorted(parts)]
    orders += [OrderTests((test.name,)) for test in turn.view.tests]
    orders += [OrderTests((image.name,)) for image in turn.view.images]
    found = report(replace(turn.view, orders=tuple(orders)), lambda item: turn.draw("result", item))
    return len(render_results(found).encode())
