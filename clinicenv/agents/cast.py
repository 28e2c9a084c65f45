"""From names to people: the agents for the roles of one consultation."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, Unpack

from clinicenv.agents.cards import AgentCard, load_card
from clinicenv.agents.scripted import ScriptedMeasurement, ScriptedPatient
from clinicenv.consultation import Agent, Consultation, Seat, Settings, Turn, drive
from clinicenv.events import Role, Trajectory
from clinicenv.files import InputError
from clinicenv.profile import BiasProfile, load_profile
from clinicenv.scenario import Scenario

Player: TypeAlias = str | Agent | Callable[[Turn], Any]
"""A card's name or path, a model string, an object with `act(turn)`, or a function of the turn."""

DEFAULT_MODEL_CARD = "chat"


class Function:
    """A function of the turn, sync or async, as an agent."""

    def __init__(self, act: Callable[[Turn], Any]) -> None:
        self.act = act
        self.settings = {"kind": "plugin", "name": f"{act.__module__}.{act.__qualname__}"}


class Cast:
    """Who plays each role, and under which profile.

    Args:
        doctor, patient, measurement, moderator: a name, a model string, an agent or a function.
            Only the doctor has to be named; a moderator is seated only if one is.
        profiles: role -> a profile or its name; `default` otherwise.
        arguments: role -> parameters of a model call, e.g. `{"doctor": {"temperature": 0}}`.
    """

    def __init__(
        self,
        doctor: Player = "scripted",
        patient: Player = "scripted",
        measurement: Player = "scripted",
        moderator: Player | None = None,
        *,
        profiles: Mapping[str, str | BiasProfile] | None = None,
        arguments: Mapping[Any, Mapping[str, Any]] | None = None,
    ) -> None:
        players = {"doctor": doctor, "patient": patient, "measurement": measurement, "moderator": moderator}
        self._agents: dict[Role, Agent] = {}
        self.seats: dict[Role, Seat] = {}
        for name, player in players.items():
            if player is None:
                continue
            agent, settings = _seat(name, player, dict((arguments or {}).get(name, {})))
            profile = (profiles or {}).get(name, "default")
            if not isinstance(profile, BiasProfile):
                profile = load_profile(profile, name)
            self._agents[Role(name)] = agent
            self.seats[Role(name)] = Seat(settings, profile)

    def __getitem__(self, role: Role) -> Agent:
        return self._agents[role]

    @property
    def awaits(self) -> bool:
        """Whether any agent is asynchronous."""
        return any(inspect.iscoroutinefunction(a.act) for a in self._agents.values())

    @property
    def models(self) -> list[Any]:
        """The model agents, for a check before a batch starts."""
        return [a for a in self._agents.values() if hasattr(a, "preflight")]

    def with_agent(self, role: Role, agent: Agent) -> "Cast":
        """The same seats with another agent on one, e.g. a replay."""
        other = object.__new__(Cast)
        other._agents = {**self._agents, role: agent}
        other.seats = self.seats
        return other


def _seat(role: str, player: Player, arguments: dict[str, Any]) -> tuple[Agent, dict[str, Any]]:
    if not isinstance(player, str):
        if arguments:
            raise InputError(f"arguments for the {role} go with a model, not with an object")
        agent: Agent = player if hasattr(player, "act") else Function(player)
        name = f"{type(agent).__module__}.{type(agent).__qualname__}"
        return agent, dict(getattr(agent, "settings", {"kind": "plugin", "name": name}))
    card = resolve(role, player)
    if arguments and card.kind != "model":
        raise InputError(f"arguments such as {next(iter(arguments))}= are for models; `{player}` is none")
    if arguments:
        card = card.model_copy(update={"sampling": {**card.sampling, **arguments}})
    return _agent(card), card.settings()


def is_model_string(player: str) -> bool:
    """Whether a name is `PROVIDER:NAME` or `PROVIDER/NAME`, not a card or a file."""
    return not player.endswith((".yaml", ".yml")) and (":" in player or "/" in player)


def resolve(role: str, player: str) -> AgentCard:
    """The card behind a name, a path or a model string."""
    if not is_model_string(player):
        card = load_card(role, player)
        if card.kind == "model" and not card.model:
            raise InputError(
                f"the card `{player}` is a way of playing and names no model; give a model string"
                " such as openai:NAME, or a card with `model`"
            )
        return card
    return load_card(role, DEFAULT_MODEL_CARD).model_copy(update={"model": player})


def _agent(card: AgentCard) -> Agent:
    if card.kind == "model":
        from clinicenv.agents.model import ModelAgent

        return ModelAgent(card)
    if card.kind == "human":
        from clinicenv.agents.human import LineDoctor

        return LineDoctor()
    return SCRIPTED[card.role](card.name)


def _doctor(name: str) -> Agent:
    from clinicenv.agents.doctors import DOCTORS

    if name not in DOCTORS:
        raise InputError(f"no scripted doctor is called `{name}`; there are: {', '.join(sorted(DOCTORS))}")
    return DOCTORS[name]()


def _no_moderator(name: str) -> Agent:
    raise InputError(
        f"`{name}`: the rule judges every consultation; a moderator is a model, e.g. openai:NAME"
    )


SCRIPTED: dict[str, Callable[[str], Agent]] = {
    "doctor": _doctor,
    "patient": lambda _name: ScriptedPatient(),
    "measurement": lambda _name: ScriptedMeasurement(),
    "moderator": _no_moderator,
}


async def aplay(scenario: Scenario, cast: Cast, **settings: Unpack[Settings]) -> Trajectory:
    """One consultation from start to end; `settings` are those of `Consultation`."""
    consultation = Consultation(scenario, cast, **settings)
    await drive(consultation, cast)
    return consultation.trajectory


def play(scenario: Scenario, cast: Cast, **settings: Unpack[Settings]) -> Trajectory:
    """`aplay` for code that is not asynchronous."""
    coroutine = aplay(scenario, cast, **settings)
    if cast.awaits:
        from clinicenv.models.loop import run

        return run(coroutine)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise RuntimeError("an agent of this cast awaits; make its `act` an async function")
