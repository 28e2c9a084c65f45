"""Who looks at a picture for the doctor: a model, or a function, that answers what it was asked about it."""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from clinicenv import gallery
from clinicenv.agents.asking import Asker, on_loop
from clinicenv.consultation import AgentError, Turn
from clinicenv.files import InputError, did_you_mean
from clinicenv.models import sight
from clinicenv.models.call import Message, ModelError, Request
from clinicenv.models.gateway import Connection, Gateway
from clinicenv.models.names import LOCAL, ModelName
from clinicenv.readers.asked import Asked, ReaderError

EXPERTS = {"ecg": "clinicenv.readers.ecg:read", "document": "clinicenv.readers.document:read"}
"""The readers that come with clinicenv, by name."""

ENTRY_POINTS = "clinicenv.readers"
"""The group in which other packages name theirs."""

MAX_TEXT = 4000
"""Characters of a reading that a doctor is shown."""

MOST_AT_ONCE = 16
"""Pictures that a function is given in one call, where it takes several."""

_SYSTEM = (
    "You read medical images for a doctor who cannot see them. Say plainly what can be seen that bears on"
    " what was asked for, normal or not, with side, place and size where they can be told, in at most {words}"
    " words. Do not guess what cannot be seen, name no patient, and leave the diagnosis to the doctor. If it"
    " is not the kind of picture that was asked for, or cannot be read, say so."
)
_WORDS = 120


class Reader(Protocol):
    """Answers a question about pictures."""

    name: str

    async def check(self) -> str:
        """Why it cannot be used; empty where it can."""
        ...

    async def read(self, asked: Asked, turn: Turn, item: str) -> str:
        """What it sees; ReaderError where nothing. `item` tells this reading from others of the turn."""
        ...


def reader(name: str, gateway: Gateway, longest: int, detail: str) -> Reader:
    """The reader of a name: an expert's, an entry point's, `plugin:MODULE:FUNCTION`, or a model string.

    Pictures go to a model with their longer side at most so long (pixels), with this `detail`. InputError
    where there is none of that name.
    """
    kind, _, rest = name.partition(":")
    if kind == "plugin":
        return FunctionReader(name, _function(rest, name))
    if rest or "/" in name:
        return ModelReader(ModelName.parse(name), gateway, longest, detail)
    found = {e.name: e.value for e in entry_points(group=ENTRY_POINTS)} | EXPERTS
    if name not in found:
        raise InputError(
            f"no reader is called `{name}`{did_you_mean(name, set(found))}; there are"
            f" {', '.join(sorted(found))}, plugin:MODULE:FUNCTION, and models, e.g. openai:NAME"
        )
    return FunctionReader(name, _function(found[name], name))


def _function(path: str, name: str) -> Callable[..., Any]:
    module, _, function = path.rpartition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as e:
        raise InputError(f"the reader `{name}` cannot be loaded: {e}") from e
    if not callable(found):
        raise InputError(f"the reader `{name}` is no function")
    return found  # type: ignore[no-any-return]


class ModelReader:
    """A model with eyes. Its calls are recorded as those of the role `reader`."""

    def __init__(self, name: ModelName, gateway: Gateway, longest: int, detail: str) -> None:
        self.name, self._longest, self._detail = str(name), longest, detail
        self._gateway, self._parsed = gateway, name

    @property
    def connection(self) -> Connection:
        """The way to its model; InputError for a missing key or extra."""
        return self._gateway.model(self._parsed)

    @property
    def local(self) -> str:
        """The local model that it needs a server for; empty for all others."""
        return self._parsed.model if self._parsed.provider == LOCAL else ""

    @property
    def _asker(self) -> Asker:
        return Asker(self.name, self.connection, {"temperature": 0}, seeded=True)

    async def preflight(self) -> None:
        """One cheap call; InputError, which says what to mend, where the model cannot be asked."""
        await self._asker.check()

    async def check(self) -> str:
        return await blind(self.connection)

    async def read(self, asked: Asked, turn: Turn, item: str) -> str:
        shown = [gallery.as_part(p, self._longest, self._detail) for p in asked.pictures]
        parts = [{"type": "text", "text": f"Asked for: {asked.request}"}, *shown]
        messages: list[Message] = [
            {"role": "system", "content": _SYSTEM.format(words=_WORDS)},
            {"role": "user", "content": parts},
        ]
        asker = self._asker
        record = {"role": "reader", "turn": turn.view.turn, "step": "read"}
        record |= {"pictures": len(shown), "longest": self._longest}
        request = Request(messages, asker.settings(turn.draw.integer(f"reader:{item}")))
        try:
            reply = await asker.send(request, record)
        except AgentError as e:
            raise ReaderError(str(e)) from e
        if not (text := reply.text.strip()):
            raise ReaderError(f"{self.name} says nothing")
        return text[:MAX_TEXT]


_proofs: WeakKeyDictionary[Connection, asyncio.Task[sight.Sight]] = WeakKeyDictionary()


async def blind(connection: Connection) -> str:
    """Why the model behind a connection is shown no picture; empty where it has proven sight.

    Each model is asked for its proof once, however many ask for it.
    """
    proof = _proofs.get(connection)
    if proof is None:
        proof = _proofs[connection] = asyncio.create_task(on_loop(sight.prove(connection)))
    try:
        seen = await asyncio.shield(proof)
    except ModelError as e:
        return e.cause
    return "" if seen.proven else f"it has not proven sight: {seen.why}"


class FunctionReader:
    """A function of `Asked`, sync or async, that gives text.

    One with an attribute `many` is called with lists: those that come while it is busy are read together.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self._function = name, function
        self._many: Callable[[Sequence[Asked]], Sequence[str]] | None = getattr(function, "many", None)
        self._waiting: list[tuple[Asked, asyncio.Future[str]]] = []
        self._working: asyncio.Task[None] | None = None

    async def check(self) -> str:
        ready = getattr(self._function, "check", None)
        try:
            return str(await asyncio.to_thread(ready) or "") if ready else ""
        except InputError as e:  # an extra is missing
            return e.what

    async def read(self, asked: Asked, turn: Turn, item: str) -> str:
        try:
            text = await (self._together(asked) if self._many else self._alone(asked))
        except ReaderError:
            raise
        except Exception as e:  # whatever a function may raise
            raise ReaderError(f"{type(e).__name__}: {e}") from e
        if not isinstance(text, str) or not text.strip():
            raise ReaderError("it says nothing")
        return text.strip()[:MAX_TEXT]

    async def _alone(self, asked: Asked) -> str:
        if asyncio.iscoroutinefunction(self._function):
            return await self._function(asked)  # type: ignore[no-any-return]
        return await asyncio.to_thread(self._function, asked)

    async def _together(self, asked: Asked) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            await self._next()

    async def _next(self) -> None:
        assert self._many
        batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        try:
            texts = await asyncio.to_thread(self._many, [asked for asked, _ in batch])
            if len(texts) != len(batch):
                raise ReaderError(f"it was asked about {len(batch)} studies and answered {len(texts)}")
        except Exception as e:  # noqa: BLE001 - whatever a function may raise, those who wait get it
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(e)
            return
        for (_, answer), text in zip(batch, texts, strict=True):
            if not answer.done():  # its consultation may have been given up
                answer.set_result(text)
