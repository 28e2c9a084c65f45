"""Rules and models as raters of a run's consultations; what they say is kept (`runs.ratings`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from clinicenv.files import InputError
from clinicenv.models import loop
from clinicenv.models.call import ModelError
from clinicenv.models.gateway import Connection
from clinicenv.runs.ratings import Keep, Rater, Ratings, by_rule, keeping, read, unrated
from clinicenv.runs.results import seat_name
from clinicenv.runs.scoring import each
from clinicenv.runs.store import Store
from clinicenv.score.axes import moderated, rate
from clinicenv.score.rater import ModelRater
from clinicenv.score.rubric import Rubric

AT_ONCE = 64
"""Consultations that are put to a model at the same time."""

GIVE_UP = 16
"""Consultations in a row for which no reply came, after which no more are asked for: the model is gone."""


def rate_by_rule(store: Store, rubric: Rubric, keys: Sequence[str]) -> dict[str, Ratings]:
    """The ratings by rule of these consultations, in order; those that are not kept yet are made and kept."""
    known = read(store.folder, rubric, by_rule())
    if any(key not in known for key in keys):
        with keeping(store.folder, rubric, by_rule()) as keep:
            known = read(store.folder, rubric, by_rule())  # by now another process may have rated some
            missing = [key for key in keys if key not in known]
            for key, ratings in zip(missing, each(store, missing, partial(rate, rubric)), strict=True):
                keep(key, ratings)
                known[key] = ratings
    return {key: known[key] for key in keys}


def rated_by_moderators(store: Store, rubric: Rubric, keys: Sequence[str]) -> dict[str, dict[str, Ratings]]:
    """What moderators said in these consultations, by who they were; for rubrics of ranks only."""
    found: dict[str, dict[str, Ratings]] = {}
    for key in keys if rubric.of_ranks else ():
        trajectory = store.trajectory(key)
        if said := moderated(rubric, trajectory):
            name = f"moderator {seat_name(trajectory.header.cast['moderator'])}"
            found.setdefault(name, {})[key] = said
    return found


@dataclass(slots=True)
class Tally:
    """What came of asking a model: consultations asked for, those of which an axis is left unrated and the
    reason of the first one, tokens, and dollars (None where a call has no price)."""

    consultations: int = 0
    left: int = 0
    why: str = ""
    tokens: int = 0
    usd: float | None = 0.0


def rate_by_model(
    store: Store,
    rubric: Rubric,
    name: str,
    connection: Connection,
    keys: Sequence[str],
    tell: Callable[[int, int], None],
) -> tuple[Rater, Tally]:
    """Asks a model for what it has not rated yet, and keeps each consultation's ratings as they come.

    `tell` is called with how many of how many are done. InputError where the model cannot be asked at all.
    """
    model = ModelRater(name, connection)
    rater = Rater(model.name, model.hash)
    if not unrated(rubric, read(store.folder, rubric, rater), keys):
        return rater, Tally()
    try:
        loop.run(connection.probe())
    except ModelError as e:
        raise InputError(e.cause) from e
    with keeping(store.folder, rubric, rater) as keep:
        known = read(store.folder, rubric, rater)
        asking = _Asking(store, rubric, model, keep, tell, known, unrated(rubric, known, keys))
        loop.run(asking.all())
    return rater, asking.tally


class _Asking:
    def __init__(
        self,
        store: Store,
        rubric: Rubric,
        model: ModelRater,
        keep: Keep,
        tell: Callable[[int, int], None],
        known: dict[str, Ratings],
        keys: list[str],
    ) -> None:
        self._store, self._rubric, self._model = store, rubric, model
        self._keep, self._tell, self._known, self._keys = keep, tell, known, keys
        self._done = self._silent = 0
        self.tally = Tally(consultations=len(keys))

    async def all(self) -> None:
        """A few at a time, so that memory stays bounded; the first fault of our own ends it."""
        await loop.in_parallel(self._keys, self._one, AT_ONCE)

    async def _one(self, key: str) -> None:
        if self._silent >= GIVE_UP:
            self.tally.left += 1
            return
        trajectory = self._store.trajectory(key)
        scenario = self._store.scenario(trajectory.header.scenario_hash)
        missing = [a for a in self._rubric.axes if a.id not in self._known.get(key, {})]
        attempt = await self._model.rate(self._rubric, missing, scenario, trajectory)
        tokens = sum(u.prompt_tokens + u.completion_tokens for u in attempt.usages)
        self._keep(key, attempt.ratings, unrated=attempt.unrated, tokens=tokens, usd=attempt.usd)
        self._silent = self._silent + 1 if attempt.failed else 0
        self._count(attempt.unrated, tokens, attempt.usd)

    def _count(self, missing: dict[str, str], tokens: int, usd: float | None) -> None:
        tally = self.tally
        tally.tokens += tokens
        tally.usd = None if usd is None or tally.usd is None else tally.usd + usd
        if missing:
            tally.left += 1
            tally.why = tally.why or next(f"`{axis}`: {why}" for axis, why in missing.items())
        self._done += 1
        self._tell(self._done, tally.consultations)
