"""What to run: a specification, and the consultations that it comes to."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from clinicenv import perturb
from clinicenv.agents.cards import ROLES, RoleName
from clinicenv.agents.cast import Cast, resolve
from clinicenv.agents.image_plan import ImagePlan
from clinicenv.consultation import make_header
from clinicenv.events import Header, Role
from clinicenv.files import InputError, load_model
from clinicenv.scenario import Scenario, select

if TYPE_CHECKING:
    from clinicenv.models.gateway import Gateway

T = TypeVar("T")


def _many(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


Sweep = Annotated[tuple[T, ...], BeforeValidator(_many), Field(min_length=1)]
"""One value, or a list of them: the run then plays each, and the first is the baseline."""


def _short(value: str) -> str:
    if any(len(part) > MAX_NAME for part in re.split("[/,]", value)) or not value.isprintable():
        raise ValueError("is no name, path or model string; it is too long or has control characters")
    return value


MAX_NAME = 200
"""Characters between slashes and commas; few systems have longer file names."""

Name = Annotated[str, AfterValidator(_short)]
"""Of an agent, a profile or scenarios: a name, a path, a model string or a selection."""

When = Literal["request", "start", "none"]

MAX_REPEATS = 100_000
"""Of each scenario; all that is to be played is listed before it starts."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class CastSpec(_Part):
    """Names, paths or model strings; a moderator is seated only where one is named."""

    doctor: Sweep[Name] = ("scripted",)
    patient: Sweep[Name] = ("scripted",)
    measurement: Sweep[Name] = ("scripted",)
    moderator: Sweep[Name | None] = (None,)


class ProfileSpec(_Part):
    """Profiles by role."""

    doctor: Sweep[Name] = ("default",)
    patient: Sweep[Name] = ("default",)
    measurement: Sweep[Name] = ("default",)
    moderator: Sweep[Name] = ("default",)


class LimitSpec(_Part):
    """Limits; they go before a scenario's own."""

    max_turns: Sweep[Annotated[int, Field(ge=1, le=500)] | None] = (None,)
    minutes: Sweep[Annotated[int, Field(ge=1)] | None] = (None,)
    budget: Sweep[Annotated[float, Field(gt=0)] | None] = (None,)


class ImageSpec(ImagePlan):
    """When images are shown, and by which route; a bare word says when."""

    when: When = "request"

    def plan(self, readers: Mapping[str, str]) -> ImagePlan:
        """The routes; `readers` are those of the whole run, which its own go before."""
        given = self.model_dump(exclude={"when"})
        return ImagePlan.model_validate({**given, "readers": {**readers, **self.readers}})


def _images(value: Any) -> Any:
    return [{"when": v} if isinstance(v, str) else v for v in _many(value)]


class Specification(_Part):
    """A run. Every field that holds a list is a sweep; sweeps multiply."""

    scenarios: Annotated[tuple[Name, ...], BeforeValidator(_many), Field(min_length=1)] = ("all",)
    """selections, joined: no sweep"""
    cast: CastSpec = CastSpec()
    profiles: ProfileSpec = ProfileSpec()
    seed: Sweep[int] = (0,)
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 1
    limits: LimitSpec = LimitSpec()
    models: dict[RoleName, dict[str, float | int | str | bool]] = Field(default_factory=dict)
    """parameters of the model calls by role, e.g. `doctor: {temperature: 0}`"""
    readers: dict[Name, Name] = Field(default_factory=dict)
    """who reads images, by modality or `*`, e.g. `ecg: ecg`; `report` for nobody"""
    images: Annotated[tuple[ImageSpec, ...], BeforeValidator(_images), Field(min_length=1)] = (ImageSpec(),)
    language: Sweep[Name] = ("English",)
    """what models speak"""
    perturb: Annotated[tuple[Name, ...], BeforeValidator(_many)] = ()
    """perturbations (`clinicenv.perturb`), or `all`; no sweep: each is played beside its clean twin"""

    def plain(self) -> dict[str, Any]:
        """As it would be written by hand: a sweep of one is a value."""

        def one(value: Any) -> Any:
            if isinstance(value, dict):
                return {k: one(v) for k, v in value.items()}
            return one(value[0]) if isinstance(value, list) and len(value) == 1 else value

        data: dict[str, Any] = self.model_dump(mode="json")
        data["images"] = [_bare(images) for images in self.images]
        return {k: one(v) for k, v in data.items() if v or k not in ("readers", "perturb")}


