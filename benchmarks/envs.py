"""How fast the Gymnasium environments go: `python -m benchmarks.envs`."""

import json
import time
from typing import Any

import gymnasium

from clinicenv.consultation import Turn
from clinicenv.events import Say
from clinicenv.scenario import select

LINES = (
    "Hello, my name is Dr Miller. What brings you in today?",
    "Can you tell me more about that?",
    "When did it start?",
    "Did it come on suddenly or slowly?",
    "Where exactly is it, and does it spread anywhere?",
    "What makes it better or worse?",
    "How bad is it, from one to ten?",
    "Is it there all the time, or does it come and go?",
    "EXAMINE: vital signs; general appearance",
    "Have you had any fever, chills or night sweats?",
    "Have you lost weight?",
    "Are you short of breath?",
    "Have you felt sick or been vomiting?",
    "Any change in your bowels or your water?",
    "Do you have a cough?",
    "That sounds frightening. I am sorry that you had to wait.",
    "ORDER: full blood count; CRP",
    "Do you have a headache, or any trouble with your eyes?",
    "Any rash, swelling or sore joints?",
    "Have you ever had anything like this before?",
    "Do you have any long-standing illnesses, such as diabetes or high blood pressure?",
    "Have you had any operations?",
    "What medicines do you take, also without a prescription?",
    "Are you allergic to anything?",
    "EXAMINE: heart; lungs; abdomen",
    "Does anything run in your family, heart trouble or cancer?",
    "Do you smoke or drink alcohol?",
    "Do you use any drugs?",
    "What work do you do, and who lives at home with you?",
    "I ask everybody this, and it stays between us: have you had a new partner lately?",
    "Have you travelled abroad, or been near anybody who was ill?",
    "How have you been sleeping and eating?",
    "ORDER: ECG; troponin",
    "What do you think it might be?",
    "Is there anything that worries you in particular?",
    "What were you hoping that we could do for you today?",
    "IMAGE: chest x-ray",
    "Have I understood you right: it has been getting worse since it began?",
    "Is there anything else you would like to tell me?",
    "DIAGNOSE: viral infection; anxiety\nPLAN: rest, and come back if it gets worse",
)
"""One consultation's worth of varied turns."""

PATIENT_SECONDS = 0.1
VECTOR_ENVS = 8
VECTOR_STEPS = 10


class SlowPatient:
    """Answers after a while, as a model behind a network does."""

    def act(self, turn: Turn) -> Say:
        time.sleep(PATIENT_SECONDS)
        return Say("I'm not sure.")


def turns_per_second(new_words: bool, seconds: float = 4.0) -> dict[str, Any]:
    """Doctor turns a second of one scripted environment on one core; calls of `step` only are counted.

    The time has everything in it: resets, rewards, observations and the growing messages. With `new_words` no
    line ever comes twice, so that no cache can know it.
    """
    env = gymnasium.make(
        "clinicenv.envs:clinicenv/Consultation-v0",
        scenarios="task:diagnose",
        max_turns=len(LINES) + 1,
        disable_env_checker=True,
    )
    for scenario in select("task:diagnose"):  # files are read and patterns compiled on the first
        _episode(env, "", {"scenario": scenario.id})
    turns = episodes = 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        episodes += 1
        turns += _episode(env, f" I have written down {episodes}." if new_words else "", None)
    took = time.perf_counter() - start
    env.close()
    return {
        "turns_per_s": round(turns / took),
        "us_per_turn": round(took / turns * 1e6, 1),
        "episodes": episodes,
    }


def _episode(env: gymnasium.Env[Any, str], suffix: str, options: dict[str, Any] | None) -> int:
    """One consultation from `reset` to its end; the number of its turns."""
    env.reset(options=options)
    for n, line in enumerate(LINES, 1):
        _, _, terminated, truncated, _ = env.step(line if _is_action(line) else line + suffix)
        if terminated or truncated:
            return n
    raise RuntimeError("the consultation did not end with the diagnosis")


def _is_action(line: str) -> bool:
    return line.partition(":")[0].isupper()


def vector_step() -> dict[str, Any]:
    """The longest of ten steps of eight environments whose patients take 0.1 s each, in seconds."""
    envs = gymnasium.make_vec(
        "clinicenv.envs:clinicenv/ModelConsultation-v0",
        num_envs=VECTOR_ENVS,
        patient=f"plugin:{SlowPatient.__module__}:SlowPatient",
    )
    envs.reset(seed=0)
    took = []
    for line in LINES[:VECTOR_STEPS]:
        start = time.perf_counter()
        envs.step([line] * VECTOR_ENVS)
        took.append(time.perf_counter() - start)
    envs.close()
    return {"envs": VECTOR_ENVS, "patient_s": PATIENT_SECONDS, "longest_step_s": round(max(took), 3)}


def measure() -> dict[str, Any]:
    """All figures."""
    return {
        "text": turns_per_second(new_words=False),
        "text_new_words": turns_per_second(new_words=True),
        "vector": vector_step(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
