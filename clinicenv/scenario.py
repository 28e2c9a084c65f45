"""What a case is: what is true of the patient, what tests would show, what counts as right."""

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, StringConstraints, model_validator

from clinicenv import shipped
from clinicenv.files import InputError, did_you_mean, load_model
from clinicenv.story import Fact, Part, Patient, Slug, Text, Texts, Unit
from clinicenv.workup import Exam, Image, Test

SCHEMA_VERSION = "1.0"

Task = Literal["diagnose", "communicate", "question"]


class Source(Part):
    """A general medical source that the content was checked against, or data it came from."""

    name: Text
    url: str | None = None
    license: str | None = None


class Meta(Part):
    """About the file, not about the patient."""

    specialty: Text
    difficulty: int = Field(default=2, ge=1, le=5)
    language: str = "en"
    split: Literal["train", "dev", "test"] = "dev"
    group: Slug | None = None
    """look-alikes: cases that begin alike and end differently"""
    tags: Texts = ()
    authors: Texts = ()
    reviewed_by: Texts = ()
    license: Text
    sources: tuple[Source, ...] = ()
    disclaimer: Literal["fictional", "derived"] = "fictional"


class Limits(Part):
    """Where a consultation is cut off. A run's own limits go before these."""

    max_turns: int | None = Field(default=None, ge=1, le=500)
    minutes: int | None = Field(default=None, ge=1)
    budget: float | None = Field(default=None, gt=0)


class Setting(Part):
    """Where the doctor is, and what the door note says: the doctor's first message."""

    site: Literal["ed", "clinic", "ward", "telehealth", "home"]
    role: Text = "doctor"
    door_note: Text
    resources: Texts = ()
    limits: Limits = Limits()


class Diagnosis(Part):
    """The right answer, and how far an answer may stray from its words."""

    name: Text
    synonyms: Texts = ()
    abbreviations: Texts = ()
    subtypes: Texts = ()
    parents: Texts = ()
    doid: str | None = None
    icd10cm: str | None = None
    required_parts: Texts = ()
    accept_subtype: bool = True
    parent_credit: Unit = 0.5


class Differential(Part):
    """Another diagnosis that a good doctor would consider, and what naming it first is worth."""

    name: Text
    synonyms: Texts = ()
    credit: Unit = 0.0
    plausibility: Unit = 0.2


class MustNotMiss(Part):
    """A dangerous diagnosis that must be addressed; `ruled_out_by`: e.g. `test:ecg`, `finding:neck`."""

    name: Text
    synonyms: Texts = ()
    ruled_out_by: tuple[str, ...] = ()


