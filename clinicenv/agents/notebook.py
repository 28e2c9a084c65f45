"""Notes that a doctor keeps from one consultation to the next (AgentClinic's notebook, arXiv 2405.07960).

After a consultation the doctor's model rewrites its notes, knowing its own diagnosis and the correct one.
They hold general lessons: a sentence that names a disease is struck out, by rule.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from clinicenv import protocol
from clinicenv.clinic.differential import diseases
from clinicenv.events import (
    Answer,
    Diagnose,
    DoorNote,
    Event,
    Leave,
    Notice,
    Report,
    Role,
    Say,
    Trajectory,
)
from clinicenv.files import InputError
from clinicenv.scenario import Diagnosis
from clinicenv.view import for_doctor

ONE_BY_ONE = (
    "With a notebook the consultations of a doctor are held one by one, in a fixed order: what it learns in"
    " one goes into the next, so their order is part of the result."
)
"""For whoever starts a run."""

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？])")
_WORD = re.compile(r"[^\W_]+")
_SMALL = frozenset({"a", "an", "and", "the", "of", "in", "on", "with", "by", "to", "due", "or", "acute"})
_NO_DIRECTIONS = str.maketrans("[]", "()")

_REWRITE = """\
The consultation below is over. You keep notes that you take into every consultation; rewrite them now.

Your notes so far:
{notes}

The consultation:
{talk}

What you answered: {given}
The correct diagnosis: {right}

Write the notes anew, {limit} characters at most. Keep what has proved useful, add what this consultation \
teaches, leave out what does not help. Your next patients have other diseases: write general lessons on how \
to ask, examine, choose tests and decide. Name no patient and no disease; sentences that name one are struck \
out. Reply with the notes alone."""


class Notebook:
    """The notes of one doctor, at most `limit` characters."""

    def __init__(self, limit: int, text: str = ""):
        self.limit = limit
        self.text = text

    def __repr__(self) -> str:
        return f"Notebook(limit={self.limit}, {len(self.text)} characters)"

    @property
    def shown(self) -> str:
        """For the doctor's system message; empty while there are no notes."""
        return (
            f"Your notes from earlier consultations, with other patients:\n{self.text}" if self.text else ""
        )

    def rewrite_prompt(self, trajectory: Trajectory, answer: Diagnosis | None) -> str:
        """What the doctor's model is asked after a consultation, as one user message.

        Args:
            trajectory: the consultation that is over; the model reads what the doctor saw of it.
            answer: the correct diagnosis, None where the scenario has none.
        """
        return _REWRITE.format(
            notes=self.text or "(none yet)",
            talk="\n".join(_talk(trajectory)),
            given=_given(trajectory) or "nothing",
            right=answer.name if answer else "not recorded",
            limit=self.limit,
        )

    def take(self, reply: str, trajectory: Trajectory, answer: Diagnosis | None) -> list[str]:
        """Keeps what the model wrote, cut to the limit at the end of a sentence.

        Sentences that name the correct diagnosis, one that the doctor gave, or a disease that the rule engine
        knows, in the words of the scenario, the doctor or the engine, are struck out and returned. Where
        nothing is left the notes stay as they were.
        """
        names = [*_names(answer), *(d.name for d in diseases()), *_differential(trajectory)]
        named = _Named(names)
        struck: list[str] = []
        lines: list[list[str]] = []
        for line in reply.translate(_NO_DIRECTIONS).splitlines():
            kept: list[str] = []
            for sentence in filter(None, _SENTENCE.split(line.strip())):
                (struck if named.in_text(sentence) else kept).append(sentence)
            lines.append(kept)
        self.text = _cut(lines, self.limit) or self.text
        return struck

    def to_data(self) -> dict[str, Any]:
        """The notes as JSON data; `from_data` reads them back."""
        return {"limit": self.limit, "text": self.text}

    @staticmethod
    def from_data(data: Any) -> "Notebook":
        """The notebook in JSON data; InputError where it is none."""
        match data:
            case {"limit": int(limit), "text": str(text)} if len(text) <= limit:
                return Notebook(limit, text)
        raise InputError("not the notes of a doctor: needs `limit` and a `text` that is no longer")


# The consultation in words


def _talk(trajectory: Trajectory) -> Iterator[str]:
    for event in (seen for n, e in enumerate(trajectory.events) if (seen := for_doctor(e, n))):
        if line := _line(event):
            yield line


def _line(event: Event) -> str:
    what: Any = event.what
    if isinstance(what, DoorNote):
        return what.text
    if isinstance(what, Notice):
        return f"[{what.text}]"
    if isinstance(what, Report):
        return protocol.render_results(what)
    if event.role is Role.DOCTOR:
        return f"You: {protocol.render([what])}"
    if isinstance(what, Say):
        return f"Patient: {what.text.translate(_NO_DIRECTIONS)}"
    return f"[The {event.role} leaves.]" if isinstance(what, Leave) else ""


def _given(trajectory: Trajectory) -> str:
    last = next((e.what for e in reversed(trajectory.events) if isinstance(e.what, Diagnose | Answer)), None)
    if isinstance(last, Answer):
        return last.text
    return "; ".join(last.differential) if last else ""


# What may not be named


def _names(answer: Diagnosis | None) -> Iterator[str]:
    if answer:
        yield from (answer.name, *answer.synonyms, *answer.abbreviations, *answer.subtypes)


def _differential(trajectory: Trajectory) -> Iterator[str]:
    for event in trajectory.events:
        if isinstance(event.what, Diagnose):
            yield from event.what.differential


class _Named:
    """Finds names in a text by their words, whatever their order, case, accents and number.

    Short names in capitals (`AS`, `MI`) count in capitals only; they may be words otherwise.
    """

    def __init__(self, names: Iterable[str]):
        self._short: set[str] = set()
        self._long: set[frozenset[str]] = set()
        for name in names:
            if name.isupper() and len(name) <= 4:
                self._short.add(name)
            else:
                words = _stems(name)
                self._long.add(words - _SMALL or words)
        self._long.discard(frozenset())

    def in_text(self, text: str) -> bool:
        words = _stems(text)
        return not self._short.isdisjoint(_WORD.findall(text)) or any(name <= words for name in self._long)


def _stems(text: str) -> frozenset[str]:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return frozenset(map(_stem, _WORD.findall(bare.casefold().replace("'s", "").replace("’s", ""))))


def _stem(word: str) -> str:
    """One spelling for American and British forms, singular and plural."""
    word = word.replace("ae", "e").replace("oe", "e")
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "sui" else word


def _cut(lines: Iterable[list[str]], limit: int) -> str:
    """The sentences, line by line, as many from the start as fit; a longer first one ends at a word."""
    text = ""
    for line in lines:
        between = "\n"
        for sentence in line:
            longer = f"{text}{between}{sentence}" if text else sentence
            if len(longer) > limit:
                return text or (sentence[:limit].rsplit(maxsplit=1) or [""])[0]
            text, between = longer, " "
    return text
