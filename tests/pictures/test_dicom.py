"""DICOM files give what a screen would show."""

import io
import struct
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pydicom = pytest.importorskip("pydicom")
pytest.importorskip("PIL")

from picture_files import EXAMPLES, GREY, check_plain, dicom, one, table, values  # noqa: E402
from PIL import Image  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.uid import (  # noqa: E402
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

from clinicenv.pictures.limits import MOST_FRAMES  # noqa: E402
from clinicenv.pictures.plain import private, read, read_bytes  # noqa: E402


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
