"""Bias profiles: persona numbers and biases for one role. They change what is said or done, never a fact."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from clinicenv import shipped
from clinicenv.files import InputError, did_you_mean, load_model

Unit = Annotated[float, Field(ge=0, le=1)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Persona(Part):
    """How a patient talks. Levels A to C are those of the CEFR."""

    personality: str = "plain"
    language_level: Literal["A", "B", "C"] = "C"
    recall: Unit = 1.0
    confusion: Unit = 0.0
    literacy: Unit = 1.0
    verbosity: Unit = 0.0
    patience: int = Field(default=40, ge=1)
    """how many repeated or unreadable questions are borne before the patient leaves"""
    politeness: Unit = 0.7


class Trust(Part):
    """Trust is clamp(initial + gains - losses) to 0..1; each dialogue act counts once a turn."""

    initial: Unit = 0.5
    gain: dict[str, Unit] = Field(default_factory=dict)
    loss: dict[str, Unit] = Field(default_factory=dict)


class Bias(Part):
    """One bias with its strength; `toward` names a diagnosis, `about` an attribute."""

    kind: Slug
    strength: Unit
    toward: str | None = None
    about: str | None = None


class Prompt(Part):
    """Words for model agents."""

    style: str = ""
    rules: tuple[str, ...] = ()


class Notes(Part):
    source: str = ""
    ethics: str = ""


class BiasProfile(Part):
    """Persona numbers and biases of one role."""

    id: Slug
    target: Literal["doctor", "patient", "measurement", "moderator"]
    persona: Persona = Persona()
    trust: Trust = Trust()
    biases: tuple[Bias, ...] = ()
    adherence: Unit = 1.0
    prompt: Prompt = Prompt()
    seed_salt: str = ""
    notes: Notes = Notes()


def load_profile(name: str | Path, target: str) -> BiasProfile:
    """A bundled profile of a role by its name (`default`), or a file by its path."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        folder = shipped.folder("bias_profiles") / target
        path = folder / f"{name}.yaml"
        if not path.is_file():
            known = {p.stem for p in folder.glob("*.yaml")}
            raise InputError(
                f"no profile `{name}` for the {target}{did_you_mean(str(name), known)};"
                f" there are: {', '.join(sorted(known))}"
            )
    profile, document = load_model(BiasProfile, path)
    if profile.target != target:
        raise InputError(
            f"this profile is for the {profile.target}, not for the {target}",
            file=path,
            line=document.line(("target",)),
        )
    return profile
