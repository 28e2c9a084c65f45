"""Picture files of many kinds made into plain pictures: pixels, and no trace of whose they are.

A plain picture is a PNG of 8-bit grey or RGB without any chunk but IHDR, IDAT and IEND. PNG, JPEG and DICOM
are read; which of them a file is, its content says and not its name. Every file is taken for hostile: sizes
are checked before anything is decoded, and whatever is wrong ends as a PictureError. What is burnt into the
pixels stays there; `private` says where a file admits to that.

Sources: PNG specification, third edition (W3C, 2025), 5 and 11; ITU-T T.81 (JPEG), annex B; Exif 2.32
(orientation); DICOM PS3.5 and PS3.10 (`dicom`, `shades`), PS3.15 annex E
(`traces`). Needs the `images` extra.
"""

import contextlib
import hashlib
import importlib
import logging
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from clinicenv.files import InputError, printable
from clinicenv.pictures.limits import DAMAGED, MOST_BYTES, PNG_MARK, Refused, check_jpeg, opened, png_chunks

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")

_UPRIGHT = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""Exif orientation -> the `PIL.Image.Transpose` that undoes it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plain picture: PNG bytes of 8-bit grey or RGB, no chunks but IHDR, IDAT and IEND; sides in pixels."""

    png: bytes
    width: int
    height: int

    @property
    def key(self) -> str:
        """32 hex digits of the SHA-256 of the bytes."""
        return hashlib.sha256(self.png).hexdigest()[:32]


class PictureError(Exception):
    """A file that gives no picture. `cause`: its base name, what is wrong and the fix, in a sentence."""

    def __init__(self, name: str, why: str):
        base = printable(re.split(r"[/\\]", name)[-1])[:100]
        self.cause = f"{base or 'the file'}: {why}"
        super().__init__(self.cause)


def read(path: Path) -> tuple[Picture, ...]:
    """The pictures of a PNG, JPEG or DICOM file: one, or one per frame, thinned evenly to MOST_FRAMES.

    Animations give their first frame. Raises PictureError; InputError where the `images` extra is missing.
    """
    return read_bytes(contents(path), path.name)


def read_bytes(data: bytes, name: str) -> tuple[Picture, ...]:
    """As `read`, for a file's bytes; `name` is only used in errors."""
    return guarded(name, lambda: tuple(_pictures(data)), dicom=kind_of(data) == "DICOM")


def scaled(picture: Picture, longest: int) -> Picture:
    """The picture with its longer side at most `longest` pixels, in the same shape; never enlarged."""
    if longest < 1:
        raise ValueError(f"longest is {longest}; a picture has at least one pixel a side")
    if max(picture.width, picture.height) <= longest:
        return picture
    ratio = longest / max(picture.width, picture.height)
    size = max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio))
    return guarded("the picture", lambda: plain_picture(opened(picture.png, "PNG").resize(size)))


def private(path: Path) -> list[str]:
    """What in the file tells who, when or where: names of tags and parts, sorted, never their values.

    No picture that `read` makes has any of it, but for text burnt into the pixels, of which
    `BurnedInAnnotation` warns in DICOM and nothing does elsewhere. Raises as `read` does.
    """
    data = contents(path)

    def names() -> list[str]:
        from clinicenv.pictures import traces

        return sorted({"PNG": traces.png, "JPEG": traces.jpeg, "DICOM": traces.dicom}[_kind(data)](data))

    return guarded(path.name, names, dicom=True)


def contents(path: Path) -> bytes:
    why = None
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            why = "is a symbolic link; name the file itself"
        elif not stat.S_ISREG(mode):
            why = "is a folder or a device; name a picture file"
        else:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            if len(data) <= MOST_BYTES:
                return data
            why = f"the file is larger than {MOST_BYTES >> 20} MiB; export fewer frames or a smaller picture"
    except OSError as e:
        why = f"cannot be read ({e.strerror or 'no reason given'}); check the name and the permissions"
    except ValueError:
        why = "the name holds a character that no file name can; check the name"
    raise PictureError(path.name, why)


def guarded(name: str, work: Callable[[], T], dicom: bool = False) -> T:
    """The work's result, or a PictureError without the first error on it, which may quote the file."""
    try:
        for package in ("numpy", "PIL.Image", *(["pydicom"] if dicom else [])):  # which takes long to import
            importlib.import_module(package)
    except ImportError as e:
        raise InputError("reading pictures needs the `images` extra: pip install 'clinicenv[images]'") from e
    try:
        with _quiet():
            return work()
    except Refused as e:
        why = str(e)
    except Exception:  # noqa: BLE001 - on hostile bytes the decoders raise nearly anything
        why = DAMAGED
    raise PictureError(name, why)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warning and no log record of the decoders, which quote what stands in files."""
    import numpy

    loggers = [logging.getLogger(name) for name in ("PIL", "pydicom")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def kind_of(data: bytes) -> Literal["PNG", "JPEG", "DICOM", ""]:
    """What a file of these bytes is; empty for what is not read."""
    if data.startswith(PNG_MARK):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    return "DICOM" if data[128:132] == b"DICM" else ""


def _kind(data: bytes) -> str:
    if not (kind := kind_of(data)):
        raise Refused("is not PNG, JPEG or DICOM, whatever its name says; convert it to PNG")
    return kind


def _pictures(data: bytes) -> Iterator[Picture]:
    from PIL import Image

    if len(data) > MOST_BYTES:
        raise Refused(f"more than {MOST_BYTES >> 20} MiB; export fewer frames or a smaller picture")
    if (kind := _kind(data)) == "DICOM":
        from clinicenv.pictures.shades import shown

        for frame in shown(data):
            yield plain_picture(Image.fromarray(frame))
        return
    data = _bare(data) if kind == "PNG" else check_jpeg(data)
    image = opened(data, kind)
    turn = _UPRIGHT.get(image.getexif().get(0x0112, 1))
    image = _eight_bits(image)
    yield plain_picture(image if turn is None else image.transpose(Image.Transpose(turn)))


def _bare(data: bytes) -> bytes:
    """The PNG with no chunks but those about pixels and which way up they are: no text, no animation."""
    bare, headers = bytearray(PNG_MARK), 0
    for kind, chunk in png_chunks(data):
        headers += kind == b"IHDR"
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"):
            bare += chunk
    if headers != 1:
        raise Refused(DAMAGED)
    return bytes(bare)


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """The picture decoded, as 8-bit grey or RGB; what shines through lies on white."""
    import numpy as np
    from PIL import Image

    see_through = image.info.get("transparency")
    if image.mode.startswith("I"):  # 16-bit grey, where Pillow's own conversion to 8 bits would clip
        deep = np.asarray(image).astype(np.uint32)
        shallow = ((deep + 128) // 257).astype(np.uint8)
        if isinstance(see_through, int):
            shallow[deep == see_through] = 255
        return Image.fromarray(shallow)
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA")
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white.convert("L" if grey else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def plain_picture(image: "Image.Image") -> Picture:
    """The pixels of an L or RGB picture; nothing else that hangs on it goes over."""
    from PIL import Image

    plain, buffer = Image.new(image.mode, image.size), BytesIO()
    plain.paste(image)
    plain.save(buffer, "PNG")
    return Picture(buffer.getvalue(), *plain.size)
