"""`clinicenv run` with language models, against a local server: what is kept, and what breaking does."""

import json
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from fake_server import FakeServer, Messages, script

from clinicenv.cli.main import call
from clinicenv.events import Diagnose, Failed, Judge, Report, Say, Trajectory, Unparsed
from clinicenv.runs.store import Store

KEY = "sk-test-0123456789abcdef"
CHEST = "sharp-chest-pain-01"
CONSULTS = ("Hello, when did it start?", "ORDER: ECG; ferritin", "DIAGNOSE: acute pericarditis\nPLAN: rest")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `clinicenv run ... --out tmp_path/r` here: exit code, stdout, stderr. The key is never shown."""

    def run(*arguments: str, scenarios: str = CHEST) -> tuple[int, str, str]:
        code = call(["run", "--scenarios", scenarios, "--out", str(tmp_path / "r"), *arguments])
        said = capsys.readouterr()
        assert KEY not in said.out + said.err
        return code, said.out, said.err

    return run


def calls(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def played(folder: Path) -> list[Trajectory]:
    """The last trajectory of each consultation, in order of scenario and cast."""
    store = Store.open(folder)
    results = sorted(store.results().values(), key=lambda r: (r.scenario, r.arm))
    return [store.trajectory(r.key) for r in results]


def copied(scenario: str, folder: Path, *changes: tuple[str, str]) -> str:
    """A bundled scenario as a file of one's own."""
    text = (ROOT / "scenarios" / f"{scenario}.yaml").read_text()
    for old, new in changes:
        text = text.replace(old, new)
    file = folder / "own.yaml"
    file.write_text(text)
    return str(file)


def test_a_model_plays_a_scenario_file_and_each_call_is_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(script(CONSULTS), key=KEY) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        code, out, _ = run("--doctor", "openai:tiny", "--json", scenarios=copied(CHEST, tmp_path))
    assert code == 0
    (arm,) = json.loads(out)["arms"]
    assert (arm["consultations"], arm["accuracy"], arm["errors"]) == (1, 1.0, 0)
    (log,) = played(tmp_path / "r")
    kept = calls(tmp_path / "r")
    assert [c["turn"] for c in kept] == [1, 2, 3]
    assert {c["key"] for c in kept} == {log.key}
    assert {c["role"] for c in kept} == {"doctor"}
    assert {c["tries"] for c in kept} == {1}
    assert [c["completion_tokens"] for c in kept] == [len(line.split()) for line in CONSULTS]
    assert all(c["prompt_tokens"] > 50 for c in kept)
    assert len(server.requests) == 1 + len(kept)  # one before the start, to see that the model answers
    assert {seen.body["model"] for seen in server.requests} == {"tiny"}


def test_a_try_after_a_busy_server_is_counted(run: Run, tmp_path: Path) -> None:
    busy = iter([True, True])

    def reply(messages: Messages) -> Any:
        if messages[-1]["content"] != "Hello" and next(busy, False):
            return 429, {"error": {"message": "too many"}}, {"retry-after-ms": "1"}
        return script(CONSULTS)(messages)

    with FakeServer(reply) as server:
        assert run("--doctor", f"openai:tiny@{server.url}")[0] == 0
    assert [c["tries"] for c in calls(tmp_path / "r")] == [3, 1, 1]


