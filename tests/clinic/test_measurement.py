"""What examinations, tests and images show."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from clinicenv.clinic import catalogue, measurement
from clinicenv.events import Examine, Order, OrderTests, RequestImage, Result, Role
from clinicenv.profile import BiasProfile
from clinicenv.view import MeasurementView
from clinicenv.workup import Exam, Image
from clinicenv.workup import Test as Lab

EXAM = Exam.model_validate(
    {
        "vitals": {"hr": 98, "bp": "128/76", "temp": 37.0, "spo2": 97},
        "findings": [
            {
                "id": "murmur", "system": "cardiovascular", "manoeuvre": "auscultation",
                "site": "left sternal edge", "aliases": ["heart sounds"],
                "text": "A soft murmur.", "abnormal": True, "minutes": 2,
            },
            {"id": "pulses", "system": "cardiovascular", "manoeuvre": "palpation", "site": "legs",
             "aliases": ["foot pulses"], "text": "Pulses felt."},
            {"id": "belly", "system": "abdominal", "manoeuvre": "palpation", "site": "abdomen",
             "aliases": ["feel the abdomen"], "text": "A mass."},
            {"id": "shoulder", "system": "musculoskeletal", "manoeuvre": "movement", "site": "shoulders",
             "text": "Stiff."},
        ],
        "normal_text": {"respiratory": "Clear lungs.", "cardiovascular": "Heart normal."},
    }
)  # fmt: skip
TESTS = [
    {"id": "fbc", "name": "Full blood count", "aliases": ["FBC"], "category": "lab",
     "cost": 12, "minutes": 45, "components": [
         {"name": "Haemoglobin", "value": 88, "unit": "g/L", "ref": {"low": 115, "high": 155}, "flag": "low"},
         {"name": "White cells", "value": 9.0, "unit": "10^9/L", "ref": {"low": 4.0, "high": 11.0}},
         {"name": "Platelets", "value": 500, "unit": "10^9/L", "ref": {"low": 150, "high": 400}},
         {"name": "Film", "text": "target cells", "flag": "abnormal"}]},
    {"id": "crp", "name": "C-reactive protein", "aliases": ["CRP"], "category": "lab",
     "result": {"value": 3, "unit": "mg/L", "ref": {"high": 5}}},
    {"id": "ecg", "name": "12-lead ECG", "aliases": ["heart trace"], "category": "ecg",
     "result": {"text": "Sinus rhythm."}},
    {"id": "echo", "name": "Echocardiogram", "aliases": ["echo"], "category": "imaging",
     "result": {"text": "Normal heart."}},
]  # fmt: skip
IMAGES = [
    {"id": "cxr", "name": "Chest x-ray", "aliases": ["CXR"], "modality": "xray", "body_part": "chest",
     "alt_text": "A chest film.", "report": "Clear lungs.", "cost": 40, "license": "MIT"},
]  # fmt: skip


def half(_: str) -> float:
    return 0.5


def shown(
    *orders: Order, number: Callable[[str], float] = half, unlisted: str = "normal", **fields: Any
) -> tuple[Result, ...]:
    view = MeasurementView(
        role=Role.MEASUREMENT, turn=1, max_turns=9, events=(),
        profile=BiasProfile(id="plain", target="measurement"),
        exam=fields.get("exam", EXAM), tests=tuple(Lab.model_validate(t) for t in TESTS),
        images=tuple(Image.model_validate(i) for i in IMAGES),
        unlisted=unlisted, sex=fields.get("sex", "female"), age=fields.get("age", 40), orders=orders,
        folder=None,
    )  # fmt: skip
    return measurement.report(view, number).results


def one(order: Order, **more: Any) -> Result:
    (result,) = shown(order, **more)
    return result


@pytest.mark.parametrize("asked", ["vitals", "Vital signs", "observations", "check the vital signs", "obs"])
def test_vital_signs_come_all_at_once(asked: str) -> None:
    result = one(Examine((asked,)))
    assert result.text == (
        "Heart rate 98/min; Blood pressure 128/76 mmHg; Temperature 37 °C; Oxygen saturation 97%"
    )
    assert "vitals" in result.ids


@pytest.mark.parametrize(
    ("asked", "sign", "text"),
    [
        ("blood pressure", "bp", "Blood pressure 128/76 mmHg"),
        ("pulse", "hr", "Heart rate 98/min"),
        ("sats", "spo2", "Oxygen saturation 97%"),
    ],
)
def test_one_vital_sign_comes_alone(asked: str, sign: str, text: str) -> None:
    result = one(Examine((asked,)))
    assert (result.ids, result.text) == ((sign,), text)


def test_a_vital_sign_that_is_not_recorded_is_not_invented() -> None:
    result = one(Examine(("respiratory rate",)))
    assert result.source == "unavailable"
    assert not any(c.isdigit() for c in result.text)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("murmur", ("murmur",)),
        ("listen to the heart", ("murmur",)),
        ("heart sounds", ("murmur",)),
        ("Auscultation of the left sternal edge", ("murmur",)),
        ("foot pulses", ("pulses",)),
        ("palpate the tummy", ("belly",)),
        ("shoulder range of motion", ("shoulder",)),
        ("cardiovascular examination", ("murmur", "pulses")),
        ("heart", ("murmur", "pulses")),
        ("stomach", ("belly",)),
        ("heart and abdomen", ("murmur", "pulses", "belly")),
    ],
)
def test_examinations_find_findings_by_many_names(asked: str, found: tuple[str, ...]) -> None:
    result = one(Examine((asked,)))
    assert result.ids == found
    assert (result.source, result.item) == ("scenario", asked)


def test_a_system_without_findings_shows_what_is_written_or_nothing_abnormal() -> None:
    assert one(Examine(("lungs",))).text == "Clear lungs."
    skin = one(Examine(("skin",)))
    assert (skin.text, skin.source, skin.flags) == ("No abnormality found.", "normal", ())


def test_what_is_no_examination_is_not_answered_with_a_normal_finding() -> None:
    assert one(Examine(("elephant",))).source == "unknown"
    ordered_wrongly = one(Examine(("chest x-ray",)))
    assert ordered_wrongly.source == "unknown"
    assert "Order it" in ordered_wrongly.text


def test_a_panel_reads_like_a_lab_slip() -> None:
    result = one(OrderTests(("fbc",)))
    assert result.text == (
        "Haemoglobin 88 g/L (115-155) L; White cells 9 10^9/L (4-11); Platelets 500 10^9/L (150-400) H;"
        " Film: target cells"
    )
    assert result.flags == ("low", "high", "abnormal")
    assert (result.ids, result.source, result.cost, result.minutes) == (("fbc",), "scenario", 12, 45)


def test_a_normal_value_is_not_flagged() -> None:
    result = one(OrderTests(("CRP",)))
    assert (result.text, result.flags) == ("3 mg/L (<5)", ())


@pytest.mark.parametrize(
    ("asked", "found"),
    [("FBC", "fbc"), ("complete blood count", "fbc"), ("C reactive protien", "crp"), ("EKG", "ecg"),
     ("serum CRP level", "crp"), ("Hb", "fbc")],
)  # fmt: skip
def test_listed_tests_are_found_by_other_names_and_slips(asked: str, found: str) -> None:
    assert one(OrderTests((asked,))).ids == (found,)


def test_images_and_tests_are_found_whichever_way_they_are_asked_for() -> None:
    for order in (OrderTests(("CXR",)), RequestImage(("chest radiograph",))):
        image = one(order)
        assert (image.kind, image.ids, image.text) == ("image", ("cxr",), "Clear lungs.")
        assert (image.source, image.route) == ("report", ("report",))
    assert (one(RequestImage(("ECG",))).kind, one(RequestImage(("ECG",))).ids) == ("test", ("ecg",))


def test_listed_and_unlisted_tests_look_the_same() -> None:
    listed = one(OrderTests(("CRP",)))
    unlisted = one(OrderTests(("ESR",)))
    assert unlisted.source == "normal"
    assert unlisted.ids == ()
    form = r"^[\d.]+ \S+ \([<>]?[\d.]+(-[\d.]+)?\)$"
    assert re.match(form, listed.text)
    assert re.match(form, unlisted.text)
    assert one(OrderTests(("CT head",))).kind == one(OrderTests(("echo",))).kind == "image"


def test_unlisted_normals_lie_in_their_range_and_follow_their_own_draws() -> None:
    asked: list[str] = []

    def number(key: str) -> float:
        asked.append(key)
        return 0.99

    high = one(OrderTests(("U&E",)), number=number)
    assert high.flags == ()
    assert "test:urea_electrolytes:Sodium" in asked
    assert high.text != one(OrderTests(("U&E",)), number=lambda _: 0.0).text
    for reading in catalogue.normal_result(catalogue.catalogue()["urea_electrolytes"], number, "female"):
        assert isinstance(reading.value, (int, float))
        assert reading.low is None or reading.low <= reading.value
        assert reading.high is None or reading.value <= reading.high


def test_what_is_not_available_says_so_and_costs_nothing() -> None:
    policy = one(OrderTests(("TSH",)), unlisted="unavailable")
    unheard_of = one(OrderTests(("unicorn titre",)))
    assert policy.text == unheard_of.text == "Not available here."
    assert (policy.source, unheard_of.source) == ("unavailable", "unknown")
    assert policy.cost == unheard_of.cost == 0


def test_results_keep_the_order_and_repeats_within_an_act_are_reported_once() -> None:
    results = shown(
        OrderTests(("CRP", "FBC", "c-reactive protein")), Examine(("heart", "bp", "cardiovascular"))
    )
    assert [r.ids for r in results] == [("crp",), ("fbc",), ("murmur", "pulses"), ("bp",)]


def test_an_examination_that_is_ordered_as_a_test_is_done() -> None:
    vitals, pulses = shown(OrderTests(("vital signs", "foot pulses")))
    assert (vitals.kind, pulses.kind, pulses.ids) == ("exam", "exam", ("pulses",))


@pytest.mark.parametrize("asked", ["press on the chest wall", "palpate the chest", "chest wall tenderness"])
def test_pressing_is_not_answered_with_what_is_heard(asked: str) -> None:
    chest = {"id": "chest", "system": "respiratory", "manoeuvre": "auscultation", "site": "chest",
             "text": "Crackles."}  # fmt: skip
    normal = {"respiratory": "Chest clear.", "musculoskeletal": "Ribs sound."}
    exam = Exam.model_validate({"findings": [chest], "normal_text": normal})
    assert one(Examine((asked,)), exam=exam).text == "Musculoskeletal examination: Ribs sound."
    assert one(Examine(("listen to the chest",)), exam=exam).text == "Crackles."


def test_the_manoeuvre_comes_before_the_system() -> None:
    assert one(Examine(("palpate the heart",))).text == "Pulses felt."
    assert one(Examine(("listen to the lungs",))).text == "Respiratory examination: Clear lungs."
    looked_at = one(Examine(("look at the chest",)))
    assert looked_at.text == "Respiratory examination: Clear lungs."


def test_a_child_s_unlisted_result_is_for_its_age() -> None:
    results = shown(OrderTests(("ESR", "LFT")), age=0.7)
    assert results[0].text == "Within the normal range for age"
    assert "Alkaline phosphatase 280 U/L (110-450)" in results[1].text


@pytest.mark.parametrize("sex", ["unknown", "intersex"])
def test_a_sex_without_ranges_of_its_own_has_the_general_ones(sex: str) -> None:
    assert one(OrderTests(("CK",)), sex=sex).text.endswith("(25-300)")
    assert one(OrderTests(("CK",)), sex="female").text.endswith("(25-190)")
