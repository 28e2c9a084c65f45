"""How well the OCR reader reads drawn documents: the documents, and what counts as right.

A value is right where its name, number and unit are; case and spaces do not count, as `mmol/l` is no other
unit than `mmol/L`. The documents of `HELD_OUT` are for the figures only; the reader was made on lower seeds.
Reference ranges and doses are usual adult ones, as in the Oxford Handbook of General Practice (reference
intervals) and the British National Formulary; the values beside them are drawn by chance and mean nothing.
"""

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from clinicenv.drawing.document import DocumentSpec, Row, draw, drawable
from clinicenv.readers.document import Value, read_lines, read_values

HELD_OUT = range(1000, 1050)

TESTS = (
    ("Sodium", "mmol/L", 135, 145, 0),
    ("Potassium", "mmol/L", 3.5, 5.0, 1),
    ("Bicarbonate", "mmol/L", 22, 29, 0),
    ("Urea", "mmol/L", 2.5, 6.7, 1),
    ("Creatinine", "µmol/L", 60, 110, 0),
    ("Calcium (adjusted)", "mmol/L", 2.15, 2.55, 2),
    ("Phosphate", "mmol/L", 0.8, 1.45, 2),
    ("Albumin", "g/L", 35, 50, 0),
    ("Total protein", "g/L", 60, 80, 0),
    ("Bilirubin", "µmol/L", 3, 17, 0),
    ("ALT", "U/L", 5, 42, 0),
    ("AST", "IU/L", 5, 42, 0),
    ("Glucose (fasting)", "mmol/L", 4.0, 6.0, 1),
    ("TSH", "mU/L", 0.35, 5.5, 2),
    ("Free T4", "pmol/L", 9, 22, 0),
    ("Haemoglobin", "g/L", 130, 170, 0),
    ("White cell count", "10⁹/L", 4.0, 11.0, 1),
    ("Neutrophils", "10⁹/L", 2.5, 7.5, 1),
    ("Lymphocytes", "10⁹/L", 1.5, 4.0, 1),
    ("Platelets", "10⁹/L", 150, 400, 0),
    ("MCV", "fL", 80, 99, 0),
    ("Haematocrit", "%", 40, 52, 0),
    ("INR", "", 0.9, 1.2, 1),
    ("pH", "", 7.35, 7.45, 2),
    ("pO2", "kPa", 12.0, 14.5, 1),
    ("pCO2", "kPa", 4.7, 6.0, 1),
)
"""name, unit, lowest and highest usual value, decimals"""

MEDICINES = (
    ("Amlodipine", ("5", "10"), "mg", "by mouth, once daily"),
    ("Bisoprolol", ("1.25", "2.5", "5"), "mg", "by mouth, in the morning"),
    ("Ramipril", ("2.5", "5", "10"), "mg", "by mouth, at night"),
    ("Atorvastatin", ("20", "40", "80"), "mg", "by mouth, at night"),
    ("Aspirin", ("75",), "mg", "by mouth, once daily"),
    ("Metformin", ("500", "850"), "mg", "with meals, twice daily"),
    ("Gliclazide", ("40", "80"), "mg", "with breakfast"),
    ("Levothyroxine", ("25", "50", "100"), "micrograms", "before breakfast"),
    ("Omeprazole", ("20", "40"), "mg", "once daily"),
    ("Paracetamol", ("500", "1000"), "mg", "up to four times a day"),
    ("Amoxicillin", ("250", "500"), "mg", "three times a day"),
    ("Prednisolone", ("5", "30"), "mg", "in the morning, 5 days"),
    ("Salbutamol inhaler", ("100", "200"), "micrograms", "when needed"),
    ("Furosemide", ("20", "40"), "mg", "in the morning"),
    ("Insulin glargine", ("12", "18", "24"), "units", "under the skin, at night"),
    ("Enoxaparin", ("40",), "mg", "under the skin, once daily"),
    ("Oxygen", ("2", "4"), "L/min", "by nasal cannula"),
)
"""name, doses, unit, how and when"""

LETTER = (
    "Thank you for seeing this retired teacher, who has been short of breath on hills for 6 weeks.",
    "There has been no chest pain, and no swelling of the legs. Blood pressure was 148/86 mmHg today.",
    "An ECG showed sinus rhythm at 84 a minute. We stopped ibuprofen 400 mg three weeks ago.",
    "The chest was clear. I would be grateful for your opinion, and for an echocardiogram.",
    "The wound has healed well, and the stitches came out after 10 days. Walking is as it was before.",
)


