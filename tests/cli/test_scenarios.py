"""`clinicenv scenarios`: what the commands print, their exit codes, and that the answer stays hidden."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clinicenv import shipped
from clinicenv.cli.scenarios import scenarios, template
from clinicenv.clinic.lint import lint_file
from clinicenv.files import InputError
from clinicenv.scenario import Scenario, find_files, load_file, load_scenario

BUNDLED = [load_file(p) for p in find_files(shipped.folder("scenarios"))]
TO_DIAGNOSE = [s for s in BUNDLED if s.answer.diagnosis]
ESCAPE = "\x1b]0;owned\x07\x1b[31m"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(scenarios, [str(a) for a in arguments])


def refused(*arguments: str | Path) -> str:
    """The message of the InputError that a command ends with."""
    result = run(*arguments)
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def names(s: Scenario) -> list[str]:
    assert s.answer.diagnosis
    return [s.answer.diagnosis.name, *s.answer.diagnosis.synonyms]


def hostile(folder: Path) -> Path:
    """A case whose texts hold terminal control sequences and markup."""
    text = template("hostile-01", "diagnose").replace(
        '"The room spins in bed"', '"\\e]0;owned\\a\\e[31m[bold]Room[/]"'
    )
    text = text.replace(
        "I feel a bit sick", "\\e]0;owned\\a\\e[31m[link=http://x]sick[/link] :smiley: [/nope]"
    )
    file = folder / "hostile-01.yaml"
    file.write_text(text, encoding="utf-8")
    return file


# list --------------------------------------------------------------------------------------------


def test_list_is_tab_separated_when_piped():
    lines = [line.split("\t") for line in run("list").output.splitlines()]
    about = ["id", "specialty", "task", "split", "difficulty", "facts", "tests"]
    assert lines[0] == [*about, "guess", "door note", "title"]
    assert [row[0] for row in lines[1:]] == sorted(s.id for s in BUNDLED)
    first = load_scenario(lines[1][0])
    assert lines[1][5:7] == [str(len(first.facts)), str(len(first.tests) + len(first.images))]
    guesses = {row[0]: row[7:9] for row in lines[1:]}
    assert guesses["bad-news-01"] == ["-", "-"]  # has goals, no diagnosis
    assert all(share.endswith("%") for s in TO_DIAGNOSE for share in guesses[s.id])


def test_list_json_and_selection():
    rows = json.loads(run("list", "--json", "split:dev").output)
    assert {r["split"] for r in rows} == {"dev"}
    assert len(rows) == sum(s.meta.split == "dev" for s in BUNDLED)
    assert "no bundled scenario" in refused("list", "nothing-like-it")


@pytest.mark.parametrize("s", TO_DIAGNOSE, ids=lambda s: s.id)
def test_neither_list_nor_show_names_the_answer(s):
    outputs = [run("list", s.id).output, run("list", s.id, "--json").output, run("show", s.id).output]
    outputs.append(run("show", s.id, "--json").output)
    for output in outputs:
        assert output
        text = " ".join(output.lower().split())
        assert not [n for n in names(s) if re.search(rf"\b{re.escape(n.lower())}\b", text)]


def test_list_on_a_terminal_is_a_table():
    ours, theirs = pty.openpty()
    code = "from clinicenv.cli.scenarios import scenarios; scenarios(['list'])"
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, cwd=root):
        os.close(theirs)
        read = b""
        with contextlib.suppress(OSError):  # a terminal that nobody writes to any more
            while chunk := os.read(ours, 65536):
                read += chunk
    shown = read.decode()
    os.close(ours)
    assert "─" in shown
    assert BUNDLED[0].id[:8] in shown


# show --------------------------------------------------------------------------------------------


def test_show_has_the_case_and_answer_adds_the_key():
    s = load_scenario("sharp-chest-pain-02")
    without, full = run("show", s.id).output, run("show", s.id, "--answer").output
    flat = " ".join(without.split())
    assert f"Door note: {s.setting.door_note}" in flat
    assert all(f.id in without and f.disclosure in without for f in s.facts.values())
    assert all(t.id in without for t in (*s.tests, *s.images))
    assert "--answer shows it" in flat
    assert f"Answer: {names(s)[0]}" in full
    assert all(c.id in full and c.id not in without for c in s.checklist)
    assert "--answer shows it" not in full


def test_show_json():
    s = load_scenario("sharp-chest-pain-02")
    without, full = (json.loads(run("show", s.id, "--json", *more).output) for more in ((), ("--answer",)))
    assert full["answer"]["diagnosis"]["name"] == names(s)[0]
    assert not {"answer", "plan", "checklist", "goals", "logic"} & set(without)
    revealing = {t.id for t in (*s.tests, *s.images) if t.report_reveals}
    hidden = {t["id"] for t in (*without["tests"], *without["images"]) if t.get("hidden")}
    assert hidden == revealing != set()
    assert not any({"indicated", "supports"} & set(t) for t in without["tests"])


def test_show_hides_the_right_option_of_a_question(tmp_path):
    assert run("new", "q-01", "--task", "question", "--out", tmp_path).exit_code == 0
    file = tmp_path / "q-01.yaml"
    assert "(right)" not in run("show", file).output
    assert "A: Repositioning manoeuvre (right)" in run("show", file, "--answer").output
    assert '"correct"' not in run("show", file, "--json").output


def test_text_of_a_case_cannot_control_the_terminal(tmp_path):
    file = hostile(tmp_path)
    for arguments in (("show", file), ("show", file, "--answer"), ("list", file), ("lint", file)):
        output = run(*arguments).output
        assert not [c for c in output if not c.isprintable() and c not in "\n\t"], arguments
    shown = run("show", file).output
    assert "[bold]Room[/]" in shown
    assert "[link=http://x]sick[/link] :smiley: [/nope]" in " ".join(shown.split())


def test_show_of_an_unknown_id_suggests_one():
    assert f"did you mean `{BUNDLED[0].id}`" in refused("show", BUNDLED[0].id[:-1] + "9")


# lint --------------------------------------------------------------------------------------------


def test_lint_prints_file_line_level_field_what_and_exits_1(tmp_path):
    run("new", "dizzy-01", "--out", tmp_path)
    file = tmp_path / "dizzy-01.yaml"
    file.write_text(file.read_text("utf-8").replace("concept: nausea", "concept: nausia"), encoding="utf-8")
    result = run("lint", file)
    line = file.read_text("utf-8").splitlines().index("      concept: nausia") + 1
    assert result.stdout.startswith(
        f"{file}:{line}: error: patient.facts[4].concept: there is no concept `nausia`"
    )
    assert result.exit_code == 1
    assert "1 file, 1 error, 0 warnings" in result.stderr


def test_lint_json(tmp_path):
    run("new", "dizzy-01", "--out", tmp_path)
    (tmp_path / "other.yaml").write_text("id: [", encoding="utf-8")
    result = run("lint", tmp_path, "--json")
    data = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (data["files"], data["errors"], data["warnings"]) == (2, 1, 0)
    assert set(data["findings"][0]) == {"file", "line", "field", "level", "what"}


def test_warnings_fail_only_when_strict(tmp_path):
    run("new", "dizzy-01", "--out", tmp_path)
    file = (tmp_path / "dizzy-01.yaml").rename(tmp_path / "other.yaml")
    assert run("lint", file).exit_code == 0
    assert "warning: id:" in run("lint", file).stdout
    assert run("lint", file, "--strict").exit_code == 1


def test_lint_takes_a_bundled_id_and_a_file_once():
    s = BUNDLED[0].id
    assert run("lint", s).exit_code == 0
    assert json.loads(run("lint", s, s, "--json").stdout)["files"] == 1


def test_lint_of_what_cannot_be_read(tmp_path):
    assert "cannot be read" in refused("lint", tmp_path / "none.yaml")
    assert "no scenario file" in refused("lint", tmp_path)
    assert "did you mean" in refused("lint", BUNDLED[0].id + "x")


# new ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["diagnose", "communicate", "question"])
def test_new_writes_a_case_without_findings(task, tmp_path):
    result = run("new", "my-case-01", "--out", tmp_path / "cases", "--task", task)
    file = tmp_path / "cases" / "my-case-01.yaml"
    assert result.exit_code == 0
    assert f"scenarios lint {file}" in result.output
    assert lint_file(file) == []
    s = load_file(file)
    assert (s.id, s.task) == ("my-case-01", task)
    assert (bool(s.goals), bool(s.question)) == (task == "communicate", task == "question")
    assert "==" not in file.read_text("utf-8")


def test_new_never_overwrites(tmp_path):
    run("new", "my-case-01", "--out", tmp_path)
    file = tmp_path / "my-case-01.yaml"
    file.write_text("mine", encoding="utf-8")
    assert "already there" in refused("new", "my-case-01", "--out", tmp_path)
    assert file.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["My-Case", "-x", "../up", "a b", "x" * 81, "é", "a\n"])
def test_new_refuses_what_is_no_id(name, tmp_path):
    result = CliRunner().invoke(scenarios, ["new", "--out", str(tmp_path), "--", name])
    assert isinstance(result.exception, InputError)
    assert "cannot be an id" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_new_into_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot be written" in refused("new", "x-01", "--out", tmp_path / "file" / "below")
