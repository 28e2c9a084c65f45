"""Runs with language models, against a local server: cache, spend ceiling, estimate, interruption, phases."""

import itertools
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from fake_server import TOO_LONG, Answer, FakeServer, Messages, calling, completion

from clinicenv.cli.main import call
from clinicenv.models import local

CHEST = "sharp-chest-pain-01"
TWO = f"{CHEST},sharp-chest-pain-02"
ENDS = "DIAGNOSE: acute pericarditis\nPLAN: rest"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_BASE_URL", "CLINICENV_PRICES", "CLINICENV_MEMORY_GB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("CLINICENV_CACHE", str(tmp_path / "cache" / "replies.sqlite"))
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.002)
    monkeypatch.setattr("clinicenv.models.endpoint._PAUSE", 0.0001)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `clinicenv run ... --out tmp_path/NAME` here: exit code, stdout, stderr."""

    def run(name: str, *arguments: str, scenarios: str = CHEST) -> tuple[int, str, str]:
        code = call(["run", "--scenarios", scenarios, "--out", str(tmp_path / name), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def named(server: FakeServer) -> str:
    return f"openai:tiny@{server.url}"


def never_twice(turns: int = 3) -> Callable[[Messages], Answer]:
    """Says something else in each call, so that a reply that was made again is noticed."""
    count = itertools.count()

    def reply(messages: Messages) -> Answer:
        told = len([m for m in messages if m["role"] == "assistant"])
        return ENDS if told >= turns - 1 else f"How is it now? I ask {next(count)}."

    return reply


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def calls(folder: Path) -> list[dict[str, Any]]:
    return lines(folder / "calls.jsonl")


def logs(folder: Path) -> dict[str, str]:
    """Each consultation's line, by its key."""
    found = (folder / "trajectories.jsonl").read_text().splitlines()
    return {json.loads(line)["key"]: line for line in found}


def is_one_sentence(said: str) -> bool:
    return said.startswith("clinicenv: ") and said.count("\n") == 1


# The cache


@pytest.mark.parametrize("concurrency", ["1", "8"])
def test_a_run_made_again_from_the_cache_asks_nobody_and_gives_the_same_bytes(
    run: Run, tmp_path: Path, concurrency: str
) -> None:
    with FakeServer(never_twice()) as server:
        cast = ("--doctor", named(server), "--patient", named(server), "--repeats", "3")
        cold = run("cold", *cast, "--cache", "readwrite", "--concurrency", concurrency, scenarios=TWO)
        asked = len(server.requests)
        warm = run("warm", *cast, "--cache", "read", "--concurrency", concurrency, scenarios=TWO)
        assert len(server.requests) == asked
    assert (cold[0], warm[0]) == (0, 0)
    assert logs(tmp_path / "warm") == logs(tmp_path / "cold")
    assert len(logs(tmp_path / "cold")) == 6
    before, after = calls(tmp_path / "cold"), calls(tmp_path / "warm")
    assert len(before) == len(after) == asked - 1  # the check before the start
    assert not any(c["cached"] for c in before)
    assert all((c["cached"], c["usd"]) == (True, 0) for c in after)
    assert "replies from the cache" in warm[2]


def test_changing_one_parameter_asks_again(run: Run, tmp_path: Path) -> None:
    with FakeServer(never_twice()) as server:
        for name, temperature in (("a", "0.7"), ("b", "0.8")):
            doctor = ("--doctor", named(server), "--doctor-arg", f"temperature={temperature}")
            assert run(name, *doctor, "--cache", "readwrite")[0] == 0
    assert [c["cached"] for c in calls(tmp_path / "b")] == [False] * 3


def test_replies_that_cannot_be_read_are_kept_too(run: Run, tmp_path: Path) -> None:
    def reply(messages: Messages) -> Answer:
        return "ORDER:" if len(messages) < 8 else ENDS

    with FakeServer(reply) as server:
        doctor = ("--doctor", named(server), "--max-turns", "9")
        run("a", *doctor, "--cache", "readwrite")
        asked = len(server.requests)
        run("b", *doctor, "--cache", "readwrite")
    assert len(server.requests) == asked
    assert logs(tmp_path / "a") == logs(tmp_path / "b")
    assert '"unparsed"' in "".join(logs(tmp_path / "a").values())


