"""The consultation as a task of Inspect AI, with Inspect's mock models in the seats."""

import asyncio
import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from click import UsageError
from conftest import ROOT
from inspect_ai import eval as evaluate
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, ModelUsage, get_model
from inspect_ai.tool import ToolInfo

from clinicenv.consultation import AgentError
from clinicenv.events import Trajectory
from clinicenv.scenario import load_scenario
from clinicenv.score.marks import MARKS, marks_of

CHEST, OTHER = "sharp-chest-pain-01", "sharp-chest-pain-02"
LINES = (
    "What brings you in today?\nORDER: ECG",
    "Does it hurt to breathe in?",
    "DIAGNOSE: acute pericarditis; pulmonary embolism\nPLAN: ibuprofen",
)
ASKED = list[tuple[list[ChatMessage], list[ToolInfo], GenerateConfig]]


def reply(text: str, tokens: tuple[int, int] = (100, 10)) -> ModelOutput:
    output = ModelOutput.from_content("mock", text)
    output.usage = ModelUsage(input_tokens=tokens[0], output_tokens=tokens[1], total_tokens=sum(tokens))
    return output


def model(name: str, answer: Callable[..., Any], asked: ASKED | None = None) -> Model:
    """A mock model; it waits a moment, so that consultations are in flight together."""

    async def generate(
        messages: list[ChatMessage], tools: list[ToolInfo], choice: object, config: GenerateConfig
    ) -> ModelOutput:
        if asked is not None:
            asked.append((messages, tools, config))
        await asyncio.sleep(0.01)
        found: ModelOutput = answer(messages)
        return found

    return get_model(f"mockllm/{name}", custom_outputs=generate)


def doctor(messages: list[ChatMessage]) -> ModelOutput:
    """Asks, orders, diagnoses; how long its prompt is in each turn can be told from its usage."""
    turn = sum(m.role == "assistant" for m in messages)
    return reply(LINES[min(turn, 2)], (sum(len(m.text) for m in messages), 10))


def patient(messages: list[ChatMessage]) -> ModelOutput:
    return reply("It hurts in my chest.", (7, 3))


def run(tmp_path: Path, who: Model, *, epochs: int = 1, case: str = CHEST, **options: Any) -> EvalLog:
    arguments = {"scenarios": case, "max_turns": 5, **options.pop("arguments", {})}
    (log,) = evaluate(
        "clinicenv/consultation",
        model=who,
        task_args=arguments,
        epochs=epochs,
        log_dir=str(tmp_path),
        display="none",
        **options,
    )
    return log


def samples(log: EvalLog) -> list[EvalSample]:
    assert log.status == "success"
    assert log.samples
    return log.samples


def trajectory(sample: EvalSample) -> Trajectory:
    return Trajectory.from_json(sample.store["clinicenv"])


def test_a_doctor_asks_orders_and_diagnoses(tmp_path: Path) -> None:
    log = run(tmp_path, model("d", doctor))
    (sample,) = samples(log)
    said = [(m.role, (m.metadata or {})["role"]) for m in sample.messages]
    assert said.count(("user", "measurement")) == 1
    assert said.count(("user", "patient")) == 3  # its opening line and two answers
    texts = [m.text for m in sample.messages if m.role == "assistant"]
    assert texts == ["What brings you in today?", "ORDER: ECG", LINES[1], LINES[2]]
    assert sample.target == ["acute pericarditis"]
    score = (sample.scores or {})["marks"]
    assert (score.answer, "1. acute pericarditis: exact" in (score.explanation or "")) == (
        "acute pericarditis; pulmonary embolism",
        True,
    )
    marks = marks_of(load_scenario(CHEST), trajectory(sample))
    assert isinstance(score.value, dict)
    assert {k: v for k, v in score.value.items() if not math.isnan(float(v or 0))} == {
        k: v for k, v in marks.items() if v is not None
    }
    assert log.results
    assert [s.name for s in log.results.scores] == list(MARKS)
    assert log.results.scores[0].metrics.keys() == {"mean", "stderr"}
    assert log.results.scores[0].metrics["mean"].value == 1.0


