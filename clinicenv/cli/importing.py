"""`clinicenv import`: cases of a public format become scenario files."""

from pathlib import Path

import click

from clinicenv.files import InputError, printable
from clinicenv.importers import FORMATS, Conversion, importer, save


@click.command("import")
@click.argument("format", type=click.Choice(sorted(FORMATS)))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the scenario files; made if it is not there.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the pictures that FILE names.  [for vqa FILE's own, for agentclinic none]",
)
@click.option(
    "--skip-bad", is_flag=True, help="Write the good cases and report the bad ones, instead of writing none."
)
def import_(format: str, file: Path, folder: Path, images: Path | None, skip_bad: bool) -> None:
    """Turn the cases in FILE into scenario files.

    agentclinic: its MedQA and NEJM files; a picture of the latter is the file in --images that is named like
    the last part of its address. ddxplus: its table of patients. vqa: questions about pictures, one JSON
    object a line: id, question, answer and, if wanted, image, options, pair, modality, license.

    One YAML file a case, pictures beside them; a file that is there with other content is never
    overwritten. Without --skip-bad one bad case means that nothing is written. Exit codes: 0 done, 2 bad
    input.
    """
    done = importer(format).convert(file, images)
    for error in done.bad:
        click.echo(printable(f"error: {error}"), err=True)
    if done.bad and not skip_bad:
        total = len(done.scenarios) + len(done.bad)
        raise InputError(
            f"{len(done.bad)} bad of {total} cases, nothing written; mend them or use --skip-bad", file=file
        )
    if not done.scenarios:
        raise InputError("no case could be used, nothing written", file=file)
    save(done.scenarios, folder, done.pictures)
    for note in done.notes:
        click.echo(printable(str(note)), err=True)
    click.echo(printable(_summary(done, folder)))


def _summary(done: Conversion, folder: Path) -> str:
    flagged = sum(bool(s.imported and s.imported.flags) for s in done.scenarios)
    unmapped = sum(note.unmapped for note in done.notes)
    skipped = f", {len(done.bad)} bad skipped" if done.bad else ""
    return f"{len(done.scenarios)} cases -> {folder}, {flagged} flagged, {unmapped} fields unmapped{skipped}"
