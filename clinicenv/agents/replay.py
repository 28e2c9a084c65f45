"""The log as the agent: a role's recorded actions again, up to a turn; then somebody else."""

from collections.abc import Awaitable

from clinicenv.consultation import Acted, Agent, AgentError, Turn
from clinicenv.events import Action, Role, Trajectory


class Replay:
    """Plays one role as a trajectory has it.

    Args:
        trajectory: the log.
        role: whose actions.
        until: the last doctor turn that is replayed; None for all.
        then: who plays on after it.
    """

    def __init__(
        self, trajectory: Trajectory, role: Role, until: int | None = None, then: Agent | None = None
    ) -> None:
        self._actions: dict[int, list[Action]] = {}
        for event in trajectory.events:
            if event.role is role and (event.turn or role is Role.MEASUREMENT):  # the opening is the core's
                self._actions.setdefault(event.turn, []).append(event.what)  # type: ignore[arg-type]
        self._until, self._then = until, then

    def act(self, turn: Turn) -> Acted | Awaitable[Acted]:
        number = turn.view.turn
        if self._until is not None and number > self._until:
            if self._then is None:
                raise AgentError(f"the replay ends after turn {self._until}, and nobody plays on")
            return self._then.act(turn)
        recorded = [a for a in self._actions.get(number, []) if type(a) in turn.legal]
        if not recorded:
            raise AgentError(f"the log has no action of the {turn.role} for turn {number}")
        return recorded
