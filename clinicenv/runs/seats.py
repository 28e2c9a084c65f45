"""The roles that models play in a consultation: what each reads at first, and how long its replies may be."""

import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from clinicenv import toolcalls
from clinicenv.agents import prompts
from clinicenv.agents.cards import AgentCard
from clinicenv.agents.example import LENGTH
from clinicenv.clinic.measurement import report
from clinicenv.consultation import Consultation, Turn
from clinicenv.events import Diagnose, Examine, Order, OrderTests, Role, Say
from clinicenv.models.names import OPENAI, ModelName, checked_url
from clinicenv.protocol import render_results
from clinicenv.runs.spec import Job
from clinicenv.view import MeasurementView

UTF8 = 4
"""Bytes of a character at most."""

NO_LIMIT = 10_000_000
"""Tokens; a `max_tokens` above limits no model, for none has such a context."""


@dataclass(frozen=True)
class Seat:
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
        numbers = [v for v in given if isinstance(v, (int, float)) and not isinstance(v, bool)]
        limits = [int(v) for v in numbers if 1 <= v <= NO_LIMIT]
        return max(limits) if given and len(limits) == len(given) else None


def seats(job: Job) -> dict[Role, Seat]:
    """The roles with a model that have something to do in this scenario."""
    found = {}
    for role in job.arm.cast.seats:
        agent: Any = job.arm.cast[role]
        card = getattr(agent, "card", None)
        if isinstance(card, AgentCard) and card.kind == "model" and card.system:
            turn = _first_turn(job, role)
            if turn is not None:
                first = _bytes_of_first(card, card.system, turn)
                found[role] = Seat(role, str(agent.name), _priced(card, str(agent.name)), card, first)
    return found


def without_card(job: Job) -> list[str]:
    """Models that are no card's, e.g. an object from Python: nothing is known of their calls."""
    return [
        str(getattr(agent, "name", type(agent).__name__))
        for agent in job.arm.cast.models
        if not isinstance(getattr(agent, "card", None), AgentCard)
    ]


def size(data: Any) -> int:
    """Bytes of its JSON, which has a little more than the words that a model reads."""
    return len(json.dumps(data, ensure_ascii=False).encode(errors="replace"))


def size_of_results(job: Job) -> int:
    """Bytes of all results that the case has, as the doctor reads them."""
    s = job.scenario
    consultation = _begun(job)
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


def _priced(card: AgentCard, name: str) -> str:
    """The model's name with the address that it is asked at; without it for OpenAI's own."""
    from clinicenv.models.endpoint import DEFAULT_URL

    model = ModelName.parse(card.model) if card.model else None
    if model is None or model.provider != OPENAI:
        return name
    url = checked_url(model.url or card.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL)
    return str(replace(model, url=None if url == DEFAULT_URL else url))


def _begun(job: Job) -> Consultation:
    """The consultation when its doctor is first due: what comes unasked has been reported."""
    consultation = Consultation(job.scenario, job.arm.cast, header=job.first)
    turn = consultation.pending
    if turn and isinstance(turn.view, MeasurementView):
        consultation.submit(report(turn.view, lambda item: turn.draw("result", item)))
    return consultation


def _first_turn(job: Job, role: Role) -> Turn | None:
    """A turn of this role as it comes up, None where this task has none for it."""
    consultation = _begun(job)
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
    messages = size(prompts.messages(turn.view, system, turn.legal, by_tools=by_tools))
    tools = size(toolcalls.tools(turn.legal)) if by_tools else 0
    return messages + tools + (UTF8 * LENGTH if card.example else 0)
