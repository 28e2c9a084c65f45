"""One call of a role's model: its settings, its seed, and the record of it."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from clinicenv.agents.calls import ATTEMPT, CALL_LOG
from clinicenv.consultation import AgentError, Turn
from clinicenv.files import InputError
from clinicenv.models import loop
from clinicenv.models.call import Message, ModelError, Reply, Request, Usage
from clinicenv.models.gateway import Connection

T = TypeVar("T")


class Asker:
    """Asks the model of one seat, and records every call.

    `sampling` are the card's parameters; a keyed seed goes with them where `seeded`.
    """

    def __init__(self, name: str, connection: Connection, sampling: dict[str, Any], seeded: bool) -> None:
        self.name, self.connection, self._sampling, self._seeded = name, connection, sampling, seeded

    async def check(self) -> None:
        """One cheap call; InputError, which says what to mend, where the model cannot be asked."""
        try:
            await self._where_it_runs(self.connection.probe())
        except ModelError as e:
            raise InputError(e.cause) from e

    async def ask(
        self,
        turn: Turn,
        messages: list[Message],
        *,
        seed: str = "model",
        step: str = "",
        tools: Sequence[dict[str, Any]] = (),
        schema: dict[str, Any] | None = None,
    ) -> Reply:
        """The reply; AgentError, with the cause in words, where there is none.

        Args:
            turn: whose it is, for the record and the seed.
            messages: the whole prompt.
            seed: what the seed is drawn for; calls of one turn that differ in nothing else differ in this.
            step: of the turn, for the record.
            tools, schema: see `Request`.
        """
        request = Request(messages, self.settings(turn.draw.integer(seed)), tuple(tools), schema)
        record = {"role": turn.role.value, "turn": turn.view.turn, "step": step}
        return await self.send(request, record)

    def settings(self, seed: int) -> dict[str, Any]:
        """The parameters of a call; a seed that the card sets wins over this one."""
        return {"seed": seed, **self._sampling} if self._seeded else dict(self._sampling)

    async def send(self, request: Request, record: dict[str, Any]) -> Reply:
        """`ask` for a request that belongs to no turn; `record` says in the log what it was for."""
        record = {**record, "model": self.name}
        try:
            reply = await self._where_it_runs(self.connection.complete(request, attempt=ATTEMPT.get()))
        except ModelError as e:
            spent = {**tokens([e.usage]), "usd": self.connection.usd(e)} if e.usage else {}
            _log({**record, **spent, "error": e.kind})
            raise AgentError(e.cause) from e
        _log({**record, **self._figures(reply)})
        return reply

    async def _where_it_runs(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return await (coroutine if self.connection.hosted else on_loop(coroutine))

    def _figures(self, reply: Reply) -> dict[str, Any]:
        figures: dict[str, Any] = {"prompt_tokens": None, "completion_tokens": None, **tokens([reply.usage])}
        figures |= {
            "usd": self.connection.usd(reply),
            "tries": reply.tries,
            "seconds": round(reply.seconds, 3),
            "finish_reason": reply.finish_reason,
            "cached": reply.cached,
        }
        return {**figures, "dropped": list(reply.dropped)} if reply.dropped else figures


def usage_of(replies: Sequence[Reply]) -> dict[str, int]:
    """The tokens of all replies together, by kind; empty where no server counted."""
    return tokens(reply.usage for reply in replies)


def tokens(usages: Iterable[Usage | None]) -> dict[str, int]:
    """Tokens added up by kind; empty where none were counted."""
    total: dict[str, int] = {}
    for usage in filter(None, usages):
        counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
        rest = {"cached_tokens": usage.cached_tokens, "reasoning_tokens": usage.reasoning_tokens}
        for kind, count in {**counts, **{k: v for k, v in rest.items() if v}}.items():
            total[kind] = total.get(kind, 0) + count
    return total


async def on_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Awaits on the loop that model calls run on, whichever loop the caller is on."""
    if loop.inside():
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop.background()))


def _log(record: dict[str, Any]) -> None:
    if log := CALL_LOG.get():
        log(record)