def test_tool_calls_come_back_from_the_cache(run: Run, tmp_path: Path) -> None:
    def reply(messages: Messages) -> Answer:
        if messages[-1]["role"] == "tool" or len(messages) > 4:
            return calling(("diagnose", {"differential": ["acute pericarditis"]}))
        return calling(("ask", {"text": "When did it start?"}), ("order_tests", {"items": ["ECG"]}))

    with FakeServer(reply) as server:
        doctor = ("--doctor", f"tools={named(server)}")
        run("a", *doctor, "--cache", "readwrite")
        asked = len(server.requests)
        run("b", *doctor, "--cache", "read")
    assert len(server.requests) == asked
    assert logs(tmp_path / "a") == logs(tmp_path / "b")


def test_errors_are_not_kept(run: Run, tmp_path: Path) -> None:
    broken = [True]
    with FakeServer(lambda m: TOO_LONG if broken[0] and m[0]["role"] == "system" else ENDS) as server:
        doctor = ("--doctor", named(server), "--cache", "readwrite")
        assert run("a", *doctor)[0] == 1
        broken[0] = False
        assert run("b", *doctor)[0] == 0
        assert run("a", *doctor, "--resume")[0] == 0
    assert [c.get("error") for c in calls(tmp_path / "a")] == ["refused", None]


def test_a_consultation_that_kept_replies_broke_is_tried_again_with_new_ones(
    run: Run, tmp_path: Path
) -> None:
    """A patient that twice says nothing ends its consultation; --resume must not find that in the cache."""
    silent = [True]
    with (
        FakeServer(never_twice(2)) as doctor,
        FakeServer(lambda _: "" if silent[0] else "Two days.") as patient,
    ):
        cast = ("--doctor", named(doctor), "--patient", named(patient), "--cache", "readwrite")
        assert run("a", *cast)[0] == 1
        silent[0] = False
        assert run("a", *cast, "--resume")[0] == 0
        asked = len(doctor.requests) + len(patient.requests)
        assert run("b", *cast)[0] == 1
        assert run("b", *cast, "--resume")[0] == 0
    assert len(doctor.requests) + len(patient.requests) == asked
    assert logs(tmp_path / "b") == logs(tmp_path / "a")


def test_who_asks_the_same_at_the_same_moment_gets_the_same(run: Run, tmp_path: Path) -> None:
    with FakeServer(never_twice(), latency=0.02) as server:
        doctor = ("--doctor", named(server), "--doctor-arg", "seed=1", "--repeats", "6")
        run("cold", *doctor, "--cache", "readwrite")
        asked = len(server.requests)
        run("warm", *doctor, "--cache", "read")
        assert len(server.requests) == asked
    assert logs(tmp_path / "warm") == logs(tmp_path / "cold")


def test_two_processes_fill_one_cache_and_both_are_made_again_from_it(run: Run, tmp_path: Path) -> None:
    with FakeServer(never_twice(), latency=0.01) as server:
        cast = ("--doctor", named(server), "--patient", named(server), "--repeats", "4", "--concurrency", "2")
        command = ("run", "--scenarios", CHEST, *cast, "--cache", "readwrite")
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "clinicenv", *command, "--out", str(tmp_path / name)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for name in ("a", "b")
        ]
        assert [p.wait(60) for p in processes] == [0, 0]
        asked = len(server.requests)
        assert run("warm", *cast, "--cache", "read")[0] == 0
        assert len(server.requests) == asked
    assert logs(tmp_path / "a") == logs(tmp_path / "b") == logs(tmp_path / "warm")


@pytest.mark.parametrize(
    "options", [("--cache", "off"), ("--cache", "read"), ("--cache", "readwrite", "--dry-run")]
)
def test_no_file_is_touched_where_nothing_is_to_be_kept(run: Run, tmp_path: Path, options: Any) -> None:
    with FakeServer(never_twice()) as server:
        assert run("r", "--doctor", named(server), *options)[0] == 0
    assert [p.name for p in tmp_path.iterdir()] == ([] if "--dry-run" in options else ["r"])


@pytest.mark.parametrize("mode", ["read", "readwrite"])
def test_a_damaged_cache_is_one_sentence_before_anything_is_asked(
    run: Run, tmp_path: Path, mode: str
) -> None:
    file = tmp_path / "cache" / "replies.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 100)
    with FakeServer(never_twice()) as server:
        code, out, err = run("r", "--doctor", named(server), "--cache", mode)
    assert (code, out, server.requests) == (2, "", [])
    assert is_one_sentence(err)
    assert str(file) in err
    assert file.read_bytes() == b"no database at all" * 100
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


