"""What every lint rule works with: a finding, and a scenario that knows its lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from clinicenv.files import Document
from clinicenv.scenario import ChecklistItem, Condition, Goal, Scenario
from clinicenv.story import Fact

Level: TypeAlias = Literal["error", "warning"]
Where: TypeAlias = tuple[int | str, ...]
"""The keys and positions that lead to a field, e.g. ("patient", "facts", 0, "say", 1)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a scenario file: where it is, how bad, and what to do about it."""

    file: str
    line: int
    field: str
    level: Level
    what: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {self.level}: {where}{self.what}"


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario that has loaded, with the file and the lines that it came from."""

    scenario: Scenario
    document: Document
    file: Path

    @property
    def level(self) -> Level:
        """How bad a lapse of the author is: an imported case can only be as good as its data."""
        return "warning" if self.scenario.meta.disclaimer == "derived" else "error"

    def finding(self, where: Where, what: str, level: Level = "error") -> Finding:
        """A finding on a field; its line is that of the deepest part that the file has."""
        name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")
        return Finding(str(self.file), self.document.line(where), name, level, what)

    def facts(self) -> Iterator[tuple[Where, Fact]]:
        """Every fact and where it stands, the ideas, concerns, expectations and impact included."""
        patient = self.scenario.patient
        for n, fact in enumerate(patient.facts):
            yield ("patient", "facts", n), fact
        for name in type(patient.ice).model_fields:
            told = getattr(patient.ice, name)
            if told is not None:
                yield ("patient", "ice", name), told

    def marks(self) -> Iterator[tuple[Where, ChecklistItem | Goal]]:
        """Every item of the checklist and every goal, and where it stands."""
        yield from ((("checklist", n), item) for n, item in enumerate(self.scenario.checklist))
        yield from ((("goals", n), goal) for n, goal in enumerate(self.scenario.goals))

    def conditions(self) -> Iterator[tuple[Where, Condition]]:
        """Every condition of the checklist and of the goals, and where it stands."""
        for where, item in self.marks():
            for kind, conditions in (("any", item.met_by.any), ("all", item.met_by.all)):
                yield from (((*where, "met_by", kind, n), c) for n, c in enumerate(conditions))
