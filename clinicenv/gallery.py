"""The pictures of a case: read or drawn when they are first asked for, known by keys that tell nothing."""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import ValidationError

from clinicenv.files import InputError
from clinicenv.pictures.plain import Picture, PictureError, contents, read_bytes, scaled
from clinicenv.workup import Altered, Drawing, Image

_GENERATORS = {"ecg": "EcgSpec", "document": "DocumentSpec", "chart": "ChartSpec"}
"""The modules of `clinicenv.drawing`, which draw a PNG with `draw(spec, seed)`, and what they draw from."""


_READING = Lock()
"""One at a time: however many ask for the same pictures at once, they are read and kept in memory once."""


def pictures(image: Image, folder: Path | None) -> tuple[Picture, ...]:
    """The pictures of an image study, in order; `folder` is where its files lie.

    PictureError, which says what to mend, where one is missing, unreadable, or not that with the checksum.
    """
    if image.file and folder is None:
        raise PictureError(image.file[0], "lies beside a scenario's file, and this scenario is from none")
    drawing = image.draw.model_dump_json() if image.draw else ""
    how = image.altered.model_dump_json() if image.altered else ""
    with _READING:
        return _altered(image.id, image.file, image.sha256, drawing, folder, how)


@lru_cache(maxsize=64)
def _altered(
    id: str, files: tuple[str, ...], sums: tuple[str, ...], drawing: str, folder: Path | None, how: str
) -> tuple[Picture, ...]:
    found = _pictures(id, files, sums, drawing, folder)
    if not how:
        return found
    from clinicenv.drawing.effects import altered

    return tuple(altered(picture, Altered.model_validate_json(how)) for picture in found)


def _pictures(
    id: str, files: tuple[str, ...], sums: tuple[str, ...], drawing: str, folder: Path | None
) -> tuple[Picture, ...]:
    if drawing:
        try:
            png = drawn(Drawing.model_validate_json(drawing))
        except (ValueError, InputError) as e:
            raise PictureError(id, f"cannot be drawn: {reason(e)}") from e
        return read_bytes(png, id)
    assert folder
    found: list[Picture] = []
    for n, name in enumerate(files):
        found += read_bytes(_bytes(folder, name, *sums[n : n + 1]), Path(name).name)
    return tuple(found)


def drawn(drawing: Drawing) -> bytes:
    """The PNG that a generator draws.

    ValueError where its description is wrong, InputError where that cannot be drawn here.
    """
    module: Any = import_module(f"clinicenv.drawing.{drawing.kind}")
    spec = getattr(module, _GENERATORS[drawing.kind]).model_validate(drawing.spec)
    png: bytes = module.draw(spec, drawing.seed)
    return png


def reason(e: Exception) -> str:
    """What is wrong, in a line: the first of pydantic's findings, with its field."""
    if isinstance(e, ValidationError):
        found = e.errors(include_url=False)[0]
        return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
    return str(e)


def _bytes(folder: Path, name: str, sha256: str = "") -> bytes:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PictureError(name, "is outside the scenario's folder; put it beside the scenario")
    data = contents(path)
    if sha256 and hashlib.sha256(data).hexdigest() != sha256.lower():
        raise PictureError(
            path.name, "is not the file with the checksum that the scenario gives; mend one of them"
        )
    return data


# What a model is shown


def as_part(picture: Picture, longest: int, detail: str) -> dict[str, Any]:
    """The picture as a part of a message in the OpenAI format, its longer side at most so long (pixels)."""
    url = f"data:image/png;base64,{base64.b64encode(scaled(picture, longest).png).decode()}"
    asked = {} if detail == "auto" else {"detail": detail}
    return {"type": "image_url", "image_url": {"url": url, **asked}}


@dataclass(frozen=True, slots=True)
class _Shown:
    """Which picture a key stands for, and how it is sent: enough to make its part again."""

    image: Image
    folder: Path | None
    number: int
    longest: int
    detail: str


_shown: dict[str, _Shown] = {}


def show(image: Image, folder: Path | None, longest: int, detail: str) -> tuple[str, ...]:
    """The keys under which `part` has an image's pictures from now on. PictureError as from `pictures`."""
    keys = []
    for number, picture in enumerate(pictures(image, folder)):
        sent = f"{picture.key} {longest} {detail}"
        key = hashlib.blake2b(sent.encode(), digest_size=10).hexdigest()
        _shown.setdefault(key, _Shown(image, folder, number, longest, detail))
        part(key)  # made here, in a thread, and not where all others wait
        keys.append(key)
    return tuple(keys)


@lru_cache(maxsize=128)  # in use: those of the talks that go on; the memory of a long run stays bounded
def part(key: str) -> dict[str, Any]:
    """The picture of a key as a part of a message; KeyError for one that was never shown."""
    one = _shown[key]
    return as_part(pictures(one.image, one.folder)[one.number], one.longest, one.detail)
