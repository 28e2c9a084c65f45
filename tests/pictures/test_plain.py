"""Pictures are plain, right and nobody's; hostile files end in one sentence, within bounded memory."""

import io
import json
import os
import random
import struct
import subprocess
import sys
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pydicom = pytest.importorskip("pydicom")
pytest.importorskip("PIL")

from PIL import Image, PngImagePlugin  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import (  # noqa: E402
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from clinicenv.files import InputError  # noqa: E402
from clinicenv.pictures.limits import MOST_BYTES, MOST_FRAMES, MOST_PIXELS, PNG_MARK  # noqa: E402
from clinicenv.pictures.plain import (  # noqa: E402
    Picture,
    PictureError,
    private,
    read,
    read_bytes,
    scaled,
)

SECRETS = ("Zyxwv^Qrst", "Q7788123", "Nowhere General", "Rue Secrete 9", "19370401", "Vaultkeeper")
GREY = [[0, 10, 20], [30, 40, 50]]


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


def check_unknown(pictures: tuple[Picture, ...]) -> None:
    """No planted string is in a picture, neither in its bytes nor in its pixels."""
    for picture in pictures:
        check_plain(picture)
        pixels = Image.open(io.BytesIO(picture.png)).tobytes()
        for secret in SECRETS:
            assert secret.encode() not in picture.png + pixels


def stored(tmp_path: Path, data: bytes, name: str = "x") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


# Whose it is.


@pytest.fixture
def patients_scan() -> bytes:
    """A DICOM file with its patient in named, nested, private and overlay elements and in the preamble."""
    nested, original, icon = Dataset(), Dataset(), Dataset()
    nested.AccessionNumber = SECRETS[1]
    original.ModifiedAttributesSequence = [nested]
    icon.Rows = 2
    named = {
        "PatientName": SECRETS[0],
        "PatientID": SECRETS[1],
        "PatientBirthDate": SECRETS[4],
        "InstitutionName": SECRETS[2],
        "InstitutionAddress": SECRETS[3],
        "ReferringPhysicianName": SECRETS[0],
        "StationName": "",
        "StudyDate": "20200101",
        "ImageComments": f"seen by {SECRETS[5]}",
        "BurnedInAnnotation": "YES",
        "RecognizableVisualFeatures": "NO",
        "IconImageSequence": [icon],
        "OriginalAttributesSequence": [original],
    }
    ds = pydicom.dcmread(io.BytesIO(dicom(np.array(GREY, np.uint8), **named)))
    ds.private_block(0x0011, SECRETS[5], create=True).add_new(1, "LO", SECRETS[2])
    ds.add_new(0x60000010, "US", 2)
    ds.add_new(0x60000022, "LO", SECRETS[0])
    ds.add_new(0x60003000, "OW", b"\xff\xff")
    out = io.BytesIO()
    ds.save_as(out)
    return SECRETS[2].encode().ljust(128, b"\0") + out.getvalue()[128:]


def test_nothing_of_a_patient_leaves_a_dicom_file(patients_scan: bytes, tmp_path: Path) -> None:
    assert one(patients_scan) == GREY  # with no overlay on it
    check_unknown(read_bytes(patients_scan, SECRETS[0]))
    assert private(stored(tmp_path, patients_scan)) == [
        "AccessionNumber",
        "BurnedInAnnotation",
        "IconImageSequence",
        "ImageComments",
        "InstitutionAddress",
        "InstitutionName",
        "ModifiedAttributesSequence",
        "Overlay 6000",
        "PatientBirthDate",
        "PatientID",
        "PatientName",
        "Preamble",
        "ReferringPhysicianName",
        "StudyDate",
        "private tags of group 0011",
    ]


def test_an_overlay_in_spare_bits_of_the_pixels_is_not_drawn() -> None:
    data = dicom(np.array([[0xF000, 0x3000, 0x0FFF]], np.uint16), BitsStored=12)
    assert one(data) == [[0, 0, 255]]


def test_nothing_of_a_person_leaves_a_photograph(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B], exif[0x010E], exif[0x0112] = SECRETS[5], SECRETS[0], 1
    exif.get_ifd(0x8769)[0x927C] = SECRETS[2].encode()
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 1.0), 29: SECRETS[4]})
    thumbnail = saved(np.zeros((8, 8)), "JPEG", comment=SECRETS[1])
    xmp = f"<x:xmpmeta>{SECRETS[0]}</x:xmpmeta>".encode()
    data = saved(np.full((8, 8), 100), "JPEG", exif=exif, xmp=xmp, comment=SECRETS[3])
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + SECRETS[2].encode()
    jfxx = b"JFXX\0\x10" + thumbnail
    extra = b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
        for marker, content in ((0xED, iptc), (0xE0, jfxx), (0xE7, SECRETS[1].encode()))
    )
    data = data[:2] + extra + data[2:] + SECRETS[4].encode()
    check_unknown(read_bytes(data, "x"))
    assert private(stored(tmp_path, data)) == [
        "EXIF Artist",
        "EXIF GPSInfo",
        "EXIF ImageDescription",
        "EXIF MakerNote",
        "IPTC",
        "JPEG APP7",
        "JPEG comment",
        "JPEG thumbnail",
        "XMP",
        "data after the picture",
    ]


