"""How each scenario came out with each doctor: a sign and a word for each repeat, that lead to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinicenv.report.overview import Entry

SIGNS = {"right": "✓", "wrong": "✗", "undecided": "?", "no answer": "–", "ended": "•", "error": "!"}


@dataclass(frozen=True, slots=True)
class Try:
    """One consultation in a cell. `said` is what a screen reader says."""

    id: str
    sign: str
    state: str
    said: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of (scenario, its title, a cell for each arm)."""

    title: str
    arms: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Sequence[Try]]]]


def grids(entries: Sequence[Entry], arms: Sequence[str]) -> list[Grid]:
    """The cases as they are, and those that were perturbed, where there are any."""
    plain = [e for e in entries if not e.result.perturbed]
    perturbed = [e for e in entries if e.result.perturbed]
    found = [_grid("Scenarios as they are", plain, arms)] if plain else []
    return found + ([_grid("Perturbed scenarios and their twins", perturbed, arms)] if perturbed else [])


def _grid(title: str, entries: Sequence[Entry], arms: Sequence[str]) -> Grid:
    columns = [*arms, *sorted({e.arm for e in entries} - set(arms))]
    columns = [arm for arm in columns if any(e.arm == arm for e in entries)]
    cells: dict[tuple[str, str], dict[str, list[Entry]]] = {}
    for e in sorted(entries, key=lambda e: (e.result.scenario, e.result.perturbed, e.result.repeat)):
        row = cells.setdefault((e.result.scenario, e.result.perturbed), {})
        row.setdefault(e.arm, []).append(e)
    rows = []
    for (scenario, perturbed), own in cells.items():
        any_entry = next(iter(own.values()))[0]
        name = f"{scenario}, {perturbed}" if perturbed else scenario
        tries = [[_try(e) for e in own.get(arm, ())] for arm in columns]
        rows.append((name, any_entry.found.title, tries))
    return Grid(title, columns, rows)


def _try(e: Entry) -> Try:
    state = e.found.state
    score = e.found.marks.get("score")
    more = f", score {score:.2f}" if score is not None else ""
    return Try(
        e.id, SIGNS[state], state, f"{state}{more}: {e.arm}, {e.result.scenario}, repeat {e.result.repeat}"
    )
