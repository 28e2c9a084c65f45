"""A run's folder loses nothing, keeps nothing twice, and says what is left to do."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinicenv.events import (
    Diagnose,
    DoorNote,
    Ended,
    Event,
    Header,
    Outcome,
    RankVerdict,
    Role,
    Say,
    Status,
    Trajectory,
    Verdict,
)
from clinicenv.files import InputError
from clinicenv.runs.results import CALLS, RESULTS, TRAJECTORIES
from clinicenv.runs.store import Store
from clinicenv.scenario import select

SPEC = {"scenarios": ["all"], "seed": 0, "limits": {"turns": 20}}
VERSIONS = {"clinicenv": "0.1.0"}


def consultation(
    key: str, status: Status = "terminated", text: str = "Où avez-vous mal ?\u2028", credit: float = 1.0
) -> Trajectory:
    """A short finished consultation; its text has characters of several bytes and an odd line break."""
    header = Header(
        scenario="sharp-chest-pain-01",
        scenario_hash="0123456789abcdef",
        task="diagnose",
        cast={"doctor": {"agent": {"name": "bayes"}}},
        seed=0,
        repeat=3,
        limits={"turns": 20},
        images="request",
    )
    events = [
        Event(0, 0, Role.CORE, DoorNote("A man of 40 with chest pain.")),
        Event(1, 0, Role.DOCTOR, Say(text + ".")),
    ]
    if status != "error":
        rank = RankVerdict("pericarditis", "exact", "the name", credit)
        events += [
            Event(2, 1, Role.DOCTOR, Diagnose(("pericarditis",))),
            Event(3, 1, Role.CORE, Verdict((rank,), credit, True, False, False, False)),
        ]
    reason = {"terminated": "diagnose", "truncated": "max_turns", "error": "failed"}[status]
    events.append(Event(len(events), 1, Role.CORE, Ended(status, reason)))
    return Trajectory(header, tuple(events), Outcome(status, reason, 2, 5, 1, 80.0, 0.5), key)


def write(folder: Path, spec: object = SPEC, versions: object = VERSIONS, **how: bool) -> Store:
    return Store.create(folder, spec, versions, **{"resume": True, "force": False, **how})  # type: ignore[arg-type]


def fill(folder: Path, *trajectories: Trajectory) -> None:
    with write(folder) as store:
        for trajectory in trajectories:
            store.append(trajectory)


def rebuilt(folder: Path) -> bytes:
    """results.jsonl as made from nothing but trajectories.jsonl and calls.jsonl."""
    kept = (folder / RESULTS).read_bytes()
    (folder / RESULTS).unlink()
    write(folder).close()
    made = (folder / RESULTS).read_bytes()
    (folder / RESULTS).write_bytes(kept)
    return made


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "one"


# What is kept


def test_consultations_are_read_back_as_they_were(run: Path) -> None:
    told = [consultation("aa1"), consultation("ab2", "truncated", credit=0.25), consultation("b3", "error")]
    with write(run) as store:
        store.append(told[0])
        store.append(told[1].to_json())
        store.append(told[2])
        assert store.trajectory("ab2") == told[1]
    store = Store.open(run)
    assert list(store.trajectories()) == told
    assert store.trajectory("b3") == told[2]
    assert store.specification == SPEC
    assert store.versions == VERSIONS


def test_a_result_says_how_a_consultation_went(run: Path) -> None:
    fill(run, consultation("a", credit=0.25), consultation("b", "error"), consultation("c"))
    results = Store.open(run).results()
    a = results["a"]
    assert (a.scenario, a.arm, a.status, a.reason) == (
        "sharp-chest-pain-01",
        "bayes",
        "terminated",
        "diagnose",
    )
    assert (a.turns, a.minutes, a.tests, a.cost, a.repeat) == (2, 5, 1, 80.0, 3)
    assert a.marks == {"credit": 0.25, "correct": False, "diagnosed": True}
    assert results["c"].marks == {"credit": 1.0, "correct": True, "diagnosed": True}
    assert results["b"].marks == {}


def test_other_tasks_have_their_own_right_answer(run: Path) -> None:
    verdict = Event(
        0, 0, Role.CORE, Verdict((RankVerdict("B", "exact", "", 1),), 1, False, False, True, True, False)
    )
    question, talk = consultation("q"), consultation("t")
    fill(
        run,
        replace(question, header=replace(question.header, task="question"), events=(verdict,)),
        replace(
            talk,
            header=replace(talk.header, task="communicate"),
            events=(replace(verdict, what=replace(verdict.what, answer_correct=None)),),
        ),
    )
    results = Store.open(run).results()
    assert results["q"].marks["correct"] is False
    assert results["t"].marks["correct"] is None


def test_errors_are_done_again_and_the_last_line_wins(run: Path) -> None:
    fill(run, consultation("a"), consultation("b", "error"), consultation("c", "error"))
    store = write(run)
    assert store.finished() == {"a"}
    assert (store.attempt("a"), store.attempt("b"), store.attempt("new")) == (1, 1, 0)
    store.append(consultation("b", text="Again"))
    store.append(consultation("c", "error", text="Again"))
    assert store.finished() == {"a", "b"}
    store.close()
    store = Store.open(run)
    assert store.finished() == {"a", "b"}
    assert store.results()["b"].status == "terminated"
    assert [t.key for t in store.trajectories()] == ["a", "b", "c"]
    assert store.trajectory("c") == consultation("c", "error", text="Again")
    assert (run / TRAJECTORIES).read_bytes().count(b"\n") == 5


def test_scenarios_are_kept_as_played(run: Path) -> None:
    scenarios = select("all")
    with write(run) as store:
        for scenario in (*scenarios, *scenarios):
            store.put_scenario(scenario)
    store = Store.open(run)
    assert [store.scenario(s.hash) for s in scenarios] == scenarios
    assert len(list((run / "scenarios").iterdir())) == len(scenarios)


def test_a_scenario_that_was_changed_since_is_refused(run: Path) -> None:
    scenario = select("all")[0]
    with write(run) as store:
        store.put_scenario(scenario)
    path = run / "scenarios" / f"{scenario.hash}.json"
    path.write_text(path.read_text().replace(scenario.title, scenario.title + "!"))
    with pytest.raises(InputError, match="was changed after the run"):
        Store.open(run).scenario(scenario.hash)
    with pytest.raises(InputError, match="cannot be read"):
        Store.open(run).scenario("0" * 16)


def test_text_that_is_no_unicode_does_not_break_the_run(run: Path) -> None:
    fill(run, consultation("a", text="half \ud83d a pair"), consultation("b"))
    store = Store.open(run)
    assert store.trajectory("a").events[1].what == Say("half ? a pair.")
    assert rebuilt(run) == (run / RESULTS).read_bytes()


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[]",
        "no JSON",
        consultation("").to_json(),
        replace(consultation("a"), outcome=None).to_json(),
        consultation("a").to_json() + "\n" + consultation("b").to_json(),
    ],
)
def test_what_is_no_finished_consultation_is_not_written(run: Path, line: str) -> None:
    with write(run) as store:
        store.append(consultation("z"))
        with pytest.raises(ValueError, match=r"trajectory|finished consultation"):
            store.append(line)
        assert store.results().keys() == {"z"}
    assert (run / TRAJECTORIES).read_text() == consultation("z").to_json() + "\n"


def test_a_full_disk_leaves_no_half_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, room = os.write, [100]

    def short(file: int, data: memoryview) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        written = real(file, data[: room[0]])
        room[0] -= written
        return written

    with write(run) as store:
        store.append(consultation("a"))
        before = (run / TRAJECTORIES).read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", short)
            with pytest.raises(InputError, match=r"trajectories\.jsonl: cannot be written: No space left"):
                store.append(consultation("b"))
        assert (run / TRAJECTORIES).read_bytes() == before
        store.append(consultation("c"))
    assert [t.key for t in Store.open(run).trajectories()] == ["a", "c"]


def test_short_writes_are_finished(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
    fill(run, consultation("a"), consultation("b"))
    assert list(Store.open(run).trajectories()) == [consultation("a"), consultation("b")]


# Keys


def test_a_key_may_be_shortened_while_it_is_one(run: Path) -> None:
    fill(run, consultation("abc1"), consultation("abc12"), consultation("b7"))
    store = Store.open(run)
    assert store.find("b") == "b7"
    assert store.find("abc1") == "abc1"
    assert store.find("abc12") == "abc12"
    with pytest.raises(InputError, match="2 keys start with `ab`"):
        store.find("ab")
    with pytest.raises(InputError, match="no consultation of this run has a key like `c`"):
        store.find("c")


# Calls


def tokens_of(store: Store) -> list[int]:
    return [c["prompt_tokens"] + c["completion_tokens"] for c in store.calls()]


def call(key: str, tokens: int) -> dict[str, object]:
    return {"key": key, "role": "doctor", "turn": 0, "prompt_tokens": tokens - 1, "completion_tokens": 1}


def test_tokens_are_those_of_the_try_that_ended_so(run: Path) -> None:
    with write(run) as store:
        store.append_call(call("a", 1000))  # this try is killed: it has calls and no end
        store.append_call(call("b", 7))
        store.append(consultation("b", "error"))
    with write(run) as store:
        store.append_call(call("a", 10))
        store.append_call(call("b", 20))
        store.append_call(call("a", 5))
        store.append(consultation("a"))
        store.append(consultation("b"))
        assert {key: line.tokens for key, line in store.results().items()} == {"a": 15, "b": 20}
    store = Store.open(run)
    assert {key: line.tokens for key, line in store.results().items()} == {"a": 15, "b": 20}
    assert sum(tokens_of(store)) == 1042
    assert [c["attempt"] for c in store.calls()] == [0, 0, 0, 1, 0]
    assert rebuilt(run) == (run / RESULTS).read_bytes()


def test_an_endpoint_that_tells_no_tokens_counts_none(run: Path) -> None:
    with write(run) as store:
        store.append_call({**call("a", 3), "completion_tokens": None})
        store.append_call({"key": "a", "error": "timeout"})
        store.append(consultation("a"))
        assert store.results()["a"].tokens == 2
    assert rebuilt(run) == (run / RESULTS).read_bytes()


def priced(key: str, usd: float | None, **more: object) -> dict[str, object]:
    return {**call(key, 100), "model": "openai:small", "step": "", "usd": usd, "cached": False, **more}


def test_a_result_says_who_asked_which_model_for_what_and_what_it_cost(run: Path) -> None:
    with write(run) as store:
        store.append_call(priced("a", 9.0))  # this try ends as error: it was paid for, the result is another
        store.append(consultation("a", "error"))
        store.append_call(priced("a", 0.1, step="analyse", cached_tokens=64))
        store.append_call(priced("a", 0.2, step="respond"))
        store.append_call(priced("a", 0.1, role="patient", model="local:tiny"))
        store.append_call(priced("a", 0.1, step="analyse"))
        store.append_call(priced("a", 0, step="respond", cached=True))
        store.append_call(priced("a", None, step="respond", error="timeout", prompt_tokens=None))
        store.append(consultation("a"))
        kept = store.results()["a"]
        spent = store.spent().total
    assert (kept.tokens, kept.usd) == (501, 0.5)
    found = {(r["role"], r["model"], r["step"]): r for r in kept.usage}
    assert list(found) == [
        ("doctor", "openai:small", "analyse"),
        ("doctor", "openai:small", "respond"),
        ("patient", "local:tiny", ""),
    ]
    analyse, respond, _ = found.values()
    assert (analyse["calls"], analyse["cached"], analyse["cached_tokens"], analyse["usd"]) == (2, 0, 64, 0.2)
    assert (respond["calls"], respond["cached"], respond["completion_tokens"]) == (3, 1, 3)
    assert respond["usd"] == 0.2
    assert (spent.calls, spent.cached, spent.tokens) == (7, 1, 601)
    assert spent.usd == pytest.approx(9.5)
    assert Store.open(run).results()["a"] == kept
    assert rebuilt(run) == (run / RESULTS).read_bytes()


def test_one_call_without_a_price_leaves_the_cost_open(run: Path) -> None:
    with write(run) as store:
        store.append_call(priced("a", 0.5))
        store.append_call(priced("a", None, role="patient"))
        store.append(consultation("a"))
        store.append(consultation("b"))
        results, spent = store.results(), store.spent().rows
    assert results["a"].usd is None
    assert [row["usd"] for row in results["a"].usage] == [0.5, None]
    assert (results["b"].usd, results["b"].tokens, results["b"].usage) == (0.0, 0, [])
    assert [row.usd for row in spent] == [0.5, None]


def test_calls_from_before_there_were_steps_and_prices_are_read(run: Path) -> None:
    with write(run) as store:
        store.append_call({**call("a", 100), "model": "openai:small", "tries": 1})
        store.append(consultation("a"))
    (row,) = Store.open(run).results()["a"].usage
    assert (row["step"], row["calls"], row["cached"], row["prompt_tokens"], row["usd"]) == (
        "",
        1,
        0,
        99,
        None,
    )


def test_results_from_before_there_were_costs_are_made_again(run: Path) -> None:
    with write(run) as store:
        store.append_call(priced("a", 0.5))
        store.append(consultation("a"))
    now = (run / RESULTS).read_bytes()
    line = json.loads(now)
    del line["usd"], line["usage"]
    (run / RESULTS).write_text(json.dumps(line) + "\n")
    assert Store.open(run).results()["a"].usd == 0.5
    write(run).close()
    assert (run / RESULTS).read_bytes() == now


@pytest.mark.parametrize("wrong", [{"role": 3}, {"model": ["x"]}, {"prompt_tokens": "many"}, {"usd": "dear"}])
def test_a_call_that_is_none_is_named_by_its_line(run: Path, wrong: dict[str, object]) -> None:
    with write(run) as store:
        store.append_call(priced("a", 0.5))
    line = json.loads((run / CALLS).read_text())
    with (run / CALLS).open("a") as f:
        f.write(json.dumps({**line, **wrong}) + "\n")
    with pytest.raises(InputError, match=r"calls\.jsonl:2: this line cannot be read"):
        Store.open(run).spent()


def test_a_torn_call_is_cut_off(run: Path) -> None:
    with write(run) as store:
        store.append_call(call("a", 1))
        store.append_call(call("a", 2))
    raw = (run / CALLS).read_bytes()
    (run / CALLS).write_bytes(raw[:-1])
    assert tokens_of(Store.open(run)) == [1]
    with write(run) as store:
        store.append_call(call("a", 3))
        assert tokens_of(store) == [1, 3]


def test_a_broken_last_call_is_named(run: Path) -> None:
    with write(run) as store:
        store.append_call(call("a", 1))
    with (run / CALLS).open("a") as f:
        f.write("nonsense\n")
    with pytest.raises(InputError, match=r"calls\.jsonl:2: this line cannot be read"):
        write(run)


# Starting and resuming


def test_a_folder_with_something_in_it_needs_resume(run: Path) -> None:
    write(run, resume=False).close()
    with pytest.raises(InputError, match="not empty; use --resume to go on with that run, or another --out"):
        write(run, resume=False)
    with pytest.raises(InputError, match="--resume"):
        write(run, resume=False, force=True)
    write(run).close()


@pytest.mark.parametrize("resume", [True, False])
def test_a_missing_an_empty_and_a_barely_started_folder_are_started(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "barely").mkdir()
    (tmp_path / "barely" / ".lock").touch()
    for name in ("missing/deep", "empty", "barely"):
        with write(tmp_path / name, resume=resume) as store:
            store.append(consultation("a"))
        assert Store.open(tmp_path / name).finished() == {"a"}


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir")
    with pytest.raises(InputError, match=r"no run's folder \(it has no run\.json\)"):
        write(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        write(tmp_path / "letter.txt")
    with pytest.raises(InputError, match=r"no run\.json"):
        Store.open(tmp_path)
    with pytest.raises(InputError, match=r"no run\.json"):
        Store.open(tmp_path / "missing")


@pytest.mark.parametrize(
    ("spec", "versions", "says"),
    [
        ({**SPEC, "seed": 1}, VERSIONS, "the specification changed: `seed` was 0 and is now 1;"),
        ({**SPEC, "limits": {"turns": 9}}, VERSIONS, "`limits.turns` was 20 and is now 9;"),
        ({**SPEC, "images": "none"}, VERSIONS, '`images` was not given and is now "none";'),
        ({"scenarios": ["all"], "limits": {}}, VERSIONS, "`limits.turns` was 20 and is now not given;"),
        (SPEC, {"clinicenv": "9"}, 'the versions changed: `clinicenv` was "0.1.0" and is now "9";'),
    ],
)
def test_a_changed_run_is_refused_unless_forced(run: Path, spec: object, versions: object, says: str) -> None:
    fill(run, consultation("a"))
    with pytest.raises(InputError) as refusal:
        write(run, spec, versions)
    assert says in str(refusal.value)
    assert "--force" in str(refusal.value)
    assert Store.open(run).specification == SPEC
    with write(run, spec, versions, force=True) as store:
        assert store.finished() == {"a"}
    store = Store.open(run)
    assert (store.specification, store.versions) == (spec, versions)


def test_the_same_specification_with_tuples_is_the_same(run: Path) -> None:
    write(run).close()
    write(run, {**SPEC, "scenarios": ("all",)}).close()
    assert json.loads((run / "run.json").read_text()) == {
        "format": 1,
        "specification": SPEC,
        "versions": VERSIONS,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ('{"format": 2}', "not a run of format 1"),
        ('{"format": 1, "specification": {}}', "`versions`"),
    ],
)
def test_a_broken_run_file_is_named(run: Path, text: str, says: str) -> None:
    write(run).close()
    (run / "run.json").write_text(text)
    for attempt in (lambda: Store.open(run), lambda: write(run)):
        with pytest.raises(InputError, match=r"run\.json") as refusal:
            attempt()
        assert says in str(refusal.value).replace("is not", "not")


# One writer


def test_a_second_writer_is_refused_and_readers_are_not(run: Path) -> None:
    with write(run) as store:
        store.append(consultation("a"))
        with pytest.raises(InputError, match="another process is writing to this run"):
            write(run)
        assert Store.open(run).finished() == {"a"}
    write(run).close()


def test_a_writer_in_another_process_is_refused(run: Path) -> None:
    code = (
        "import sys; from clinicenv.runs.store import Store; from clinicenv.files import InputError\n"
        "try: Store.create(sys.argv[1], {}, {}, resume=True, force=True)\n"
        "except InputError as e: print(e)"
    )
    with write(run):
        told = subprocess.run(
            [sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=True
        )
    assert "another process is writing to this run" in told.stdout
    assert Store.open(run).specification == SPEC


def test_a_refused_start_gives_the_lock_back(run: Path) -> None:
    write(run).close()
    with pytest.raises(InputError):
        write(run, {"seed": 5})
    write(run).close()


def test_a_store_that_was_opened_to_read_cannot_write(run: Path) -> None:
    write(run).close()
    store = Store.open(run)
    for attempt in (
        lambda: store.append(consultation("a")),
        lambda: store.append_call(call("a", 1)),
        lambda: store.put_scenario(select("all")[0]),
    ):
        with pytest.raises(RuntimeError, match="to read"):
            attempt()


# Damage


def damaged(folder: Path, how: str) -> None:
    path = folder / RESULTS
    lines = path.read_bytes().splitlines(keepends=True)
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "behind":
        path.write_bytes(b"".join(lines[:2]))
    elif how == "torn":
        path.write_bytes(b"".join(lines)[:-9])
    elif how == "a line is gone":
        path.write_bytes(b"".join(lines[:1] + lines[2:]))
    elif how == "the first line is gone":
        path.write_bytes(b"".join(lines[1:]))
    elif how == "a line twice":
        path.write_bytes(b"".join([*lines, lines[-1]]))
    elif how == "garbage":
        path.write_bytes(b"\xff\x00\n" * 5)
    elif how == "garbage inside":
        path.write_bytes(b"".join([lines[0], b"{}\n", *lines[2:]]))
    elif how == "of another run":
        path.write_bytes(b"".join(lines).replace(b'"key":"a"', b'"key":"z"'))
    elif how == "of an older version":
        path.write_bytes(b"".join(lines).replace(b'"minutes":5,', b""))
    elif how == "of the wrong types":
        path.write_bytes(re.sub(rb'"length":(\d+)', rb'"length":"\1"', b"".join(lines)))


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "empty",
        "behind",
        "torn",
        "a line is gone",
        "the first line is gone",
        "a line twice",
        "garbage",
        "garbage inside",
        "of another run",
        "of an older version",
        "of the wrong types",
    ],
)
def test_results_are_derived_again_wherever_they_do_not_fit(run: Path, how: str) -> None:
    told = [consultation("a"), consultation("b", "error"), consultation("b"), consultation("c", "truncated")]
    fill(run, *told)
    good = (run / RESULTS).read_bytes()
    results = Store.open(run).results()
    damaged(run, how)
    bad = (run / RESULTS).read_bytes() if how != "missing" else None
    store = Store.open(run)
    assert store.results() == results
    assert list(store.trajectories()) == [told[0], told[2], told[3]]
    assert ((run / RESULTS).read_bytes() if how != "missing" else None) == bad, "a reader changes nothing"
    with write(run) as store:
        assert store.results() == results
        store.append(consultation("d"))
    assert (run / RESULTS).read_bytes().startswith(good)
    assert rebuilt(run) == (run / RESULTS).read_bytes()


def test_results_that_fit_spare_reading_the_trajectories(run: Path) -> None:
    fill(run, *(consultation(f"k{n}") for n in range(5)))
    path = run / TRAJECTORIES
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"x" * (len(lines[2]) - 1) + b"\n"
    path.write_bytes(b"".join(lines))
    store = write(run)
    assert len(store.finished()) == 5  # the broken line was not looked at
    with pytest.raises(InputError, match=r"trajectories\.jsonl:3: this line cannot be read"):
        store.trajectory("k2")
    with pytest.raises(InputError, match=r"trajectories\.jsonl:3"):
        list(store.trajectories())
    assert store.trajectory("k4") == consultation("k4")


@pytest.mark.parametrize("broken", [b"nonsense\n", b"\n", b"[]\n", b"{}\n", b'{"key":"a"}\n', b"\xff\n"])
@pytest.mark.parametrize("known", [0, 1, 3])
def test_an_unreadable_line_is_named_when_results_are_made_again(
    run: Path, broken: bytes, known: int
) -> None:
    fill(run, *(consultation(f"k{n}") for n in range(3)))
    results = (run / RESULTS).read_bytes().splitlines(keepends=True)
    path = run / TRAJECTORIES
    lines = path.read_bytes().splitlines(keepends=True)
    place = 3 if known == 3 else 1
    path.write_bytes(b"".join([*lines[:place], broken, *lines[place:]]))
    (run / RESULTS).write_bytes(b"".join(results[:known]))
    for attempt in (lambda: Store.open(run), lambda: write(run)):
        with pytest.raises(InputError, match=rf"trajectories\.jsonl:{place + 1}: this line cannot be read"):
            attempt()


def test_results_that_point_elsewhere_are_not_believed(run: Path) -> None:
    fill(run, *(consultation(f"k{n}") for n in range(4)))
    path = run / RESULTS
    path.write_text(path.read_text().replace('"k1"', '"x"').replace('"k2"', '"k1"').replace('"x"', '"k2"'))
    with pytest.raises(InputError, match=r"results\.jsonl: does not fit trajectories\.jsonl; delete it"):
        Store.open(run).trajectory("k1")


TOLD = [
    consultation("a", "error"),
    consultation("b", text="ü" * 40),
    consultation("a"),
    consultation("c", "truncated"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four consultations and a call for each."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with write(folder) as store:
        for n, trajectory in enumerate(TOLD):
            store.append_call(call(trajectory.key, 10**n))
            store.append(trajectory)
    return folder


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_torn_anywhere_keeps_all_whole_lines(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("torn") / "run"
    shutil.copytree(whole, folder)
    raw = (whole / TRAJECTORIES).read_bytes()
    cut = data.draw(st.integers(0, len(raw)), label="trajectories")
    (folder / TRAJECTORIES).write_bytes(raw[:cut])
    results = (whole / RESULTS).read_bytes()
    (folder / RESULTS).write_bytes(results[: data.draw(st.integers(0, len(results)), label="results")])
    lines = raw[:cut].count(b"\n")
    kept = {t.key: t for t in TOLD[:lines]}

    assert {t.key: t for t in Store.open(folder).trajectories()} == kept
    with write(folder) as store:
        assert {t.key: t for t in store.trajectories()} == kept
        assert store.finished() == {key for key, t in kept.items() if t.outcome.status != "error"}
        assert (folder / TRAJECTORIES).read_bytes() == b"".join(raw.splitlines(keepends=True)[:lines])
        assert (folder / RESULTS).read_bytes() == rebuilt_apart(folder)
        for trajectory in TOLD[lines:]:
            store.append(trajectory)
    assert (folder / TRAJECTORIES).read_bytes() == raw


def rebuilt_apart(folder: Path) -> bytes:
    """As `rebuilt`, in a copy, while the folder is being written."""
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    made = rebuilt(copy)
    shutil.rmtree(copy)
    return made


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 200))
def test_calls_torn_anywhere_keep_all_whole_lines(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("torn") / "run"
    shutil.copytree(whole, folder)
    raw = (whole / CALLS).read_bytes()[:-cut]
    (folder / CALLS).write_bytes(raw)
    with write(folder) as store:
        store.append_call(call("new", 5))
        assert tokens_of(store) == [10**n for n in range(raw.count(b"\n"))] + [5]
        assert list(store.calls())[-1]["session"] == 1


# Killed


def append_until_killed(folder: Path, first: int, told: int) -> None:
    """Appends consultations and calls, and says the number of each one that is safe."""
    with write(folder) as store:
        for n in range(first, first + 1_000_000):
            store.append_call(call(f"{n:06}", n))
            store.append(
                consultation(f"{n:06}", "error" if n % 5 == 0 else "terminated", "x" * (n * 7919 % 20_000))
            )
            os.write(told, f"{n:06}".encode())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_loses_no_line_and_doubles_none(run: Path) -> None:
    moments, safe = random.Random(7), set[str]()
    write(run).close()
    for round_ in range(50):
        reader, told = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                append_until_killed(run, round_ * 10_000, told)
            finally:
                os._exit(1)
        os.close(told)
        time.sleep(moments.uniform(0.005, 0.060))
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "the child failed before it was killed"
        with os.fdopen(reader) as f:
            said = f.read()
        safe |= {said[i : i + 6] for i in range(0, len(said), 6)}
    with write(run) as store:
        keys = [json.loads(line)["key"] for line in (run / TRAJECTORIES).read_bytes().split(b"\n")[:-1]]
        assert len(keys) == len(set(keys))
        assert safe <= set(keys)
        assert len(safe) > 50
        assert len(keys) <= len(safe) + 50, "at most the one that was being written in each round"
        assert [t.key for t in store.trajectories()] == keys
        assert store.finished() == {key for key in keys if int(key) % 5}
        assert all(line.tokens == int(line.key) for line in store.results().values())
    assert rebuilt(run) == (run / RESULTS).read_bytes()