def test_nothing_of_a_person_leaves_a_png(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", SECRETS[5])
    texts.add_text("Comment", SECRETS[0], zip=True)
    texts.add_itxt("XML:com.adobe.xmp", SECRETS[1])
    texts.add_itxt("Title", SECRETS[2])
    texts.add(b"tIME", b"\x07\xe4\1\1\0\0\0")
    texts.add(b"prVt", SECRETS[3].encode())
    exif = Image.Exif()
    exif[0x9003] = SECRETS[4]
    data = saved(GREY, pnginfo=texts, exif=exif, dpi=(72, 72)) + SECRETS[3].encode()
    check_unknown(read_bytes(data, "x"))
    assert one(data) == GREY
    assert private(stored(tmp_path, data)) == [
        "EXIF DateTimeOriginal",
        "PNG chunk of an unknown kind",
        "PNG iTXt",
        "PNG tEXt",
        "PNG tIME",
        "PNG zTXt",
        "XMP",
        "data after the picture",
    ]


def test_a_plain_picture_tells_nothing(tmp_path: Path) -> None:
    for data in (saved(GREY), saved(GREY, "JPEG"), dicom(np.array(GREY, np.uint8))):
        assert private(stored(tmp_path, data)) == []


@pytest.mark.parametrize("keyword", ["Rows", "NumberOfFrames", "WindowCenter", "PhotometricInterpretation"])
def test_an_error_quotes_nothing_of_the_file(keyword: str, patients_scan: bytes, tmp_path: Path) -> None:
    ds = pydicom.dcmread(io.BytesIO(patients_scan))
    ds.WindowCenter, ds.WindowWidth = 1, 2
    ds.pop(keyword, None)
    ds.add_new(keyword, "LO", SECRETS[5])
    out = io.BytesIO()
    ds.save_as(out)
    with pytest.raises(PictureError) as raised:
        read(stored(tmp_path, out.getvalue(), "scan.dcm"))
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value.__context__)
    assert not [secret for secret in SECRETS if secret in shown]
    assert raised.value.cause.startswith("scan.dcm: ")
    assert "\n" not in raised.value.cause


