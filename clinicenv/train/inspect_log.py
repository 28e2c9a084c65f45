"""A run as a log of Inspect AI: a sample for each consultation, a score for each mark."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinicenv import __version__
from clinicenv.events import Header, Trajectory
from clinicenv.files import InputError, whole
from clinicenv.runs.results import TRAJECTORIES, ResultLine
from clinicenv.runs.store import Store
from clinicenv.score.marks import MARKS
from clinicenv.score.summary import CallRow
from clinicenv.train.consultations import Played, agent_of, played
from clinicenv.train.dialogue import begins_with, failure, final_act, options, target, verdict_in_words

try:
    from inspect_ai.event import Event, ModelEvent
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalError,
        EvalLog,
        EvalSample,
        EvalSpec,
        EvalStats,
        HeadlineMetric,
        recompute_metrics,
        write_eval_log,
    )
    from inspect_ai.model import ChatMessage, GenerateConfig, ModelConfig, ModelOutput, ModelUsage
    from inspect_ai.scorer import Score
except ImportError as e:
    raise InputError("Inspect's logs need the `inspect` extra: pip install 'clinicenv[inspect]'") from e

from clinicenv.train.inspect_chat import about, chat, verdict_data

TASK = "clinicenv/consultation"
"""The task's name, as `inspect eval` has it."""

_WHOLE = ("correct", "score")


def write(store: Store, results: Sequence[ResultLine], file: Path) -> None:
    """Writes the consultations of one arm, or nothing."""
    log = _log(store, results)
    with whole(file) as temporary:
        write_eval_log(log, temporary)


def _log(store: Store, results: Sequence[ResultLine]) -> EvalLog:
    header: Header | None = None
    samples: list[EvalSample] = []
    known: set[tuple[int | str, int]] = set()
    for one in played(store, results):
        header = header or one.trajectory.header
        sample = _sample(one)
        if (sample.id, sample.epoch) in known:  # e.g. siblings of a fork: Inspect knows an epoch once
            sample.id = f"{sample.id}-{one.result.key}"
        known.add((sample.id, sample.epoch))
        samples.append(sample)
    assert header
    has = {name for sample in samples for name in sample.scores or ()}
    log = EvalLog(
        status="success",
        eval=_spec(store, header, results, [name for name in MARKS if name in has]),
        stats=_stats(store, results),
        samples=samples,
    )
    recompute_metrics(log)
    _headline(log)
    return log


def _sample(one: Played) -> EvalSample:
    result, log, model = one.result, one.trajectory, model_name(one.trajectory.header, "doctor")
    broke = failure(log)
    messages = chat(log, model)
    last = next((m.text for m in reversed(messages) if m.role == "assistant"), "")
    return EvalSample(
        id=result.scenario,
        epoch=result.repeat + 1,
        input=begins_with(one.scenario),
        choices=options(one.scenario) or None,
        target=target(one.scenario),
        messages=messages,
        events=_turns(messages, model),
        output=ModelOutput.from_content(model, last) if last else ModelOutput(model=model),
        scores=_scores(one.marks, log) or None,
        metadata={"arm": result.arm, "specialty": one.scenario.meta.specialty, **about(log)},
        model_usage=usage((_theirs(row.model), row) for row in _rows(result)),
        role_usage=usage((row.role, row) for row in _rows(result)),
        error=EvalError(message=broke, traceback=broke, traceback_ansi=broke) if broke else None,
        turn_count=result.turns,
        uuid=result.key,
    )


def _turns(messages: Sequence[ChatMessage], model: str) -> list[Event]:
    """The doctor's turns, of which Inspect makes its transcript and its data frame of messages: what had been
    said before each, and its last words."""
    ends = [n for n, m in enumerate(messages) if m.role == "assistant"]
    ends = [n for n in ends if n + 1 not in ends]
    return [
        ModelEvent(
            model=model,
            role="doctor",
            input=list(messages[:n]),
            tools=[],
            tool_choice="none",
            config=GenerateConfig(),
            output=ModelOutput.from_message(messages[n]),
        )
        for n in ends
    ]


def _scores(marks: Mapping[str, float | None], log: Trajectory) -> dict[str, Score]:
    """A score for each mark that applies; the whole ones have the verdict and its reason beside them."""
    why: dict[str, Any] = {"answer": final_act(log) or None, "explanation": verdict_in_words(log)}
    why["metadata"] = verdict_data(log.verdict)
    return {
        name: Score(value=float(value), **(why if name in _WHOLE else {}))
        for name, value in marks.items()
        if value is not None
    }


