"""Runs every benchmark, writes benchmarks/results.json, and puts the figures into the README."""

import json
import platform
import re
from pathlib import Path
from typing import Any

from benchmarks import agentclinic, envs, load, models, resume, run

RESULTS = Path(__file__).parent / "results.json"
README = Path(__file__).parents[1] / "README.md"


def table(found: dict[str, Any]) -> str:
    """The README's table."""
    r, e, m = found["run"], found["envs"], found["models"]
    many, most = found["load"]["throughput"], found["load"]["memory"]
    costs = [m["ms"][way] for way in ("library", "gateway", "consultation", "langchain")]
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
        (f"model consultations of {many['calls_each']} calls, 1 s latency, {many['in_flight']} in flight",
         f"{many['consultations_per_s']:.1f} a second, {many['peak_mb']} MB"),
        (f"memory with {most['in_flight']:,} model consultations in flight", f"{most['peak_mb']} MB"),
        (f"CPU per model call with {m['messages']} messages, {m['in_flight']} in flight:"
         " client library alone, through the gateway, all that a consultation does, LangChain alone",
         " / ".join(f"{ms:.1f}" for ms in costs) + " ms"),
        (f"finding out what is left of {found['resume']['consultations']:,} consultations",
         f"{found['resume']['what_is_left_s']:.1f} s"),
    ]  # fmt: skip
    lines = ["| what | figure |", "| --- | --- |", *(f"| {what} | {figure} |" for what, figure in rows)]
    return "\n".join(lines + beside_agentclinic(found["agentclinic"]))


def beside_agentclinic(found: dict[str, Any]) -> list[str]:
    """A second table: what one case needs, here and there; nothing where it could not be measured."""
    if "skipped" in found:
        return []
    its = found["agentclinic_itself"]
    rows = [
        ("AgentClinic", its["calls"], its["prompt_tokens"], its["new_prompt_tokens"],
         f"{its['seconds_one_by_one']} s; {its['without_its_sleeps']} s without its sleeps", "-"),
        *(
            (f"clinicenv, card `{card}`", f["calls"], f["prompt_tokens"], f["new_prompt_tokens"],
             f"{f['seconds_one_by_one']:.2f} s", f"{f['seconds_all_at_once']:.2f} s")
            for card, f in found["cards"].items()
        ),
    ]  # fmt: skip
    return [
        "",
        f"AgentClinic's first {found['cases']} MedQA cases, models in all four roles, the same words,",
        f"8 turns, {found['latency_s'] * 1000:.0f} ms a call; per case, tokens by {found['tokenizer']}:",
        "",
        "| | calls | prompt tokens | of these new to the role | one by one | all at once |",
        "| --- | --- | --- | --- | --- | --- |",
        *(f"| {who} | {n:g} | {t:,.0f} | {new:,.0f} | {one} | {all} |" for who, n, t, new, one, all in rows),
    ]


def main() -> None:
    found: dict[str, Any] = {"machine": {"python": platform.python_version(), "cpu": platform.machine()}}
    for benchmark in (run, envs, resume, models, load, agentclinic):
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
