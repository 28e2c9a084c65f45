"""The limiter lets no more calls start than it should, forgets none, and finds its way back up."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinicenv.files import InputError
from clinicenv.models.limits import Limiter


class Office:
    """Calls that go through a limiter and end when they are told to."""

    def __init__(self, most: int):
        self.limiter = Limiter(most)
        self.asked: list[asyncio.Task[None]] = []
        self.started: list[int] = []
        self.waited: list[int] = []
        self.ends: dict[int, asyncio.Event] = {}

    def ask(self) -> None:
        self.asked.append(asyncio.create_task(self._call(len(self.asked))))

    async def _call(self, number: int) -> None:
        waits = self.limiter.in_flight >= self.limiter.limit
        async with self.limiter:
            self.started.append(number)
            if waits:
                self.waited.append(number)
            self.ends[number] = asyncio.Event()
            try:
                await self.ends[number].wait()
            finally:
                del self.ends[number]

    def finish(self, pick: int) -> None:
        if self.ends:
            list(self.ends.values())[pick % len(self.ends)].set()

    def cancel(self, pick: int) -> None:
        if self.asked:
            self.asked[pick % len(self.asked)].cancel()

    async def settle(self) -> None:
        before = self.limiter.in_flight
        for _ in range(5):
            await asyncio.sleep(0)
        limiter = self.limiter
        assert limiter.in_flight == len(self.ends)
        assert limiter.waiting == sum(not task.done() for task in self.asked) - len(self.ends)
        assert limiter.in_flight <= max(limiter.limit, before)
        assert not (limiter.waiting and limiter.in_flight < limiter.limit), "a call waits beside a free slot"
        assert self.waited == sorted(self.waited), "a later call was served first"
        assert 1 <= limiter.limit <= limiter.most


STEPS: dict[str, Callable[[Office, int], None]] = {
    "ask": lambda office, _: office.ask(),
    "finish": lambda office, pick: office.finish(pick),
    "cancel": lambda office, pick: office.cancel(pick),
    "refused": lambda office, _: office.limiter.backed_off(),
    "well": lambda office, _: office.limiter.went_well(),
}
ACTS = st.tuples(st.sampled_from(["ask", "ask", *STEPS]), st.integers(0, 30), st.integers(0, 3))


@settings(max_examples=300, deadline=None)
@given(most=st.integers(1, 6), acts=st.lists(ACTS, max_size=60))
def test_whatever_happens_no_slot_is_lost_and_none_is_given_twice(
    most: int, acts: list[tuple[str, int, int]]
) -> None:
    async def play() -> None:
        office = Office(most)
        for act, pick, turns in acts:
            STEPS[act](office, pick)
            for _ in range(turns):  # the next thing may happen at any moment on the way
                await asyncio.sleep(0)
            if turns == 3:
                await office.settle()
        await office.settle()
        for _ in acts:
            office.finish(0)
            await office.settle()
        assert (office.limiter.in_flight, office.limiter.waiting) == (0, 0)
        for _ in range(most * most):
            office.limiter.went_well()
        assert office.limiter.limit == most

    asyncio.run(play())


async def test_a_cancelled_call_that_has_not_noticed_yet_blocks_nobody() -> None:
    office = Office(1)
    office.ask()
    await office.settle()
    office.ask()
    await office.settle()
    office.finish(0)
    office.ask()
    office.cancel(
        1
    )  # the slot is free and the third call asks before the second has seen that it is cancelled
    await office.settle()
    assert office.started == [0, 2]


async def test_a_call_cancelled_as_it_gets_its_slot_passes_it_on() -> None:
    office = Office(1)
    for _ in range(3):
        office.ask()
    await office.settle()
    office.finish(0)
    await asyncio.sleep(0)
    assert office.limiter.waiting == 1  # the second has its slot and does not know yet
    office.cancel(1)
    await office.settle()
    assert office.started == [0, 2]


async def test_many_refusals_at_once_halve_the_limit_once() -> None:
    limiter = Limiter(100)
    for _ in range(100):
        await limiter.__aenter__()
    for _ in range(100):
        limiter.backed_off()
    assert limiter.limit == 50
    for _ in range(99):  # those that were in flight end, refused or not
        await limiter.__aexit__(None, None, None)
        limiter.backed_off()
    assert limiter.limit == 50
    await limiter.__aexit__(None, None, None)
    await limiter.__aenter__()
    limiter.backed_off()
    limiter.backed_off()
    assert limiter.limit == 25


async def test_the_limit_never_falls_below_one_call() -> None:
    limiter = Limiter(3)
    for _ in range(5):
        async with limiter:
            limiter.backed_off()
    assert limiter.limit == 1
    async with limiter:
        assert limiter.in_flight == 1


def test_a_round_of_successes_adds_one_call_up_to_the_most() -> None:
    limiter = Limiter(6)
    limiter.backed_off()
    assert limiter.limit == 3
    limits = []
    for _ in range(3 + 4 + 5 + 20):
        limiter.went_well()
        limits.append(limiter.limit)
    assert limits == [3] * 2 + [4] * 4 + [5] * 5 + [6] * 21


async def test_a_limit_that_grows_lets_the_next_call_in() -> None:
    office = Office(2)
    office.limiter.backed_off()
    office.ask()
    office.ask()
    await office.settle()
    assert office.started == [0]
    office.limiter.went_well()
    await office.settle()
    assert office.started == [0, 1]


async def test_an_error_inside_gives_the_slot_back() -> None:
    limiter = Limiter(1)
    with pytest.raises(ValueError, match="inside"):
        async with limiter:
            raise ValueError("inside")
    assert limiter.in_flight == 0


async def test_thousands_wait_and_all_are_served() -> None:
    limiter = Limiter(64)
    served, peak = 0, 0

    async def call(number: int) -> None:
        nonlocal served, peak
        async with limiter:
            peak = max(peak, limiter.in_flight)
            await asyncio.sleep(0)
            if number % 97 == 0:
                limiter.backed_off()
            else:
                limiter.went_well()
            served += 1

    tasks = [asyncio.create_task(call(number)) for number in range(4_000)]
    await asyncio.sleep(0)
    assert limiter.waiting == 4_000 - 64
    for task in tasks[3_000::2]:
        task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert served == 3_500
    assert peak == 64
    assert (limiter.in_flight, limiter.waiting) == (0, 0)


def test_no_calls_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="1 or more"):
        Limiter(0)
