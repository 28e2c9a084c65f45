"""`clinicenv scenarios`: list, show, check and start case files."""

import re
import sys
from pathlib import Path
from typing import get_args

import click

from clinicenv import shipped
from clinicenv.cli.output import echo_json
from clinicenv.files import InputError, did_you_mean, printable, write_text
from clinicenv.report.tables import print_table, table
from clinicenv.scenario import Scenario, Task, find_files, load_scenario, select

TEMPLATE = Path(__file__).with_name("template.yaml")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


@click.group("scenarios")
def scenarios() -> None:
    """Look at case files, check them and start new ones."""


@scenarios.command("list")
@click.argument("selection", default="all")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def list_(selection: str, as_json: bool) -> None:
    """List the scenarios of SELECTION: ids, a file, a folder, all, split:dev, specialty:cardiology, ...

    The last columns but the title say how far a case gives itself away: how often the baseline doctor's first
    diagnosis is right on door note and opening line (`guess`), and on the door note alone.
    """
    columns = (
        "id",
        "specialty",
        "task",
        "split",
        "difficulty",
        "facts",
        "tests",
        "guess",
        "door note",
        "title",
    )
    rows = [dict(zip(columns, _row(s), strict=True)) for s in select(selection)]
    if as_json:
        echo_json(rows)
    elif sys.stdout.isatty():
        print_table(table(columns, [list(row.values()) for row in rows]))
    else:
        for row in [columns, *(row.values() for row in rows)]:
            click.echo("\t".join(printable(str(cell)) for cell in row))


def _row(s: Scenario) -> tuple[str | int, ...]:
    from clinicenv.agents.baselines import baselines

    tests = len(s.tests) + len(s.images)
    known = baselines(s)
    guessed = [f"{share:.0%}" for share in known] if known else ["-", "-"]
    about = (s.id, s.meta.specialty, s.task, s.meta.split, s.meta.difficulty, len(s.facts), tests)
    return (*about, *guessed, s.title)


