"""Photographs and drawings give one plain picture, whatever is in the file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pydicom = pytest.importorskip("pydicom")
pytest.importorskip("PIL")

from picture_files import GREY, check_plain, dicom, one, saved, stored, values  # noqa: E402
from PIL import Image  # noqa: E402

from clinicenv.files import InputError  # noqa: E402
from clinicenv.pictures.limits import MOST_BYTES, PNG_MARK  # noqa: E402
from clinicenv.pictures.plain import PictureError, private, read, read_bytes, scaled  # noqa: E402


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
