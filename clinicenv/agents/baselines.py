"""How far a case gives itself away: what its door note and opening line alone tell the baseline doctor."""

from dataclasses import replace
from typing import NamedTuple

from clinicenv.agents.cast import Cast
from clinicenv.agents.doctor_notes import take_notes
from clinicenv.clinic.ranking import rank
from clinicenv.consultation import Consultation
from clinicenv.events import Event, Say
from clinicenv.scenario import Scenario
from clinicenv.view import DoctorView


class Baselines(NamedTuple):
    """Share of first diagnoses that are right, 0 to 1, without a single question."""

    guess: float
    """on door note and opening line, mean over the opening's variants: the doctor `guess`"""
    door_note: float
    """on the door note alone"""


def baselines(scenario: Scenario) -> Baselines | None:
    """The baselines of a case to diagnose; None for other tasks."""
    if scenario.answer.diagnosis is None or scenario.task != "diagnose":
        return None
    turn = Consultation(scenario, Cast(doctor="guess")).pending
    assert turn
    assert isinstance(turn.view, DoctorView)
    door, opening = turn.view.events[:2]
    said = [
        _right(scenario, turn.view, (door, replace(opening, what=Say(o)))) for o in scenario.patient.opening
    ]
    return Baselines(sum(said) / len(said), float(_right(scenario, turn.view, (door,))))


def _right(scenario: Scenario, view: DoctorView, events: tuple[Event, ...]) -> bool:
    first, _ = take_notes(replace(view, events=events)).ranked()[0]
    return rank(first, scenario).right
