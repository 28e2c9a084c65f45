"""The text environment as a learner's code meets it."""

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env

import clinicenv.envs  # noqa: F401 - registers the ids
from clinicenv.consultation import AgentError, Turn
from clinicenv.envs.spaces import LINES, Unicode
from clinicenv.envs.text import ConsultationEnv
from clinicenv.events import Say, Trajectory, Unparsed
from clinicenv.files import InputError
from clinicenv.protocol import parse
from clinicenv.scenario import Scenario, select

ID = "clinicenv/Consultation-v0"
MODEL_ID = "clinicenv/ModelConsultation-v0"
SCENARIOS = select("task:diagnose")
QUESTIONS = [
    "Hello, what brings you in today?",
    "When did it start? Does it spread anywhere?",
    "EXAMINE: vital signs; abdomen; heart",
    "I am sorry to hear that. Do you have any fever, cough or pain?",
    "Do you smoke, drink or use drugs?",
    "ORDER:",
    "Are there any illnesses in your family?",
    "What do you think is causing this?",
    "ORDER: full blood count",
    "What medicines do you take?",
]
END = "DIAGNOSE: viral infection; anxiety\nPLAN: rest"


class Rambling:
    def act(self, turn: Turn) -> Say:
        return Say("word " * 100)


class Broken:
    def act(self, turn: Turn) -> Say:
        raise AgentError("the line went dead")


class Faulty:
    def act(self, turn: Turn) -> Say:
        raise ZeroDivisionError


class Awaiting:
    async def act(self, turn: Turn) -> Say:
        return Say("From far away.")


READY_MADE = Rambling()
NO_AGENT = 7


def count_turns(scenario: Scenario, trajectory: Trajectory) -> float:
    return 10.0 if trajectory.outcome else 1.0


def no_number(scenario: Scenario, trajectory: Trajectory) -> Any:
    return "much"


def make(**arguments: Any) -> Any:
    return gymnasium.make(ID, **{"scenarios": "task:diagnose", **arguments})


def episode(env: Any, lines: list[str], **reset: Any) -> list[Any]:
    """All that the environment returns."""
    returned: list[Any] = [env.reset(**reset)]
    for line in lines:
        returned.append(env.step(line))
        if returned[-1][2] or returned[-1][3]:
            break
    return returned


