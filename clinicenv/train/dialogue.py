"""A consultation as other programs want it: the dialogue, its events in words, what counts as right."""

from collections.abc import Iterator
from dataclasses import dataclass

from clinicenv import protocol
from clinicenv.agents.prompts import for_doctor as as_read
from clinicenv.events import (
    ORDERS,
    Action,
    Answer,
    Diagnose,
    Ended,
    Event,
    Failed,
    Happening,
    Heard,
    Judge,
    Rate,
    Report,
    Role,
    Trajectory,
    Verdict,
)
from clinicenv.scenario import Scenario
from clinicenv.view import for_doctor


@dataclass(frozen=True, slots=True)
class Line:
    """An event of the dialogue: what the doctor did, or what it got to read. `text` is for people."""

    event: Event
    text: str

    @property
    def by_doctor(self) -> bool:
        return self.event.role is Role.DOCTOR


def dialogue(trajectory: Trajectory) -> Iterator[Line]:
    """The events that the doctor saw, its own among them, in order; nothing that it did not see."""
    for event in trajectory.events:
        if (seen := for_doctor(event, event.n)) is not None:
            yield Line(event, in_words(event.what) if event.role is Role.DOCTOR else as_read(seen))


def messages(trajectory: Trajectory) -> Iterator[tuple[str, str]]:
    """The dialogue as role and content of chat messages: what the doctor reads in a turn is one `user`
    message, its whole act one `assistant` message, in the lines that `protocol.parse` reads."""
    read: list[str] = []
    acts: list[Action] = []
    for line in dialogue(trajectory):
        if line.by_doctor and read:
            yield "user", "\n\n".join(read)
            read = []
        elif acts and not line.by_doctor:
            yield "assistant", protocol.render(acts)
            acts = []
        if line.by_doctor:
            acts.append(line.event.what)  # type: ignore[arg-type]
        else:
            read.append(line.text)
    if acts:
        yield "assistant", protocol.render(acts)
    if read:
        yield "user", "\n\n".join(read)


def in_words(what: Action | Happening) -> str:
    """An action or a happening for people to read; empty where there is nothing to say."""
    match what:
        case Heard():
            return ", ".join((*what.acts, *what.concepts))
        case Report():
            return protocol.render_results(what)
        case Judge(verdicts):
            return "; ".join(verdicts)
        case Rate():
            names = ("confidence", "compliance", "consultation")
            return ", ".join(f"{name} {getattr(what, name)} of 10" for name in names)
        case Verdict():
            return "\n".join(verdict_lines(what))
        case Failed(role, cause):
            return f"{role}: {cause}"
        case Ended(status, reason):
            return f"{status} ({reason})"
        case Diagnose() | Answer():
            return protocol.render([what])
    if isinstance(what, ORDERS):
        return protocol.render([what])
    return what.text


def verdict_in_words(trajectory: Trajectory) -> str:
    """What was right and why, by the rule; empty where there is no verdict."""
    return in_words(trajectory.verdict) if trajectory.verdict else ""


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """The rule's verdict on each diagnosis and why, on the answer, and the goals that were met."""
    for n, rank in enumerate(verdict.ranks, 1):
        yield f"{n}. {rank.diagnosis}: {rank.verdict}, credit {rank.credit:g}. {rank.why}"
    if not verdict.ranks and verdict.answer_correct is None and not verdict.goals_met:
        yield "no diagnosis was given"
    if verdict.answer_correct is not None:
        chose = f", it chooses `{verdict.chosen.option}`" if verdict.chosen and verdict.chosen.option else ""
        yield f"the answer is {'right' if verdict.answer_correct else 'wrong'}{chose}"
    if verdict.goals_met:
        yield "goals met: " + ", ".join(verdict.goals_met)


def final_act(trajectory: Trajectory) -> str:
    """The doctor's list of diagnoses or its answer; empty where it gave none."""
    for event in reversed(trajectory.of(Diagnose, Answer)):
        what = event.what
        return "; ".join(what.differential) if isinstance(what, Diagnose) else what.text  # type: ignore[union-attr]
    return ""


def failure(trajectory: Trajectory) -> str:
    """Whose agent broke, and how; empty where none did."""
    return next((in_words(e.what) for e in trajectory.of(Failed)), "")


# The case


def begins_with(scenario: Scenario) -> str:
    """What the doctor is told before anything is said."""
    asked = [scenario.question.put] if scenario.question else []
    return "\n\n".join([scenario.setting.door_note, *asked])


def options(scenario: Scenario) -> list[str]:
    """The texts of a question's options; none for other tasks."""
    return [o.text for o in scenario.question.options] if scenario.question else []


def target(scenario: Scenario) -> list[str]:
    """What counts as right: the diagnosis, the right options or answers, or the goals of the talk."""
    if scenario.question:
        right = [o.text for o in scenario.question.options if o.correct]
        return right or list(scenario.question.accept)
    if scenario.answer.diagnosis and scenario.task == "diagnose":
        return [scenario.answer.diagnosis.name]
    return [goal.text for goal in scenario.goals]
