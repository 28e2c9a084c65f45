"""How well patients were played, in a line each."""

from collections.abc import Iterator
from typing import Any

from clinicenv.files import printable
from clinicenv.runs.quality import Quality
from clinicenv.score.patient import KINDS


def lines(found: Quality) -> Iterator[str]:
    """A sentence for each patient; a doctor's score is as good as its patient."""
    if found.unknown:
        yield f"how the patient was played is unknown: {printable(found.unknown)}"
    some = f" in {found.looked_at:,} of {found.of:,} consultations" if found.looked_at < found.of else ""
    for name, marks in found.patients.items():
        leaks, early = marks.count("answer leak"), marks.count("premature")
        missed = "of" if marks.missed is None else f"missed {marks.missed:.1%} of"
        yield (
            f"patient {printable(name)}, {marks.replies:,} replies{some}: leaks of the answer {leaks}, of"
            f" guarded facts {early}, invented or contradicted {marks.invented},"
            f" {missed} {marks.asked:,} questions"
        )


def as_data(found: Quality) -> dict[str, Any]:
    """The same as JSON data."""
    patients = {
        name: {
            "replies": m.replies,
            "asked": m.asked,
            "told": m.told,
            "deferred": m.deferred,
            "volunteered": m.volunteered,
            "jargon": m.jargon,
            "slips": {kind: m.count(kind) for kind in KINDS},
        }
        for name, m in found.patients.items()
    }
    return {"looked_at": found.looked_at, "of": found.of, "by": patients, "unknown": found.unknown}
