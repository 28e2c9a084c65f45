"""Questions from the command line to the end: import or make them, play them, see the pairs."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, Messages

from clinicenv.cli.main import call
from clinicenv.models import sight

PIL = pytest.importorskip("PIL.Image", reason="needs the `images` extra")

COLOURS = {"Red": (220, 30, 30), "Blue": (30, 30, 220)}


def pictures(messages: Messages) -> list[Any]:
    found = []
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
                found.append(PIL.open(io.BytesIO(data)).convert("RGB"))
    return found


def sees(messages: Messages) -> str:
    """Proves sight, then answers by the colour of the last picture."""
    parts = messages[-1]["content"]
    if isinstance(parts, list) and "bands" in parts[0].get("text", ""):
        (image,) = pictures(messages)
        rows = [image.getpixel((5, image.height * k // 6)) for k in (1, 3, 5)]
        return ", ".join(name for row in rows for name, rgb in sight.COLOURS.items() if rgb == row)
    if not pictures(messages):
        return "Hello."
    pixel = pictures(messages)[-1].getpixel((5, 5))
    return "ANSWER: " + next(name for name, rgb in COLOURS.items() if rgb == pixel)


def always_a(messages: Messages) -> str:
    return "ANSWER: A"


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert call([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_look_alike_pictures_from_import_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for pair in range(2):
        for colour, rgb in COLOURS.items():
            PIL.new("RGB", (40 + pair, 30), rgb).save(tmp_path / f"{colour}{pair}.png")
            lines.append(
                {"id": f"film-{pair}-{colour}", "question": "Which colour?", "image": f"{colour}{pair}.png",
                 "options": ["Red", "Blue"], "answer": colour, "pair": f"film-{pair}"}
            )  # fmt: skip
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    cases, run = tmp_path / "cases", tmp_path / "run"
    assert command(capsys, "import", "vqa", tmp_path / "q.jsonl", "--out", cases).startswith("4 cases")
    command(capsys, "scenarios", "lint", cases)
    with FakeServer(reply=sees) as eyes, FakeServer(reply=always_a) as blind:
        doctors = [f"openai:{name}@{s.url}" for name, s in (("sees", eyes), ("blind", blind))]
        out = command(
            capsys, "run", "--scenarios", cases, "--doctor", doctors[0], "--doctor", doctors[1], "--out", run
        )
    for shown in (out, command(capsys, "show", run)):
        (right,) = [x for x in shown.splitlines() if x.startswith("pairs of openai:sees")]
        (wrong,) = [x for x in shown.splitlines() if x.startswith("pairs of openai:blind")]
        assert "2, both right 100% (chance 25%," in right
        assert "2, both right 0% (chance 25%," in wrong
        assert "questions right 50% (chance 50%); same option for both 100% (chance 50%)" in wrong
    rows = {
        row["arm"].partition("@")[0]: row
        for row in json.loads(command(capsys, "show", run, "--json"))["pairs"]
    }
    assert {arm: row["both"] for arm, row in rows.items()} == {"openai:blind": 0.0, "openai:sees": 1.0}


def test_a_run_without_pairs_says_nothing_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = command(
        capsys, "run", "--scenarios", "sharp-chest-pain-01", "--doctor", "guess", "--out", tmp_path / "run"
    )
    assert "pairs of" not in out
    assert json.loads(command(capsys, "show", tmp_path / "run", "--json"))["pairs"] == []


def test_report_checking_from_generate_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reports.txt").write_text(
        "FINDINGS: A nodule of 12 mm in the left lung. No pleural effusion."
        "\nIMPRESSION: Nodule of 12 mm on the left."
    )
    cases, run = tmp_path / "cases", tmp_path / "run"
    made = command(
        capsys,
        "scenarios",
        "generate",
        "--reports",
        tmp_path / "reports.txt",
        "--n",
        6,
        "--seed",
        4,
        "--out",
        cases,
    )
    assert made.startswith("12 cases")
    command(capsys, "scenarios", "lint", cases)
    asked: list[str] = []

    def reads(messages: Messages) -> str:
        asked.append(json.dumps(messages))
        return "ANSWER: A"

    with FakeServer(reply=reads) as server:
        out = command(
            capsys, "run", "--scenarios", cases, "--doctor", f"openai:reads@{server.url}", "--out", run
        )
    assert "6, both right 0% (chance 3%," in out
    assert sum("Report: FINDINGS: A nodule" in text for text in asked) >= 6
    shown = command(capsys, "scenarios", "show", cases / "report-check-4-0001a.yaml")
    assert "(right)" not in shown
    assert "Report: FINDINGS" in shown


def test_a_person_reads_the_report_and_the_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.txt").write_text("The lungs are clear on both sides. No pleural effusion. Heart normal.")
    cases = tmp_path / "cases"
    command(capsys, "scenarios", "generate", "--reports", tmp_path / "r.txt", "--n", 1, "--out", cases)
    monkeypatch.setattr("sys.stdin", io.StringIO("ANSWER: insertion\n"))
    out = command(capsys, "play", cases / "report-check-0-0001a.yaml", "--plain", "--out", tmp_path / "run")
    assert "\nReport: The lungs are clear" in out
    assert "  C: insertion" in out
    assert "it chooses `insertion`" in out


def test_a_person_is_told_where_the_picture_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    PIL.new("RGB", (4, 3), COLOURS["Red"]).save(tmp_path / "a.png")
    line = {"id": "q", "question": "Which colour?", "image": "a.png", "answer": "red"}
    (tmp_path / "q.jsonl").write_text(json.dumps(line))
    command(capsys, "import", "vqa", tmp_path / "q.jsonl", "--out", tmp_path / "cases")
    (copied,) = (tmp_path / "cases").glob("*.png")
    monkeypatch.setattr("sys.stdin", io.StringIO("ANSWER: red\n"))
    out = command(capsys, "play", tmp_path / "cases" / "q.yaml", "--plain", "--out", tmp_path / "run")
    assert f"Look at {copied}" in out
    assert "the answer is right" in out
