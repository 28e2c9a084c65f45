"""A small run to rate, a server that rates, and the command line with what a person types."""

import io
import json
from pathlib import Path

import pytest
from fake_server import Answer, FakeServer, Messages, Replying

from clinicenv.cli.main import call

ONE = "sharp-chest-pain-01"
CASES = "sharp-chest-pain-01,sharp-chest-pain-02,sudden-headache-01"


def clinicenv(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object, typed: str = ""
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    code = call([*map(str, arguments)])
    out = capsys.readouterr()
    return code, out.out, out.err


def two_doctors(folder: Path) -> Path:
    """A run of two doctors on three cases."""
    doctors = ("--doctor", "bayes", "--doctor", "guess")
    assert call(["run", *doctors, "--scenarios", CASES, "--out", str(folder)]) == 0
    return folder


def serving(reply: Replying) -> FakeServer:
    """A server that answers the trial call, too."""
    return FakeServer(lambda messages: reply(messages) if len(messages) > 1 else "Hello.")


def judge(messages: Messages) -> Answer:
    """A rater whose rating is a function of what it is asked, with the first line as evidence."""
    document = json.loads(messages[1]["content"])
    lines = document["material"].get("lines", [])
    asked = document["axes"]
    return json.dumps(
        {
            axis: {
                "reason": "by length",
                "evidence": [lines[0]["line"]] if lines else [],
                "option": list(one["options"])[min(len(lines) // 8, len(one["options"]) - 1)],
            }
            for axis, one in asked.items()
        }
    )
