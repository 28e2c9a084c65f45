"""One error put into a clean radiology report: which can be made, and what the report is then.

An error is made only where the report itself betrays it, so that a careful reader without the picture can
find it and name its kind: it contradicts what stands elsewhere, cannot be, or breaks a sentence off. Level 1
is plain, level 2 subtle. Omission, insertion and side are kinds of studies of report checking (Gertz et al.,
Radiology 2024;311(1):e232714); number and unit stand beside them.

| kind | level 1 | level 2 |
| --- | --- | --- |
| side | left for right, where the other side is named nowhere | the same, where both sides are named |
| number | ten times as much | digits changed |
| unit | m for mm or cm | mm for cm or cm for mm, the number left |
| insertion | a denied finding, extensive, right after its denial | slight, at the far end |
| omission | a sentence breaks off | a finding is left out that the impression goes on to name |
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["omission", "insertion", "side", "number", "unit"]
KINDS: tuple[Kind, ...] = ("omission", "insertion", "side", "number", "unit")
LEVELS = (1, 2)

MOST_MM = 300.0
"""Millimetres; no structure that a report measures so is larger."""

_COUNTED = (
    "abscess", "aneurysm", "bleed", "calculus", "cavity", "clot", "collection", "cyst", "dissection",
    "effusion", "filling defect", "fracture", "haematoma", "hematoma", "hernia", "infarct", "lesion", "mass",
    "nodule", "opacity", "polyp", "stone", "tear", "thrombus", "tumour", "tumor",
)  # fmt: skip
FINDINGS = (
    *_COUNTED, "atelectasis", "bleeding", "collapse", "consolidation", "edema", "embolism", "emphysema",
    "fluid", "free air", "haemorrhage", "hemorrhage", "hydronephrosis", "lymphadenopathy", "oedema",
    "pneumoperitoneum", "pneumothorax", "stenosis", "thickening",
)  # fmt: skip
"""What a report finds, not where: a statement about the same of these is about the same thing."""

_FINDING = re.compile(rf"\b({'|'.join(FINDINGS)})(?P<many>e?s)?\b", re.I)
_SENTENCE = re.compile(r"(?:[^.!?]|\.(?=\d))+[.!?]?")
_HEADER = re.compile(r"\s*(?:[A-Z][A-Za-z ]{2,30}:\s*)?")
_CONCLUDES = re.compile(r"\b(?:impression|conclusion|opinion|summary)\s*:", re.I)
_DENIES = re.compile(r"\b(?:no|without|not|nor|none)\b", re.I)
_DENIED = re.compile(
    r"^No (?:evidence of |sign of |signs of )?(?P<thing>[a-z][a-z -]{2,40}?)(?=(?P<then>[.,;]| or | and ))"
)
_SIDE = re.compile(r"\b(left|right)\b", re.I)
_MEASURE = re.compile(r"(?<![\d.,/])(?P<number>\d{1,3}(?:\.\d{1,2})?) ?(?P<unit>mm|cm)\b(?! ?x)")
_BREAK = re.compile(r"\b(?:in|of|at|on|with|from) (?:the|a|an)(?= \w+)")
_ALIKE = {"1": "7", "2": "5", "3": "8", "4": "9", "5": "6", "6": "8", "7": "1", "8": "3", "9": "4", "0": "6"}


@dataclass(frozen=True, slots=True)
class Error:
    """One error that can be made: the text from `start` to `end` becomes `wrong`."""

    kind: Kind
    level: int
    start: int
    end: int
    wrong: str

    def made_in(self, report: str) -> str:
        """The report with the error, and with nothing else changed."""
        return report[: self.start] + self.wrong + report[self.end :]


@dataclass(frozen=True)
class _Sentence:
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @cached_property
    def findings(self) -> frozenset[str]:
        """What it affirms; nothing where it denies anything."""
        if _DENIES.search(self.text):
            return frozenset()
        return frozenset(f[1].lower() for f in _FINDING.finditer(self.text))


def errors(report: str) -> list[Error]:
    """Every error that can be made in a report (on one line), in a fixed order; none twice."""
    sentences = _sentences(report)
    found = [*_sides(sentences), *_measures(sentences)]
    found += [*_insertions(report, sentences), *_omissions(report, sentences)]
    return [e for e in dict.fromkeys(found) if e.made_in(report) != report]


def _sentences(report: str) -> list[_Sentence]:
    """The sentences without the headers before them."""
    found = []
    for match in _SENTENCE.finditer(report):
        header = _HEADER.match(match[0])
        skipped = header.end() if header else 0
        if match[0][skipped:].strip():
            found.append(_Sentence(match.start() + skipped, match[0][skipped:]))
    return found


def _echoes(one: _Sentence, others: list[_Sentence]) -> list[_Sentence]:
    """Other sentences that affirm a finding of this one."""
    return [other for other in others if other is not one and one.findings & other.findings]


def _sides(sentences: list[_Sentence]) -> Iterator[Error]:
    """A side that another sentence names for the same finding, which is on no other side anywhere."""
    both = {m[1].lower() for s in sentences for m in _SIDE.finditer(s.text)} == {"left", "right"}
    for one in sentences:
        sides = list(_SIDE.finditer(one.text))
        if len(sides) != 1:
            continue
        (found,) = sides
        own = found[1].lower()
        named = [{m[1].lower() for m in _SIDE.finditer(s.text)} for s in _echoes(one, sentences)]
        if {own} in named and all(side <= {own} for side in named):
            other = "left" if own == "right" else "right"
            wrong = other.capitalize() if found[1][0].isupper() else other
            start = one.start + found.start()
            yield Error("side", 2 if both else 1, start, start + len(own), wrong)


def _measures(sentences: list[_Sentence]) -> Iterator[Error]:
    for one in sentences:
        for found in _MEASURE.finditer(one.text):
            number, unit = found["number"], found["unit"]
            echoes = _echoes(one, sentences)
            echoed = any(m.groups() == found.groups() for s in echoes for m in _MEASURE.finditer(s.text))
            at, unit_at = one.start + found.start("number"), one.start + found.start("unit")
            end, unit_end = at + len(number), unit_at + len(unit)
            if echoed or (unit == "mm" and float(number) * 10 > MOST_MM):
                yield Error("number", 1, at, end, f"{float(number) * 10:g}")
            if echoed:
                yield Error("number", 2, at, end, _misread(number))
                yield Error("unit", 2, unit_at, unit_end, "cm" if unit == "mm" else "mm")
            if float(number) >= 1:
                yield Error("unit", 1, unit_at, unit_end, "m")


def _misread(number: str) -> str:
    """Two digits in each other's place; a single one, or two alike, as one that looks like it."""
    digits = [n for n, c in enumerate(number) if c.isdigit()]
    if len(digits) > 1 and number[digits[-1]] not in (number[digits[-2]], "0"):
        changed = list(number)
        changed[digits[-1]], changed[digits[-2]] = number[digits[-2]], number[digits[-1]]
        if changed[0] != "0":
            return "".join(changed)
    return _ALIKE[number[0]] + number[1:]


