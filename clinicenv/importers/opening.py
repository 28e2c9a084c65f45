"""The line with which a patient opens, made of the symptom that the case puts first."""

import re

_SPOKEN = re.compile(r"^(?:I|I'm|My|We|Our)\b")
_CLAUSE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|does|did|he|she|they|patient|mother|father|parents?|I|we|reports?|"
    r"denies|complains|presents|states|noticed|started)\b",
    re.I,
)
"""What no noun phrase has."""
_COUNTED = "rash|lesion|mass|lump|wound|seizure|episode|murmur|tremor|headache|cough|plaque|ulcer|eye|bruise"
_ARTICLE = re.compile(
    rf"^(?!(?:the|an?|my|his|her|no|both|left|right|multiple|several)\b)"
    rf"(?:(?!(?:of|in|on|at|and|or|with|for|to|from|by|over)\b)[\w-]+,?\s+){{0,5}}(?:{_COUNTED})\b(?!\w)",
    re.I,
)
"""A noun phrase whose head is counted and stands in the singular."""


def opening(said: str, *, parent: bool) -> str:
    """The opening line for a first fact in the patient's words.

    A noun phrase becomes `I've come because of ...`; a sentence in the first person stays; any other text is
    introduced as it stands.
    """
    if _SPOKEN.match(said):
        return said
    subject, short = ("We have", "We've") if parent else ("I have", "I've")
    if _CLAUSE.search(said) or len(re.findall(r"[.!?](?:\s|$)", said)) > 1:
        return said if said.startswith("My child") else f"{subject} come about this: {lowered(said)}"
    phrase = lowered(said)
    article = ""
    if _ARTICLE.match(phrase):
        article = "an " if phrase[0].lower() in "aeiou" else "a "
    return f"{short} come because of {article}{phrase}"


def lowered(text: str) -> str:
    """The text as it goes on within a sentence: `MRI`, `B12`, `I` and `Crohn's` keep their capital."""
    first = re.match(r"[^\s,;:.]+", text)
    word = first[0] if first else ""
    keeps = any(c.isupper() or c.isdigit() for c in word[1:]) or re.search(r"['’]s?$", word) or word == "I"
    return text if keeps else text[:1].lower() + text[1:]
