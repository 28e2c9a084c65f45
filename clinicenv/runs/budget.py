"""The spend ceiling: nothing is started that could pass it, and what was started may end.

Amounts are kept as exact fractions, so that no number of small charges drifts past the ceiling.
"""

import asyncio
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import isfinite
from typing import Any

from clinicenv.files import InputError
from clinicenv.models.call import Usage
from clinicenv.models.prices import Prices
from clinicenv.score.summary import dollars, row_of

CENT = Fraction(1, 100)


class Budget:
    """What may be spent, in dollars; belongs to one event loop.

    A consultation reserves the most that it may cost before it starts, and gives back what is left of that
    when it ends. While it goes on, its charges use up its reservation. So spent and reserved together stay
    within the ceiling, whatever ends first; only a consultation that costs more than it reserved could pass
    it, and then nothing more is started.

    Args:
        ceiling_usd: dollars for the whole run, earlier sessions included.
        spent: dollars that earlier sessions spent, see `spent_before`.
    """

    def __init__(self, ceiling_usd: float, spent: float = 0.0) -> None:
        if not (isfinite(ceiling_usd) and ceiling_usd >= 0):
            raise InputError(
                f"a ceiling of {ceiling_usd} dollars cannot be; give 0 or more, e.g. --max-cost 5"
            )
        self._ceiling = Fraction(ceiling_usd)
        self._spent = Fraction(spent)
        self._left: dict[str, Fraction] = {}
        """by consultation: what is left of its reservation"""
        self._reserved = Fraction(0)
        self._unknown: set[str] = set()
        """consultations with a call whose tokens the server did not tell"""
        self._least: Fraction | None = None
        """the smallest reservation that was refused for good"""
        self._line = asyncio.Lock()
        self._freed = asyncio.Event()

    @property
    def ceiling(self) -> float:
        return float(self._ceiling)

    @property
    def spent(self) -> float:
        return float(self._spent)

    @property
    def left(self) -> float:
        """Dollars that are neither spent nor reserved; 0 where more was spent than the ceiling."""
        return float(max(Fraction(0), self._ceiling - self._spent - self._reserved))

    def reserve(self, key: str, most_usd: float) -> bool:
        """Whether this consultation may start: what is spent, all reserved and this fit under it."""
        most = _amount(most_usd)
        if key in self._left:
            raise ValueError(f"{key} has a reservation")
        if most is None or self._spent + self._reserved + most > self._ceiling:
            return False
        self._left[key] = most
        self._reserved += most
        return True

    async def admit(self, key: str, most_usd: float) -> bool:
        """`reserve`, but where the others hold too much, after waiting for them; first come, first served.

        False where it can never fit, as what is spent is not given back; the caller then leaves it out.
        """
        async with self._line:
            while not self.reserve(key, most_usd):
                most = _amount(most_usd)
                if not self._left or most is None or self._spent + most > self._ceiling:
                    self._refuse(most)
                    return False
                self._freed.clear()
                await self._freed.wait()
            return True

    def charge(self, call: Mapping[str, Any]) -> None:
        """Counts the record of a call (`calls.jsonl`) when it is logged.

        A call that failed costs nothing, as no server told its tokens. One that was answered without a count
        of tokens has no known cost: all that its consultation reserved then counts as spent.
        """
        key, usd = str(call["key"]), row_of(call).usd
        if usd is None:
            self._unknown.add(key)
            return
        cost = Fraction(usd)
        self._spent += cost
        self._hold(key, self._left.get(key, Fraction(0)) - cost)

    def release(self, key: str) -> None:
        """The consultation ended, however: what is left of its reservation is free."""
        rest = self._left.get(key, Fraction(0))
        self._hold(key, Fraction(0))
        self._left.pop(key, None)
        if key in self._unknown:
            self._unknown.remove(key)
            self._spent += rest
        self._freed.set()

    def said(self, unplayed: int) -> str:
        """What was spent, what was not started, and how to go on."""
        many = f"{unplayed:,} consultation{'' if unplayed == 1 else 's'} left to play"
        start = f"{dollars(self.spent)} of {dollars(self.ceiling)} spent, {many}"
        if not unplayed:
            return start
        needed = self._spent + (self._least or 0)
        more = float(-(-needed // CENT) * CENT)
        why = f", and the next may cost up to {dollars(float(self._least))}" if self._least else ""
        return f"{start}{why}; to go on: --resume --max-cost {more:.2f} or more"

    def _hold(self, key: str, left: Fraction) -> None:
        if key in self._left:
            left = max(left, Fraction(0))
            self._reserved += left - self._left[key]
            self._left[key] = left

    def _refuse(self, most: Fraction | None) -> None:
        if most is not None:
            self._least = most if self._least is None else min(most, self._least)


def _amount(usd: float) -> Fraction | None:
    """Exact dollars, None for more than any ceiling; ValueError for what is no amount."""
    if usd == float("inf"):
        return None
    if not usd >= 0:
        raise ValueError(f"{usd} is no amount of dollars")
    return Fraction(usd)


def spent_before(calls: Iterable[Mapping[str, Any]], prices: Prices) -> float:
    """What the recorded calls of a run cost, in dollars, those of all its tries.

    A call that had no price when it was made is counted at today's; InputError where there is still none.
    """
    spent = Fraction(0)
    for call in calls:
        row = row_of(call)
        usd = row.usd
        if usd is None:
            price = prices.price_of(row.model)
            if price is None:
                raise no_price(row.model)
            if not row.prompt_tokens:
                raise InputError(
                    f"--max-cost cannot tell what this run has spent: a call of `{row.model}` has no count of"
                    " tokens; start a run in another folder"
                )
            usd = price.usd(Usage(row.prompt_tokens, row.completion_tokens, row.cached_tokens))
        spent += Fraction(usd)
    return float(spent)


def no_price(model: str) -> InputError:
    return InputError(
        f"--max-cost needs the price of every model, and `{model}` has none; add it to prices.yaml"
    )
