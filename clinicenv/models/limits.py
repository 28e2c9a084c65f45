"""How many calls may be in flight to one endpoint: as many as it bears, and no more."""

from asyncio import CancelledError, Future, get_running_loop
from collections import deque
from types import TracebackType

from clinicenv.files import InputError


class Limiter:
    """Slots for calls, `async with limiter:` takes one and gives it back; who waits first is served first.

    The limit starts at `most` and follows additive increase, multiplicative decrease: a refusal (429) halves
    it, down to 1 at least; a success adds 1 / limit, so a round of successful calls adds 1, up to `most`.
    With this rule alone, callers that share a server and cannot see each other come to fair and full shares:
    Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer
    networks", Computer Networks and ISDN Systems 17 (1989). As in TCP, refusals count once a round: after a
    halving, the next one can follow when as many calls have ended as were in flight then, because those were
    sent before the halving could help.

    A limiter belongs to one event loop, and its methods are called there. Calls beyond a limit that has just
    been halved are not broken off; no new one starts until enough have ended.

    Args:
        most: the highest number of calls in flight, 1 or more.
    """

    def __init__(self, most: int):
        if most < 1:
            raise InputError(f"{most} calls at once cannot be; the number of calls in flight is 1 or more")
        self.most = most
        self._limit = most
        self._in_flight = 0
        self._waiting = 0
        self._queue: deque[Future[None]] = deque()  # has cancelled waiters until their turn comes
        self._successes = 0
        self._to_end = 0  # how many calls are to end before refusals count again

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """How many calls have a slot."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """How many calls wait for a slot."""
        return self._waiting

    def backed_off(self) -> None:
        """The endpoint refused a call because there were too many (429)."""
        if self._to_end > 0:
            return
        self._limit = max(1, self._limit // 2)
        self._to_end = self._in_flight
        self._successes = 0

    def went_well(self) -> None:
        """The endpoint answered a call."""
        self._successes += 1
        if self._successes >= self._limit:
            self._successes = 0
            self._limit = min(self.most, self._limit + 1)
            self._admit()

    async def __aenter__(self) -> None:
        if self._in_flight < self._limit:  # then nobody waits: a slot that gets free is given at once
            self._in_flight += 1
            return
        turn = get_running_loop().create_future()
        self._queue.append(turn)
        self._waiting += 1
        try:
            await turn
        except CancelledError:
            if turn.cancelled():
                self._waiting -= 1
            else:  # the slot was given in the same moment; it goes on to the next
                self._release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        self._to_end = max(0, self._to_end - 1)
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._in_flight < self._limit:
            turn = self._queue.popleft()
            if turn.done():  # its call was cancelled
                continue
            self._waiting -= 1
            self._in_flight += 1
            turn.set_result(None)
