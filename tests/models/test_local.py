"""Local models: one server for all who ask, what it may see, what is said when it fails, and that it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from clinicenv.files import InputError
from clinicenv.models import local, loop, memory
from clinicenv.models.call import ModelError, Request
from clinicenv.models.local import LocalModel
from clinicenv.models.memory import GB, in_turn

PROGRAM = '''
"""Stands for `transformers serve`: PORT MODEL MODE. Notes what it is and sees in MODEL/seen.jsonl."""
import json, os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, model, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3]

def note(**what):
    with open(model + "/seen.jsonl", "a") as f:
        f.write(json.dumps(what) + "\\n")

child = subprocess.Popen(["sleep", "600"]).pid
note(pid=os.getpid(), child=child, environment=dict(os.environ))
print("loading weights", flush=True)
if mode == "fails":
    print("\\x1b[31mno such\\ttensor\\x1b[0m", flush=True)
    sys.exit(3)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "hangs":
    time.sleep(600)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"status": "ok"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        note(body=body, headers=dict(self.headers))
        if mode == "dies":
            print("out of memory", flush=True)
            os._exit(9)
        if mode == "refuses":
            return self.answer({"detail": "no"}, 400)
        said = {"role": "assistant", "content": "Hello."}
        usage = {"prompt_tokens": 7, "completion_tokens": 2}
        self.answer({"choices": [{"message": said, "finish_reason": "stop"}], "usage": usage})

    def answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
'''

ASK = Request([{"role": "user", "content": "Hello?"}])


class Served:
    """A model's folder, the program that serves it, and what that program noted."""

    def __init__(self, folder: Path, mode: str = "works") -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        self.folder, self.mode, self.program = folder, mode, folder / "program.py"
        self.program.write_text(PROGRAM)

    def command(self, model: str, port: int, share: float) -> list[str]:
        return [sys.executable, str(self.program), str(port), model, self.mode]

    def model(self, **settings: Any) -> LocalModel:
        return LocalModel(str(self.folder), command=self.command, **settings)

    def seen(self, field: str) -> list[Any]:
        lines = (self.folder / "seen.jsonl").read_text().splitlines()
        return [note[field] for line in lines if field in (note := json.loads(line))]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    """Makes models to serve; at the end no server of this process is left. Logs are under `tmp_path`."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield lambda name="model", mode="works": Served(tmp_path / name, mode)
    local.close()


def ask(model: LocalModel) -> str:
    return loop.run(model.complete(ASK)).text


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(*pids: int, within: float = 5.0) -> bool:
    until = time.monotonic() + within
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(alive, pids))


# Serving


def test_one_server_is_started_for_all_who_ask_at_once(served: Callable[..., Served]) -> None:
    one = served()

    async def all_at_once() -> list[str]:
        models = [one.model() for _ in range(6)]
        return [r.text for r in await asyncio.gather(*(m.complete(ASK) for m in models))]

    assert loop.run(all_at_once()) == ["Hello."] * 6
    assert len(one.seen("pid")) == 1
    assert {body["model"] for body in one.seen("body")} == {str(one.folder)}


def test_a_reply_has_its_usage_and_the_model_its_own_name(served: Callable[..., Served]) -> None:
    model = served().model()
    loop.run(model.probe())
    usage = loop.run(model.complete(ASK)).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 2)
    assert str(model).startswith("local:/")
    assert str(model).endswith("/model")


def test_no_key_and_no_prompt_goes_elsewhere(
    served: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-canary-0123456789"
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "VLLM_API_KEY"):
        monkeypatch.setenv(name, key)
    for name in ("OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/v1")
    one = served()
    assert ask(one.model(retries=0)) == "Hello."
    assert key not in (one.folder / "seen.jsonl").read_text()
    (environment,) = one.seen("environment")
    assert environment["HF_HUB_OFFLINE"] == environment["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_the_same_folder_by_another_name_is_the_same_model(
    served: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = served()
    monkeypatch.chdir(one.folder.parent)
    ask(one.model())
    ask(LocalModel("./model", command=one.command))
    assert len(one.seen("pid")) == 1


def test_serving_others_ends_those_that_are_not_needed(served: Callable[..., Served]) -> None:
    a, b, c = served("a"), served("b"), served("c")

    def command(model: str, port: int, share: float) -> list[str]:
        return a.command(model, port, share)

    local.serve([str(a.folder), str(b.folder)], command)
    local.serve([str(b.folder), str(c.folder)], command)
    assert not alive(a.seen("pid")[0])
    assert not alive(a.seen("child")[0])
    assert len(b.seen("pid")) == 1
    local.close(keep=[str(c.folder)])
    assert not alive(b.seen("pid")[0])
    assert alive(c.seen("pid")[0])
    local.close()
    assert not alive(c.seen("pid")[0])
    assert ask(c.model()) == "Hello."
    assert len(c.seen("pid")) == 2
    local.close()
    assert not list(c.folder.parent.glob("*.log")), "a log that nobody was told of is removed"


# Failing


def test_a_server_that_ends_shows_the_end_of_its_log(served: Callable[..., Served]) -> None:
    one = served(mode="fails")
    for _ in range(2):
        with pytest.raises(ModelError) as caught:
            ask(one.model())
        said = str(caught.value)
        assert f"local:{one.folder}: its server ended with exit code 3" in said
        assert "loading weights | [31mno such tensor" in said
        assert "\x1b" not in said
    assert len(one.seen("pid")) == 1, "it is not started again for each call"
    log = Path(said.split("its log, ")[1].split(",", maxsplit=1)[0])
    assert "loading weights" in log.read_text()


def test_a_server_that_dies_later_says_why(served: Callable[..., Served]) -> None:
    one = served(mode="dies")
    with pytest.raises(ModelError, match=r"exit code 9.*out of memory") as caught:
        ask(one.model(retries=1))
    assert caught.value.kind == "server"


def test_a_server_that_never_gets_ready_is_given_up(
    served: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PATIENCE", 1.0)
    one = served(mode="hangs")
    with pytest.raises(ModelError, match=r"was not ready within 1 s; its log, .*loading weights"):
        ask(one.model())
    assert gone(*one.seen("pid"), *one.seen("child"))


def test_a_refused_request_is_told_of_the_model_not_of_a_port(served: Callable[..., Served]) -> None:
    one = served(mode="refuses")
    with pytest.raises(ModelError) as caught:
        ask(one.model(retries=0))
    assert str(caught.value).startswith(f"local:{one.folder}: the server refused the request")
    assert "127.0.0.1" not in str(caught.value)


def test_what_is_no_model_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.gguf").touch()
    for model, why in (
        (str(tmp_path / "nowhere"), "there is no such folder"),
        ("./nowhere", "there is no such folder"),
        (str(tmp_path / "empty"), "has no config.json"),
        (str(tmp_path / "file.gguf"), "this is a file"),
    ):
        with pytest.raises(InputError, match=why):
            LocalModel(model)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'clinicenv\[local\]'"):
        LocalModel("some/model")


# Ending

PARENT = """
import os, subprocess, sys, time
from clinicenv.models import loop
from clinicenv.models.call import Request
from clinicenv.models.local import LocalModel

