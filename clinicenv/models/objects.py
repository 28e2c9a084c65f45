"""The JSON objects that a model writes, also in a code fence or between prose."""

import json
from collections.abc import Iterator
from typing import Any

MAX_TEXT = 100_000
"""The longest reply that is searched, in characters."""
_MAX_TRIES = 50
"""Braces at which an object is looked for."""


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, in order; what cannot be read is passed over."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    for _ in range(_MAX_TRIES):
        if start < 0:
            return
        try:
            found, end = decoder.raw_decode(text, start)
            yield found
        except (ValueError, RecursionError):
            end = start + 1
        start = text.find("{", end)
