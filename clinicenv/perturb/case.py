"""A case that is to be perturbed: what can be borrowed for it, and how its twins are made."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from clinicenv.draws import Draws, pick
from clinicenv.scenario import Perturbed, Scenario
from clinicenv.workup import Image

T = TypeVar("T")

LITTLE = 0.25
"""The credit up to which a differential counts as wrong."""

MOST_LENDERS = 200

_DENIED = re.compile(r"no (?P<thing>[^,;]+)", re.I)
_NOTHING_FOUND = re.compile(r"\b(?:no|not|normal|clear|without|empty)\b", re.I)


class Twins(NamedTuple):
    """Two cases that differ in what was perturbed alone."""

    clean: Scenario
    perturbed: Scenario


class Donor(NamedTuple):
    """An image of another case."""

    scenario: Scenario
    image: Image

    def __str__(self) -> str:
        return f"{self.scenario.id}/{self.image.id}"


class Pool:
    """The scenarios that may be borrowed from: at most `MOST_LENDERS`, evenly over all in order of id, and
    whichever has the other question of a pair."""

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        known = {s.id: s for s in scenarios}
        every = [known[id] for id in sorted(known)]
        step = max(1, -(-len(every) // MOST_LENDERS))
        self.lenders = tuple(every[::step])
        self.pairs: dict[str, list[Scenario]] = {}
        for s in every:
            if s.question and s.question.pair:
                self.pairs.setdefault(s.question.pair, []).append(s)


@dataclass(frozen=True)
class Case:
    """A scenario that is to be perturbed in one way, with the draws for that."""

    kind: str
    scenario: Scenario
    seed: int
    pool: Pool

    def draw(self, item: str) -> float:
        """A number in [0, 1), the same for the same case, seed and perturbation."""
        return Draws(self.seed, 0, self.scenario.id).number("perturb", self.kind, 0, item)

    def drawn(self, item: str, options: Sequence[T]) -> T | None:
        return pick(options, self.draw(item)) if options else None

    def donors(self, image: Image) -> Iterator[Donor]:
        """Images of others that can come in place of this one: pictures for a picture, words for words."""
        for other in self.pool.lenders:
            if other.lineage != self.scenario.lineage:
                yield from (Donor(other, i) for i in other.images if self._can_be(image, i, other))

    def look_alikes(self, image: Image) -> Iterator[Donor]:
        """The images, of which the same can be said, of the other questions of the scenario's pair."""
        question = self.scenario.question
        if question and question.pair and question.image == image.id:
            for other in self.pool.pairs.get(question.pair, ()):
                if other.id != self.scenario.id and other.question:
                    about = [i for i in other.images if i.id == other.question.image]
                    yield from (Donor(other, i) for i in about if self._can_be(image, i, other))

    def _can_be(self, image: Image, found: Image, other: Scenario) -> bool:
        at_hand = not found.file or other.folder == self.scenario.folder
        return found.pictured == image.pictured and at_hand

    def twin(
        self,
        what: str,
        *,
        clean: bool = False,
        of: str | None = None,
        claims: tuple[str, ...] = (),
        **fields: Any,
    ) -> Scenario:
        """The scenario with other values in some fields, marked with what was done."""
        mark = Perturbed(kind=self.kind, clean=clean, of=of, claims=claims, what=what)
        return self.scenario.changed(perturbed=mark, **fields)

    def with_image(self, image: Image, **fields: Any) -> tuple[Image, ...]:
        """The scenario's images with other values in some fields of one of them."""
        changed = image.model_copy(update=fields)
        return tuple(changed if i.id == image.id else i for i in self.scenario.images)

    def wrong_answer(self) -> tuple[str, ...]:
        """What a doctor could be talked into: a wrong diagnosis with its synonyms, or a wrong option.

        Empty for a talk without a right answer.
        """
        s = self.scenario
        if s.question:
            option = self.drawn("answer", [o.text for o in s.question.options if not o.correct])
            return (option,) if option else ()
        little = [d for d in s.answer.differentials if d.credit <= LITTLE and s.task == "diagnose"]
        found = self.drawn("answer", little)
        return (found.name, *found.synonyms) if found else ()


def denied(image: Image) -> list[str]:
    """What its findings deny, without the `no`."""
    found = (_DENIED.fullmatch(f.strip()) for f in image.findings)
    return [m["thing"] for m in found if m and not re.search(r"\b(?:and|or|no)\b", m["thing"])]


def affirmed(image: Image) -> list[str]:
    """What its findings state, without what is merely normal."""
    return [f for f in image.findings if not _NOTHING_FOUND.search(f)]
