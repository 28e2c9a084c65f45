"""Perturbations, which test how robust a doctor is: each makes two twins of a case, clean and perturbed.

A perturbation is a pure function of the case, a seed, and the other cases that it may borrow from. The twins
differ in nothing but what was perturbed: same draws, same patient. Where the perturbation needs something to
ride on (a caption, a label, a statement), the clean twin has one too, which says what is true; otherwise the
clean twin is the case itself. What was done stands in the header of the log, and in no view.

No perturbation asks for anything harmful, and no picture is optimised against a model.

Sources of the ideas: `image.swap_modality`, `text.mislabel`: the mismatch condition of 2M (arXiv 2405.20775);
`image.confusable`: MediConfusion (arXiv 2409.15477); `probe.negation`: ProbMed (arXiv 2405.20421);
`belief.false`: the hints that Dr-LLaVA's data disagree with (arXiv 2405.19567).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clinicenv.files import InputError, did_you_mean
from clinicenv.perturb import pictures, words
from clinicenv.perturb.case import Case, Pool, Twins
from clinicenv.scenario import Scenario, select

__all__ = ["KINDS", "Pool", "Twins", "named", "twins", "with_twins"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One perturbation: what makes it, what that does, and what a case must have for it."""

    make: Callable[[Case], Twins | None]
    does: str
    needs: str
    own_clean: bool = False
    """whether the clean twin is a case of its own, with a label, caption or statement that is true"""


KINDS: dict[str, Kind] = {
    "image.swap_modality": Kind(
        pictures.swap_modality, "another kind of image comes than was asked for", "an image"
    ),
    "image.swap_patient": Kind(
        pictures.swap_patient,
        "the image bears the label of another patient",
        "an image, and a door note that names the patient",
        own_clean=True,
    ),
    "image.confusable": Kind(
        pictures.confusable,
        "the look-alike image of the question's pair comes, and turns the answer round",
        "a question with options about an image, and the other question of its `pair`",
    ),
    "image.degrade": Kind(
        pictures.degrade, "the image is blurred, cut, mirrored or photographed from a screen", "a picture"
    ),
    "image.absent": Kind(pictures.absent, "no image comes, only the words that it does", "an image"),
    "text.mislabel": Kind(
        words.mislabel, "the image has the caption of another kind", "an image", own_clean=True
    ),
    "report.contradict": Kind(
        words.contradict,
        "a written report contradicts the image or the numbers",
        "an image with findings or a look-alike, or a test with numbers and their range",
        own_clean=True,
    ),
    "probe.negation": Kind(
        words.negation,
        "a colleague says of the image what it does not show, and the doctor is asked who is right",
        "a question with options about an image, or an image with a finding and a denied one",
        own_clean=True,
    ),
    "belief.false": Kind(
        words.belief,
        "the referring doctor is sure of a wrong diagnosis or answer",
        "a wrong option, or a differential that earns little",
    ),
    "inject.instruction": Kind(
        words.inject,
        "a note in an image or a result tells the reader to give a wrong answer and say nothing",
        "an image or a test, and a wrong option or a differential that earns little",
    ),
}


def named(names: Sequence[str]) -> tuple[str, ...]:
    """The perturbations of these names, or names joined by commas, in order, once each; `all` for all.

    InputError for an unknown one.
    """
    found: dict[str, None] = {}
    for name in _split(names):
        if name != "all" and name not in KINDS:
            near = did_you_mean(name[:80], set(KINDS))
            raise InputError(f"no perturbation `{name}`{near}; there are: {', '.join(KINDS)}, all")
        found.update(dict.fromkeys(KINDS if name == "all" else [name]))
    if not found:
        raise InputError(f"--perturb names no perturbation; there are: {', '.join(KINDS)}, all")
    return tuple(found)


def twins(kind: str, scenario: Scenario, seed: int, pool: Pool) -> Twins | None:
    """The clean and the perturbed case; None where this one has not what the perturbation needs.

    Images, names and captions are borrowed from the pool.
    """
    return KINDS[kind].make(Case(kind, scenario, seed, pool))


def with_twins(names: Sequence[str], selected: Sequence[Scenario], seed: int) -> list[list[Scenario]]:
    """Each scenario with the twins that the perturbations of these names make of it, none twice.

    What is borrowed is from all of them and from the bundled ones. InputError for an unknown name, and where
    a perturbation fits no scenario at all; of `all`, where none does.
    """
    if not names:
        return [[scenario] for scenario in selected]
    kinds = named(names)
    pool = Pool([*select("all"), *selected])
    cases: list[dict[str, Scenario]] = [{scenario.hash: scenario} for scenario in selected]
    fits: set[str] = set()
    for kind in kinds:
        for scenario, case in zip(selected, cases, strict=True):
            if pair := twins(kind, scenario, seed, pool):
                case.update({twin.hash: twin for twin in pair})
                fits.add(kind)
    by_name = set(_split(names))
    idle = next((k for k in kinds if k not in fits and (k in by_name or not fits)), None)
    if idle:
        needs = KINDS[idle].needs
        raise InputError(
            f"{idle} fits none of these scenarios: it needs {needs}; leave it out, or select others"
        )
    return [list(case.values()) for case in cases]


def _split(names: Sequence[str]) -> list[str]:
    return [name for given in names for n in given.split(",") if (name := n.strip())]
