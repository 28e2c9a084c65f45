"""Runs every benchmark, writes benchmarks/results.json, and puts the figures into the README."""

import json
import platform
import re
from pathlib import Path
from typing import Any

from benchmarks import (
    agentclinic,
    annotation,
    baseline,
    disclosure,
    ecg,
    envs,
    images,
    imported,
    load,
    models,
    ocr,
    report,
    resume,
    run,
    scoring,
    understanding,
)

RESULTS = Path(__file__).parent / "results.json"
README = Path(__file__).parents[1] / "README.md"


def table(found: dict[str, Any]) -> str:
    """The README's tables."""
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
        (f"{found['images']['consultations']} consultations with two images each, read in a second: wall time"
         " over that without them and that second", f"{found['images']['ratio']:.2f}"),
        (f"{found['ecg']['n']} drawn ECGs, held out: rate within 5 %, rhythm, ST and QT changes read right,"
         " from signals / from pictures", ecg_shares(found["ecg"])),
        (f"values read right by OCR in {found['ocr']['documents']} drawn documents",
         f"{found['ocr']['right']:.1%}"),
        (f"finding out what is left of {found['resume']['consultations']:,} consultations",
         f"{found['resume']['what_is_left_s']:.1f} s"),
        (f"scoring {found['scoring']['consultations']:,} stored consultations by all rules, two cores",
         f"{found['scoring']['seconds']:.0f} s"),
        (f"a report of {found['report']['consultations']:,} stored consultations: size, to make it,"
         " to open it in Chromium", report_figures(found["report"])),
        (f"bootstrap of {scoring.DRAWS:,} over {scoring.UNITS:,} scenarios",
         f"{found['scoring']['bootstrap_seconds']:.1f} s"),
    ]  # fmt: skip
    lines = ["| what | figure |", "| --- | --- |", *(f"| {what} | {figure} |" for what, figure in rows)]
    parts = (patient(found), doctors(found["baseline"]), lines, beside_agentclinic(found["agentclinic"]))
    return "\n".join(line for part in parts for line in part)


def report_figures(found: dict[str, Any]) -> str:
    """Megabytes, seconds to make, and to open where there was a browser."""
    opened = f"{found['open_s']:.1f} s" if "open_s" in found else "not measured"
    return f"{found['mb']:.0f} MB / {found['make_s']:.0f} s / {opened}"


def ecg_shares(found: dict[str, Any]) -> str:
    """Rate, rhythm and changes, of signals and of pictures."""
    ways = ([found[way][what] for what in ("rate", "rhythm", "change")] for way in ("signals", "pictures"))
    return " / ".join(", ".join(f"{share:.0%}" for share in shares) for shares in ways)


def patient(found: dict[str, Any]) -> list[str]:
    """A table of how well the scripted patient understands and answers, on what nobody tuned it on."""
    u, told, cases = found["understanding"], found["annotation"], found["imported"]
    acts = {act: f1 for act, f1 in u["acts"].items() if act not in ("n", "all")}
    worst = min(acts, key=lambda act: acts[act])
    rows = [
        (f"questions of our own wording, {u['own']['n']} held out: intent, concept",
         f"{u['own']['intent']:.1%}, {u['own']['concept']:.1%}"),
        (f"acts in {u['acts']['n']} held-out lines of doctors: F1 over all, of the worst (`{worst}`)",
         f"{u['acts']['all']:.2f}, {acts[worst]:.2f}"),
        (f"{u['reach']['n']:,} questions for bundled facts, written without sight of its wordings:"
         f" reach their fact; of {u['reach']['facts']:,} facts, reached by fewer than {understanding.ENOUGH}",
         f"{u['reach']['reached']:.0%}; {len(u['reach']['short'])}"),
        (f"answers from a wrong fact, of {u['wrong_facts']['n']} questions on `{understanding.NAMED}`",
         f"{u['wrong_facts']['wrong']:.1%}"),
        (f"facts found by rule in {told['n']} held-out replies in the manner of models: recall, precision",
         f"{told['recall']:.0%}, {told['precision']:.0%}"),
        ("questions a second on one core, none seen before", f"{u['questions_per_s']:,}"),
    ]  # fmt: skip
    if "real" in u:
        a, r = u["agreement"], u["real"]
        rows.insert(
            0,
            (
                f"real doctors' questions, {r['n']} held out: intent, concept",
                f"{r['intent']:.1%}, {r['concept']:.1%}",
            ),
        )
        rows.insert(
            1,
            (
                f"two annotators of {a['n']} of them: same intent (kappa), same concepts",
                f"{a['intent']:.0%} ({a['kappa']:.2f}), {a['concept']:.0%}",
            ),
        )
    if "skipped" not in cases:
        rows.append(
            (
                f"AgentClinic's cases, {cases['n']} held-out questions: from the right sentence, wrong",
                f"{cases['right']:.0%}, {cases['wrong']:.0%}",
            )
        )
    table = [
        "| the scripted patient | |",
        "| --- | --- |",
        *(f"| {what} | {figure} |" for what, figure in rows),
    ]
    return [*table, ""]


def doctors(found: dict[str, Any]) -> list[str]:
    """A table of the doctors without a model on the bundled cases to diagnose."""

    def interval(x: dict[str, float]) -> str:
        return f"{x['mean']:.0%} ({x['low']:.0%} to {x['high']:.0%})"

    lines = [
        f"| doctor; {found['cases']} bundled cases, {found['seeds']} seeds | first right (95 %, by case) "
        "| questions | tests, $ |",
        "| --- | --- | --- | --- |",
    ]
    for name, d in found["doctors"].items():
        asked, cost = d["questions"]["mean"], d["cost"]["mean"]
        lines.append(f"| `{name}` | {interval(d['accuracy'])} | {asked:.1f} | {cost:.0f} |")
    left = interval(found["leave_one_out"]["accuracy"])
    lines += ["", f"`bayes` with its numbers chosen on all other cases: {left}."]
    if "skipped" not in (rows := found["ddxplus"]):
        lines[-1] += (
            f" The same reasoning on {rows['rows']:,} rows of DDXPlus: {rows['right']:.1%} right after"
            f" {rows['questions']} questions (its published AARLC: 98.9 % after 7.3)."
        )
    return [*lines, ""]


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
    about_patients = (understanding, annotation, imported, disclosure)
    others = (baseline, run, envs, resume, scoring, report, models, load, images, ocr, ecg, agentclinic)
    for benchmark in (*about_patients, *others):
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
