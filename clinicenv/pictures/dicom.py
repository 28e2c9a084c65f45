"""DICOM files: their elements, and their frames as stored values.

For frames, only the elements that describe pixels are read into memory, so that no patient's data can come
along, and each is checked before pydicom's decoders see it; `shades` makes grey and colour of them.
Compressed as JPEG (8-bit), JPEG 2000 or RLE is read; lossless JPEG and JPEG-LS are refused, since none of the
packages of the `images` extra decodes them.

Sources: DICOM PS3.3 C.7.6.3 (pixels); PS3.5 7, 8, A.4, A.5 and G (elements, encodings); PS3.10 7 (files).
Imports numpy, Pillow and pydicom.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.filereader import read_dataset, read_sequence
from pydicom.pixels.decoders.base import get_decoder
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
)

from clinicenv.pictures.limits import (
    MOST_BYTES,
    MOST_FRAMES,
    MOST_PARTS,
    MOST_PIXELS,
    Refused,
    check_jpeg,
    check_size,
    opened,
)

_MOST_LISTED = 100_000
"""Frames that a file may claim."""

_MOST_SEQUENCE = 2**23
_MOST_VALUE = 2**10
"""Bytes of a sequence, and of any other value that is neither pixels nor a table."""

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
_PACKED = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEG2000Lossless: "pillow",
    JPEG2000: "pillow",
    RLELossless: "pydicom",
}
"""Compressions that are read, and by which of pydicom's plugins."""

_NO_PIXELS = "it holds no pixels or is cut short before them; name a complete DICOM picture"

GREY = ("MONOCHROME1", "MONOCHROME2")
_LAYOUT = ("Rows", "Columns", "BitsAllocated")
_DETAILS = {"SamplesPerPixel": 1, "PixelRepresentation": 0, "PlanarConfiguration": 0, "NumberOfFrames": 1}
WINDOW = (
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
)  # fmt: skip
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
COLOURS = ("Red", "Green", "Blue")
_READ = (
    *_LAYOUT, *_DETAILS, *WINDOW, *GROUPS,
    "BitsStored", "HighBit", "PhotometricInterpretation", "PixelPaddingValue", "PixelData",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    *(f"{c}PaletteColorLookupTable{part}" for c in COLOURS for part in ("Descriptor", "Data")),
    *(f"Segmented{c}PaletteColorLookupTableData" for c in COLOURS),
)  # fmt: skip


class _Counted(BytesIO):
    """Bytes that can be read in so many pieces and no more, since each piece costs memory."""

    pieces = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.pieces += 1
        if self.pieces > MOST_PARTS:
            raise Refused(f"more than {MOST_PARTS:,} parts in one file; export it again as PNG")
        return super().read(size)


def parsed(data: bytes, *keywords: str) -> tuple[UID, Dataset, Dataset]:
    """The transfer syntax, the file's meta elements and its elements (only those named, if any are named).

    Raises Refused, and what pydicom raises.
    """
    stream = _Counted(data)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    syntax = UID(str(value(meta, "TransferSyntaxUID") or ""))
    if syntax == DeflatedExplicitVRLittleEndian:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = inflater.decompress(stream.read(), MOST_BYTES)
        if not inflater.eof:
            raise Refused("its compressed elements are too many or cut short; export it uncompressed")
        stream, syntax = _Counted(inflated), ExplicitVRLittleEndian
    elements = read_dataset(
        stream,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
        specific_tags=[BaseTag(tag_for_keyword(k) or 0) for k in keywords] or None,
    )
    return syntax, meta, elements


def items(raw: RawDataElement) -> Sequence:
    """The items of a sequence as it stands in the file. Raises Refused, and what pydicom raises."""
    content = raw.value or b""
    implicit, little = raw.is_implicit_VR, raw.is_little_endian
    return read_sequence(_Counted(content), implicit, little, len(content), "iso8859")


def value(ds: Dataset, keyword: str) -> Any:
    """An element's value, None where it is absent or empty; Refused where it is absurdly long."""
    if keyword not in ds:
        return None
    raw = ds.get_item(keyword)
    if isinstance(raw, RawDataElement):
        sequence = keyword.endswith("Sequence")
        most = _MOST_SEQUENCE if sequence else _MOST_VALUE
        if len(raw.value or b"") > most:
            raise Refused(f"its {keyword} is longer than {most:,} bytes; export it again as PNG")
        if sequence:
            ds[keyword] = DataElement(raw.tag, "SQ", items(raw))
    found = ds[keyword].value
    return None if found is None or (hasattr(found, "__len__") and not len(found)) else found


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's stored values, what its samples mean, its number; the data sets that say how it is shown."""

    values: NDArray[Any]
    photometric: str
    index: int
    layout: Dataset
    elements: Dataset


