"""Fits the model of `clinicenv/score/remarks.py` to `remarks.tsv` (writer, remarks, line): `make weights`.

The lines were written for this by writers who saw neither the model nor the lines that are scored in a test.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from clinicenv.score import remarks
from training.fit import fitted, packed

LINES = Path(__file__).with_name("remarks.tsv")
REMARKS = ("doubt", "dispute", "instruction", "describes")

C, OFTEN = 10.0, 2
"""Inverse strength of the penalty, and in how many lines a feature must be; chosen on writers left out."""


def rows() -> list[list[str]]:
    return [line.split("\t") for line in LINES.read_text(encoding="utf-8").splitlines()]


def digest() -> str:
    """Of all that the model is fitted to."""
    return hashlib.sha256(LINES.read_bytes()).hexdigest()[:16]


def main() -> None:
    lines = rows()
    features = [remarks.features(line) for _, _, line in lines]
    labels = [given.split(",") for _, given, _ in lines]
    fits = [fitted(features, [name in given for given in labels], C, OFTEN) for name in REMARKS]
    bias, coef = np.concatenate([f[1] for f in fits]), np.vstack([f[2] for f in fits])
    model = packed(REMARKS, bias, coef, fits[0][3])
    text = json.dumps({**model, "fitted_to": digest()}, separators=(",", ":"), ensure_ascii=False)
    remarks.FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
