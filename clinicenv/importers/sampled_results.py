"""What examinations and tests of a sampled case show, drawn by the bands of the disease's profile."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from clinicenv.clinic.catalogue import CatalogueComponent, CatalogueTest, Reading, catalogue, normal_result
from clinicenv.clinic.differential import BANDS, Disease, diseases
from clinicenv.clinic.presentations import Presentation

Number = Callable[[str, str], float]
"""A number in [0, 1) for a thing and an item of it."""

_NORMAL = (  # from years on: heart rate, breaths, systolic and diastolic pressure
    (0, (120, 150), (30, 42), (80, 95), (45, 60)),
    (2, (85, 115), (20, 28), (90, 108), (55, 68)),
    (12, (64, 84), (12, 17), (108, 130), (64, 82)),
)
"""Vital signs of the well, rounded from general knowledge; illustrative."""

_LINES: dict[tuple[str, str], dict[str, str]] = {
    ("full_blood_count", "high"): {"White cells": "high", "Neutrophils": "high"},
    ("full_blood_count", "low"): {"Haemoglobin": "low"},
    ("urea_electrolytes", "high"): {"Urea": "high", "Creatinine": "high"},
    ("liver_function", "high"): {"ALT": "high", "AST": "high"},
    ("thyroid_function", "high"): {"TSH": "high", "Free T4": "low"},
    ("thyroid_function", "low"): {"TSH": "low", "Free T4": "high"},
    ("lipid_profile", "high"): {"Total cholesterol": "high", "LDL cholesterol": "high"},
    ("spirometry", "low"): {"FEV1": "low", "FEV1/FVC": "low"},
    ("iron_studies", "low"): {"Ferritin": "low", "Iron": "low", "Transferrin saturation": "low"},
    ("venous_blood_gas", "low"): {"pH": "low", "Bicarbonate": "low"},
    ("venous_blood_gas", "high"): {"pH": "high", "Bicarbonate": "high"},
    ("lumbar_puncture", "high"): {"Protein": "high"},
}
"""What moves in a panel that is flagged so; of other panels it is the first line with a number."""

_BESIDE_VITALS = frozenset({"pulse_oximetry"})
"""Tests that the vital signs have already answered."""

_CHANCE_TEXT = "Minor changes only, of a kind that is seen in many people."


def exam(one: Disease, shown: Presentation, age: float, fever: bool | None, number: Number) -> dict[str, Any]:
    """Vital signs, and the signs of the disease that are there; `fever`: whether the patient tells of one."""
    there = {s for s, band in one.signs.items() if number("sign", s) < BANDS[band]}
    findings = [
        {"id": sign.replace(" ", "_"), "system": "general", "manoeuvre": sign, "text": shown.signs[sign],
         "abnormal": True}
        for sign in one.signs
        if sign in there and sign in shown.signs
    ]  # fmt: skip
    return {"vitals": _vitals(shown, age, fever, number, "vital signs" in there), "findings": findings}


def _vitals(
    shown: Presentation, age: float, fever: bool | None, number: Number, abnormal: bool
) -> dict[str, Any]:
    _, hr, rr, sys, dia = next(row for row in reversed(_NORMAL) if age >= row[0])
    adult = _NORMAL[-1]
    ranges: dict[str, tuple[float, float]] = {"hr": hr, "rr": rr, "temp": (36.4, 37.3), "spo2": (97, 99)}
    pressure: dict[str, Any] = {"sys": sys, "dia": dia}
    if abnormal:
        changed = dict(shown.vitals)
        pressure |= changed.pop("bp", {})  # type: ignore[arg-type]
        for name, ends in changed.items():
            if name in ranges and isinstance(ends, tuple):
                ranges[name] = ends
        if 2 <= age < 12:  # the ranges are of adults, or of infants where the disease is theirs
            ranges |= {"hr": _scaled(ranges["hr"], hr, adult[1]), "rr": _scaled(ranges["rr"], rr, adult[2])}
    if fever is not None and fever != (ranges["temp"][1] > 37.8):
        ranges["temp"] = (38.0, 39.2) if fever else (36.4, 37.4)
    values: dict[str, Any] = {k: _between(v, number("vital", k), k == "temp") for k, v in ranges.items()}
    both = [int(_between(pressure[k], number("vital", k))) for k in ("sys", "dia")]
    return values | {"bp": f"{both[0]}/{min(both[1], both[0] - 15)}"}


def _scaled(
    ends: tuple[float, float], own: tuple[float, float], adult: tuple[float, float]
) -> tuple[float, float]:
    """A range for adults at a child's rate."""
    if ends == own:
        return ends
    factor = sum(own) / sum(adult)
    return ends[0] * factor, ends[1] * factor


