"""Agent cards: YAML files that say who can play a role, and how."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clinicenv import shipped
from clinicenv.files import InputError, did_you_mean, load_model
from clinicenv.models.endpoint import ModelName, checked_url

ROLES = ("doctor", "patient", "measurement", "moderator")


class AgentCard(BaseModel):
    """Who plays a role. A model card without `model` is a way of playing for any model."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")
    role: Literal["doctor", "patient", "measurement", "moderator"]
    kind: Literal["scripted", "model", "human"]
    description: str
    rates: bool = False
    """a patient that rates the doctor at the end"""
    model: str | None = Field(default=None, max_length=500)
    """e.g. `openai:NAME@URL`"""
    base_url: str | None = Field(default=None, max_length=500)
    protocol: Literal["text"] = "text"
    system: str | None = None
    """the system message: a Jinja template over the role's view, rendered once a consultation"""
    sampling: dict[str, float | int | str | bool] = Field(default_factory=dict)
    """parameters of the model call, e.g. temperature (0..2) and max_tokens"""

    @model_validator(mode="after")
    def _fits_kind(self) -> "AgentCard":
        if self.kind == "model" and not self.system:
            raise ValueError("a model card needs `system`, the template of the system message")
        if self.kind != "model" and (self.model or self.system or self.sampling or self.base_url):
            raise ValueError(
                f"`model`, `system`, `sampling` and `base_url` are for model cards, not for a {self.kind} one"
            )
        return self

    def settings(self) -> dict[str, Any]:
        """For the log: all that could change what this agent does, with the prompt as its hash."""
        data = self.model_dump(mode="json", exclude={"description", "system"}, exclude_defaults=True)
        if self.system:
            data["prompt_sha256"] = hashlib.sha256(self.system.encode()).hexdigest()[:16]
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
