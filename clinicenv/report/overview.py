"""The tables of a page about several runs, from what each of its consultations came to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from clinicenv.report import comparison as compared_words
from clinicenv.report import pairs as pairs_words
from clinicenv.report import robustness as robustness_words
from clinicenv.report.consulted import Consulted
from clinicenv.report.words import MEANINGS
from clinicenv.runs.compared import Run
from clinicenv.runs.results import ResultLine
from clinicenv.score import pairs, robustness
from clinicenv.score.comparison import ComparedRow, Comparison, compare
from clinicenv.score.marks import BINARY, LOWER_IS_BETTER, MARKS, PATIENT, SHARES, means_of


class Cell(NamedTuple):
    """A cell of a table: what it says, and more in small letters below."""

    text: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of plain text; the first column names the rows, the others hold figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A consultation in its place: which arm it belongs to, and the id under which the page has it."""

    id: str
    run: Run
    result: ResultLine
    arm: str
    """without what was done to the case"""
    found: Consulted


@dataclass(slots=True)
class Arms:
    """The consultations as played, without perturbed ones, by arm; and how the arms compare on two marks."""

    entries: dict[str, list[Entry]]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    means: dict[str, dict[str, dict[str, float]]] = field(init=False)

    def __post_init__(self) -> None:
        self.means = {
            arm: means_of([(e.found.scenario, e.found.marks) for e in own if e.found.state != "error"])
            for arm, own in self.entries.items()
        }
        for mark in ("correct", "score"):
            self._compare(mark)
        self.entries = {arm: self.entries[arm] for arm in self._ordered()}

    def _compare(self, mark: str) -> None:
        values: dict[str, dict[str, list[float]]] = {}
        for arm, own in self.entries.items():
            for e in own:
                if (value := e.found.marks.get(mark)) is not None:
                    values.setdefault(arm, {}).setdefault(e.found.scenario, []).append(value)
        if missing := [arm for arm in self.entries if arm not in values]:
            self.notes.append(f"No consultation has a value of {mark}: {', '.join(missing)}.")
        try:
            self.comparisons[mark] = compare(values, mark, mark in BINARY)
        except ValueError as e:
            self.notes.append(f"The doctors are not compared on {mark}: {e}.")

    def _ordered(self) -> list[str]:
        """Best first on what is right, then on the score."""

        def place(arm: str) -> tuple[float, float, str]:
            right, score = (self._shown(arm, mark) for mark in ("correct", "score"))
            return -right, -score, arm

        return sorted(self.entries, key=place)

    def _shown(self, arm: str, mark: str) -> float:
        """The mean that the leaderboard has: over common scenarios, else its own; -1 for none."""
        row, own = self.row(mark, arm), self.mean(arm, mark)
        return row.mean if row else -1.0 if own is None else own

    def row(self, mark: str, arm: str) -> ComparedRow | None:
        """How an arm does on a mark that the arms are compared on."""
        found = self.comparisons.get(mark)
        return next((row for row in found.rows if row.arm == arm), None) if found else None

    def mean(self, arm: str, mark: str) -> float | None:
        found = self.means[arm].get(mark)
        return found["mean"] if found else None


def leaderboard(arms: Arms) -> Table:
    """A row for each arm, the best first, and how well its patient was played."""
    rows: list[tuple[str | Cell, ...]] = []
    for arm, own in arms.entries.items():
        right, score = arms.row("correct", arm), arms.row("score", arm)
        broke = sum(e.found.state == "error" for e in own)
        rows.append((
            arm,
            _played(arms, arm),
            _interval(arms, "correct", arm, right),
            _interval(arms, "score", arm, score),
            _rank(right or score),
            *(figure(arms.mean(arm, m), m) for m in ("turns", "tests", "cost", *PATIENT)),
            str(broke),
        ))  # fmt: skip
    columns = (
        "doctor", "scenarios", "right", "score", "rank", "turns", "tests", "cost",
        "patient leaks", "patient invents", "patient misses", "broke",
    )  # fmt: skip
    return Table(
        "Leaderboard",
        columns,
        rows,
        [
            "right, score: mean over the scenarios that all doctors have, below it the 95 % interval; rank:"
            " 95 % interval of the place by what is right (by the score where nothing is); turns, tests, cost"
            " (illustrative dollars) and the patient's marks: means over all scenarios. Where the patient"
            " leaks, invents or misses, what stands before is less the doctor's own. What broke counts in no"
            " mean.",
            *arms.notes,
        ],
    )


