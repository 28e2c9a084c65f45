"""What all verbs print with."""

import json
from typing import Any

import click


def echo_json(data: Any) -> None:
    """One JSON document on stdout; ASCII, so that no text of a file or a model can steer a terminal."""
    click.echo(json.dumps(data, indent=1, allow_nan=False))
