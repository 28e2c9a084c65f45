"""Reads a document by OCR: its lines in reading order, and the values of its tables.

The engine is RapidOCR (PP-OCR models, inside its wheel) on the CPU. It knows no medicine: nothing read is
corrected towards what a laboratory would print, so an odd value stays odd.
"""

import io
import itertools
import logging
import re
import statistics
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import atan2, cos, degrees, sin, tan
from typing import Any, NamedTuple

from clinicenv.files import InputError
from clinicenv.readers.asked import Asked

MOST_PIXELS = 40_000_000
"""A page of A3 at 300 dots to the inch has half of that."""

LONGEST_TO_SHORTEST = 40
"""Sides of a picture; a narrower strip is no page."""

READ_AT = 6_000_000
"""Pixels of the picture that the engine gets; a larger one is made smaller first, which bounds the memory."""

LONGEST = 8000
"""Pixels of the longer side; the engine's own 2000 would make a long page illegible."""

MOST_SKEW = 10
"""Degrees; a page that seems more skewed is a picture of something else."""

WIDE_GAP = 0.8
"""Between words, in heights of the line; a space is about a quarter of one."""

_ENGINE = threading.Lock()
"""Held while the engine is made, and while it reads: it is not said to be thread-safe."""

_NUMBER = r"[<>]?=?\s*[+-]?\d+(?:[.,]\d+)*(?:\s*/\s*\d+)?\+?"
_WORD_VALUE = r"not detected|detected|negative|positive|nil|none|trace|normal|(?:non-)?reactive|\+{1,4}"
_UNIT = r"%|°?[CF]|[A-Za-zµμ°]{1,12}|[\w^µμ°%. ]{1,12}/[\w^µμ°%./]{1,14}|/\s?\w{1,6}|mm ?Hg|cm ?H2O"
_CELL = re.compile(
    rf"(?P<value>{_NUMBER}|{_WORD_VALUE})(?:\s*(?P<unit>{_UNIT})(?:\s+[A-Za-z(].*)?)?", re.IGNORECASE
)
_UNIT_ONLY = re.compile(_UNIT)
_FLAG = re.compile(r"H{1,2}|L{1,2}|\*{1,3}|[HL]\*|high|low|abnormal|critical", re.IGNORECASE)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?|(?:\d{1,4}[./-]){2}\d{2,4}(?: \d{1,2}:\d{2})?")
_TIMED = re.compile(rf"(?P<time>{_TIME.pattern})\s*(?P<name>[A-Za-z].*)")
_JOINED = re.compile(rf"(?P<name>.*[A-Za-z)\]].*?)\s+(?P<cell>{_NUMBER}(?:\s*(?:{_UNIT}))?)", re.IGNORECASE)

_SPELT = {0xFF01 + n: 0x21 + n for n in range(94)} | {ord("℃"): "°C", ord("℉"): "°F", ord("。"): "."}
"""The engine also knows East Asian forms of the same characters."""

_DEGREES = re.compile("°+")


class Value(NamedTuple):
    """A row of a table: what was measured or given, its value and unit as printed; the unit may be empty."""

    name: str
    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class _Box:
    """A piece of text and where it stands, with the page's skew taken out; pixels."""

    text: str
    left: float
    middle: float
    height: float


def text(png: bytes) -> str:
    """All that the page says: a line for a line, cells of a row joined by ` | `; empty for a blank page.

    Raises InputError for bytes that are no picture, and where the `ocr` extra is missing.
    """
    return "\n".join(read_lines(png))


def read_lines(png: bytes) -> list[str]:
    """The page's lines from top to bottom; errors as in `text`."""
    return [" | ".join(row) for row in _rows(png)]


def read_values(png: bytes) -> list[Value]:
    """The values of the page's tables, in reading order; errors as in `text`.

    A row of a table has its name and its value in cells of their own; running text gives none.
    """
    return [found for row in _rows(png) if (found := _value(row))]


@lru_cache(maxsize=8)
def _rows(png: bytes) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(box.text for box in row) for row in _lines(_boxes(png)))


def need_ocr() -> None:
    """InputError where the `ocr` extra is not installed."""
    if not all(map(find_spec, ("rapidocr", "onnxruntime", "PIL"))):
        raise InputError("reading a document needs the `ocr` extra: pip install 'clinicenv[ocr]'")