def _played(arms: Arms, arm: str) -> Cell:
    """How many scenarios, of which how many are compared, and how many consultations."""
    own = arms.entries[arm]
    scenarios, n = len({e.found.scenario for e in own}), len(own)
    common = max((c.scenarios for m, c in arms.comparisons.items() if arms.row(m, arm)), default=scenarios)
    compared = f"{common} compared, " if common < scenarios else ""
    return Cell(str(scenarios), f"{compared}{n} played")


def _interval(arms: Arms, mark: str, arm: str, row: ComparedRow | None) -> Cell:
    if row is None:  # compared with nobody: its own mean all the same
        return Cell(figure(arms.mean(arm, mark), mark), "not compared" if arm in arms.means else "")
    low, high = row.low, row.high
    span = "" if low is None or high is None else f"{figure(low, mark)} to {figure(high, mark)}"
    return Cell(figure(row.mean, mark), span)


def _rank(row: ComparedRow | None) -> str:
    if row is None:
        return "-"
    return str(row.best_rank) if row.best_rank == row.worst_rank else f"{row.best_rank} to {row.worst_rank}"


def paired(arms: Arms) -> list[Table]:
    """The paired differences of each mark that the arms are compared on."""
    names = {"correct": "Differences in what is right", "score": "Differences in the score"}
    return [
        Table(names[mark], *compared_words.tabled(c), compared_words.notes(c))
        for mark, c in arms.comparisons.items()
    ]


def all_marks(arms: Arms) -> Table:
    """Every mark, a column for each arm."""
    rows = []
    for name in MARKS:
        if any(name in means for means in arms.means.values()):
            cells = []
            for arm in arms.entries:
                found = arms.means[arm].get(name)
                cells.append(Cell(f"{found['mean']:.3g}", f"of {found['n']:.0f}") if found else Cell("-"))
            less = ", less is better" if name in LOWER_IS_BETTER else ""
            rows.append((Cell(name, MEANINGS[name] + less), *cells))
    notes = [
        "Means over scenarios; below each, the number of consultations that the mark applies to. Shares are 0"
        " to 1. The marks of the patient say how far the others are the doctor's own."
    ]
    return Table("All marks", ("mark", *arms.entries), rows, notes)


def robustness_tables(runs: Sequence[Run], name: Callable[[Run, str], str]) -> list[Table]:
    """A table for each doctor that played perturbed cases."""
    found = []
    for run in runs:
        rows = robustness.summarise(robustness.twins_of(run.all_results), run.store.trajectory)
        for arm, own in groupby(rows, lambda row: row.arm):
            kept = list(own)
            cells = [(row.perturbation, *robustness_words.cells(row)) for row in kept]
            broken = sum(row.broken for row in kept)
            notes = [robustness_words.LEGEND] + (
                [f"{broken} pairs broke and count in nothing."] * bool(broken)
            )
            found.append(Table(f"Robustness of {name(run, arm)}", robustness_words.COLUMNS, cells, notes))
    return found


def pairs_table(runs: Sequence[Run], name: Callable[[Run, str], str]) -> list[Table]:
    """Questions that are right only together; none where no run has any."""
    rows = [
        (name(run, row.arm), "; ".join(pairs_words.parts(row)))
        for run in runs
        for row in pairs.summarise(run.results)
    ]
    if not rows:
        return []
    return [Table("Questions right only together", ("doctor", "pairs"), rows, [pairs_words.LEGEND])]


def figure(value: float | None, mark: str) -> str:
    """A mark's value as a table has it: shares as percentages, costs in dollars."""
    if value is None:
        return "-"
    if mark == "cost":
        return f"${value:,.0f}"
    return f"{value:.0%}" if mark in BINARY | SHARES else f"{value:.1f}"


def means_with_intervals(arms: Arms, mark: str) -> list[Mapping[str, str | float]]:
    """What the plot of a mark shows, in the order of the leaderboard."""
    rows = (arms.row(mark, arm) for arm in arms.entries)
    return [
        {"arm": row.arm, "mean": row.mean, "low": row.low, "high": row.high}
        for row in rows
        if row and row.low is not None and row.high is not None
    ]
