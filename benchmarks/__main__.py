"""Runs every benchmark, writes benchmarks/results.json, and puts the figures into the README."""

import json
import platform
import re
from pathlib import Path
from typing import Any

from benchmarks import envs, models, resume, run

RESULTS = Path(__file__).parent / "results.json"
README = Path(__file__).parents[1] / "README.md"


def table(found: dict[str, Any]) -> str:
    """The README's table."""
    r, e = found["run"], found["envs"]
    rows = [
        ("`from clinicenv import Consultation`, over bare Python", f"{r['light']['import_s']:.2f} s"),
        ("`clinicenv --help`, over bare Python", f"{r['light']['help_s']:.2f} s"),
        ("scripted consultations through `clinicenv run`, one core, store and start-up included",
         f"{r['scripted']['consultations_per_s']:.0f} a second"),
        ("doctor turns through the text environment, one core", f"{e['text']['turns_per_s']:,} a second"),
        ("the same when no line ever comes twice", f"{e['text_new_words']['turns_per_s']:,} a second"),
        ("longest step of eight environments, each patient 0.1 s", f"{e['vector']['longest_step_s']:.2f} s"),
        (f"model calls with 1 s latency, {r['models']['in_flight']} in flight: wall time over the ideal",
         f"{r['models']['ratio']:.2f}"),
        ("CPU per model call", f"{found['models']['cpu_ms_per_call']:.1f} ms"),
        (f"finding out what is left of {found['resume']['consultations']:,} consultations",
         f"{found['resume']['what_is_left_s']:.1f} s"),
    ]  # fmt: skip
    return "\n".join(
        ["| what | figure |", "| --- | --- |", *(f"| {what} | {figure} |" for what, figure in rows)]
    )


def main() -> None:
    found: dict[str, Any] = {"machine": {"python": platform.python_version(), "cpu": platform.machine()}}
    for benchmark in (run, envs, resume, models):
        name = benchmark.__name__.rpartition(".")[2]
        found[name] = benchmark.measure()
        print(name, json.dumps(found[name], indent=1), flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    text = README.read_text()
    figures = f"<!-- figures -->\n{table(found)}\n<!-- /figures -->"
    README.write_text(re.sub(r"<!-- figures -->.*<!-- /figures -->", lambda _: figures, text, flags=re.S))
    print(f"written to {RESULTS} and {README}")


if __name__ == "__main__":
    main()
