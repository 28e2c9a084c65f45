"""Many environments at once: the same as one after the other, but together."""

import threading
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

import clinicenv.envs  # noqa: F401 - registers the ids
from clinicenv.consultation import Turn
from clinicenv.envs.vector import ConsultationVectorEnv
from clinicenv.events import Say
from clinicenv.files import InputError

ID = "clinicenv/Consultation-v0"
COUNT = 4
MEETING = threading.Barrier(COUNT)


class Brief:
    """Answers at once, but is no scripted agent: threads are used for it."""

    def act(self, turn: Turn) -> Say:
        return Say(f"This is turn {turn.view.turn}.")


class Meeting:
    """Answers when all patients have been asked."""

    def act(self, turn: Turn) -> Say:
        MEETING.wait(timeout=20)
        return Say("We are all here.")


class Fragile:
    def act(self, turn: Turn) -> Say:
        if turn.view.turn == 2:
            raise ZeroDivisionError
        return Say("Fine.")


def lines(n: int) -> list[str]:
    """One action for each: the first environment ends early, the others at their limit."""
    return ["DIAGNOSE: migraine" if n == 1 else "Hello?", "ORDER: ECG", "When did it start?", "ORDER:"]


def play(envs: Any, steps: int, disabled: bool) -> list[Any]:
    """All that the environments return; `disabled` resets those that have ended by hand."""
    returned = [envs.reset(seed=3)]
    for n in range(steps):
        returned.append(envs.step(lines(n)))
        ended = returned[-1][2] | returned[-1][3]
        if disabled and ended.any():
            returned.append(envs.reset(options={"reset_mask": ended}))
    envs.close()
    return returned


@pytest.mark.parametrize("patient", ["scripted", f"plugin:{__name__}:Brief"])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_autoreset_mode_is_that_of_gymnasium(mode: AutoresetMode, patient: str) -> None:
    ours = gymnasium.make_vec(ID, num_envs=COUNT, autoreset_mode=mode, max_turns=3, patient=patient)
    stock = gymnasium.make_vec(
        ID,
        num_envs=COUNT,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        max_turns=3,
        patient=patient,
    )
    assert isinstance(ours.unwrapped, ConsultationVectorEnv)
    assert ours.metadata["autoreset_mode"] is mode
    played = play(ours, 8, mode is AutoresetMode.DISABLED)
    assert data_equivalence(played, play(stock, 8, mode is AutoresetMode.DISABLED), exact=True)
    assert sum(r[3].sum() for r in played if len(r) == 5) >= COUNT  # limits were reached


def test_the_default_is_next_step_and_a_batch_of_texts() -> None:
    envs = gymnasium.make_vec(ID, num_envs=COUNT)
    observations, infos = envs.reset(seed=0)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert observations in envs.observation_space
    assert all(isinstance(text, str) and text for text in observations["text"])
    assert len(infos["messages"]) == COUNT
    envs.close()


def test_patients_are_asked_at_the_same_time() -> None:
    envs = gymnasium.make_vec(ID, num_envs=COUNT, patient=f"plugin:{__name__}:Meeting")
    envs.reset(seed=0)
    observations = envs.step(["Hello?"] * COUNT)[0]
    assert observations["text"] == ("Patient: We are all here.",) * COUNT
    envs.close()


@pytest.mark.parametrize("patient", ["scripted", f"plugin:{__name__}:Brief"])
def test_environments_without_a_seed_differ_and_are_repeatable(patient: str) -> None:
    first, again = (ConsultationVectorEnv(COUNT, patient=patient) for _ in range(2))
    observations, infos = first.reset()
    assert data_equivalence((observations, infos), again.reset())
    seeds = [env.unwrapped.trajectory.header.seed for env in first.envs]
    assert seeds == list(range(COUNT))
    first.reset()
    assert [env.unwrapped.trajectory.header.repeat for env in first.envs] == [1] * COUNT
    assert [env.unwrapped.trajectory.header.seed for env in first.envs] == seeds


@pytest.mark.parametrize("patient", ["scripted", f"plugin:{__name__}:Brief"])
def test_a_mask_resets_those_and_stays_the_callers(patient: str) -> None:
    envs = ConsultationVectorEnv(COUNT, autoreset_mode=AutoresetMode.DISABLED, patient=patient)
    envs.reset(seed=0)
    envs.step(["Hello?"] * COUNT)
    options = {"reset_mask": np.array([True, False, False, True])}
    observations, infos = envs.reset(options=options)
    assert observations["turn"].tolist() == [0, 1, 1, 0]
    assert infos["_scenario"].tolist() == [True, False, False, True]
    assert list(options) == ["reset_mask"]


@pytest.mark.parametrize("patient", ["scripted", f"plugin:{__name__}:Brief"])
def test_wrong_seeds_and_masks_are_refused_before_anything_is_played(patient: str) -> None:
    envs = ConsultationVectorEnv(COUNT, patient=patient)
    envs.reset(seed=0)
    envs.step(["Hello?"] * COUNT)
    with pytest.raises(ValueError, match="length"):
        envs.reset(seed=[1, 2])
    with pytest.raises(ValueError, match="shape"):
        envs.reset(options={"reset_mask": np.array([True])})
    with pytest.raises(TypeError, match="numpy array"):
        envs.reset(options={"reset_mask": [True] * COUNT})
    assert envs.step(["Hello?"] * COUNT)[0]["turn"].tolist() == [2] * COUNT


def test_a_crash_comes_through_and_a_reset_mends_it() -> None:
    envs = ConsultationVectorEnv(COUNT, patient=f"plugin:{__name__}:Fragile")
    envs.reset(seed=0)
    envs.step(["Hello?"] * COUNT)
    with pytest.raises(ZeroDivisionError):
        envs.step(["Hello?"] * COUNT)
    assert envs.reset(seed=0)[0]["turn"].tolist() == [0] * COUNT
    assert envs.step(["Hello?"] * COUNT)[0]["text"] == ("Patient: Fine.",) * COUNT


def test_wrong_arguments_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="num_envs"):
        ConsultationVectorEnv(0)
    with pytest.raises(InputError, match="no patient is called"):
        gymnasium.make_vec(ID, num_envs=2, patient="nobody")


def test_processes_work_without_shared_memory_and_say_so_with_it() -> None:
    with pytest.raises(ValueError, match="shared_memory=False"):
        gymnasium.make_vec(ID, num_envs=2, vectorization_mode="async")
    envs = gymnasium.make_vec(
        ID, num_envs=2, vectorization_mode="async", vector_kwargs={"shared_memory": False}
    )
    envs.reset(seed=0)
    assert envs.step(["Hello?"] * 2)[0]["turn"].tolist() == [1, 1]
    envs.close()
