"""Lint rules on pictures: they are there, are what they should be, can be shown, and name nobody."""

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from clinicenv import gallery
from clinicenv.clinic.lint_case import Case, Finding, Where
from clinicenv.files import InputError
from clinicenv.pictures import plain
from clinicenv.workup import Drawing


def image_files(case: Case) -> Iterator[Finding]:
    """A named file lies beside the scenario, has the checksum that is given, and can be shown to anybody."""
    for n, image in enumerate(case.scenario.images):
        where = ("images", n)
        if len(image.sha256) > len(image.file):
            what = "a checksum without a `file`; name the file too"
            yield case.finding((*where, "sha256"), what, "warning")
        for name, checksum in zip_longest(image.file, image.sha256[: len(image.file)]):
            yield from _image_file(case, where, name, checksum)
        if image.draw:
            yield from _drawing(case, where, image.draw)


def _image_file(case: Case, where: Where, name: str, checksum: str | None) -> Iterator[Finding]:
    folder = case.file.resolve().parent
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            yield case.finding(
                (*where, "file"), "outside the scenario's folder; put the image beside the scenario"
            )
            return
        with path.open("rb") as f:
            found = hashlib.file_digest(f, "sha256").hexdigest()
    except (OSError, ValueError) as e:  # a NUL in the name is a ValueError
        reason = (isinstance(e, OSError) and e.strerror) or e
        yield case.finding(
            (*where, "file"), f"`{name}` cannot be read ({reason}); add it or set `file: null`"
        )
        return
    if checksum and checksum.lower() != found:
        yield case.finding((*where, "sha256"), f"does not agree with the file, whose checksum is {found}")
        return
    yield from _shown(case, where, path)


def _shown(case: Case, where: Where, path: Path) -> Iterator[Finding]:
    try:
        plain.read(path)
        named = plain.private(path)
    except plain.PictureError as e:
        yield case.finding((*where, "file"), e.cause)
    except InputError as e:
        yield case.finding((*where, "file"), f"was not looked at: {e.what}", "warning")
    else:
        if named:
            what = "which may tell whose it is; it is shown to nobody, but save the file without it"
            yield case.finding((*where, "file"), f"holds {', '.join(named)}, {what}", "warning")


def _drawing(case: Case, where: Where, drawing: Drawing) -> Iterator[Finding]:
    try:
        gallery.drawn(drawing)
    except InputError as e:
        yield case.finding((*where, "draw"), f"was not drawn: {e.what}", "warning")
    except ValueError as e:
        yield case.finding((*where, "draw"), f"cannot be drawn: {gallery.reason(e)}")