def strings(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from strings(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from strings(value)
    else:
        yield repr(data)


@pytest.mark.parametrize("name", [ID, MODEL_ID])
def test_gymnasiums_checker_has_no_complaint(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name, render_mode="ansi").unwrapped)


def test_passive_checker_has_no_complaint_about_a_whole_episode() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        returned = episode(make(), [*QUESTIONS, END], seed=3)
    assert returned[-1][2] is True


@pytest.mark.parametrize("scenario", [s.id for s in SCENARIOS])
def test_same_seed_gives_the_same_episode(scenario: str) -> None:
    runs = []
    for _ in range(2):
        env = make()
        runs.append(episode(env, [*QUESTIONS, END], seed=11, options={"scenario": scenario}))
        runs.append(env.unwrapped.trajectory.to_json())
    assert runs[:2] == runs[2:]
    assert runs[0][0][1]["scenario"] == scenario


def test_reset_in_the_middle_leaves_nothing_behind() -> None:
    used = make()
    episode(used, QUESTIONS[:4], seed=99)
    assert episode(used, QUESTIONS, seed=5) == episode(make(), QUESTIONS, seed=5)


def test_resets_without_a_seed_count_the_repeats() -> None:
    env = make()
    first, second, third = (env.reset(), env.reset(), env.reset())
    assert (env.unwrapped.trajectory.header.seed, env.unwrapped.trajectory.header.repeat) == (0, 2)
    assert env.reset(seed=0) == first
    assert [env.reset(), env.reset()] == [second, third]
    env.reset(seed=8)
    env.reset()
    assert (env.unwrapped.trajectory.header.seed, env.unwrapped.trajectory.header.repeat) == (8, 1)


def test_all_selected_scenarios_are_drawn_and_no_others() -> None:
    env = make()
    assert {env.reset()[1]["scenario"] for _ in range(400)} == {s.id for s in SCENARIOS}
    two = make(scenarios=f"{SCENARIOS[0].id},{SCENARIOS[-1].id}")
    assert {two.reset()[1]["scenario"] for _ in range(20)} == {SCENARIOS[0].id, SCENARIOS[-1].id}


def test_first_observation_is_door_note_and_opening() -> None:
    scenario = SCENARIOS[0]
    observation, info = make(max_turns=7).reset(options={"scenario": scenario.id})
    note, spoken = observation["text"].split("\n\n")
    assert note == scenario.setting.door_note
    assert spoken.removeprefix("Patient: ") in scenario.patient.opening
    assert (observation["turn"], observation["turns_left"]) == (0, 7)
    assert info["messages"] == [{"role": "user", "content": observation["text"]}]


def test_each_observation_is_what_is_new_and_the_messages_are_the_whole() -> None:
    returned = episode(make(), [*QUESTIONS, END], seed=2)
    for before, after in pairwise(returned):
        earlier, later = before[-1]["messages"], after[-1]["messages"]
        assert later[: len(earlier)] == earlier
        assert later[len(earlier)]["role"] == "assistant"
        assert [m["content"] for m in later[len(earlier) + 1 :]] == [t for t in [after[0]["text"]] if t]
    said = [m["content"] for m in returned[-1][-1]["messages"] if m["role"] == "assistant"]
    assert said == [*QUESTIONS, END]
    assert [r[0]["turn"] for r in returned] == list(range(len(QUESTIONS) + 2))


def test_messages_that_a_user_changes_do_not_come_back() -> None:
    env = make()
    _, info = env.reset(seed=1)
    info["messages"][0]["content"] = "mine"
    info["messages"].clear()
    assert "mine" not in env.step("Hello?")[-1]["messages"][0]["content"]


def test_results_and_notices_reach_the_doctor() -> None:
    env = make(max_turns=3)
    env.reset(seed=1, options={"scenario": "sharp-chest-pain-01"})
    assert "troponin" in env.step("ORDER: troponin")[0]["text"].lower()
    text = env.step("ORDER:")[0]["text"]
    assert text.startswith("[ORDER is empty")
    assert "[This is your last turn" in text


def test_the_last_words_before_the_limit_are_seen() -> None:
    env = make(max_turns=1, patient=f"plugin:{__name__}:READY_MADE")
    env.reset(seed=1)
    observation, reward, terminated, truncated, info = env.step("How are you?")
    assert observation["text"].startswith("Patient: word word")
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert (info["stop_reason"], info["score"]["credit"]) == ("max_turns", 0.0)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_right_diagnosis_earns_full_credit_and_a_wrong_one_none(scenario: Scenario) -> None:
    assert scenario.answer.diagnosis
    env = make()
    name = scenario.answer.diagnosis.name
    *_, right = episode(env, ["Hello?", f"DIAGNOSE: {name}"], options={"scenario": scenario.id})
    assert right[1:4] == (1.0, True, False)
    assert right[4]["score"] == {"credit": 1.0, "correct": True, "reward": 1.0}
    assert right[4]["stop_reason"] == "diagnose"
    *_, wrong = episode(env, ["DIAGNOSE: hay fever"], options={"scenario": scenario.id})
    assert wrong[1] == 0.0
    assert wrong[4]["score"]["correct"] is False


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_nothing_names_the_answer_before_the_end(scenario: Scenario) -> None:
    answer = scenario.answer.diagnosis
    assert answer
    env = make(render_mode="ansi")
    returned = episode(env, QUESTIONS, seed=4, options={"scenario": scenario.id})
    with pytest.raises(InputError) as unknown:
        env.reset(options={"scenario": "nothing-01"})
    shown = [*strings(returned), env.render(), repr(env), str(env.unwrapped), str(unknown.value)]
    everything = "\n".join(shown).casefold()
    for name in (answer.name, *answer.synonyms, *answer.subtypes):
        assert name.casefold() not in everything
    assert not {"score", "stop_reason", "trajectory", "status"} & set(returned[-1][-1])
    assert scenario.facts.keys() & set(strings(returned)) == set()


def test_long_text_is_cut_with_a_mark_and_whole_in_the_messages() -> None:
    env = make(max_text=100, patient=f"plugin:{__name__}:Rambling")
    env.reset(seed=0)
    observation, *_, info = env.step("Hello?")
    assert len(observation["text"]) == 100
    assert observation["text"].endswith("[the rest is cut off]")
    assert observation in env.observation_space
    assert len(info["messages"][-1]["content"]) > 400


def test_too_long_an_action_uses_the_turn_and_says_why() -> None:
    env = make(max_text=200)
    env.reset(seed=0)
    observation = env.step("Hello? " * 100)[0]
    assert "longer than 200 characters" in observation["text"]
    assert "Patient:" not in observation["text"]
    assert observation["turn"] == 1


def test_an_action_that_is_no_text_changes_nothing() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match="int"):
        env.unwrapped.step(3)
    assert env.step("Hello?")[0]["turn"] == 1