def test_models_in_all_four_roles(run: Run, tmp_path: Path) -> None:
    case = copied(CHEST, tmp_path, ("\ntask: diagnose\n", "\ntask: diagnose\nunlisted_tests: model\n"))
    with (
        FakeServer(script(CONSULTS)) as doctor,
        FakeServer(lambda _: "Two days ago.") as patient,
        FakeServer(lambda _: "Ferritin 80 ug/L (30-400)") as measurement,
        FakeServer(lambda _: "1. same") as moderator,
    ):
        code, _, _ = run(
            "--doctor", f"openai:d@{doctor.url}", "--patient", f"openai:p@{patient.url}",
            "--measurement", f"openai:m@{measurement.url}", "--moderator", f"openai:j@{moderator.url}",
            scenarios=case,
        )  # fmt: skip
    assert code == 0
    (log,) = played(tmp_path / "r")
    assert "Two days ago." in [e.what.text for e in log.of(Say) if e.role == "patient"]
    results = {r.item: r for e in log.of(Report) for r in e.what.results}
    assert results["ferritin"].text == "Ferritin 80 ug/L (30-400)"
    assert "ST elevation" in results["ECG"].text  # the case says it, so no model is asked
    assert [e.what.verdicts for e in log.of(Judge)] == [("same",)]
    assert Counter(c["role"] for c in calls(tmp_path / "r")) == {
        "doctor": 3,
        "patient": 1,
        "measurement": 1,
        "moderator": 1,
    }
    assert {c["key"] for c in calls(tmp_path / "r")} == {log.key}


@pytest.mark.parametrize("role", ["doctor", "patient", "measurement", "moderator"])
def test_a_wrong_key_is_one_sentence_before_anything_is_written(run: Run, tmp_path: Path, role: str) -> None:
    with FakeServer(script(CONSULTS), key="sk-another-key") as server:
        code, out, err = run(f"--{role}", f"openai:tiny@{server.url}")
    assert (code, out) == (2, "")
    assert err.startswith(f"clinicenv: openai:tiny@{server.url}: the server refused the key (401: ")
    assert err.endswith("; check OPENAI_API_KEY\n")
    assert err.count("\n") == 1
    assert len(server.requests) == 1  # a wrong key is not tried again
    assert list(tmp_path.iterdir()) == []


