"""Agent cards: YAML files that say who can play a role, and how."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clinicenv import shipped
from clinicenv.files import InputError, did_you_mean, load_model
from clinicenv.models.names import ModelName, checked_url

RoleName = Literal["doctor", "patient", "measurement", "moderator"]
ROLES: tuple[RoleName, ...] = ("doctor", "patient", "measurement", "moderator")


_ANY_KIND = frozenset({"name", "role", "kind", "description", "rates"})
_DOCTORS = frozenset({"steps", "max_questions", "reflect", "notebook", "example", "lookup", "protocol"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Step(_Part):
    """One of the calls that make up a doctor's turn. The last step's reply is what the doctor does; those
    before it go to `aside`. Messages for steps follow the history and are dropped after the turn."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    prompt: str = ""
    """what is asked for in this step: a Jinja template over the role's view, `turn` and `turns_left`"""
    output: Literal["text", "analysis"] = "text"
    """`analysis`: structured, see `clinicenv.agents.analysis.Analysis`"""


class AgentCard(_Part):
    """Who plays a role. A model card without `model` is a way of playing for any model."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")
    role: RoleName
    kind: Literal["scripted", "model", "human"]
    description: str
    rates: bool = False
    """a patient that rates the doctor at the end"""
    model: str | None = Field(default=None, max_length=500)
    """e.g. `openai:NAME@URL`"""
    base_url: str | None = Field(default=None, max_length=500)
    protocol: Literal["text", "tools"] = "text"
    """how a doctor acts: in lines of text, or by tool calls"""
    system: str | None = None
    """the system message: a Jinja template over the role's view, rendered once a consultation"""
    steps: tuple[Step, ...] = ()
    """of a doctor's turn; one call if there are none"""
    max_questions: int | None = Field(default=None, ge=1)
    """in a doctor's turn: with more question marks it is asked again once"""
    reflect: bool = False
    """whether a doctor is asked to think again before its diagnosis counts"""
    notebook: int | None = Field(default=None, ge=100, le=20_000)
    """characters of notes that a doctor keeps from one consultation to the next; they then come in turn"""
    example: str | None = Field(default=None, max_length=500)
    """a folder of scenario files, the nearest of which a doctor sees solved"""
    lookup: dict[str, str] = Field(default_factory=dict)
    """name -> a folder of text files that a doctor may search"""
    sampling: dict[str, float | int | str | bool] = Field(default_factory=dict)
    """parameters of the model call, e.g. temperature (0..2) and max_tokens"""

    @model_validator(mode="after")
    def _fits_kind(self) -> "AgentCard":
        if self.kind == "model" and not self.system:
            raise ValueError("a model card needs `system`, the template of the system message")
        set_here = sorted(self.model_fields_set - _ANY_KIND)
        if self.kind != "model" and set_here:
            raise ValueError(f"`{set_here[0]}` is for model cards, not for a {self.kind} one")
        if self.role != "doctor" and (wrong := sorted(self.model_fields_set & _DOCTORS)):
            raise ValueError(f"`{wrong[0]}` is for doctors, not for a {self.role}")
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same name")
        if self.steps and self.steps[-1].output != "text":
            raise ValueError("the last step is what the doctor does, so its output is text")
        return self

    def settings(self) -> dict[str, Any]:
        """For the log: all that could change what this agent does, with its prompts as a hash."""
        data = self.model_dump(mode="json", exclude={"description", "system", "steps"}, exclude_defaults=True)
        if self.steps:
            data["steps"] = [step.name for step in self.steps]
        if self.system:
            prompts = "\0".join([self.system, *(f"{step.output}\0{step.prompt}" for step in self.steps)])
            data["prompt_sha256"] = hashlib.sha256(prompts.encode()).hexdigest()[:16]
        return data


def cards(role: str) -> dict[str, Path]:
    """The bundled cards of a role by name."""
    return {p.stem: p for p in sorted((shipped.folder("agents") / role).glob("*.yaml"))}


def load_card(role: str, name: str) -> AgentCard:
    """A bundled card by its name, or a file by its path; InputError otherwise."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
    else:
        bundled = cards(role)
        if name not in bundled:
            raise InputError(
                f"no {role} is called `{name}`{did_you_mean(name, list(bundled))}; there are:"
                f" {', '.join(bundled)}, a model string such as openai:NAME, or a card's path"
            )
        path = bundled[name]
    card, document = load_model(AgentCard, path)
    if card.role != role:
        raise InputError(
            f"this card is for the {card.role}, not for the {role}", file=path, line=document.line(("role",))
        )
    for field, read in (("model", ModelName.parse), ("base_url", checked_url)):
        try:
            if (value := getattr(card, field)) is not None:
                read(value)
        except InputError as e:
            raise InputError(f"{field}: {e.what}", file=path, line=document.line((field,))) from e
    return card
