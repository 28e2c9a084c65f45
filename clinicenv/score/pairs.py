"""Questions that are right only together: two look-alike pictures, or a question and its negation.

MediConfusion (arXiv 2409.15477): accuracy by question; set accuracy, the share of pairs with both right;
confusion, the share of pairs in which the same option was chosen for both. ProbMed (arXiv 2405.20421): a
question that has a twin earns its credit only if both are right; one without a twin counts by itself. Chance
is what guessing among the offered options gives: with two of them 50, 25 and 50 %.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Protocol

from clinicenv.score.statistics import accuracy
from clinicenv.score.summary import Result


class Repeated(Result, Protocol):
    """A result that says which repeat of its scenario it is."""

    @property
    def repeat(self) -> int: ...


@dataclass(frozen=True, slots=True)
class PairRow:
    """The pairs of one arm. Shares are 0 to 1, means over pairs (repeats of a pair count once, as their
    mean); a chance level is None where a question is free. A question that was left unanswered is wrong."""

    arm: str
    pairs: int
    """complete ones, by name: both questions were played to an end"""
    incomplete: int
    """by name and repeat: the other question was not played or broke, or there are more than two; these count
    nowhere else"""
    accuracy: float | None
    """of single questions"""
    accuracy_chance: float | None
    both: float | None
    """set accuracy"""
    low: float | None
    high: float | None
    """95 % interval of `both`: Wilson's, by pair"""
    both_chance: float | None
    alike: int
    """pairs whose two questions offer the same options"""
    confusion: float | None
    """of these: the same option chosen for both"""
    confusion_chance: float | None
    questions: int
    """in complete pairs, and without a pair"""
    credit: float | None
    """of these: earned by ProbMed's rule"""
    credit_chance: float | None


_Two = tuple[Repeated, Repeated]


def summarise(results: Iterable[Repeated]) -> list[PairRow]:
    """The rows, in the order of the arms' names, of arms that have pairs."""
    arms: dict[str, list[Repeated]] = {}
    for result in results:
        if "pair" in result.marks:
            arms.setdefault(result.arm, []).append(result)
    return [_row(arm, arms[arm]) for arm in sorted(arms) if any(r.marks["pair"] for r in arms[arm])]


def _row(arm: str, results: Sequence[Repeated]) -> PairRow:
    groups: dict[tuple[str, int], list[Repeated]] = {}
    single: dict[str, list[bool]] = {}
    chances: dict[str, float | None] = {}
    for r in results:
        if pair := r.marks["pair"]:
            groups.setdefault((pair, r.repeat), []).append(r)
        else:
            single.setdefault(f"question {r.scenario}", []).append(_right(r))
            chances[f"question {r.scenario}"] = _chance(r)
    whole: dict[str, list[_Two]] = {}
    for (pair, _), members in groups.items():
        if len(members) == 2 and members[0].scenario != members[1].scenario:
            whole.setdefault(pair, []).append((members[0], members[1]))
    both = {pair: [all(map(_right, two)) for two in twos] for pair, twos in whole.items()}
    alike = {pair: twos for pair, twos in whole.items() if _same_options(twos[0])}
    firsts = [twos[0] for twos in whole.values()]
    twice = [_times(map(_chance, two)) for two in firsts]
    share, low, high = accuracy(both) if both else (None, None, None)
    return PairRow(
        arm=arm,
        pairs=len(whole),
        incomplete=len(groups) - sum(map(len, whole.values())),
        accuracy=_mean([mean(float(_right(r)) for two in twos for r in two) for twos in whole.values()]),
        accuracy_chance=_mean([_chance(r) for two in firsts for r in two]),
        both=share,
        low=low,
        high=high,
        both_chance=_mean(twice),
        alike=len(alike),
        confusion=_mean([mean(float(_confused(two)) for two in twos) for twos in alike.values()]),
        confusion_chance=_mean([_chance(twos[0][0]) for twos in alike.values()]),
        questions=2 * len(whole) + len(single),
        credit=_mean(
            [mean(map(float, marks)) for marks in (*both.values(), *both.values(), *single.values())]
        ),
        credit_chance=_mean([*twice, *twice, *chances.values()]),
    )


def _right(result: Repeated) -> bool:
    return bool(result.marks["correct"])


def _same_options(two: _Two) -> bool:
    one, other = (set(r.marks["options"]) for r in two)
    return bool(one) and one == other


def _confused(two: _Two) -> bool:
    """By the option's text: its place may differ."""
    one, other = (r.marks["chosen"] for r in two)
    return bool(one) and one == other


def _chance(result: Repeated) -> float | None:
    options = result.marks["options"]
    return 1 / len(options) if options else None


def _times(chances: Iterable[float | None]) -> float | None:
    product = 1.0
    for chance in chances:
        if chance is None:
            return None
        product *= chance
    return product


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return mean(known) if known and len(known) == len(values) else None
