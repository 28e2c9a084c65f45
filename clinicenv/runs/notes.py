"""Doctors' notebooks in a run: rewritten after each consultation, kept for --resume."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from clinicenv.agents.notebook import Notebook
from clinicenv.consultation import AgentError
from clinicenv.events import Role, Trajectory, to_data
from clinicenv.files import InputError
from clinicenv.runs.results import Log, compact, read_lines, unreadable
from clinicenv.runs.spec import Arm, Job

NOTEBOOKS = "notebooks.jsonl"


class Notes:
    """The notebooks of a run's doctors; `notebooks.jsonl` has each as it was after each consultation.

    Args:
        folder: the run's.
        arms: that are played; their doctors get the notes that the finished consultations left.
        finished: keys; what an unfinished consultation left is forgotten, for it is played again.

    A note is kept before its consultation, so that of a killed run none is missing.
    """

    def __init__(self, folder: Path, arms: Iterable[Arm], finished: Collection[str]) -> None:
        writers = {id(arm): arm for arm in arms if getattr(arm.cast[Role.DOCTOR], "notebook", None)}
        self._doctors: dict[int, Any] = {k: arm.cast[Role.DOCTOR] for k, arm in writers.items()}
        self._path = folder / NOTEBOOKS
        if not writers:
            return
        self._log = Log(self._path)
        names = {_name(arm): self._doctors[k] for k, arm in writers.items()}
        for line in read_lines(self._path):
            try:
                if line.data["key"] in finished and (doctor := names.get(line.data["arm"])):
                    doctor.notebook.text = Notebook.from_data(line.data["notes"]).text
            except (KeyError, TypeError, InputError) as e:
                raise unreadable(self._path, line.number) from e

    @property
    def kept(self) -> bool:
        """Whether any doctor keeps a notebook, so that consultations come one by one."""
        return bool(self._doctors)

    async def learn(self, job: Job, trajectory: Trajectory) -> None:
        """Has the doctor rewrite its notes, unless the consultation failed. Where its model cannot be asked,
        the notes stay as they were; `calls.jsonl` says so."""
        doctor = self._doctors.get(id(job.arm))
        if doctor is None or (trajectory.outcome and trajectory.outcome.status == "error"):
            return
        try:
            await doctor.learn(trajectory, job.scenario.answer.diagnosis)
        except AgentError:
            return
        line = {"key": job.key, "arm": _name(job.arm), "notes": doctor.notebook.to_data()}
        self._log.append(compact(line).encode(errors="replace"))


def _name(arm: Arm) -> str:
    """A hash of all that sets an arm apart."""
    cast = {role.value: seat.described for role, seat in arm.cast.seats.items()}
    text = json.dumps([cast, arm.seed, to_data(arm.limits), arm.images], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
