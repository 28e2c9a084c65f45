"""A run with one of everything: what exports have to cope with."""

from pathlib import Path

from conftest import Lines

from clinicenv.agents.cast import Cast
from clinicenv.consultation import Consultation, drive_sync
from clinicenv.events import Action, Answer, Diagnose, OrderTests, Role, Say, Trajectory
from clinicenv.runs.store import Store
from clinicenv.scenario import load_scenario

CHEST, TALK, QUESTION = "sharp-chest-pain-01", "angry-relative-01", "tracing-faints-01"
HOSTILE = "Where\x1b[31m does\x00 it \u202ehurt \ud83d?\n<script>alert(1)</script>"
KEPT = HOSTILE.replace("\ud83d", "?")
"""The same as a run keeps it: half a character is no text."""

ACTS: dict[str, list[Action | list[Action]]] = {
    CHEST: [
        [Say("What brings you in?"), OrderTests(["ECG", "troponin"])],
        Say(HOSTILE),
        Diagnose(["acute pericarditis", "pulmonary embolism"], "ibuprofen and rest"),
    ],
    TALK: [Say("I am sorry. Tell me what happened.")],
    QUESTION: [Answer("B")],
}


def consult(scenario: str, repeat: int = 0, fails: bool = False) -> Trajectory:
    cast = Cast(Lines(ACTS[scenario]))
    consultation = Consultation(load_scenario(scenario), cast, repeat=repeat, max_turns=4)
    if fails:
        consultation.submit(Say("Hello."))
        consultation.fail(Role.PATIENT, "openai:p: the server failed (503)")
    drive_sync(consultation, cast)
    return consultation.trajectory


def call(key: str, role: str, model: str, **more: object) -> dict[str, object]:
    figures = {"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 600, "usd": 0.25}
    return {"key": key, "role": role, "model": model, "step": "", **figures, **more}


def make(folder: Path, *logs: Trajectory, calls: bool = False) -> Store:
    """A run's folder with these consultations; with `calls`, two of the doctor and one of the patient."""
    with Store.create(folder, {"scenarios": "all"}, {"clinicenv": "0"}, resume=False, force=False) as store:
        for log in logs:
            store.put_scenario(load_scenario(log.header.scenario))
            if calls:
                store.append_call(call(log.key, "doctor", "openai:small"))
                store.append_call(call(log.key, "doctor", "openai:small"))
                store.append_call(call(log.key, "patient", "openai:large"))
            store.append(log)
    return Store.open(folder)


def everything(folder: Path) -> Store:
    """A diagnosis, its second repeat, which broke, a difficult conversation and a question."""
    return make(
        folder,
        consult(CHEST),
        consult(CHEST, repeat=1, fails=True),
        consult(TALK),
        consult(QUESTION),
        calls=True,
    )
