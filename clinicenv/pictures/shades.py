"""What a screen shows of DICOM frames: stored values to 8-bit grey or RGB.

Grey goes through the file's own modality and VOI tables or window (the first of several); without a window,
8-bit values stay as they are and deeper ones span their lowest to their highest. Overlays are not drawn.

Sources: DICOM PS3.3 C.7.6.3 (photometric interpretations), C.7.9 (palettes), C.7.6.16 (functional groups),
C.11.1 and C.11.2 (modality and VOI tables, windows). Imports numpy and pydicom.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_windowing, convert_color_space
from pydicom.uid import ExplicitVRBigEndian

from clinicenv.pictures.dicom import COLOURS, GREY, GROUPS, WINDOW, Frame, frames, value
from clinicenv.pictures.limits import Refused

Array = NDArray[Any]

_STRIP = 2**20
"""Pixels that are worked on at a time: as floating point they take eight times their room."""


def shown(data: bytes) -> Iterator[NDArray[np.uint8]]:
    """What `dicom.frames` gives, as 8-bit arrays: (rows, columns), or (rows, columns, 3) for RGB."""
    for frame in frames(data):
        if frame.photometric in GREY:
            grey = _grey(frame)
            yield 255 - grey if frame.photometric == "MONOCHROME1" else grey
        elif frame.photometric == "PALETTE COLOR":
            yield _coloured(frame)
        else:
            yield _rgb(frame)


def _grey(frame: Frame) -> NDArray[np.uint8]:
    """What a screen shows, before MONOCHROME1 is turned round."""
    way = _Way(frame)
    low, high = way.span(frame.values)
    out = np.empty(frame.values.shape, np.uint8)
    for strip in _strips(frame.values):
        out[strip] = _stretched(way(frame.values[strip]), low, high)
    return out


def _coloured(frame: Frame) -> NDArray[np.uint8]:
    """Stored values looked up in the file's palette."""
    ds, signed = frame.elements, frame.layout.PixelRepresentation == 1
    out = np.empty((*frame.values.shape, 3), np.uint8)
    for channel, colour in enumerate(COLOURS):
        segmented = f"Segmented{colour}PaletteColorLookupTableData"
        table = _Table(ds, f"{colour}PaletteColorLookupTable", signed, segmented if segmented in ds else None)
        for strip in _strips(frame.values):
            out[strip, :, channel] = _stretched(table(frame.values[strip]), 0, 2**table.bits - 1)
    return out


def _rgb(frame: Frame) -> NDArray[np.uint8]:
    if frame.photometric not in ("RGB", "YBR_FULL", "YBR_FULL_422"):
        raise Refused("its colours are stored in a rare way; convert it to RGB or PNG")
    out = np.empty(frame.values.shape, np.uint8)
    for strip in _strips(frame.values):
        eight_bits = _stretched(frame.values[strip], 0, 2**frame.layout.BitsStored - 1)
        out[strip] = convert_color_space(eight_bits, frame.photometric, "RGB")
    return out