def _insertions(report: str, sentences: list[_Sentence]) -> Iterator[Error]:
    for n, one in enumerate(sentences):
        denied = _DENIED.match(one.text)
        if not denied or not one.text.rstrip().endswith("."):
            continue
        thing = denied["thing"].strip()
        found = _FINDING.search(thing)
        if not found or (len(denied["then"]) > 1 and found.end() < len(thing)):
            continue  # `bleeding inside or around the brain` would be cut in the middle
        at = one.start + len(one.text.rstrip())
        yield Error("insertion", 1, at, at, f" {_much('large', 'extensive', thing, found)} seen.")
        if n < len(sentences) - 1 and report.rstrip().endswith("."):
            last = len(report.rstrip())
            yield Error("insertion", 2, last, last, f" {_much('small', 'slight', thing, found)} noted.")


def _much(size: str, degree: str, thing: str, found: re.Match[str]) -> str:
    """`A large mass is`, `Large stones are`, `Extensive free air is`."""
    counted = found[1].lower() in _COUNTED
    words = f"{size if counted else degree} {thing}"
    if found["many"]:
        return f"{words.capitalize()} are"
    return f"A {words} is" if counted else f"{words.capitalize()} is"


def _omissions(report: str, sentences: list[_Sentence]) -> Iterator[Error]:
    for one in sentences:
        breaks = [m for m in _BREAK.finditer(one.text) if len(one.text[: m.start()].split()) >= 3]
        if breaks and one.text.rstrip().endswith("."):
            start = one.start + breaks[-1].end()
            yield Error("omission", 1, start, one.start + len(one.text.rstrip()) - 1, "")
    concludes = _CONCLUDES.search(report)
    if not concludes:
        return
    body = [s for s in sentences if s.end <= concludes.start()]
    impression = [s for s in sentences if s.start >= concludes.start()]
    for one in body:
        named = {f for s in impression for f in s.findings & one.findings}
        elsewhere = {f for s in body if s is not one for f in s.findings}
        if len(body) > 1 and named - elsewhere:
            yield Error("omission", 2, one.start, one.end, "")