def test_a_dead_address_is_one_sentence_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    with socket.socket() as held:  # bound, but nobody listens
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        code, out, err = run("--doctor", f"openai:tiny@{url}")
    assert (code, out) == (2, "")
    assert err.startswith(f"clinicenv: openai:tiny@{url}: no connection")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_no_key_for_openai_is_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    code, out, err = run("--doctor", "openai:tiny")
    assert (code, out) == (2, "")
    assert err.startswith("clinicenv: no key for https://api.openai.com/v1; set OPENAI_API_KEY")
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_in_no_file_even_if_the_server_repeats_it(run: Run, tmp_path: Path) -> None:
    def reply(messages: Messages) -> Any:
        told = {"error": {"message": f"Your key {KEY} is over its limit"}}
        return (400, told) if "Daniel Okafor" in str(messages) else "DIAGNOSE: PE"

    with FakeServer(reply, key=KEY) as server:
        arguments = ("--doctor", f"openai:tiny@{server.url}", "--patient", f"openai:tiny@{server.url}")
        code, _, _ = run(*arguments, scenarios="all")
    assert code == 1
    files = [path for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert len(files) > 6
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    causes = [e.what.cause for log in played(tmp_path / "r") for e in log.of(Failed)]
    assert len(causes) == 1
    assert "Your key *** is over its limit" in causes[0]


def test_what_failed_is_played_again_by_resume_and_nothing_else(run: Run, tmp_path: Path) -> None:
    broken = True

    def reply(messages: Messages) -> Any:
        if broken and "Daniel Okafor" in str(messages):
            return 500, {"error": {"message": "out of memory"}}, {"retry-after-ms": "1"}
        return "DIAGNOSE: acute pericarditis"

    three = f"{CHEST},new-headache-01,tired-and-thin-01"
    with FakeServer(reply) as server:
        command = ("--doctor", f"openai:tiny@{server.url}", "--json")
        code, out, err = run(*command, scenarios=three)
        assert code == 1
        assert "3 of 3 consultations, 1 error;" in err
        (arm,) = json.loads(out)["arms"]
        assert (arm["consultations"], arm["errors"]) == (3, 1)
        ended = {log.header.scenario: log for log in played(tmp_path / "r")}
        failed = ended.pop(CHEST)
        assert failed.outcome
        assert (failed.outcome.status, failed.outcome.reason) == ("error", "failed")
        (cause,) = [e.what for e in failed.of(Failed)]
        assert cause.role == "doctor"
        assert "the server failed (500: out of memory)" in cause.cause
        assert "(after 11 tries)" in cause.cause
        assert [log.outcome and log.outcome.status for log in ended.values()] == ["terminated"] * 2

        broken = False
        before = len(server.requests)
        code, out, err = run(*command, "--resume", scenarios=three)
        asked = [str(seen.body["messages"]) for seen in server.requests[before:]]
    assert code == 0
    assert "1 of 1 consultations, 0 errors" in err
    assert ["Daniel Okafor" in text for text in asked] == [False, True]  # the check, then what was missing
    (arm,) = json.loads(out)["arms"]
    assert (arm["consultations"], arm["errors"]) == (3, 0)
    lines = (tmp_path / "r" / "trajectories.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["header"]["scenario"] for line in lines)[CHEST] == 2
    assert [log.outcome and log.outcome.status for log in played(tmp_path / "r")] == ["terminated"] * 3
    of_chest = [c for c in calls(tmp_path / "r") if c["key"] == failed.key]
    assert [(c.get("error"), c["attempt"], c["session"]) for c in of_chest] == [
        ("server", 0, 0),
        (None, 1, 1),
    ]


def test_a_doctor_that_never_diagnoses_is_cut_off_and_counted(run: Run, tmp_path: Path) -> None:
    with FakeServer(lambda _: "How are you?") as server:
        code, out, _ = run("--doctor", f"openai:tiny@{server.url}", "--max-turns", "4", "--json")
    assert code == 0
    (arm,) = json.loads(out)["arms"]
    assert (arm["undiagnosed"], arm["accuracy"], arm["turns"]) == (1, 0.0, 4.0)
    (log,) = played(tmp_path / "r")
    assert log.outcome
    assert (log.outcome.status, log.outcome.reason) == ("truncated", "max_turns")
    assert "This is your last turn" in str(server.requests[-1].body["messages"][-1])
    assert "This is your last turn" not in str(server.requests[-2].body["messages"])


def test_two_models_are_two_rows(run: Run, tmp_path: Path) -> None:
    with FakeServer(script(CONSULTS)) as right, FakeServer(lambda _: "DIAGNOSE: a cold") as wrong:
        names = (f"openai:one@{right.url}", f"openai:two@{wrong.url}")
        code, out, _ = run("--doctor", names[0], "--doctor", names[1], "--json")
    assert code == 0
    rows = {row["arm"]: row for row in json.loads(out)["arms"]}
    assert {arm: row["accuracy"] for arm, row in rows.items()} == {names[0]: 1.0, names[1]: 0.0}
    assert {c["model"] for c in calls(tmp_path / "r")} == set(names)


def test_a_reply_that_cannot_be_read_is_logged_and_the_talk_goes_on(run: Run, tmp_path: Path) -> None:
    lines = iter(["Hello"] + ["ORDER"] * 2 + [""] * 2 + ["DIAGNOSE:"] * 2 + ["DIAGNOSE: acute pericarditis"])
    with FakeServer(lambda _: next(lines)) as server:
        assert run("--doctor", f"openai:tiny@{server.url}")[0] == 0
    (log,) = played(tmp_path / "r")
    assert [e.what.text for e in log.of(Unparsed)] == ["ORDER", "", "DIAGNOSE:"]
    assert all(e.what.reason for e in log.of(Unparsed))
    assert [e.what.differential for e in log.of(Diagnose)] == [("acute pericarditis",)]
    assert "An action needs a colon" in str(server.requests[2].body["messages"][-1])


def test_parameters_reach_the_model_and_decide_the_key(run: Run, tmp_path: Path) -> None:
    with FakeServer(script(CONSULTS)) as server:
        command = ("--doctor", f"openai:tiny@{server.url}", "--doctor-arg")
        assert run(*command, "temperature=0.25")[0] == 0
        assert server.requests[-1].body["temperature"] == 0.25
        code, _, err = run(*command, "temperature=0.5", "--resume")
    assert code == 2
    assert "`models.doctor.temperature` was 0.25 and is now 0.5" in err