# What a screen would show.


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_window_gives_the_greys_that_the_standard_says(photometric: str) -> None:
    # Window 40/400: the greys of PS3.3 C.11.2.1.2 are 255 * ((x - 39.5) / 399 + 0.5), from -160 to 239.
    hounsfield = [-1000, -160, -60, 40, 140, 240, 3000]
    expected = [0, 0, 64, 128, 192, 255, 255]
    data = dicom(
        np.array([[(x + 1000) // 2 for x in hounsfield]], np.int16), PixelRepresentation=1, RescaleSlope=2,
        RescaleIntercept=-1000, WindowCenter=[40, 300], WindowWidth=[400, 1500],
        PhotometricInterpretation=photometric,
    )  # fmt: skip
    if photometric == "MONOCHROME1":
        expected = [255 - grey for grey in expected]
    assert one(data) == [expected]


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_the_other_kinds_of_window(syntax: UID) -> None:
    raw = np.array([[0, 25, 50, 75, 200]], np.uint16)
    exact = {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}
    assert one(dicom(raw, syntax, **exact)) == [[0, 64, 128, 191, 255]]  # 255 * ((x - 50) / 100 + 0.5)
    bent = one(dicom(raw, syntax, **exact | {"VOILUTFunction": "SIGMOID"}))
    assert bent == [[30, 69, 128, 186, 254]]  # 255 / (1 + exp(-4 * (x - 50) / 100))


def test_without_a_window_eight_bits_stay_and_deeper_ones_are_spread_over_what_is_there() -> None:
    assert one(dicom(np.array(GREY, np.uint8))) == GREY
    assert one(dicom(np.array([[100, 150, 200, 300]], np.uint16))) == [[0, 64, 128, 255]]
    padded = dicom(
        np.array([[-2000, 100, 150, 300]], np.int16), PixelRepresentation=1, PixelPaddingValue=-2000
    )
    assert one(padded) == [[0, 0, 64, 255]]
    bits = dicom(b"\x05\0", Rows=1, Columns=4, BitsAllocated=1, BitsStored=1)
    assert one(bits) == [[255, 0, 255, 0]]


def table(first: int, bits: int, entries: list[int]) -> Dataset:
    ds = Dataset()
    ds.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    ds.add_new("LUTData", "OW", struct.pack(f"<{len(entries)}H", *entries))
    return ds


def test_tables_come_before_windows_and_below_and_above_them_their_ends_hold() -> None:
    raw = np.array([[0, 10, 11, 12, 13, 99]], np.uint16)
    voi = {"VOILUTSequence": [table(10, 12, [0, 4095, 819, 2047])], "WindowCenter": 1, "WindowWidth": 1}
    assert one(dicom(raw, **voi)) == [[0, 0, 255, 51, 127, 127]]
    modality = {
        "ModalityLUTSequence": [table(11, 16, [100, 50, 150])],
        "WindowCenter": 100.5,
        "WindowWidth": 101,
    }
    assert one(dicom(raw, **modality)) == [[128, 128, 128, 0, 255, 255]]


def test_frames_may_have_windows_of_their_own() -> None:
    def window(center: float, width: float) -> Dataset:
        macro, group = Dataset(), Dataset()
        macro.WindowCenter, macro.WindowWidth = center, width
        group.FrameVOILUTSequence = [macro]
        return group

    data = dicom(
        np.array([[[0, 50]], [[0, 50]]], np.uint16), NumberOfFrames=2,
        SharedFunctionalGroupsSequence=[window(50.5, 101)],
        PerFrameFunctionalGroupsSequence=[Dataset(), window(25.5, 51)],
    )  # fmt: skip
    assert [values(p) for p in read_bytes(data, "x")] == [[[0, 128]], [[0, 255]]]


def test_colours() -> None:
    rgb = np.array([[255, 0, 0], [0, 128, 255]], np.uint8)
    size = {"Rows": 1, "Columns": 2, "SamplesPerPixel": 3, "BitsAllocated": 8, "BitsStored": 8}
    whole = size | {"PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    assert one(dicom(rgb.tobytes(), **whole)) == [rgb.tolist()]
    assert one(dicom(rgb.T.tobytes(), **whole | {"PlanarConfiguration": 1})) == [rgb.tolist()]
    ybr = whole | {"PhotometricInterpretation": "YBR_FULL"}
    assert one(dicom(bytes([76, 85, 255, 255, 128, 128]), **ybr)) == [[[254, 0, 0], [255, 255, 255]]]
    palette = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, entries in {"Red": [0, 255, 9], "Green": [10, 20, 30], "Blue": [5, 5, 5]}.items():
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [3, 1, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = struct.pack("<3H", *(257 * e for e in entries))
    looked_up = one(dicom(np.array([[0, 1, 2, 3, 4]], np.uint8), **palette))
    assert looked_up == [[[0, 10, 5], [0, 10, 5], [255, 20, 5], [9, 30, 5], [9, 30, 5]]]
    for colour in ("Red", "Green", "Blue"):  # two entries as they are, then two on a line up to 257 * 40
        del palette[f"{colour}PaletteColorLookupTableData"]
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        segments = struct.pack("<7H", 0, 2, 257 * 10, 257 * 20, 1, 2, 257 * 40)
        palette[f"Segmented{colour}PaletteColorLookupTableData"] = segments
    ramp = one(dicom(np.array([[0, 1, 2, 3]], np.uint8), **palette))
    assert [pixel[0] for pixel in ramp[0]] == [10, 20, 30, 40]


def test_of_many_frames_some_are_taken_evenly() -> None:
    data = dicom(np.arange(46, dtype=np.uint8).reshape(46, 1, 1), NumberOfFrames=46)
    assert [values(p)[0][0] for p in read_bytes(data, "x")] == [3 * i for i in range(MOST_FRAMES)]


EXAMPLES = {
    "CT_small.dcm": (1, 128, 128), "MR_small_RLE.dcm": (1, 64, 64), "693_J2KI.dcm": (1, 512, 512),
    "examples_palette.dcm": (1, 800, 350), "examples_ybr_color.dcm": (16, 320, 240),
    "SC_ybr_full_422_uncompressed.dcm": (1, 100, 100), "SC_rgb_rle_16bit_2frame.dcm": (2, 100, 100),
    "liver_expb_1frame.dcm": (1, 512, 512), "image_dfl.dcm": (1, 512, 512), "rtdose_rle.dcm": (15, 10, 10),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_real_files_are_read(name: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    pictures = read(path)
    for picture in pictures:
        check_plain(picture)
        assert len(set(Image.open(io.BytesIO(picture.png)).convert("L").tobytes())) > 1
    assert (len(pictures), pictures[0].width, pictures[0].height) == EXAMPLES[name]
    assert "PatientID" in private(path) or name == "image_dfl.dcm"


def test_compressed_colours_are_those_of_the_uncompressed_file() -> None:
    names = (
        "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_gdcm_KY.dcm",
    )
    bars = [np.array(values(read(Path(str(get_testdata_file(n, download=False))))[0]), int) for n in names]
    for other in bars[1:]:
        assert np.abs(other - bars[0])[5::10].max() <= 6  # in the middle of each of ten bars


@pytest.mark.parametrize(
    ("orientation", "upright"),
    enumerate(
        [
            [[1, 2, 3], [4, 5, 6]], [[3, 2, 1], [6, 5, 4]], [[6, 5, 4], [3, 2, 1]], [[4, 5, 6], [1, 2, 3]],
            [[1, 4], [2, 5], [3, 6]], [[4, 1], [5, 2], [6, 3]],
            [[6, 3], [5, 2], [4, 1]], [[3, 6], [2, 5], [1, 4]],
        ],
        start=1,
    ),
)  # fmt: skip
def test_exif_turns_a_picture_upright(orientation: int, upright: list[list[int]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert one(saved([[1, 2, 3], [4, 5, 6]], exif=exif)) == upright
    wide = read_bytes(saved(np.zeros((8, 16)), "JPEG", exif=exif), "x")[0]
    assert (wide.width > wide.height) == (orientation <= 4)


def test_what_shines_through_lies_on_white() -> None:
    clear_black, half_black, red = (0, 0, 0, 0), (0, 0, 0, 128), (255, 0, 0, 255)
    data = saved([[clear_black, half_black, red]], mode="RGBA")
    assert one(data) == [[[255, 255, 255], [127, 127, 127], [255, 0, 0]]]
    assert one(saved([[(0, 0), (0, 255)]], mode="LA")) == [[255, 0]]
    assert one(saved(GREY, transparency=10)) == [[0, 255, 20], [30, 40, 50]]
    indexed = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    indexed.putpalette([9, 9, 9, 0, 0, 200])
    assert one(saved(indexed, transparency=0)) == [[[255, 255, 255], [0, 0, 200]]]


def test_deep_flat_printed_and_moving_pictures() -> None:
    deep = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    assert one(saved(deep)) == [[0, 1, 128, 255]]
    assert one(saved(Image.fromarray(np.array([[True, False]])))) == [[255, 0]]
    ink = one(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(np.array(ink) - [255, 0, 0]).max() <= 3
    frames = [Image.new("L", (2, 2), grey) for grey in (7, 200)]
    moving = saved(frames[0], save_all=True, append_images=frames[1:])
    assert one(moving) == [[7, 7], [7, 7]]


def test_scaling_goes_down_and_keeps_the_shape() -> None:
    (picture,) = read_bytes(saved(np.full((30, 60, 3), 90), mode="RGB"), "x")
    small = scaled(picture, 20)
    check_plain(small)
    assert (small.width, small.height) == (20, 10)
    assert values(small)[5][5] == [90, 90, 90]
    assert scaled(picture, 60) is picture
    assert scaled(small, 1).height == 1
    with pytest.raises(ValueError, match="at least one pixel"):
        scaled(picture, 0)


def test_the_key_is_of_the_pixels_and_not_of_the_file(tmp_path: Path) -> None:
    (a,), (b,) = read_bytes(saved(GREY, dpi=(1, 1)), "a"), read(stored(tmp_path, saved(GREY), "b"))
    assert a == b
    assert a.key == b.key
    assert len(a.key) >= 16
    assert int(a.key, 16)
    assert read_bytes(saved([[1]]), "a")[0].key != a.key


# Files that are not what they should be.


def cause(path: Path) -> str:
    with pytest.raises(PictureError) as raised:
        read(path)
    with pytest.raises(PictureError):
        private(path)
    return raised.value.cause


def test_the_content_says_what_a_file_is(tmp_path: Path) -> None:
    assert values(read(stored(tmp_path, saved(GREY), "photo.dcm"))[0]) == GREY
    for name, data in {"a.png": b"hello", "b.jpg": b"", "c.dcm": b"GIF89a" + b"\0" * 200}.items():
        assert cause(stored(tmp_path, data, name)).startswith(f"{name}: is not PNG, JPEG or DICOM")


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(stored(tmp_path, saved(GREY), "real.png"))
    assert "symbolic link" in cause(tmp_path / "link.png")
    assert "folder" in cause(tmp_path)
    assert cause(tmp_path / "no.png").startswith("no.png: cannot be read (No such file")
    assert "character" in cause(tmp_path / "a\0b.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert "folder or a device" in cause(tmp_path / "pipe.png")
    with (tmp_path / "huge.png").open("wb") as huge:
        huge.truncate(MOST_BYTES + 1)
    assert "larger than 128 MiB" in cause(tmp_path / "huge.png")


@pytest.mark.parametrize("package", ["PIL.Image", "pydicom"])
def test_a_missing_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"clinicenv\[images\]"):
        read_bytes(dicom(GREY) if package == "pydicom" else PNG_MARK, "x")


def test_importing_the_module_loads_none_of_the_extra() -> None:
    heavy = ("numpy", "PIL", "pydicom")
    code = f"import sys, clinicenv.pictures.plain; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bombs() -> dict[str, bytes]:
    """Small files that would unpack to far too much."""
    sized = {"Rows": 1000, "Columns": 1000, "BitsAllocated": 8, "BitsStored": 8}
    small = dicom(np.array(GREY, np.uint8))
    mark = b"\x89PNG\r\n\x1a\n"
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    zeros = zlib.compress(bytes(10**8), 9)
    good = saved(GREY)[8:]
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))
    jpeg = saved(np.zeros((8, 8)), "JPEG")
    wide = jpeg.replace(struct.pack(">BHH", 8, 8, 8), struct.pack(">BHH", 8, 65_000, 65_000))
    runs = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\0" * 10**6
    squeeze = zlib.compressobj(9, wbits=-15)
    deflated = dicom(np.array(GREY, np.uint8), DeflatedExplicitVRLittleEndian)
    start = struct.unpack_from("<I", deflated, 140)[0] + 144
    element = b"\x09\0\x10\0UN\0\0" + struct.pack("<I", 2 * 10**9)
    bloated = deflated[:start] + squeeze.compress(element + bytes(2 * 10**8)) + squeeze.flush()
    empty = b"\xfe\xff\0\xe0\0\0\0\0"
    items = b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff" + empty * 3_000_000
    frames = b"\0\x52\x30\x92SQ\0\0" + struct.pack("<I", 8_000_000) + empty * 1_000_000
    pixels = small.index(b"\xe0\x7f\x10\0")
    deep = b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 20_000
    meta = struct.unpack_from("<I", small, 140)[0] + 144
    swapped = encapsulate([wide])
    return {
        "png-header": mark + header + chunk(b"IDAT", zeros) + chunk(b"IEND", b""),
        "png-second-header": mark + ihdr + header + chunk(b"IDAT", zeros) + chunk(b"IEND", b""),
        "png-text": mark + good[:25] + chunk(b"zTXt", b"a\0\0" + zeros) * 99 + good[25:],
        "png-profile": mark + good[:25] + chunk(b"iCCP", b"a\0\0" + zeros) + good[25:],
        "png-chunks": mark + ihdr + chunk(b"teXt", b"") * 2_000_000,
        "jpeg-header": wide,
        "jpeg-segments": jpeg[:2] + b"\xff\xe1\0\2" * 1_000_000 + jpeg[2:],
        "jpeg-scans": jpeg[:-2] + jpeg[jpeg.index(b"\xff\xda") : -2] * 500 + jpeg[-2:],
        "dicom-rows": dicom(b"\0\0", Rows=65535, Columns=65535, BitsAllocated=8, BitsStored=8),
        "dicom-frames": dicom(np.array(GREY, np.uint8), NumberOfFrames=2**31 - 1),
        "dicom-frames-packed": dicom(encapsulate([jpeg]), JPEGBaseline8Bit, NumberOfFrames=99_999, **sized),
        "dicom-runs": dicom(encapsulate([runs]), RLELossless, **sized),
        "dicom-jpeg": dicom(swapped, JPEGBaseline8Bit, **sized),
        "dicom-jpeg2000": dicom(
            encapsulate([b"\xff\x4f\xff\x51\0\x29\0\0" + b"\0\0\xff\0" * 9]), JPEG2000, **sized
        ),
        "dicom-deflated": bloated,
        "dicom-items": small[:meta] + items,
        "dicom-frame-items": small[:pixels] + frames + small[pixels:],
        "dicom-deep": small[:meta] + deep,
        "dicom-table": dicom(np.array(GREY, np.uint16), VOILUTSequence=[table(0, 16, [])]),
    }


def mutants(n: int) -> dict[str, bytes]:
    """Good files cut, changed, stuffed, swapped or joined at random, the same ones every time."""
    draw = random.Random("pictures")
    noise = np.frombuffer(draw.randbytes(40 * 30 * 3), np.uint8).reshape(40, 30, 3)
    seeds = [
        saved(noise, mode="RGB"),
        saved(noise, "JPEG", mode="RGB"),
        saved(noise, "JPEG", progressive=True),
    ]
    seeds += [Path(str(get_testdata_file(name, download=False))).read_bytes() for name in EXAMPLES]
    changes: list[Callable[[bytearray], Any]] = [
        lambda b: b.__delitem__(slice(draw.randrange(len(b)), None)),
        lambda b: b.__setitem__(draw.randrange(len(b)), draw.randrange(256)),
        lambda b: [
            b.__setitem__(draw.randrange(min(len(b), 1500)), draw.choice(b"\0\xff\x7f")) for _ in range(9)
        ],
        lambda b: b.__setitem__(slice(at := draw.randrange(len(b)), at + 4), b"\xff\xff\xff\x7f"),
        lambda b: b.__setitem__(slice(at := draw.randrange(len(b)), at), draw.randbytes(50)),
        lambda b: b.__delitem__(slice(at := draw.randrange(len(b)), at + draw.randrange(1, 99))),
        lambda b: b.__setitem__(slice(at := draw.randrange(len(b)), at), draw.choice(seeds)[:4000]),
    ]
    out = {}
    for i in range(n):
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.randrange(1, 4)):
            draw.choice(changes)(data)
        out[f"mutant-{i}.{draw.choice(['png', 'jpg', 'dcm'])}"] = bytes(data)
    return out


READER = """
import json, resource, sys
from pathlib import Path
from clinicenv.pictures.plain import PictureError, private, read
out = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    answers = []
    for ask in (read, private):
        try:
            answers.append([len(p.png) if ask is read else p for p in ask(path)])
        except PictureError as e:
            answers.append(e.cause)
    out[path.name] = answers
status = Path("/proc/self/status")  # Linux: what getrusage says counts the parent's memory too
if status.exists():
    peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([out, peak]))
"""


def asked(folder: Path, files: dict[str, bytes]) -> dict[str, Any]:
    """What `read` and `private` answer to the files, in a process that stays small and prints no more."""
    for name, data in files.items():
        stored(folder, data, name)
    run = subprocess.run([sys.executable, "-c", READER, folder], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    answers, peak = json.loads(run.stdout)
    assert peak < 600 * 2**20
    assert set(answers) == set(files)
    return dict(answers)


def test_bombs_are_refused(tmp_path: Path) -> None:
    answers = asked(tmp_path, bombs())
    for name in ("png-text", "png-profile"):
        assert isinstance(answers.pop(name)[0], list)  # a picture, and what was packed stays packed
    for name, (pictures, _) in answers.items():
        assert isinstance(pictures, str), name
        assert pictures.startswith(f"{name}: ")


def test_damaged_files_give_one_sentence_or_a_plain_picture(tmp_path: Path) -> None:
    files = mutants(120)
    refused = 0
    for name, (pictures, names) in asked(tmp_path, files).items():
        for answer in (pictures, names):
            assert isinstance(answer, list) or answer.startswith(f"{name}: "), name
        refused += isinstance(pictures, str)
        if not isinstance(pictures, str):
            for picture in read_bytes(files[name], name):
                check_plain(picture)
    assert 30 < refused < 110  # neither all nor none of them are still good
