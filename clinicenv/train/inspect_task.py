"""The consultation as a task of Inspect AI: `inspect eval clinicenv/consultation --model M`.

The model under test is the doctor, behind one of clinicenv's doctor cards. Patient and measurement agent are
scripted, and nobody moderates, unless `--model-role` names a model for that role. The loop is `drive`, as
everywhere; see `inspect_model` for how its calls reach Inspect's models.
"""

import math
from collections.abc import Mapping
from typing import Any

from click import UsageError
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, ModelOutput, get_model, model_roles
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from clinicenv import __version__
from clinicenv.agents.calls import CALL_LOG
from clinicenv.agents.cards import AgentCard, load_card
from clinicenv.agents.cast import DEFAULT_MODEL_CARD, Cast
from clinicenv.agents.model import ModelAgent
from clinicenv.consultation import AgentError, Consultation, drive
from clinicenv.events import Trajectory
from clinicenv.files import InputError
from clinicenv.profile import BiasProfile, load_profile
from clinicenv.scenario import Scenario, select
from clinicenv.score.marks import MARKS, marks_of
from clinicenv.score.summary import CallRow, Calls, row_of
from clinicenv.train.dialogue import begins_with, failure, final_act, options, target, verdict_in_words
from clinicenv.train.inspect_chat import about, chat, verdict_data
from clinicenv.train.inspect_model import connection

OTHERS = ("patient", "measurement", "moderator")

LOG = "clinicenv"
"""Where a sample's store keeps the trajectory, as its line of JSON."""


@task
def consultation(
    scenarios: str | list[str] = "split:dev",
    max_turns: int | None = None,
    doctor_card: str = DEFAULT_MODEL_CARD,
    patient_card: str = DEFAULT_MODEL_CARD,
    doctor_profile: str = "default",
    patient_profile: str = "default",
    seed: int = 0,
) -> Task:
    """A doctor sees patients; an epoch is a repeat with other draws.

    A sample whose model broke is an error and counts in no mean; the others go on, unless --fail-on-error
    says otherwise.

    Args:
        scenarios: ids, a file, a folder, `all`, `split:dev`, `specialty:cardiology`, joined by commas.
        max_turns: of the doctor; the scenario's own, or 20, if not given.
        doctor_card: how the model plays: `chat`, `tools`, `amie`, `agentclinic`, or a card's path. Its
            sampling parameters hold where Inspect's options (--temperature, ...) do not set them.
        patient_card: the same for the role `patient`.
        doctor_profile, patient_profile: bias profiles.
        seed: decides, with the epoch, every draw of what is scripted.
    """
    try:
        cases = _cases(scenarios)
        cards = {"doctor": _card("doctor", doctor_card), "patient": _card("patient", patient_card)}
        profiles = {"doctor": load_profile(doctor_profile, "doctor")}
        profiles |= {"patient": load_profile(patient_profile, "patient")}
    except InputError as e:
        raise UsageError(str(e)) from e  # which `inspect` shows as one sentence
    return Task(
        dataset=MemoryDataset([_sample(s) for s in cases.values()], name="clinicenv"),
        solver=consult(cases, cards, profiles=profiles, max_turns=max_turns, seed=seed),
        scorer=marks(scenarios),
        config=GenerateConfig.model_validate(cards["doctor"].sampling),
        fail_on_error=False,
        version=__version__,
    )


def _cases(scenarios: str | list[str]) -> dict[str, Scenario]:
    """The selection by id; Inspect reads commas as a list."""
    return {s.id: s for s in select(",".join(scenarios) if isinstance(scenarios, list) else scenarios)}


def _card(role: str, name: str) -> AgentCard:
    card = load_card(role, name)
    if card.kind != "model":
        raise InputError(f"the card `{name}` is {card.kind}; Inspect's models need a card for models")
    if card.notebook:
        raise InputError(f"the card `{name}` keeps a notebook, so its consultations go one by one; use run")
    return card


def _sample(scenario: Scenario) -> Sample:
    return Sample(
        id=scenario.id,
        input=begins_with(scenario),
        choices=options(scenario) or None,
        target=target(scenario),
        metadata={"specialty": scenario.meta.specialty, "task": scenario.task},
    )


@solver
def consult(
    cases: Mapping[str, Scenario],
    cards: Mapping[str, AgentCard],
    *,
    profiles: Mapping[str, BiasProfile],
    max_turns: int | None,
    seed: int,
) -> Solver:
    """Plays the sample's consultation; AgentError, so that the sample is an error, where a model broke it."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        played = Consultation(
            cases[str(state.sample_id)],
            cast := Cast(**_players(cards), profiles=profiles),
            seed=seed,
            repeat=state.epoch - 1,
            max_turns=max_turns,
        )
        calls = Calls()
        CALL_LOG.set(lambda call: calls.add(row_of(call)))
        try:
            await drive(played, cast)
        finally:  # of what broke or reached a limit of Inspect as well
            _keep(state, played.trajectory, calls.rows)
        if broke := failure(played.trajectory):
            raise AgentError(broke)
        return state

    return solve


def _players(cards: Mapping[str, AgentCard]) -> dict[str, Any]:
    """role -> who plays it. The doctor is the model under test, unless a role `doctor` is given."""
    given = ["doctor", *(role for role in OTHERS if role in model_roles())]
    return {role: ModelAgent(_unset(role, cards), chat=connection(get_model(role=role))) for role in given}


def _unset(role: str, cards: Mapping[str, AgentCard]) -> AgentCard:
    """The role's card. The doctor's parameters are the task's own, over which Inspect's options go."""
    card = cards.get(role) or load_card(role, DEFAULT_MODEL_CARD)
    return card.model_copy(update={"sampling": {}}) if role == "doctor" else card


def _keep(state: TaskState, trajectory: Trajectory, rows: list[CallRow]) -> None:
    model = str(state.model)
    state.store.set(LOG, trajectory.to_json())
    state.metadata |= about(trajectory) | {"calls": [row.data() for row in rows]}
    state.completed = True
    messages = chat(trajectory, model)
    last = next((m.text for m in reversed(messages) if m.role == "assistant"), "")
    state.output = ModelOutput.from_content(model, last) if last else ModelOutput(model=model)
    state.messages = messages  # last: it raises where they are more than Inspect's limit of messages


@scorer(metrics={"*": [mean(), stderr()]})
def marks(scenarios: str | list[str]) -> Scorer:
    """All marks by rule of clinicenv; NaN, which counts in no mean, for one that does not apply."""
    cases = _cases(scenarios)

    async def score(state: TaskState, target: Target) -> Score:
        trajectory = Trajectory.from_json(state.store.get(LOG))
        found = marks_of(cases[str(state.sample_id)], trajectory)
        if not found:
            return Score.unscored(explanation=failure(trajectory) or "Inspect ended it before its end.")
        return Score(
            value={name: _number(found.get(name)) for name in MARKS},
            answer=final_act(trajectory) or None,
            explanation=verdict_in_words(trajectory),
            metadata=verdict_data(trajectory.verdict),
        )

    return score


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
