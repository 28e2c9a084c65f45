"""What a model's reply holds besides the words it should: speakers' labels, the other side's lines."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from clinicenv.agents.asking import usage_of
from clinicenv.models.call import Message, Reply

DOCTORS = ("doctor", "physician", "clinician")


@lru_cache(maxsize=256)
def _label(names: tuple[str, ...]) -> re.Pattern[str]:
    either = "|".join(re.escape(name) for name in names if name)
    return re.compile(
        rf"^[ \t]*[*_]*(?:the )?(?:{either})[*_]*[ \t]*:[*_]*[ \t]*", re.IGNORECASE | re.MULTILINE
    )


def unlabelled(text: str, own: Sequence[str]) -> str:
    """The text without its speaker's label, bold or not, before it."""
    found = _label(tuple(own)).match(text := text.strip())
    return text[found.end() :].strip() if found else text


def cut_at_others(text: str, others: Sequence[str]) -> str:
    """The text up to the first line that speaks for somebody else: small models play both sides."""
    if ":" not in text:
        return text
    found = _label(tuple(others)).search(text)
    return text[: found.start()].rstrip() if found else text


def beside(replies: Sequence[Reply]) -> dict[str, Any]:
    """What `aside` keeps of the calls that led to an act: their thoughts and tokens, where there are any."""
    aside: dict[str, Any] = {}
    if reasoning := "\n".join(r.reasoning for r in replies if r.reasoning):
        aside["reasoning"] = reasoning
    if usage := usage_of(replies):
        aside["usage"] = usage
    return aside


def with_question(messages: list[Message], question: str) -> list[Message]:
    """The messages with a question at the end that is no part of the history; roles still alternate."""
    last = messages[-1]
    if last["role"] != "user":
        return [*messages, {"role": "user", "content": question}]
    said: Any = last["content"]
    parts = said if isinstance(said, list) else []  # with pictures
    said = [*parts, {"type": "text", "text": question}] if parts else f"{said}\n\n{question}"
    return [*messages[:-1], {"role": "user", "content": said}]
