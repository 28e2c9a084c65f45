"""A consultation as a Gymnasium environment: the learner is the doctor, and reads and writes text."""

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar, cast

import gymnasium
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Dict, Discrete

from clinicenv import protocol
from clinicenv.agents.cast import Cast
from clinicenv.consultation import Acted, AgentError, Consultation, Turn, drive, drive_sync
from clinicenv.draws import Draws, pick
from clinicenv.envs import rewards
from clinicenv.envs.named import player
from clinicenv.envs.reading import gained, gained_at_end
from clinicenv.envs.spaces import Unicode
from clinicenv.events import Action, Failed, Outcome, Role, Trajectory, Unparsed
from clinicenv.files import InputError, did_you_mean
from clinicenv.scenario import Scenario, select

MOST_TURNS = 500
"""The largest turn budget; a longer one has no number in the observation space."""

CUT = "\n[the rest is cut off]"
"""Ends a text that was longer than the observation space allows; `info["messages"]` has the whole."""

Observation = dict[str, Any]


class Learner:
    """Sits on the doctor's seat; it acts from outside, through `step`."""

    settings: ClassVar[dict[str, str]] = {"kind": "learner", "name": "learner"}

    def act(self, turn: Turn) -> Acted:
        raise AgentError(f"the {turn.role} of this environment acts through `step`")


class ConsultationEnv(gymnasium.Env[Observation, str]):
    """One consultation an episode.

    The observation is `text` (what the doctor has newly read or heard; may be empty), `turn` (the acts taken)
    and `turns_left`. An action is a doctor's reply in words, with lines such as `ORDER: troponin`
    (`clinicenv.protocol.usage`). `info["messages"]` is the conversation as chat messages; at the end `info`
    has `stop_reason` and `score`, or `error` where an agent broke.

    `reset(seed=s)` starts repeat 0 of seed s and each reset without a seed the next repeat; before any seed
    it is seed 0. `options={"scenario": id}` names the scenario, which is drawn otherwise.

    Args:
        scenarios: a selection, as on the command line: `all`, ids, a file, a folder, `split:train`.
        role: `doctor`, the only seat that a learner can take.
        patient, measurement, moderator: a card's name, a model string, or `plugin:module:name`: an agent of
            one's own, or a class or function that makes one. Threads share an agent but not what is made.
        patient_profile, doctor_profile: bias profiles by name or path.
        reward: a name in `rewards.REWARDS`, or `module:function`.
        max_turns: 1 to 500; the scenario's own, or 20, if None.
        images: `request`, `start` or `none`.
        max_text: the most characters in an observation and in an action, from 100 on.
        render_mode: `ansi` or None.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # type: ignore[misc]

    def __init__(
        self,
        scenarios: str = "all",
        role: str = "doctor",
        patient: str = "scripted",
        measurement: str = "scripted",
        moderator: str | None = None,
        patient_profile: str = "default",
        doctor_profile: str = "default",
        reward: str = "default",
        max_turns: int | None = None,
        images: str = "request",
        max_text: int = 16384,
        render_mode: str | None = None,
    ) -> None:
        _check(role, max_turns, images, max_text, render_mode)
        self.render_mode = render_mode
        self._scenarios = {s.id: s for s in _selected(scenarios)}
        self._cast = Cast(
            Learner(),
            player("patient", patient),
            player("measurement", measurement),
            player("moderator", moderator) if moderator else None,
            profiles={"patient": patient_profile, "doctor": doctor_profile},
        )
        self._awaits = self._cast.awaits
        self._reward_name, self._reward = reward, rewards.resolve(reward)
        self._max_turns, self._images, self._max_text = max_turns, images, max_text
        self._seed, self._repeat = 0, -1
        self._consultation: Consultation | None = None
        self._history: list[tuple[str, str]] = []
        self.action_space = Unicode(max_text)
        self.observation_space = Dict(
            text=Unicode(max_text), turn=Discrete(MOST_TURNS + 1), turns_left=Discrete(MOST_TURNS + 1)
        )

    @property
    def waits(self) -> bool:
        """Whether a step may wait for something outside: any role but the learner's is not scripted."""
        return any(seat.kind not in ("scripted", "learner") for seat in self._cast.seats.values())

    @property
    def trajectory(self) -> Trajectory:
        """The log of this episode so far, answers included: for scores and stores, not for the learner."""
        return self._started().trajectory

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        scenario_id = self._named(options or {})
        self._seed, self._repeat = (self._seed, self._repeat + 1) if seed is None else (int(seed), 0)
        if scenario_id is None:
            number = Draws(self._seed, self._repeat, "env").number("env", "scenario", 0)
            scenario_id = pick(list(self._scenarios), number)
        self._consultation = Consultation(
            self._scenarios[scenario_id],
            self._cast,
            seed=self._seed,
            repeat=self._repeat,
            max_turns=self._max_turns,
            images=self._images,
        )
        self._history = []
        self._drive(self._consultation)
        observation, _, info = self._result(self._consultation)
        return observation, info

    def step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        consultation = self._started()
        turn = consultation.pending
        if turn is None or turn.role is not Role.DOCTOR:
            raise ResetNeeded("this consultation is over; call `reset` for the next one")
        acts = self._parsed(action, turn)
        consultation.submit(acts)
        self._history.append(("assistant", action))
        self._drive(consultation)
        observation, reward, info = self._result(consultation)
        status = info.pop("status", None)
        return observation, reward, status == "terminated", status in ("truncated", "error"), info

    def render(self) -> str | None:
        """The conversation so far, as plain text."""
        if self.render_mode is None:
            gymnasium.logger.warn('nothing is rendered: make the environment with render_mode="ansi"')
            return None
        self._started()
        return "\n\n".join(f"Doctor: {text}" if who == "assistant" else text for who, text in self._history)

    def _started(self) -> Consultation:
        if self._consultation is None:
            raise ResetNeeded("no consultation yet; call `reset` first")
        return self._consultation

    def _named(self, options: dict[str, Any]) -> str | None:
        """The scenario that the options name, if any."""
        unknown = sorted(set(options) - {"scenario"})
        if unknown:
            raise InputError(f"options: `{unknown[0]}` is unknown; the only one is `scenario`")
        name = options.get("scenario")
        if name is not None and name not in self._scenarios:
            near = did_you_mean(str(name), set(self._scenarios))
            raise InputError(
                f"options: no scenario `{name}` here{near}; there are: {', '.join(self._scenarios)}"
            )
        return cast("str | None", name)

    def _parsed(self, action: str, turn: Turn) -> list[Action]:
        if not isinstance(action, str):
            raise InvalidAction(f"an action is text, got {type(action).__name__}")
        if len(action) > self._max_text:
            reason = f"Your reply is longer than {self._max_text} characters and was not read; write less."
            return [Unparsed(action[: self._max_text], reason)]
        return protocol.parse(action, turn.legal)

    def _drive(self, consultation: Consultation) -> None:
        """Lets the others act until the doctor is due or it is over."""
        if self._awaits:
            from clinicenv.models.loop import run

            run(drive(consultation, self._cast, until=Role.DOCTOR))
        else:
            drive_sync(consultation, self._cast, until=Role.DOCTOR)

    def _result(self, consultation: Consultation) -> tuple[Observation, float, dict[str, Any]]:
        """The observation, the reward, and the info; `status` is in it at the end."""
        log = None if consultation.pending else consultation.trajectory
        taken, text = gained_at_end(log) if log else gained(consultation)
        if text:
            self._history.append(("user", text))
        observation = {
            "text": text if len(text) <= self._max_text else text[: self._max_text - len(CUT)] + CUT,
            "turn": taken,
            "turns_left": int(consultation.header.limits["max_turns"] or 0) - taken,
        }
        info: dict[str, Any] = {
            "scenario": consultation.scenario.id,
            "messages": [{"role": who, "content": said} for who, said in self._history],
        }
        reward = self._earned(consultation, log)
        if log and log.outcome:
            info |= _ending(consultation.scenario, log, log.outcome, reward)
        return observation, reward, info

    def _earned(self, consultation: Consultation, log: Trajectory | None) -> float:
        if log and log.outcome and log.outcome.status == "error":
            return 0.0
        if self._reward is rewards.credit and log is None:  # paid at the end: no need of a log before
            return 0.0
        earned = self._reward(consultation.scenario, log or consultation.trajectory)
        try:
            return float(earned)
        except (TypeError, ValueError) as e:
            raise InputError(
                f"reward: `{self._reward_name}` gave {type(earned).__name__}, not a number"
            ) from e


