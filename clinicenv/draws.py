"""Keyed random draws: a draw is a hash of what it is for, so order and workers cannot shift it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol, TypeVar

T = TypeVar("T")

CASE = 0
"""The turn of draws that belong to the case itself."""

OF_THE_CASE = frozenset({"opening", "result", "recall"})
"""Mechanisms that are drawn once for a case, whenever they are asked for."""


class Draw(Protocol):
    """An agent's only randomness: a number in [0, 1) for a mechanism and an item, at this turn."""

    def __call__(self, mechanism: str, item: str = "") -> float: ...

    def integer(self, mechanism: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a consultation left its parent: after `turn` doctor turns, as the `sibling`-th copy."""

    turn: int
    sibling: int


@dataclass(frozen=True, slots=True)
class Draws:
    """The draws of one consultation.

    `lineage` is the scenario's id, or its twin's, so that twins meet the same luck. Profiles are
    no part of the key: adding a bias shifts no other draw. A fork changes only the turns after it.
    """

    seed: int
    repeat: int
    lineage: str
    forks: tuple[Fork, ...] = ()

    def number(self, role: str, mechanism: str, turn: int, item: str = "") -> float:
        """A number in [0, 1)."""
        return self.integer(role, mechanism, turn, item) / 2**64

    def integer(self, role: str, mechanism: str, turn: int, item: str = "") -> int:
        """A 64-bit integer, e.g. a language model's own seed."""
        repeat = str(self.repeat) + "".join(f"/{f.turn}.{f.sibling}" for f in self.forks if turn > f.turn)
        key = "\x1f".join((str(self.seed), repeat, self.lineage, role, mechanism, str(turn), item))
        return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class TurnDraw:
    """The draws of one role at one turn; a `Draw`."""

    draws: Draws
    role: str
    turn: int

    def __call__(self, mechanism: str, item: str = "") -> float:
        turn = CASE if mechanism in OF_THE_CASE else self.turn
        return self.draws.number(self.role, mechanism, turn, item)

    def integer(self, mechanism: str) -> int:
        """A 31-bit integer: a language model's own seed."""
        return self.draws.integer(self.role, mechanism, self.turn) >> 33


def pick(options: Sequence[T], number: float) -> T:
    """The option that a number in [0, 1) falls on; all are equally likely."""
    return options[int(number * len(options))]
