"""A consultation as Inspect AI shows it: its messages, and what it knows of the sample beside them."""

from typing import Any

from clinicenv.events import Judge, Rate, Trajectory, Verdict
from clinicenv.files import InputError
from clinicenv.train.consultations import profiles_of
from clinicenv.train.dialogue import dialogue, in_words

try:
    from inspect_ai.model import (
        ChatMessage,
        ChatMessageAssistant,
        ChatMessageUser,
        ContentReasoning,
        ContentText,
    )
except ImportError as e:
    raise InputError("Inspect AI comes with the `inspect` extra: pip install 'clinicenv[inspect]'") from e


def chat(trajectory: Trajectory, model: str) -> list[ChatMessage]:
    """The dialogue, a message for each event that the doctor saw: its own as `assistant`, all others as
    `user`. `metadata` has our role, the number, turn and type of the event."""
    found: list[ChatMessage] = []
    for line in dialogue(trajectory):
        event = line.event
        about = {"role": event.role.value, "event": event.n, "turn": event.turn, "type": event.what.type}
        # ids of our own, so that the same consultation makes the same log
        same: dict[str, Any] = {"id": f"{trajectory.key}-{event.n}", "metadata": about}
        if not line.by_doctor:
            found.append(ChatMessageUser(content=line.text, **same))
            continue
        thoughts = (getattr(event.what, "aside", None) or {}).get("reasoning")
        content: Any = line.text
        if isinstance(thoughts, str) and thoughts.strip():
            content = [ContentReasoning(reasoning=thoughts), ContentText(text=line.text)]
        found.append(ChatMessageAssistant(content=content, model=model, source="generate", **same))
    return found


def about(trajectory: Trajectory) -> dict[str, Any]:
    """What belongs to a sample beside its messages."""
    header, outcome = trajectory.header, trajectory.outcome
    found: dict[str, Any] = {"key": trajectory.key, "task": header.task}
    if outcome:  # none where a limit of Inspect's own ended it
        names = ("status", "reason", "turns", "minutes", "tests", "cost")
        found |= {name: getattr(outcome, name) for name in names}
    found |= {"seed": header.seed, "profiles": profiles_of(header), "limits": dict(header.limits)}
    found["scenario_hash"] = header.scenario_hash
    if header.perturbed:
        found["perturbed"] = dict(header.perturbed)
    for event in trajectory.of(Judge, Rate):
        name = "moderator" if isinstance(event.what, Judge) else "patient_rates"
        found[name] = in_words(event.what)
    return found


def verdict_data(verdict: Verdict | None) -> dict[str, Any]:
    """The verdict for a score's metadata: each rank with its verdict, credit and reason."""
    if verdict is None:
        return {}
    ranks = [{"diagnosis": r.diagnosis, "verdict": r.verdict, "credit": r.credit} for r in verdict.ranks]
    return {"ranks": ranks, "plan_given": verdict.plan_given, "farewell": verdict.farewell}