def _boxes(png: bytes) -> list[_Box]:
    need_ocr()
    image = _pixels(png)
    with _ENGINE:
        found = _engine()(image)
    if found.boxes is None or not found.txts:
        return []
    corners = [[(float(x), float(y)) for x, y in box] for box in found.boxes]
    words = found.word_results if len(found.word_results) == len(corners) else [()] * len(corners)
    skew = _skew(corners)
    boxes = []
    for (top, _, _, bottom), piece, parts in zip(corners, found.txts, words, strict=True):
        height = abs(bottom[1] - top[1])
        for cell, along in _cells(piece, parts, height):
            x, y = (top[0] + bottom[0]) / 2 + along, (top[1] + bottom[1]) / 2 + along * tan(skew)
            spelt = _DEGREES.sub("°", " ".join(cell.translate(_SPELT).split()))
            boxes.append(_Box(spelt, x * cos(skew) + y * sin(skew), y * cos(skew) - x * sin(skew), height))
    return boxes


def _cells(piece: str, words: Sequence[Any], height: float) -> Iterator[tuple[str, float]]:
    """A piece cut where a gap is wide enough to stand between cells, each with its pixels from the left."""
    begin = at = 0
    along = 0.0
    for (_, _, before), (word, _, box) in itertools.pairwise(words):
        found = piece.find(word, at + 1)
        if before is None or box is None or found < 0:
            break
        at = found
        if box[0][0] - before[1][0] > WIDE_GAP * height and piece[begin:at].strip():
            yield piece[begin:at], along
            begin, along = at, float(box[0][0] - words[0][2][0][0])
    yield piece[begin:], along


def _pixels(png: bytes) -> Any:
    """The picture as the array of blue, green and red that the engine takes."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(png)) as image:
            if image.width * image.height > MOST_PIXELS or max(image.size) > LONGEST_TO_SHORTEST * min(
                image.size
            ):
                size = f"{image.width} x {image.height}"
                raise InputError(f"a picture of {size} pixels is too large or too narrow to read")
            # On white, as a transparent page would turn black otherwise.
            coloured = image.convert("RGBA")
            page = Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as e:
        raise InputError("these bytes are not a picture that can be read") from e
    if (shrink := (READ_AT / (page.width * page.height)) ** 0.5) < 1:
        page = page.resize((max(1, round(page.width * shrink)), max(1, round(page.height * shrink))))
    return np.asarray(page)[:, :, ::-1].copy()


@lru_cache(maxsize=1)
def _engine() -> Any:
    """The OCR engine, made when first used, in two seconds; a page takes it to some 700 MB of memory."""
    import onnxruntime
    from rapidocr import RapidOCR

    onnxruntime.set_default_logger_severity(4)
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    options = {"Global.log_level": "critical", "Global.use_cls": False, "Global.max_side_len": LONGEST}
    options["Global.return_word_box"] = True
    return RapidOCR(params=options)


def _skew(corners: Sequence[Sequence[tuple[float, float]]]) -> float:
    """The page's skew in radians, from the upper edges of pieces that are long enough to tell."""
    angles = [atan2(b[1] - a[1], b[0] - a[0]) for a, b, _, d in corners if b[0] - a[0] > 5 * abs(d[1] - a[1])]
    skew = statistics.median(angles) if angles else 0.0
    return skew if abs(degrees(skew)) < MOST_SKEW else 0.0


def _lines(boxes: Sequence[_Box]) -> list[list[_Box]]:
    """The pieces in lines from top to bottom, each from left to right."""
    lines: list[list[_Box]] = []
    for box in sorted(boxes, key=lambda b: b.middle):
        if lines:
            level = statistics.fmean(b.middle for b in lines[-1])
            if box.middle - level < 0.5 * min(box.height, lines[-1][0].height):
                lines[-1].append(box)
                continue
        lines.append([box])
    return [sorted(line, key=lambda b: b.left) for line in lines]


def _value(row: Sequence[str]) -> Value | None:
    """The row's name, value and unit; None where the row is no table's."""
    cells = list(row)
    if len(cells) > 1 and _TIME.fullmatch(cells[0]):
        del cells[0]
    elif timed := _TIMED.fullmatch(cells[0]):
        cells[0] = timed["name"]
    if len(row) == 1 or not re.search("[A-Za-z]", cells[0]) or cells[0].endswith(":"):
        return None
    match = _CELL.fullmatch(cells[1]) if len(cells) > 1 and not _TIME.fullmatch(cells[1]) else None
    if match is None:  # name and value may have been read as one cell
        joined = _JOINED.fullmatch(cells[0])
        if joined is None or (match := _CELL.fullmatch(joined["cell"])) is None:
            return None
        cells[:1] = [joined["name"], joined["cell"]]
    unit = match["unit"] or ""
    if not unit and len(cells) > 2 and _UNIT_ONLY.fullmatch(cells[2]) and not _FLAG.fullmatch(cells[2]):
        unit = cells[2]
    value = match["value"]
    return Value(cells[0], "".join(value.split()) if re.search(r"\d", value) else value, unit)


def read(asked: Asked) -> str:
    """The text of each page, as a reader gives it to the doctor."""
    return "\n\n".join(text(picture.png) for picture in asked.pictures)


read.check = need_ocr  # type: ignore[attr-defined]
