"""`clinicenv agents`: who can play a role."""

from pathlib import Path

import click

from clinicenv.agents.cards import ROLES, AgentCard, cards, load_card
from clinicenv.cli.output import echo_json
from clinicenv.files import InputError, load_model, printable


@click.group()
def agents() -> None:
    """List and show agent cards."""


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
    click.echo("\nA model plays any role as openai:NAME or openai:NAME@URL, with the role's `chat` card.")
    return 0


@agents.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="Where several roles have a card of this name.")
def show(name: str, role: str | None) -> int:
    """Show one card by its name or path, with the prompt of a model card."""
    for card in _found(name, [role] if role else list(ROLES)):
        click.echo(f"{card.role} · {card.name} · {card.kind}\n{printable(card.description)}")
        hidden = {"role", "name", "kind", "description", "system"}
        for field, value in card.model_dump(exclude=hidden, exclude_defaults=True).items():
            click.echo(f"{field}: {printable(str(value))}")
        for line in (card.system or "").splitlines():
            click.echo(f"  {printable(line)}")
        click.echo()
    return 0


def _found(name: str, roles: list[str]) -> list[AgentCard]:
    if name.endswith((".yaml", ".yml")):
        return [load_model(AgentCard, Path(name))[0]]
    found = [load_card(r, name) for r in roles if name in cards(r)]
    if not found:
        known = sorted({n for r in roles for n in cards(r)})
        raise InputError(f"no card is called `{name}`; there are: {', '.join(known)}, or give a card's path")
    return found
