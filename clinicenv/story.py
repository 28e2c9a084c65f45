"""The patient's side of a case: what the patient knows, how it may come out, and the patient's own agenda."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(min_length=1, max_length=8000, strip_whitespace=True)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]
Texts = tuple[Text, ...]
Unit = Annotated[float, Field(ge=0, le=1)]

Disclosure = Literal["spontaneous", "open", "asked", "probed", "trust", "never"]
Section = Literal["hpi", "pmh", "psh", "meds", "allergy", "fh", "sh", "ros", "gyn", "ice", "identity"]
Slot = Literal[
    "present", "site", "onset", "character", "radiation", "association", "timing",
    "exacerbating", "relieving", "severity", "course", "dose", "detail",
]  # fmt: skip


class Part(BaseModel):
    """Base of all parts of a scenario: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Unlock(Part):
    """What opens a gated fact: all that is set here must hold (`after`: one of the acts)."""

    trust: Unit | None = None
    after: tuple[str, ...] = ()
    private: bool = False
    informant: Slug | None = None
    """another person in the room, who knows it and tells it once the doctor has turned to them"""


class Fact(Part):
    """One thing the patient knows, with how and when it may come out."""

    id: Slug
    section: Section
    concept: Slug
    slot: Slot = "present"
    value: Text | None = None
    present: bool = True
    say: Annotated[Texts, Field(min_length=1)]
    say_vague: Text | None = None
    question_variants: Texts = ()
    disclosure: Disclosure = "asked"
    unlock: Unlock | None = None
    sensitivity: Unit = 0.0
    salience: Unit = 0.5
    distractor: bool = False
    if_hidden: Literal["deny", "evade", "partial"] = "evade"

    @model_validator(mode="after")
    def _gate(self) -> "Fact":
        if self.disclosure == "trust" and self.unlock is None:
            raise ValueError("disclosure `trust` needs `unlock`, e.g. `unlock: {trust: 0.6}`")
        if self.unlock and self.disclosure != "trust":
            raise ValueError("`unlock` goes with `disclosure: trust`; set that or remove `unlock`")
        if self.unlock and self.unlock == Unlock():
            raise ValueError("`unlock` is empty; give `trust`, `after`, `private` or `informant`")
        return self

    @property
    def gated(self) -> bool:
        """Not told to a model patient until the core has opened it."""
        return self.disclosure in ("trust", "never")


class Ice(Part):
    """Ideas, concerns, expectations and the impact on life."""

    ideas: Fact | None = None
    concerns: Fact | None = None
    expectations: Fact | None = None
    impact: Fact | None = None


class Identity(Part):
    """Who the patient is."""

    name: Text
    age: Annotated[float, Field(ge=0, le=120)]
    sex: Literal["female", "male", "intersex", "unknown"]
    gender: str | None = None
    pronouns: str | None = None
    ethnicity: str | None = None
    occupation: str | None = None
    education: str | None = None
    insurance: str | None = None


class When(Part):
    """From which doctor turn on."""

    after_turn: int = Field(default=0, ge=0)


class PatientQuestion(Part):
    """A question that the patient puts to the doctor, and the dialogue acts that settle it."""

    ask: Text
    when: When = When()
    satisfied_by: Annotated[tuple[str, ...], Field(min_length=1)]


class Denials(Part):
    """What is answered where nothing is recorded; `explicit` lists concepts that are surely absent."""

    default: Literal["deny", "unsure"] = "deny"
    unknown_slot: Literal["unsure", "deny"] = "unsure"
    explicit: tuple[Slug, ...] = ()


class Challenge(Part):
    """What makes the talk hard: lines said one a reply until one of the acts has been heard."""

    type: Literal["angry", "tearful", "low_literacy", "talkative", "deaf", "none"] = "none"
    script: Texts = ()
    defused_by: tuple[str, ...] = ()


class Informant(Part):
    """Another person in the room. Facts with `unlock: {informant: ID}` are theirs to tell."""

    id: Slug
    name: Text
    relation: Text
    """to the patient, in one or two words: `daughter`"""


class Cue(Part):
    """A hint of what the patient feels, let slip once; it is picked up by one of the acts soon after."""

    id: Slug
    say: Text
    when: When = When()
    answered_by: Annotated[tuple[str, ...], Field(min_length=1)] = ("empathise", "validate")


class Belief(Part):
    """A false belief, held until the doctor states what puts it right."""

    id: Slug
    holds: Text
    """what the patient believes, in the patient's own voice"""
    corrected_by: Annotated[Texts, Field(min_length=1)]
    """words of which the doctor must say one group in a statement, in this order"""
    then_says: Text


class Needs(Part):
    """What must hold before somebody agrees: all that is set here."""

    trust: Unit | None = None
    acts: tuple[str, ...] = ()
    corrected: tuple[Slug, ...] = ()
    told: Texts = ()
    """groups of words, each of which the doctor must have said in a statement"""


class Decision(Part):
    """Something that the patient, or who decides for the patient, may agree to when asked."""

    id: Slug
    asked_by: Annotated[Texts, Field(min_length=1)]
    """groups of words; a line of the doctor's that holds one of them asks for it"""
    maker: Slug | None = None
    """the informant who decides; None: the patient, or who speaks for it"""
    needs: Needs = Needs()
    agrees: Text
    """what is said then"""
    refuses: Text


class Patient(Part):
    """The patient's side of the case."""

    identity: Identity
    informant: Literal["self", "parent", "carer", "interpreter"] = "self"
    informant_name: str | None = None
    opening: Annotated[Texts, Field(min_length=1)]
    opening_facts: tuple[Slug, ...] = ()
    appearance: Text
    facts: tuple[Fact, ...]
    ice: Ice = Ice()
    others: tuple[Informant, ...] = ()
    questions: tuple[PatientQuestion, ...] = ()
    cues: tuple[Cue, ...] = ()
    beliefs: tuple[Belief, ...] = ()
    decisions: tuple[Decision, ...] = ()
    denials: Denials = Denials()
    challenge: Challenge = Challenge()
    persona: Slug = "default"
