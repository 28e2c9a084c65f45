"""The image router: how what a picture shows gets to the doctor.

Three ways, tried in order: `direct` (the doctor's own model sees it), `reader` (somebody else looks and says
what is there), `report` (what a radiologist wrote). Which one it was, and why not another, is in the log.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from clinicenv import gallery
from clinicenv.agents.readers import Reader, blind, reader
from clinicenv.consultation import Agent, Turn
from clinicenv.events import Report, Result
from clinicenv.files import InputError, printable
from clinicenv.models.gateway import Gateway
from clinicenv.pictures.plain import Picture, PictureError
from clinicenv.readers.asked import Asked, ReaderError
from clinicenv.scenario import Image
from clinicenv.view import MeasurementView

Route = Literal["auto", "direct", "reader", "report"]
WAYS = ("direct", "reader", "report")
ANY = "*"
"""Stands for every modality without a reader of its own."""

MOST_KEPT = 64
"""Studies whose pictures are kept in memory."""

LONGEST = 1024
"""Pixels of the longer side of a picture as it is sent."""


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """How images are to be shown.

    Args:
        route: the first way that is tried; `auto` is the first that can be used.
        readers: modality, or `*`, -> a reader's name; `report` for none.
        both: whether a picture that is shown comes with the recorded report.
        longest: pixels of the longer side of a picture as a model gets it.
        detail: `auto`, `low` or `high`, for servers that know it.
    """

    route: Route = "auto"
    readers: Mapping[str, str] = field(default_factory=dict)
    both: bool = False
    longest: int = LONGEST
    detail: str = "auto"

    def described(self) -> dict[str, Any]:
        """For the log, without what is as usual."""
        usual = {"readers": {}, "both": False, "longest": LONGEST, "detail": "auto"}
        given = {name: getattr(self, name) for name in usual}
        return {"route": self.route, **{n: v for n, v in given.items() if v != usual[n]}}

    def reader_of(self, image: Image) -> str:
        """The name of the reader for an image; empty for none."""
        by_modality = {name.lower(): value for name, value in self.readers.items()}
        name = by_modality.get(image.modality.lower(), by_modality.get(ANY, ""))
        return "" if name == "report" else name


class Imaging:
    """A measurement agent whose image results come by the routes of a plan.

    Args:
        inner: who reports everything else.
        plan: which routes.
        doctor: who would be shown a picture. A model is, once it has proven sight; any other agent that has
            a true attribute `sees`.
        gateway: the way to models that read.
    """

    def __init__(self, inner: Agent, plan: ImagePlan, doctor: Agent, gateway: Gateway) -> None:
        self._inner, self._plan, self._doctor = inner, plan, doctor
        names = sorted({*plan.readers.values()} - {"report"})
        self._readers = {name: reader(name, gateway, plan.longest, plan.detail) for name in names}
        self._checks: dict[str, asyncio.Task[str]] = {}
        self._read_already: dict[int, tuple[Image, asyncio.Task[tuple[Picture, ...]]]] = {}

    @property
    def models(self) -> list[Any]:
        """All models behind it, for a check before a batch starts."""
        return [a for a in (self._inner, *self._readers.values()) if hasattr(a, "preflight")]

    async def act(self, turn: Turn) -> Report:
        """The report, with each image by its route."""
        acted: Any = self._inner.act(turn)
        report: Report = await acted if hasattr(acted, "__await__") else acted
        assert isinstance(turn.view, MeasurementView)
        images = {i.id: i for i in turn.view.images if i.pictured}
        pictured = [r for r in report.results if r.kind == "image" and r.ids and r.ids[0] in images]
        if not pictured:
            return report
        shown = await asyncio.gather(*(self._shown(r, images[r.ids[0]], turn) for r in pictured))
        by_route = dict(zip(map(id, pictured), shown, strict=True))
        return replace(report, results=tuple(by_route.get(id(r), r) for r in report.results))

    async def _shown(self, result: Result, image: Image, turn: Turn) -> Result:
        """The image's result by the first way that works, and why the ones before did not."""
        first = 0 if self._plan.route == "auto" else WAYS.index(self._plan.route)
        steps: list[str] = []
        try:
            for way in (self._direct, self._read)[first:]:
                if found := await way(result, image, turn, steps):
                    return replace(found, route=tuple(steps))
        except (PictureError, InputError) as e:  # a file, a drawing, or the extra for them is missing
            steps.append(f"no picture: {printable(str(e))}")
        return replace(result, route=(*steps, "report"))

    async def _pictures(self, image: Image, turn: Turn) -> tuple[Picture, ...]:
        """The pictures, read in a thread once however many ask for them. PictureError as from the gallery."""
        assert isinstance(turn.view, MeasurementView)
        known = self._read_already.get(id(image))
        if known is None or known[0] is not image:
            if len(self._read_already) >= MOST_KEPT:
                self._read_already.clear()
            reading = asyncio.create_task(asyncio.to_thread(gallery.pictures, image, turn.view.folder))
            known = self._read_already[id(image)] = (image, reading)
        return await asyncio.shield(known[1])

    async def _direct(self, result: Result, image: Image, turn: Turn, steps: list[str]) -> Result | None:
        if why := await self._blind():
            steps.append(f"not direct: {why}")
            return None
        await self._pictures(image, turn)  # which puts them where the gallery has them at hand
        assert isinstance(turn.view, MeasurementView)
        keys = gallery.show(image, turn.view.folder, self._plan.longest, self._plan.detail)
        text = "[The picture is shown.]" if len(keys) == 1 else f"[{len(keys)} pictures are shown.]"
        if self._plan.both:
            text += f"\n{result.text}"
        steps.append("direct")
        return replace(result, text=text, source="picture", pictures=keys)

    async def _read(self, result: Result, image: Image, turn: Turn, steps: list[str]) -> Result | None:
        name = self._plan.reader_of(image)
        if not name:
            steps.append(f"no reader for {printable(image.modality)}")
            return None
        one = self._readers[name]
        if why := await self._checked(name, one):
            steps.append(f"not {name}: {printable(why)}")
            return None
        pictures = await self._pictures(image, turn)
        try:
            text = await one.read(Asked(pictures, result.item), turn, result.item)
        except ReaderError as e:
            steps.append(f"{name} failed: {printable(str(e))}")
            return None
        steps.append(f"reader {name}")
        return replace(result, text=text, source="reader")

    async def _blind(self) -> str:
        """Why the doctor cannot be shown a picture; empty where it can."""
        if getattr(self._doctor, "sees", False):
            return ""
        connection = getattr(self._doctor, "connection", None)
        if connection is None:
            return "the doctor has no eyes"
        return printable(await blind(connection))

    async def _checked(self, name: str, one: Reader) -> str:
        if name not in self._checks:
            self._checks[name] = asyncio.create_task(one.check())
        return await asyncio.shield(self._checks[name])
