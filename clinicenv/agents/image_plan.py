"""How pictures are to get to the doctor, as a specification says it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clinicenv.workup import Image

ANY = "*"
"""Stands for every modality without a reader of its own."""

NOBODY = "report"
"""Stands for a reader where nobody is to read."""


class ImagePlan(BaseModel):
    """Which way a picture takes to the doctor. See `agents.imaging`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    route: Literal["auto", "direct", "reader", "report"] = "auto"
    """the first way that is tried; `auto` is the first that can be used"""
    readers: dict[str, str] = Field(default_factory=dict)
    """modality, or `*`, -> a reader's name; `report` for none"""
    both: bool = False
    """whether a picture that is shown comes with the recorded report"""
    longest: Annotated[int, Field(ge=16, le=8192)] = 1024
    """pixels of the longer side of a picture as a model gets it"""
    detail: Literal["auto", "low", "high"] = "auto"
    """how closely a server is asked to look, in OpenAI's words"""

    def described(self) -> dict[str, Any]:
        """For the log: the route, and what is not as usual."""
        return {"route": self.route, **self.model_dump(mode="json", exclude_defaults=True)}

    def reader_of(self, image: Image) -> str:
        """The name of the reader for an image; empty for none."""
        by_modality = {name.lower(): value for name, value in self.readers.items()}
        name = by_modality.get(image.modality.lower(), by_modality.get(ANY, NOBODY))
        return "" if name == NOBODY else name