def described(seed: int) -> DocumentSpec:
    """A document of one of the four kinds, in scans of every quality."""
    luck = Random(f"document/{seed}")
    quality = round(luck.random(), 2)
    header = (
        (luck.choice(("Reference", "Number", "File")), f"{luck.choice('ABKR')} {luck.randint(10000, 99999)}"),
        ("Date", f"{luck.randint(1, 28)} March 2031"),
    )
    match seed % 4:
        case 0:
            titled = Row(name="Test", value="Result", unit="Unit", reference="Reference", flag="Flag")
            return DocumentSpec(
                kind="lab_report",
                title=luck.choice(("Laboratory report", "Biochemistry and haematology", "Blood results")),
                header=header,
                columns=titled if luck.random() < 0.7 else None,
                rows=tuple(_result(luck, *test) for test in luck.sample(TESTS, luck.randint(6, 14))),
                paragraphs=("Ranges are for adults.",) if luck.random() < 0.5 else (),
                quality=quality,
            )
        case 1:
            titled = Row(name="Medicine", value="Dose", unit="", note="How and when")
            return DocumentSpec(
                kind="medication_list",
                title="Medicines",
                header=header,
                columns=titled if luck.random() < 0.7 else None,
                rows=_medicines(luck, luck.randint(4, 9)),
                quality=quality,
            )
        case 2:
            times = [
                f"{hour:02}:{luck.choice(('00', '15', '30'))}" for hour in (6, 10, 14)[: luck.randint(1, 3)]
            ]
            return DocumentSpec(
                kind="observations",
                title="Observations",
                header=header,
                rows=tuple(row for at in times for row in _observed(luck, at)),
                quality=quality,
            )
        case _:
            said = luck.sample(LETTER, 3)
            return DocumentSpec(
                kind="letter",
                title=luck.choice(("Referral", "Discharge letter")),
                header=header,
                rows=_medicines(luck, luck.randint(2, 5)),
                paragraphs=("Dear colleague,", " ".join(said), "Medicines now:", "With kind regards"),
                above=3,
                quality=quality,
            )


def _result(luck: Random, name: str, unit: str, low: float, high: float, decimals: int) -> Row:
    value = luck.uniform(0.6 * low, 1.5 * high)
    shown = f"{value:.{decimals}f}"
    flag = "L" if float(shown) < low else "H" if float(shown) > high else ""
    reference = f"{low:.{decimals}f} - {high:.{decimals}f}"
    return Row(name=name, value=shown, unit=unit, reference=reference, flag=flag)


def _medicines(luck: Random, n: int) -> tuple[Row, ...]:
    return tuple(
        Row(name=name, value=luck.choice(doses), unit=unit, note=note)
        for name, doses, unit, note in luck.sample(MEDICINES, n)
    )


def _observed(luck: Random, at: str) -> tuple[Row, ...]:
    return (
        Row(time=at, name="Respiratory rate", value=str(luck.randint(8, 34)), unit="/min"),
        Row(name="SpO2", value=str(luck.randint(84, 100)), unit="%", note=luck.choice(("on air", "on 2 L"))),
        Row(name="Blood pressure", value=f"{luck.randint(84, 190)}/{luck.randint(40, 110)}", unit="mmHg"),
        Row(name="Pulse", value=str(luck.randint(44, 150)), unit="bpm"),
        Row(name="Temperature", value=f"{luck.uniform(35, 40.5):.1f}", unit="°C"),
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in some documents; shares are from 0 to 1."""

    documents: int
    values: int
    right: float
    """share of the values whose name, number and unit were read right"""
    numbers: float
    """share of the values whose number was read right, whatever its name and unit"""
    invented: float
    """values that are not on the page, over those that are"""


def reading(seeds: Iterable[int]) -> Reading:
    """How the documents of these seeds are read."""
    documents = values = right = numbers = invented = 0
    for seed in seeds:
        spec = described(seed)
        found, true = read_values(draw(spec, seed)), expected(spec)
        hits = (Counter(map(_same, true)) & Counter(map(_same, found))).total()
        documents, values, right = documents + 1, values + len(true), right + hits
        numbers += (Counter(v.value for v in true) & Counter(v.value for v in found)).total()
        invented += len(found) - hits
    return Reading(
        documents, values, round(right / values, 4), round(numbers / values, 4), round(invented / values, 4)
    )


def expected(spec: DocumentSpec) -> list[Value]:
    """The values on the page, in the characters that it is drawn in."""
    return [Value(drawable(r.name), drawable(r.value), drawable(r.unit)) for r in spec.rows if r.value]


def _same(value: Value) -> tuple[str, ...]:
    return tuple("".join(part.split()).casefold() for part in value)


def measure() -> dict[str, Any]:
    """Values read right on the held-out documents, by quality of the scan too; load time, seconds a page."""
    page = draw(described(0), 0)
    start = time.perf_counter()
    read_lines(page)
    first = time.perf_counter() - start
    seconds = []
    for seed in HELD_OUT:
        page = draw(described(seed), seed)
        start = time.perf_counter()
        read_lines(page)
        seconds.append(time.perf_counter() - start)
    thirds = {
        name: [seed for seed in HELD_OUT if low <= described(seed).quality < high]
        for name, low, high in (("poor", 0, 1 / 3), ("fair", 1 / 3, 2 / 3), ("clean", 2 / 3, 1.01))
    }
    return {
        **asdict(reading(HELD_OUT)),
        "by_quality": {name: asdict(reading(seeds)) for name, seeds in thirds.items()},
        "first_page_s": round(first, 2),
        "page_s": round(statistics.median(seconds), 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
