"""The doctors without a model, on all bundled cases to diagnose; and naive Bayes on real DDXPlus rows.

Intervals are percentile bootstraps that draw whole clusters (a case with its twins), not consultations.
"""

import ast
import csv
import json
import random
from collections import defaultdict
from functools import cache
from itertools import product
from math import exp, log
from pathlib import Path
from statistics import mean
from typing import Any

from clinicenv import Cast, play, select
from clinicenv.agents.bayes import BayesDoctor, Policy
from clinicenv.clinic.differential import Observation, observation
from clinicenv.events import Heard
from clinicenv.scenario import Scenario

DDXPLUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "ddxplus"
DOCTORS = ("bayes", "scripted", "guess", "random")
SEEDS = 10
DRAWS = 10_000


def consult(scenario: Scenario, doctor: Any, seed: int) -> tuple[float, float, float]:
    """Whether the first diagnosis is right, how many things were asked for, and the tests' cost."""
    done = play(scenario, Cast(doctor=doctor), seed=seed)
    asked = sum(len(e.what.probes) for e in done.of(Heard))  # type: ignore[union-attr]
    ranks = done.verdict.ranks if done.verdict else ()
    assert done.outcome
    return float(bool(ranks) and ranks[0].right), float(asked), float(done.outcome.cost)


def clustered(values: dict[str, list[float]]) -> tuple[float, float, float]:
    """The mean over clusters of their means, with its 95 % interval."""
    means = [mean(v) for _, v in sorted(values.items())]
    draw = random.Random(0)
    drawn = sorted(mean(draw.choices(means, k=len(means))) for _ in range(DRAWS))
    return mean(means), drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS) - 1]


def _rounded(values: dict[str, list[float]], digits: int = 3) -> dict[str, float]:
    m, low, high = clustered(values)
    return {"mean": round(m, digits), "low": round(low, digits), "high": round(high, digits)}


def doctors(cases: list[Scenario]) -> dict[str, Any]:
    """Each doctor's accuracy, questions and cost, and the differences from `bayes` by case and seed."""
    found: dict[str, Any] = {}
    right: dict[str, dict[str, list[float]]] = {}
    for doctor in DOCTORS:
        by_cluster: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(3)]
        for case, seed in product(cases, range(SEEDS)):
            for values, value in zip(by_cluster, consult(case, doctor, seed), strict=True):
                values[case.lineage].append(value)
        right[doctor] = by_cluster[0]
        accuracy, questions, cost = (_rounded(v) for v in by_cluster)
        found[doctor] = {"accuracy": accuracy, "questions": questions, "cost": cost}
    for other in DOCTORS[1:]:
        gap = {k: [a - b for a, b in zip(right["bayes"][k], v, strict=True)] for k, v in right[other].items()}
        found[other]["bayes_minus_this"] = _rounded(gap)
    return found


GRID = [
    Policy(sure=sure, question=question, danger=danger)
    for sure, question, danger in product((0.9, 0.95, 0.98), (5.0, 10.0, 20.0), (0.005, 0.02))
]


def leave_one_out(cases: list[Scenario]) -> dict[str, Any]:
    """The accuracy of `bayes` on each case under the policy that is best on all the others.

    Best: most right, then fewest questions. The profiles themselves were written without sight of any case.
    """
    marks = {
        (n, case.lineage): [consult(case, BayesDoctor(policy), seed) for seed in range(2)]
        for n, policy in enumerate(GRID)
        for case in cases
    }
    clusters = sorted({case.lineage for case in cases})
    held_out: dict[str, list[float]] = {}
    for left in clusters:

        def worth(n: int, left: str = left) -> tuple[float, float]:
            seen = [m for (k, c), ms in marks.items() if k == n and c != left for m in ms]
            return mean(m[0] for m in seen), -mean(m[1] for m in seen)

        best = max(range(len(GRID)), key=worth)
        held_out[left] = [m[0] for m in marks[best, left]]
    return {"policies": len(GRID), "accuracy": _rounded(held_out)}


def ddxplus(folder: Path = DDXPLUS, most: int = 30, sure: float = 0.95) -> dict[str, Any]:
    """Naive Bayes with information gain on the rows of the test sample: binary evidences, 49 conditions.

    Stops at the posterior `sure`, at the latest after `most` questions; the first complaint is given.
    """
    if not (folder / "test_patients_sample.csv").is_file():
        return {"skipped": "the DDXPlus tables are not here"}
    tables = json.loads((folder / "condition_evidence_probs.json").read_text())
    kinds = json.loads((folder / "release_evidences.json").read_text())
    names = sorted(tables["condition_counts"])
    binary = [code for code, e in kinds.items() if e["data_type"] == "B"]
    known = {
        code: observation(
            0.5,
            {
                n: min(max(tables["probabilities"][c].get(code, 0.0), 0.005), 0.995)
                for n, c in enumerate(names)
            },
        )
        for code in binary
    }
    walk = _walk(known, [log(tables["condition_counts"][c]) for c in names])
    right, asked, rows = 0, 0, 0
    with (folder / "test_patients_sample.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            has = {code.partition("_@_")[0] for code in ast.literal_eval(row["EVIDENCES"])}
            answers: tuple[tuple[str, bool], ...] = ()
            if row["INITIAL_EVIDENCE"] in known:
                answers = ((row["INITIAL_EVIDENCE"], True),)
            n = 0
            while n < most and (ask := walk(answers, sure)[1]):
                answers = (*answers, (ask, ask in has))
                n += 1
            right += names[walk(answers, sure)[0]] == row["PATHOLOGY"]
            asked, rows = asked + n, rows + 1
    return {"rows": rows, "right": round(right / rows, 4), "questions": round(asked / rows, 2)}


def _walk(known: dict[str, Observation], priors: list[float]) -> Any:
    """(favourite, what to ask next or None when sure), for the answers so far; shared by all rows."""

    @cache
    def step(answers: tuple[tuple[str, bool], ...], sure: float) -> tuple[int, str | None]:
        scores = list(priors)
        for code, said in answers:
            for index, ratio in known[code].ratios(said):
                scores[index] += ratio
        top = max(scores)
        weights = [exp(s - top) for s in scores]
        posterior = [w / sum(weights) for w in weights]
        favourite = max(range(len(posterior)), key=posterior.__getitem__)
        if posterior[favourite] >= sure:
            return favourite, None
        asked = {code for code, _ in answers}
        return favourite, max((c for c in known if c not in asked), key=lambda c: known[c].gain(posterior))

    return step


def measure() -> dict[str, Any]:
    """All of it, as JSON data."""
    cases = [s for s in select("all") if s.task == "diagnose"]
    return {
        "cases": len(cases),
        "clusters": len({s.lineage for s in cases}),
        "seeds": SEEDS,
        "doctors": doctors(cases),
        "leave_one_out": leave_one_out(cases),
        "ddxplus": ddxplus(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
