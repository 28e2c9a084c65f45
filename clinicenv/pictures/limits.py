"""How large a picture file may be, and what is looked at before anything of it is decoded.

Sources: PNG specification, third edition (W3C, 2025), 5; ITU-T T.81 (JPEG), annex B.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MOST_BYTES = 2**27
"""Bytes of a file: a mammogram with 16 bits a pixel has 56 MB, a long ultrasound loop 100 MB."""

MOST_PIXELS = 32_000_000
"""Pixels of a picture: the largest mammograms have 28 million. Decoding so many takes some 700 MB."""

MOST_SIDE = 20_000
"""Pixels along a side."""

MOST_FRAMES = 16
"""Pictures that are made of one file; of a file with more frames, every n-th is taken."""

MOST_PARTS = 500_000
"""Chunks, elements or fragments in a file: each costs memory, however small it is."""

MOST_SCANS = 100
"""Passes over a progressive JPEG; a dozen is usual, and each costs the time of a whole decoding."""

PNG_MARK = b"\x89PNG\r\n\x1a\n"
DAMAGED = "the file is damaged, cut short or of a rare kind; export it again, best as PNG"
_TOO_LARGE = f"it has too many pixels; scale it down to at most {MOST_PIXELS:,}, and {MOST_SIDE:,} a side"


class Refused(Exception):
    """Why a file is not read, without its name; it reaches callers as a PictureError."""


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The type and the whole bytes of each chunk up to IEND; Refused where the file ends before that."""
    at = len(PNG_MARK)
    for _ in range(MOST_PARTS):
        if at + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            break
        yield kind, data[at : at + 12 + length]
        if kind == b"IEND":
            return
        at += 12 + length
    raise Refused(DAMAGED)


def check_size(width: int, height: int) -> None:
    """Refuses a picture without pixels or with too many."""
    if min(width, height) < 1:
        raise Refused(DAMAGED)
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise Refused(_TOO_LARGE)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The marker and the content of each segment before the first pixels, and the place where it ends."""
    at = 2
    for _ in range(MOST_PARTS):
        if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] == 0xDA:
            return
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        marker, length = struct.unpack_from(">xBH", data, at)
        end = at + 2 + max(2, length)
        yield marker, data[at + 4 : end], end
        at = end
    raise Refused(DAMAGED)


def check_jpeg(data: bytes) -> bytes:
    """The JPEG data; Refused where it has too many segments or would be decoded over and over."""
    for _ in jpeg_segments(data):
        pass
    if data.count(b"\xff\xda") > MOST_SCANS:
        raise Refused(f"more than {MOST_SCANS} passes in a JPEG; save it again as a baseline JPEG or PNG")
    return data


def opened(data: bytes, kind: str) -> "Image.Image":
    """A picture of Pillow's kind of that name, not decoded yet. Refuses one with too many pixels."""
    from PIL import Image

    try:
        image = Image.open(BytesIO(data), formats=[kind])
    except Image.DecompressionBombError:  # Pillow's own limit lies above ours
        raise Refused(_TOO_LARGE) from None
    check_size(*image.size)
    return image
