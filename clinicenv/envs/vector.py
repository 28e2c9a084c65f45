"""Many consultations at once, a thread each: their steps wait for models, not for the processor."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import iterate

from clinicenv.envs.text import ConsultationEnv


class _Played:
    """Stands in for an environment that has just been called, and hands its results out again."""

    def __init__(self, results: Sequence[Any]) -> None:
        self._results = iter(results)

    def reset(self, **_asked: Any) -> Any:
        return next(self._results)

    def step(self, _action: str) -> Any:
        return next(self._results)


class ConsultationVectorEnv(SyncVectorEnv[Any, Any]):
    """`num_envs` consultations whose roles are asked at the same time.

    The calls run in threads; then Gymnasium's own code does the bookkeeping on their results, so batches,
    infos and every autoreset mode are those of `SyncVectorEnv`. Casts that are scripted throughout wait for
    nothing and run in turn. A first reset without a seed takes seed 0 for the first environment, 1 for the
    next, and so on, so that they play different episodes.

    Args:
        num_envs: how many, from 1 on.
        autoreset_mode: `NextStep` (the default), `SameStep` or `Disabled`, or Gymnasium's `AutoresetMode`.
        arguments: those of `ConsultationEnv`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **arguments: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs: at least 1, got {num_envs}")
        make = partial(ConsultationEnv, **arguments)
        super().__init__([make] * num_envs, autoreset_mode=autoreset_mode)
        self._seeded = False
        self._threads = ThreadPoolExecutor(num_envs, "clinicenv-env") if self.envs[0].waits else None  # type: ignore[attr-defined]

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets all, or those that the boolean array `options["reset_mask"]` marks."""
        if seed is None and not self._seeded:
            seed = 0
        self._seeded = True
        seeds = _seeds(seed, self.num_envs)
        rest = dict(options or {})
        marked = rest.pop("reset_mask", None)
        mask = np.ones(self.num_envs, np.bool_) if marked is None else marked
        kept = dict(options) if options else None  # the stock code takes the mask out of what it is given
        wrong = len(seeds) != self.num_envs or not _fits(mask, self.num_envs)
        if self._threads is None or wrong:  # the stock code says what is wrong
            return super().reset(seed=seeds, options=kept)

        def play(i: int) -> list[Any]:
            return [self.envs[i].reset(seed=seeds[i], options=rest)] if mask[i] else []

        with self._played(play):
            return super().reset(seed=seeds, options=kept)

    def step(self, actions: Any) -> Any:
        """One action for each, in order."""
        if self._threads is None:
            return super().step(actions)
        each = list(iterate(self.action_space, actions))

        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP

        def play(i: int) -> list[Any]:
            env = self.envs[i]
            if self._autoreset_envs[i] and not same_step:
                # where autoreset is disabled, the stock code refuses the step itself
                return [env.reset()] if self.autoreset_mode is AutoresetMode.NEXT_STEP else []
            result = env.step(each[i])
            return [result, env.reset()] if same_step and (result[2] or result[3]) else [result]

        with self._played(play):
            return super().step(actions)

    @contextmanager
    def _played(self, play: Callable[[int], Sequence[Any]]) -> Iterator[None]:
        """Plays all at once, and puts stand-ins with the results in the environments' place meanwhile."""
        assert self._threads
        calls = [self._threads.submit(play, i) for i in range(self.num_envs)]
        wait(calls)  # all of them, so that nothing is running when one has failed
        played = [_Played(call.result()) for call in calls]
        envs, self.envs = self.envs, played  # type: ignore[assignment]
        try:
            yield
        finally:
            self.envs = envs

    def close_extras(self, **kwargs: Any) -> None:
        super().close_extras(**kwargs)
        if self._threads is not None:
            self._threads.shutdown()


def _seeds(seed: int | list[int | None] | None, count: int) -> list[int | None]:
    """A seed for each, as Gymnasium deals them out."""
    if isinstance(seed, list):
        return seed
    return [None if seed is None else seed + i for i in range(count)]


def _fits(mask: Any, count: int) -> bool:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        return False
    return mask.shape == (count,) and bool(mask.any())
