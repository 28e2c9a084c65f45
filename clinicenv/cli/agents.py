"""`clinicenv agents`: who can play a role, and cards of one's own."""

import re
from pathlib import Path

import click

from clinicenv.agents.cards import ROLES, AgentCard, cards, load_card
from clinicenv.cli.output import echo_json
from clinicenv.files import InputError, load_model, printable, write_text

TEMPLATE = Path(__file__).with_name("card.yaml")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


@click.group()
def agents() -> None:
    """List, show, check and start agent cards."""


@agents.command("list")
@click.option("--role", type=click.Choice(ROLES), help="Of one role only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(role: str | None, as_json: bool) -> int:
    """List the bundled cards."""
    found = [load_card(r, name) for r in ([role] if role else ROLES) for name in cards(r)]
    if as_json:
        echo_json([c.model_dump(mode="json", exclude={"system"}) for c in found])
        return 0
    for card in found:
        click.echo(f"{card.role:<12} {card.name:<12} {card.kind:<9} {card.description}")
    click.echo(
        "\nA model plays any role as openai:NAME or openai:NAME@URL, with the role's `chat` card;"
        " CARD=MODEL plays it with another card, e.g. amie=openai:NAME."
    )
    return 0


@agents.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="Where several roles have a card of this name.")
def show(name: str, role: str | None) -> int:
    """Show one card by its name or path, with the prompts of a model card."""
    for card in _found(name, [role] if role else list(ROLES)):
        click.echo(f"{card.role} · {card.name} · {card.kind}\n{printable(card.description)}")
        hidden = {"role", "name", "kind", "description", "system", "steps"}
        for field, value in card.model_dump(exclude=hidden, exclude_defaults=True).items():
            click.echo(f"{field}: {printable(str(value))}")
        _echo_prompt(card.system or "")
        for n, step in enumerate(card.steps, 1):
            click.echo(f"step {n}: {step.name} ({step.output})")
            _echo_prompt(step.prompt)
        click.echo()
    return 0


def _echo_prompt(text: str) -> None:
    for line in text.splitlines():
        click.echo(f"  {printable(line)}")


def _found(name: str, roles: list[str]) -> list[AgentCard]:
    if name.endswith((".yaml", ".yml")):
        return [load_model(AgentCard, Path(name))[0]]
    found = [load_card(r, name) for r in roles if name in cards(r)]
    if not found:
        known = sorted({n for r in roles for n in cards(r)})
        raise InputError(f"no card is called `{name}`; there are: {', '.join(known)}, or give a card's path")
    return found


@agents.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def lint(paths: tuple[str, ...]) -> int:
    """Check cards: files, or folders with all that is in them.

    Prints one fault a line, as FILE:LINE: FIELD: WHAT; HOW TO MEND IT. Exit codes: 0 no fault, 2 faults, or a
    path that cannot be read.
    """
    from clinicenv.agents.lint import lint_card, same_names

    files = list(dict.fromkeys(file for path in paths for file in _files(Path(path))))
    found = [(file, fault) for file in files for fault in lint_card(file)] + same_names(files)
    for file, fault in sorted(found, key=lambda pair: (files.index(pair[0]), pair[1].line)):
        click.echo(fault.error(file))
    counts = ((len(files), "file"), (len(found), "fault"))
    click.echo(", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts), err=True)
    return 2 if found else 0


def _files(path: Path) -> list[Path]:
    """The card files that a path stands for; InputError where there is none."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file())
        if not files:
            raise InputError("no card (*.yaml) in this folder", file=path)
        return files
    try:
        path.open("rb").close()
    except (OSError, ValueError) as e:  # ValueError: a path with a NUL in it
        raise InputError(f"cannot be read: {getattr(e, 'strerror', None) or e}", file=path) from e
    return [path]


@agents.command()
@click.argument("id")
@click.option("--role", type=click.Choice(ROLES), default="doctor", show_default=True)
@click.option(
    "--out", "folder", type=click.Path(path_type=Path, file_okay=False), default=".", show_default=True
)
def new(id: str, role: str, folder: Path) -> int:
    """Start a card: write a commented one to FOLDER/ID.yaml, never over a file that is there."""
    if not _ID.fullmatch(id):
        raise InputError(
            f"`{id}` cannot be a card's name; use small letters, digits, - and _, e.g. `my-doctor`"
        )
    file = folder / f"{id}.yaml"
    if file.exists() or file.is_symlink():
        raise InputError("is already there; choose another name or folder", file=file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(file, template(id, role))
    except OSError as e:
        raise InputError(f"cannot be written: {e.strerror}", file=file) from e
    shown = printable(str(file))
    click.echo(f"{shown} written; change it, then: clinicenv agents lint {shown}")
    return 0


def template(id: str, role: str) -> str:
    """The commented card of this name and role; parts for other roles are left out."""
    common, *parts = re.split(r"^#==(\w+)==\n", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    own = dict(zip(parts[::2], parts[1::2], strict=True))[role]
    return (common + own).replace("==ID==", id).replace("==ROLE==", role)
