"""What looking at pictures costs a batch: `python -m benchmarks.images`."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.run import SCENARIO, run, served
from clinicenv import shipped
from clinicenv.models import sight
from clinicenv.readers.asked import Asked

CONSULTATIONS = 256
READING = 1.0
"""seconds that the reader takes for a picture"""
LATENCY = 0.5
"""seconds of a call of the doctor's model"""
QUESTIONS = 8


async def slow(asked: Asked) -> str:
    """A reader that takes its time."""
    await asyncio.sleep(READING)
    return f"{asked.request}: nothing out of the ordinary."


def _case(folder: Path) -> Path:
    """A bundled case with a picture for each of its images; the doctor asks for two of them at once."""
    data = yaml.safe_load((shipped.folder("scenarios") / f"{SCENARIO}.yaml").read_text())
    (folder / "film.png").write_bytes(sight.picture(("red", "blue", "green")))
    first = data["images"][0]
    data["images"] = [
        {**first, "id": f"film_{n}", "name": f"film {n}", "aliases": [], "file": "film.png"} for n in (1, 2)
    ]
    data["answer"]["must_not_miss"] = []
    data["checklist"] = []
    file = folder / f"{SCENARIO}.yaml"
    file.write_text(json.dumps(data))  # which is YAML too
    return file


def measure() -> dict[str, Any]:
    """Wall time of 256 consultations at once that each ask for two images, read in a second, over that of the
    same with recorded reports and that second."""
    lines = ["IMAGE: film 1; film 2", *["When did it start?"] * QUESTIONS, "DIAGNOSE: flu\nPLAN: rest"]
    replies = [part for line in lines for part in ("--reply", line)]
    seconds = {}
    with tempfile.TemporaryDirectory() as tmp, served("--latency", str(LATENCY), *replies) as url:
        case = _case(Path(tmp))
        for name, route in (("report", ()), ("reader", ("--reader", "*=plugin:benchmarks.images:slow"))):
            options = ("--image-route", name, *route, "--concurrency", str(CONSULTATIONS))
            seconds[name] = run(
                *("--doctor", f"openai:fake@{url}", "--scenarios", str(case), "--out", f"{tmp}/{name}"),
                *("--repeats", str(CONSULTATIONS), *options),
            )
        results = [json.loads(line) for line in Path(tmp, "reader", "results.jsonl").read_text().splitlines()]
        read = sum(n for r in results for way, n in r["routes"].items() if way.startswith("reader"))
    if read != 2 * CONSULTATIONS:
        raise RuntimeError(f"{read} of {2 * CONSULTATIONS} images were read")
    return {
        "consultations": CONSULTATIONS,
        "images_read": read,
        "reading_s": READING,
        "without_s": round(seconds["report"], 2),
        "with_s": round(seconds["reader"], 2),
        "ratio": round(seconds["reader"] / (seconds["report"] + READING), 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
