"""Playing many consultations at once on one event loop, each kept as soon as it is over."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from clinicenv.consultation import AgentError, Consultation, EngineError, drive
from clinicenv.events import IllegalAction, Role, Trajectory
from clinicenv.files import InputError, printable
from clinicenv.models import loop
from clinicenv.runs.notes import Notes
from clinicenv.runs.pictures import Keeper
from clinicenv.runs.spec import Arm, Job
from clinicenv.runs.store import Store

if TYPE_CHECKING:
    from clinicenv.runs.ceiling import Ceiling


class Watcher(Protocol):
    """Who is told how a batch goes on (`report.progress.Progress`)."""

    def started(self, key: str) -> None: ...
    def finished(self, trajectory: Trajectory) -> None: ...
    def called(self, call: Mapping[str, Any]) -> None: ...


async def preflight(jobs: Sequence[Job]) -> None:
    """One cheap call to each model that is not local; InputError where one cannot be used, or where local
    models are not there or do not fit into memory."""
    _phases(jobs)
    for agent in (m for arm in _arms(jobs) for m in arm.cast.models if _local(m)):
        _ = agent.connection  # looks for the model's folder, and for what serves it
    await _probe(m for arm in _arms(jobs) for m in arm.cast.models if not _local(m))


async def _probe(agents: Iterable[Any]) -> None:
    models = {id(getattr(m, "connection", m)): m for m in agents}  # roles and arms may share a model
    for model in models.values():
        await model.preflight()


async def play(job: Job) -> Trajectory:
    """One consultation. Whatever breaks is recorded in it, and by whom."""
    consultation = Consultation(job.scenario, job.arm.cast, header=job.header)
    try:
        await drive(consultation, job.arm.cast)
    except EngineError as e:
        consultation.fail(Role.CORE, printable(str(e)))
    except Exception as e:  # whatever an agent may raise
        turn = consultation.pending
        if turn is None:
            raise
        kind = "" if isinstance(e, (IllegalAction, InputError, AgentError)) else f"{type(e).__name__}: "
        consultation.fail(turn.role, printable(f"{kind}{e}"))
    return consultation.trajectory


async def run(
    all_jobs: Sequence[Job],
    store: Store,
    *,
    concurrency: int,
    progress: Watcher,
    ceiling: "Ceiling | None" = None,
) -> int:
    """Plays the jobs that the store has not finished, `concurrency` at a time; how many were left out because
    of the ceiling.

    Jobs whose local models do not fit into memory together are played in turn. InputError where a local model
    cannot be served; what was played before is kept.
    """
    finished = store.finished()
    todo = [job for job in all_jobs if job.key not in finished]
    notes = Notes(store.folder, [job.arm for job in todo], finished)
    phases = _phases(todo)
    left_out = 0
    for models, part in phases:
        await _serve(models, alone=len(phases) == 1)
        await _probe(m for arm in _arms(part) for m in arm.cast.models if _local(m))
        left_out += await _play_all(part, store, notes, concurrency, progress, ceiling)
    return left_out


async def _play_all(
    jobs: Sequence[Job],
    store: Store,
    notes: Notes,
    concurrency: int,
    progress: Watcher,
    ceiling: "Ceiling | None",
) -> int:
    stored: set[str] = set()
    keeper = Keeper(store.folder)
    left_out = 0

    async def one(job: Job) -> None:
        nonlocal left_out
        if ceiling and not await ceiling.admit(job):
            left_out += 1
            return
        if job.scenario.hash not in stored:
            store.put_scenario(job.scenario)
            stored.add(job.scenario.hash)
        progress.started(job.key)
        call_log(store, job.key, progress, ceiling)
        trajectory = await play(job)
        await notes.learn(job, trajectory)
        if images := keeper.wants(job.scenario, trajectory):
            await asyncio.to_thread(keeper.keep, job.scenario, images)
        store.append(trajectory)
        if ceiling:
            ceiling.release(job.key)
        progress.finished(trajectory)
        await asyncio.sleep(0)  # scripted agents never wait: let the others and Ctrl-C in

    await loop.in_parallel(jobs, one, 1 if notes.kept else concurrency)
    return left_out


def call_log(
    store: Store, key: str, progress: Watcher | None = None, ceiling: "Ceiling | None" = None
) -> None:
    """Sends the records of this task's model calls to the store, under the consultation's key."""
    from clinicenv.agents.calls import ATTEMPT, CALL_LOG

    tell: list[Callable[[dict[str, Any]], None]] = [store.append_call]
    tell += [progress.called] if progress else []
    tell += [ceiling.charge] if ceiling else []

    def log(call: dict[str, Any]) -> None:
        record = {**call, "key": key}
        for each in tell:
            each(record)

    CALL_LOG.set(log)
    ATTEMPT.set(store.attempt(key))


def _local(agent: Any) -> str:
    """The local model that an agent needs a server for, if any."""
    return getattr(agent, "local", "")


def _arms(jobs: Iterable[Job]) -> list[Arm]:
    """The arms of some jobs, in order."""
    return list({id(job.arm): job.arm for job in jobs}.values())


def _phases(jobs: Sequence[Job]) -> list[tuple[frozenset[str], list[Job]]]:
    """The jobs in groups whose local models fit into memory together, with those models."""
    needs = {id(arm): frozenset(filter(None, map(_local, arm.cast.models))) for arm in _arms(jobs)}
    names = frozenset().union(*needs.values())
    if not names:
        return [(names, list(jobs))] if jobs else []
    from clinicenv.models import memory

    sizes = {name: memory.size_of(name) for name in names}
    phases = memory.in_turn([needs[id(job.arm)] for job in jobs], sizes, memory.free_memory())
    return [(phase.models, [jobs[n] for n in phase.items]) for phase in phases]


async def _serve(models: frozenset[str], alone: bool) -> None:
    """Has exactly these local models served. A single one starts with its first call: none may be needed,
    where all replies come from the cache."""
    if not models or (alone and len(models) == 1):
        return
    from clinicenv.models import local
    from clinicenv.models.call import ModelError

    try:
        await asyncio.to_thread(local.serve, models)
    except ModelError as e:
        raise InputError(e.cause) from e