def test_the_prompts_are_clinicenvs_and_grow_at_their_end(tmp_path: Path) -> None:
    asked: ASKED = []
    (sample,) = samples(run(tmp_path, model("d", doctor, asked)))
    assert [m.role for m in asked[0][0]] == ["system", "user"]
    assert "How to act" in asked[0][0][0].text
    assert asked[0][0][1].text.endswith("[turn 1 of 5]")
    ids = [[m.id for m in messages] for messages, *_ in asked]
    assert all(later[: len(before)] == before for before, later in itertools.pairwise(ids))
    calls = [e for e in sample.events if e.event == "model"]
    assert len(calls) == len(asked) == 3


def test_two_cases_twice_at_once_have_the_usage_that_they_have_one_by_one(tmp_path: Path) -> None:
    def found(at_once: int) -> dict[tuple[Any, int], EvalSample]:
        log = run(
            tmp_path,
            model("d", doctor),
            case=f"{CHEST},{OTHER}",
            epochs=2,
            model_roles={"patient": model("p", patient)},
            max_samples=at_once,
        )
        assert log.stats.role_usage["patient"].total_tokens == 80
        return {(s.id, s.epoch): s for s in samples(log)}

    together, alone = found(4), found(1)
    assert together.keys() == {(case, epoch) for case in (CHEST, OTHER) for epoch in (1, 2)}
    for place, sample in together.items():
        assert [e.role for e in sample.events if e.event == "model"] == [
            None,
            "patient",
            None,
            "patient",
            None,
        ]
        prompts = sample.model_usage["mockllm/d"].input_tokens
        assert prompts == alone[place].model_usage["mockllm/d"].input_tokens
        assert sample.role_usage["patient"].input_tokens == 14
        by_role = {row["role"]: row["prompt_tokens"] for row in sample.metadata["calls"]}
        assert by_role == {"doctor": prompts, "patient": 14}
        replies = [m.text for m in sample.messages if m.role == "user" and "hurts in my chest" in m.text]
        assert replies == ["Patient: It hurts in my chest."] * 2
    assert len({s.model_usage["mockllm/d"].input_tokens for s in together.values()}) > 1
    assert {k: s.metadata["key"] for k, s in together.items()} == {
        k: s.metadata["key"] for k, s in alone.items()
    }
    assert len({s.metadata["key"] for s in together.values()}) == 4


def test_a_model_can_measure_and_moderate(tmp_path: Path) -> None:
    def asks(messages: list[ChatMessage]) -> ModelOutput:
        turn = sum(m.role == "assistant" for m in messages)
        return reply(("ORDER: serum zebra level", LINES[2])[min(turn, 1)])

    roles = {
        "measurement": model("m", lambda _: reply("Zebra 3 mmol/L")),
        "moderator": model("j", lambda _: reply("1. same\n2. different")),
    }
    (sample,) = samples(run(tmp_path, model("d", asks), model_roles=roles))
    assert any("Zebra 3 mmol/L" in m.text for m in sample.messages)
    assert sample.metadata["moderator"] == "same; different"
    assert sample.role_usage.keys() == {"measurement", "moderator"}


def test_the_tools_card_offers_tools_and_reads_calls(tmp_path: Path) -> None:
    asked: ASKED = []

    def calls(messages: list[ChatMessage]) -> ModelOutput:
        given = {"differential": ["acute pericarditis"], "plan": "rest"}
        output = ModelOutput.for_tool_call("mock", "diagnose", given)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    profile = (ROOT / "bias_profiles" / "patient" / "default.yaml").read_text()
    (tmp_path / "curt.yaml").write_text(profile.replace("id: default", "id: curt"))
    arguments = {"doctor_card": "tools", "patient_profile": str(tmp_path / "curt.yaml")}
    (sample,) = samples(run(tmp_path, model("d", calls, asked), arguments=arguments))
    assert {"diagnose", "order_tests"} <= {tool.name for tool in asked[0][1]}
    assert sample.metadata["reason"] == "diagnose"
    assert sample.metadata["profiles"]["patient"] == "curt"