model = LocalModel(sys.argv[1], command=lambda model, port, share: [
    sys.executable, sys.argv[2], str(port), model, sys.argv[3]])
loop.run(model.complete(Request([{"role": "user", "content": "Hello?"}])))
others = [subprocess.Popen(["sleep", "600"], close_fds=False).pid]
if (forked := os.fork()) == 0:
    time.sleep(600)
    os._exit(0)
print(*others, forked, flush=True)
time.sleep(600 if sys.argv[4] == "waits" else 0)
"""


def parent(one: Served, then: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A process that has the model served and other children besides; and the pids of those."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(one.folder), str(one.program), one.mode, then],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize("mode", ["works", "stubborn"])
def test_killing_the_parent_ends_the_server_and_all_that_it_started(
    served: Callable[..., Served], mode: str
) -> None:
    one = served(mode=mode)
    process, others = parent(one, "waits")
    server = [*one.seen("pid"), *one.seen("child")]
    try:
        assert all(map(alive, [*server, *others]))
        os.kill(process.pid, signal.SIGKILL)
        assert gone(*server, within=5)
        assert all(map(alive, others)), "the parent's other children do not keep it"
    finally:
        for pid in (process.pid, *others):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def test_a_parent_that_ends_leaves_no_server(served: Callable[..., Served]) -> None:
    one = served()
    process, others = parent(one, "ends")
    assert process.wait(timeout=20) == 0
    assert not any(map(alive, one.seen("pid") + one.seen("child")))
    for pid in others:
        os.kill(pid, signal.SIGKILL)


def test_a_forked_child_that_ends_leaves_its_parents_server(served: Callable[..., Served]) -> None:
    one = served()
    assert ask(one.model()) == "Hello."
    if (child := os.fork()) == 0:
        local.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert ask(one.model()) == "Hello."
    assert len(one.seen("pid")) == 1


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(served: Callable[..., Served]) -> None:
    one = served()
    ask(one.model())
    (server,) = one.seen("pid")
    assert os.getpgid(server) != os.getpgrp()
    assert os.getsid(server) != os.getsid(0)


@pytest.mark.parametrize(("end", "code"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_the_watchdog_exits_as_its_command_does(tmp_path: Path, end: str, code: int) -> None:
    log = tmp_path / "log"
    watchdog = [sys.executable, "-m", "clinicenv.models.watchdog", str(log), "--"]
    with subprocess.Popen(
        [*watchdog, "sh", "-c", f"echo out; echo err >&2; {end}"], stdin=subprocess.PIPE
    ) as p:
        assert p.wait(timeout=20) == code
    assert log.read_text() == "out\nerr\n"


def test_the_watchdog_says_when_there_is_no_such_program(tmp_path: Path) -> None:
    log = tmp_path / "log"
    watchdog = [sys.executable, "-m", "clinicenv.models.watchdog", str(log), "--", "/nowhere/program"]
    assert subprocess.run(watchdog, stdin=subprocess.PIPE, check=False).returncode == 127
    assert "/nowhere/program: No such file" in log.read_text()


# Memory

names = st.sampled_from("abcde")
needs = st.lists(st.frozensets(names, max_size=3), max_size=20)
sizes = st.fixed_dictionaries({name: st.none() | st.integers(0, 8 * GB) for name in "abcde"})


@given(needs, sizes)
def test_every_item_is_served_once_in_order_and_fits(
    needs: list[frozenset[str]], sizes: dict[str, int | None]
) -> None:
    free = 32 * GB
    phases = in_turn(needs, sizes, free)
    assert sorted(item for phase in phases for item in phase.items) == list(range(len(needs)))
    for phase in phases:
        assert phase.items == sorted(phase.items)
        assert phase.models == frozenset().union(*(needs[item] for item in phase.items))
        unknown = [m for m in phase.models if sizes[m] is None]
        assert sum(memory.need(size) for m in phase.models if (size := sizes[m]) is not None) <= free
        if unknown:
            assert any(needs[item] == phase.models for item in phase.items)


def test_models_that_do_not_fit_together_are_served_in_turn() -> None:
    a, b = frozenset("a"), frozenset("b")
    sizes = {"a": 6 * GB, "b": 6 * GB}
    (together,) = in_turn([a, b, a], sizes, 20 * GB)
    assert together.items == [0, 1, 2]
    first, second = in_turn([a, b, a], sizes, 10 * GB)
    assert (first.items, second.items) == ([0, 2], [1])


def test_an_item_that_needs_more_than_fits_is_refused() -> None:
    with pytest.raises(InputError, match=r"local:a and local:b together need about 16\.4 GB .* 10\.0 GB"):
        in_turn([frozenset("ab")], {"a": 6 * GB, "b": 6 * GB}, 10 * GB)
    with pytest.raises(InputError, match=r"^local:a needs about 13\.0 GB"):
        in_turn([frozenset("a")], {"a": 10 * GB}, 10 * GB)


def test_the_size_is_that_of_the_weights_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("model-1.safetensors", 30), ("model-2.safetensors", 12), ("pytorch_model.bin", 42)):
        (tmp_path / name).write_bytes(b"0" * size)
    assert memory.size_of(str(tmp_path)) == 42
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    stored = tmp_path / "hub" / "models--some--model"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text("abc")
    (stored / "snapshots" / "abc").mkdir(parents=True)
    assert memory.size_of("some/model") is None
    (stored / "snapshots" / "abc" / "model.safetensors").symlink_to(tmp_path / "model-1.safetensors")
    assert memory.size_of("some/model") == 30
    assert memory.size_of("other/model") is None


def test_the_memory_can_be_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "1.5")
    assert memory.free_memory() == 1_500_000_000
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "much")
    with pytest.raises(InputError, match="CLINICENV_MEMORY_GB is `much`"):
        memory.free_memory()


def test_the_free_memory_is_the_gpus_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLINICENV_MEMORY_GB", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert GB / 50 < memory.free_memory() < 10_000 * GB
    smi = tmp_path / "nvidia-smi"
    smi.write_text('#!/bin/sh\ncase "$*" in *--id=1*memory.free*) echo 2048;; *) echo GPU 0;; esac\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    memory._driver.cache_clear()
    try:
        assert memory.free_memory() == 2**31
    finally:
        memory._driver.cache_clear()
