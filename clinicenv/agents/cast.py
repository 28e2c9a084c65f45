"""From names to people: the agents for the roles of one consultation."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from clinicenv.agents.cards import AgentCard, load_card
from clinicenv.agents.image_plan import ImagePlan
from clinicenv.agents.scripted import ScriptedMeasurement, ScriptedPatient
from clinicenv.consultation import Agent, Consultation, Seat, Settings, Turn, drive
from clinicenv.events import Role, Trajectory
from clinicenv.files import InputError
from clinicenv.profile import BiasProfile, load_profile
from clinicenv.scenario import Scenario

if TYPE_CHECKING:
    from clinicenv.models.gateway import Gateway

Player: TypeAlias = str | Agent | Callable[[Turn], Any]
"""A card's name or path, a model string, `CARD=MODEL`, an object with `act(turn)`, a function of the turn, or
a LangChain chat model."""

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
        gateway: the way to models: its cache, limits and prices; one without a cache if not given.
        language: what is spoken, e.g. `German`; only models can. English if empty.
        images: how pictures get to the doctor; by their recorded reports if not given.
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
        gateway: "Gateway | None" = None,
        language: str = "",
        images: ImagePlan | None = None,
    ) -> None:
        language = "" if language.strip().lower() in ("", "en", "english") else language.strip()
        players = {"doctor": doctor, "patient": patient, "measurement": measurement, "moderator": moderator}
        self._agents: dict[Role, Agent] = {}
        self.seats: dict[Role, Seat] = {}
        for name, player in players.items():
            if player is None:
                continue
            given = dict((arguments or {}).get(name, {}))
            agent, settings = _seat(name, player, given, gateway, language)
            profile = (profiles or {}).get(name, "default")
            if not isinstance(profile, BiasProfile):
                profile = load_profile(profile, name)
            self._agents[Role(name)] = agent
            self.seats[Role(name)] = Seat(settings, profile)
        if images:
            self._route_images(images, gateway)

    def _route_images(self, plan: ImagePlan, gateway: "Gateway | None") -> None:
        """Seats who shows pictures before the measurement agent, who gives their reports without that."""
        role, seat = Role.MEASUREMENT, self.seats[Role.MEASUREMENT]
        self.seats[role] = replace(seat, settings={**seat.settings, "images": plan.described()})
        if plan.route == "report":
            return
        from clinicenv.agents.imaging import Imaging
        from clinicenv.models.gateway import Gateway

        doctor = self._agents[Role.DOCTOR]
        self._agents[role] = Imaging(self._agents[role], plan, doctor, gateway or Gateway())

    def __getitem__(self, role: Role) -> Agent:
        return self._agents[role]

    @property
    def awaits(self) -> bool:
        """Whether any agent is asynchronous."""
        return any(inspect.iscoroutinefunction(a.act) for a in self._agents.values())

    @property
    def models(self) -> list[Any]:
        """The model agents, for a check before a batch starts."""
        found: list[Any] = []
        for agent in self._agents.values():
            found += getattr(agent, "models", [agent] if hasattr(agent, "preflight") else [])
        return found

    def with_agent(self, role: Role, agent: Agent) -> "Cast":
        """The same seats with another agent on one, e.g. a replay."""
        other = object.__new__(Cast)
        other._agents = {**self._agents, role: agent}
        other.seats = self.seats
        return other


def _seat(
    role: str, player: Player, arguments: dict[str, Any], gateway: "Gateway | None", language: str
) -> tuple[Agent, dict[str, Any]]:
    if is_chat_model(player):
        card = load_card(role, DEFAULT_MODEL_CARD).model_copy(update={"sampling": arguments})
        return _model(card, gateway, language, player)
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
    if card.kind == "model":
        try:
            return _model(card, gateway, language)
        except InputError as e:  # about a template or a folder of the card
            file = card_and_model(player)[0]
            if e.file is None and file.endswith((".yaml", ".yml")):
                raise InputError(e.what, file=file) from e
            raise
    if language and card.kind == "scripted" and role in ("doctor", "patient"):
        raise InputError(
            f"the {role} `{player}` is scripted and speaks English only; seat a model as the {role}, e.g."
            " openai:NAME, or leave the language out"
        )
    return _agent(card), card.settings()


def _model(
    card: AgentCard, gateway: "Gateway | None", language: str, chat: Any = None
) -> tuple[Agent, dict[str, Any]]:
    from clinicenv.agents.model import ModelAgent

    agent = ModelAgent(card, gateway, language=language, chat=chat)
    return agent, agent.settings


def is_chat_model(player: object) -> bool:
    """Whether it is a LangChain chat model; imports nothing, for without LangChain there can be none."""
    core = sys.modules.get("langchain_core.language_models.chat_models")
    return core is not None and isinstance(player, core.BaseChatModel)


def is_model_string(player: str) -> bool:
    """Whether a name is `PROVIDER:NAME` or `PROVIDER/NAME`, not a card or a file."""
    return not player.endswith((".yaml", ".yml")) and (":" in player or "/" in player)


def card_and_model(player: str) -> tuple[str, str]:
    """`CARD=MODEL` in its two parts; of one that names no card, or no model, that part is empty."""
    card, equals, model = player.partition("=")
    if equals and ":" not in card and is_model_string(model):
        return card, model
    return ("", player) if is_model_string(player) else (player, "")


def resolve(role: str, player: str) -> AgentCard:
    """The card behind a name, a path, a model string or `CARD=MODEL`."""
    name, model = card_and_model(player)
    card = load_card(role, name or DEFAULT_MODEL_CARD)
    if model and card.kind != "model":
        raise InputError(f"`{player}`: the card `{name}` is {card.kind} and takes no model")
    if model:
        return card.model_copy(update={"model": model})
    if card.kind == "model" and not card.model:
        raise InputError(
            f"the card `{player}` is a way of playing and names no model; write {player}=openai:NAME, or name"
            " the model in a card of your own"
        )
    return card


def _agent(card: AgentCard) -> Agent:
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
