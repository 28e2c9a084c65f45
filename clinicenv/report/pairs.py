"""What a run's table says below it of questions that are right only together."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from clinicenv.files import printable
from clinicenv.score.pairs import PairRow

LEGEND = """\
both right: MediConfusion's set accuracy, interval by Wilson; credit: ProbMed's, in which a
question of a pair counts only if both are right; chance: guessing among the options."""


def print_pairs(rows: Sequence[PairRow], stream: TextIO) -> None:
    """A line for each arm; nothing where no arm has pairs."""
    for row in rows:
        print(printable(f"pairs of {row.arm}: {'; '.join(parts(row))}"), file=stream)
    if rows:
        print(LEGEND, file=stream)


def parts(row: PairRow) -> Iterator[str]:
    """What there is to say of an arm's pairs, in phrases."""
    if row.pairs:
        interval = f", {row.low:.0%} to {row.high:.0%}" if row.low is not None else ""
        yield f"{row.pairs}, both right {_share(row.both)} ({_chance(row.both_chance)}{interval})"
        yield f"questions right {_share(row.accuracy)} ({_chance(row.accuracy_chance)})"
    else:
        yield "none complete"
    if row.alike:
        yield f"same option for both {_share(row.confusion)} ({_chance(row.confusion_chance)})"
    if row.questions:
        yield f"credit {_share(row.credit)} of {row.questions} questions ({_chance(row.credit_chance)})"
    if row.incomplete:
        yield f"{row.incomplete} incomplete, not counted"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _chance(value: float | None) -> str:
    return "no chance level" if value is None else f"chance {value:.0%}"
