"""How well the rule annotator finds the facts that a freely worded reply told, on labelled replies.

The labels stand in `tests/clinic/data/replies.jsonl`: a question, a reply in nobody's scripted words, and the
facts that it tells. Each question is heard as a consultation hears it. One half of the replies, `dev`, served
to fit the annotator; the half `test` serves for nothing but the figures.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clinicenv.clinic.annotate import facts_told
from clinicenv.clinic.hearing import Hearing
from clinicenv.profile import BiasProfile
from clinicenv.scenario import Scenario, find_files, load_file
from clinicenv.shipped import folder

LABELS = Path(__file__).resolve().parent.parent / "tests" / "clinic" / "data" / "replies.jsonl"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A reply with the line that it answers and the ids of the facts that it tells."""

    scenario: str
    half: str
    question: str
    reply: str
    facts: frozenset[str]
    kind: str
    """`plain`, `several` facts, a `denial`, `none` told, or `twisted`: other than what the patient knows"""


def labelled(half: str) -> Iterator[Labelled]:
    """The replies of one half, `dev` or `test`."""
    for line in LABELS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["half"] == half:
            yield Labelled(**row | {"facts": frozenset(row["facts"])})


@cache
def _scenarios() -> dict[str, Scenario]:
    return {s.id: s for s in map(load_file, find_files(folder("scenarios")))}


def told(reply: Labelled) -> frozenset[str]:
    """What the annotator finds in a reply, knowing what was asked."""
    scenario = _scenarios()[reply.scenario]
    hearing = Hearing(scenario, BiasProfile(id="plain", target="patient").trust)
    probes = hearing.hear(reply.question, of=0, turn=1).probes
    asked = {i for probe in probes for i in probe.facts}
    return frozenset(facts_told(reply.reply, scenario.facts.values(), asked))


def score(half: str) -> tuple[float, float, int]:
    """Recall and precision of facts over all replies of a half, and how many replies these are."""
    replies = list(labelled(half))
    found = [told(r) for r in replies]
    right = sum(len(f & r.facts) for f, r in zip(found, replies, strict=True))
    recall = right / sum(len(r.facts) for r in replies)
    return recall, right / max(1, sum(map(len, found))), len(replies)


def measure() -> dict[str, Any]:
    """Recall and precision on the held-out half."""
    recall, precision, n = score("test")
    return {"n": n, "recall": round(recall, 4), "precision": round(precision, 4)}
