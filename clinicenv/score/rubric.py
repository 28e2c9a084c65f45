"""Rubric packs: axes with their scales, as YAML that users can add to.

Each axis has a question in our own words, a scale, and how it was validated. Raw options are kept: which of
them are good stands beside them, what does not apply is a value of its own, and options without an order are
never averaged.
"""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clinicenv.files import InputError, did_you_mean, load_model
from clinicenv.score.axis_rules import RULES
from clinicenv.story import Part, Slug, Text, Texts

FOLDER = Path(__file__).resolve().parent / "rubrics"


class Option(Part):
    """One answer. `good` says whether it speaks for the doctor; see `Scale.favourable` where it is None."""

    id: Slug
    text: Text
    good: bool | None = None


class Scale(Part):
    """Answers: `ordinal` from worst to best, `binary` the bad one first, or `nominal` without an order."""

    kind: Literal["ordinal", "binary", "nominal"]
    options: Annotated[tuple[Option, ...], Field(min_length=2, max_length=9)]

    @model_validator(mode="after")
    def _fits(self) -> "Scale":
        ids = [o.id for o in self.options]
        if len(set(ids)) < len(ids):
            raise ValueError("two options have the same id")
        if self.kind == "binary" and len(ids) != 2:
            raise ValueError("a binary scale has two options: the bad one, then the good one")
        if self.kind == "nominal" and any(o.good is None for o in self.options):
            raise ValueError("each option of a nominal scale says whether it is `good`")
        return self

    @property
    def ordered(self) -> bool:
        return self.kind != "nominal"

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each option, from 0, the worst first where they have an order."""
        return {o.id: n for n, o in enumerate(self.options)}

    def favourable(self, option: str) -> bool:
        """Whether an option speaks for the doctor: as it says itself, else if it is above the middle."""
        place = self.places[option]
        good = self.options[place].good
        return 2 * place > len(self.options) - 1 if good is None else good


Needs = Literal["transcript", "questionnaire", "differential", "answer_key"]
"""What a rater has to see: the talk with its results; the ranked list and the plan; the ranked list alone;
the scenario's answer, with what else its authors hold right where more than the list is seen."""


class Axis(Part):
    """One thing that is rated."""

    id: Slug
    group: Text
    asks: Text
    scale: Slug
    needs: Annotated[tuple[Needs, ...], Field(min_length=1)] = ("transcript",)
    applies: Text | None = None
    """when it does not apply, in words; it may always be answered so"""
    rank: Annotated[int, Field(ge=1, le=10)] | None = None
    """which diagnosis of the ranked list it is about, from 1; it does not apply where the list is shorter"""
    rule: Slug | None = None
    """the rule that rates it from the log (`score.axis_rules`); without one a model or a person must"""
    validated: Literal["none", "published", "local"] = "none"
    """`published`: by others, with people; `local`: the rule orders known groups as it should, see tests"""


class Rubric(Part):
    """A pack of axes."""

    id: Slug
    title: Text
    sources: Texts
    perspective: Literal["patient", "specialist", "examiner"]
    scales: dict[Slug, Scale]
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> "Rubric":
        ids = [a.id for a in self.axes]
        if twice := next((i for i in ids if ids.count(i) > 1), None):
            raise ValueError(f"two axes have the id `{twice}`")
        if unknown := next((a for a in self.axes if a.scale not in self.scales), None):
            raise ValueError(f"axis `{unknown.id}`: there is no scale `{unknown.scale}`")
        if odd := next((a for a in self.axes if (a.rule or a.rank) and not self.scale(a).ordered), None):
            raise ValueError(f"axis `{odd.id}`: a rule rates on scales with an order only, not a nominal one")
        if self.perspective == "patient" and (
            seeing := next((a for a in self.axes if set(a.needs) - {"transcript"}), None)
        ):
            raise ValueError(
                f"axis `{seeing.id}`: a patient knows the transcript only; take out the other needs"
            )
        return self

    def scale(self, axis: Axis) -> Scale:
        return self.scales[axis.scale]

    @property
    def of_ranks(self) -> bool:
        """Whether all of it is about the diagnoses of a ranked list."""
        return all(axis.rank for axis in self.axes)

    @cached_property
    def hash(self) -> str:
        """16 hex digits that change whenever the content does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_rubric(name: str) -> Rubric:
    """A rubric that comes with clinicenv, by its id, or a file's; InputError where there is none."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = {p.stem: p for p in FOLDER.glob("*.yaml")}
        if name not in known:
            raise InputError(
                f"no rubric is called `{name}`{did_you_mean(name[:80], set(known))}; there are:"
                f" {', '.join(sorted(known))}, or give a file's path"
            )
        path = known[name]
    rubric = load_model(Rubric, path)[0]
    if odd := next((a for a in rubric.axes if a.rule and a.rule not in RULES), None):
        near = did_you_mean(str(odd.rule), set(RULES))
        raise InputError(f"axis `{odd.id}`: there is no rule `{odd.rule}`{near}", file=path)
    return rubric
