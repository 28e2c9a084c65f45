"""Diagnoses after fewer turns and by other doctors: from the view that was there, and nobody plays again."""

import json
from pathlib import Path

import pytest
from fake_server import Answer, FakeServer, Messages

from clinicenv import Cast, Consultation, load_scenario
from clinicenv.agents.replay import Replay
from clinicenv.cli.main import call
from clinicenv.consultation import drive_sync
from clinicenv.events import Role
from clinicenv.runs.cutoff import cut, last_turn
from clinicenv.runs.store import Store

CASE = load_scenario("sharp-chest-pain-01")
CASES = "group:sharp-chest-pain"


def clinicenv(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = call([*map(str, arguments)])
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize("turns", [0, 1, 3, 7])
def test_the_view_is_that_of_a_talk_that_may_be_no_longer(turns: int) -> None:
    cast = Cast("bayes")
    whole = Consultation(CASE, cast, seed=3)
    drive_sync(whole, cast)
    short = Consultation(CASE, cast, seed=3, max_turns=turns + 1)
    again = Replay(whole.trajectory, Role.DOCTOR)
    while (turn := short.pending) and (turn.role is not Role.DOCTOR or turn.view.turn <= turns):
        short.submit((again if turn.role is Role.DOCTOR else cast[turn.role]).act(turn))  # type: ignore[arg-type]
    assert turn
    found = last_turn(CASE, whole.trajectory, cut(whole.trajectory, turns), turns)
    assert found.view == turn.view
    assert set(found.legal) == set(turn.legal)
    assert found.draw("anything") == turn.draw("anything")


def test_accuracy_rises_with_the_turns_and_others_diagnose_from_the_same_talk(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert (
        call(["run", "--doctor", "bayes", "--doctor", "guess", "--scenarios", CASES, "--out", str(run)]) == 0
    )
    before = sorted((p, p.read_bytes()) for p in run.rglob("*") if p.is_file())
    wanted = ("compare", run, "--cut-off", "1,10", "--diagnosed-by", "guess", "--format", "json")
    code, out, _ = clinicenv(capsys, *wanted)
    assert code == 0
    rows = {
        (r["talk"], r["diagnosed_by"], r["after"]): r["accuracy"]
        for r in json.loads(out[out.index("{") :])["cutoffs"]
    }
    assert rows["bayes", "bayes", 1] < rows["bayes", "bayes", 10]
    whole = json.loads(clinicenv(capsys, "compare", run, "--format", "json")[1])["comparisons"][0]
    means = {row["arm"]: row["mean"] for row in whole["rows"]}
    assert rows["bayes", "bayes", None] == pytest.approx(means["bayes"])
    assert rows["guess", "guess", None] == pytest.approx(means["guess"])
    # who has heard nothing guesses the same, whoever's door it stands at
    assert rows["guess", "guess", 1] == rows["guess", "guess", None]
    assert sorted((p, p.read_bytes()) for p in run.rglob("*") if p.is_file()) == before
    assert {r["consultations"] for r in json.loads(clinicenv(capsys, *wanted)[1])["cutoffs"]} == {4}


def test_a_model_gets_the_talk_of_another_and_a_failure_is_counted_as_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert call(["run", "--doctor", "bayes", "--scenarios", CASES, "--out", str(run)]) == 0
    capsys.readouterr()

    def reply(_: Messages) -> Answer:
        return "DIAGNOSE: acute pericarditis"

    def spoilt(messages: Messages) -> Answer:
        return (400, {"error": {"message": "will not"}}) if len(messages) > 1 else "Hello."

    with FakeServer(reply) as server:
        name = f"openai:m@{server.url}"
        code, out, _ = clinicenv(capsys, "compare", run, "--diagnosed-by", name, "--format", "json")
        assert code == 0
        talks = [str(r.body["messages"]) for r in server.requests if len(r.body["messages"]) > 1]
        server.reply = spoilt
        code, _, err = clinicenv(capsys, "compare", run, "--diagnosed-by", name)
    assert code == 1
    assert "4 diagnoses are missing, the first for" in err
    assert "will not" in err
    rows = [r for r in json.loads(out)["cutoffs"] if r["diagnosed_by"] == name]
    assert [r["accuracy"] for r in rows] == [0.5]  # two of the four cases are pericarditis
    assert len(talks) == 4
    assert all("last turn" in talk for talk in talks)
    assert all(
        "DIAGNOSE: " not in talk.partition("'role': 'user'")[2] for talk in talks
    )  # not the other's list


def test_a_doctor_that_is_not_as_it_was_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    card = tmp_path / "mine.yaml"
    card.write_text((Path("agents/doctor/chat.yaml")).read_text().replace("name: chat", "name: mine"))
    with FakeServer(lambda _: "DIAGNOSE: gout") as server:
        with card.open("a") as file:
            file.write(f"\nmodel: openai:m@{server.url}\n")
        assert call(["run", "--doctor", str(card), "--scenarios", CASES, "--out", str(run)]) == 0
        capsys.readouterr()
        code, _, err = clinicenv(capsys, "compare", run, "--cut-off", "1")
        assert code == 2
        assert "`mine=openai:m" in err
        assert "cannot be seated here" in err
        shipped = ("--doctor", f"openai:m@{server.url}", "--doctor-arg", "temperature=0.1")
        other = tmp_path / "other"
        assert call(["run", *shipped, "--scenarios", CASES, "--out", str(other)]) == 0
        assert clinicenv(capsys, "compare", other, "--cut-off", "1")[0] == 0


@pytest.mark.parametrize("text", ["x", "0", "2,-1", "1.5"])
def test_cut_offs_are_numbers_of_turns(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    run = tmp_path / "run"
    assert call(["run", "--doctor", "guess", "--scenarios", "sharp-chest-pain-01", "--out", str(run)]) == 0
    capsys.readouterr()
    code, _, err = clinicenv(capsys, "compare", run, "--cut-off", text)
    assert code == 2
    assert "numbers of turns" in err
    assert Store.open(run).results()


def test_a_talk_that_ran_into_its_limit_is_ended_with_the_word_that_it_must_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"

    def when_told(messages: Messages) -> Answer:
        return "DIAGNOSE: acute pericarditis" if "last turn" in str(messages[-1]) else "Does it hurt?"

    with FakeServer(lambda _: "Does it hurt?") as server:
        talks = ("--doctor", f"openai:m@{server.url}", "--scenarios", "sharp-chest-pain-01")
        assert call(["run", *talks, "--max-turns", "3", "--out", str(run)]) == 0
    capsys.readouterr()
    with FakeServer(when_told) as server:
        name = f"openai:m@{server.url}"
        _, out, _ = clinicenv(capsys, "compare", run, "--diagnosed-by", name, "--format", "json")
    (found,) = [r for r in json.loads(out)["cutoffs"] if r["diagnosed_by"] == name]
    assert found["accuracy"] == 1