def _rows(result: ResultLine) -> list[CallRow]:
    return [CallRow(**row) for row in result.usage]


def usage(rows: Iterable[tuple[str, CallRow]]) -> dict[str, ModelUsage]:
    """The calls by name, added up. Tokens that the server had in its prefix cache stand apart in Inspect."""
    found: dict[str, ModelUsage] = {}
    for name, row in rows:
        used = ModelUsage(
            input_tokens=row.prompt_tokens - row.cached_tokens,
            input_tokens_cache_read=row.cached_tokens or None,
            output_tokens=row.completion_tokens,
            total_tokens=row.tokens,
            total_cost=row.usd,
        )
        found[name] = found[name] + used if name in found else used
    return found


def model_name(header: Header, role: str) -> str:
    """The model of a seat as Inspect writes it (`openai/gpt`), or `clinicenv/` and the name of its card."""
    agent = agent_of(header, role)
    if model := agent.get("model"):
        return _theirs(str(model))
    return f"clinicenv/{agent.get('name') or agent.get('kind', 'unknown')}"


def _theirs(model: str) -> str:
    """`openai:gpt@URL` as Inspect writes it."""
    return model.partition("@")[0].replace(":", "/", 1)


def _address(header: Header, role: str) -> str | None:
    agent = agent_of(header, role)
    return str(agent.get("model") or "").partition("@")[2] or agent.get("base_url")


def _generate_config(header: Header, role: str) -> GenerateConfig:
    sampling = agent_of(header, role).get("sampling", {})
    return GenerateConfig(**{k: v for k, v in sampling.items() if k in GenerateConfig.model_fields})


def _spec(store: Store, header: Header, results: Sequence[ResultLine], marks: list[str]) -> EvalSpec:
    ids = sorted({r.scenario for r in results})
    others = [role for role in header.cast if role != "doctor"]
    asked = store.specification
    scorers: Any = [{"name": mark, "metrics": [{"name": "mean"}, {"name": "stderr"}]} for mark in marks]
    return EvalSpec(
        created=_when(store.folder / "run.json"),
        run_id=store.folder.resolve().name,
        task=TASK,
        task_id=f"{store.folder.resolve().name}/{results[0].arm}",
        task_version=__version__,
        task_args={"scenarios": asked.get("scenarios"), "seed": header.seed},
        dataset=EvalDataset(name="clinicenv", samples=len(ids), sample_ids=ids),
        model=model_name(header, "doctor"),
        model_base_url=_address(header, "doctor"),
        model_generate_config=_generate_config(header, "doctor"),
        model_roles={
            role: ModelConfig(
                model=model_name(header, role),
                config=_generate_config(header, role),
                base_url=_address(header, role),
            )
            for role in others
        },
        config=EvalConfig(epochs=max(r.repeat for r in results) + 1, epochs_reducer=["mean"]),
        packages={k: str(v) for k, v in store.versions.items()},
        metadata={
            "arm": results[0].arm,
            "seed": header.seed,
            "limits": {name: header.limits[name] for name in header.limits_set},
            "images": header.images,
            "specification": asked,
        },
        scorers=scorers,
    )


def _stats(store: Store, results: Sequence[ResultLine]) -> EvalStats:
    rows = [row for result in results for row in _rows(result)]
    return EvalStats(
        started_at=_when(store.folder / "run.json"),
        completed_at=_when(store.folder / TRAJECTORIES),
        model_usage=usage((_theirs(row.model), row) for row in rows),
        role_usage=usage((row.role, row) for row in rows),
    )


def _when(file: Path) -> str:
    """When the file was last written; logs of consultations hold no clock times."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat()


def _headline(log: EvalLog) -> None:
    """The mean of `correct`, by its other name as well, before all others."""
    assert log.results
    for score in log.results.scores:
        if score.name == "correct":
            accuracy = score.metrics["mean"].model_copy(update={"name": "accuracy"})
            score.metrics = {"accuracy": accuracy, **score.metrics}
            log.eval.headline_metric = log.results.headline = HeadlineMetric(
                score="correct", metric="accuracy"
            )
