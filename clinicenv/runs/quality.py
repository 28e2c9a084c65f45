"""How well the patients of a run were played: what stands beside every doctor's score."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clinicenv.events import Trajectory
from clinicenv.files import InputError
from clinicenv.runs.results import ResultLine, seat_name
from clinicenv.runs.scoring import each
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.patient import PatientMarks, patient_marks

MOST = 500
"""Consultations that are looked at, evenly spread; the table of a large run would otherwise take minutes."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What went wrong with each patient, by who played it."""

    patients: dict[str, PatientMarks]
    looked_at: int
    of: int
    """consultations that ended"""
    unknown: str = ""
    """why nothing is known, e.g. that a scenario is gone from the run's folder; usually empty"""


def quality(store: Store, results: Sequence[ResultLine]) -> Quality:
    """The patients of these consultations; of more than `MOST` an even part is looked at."""
    ended = sorted(r.key for r in results if r.status != "error")
    keys = ended[:: -(-len(ended) // MOST)] if ended else []
    found: dict[str, PatientMarks] = {}
    try:
        for name, marks in each(store, keys, played):
            if marks.replies:
                found[name] = found.get(name, PatientMarks()) + marks
    except InputError as e:  # the doctors' results can be shown all the same
        where = f"{Path(e.file).name} " if e.file else ""
        return Quality({}, 0, len(ended), where + e.what)
    return Quality({name: found[name] for name in sorted(found)}, len(keys), len(ended))


def played(scenario: Scenario, trajectory: Trajectory) -> tuple[str, PatientMarks]:
    """Who played the patient, under which profile, and how well."""
    seat = trajectory.header.cast["patient"]
    profile = seat.get("profile", {}).get("id", "default")
    name = seat_name(seat) + ("" if profile == "default" else f", profile {profile}")
    return name, patient_marks(scenario, trajectory)