class KeyFact(Part):
    """A fact that a good history must reach. A bare id has weight 1."""

    id: Slug
    weight: float = Field(default=1, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _bare_id(cls, given: Any) -> Any:
        return {"id": given} if isinstance(given, str) else given


class Answer(Part):
    """What counts as right. No view but the moderator's has any of it."""

    diagnosis: Diagnosis | None = None
    differentials: tuple[Differential, ...] = ()
    must_not_miss: tuple[MustNotMiss, ...] = ()
    key_facts: tuple[KeyFact, ...] = ()
    red_flags: tuple[Slug, ...] = ()


class Avoid(Part):
    """Something a plan must not hold; harm from 1 (minor) to 3 (grave)."""

    item: Text
    harm: int = Field(default=1, ge=1, le=3)


class ModelPlan(Part):
    """The management that the authors hold right."""

    immediate: Texts = ()
    investigations: Texts = ()
    treatment: Texts = ()
    disposition: str | None = None
    referral: Texts = ()
    safety_net: Texts = ()
    avoid: tuple[Avoid, ...] = ()


class Condition(Part):
    """One thing in the log: exactly one field is set. Acts are dialogue acts such as `empathise`."""

    asked: str | None = None
    """a fact's id or a concept that a question was about"""
    reached: Slug | None = None
    """a fact's id that was told"""
    examined: str | None = None
    """a finding's id, `vitals` or a vital sign"""
    ordered: Slug | None = None
    """a test's or an image's id"""
    act: str | None = None
    diagnosed: Text | None = None
    """a diagnosis anywhere in the ranked list"""
    planned: Text | None = None
    """words in the plan"""
    told: Text | None = None
    """words that the doctor said in a statement, in this order"""
    picked_up: Slug | None = None
    """a cue's id"""
    corrected: Slug | None = None
    """a false belief's id"""
    agreed: Slug | None = None
    """a decision's id"""

    @model_validator(mode="after")
    def _one(self) -> "Condition":
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError("set exactly one of: " + ", ".join(type(self).model_fields))
        return self


class Conditions(Part):
    """All of `all` and, where given, one of `any`."""

    any: tuple[Condition, ...] = ()
    all: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _some(self) -> "Conditions":
        if not self.any and not self.all:
            raise ValueError("needs `any` or `all`")
        return self


class ChecklistItem(Part):
    """An OSCE mark that the log decides."""

    id: Slug
    domain: Literal[
        "history", "exam", "investigation", "diagnosis",
        "management", "communication", "professionalism", "safety",
    ]  # fmt: skip
    text: Text
    points: float = Field(default=1, gt=0)
    critical: bool = False
    met_by: Conditions
    before: Slug | None = None
    max_turn: int | None = Field(default=None, ge=1)


class Goal(Part):
    """What a difficult conversation should reach."""

    id: Slug
    text: Text
    met_by: Conditions
    points: float = Field(default=1, gt=0)
    critical: bool = False
    before: Slug | None = None
    """another goal, which must not be met earlier than this one"""


class Option(Part):
    """An answer that a question offers."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,8}$")]
    text: Text
    correct: bool = False


class Question(Part):
    """A question with options or a free answer, about an image or a report."""

    ask: Text
    options: tuple[Option, ...] = ()
    image: Slug | None = None
    report: Text | None = None
    kind: Literal["choice", "free", "report_check"] = "choice"
    accept: Texts = ()
    """right free answers"""
    pair: Slug | None = None
    """questions with the same pair are right only together: negated twins, look-alike pictures"""

    @property
    def put(self) -> str:
        """The question as a doctor reads it, with the report that it is about; without the options."""
        return f"{self.ask}\n\nReport: {self.report}" if self.report else self.ask


class Imported(Part):
    """Where an imported case came from, what had no place here, and what is known to be wrong with it."""

    format: Text
    file: Text
    line: int = Field(ge=1)
    unmapped: dict[str, Any] = Field(default_factory=dict)
    flags: Texts = ()


class Knowledge(Part):
    """Which disease profiles a baseline doctor may use; empty: all."""

    profile: str | None = None


class Perturbed(Part):
    """What was done to a case to test a doctor, see `clinicenv.perturb`. No file has it."""

    kind: Text
    clean: bool = False
    """whether it is the clean twin, which goes along as the perturbed one does but says what is true"""
    of: Slug | None = None
    """the test or image that it is about; None for what comes unasked"""
    names: Texts = ()
    """what that is called"""
    asked: bool = False
    """whether the question is about it"""
    claims: Texts = ()
    """the wrong diagnosis, with its synonyms, or the wrong option that it urges"""
    what: Text
    """in words"""


class Scenario(Part):
    """A case file. `task` decides its ending, its lint rules and its primary mark."""

    schema_version: Literal["1.0"]
    id: Slug
    task: Task = "diagnose"
    twin_of: Slug | None = None
    differs_in: tuple[str, ...] = ()
    """for a twin: the fields of the patient's identity in which it differs from the other one"""
    title: Text
    meta: Meta
    setting: Setting
    patient: Patient
    exam: Exam = Exam()
    tests: tuple[Test, ...] = ()
    unlisted_tests: Literal["normal", "unavailable", "model"] = "normal"
    images: tuple[Image, ...] = ()
    answer: Answer = Answer()
    plan: ModelPlan = ModelPlan()
    checklist: tuple[ChecklistItem, ...] = ()
    goals: tuple[Goal, ...] = ()
    question: Question | None = None
    logic: dict[str, Any] | None = None
    knowledge: Knowledge = Knowledge()
    imported: Imported | None = None
    perturbed: Perturbed | None = None

    _folder: Path | None = PrivateAttr(None)

    @property
    def folder(self) -> Path | None:
        """Where its pictures lie; None for one that is from no file."""
        return self._folder

    @model_validator(mode="after")
    def _fits_task(self) -> "Scenario":
        if self.task == "diagnose" and self.answer.diagnosis is None:
            raise ValueError("task `diagnose` needs `answer.diagnosis`")
        if self.task == "communicate" and not self.goals:
            raise ValueError("task `communicate` needs `goals`")
        if self.task == "question" and self.question is None:
            raise ValueError("task `question` needs `question`")
        return self

    def changed(self, **fields: Any) -> "Scenario":
        """This case with other values in some fields."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        other = Scenario.model_validate({**own, **fields})
        other._folder = self._folder
        return other

    @property
    def decisive_image(self) -> Image | None:
        """The image that it turns on: the question's, else the first essential one, else the first."""
        about = self.question.image if self.question else None
        found = [i for i in self.images if i.id == about]
        found += [i for i in self.images if i.indicated == "essential"]
        return next(iter((*found, *self.images)), None)

    @cached_property
    def facts(self) -> dict[str, Fact]:
        """All facts by id, ideas, concerns, expectations and impact included."""
        ice = self.patient.ice
        extra = (f for f in (ice.ideas, ice.concerns, ice.expectations, ice.impact) if f)
        return {f.id: f for f in (*self.patient.facts, *extra)}

    @cached_property
    def shown_tests(self) -> tuple[Test, ...]:
        """The tests without what only marks are made from."""
        bare = {"supports": {}, "indicated": "reasonable"}
        return tuple(t.model_copy(update=bare) for t in self.tests)

    @cached_property
    def shown_images(self) -> tuple[Image, ...]:
        """The images without what only marks are made from."""
        return tuple(i.model_copy(update={"indicated": "reasonable"}) for i in self.images)

    @cached_property
    def lineage(self) -> str:
        """Twins share their draws: the id of the scenario that this one is a twin of, or its own."""
        return self.twin_of or self.id

    @cached_property
    def canonical(self) -> str:
        """The scenario as canonical JSON: what a run stores and what the hash is of."""
        return json.dumps(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, ensure_ascii=False
        )

    @cached_property
    def hash(self) -> str:
        """16 hex digits that change whenever the content does."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Scenario) and self.hash == other.hash)

    @cached_property
    def _number(self) -> int:
        return int(self.hash, 16)

    def __hash__(self) -> int:  # by content, without walking through all of it each time
        return self._number

    def __repr__(self) -> str:  # a full repr would print the answer into somebody's log
        return f"Scenario({self.id!r}, hash={self.hash!r})"

    __str__ = __repr__


def load_file(path: Path) -> Scenario:
    """The scenario in a file; FileFaults or InputError where it is none."""
    scenario = load_model(Scenario, path)[0]
    scenario._folder = path.resolve().parent
    return scenario


def find_files(folder: Path) -> list[Path]:
    """The scenario files below a folder, in a fixed order."""
    return sorted(p for p in folder.rglob("*.y*ml") if p.suffix in (".yaml", ".yml"))


def load_scenario(name: str | Path) -> Scenario:
    """A bundled scenario by its id, or a file by its path."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_file(path)
    known = {p.stem: p for p in find_files(shipped.folder("scenarios"))}
    if str(name) in known:
        return load_file(known[str(name)])
    raise InputError(
        f"no bundled scenario `{name}`{did_you_mean(str(name)[:80], set(known))};"
        " `clinicenv scenarios list` shows them, or give a file's path"
    )


def select(selection: str) -> list[Scenario]:
    """The scenarios of a selection, in order of id: ids, a file, a folder, `all`, `split:dev`,
    `specialty:cardiology`, joined by commas."""
    found: dict[str, Scenario] = {}
    for part in filter(None, (p.strip() for p in selection.split(","))):
        for scenario in _select_one(part):
            known = found.setdefault(scenario.id, scenario)
            if known.hash != scenario.hash:
                raise InputError(f"two different scenarios have the id `{scenario.id}`; rename one")
    if not found:
        raise InputError(f"no scenario in `{selection}`; try `all`, an id, a file or a folder")
    return [found[i] for i in sorted(found)]


def _select_one(part: str) -> Iterator[Scenario]:
    key, _, value = part.partition(":")
    if part == "all" or key in ("split", "specialty", "group", "tag", "task"):
        for path in find_files(shipped.folder("scenarios")):
            s = load_file(path)
            has = {
                "split": (s.meta.split,),
                "specialty": (s.meta.specialty,),
                "group": (s.meta.group,),
                "tag": s.meta.tags,
                "task": (s.task,),
            }
            if part == "all" or value in has[key]:
                yield s
    elif Path(part).is_dir():
        files = find_files(Path(part))
        if not files:
            raise InputError("no scenario file (*.yaml) in this folder", file=part)
        yield from map(load_file, files)
    else:
        yield load_scenario(part)
