"""Free-form JSON fields: their names for people, ids made of names, and the texts at their ends."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

Leaf = tuple[tuple[str, ...], str]
"""The keys that lead to a text, and the text."""


def human(key: str) -> str:
    """`Skin_Biopsy` -> `Skin biopsy`; words in capitals stay as they are."""
    parts = key.replace("_", " ").split()
    return " ".join(w if i == 0 or _cased(w) else w.lower() for i, w in enumerate(parts)) or "unnamed"


def _cased(word: str) -> bool:
    return len(word) == 1 or any(c.isupper() or c.isdigit() for c in word[1:])


def simple(key: str) -> str:
    """The name in lower case with single blanks, for comparing."""
    return " ".join(re.findall(r"[^\W_]+", key.casefold()))


class Ids:
    """Gives each name an id that no other has."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last: dict[str, int] = {}

    def new(self, name: str) -> str:
        folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9]+", "_", folded).strip("_")[:60].strip("_") or "item"
        found, n = base, self._last.get(base, 1)
        while found in self._used:
            n += 1
            found = f"{base}_{n}"
        self._used.add(found)
        self._last[base] = n
        return found


def text_of(value: Any) -> str:
    """A leaf as text: texts with plain whitespace, numbers and truth values as a reader would write them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every text below a value with the keys that lead to it; a list of texts is one text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        for inner in value:
            yield from leaves(inner, path)
    elif isinstance(value, list):
        if texts := [t for v in value if v is not None and (t := text_of(v))]:
            yield path, "; ".join(texts)
    elif value is not None and (text := text_of(value)):
        yield path, text


def empties(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What `leaves` passes over: null, empty texts, lists and objects, with their keys."""
    if value is None or value in ({}, [], "") or (isinstance(value, str) and not value.strip()):
        yield path, value
    elif isinstance(value, (dict, list)):
        inner = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for key, part in inner:
            yield from empties(part, (*path, str(key)))
