"""Pictures are nobody's: nothing of a person leaves a file, and `private` names what is there."""

import io
import struct
import traceback
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pydicom = pytest.importorskip("pydicom")
pytest.importorskip("PIL")

from picture_files import GREY, check_plain, dicom, one, saved, stored  # noqa: E402
from PIL import Image, PngImagePlugin  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402

from clinicenv.pictures.plain import Picture, PictureError, private, read, read_bytes  # noqa: E402

SECRETS = ("Zyxwv^Qrst", "Q7788123", "Nowhere General", "Rue Secrete 9", "19370401", "Vaultkeeper")


def check_unknown(pictures: tuple[Picture, ...]) -> None:
    """No planted string is in a picture, neither in its bytes nor in its pixels."""
    for picture in pictures:
        check_plain(picture)
        pixels = Image.open(io.BytesIO(picture.png)).tobytes()
        for secret in SECRETS:
            assert secret.encode() not in picture.png + pixels


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
