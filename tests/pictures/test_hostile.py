"""Bombs and damaged files end in one sentence, within bounded memory."""

import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pydicom = pytest.importorskip("pydicom")
pytest.importorskip("PIL")

from picture_files import EXAMPLES, GREY, check_plain, dicom, saved, stored, table  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import JPEG2000, DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless  # noqa: E402

from clinicenv.pictures.plain import read_bytes  # noqa: E402


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