def test_inspects_options_go_before_the_cards(tmp_path: Path) -> None:
    asked: ASKED = []
    run(tmp_path, model("d", doctor, asked), temperature=0.2)
    assert {(config.temperature, config.max_tokens) for *_, config in asked} == {(0.2, 1024)}


@pytest.mark.parametrize("who", ["doctor", "patient"])
def test_what_a_model_breaks_is_a_sample_error(tmp_path: Path, who: str) -> None:
    def gone(messages: list[ChatMessage]) -> ModelOutput:
        raise RuntimeError("the server is gone")

    said = {"doctor": doctor, "patient": patient, who: gone}
    log = run(tmp_path, model("d", said["doctor"]), model_roles={"patient": model("p", said["patient"])})
    (sample,) = samples(log)
    assert sample.error
    assert "the server is gone" in sample.error.message
    assert not sample.scores
    assert sample.messages[0].text == load_scenario(CHEST).setting.door_note


def test_a_patient_that_says_nothing_is_a_sample_error_and_the_others_go_on(tmp_path: Path) -> None:
    def mute(messages: list[ChatMessage]) -> ModelOutput:
        return reply("" if "Daniel" in messages[0].text else "It hurts.")

    who = {"patient": model("p", mute)}
    log = run(tmp_path, model("d", doctor), case=f"{CHEST},{OTHER}", model_roles=who)
    errors = {s.id: s.error and s.error.message for s in samples(log)}
    assert AgentError.__name__ in str(errors[CHEST])
    assert "the patient says nothing of its own" in str(errors[CHEST])
    assert errors[OTHER] is None
    assert log.results
    assert log.results.scores[0].scored_samples == 1


def test_a_limit_of_inspect_ends_a_sample_without_a_score(tmp_path: Path) -> None:
    (sample,) = samples(run(tmp_path, model("d", lambda _: reply("And then?")), token_limit=250))
    assert sample.limit
    assert sample.limit.type == "token"
    score = (sample.scores or {})["marks"]
    assert math.isnan(score.as_float())
    assert sample.messages


def test_half_characters_and_control_characters_do_no_harm(tmp_path: Path) -> None:
    def hostile(messages: list[ChatMessage]) -> ModelOutput:
        turn = sum(m.role == "assistant" for m in messages)
        return reply(("Where\x1b[31m \ud83d <script>?", LINES[2])[min(turn, 1)])

    (sample,) = samples(run(tmp_path, model("d", hostile)))
    (said,) = [m.text for m in sample.messages if "<script>" in m.text]
    assert said == "Where\x1b[31m ? <script>?"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"scenarios": "nosuch"}, "no bundled scenario `nosuch`"),
        ({"doctor_card": "bayes"}, "`bayes` is scripted"),
        ({"patient_profile": "nosuch"}, "nosuch"),
        ({"doctor_card": "nosuch"}, "no doctor is called `nosuch`"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: dict[str, str], says: str) -> None:
    from clinicenv.train.inspect_task import consultation

    with pytest.raises(UsageError, match=says):
        consultation(**arguments)  # type: ignore[arg-type]


def test_inspect_finds_the_task_by_its_name(tmp_path: Path) -> None:
    (point,) = [e for e in distribution("clinicenv").entry_points if e.group == "inspect_ai"]
    assert (point.name, point.value) == ("clinicenv", "clinicenv.train._inspect_registry")
    command = [
        sys.executable,
        "-m",
        "inspect_ai",
        "eval",
        "clinicenv/consultation",
        "--model",
        "mockllm/model",
    ]
    command += ["-T", "scenarios=nosuch", "--log-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "no bundled scenario `nosuch`" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_importing_clinicenv_brings_none_of_it() -> None:
    heavy = ("inspect_ai", "pyarrow")
    code = f"import clinicenv.cli.main, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
