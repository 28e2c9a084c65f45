"""Picture files made for tests, and what every picture must be."""

import io
import struct
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pydicom = pytest.importorskip("pydicom")
pytest.importorskip("PIL")

from PIL import Image  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian  # noqa: E402

from clinicenv.pictures.limits import MOST_PIXELS  # noqa: E402
from clinicenv.pictures.plain import Picture, read_bytes  # noqa: E402

GREY = [[0, 10, 20], [30, 40, 50]]

EXAMPLES = {
    "CT_small.dcm": (1, 128, 128), "MR_small_RLE.dcm": (1, 64, 64), "693_J2KI.dcm": (1, 512, 512),
    "examples_palette.dcm": (1, 800, 350), "examples_ybr_color.dcm": (16, 320, 240),
    "SC_ybr_full_422_uncompressed.dcm": (1, 100, 100), "SC_rgb_rle_16bit_2frame.dcm": (2, 100, 100),
    "liver_expb_1frame.dcm": (1, 512, 512), "image_dfl.dcm": (1, 512, 512), "rtdose_rle.dcm": (15, 10, 10),
}  # fmt: skip


def dicom(pixels: Any, syntax: UID = ExplicitVRLittleEndian, **elements: Any) -> bytes:
    """A DICOM file of an array (or of bytes, stored as they are), with further elements by keyword."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "2.25.1"
    layout = {"SamplesPerPixel": 1, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2"}
    if not isinstance(pixels, bytes):
        array = np.asarray(pixels)
        bits = array.dtype.itemsize * 8
        layout |= {
            "Rows": array.shape[-2],
            "Columns": array.shape[-1],
            "BitsAllocated": bits,
            "BitsStored": bits,
        }
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        pixels = array.astype(array.dtype.newbyteorder(order)).tobytes()
    layout |= elements
    layout.setdefault("HighBit", layout["BitsStored"] - 1)
    for keyword, content in layout.items():
        setattr(ds, keyword, content)
    ds.PixelData = pixels + b"\0" * (len(pixels) % 2)
    ds["PixelData"].VR = "OB" if syntax.is_encapsulated else "OW"
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def saved(array: Any, form: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    image = array if isinstance(array, Image.Image) else Image.fromarray(np.asarray(array, np.uint8), mode)
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def values(picture: Picture) -> Any:
    return np.asarray(Image.open(io.BytesIO(picture.png))).tolist()


def one(data: bytes) -> Any:
    """The grey or RGB values of a file that gives one picture."""
    (picture,) = read_bytes(data, "x")
    check_plain(picture)
    return values(picture)


def check_plain(picture: Picture) -> None:
    kinds, at = [], 8
    while at < len(picture.png):
        length, kind = struct.unpack_from(">I4s", picture.png, at)
        kinds.append(kind)
        at += 12 + length
    assert picture.png[:8] == b"\x89PNG\r\n\x1a\n"
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
    width, height, depth, colour = struct.unpack_from(">IIBB", picture.png, 16)
    assert (width, height) == (picture.width, picture.height)
    assert width * height <= MOST_PIXELS
    assert depth == 8
    assert colour in (0, 2)


def table(first: int, bits: int, entries: list[int]) -> Dataset:
    ds = Dataset()
    ds.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    ds.add_new("LUTData", "OW", struct.pack(f"<{len(entries)}H", *entries))
    return ds


def stored(tmp_path: Path, data: bytes, name: str = "x") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path
