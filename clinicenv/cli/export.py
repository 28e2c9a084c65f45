"""`clinicenv export`: a run in the formats of the programs that people analyse and look at results with."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from clinicenv.files import InputError, printable
from clinicenv.runs.results import ResultLine
from clinicenv.runs.store import Store
from clinicenv.train.consultations import in_order


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format", "format", type=click.Choice(["inspect", "parquet"]), required=True, help="What to write."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The file; for inspect FILE.eval, or a folder for a log of each arm.",
)
@click.option("--arm", metavar="NAME", help="Only this arm, as `clinicenv show` names it.")
@click.option("--force", is_flag=True, help="Replace what is there.")
def export(run: Path, format: str, out: Path, arm: str | None, force: bool) -> None:
    """Write the consultations of RUN (a folder) for another program.

    inspect: a log of Inspect AI, for `inspect view` and its data frames: a sample for each scenario, an epoch
    for each repeat, a score for each mark. A log is about one model, so a run of several arms makes a folder
    of logs (--out DIR, then `inspect view --log-dir DIR`); into one file goes one arm (--arm).

    parquet: a table, a row for each consultation, for DuckDB, pandas and Hugging Face's datasets.

    A consultation that broke is there as an error and has no marks. Perturbed twins are there, with what was
    done to them. A file is written whole or not at all.
    """
    store = Store.open(run)
    results = _of_arm(in_order(store), arm, run)
    files = {out: results} if format == "parquet" else _logs(results, out, run)
    _check_place(out, files, force)
    write = _writer(format)
    try:
        for file, part in files.items():
            file.parent.mkdir(exist_ok=True)
            write(store, part, file)
            click.echo(printable(_summary(part, file)))
    except OSError as e:
        raise InputError(f"cannot be written: {e.strerror or e}", file=out) from e


def _writer(format: str) -> Callable[[Store, Sequence[ResultLine], Path], None]:
    """What writes it; InputError where its extra is missing."""
    if format == "parquet":
        from clinicenv.train import parquet

        return parquet.write
    from clinicenv.train import inspect_log

    return inspect_log.write


def _summary(results: Sequence[ResultLine], file: Path) -> str:
    n, broken = len(results), sum(r.status == "error" for r in results)
    return f"{n} consultation{'' if n == 1 else 's'}{f', {broken} broken' if broken else ''} -> {file}"


def _of_arm(results: list[ResultLine], arm: str | None, run: Path) -> list[ResultLine]:
    if not results:
        raise InputError("no consultation has come to an end yet", file=run)
    if arm is None:
        return results
    if found := [r for r in results if r.arm == arm]:
        return found
    raise InputError(f"no arm is called `{arm}`; there are: {_arms(results)}", file=run)


def _arms(results: Sequence[ResultLine]) -> str:
    return "; ".join(dict.fromkeys(r.arm for r in results))


def _logs(results: list[ResultLine], out: Path, run: Path) -> dict[Path, list[ResultLine]]:
    """The log files, and what goes into each."""
    by_arm: dict[str, list[ResultLine]] = {}
    for result in results:
        by_arm.setdefault(result.arm, []).append(result)
    if out.suffix != ".eval":
        if out.suffix or out.is_file():
            raise InputError("should end in .eval, or be a folder", file=out)
        return {out / name: part for name, part in zip(_names(by_arm), by_arm.values(), strict=True)}
    if len(by_arm) > 1:
        raise InputError(
            f"a log is about one arm, and there are {len(by_arm)} ({_arms(results)}); choose one with --arm,"
            " or give a folder as --out",
            file=run,
        )
    return {out: results}


def _names(arms: Iterable[str]) -> list[str]:
    """A file's name for each arm, of letters and digits, no two the same."""
    names: list[str] = []
    for arm in arms:
        name = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in arm).split())[:100]
        names.append(f"{name or 'arm'}-{len(names) + 1}" if name in ("", *names) else name)
    return [f"{name}.eval" for name in names]


def _check_place(out: Path, files: Iterable[Path], force: bool) -> None:
    """InputError where something is in the way, or where there is no place for it."""
    if not out.parent.is_dir():
        raise InputError("there is no such folder; make it, or give another --out", file=out.parent)
    for file in files:
        if file.is_dir():
            raise InputError("is a folder; give a file as --out", file=file)
        if file.exists() and not force:
            raise InputError("is already there; choose another --out, or use --force", file=file)