def _strips(values: Array) -> Iterator[slice]:
    rows = max(1, _STRIP // values.shape[1])
    return (slice(top, top + rows) for top in range(0, values.shape[0], rows))


def _stretched(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Low to high as 0 to 255, rounded; what lies outside is cut off."""
    if values.dtype == np.uint8 and (low, high) == (0, 255):
        return values
    share = (values.astype(np.float64) - low) / (high - low)
    return np.rint(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)


class _Way:
    """A frame's way from stored to shown values: modality table or rescaling, then VOI table or window."""

    def __init__(self, frame: Frame):
        ds, layout, found = frame.elements, frame.layout, dict[str, Any]()
        for source in _sources(ds, frame.index):
            for keyword in WINDOW:
                if (here := value(source, keyword)) is not None:
                    found[keyword] = here
        self.layout, signed = layout, layout.PixelRepresentation == 1
        modality, voi = found.get("ModalityLUTSequence"), found.get("VOILUTSequence")
        self.modality = _Table(modality[0], "LUT", signed) if modality else None
        self.voi = _Table(voi[0], "LUT", signed) if voi else None
        self.rescale, self.window = Dataset(), Dataset()
        if "RescaleSlope" in found and "RescaleIntercept" in found:
            self.rescale.RescaleSlope = found["RescaleSlope"]
            self.rescale.RescaleIntercept = found["RescaleIntercept"]
        if "WindowCenter" in found and "WindowWidth" in found:
            self.window.WindowCenter = found["WindowCenter"]
            self.window.WindowWidth = found["WindowWidth"]
            self.window.VOILUTFunction = str(found.get("VOILUTFunction", "LINEAR")).strip() or "LINEAR"
            # pydicom spreads a window over the range of the stored values: these make it 0 to 255.
            self.window.PhotometricInterpretation = "MONOCHROME2"
            self.window.BitsStored, self.window.PixelRepresentation = 8, 0
        padding = ds.get_item("PixelPaddingValue").value if "PixelPaddingValue" in ds else None
        order: Literal["big", "little"] = "little"
        if layout.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
            order = "big"
        self.padding = int.from_bytes(padding[:2], order, signed=signed) if padding else None

    def __call__(self, stored: Array) -> Array:
        values = self.modality(stored) if self.modality else apply_modality_lut(stored, self.rescale)
        if self.voi:
            return self.voi(np.nan_to_num(values))
        return apply_windowing(values, self.window)

    def span(self, pixels: Array) -> tuple[float, float]:
        """The shown values that are black and white."""
        if self.voi:
            return 0.0, 2.0**self.voi.bits - 1
        if "WindowCenter" in self.window:
            return 0.0, 255.0
        if self.layout.BitsStored <= 8 and not self.modality and "RescaleSlope" not in self.rescale:
            lowest = -(2.0 ** (self.layout.BitsStored - 1)) if self.layout.PixelRepresentation else 0.0
            return lowest, lowest + 2.0**self.layout.BitsStored - 1
        low, high = math.inf, -math.inf
        for strip in _strips(pixels):
            stored = pixels[strip]
            inside = stored if self.padding is None else stored[stored != self.padding]
            if inside.size:
                values = self(inside)
                low, high = min(low, float(values.min())), max(high, float(values.max()))
        return low, high


def _sources(ds: Dataset, index: int) -> Iterator[Dataset]:
    """The data sets that may hold a frame's window: the file, what frames share, what is the frame's own."""
    yield ds
    for keyword, at in zip(GROUPS, (0, index), strict=True):
        items = value(ds, keyword)
        if items and at < len(items):
            for macro in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                if inner := value(items[at], macro):
                    yield inner[0]


class _Table:
    """A lookup table of a data set; values below its first and above its last entry get that entry."""

    def __init__(self, ds: Dataset, prefix: str, signed: bool, data: str | None = None):
        descriptor, entries = _raw(ds, f"{prefix}Descriptor"), _raw(ds, data or f"{prefix}Data")
        order = "<" if descriptor.is_little_endian else ">"
        first = "h" if descriptor.VR == "SS" or (descriptor.VR is None and signed) else "H"
        n, self.first, self.bits = struct.unpack(f"{order}H{first}H", descriptor.value or b"")
        n = n or 2**16
        if not 8 <= self.bits <= 16:
            raise Refused("a table for its grey or colour values cannot be; convert it to PNG")
        raw = entries.value or b""
        if data:
            words = np.frombuffer(raw, f"{order}u{1 if self.bits == 8 else 2}", -1)
            self.entries = _expanded(words, n)
        else:
            wide = len(raw) >= 2 * n
            self.entries = np.frombuffer(raw, f"{order}u2" if wide else "u1", n)
        self.entries = np.minimum(self.entries, 2**self.bits - 1)

    def __call__(self, values: Array) -> Array:
        places = np.clip(np.rint(values.astype(np.float64)) - self.first, 0, len(self.entries) - 1)
        found: Array = self.entries[places.astype(np.intp)]
        return found


def _raw(ds: Dataset, keyword: str) -> RawDataElement:
    if keyword in ds and isinstance(raw := ds.get_item(keyword), RawDataElement):
        return raw
    raise Refused("a table for its grey or colour values is missing; convert it to PNG")


def _expanded(words: Array, n: int) -> Array:
    """A segmented palette's n entries; segments that point at others are refused (they nest without end)."""
    out, at = np.zeros(n, np.int64), 0
    numbers, filled = words[: 4 * n].tolist(), 0  # a segment of one entry takes three words
    while filled < n and at + 2 < len(numbers):
        kind, length = numbers[at], min(numbers[at + 1], n - filled)
        if kind == 0:
            entries = numbers[at + 2 : at + 2 + length]
            out[filled : filled + length] = entries  # a ValueError where they are cut short
            at += 2 + numbers[at + 1]
        elif kind == 1 and filled and length:
            start, end = out[filled - 1], numbers[at + 2]
            ramp = np.linspace(start, end, numbers[at + 1] + 1)[1 : length + 1]
            out[filled : filled + length] = np.rint(ramp)
            at += 3
        else:
            raise Refused("its palette is stored in a rare way; convert it to RGB or PNG")
        filled += length
    if filled < n:
        raise Refused("its palette is cut short; export it again")
    return out
