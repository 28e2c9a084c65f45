"""`clinicenv show`: what a run spent on models, and what the doctor thought."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from clinicenv.cli.main import call as clinicenv
from clinicenv.events import DoorNote, Ended, Event, Header, Outcome, Role, Say, Trajectory
from clinicenv.report.spending import print_calls
from clinicenv.runs.store import Store
from clinicenv.score.summary import calls_of

KEY = "0123456789abcdef"


def show(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert clinicenv(["show", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def record(role: str, usd: float | None, model: str = "openai:small", **more: Any) -> dict[str, Any]:
    tokens = {"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 600}
    return {
        "key": KEY,
        "role": role,
        "model": model,
        "step": "",
        "usd": usd,
        "cached": False,
        **tokens,
        **more,
    }


def make(folder: Path, *calls: dict[str, Any], aside: dict[str, Any] | None = None) -> Path:
    """A run of one consultation with these calls."""
    header = Header(
        "sharp-chest-pain-01", "0" * 16, "diagnose", {"doctor": {"agent": {}}}, 0, 0, {}, "request"
    )
    events = (
        Event(0, 0, Role.CORE, DoorNote("A man with chest pain.")),
        Event(1, 1, Role.DOCTOR, Say("When did it start?", aside=aside)),
        Event(2, 1, Role.CORE, Ended("truncated", "max_turns")),
    )
    outcome = Outcome("truncated", "max_turns", 1, 1, 0, 0.0, 0.5)
    with Store.create(folder, {}, {}, resume=True, force=False) as store:
        for call in calls:
            store.append_call(call)
        store.append(Trajectory(header, events, outcome, KEY))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make(
        tmp_path / "run",
        record("doctor", 0.5, step="analyse"),
        record("doctor", 0.25, step="respond"),
        record("doctor", 0, step="respond", cached=True),
        record("patient", None, "openai:other"),
    )


def rows(shown: str, *names: str) -> list[list[str]]:
    """The cells of the table's lines that start with these names."""
    cells = [[c.strip() for c in line.strip("│").split("│")] for line in shown.splitlines() if "│" in line]
    return [row for row in cells if tuple(row[: len(names)]) == names]


def test_calls_tokens_and_cost_stand_by_role_model_and_step(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    out = show(capsys, run)
    assert rows(out, "doctor", "openai:small", "analyse")[0][3:] == ["1", "0", "1,000", "600", "50", "$0.500"]
    respond = rows(out, "doctor", "openai:small", "respond")[0]
    assert respond[3:] == ["2", "1", "2,000", "1,200", "100", "$0.250"]
    assert rows(out, "patient", "openai:other", "")[0][-1] == "no price"
    said = "All tries of this run: 4 calls (1 from the cache), 4,200 tokens, $0.750, and no price for"
    assert f"{said} openai:other." in out.splitlines()


def test_what_broken_tries_spent_is_in_the_line_and_not_in_the_table(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    with Store.create(run, {}, {}, resume=True, force=False) as store:
        store.append_call(record("doctor", 10.0, step="analyse"))
        store.append_call(record("doctor", 2.0, key="f" * 16, step="analyse"))
    out = show(capsys, run)
    assert rows(out, "doctor", "openai:small", "analyse")[0][-1] == "$0.500"
    assert "6 calls" in out
    assert "$12.75" in out


def test_the_table_fits_a_terminal_of_80_columns(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    usage = Store.open(run).results()[KEY].usage
    usage[-1]["prompt_tokens"] = 12_345_678
    print_calls(calls_of(usage), out)
    plain = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert max(map(len, plain.splitlines())) <= 80
    assert re.search(r"doctor +\S+ +analyse +1 +0 +1,000 +600 +50 +\$0\.500", plain)
    assert re.search(r"12,345,678 +600 +50 +no price", plain)


def test_one_consultation_ends_with_its_own_calls(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    out = show(capsys, run, KEY[:6])
    assert out.index("When did it start?") < out.index("tokens")
    assert rows(out, "doctor", "openai:small", "analyse")[0][-1] == "$0.500"


def test_json_has_them_too(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    data = json.loads(show(capsys, run, "--json"))
    assert [(r["role"], r["step"], r["usd"]) for r in data["calls"]] == [
        ("doctor", "analyse", 0.5),
        ("doctor", "respond", 0.25),
        ("patient", "", None),
    ]
    assert data["spent"] == data["calls"]
    assert data["consultations"][0]["usage"] == data["calls"]
    assert (data["consultations"][0]["tokens"], data["consultations"][0]["usd"]) == (4200, None)
    one = json.loads(show(capsys, run, KEY, "--json"))
    assert one["calls"] == data["calls"]
    assert one["outcome"]["status"] == "truncated"


def test_nothing_is_said_of_calls_where_no_model_was_called(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = make(tmp_path / "run")
    for out in (show(capsys, run), show(capsys, run, KEY)):
        assert not re.search(r"calls|tokens|tries", out)
    data = json.loads(show(capsys, run, "--json"))
    assert (data["calls"], data["spent"], data["consultations"][0]["usd"]) == ([], [], 0)


def test_the_doctors_thoughts_come_in_short(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    named = ["pericarditis", "infarction", "embolism", "reflux"]
    aside = {
        "raw": "When did it start?",
        "reasoning": "I wonder. " * 200,
        "analysis": {
            "differential": [{"diagnosis": d, "confidence": 0.4, "why": "x"} for d in named],
            "urgency": "urgent",
        },
        "reflection": {"before": "x", "thought": "What of a dissection?"},
        "lookups": [{"source": "books", "query": "chest pain", "found": [{"file": "a"}, {"file": "b"}]}],
    }
    out = show(capsys, make(tmp_path / "run", aside=aside), KEY)
    words = " ".join(out.split())
    assert "(considers pericarditis 40%, infarction 40%, embolism 40%; urgency urgent)" in words
    assert "reflux" not in words
    assert "(thinks again: What of a dissection?)" in words
    assert "(looks in books for 'chest pain': 2 passages)" in words
    assert 10 < words.count("I wonder.") < 25
    assert words.index("embolism") < words.index("When did it start?")


@pytest.mark.parametrize(
    "aside",
    [
        {"reasoning": 3, "analysis": "none", "lookups": {"a": 1}, "reflection": {"thought": 1}},
        {"reasoning": " ", "analysis": {"differential": 7}, "lookups": [3]},
        {"analysis": {"differential": [None, {}, {"diagnosis": 3, "confidence": "much"}]}, "lookups": [{}]},
    ],
)
def test_thoughts_of_any_shape_are_survived(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, aside: dict[str, Any]
) -> None:
    assert "When did it start?" in show(capsys, make(tmp_path / "run", aside=aside), KEY)


def test_no_text_of_a_model_steers_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    evil = "\x1b[2J\x07evil"
    lookup = {"source": evil, "query": evil, "found": []}
    analysis = {"differential": [{"diagnosis": evil, "confidence": 1}], "urgency": evil}
    aside = {"reasoning": evil, "analysis": analysis, "lookups": [lookup]}
    calls = (record("doctor", None, f"openai:{evil}", step=evil), record(f"[bold]{evil}", 1.0))
    run = make(tmp_path / "run", *calls, aside=aside)
    for out in (show(capsys, run), show(capsys, run, KEY), show(capsys, run, "--json")):
        assert "evil" in out
        assert "\x1b" not in out
        assert "\x07" not in out
    assert "[bold]" in show(capsys, run)
