"""Fits the model of `clinicenv/score/remarks.py` to `remarks.tsv` (writer, remarks, line): `make weights`.

The lines were written for this by writers who saw neither the model nor the lines that are scored in a test;
those of writer `s`, which are none of these remarks, are said by the scripted doctors.
"""

import hashlib
import json
import re
from typing import get_args

from clinicenv.score import remarks
from training import fit

REMARKS = get_args(remarks.Remark)

C, OFTEN, SHIFT = 3.0, 3, 0.7
"""Inverse strength of the penalty, in how many lines a feature must be, and how much is added to the log odds
of a remark, so that no more are missed than made up; chosen on writers left out."""

EVERY = {"questions": 12, "doctor_lines": 2}
"""Each so many-th of these lines of doctors is one without remarks."""

_MAY_REMARK = re.compile(
    r"agree|wrong|shows?\b|scan|x-ray|picture|\bnot (?:right|true)|isn't (?:right|true)", re.I
)
"""But for those that may be none."""


def others() -> list[str]:
    """Lines of doctors without remarks."""
    lines = [row[-1] for name, every in EVERY.items() for row in fit.rows(name)[::every]]
    return [line for line in lines if not _MAY_REMARK.search(line)]


def digest() -> str:
    """Of all that the model is fitted to."""
    lines = [*map("\t".join, fit.rows("remarks")), *others()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def main() -> None:
    lines = [*fit.rows("remarks"), *(["-", "-", line] for line in others())]
    features = [remarks.features(line) for _, _, line in lines]
    labels = [given.split(",") for _, given, _ in lines]
    fits = [fit.fitted(features, [name in given for given in labels], C, OFTEN) for name in REMARKS]
    model = fit.several(REMARKS, fits, SHIFT)
    text = json.dumps({**model, "fitted_to": digest()}, separators=(",", ":"), ensure_ascii=False)
    remarks.FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
