"""The pictures that doctors asked for in a run, kept so that a report shows them when their files are gone.

`pictures/KEY.png` has each once, plain (no name, no tag of its file) and scaled, under a key of its content;
`pictures/index.jsonl` says which belong to which image of which scenario, or why there is none. Drawn images
are not kept: the stored scenario draws them again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from clinicenv import gallery
from clinicenv.events import Report, Trajectory
from clinicenv.files import InputError, read_bytes, write_bytes
from clinicenv.pictures.plain import PictureError, scaled
from clinicenv.runs.results import Log, compact, read_lines, unreadable
from clinicenv.scenario import Scenario
from clinicenv.workup import Image

FOLDER = "pictures"
INDEX = "index.jsonl"

LONGEST = 1024
"""Pixels of the longer side."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The pictures of an image, as PNG files by key; or in words why there is none."""

    pngs: dict[str, bytes]
    missing: str = ""


def asked_for(scenario: Scenario, trajectory: Trajectory) -> Iterator[Image]:
    """The images with something to look at whose results the doctor got, once each."""
    images = {image.id: image for image in scenario.images if image.pictured}
    results = (r for e in trajectory.of(Report) for r in e.what.results if r.kind == "image")  # type: ignore[union-attr]
    yield from (images[i] for i in dict.fromkeys(i for r in results for i in r.ids) if i in images)


class Keeper:
    """Writes the pictures of a run. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._tried = {place for place, line in _index(folder).items() if "pictures" in line}
        self._mutex = Lock()

    def wants(self, scenario: Scenario, trajectory: Trajectory) -> list[Image]:
        """The images asked for that are files, and that this run has not yet tried to keep."""
        found = asked_for(scenario, trajectory)
        return [i for i in found if i.file and (scenario.hash, i.id) not in self._tried]

    def keep(self, scenario: Scenario, images: list[Image]) -> None:
        """Keeps the pictures, or the reason why one cannot be read. InputError where the disk is full."""
        with self._mutex:
            for image in images:
                if (scenario.hash, image.id) not in self._tried:
                    self._tried.add((scenario.hash, image.id))
                    self._keep(scenario, image)

    def _keep(self, scenario: Scenario, image: Image) -> None:
        line = {"scenario": scenario.hash, "image": image.id}
        try:
            pictures = [scaled(p, LONGEST) for p in gallery.pictures(image, scenario.folder)]
            found = {"pictures": [p.key for p in pictures]}
        except (PictureError, InputError) as e:
            pictures, found = [], {"missing": [str(e)]}
        try:
            self._folder.mkdir(exist_ok=True)
            for picture in pictures:
                path = self._folder / f"{picture.key}.png"
                if not path.exists():
                    write_bytes(path, picture.png)
            log = Log(self._folder / INDEX)
        except OSError as e:
            raise InputError(f"cannot be written: {e.strerror}", file=self._folder) from e
        try:
            log.append(compact({**line, **found}).encode(errors="replace"))
        finally:
            log.close()


def _index(folder: Path) -> dict[tuple[str, str], dict[str, list[str]]]:
    """(scenario's hash, image's id) -> its last line."""
    path = folder / FOLDER / INDEX
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for line in read_lines(path):
        data = line.data
        names = data.get("pictures", data.get("missing"))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise unreadable(path, line.number)
        found[str(data.get("scenario")), str(data.get("image"))] = data
    return found


class Album:
    """The pictures of a run, to read: those that were kept, and drawn ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = _index(folder)

    def of(self, scenario: Scenario, image: Image) -> Kept:
        """The pictures of an image that was asked for."""
        if image.draw:
            return self._drawn(image)
        line = self._index.get((scenario.hash, image.id))
        if line is None:
            return Kept({}, "the picture was not kept when this was played")
        if "missing" in line:
            return Kept({}, f"the picture was not kept: {' '.join(line['missing'])}")
        try:
            return Kept({key: self._read(key) for key in line["pictures"]})
        except InputError as e:
            return Kept({}, f"the picture was kept and is gone: {e.what}")

    def _drawn(self, image: Image) -> Kept:
        try:
            found = [scaled(p, LONGEST) for p in gallery.pictures(image, None)]
        except (PictureError, InputError) as e:
            return Kept({}, f"the picture cannot be drawn: {e}")
        return Kept({p.key: p.png for p in found})

    def _read(self, key: str) -> bytes:
        if not key.isalnum():
            raise InputError("its name is no key")
        return read_bytes(self._folder / FOLDER / f"{key}.png")
