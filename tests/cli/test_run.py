"""`clinicenv run`, `show`, `agents`, `check`: what a person sees, and the exit codes."""

import json
import re
from pathlib import Path

import pytest
import yaml

from clinicenv.cli.main import call
from clinicenv.scenario import select

N = len(select("all"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(list(arguments))
    out = capsys.readouterr()
    return code, out.out, out.err


def test_a_run_ends_in_a_table_and_the_command_that_opens_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(
        capsys, "run", "--doctor", "guess", "--doctor", "random", "--out", str(tmp_path / "r"),
        "--scenarios", "group:sharp-chest-pain",
    )  # fmt: skip
    assert code == 0
    assert "8 of 8 consultations, 0 errors" in err
    assert re.search(r"│ guess\s+│\s+4 │", out)
    shown = re.search(r"clinicenv (show \S+ [0-9a-f]{16})", out)
    assert shown
    code, out, _ = run(capsys, *shown[1].split())
    assert code == 0
    for part in ("door note", "DIAGNOSIS", "verdict", "credit"):
        assert part in out


def test_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "run", "--doctor", "guess", "--out", str(tmp_path / "r"), "--json")
    assert code == 0
    assert json.loads(out)["arms"][0]["consultations"] == N
    code, out, _ = run(capsys, "show", str(tmp_path / "r"), "--json")
    data = json.loads(out)
    assert len(data["consultations"]) == N
    code, out, _ = run(capsys, "show", str(tmp_path / "r"), data["consultations"][0]["key"][:8], "--json")
    assert json.loads(out)["outcome"]["status"] == "terminated"


def test_a_folder_in_use_is_refused_and_resumed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = ("run", "--doctor", "guess", "--out", str(tmp_path / "r"))
    assert run(capsys, *first)[0] == 0
    code, _, err = run(capsys, *first)
    assert code == 2
    assert "--resume" in err
    code, _, err = run(capsys, *first, "--seed", "4", "--resume")
    assert code == 2
    assert "`seed` was 0 and is now 4" in err
    assert run(capsys, *first, "--seed", "4", "--resume", "--force")[0] == 0


def test_dry_run_plays_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "r"
    code, out, _ = run(
        capsys, "run", "--doctor", "guess", "--repeats", "3", "--dry-run", "--out", str(folder)
    )
    assert (code, folder.exists()) == (0, False)
    assert out.startswith(f"{3 * N} consultations (1 casts), {3 * N} left to play")
    run(capsys, "run", "--doctor", "guess", "--repeats", "3", "--out", str(folder))
    arguments = (
        "run",
        "--doctor",
        "guess",
        "--repeats",
        "3",
        "--dry-run",
        "--json",
        "--resume",
        "--out",
        str(folder),
    )
    assert json.loads(run(capsys, *arguments)[1])["left"] == 0


def test_a_specification_sweeps_and_flags_override(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "scenarios: [sharp-chest-pain-01, sharp-chest-pain-02]\ncast: {doctor: [guess, random]}\n"
        "seed: [1, 2]\nlimits: {max_turns: [5, 9]}\nrepeats: 2\n"
    )
    code, out, _ = run(capsys, "run", str(spec), "--print-spec", "--repeats", "1")
    assert code == 0
    printed = yaml.safe_load(out)
    assert printed["cast"]["doctor"] == ["guess", "random"]
    assert printed["repeats"] == 1
    again = tmp_path / "again.yaml"
    again.write_text(out)
    assert yaml.safe_load(run(capsys, "run", str(again), "--print-spec")[1]) == printed
    code, out, _ = run(capsys, "run", str(spec), "--json", "--out", str(tmp_path / "r"))
    arms = {a["arm"]: a["consultations"] for a in json.loads(out)["arms"]}
    assert len(arms) == 8
    assert set(arms.values()) == {4}
    assert "random, max_turns 5, seed 2" in arms


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--doctor", "scriptd"), r"no doctor is called `scriptd` \(did you mean `scripted`\?\)"),
        (("run", "--scenarios", "sharp-chest"), "no bundled scenario `sharp-chest`"),
        (("run", "--scenarios", "split:nothing"), "no scenario in `split:nothing`"),
        (("run", "--patient-profile", "grumpy"), "no profile `grumpy` for the patient"),
        (("run", "--doctor", "chat"), "names no model"),
        (("run", "--doctor", "nobody:at-all"), "nobody"),
        (("run", "--doctor", "guess", "--doctor-arg", "temperature=0"), "are for models"),
        (("run", "missing.yaml"), "missing.yaml: cannot be read"),
        (("run", "--repeats", "0"), "repeats"),
        (("run", "--moderator", "scripted"), "no moderator is called `scripted`"),
        (("show", "nowhere"), "is no run's folder"),
        (("frobnicate",), "No such command"),
        (("agents", "show", "nobody"), "no card is called `nobody`"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert re.search(says, err), err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_every_bundled_card_is_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "agents", "list", "--json")
    assert code == 0
    cards = json.loads(out)
    assert {c["name"] for c in cards if c["role"] == "doctor"} >= {
        "random",
        "scripted",
        "guess",
        "human",
        "chat",
    }
    for card in cards:
        code, out, _ = run(capsys, "agents", "show", card["name"], "--role", card["role"])
        assert code == 0
        assert card["description"] in out


def test_check_says_what_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234567890")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    code, out, err = run(capsys, "check")
    assert code == 0
    assert f"{N} bundled" in out
    assert "secret" not in out + err


def test_hostile_text_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    case = tmp_path / "evil-01.yaml"
    text = (Path(__file__).parents[2] / "scenarios" / "sharp-chest-pain-01.yaml").read_text()
    case.write_text(
        text.replace("sharp-chest-pain-01", "evil-01").replace(
            "door_note: ", 'door_note: "\\e]0;owned\\a\\e[2J\\x9b31m" #', 1
        )
    )
    folder = str(tmp_path / "r")
    code, out, err = run(capsys, "run", "--doctor", "guess", "--scenarios", str(case), "--out", folder)
    assert code == 0, err
    key = re.search(r"[0-9a-f]{16}", out)
    assert key
    for arguments in (("show", folder), ("show", folder, key[0]), ("show", folder, key[0], "--json"),
                      ("scenarios", "show", str(case)), ("scenarios", "show", str(case), "--json"),
                      ("scenarios", "lint", str(case))):  # fmt: skip
        _, out, err = run(capsys, *arguments)
        assert not set("\x1b\x9b\x07") & set(out + err), arguments