def frames(data: bytes) -> Iterator[Frame]:
    """The frames of a file, thinned evenly to MOST_FRAMES at most, and to fewer where so many would hold more
    pixels than four of the largest pictures. Raises Refused, and what pydicom, numpy and Pillow raise.
    """
    syntax, _, elements = parsed(data, *_READ)
    layout = _layout(elements, syntax)
    n = layout.NumberOfFrames
    most = max(1, min(MOST_FRAMES, 4 * MOST_PIXELS // (layout.Rows * layout.Columns)))
    for i in range(min(n, most)):
        index = i if n <= most else i * (n - 1) // max(1, most - 1)
        yield Frame(*_decoded(layout, syntax, index), index, layout, elements)


def _layout(ds: Dataset, syntax: UID) -> Dataset:
    """A data set of the pixels and of what says how they lie, with every number checked."""
    if syntax not in _PLAIN and syntax not in _PACKED:
        form = syntax.name if syntax.is_transfer_syntax else "an unknown transfer syntax"
        raise Refused(f"its pixels are stored as {form}; convert it to uncompressed DICOM or PNG")
    if "PixelData" not in ds:
        raise Refused(_NO_PIXELS)
    out = Dataset()
    out.file_meta = FileMetaDataset()
    out.file_meta.TransferSyntaxUID = syntax
    for keyword in _LAYOUT:
        setattr(out, keyword, _whole(ds, keyword))
    for keyword, default in _DETAILS.items():
        setattr(out, keyword, _whole(ds, keyword, default))
    out.BitsStored = _whole(ds, "BitsStored", out.BitsAllocated)
    out.HighBit = _whole(ds, "HighBit", out.BitsStored - 1)
    out.NumberOfFrames = out.NumberOfFrames or 1
    meaning = str(value(ds, "PhotometricInterpretation") or "MONOCHROME2").strip().upper()
    out.PhotometricInterpretation = meaning
    check_size(out.Columns, out.Rows)
    samples = 1 if meaning in (*GREY, "PALETTE COLOR") else 3
    if (
        out.SamplesPerPixel != samples
        or out.BitsAllocated not in (1, 8, 16, 32)
        or not 1 <= out.BitsStored <= out.BitsAllocated
        or out.HighBit != out.BitsStored - 1
        or not 1 <= out.NumberOfFrames <= _MOST_LISTED
        or out.Rows * out.Columns * samples * out.BitsAllocated > 32 * MOST_PIXELS
    ):
        raise Refused("its pixels are laid out in a rare or impossible way; convert it to PNG")
    raw = ds.get_item("PixelData")
    if not isinstance(raw.value, bytes):
        raise Refused(_NO_PIXELS)
    if syntax in _PACKED:
        if struct.unpack_from("<I", raw.value, 4)[0] > 4 * _MOST_LISTED:
            raise Refused(f"more than {_MOST_LISTED:,} frames in its table; export it again as PNG")
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            table = ds.get_item(keyword).value if keyword in ds else None
            if isinstance(table, bytes) and 0 < len(table) <= 8 * _MOST_LISTED:
                setattr(out, keyword, table)
    out.add(DataElement(0x7FE00010, raw.VR or "OW", raw.value))
    return out


def _whole(ds: Dataset, keyword: str, default: int | None = None) -> int:
    found = value(ds, keyword)
    if found is None:
        if default is None:
            raise Refused(f"it does not give its {keyword}; export it again, best as PNG")
        return default
    return int(found)


def _decoded(layout: Dataset, syntax: UID, index: int) -> tuple[NDArray[Any], str]:
    """One frame's stored values and what their samples mean."""
    plugin = ""
    if syntax in _PACKED:
        tables = layout.get("ExtendedOffsetTable"), layout.get("ExtendedOffsetTableLengths")
        frame = get_frame(
            _Counted(layout.PixelData),
            index,
            number_of_frames=layout.NumberOfFrames,
            extended_offsets=tables if all(tables) else None,
        )
        _check_frame(frame, syntax, layout)
        single = Dataset()
        for element in layout.group_dataset(0x0028):
            single.add_new(element.tag, element.VR, element.value)
        single.file_meta, single.NumberOfFrames = layout.file_meta, 1
        single.add(DataElement(0x7FE00010, "OB", encapsulate([frame], has_bot=False)))
        layout, index, plugin = single, 0, _PACKED[syntax]
    decoder = get_decoder(syntax)
    pixels, meta = decoder.as_array(layout, index=index, raw=True, decoding_plugin=plugin)
    return pixels, str(meta["photometric_interpretation"])


def _check_frame(frame: bytes, syntax: UID, layout: Dataset) -> None:
    """Refuses a compressed frame that would unpack to more than the picture has."""
    if syntax == RLELossless:
        n, *starts = struct.unpack_from("<16L", frame)
        bounds = [*starts[:n], len(frame)]
        for start, end in pairwise(bounds):
            _check_run_lengths(frame[start:end], layout.Rows * layout.Columns + 128)  # some writers pad
        return
    if syntax in (JPEG2000, JPEG2000Lossless):
        # Not a JP2 file: its outer header may give another size than the inner one.
        kind, known = "JPEG2000", frame.startswith(b"\xff\x4f\xff\x51")
    else:
        kind, known = "JPEG", frame.startswith(b"\xff\xd8\xff")
        check_jpeg(frame)
    if not known or opened(frame, kind).size != (layout.Columns, layout.Rows):
        raise Refused("its compressed pixels are not what it says they are; export it again, best as PNG")


def _check_run_lengths(packed: bytes, most: int) -> None:
    at = total = 0
    while at < len(packed) and total <= most:
        head = packed[at]
        total += 0 if head == 128 else head + 1 if head < 128 else 257 - head
        at += 1 if head == 128 else head + 2 if head < 128 else 2
    if total > most:
        raise Refused("its compressed pixels are more than its size allows; export it again")
