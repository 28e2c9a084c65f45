"""Dialogue acts: what a doctor's line does beside asking, and how its questions are put."""

import re
from collections.abc import Iterable, Iterator, Sequence

from clinicenv.clinic.lexicon import find_act_words, routing
from clinicenv.events import Probe

_OPEN_QUESTION = re.compile(
    r"\W*(?:(?:and|so|but|ok|okay|well|now|then|please|um|uh|can you|could you|would you)\W+)*"
    r"(?:(?:what|how)(?! (?:about|long|often|many|much|old|far|bad)\b)|why|tell|describe|talk|walk|explain"
    r"|take me|run me)\b",
    re.IGNORECASE,
)
_OPEN_INTENTS = frozenset({"opening", "tell_me_more", "anything_else"})


def find_acts(
    clauses: Sequence[tuple[str, list[str]]], asks: Sequence[bool], probes: Sequence[Probe]
) -> Iterator[str]:
    """The acts of one sentence: those whose words are said, and the form of each question.

    `clauses` are (text, word stems), `asks` says which of them ask, and `probes` what they ask for.
    """
    for (text, tokens), asking in zip(clauses, asks, strict=True):
        offer = asking and not {"i", "we", "me"}.isdisjoint(tokens)
        for act in find_act_words(tokens):
            told_only = act in routing("only_told") and not (offer and act in routing("offered"))
            mistaken = act == "hostile" and any(p.text == text and (p.concept or p.slot) for p in probes)
            if not mistaken and ((asking and not told_only) or (not asking and act != "leading")):
                yield act
        if asking:
            if tokens[0] == "no" and len(tokens) > 1:
                yield "leading"
            yield _form(text, tokens, probes)


def _form(text: str, tokens: list[str], probes: Iterable[Probe]) -> str:
    if _OPEN_QUESTION.match(text) or any(p.intent in _OPEN_INTENTS and p.text == text for p in probes):
        return "ask_open"
    return "ask_choice" if "or" in tokens and any(p.slot for p in probes) else "ask_closed"
