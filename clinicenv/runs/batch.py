"""Playing many consultations at once on one event loop, each kept as soon as it is over."""

import asyncio
from collections.abc import Callable, Iterable

from clinicenv.consultation import Consultation, EngineError, drive
from clinicenv.events import IllegalAction, Role, Trajectory
from clinicenv.files import InputError, printable
from clinicenv.runs.spec import Arm, Job
from clinicenv.runs.store import Store

Progress = Callable[[Trajectory], None]


async def preflight(all_arms: Iterable[Arm]) -> None:
    """One cheap call to each model, without retries; InputError where one cannot be used."""
    models = {str(m.settings): m for arm in all_arms for m in arm.cast.models}
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
        kind = "" if isinstance(e, (IllegalAction, InputError)) else f"{type(e).__name__}: "
        consultation.fail(turn.role, printable(f"{kind}{e}"))
    return consultation.trajectory


async def run(all_jobs: Iterable[Job], store: Store, *, concurrency: int, progress: Progress) -> None:
    """Plays the jobs that the store has not finished, `concurrency` at a time."""
    finished = store.finished()
    todo = (job for job in all_jobs if job.key not in finished)
    stored: set[str] = set()

    async def worker() -> None:
        for job in todo:
            if job.scenario.hash not in stored:
                store.put_scenario(job.scenario)
                stored.add(job.scenario.hash)
            call_log(store, job.key)
            trajectory = await play(job)
            store.append(trajectory)
            progress(trajectory)
            await asyncio.sleep(0)  # scripted agents never wait: let the others and Ctrl-C in

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except BaseExceptionGroup as e:  # the first one says what is wrong; the others were cancelled or alike
        raise e.exceptions[0] from None


def call_log(store: Store, key: str) -> None:
    """Sends the records of this task's model calls to the store, under the consultation's key."""
    from clinicenv.agents.calls import CALL_LOG

    CALL_LOG.set(lambda call: store.append_call({**call, "key": key}))
