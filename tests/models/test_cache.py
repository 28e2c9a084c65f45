"""The cache gives back what was kept, for exactly what was asked, to any number of users at once."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from conftest import ROOT

from clinicenv.files import InputError
from clinicenv.models.cache import Cache, default_path
from clinicenv.models.call import Reply, Request, ToolCall, Usage

MODEL = "openai:m@http://localhost:8000/v1"
REQUEST = Request(
    messages=[
        {"role": "system", "content": "You are a doctor."},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        },
    ],
    settings={"temperature": 0.7, "seed": 11},
    tools=({"type": "function", "function": {"name": "ask", "parameters": {"type": "object"}}},),
    schema={"type": "object", "properties": {"a": {}, "b": {}}},
)
REPLY = Reply(
    text='Où avez-vous mal ?\n\x00 "痛" \ud83d half a pair',
    reasoning="thinking",
    usage=Usage(100, 20, 60, 5),
    seconds=1.5,
    tries=3,
    finish_reason="tool_calls",
    calls=(ToolCall("c1", "ask", '{"question": "Where?"'), ToolCall("c2", "ask", "not JSON")),
    dropped=("seed",),
)
BARE = Reply(text="", reasoning=None, usage=None, seconds=0.1, tries=1, finish_reason=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "replies.sqlite"


@pytest.mark.parametrize("reply", [REPLY, BARE])
def test_a_reply_comes_back_whole_and_marked_as_cached(path: Path, reply: Reply) -> None:
    Cache(path, "readwrite").put("k", MODEL, reply)
    found = Cache(path, "read").get("k")
    assert found == replace(reply, cached=True, tries=0, seconds=0.0)
    assert Cache(path, "readwrite").get("other") is None


def _changed(**fields: object) -> Request:
    return replace(REQUEST, **fields)  # type: ignore[arg-type]


def test_any_change_of_what_is_asked_is_another_key() -> None:
    image = json.loads(json.dumps(REQUEST.messages).replace("AAAA", "AAAB"))
    keys = [
        Cache.key(MODEL, REQUEST, 0),
        Cache.key(MODEL, REQUEST, 1),
        Cache.key("openai:m", REQUEST, 0),
        Cache.key("openai:m@http://localhost:8001/v1", REQUEST, 0),
        Cache.key(MODEL, _changed(messages=image), 0),
        Cache.key(MODEL, _changed(messages=REQUEST.messages[::-1]), 0),
        Cache.key(MODEL, _changed(settings={"temperature": 0.8, "seed": 11}), 0),
        Cache.key(MODEL, _changed(settings={"temperature": 0.7, "seed": 12}), 0),
        Cache.key(MODEL, _changed(settings={"temperature": 0.7}), 0),
        Cache.key(MODEL, _changed(tools=()), 0),
        Cache.key(MODEL, _changed(schema=None), 0),
        Cache.key(MODEL, _changed(schema={"type": "object", "properties": {"b": {}, "a": {}}}), 0),
    ]
    assert len(set(keys)) == len(keys)


def test_the_same_request_has_the_same_key_in_any_process_and_order_of_settings() -> None:
    again = _changed(settings={"seed": 11, "temperature": 0.7})
    assert Cache.key(MODEL, again, 0) == Cache.key(MODEL, REQUEST, 0)
    fixed = Cache.key("openai:m", Request([{"role": "user", "content": "Hé"}], {"seed": 1}), 0)
    assert fixed == "265bdc055cd5fdb50070105355de89023b4d74946369b10bf74e8138f932ba99"


def test_off_touches_nothing(path: Path) -> None:
    cache = Cache(path, "off")
    cache.put("k", MODEL, BARE)
    assert cache.get("k") is None
    assert not path.parent.exists()


def test_read_finds_but_keeps_nothing(path: Path) -> None:
    empty = Cache(path, "read")
    empty.put("k", MODEL, BARE)
    assert empty.get("k") is None
    assert not path.exists()
    Cache(path, "readwrite").put("k", MODEL, BARE)
    cache = Cache(path, "read")
    cache.put("other", MODEL, BARE)
    assert cache.get("other") is None
    assert cache.get("k") is not None


def test_the_first_reply_stays(path: Path) -> None:
    first, second = Cache(path, "readwrite"), Cache(path, "readwrite")
    first.put("k", MODEL, replace(BARE, text="first"))
    second.put("k", MODEL, replace(BARE, text="second"))
    found = first.get("k")
    assert found is not None
    assert found.text == "first"


def test_the_file_has_model_and_time_for_queries_and_nothing_of_what_was_asked(path: Path) -> None:
    cache = Cache(path, "readwrite")
    cache.put(Cache.key(MODEL, REQUEST, 0), MODEL, BARE)
    cache.close()
    assert cache.get(Cache.key(MODEL, REQUEST, 0)) is None
    rows = sqlite3.connect(path).execute("SELECT model, created FROM replies").fetchall()
    assert rows[0][0] == MODEL
    assert rows[0][1].endswith("+00:00")
    assert b"You are a doctor" not in path.read_bytes()


def test_threads_share_one_cache(path: Path) -> None:
    cache = Cache(path, "readwrite")

    def use(number: int) -> bool:
        cache.put(f"k{number}", MODEL, replace(BARE, text=str(number)))
        found = cache.get(f"k{number}")
        return found is not None and found.text == str(number)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(use, range(400)))


def test_all_who_open_a_new_file_at_the_same_moment_get_it(tmp_path: Path) -> None:
    together = Barrier(8)

    def use(number: int) -> str:
        together.wait(timeout=30)
        cache = Cache(tmp_path / f"{number // 8}.sqlite", "readwrite")
        cache.put(f"k{number}", MODEL, BARE)
        cache.close()
        return f"k{number}"

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(use, range(80)))
    assert all(Cache(tmp_path / f"{number // 8}.sqlite", "read").get(key) for number, key in enumerate(keys))


WRITER = """
import sys
from pathlib import Path
from clinicenv.models.cache import Cache
from clinicenv.models.call import Reply
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
cache = Cache(path, "readwrite")
for number in range(count):
    cache.put(f"{name}{number}", "openai:m", Reply(str(number), None, None, 1.0, 1, None))
    print(number, flush=True)