@scenarios.command()
@click.argument("id")
@click.option("--answer", is_flag=True, help="Also the answer key: diagnosis, plan, checklist, all results.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(id: str, answer: bool, as_json: bool) -> None:
    """Show the scenario ID (or a file): door note, patient, facts, examination, tests.

    What names the answer is left out, unless --answer asks for it.
    """
    from clinicenv.cli.showing import as_data, parts

    s = load_scenario(id)
    if as_json:
        echo_json(as_data(s, answer))
        return
    for part in parts(s, answer):
        if isinstance(part, str):
            click.echo(printable(part))
        else:
            print_table(table(*part))


@scenarios.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: findings, errors, warnings.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.pass_context
def lint(context: click.Context, paths: tuple[str, ...], as_json: bool, strict: bool) -> None:
    """Check files, folders or bundled scenarios.

    Prints one finding a line, as FILE:LINE: LEVEL: FIELD: WHAT. Exit codes: 0 no error, 1 errors (with
    --strict: or warnings), 2 a path that cannot be read.
    """
    from clinicenv.clinic.lint import lint_files

    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    found = lint_files(files)
    errors = sum(f.level == "error" for f in found)
    warnings = len(found) - errors
    if as_json:
        listed = [
            {name: getattr(f, name) for name in ("file", "line", "field", "level", "what")} for f in found
        ]
        data = {"files": len(files), "errors": errors, "warnings": warnings, "findings": listed}
        echo_json(data)
    else:
        for finding in found:
            click.echo(printable(str(finding)))
        counts = ((len(files), "file"), (errors, "error"), (warnings, "warning"))
        click.echo(", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts), err=True)
    context.exit(1 if errors or (strict and warnings) else 0)


def _files(path: str) -> list[Path]:
    """The files that a path, a folder or a bundled id stands for; InputError where one cannot be read."""
    if Path(path).is_dir():
        files = find_files(Path(path))
        if not files:
            raise InputError("no scenario file (*.yaml) in this folder", file=path)
    elif Path(path).suffix in (".yaml", ".yml") or Path(path).is_file():
        files = [Path(path)]
    else:
        bundled = {p.stem: p for p in find_files(shipped.folder("scenarios"))}
        if path not in bundled:
            near = did_you_mean(path, set(bundled))
            raise InputError(f"no file, folder or bundled scenario `{path}`{near}; correct the path")
        files = [bundled[path]]
    for file in files:
        try:
            file.open("rb").close()
        except OSError as e:
            raise InputError(f"cannot be read: {e.strerror}", file=file) from e
    return files


@scenarios.command()
@click.argument("id")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path, file_okay=False), default=".", show_default=True
)
@click.option("--task", type=click.Choice(get_args(Task)), default="diagnose", show_default=True)
def new(id: str, folder: Path, task: str) -> None:
    """Start a scenario: write a small commented case to FOLDER/ID.yaml, never over a file that is there."""
    if not _ID.fullmatch(id):
        raise InputError(
            f"`{id}` cannot be an id; use small letters, digits, - and _, e.g. `breathless-traveller-01`"
        )
    file = folder / f"{id}.yaml"
    if file.exists() or file.is_symlink():
        raise InputError("is already there; choose another id or folder", file=file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(file, template(id, task))
    except OSError as e:
        raise InputError(f"cannot be written: {e.strerror}", file=file) from e
    click.echo(
        f"{printable(str(file))} written; change it, then: clinicenv scenarios lint {printable(str(file))}"
    )


@scenarios.command("probe")
@click.argument("selection", metavar="ID")
@click.option("--patient", default="scripted", show_default=True, metavar="A", help="Who plays the patient.")
@click.option("--patient-profile", default="default", show_default=True, metavar="P", help="A bias profile.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides every draw.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, with every slip.")
def probe(selection: str, patient: str, patient_profile: str, seed: int, as_json: bool) -> int:
    """Try the patient of the scenarios ID (an id, a file, a folder, all, split:dev, ...).

    It is asked for its diagnosis in ten wordings, for every fact, for 30 things that it has not, beside the
    point, against the rules, and twice. What it leaks, tells too early, invents, contradicts and misses is
    counted and shown. Exit code 1 where a part could not be played to its end.
    """
    from clinicenv.cli.probing import as_data, run, show

    done = run(selection, patient, patient_profile, seed)
    if as_json:
        echo_json(as_data(done))
    else:
        show(done)
    return 1 if any(p.failed for p in done) else 0


@scenarios.command()
@click.option(
    "--n", type=click.IntRange(1, 1_000_000), required=True, help="How many cases; pairs with --reports."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides every draw.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the scenario files; made if it is not there.",
)
@click.option(
    "--reports",
    metavar="R",
    help="Questions on clean radiology reports: a text file, one a paragraph, or scenarios with images.",
)
def generate(n: int, seed: int, folder: Path, reports: str | None) -> None:
    """Make cases without a model, and write them to FOLDER: sampled from the disease profiles or, with
    --reports, questions whether a report holds an error, and of which kind.

    The same N and SEED give the same files. A diagnosis is in one split only: that of the bundled cases which
    have it, else one that is drawn by its name. A report with an error and the same without are a pair. A
    file that is there with other content is never overwritten.
    """
    from clinicenv.importers import report_questions, save
    from clinicenv.importers.sampled import bundled_splits, generate

    if reports is None:
        made = list(generate(n, seed, bundled_splits()))
    else:
        made = report_questions.generate(report_questions.read(reports), n, seed)
    written = save(made, folder)
    click.echo(printable(f"{len(written)} cases -> {folder}; check them: clinicenv scenarios lint {folder}"))


def template(id: str, task: str) -> str:
    """The commented case as a scenario of this id and task; parts for other tasks are left out."""
    text = TEMPLATE.read_text(encoding="utf-8")
    common, *parts = re.split(r"^#==(\w+)==\n", text, flags=re.MULTILINE)
    own = dict(zip(parts[::2], parts[1::2], strict=True)).get(task, "")
    return (common + own).replace("==ID==", id).replace("==TASK==", task)
