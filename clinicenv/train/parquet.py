"""A run as a Parquet file: a row for each consultation, with the same columns whatever the run holds."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clinicenv import __version__
from clinicenv.events import Answer, Diagnose, Event, to_data
from clinicenv.files import InputError, whole
from clinicenv.runs.results import ResultLine, seat_name
from clinicenv.runs.store import Store
from clinicenv.score.marks import MARKS
from clinicenv.train.consultations import Played, agent_of, played, profiles_of
from clinicenv.train.dialogue import in_words, messages, target

try:
    import pyarrow as pa
    from pyarrow import parquet as pq
except ImportError as e:
    raise InputError("writing Parquet needs the `data` extra: pip install 'clinicenv[data]'") from e

ROWS = 250
"""Of a row group: what is in memory at once."""

_OUTCOME = ("turns", "minutes", "tests", "cost")
"""Marks that are columns already, as whole numbers and with what a consultation that broke came to."""

MARK_COLUMNS = tuple(mark for mark in MARKS if mark not in _OUTCOME)

_ROLES = ("doctor", "patient", "measurement", "moderator")

SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("key", "run", "scenario", "scenario_hash", "task")),
        *(pa.field(name, pa.string()) for name in ("specialty", "arm", "doctor", "doctor_model")),
        *(pa.field(name, pa.string()) for name in ("patient", "measurement", "moderator")),
        pa.field("profiles", pa.struct([(role, pa.string()) for role in _ROLES])),
        pa.field("seed", pa.int64()),
        pa.field("repeat", pa.int32()),
        pa.field(
            "perturbed", pa.struct([("kind", pa.string()), ("clean", pa.bool_()), ("what", pa.string())])
        ),
        *(pa.field(name, pa.string()) for name in ("status", "reason")),
        *(pa.field(name, pa.int32()) for name in ("turns", "minutes", "tests")),
        pa.field("cost", pa.float64()),
        pa.field("tokens", pa.int64()),
        pa.field("usd", pa.float64()),
        *(pa.field(mark, pa.float64()) for mark in MARK_COLUMNS),
        pa.field("target", pa.list_(pa.string())),
        pa.field("differential", pa.list_(pa.string())),
        pa.field("answer", pa.string()),
        pa.field(
            "verdicts",
            pa.list_(
                pa.struct(
                    [
                        ("diagnosis", pa.string()),
                        ("verdict", pa.string()),
                        ("credit", pa.float64()),
                        ("why", pa.string()),
                    ]
                )
            ),
        ),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        pa.field(
            "events",
            pa.list_(
                pa.struct(
                    [
                        ("n", pa.int32()),
                        ("turn", pa.int32()),
                        ("role", pa.string()),
                        ("type", pa.string()),
                        ("text", pa.string()),
                        ("data", pa.string()),
                    ]
                )
            ),
        ),
    ],
    metadata={"clinicenv": __version__},
)
"""`data` of an event is its JSON; `perturbed` is null for a case as it is; `messages` are the dialogue as the
doctor had it (`train.dialogue.messages`); a mark that does not apply is null, as all are where it broke."""


def write(store: Store, results: Sequence[ResultLine], file: Path) -> None:
    """Writes the consultations of these results, or nothing; `ROWS` at a time."""
    rows: list[dict[str, Any]] = []
    with whole(file) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for one in played(store, results):
            rows.append(_row(store.folder.resolve().name, one))
            if len(rows) == ROWS:
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))


def _row(run: str, one: Played) -> dict[str, Any]:
    result, header, log = one.result, one.trajectory.header, one.trajectory
    made, verdict = header.perturbed, log.verdict
    diagnosed, answered = log.of(Diagnose), log.of(Answer)
    return {
        "key": result.key,
        "run": run,
        "scenario": header.scenario,
        "scenario_hash": header.scenario_hash,
        "task": header.task,
        "specialty": one.scenario.meta.specialty,
        "arm": result.arm,
        **{role: seat_name(header.cast[role]) if role in header.cast else None for role in _ROLES},
        "doctor_model": agent_of(header, "doctor").get("model"),
        "profiles": profiles_of(header),
        "seed": header.seed,
        "repeat": header.repeat,
        "perturbed": {"kind": made["kind"], "clean": bool(made.get("clean")), "what": made["what"]}
        if made
        else None,
        **{name: getattr(result, name) for name in ("status", "reason", *_OUTCOME, "tokens", "usd")},
        **{mark: one.marks.get(mark) for mark in MARK_COLUMNS},
        "target": target(one.scenario),
        "differential": list(diagnosed[-1].what.differential) if diagnosed else [],  # type: ignore[union-attr]
        "answer": answered[-1].what.text if answered else None,  # type: ignore[union-attr]
        "verdicts": [to_data(rank) for rank in verdict.ranks] if verdict else [],
        "messages": [{"role": role, "content": content} for role, content in messages(log)],
        "events": [_event(event) for event in log.events],
    }


def _event(event: Event) -> dict[str, Any]:
    data = to_data(event.what)
    text = json.dumps(data, ensure_ascii=False, sort_keys=True)
    return {
        "n": event.n,
        "turn": event.turn,
        "role": event.role.value,
        "type": data["type"],
        "text": in_words(event.what),
        "data": text,
    }