def _ending(scenario: Scenario, log: Trajectory, outcome: Outcome, reward: float) -> dict[str, Any]:
    """What `info` has at the end only."""
    info: dict[str, Any] = {"status": outcome.status, "stop_reason": outcome.reason}
    if failed := log.of(Failed):
        broke = cast(Failed, failed[-1].what)
        info["error"] = f"the {broke.role} broke: {broke.cause}"
    if verdict := log.verdict:
        info["score"] = {
            "credit": float(rewards.credit(scenario, log)),
            "correct": rewards.correct(scenario, verdict),
            "reward": reward,
        }
    return info


@cache
def _selected(selection: str) -> tuple[Scenario, ...]:
    """Scenarios are frozen, so the environments of a process share them."""
    return tuple(_playable(select(selection)))


def _playable(scenarios: Iterable[Scenario]) -> Iterable[Scenario]:
    for s in scenarios:
        if (s.setting.limits.max_turns or 0) > MOST_TURNS:
            raise InputError(f"scenario `{s.id}`: max_turns is over {MOST_TURNS}, the most in an environment")
        yield s


def _check(role: str, max_turns: int | None, images: str, max_text: int, render_mode: str | None) -> None:
    if role != "doctor":
        raise InputError(f"role: a learner can take the doctor's seat only, got `{role}`")
    if max_turns is not None and not 1 <= max_turns <= MOST_TURNS:
        raise InputError(f"max_turns: should be 1 to {MOST_TURNS}, got {max_turns}")
    if images not in ("request", "start", "none"):
        raise InputError(f"images: should be request, start or none, got `{images}`")
    if max_text < 100:
        raise InputError(f"max_text: should be 100 characters or more, got {max_text}")
    if render_mode not in (None, "ansi"):
        raise InputError(f"render_mode: should be ansi or None, got `{render_mode}`")
