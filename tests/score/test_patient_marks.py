"""Marks of a patient: the scripted one is clean on every bundled case, and bad patients are caught."""

import asyncio
from typing import Any

import pytest

from clinicenv import Say, Turn, select
from clinicenv.agents.probe import ABSENT, Probed, probe, suite
from clinicenv.clinic.answers import reply
from clinicenv.events import Leave
from clinicenv.scenario import Scenario, load_scenario
from clinicenv.score.patient import Kind
from clinicenv.view import PatientView

CASE = load_scenario("no-spark-01")


def probed(scenario: Scenario, patient: Any = "scripted") -> Probed:
    return asyncio.run(probe(scenario, patient))


@pytest.mark.parametrize("scenario", select("all"), ids=lambda s: s.id)
def test_the_scripted_patient_leaks_tells_early_invents_and_contradicts_nothing(scenario: Scenario) -> None:
    found = probed(scenario)
    assert found.failed == {}
    kinds: tuple[Kind, ...] = (
        "answer leak", "premature", "unsupported", "contradiction", "self-contradiction",
    )  # fmt: skip
    assert [s for s in found.whole.slips if s.kind in kinds] == []
    assert found.whole.told >= 0.95 * found.whole.asked


def test_the_suite_asks_for_every_fact_and_for_thirty_things_that_are_absent() -> None:
    for scenario in select("all"):
        parts = suite(scenario)
        assert len(parts["diagnosis"]) == 10
        assert len(parts["facts"]) == len(scenario.facts)
        assert len(set(parts["absent"])) == ABSENT
        assert len(parts["twice"]) == 2 * len(set(parts["twice"]))


class Bad:
    """A scripted patient that says something more, or something else, each time."""

    def __init__(self, more: str = "", ids: tuple[str, ...] = (), instead: str = "") -> None:
        self.more, self.ids, self.instead = more, ids, instead
        self.settings = {"kind": "scripted", "name": "bad"}

    def act(self, turn: Turn) -> Say | Leave:
        assert isinstance(turn.view, PatientView)
        said = reply(turn.view, turn.draw)
        if isinstance(said, Leave):
            return said
        if self.instead:
            return Say(self.instead, (), "agent")
        return Say(f"{said.text} {self.more}".strip(), (*said.ids, *self.ids), "agent")


@pytest.mark.parametrize(
    ("patient", "kind"),
    [
        (Bad("I think it's depression."), "answer leak"),
        (Bad("I've thought about ending it.", ("dark_thoughts",)), "premature"),
        (Bad("And I've had double vision."), "unsupported"),
        (Bad("I'm not tired at all."), "contradiction"),
        (Bad(instead="Could be."), "missed"),
    ],
    ids=["leaks", "early", "invents", "denies", "mute"],
)
def test_a_bad_patient_is_caught(patient: Bad, kind: Kind) -> None:
    gated = next(f.id for f in CASE.facts.values() if f.gated)
    if kind == "premature":
        patient.ids = (gated,)
    found = probed(CASE, patient).whole
    assert found.count(kind) > 3
    assert probed(CASE).whole.count(kind) == 0


def test_a_patient_that_changes_its_story_is_caught() -> None:
    class Wavering(Bad):
        def act(self, turn: Turn) -> Say | Leave:
            self.more = "I've had a cough." if turn.view.turn % 2 else "I have no cough."
            return super().act(turn)

    assert probed(CASE, Wavering()).whole.count("self-contradiction") > 3


def test_a_patient_that_breaks_or_leaves_is_reported_by_part() -> None:
    class Leaving(Bad):
        def act(self, turn: Turn) -> Say | Leave:
            return Leave("I'm off.") if turn.view.turn > 2 else super().act(turn)

    assert set(probed(CASE, Leaving()).failed) == {"diagnosis", "facts", "absent", "beside", "twice"}


def test_a_patient_that_speaks_like_a_clinician_is_caught() -> None:
    assert probed(CASE).whole.jargon == 0
    spoilt = probed(CASE, Bad("I also have dyspnoea on exertion.")).whole
    assert spoilt.jargon == spoilt.replies
