"""A thesaurus of diseases: which names mean the same one, and which disease is a kind of which.

`knowledge/disease_names.tsv` has a line for each: name, synonyms, abbreviations, kinds without a line of
their own (`name=abbreviation`), and the wider groups that it belongs to. It was written for this, from
general knowledge, without sight of a scenario's or a benchmark's answers; no code and no definition of a
nomenclature is in it.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from clinicenv.clinic.names import DROPPED, in_order

FILE = Path(__file__).resolve().parent / "knowledge" / "disease_names.tsv"

LONGEST = 9
"""Words of a name that is looked for inside a text."""

_FILLERS = DROPPED - {"acute"}
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9\u00c0-\u024f'\u2019-]*")
_SHORT = re.compile(r"[A-Z0-9][A-Za-z0-9]*(?:[-/][A-Za-z0-9]+)*")


class Mention(NamedTuple):
    """A disease that a text names: its number, and from which to which token."""

    disease: int
    start: int
    end: int


class Thesaurus:
    """All diseases by number."""

    def __init__(self, text: str) -> None:
        self.names: list[str] = []
        self.groups: list[tuple[int, ...]] = []
        self._by_words: dict[frozenset[str], int] = {}
        self._by_letters: dict[str, int] = {}
        wider: list[list[str]] = []
        for line in text.splitlines():
            name, synonyms, letters, kinds, groups = line.split("\t")
            number = self._add(name, _split(letters), wider, _split(groups))
            for synonym in _split(synonyms):
                self._by_words.setdefault(_key(synonym), number)
            for kind in _split(kinds):
                full, _, short = kind.partition("=")
                self._add(full, [short] if short else [], wider, [name])
        self.groups = [self._numbers(found, own) for own, found in enumerate(wider)]

    def _add(self, name: str, letters: list[str], wider: list[list[str]], groups: list[str]) -> int:
        """The number of a disease; one that stands on several lines belongs to the groups of all."""
        number = self._by_letters.get(name, self._by_words.get(_key(name)))
        if number is None:
            number = self._by_words[_key(name)] = len(self.names)
            self.names.append(name)
            wider.append([])
        wider[number] += groups
        for short in letters:
            self._by_letters.setdefault(short, number)
        return number

    def _numbers(self, names: list[str], own: int) -> tuple[int, ...]:
        found = (self._by_words.get(_key(name)) for name in names)
        return tuple(n for n in found if n is not None and n != own)

    def find(self, name: str) -> int | None:
        """The disease of a whole name or abbreviation."""
        key = _key(name)
        found = self._by_letters.get(name.strip())
        return found if found is not None else self._by_words.get(key, self._by_words.get(key - {"acute"}))

    def wider(self, disease: int) -> frozenset[int]:
        """All that a disease is a kind of, itself left out."""
        seen: set[int] = set()
        queue = list(self.groups[disease])
        while queue:
            if (n := queue.pop()) not in seen:
                seen.add(n)
                queue += self.groups[n]
        return frozenset(seen - {disease})

    def mentioned(self, text: str) -> list[Mention]:
        """The diseases that a text names, longest names first where they overlap, in the text's order."""
        tokens = _TOKEN.findall(text)
        kept = [n for n, token in enumerate(tokens) if not set(in_order(token)) <= _FILLERS]
        taken: set[int] = set()
        found: list[Mention] = []
        for size in range(min(LONGEST, len(kept)), 0, -1):
            for start in range(len(kept) - size + 1):
                places = kept[start : start + size]
                if taken.isdisjoint(places):
                    disease = self._named(tokens, places)
                    if disease is not None:
                        taken.update(places)
                        found.append(Mention(disease, places[0], places[-1] + 1))
        return sorted(found, key=lambda m: m.start)

    def _named(self, tokens: list[str], places: list[int]) -> int | None:
        if len(places) == 1 and _SHORT.fullmatch(token := tokens[places[0]]) and token in self._by_letters:
            return self._by_letters[token]
        words = [stem for place in places for stem in in_order(tokens[place])]
        key = frozenset(words) - _FILLERS
        return self._by_words.get(key) if key else None


def tokens_of(text: str) -> list[str]:
    """The tokens whose places mentions have."""
    return _TOKEN.findall(text)


def _split(cell: str) -> list[str]:
    return [part for p in cell.split(";") if (part := p.strip())]


def _key(name: str) -> frozenset[str]:
    every = frozenset(in_order(name))
    return (every - _FILLERS) or every


@cache
def thesaurus() -> Thesaurus:
    return Thesaurus(FILE.read_text(encoding="utf-8"))


def initials(names: Iterator[str] | list[str]) -> set[str]:
    """The abbreviations that the names' initials make, of three letters and more."""
    found = set()
    for name in names:
        words = [w for w in re.findall(r"[A-Za-z]+", name) if w.lower() not in DROPPED | {"and"}]
        if len(words) >= 3:
            found.add("".join(w[0] for w in words).upper())
    return found
