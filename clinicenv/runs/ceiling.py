"""A run held to a sum of money: what each consultation may cost, asked of the budget before it starts."""

from collections.abc import Iterable, Mapping
from typing import Any

from clinicenv.models.prices import Prices
from clinicenv.runs.budget import Budget, spent_before
from clinicenv.runs.estimate import Estimator
from clinicenv.runs.spec import Job


class Ceiling:
    """Lets consultations start while the most that they can cost fits under `usd` dollars.

    Args:
        usd: for the whole run, see `count`.
        jobs: that are to be played. InputError where it cannot be told what one may cost: a model has no
            price, or nothing limits its replies.
    """

    def __init__(self, usd: float, jobs: Iterable[Job]) -> None:
        self._prices = Prices.load()
        self._estimator = Estimator(self._prices)
        self._usd, self._budget = usd, Budget(usd)
        for job in {(id(job.arm), job.scenario.hash): job for job in jobs}.values():
            self._estimator.most_usd(job)

    def count(self, calls: Iterable[Mapping[str, Any]]) -> None:
        """Counts what earlier sessions of the run spent; before anything is admitted."""
        self._budget = Budget(self._usd, spent_before(calls, self._prices))

    async def admit(self, job: Job) -> bool:
        """Whether the job may start, after waiting for others where they may leave enough."""
        return await self._budget.admit(job.key, self._estimator.most_usd(job))

    def charge(self, call: Mapping[str, Any]) -> None:
        """Counts a call, by its record."""
        self._budget.charge(call)

    def release(self, key: str) -> None:
        """The consultation ended; what it did not spend is free."""
        self._budget.release(key)

    def said(self, unplayed: int) -> str:
        """What was spent, what is left to play, and how to go on."""
        return self._budget.said(unplayed)
