"""Fits the models of `clinicenv/clinic/weighing.py` to the lines of this folder: `make weights`.

`questions.tsv` (intent, concepts, question) and `doctor_lines.tsv` (acts, line) were written for this,
without sight of the lexicon or of a line that is scored in a test. `real_questions.tsv` (source, row, intent,
concepts) labels what real doctors asked; the sentences stay in their data set. Lines that a test has too were
taken out.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks import understanding
from clinicenv.clinic import router, weighing

HERE = Path(__file__).resolve().parent
LEAST = 10
"""Weights nearer to 0 than this many hundredths are left out."""

OFTEN = 4
"""Features in fewer questions than this are left out."""

EVERY = 6
"""Each so many-th question is a line without these acts."""

INTENT_C, ACT_C = 4.0, 2.0
"""Inverse strengths of the penalty, chosen on the lines of writers left out of the fit."""


def rows(name: str) -> list[list[str]]:
    """The lines of a file, by column."""
    return [line.split("\t") for line in (HERE / f"{name}.tsv").read_text(encoding="utf-8").splitlines()]


FILES = ("questions", "real_questions", "doctor_lines")


def digest() -> str:
    """Of all lines and labels that the weights are fitted to and that are kept here."""
    text = "".join((HERE / f"{name}.tsv").read_text(encoding="utf-8") for name in FILES)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def development() -> list[list[str]]:
    """The questions that the rules were developed on, our own and real ones."""
    if not understanding.QUESTIONS.is_dir():
        sys.exit(f"The real questions are not in {understanding.QUESTIONS}; without them the fit is another.")
    asked = understanding.own_questions() + understanding.real_questions(understanding.QUESTIONS)
    sentences = understanding.real_sentences(understanding.QUESTIONS)
    real = [[intent, concepts, sentences[f, int(n)]] for f, n, intent, concepts in rows("real_questions")]
    return real + [["|".join(sorted(q.intents)), "", q.text] for q in asked if q.half == "dev"]


def intent_data(lines: Sequence[Sequence[str]]) -> tuple[list[set[str]], list[str]]:
    """Features of the sentence that is asked first in each line, and what the writer says is asked."""
    features, labels = [], []
    for intents, _, text in lines:
        tokens, probes = router.first_asked(text)
        heard = probes[0].intent if probes else "none"
        either = intents.split("|")
        features.append(weighing.intent_features(tokens, probes))
        labels.append(heard if heard in either else either[0])
    return features, labels


def act_data(lines: Sequence[Sequence[str]], act: str) -> tuple[list[set[str]], list[bool]]:
    """Features of each line, and whether it is the act."""
    features = [weighing.act_features(text, router.by_rule(text).acts) for _, text in lines]
    return features, [act in acts.split(",") for acts, _ in lines]


Fit: TypeAlias = tuple[list[str], np.ndarray, np.ndarray, list[str]]


def fitted(features: list[set[str]], labels: Sequence[object], c: float, often: int = 1) -> Fit:
    """Classes, biases, weights (classes x features), names of the features."""
    from sklearn.feature_extraction import DictVectorizer  # here: the tests read the lines without it
    from sklearn.linear_model import LogisticRegression

    seen = Counter(name for f in features for name in f)
    vectoriser = DictVectorizer()
    x = vectoriser.fit_transform([{name: 1.0 for name in f if seen[name] >= often} for f in features])
    model = LogisticRegression(C=c, max_iter=300).fit(x, labels)
    return list(model.classes_), model.intercept_, model.coef_, list(vectoriser.feature_names_)


def packed(
    labels: Sequence[str], bias: np.ndarray, coef: np.ndarray, names: Sequence[str]
) -> dict[str, object]:
    """As the package reads it, in hundredths."""
    weights = {}
    for name, column in zip(names, np.rint(coef.T * 100).astype(int), strict=True):
        row = {str(n): int(w) for n, w in enumerate(column) if abs(w) >= LEAST}
        if row:
            weights[name] = row
    return {"labels": list(labels), "bias": [int(b) for b in np.rint(bias * 100)], "weights": weights}


def several(labels: Sequence[str], fits: Sequence[Fit], shift: float = 0) -> dict[str, object]:
    """Yes-or-no models on the same features, packed as one; `shift` is added to the log odds of each."""
    bias, coef = np.concatenate([f[1] for f in fits]) + shift, np.vstack([f[2] for f in fits])
    return packed(labels, bias, coef, fits[0][3])


def main() -> None:
    lines = [*rows("questions"), *development()]
    labels, bias, coef, names = fitted(*intent_data(lines), INTENT_C, OFTEN)
    found = {"intents": packed([str(x) for x in labels], bias, coef, names)}
    lines = [*rows("doctor_lines"), *(["-", text] for _, _, text in rows("questions")[::EVERY])]
    acts = [fitted(*act_data(lines, act), ACT_C) for act in weighing.ACTS]
    found["acts"] = several(weighing.ACTS, acts)
    found["fitted_to"] = digest()
    weighing.FILE.write_text(
        json.dumps(found, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
