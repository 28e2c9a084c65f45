"""`clinicenv play`: a person's consultation, through a pipe and in this process."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from fake_server import FakeServer

from clinicenv.cli.main import call
from clinicenv.events import Diagnose, Failed, Plan, Say, Trajectory, Unparsed
from clinicenv.runs.store import Store

CHEST = "sharp-chest-pain-01"
FULL = """\
Hello, when did the pain start?

ORDER: ECG
EXAMINE: vitals
DIAGNOSE: acute pericarditis; costochondritis
treatment: ibuprofen and colchicine
follow-up: in a week

"""


def played(folder: Path) -> Trajectory:
    """The one consultation in a run's folder."""
    store = Store.open(folder)
    (key,) = store.results()
    return store.trajectory(key)


class Typist:
    """Types lines into `clinicenv play` in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder, self._capsys, self._patch = folder, capsys, patch

    def __call__(
        self, *lines: str, arguments: tuple[str, ...] = (CHEST,), source: io.TextIOBase | None = None
    ) -> tuple[int, str, str]:
        self._patch.setattr(sys, "stdin", source or io.StringIO("".join(f"{line}\n" for line in lines)))
        code = call(["play", "--plain", "--out", str(self.folder), *arguments])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    @property
    def trajectory(self) -> Trajectory:
        return played(self.folder)


@pytest.fixture
def typist(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typist:
    return Typist(tmp_path / "r", capsys, monkeypatch)


def test_a_consultation_through_a_pipe_ends_in_the_verdict_and_the_answer(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    done = subprocess.run(
        [sys.executable, "-m", "clinicenv", "play", CHEST, "--plain", "--out", str(folder)],
        cwd=ROOT, input=FULL, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = done.stdout
    parts = [
        "Daniel Okafor, 31", "[turn 1 of 30; ? for help]", "two days ago", "[turn 2 of 30]", "12-lead ECG: ",
        "[turn 3 of 30]", "Vital signs: Heart rate 98/min", "[turn 4 of 30]",
        "verdict  1. acute pericarditis: exact, credit 1. It is the answer", "verdict  2. costochondritis:",
        "plan given: yes", "terminated (diagnose) after 4 turns", "The answer: acute pericarditis",
    ]  # fmt: skip
    places = [out.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert "doctor>" not in out  # prompts are for a terminal
    assert re.search(rf"clinicenv show {folder} [0-9a-f]{{16}}", done.stderr)

    log = played(folder)
    assert log.outcome
    assert (log.outcome.status, log.outcome.turns) == ("terminated", 4)
    assert log.header.cast["doctor"]["agent"]["kind"] == "human"
    assert call(["show", str(folder), log.key]) == 0


def test_a_plan_goes_with_the_diagnosis_with_or_without_its_keyword(typist: Typist, tmp_path: Path) -> None:
    for n, first in enumerate(("treatment: rest", "PLAN: treatment: rest", "plan: rest", "rest")):
        typist.folder = tmp_path / str(n)
        assert typist("DIAGNOSE: PE", first, "safety-net: come back", ".", "not read")[0] == 0
        end = typist.trajectory.events
        (given,) = [e.what for e in end if isinstance(e.what, Diagnose)]
        rest = {"treatment": "rest"} if "treatment" in first else {"text": "rest"}
        assert given.plan == Plan(safety_net="come back", **rest)


def test_no_plan_is_fine_and_is_asked_for_once(typist: Typist) -> None:
    code, out, _ = typist("DIAGNOSE: PE")
    assert code == 0
    assert out.count("Your plan") == 1
    assert "plan given: no" in out


def test_speech_that_starts_like_a_keyword_is_speech(typist: Typist) -> None:
    code, out, _ = typist("Diagnosed with anything before?", "DIAGNOSE: PE", "")
    assert code == 0
    assert out.count("Your plan") == 1
    assert [e.what.text for e in typist.trajectory.of(Say) if e.role == "doctor"] == [
        "Diagnosed with anything before?"
    ]


def test_a_backslash_joins_lines_into_one_turn(typist: Typist) -> None:
    code, out, _ = typist(
        "ORDER: ECG\\", "EXAMINE lungs\\", "Where is the pain?", "DIAGNOSE: PE\\", "PLAN: rest"
    )
    assert code == 0
    assert typist.trajectory.outcome
    assert typist.trajectory.outcome.turns == 2
    second = out.partition("of 30; ? for help]")[2].partition("[turn 2 of 30]")[0]
    assert "12-lead ECG: " in second
    assert "(An action needs a colon after its keyword: write `EXAMINE: item; item`.)" in second
    assert "Patient: " in second
    assert "Your plan" not in out


def test_help_and_empty_lines_cost_no_turn(typist: Typist) -> None:
    code, out, _ = typist("?", "", "   ", "DIAGNOSE: PE", "")
    assert code == 0
    assert out.count("ORDER: troponin; ECG") == 1
    assert "ends in \\ goes on" in out
    assert out.count("[turn ") == 1
    assert "after 1 turns" in out


def test_an_unreadable_line_says_why(typist: Typist) -> None:
    code, out, _ = typist("ORDER", "ANSWER: b", "DIAGNOSE: PE", "")
    assert code == 0
    assert "(An action needs a colon after its keyword: write `ORDER: item; item`.)\n[turn 2" in out
    assert "(ANSWER is not possible now; you may write" in out
    assert [e.what.text for e in typist.trajectory.of(Unparsed)] == ["ORDER", "ANSWER: b"]


def test_input_that_ends_early_is_an_error_that_keeps_what_was_typed(typist: Typist) -> None:
    code, out, _ = typist("Hello, when did the pain start?", "ORDER: ECG\\")
    assert code == 1
    assert "FAILED  doctor: the input ended before the consultation did" in out
    log = typist.trajectory
    assert log.outcome
    assert log.outcome.status == "error"
    assert any(e.what.text.startswith("Hello") for e in log.of(Say) if e.role == "doctor")
    assert [e.what.role for e in log.of(Failed)] == ["doctor"]


def test_input_that_is_no_text_is_an_error(typist: Typist) -> None:
    code, out, _ = typist(source=io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
    assert code == 1
    assert "the input is not UTF-8 text" in out


def test_what_comes_back_after_the_last_turn_is_shown(typist: Typist) -> None:
    code, out, _ = typist("When did the pain start?", arguments=(CHEST, "--max-turns", "1"))
    assert code == 0
    assert "(This is your last turn:" in out
    assert re.search(r"\[turn 1 of 1; \? for help\]\nPatient: .*two days ago", out)
    assert "verdict  no diagnosis was given" in out
    assert out.count("Daniel Okafor") == 1


def test_ctrl_c_keeps_what_was_typed(typist: Typist) -> None:
    class Interrupted(io.StringIO):
        def readline(self, *_: object) -> str:
            if line := super().readline():
                return line
            raise KeyboardInterrupt

    code, _, err = typist(source=Interrupted("Where is the pain?\n"))
    assert (code, err.lstrip()) == (130, "clinicenv: interrupted; what is finished is kept\n")
    log = typist.trajectory
    assert [e.what.cause for e in log.of(Failed)] == ["interrupted by the player"]
    assert any(e.what.text == "Where is the pain?" for e in log.of(Say))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sharp-chest-pain-1",), "did you mean `sharp-chest-pain-01`"),
        ((), "which scenario? There are: angry-relative-01, "),
        ((CHEST, "--patient", "nobody"), "no patient is called `nobody`"),
        ((CHEST, "--patient-profile", "grumpy"), "no profile `grumpy`"),
        (("missing.yaml",), "missing.yaml: cannot be read"),
    ],
)
def test_wrong_input_is_one_sentence(typist: Typist, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = typist("Hello", arguments=arguments)
    assert (code, out) == (2, "")
    assert err.startswith("clinicenv: ")
    assert err.count("\n") == 1
    assert says in err
    assert not typist.folder.exists()


def test_what_was_typed_survives_a_kill(tmp_path: Path) -> None:
    """`kill -9` while the player thinks: the talk so far can still be read."""
    command = [sys.executable, "-m", "clinicenv", "play", CHEST, "--plain", "--out", str(tmp_path / "r")]
    player = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert player.stdin
    assert player.stdout
    player.stdin.write("When did the pain start?\n")
    player.stdin.flush()
    while "[turn 2 of" not in player.stdout.readline():
        pass
    player.kill()
    player.wait()
    (journal,) = (tmp_path / "r" / "open").iterdir()
    shown = subprocess.run(
        [sys.executable, "-m", "clinicenv", "show", str(tmp_path / "r"), journal.stem[:6]],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "When did the pain start?" in shown.stdout
    assert "patient  " in shown.stdout


def test_a_folder_in_use_is_refused_before_a_word_is_typed(typist: Typist) -> None:
    assert typist("DIAGNOSE: PE", "")[0] == 0
    code, out, err = typist("DIAGNOSE: PE", "")
    assert (code, out) == (2, "")
    assert "is not empty" in err


def test_a_model_can_be_the_patient(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    with FakeServer(lambda _: "Patient: Since the day before yesterday.") as server:
        code, out, _ = typist(
            "When did it start?", "DIAGNOSE: PE", "",
            arguments=(CHEST, "--patient", f"openai:tiny@{server.url}"),
        )  # fmt: skip
    assert code == 0
    assert "Patient: Since the day before yesterday." in out
    assert '"turn":1' in (typist.folder / "calls.jsonl").read_text()


def test_a_model_patient_that_breaks_is_the_error_not_the_player(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    replies = iter(["Hello"])  # for the check before the first line

    def reply(_: object) -> object:
        return next(replies, (400, {"error": {"message": "too long"}}))

    with FakeServer(reply) as server:
        code, out, _ = typist("When?", arguments=(CHEST, "--patient", f"openai:tiny@{server.url}"))
    assert code == 1
    assert "FAILED  patient: openai:tiny@" in out
    assert "too long" in out
    assert [e.what.role for e in typist.trajectory.of(Failed)] == ["patient"]
