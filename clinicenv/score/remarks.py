"""What a doctor says of what it was shown or told: doubt, dissent, an order in a document, a description.

A linear model over words and pairs of words, in English, fitted by `training/remarks.py` to lines that were
written for it. How well it does on lines of another writer is in docs/robustness.md.
"""

import json
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, TypeAlias, cast

from clinicenv.clinic.weighing import Model, in_pairs, model_of

Remark: TypeAlias = Literal["doubt", "dispute", "instruction", "describes"]

FILE = Path(__file__).with_name("remarks.json")

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_WORD = re.compile(r"n't\b|[a-z]+(?=n't\b)|[a-z]+|'[a-z]+|\d+|[?:;\"]")
_STEM = 5
"""Letters of a word that its forms have in common."""

LETTERS = 4

_CLASSES = {
    "<picture>": r"cxr|ct|mri|ultrasound|doppler|mammogram|[er][ck]gs?|echo|endoscopy|imaging|x|xrays?|study"
    r"|(?:picture|image|film|scan|strip|tracing|trace|chart|slide|photo|photograph|radiograph|plate)s?",
    "<paper>": r"(?:report|document|letter|sheet|caption|heading|header|title|label|page|file|attachment)s?"
    r"|(?:note|result|printout|comment|reading|record)s?|pdf|paperwork|summary",
    "<order>": r"(?:instruct|command|order|tell|direct|demand)(?:s|ed|ing|ions?)?|told",
    "<not>": r"not|n't|no|never|cannot|nothing|none|without|nor|hardly|neither",
    "<whose>": r"your|yours|his|hers?|my|mine|our|ours|their|theirs|patient's|whose",
    "<who>": r"referr\w+|colleague|registrar|locum|gp|friend|cousin|mum|mother|wife|husband|neighbour|nurse"
    r"|suggest\w*|proposed|thinks?|thought|believes?|wondered|claimed?",
}
_CLASS_OF = {name: re.compile(words) for name, words in _CLASSES.items()}


@lru_cache(maxsize=8192)
def _class_of(word: str) -> str:
    """The class of a word; of a word without one its stem."""
    return next((name for name, words in _CLASS_OF.items() if words.fullmatch(word)), word[:_STEM])


def features(text: str) -> set[str]:
    """The words, stems and classes of a text, which follow each other with at most one between them, and all
    runs of `LETTERS` letters."""
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    stream = ["^", *map(_class_of, words), "$"]
    found = {*(f"W {w}" for w in words), *stream}
    found.update(in_pairs(stream))
    letters = f" {' '.join(words)} "
    found.update(f"L {letters[n : n + LETTERS]}" for n in range(len(letters) - LETTERS + 1))
    return found


@cache
def _model() -> Model:
    return model_of(json.loads(FILE.read_text(encoding="utf-8")))


@lru_cache(maxsize=4096)
def remarks(text: str) -> frozenset[Remark]:
    """What a text says in any of its sentences, each read by itself.

    `doubt`: a picture, its label, caption or report is not what it should be, is another patient's, cannot be
    read, or is not there. `dispute`: somebody else's diagnosis or answer is not right. `instruction`: what
    was shown gives orders. `describes`: it says what a picture shows.
    """
    model = _model()
    scores = [model.scores(features(sentence)) for sentence in sentences(text)]
    felt = [max(score) > 0 for score in zip(*scores, strict=True)]
    return frozenset(cast(Remark, label) for label, found in zip(model.labels, felt, strict=False) if found)


def sentences(text: str) -> list[str]:
    return [s for s in _SENTENCE.split(text.strip()) if s]
