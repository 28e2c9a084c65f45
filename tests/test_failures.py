"""Model servers that fail in every way: what is survived, what is recorded, and what stays secret."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from fake_server import (
    BROKEN,
    BUSY,
    DROP,
    EMPTY,
    HANG,
    HTML,
    MALFORMED,
    NO_KEY,
    OVERLOADED,
    REFUSALS,
    RESET,
    TIMED_OUT,
    TOO_LONG,
    TOO_LONG_VLLM,
    TRICKLE,
    TRUNCATED,
    Answer,
    Failure,
    FakeServer,
    Messages,
    busy,
    calling,
    nobody,
    rate_limited,
    script,
)

from clinicenv import Cast, Trajectory, aplay, load_scenario
from clinicenv.cli.main import call
from clinicenv.events import Examine, Failed, Say, Unparsed
from clinicenv.models import loop
from clinicenv.models.call import ModelError, Request
from clinicenv.models.gateway import Gateway
from clinicenv.models.names import ModelName
from clinicenv.runs.store import Store

CANARY = "sk-canary-7f3d9a51c0de4b6e"
CHEST = "sharp-chest-pain-01"
SCENARIO = load_scenario(ROOT / "scenarios" / f"{CHEST}.yaml")
CONSULTS = ("Hello, when did it start?", "ORDER: ECG", "DIAGNOSE: acute pericarditis\nPLAN: rest")

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OPENAI_BASE_URL",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between tries are the SDK's and ours; here they are short."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.002)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.01)
    monkeypatch.setattr("clinicenv.models.endpoint._PAUSE", 0.0001)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `clinicenv run ... --out tmp_path/r` here: its exit code and its only arm."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = call(["run", "--scenarios", CHEST, "--out", str(tmp_path / "r"), "--json", *arguments])
        return code, json.loads(capsys.readouterr().out)["arms"][0]

    return run


def play(**players: str) -> Trajectory:
    return loop.run(aplay(SCENARIO, Cast(**players), max_turns=6))  # type: ignore[arg-type]


def named(server: FakeServer) -> str:
    return f"openai:tiny@{server.url}"


def status(log: Trajectory) -> str:
    assert log.outcome
    return log.outcome.status


def cause(log: Trajectory) -> str:
    (failed,) = [event.what for event in log.of(Failed)]
    return failed.cause


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def in_consultations(failing: Failure) -> Callable[[Messages], Answer]:
    """Fails in all consultations; the check before the start is answered."""
    return lambda messages: failing if messages[0]["role"] == "system" else "Hello."


# What does not pass


@pytest.mark.parametrize(
    ("failure", "says", "tries"),
    [
        (NO_KEY, "refused the key (401: You didn't provide an API key.); check OPENAI_API_KEY", 1),
        (Failure(403, {"error": {"message": "no access"}}), "refused the key (403: no access)", 1),
        (TOO_LONG, "maximum context length is 8192 tokens", 1),
        (TOO_LONG_VLLM, "maximum context length is 8192 tokens", 1),
        (Failure(404, {"error": {"message": "The model `tiny` does not exist."}}), "no such model", 1),
        (Failure(404, {"detail": "Not Found"}), "check the address", 1),
        (HTML, "is not JSON: <!doctype html>", 10),
        (EMPTY, "is empty", 10),
        (MALFORMED, 'is not JSON: {"choices": [', 10),
        (Failure(200, {"choices": []}), "has no choices", 10),
        (BROKEN, "the server failed (500: internal error)", 11),
        (OVERLOADED, "the server failed (503: the model is overloaded)", 11),
        (TIMED_OUT, "the server gave up waiting (408: request timed out)", 11),
        (busy(), "allows no more requests (429: too many requests)", 11),
        (DROP, "broke off the connection", 11),
        (RESET, "broke off the connection", 11),
        (TRUNCATED, "broke off the connection", 11),
    ],
)
def test_what_stays_ends_as_an_error_that_says_why(failure: Failure, says: str, tries: int) -> None:
    with FakeServer(lambda _: failure) as server:
        log = play(doctor=named(server))
    assert status(log) == "error"
    assert says in cause(log)
    assert named(server) in cause(log)
    assert len(server.requests) == tries
    assert tries == 1 or f"(after {tries} tries)" in cause(log)


def test_a_server_that_is_not_there_ends_as_an_error() -> None:
    with nobody() as url:
        log = play(doctor=f"openai:tiny@{url}")
    assert status(log) == "error"
    assert "no connection" in cause(log)
    assert "is the server running" in cause(log)


def test_what_failed_counts_for_nobody(run: Run, tmp_path: Path) -> None:
    """Of six doctors at the same server, every second is told that its dialogue is too long."""
    asked: Counter[int] = Counter()

    def reply(messages: Messages) -> Answer:
        asked[len(messages)] += 1
        return TOO_LONG if len(messages) == 4 and asked[4] % 2 else script(CONSULTS)(messages)

    with FakeServer(reply) as server:
        code, arm = run("--doctor", named(server), "--repeats", "6")
    assert code == 1
    assert (arm["consultations"], arm["errors"], arm["scored"], arm["accuracy"]) == (6, 3, 3, 1.0)
    assert arm["undiagnosed"] == 0
    assert Counter(c.get("error") for c in lines(tmp_path / "r" / "calls.jsonl")) == {None: 12, "refused": 3}


@pytest.mark.parametrize("role", ["patient", "measurement", "moderator"])
def test_a_failure_in_any_role_is_recorded_as_that_roles(role: str, tmp_path: Path) -> None:
    case = tmp_path / "own.yaml"
    text = (ROOT / "scenarios" / f"{CHEST}.yaml").read_text()
    case.write_text(text.replace("\ntask: diagnose\n", "\ntask: diagnose\nunlisted_tests: model\n"))
    said = ("Hello, when did it start?", "ORDER: ferritin", "DIAGNOSE: acute pericarditis")
    with FakeServer(script(said)) as doctor, FakeServer(lambda _: TOO_LONG) as server:
        cast = Cast(doctor=named(doctor), **{role: named(server)})  # type: ignore[arg-type]
        log = loop.run(aplay(load_scenario(case), cast))
    assert status(log) == "error"
    assert "maximum context length" in cause(log)
    assert [event.what.role for event in log.of(Failed)] == [role]


@pytest.mark.parametrize("shape", REFUSALS)
def test_a_parameter_that_is_refused_is_dropped_and_the_calls_say_so(
    run: Run, tmp_path: Path, shape: str
) -> None:
    with FakeServer(script(CONSULTS), refuses=("seed", "top_k"), refusal=REFUSALS[shape]) as server:
        code, arm = run("--doctor", named(server), "--doctor-arg", "top_k=5", "--repeats", "8")
    assert (code, arm["errors"], arm["accuracy"]) == (0, 0, 1.0)
    calls = lines(tmp_path / "r" / "calls.jsonl")
    assert len(calls) == 24
    assert [sorted(c["dropped"]) for c in calls] == [["seed", "top_k"]] * 24
    answered = [r.body for r in server.requests if not {"seed", "top_k"} & r.body.keys()]
    assert all(b["temperature"] == 0.7 for b in answered if b["messages"][0]["role"] == "system")
    later = server.requests[-8:]  # the last turns: nothing is tried again that was refused
    assert not any({"seed", "top_k"} & seen.body.keys() for seen in later)


# What passes


@pytest.mark.parametrize(
    "failure",
    [
        busy(),
        rate_limited(),
        BUSY,
        TIMED_OUT,
        BROKEN,
        OVERLOADED,
        Failure(502, "<html>bad gateway</html>", {"content-type": "text/html"}),
        EMPTY,
        MALFORMED,
        HTML,
        TRUNCATED,
        DROP,
        RESET,
    ],
)
def test_what_passes_is_survived(failure: Failure) -> None:
    with FakeServer(script(CONSULTS)) as server:
        server.fail(failure, failure, failure)
        log = play(doctor=named(server))
    assert status(log) == "terminated"
    assert len(server.requests) == 3 + len(CONSULTS)


def test_of_200_consultations_at_a_server_that_fails_at_30_percent_all_complete(
    run: Run, tmp_path: Path
) -> None:
    with FakeServer(script(CONSULTS), fail_share=0.3, seed=2) as server:  # a seed that lets the check pass
        code, arm = run("--doctor", named(server), "--repeats", "200", "--concurrency", "100")
    assert (code, arm["consultations"], arm["errors"], arm["accuracy"]) == (0, 200, 0, 1.0)
    assert server.failed > 180
    tries = [c["tries"] for c in lines(tmp_path / "r" / "calls.jsonl")]
    assert len(tries) == 600
    assert sum(tries) == len(server.requests) - 1


@pytest.mark.parametrize("failure", [HANG, TRICKLE, Failure(200, HTML.body, pace=0.1)])
def test_nothing_outlives_its_time_limit(failure: Failure) -> None:
    async def ask(url: str) -> None:
        model = Gateway(timeout=0.3, retries=1).model(ModelName("openai", "tiny", url))
        async with asyncio.timeout(8):  # less than what the server would take
            await model.complete(Request([{"role": "user", "content": "How are you?"}]))

    with FakeServer(lambda _: failure) as server, pytest.raises(ModelError, match=r"within [\d.]+ s") as e:
        loop.run(ask(server.url))
    assert e.value.kind == "timeout"


# What is odd


ODD: dict[str, tuple[Answer, type | str]] = {
    "1 MB of words": ("pain " * 200_000, "characters, more than"),
    "1 MB in one line of an action": ("ORDER: " + "x" * 1_000_000, "characters, more than"),
    "1 MB of arguments": (calling(("order_tests", {"items": ["x" * 10**6]})), "characters, more than"),
    "1,000 calls": (calling(*[("examine", {"items": ["abdomen"]})] * 1_000), Examine),
    "no such tool": (calling(("prescribe", {"drug": "aspirin"})), Unparsed),
    "another role's tool": (calling(("report", {"results": ["normal"]})), Unparsed),
    "a tool without a name": ({"tool_calls": [{"id": "1", "function": {}}]}, Unparsed),
    "calls that are none": ({"tool_calls": ["examine", 7, None, {"function": "examine"}]}, Unparsed),
    "arguments that are no JSON": (calling(("diagnose", "{differential: gout")), Unparsed),
    "deep arguments": (calling(("diagnose", "[" * 50_000)), Unparsed),
    "the user's role": ({"role": "user", "content": "It hurts here."}, "not the assistant's"),
    "the system's role": ({"role": "system", "content": "You are the patient."}, "not the assistant's"),
    "both sides": ("Doctor: Where does it hurt?\nPatient: My chest.\nDoctor: DIAGNOSE: gout", Say),
    "content in parts": ({"content": [{"type": "text", "text": "When did it start?"}]}, Say),
    "content that is a number": ({"content": 7}, "has no text"),
    "nothing": ({"content": None}, Unparsed),
    "control characters": ("\x1b[2J\x00\x07When?\u202e\ud83d", Say),
}
"""Replies, and what is recorded of them: an action of the doctor, or the words of an error."""


@pytest.mark.parametrize("card", ["chat", "tools"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_replies_of_a_doctor_are_recorded_and_never_stop_a_run(
    run: Run, tmp_path: Path, odd: str, card: str
) -> None:
    said, recorded = ODD[odd]
    with FakeServer(lambda m: said if m[0]["role"] == "system" else "Hello.") as server:
        code, arm = run("--doctor", f"{card}={named(server)}", "--max-turns", "3")
    store = Store.open(tmp_path / "r")
    (log,) = (store.trajectory(key) for key in store.results())
    assert code == arm["errors"]
    assert (tmp_path / "r" / "trajectories.jsonl").stat().st_size < 1_000_000
    if isinstance(recorded, str):
        assert status(log) == "error"
        assert recorded in cause(log)
    else:
        assert (status(log), arm["accuracy"]) == ("truncated", 0.0)
        assert {type(event.what) for event in log.events if event.role == "doctor"} == {recorded}


@pytest.mark.parametrize("odd", ["no such tool", "a tool without a name", "arguments that are no JSON"])
def test_a_call_that_cannot_be_read_is_told_to_the_model_and_uses_its_turn(odd: str) -> None:
    said = (ODD[odd][0], ODD[odd][0], "DIAGNOSE: acute pericarditis")
    with FakeServer(script(said)) as server:
        log = play(doctor=f"tools={named(server)}")
    assert status(log) == "terminated"
    assert [bool(event.what.reason) for event in log.of(Unparsed)][:1] == [True]
    assert log.of(Unparsed)[0].what.reason[:20] in str(server.requests[-1].body["messages"])


@pytest.mark.parametrize("role", ["patient", "measurement", "moderator"])
@pytest.mark.parametrize("odd", ["1 MB of words", "no such tool", "the user's role", "nothing", "both sides"])
def test_odd_replies_of_the_others_are_recorded(role: str, odd: str) -> None:
    said = ("Hello, when did it start?", "ORDER: an unheard-of test", "DIAGNOSE: gout; acute pericarditis")
    with FakeServer(script(said)) as doctor, FakeServer(lambda _: ODD[odd][0]) as server:
        log = play(doctor=named(doctor), **{role: named(server)})
    assert status(log) in ("terminated", "error")
    assert status(log) == "terminated" or "openai:tiny" in cause(log)


def test_a_patient_that_plays_the_doctor_gives_it_no_action() -> None:
    """What the patient writes is speech, whatever it looks like."""
    with (
        FakeServer(script(("Hello, when did it start?", "Go on.", "DIAGNOSE: gout"))) as doctor,
        FakeServer(lambda _: "Two days.\nDIAGNOSE: acute pericarditis") as patient,
    ):
        log = play(doctor=named(doctor), patient=named(patient))
    spoken = [event.what.text for event in log.of(Say) if event.role == "patient"]
    assert "Two days.\nDIAGNOSE: acute pericarditis" in spoken
    assert log.outcome
    assert log.outcome.turns == 3


# What stays secret


def command_lines() -> str:
    """The arguments of all processes of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return "\n".join(found)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_the_key_is_nowhere_even_if_the_server_repeats_it(tmp_path: Path) -> None:
    seen: list[str] = []

    def reply(messages: Messages) -> Answer:
        seen.append(command_lines())
        if len(messages) == 6:
            return 400, {"error": {"message": f"Bearer {CANARY} may not say {CANARY[:-6]}"}}
        return "How are you?"

    with FakeServer(reply, key=CANARY) as server:
        environment = {**os.environ, "OPENAI_LOG": "debug", "PYTHONASYNCIODEBUG": "1"}
        command = [sys.executable, "-X", "dev", "-m", "clinicenv", "run", "--doctor", named(server)]
        command += ["--patient", named(server), "--scenarios", CHEST, "--out", str(tmp_path / "r")]
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert ended.returncode == 1, ended.stderr
    assert len(seen) > 3
    assert all("clinicenv" in told for told in seen)
    assert not any(CANARY[3:-6] in told for told in seen)
    assert CANARY[3:-6] not in ended.stdout + ended.stderr
    files = [path for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert len(files) >= 4
    (log,) = lines(tmp_path / "r" / "trajectories.jsonl")
    failed = [e["what"] for e in log["events"] if e["what"]["type"] == "failed"]
    assert "may not say" in failed[0]["cause"]
    assert CANARY[3:-6] not in failed[0]["cause"]


def test_the_key_is_in_no_repr_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeServer(lambda _: Failure(400, f"no: {CANARY}"), key=CANARY) as server:
        cast = Cast(doctor=named(server))
        gateway = Gateway()
        model = gateway.model(ModelName("openai", "tiny", server.url))
        log = loop.run(aplay(SCENARIO, cast))
        with pytest.raises(ModelError) as e:
            loop.run(model.complete(Request([{"role": "user", "content": "Hello."}])))
    things = (cast, cast.seats, *cast.models, *map(vars, cast.models), gateway, model, log, e.value)
    assert CANARY not in " ".join(f"{thing!r} {thing}" for thing in things)
    assert CANARY not in caplog.text
    assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_prompts_are_not_sent_on_to_another_server(code: int) -> None:
    with FakeServer() as other:
        away = Failure(code, "", {"location": f"{other.url}/chat/completions"})
        with FakeServer(lambda _: away) as server:
            log = play(doctor=named(server))
    assert status(log) == "error"
    assert "another address" in cause(log)
    assert other.requests == []


def test_a_proxy_is_used_for_hosts_elsewhere_where_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prompts for a server on this machine stay on it."""
    with FakeServer() as proxy, FakeServer(script(CONSULTS)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        assert status(play(doctor=named(server))) == "terminated"
        assert proxy.requests == []
        play(doctor="openai:tiny@http://models.example:8000/v1")
        assert {seen.path for seen in proxy.requests} == {"http://models.example:8000/v1/chat/completions"}
