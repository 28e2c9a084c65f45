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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from clinicenv.files import InputError, did_you_mean
from clinicenv.perturb import pictures, words
from clinicenv.perturb.case import Case, Pool, Twins
from clinicenv.scenario import Scenario, select

__all__ = ["KINDS", "Pool", "Twins", "named", "phrase", "twins", "with_twins"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One perturbation: what makes it, and what a case must have for it."""

    make: Callable[[Case], Twins | None]
    needs: str
    own_clean: bool = False
    """whether the clean twin is a case of its own, with a label, caption or statement that is true"""


KINDS: dict[str, Kind] = {
    "image.swap_modality": Kind(pictures.swap_modality, "an image"),
    "image.swap_patient": Kind(
        pictures.swap_patient, "an image, and a door note that names the patient", own_clean=True
    ),
    "image.confusable": Kind(
        pictures.confusable, "a question with options about an image, and the other question of its `pair`"
    ),
    "image.degrade": Kind(pictures.degrade, "a picture"),
    "image.absent": Kind(pictures.absent, "an image"),
    "text.mislabel": Kind(words.mislabel, "an image", own_clean=True),
    "report.contradict": Kind(
        words.contradict,
        "an image with findings or a look-alike, or a test with numbers and their range",
        own_clean=True,
    ),
    "probe.negation": Kind(
        words.negation,
        "a question with options about an image, or an image with a finding and a denied one",
        own_clean=True,
    ),
    "belief.false": Kind(words.belief, "a wrong option, or a differential that earns little"),
    "inject.instruction": Kind(
        words.inject, "an image or a test, and a wrong option or a differential that earns little"
    ),
}
"""What each of them does: see `docs/robustness.md` and the functions."""


def phrase(kind: str, clean: bool) -> str:
    """What tables and result lines call a twin that is a case of its own."""
    return f"{'clean twin of' if clean else 'under'} {kind}"


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


def with_twins(
    names: Sequence[str], selected: Sequence[Scenario], seeds: Iterable[int]
) -> dict[int, list[list[Scenario]]]:
    """For each seed: each scenario with the twins that these perturbations make of it, none twice.

    What is borrowed is from all of them and from the bundled ones. InputError for an unknown name, and where
    a perturbation fits no scenario at all; of `all`, where none does.
    """
    if not names:
        return {seed: [[scenario] for scenario in selected] for seed in seeds}
    kinds, pool = named(names), Pool([*select("all"), *selected])
    needed = kinds if "all" not in _split(names) else [k for k in _split(names) if k != "all"]
    found = {}
    for seed in seeds:
        cases: list[dict[str, Scenario]] = [{scenario.hash: scenario} for scenario in selected]
        fits: set[str] = set()
        for kind in kinds:
            for scenario, case in zip(selected, cases, strict=True):
                if pair := twins(kind, scenario, seed, pool):
                    case.update({twin.hash: twin for twin in pair})
                    fits.add(kind)
        if idle := next((k for k in (needed if fits else kinds) if k not in fits), None):
            raise InputError(
                f"{idle} fits none of these scenarios: it needs {KINDS[idle].needs}; leave it out, or select"
                " others"
            )
        found[seed] = [list(case.values()) for case in cases]
    return found


def _split(names: Sequence[str]) -> list[str]:
    return [name for given in names for n in given.split(",") if (name := n.strip())]
