"""Perturbations of what comes when an image is asked for."""

from typing import Any, get_args

from clinicenv.clinic.measurement import SHOWN
from clinicenv.perturb.case import Case, Twins, kind_of
from clinicenv.scenario import Option, Question, Scenario
from clinicenv.workup import Altered, Effect, Image

YEARS_APART = 20
"""Patients who are so far apart in age, or of different sex, cannot be taken for each other."""


def swap_modality(case: Case) -> Twins | None:
    """The study of another modality; of another body part, where there is none."""
    image = case.scenario.decisive_image
    if image is None or not kind_of(image):
        return None
    donors = [d for d in case.donors(image) if kind_of(d.image)]
    others = [d for d in donors if kind_of(d.image) != kind_of(image)]
    others = others or [d for d in donors if d.image.body_part.lower() != image.body_part.lower()]
    donor = case.chosen("donor", others)
    if donor is None:
        return None
    what = f"for {image.name} comes {donor.image.modality} of {donor.image.body_part}, from {donor}"
    images = case.with_image(image, **_shows(donor.image))
    return Twins(case.scenario, case.twin(what, of=image, images=images))


def swap_patient(case: Case) -> Twins | None:
    """Another patient's name, age and sex on the image, which is theirs where they have one of that kind.

    The label is a part of the picture, and stands before the recorded report. The clean twin has the
    patient's own. The door note must name the patient.
    """
    s, image = case.scenario, case.scenario.decisive_image
    named = s.patient.identity.name in s.setting.door_note
    people = [other for other in case.pool.lenders if named and _cannot_be(other, s)]
    if image is None or not people:
        return None
    same = [d for d in case.donors(image) if d.scenario in people and _same_kind(d.image, image)]
    donor = case.chosen("donor", same)
    person = donor.scenario if donor else min(people, key=lambda p: case.draw(f"person {p.id}"))
    own = _labelled(case, image, _label(s), image)
    theirs = _labelled(case, image, _label(person), donor.image if donor else image)
    what = f"{image.name} bears the label of {person.id}" + (", whose it is" if donor else "")
    return Twins(
        case.twin(f"{image.name} bears the patient's label", clean=True, of=image, images=own),
        case.twin(what, of=image, images=theirs),
    )


def confusable(case: Case) -> Twins | None:
    """The other picture of a pair of look-alikes, with the answer that is right for it."""
    question, image = case.scenario.question, case.scenario.decisive_image
    if not question or not image:
        return None
    for donor in case.look_alikes(image):
        assert donor.scenario.question
        right = _turned_round(question, donor.scenario.question)
        if right is not None and _shows(donor.image) != _shows(image):
            images = case.with_image(image, **_shows(donor.image))
            what = f"comes with the image of {donor}, which turns the answer round"
            return Twins(case.scenario, case.twin(what, of=image, question=right, images=images))
    return None


def degrade(case: Case) -> Twins | None:
    """A picture that is blurred, cut, mirrored, or a photograph of a screen."""
    found = (case.scenario.decisive_image, *case.scenario.images)
    image = next((i for i in found if i and i.pictured), None)
    if image is None:
        return None
    effect = case.drawn("effect", get_args(Effect))
    altered = Altered(effect=effect, seed=int(case.draw("effect's seed") * 1e6))
    images = case.with_image(image, altered=altered)
    return Twins(case.scenario, case.twin(f"{image.name} is spoilt: {effect}", of=image, images=images))


def absent(case: Case) -> Twins | None:
    """Nothing but the words with which a picture comes."""
    image = case.scenario.decisive_image
    if image is None:
        return None
    images = case.with_image(
        image, file=(), sha256=(), draw=None, findings=(), report=SHOWN, alt_text="No picture."
    )
    return Twins(case.scenario, case.twin(f"{image.name} does not come", of=image, images=images))


def _shows(image: Image) -> dict[str, Any]:
    """All that shows of an image, without the name under which it is asked for."""
    return {n: getattr(image, n) for n in ("file", "sha256", "draw", "findings", "alt_text", "report")}


def _same_kind(one: Image, other: Image) -> bool:
    return kind_of(one) == kind_of(other) and one.body_part.lower() == other.body_part.lower()


def _cannot_be(one: Scenario, other: Scenario) -> bool:
    """Whether nobody could take one patient for the other."""
    a, b = one.patient.identity, other.patient.identity
    known = "unknown" not in (a.sex, b.sex)
    return a.name != b.name and known and (a.sex != b.sex or abs(a.age - b.age) >= YEARS_APART)


def _label(scenario: Scenario) -> str:
    who = scenario.patient.identity
    number, unit = (who.age, "year") if who.age >= 2 else (round(who.age * 12), "month")
    return f"Patient: {who.name}, {number:g} {unit}{'' if number == 1 else 's'}, {who.sex}."


def _labelled(case: Case, image: Image, label: str, other: Image) -> tuple[Image, ...]:
    """The case's images, this one showing what the other one does, with a label on it."""
    return case.with_image(image, **_shows(other), altered=Altered(words=label))


def _turned_round(question: Question, other: Question) -> Question | None:
    """The question with what is right for the other one; None where the same is right, or their options are
    not the same."""
    right = {o.text for o in other.options if o.correct}
    options = tuple(Option(id=o.id, text=o.text, correct=o.text in right) for o in question.options)
    same = {o.text for o in other.options} == {o.text for o in options}
    return question.model_copy(update={"options": options}) if same and options != question.options else None
