"""`clinicenv play`: a person as the doctor, line by line."""

from collections.abc import Iterable
from itertools import dropwhile
from pathlib import Path

import click

from clinicenv import __version__
from clinicenv.agents.cast import Cast
from clinicenv.agents.human import LineDoctor
from clinicenv.consultation import AgentError, Consultation, drive
from clinicenv.events import Role
from clinicenv.files import InputError, printable
from clinicenv.models import loop
from clinicenv.runs.batch import call_log
from clinicenv.runs.pictures import Keeper
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario, load_scenario, select
from clinicenv.view import for_doctor


@click.command()
@click.argument("scenario", required=False)
@click.option("--plain", is_flag=True, help="Line by line (the only way as yet).")
@click.option("--patient", default="scripted", show_default=True, metavar="A", help="Who plays the patient.")
@click.option("--patient-profile", default="default", show_default=True, metavar="P", help="A bias profile.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides every draw.")
@click.option("--max-turns", type=click.IntRange(1, 500), help="Your turns.  [the scenario's, or 20]")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="The run's folder.  [runs/DATE-N]"
)
def play(
    scenario: str | None,
    plain: bool,
    patient: str,
    patient_profile: str,
    seed: int,
    max_turns: int | None,
    out: Path | None,
) -> int:
    """Be the doctor in SCENARIO (an id or a file).

    Type questions as you would say them. EXAMINE:, ORDER:, IMAGE: and DIAGNOSE: do the rest; `?` helps.
    """
    from clinicenv.cli.run import next_folder
    from clinicenv.report.terminal import transcript

    if scenario is None:
        known = ", ".join(s.id for s in select("all"))
        raise InputError(f"which scenario? There are: {known}")
    case = load_scenario(scenario)
    doctor = LineDoctor()
    cast = Cast(doctor, patient, profiles={"patient": patient_profile})
    for model in cast.models:
        loop.run(model.preflight())
    consultation = Consultation(case, cast, seed=seed, max_turns=max_turns)
    folder = out or next_folder()
    spec = {"scenarios": case.id, "cast": {"doctor": "human", "patient": patient}, "seed": seed}
    with Store.create(folder, spec, {"clinicenv": __version__}, resume=False, force=False) as store:
        store.put_scenario(case)
        for file in _pictures(case):
            click.echo(printable(f"Look at {file}"))
        _talk(consultation, cast, store)
        keeper = Keeper(folder)
        keeper.keep(case, keeper.wants(case, consultation.trajectory))
    trajectory = consultation.trajectory
    assert trajectory.outcome
    if trajectory.outcome.status != "error":  # what came back after the last turn
        last = (e for e in trajectory.events if e.turn == trajectory.outcome.turns)
        doctor.show(filter(None, (for_doctor(e, e.n) for e in last)))
    click.echo("\n" + "\n".join(ending(transcript(trajectory))))
    if case.answer.diagnosis:
        click.echo(f"The answer: {printable(case.answer.diagnosis.name)}")
    click.echo(f"To read it again: clinicenv show {folder} {trajectory.key}", err=True)
    return 1 if trajectory.outcome.status == "error" else 0


def _pictures(case: Scenario) -> list[Path]:
    """The files of the image that the case's question is about."""
    about = case.question.image if case.question else None
    return [case.folder / name for i in case.images if i.id == about and case.folder for name in i.file]


def _talk(consultation: Consultation, cast: Cast, store: Store) -> None:
    """From start to end; whatever ends it, what was done is kept."""

    async def others() -> None:
        call_log(store, consultation.key)  # in this task's context only
        await drive(consultation, cast, until=Role.DOCTOR)

    try:
        while turn := consultation.pending:
            if turn.role is Role.DOCTOR:  # typed in this thread, where Ctrl-C arrives
                store.keep_open(consultation.trajectory)
                consultation.submit(cast[Role.DOCTOR].act(turn))  # type: ignore[arg-type]
            else:
                loop.run(others())
    except AgentError as e:
        consultation.fail(Role.DOCTOR, str(e))
    except KeyboardInterrupt:
        consultation.fail(Role.DOCTOR, "interrupted by the player")
        raise
    except Exception as e:
        consultation.fail(Role.CORE, printable(f"{type(e).__name__}: {e}"))
        raise
    finally:
        store.append(consultation.trajectory)


def ending(lines: Iterable[str]) -> list[str]:
    """The lines of a transcript from the verdict on, or from what failed."""
    return list(dropwhile(lambda line: not line.lstrip().startswith(("verdict  ", "FAILED  ")), lines))
