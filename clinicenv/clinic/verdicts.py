"""The rule's judgement on a consultation: the ranked diagnoses, the answer, the goals, and how it ended."""

from collections.abc import Sequence

from clinicenv.clinic.answers import unsettled
from clinicenv.clinic.choices import marked
from clinicenv.clinic.conditions import gather, met_by
from clinicenv.clinic.ranking import RANK_DISCOUNT, rank
from clinicenv.events import Answer, Diagnose, Event, Heard, Leave, Role, Verdict
from clinicenv.scenario import Goal, Scenario


def judge(scenario: Scenario, events: Sequence[Event]) -> Verdict:
    """The verdict on a consultation, from its events alone.

    The credit of the list is the best of rank credits times `RANK_DISCOUNT`.
    """
    whats = [e.what for e in events]
    final = next((w for w in reversed(whats) if isinstance(w, Diagnose)), None)
    ranks = tuple(rank(said, scenario) for said in final.differential) if final else ()
    questions = [(q.ask, q.when.after_turn, q.satisfied_by) for q in scenario.patient.questions]
    answer = next((w.text for w in reversed(whats) if isinstance(w, Answer)), None)
    correct, chosen = marked(scenario.question, answer) if scenario.question else (None, None)
    return Verdict(
        ranks=ranks,
        credit=max((r.credit * d for r, d in zip(ranks, RANK_DISCOUNT, strict=False)), default=0.0),
        diagnosis_given=final is not None,
        plan_given=bool(final and final.plan),
        questions_resolved=unsettled(questions, events)[1] == 0,
        farewell=any(
            "close" in w.acts if isinstance(w, Heard) else isinstance(w, Leave) and bool(w.text)
            for w in (e.what for e in events if e.role is not Role.PATIENT)
        ),
        answer_correct=correct,
        chosen=chosen,
        goals_met=_goals_met(scenario, events),
    )


def _goals_met(scenario: Scenario, events: Sequence[Event]) -> tuple[str, ...]:
    if not scenario.goals:
        return ()
    shown = gather(events)
    met = {g.id for g in scenario.goals if met_by(scenario, shown, g.met_by)}
    for goal in scenario.goals:
        if goal.id in met and goal.before in met and not _in_order(scenario, events, goal):
            met.discard(goal.id)
    return tuple(g.id for g in scenario.goals if g.id in met)


def _in_order(scenario: Scenario, events: Sequence[Event], goal: Goal) -> bool:
    """Whether the goal was met by the time that the one was which it must come before."""
    later = next(g for g in scenario.goals if g.id == goal.before)
    for turn in range(events[-1].turn + 1):
        shown = gather(e for e in events if e.turn <= turn)
        if met_by(scenario, shown, goal.met_by):
            return True
        if met_by(scenario, shown, later.met_by):
            return False
    return False