"""


def _writer(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_write_at_once_from_the_first_moment(path: Path) -> None:
    writers = [_writer(path, name, 300) for name in "abc"]
    for writer in writers:
        _, complaints = writer.communicate(timeout=60)
        assert writer.returncode == 0, complaints
    cache = Cache(path, "read")
    assert all(cache.get(f"{name}{number}") for name in "abc" for number in range(300))


def test_a_killed_process_loses_no_reply(path: Path) -> None:
    writer = _writer(path, "a", 1_000_000)
    assert writer.stdout is not None
    for _ in range(200):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate(timeout=60)
    cache = Cache(path, "readwrite")
    assert all(cache.get(f"a{number}") for number in range(last + 1))
    cache.put("after", MODEL, BARE)
    assert cache.get("after") is not None


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


def _newer(path: Path) -> None:
    Cache(path, "readwrite").close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("mode", ["read", "readwrite"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("not a database, but long enough to be read as one " * 20), "damaged"),
        (lambda path: path.mkdir(), "cannot be used"),
        (_foreign, "another program"),
        (_newer, "newer clinicenv"),
    ],
    ids=["text", "folder", "foreign", "newer"],
)
def test_a_file_that_is_no_cache_is_left_alone_and_said_so(path: Path, mode, make, says) -> None:  # type: ignore[no-untyped-def]
    path.parent.mkdir()
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError, match=says) as caught:
        Cache(path, mode)
    assert str(path) in str(caught.value)
    assert "--cache off" in str(caught.value)
    assert before is None or path.read_bytes() == before


def test_a_cache_that_is_damaged_later_says_what_to_do(path: Path) -> None:
    cache = Cache(path, "readwrite")
    for number in range(300):
        cache.put(f"k{number}", MODEL, replace(BARE, text="x" * 500))
    cache.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(InputError, match="delete it"):
        Cache(path, "read").get("k1")


def test_a_row_that_is_damaged_says_what_to_do(path: Path) -> None:
    cache = Cache(path, "readwrite")
    cache.put("k", MODEL, BARE)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE replies SET reply = '{\"text\": 1'")
    connection.close()
    with pytest.raises(InputError, match="delete it"):
        cache.get("k")


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="CLINICENV_CACHE"):
        Cache(tmp_path / "file" / "replies.sqlite", "readwrite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_in_a_folder_without_write_access_can_be_read(path: Path) -> None:
    writer = Cache(path, "readwrite")
    writer.put("k", MODEL, BARE)
    writer.close()
    path.parent.chmod(0o555)
    try:
        assert Cache(path, "read").get("k") is not None
    finally:
        path.parent.chmod(0o755)


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.delenv("CLINICENV_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_path() == Path("/home/ann/.cache/clinicenv/replies.sqlite")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_path() == Path("/home/ann/.cache/clinicenv/replies.sqlite")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_path() == Path("/caches/clinicenv/replies.sqlite")
    monkeypatch.setenv("CLINICENV_CACHE", "~/mine.sqlite")
    assert default_path() == Path("/home/ann/mine.sqlite")
