"""Documents and charts drawn from a description: what stands on them, and that they come out the same."""

import io
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from clinicenv.drawing import chart, document
from clinicenv.drawing.chart import ChartSpec, Series
from clinicenv.drawing.document import DocumentSpec, Row
from clinicenv.files import InputError

LAB = DocumentSpec(
    kind="lab_report",
    title="Blood results",
    header=(("Number", "R 20417"),),
    columns=Row(name="Test", value="Result", unit="Unit"),
    rows=(
        Row(name="Sodium", value="131", unit="mmol/L", reference="135–145", flag="L"),
        Row(name="Creatinine", value="104", unit="µmol/L", reference="60–110"),
    ),
    paragraphs=("Sample haemolysed.",),
)
FEVER = ChartSpec(
    kind="temperature",
    x_label="hours",
    y_label="°C",
    series=(Series(points=((0, 37.0), (12, 39.0))),),
    y_range=(35, 41),
    quality=1,
)


def opened(data: bytes) -> Any:
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    return image.open(io.BytesIO(data))


def draw(spec: DocumentSpec | ChartSpec, seed: int = 0) -> bytes:
    pytest.importorskip("PIL", reason="pillow is not installed")
    return document.draw(spec, seed) if isinstance(spec, DocumentSpec) else chart.draw(spec, seed)


@pytest.mark.parametrize("spec", [LAB, FEVER.model_copy(update={"quality": 0.3})], ids=["document", "chart"])
def test_a_description_and_a_seed_give_the_same_bytes_in_every_process(spec: Any) -> None:
    here = draw(spec, 7)
    module = "document" if spec is LAB else "chart"
    code = (
        f"import sys; from clinicenv.drawing import {module}\n"
        f"spec = {module}.{type(spec).__name__}.model_validate_json(sys.argv[1])\n"
        f"sys.stdout.buffer.write({module}.draw(spec, 7))"
    )
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-c", code, spec.model_dump_json()]
        done = subprocess.run(command, capture_output=True, check=True, env={"PYTHONHASHSEED": hash_seed})
        assert done.stdout == here
    assert draw(spec, 8) != here


def test_a_page_is_a_png_without_metadata() -> None:
    page = opened(draw(LAB))
    assert page.format == "PNG"
    assert page.info == {}


@pytest.mark.parametrize("kind", ["lab_report", "medication_list", "observations", "letter"])
def test_a_description_without_words_gives_an_empty_page(kind: Any) -> None:
    page = opened(draw(DocumentSpec(kind=kind, quality=1)))
    assert page.getcolors() == [(page.width * page.height, (255, 255, 255))]


def test_a_poorer_scan_has_more_shades() -> None:
    shades = [
        len(opened(draw(LAB.model_copy(update={"quality": q}))).convert("L").getcolors()) for q in (1, 0)
    ]
    assert shades[0] < shades[1]


def test_long_text_and_wide_tables_stay_inside_the_margins() -> None:
    wide = Row(name="n" * 60, value="1" * 60, unit="u" * 60, reference="r" * 60, note="x" * 60)
    spec = DocumentSpec(
        kind="letter", rows=(wide,), paragraphs=("w" * 900, "many words " * 90), above=1, quality=1
    )
    page = opened(draw(spec)).convert("L")
    left, top, right, bottom = page.point([255 - v for v in range(256)]).getbbox()
    assert left >= document.MARGIN - 2
    assert top >= document.MARGIN - 2
    assert right <= page.width - document.MARGIN + 2
    assert bottom <= page.height - document.MARGIN + 2


def test_units_are_drawn_in_letters_that_the_font_has() -> None:
    assert document.drawable("104 µmol/L, 12 × 10⁹/L, ≥ 5, Müller") == "104 umol/L, 12 x 10^9/L, >= 5, Muller"


def test_a_character_that_cannot_be_drawn_is_named() -> None:
    with pytest.raises(InputError, match=r"'Н'.*Latin letters"):
        document.drawable("Натрий")


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "poem"},
        {"kind": "letter", "quality": 1.5},
        {"kind": "letter", "patient": "somebody"},
        {"kind": "letter", "paragraphs": ["x" * 4000, "y" * 4000]},
    ],
)
def test_a_description_that_cannot_be_drawn_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DocumentSpec.model_validate(fields)


def test_without_pillow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    for drawing in (lambda: document.draw(LAB, 0), lambda: chart.draw(FEVER, 0)):
        with pytest.raises(InputError, match=r"pip install 'clinicenv\[ocr\]'"):
            drawing()


# Charts


def at(spec: ChartSpec, x: float, y: float) -> tuple[int, int, int]:
    """The colour where a point of the chart stands."""
    frame = chart._frame(spec)
    return opened(draw(spec)).getpixel(frame.at((x, y)))


def test_readings_stand_where_the_axes_say_and_are_joined() -> None:
    trace = chart.TRACES[0]
    assert at(FEVER, 0, 37.0) == trace
    assert at(FEVER, 12, 39.0) == trace
    assert at(FEVER, 6, 38.0) == trace
    assert at(FEVER, 5, 36.3) == (255, 255, 255)


def test_growth_is_dots_between_curves_and_not_joined() -> None:
    curve = Series(name="50th", points=((0, 3.5), (6, 7.5), (12, 9.5)))
    spec = ChartSpec(
        kind="growth",
        x_label="months",
        y_label="kg",
        series=(Series(points=((1, 3.9), (9, 6.2))),),
        curves=(curve,),
        quality=1,
    )
    assert at(spec, 1, 3.9) == at(spec, 9, 6.2) == chart.TRACES[0]
    assert at(spec, 5, 5.05) != chart.TRACES[0]
    assert at(spec, 6, 7.5) == chart.CURVE


def test_blood_pressure_is_a_line_between_systolic_and_diastolic() -> None:
    both = (Series(name="systolic", points=((8, 150), (12, 130))), Series(points=((8, 90), (12, 84))))
    spec = ChartSpec(kind="blood_pressure", series=both, quality=1)
    assert at(spec, 8, 120) == at(spec, 12, 100) == chart.TRACES[0]
    assert at(spec, 10, 113) != chart.TRACES[0]


def test_a_glucose_log_shades_its_target() -> None:
    spec = ChartSpec(kind="glucose", series=(Series(points=((8, 11.2), (13, 6.0))),), band=(4, 7), quality=1)
    assert at(spec, 8.1, 5.3) == chart.BAND
    assert at(spec, 8.1, 8.7) == (255, 255, 255)


@pytest.mark.parametrize(
    "points",
    [((3.0, 37.0),), ((0.0, 5.0), (0.0, 5.0)), ((-2.0, -1e6), (2e6, 1e6)), ((0.0, 1e-4), (1e-3, 2e-4))],
)
def test_any_reasonable_numbers_have_an_axis(points: Any) -> None:
    spec = ChartSpec(kind="temperature", series=(Series(points=points),))
    assert opened(draw(spec)).width > chart.WIDE


def test_numbers_without_an_axis_are_refused() -> None:
    spec = ChartSpec(kind="glucose", series=(Series(points=((0, 1), (1e300, 1))),))
    with pytest.raises(InputError, match="too far apart"):
        draw(spec)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"kind": "glucose", "y_range": (8, 4)}, "the lower end comes first"),
        ({"kind": "glucose", "y_range": (4, 8)}, "a point lies outside"),
        ({"kind": "blood_pressure"}, "two series"),
    ],
)
def test_a_chart_that_contradicts_itself_is_refused(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        ChartSpec(series=(Series(points=((0, 12),)),), **fields)