def test_steps_before_and_after_an_episode_are_refused() -> None:
    env = make().unwrapped
    with pytest.raises(ResetNeeded):
        env.step("Hello?")
    episode(env, [END], seed=0)
    with pytest.raises(ResetNeeded):
        env.step("Hello?")


def test_a_broken_agent_truncates_with_its_cause_and_earns_nothing() -> None:
    env = make(patient=f"plugin:{__name__}:Broken", reward=f"{__name__}:count_turns")
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step("Hello?")
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["error"] == "the patient broke: the line went dead"
    assert "score" not in info


def test_after_a_crash_in_an_agent_the_episode_cannot_go_on() -> None:
    env = make(patient=f"plugin:{__name__}:Faulty")
    env.reset(seed=0)
    with pytest.raises(ZeroDivisionError):
        env.step("Hello?")
    with pytest.raises(ResetNeeded):
        env.step("Hello?")
    assert env.reset(seed=0)[0]["turn"] == 0


def test_an_agent_that_awaits_plays_too() -> None:
    env = gymnasium.make(MODEL_ID, patient=f"plugin:{__name__}:Awaiting")
    env.reset(seed=0)
    assert env.step("Hello?")[0]["text"] == "Patient: From far away."


def test_a_reward_of_ones_own_is_asked_at_each_step() -> None:
    env = make(reward=f"{__name__}:count_turns")
    assert [r[1] for r in episode(env, ["Hello?", END], seed=0)[1:]] == [1.0, 10.0]


def test_render_is_the_conversation() -> None:
    env = make(render_mode="ansi")
    (observation, _), step = episode(env, ["Hello?"], seed=0)
    assert env.render() == f"{observation['text']}\n\nDoctor: Hello?\n\n{step[0]['text']}"


ODD = [
    "", "  \n ", "SAY:", "PLAN: rest", "DIAGNOSE:", "ORDER: ;;;", "ANSWER: A", "IMAGES", "**ORDER**: `ECG`",
    ":", "ORDER: ECG\nDIAGNOSE: asthma\nPLAN: rest", "DIAGNOSE: a; b\nLEAVE: bye", "LEAVE:",
    "\x00\x1b[2J", "x" * 17000, "EXAMINE: " + "; ".join(["heart"] * 30), "\u202eolleh", "¿Dónde? 痛い",
]  # fmt: skip


@pytest.mark.parametrize("images", ["request", "none"])
def test_no_text_is_too_odd(images: str) -> None:
    env = make(images=images)
    for n, text in enumerate(ODD):
        env.reset(seed=n)
        observation, *_, info = env.step(text)
        assert observation in env.observation_space
        assert observation["turn"] == 1
        assert info["messages"][1] == {"role": "assistant", "content": text}


def test_a_question_comes_with_its_options_and_pays_for_the_right_one(tmp_path: Path) -> None:
    data = SCENARIOS[0].model_dump(mode="json", exclude_defaults=True)
    options = [{"id": "A", "text": "Yes, at once"}, {"id": "B", "text": "No", "correct": True}]
    data |= {"id": "asked-01", "task": "question", "question": {"ask": "Operate?", "options": options}}
    (tmp_path / "asked-01.yaml").write_text(json.dumps(data))
    env = make(scenarios=str(tmp_path / "asked-01.yaml"))
    (observation, _), wrong = episode(env, ["ANSWER: A"], seed=0)
    assert observation["text"].endswith("\n\nQuestion: Operate?\nA: Yes, at once\nB: No")
    assert (wrong[2], wrong[4]["stop_reason"], wrong[4]["score"]["correct"]) == (True, "answer", False)
    *_, right = episode(env, ["ANSWER: B"], seed=0)
    assert right[4]["score"] == {"credit": 1.0, "correct": True, "reward": 1.0}
    assert wrong[1] == 0.0


