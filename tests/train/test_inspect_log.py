"""A run as a log of Inspect AI, read back as Inspect's users do."""

from pathlib import Path
from typing import Any

import pytest
from inspect_ai.analysis import evals_df, messages_df, samples_df
from inspect_ai.log import EvalLog, EvalSample, read_eval_log
from sample_runs import CHEST, KEPT, QUESTION, TALK, everything

from clinicenv.runs.scoring import scored
from clinicenv.runs.store import Store
from clinicenv.train import inspect_log
from clinicenv.train.consultations import in_order


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return everything(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def file(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "mine.eval"
    inspect_log.write(store, in_order(store), path)
    return path


@pytest.fixture(scope="module")
def log(file: Path) -> EvalLog:
    return read_eval_log(str(file))


def sample(log: EvalLog, scenario: str, epoch: int = 1) -> EvalSample:
    (found,) = [s for s in log.samples or () if (s.id, s.epoch) == (scenario, epoch)]
    return found


def test_messages_have_inspects_roles_and_ours_beside_them(log: EvalLog) -> None:
    messages = sample(log, CHEST).messages
    about = [(m.role, (m.metadata or {})["role"], (m.metadata or {})["type"]) for m in messages]
    assert about == [
        ("user", "core", "door_note"),
        ("user", "patient", "say"),
        ("assistant", "doctor", "say"),
        ("assistant", "doctor", "order_tests"),
        ("user", "measurement", "report"),
        ("user", "patient", "say"),
        ("assistant", "doctor", "say"),
        ("user", "patient", "say"),
        ("assistant", "doctor", "diagnose"),
    ]
    assert messages[3].text == "ORDER: ECG; troponin"
    assert messages[6].text == KEPT
    assert messages[8].text.startswith("DIAGNOSE: acute pericarditis; pulmonary embolism\nPLAN: ")
    numbers = [(m.metadata or {})["event"] for m in messages]
    assert numbers == sorted(set(numbers))


def test_scores_are_the_marks_without_those_that_do_not_apply(log: EvalLog, store: Store) -> None:
    for result, marks in scored(store, in_order(store)):
        found = sample(log, result.scenario, result.repeat + 1).scores or {}
        values = {name: score.value for name, score in found.items()}
        assert values == {name: value for name, value in marks.items() if value is not None}
    correct = (sample(log, CHEST).scores or {})["correct"]
    assert correct.answer == "acute pericarditis; pulmonary embolism"
    assert "2. pulmonary embolism: wrong" in (correct.explanation or "")
    assert not (sample(log, TALK).scores or {}).keys() & {"correct", "rank"}


def test_a_sample_says_what_was_right_and_how_it_went(log: EvalLog) -> None:
    found = sample(log, CHEST)
    assert (found.target, found.choices) == (["acute pericarditis"], None)
    about = {"specialty": "cardiology", "status": "terminated", "reason": "diagnose", "turns": 3}
    assert found.metadata.items() >= about.items()
    question = sample(log, QUESTION)
    assert question.choices
    assert set(question.target) < set(question.choices)
    assert len(sample(log, TALK).target) > 3


def test_usage_stands_by_model_and_by_role(log: EvalLog) -> None:
    found = sample(log, CHEST)
    assert found.model_usage.keys() == {"openai/small", "openai/large"}
    doctor = found.role_usage["doctor"]
    counted = (doctor.input_tokens, doctor.input_tokens_cache_read, doctor.output_tokens, doctor.total_tokens)
    assert counted == (800, 1200, 100, 2100)
    assert doctor.total_cost == 0.5
    assert log.stats.role_usage["patient"].total_tokens == 4 * 1050


def test_what_broke_is_a_sample_error_and_counts_in_no_mean(log: EvalLog) -> None:
    found = sample(log, CHEST, epoch=2)
    assert found.error
    assert found.error.message == "patient: openai:p: the server failed (503)"
    assert not found.scores
    assert log.results
    assert (log.results.total_samples, log.results.completed_samples) == (4, 3)
    correct = next(s for s in log.results.scores if s.name == "correct")
    assert correct.scored_samples == 2
    right = [(sample(log, s).scores or {})["correct"].value for s in (CHEST, QUESTION)]
    assert correct.metrics["accuracy"].value == sum(right) / 2  # type: ignore[arg-type]
    assert "stderr" in correct.metrics


def test_the_header_has_models_settings_and_versions(log: EvalLog) -> None:
    spec = log.eval
    assert (spec.task, spec.config.epochs) == ("clinicenv/consultation", 2)
    assert spec.model == "clinicenv/lines"
    assert (spec.model_roles or {}).keys() == {"patient", "measurement"}
    assert spec.packages == {"clinicenv": "0"}
    assert (spec.metadata or {})["limits"] == {"max_turns": 4}
    assert (spec.metadata or {})["seed"] == 0


def test_inspects_data_frames_read_it(file: Path) -> None:
    samples: Any = samples_df(str(file), quiet=True)
    assert sorted(samples["id"]) == sorted([CHEST, CHEST, TALK, QUESTION])
    assert samples["score_correct"].notna().sum() == 2
    assert samples["error"].astype(bool).sum() == 1
    assert len(evals_df(str(file), quiet=True)) == 1
    messages: Any = messages_df(str(file), quiet=True)
    assert "ORDER: ECG; troponin" in set(messages["content"])


def test_the_same_run_makes_the_same_samples(store: Store, log: EvalLog, tmp_path: Path) -> None:
    inspect_log.write(store, in_order(store), tmp_path / "again.eval")
    again = read_eval_log(str(tmp_path / "again.eval"))
    assert [s.messages for s in again.samples or ()] == [s.messages for s in log.samples or ()]


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ({"kind": "model", "name": "chat", "model": "openai:gpt@http://127.0.0.1:1/v1"}, "openai/gpt"),
        ({"kind": "model", "name": "amie", "model": "local:some/model"}, "local/some/model"),
        ({"kind": "scripted", "name": "bayes"}, "clinicenv/bayes"),
        ({"kind": "human"}, "clinicenv/human"),
    ],
)
def test_models_are_called_as_inspect_calls_them(store: Store, agent: dict[str, Any], name: str) -> None:
    header = store.trajectory(in_order(store)[0].key).header
    header.cast["doctor"] = {"agent": agent}
    assert inspect_log.model_name(header, "doctor") == name
