"""Cutting a doctor's line: its sentences, the clauses of each, and which of these ask something."""

import re
from dataclasses import dataclass

from clinicenv.clinic.lexicon import find_concepts, normalise

_SENTENCE = re.compile(r"[^.?!;\n？]+[.?!;\n？]*")
_TITLES = re.compile(r"\b(?:Dr|St)\.|(?<=\d)\.(?=\d)")
_ADDRESS = re.compile(r"\b(?:Mr|Mrs|Ms|Miss)\b\.?\s*(?=[A-Z])")
"""What stands before a name: "Ms" is no illness."""
_SPELT = re.compile(r"\b(?:[A-Z] ){1,5}[A-Z]s?\b")
"""Letters read out one by one: "C V A"."""

_SUBJECT = (
    r"(?:you|your|he|his|she|her|it|its|they|their|the|that|this|these|those|there|any|anyone|anybody|anything"
    r"|somebody|someone|something|everyone|i|we|us)\b"
)
_AUXILIARY = (
    r"(?:do|does|did|is|are|was|were|have|has|had|can|could|will|would|may|shall|should)(?:n't| not)?"
)
_AFTER_WHAT = (
    r"(?:'s|'re|'d|'ve)?\s+(?:do|does|did|is|are|was|were|have|has|had|can|could|would|will|should|kind|sort"
    r"|type|about|colou?r|brings?|brought|makes?|seems?|happen\w*|other|else|exactly|time|day|dose|medic\w+"
    r"|long|often|much|many|bad|badly|old|far|severe|frequent\w*|quick\w*|big|heavy|high|part|side|leg|arm|one"
    r"|tablets|symptoms|work|might|worries|causes?|strength|size|hand|strong|soon|treat\w*)\b"
)
_ASKS = (
    rf"(?:(?:what|when|where|which|who|why|how|whereabouts)(?:{_AFTER_WHAT}|'s\b|(?=\W*$))|{_AUXILIARY}\s+{_SUBJECT}"
    r"|any\b|since when|tell (?:me|us)|describe|talk me|walk me|take me through|run me through"
    r"|rate (?:the|your|it)|show me|point to"
    r"|(?:i'd|i would|i'll|i need to|i want to|i have to|let me|i'm going to|i am going to)\s+"
    r"(?:like to |just )*(?:ask|hear|know))"
)
_CLAUSE = re.compile(
    r"(?:\s*(?:,|:|--|\s-\s)\s*(?:(?:and|or|but|so|also|then|um|uh|yeah|ok|okay)\s*,?\s+)*"
    r"|\s+(?:and|or|but|so)\s+(?:(?:also|yeah)\s+)*)"
    rf"(?={_ASKS})",
    re.IGNORECASE,
)
_FILLER = (
    r"\W*(?:(?:and|so|but|or|ok|okay|well|now|then|right|alright|all right|also|please|first"
    r"|firstly|next|finally|um|uh|oh|ah|hello|hi|hey|yeah|great|good|fine|thanks|thank you"
    r"|i see|sure|yes|no|perfect|doctor|sir|madam|ma'am)\W+)*"
)
_OPENS = re.compile(_FILLER + _ASKS, re.IGNORECASE)
_QUESTION = re.compile(
    rf"{_FILLER}(?:what|when|where|which|who|whose|why|how|whereabouts|any\b|{_AUXILIARY}\s+\w)",
    re.IGNORECASE,
)
_WH = re.compile(r"\b(?:what|where|which|who|why|how|when)(?:\s+\w+)?$", re.IGNORECASE)
_COMMAND = re.compile(
    rf"{_FILLER}(?:can|could|would|will) you (?:just |please |kindly )*"
    r"(?:sit|hop|jump|get up|slip|stand|move|open|look|breathe|turn|lift|raise|squeeze|push|pull|roll|touch"
    r"|remove|take off|take a|stick|come|wait|pop|close)\b",
    re.IGNORECASE,
)
"""A request to do something is no question: "Could you open your mouth?"."""
_TAG_AT_MOST = 60
"""Characters at the end in which a tag is looked for: hostile punctuation must not take time."""
_TAG = re.compile(
    r"(?P<comma>\W*[,;:.-]\W*|\s+)(?:(?P<ok>ok|okay|all right|alright)"
    r"|(?:is|isn't|was|wasn't) (?:that|it|there|he|she)(?: right| correct| true)?"
    r"|(?:do|does|did|have|has|had|are|were)(?:n't)? (?:you|he|she|it|they|there)(?: say)?"
    r"|right|correct|yeah|yes|yep|huh|eh|hmm?|you said|am i right)\W*$",
    re.IGNORECASE,
)
_BARE_TAG = re.compile(
    r"\W*(?:ok|okay|all right|alright|right|correct|yeah|yes|really|is (?:that|it) so|sorry|pardon|hm+)\W*$",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(
    rf"{_FILLER}(?:i|i'm|i'll|we|we'll|let|let's|it's|that's|there's|if|so i)\b", re.IGNORECASE
)
_STATES = re.compile(
    rf"(?!{_FILLER}(?:what|when|where|which|who|whose|why|how|whereabouts|any\b|{_AUXILIARY}\s+\w))",
    re.IGNORECASE,
)
_OF_THE_PATIENT = re.compile(
    rf"{_FILLER}(?:you|your|he|his|she|her|they|their|any|no|nothing|never)\b", re.IGNORECASE
)


@dataclass(slots=True)
class Clause:
    """A piece of a sentence and its word stems."""

    text: str
    tokens: list[str]
    asks: bool
    breaks: tuple[int, ...] = ()
    """before which tokens there is a comma"""


@dataclass(slots=True)
class Sentence:
    """The clauses of a sentence; `question`: it ends in a question mark and is more than "okay?"."""

    text: str
    clauses: list[Clause]
    question: bool = False
    tagged: bool = False
    """it ends in "right?" or the like, which makes a question of what was a statement"""


def sentences(text: str, patient: frozenset[str] = frozenset()) -> list[Sentence]:
    """The sentences of a line, without those that have no word; `patient` are stems that read as "she"."""
    found = _sentences(_ADDRESS.sub("", text))
    if patient:
        for clause in (c for s in found for c in s.clauses):
            clause.tokens[:] = ["she" if t in patient else t for t in clause.tokens]
    return found


def _sentences(text: str) -> list[Sentence]:
    text = _TITLES.sub(lambda m: m[0][:-1], text)
    text = _SPELT.sub(lambda m: m[0].replace(" ", ""), text)
    return [s for piece in _SENTENCE.findall(text) if (s := _sentence(piece)).clauses]


def _sentence(text: str) -> Sentence:
    marked = text.rstrip().endswith(("?", "？"))
    if not marked or _BARE_TAG.match(text):
        clauses = _cut(text)
        for clause in clauses:
            clause.asks = not marked and bool(_OPENS.match(clause.text))
        return Sentence(text, clauses)
    tag = _TAG.search(text, max(0, len(text) - _TAG_AT_MOST))
    if tag and not _adds(tag, text):
        tag = None
    body = text[: tag.start()] if tag else text
    clauses = _cut(body) or _cut(text)
    if _COMMAND.match(body):
        return Sentence(text, clauses)
    if tag and tag["ok"] and not (_OF_THE_PATIENT.match(body) or _QUESTION.match(body)):
        return Sentence(text, clauses)  # "I will press here, okay?"
    for clause in clauses[:-1]:
        clause.asks = bool(_OPENS.match(clause.text)) or _only_names(clause.tokens)
    for clause in clauses[-1:]:
        clause.asks = True
        clause.text += tag[0].rstrip() if tag else ""
    return Sentence(text, clauses, question=True, tagged=bool(tag))


def _adds(tag: re.Match[str], text: str) -> bool:
    """Whether it is a tag, not the end of a question: "Are you all right?", "Hello, how are you?"."""
    if _WH.search(text[: tag.start()]):
        return False
    return bool(tag["comma"].strip() or (_ANNOUNCES if tag["ok"] else _STATES).match(text))


def _cut(text: str) -> list[Clause]:
    clauses = []
    for piece in _CLAUSE.split(text):
        tokens: list[str] = []
        breaks = []
        for part in piece.split(","):
            breaks.append(len(tokens))
            tokens += normalise(part)
        if tokens:
            clauses.append(Clause(piece.strip(), tokens, False, tuple(breaks[1:])))
    return clauses


def _only_names(tokens: list[str]) -> bool:
    """Whether a clause is a bare list, as in "No fever, cough, any rash?"."""
    named = {i for _, start, end in find_concepts(tokens) for i in range(start, end)}
    return all(i in named or t in ("no", "or", "and", "any", "like", "say") for i, t in enumerate(tokens))
