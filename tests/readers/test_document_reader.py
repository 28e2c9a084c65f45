"""What the OCR reader makes of pages, and of what is no page."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

from clinicenv.drawing.document import DocumentSpec, Row, draw, png
from clinicenv.files import InputError
from clinicenv.readers import document as reader
from clinicenv.readers.document import Value

needs_ocr = pytest.mark.skipif(
    not all(map(find_spec, ("rapidocr", "onnxruntime", "PIL"))),
    reason="the `ocr` extra is not installed",
)

WARD = DocumentSpec(
    kind="observations",
    title="Observations",
    rows=(
        Row(time="08:00", name="Blood pressure", value="128/76", unit="mmHg", note="left arm"),
        Row(name="SpO2", value="94", unit="%", note="on air"),
        Row(name="Urine ketones", value="negative"),
    ),
    paragraphs=("Seen at 9 with the team; fluids 500 mL over 4 hours, then ask again.",),
    quality=0.6,
)


@needs_ocr
def test_values_of_drawn_documents_are_read() -> None:
    from benchmarks.ocr import reading

    found = reading(range(2000, 2006))
    assert found.documents == 6
    assert found.values >= 25
    assert found.right >= 0.95
    assert found.invented <= 0.05


@needs_ocr
def test_a_page_is_read_line_by_line_with_the_cells_of_a_row_apart() -> None:
    lines = reader.read_lines(draw(WARD, 3))
    assert lines[0] == "Observations"
    assert lines[1] == "08:00 | Blood pressure | 128/76 | mmHg | left arm"
    assert lines[2] == "SpO2 | 94 | % | on air"
    assert reader.text(draw(WARD, 3)) == "\n".join(lines)


@needs_ocr
def test_values_have_names_and_units_and_running_text_gives_none() -> None:
    assert reader.read_values(draw(WARD, 3)) == [
        Value("Blood pressure", "128/76", "mmHg"),
        Value("SpO2", "94", "%"),
        Value("Urine ketones", "negative", ""),
    ]


@needs_ocr
def test_a_long_page_is_read_to_its_end() -> None:
    rows = tuple(Row(name="Glucose", value=str(100 + n), unit="mg/dL") for n in range(60))
    found = reader.read_values(draw(DocumentSpec(kind="lab_report", rows=rows, quality=1), 1))
    assert [v.value for v in found] == [r.value for r in rows]


@needs_ocr
def test_a_blank_page_says_nothing() -> None:
    page = draw(DocumentSpec(kind="letter"), 0)
    assert reader.text(page) == ""
    assert reader.read_values(page) == []


@needs_ocr
def test_bytes_that_are_no_picture_are_refused() -> None:
    for data in (b"", b"not a picture", draw(WARD, 0)[:400]):
        with pytest.raises(InputError, match="not a picture"):
            reader.text(data)


@needs_ocr
@pytest.mark.parametrize("size", [(10, 60000), (9000, 9000)])
def test_pictures_of_no_page_are_refused(size: tuple[int, int]) -> None:
    from PIL import Image

    with pytest.raises(InputError, match="too large or too narrow"):
        reader.text(png(Image.new("L", size)))


@needs_ocr
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_pictures_of_any_kind_are_read(mode: str) -> None:
    from PIL import Image

    assert reader.text(png(Image.new(mode, (1, 1)))) == ""


@needs_ocr
def test_threads_read_as_one_does() -> None:
    pages = [draw(WARD, seed) for seed in range(2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(reader.text, pages))
    reader._rows.cache_clear()
    assert together == [reader.text(page) for page in pages]


@needs_ocr
def test_reading_prints_nothing() -> None:
    code = (
        "from clinicenv.drawing.document import DocumentSpec, draw\n"
        "from clinicenv.readers.document import text\n"
        "for title in ('Blood results', ''):\n"
        "    assert text(draw(DocumentSpec(kind='letter', title=title), 0)) == title"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("missing", ["rapidocr", "onnxruntime", "PIL"])
def test_without_the_extra_the_error_names_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"pip install 'clinicenv\[ocr\]'"):
        reader.text(b"")


def test_rows_that_are_no_table_have_no_value() -> None:
    rows = [
        ("Date:", "3", "March"),
        ("Sodium", "135 - 145"),
        ("Collected", "08:40"),
        ("Blood pressure was 148/86 mmHg",),
        ("12", "13"),
    ]
    assert [reader._value(row) for row in rows] == [None] * len(rows)


def test_cells_that_were_read_as_one_are_told_apart() -> None:
    assert reader._value(("08:00 Pulse", "92 bpm", "regular")) == Value("Pulse", "92", "bpm")
    assert reader._value(("Vitamin B12 <150", "ng/L", "L")) == Value("Vitamin B12", "<150", "ng/L")
    assert reader._value(("INR", "2.4", "H")) == Value("INR", "2.4", "")