def test_a_conversation_pays_the_share_of_its_goals(tmp_path: Path) -> None:
    data = SCENARIOS[0].model_dump(mode="json", exclude_defaults=True)
    data |= {"id": "talk-01", "task": "communicate", "goals": [
        {"id": "warm", "text": "Shows empathy", "points": 3, "met_by": {"any": [{"act": "empathise"}]}},
        {"id": "blood", "text": "Orders blood", "points": 1, "met_by": {"any": [{"act": "never"}]}},
    ]}  # fmt: skip
    (tmp_path / "talk-01.yaml").write_text(json.dumps(data))
    env = make(scenarios=str(tmp_path / "talk-01.yaml"))
    *_, end = episode(env, ["I am so sorry, that must be frightening for you.", "LEAVE:"], seed=0)
    assert end[1:4] == (0.75, True, False)
    assert end[4]["score"] == {"credit": 0.75, "correct": False, "reward": 0.75}


def test_the_learner_sits_on_the_doctors_seat_in_the_log() -> None:
    env = make()
    env.reset(seed=0)
    assert env.unwrapped.trajectory.header.cast["doctor"]["agent"] == {"kind": "learner", "name": "learner"}


def test_specification_goes_through_json() -> None:
    env = make(scenarios="split:dev", max_turns=5, patient=f"plugin:{__name__}:Rambling")
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert episode(again, QUESTIONS, seed=6) == episode(env, QUESTIONS, seed=6)
    assert json.loads(env.spec.to_json())["kwargs"]["scenarios"] == "split:dev"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"role": "patient"}, "the doctor's seat only, got `patient`"),
        ({"max_turns": 0}, "1 to 500, got 0"),
        ({"max_turns": 501}, "1 to 500, got 501"),
        ({"images": "always"}, "request, start or none"),
        ({"max_text": 5}, "100 characters or more"),
        ({"render_mode": "human"}, "ansi or None"),
        ({"scenarios": "no-such-case"}, "no bundled scenario `no-such-case`"),
        ({"patient": "nobody"}, "no patient is called `nobody`"),
        ({"patient": Rambling()}, "arguments of an environment are data"),
        ({"patient": "plugin:nowhere_at_all:Thing"}, "no module `nowhere_at_all`"),
        ({"patient": f"plugin:{__name__}:NO_AGENT"}, "it has no `act"),
        ({"patient_profile": "nobody"}, "no profile `nobody`"),
        ({"reward": "best"}, "there are: default"),
        ({"reward": "json:"}, "written as module:name"),
        ({"reward": "json:nothing"}, "nothing called `nothing`"),
        ({"reward": f"{__name__}:NO_AGENT"}, "is no function, but a int"),
    ],
)
def test_wrong_arguments_say_what_to_do(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ConsultationEnv(**arguments)


def test_wrong_options_and_rewards_say_what_to_do() -> None:
    env = make(reward=f"{__name__}:no_number")
    with pytest.raises(InputError, match=SCENARIOS[0].id):
        env.reset(options={"scenario": "nothing-01"})
    with pytest.raises(InputError, match="`scenarios` is unknown"):
        env.reset(options={"scenarios": SCENARIOS[0].id})
    with pytest.raises(InputError, match="gave str, not a number"):
        env.reset(seed=0)


def test_text_space() -> None:
    space = Unicode(30, seed=1)
    assert "" in space
    assert "37.5 °C, déjà vu, 咳嗽" in space
    assert "x" * 31 not in space
    assert 3 not in space
    assert space == Unicode(30)
    assert space != Unicode(31)
    assert not space.is_np_flattenable
    assert all(space.sample() in space for _ in range(20))
    drawn = [space.sample() for _ in range(5)]
    assert space.from_jsonable(space.to_jsonable(drawn)) == drawn


def test_samples_are_actions() -> None:
    env = make()
    env.reset(seed=0)
    legal = env.unwrapped._consultation.pending.legal
    assert not any(isinstance(act, Unparsed) for line in LINES for act in parse(line, legal))
    assert {env.action_space.sample() for _ in range(200)} == set(LINES)


def test_the_core_imports_no_gymnasium() -> None:
    code = "import sys, clinicenv.agents.cast; sys.exit('gymnasium' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
