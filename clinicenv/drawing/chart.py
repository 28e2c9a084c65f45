"""Charts of numbers over time as on paper: temperature, blood pressure, growth, glucose; a PNG.

Nothing stands on the chart but what the description gives, and the numbers of the axes. How points are
drawn follows two general sources: the Royal College of Physicians' NEWS2 observation chart (readings of one
kind joined by lines; systolic and diastolic pressure as arrowheads with a line between them), and the Royal
College of Paediatrics and Child Health's fact sheet on plotting growth (dots, not joined, between named
curves). The curves of a growth chart come with the description; none is kept here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from clinicenv.drawing.document import INK, Cell, drawable, font, luck, need_pillow, png, scan, text_width
from clinicenv.files import InputError
from clinicenv.story import Part, Unit

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Point = tuple[FiniteFloat, FiniteFloat]

GRID = (205, 212, 218)
CURVE = (120, 140, 165)
BAND = (232, 241, 232)
TRACES = ((30, 60, 130), (150, 40, 50), (30, 105, 70), (120, 80, 20), (85, 50, 120), (60, 60, 60))

LEFT, TOP, WIDE, HIGH = 110, 130, 760, 430
"""Where the frame stands, and its size, in pixels."""


class Series(Part):
    """Readings of one kind, or one reference curve."""

    name: Cell = ""
    """printed at the right end; none where it is empty"""
    points: Annotated[tuple[Point, ...], Field(min_length=1, max_length=200)]
    """(x, y), in the units that the axes' labels name"""


class ChartSpec(Part):
    """What the chart shows. For blood pressure: two series at the same times, the systolic one first."""

    kind: Literal["temperature", "blood_pressure", "growth", "glucose"]
    title: Cell = ""
    x_label: Cell = ""
    y_label: Cell = ""
    series: Annotated[tuple[Series, ...], Field(min_length=1, max_length=len(TRACES))]
    curves: Annotated[tuple[Series, ...], Field(max_length=9)] = ()
    """reference curves, e.g. of centiles"""
    band: Point | None = None
    """a range of y that is shaded, e.g. a target"""
    x_words: tuple[tuple[FiniteFloat, Cell], ...] = ()
    """words under the x axis in place of numbers, e.g. dates"""
    y_range: Point | None = None
    quality: Unit = 0.8
    """of the scan, as in `DocumentSpec`"""

    @model_validator(mode="after")
    def _consistent(self) -> "ChartSpec":
        for name, pair in (("band", self.band), ("y_range", self.y_range)):
            if pair and pair[0] >= pair[1]:
                raise ValueError(f"{name}: the lower end comes first")
        if self.y_range:
            low, high = self.y_range
            if any(not low <= y <= high for s in (*self.series, *self.curves) for _, y in s.points):
                raise ValueError("y_range: a point lies outside of it")
        if self.kind == "blood_pressure":
            times = [sorted(x for x, _ in s.points) for s in self.series]
            if len(times) != 2 or times[0] != times[1]:
                raise ValueError(
                    "a blood pressure chart has two series with the same times: systolic, diastolic"
                )
        return self


