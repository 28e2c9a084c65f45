"""`clinicenv score --rubric --rater`: models as raters, how far raters agree, and what is kept of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fake_server import Answer, Messages
from raters import CASES, ONE, clinicenv, judge, serving, two_doctors

from clinicenv.cli.main import call
from clinicenv.score.axes import Rated
from clinicenv.score.rubric import load_rubric


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    folder = two_doctors(tmp_path / "run")
    capsys.readouterr()
    return folder


def test_a_model_rates_and_is_not_asked_twice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    with serving(judge) as server:
        name = f"openai:judge@{server.url}"
        wanted = ("score", run, "--rubric", "auto-paces-4", "--rater", name)
        code, out, err = clinicenv(capsys, monkeypatch, *wanted)
        assert code == 0
        assert "6 consultations rated by" in err
        asked = len(server.requests)
        assert re.search(r"understanding\s+\d\.\d of 5 \(3\)\s+1\.0 of 5 \(3\)", out)
        again = clinicenv(capsys, monkeypatch, *wanted)
        assert (again[0], again[1], len(server.requests)) == (0, out, asked)
    (file,) = (run / "scores").glob("auto-paces-4@openai*.jsonl")
    line = json.loads(file.read_text().splitlines()[0])
    assert line["rater"] == name
    assert line["tokens"] > 0
    assert line["ratings"]["empathy"]["reason"] == "by length"
    key = line["key"]
    _, one, _ = clinicenv(capsys, monkeypatch, "score", run, key, "--rubric", "auto-paces-4", "--rater", name)
    assert re.search(r"^empathy\s+\w+   events 0   by length$", one, re.M)


def test_agreement_stands_beside_the_best_constant_rater(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    with serving(judge) as server:
        name = f"openai:judge@{server.url}"
        wanted = ("score", run, "--rubric", "auto-paces-4", "--rater", name)
        _, out, _ = clinicenv(capsys, monkeypatch, *wanted)
        data = json.loads(clinicenv(capsys, monkeypatch, *wanted, "--json")[1])
    assert f"rule and {name}" in out
    (found,) = data["agreement"]
    assert found["raters"] == ["rule", name]
    empathy = found["axes"]["empathy"]
    assert empathy["n"] == 6
    # the judge gives guess's three the lowest option: who says that of all is right in half at least
    assert empathy["constant_exact"] >= 0.5
    assert empathy["side"] is not None
    assert "understanding" not in found["axes"]  # the rule does not rate it
    assert data["rater"] == name


def test_what_was_left_unrated_is_said_and_asked_for_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    spoilt = True

    def reply(messages: Messages) -> Answer:
        return "I'd rather not." if spoilt else judge(messages)

    with serving(reply) as server:
        name = f"openai:judge@{server.url}"
        wanted = ("score", run, "--rubric", "auto-paces-4", "--rater", name)
        code, out, err = clinicenv(capsys, monkeypatch, *wanted)
        assert code == 1
        assert "6 of them lack ratings, the first for" in err
        assert "is missing" in err
        assert "not rated" in out
        spoilt = False
        code, out, _ = clinicenv(capsys, monkeypatch, *wanted)
        assert code == 0
        assert "not rated" not in out


def test_a_judge_beside_the_rule_on_diagnoses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    def reply(messages: Messages) -> Answer:
        document = json.loads(messages[1]["content"])
        listed, key = document["material"]["differential"], document["material"]["answer_key"]
        names = {key["diagnosis"].lower(), *map(str.lower, key["also_called"])}
        same = ["same" if d.lower() in names else "unrelated" for d in listed]
        axes = document["axes"]
        return json.dumps({a: {"option": same[int(a[5:]) - 1], "evidence": [], "reason": ""} for a in axes})

    with serving(reply) as server:
        name = f"openai:judge@{server.url}"
        code, out, _ = clinicenv(capsys, monkeypatch, "score", run, "--rater", name, "--json")
        assert code == 0
    data = json.loads(out)
    assert data["rubric"] == "diagnosis-10"
    whole = data["agreement"][0]["axes"]["all axes"]
    assert whole["side"] > whole["constant_side"]
    first = next(a for a in data["arms"]["bayes"] if a["axis"] == "rank_1")
    assert 0 <= first["favourable"] <= 1


def test_the_doctors_own_model_as_a_rater_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def reply(messages: Messages) -> Answer:
        return judge(messages) if "material" in str(messages[-1]["content"]) else "DIAGNOSE: a cold"

    with serving(reply) as server:
        name = f"openai:m@{server.url}"
        folder = tmp_path / "own"
        assert (
            call(["run", "--doctor", name, "--scenarios", "sharp-chest-pain-01", "--out", str(folder)]) == 0
        )
        capsys.readouterr()
        _, _, err = clinicenv(
            capsys, monkeypatch, "score", folder, "--rubric", "auto-paces-4", "--rater", name
        )
    assert "rates itself" in err


@pytest.mark.parametrize(
    ("rater", "why"),
    [
        ("human:", "needs a name"),
        ("nobody", "is not a model"),
        ("openai:m@http://127.0.0.1:9", "127.0.0.1:9"),
    ],
)
def test_a_rater_that_cannot_rate_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path, rater: str, why: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    code, _, err = clinicenv(capsys, monkeypatch, "score", run, "--rubric", "auto-paces-4", "--rater", rater)
    assert code == 2
    assert why in err
    assert len(err.strip().splitlines()) == 1
    assert not list(run.glob("scores/*@*.jsonl"))  # no file for what was not rated


def test_ratings_outlive_the_rubrics_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path, tmp_path: Path
) -> None:
    from clinicenv.runs.ratings import kept
    from clinicenv.runs.store import Store

    own = tmp_path / "own.yaml"
    text = (Path(load_rubric.__globals__["FOLDER"]) / "auto-paces-4.yaml").read_text()
    own.write_text(text.replace("id: auto-paces-4", "id: own-1"))
    clinicenv(capsys, monkeypatch, "score", run, "--rubric", own, "--rater", "human", typed="3\nq\n")
    rubric = load_rubric(str(own))
    own.unlink()
    found = {k.rater: k for k in kept(Store.open(run)) if k.rubric.id == "own-1"}
    assert found["human"].rubric == rubric
    assert [r for ratings in found["human"].ratings.values() for r in ratings.values()] == [
        Rated("concerns", "fair", None)
    ]


def test_stations_get_their_pass_mark_once_somebody_gave_global_ratings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    doctors = ("--doctor", "bayes", "--doctor", "guess", "--doctor", "random")
    assert call(["run", *doctors, "--scenarios", CASES, "--out", str(folder)]) == 0
    code, out, _ = clinicenv(capsys, monkeypatch, "score", folder, "--stations")
    assert code == 0
    assert "nobody gave global ratings yet" in out

    def by_length(messages: Messages) -> Answer:
        lines = json.loads(messages[1]["content"])["material"]["lines"]
        option = "clear_pass" if len(lines) > 12 else "borderline" if len(lines) > 6 else "clear_fail"
        return json.dumps({"global": {"reason": "", "evidence": [], "option": option}})

    with serving(by_length) as server:
        name = f"openai:examiner@{server.url}"
        clinicenv(capsys, monkeypatch, "score", folder, "--rubric", "station-global-1", "--rater", name)
    code, out, _ = clinicenv(capsys, monkeypatch, "score", folder, "--stations", "--json")
    data = json.loads(out)
    assert data["rater"] == name
    assert data["candidates"] == 3
    assert [s["scenario"] for s in data["stations"]] == sorted(CASES.split(","))
    for row in data["stations"]:
        assert 0 < row["pass_mark"]["mark"] < 1
        assert row["rated"] == 3
    code, out, _ = clinicenv(capsys, monkeypatch, "score", folder, "--stations")
    assert re.search(r"sharp-chest-pain-01 +3 +\d+% ± \d+% +3 +\d+% ", out)
    code, _, err = clinicenv(capsys, monkeypatch, "score", folder, "--stations", "--rater", "human")
    assert code == 2
    assert f"who did: {name}" in err


def test_a_moderator_in_the_run_stands_beside_the_rule(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"

    def first_is_it(messages: Messages) -> Answer:
        listed = re.findall(r"^(\d+)\. ", messages[-1]["content"], re.M)
        return "\n".join(f"{n}. {'same' if n == '1' else 'different'}" for n in listed)

    with serving(first_is_it) as server:
        name = f"openai:judge@{server.url}"
        seats = ("--doctor", "bayes", "--moderator", name, "--scenarios", CASES)
        assert call(["run", *seats, "--out", str(folder)]) == 0
    capsys.readouterr()
    _, out, _ = clinicenv(capsys, monkeypatch, "score", folder, "--rubric", "diagnosis-10", "--json")
    (pair,) = json.loads(out)["agreement"]
    assert pair["raters"] == ["rule", f"moderator {name}"]
    assert pair["axes"]["rank_1"]["n"] > 0
    assert pair["axes"]["rank_1"]["side"] == 1  # bayes is right first in these, and the moderator says so


def test_a_model_that_is_gone_is_not_asked_for_all_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert (
        call(["run", "--doctor", "guess", "--scenarios", ONE, "--repeats", "99", "--out", str(folder)]) == 0
    )
    capsys.readouterr()
    refused: Answer = (400, {"error": {"message": "gone"}})
    with serving(lambda _: refused) as server:
        rater = f"openai:judge@{server.url}"
        code, _, err = clinicenv(
            capsys, monkeypatch, "score", folder, "--rubric", "auto-paces-4", "--rater", rater
        )
        assert len(server.requests) < 99
    assert code == 1
    assert "99 of them lack ratings" in err


@pytest.mark.parametrize(
    "spoilt",
    [
        {"option": ["good"], "value": None, "events": [], "reason": ""},
        {"option": "good", "value": None, "events": "12", "reason": ""},
        {"option": "good", "value": None, "events": [], "reason": 3},
        {"option": "splendid", "value": None, "events": [], "reason": ""},
    ],
)
def test_an_edited_rating_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path, spoilt: dict[str, Any]
) -> None:
    wanted = ("score", run, "--rubric", "auto-paces-4", "--rater", "human")
    clinicenv(capsys, monkeypatch, *wanted, typed="3\nq\n")
    file = run / "scores" / "auto-paces-4@human.jsonl"
    line = json.loads(file.read_text())
    file.write_text(json.dumps({**line, "ratings": {"empathy": spoilt}}) + "\n")
    for verb in (wanted, ("report", run, "--out", run / "page.html")):
        code, _, err = clinicenv(capsys, monkeypatch, *verb, typed="q\n")
        assert code == 2
        assert "auto-paces-4@human.jsonl:1: this line cannot be read" in err
