"""A real model behind `local:`: served offline, asked from Python and from the command line."""

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import clinicenv

from clinicenv.models import local, loop, memory
from clinicenv.models.call import Request
from clinicenv.models.local import LocalModel


def processes_of(model: Path) -> list[str]:
    """The command lines of the processes that name the model."""
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if str(model) in line]


@pytest.fixture(scope="module")
def model(llava: Path) -> Iterator[LocalModel]:
    yield LocalModel(str(llava))
    local.close()


def picture(colour: str) -> dict[str, object]:
    """An image part in the OpenAI format: one colour all over."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "png")
    data = base64.b64encode(file.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def said_to(model: LocalModel, *parts: dict[str, object]) -> str:
    """The most likely reply to a question with these pictures."""
    content = [{"type": "text", "text": "What does the image show?"}, *parts]
    request = Request([{"role": "user", "content": content}], {"max_tokens": 16, "temperature": 0})
    return loop.run(model.complete(request)).text


def test_pictures_are_seen(model: LocalModel) -> None:
    red = said_to(model, picture("red"))
    assert red == said_to(model, picture("red"))
    assert len({red, said_to(model, picture("blue")), said_to(model)}) == 3


def test_the_flags_for_a_gpu_exist(llava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "has_gpu", lambda: True)
    *program, _model = local.serving_command(str(llava), 8000, 0.5)
    told = subprocess.run(
        [*program[: program.index("serve") + 1], "--help"], capture_output=True, text=True, check=True
    ).stdout
    flags = [word for word in program if word.startswith("--")]
    assert "--continuous-batching" in flags
    assert [flag for flag in flags if flag not in told] == []


def test_it_plays_the_doctor_to_the_end(llava: Path, tmp_path: Path) -> None:
    settings = ("--doctor-arg", "max_tokens=24", "--doctor-arg", "temperature=0")
    run = clinicenv(
        *("run", "--doctor", f"local:{llava}", "--scenarios", "sharp-chest-pain-01", "--max-turns", "3"),
        *(*settings, "--out", str(tmp_path / "r")),
        OPENAI_API_KEY="sk-canary-0123456789",
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
    )
    assert run.returncode == 0, run.stderr
    calls = [json.loads(line) for line in (tmp_path / "r" / "calls.jsonl").read_text().splitlines()]
    assert len(calls) >= 3
    assert all(call["prompt_tokens"] > 20 and 0 < call["completion_tokens"] <= 24 for call in calls)
    (result,) = [json.loads(line) for line in (tmp_path / "r" / "results.jsonl").read_text().splitlines()]
    assert (result["status"], result["reason"]) == ("truncated", "max_turns")
    assert result["tokens"] == sum(call["prompt_tokens"] + call["completion_tokens"] for call in calls)
    assert processes_of(llava) == []