# The ceiling


def test_a_reply_that_is_no_use_is_paid_for_all_the_same(
    run: Run, tmp_path: Path, prices: Callable[..., None]
) -> None:
    body = completion("<think>on and on", [{"role": "user", "content": "Hello"}])
    body["choices"][0]["finish_reason"] = "length"
    with FakeServer(lambda m: (200, body) if len(m) > 1 else "Hello.") as server:
        prices(named(server))
        assert run("r", "--doctor", named(server))[0] == 1
    (record,) = calls(tmp_path / "r")
    assert record["error"] == "bad_reply"
    assert record["completion_tokens"] == body["usage"]["completion_tokens"]
    assert record["usd"] > 0
    (result,) = lines(tmp_path / "r" / "results.jsonl")
    assert result["usd"] == record["usd"]


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives models of a server a price."""

    def prices(*models: str) -> None:
        file = tmp_path / "prices.yaml"
        file.write_text(yaml.safe_dump({model: {"input": 1.0, "output": 10.0} for model in models}))
        monkeypatch.setenv("CLINICENV_PRICES", str(file))

    return prices


def most_usd(run: Run, *arguments: str) -> float:
    """The most that one consultation may cost, as --dry-run tells."""
    code, out, _ = run("never", *arguments, "--repeats", "1", "--dry-run", "--json")
    assert code == 0
    return float(json.loads(out)["models"]["seats"][0]["most"]["usd"])


def test_nothing_is_started_that_could_pass_the_ceiling_and_resume_goes_on(
    run: Run, tmp_path: Path, prices: Callable[..., None]
) -> None:
    with FakeServer(lambda _: ENDS) as server:
        prices(named(server))
        doctor = ("--doctor", named(server), "--repeats", "8")
        most = most_usd(run, *doctor)
        run("one", "--doctor", named(server))
        (cost,) = (c["usd"] for c in calls(tmp_path / "one"))
        assert 0 < cost < most / 10
        del server.requests[:]
        code, out, err = run("r", *doctor, "--max-cost", str(most + 2.5 * cost))
        assert (code, len(logs(tmp_path / "r")), len(server.requests)) == (0, 3, 4)  # the check is a request
        assert "5 consultations left to play" in err
        found = re.search(r"to go on: --resume --max-cost (\S+) or more", err)
        assert found
        code, out, err = run("r", *doctor, "--resume", "--max-cost", str(most + 4.5 * cost), "--json")
        assert (code, json.loads(out)["left"], len(logs(tmp_path / "r"))) == (0, 3, 5)
        code, out, err = run("r", *doctor, "--resume", "--max-cost", found[1])
        assert (code, len(logs(tmp_path / "r"))) == (0, 8)
        assert "left to play" not in err
    assert len(calls(tmp_path / "r")) == 8


def test_consultations_at_once_are_no_more_than_the_ceiling_has_room_for(
    run: Run, tmp_path: Path, prices: Callable[..., None]
) -> None:
    with FakeServer(lambda _: ENDS, latency=0.03) as server:
        prices(named(server))
        doctor = ("--doctor", named(server), "--repeats", "9")
        most = most_usd(run, *doctor)
        code, _, err = run("r", *doctor, "--max-cost", str(4.5 * most))
        assert (code, len(logs(tmp_path / "r"))) == (0, 9)  # what the first did not need is for the others
        assert server.most_in_flight == 4
    assert "left to play" not in err


def test_what_costs_nothing_is_played_under_any_ceiling(run: Run, tmp_path: Path) -> None:
    assert run("r", "--doctor", "guess", "--max-cost", "0")[0] == 0
    assert len(logs(tmp_path / "r")) == 1


def test_a_ceiling_that_has_room_for_none_plays_none(
    run: Run, tmp_path: Path, prices: Callable[..., None]
) -> None:
    with FakeServer(lambda _: ENDS) as server:
        prices(named(server))
        code, out, err = run("r", "--doctor", named(server), "--max-cost", "0")
    assert (code, out) == (0, "")
    assert "$0 of $0 spent, 1 consultation left to play" in err
    assert calls(tmp_path / "r") == []


def unlimited(folder: Path) -> str:
    """A card whose replies have no limit."""
    file = folder / "endless.yaml"
    text = (ROOT / "agents" / "doctor" / "chat.yaml").read_text()
    file.write_text(text.replace("name: chat", "name: endless").replace(", max_tokens: 1024", ""))
    return str(file)


@pytest.mark.parametrize(
    ("seats", "priced", "says"),
    [
        (("--doctor", "MODEL"), False, "has none; add it to prices.yaml"),
        (("--doctor", "guess", "--moderator", "MODEL"), False, "has none; add it to prices.yaml"),
        (("--doctor", "CARD=MODEL"), True, "needs a limit to every reply"),
        (("--doctor", "MODEL", "--max-cost", "nan"), True, "cannot be"),
    ],
)
def test_what_cannot_be_reckoned_is_told_before_anything_is_asked_or_written(
    run: Run, tmp_path: Path, prices: Callable[..., None], seats: tuple[str, ...], priced: bool, says: str
) -> None:
    with FakeServer(lambda _: ENDS) as server:
        prices(named(server) if priced else "openai:other")
        card = unlimited(tmp_path)
        before = sorted(tmp_path.iterdir())
        cast = [part.replace("CARD", card).replace("MODEL", named(server)) for part in seats]
        code, out, err = run("r", "--max-cost", "5", *cast, scenarios="all")
        assert (code, out, server.requests) == (2, "", [])
    assert is_one_sentence(err)
    assert says in err
    assert sorted(tmp_path.iterdir()) == before


# The estimate


def test_a_dry_run_tells_calls_tokens_and_cost_and_asks_nobody(
    run: Run, tmp_path: Path, prices: Callable[..., None]
) -> None:
    with FakeServer(lambda _: ENDS) as server:
        prices(named(server))
        cast = ("--doctor", named(server), "--patient", named(server), "--repeats", "2")
        code, out, _ = run("r", *cast, "--dry-run", scenarios=TWO)
        assert code == 0
        assert re.search(r"doctor +│ openai:tiny", out)
        assert re.search(r"at most +│ +[\d,]+ │ +[\d,]+ │ +[\d,]+ │ +\$\d", out)
        told = json.loads(run("r", *cast, "--dry-run", "--json", scenarios=TWO)[1])
        assert (told["consultations"], told["left"]) == (4, 4)
        assert [seat["role"] for seat in told["models"]["seats"]] == ["doctor", "patient"]
        assert all(0 < s["likely"]["usd"] < s["most"]["usd"] for s in told["models"]["seats"])
        assert server.requests == []
    assert [p.name for p in tmp_path.iterdir()] == ["prices.yaml"]


def test_a_dry_run_of_a_started_run_tells_what_is_left_by_what_was_used(run: Run, tmp_path: Path) -> None:
    with FakeServer(lambda _: ENDS) as server:
        doctor = ("--doctor", named(server))
        run("r", *doctor)
        asked = len(server.requests)
        spec = yaml.safe_load(run("r", *doctor, "--repeats", "3", "--print-spec")[1])
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
        arguments = (str(tmp_path / "spec.yaml"), "--resume", "--dry-run", "--json")
        told = json.loads(run("r", *arguments)[1])
    assert (told["consultations"], told["left"]) == (3, 2)
    assert told["models"]["seats"][0]["likely"]["calls"] == 2  # one call each, as in the finished one
    assert len(server.requests) == asked


NOTHING_READ = "ORDER:" + " " * 400 + "."
FEATURES = {
    "chat": {},
    "tools": {"protocol": "tools"},
    "thinks twice": {"reflect": True},
    "keeps notes": {"notebook": 400},
    "steps": {
        "steps": [
            {"name": "analyse", "prompt": "Analyse.", "output": "analysis"},
            {"name": "respond", "prompt": "Now answer."},
        ],
        "max_questions": 1,
    },
}


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("said", [NOTHING_READ, "How is it now? " * 26, ENDS + " rest" * 70])
def test_no_server_makes_a_doctor_ask_more_than_the_estimate(
    run: Run, tmp_path: Path, feature: str, said: str
) -> None:
    """Replies of as many bytes as may be tokens; prompts are counted in bytes, which no tokenizer exceeds."""
    data = yaml.safe_load((ROOT / "agents" / "doctor" / "chat.yaml").read_text())
    data |= {"name": "own", "sampling": {"max_tokens": len(said)}, **FEATURES[feature]}
    card = tmp_path / "own.yaml"
    card.write_text(yaml.safe_dump(data))
    with FakeServer(lambda _: said) as server:
        cast = ("--doctor", f"{card}={named(server)}", "--max-turns", "4", "--repeats", "2")
        told = json.loads(run("r", *cast, "--dry-run", "--json")[1])
        run("r", *cast)
        asked = server.requests[1:]
    most = told["models"]["seats"][0]["most"]
    read = sum(len(m["content"].encode()) for seen in asked for m in seen.body["messages"] if m["content"])
    read += sum(len(json.dumps(seen.body.get("tools", []))) for seen in asked)
    assert 0 < len(asked) <= most["calls"]
    assert read <= most["prompt_tokens"]
    assert len(asked) * len(said) <= most["completion_tokens"]


# What was spent


def test_tokens_and_cost_are_told_by_role_model_and_step(
    run: Run, tmp_path: Path, prices: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer(never_twice()) as server:
        prices(named(server))
        code, _, _ = run("r", "--doctor", f"amie={named(server)}", "--patient", named(server))
        assert code == 0
    (result,) = lines(tmp_path / "r" / "results.jsonl")
    made = calls(tmp_path / "r")
    by_place: Counter[tuple[str, str, str]] = Counter((c["role"], c["model"], c["step"]) for c in made)
    rows = {(r["role"], r["model"], r["step"]): r for r in result["usage"]}
    assert {place: row["calls"] for place, row in rows.items()} == dict(by_place)
    assert {step for role, _, step in rows if role == "doctor"} >= {"analyse", "respond", "refine"}
    assert result["tokens"] == sum(c["prompt_tokens"] + c["completion_tokens"] for c in made)
    assert result["usd"] == pytest.approx(sum(c["usd"] for c in made))
    assert result["usd"] == pytest.approx(
        sum(c["prompt_tokens"] + 10 * c["completion_tokens"] for c in made) / 1e6
    )
    assert call(["show", str(tmp_path / "r"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {(r["role"], r["model"], r["step"]): r["calls"] for r in shown["calls"]} == dict(by_place)
    assert call(["show", str(tmp_path / "r")]) == 0
    table = capsys.readouterr().out
    assert re.search(r"doctor +│ openai:tiny\S* *│ analyse", table)
    assert f"All tries of this run: {len(made)} calls" in table


# Interruption


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_was_interrupted_goes_on_and_nothing_finished_is_asked_again(
    run: Run, tmp_path: Path, how: signal.Signals
) -> None:
    folder = tmp_path / "r"
    with FakeServer(never_twice(), latency=0.03) as server:
        arguments = ("--doctor", named(server), "--repeats", "30", "--concurrency", "3")
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "clinicenv",
                "run",
                "--scenarios",
                CHEST,
                *arguments,
                "--out",
                str(folder),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        log, deadline = folder / "trajectories.jsonl", time.monotonic() + 30
        while not (log.exists() and log.read_bytes().count(b"\n") >= 4) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(how)
        assert process.wait(30) == (130 if how is signal.SIGINT else -signal.SIGKILL)
        before, made = logs(folder), len(calls(folder))
        assert 4 <= len(before) < 30
        assert len(server.requests) - 1 - 3 <= made <= len(server.requests) - 1  # 3 were in flight
        assert made >= 3 * len(before)
        del server.requests[:]
        assert run("r", *arguments, "--resume")[0] == 0
        assert len(server.requests) == 3 * (30 - len(before)) + 1
    after = logs(folder)
    assert len(after) == len((folder / "trajectories.jsonl").read_text().splitlines()) == 30
    assert before.items() <= after.items()
    assert not before.keys() & {c["key"] for c in calls(folder)[made:]}


def test_a_finished_run_needs_no_server(run: Run, tmp_path: Path) -> None:
    with FakeServer(lambda _: ENDS) as server:
        doctor = ("--doctor", named(server))
        assert run("r", *doctor)[0] == 0
    assert run("r", *doctor, "--resume")[0] == 0
    assert len(logs(tmp_path / "r")) == 1


# Local models


SERVES = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, model, noted = int(sys.argv[1]), sys.argv[2], sys.argv[3]

def alive(pid):
    try:
        os.kill(pid, 0)
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

others = [json.loads(line) for line in open(noted)] if os.path.exists(noted) else []
beside = [note["model"] for note in others if alive(note["pid"])]
with open(noted, "a") as f:
    f.write(json.dumps({"model": os.path.basename(model), "pid": os.getpid(), "beside": beside}) + "\\n")

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({})

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "DIAGNOSE: acute pericarditis"}
        usage = {"prompt_tokens": 7, "completion_tokens": 2}
        self.answer({"choices": [{"message": message}], "usage": usage})

    def answer(self, data):
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders `small`, `other` and `third` hold models of a few bytes; the file has a note of each start."""
    noted, program = tmp_path / "noted.jsonl", tmp_path / "serves.py"
    program.write_text(SERVES)
    for name in ("small", "other", "third"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(
        "clinicenv.models.local.serving_command",
        lambda model, port, share: [sys.executable, str(program), str(port), model, str(noted)],
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    yield noted
    local.close()


def test_local_models_that_do_not_fit_together_are_served_in_turn(
    run: Run, tmp_path: Path, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "2.5")  # each needs 1 GB beside its weights: two fit
    cast = [part for name in ("small", "other", "third") for part in ("--doctor", f"local:{name}")]
    code, _, err = run("r", *cast, "--doctor", "guess", "--repeats", "3")
    assert code == 0, err
    results = lines(tmp_path / "r" / "results.jsonl")
    assert Counter(r["arm"] for r in results) == {
        "local:small": 3, "local:other": 3, "local:third": 3, "guess": 3,
    }  # fmt: skip
    notes = lines(served)
    assert Counter(note["model"] for note in notes) == {"small": 1, "other": 1, "third": 1}
    (last,) = (note for note in notes if note["model"] == "third")
    assert last["beside"] == []
    assert [r["arm"] for r in results[-3:]] == ["local:third"] * 3


def test_local_models_that_fit_together_are_served_together(
    run: Run, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "2.5")
    assert run("r", "--doctor", "local:small", "--doctor", "local:other", "--repeats", "2")[0] == 0
    assert len(lines(served)) == 2


def test_a_local_model_that_cannot_be_served_keeps_what_was_played_and_resume_goes_on(
    run: Run, tmp_path: Path, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "1.5")
    program = tmp_path / "serves.py"
    program.write_text('import sys; "other" in sys.argv[2] and sys.exit("no such tensor")' + SERVES)
    cast = ("--doctor", "local:small", "--doctor", "local:other", "--repeats", "2")
    code, _, err = run("r", *cast)
    assert code == 2
    assert is_one_sentence("".join(line for line in err.splitlines(True) if "ended with exit code" in line))
    assert "no such tensor" in err
    before = logs(tmp_path / "r")
    assert len(before) == 2
    local.close()
    program.write_text(SERVES)
    assert run("r", *cast, "--resume")[0] == 0
    assert len(logs(tmp_path / "r")) == 4
    assert before.items() <= logs(tmp_path / "r").items()
    assert [note["model"] for note in lines(served)] == ["small", "other"]


def test_one_local_model_is_not_started_where_the_cache_has_all(
    run: Run, tmp_path: Path, served: Path
) -> None:
    assert run("a", "--doctor", "local:small", "--cache", "readwrite")[0] == 0
    local.close()
    assert run("b", "--doctor", "local:small", "--cache", "read")[0] == 0
    assert len(lines(served)) == 1
    assert logs(tmp_path / "a") == logs(tmp_path / "b")


def test_a_local_model_that_never_fits_is_told_before_anything_is_written(
    run: Run, tmp_path: Path, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "0.5")
    code, out, err = run("r", "--doctor", "guess", "--doctor", "local:small")
    assert (code, out) == (2, "")
    assert is_one_sentence(err)
    assert "local:small needs about 1.0 GB of memory and 0.5 GB are free" in err
    assert not (tmp_path / "r").exists()
    assert not served.exists()


def test_a_local_model_that_is_not_there_is_told_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    code, _, said = run("r", "--doctor", f"local:{tmp_path}/nowhere")
    assert code == 2
    assert "there is no such folder" in said
    assert not (tmp_path / "r").exists()
