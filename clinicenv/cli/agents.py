"""`clinicenv agents`: who can play a role."""

import json

import click

from clinicenv.agents.cards import ROLES, cards, load_card
from clinicenv.files import InputError


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
        click.echo(json.dumps([c.model_dump(mode="json", exclude={"system"}) for c in found], indent=1))
        return 0
    for card in found:
        click.echo(f"{card.role:<12} {card.name:<12} {card.kind:<9} {card.description}")
    click.echo("\nA model plays any role as openai:NAME or openai:NAME@URL, with the role's `chat` card.")
    return 0


@agents.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="Where several roles have a card of this name.")
def show(name: str, role: str | None) -> int:
    """Show one card, with the prompt of a model card."""
    roles = [role] if role else [r for r in ROLES if name in cards(r)]
    if not roles:
        known = sorted({n for r in ROLES for n in cards(r)})
        raise InputError(f"no card is called `{name}`; there are: {', '.join(known)}")
    for r in roles:
        card = load_card(r, name)
        click.echo(f"{card.role} · {card.name} · {card.kind}\n{card.description}")
        for field, value in card.model_dump(
            exclude={"role", "name", "kind", "description", "system"}, exclude_defaults=True
        ).items():
            click.echo(f"{field}: {value}")
        if card.system:
            click.echo(f"\n{card.system.rstrip()}")
        click.echo()
    return 0
