"""A run held to a sum of money: what each consultation may cost, asked of the budget before it starts."""

from collections.abc import Mapping
from typing import Any

from clinicenv.models.prices import Prices
from clinicenv.runs.budget import Budget, spent_before
from clinicenv.runs.estimate import Estimator
from clinicenv.runs.spec import Job
from clinicenv.runs.store import Store


class Ceiling:
    """Lets consultations start while the most that they can cost fits under `usd` dollars.

    What earlier sessions of the run spent counts too. InputError where a model has no price, or nothing
    limits its replies.
    """

    def __init__(self, usd: float, store: Store) -> None:
        prices = Prices.load()
        self._estimator = Estimator(prices)
        self._budget = Budget(usd, spent_before(store.calls(), prices))

    def check(self, job: Job) -> None:
        """InputError where it cannot be told what the job may cost."""
        self._estimator.most_usd(job)

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
