"""A person as a rater: walked through what is to be rated, line by line, on a terminal or through a pipe.

Nothing shows who the doctor was. Diagnoses are asked for once, however many consultations list them: first
those on which the rule is undecided, then those on which raters disagree, then all others.
"""

import hashlib
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from clinicenv.events import Trajectory
from clinicenv.files import printable
from clinicenv.runs.rating import rate_by_rule
from clinicenv.runs.ratings import RULE, Keep, Kept, Rater, Ratings, keeping, kept, read, unrated
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.axes import Rated, can_apply
from clinicenv.score.material import material
from clinicenv.score.rubric import Axis, Rubric

WIDTH = 96
_FURTHER = "    "

HELP = (
    "A number chooses an option, `n` says that the axis does not apply, an empty line skips, `b` goes back,"
    " `q` ends (all that was rated is kept). The numbers of lines that show it, and a reason, may follow:"
    " `4 @12,15 asked for fears`."
)

_ANSWER = re.compile(
    r"(?P<choice>\d+|n)(?:\s*@\s*(?P<lines>\d+(?:\s*,\s*\d+)*))?(?:\s+(?P<reason>.*))?", re.I
)


@dataclass(frozen=True, slots=True)
class Item:
    """One question: an axis, what is shown for it, and the (key, axis) pairs that the answer is for."""

    axis: Axis
    shown: Mapping[str, Any]
    targets: tuple[tuple[str, str], ...]
    heading: str = ""


def walk(store: Store, rubric: Rubric, rater: Rater, keys: Sequence[str]) -> None:
    """Asks for what this person has not rated yet, and keeps each answer at once."""
    rule = rate_by_rule(store, rubric, keys)
    with keeping(store.folder, rubric, rater) as keep:
        known = read(store.folder, rubric, rater)
        if rubric.of_ranks:
            groups: Iterable[list[Item]] = [_diagnoses(store, rubric, rule, known, keep)]
        else:
            groups = _consultations(store, rubric, keys, known, keep)
        _Talk(rubric, keep).through(groups)


# What is asked


def _consultations(
    store: Store, rubric: Rubric, keys: Sequence[str], known: Mapping[str, Ratings], keep: Keep
) -> Iterator[list[Item]]:
    """The axes of each consultation: first those for which the talk is enough, last those with the answer."""
    left = unrated(rubric, known, keys)
    for n, key in enumerate(left, 1):
        trajectory = store.trajectory(key)
        scenario = store.scenario(trajectory.header.scenario_hash)
        missing = _asked(rubric, scenario, trajectory, known.get(key, {}), keep)
        heading = f"Consultation {n} of {len(left)}"
        items = []
        kinds = {axis.needs for axis in missing}
        for needs in sorted(kinds, key=lambda needs: ("answer_key" in needs, needs)):
            shown = material(rubric, needs, scenario, trajectory)
            items += [Item(a, shown, ((key, a.id),), heading) for a in missing if a.needs == needs]
        if items:
            yield items


def _asked(
    rubric: Rubric, scenario: Scenario, trajectory: Trajectory, known: Ratings, keep: Keep
) -> list[Axis]:
    """The axes that are still to be rated; that the others cannot apply is kept."""
    left = [a for a in rubric.axes if a.id not in known]
    asked = [a for a in left if can_apply(a, scenario, trajectory)]
    if others := {a.id: Rated(a.id, None, None) for a in left if a not in asked}:
        keep(trajectory.key, others)
    return asked


def _diagnoses(
    store: Store, rubric: Rubric, rule: Mapping[str, Ratings], known: Mapping[str, Ratings], keep: Keep
) -> list[Item]:
    """Each diagnosis of each scenario once, in the order of what a person is needed for most."""
    others = [k for k in kept(store) if k.rubric.hash == rubric.hash and k.rater != RULE]
    asked: dict[tuple[str, str], list[tuple[str, Axis]]] = {}
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for key in rule:
        trajectory = store.trajectory(key)
        scenario = store.scenario(trajectory.header.scenario_hash)
        whole = material(rubric, ("differential", "answer_key"), scenario, trajectory)
        for axis in _asked(rubric, scenario, trajectory, known.get(key, {}), keep):
            diagnosis = whole["differential"][(axis.rank or 1) - 1]
            name = (scenario.hash, diagnosis.casefold())
            asked.setdefault(name, []).append((key, axis))
            shown[name] = {**whole, "differential": [diagnosis]}
    need = {name: _need(rubric, targets, rule, others) for name, targets in asked.items()}
    order = sorted(asked, key=lambda name: (need[name], hashlib.sha256(repr(name).encode()).digest()))
    return [
        Item(
            asked[name][0][1],
            shown[name],
            tuple((key, axis.id) for key, axis in asked[name]),
            f"{n} of {len(order)}: {_NEED[need[name]]}",
        )
        for n, name in enumerate(order, 1)
    ]


