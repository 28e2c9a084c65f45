"""The catalogue of tests: lookups by any reasonable name, and plausible normal results."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clinicenv.clinic.catalogue import (
    FOR_AGE,
    CatalogueComponent,
    Reading,
    catalogue,
    egfr,
    find,
    normal_result,
)

NUMBERS = st.floats(min_value=0, max_value=1, exclude_max=True)


@pytest.mark.parametrize("test_id", list(catalogue()))
def test_every_test_is_found_by_its_id_its_name_and_each_alias(test_id: str) -> None:
    test = catalogue()[test_id]
    for name in (test.id, test.name, test.name.upper(), *test.aliases):
        assert find(name) is test, name


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("CBC", "full_blood_count"),
        ("U&Es", "urea_electrolytes"),
        ("serum sodium level", "urea_electrolytes"),
        ("Chest x-ray (PA)", "chest_xray"),
        ("CHEST XRAY", "chest_xray"),
        ("a CT scan of the head", "ct_head"),
        ("12-lead EKG", "ecg"),
        ("12 lead ekg", "ecg"),
        ("blood gas", "arterial_blood_gas"),
        ("trponin", "troponin"),
        ("lumbar punctur", "lumbar_puncture"),
        ("pregnancy test", "urine_pregnancy"),
        ("blood pregnancy test", "serum_hcg"),
    ],
)
def test_doctors_wordings(asked: str, expected: str) -> None:
    found = find(asked)
    assert found is not None
    assert found.id == expected


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "???",
        "blood",
        "a blood test",
        "vitamin b1",
        "hepatitis A serology",
        "free t5",
        "MRI knee",
        "brain",
        "leg",
    ],
)
def test_a_test_that_is_not_listed_is_not_guessed(asked: str) -> None:
    assert find(asked) is None


@pytest.mark.parametrize("sex", ["female", "male", "intersex", "unknown", None])
@given(number=NUMBERS, age=st.floats(min_value=0, max_value=120))
def test_normal_values_lie_in_the_reference_range(sex: str | None, number: float, age: float) -> None:
    for test in catalogue().values():
        for line in normal_result(test, lambda _: number, sex, age):
            if isinstance(line.value, str):
                continue
            assert line.low is None or line.value >= line.low, (test.id, line)
            assert line.high is None or line.value <= line.high, (test.id, line)


def test_every_test_reports_something_normal() -> None:
    for test in catalogue().values():
        readings = normal_result(test, lambda _: 0.5)
        assert bool(readings) != bool(test.normal_text), test.id
        assert all(line.value != "" for line in readings), test.id


def test_ranges_follow_sex() -> None:
    count = catalogue()["full_blood_count"]
    women = normal_result(count, lambda _: 0.5, "female")[0]
    men = normal_result(count, lambda _: 0.5, "male")[0]
    assert women == Reading("Haemoglobin", 135, "g/L", 115, 155)
    assert men == Reading("Haemoglobin", 150, "g/L", 130, 170)


def test_each_line_has_its_own_draw_and_the_printed_precision() -> None:
    numbers = {"Sodium": 0.0, "Potassium": 0.999}
    sodium, potassium, *_ = normal_result(
        catalogue()["urea_electrolytes"], lambda name: numbers.get(name, 0.5)
    )
    assert (sodium.value, potassium.value) == (136, 4.8)


def test_costs_are_in_the_bands_of_their_category() -> None:
    for test in catalogue().values():
        if test.category == "path":
            assert test.cost == 1000, test.id
        if test.name.startswith("CT "):
            assert 250 <= test.cost <= 300, test.id
        if test.name.startswith("MRI "):
            assert 400 <= test.cost <= 500, test.id
        if "ultrasound" in test.name:
            assert test.cost == 120, test.id


def test_importing_does_not_load_the_spelling_library() -> None:
    code = "import sys, clinicenv.clinic.catalogue; sys.exit('rapidfuzz' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(numbers=st.lists(NUMBERS, min_size=4, max_size=4), age=st.floats(min_value=0.1, max_value=120))
def test_the_kinds_of_white_cells_sum_to_no_more_than_all(numbers: list[float], age: float) -> None:
    kinds = ("White cells", "Neutrophils", "Lymphocytes", "Eosinophils")
    drawn = dict(zip(kinds, numbers, strict=True))
    lines = normal_result(catalogue()["full_blood_count"], lambda name: drawn.get(name, 0.5), "female", age)
    found = {line.name: float(line.value) for line in lines}
    assert found["Neutrophils"] + found["Lymphocytes"] + found["Eosinophils"] <= found["White cells"]


def test_egfr_follows_creatinine_age_and_sex() -> None:
    def shown(sex: str | None, age: float, number: float) -> tuple[float, float]:
        lines = {
            r.name: r.value
            for r in normal_result(catalogue()["urea_electrolytes"], lambda _: number, sex, age)
        }
        return float(lines["Creatinine"]), float(lines["eGFR"])

    low, high = shown("male", 40, 0.0), shown("male", 40, 0.99)
    assert low[0] < high[0]
    assert low[1] > high[1]
    assert shown("male", 80, 0.5)[1] < shown("male", 20, 0.5)[1]
    assert shown("unknown", 50, 0.5) == shown(None, 50, 0.5)
    # 1.0 mg/dL at 50 years, worked by hand from the published equation
    assert egfr(88.4, 50, "male") == pytest.approx(92, abs=1)
    assert egfr(88.4, 50, "female") == pytest.approx(69, abs=1)


def test_children_have_their_own_ranges_or_words() -> None:
    def lines(test: str, age: float) -> dict[str, Reading]:
        return {r.name: r for r in normal_result(catalogue()[test], lambda _: 0.5, "female", age)}

    infant, child = lines("full_blood_count", 0.5), lines("full_blood_count", 8)
    assert float(infant["Lymphocytes"].value) > float(infant["Neutrophils"].value)
    assert float(child["Neutrophils"].value) > float(child["Lymphocytes"].value)
    assert float(lines("urea_electrolytes", 0.5)["Creatinine"].value) < 35
    assert lines("urea_electrolytes", 8)["eGFR"].value == FOR_AGE
    assert lines("full_blood_count", 0.01)["Haemoglobin"] == Reading("Haemoglobin", FOR_AGE, "", None, None)
    assert lines("d_dimer", 15.9)["D-dimer"].value == FOR_AGE
    assert isinstance(lines("d_dimer", 16)["D-dimer"].value, int)


def test_a_range_that_cannot_be_drawn_from_is_refused() -> None:
    half = {"name": "Half", "ref": {"low": 1, "high": 5, "child": {"low": 1, "high": 4}}}
    with pytest.raises(ValidationError, match="children"):
        CatalogueComponent.model_validate({**half, "share_of": "All", "share": {"low": 0.4, "high": 0.5}})
    with pytest.raises(ValidationError, match="infants"):
        CatalogueComponent.model_validate({"name": "X", "ref": {"high": 5, "infant": {"low": 1}}})
