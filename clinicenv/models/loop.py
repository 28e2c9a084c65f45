"""The one event loop on which a process makes its model calls.

An asynchronous HTTP client belongs to the loop that it was first used on and breaks on another. So
synchronous code (an environment's `step`, a command) starts no loop; it hands coroutines to this one.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")

GRACE = 5.0
"""Seconds that an interrupted caller waits for its coroutine to clean up."""


class _Background:
    """The loop and its thread, both made when first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="clinicenv models", daemon=True).start()
            return self._loop


_by_process: dict[int, _Background] = {os.getpid(): _Background()}


def background() -> asyncio.AbstractEventLoop:
    """This process's loop. A forked child has no thread of its parent's, so it gets a loop of its own."""
    return _by_process.setdefault(os.getpid(), _Background()).loop()


def inside() -> bool:
    """Whether the caller runs on that loop."""
    try:
        return asyncio.get_running_loop() is background()
    except RuntimeError:
        return False


async def in_parallel(items: Sequence[Item], do: Callable[[Item], Awaitable[None]], most: int) -> None:
    """Does it for each item, in order, at most so many at a time: as many tasks as that, however many items.

    The first that raises ends all, and what it raised is raised here.
    """
    left = iter(items)

    async def some() -> None:
        for item in left:
            await do(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(most, len(items))):
                group.create_task(some())
    except BaseExceptionGroup as e:  # the first one says what is wrong; the others were cancelled or alike
        raise e.exceptions[0] from None


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, waited for from synchronous code in any other thread.

    What the coroutine raises is raised here. Ctrl-C cancels it, lets it clean up for at most `GRACE` seconds
    and is raised again. RuntimeError on the background loop itself, which would wait for itself forever.
    """
    if inside():
        coroutine.close()
        raise RuntimeError("loop.run was called on the background loop; await the coroutine instead")
    ended = threading.Event()

    async def watched() -> T:
        try:
            return await coroutine
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(watched(), background())
    try:
        return future.result()
    except CancelledError as e:  # the coroutine was cancelled on the loop
        raise asyncio.CancelledError from e
    except KeyboardInterrupt:
        if future.cancel():
            ended.wait(GRACE)
        raise
