"""`clinicenv agents`: what the commands print, their exit codes, and the lines of a card's faults."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import ROOT
from test_bad_input import CARD, mutant

from clinicenv.agents.cards import ROLES, cards, load_card
from clinicenv.agents.lint import lint_card
from clinicenv.cli.agents import agents, template
from clinicenv.cli.main import call
from clinicenv.files import InputError

GOOD = """\
name: mine
role: doctor
kind: model
description: A card of mine.
model: openai:tiny
sampling: {temperature: 0}
system: |
  You are the {{ position }}.
  {% if task == "question" %}
  {{ question }}
  {% endif %}
  {{ usage }}
steps:
  - name: think
    prompt: "[{{ turns_left }} turns are left.]"
  - name: reply
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(agents, [str(a) for a in arguments], standalone_mode=False)


def refused(*arguments: str | Path) -> str:
    """The message of the InputError that a command ends with."""
    result = run(*arguments)
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def write(folder: Path, text: str, name: str = "card.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


# list and show -----------------------------------------------------------------------------------


def test_list_has_every_card_of_every_role():
    lines = [line.split()[:2] for line in run("list").output.splitlines()]
    for role in ROLES:
        for name in cards(role):
            assert [role, name] in lines
    assert "amie=openai:NAME" in run("list").output
    listed = json.loads(run("list", "--role", "doctor", "--json").output)
    assert {c["name"] for c in listed} == set(cards("doctor")) >= {"chat", "tools", "amie", "agentclinic"}


def test_show_has_the_steps_with_their_prompts():
    output = run("show", "amie").output
    card = load_card("doctor", "amie")
    assert "max_questions: 2" in output
    for n, step in enumerate(card.steps, 1):
        assert f"step {n}: {step.name} ({step.output})" in output
        assert step.prompt.splitlines()[0].strip() in output
    assert "protocol: tools" in run("show", "tools").output


def test_text_of_a_card_cannot_control_the_terminal(tmp_path):
    file = write(tmp_path, GOOD.replace("A card of mine.", '"\\e[31mred"').replace("[{{", "\\e[31m[{{"))
    for arguments in (("show", file), ("lint", file)):
        output = run(*arguments).output
        assert not [c for c in output if not c.isprintable() and c != "\n"], arguments


# lint --------------------------------------------------------------------------------------------


def test_a_good_card_has_no_fault(tmp_path):
    result = run("lint", write(tmp_path, GOOD))
    assert (result.return_value, result.stdout) == (0, "")
    assert result.stderr == "1 file, 0 faults\n"


def test_every_bundled_card_is_without_fault():
    result = run("lint", ROOT / "agents")
    assert result.stdout == ""
    assert result.return_value == 0
    assert result.stderr == f"{sum(len(cards(role)) for role in ROLES)} files, 0 faults\n"


FAULTS: list[tuple[str, str, str, str]] = [
    # (what stands in the good card, what stands there instead, text of the line that is at fault, says)
    ("role: doctor", "role: docter", "role: docter", "role: input should be 'doctor'"),
    ("description: A card of mine.\n", "", "name: mine", "description: is missing; add it"),
    ("kind: model", "kind: model\nstepz: 1", "stepz: 1", "did you mean `steps`"),
    ("{{ position }}", "{{ position }", "  You are the {{ position }.", "system: unexpected '}'"),
    ("  {% endif %}\n", "", "  {{ usage }}", "endif"),
    ("{{ question }}", "{{ qestion }}", "  {{ qestion }}", "`qestion` is not offered here (did you mean"),
    ("{{ question }}", "turn {{ turn }}", "  turn {{ turn }}", "`turn` changes from turn to turn"),
    ("{{ usage }}", "{{ usage.nothing }}", "  {{ usage.nothing }}", "nothing"),
    ("{{ usage }}", "{{ 1 / max_turns.x }}", "  {{ 1 / max_turns.x }}", "no attribute 'x'"),
    ("{{ turns_left }}", "{{ turn_left }}", '    prompt: "[{{ turn_left }} turns are left.]"', "`turn_left`"),
    ("  - name: reply", "  - name: think", "steps:", "steps: two steps have the same name"),
    ("- name: reply", "- {name: reply, output: analysis}", "steps:", "so its output is text"),
    ("model: openai:tiny", "model: tiny", "model: tiny", "is not a model"),
    ("model: openai:tiny", "base_url: ftp://x", "base_url: ftp://x", "is not a server's address"),
    ("temperature: 0", "temperature: 3", "sampling: {temperature: 3}", "a number from 0 to 2, found 3"),
    ("temperature: 0", "temperature: hot", "sampling: {temperature: hot}", "found 'hot'"),
    ("temperature: 0", "temperature: true", "sampling: {temperature: true}", "found True"),
    ("temperature: 0", "temprature: 0", "sampling: {temprature: 0}", "did you mean `temperature`"),
    ("temperature: 0", "max_tokens: 1.5", "sampling: {max_tokens: 1.5}", "a whole number from 1 on"),
    ("temperature: 0", "messages: x", "sampling: {messages: x}", "is set by clinicenv; remove it"),
    ("kind: model", "kind: model\nexample: nowhere", "example: nowhere", "there is no folder `nowhere`"),
    (
        "kind: model",
        "kind: model\nlookup: {a: nowhere}",
        "lookup: {a: nowhere}",
        "lookup.a: there is no folder",
    ),
    ("kind: model", "kind: model\nrates: true", "rates: true", "is for patients, not for a doctor"),
    ("role: doctor", "role: patient", "steps:", "`steps` is for doctors, not for a patient"),
]


@pytest.mark.parametrize(("old", "new", "line", "says"), FAULTS, ids=range(len(FAULTS)))
def test_lint_prints_the_line_of_what_is_wrong_and_exits_2(old, new, line, says, tmp_path):
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    file = write(tmp_path, text)
    result = run("lint", file)
    number = text.splitlines().index(line) + 1
    found = [shown for shown in result.stdout.splitlines() if shown.startswith(f"{file}:{number}: ")]
    assert any(says in shown for shown in found), result.stdout
    assert result.return_value == 2


def test_a_card_that_no_model_plays_has_no_steps(tmp_path):
    file = write(tmp_path, "name: x\nrole: doctor\nkind: scripted\ndescription: x\nmax_questions: 2\n")
    assert f"{file}:5: max_questions: `max_questions` is for model cards" in run("lint", file).stdout


def test_two_cards_of_one_role_and_name(tmp_path):
    write(tmp_path, GOOD, "a.yaml")
    write(tmp_path, GOOD, "b.yaml")
    write(tmp_path, template("mine", "patient"), "c.yaml")
    result = run("lint", tmp_path)
    one, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    assert result.stdout == f"{other}:1: name: {one} is a doctor of this name too; rename one of them\n"
    assert result.stderr == "3 files, 1 fault\n"


def test_lint_of_what_cannot_be_read(tmp_path):
    assert "cannot be read: No such file" in refused("lint", tmp_path / "none.yaml")
    assert "no card (*.yaml) in this folder" in refused("lint", tmp_path)
    assert "cannot be read" in refused("lint", "a\0b.yaml")
    assert call(["agents", "lint", str(tmp_path / "none.yaml")]) == 2


@pytest.mark.parametrize("n", range(0, 120))
def test_a_broken_card_is_read_or_has_faults_with_lines(n, tmp_path):
    file = tmp_path / "card.yaml"
    file.write_bytes(mutant("card", n, CARD))
    result = run("lint", file)
    assert result.exception is None
    assert all(re.match(re.escape(str(file)) + r":\d+: ", line) for line in result.stdout.splitlines())
    assert (result.return_value == 2) == bool(result.stdout)


# new ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_new_writes_a_card_without_fault(role, tmp_path):
    result = run("new", "my-card", "--role", role, "--out", tmp_path / "cards")
    file = tmp_path / "cards" / "my-card.yaml"
    assert result.return_value == 0
    assert f"agents lint {file}" in result.output
    assert lint_card(file) == []
    card = load_card(role, str(file))
    assert (card.name, card.role, card.kind) == ("my-card", role, "model")
    assert "==" not in re.sub(r'(task|informant) == "|!= "', "", file.read_text("utf-8"))


def test_what_a_new_card_has_commented_out_is_right_too(tmp_path):
    shown, optional = template("mine", "doctor").split("# steps:\n")
    optional = re.sub(r"^# More.*\n", "", f"# steps:\n{optional}", flags=re.MULTILINE)
    optional = re.sub(r"^# ", "", optional, flags=re.MULTILINE).replace("FOLDER", str(tmp_path))
    file = write(tmp_path, shown.replace("# model: ", "model: ") + optional)
    assert lint_card(file) == []
    card = load_card("doctor", str(file))
    assert card.steps
    assert card.notebook
    assert card.lookup == {"books": str(tmp_path)}


def test_new_never_overwrites(tmp_path):
    run("new", "my-card", "--out", tmp_path)
    file = write(tmp_path, "mine", "my-card.yaml")
    assert "already there" in refused("new", "my-card", "--out", tmp_path)
    assert file.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["My-Card", "-x", "../up", "a b", "x" * 81, "é", "a\n"])
def test_new_refuses_what_is_no_name(name, tmp_path):
    assert "cannot be a card's name" in refused("new", "--out", tmp_path, "--", name)
    assert not list(tmp_path.iterdir())


def test_new_into_a_folder_that_cannot_be(tmp_path):
    write(tmp_path, "", "file")
    assert "cannot be written" in refused("new", "x", "--out", tmp_path / "file" / "below")