def draw(spec: ChartSpec, seed: int) -> bytes:
    """The chart as a PNG: the same bytes for the same description and seed.

    Raises InputError where pillow is missing, a character cannot be drawn, or the numbers are too far
    apart or too close together to draw an axis.
    """
    need_pillow()
    from PIL import Image, ImageDraw

    size = round(19 + 3 * luck("size", seed).random())
    names = [drawable(s.name) for s in (*spec.series, *spec.curves)]
    right = max(40, *(text_width(name, size) + 30 for name in names))
    width = max(LEFT + WIDE + right, LEFT + text_width(drawable(spec.title), round(1.4 * size)) + 40)
    page = Image.new("RGB", (width, TOP + HIGH + 5 * size), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    frame = _frame(spec)
    _axes(pen, spec, frame, size)
    for curve in spec.curves:
        pen.line([frame.at(p) for p in sorted(curve.points)], fill=CURVE, width=2)
    _traces(pen, spec, frame)
    _names(pen, spec, frame, size)
    return png(scan(page, seed, spec.quality))


@dataclass(frozen=True, slots=True)
class _Frame:
    """The ranges of the axes, in their units."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, point: tuple[float, float]) -> tuple[int, int]:
        """The pixel of a point."""
        (x, y), (x0, x1), (y0, y1) = point, self.x, self.y
        return round(LEFT + WIDE * (x - x0) / (x1 - x0)), round(TOP + HIGH * (y1 - y) / (y1 - y0))


def _frame(spec: ChartSpec) -> _Frame:
    points = [p for s in (*spec.series, *spec.curves) for p in s.points]
    xs = [x for x, _ in points] + [x for x, _ in spec.x_words]
    ys = [y for _, y in points] + list(spec.band or ())
    return _Frame(_range(xs, 0.03), spec.y_range or _range(ys, 0.12))


def _range(values: Sequence[float], room: float) -> tuple[float, float]:
    """The values' range with room at both ends."""
    low, high = min(values), max(values)
    wide = high - low or max(1.0, 0.1 * abs(high))
    low, high = low - room * wide, high + room * wide
    if not 1e-9 * max(abs(low), abs(high)) < high - low < 1e12:
        raise InputError("the chart's numbers are too far apart, or too close together, to draw an axis")
    return low, high


def _ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Round numbers in a range, at most about `most`, each with how it is printed."""
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    decimals = max(0, -floor(log10(step) + 1e-9))
    values = [n * step for n in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
    return [(value, f"{value + 0.0:.{decimals}f}") for value in values]


def _axes(pen: "ImageDraw", spec: ChartSpec, frame: _Frame, size: int) -> None:
    """Grid, band, frame, numbers and labels."""
    letters, bottom, end = font(size), TOP + HIGH, LEFT + WIDE
    if spec.band:
        (_, upper), (_, lower) = (frame.at((0, y)) for y in reversed(spec.band))
        pen.rectangle((LEFT, max(TOP, upper), end, min(bottom, lower)), fill=BAND)
    for value, number in _ticks(*frame.y, 8):
        _, y = frame.at((0, value))
        pen.line((LEFT, y, end, y), fill=GRID)
        pen.text((LEFT - 12, y), number, font=letters, fill=INK, anchor="rm")
    free = 0
    for value, words in sorted(spec.x_words) or _ticks(*frame.x, 10):
        x, _ = frame.at((value, 0))
        pen.line((x, TOP, x, bottom), fill=GRID)
        wide = text_width(drawable(words), size)
        if x - wide // 2 >= free:  # words that would run into the ones before are left out
            pen.text((x, bottom + 10), drawable(words), font=letters, fill=INK, anchor="mt")
            free = x + wide // 2 + size // 2
    pen.rectangle((LEFT, TOP, end, bottom), outline=INK, width=2)
    pen.text((LEFT, 30), drawable(spec.title), font=font(round(1.4 * size)), fill=INK)
    pen.text((LEFT, TOP - 12), drawable(spec.y_label), font=letters, fill=INK, anchor="ls")
    pen.text((end, bottom + 2 * size + 8), drawable(spec.x_label), font=letters, fill=INK, anchor="rt")


def _traces(pen: "ImageDraw", spec: ChartSpec, frame: _Frame) -> None:
    traces = [[frame.at(p) for p in sorted(s.points)] for s in spec.series]
    if spec.kind == "blood_pressure":
        for (x, upper), (_, lower) in zip(*traces, strict=True):
            pen.line((x, upper, x, lower), fill=TRACES[0], width=2)
            pen.polygon([(x - 7, upper - 9), (x + 7, upper - 9), (x, upper)], fill=TRACES[0])
            pen.polygon([(x - 7, lower + 9), (x + 7, lower + 9), (x, lower)], fill=TRACES[0])
        return
    for trace, colour in zip(traces, TRACES, strict=False):
        if spec.kind != "growth" and len(trace) > 1:
            pen.line(trace, fill=colour, width=3)
        for x, y in trace:
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)


def _names(pen: "ImageDraw", spec: ChartSpec, frame: _Frame, size: int) -> None:
    """The names of series and curves beside their last points, moved apart where they would overlap."""
    one_colour = spec.kind == "blood_pressure"
    coloured: Iterable[tuple[Series, tuple[int, int, int]]] = [
        *((s, TRACES[0 if one_colour else n]) for n, s in enumerate(spec.series)),
        *((curve, CURVE) for curve in spec.curves),
    ]
    named = sorted((frame.at(max(s.points))[1], drawable(s.name), colour) for s, colour in coloured if s.name)
    free = 0
    for y, name, colour in named:
        level = max(y, free)
        pen.text((LEFT + WIDE + 14, level), name, font=font(size), fill=colour, anchor="lm")
        free = level + size + 2
