"""`clinicenv report`: a page about one or several runs, in one file that opens without a network."""

from pathlib import Path

import click

from clinicenv.files import InputError, write_text


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE.html", help="The page to write."
)
def report(runs: tuple[Path, ...], out: Path) -> int:
    """Make a page about RUNS: who did how well, how well it was simulated, and every consultation."""
    from clinicenv.report.html import report as page_about

    _refuse(out)
    text = page_about(runs)
    try:
        write_text(out, text)
    except OSError as e:
        raise InputError(f"cannot be written: {e.strerror}", file=out) from e
    click.echo(out)
    return 0


def _refuse(out: Path) -> None:
    """InputError, before any work, where the page could not be written or would replace other data."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError("is no name of a page; let it end in .html", file=out)
    if out.is_dir():
        raise InputError("is a folder; give the name of a file in it", file=out)
    if not out.parent.is_dir():
        raise InputError("there is no such folder; make it first, or give another --out", file=out.parent)
