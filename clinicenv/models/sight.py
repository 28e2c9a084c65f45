"""Whether a model sees: proven with two pictures that only eyes can tell apart, never believed.

Servers of models without eyes may answer 200 to a picture, leave it out, and make up what it shows. So two
generated pictures go out with the same words, the same seed and temperature 0; the words tell nothing of what
the pictures show, and only a model that names the colours of both in the right order has proven that it sees.
"""

import base64
import re
import struct
import zlib
from dataclasses import dataclass, replace
from itertools import permutations

from clinicenv.draws import Draws, pick
from clinicenv.files import printable
from clinicenv.models.call import Kind, Model, ModelError, Reply, Request

COLOURS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 160, 0),
    "red": (255, 0, 0),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}
BANDS = 3
_ORDERS = tuple(permutations(COLOURS, BANDS))
BY_CHANCE = len(_ORDERS) * (len(_ORDERS) - 1)
"""One in so many: a blind model that knows that the pictures differ and guesses names both right. One that
says the same to both, as a blind model at temperature 0 does, never does."""

_SIDE, _BAND = 192, 64
"""Pixels: the width of a picture, and the height of a band."""
_QUESTION = (
    f"The picture has {BANDS} horizontal bands of different colours, each one of {', '.join(COLOURS)}. Which"
    f" colours are they, from top to bottom? Answer with the {BANDS} colours only, the top one first."
)
_TOKENS, MORE = 64, 2048
"""The limit of an answer, and the one for models that think before they answer."""
_NO_EYES: frozenset[Kind] = frozenset({"refused", "server", "bad_reply"})
"""How servers take a picture that their model cannot see; other errors are about something else."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Whether a model has proven that it sees, why that is said, and what it answered, as it wrote it."""

    proven: bool
    why: str
    answers: tuple[str, ...]


async def prove(model: Model, seed: int = 0) -> Sight:
    """Shows the model two pictures that follow from the seed, in two calls (more if it thinks at length).

    A server that refuses pictures has not proven sight. ModelError where the model could not be asked at all:
    no connection, no key, no answer in time.
    """
    answers: list[str] = []
    right = []
    for order in orders(seed):
        try:
            reply = await ask(model, _showing(picture(order), seed))
        except ModelError as e:
            if e.kind not in _NO_EYES:
                raise
            return Sight(False, f"it cannot be shown pictures: {e.cause}", tuple(answers))
        answers.append(reply.text)
        right.append(named(reply.text) == order)
    return Sight(all(right), _why(right, answers, seed), tuple(answers))


def _why(right: list[bool], answers: list[str], seed: int) -> str:
    if all(right):
        return f"it named the colours of both pictures; a blind guess does so once in {BY_CHANCE:,}"
    if len(set(answers)) == 1:
        return f"it says the same to two different pictures: {_quote(answers[0])}"
    n = right.index(False)
    return f"it was shown {', '.join(orders(seed)[n])}, top first, and said: {_quote(answers[n])}"


def _quote(text: str) -> str:
    return f"`{printable(text)[:80]}`"


async def ask(model: Model, request: Request) -> Reply:
    """The model's reply; where `max_tokens` left no room for one, that of a second call with `MORE`.

    Models that think first may spend a small limit on their thoughts.
    """
    try:
        return await model.complete(request)
    except ModelError as e:
        if e.kind != "bad_reply":
            raise
        return await model.complete(replace(request, settings={**request.settings, "max_tokens": MORE}))


def named(text: str) -> tuple[str, ...]:
    """The colours that an answer names, in its order; case and punctuation do not matter."""
    return tuple(word for word in re.findall(r"[a-z]+", text.lower()) if word in COLOURS)


def orders(seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The colours of the two pictures, top first; never the same."""
    draws = Draws(seed, 0, "sight")
    first = pick(_ORDERS, draws.number("sight", "picture", 1))
    others = [order for order in _ORDERS if order != first]
    return first, pick(others, draws.number("sight", "picture", 2))


def picture(order: tuple[str, ...]) -> bytes:
    """A PNG of horizontal bands in these colours.

    Written by hand, for a dozen lines are cheaper than the core's only need of an imaging library. Format:
    "Portable Network Graphics (PNG) Specification", W3C/ISO/IEC 15948: 8 bits a sample, RGB, no filter.
    """
    rows = b"".join((b"\0" + bytes(COLOURS[colour]) * _SIDE) * _BAND for colour in order)
    header = struct.pack(">IIBBBBB", _SIDE, _BAND * len(order), 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _showing(png: bytes, seed: int) -> Request:
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    parts = [{"type": "text", "text": _QUESTION}, {"type": "image_url", "image_url": {"url": url}}]
    settings = {"max_tokens": _TOKENS, "temperature": 0, "seed": seed}
    return Request([{"role": "user", "content": parts}], settings)
