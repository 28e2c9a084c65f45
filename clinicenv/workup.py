"""The work-up of a case: what examination, tests and images would show."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from clinicenv.story import Part, Slug, Text, Texts

UNITS = {"hr": "/min", "bp": "mmHg", "rr": "/min", "temp": "°C", "spo2": "%", "pain": "/10", "gcs": "/15"}


class Vital(Part):
    """A vital sign. A bare value takes the usual unit: `bp: 104/70`."""

    value: float | str
    unit: str = ""


class Finding(Part):
    """What an examination shows."""

    id: Slug
    system: Text
    manoeuvre: Text
    site: str | None = None
    aliases: Texts = ()
    text: Text
    abnormal: bool = False
    requires: tuple[str, ...] = ()
    chaperone: bool = False
    minutes: int = Field(default=1, ge=0)
    concept: Slug | None = None


class Exam(Part):
    """All that an examination would show; `normal_text` is by system."""

    vitals: dict[Slug, Vital] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    normal_text: dict[str, Text] = Field(default_factory=dict)

    @field_validator("vitals", mode="before")
    @classmethod
    def _bare_values(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            name: v if isinstance(v, (dict, Vital)) else {"value": v, "unit": UNITS.get(str(name), "")}
            for name, v in given.items()
        }


class Range(Part):
    """A reference range; one side may be open."""

    low: float | None = None
    high: float | None = None


Flag = Literal["low", "normal", "high", "abnormal", "critical"]


class Measured(Part):
    """A value with unit, reference range and flag, or a text result, or both."""

    value: float | str | None = None
    unit: str = ""
    ref: Range | None = None
    flag: Flag | None = None
    text: Text | None = None

    @model_validator(mode="after")
    def _something(self) -> "Measured":
        if self.value is None and self.text is None:
            raise ValueError("needs a `value` or a `text`")
        return self


class Component(Measured):
    """One line of a panel."""

    name: Text


class Test(Part):
    """A test, what it would show and what it costs."""

    id: Slug
    name: Text
    aliases: Texts = ()
    category: Literal["lab", "ecg", "imaging", "micro", "path", "bedside", "procedure"]
    loinc: str | None = None
    result: Measured | None = None
    components: tuple[Component, ...] = ()
    cost: float = Field(default=0, ge=0)
    minutes: int = Field(default=0, ge=0)
    invasiveness: int = Field(default=0, ge=0, le=3)
    indicated: Literal["essential", "reasonable", "low_value", "harmful"] = "reasonable"
    contraindicated_if: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    supports: dict[str, float] = Field(default_factory=dict)
    report_reveals: bool = False
    comment: str = ""
    """what a perturbation put beside the result; no file has it"""

    @model_validator(mode="after")
    def _something(self) -> "Test":
        if self.result is None and not self.components:
            raise ValueError("needs a `result` or `components`")
        return self


class Drawing(Part):
    """A picture that a generator draws: the same bytes for the same description and seed everywhere."""

    kind: Literal["ecg", "document", "chart"]
    seed: int = 0
    spec: dict[str, Any] = Field(default_factory=dict)
    """what the generator of that kind takes, see `clinicenv.drawing`"""


Effect = Literal["blur", "crop", "mirror", "screen"]


class Altered(Part):
    """What a perturbation did to an image study, see `clinicenv.perturb`. No file has it."""

    effect: Effect | None = None
    """what spoils the pictures"""
    seed: int = 0
    """of the effect"""
    words: str = ""
    """over the pictures, as a part of them, and before the report"""
    caption: str = ""
    """beside them, whatever way they take to the doctor"""


def _several(given: Any) -> Any:
    return () if given is None else (given,) if isinstance(given, str) else given


class Image(Part):
    """An image study. `report` is what a radiologist wrote; the pictures may be absent."""

    id: Slug
    name: Text
    aliases: Texts = ()
    modality: Text
    body_part: Text
    view: str | None = None
    file: Annotated[tuple[Text, ...], BeforeValidator(_several)] = ()
    """beside the scenario's file; several of one study in their order"""
    sha256: Annotated[tuple[Text, ...], BeforeValidator(_several)] = ()
    """one for each file"""
    draw: Drawing | None = None
    findings: Texts = ()
    alt_text: Text
    report: Text
    report_reveals: bool = False
    cost: float = Field(default=0, ge=0)
    minutes: int = Field(default=0, ge=0)
    indicated: Literal["essential", "reasonable", "low_value", "harmful"] = "reasonable"
    license: Text
    altered: Altered | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Image":
        if self.file and self.draw:
            raise ValueError("has both a `file` and `draw`; leave one of them out")
        return self

    @property
    def pictured(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.file or self.draw)

    @property
    def caption(self) -> str:
        """What stands beside it; empty for nothing."""
        return self.altered.caption if self.altered else ""

    @property
    def labelled_report(self) -> str:
        """The report after what stands over the picture."""
        words = self.altered.words if self.altered else ""
        return f"{words} {self.report}" if words else self.report