def _between(ends: tuple[float, float], at: float, tenths: bool = False) -> float:
    value = ends[0] + (ends[1] - ends[0]) * at
    return round(value, 1) if tenths else round(value)


def tests(one: Disease, shown: Presentation, age: float, sex: str, number: Number) -> list[dict[str, Any]]:
    """The disease's own tests, and those out of range by chance; all others are normal if ordered."""
    best = max(one.tests, key=lambda t: one.tests[t].sensitivity + one.tests[t].specificity, default=None)
    made = []
    for id, accuracy in one.tests.items():
        if id in _BESIDE_VITALS:
            continue
        out = number("test", id) < accuracy.sensitivity
        made.append(_test(catalogue()[id], accuracy.flag if out else None, shown, age, sex, number))
        made[-1]["indicated"] = "essential" if id == best else "reasonable"
    for id, rate in _false_alarms().items():
        if id not in one.tests and id not in _BESIDE_VITALS and number("test", id) < rate:
            flag = "high" if number("side", id) < 0.5 else "low"
            made.append(_test(catalogue()[id], flag, None, age, sex, number))
            made[-1]["indicated"] = "low_value"
    return made


@cache
def _false_alarms() -> dict[str, float]:
    """How often each test of the profiles is out of range in people without any of its diseases."""
    rates: dict[str, list[float]] = {}
    for one in diseases():
        for id, accuracy in one.tests.items():
            rates.setdefault(id, []).append(1 - accuracy.specificity)
    return {id: sum(r) / len(r) for id, r in rates.items()}


def _test(
    entry: CatalogueTest, flag: str | None, shown: Presentation | None, age: float, sex: str, number: Number
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": entry.id, "name": entry.name, "aliases": list(entry.aliases), "category": entry.category,
        "cost": entry.cost, "minutes": entry.minutes, "invasiveness": entry.invasiveness,
    }  # fmt: skip
    words = shown.tests.get(entry.id) if shown else None
    readings = normal_result(entry, lambda line: number("value", f"{entry.id}:{line}"), sex, age)
    if flag and words:
        revealing = shown is not None and entry.id in shown.reveals
        return made | {"result": {"text": words, "flag": "abnormal"}, "report_reveals": revealing}
    if not any(isinstance(r.value, (int, float)) for r in readings):
        text = _CHANCE_TEXT if flag else entry.normal_text or "Normal."
        return made | {"result": {"text": text, "flag": "abnormal" if flag else "normal"}}
    lines = list(_lines(entry, readings, _moved(entry, readings, flag, shown), number))
    if entry.components:
        return made | {"components": lines}
    return made | {"result": {k: v for k, v in lines[0].items() if k != "name"}}


def _moved(
    entry: CatalogueTest, readings: list[Reading], flag: str | None, shown: Presentation | None
) -> Mapping[str, str]:
    """Which lines are out of range, and to which side; by chance, without a disease, it is one line."""
    if flag is None:
        return {}
    first = next(r.name for r in readings if isinstance(r.value, (int, float)))
    usual = (shown.panels.get(entry.id) or _LINES.get((entry.id, flag))) if shown else None
    return usual or {first: "low" if flag == "low" else "high"}


def _lines(
    entry: CatalogueTest, readings: list[Reading], moved: Mapping[str, str], number: Number
) -> Iterator[dict[str, Any]]:
    measured = {line.name: line for line in entry.lines()}
    for r in readings:
        value, state = r.value, "normal"
        if isinstance(value, str):
            yield {"name": r.name, "text": value or "Normal.", "flag": "normal"}
            continue
        if r.name in moved:
            at = number("out", f"{entry.id}:{r.name}")
            value, state = _out_of_range(r, moved[r.name] == "low", at, measured[r.name])
        ref = {k: v for k, v in (("low", r.low), ("high", r.high)) if v is not None}
        yield {"name": r.name, "value": value, "unit": r.unit, "ref": ref or None, "flag": state}


def _out_of_range(r: Reading, low: bool, at: float, line: CatalogueComponent) -> tuple[float, str]:
    """Beyond the wanted end, or the other one where there is only that.

    By a fraction of the range's width, or of the end where a range has only one; never below 0.
    """
    if (low and r.low) or r.high is None:
        end, sign, state = r.low or 0.0, -1, "low"
    else:
        end, sign, state = r.high, 1, "high"
    width = r.high - r.low if r.low is not None and r.high is not None else end
    exact = max(end + sign * width * (0.2 + 0.6 * at), end * 0.3)
    value = round(exact, line.decimals)
    return (value if line.decimals else float(int(value))), state
