"""`clinicenv export`: files whole or not at all, and one sentence where it cannot be."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from inspect_ai.log import list_eval_logs, read_eval_log

from clinicenv.cli.main import call
from clinicenv.runs.store import Store

CASES = "sharp-chest-pain-01,tracing-faints-01"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "two"
    command = ["run", "--doctor", "bayes", "--doctor", "guess", "--scenarios", CASES, "--repeats", "2"]
    assert call([*command, "--out", str(folder)]) == 0
    return folder


def export(run: Path, format: str, out: Path, *more: str) -> int:
    return call(["export", str(run), "--format", format, "--out", str(out), *more])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence of an error."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_table_of_all_arms(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(run, "parquet", tmp_path / "two.parquet") == 0
    assert capsys.readouterr().out.startswith("8 consultations -> ")
    query = f"select arm, count(*) from '{tmp_path}/two.parquet' group by arm order by arm"
    assert duckdb.sql(query).fetchall() == [("bayes", 4), ("guess", 4)]
    assert [p.name for p in tmp_path.iterdir()] == ["two.parquet"]


def test_a_folder_of_logs_has_one_for_each_arm(run: Path, tmp_path: Path) -> None:
    assert export(run, "inspect", tmp_path / "logs") == 0
    logs = [read_eval_log(each) for each in list_eval_logs(str(tmp_path / "logs"))]
    assert sorted(log.eval.model for log in logs) == ["clinicenv/bayes", "clinicenv/guess"]
    assert [len(log.samples or ()) for log in logs] == [4, 4]


def test_one_log_is_of_one_arm(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.eval"
    assert export(run, "inspect", file) == 2
    assert "there are 2 (bayes; guess); choose one with --arm" in said(capsys)
    assert export(run, "inspect", file, "--arm", "gess") == 2
    assert "no arm is called `gess`" in said(capsys)
    assert export(run, "inspect", file, "--arm", "guess") == 0
    assert read_eval_log(str(file)).eval.model == "clinicenv/guess"


@pytest.mark.parametrize(("format", "name"), [("parquet", "x.parquet"), ("inspect", "x.eval")])
def test_what_is_there_is_replaced_only_by_force(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str, name: str
) -> None:
    file = tmp_path / name
    file.write_text("mine")
    assert export(run, format, file, "--arm", "guess") == 2
    assert "is already there" in said(capsys)
    assert file.read_text() == "mine"
    assert export(run, format, file, "--arm", "guess", "--force") == 0
    assert file.stat().st_size > 1000


@pytest.mark.parametrize(("format", "name"), [("parquet", "x.parquet"), ("inspect", "x.eval")])
def test_bad_places_are_one_sentence(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str, name: str
) -> None:
    assert export(run, format, tmp_path / "nowhere" / name, "--arm", "guess") == 2
    assert "there is no such folder" in said(capsys)
    assert export(tmp_path / "none", format, tmp_path / name) == 2
    assert "is no run's folder" in said(capsys)
    with Store.create(tmp_path / "empty", {}, {}, resume=False, force=False):
        pass
    assert export(tmp_path / "empty", format, tmp_path / name) == 2
    assert "no consultation has come to an end yet" in said(capsys)
    assert not (tmp_path / name).exists()


def test_a_table_is_no_folder_and_a_log_ends_in_eval(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(run, "parquet", tmp_path) == 2
    assert "is a folder" in said(capsys)
    assert export(run, "inspect", tmp_path / "x.json") == 2
    assert "should end in .eval" in said(capsys)


@pytest.mark.parametrize(
    ("format", "name", "module", "extra"),
    [("parquet", "x.parquet", "pyarrow", "data"), ("inspect", "x.eval", "inspect_ai", "inspect")],
)
def test_a_missing_extra_is_named(
    run: Path, tmp_path: Path, format: str, name: str, module: str, extra: str
) -> None:
    arguments = ["export", str(run), "--format", format, "--out", str(tmp_path / name), "--arm", "guess"]
    without = f"import sys; sys.modules[{module!r}] = None"
    code = f"{without}; from clinicenv.cli.main import main; main({arguments!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"pip install 'clinicenv[{extra}]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_whole_or_not_at_all(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = run / "trajectories.jsonl"
    good = log.read_bytes()
    log.write_bytes(good.replace(b'"door_note"', b'"poor_note"'))
    try:
        for format, name in (("parquet", "x.parquet"), ("inspect", "x.eval")):
            assert export(run, format, tmp_path / name, "--arm", "guess") == 2
            assert "this line cannot be read" in said(capsys)
    finally:
        log.write_bytes(good)
    assert not list(tmp_path.iterdir())


def test_perturbed_twins_say_what_was_done(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = ["run", "--doctor", "guess", "--scenarios", "tracing-faints-01", "--perturb", "image.absent"]
    assert call([*command, "--out", str(folder)]) == 0
    assert export(folder, "parquet", tmp_path / "x.parquet") == 0
    query = f"select perturbed.kind, perturbed.what is not null from '{tmp_path}/x.parquet' order by arm"
    assert duckdb.sql(query).fetchall() == [(None, False), ("image.absent", True)]
    assert export(folder, "inspect", tmp_path / "logs") == 0
    (log,) = [
        read_eval_log(each) for each in list_eval_logs(str(tmp_path / "logs")) if "image-absent" in each.name
    ]
    assert log.samples
    assert log.samples[0].metadata["perturbed"]["kind"] == "image.absent"
