"""What examinations and tests of a sampled case show, drawn by the bands of the disease's profile."""

from collections.abc import Callable, Iterator
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

_LINES = {
    ("full_blood_count", "high"): ("White cells", "Neutrophils"),
    ("urea_electrolytes", "high"): ("Urea", "Creatinine"),
    ("urea_electrolytes", "abnormal"): ("Urea", "Creatinine"),
    ("liver_function", "high"): ("ALT", "AST"),
    ("liver_function", "abnormal"): ("ALT", "AST"),
}
"""Lines of a panel that are out of range; of other panels it is the first."""

_CHANCE_TEXT = "Minor changes only, of a kind that is seen in many people."


def exam(one: Disease, shown: Presentation, age: float, number: Number) -> dict[str, Any]:
    """Vital signs, and the signs of the disease that are there."""
    there = {s for s, band in one.signs.items() if number("sign", s) < BANDS[band]}
    findings = [
        {"id": sign.replace(" ", "_"), "system": "general", "manoeuvre": sign, "text": shown.signs[sign],
         "abnormal": True}
        for sign in one.signs
        if sign in there and sign in shown.signs
    ]  # fmt: skip
    return {"vitals": _vitals(shown, age, number, "vital signs" in there), "findings": findings}


def _vitals(shown: Presentation, age: float, number: Number, abnormal: bool) -> dict[str, Any]:
    _, hr, rr, sys, dia = next(row for row in reversed(_NORMAL) if age >= row[0])
    ranges: dict[str, Any] = {"hr": hr, "rr": rr, "temp": (36.4, 37.3), "spo2": (97, 99)}
    pressure: dict[str, Any] = {"sys": sys, "dia": dia}
    if abnormal:
        changed = dict(shown.vitals)
        pressure |= changed.pop("bp", {})  # type: ignore[arg-type]
        ranges |= {k: v for k, v in changed.items() if k in ranges}
    values: dict[str, Any] = {k: _between(v, number("vital", k), k == "temp") for k, v in ranges.items()}
    both = [int(_between(pressure[k], number("vital", k))) for k in ("sys", "dia")]
    return values | {"bp": f"{both[0]}/{min(both[1], both[0] - 15)}"}


def _between(ends: tuple[float, float], at: float, tenths: bool = False) -> float:
    value = ends[0] + (ends[1] - ends[0]) * at
    return round(value, 1) if tenths else float(round(value))


def tests(one: Disease, shown: Presentation, age: float, sex: str, number: Number) -> list[dict[str, Any]]:
    """The disease's own tests, and those out of range by chance; all others are normal if ordered."""
    best = max(one.tests, key=lambda t: one.tests[t].sensitivity + one.tests[t].specificity, default=None)
    made = []
    for id, accuracy in one.tests.items():
        out = number("test", id) < accuracy.sensitivity
        made.append(_test(catalogue()[id], accuracy.flag if out else None, shown, age, sex, number))
        made[-1]["indicated"] = "essential" if id == best else "reasonable"
    for id, rate in _false_alarms().items():
        if id not in one.tests and number("test", id) < rate:
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
    lines = list(_lines(entry, readings, flag, number))
    if entry.components:
        return made | {"components": lines}
    return made | {"result": {k: v for k, v in lines[0].items() if k != "name"}}


def _lines(
    entry: CatalogueTest, readings: list[Reading], flag: str | None, number: Number
) -> Iterator[dict[str, Any]]:
    decimals = {line.name: line for line in entry.lines()}
    numeric = [r.name for r in readings if isinstance(r.value, (int, float))]
    out = _LINES.get((entry.id, flag or ""), tuple(numeric[:1])) if flag else ()
    for r in readings:
        value, state = r.value, "normal"
        if isinstance(value, str):
            yield {"name": r.name, "text": value or "Normal.", "flag": "normal"}
            continue
        if r.name in out:
            value, state = _out_of_range(
                r, flag == "low", number("out", f"{entry.id}:{r.name}"), decimals[r.name]
            )
        ref = {k: v for k, v in (("low", r.low), ("high", r.high)) if v is not None}
        yield {"name": r.name, "value": value, "unit": r.unit, "ref": ref or None, "flag": state}


def _out_of_range(r: Reading, low: bool, at: float, line: CatalogueComponent) -> tuple[float, str]:
    """Beyond the wanted end by 15 to 100 %, or the other end where there is only that; never below 0."""
    if (low and r.low) or r.high is None:
        exact, state = (r.low or 0) * (0.85 - 0.4 * at), "low"
    else:
        exact, state = r.high * (1.15 + at), "high"
    value = round(exact, line.decimals)
    return (value if line.decimals else float(int(value))), state
