"""A 12-lead ECG on paper: 25 mm a second, 10 mm a millivolt, three rows of four leads and a strip of lead II.

How an ECG is printed: P. Kligfield et al., "Recommendations for the standardization and interpretation of the
electrocardiogram, part I", Circulation 2007 (doi:10.1161/CIRCULATIONAHA.106.180200). Nothing on the paper
says who it is from or what it shows.
"""

from io import BytesIO
from typing import TYPE_CHECKING

from clinicenv.drawing.ecg_signal import beat_times, signal, st_levels, t_heights
from clinicenv.drawing.ecg_spec import HZ, LEADS, RATES, EcgSpec, Lead, Rhythm, Territory
from clinicenv.files import InputError

try:
    from PIL import Image, ImageDraw, ImageFont
except ImportError as e:
    raise InputError("drawing an ECG needs the `ecg` extra: pip install 'clinicenv[ecg]'") from e

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "HZ",
    "LEADS",
    "RATES",
    "EcgSpec",
    "Lead",
    "Rhythm",
    "Territory",
    "beat_times",
    "draw",
    "signal",
    "st_levels",
    "t_heights",
]

MM_PER_S, MM_PER_MV = 25, 10

GRID = (265, 135)
"""Width and height of the squared paper in mm; a white edge surrounds it."""
EDGE = 6
BASELINES = (20, 53, 86, 119)
"""mm from the paper's top to 0 mV of each row; the last row is the rhythm strip"""
START = 10
"""mm from the paper's left to the first sample; the calibration mark stands before it"""
ROWS: tuple[tuple[Lead, ...], ...] = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
    ("II",),
)
"""Which leads share a row, each for an equal part of the ten seconds"""

PAPER, FINE, COARSE = (255, 248, 246), (249, 217, 213), (238, 165, 160)
INK, NAMES = (25, 25, 30), (40, 70, 200)
"""Names and marks are blue, so that a reader can tell them from the trace"""

_FINER = 3
"""how much finer than the picture the trace is drawn, for a smooth line"""


def draw(spec: EcgSpec, seed: int, px_per_mm: int = 6) -> bytes:
    """The ECG of `signal(spec, seed)` as a PNG; the same bytes for the same description and seed."""
    if not 3 <= px_per_mm <= 12:
        raise InputError(f"px_per_mm is from 3 to 12, found {px_per_mm}")
    width, height = ((mm + 2 * EDGE) * px_per_mm for mm in GRID)
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    _paper(pen, px_per_mm)
    fine = Image.new("L", (width * _FINER, height * _FINER), 0)
    trace = ImageDraw.Draw(fine)
    font = ImageFont.load_default(3.4 * px_per_mm)
    for points in _lines(signal(spec, seed).tolist()):
        scale = px_per_mm * _FINER
        middle = _FINER * _thick(px_per_mm) / 2  # of the square's line, so that 0 mV lies on it
        line = [((x + EDGE) * scale + middle, (y + EDGE) * scale + middle) for x, y in points]
        trace.line(line, fill=255, width=max(2, round(0.34 * scale)), joint="curve")
    image.paste(INK, (0, 0), fine.reduce(_FINER))
    for row, leads in zip(BASELINES, ROWS, strict=True):
        for place, lead in enumerate(leads):
            x = (EDGE + START + place * 250 / len(leads)) * px_per_mm
            y = (EDGE + row) * px_per_mm
            pen.text((x + px_per_mm, y - 17 * px_per_mm), lead, fill=NAMES, font=font)
            pen.line([(x, y - 17 * px_per_mm), (x, y - 14 * px_per_mm)], fill=NAMES)
    below = (EDGE + GRID[1] + 1) * px_per_mm
    small = ImageFont.load_default(3 * px_per_mm)
    pen.text((EDGE * px_per_mm, below), "25 mm/s    10 mm/mV", fill=NAMES, font=small)
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _paper(pen: "ImageDraw.ImageDraw", px_per_mm: int) -> None:
    left, (across, down) = EDGE * px_per_mm, GRID
    right, bottom = left + across * px_per_mm, left + down * px_per_mm
    pen.rectangle([left, left, right, bottom], fill=PAPER)
    for every, colour, thick in ((1, FINE, 1), (5, COARSE, _thick(px_per_mm))):
        for mm in range(0, across + 1, every):
            pen.line(
                [(left + mm * px_per_mm, left), (left + mm * px_per_mm, bottom)], fill=colour, width=thick
            )
        for mm in range(0, down + 1, every):
            pen.line(
                [(left, left + mm * px_per_mm), (right, left + mm * px_per_mm)], fill=colour, width=thick
            )


def _thick(px_per_mm: int) -> int:
    """Pixels of a coarse line."""
    return 1 if px_per_mm < 5 else 2


def _lines(leads: "Sequence[Sequence[float]]") -> list[list[tuple[float, float]]]:
    """The traces as lines on the paper, in mm from its top left: a calibration mark and the row's leads."""
    lines: list[list[tuple[float, float]]] = []
    for row, names in zip(BASELINES, ROWS, strict=True):
        lines.append([(2, row), (3, row), (3, row - 10), (8, row - 10), (8, row), (9, row)])
        for place, name in enumerate(names):
            whole = leads[LEADS.index(name)]
            part = len(whole) // len(names)
            lines.append(
                [
                    (START + i * MM_PER_S / HZ, row - MM_PER_MV * whole[i])
                    for i in range(place * part, (place + 1) * part)
                ]
            )
    return lines
