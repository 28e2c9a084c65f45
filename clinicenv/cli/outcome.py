"""What came out of a run: the tables that `run` ends with and `show` shows."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from clinicenv.runs.quality import quality
from clinicenv.runs.results import ResultLine
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score import pairs, robustness
from clinicenv.score.summary import Row, summarise

BY: dict[str, Callable[[Scenario], str]] = {
    "specialty": lambda s: s.meta.specialty,
    "modality": lambda s: image.modality if (image := s.decisive_image) else "no image",
    "task": lambda s: s.task,
    "split": lambda s: s.meta.split,
    "difficulty": lambda s: f"difficulty {s.meta.difficulty}",
    "group": lambda s: s.meta.group or "no group",
    "scenario": lambda s: s.id,
}
"""What a run's rows can be divided by. The modality is that of the image that a case turns on."""


def data_of(store: Store, results: Sequence[ResultLine], by: str | None = None) -> dict[str, Any]:
    """The tables as JSON data."""
    from clinicenv.report import patients

    plain = [r for r in results if not r.perturbed]
    return {
        "arms": [asdict(row) for row in rows_of(store, plain, by)],
        "patients": patients.as_data(quality(store, results)),
        "pairs": [asdict(row) for row in pairs.summarise(plain)],
        "robustness": [asdict(row) for row in _robustness(store, results)],
    }


def print_outcome(store: Store, results: Sequence[ResultLine], stream: TextIO, by: str | None = None) -> None:
    """The tables for a person."""
    from clinicenv.report import patients
    from clinicenv.report.pairs import print_pairs
    from clinicenv.report.robustness import print_robustness
    from clinicenv.report.terminal import print_summary

    plain = [r for r in results if not r.perturbed]
    print_summary(rows_of(store, plain, by), stream)
    for line in patients.lines(quality(store, results)):
        print(line, file=stream)
    print_pairs(pairs.summarise(plain), stream)
    print_robustness(_robustness(store, results), stream)


def rows_of(store: Store, results: Sequence[ResultLine], by: str | None) -> list[Row]:
    """A row for each arm, or for each arm and value of what it is divided by."""
    if by is None:
        return summarise(results)
    values = {s.id: BY[by](s) for s in store.scenarios()}
    return summarise(r._replace(arm=f"{r.arm}: {values.get(r.scenario, 'unknown')}") for r in results)


def _robustness(store: Store, results: Sequence[ResultLine]) -> list[robustness.RobustnessRow]:
    return robustness.summarise(robustness.twins_of(results), store.trajectory)