def _bare(images: ImageSpec) -> Any:
    """As it would be written by hand: a word where only that is given."""
    given = images.model_dump(mode="json", exclude_defaults=True)
    return given if given.keys() - {"when"} else images.when


@dataclass(frozen=True)
class Arm:
    """One combination of all sweeps: a cast and its settings."""

    cast: Cast
    seed: int
    limits: Mapping[str, Any]
    images: str


@dataclass(frozen=True, slots=True)
class Job:
    """One consultation to play."""

    arm: Arm
    scenario: Scenario
    first: Header
    """of repeat 0"""
    repeat: int
    key: str

    @property
    def header(self) -> Header:
        return replace(self.first, repeat=self.repeat)


def load_specification(path: Path | None, flags: Mapping[str, Any]) -> Specification:
    """The file's specification with the flags over it; InputError where either is wrong."""
    base = load_model(Specification, path)[0] if path else Specification()
    data = base.model_dump()
    for name, value in flags.items():
        if value is None or value == ():
            continue
        if name == "images":  # over what the file says of them
            data["images"] = [{**images, **value} for images in data["images"]]
            continue
        *groups, field = name.split(".")
        place = data
        for group in groups:
            place = place.setdefault(group, {})
        place[field] = value
    try:
        return Specification.model_validate(data)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{where}: {first['msg'].removeprefix('Value error, ')}, found {str(first['input'])[:60]!r}"
        ) from e


@contextmanager
def named_in(path: Path | None) -> Iterator[None]:
    """Errors about names that a specification gives (a card, a scenario, a profile) say which file it is."""
    try:
        yield
    except InputError as e:
        if e.file is None and path is not None:
            raise InputError(e.what, file=path) from e
        raise


def arms(spec: Specification, gateway: "Gateway | None" = None) -> list[Arm]:
    """All combinations of the sweeps, with one way to models; InputError where a name is unknown."""
    cast, profiles, limits = spec.cast, spec.profiles, spec.limits
    _check_arguments(spec)
    casts = [
        (
            images.when,
            Cast(
                **dict(zip(ROLES, players, strict=True)),
                profiles=dict(zip(ROLES, names, strict=True)),
                arguments={
                    r: spec.models[r] for r, p in zip(ROLES, players, strict=True) if _fits(spec, r, p)
                },
                gateway=gateway,
                language=language,
                images=images.plan(spec.readers),
            ),
        )
        for players in product(*(getattr(cast, role) for role in ROLES))
        for names in product(*(getattr(profiles, role) for role in ROLES))
        for language in spec.language
        for images in spec.images
    ]
    return [
        Arm(c, seed, {"max_turns": turns, "minutes": minutes, "budget": budget}, when)
        for (when, c), seed, turns, minutes, budget in product(
            casts, spec.seed, limits.max_turns, limits.minutes, limits.budget
        )
    ]


def _check_arguments(spec: Specification) -> None:
    """InputError where a role has arguments and no model to take them."""
    for role in spec.models:
        players = getattr(spec.cast, role)
        if not any(_fits(spec, role, player) for player in players):
            name = next(iter(spec.models[role]), "")
            raise InputError(f"arguments such as {name}= are for models; `{players[0]}` is none")


def _fits(spec: Specification, role: RoleName, player: str | None) -> bool:
    """Whether the role's arguments are for this player: of several, only models take them."""
    return bool(spec.models.get(role)) and player is not None and resolve(role, player).kind == "model"


def jobs(spec: Specification, all_arms: list[Arm]) -> Iterator[Job]:
    """Every consultation of the run, in a fixed order: repeats outermost, so that a run that is cut short
    has seen every scenario and every arm."""
    pairs = []
    selected = select(",".join(spec.scenarios))
    if spec.perturb and any(getattr(arm.cast[Role.DOCTOR], "notebook", None) for arm in all_arms):
        raise InputError("a doctor with a notebook would learn a case from its twin; take `perturb` out")
    cases = perturb.with_twins(spec.perturb, selected, {arm.seed for arm in all_arms})
    for n in range(len(selected)):
        for arm in all_arms:
            for scenario in cases[arm.seed][n]:
                first = make_header(scenario, arm.cast, seed=arm.seed, images=arm.images, **arm.limits)
                pairs.append((arm, scenario, first, first.digest()))
    for repeat in range(spec.repeats):
        for arm, scenario, first, digest in pairs:
            yield Job(arm, scenario, first, repeat, Header.key_of(repeat, digest))
