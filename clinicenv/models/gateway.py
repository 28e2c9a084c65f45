"""The one way to models: whom a name stands for, the cache before it, its limits and its price."""

import asyncio
from collections.abc import Callable
from typing import Any

from clinicenv.models.cache import Cache
from clinicenv.models.call import LONGEST, MAX_TEXT, Model, ModelError, Reply, Request
from clinicenv.models.limits import Limiter
from clinicenv.models.names import LOCAL, OPENAI, ModelName
from clinicenv.models.prices import Price, Prices

HELLO = Request([{"role": "user", "content": "Hello"}], {"max_tokens": 1})
"""What `probe` asks, as far as the cache is concerned."""


class Connection:
    """A model behind the cache. `str` names it, with its address; `price` is None where none is known.

    `hosted` says where to await it: on the caller's own event loop and in its context, for the model of a
    program that clinicenv runs inside of; on the background loop otherwise.
    """

    def __init__(
        self,
        backend: Model,
        cache: Cache | None,
        price: Price | None,
        identity: str = "",
        *,
        hosted: bool = False,
    ) -> None:
        self._backend, self._cache, self.price, self.hosted = backend, cache, price, hosted
        self._name = str(backend)
        self._identity = identity or self._name  # for the cache: the same replies come from the same

    def __str__(self) -> str:
        return self._name

    async def complete(
        self, request: Request, on_text: Callable[[str], None] | None = None, *, attempt: int = 0
    ) -> Reply:
        """The model's reply, from the cache where it has one. `attempt` counts the tries of a consultation.

        ModelError where there is none.
        """
        if self._cache is None:
            return await self._ask(request, on_text)
        key = Cache.key(self._identity, request, attempt)
        if known := self._cache.get(key):
            if on_text is not None:
                on_text(known.text)
            return known
        return self._cache.put(key, self._name, await self._ask(request, on_text))

    async def _ask(self, request: Request, on_text: Callable[[str], None] | None) -> Reply:
        reply = await self._backend.complete(request, on_text)
        if len(reply.text) > MAX_TEXT:
            what = f"{self}: the reply has {len(reply.text):,} characters; set max_tokens"
            raise ModelError(what, "bad_reply", reply.usage)
        return reply

    async def probe(self) -> None:
        """One cheap call, within about 10 s (a local server's start not counted), or the memory of one."""
        key = Cache.key(self._identity, HELLO, 0) if self._cache else ""
        if self._cache and self._cache.get(key):
            return
        await self._backend.probe()
        if self._cache:
            self._cache.put(key, self._name, Reply("", None, None, 0.0, 1, None))

    def usd(self, came: Reply | ModelError) -> float | None:
        """What a call cost, in dollars: 0 from the cache, None where no price or no usage is known."""
        if isinstance(came, Reply) and came.cached:
            return 0.0
        return self.price.usd(came.usage) if self.price and came.usage else None


class _Limited:
    """A model that has no limits of its own, held to a number of calls in flight and a time for each."""

    def __init__(self, backend: Model, limiter: Limiter, seconds: float) -> None:
        self._backend, self._limiter, self._seconds = backend, limiter, seconds

    def __str__(self) -> str:
        return str(self._backend)

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        async with self._limiter:
            try:
                async with asyncio.timeout(self._seconds):
                    reply = await self._backend.complete(request, on_text)
            except TimeoutError:
                what = f"{self}: no reply within {self._seconds:g} s, all tries together"
                raise ModelError(what, "timeout") from None
            except ModelError as e:
                if e.kind == "rate_limit":
                    self._limiter.backed_off()
                raise
            self._limiter.went_well()
            return reply

    async def probe(self) -> None:
        await self._backend.probe()


class Gateway:
    """How a program asks models. Whoever shares a gateway shares connections, limits and cache.

    Args:
        cache: replies on disk; none are kept or found without it.
        concurrency: calls in flight to one endpoint, 1 to 1000; fewer for a while after a 429.
        timeout: seconds per try of a call.
        retries: further tries after rate limits, server errors, timeouts and lost connections.
        prices: of tokens; the user's file or the bundled one if not given.
    """

    def __init__(
        self,
        cache: Cache | None = None,
        *,
        concurrency: int = 128,
        timeout: float = 120.0,
        retries: int = 10,
        prices: Prices | None = None,
    ) -> None:
        self._cache, self._prices = cache, prices
        self._timeout, self._retries = timeout, retries
        self._concurrency = min(concurrency, 1000)
        self._limiters: dict[str, Limiter] = {}
        self._connections: dict[Any, Connection] = {}

    def model(self, name: ModelName, base_url: str | None = None) -> Connection:
        """The model of that name; `base_url` is for names without an address.

        InputError for a bad address, a missing key, an unknown provider or a missing extra.
        """
        if (name, base_url) not in self._connections:
            self._connections[name, base_url] = self._connect(name, base_url)
        return self._connections[name, base_url]

    def object(self, chat: Any) -> Connection:
        """A LangChain chat model object as it is. It has no price, and no cache, for its name does not tell
        how it was made."""
        from clinicenv.models.langchain import ChatModel

        if id(chat) not in self._connections:
            backend = ChatModel(chat)
            self._connections[id(chat)] = Connection(self._limited(backend, str(backend)), None, None)
        return self._connections[id(chat)]

    def _connect(self, name: ModelName, base_url: str | None) -> Connection:
        settings: Any = {"timeout": self._timeout, "retries": self._retries}
        backend: Model
        identity = ""
        if name.provider == OPENAI:
            from clinicenv.models.endpoint import DEFAULT_URL, Endpoint

            backend = endpoint = Endpoint(name, base_url, concurrency=self._concurrency, **settings)
            priced = str(endpoint) if endpoint.url != DEFAULT_URL else f"{OPENAI}:{name.model}"
        elif name.provider == LOCAL:
            from clinicenv.models.local import LocalModel, fingerprint

            identity = f"{LOCAL}:{fingerprint(name.model)}" if self._cache else ""
            backend = LocalModel(name.model, concurrency=self._concurrency, **settings)
            priced = str(name)
        else:
            from clinicenv.models.langchain import ChatModel

            chat = ChatModel.named(name, base_url, **settings)
            backend = self._limited(chat, f"{name.provider}@{name.url or base_url}")
            priced = str(backend)
        self._prices = self._prices or Prices.load()
        return Connection(backend, self._cache, self._prices.price_of(priced), identity)

    def _limited(self, backend: Model, endpoint: str) -> Model:
        limiter = self._limiters.setdefault(endpoint, Limiter(self._concurrency))
        return _Limited(backend, limiter, LONGEST * self._timeout)
