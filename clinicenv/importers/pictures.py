"""Pictures that imported cases bring along: from one folder only, copied under names that tell nothing."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clinicenv.files import InputError
from clinicenv.pictures.plain import PictureError, contents, kind_of
from clinicenv.workup import Image

NO_REPORT = "No report was written for this picture."
"""Stands where somebody cannot be shown a picture that came without a report."""


_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "DICOM": ".dcm"}


@dataclass(frozen=True, slots=True)
class Copied:
    """A picture file to be copied: where it lies, its kind, and the SHA-256 of its bytes when looked at."""

    path: Path
    suffix: str
    sha256: str

    @property
    def name(self) -> str:
        """The copy's file name: the same for the same bytes, so that questions share a picture."""
        return f"picture-{self.sha256[:16]}{self.suffix}"

    def read(self) -> bytes:
        """Its bytes; InputError where they are not those of before."""
        try:
            data = contents(self.path)
        except PictureError as e:
            raise InputError(e.cause) from e
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise InputError("changed while it was imported; import again", file=self.path)
        return data


def picture(name: str, folder: Path) -> Copied:
    """The picture of that relative name in a folder or below it.

    ValueError, which says what to mend, for a name that leads anywhere else or to no picture.
    """
    if "://" in name:
        raise ValueError(f"`{name[:60]}` is an address; save the picture and give its path beside the file")
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name[:2]:
        raise ValueError(f"`{name[:60]}` leads out of the folder; give a path beside the file")
    try:
        path = (folder / parts).resolve()
        inside = path.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as e:
        raise ValueError(f"`{name[:60]}` is no path; correct it") from e
    if not inside:
        raise ValueError(f"`{name[:60]}` is a link out of the folder; put the picture itself there")
    try:
        data = contents(path)
    except PictureError as e:
        raise ValueError(e.cause) from e
    if not (kind := kind_of(data)):
        raise ValueError(f"`{name[:60]}` is no PNG, JPEG or DICOM, whatever its name says; convert it")
    return Copied(path, _SUFFIXES[kind], hashlib.sha256(data).hexdigest())


def shown(pictures: list[Copied], modality: str, license: str) -> Image:
    """An image that a question is about; only its pictures tell what it is."""
    return Image(
        id="picture",
        name="Picture",
        modality=modality,
        body_part="not stated",
        file=tuple(p.name for p in pictures),
        sha256=tuple(p.sha256 for p in pictures),
        alt_text="A picture.",
        report=NO_REPORT,
        license=license,
    )
