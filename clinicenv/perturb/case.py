"""A case that is to be perturbed: what can be borrowed for it, and how its twins are made."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

from clinicenv import shipped
from clinicenv.draws import Draws, pick
from clinicenv.scenario import Perturbed, Scenario
from clinicenv.workup import Image, Test

T = TypeVar("T")

LITTLE = 0.25
"""The credit up to which a differential counts as wrong."""

MOST_LENDERS = 200
"""Cases of the user's own that lend, beside the bundled ones."""

_DENIED = re.compile(r"no (?P<thing>[^,;]+)", re.I)
_NOTHING_FOUND = re.compile(r"\b(?:no|not|normal|clear|without|empty)\b", re.I)
_UNCLEAR = re.compile(r"\b(?:and|or|no|it|its|them|their|they|beyond)\b", re.I)
"""What a finding says that needs others to be understood."""

_XRAY = re.compile(r"\b(?:x[ -]?rays?|radiograph\w*|cxr|plain films?)\b", re.I)


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
    """The scenarios that may be borrowed from: the bundled ones, at most `MOST_LENDERS` others that have
    images, and whichever has the other question of a pair."""

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        known = {s.id: s for s in scenarios}
        bundled = shipped.folder("scenarios").resolve()
        own = [s for s in known.values() if s.folder != bundled and s.images]
        lent = sorted(own, key=lambda s: _number(s.id))[:MOST_LENDERS]
        self.lenders = tuple(s for s in known.values() if s.folder == bundled or s in lent)
        self.pairs: dict[str, list[Scenario]] = {}
        for id in sorted(known):
            if (question := known[id].question) and question.pair:
                self.pairs.setdefault(question.pair, []).append(known[id])


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


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

    def chosen(self, item: str, options: Iterable[T]) -> T | None:
        """The option whose own draw is lowest: more options seldom change it. They are told apart by their
        text."""
        return min(options, key=lambda option: self.draw(f"{item} {option}"), default=None)

    def donors(self, image: Image) -> Iterator[Donor]:
        """Images of others that can come in place of this one: pictures for a picture, words for words."""
        for other in self.pool.lenders:
            if other.lineage != self.scenario.lineage:
                yield from (Donor(other, i) for i in other.images if self._can_be(image, i, other))

    def look_alikes(self, image: Image) -> Iterator[Donor]:
        """The images, of which the same is asked, of the other questions of the scenario's pair."""
        question = self.scenario.question
        if question and question.pair and question.image == image.id:
            for other in self.pool.pairs.get(question.pair, ()):
                if other.id != self.scenario.id and other.question and other.question.put == question.put:
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
        of: Image | Test | None = None,
        claims: tuple[str, ...] = (),
        **fields: Any,
    ) -> Scenario:
        """The scenario with other values in some fields, marked with what was done."""
        names = (of.name, *of.aliases, *([of.modality] if isinstance(of, Image) else [])) if of else ()
        question = self.scenario.question
        mark = Perturbed(
            kind=self.kind,
            clean=clean,
            of=of.id if of else None,
            names=tuple(dict.fromkeys(names)),
            asked=bool(of and question and question.image == of.id),
            claims=claims,
            what=what,
        )
        return self.scenario.changed(perturbed=mark, **fields)

    def with_image(self, image: Image, **fields: Any) -> tuple[Image, ...]:
        """The scenario's images with other values in some fields of one of them."""
        changed = image.model_copy(update=fields)
        return tuple(changed if i.id == image.id else i for i in self.scenario.images)

    def with_comment(self, test: Test, comment: str) -> tuple[Test, ...]:
        """The scenario's tests with words beside the result of one of them."""
        changed = test.model_copy(update={"comment": comment})
        return tuple(changed if t.id == test.id else t for t in self.scenario.tests)

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


def kind_of(image: Image) -> str:
    """The modality in one spelling; empty where none is stated."""
    stated = image.modality.strip().lower()
    if stated in ("", "not stated", "unknown", "image", "picture"):
        return ""
    return "xray" if _XRAY.search(stated) else stated


def denied(image: Image) -> list[str]:
    """What its findings deny, without the `no`."""
    found = (_DENIED.fullmatch(f.strip()) for f in image.findings)
    return [m["thing"] for m in found if m and not _UNCLEAR.search(m["thing"])]


def affirmed(image: Image) -> list[str]:
    """What its findings state, without what is merely normal."""
    return [f for f in image.findings if not _NOTHING_FOUND.search(f) and not _UNCLEAR.search(f)]