_NEED = ("the rule is undecided", "raters disagree", "rated by rule")


def _need(
    rubric: Rubric, targets: Sequence[tuple[str, Axis]], rule: Mapping[str, Ratings], others: Sequence[Kept]
) -> int:
    sides: set[bool] = set()
    for key, axis in targets:
        if axis.id not in rule[key]:
            return 0
        given = [rule[key][axis.id], *(r for k in others if (r := k.ratings.get(key, {}).get(axis.id)))]
        sides |= {rubric.scale(axis).favourable(r.option) for r in given if r.option}
    return 1 if len(sides) > 1 else 2


# How it is asked


class _Talk:
    """Prints to stderr, for the result alone goes to stdout, and reads from stdin."""

    def __init__(self, rubric: Rubric, keep: Keep) -> None:
        self._rubric, self._keep = rubric, keep

    def through(self, groups: Iterable[list[Item]]) -> None:
        self._print(HELP)
        for items in groups:
            before: Item | None = None
            at = 0
            while at < len(items):
                self._show(items[at], before)
                before = items[at]
                step = self._ask(items[at])
                if step is None:
                    return
                at = max(at + step, 0)

    def _show(self, item: Item, before: Item | None) -> None:
        """What the item needs to be seen, as far as it was not seen with the one before."""
        seen = before.shown if before and before.heading == item.heading else {}
        if not seen:
            self._print("", f"── {item.heading} ".ljust(WIDTH, "─"))
        for name in ("lines", "differential", "plan", "answer_key"):
            value = item.shown.get(name)
            if not value or value == seen.get(name):
                continue
            if name == "lines":
                self._print(*(f"[{line['line']}] {line['who']}: {line['text']}" for line in value))
            else:
                self._print(f"{name.replace('_', ' ')}: {_plain(value)}")

    def _ask(self, item: Item) -> int | None:
        """The step to the next question: 1, or -1 back; None to end."""
        axis, options = item.axis, self._rubric.scale(item.axis).options
        applies = f" (n: {axis.applies})" if axis.applies else ""
        self._print("", f"{axis.asks}{applies}")
        self._print(*(f"{n}  {o.text}" for n, o in enumerate(options, 1)), indent="  ")
        while True:
            click.echo("rating> ", nl=False, err=True)
            line = sys.stdin.readline()
            text = line.strip()
            if not line or text.lower() == "q":
                return None
            if text.lower() == "b":
                return -1
            if not text:
                return 1
            rated = self._read(item, text)
            if isinstance(rated, Rated):
                self._store(item, rated)
                return 1
            self._print(rated, HELP)

    def _read(self, item: Item, text: str) -> Rated | str:
        """The rating in a line, or what is wrong with it."""
        found = _ANSWER.fullmatch(text)
        options = self._rubric.scale(item.axis).options
        if found is None:
            return "That is no rating."
        choice = found["choice"].lower()
        if choice != "n" and not 1 <= int(choice) <= len(options):
            return f"There are the options 1 to {len(options)}."
        events = tuple(sorted({int(n) for n in re.findall(r"\d+", found["lines"] or "")}))
        numbers = {line["line"] for line in item.shown.get("lines", ())}
        if unknown := [n for n in events if n not in numbers]:
            return f"There is no line {unknown[0]}."
        option = None if choice == "n" else options[int(choice) - 1].id
        return Rated(item.axis.id, option, None, events, printable(found["reason"] or ""))

    def _store(self, item: Item, rated: Rated) -> None:
        by_key: dict[str, Ratings] = {}
        for key, axis in item.targets:
            by_key.setdefault(key, {})[axis] = Rated(axis, rated.option, None, rated.events, rated.reason)
        for key, ratings in by_key.items():
            self._keep(key, ratings)

    def _print(self, *texts: str, indent: str = "") -> None:
        """Each text from the left margin, its further lines indented: none looks like another's."""
        for text in texts:
            for n, part in enumerate(text.splitlines() or [""]):
                click.echo(_filled(part, _FURTHER if n else indent), err=True)


def _filled(text: str, indent: str) -> str:
    return textwrap.fill(printable(text), WIDTH, initial_indent=indent, subsequent_indent=_FURTHER)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')}: {_plain(v)}" for name, v in value.items() if v)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
