"""A station's checklist: which of its items a consultation met."""

from clinicenv.clinic.conditions import Shown, gather, met_by
from clinicenv.events import Trajectory
from clinicenv.scenario import ChecklistItem, Scenario


def met_items(scenario: Scenario, trajectory: Trajectory) -> frozenset[str]:
    """The ids of the items that are met in time, and before what they must come before."""
    shown = gather(trajectory.events)
    return frozenset(
        item.id
        for item in scenario.checklist
        if met_by(scenario, _until(trajectory, item.max_turn) if item.max_turn else shown, item.met_by)
        and (item.before is None or _comes_first(scenario, trajectory, item))
    )


def _until(trajectory: Trajectory, turn: int) -> Shown:
    return gather(e for e in trajectory.events if e.turn <= turn)


def _comes_first(scenario: Scenario, trajectory: Trajectory, item: ChecklistItem) -> bool:
    """Whether the item is met no later than the one that it must come before, if that is met at all."""
    later = next((i for i in scenario.checklist if i.id == item.before), None)
    if later is None or not met_by(scenario, gather(trajectory.events), later.met_by):
        return True
    last = trajectory.events[-1].turn
    return next(
        met_by(scenario, _until(trajectory, turn), item.met_by)
        for turn in range(last + 1)
        if met_by(scenario, _until(trajectory, turn), later.met_by)
    )
