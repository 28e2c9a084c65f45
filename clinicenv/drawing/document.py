"""A paper document as a scan: lab report, list of medication, chart of observations or letter, as a PNG.

Nothing stands on the page but what the description gives. The layouts follow two general sources: the
Academy of Medical Royal Colleges' standards for the clinical structure of records (headings first, then
entries), and ISO 15189 on laboratory reports (test, result, unit, reference interval, flag).
"""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from clinicenv.files import InputError
from clinicenv.story import Part, Unit

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

PAGE = 1000
"""Width of a page in pixels, about 120 to the inch; a wide table makes a wider one."""

MOST_TEXT = 6000
"""Characters of all paragraphs together: two pages."""

MARGIN = 60
INK = (35, 35, 42)
RULE = (150, 150, 155)

Kind = Literal["lab_report", "medication_list", "observations", "letter"]
Cell = Annotated[str, StringConstraints(max_length=60, strip_whitespace=True)]
Paragraph = Annotated[str, StringConstraints(min_length=1, max_length=MOST_TEXT, strip_whitespace=True)]

_PLAIN = str.maketrans(
    {"µ": "u", "μ": "u", "×": "x", "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "→": "->", "•": "-"}
    | {c: f"^{n}" for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {"½": "1/2", "¼": "1/4", "¾": "3/4", "ß": "ss", "æ": "ae", "ø": "o", "Æ": "AE", "Ø": "O"}
)
_BEYOND_ASCII = frozenset("©«°±·»™‘’“”…")
"""What the bundled font has beyond ASCII."""


class Row(Part):
    """One row of a table; a cell that no row fills makes no column."""

    time: Cell = ""
    name: Cell = ""
    value: Cell = ""
    unit: Cell = ""
    reference: Cell = ""
    """the reference range, as it is printed"""
    flag: Cell = ""
    note: Cell = ""
    """anything else: route and times of a medicine, who took a reading"""


COLUMNS = ("time", "name", "value", "unit", "reference", "flag", "note")


class DocumentSpec(Part):
    """What stands on the page: title, header, then the table and the paragraphs.

    Header fields are invented, e.g. a laboratory's number; nothing about a patient or a real institution
    is added to them.
    """

    kind: Kind
    title: Cell = ""
    header: tuple[tuple[Cell, Cell], ...] = Field(default=(), max_length=12)
    """pairs of label and value, printed as `label: value`; a label alone is a line of its own"""
    columns: Row | None = None
    """the words over the columns"""
    rows: tuple[Row, ...] = Field(default=(), max_length=60)
    paragraphs: tuple[Paragraph, ...] = Field(default=(), max_length=40)
    above: int = Field(default=0, ge=0)
    """how many of the paragraphs stand above the table"""
    quality: Unit = 0.8
    """of the scan: 1 is straight and clean; 0 is skewed, coarse and noisy, and still legible"""

    @field_validator("paragraphs")
    @classmethod
    def _fits(cls, paragraphs: tuple[str, ...]) -> tuple[str, ...]:
        if sum(map(len, paragraphs)) > MOST_TEXT:
            raise ValueError(f"more than {MOST_TEXT} characters in all; shorten them")
        return paragraphs


def draw(spec: DocumentSpec, seed: int) -> bytes:
    """The document as a PNG: the same bytes for the same description and seed.

    Raises InputError where pillow is missing, or a character cannot be drawn.
    """
    need_pillow()
    from PIL import Image, ImageDraw

    size = round(21 + 4 * luck("size", seed).random())
    widths = [max((text_width(cell, size) for cell in cells), default=0) for cells in _cells(spec)]
    gap = 2 * size
    table = sum(w + gap for w in widths if w) - gap
    inner = max(PAGE - 2 * MARGIN, table, text_width(spec.title, _large(size)))
    page = Image.new("RGB", (inner + 2 * MARGIN, _most(spec, size, inner)), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    y = _head(pen, spec, size, inner)
    y = _running(pen, spec.paragraphs[: spec.above], size, y, inner)
    y = _table(pen, spec, size, y, widths, gap)
    y = _running(pen, spec.paragraphs[spec.above :], size, y, inner)
    return png(scan(page.crop((0, 0, page.width, y + MARGIN)), seed, spec.quality))


def need_pillow() -> None:
    """InputError where pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError as e:
        raise InputError("drawing a document needs the `ocr` extra: pip install 'clinicenv[ocr]'") from e


def luck(purpose: str, seed: int) -> Random:
    """A generator of its own for each purpose: a change of one effect shifts no other."""
    return Random(f"{purpose}/{seed}")  # noqa: S311


def drawable(text: str) -> str:
    """The text in characters that the font has: `µ` as `u`, `10⁹` as `10^9`, accents dropped.

    Raises InputError for a character without such a form.
    """
    spelt = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    plain = " ".join("".join(c for c in spelt if not unicodedata.combining(c)).split())
    for c in plain:
        if not (" " <= c <= "~" or c in _BEYOND_ASCII):
            raise InputError(
                f"the character {c!r} in {text[:40]!r} cannot be drawn; write it in Latin letters"
            )
    return plain


@lru_cache(maxsize=64)
def font(size: int) -> "FreeTypeFont":
    """Pillow's own font at a size in pixels."""
    from PIL import ImageFont

    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise InputError("this build of pillow has no FreeType; install pillow's own wheel")
    return found


def text_width(text: str, size: int) -> int:
    """Pixels that a line of text takes."""
    return round(font(size).getlength(text))


def png(image: "Image") -> bytes:
    """The image as PNG, without metadata."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def scan(page: "Image", seed: int, quality: float) -> "Image":
    """The page as it comes out of a scanner: tinted paper, a slight skew, blur, coarse grain.

    Every effect grows as `quality` falls from 1 to 0.
    """
    from PIL import Image, ImageChops, ImageFilter

    chance = luck("scan", seed)
    worn = 1 - quality
    skew = chance.uniform(-1.2, 1.2) * worn
    tint = tuple(round(255 - worn * chance.uniform(0, most)) for most in (14, 20, 45))
    if skew:
        page = page.rotate(skew, Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255))
    page = ImageChops.multiply(page, Image.new("RGB", page.size, tint))
    if worn:
        page = page.filter(ImageFilter.GaussianBlur(0.9 * worn))
        # Pillow's own noise cannot be seeded. Few steps, so that it packs well.
        noise = luck("grain", seed).randbytes(page.width * page.height)
        grain = Image.frombytes("L", page.size, noise)
        steps = [round(0.55 * worn * (v - 128) / 10) * 10 + 128 for v in range(256)]
        grain = grain.filter(ImageFilter.GaussianBlur(0.6)).point(steps)
        page = ImageChops.add(page, Image.merge("RGB", [grain] * 3), offset=-128)
    return page


def _large(size: int) -> int:
    return round(1.4 * size)


def _step(spec: DocumentSpec, size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * (1.85 if spec.kind == "observations" else 1.6))


def _cells(spec: DocumentSpec) -> list[list[str]]:
    rows = [*([spec.columns] if spec.columns else []), *spec.rows]
    return [[drawable(getattr(row, column)) for row in rows] for column in COLUMNS]


def _header(spec: DocumentSpec) -> list[str]:
    return [
        drawable(f"{label}: {value}" if label and value else label or value) for label, value in spec.header
    ]


def _running(pen: "ImageDraw", paragraphs: Sequence[str], size: int, y: int, width: int) -> int:
    """Paragraphs in lines that fit the width; the y of what comes next."""
    for line in _lines(paragraphs, size, width):
        pen.text((MARGIN, y), line, font=font(size), fill=INK)
        y += round(1.6 * size) if line else size // 2
    return y


def _lines(paragraphs: Sequence[str], size: int, width: int) -> Iterator[str]:
    """An empty line comes after each paragraph."""
    for paragraph in paragraphs:
        for part in paragraph.splitlines():
            yield from wrapped(drawable(part).split(), size, width)
        yield ""


def wrapped(words: Sequence[str], size: int, width: int) -> Iterator[str]:
    line = ""
    for word in words:
        longer = f"{line} {word}" if line else word
        if line and text_width(longer, size) > width:
            yield line
            longer = word
        while text_width(longer, size) > width:  # a word wider than the page
            cut = max(1, next(n for n in range(len(longer), 0, -1) if text_width(longer[:n], size) <= width))
            yield longer[:cut]
            longer = longer[cut:]
        line = longer
    if line:
        yield line


def _most(spec: DocumentSpec, size: int, inner: int) -> int:
    """A height in pixels that all of it fits."""
    lines = len(spec.header) + len(spec.rows) + 2 + sum(1 for _ in _lines(spec.paragraphs, size, inner))
    return 2 * MARGIN + 5 * size + _step(spec, size) * lines


def _head(pen: "ImageDraw", spec: DocumentSpec, size: int, inner: int) -> int:
    """Title and header; a letter has its header on the right. The y of what comes next."""
    y = MARGIN
    title = drawable(spec.title)
    if title and spec.kind != "letter":
        pen.text((MARGIN, y), title, font=font(_large(size)), fill=INK)
        y += 2 * size
        pen.line((MARGIN, y, MARGIN + inner, y), fill=RULE, width=2)
        y += size // 2
    lines = _header(spec)
    right = spec.kind == "letter"
    x = MARGIN + inner - max((text_width(line, size) for line in lines), default=0) if right else MARGIN
    for line in lines:
        pen.text((x, y), line, font=font(size), fill=INK)
        y += _step(spec, size)
    if title and right:
        pen.text((MARGIN, y), title, font=font(_large(size)), fill=INK)
        y += round(2.2 * size)
    return y + size // 2


def _table(pen: "ImageDraw", spec: DocumentSpec, size: int, y: int, widths: list[int], gap: int) -> int:
    """The table, ruled as its kind is; the y of what comes next."""
    if not (spec.rows or spec.columns):
        return y
    step, right = _step(spec, size), MARGIN + sum(w + gap for w in widths if w) - gap
    cells = _cells(spec)
    top = y
    for row in range(len(cells[0])):
        x = MARGIN
        for column, width in zip(cells, widths, strict=True):
            pen.text((x, y), column[row], font=font(size), fill=INK)
            x += width + gap if width else 0
        y += step
        under_columns = spec.columns is not None and row == 0
        if under_columns or spec.kind == "observations":
            rule = y - (step - size) // 2 + 3
            pen.line((MARGIN, rule, right, rule), fill=RULE, width=2 if under_columns else 1)
    if spec.kind == "observations":  # lines between the columns too
        x, bottom = MARGIN, y - (step - size) // 2 + 3
        for width in widths:
            if width and x > MARGIN:
                pen.line((x - gap // 2, top, x - gap // 2, bottom), fill=RULE, width=1)
            x += width + gap if width else 0
    return y + size
