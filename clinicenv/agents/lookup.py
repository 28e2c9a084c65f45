"""How a doctor searches a library while it consults: lines or tool calls in, passages out.

What is found is data: it is shown with its file's name and cannot give directions.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from clinicenv.agents.library import MAX_QUERY, Library, Passage
from clinicenv.files import printable

MAX_LOOKUPS = 3
"""Look-ups that count in one reply."""

_LINE = re.compile(
    r"\s*+(?:(?:[-*•]|#{1,6}|\d{1,2}[.)])\s++)?+[*_`]{0,3}+"
    r"(?:(?ai:doctor|dr)\s*+[*_`]{0,3}+:[*_`]{0,3}+\s*+[*_`]{0,3}+)?+"
    r"(?ai:lookup)\b[*_`]{0,3}+(?P<source>[^:\n]{0,60}+):(?P<query>.*)"
)
_MARKS = " \t*_`\"'“”()[]<>"
_NO_DIRECTIONS = str.maketrans("[]", "()")


def plain(text: str) -> str:
    """Text of a file as a model may read it: square brackets are the core's, and nothing unprintable."""
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return text.translate(_NO_DIRECTIONS)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a doctor asks for, in its own words; the source may be wrong or empty."""

    source: str
    query: str


def usage(library: Library) -> str:
    """For the doctor's system message: how to search, and where."""
    first, *_ = library.sources
    return (
        f"LOOKUP {first}: words\n"
        f"    alone in a reply, up to {MAX_LOOKUPS} such lines: search before you go on, unheard by others;\n"
        f"    you can search: {', '.join(library.sources)}"
    )


def requests(text: str) -> tuple[Lookup, ...]:
    """The look-ups in a reply: lines that start with `LOOKUP source:`, bullets, bold marks and case apart.

    The first `MAX_LOOKUPS` count; none where no line is one. Linear in the length of the text.
    """
    found = []
    for line in text.splitlines():
        if read := _LINE.match(line):
            query = " ".join(read["query"].strip(_MARKS).split())
            found.append(Lookup(read["source"].strip(_MARKS), query[:MAX_QUERY]))
            if len(found) == MAX_LOOKUPS:
                break
    return tuple(found)


def tool(library: Library) -> dict[str, Any]:
    """The same as a function tool in the OpenAI format."""
    return {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Search reference texts before you go on; nobody else hears it.",
            "parameters": {
                "type": "object",
                "properties": {
                    "source": {"type": "string", "enum": list(library.sources)},
                    "query": {"type": "string", "description": "words to search for"},
                },
                "required": ["source", "query"],
                "additionalProperties": False,
            },
        },
    }


def request_of(name: str, arguments: str) -> Lookup | None:
    """The look-up in a tool call, empty where its arguments cannot be read; None for any other tool."""
    if name != "lookup":
        return None
    try:
        data = json.loads(arguments)
    except (ValueError, RecursionError):
        data = None
    given = data if isinstance(data, dict) else {}
    source, query = (str(given.get(key) or "") for key in ("source", "query"))
    return Lookup(source.strip(_MARKS)[:60], " ".join(query.split())[:MAX_QUERY])


def look_up(library: Library, lookup: Lookup, n: int = 3) -> tuple[str, dict[str, Any]]:
    """What the doctor's model reads in answer, and what goes to `aside`. A wrong source is an answer too."""
    source = library.find(lookup.source)
    there_are = f"you can search: {', '.join(library.sources)}"
    if source is None:
        name = printable(lookup.source).translate(_NO_DIRECTIONS)
        return f"[There is no source called '{name}'; {there_are}.]", logged(lookup, ())
    if not lookup.query:
        return f"[A look-up needs words to search for; {there_are}.]", logged(lookup, ())
    passages = library.search(source, lookup.query, n)
    return shown(passages), logged(replace(lookup, source=source), passages)


def shown(passages: Sequence[Passage]) -> str:
    """Passages as the doctor's model reads them. Only the lines in square brackets are ours."""
    if not passages:
        return "[Nothing found; try other words.]"
    return "\n\n".join(f"[From {p.source}, {plain(p.file)}]\n{plain(p.text)}" for p in passages)


def logged(lookup: Lookup, passages: Sequence[Passage]) -> dict[str, Any]:
    """A look-up for `aside`: JSON data, with hashes in place of the texts."""
    found = [{"file": p.file, "sha256": p.hash, "score": round(p.score, 4)} for p in passages]
    return {"source": lookup.source, "query": lookup.query, "found": found}
