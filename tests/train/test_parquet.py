"""A run as Parquet: what DuckDB and Hugging Face's datasets read in it."""

import json
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pyarrow.parquet as pq
import pytest
from sample_runs import CHEST, KEPT, QUESTION, TALK, consult, everything, make

from clinicenv.cli.main import call as clinicenv
from clinicenv.consultation import TABLE
from clinicenv.events import Trajectory
from clinicenv.protocol import parse
from clinicenv.runs.store import Store
from clinicenv.train import parquet
from clinicenv.train.consultations import in_order


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return everything(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def file(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "mine.parquet"
    parquet.write(store, in_order(store), path)
    return path


@pytest.fixture(scope="module")
def rows(file: Path) -> list[dict[str, Any]]:
    return pq.read_table(file).to_pylist()


def row(rows: list[dict[str, Any]], scenario: str, repeat: int = 0) -> dict[str, Any]:
    (found,) = [r for r in rows if (r["scenario"], r["repeat"]) == (scenario, repeat)]
    return found


def test_duckdb_reads_the_marks_that_score_prints(
    file: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [r.key for r in in_order(store) if r.status != "error"]
    assert len(keys) == 3
    for key in keys:
        assert clinicenv(["score", str(store.folder), key, "--json"]) == 0
        marks = json.loads(capsys.readouterr().out)["marks"]
        columns = ", ".join(f'"{name}"' for name in marks)
        (found,) = duckdb.execute(f"select {columns} from '{file}' where key = ?", [key]).fetchall()
        assert dict(zip(marks, found, strict=True)) == marks


def test_datasets_reads_the_same_rows(file: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    loaded = datasets.load_dataset("parquet", data_files=str(file), split="train", cache_dir=str(tmp_path))
    assert loaded.to_list() == rows


def test_a_row_says_who_played_what_and_how_it_went(rows: list[dict[str, Any]]) -> None:
    found = row(rows, CHEST)
    expected = {
        "run": "mine",
        "task": "diagnose",
        "specialty": "cardiology",
        "patient": "scripted",
        "moderator": None,
        "profiles": {"doctor": "default", "patient": "default", "measurement": "default", "moderator": None},
        "perturbed": None,
        "status": "terminated",
        "reason": "diagnose",
        "turns": 3,
        "tests": 2,
        "tokens": 3150,
        "usd": 0.75,
        "correct": 1.0,
        "target": ["acute pericarditis"],
        "differential": ["acute pericarditis", "pulmonary embolism"],
        "answer": None,
    }
    assert {name: found[name] for name in expected} == expected
    assert [(v["verdict"], v["credit"]) for v in found["verdicts"]] == [("exact", 1.0), ("wrong", 0.0)]
    assert all(v["why"] for v in found["verdicts"])


def test_messages_alternate_and_are_read_as_the_same_acts(rows: list[dict[str, Any]]) -> None:
    log = consult(CHEST)
    messages = row(rows, CHEST)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 3
    assert "troponin" not in messages[0]["content"]
    assert "troponin" in messages[2]["content"].lower()
    said = [e for e in log.events if e.role == "doctor"]
    acts = [[e.what for e in said if e.turn == turn] for turn in (1, 2, 3)]
    read = [parse(m["content"], TABLE["diagnose"].legal) for m in messages if m["role"] == "assistant"]
    assert [str(a) for a in read] == [str(a).replace("\\ud83d", "?") for a in acts]


def test_hostile_text_is_kept_as_it_is(file: Path, rows: list[dict[str, Any]]) -> None:
    (event,) = [e for e in row(rows, CHEST)["events"] if e["text"] == KEPT]
    assert json.loads(event["data"])["text"] == KEPT
    query = f"select e.text from (select unnest(events) as e from '{file}') where e.text like '%<script>%'"
    assert duckdb.sql(query).fetchall() == [(KEPT,)]


def test_events_make_the_whole_log_again(rows: list[dict[str, Any]]) -> None:
    log = json.loads(consult(TALK).to_json())
    events = row(rows, TALK)["events"]
    assert [json.loads(e["data"]) for e in events] == [e["what"] for e in log["events"]]
    assert [(e["n"], e["turn"], e["role"]) for e in events] == [
        (e["n"], e["turn"], e["role"]) for e in log["events"]
    ]


def test_what_broke_has_its_cause_and_no_marks(rows: list[dict[str, Any]]) -> None:
    found = row(rows, CHEST, repeat=1)
    assert (found["status"], found["turns"], found["differential"], found["verdicts"]) == ("error", 1, [], [])
    assert {found[mark] for mark in parquet.MARK_COLUMNS} == {None}
    assert [e["text"] for e in found["events"] if e["type"] == "failed"] == [
        "patient: openai:p: the server failed (503)"
    ]


def test_a_question_has_its_answer(rows: list[dict[str, Any]]) -> None:
    found = row(rows, QUESTION)
    assert (found["answer"], found["differential"], len(found["target"])) == ("B", [], 1)
    assert found["correct"] in (0.0, 1.0)


@pytest.mark.parametrize("log", [consult(TALK), consult(CHEST, fails=True)], ids=["talk", "broken"])
def test_the_schema_is_the_same_whatever_the_run_holds(log: Trajectory, file: Path, tmp_path: Path) -> None:
    store = make(tmp_path / "run", log)
    parquet.write(store, in_order(store), tmp_path / "one.parquet")
    assert pq.read_schema(tmp_path / "one.parquet").equals(pq.read_schema(file), check_metadata=True)
    both = f"select count(*) from read_parquet(['{file}', '{tmp_path}/one.parquet'])"
    assert duckdb.sql(both).fetchall() == [(5,)]


def test_rows_are_written_in_groups(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS", 3)
    parquet.write(store, in_order(store), tmp_path / "groups.parquet")
    read = pq.ParquetFile(tmp_path / "groups.parquet")
    assert [read.metadata.row_group(n).num_rows for n in range(read.num_row_groups)] == [3, 1]
    assert len(set(read.read().column("key").to_pylist())) == 4
