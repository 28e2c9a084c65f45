"""The image router: how what a picture shows gets to the doctor.

Three ways, tried in order: `direct` (the doctor's own model sees it), `reader` (somebody else looks and says
what is there), `report` (what a radiologist wrote). Which one it was, and why not another, is in the log.
"""

import asyncio
from dataclasses import replace
from typing import Any

from clinicenv import gallery
from clinicenv.agents.image_plan import NOBODY, ImagePlan
from clinicenv.agents.readers import Reader, blind, reader
from clinicenv.clinic.measurement import SHOWN, with_caption
from clinicenv.consultation import Agent, Turn
from clinicenv.events import Report, Result
from clinicenv.files import InputError, printable
from clinicenv.models.gateway import Gateway
from clinicenv.pictures.plain import PictureError
from clinicenv.readers.asked import Asked, ReaderError
from clinicenv.view import MeasurementView
from clinicenv.workup import Image

WAYS = ("direct", "reader", "report")


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
        names = sorted({*plan.readers.values()} - {NOBODY})
        self._readers = {name: reader(name, gateway, plan.longest, plan.detail) for name in names}
        self._checks: dict[str, asyncio.Task[str]] = {}

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
        if not images:
            return report
        pictured = [images.get(r.ids[0]) if r.kind == "image" and r.ids else None for r in report.results]
        shown = (self._shown(r, image, turn) for r, image in zip(report.results, pictured, strict=True))
        return replace(report, results=tuple(await asyncio.gather(*shown)))

    async def _shown(self, result: Result, image: Image | None, turn: Turn) -> Result:
        """The image's result by the first way that works, and why the ones before did not."""
        if image is None:
            return result
        first = 0 if self._plan.route == "auto" else WAYS.index(self._plan.route)
        steps: list[str] = []
        try:
            for way in (self._direct, self._read)[first:]:
                if found := await way(result, image, turn, steps):
                    return replace(found, route=tuple(steps))
        except (PictureError, InputError) as e:  # a file, a drawing, or the extra for them is missing
            steps.append(f"no picture: {printable(str(e))}")
        return replace(result, route=(*steps, "report"))

    async def _direct(self, result: Result, image: Image, turn: Turn, steps: list[str]) -> Result | None:
        if why := await self._blind():
            steps.append(f"not direct: {why}")
            return None
        assert isinstance(turn.view, MeasurementView)
        folder, plan = turn.view.folder, self._plan
        keys = await asyncio.to_thread(gallery.show, image, folder, plan.longest, plan.detail)
        text = SHOWN if len(keys) == 1 else f"[{len(keys)} pictures are shown.]"
        text = f"{text}\n{result.text}" if plan.both else with_caption(image, text)
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
        assert isinstance(turn.view, MeasurementView)
        pictures = await asyncio.to_thread(gallery.pictures, image, turn.view.folder)
        try:
            text = await one.read(Asked(pictures, result.item), turn, result.item)
        except ReaderError as e:
            steps.append(f"{name} failed: {printable(str(e))}")
            return None
        steps.append(f"reader {name}")
        return replace(result, text=with_caption(image, text), source="reader")

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
