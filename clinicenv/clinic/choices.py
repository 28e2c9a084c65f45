"""Which option an answer to a question chooses (by its id, its text, or a leading yes or no), and if rightly.

`Yes` and `No` are read as words, never inside others (`Normal`, `Nodule`, `Non-contrast`); an answer that
names several options chooses none.
"""

import re
from collections.abc import Sequence
from typing import Literal

from clinicenv.clinic.names import same_diagnosis
from clinicenv.events import Chosen
from clinicenv.scenario import Option, Question

_INTRODUCED = (
    r"^\W*(?:(?:the\s+)?(?:(?:correct|right|best|final|my)\s+)?(?:option|answer|choice)\b\W*(?:is\b\W*)?)?"
)
_ID = re.compile(_INTRODUCED + r"([A-Za-z0-9]{1,8})(?P<rest>\W*$|\s*[).:,;\]].*|\s+[-–—]\s.*)", re.I | re.S)
_POLAR = re.compile(
    _INTRODUCED + r"(yes|no)\b(?![-'’]|\s+(?:doubt|question)\b|\s*(?:,|/|or|and)\s*(?:yes|no)\b)", re.I
)
_ALSO = re.compile(r"^[\W_]*(?:(?:or|and)\b\W*)?([A-Za-z0-9]{1,8})(?:\W*$|\s*[).,;/]|\s+(?:or|and)\b)")
"""What goes on with another id: `A, B`."""
_HEAD = re.compile(_INTRODUCED + r"(?P<head>.+?)(?:\s*[.;:(\n]\s|,\s|\s[-–—]\s|\.$)(?P<rest>.*)", re.I | re.S)
_DOUBTED = re.compile(
    r"^\W*(?:unlikely|improbable|excluded|not\b|no\W*$|less\b|or\b|vs\b|versus\b|and\b|if\b)", re.I
)


def option(options: Sequence[Option], text: str) -> Option | None:
    """The one option that the answer chooses, or None."""
    return (
        _by_text(options, text) or _by_id(options, text) or _by_head(options, text) or _by_word(options, text)
    )


def polar(text: str) -> Literal["yes", "no"] | None:
    """What an answer begins with, as a word of its own."""
    found = _POLAR.match(text)
    if not found:
        return None
    return "yes" if found[1].lower() == "yes" else "no"


def plain(text: str) -> str:
    """The text in lower case with single blanks, without punctuation around it: what options differ in."""
    return " ".join(text.casefold().split()).strip(" .,:;!?\"'()[]*")


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _by_text(options: Sequence[Option], text: str) -> Option | None:
    """As it is written, alone or after its id; then whatever the punctuation, if only one has the words."""
    same = [o for o in options if plain(text) == plain(o.text)]
    said = _words(text)
    same = same or [o for o in options if said and said in (_words(o.text), _words(f"{o.id} {o.text}"))]
    return same[0] if len(same) == 1 else None


def _by_id(options: Sequence[Option], text: str) -> Option | None:
    ids = {o.id.lower(): o for o in options}
    found = _ID.match(text)
    if not found or found[1].lower() not in ids:
        return None
    also = _ALSO.match(found["rest"])
    if also and any(o.id == also[1] for o in options if o.id.lower() != found[1].lower()):
        return None
    return ids[found[1].lower()]


def _by_head(options: Sequence[Option], text: str) -> Option | None:
    """By the words before the first comma or full stop, unless what follows takes them back."""
    found = _HEAD.match(text)
    if not found or _DOUBTED.match(found["rest"]):
        return None
    same = [o for o in options if plain(found["head"]) == plain(o.text)]
    return same[0] if len(same) == 1 else None


def _by_word(options: Sequence[Option], text: str) -> Option | None:
    said = polar(text)
    same = [o for o in options if said and plain(o.text) == said]
    return same[0] if len(same) == 1 else None


def marked(question: Question, answer: str | None) -> tuple[bool, Chosen]:
    """Whether an answer is right, and which option it chooses; None is no answer.

    Right is the right option, by id or text or by other words for the same, or one of the accepted texts.
    """
    meant = _meant(question.options, answer) if answer is not None else None
    offered = tuple(o.text for o in question.options)
    chosen = Chosen(question.pair or "", offered, meant.text if meant else "")
    if answer is None or meant:
        return bool(meant and meant.correct), chosen
    said = polar(answer)
    accepted = (same_diagnosis(answer, name) or said == name.strip().lower() for name in question.accept)
    return any(accepted), chosen


def _meant(options: Sequence[Option], text: str) -> Option | None:
    """The option that an answer means: the one that it chooses, else the one of the same name."""
    if found := option(options, text):
        return found
    same = [o for o in options if same_diagnosis(text, o.text)]
    return same[0] if len(same) == 1 else None
