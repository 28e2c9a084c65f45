"""Actions as text: one parser, one renderer, each the other's inverse.

Prose is speech; a line that starts with a keyword and a colon is an action. `usage` tells a reader the lines.
Every pattern here is anchored and possessive, so that reading is linear in the length of the text.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from clinicenv.events import (
    FINAL,
    MAX_ITEMS,
    ORDERS,
    PLAN_FIELDS,
    Action,
    Answer,
    Diagnose,
    Examine,
    IllegalAction,
    Leave,
    OrderTests,
    Plan,
    Report,
    RequestImage,
    Say,
    Unparsed,
)

MAX_DIAGNOSES = 10
MAX_ITEM = 300
"""The longest item, in characters; more is an essay, not a name."""

EMPTY = "empty reply"
BESIDE = (
    "Orders are not carried out beside a diagnosis, an answer or a goodbye; send them in a reply before it."
)
SECOND = "Only the first of DIAGNOSE, ANSWER and LEAVE counts; write one of them in a reply."
PLAN_ALONE = "A plan belongs to a diagnosis; write `PLAN: ...` on the lines below `DIAGNOSE: ...`."

KINDS: dict[str, type] = {
    "SAY": Say,
    "EXAMINE": Examine,
    "ORDER": OrderTests,
    "IMAGE": RequestImage,
    "IMAGES": RequestImage,
    "DIAGNOSE": Diagnose,
    "PLAN": Diagnose,
    "ANSWER": Answer,
    "LEAVE": Leave,
}
_FORMS = {
    "SAY": "SAY: words",
    "EXAMINE": "EXAMINE: item; item",
    "ORDER": "ORDER: item; item",
    "IMAGE": "IMAGE: item; item",
    "DIAGNOSE": "DIAGNOSE: most likely; next",
    "PLAN": "PLAN: words",
    "ANSWER": "ANSWER: words",
    "LEAVE": "LEAVE: words",
}
_AGENTCLINIC = {
    "REQUEST TEST": "ORDER",
    "REQUEST TESTS": "ORDER",
    "REQUEST IMAGE": "IMAGES",
    "REQUEST IMAGES": "IMAGES",
    "DIAGNOSIS READY": "DIAGNOSE",
}

_START = r"\s*+(?:(?:[-*•]|#{1,6}|\d{1,2}[.)])\s++)?+(?P<open>[*_`]{0,3}+)"
_END = r"(?P<shut>[*_`]{0,3}+)\s*+:(?P<after>[*_`]{0,3}+)"
_WORDS = r"examine|order|image|diagnose|plan|answer|leave|say|request tests?|request images?|diagnosis ready"
_KEYWORD = re.compile(rf"{_START}(?P<word>(?ai:{_WORDS})){_END}")
_LABEL = re.compile(
    rf"{_START}(?ai:doctor|physician|clinician|dr\.?)(?: [A-Z][\w'’-]{{0,40}}+){{0,3}}+{_END}"
)
_FIELDS = r"escalation|investigations?|treatment|follow[-_ ]?up|safety[-_ ]?net(?:ting)?|explanation|text"
_FIELD = re.compile(rf"{_START}(?P<word>(?ai:{_FIELDS})){_END}")
_SHOUT = re.compile(rf"{_START}(?P<word>{_WORDS.upper()})(?![\w-])")
_ONLY_IMAGES = re.compile(r"[*_`]{0,3}+[.!]?\s*+\Z")
_MAYBE = re.compile(r"EXAMINE|ORDER|IMAGE|DIAGNOS|PLAN|ANSWER|LEAVE|SAY|REQUEST|```")
_FENCE = re.compile(r"\s*+```\w*+\s*+\Z")
_NUMBERED = re.compile(r"\s*+[*_`]{0,3}+\d{1,2}[.)][*_`]{0,3}+(?:\s|\Z)")
_LISTED = re.compile(r"\s*+(?:[-*•]|[*_`]{0,3}+\d{1,2}[.)][*_`]{0,3}+)(?:\s|\Z)")
_LETTER = re.compile(r"[^\W_]")


@dataclass(slots=True)
class _Block:
    """A run of prose (`word` is empty), or a keyword line with the list or plan that belongs to it."""

    word: str
    rest: str
    start: int
    lines: list[str] = field(default_factory=list)
    plan: int = -1
    """the number of the reply's line where a plan right below begins"""
    head: int = 0
    """how many of `lines` come before that plan"""

    def takes(self, line: str) -> bool:
        """Whether a line without a keyword belongs to this block."""
        if self.plan >= 0:
            return True
        if self.word == "PLAN":
            return bool(_LISTED.match(line) or _FIELD.match(line))
        if self.word == "DIAGNOSE" and _NUMBERED.match(line):
            return True
        listing = self.word in ("EXAMINE", "ORDER", "IMAGE", "IMAGES", "DIAGNOSE")
        return listing and not self.rest.strip() and bool(_LISTED.match(line))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def cut_plan(self) -> None:
        """Leave the plan to the diagnosis that counts."""
        del self.lines[self.head :]


def parse(text: str, legal: Collection[type]) -> list[Action]:
    """The actions in a reply, at least one, a final one last. Never raises.

    What cannot be read, or is not among the action classes in `legal`, is an `Unparsed` with a reason.
    """
    if ":" not in text and "\r" not in text and Say in legal and not _MAYBE.search(text):
        return [Say(text)] if text.strip() else [Unparsed("", EMPTY)]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    others: list[tuple[_Block, Action | None]] = []
    second: list[Action] = []
    final: Action | None = None
    plan: list[str] = []
    for block in _blocks(lines):
        action = _action(block, legal)
        is_final = isinstance(action, FINAL)
        if is_final and final is None:
            final = action
        plan_at = block.start if block.word == "PLAN" else block.plan
        owned = plan_at >= 0 and isinstance(final, Diagnose)
        if owned and block.plan >= 0:
            block.cut_plan()
            action = action if is_final else _action(block, legal)
        if is_final and action is not final:
            second.append(Unparsed(block.text, SECOND))
        elif not is_final and not (owned and block.word == "PLAN"):
            others.append((block, action))
        if owned:
            plan = [_read(lines[plan_at])[1], *lines[plan_at + 1 :]]
            break
    return _assemble(others, second, final, plan, legal)


def _assemble(
    others: list[tuple[_Block, Action | None]],
    second: list[Action],
    final: Action | None,
    plan: list[str],
    legal: Collection[type],
) -> list[Action]:
    """The actions in canonical order: speech merged, the final action last."""
    early: list[str] = []
    found: list[Action | str] = []
    bare = False  # whether the newest is a DIAGNOSE line that cannot be read and has no plan
    for block, action in others:
        before = found[-1] if found else None
        if not block.word:
            speech = "\n".join(block.lines).strip()
            if isinstance(before, str):
                found[-1] = f"{before}\n{speech}"
            else:
                found.append(speech)
        elif block.word == "PLAN" and isinstance(final, Diagnose):
            early += [block.rest, *block.lines[1:]]
        elif block.word == "PLAN" and bare and isinstance(before, Unparsed):
            found[-1] = Unparsed(f"{before.text}\n{block.text}", before.reason)
        elif final and isinstance(action, ORDERS):
            found.append(Unparsed(block.text, BESIDE))
        elif action:
            found.append(action)
        bare = block.word == "DIAGNOSE" and block.plan < 0
    actions = [_speech(each, legal) if isinstance(each, str) else each for each in found]
    actions += second
    if isinstance(final, Diagnose) and (early or plan):
        final = Diagnose(final.differential, _plan([*early, *plan]))
    if final:
        actions.append(final)
    return actions or [Unparsed("", EMPTY)]


def _blocks(lines: list[str]) -> list[_Block]:
    """The reply, cut where a keyword starts a line or prose follows an action."""
    blocks: list[_Block] = []
    for n, line in enumerate(lines):
        word, rest = _read(line)
        last = blocks[-1] if blocks else None
        if word == "FENCE" or (last and last.word and not line.strip()):
            continue
        if not word and last and last.word and last.takes(line):
            last.lines.append(line.strip())
        elif word == "PLAN" and last and last.word == "DIAGNOSE" and last.plan < 0:
            last.plan, last.head = n, len(last.lines)
            last.lines.append(line.strip())
        elif word in ("", "SAY"):
            if not last or last.word:
                if not rest.strip():
                    continue
                last = _Block("", "", n)
                blocks.append(last)
            last.lines.append(rest)
        else:
            blocks.append(_Block(word, rest, n, [line.strip()]))
    return blocks


def _read(line: str) -> tuple[str, str]:
    """The keyword of a line and what follows it; no keyword and the words for prose.

    `FENCE` is a code fence; a keyword in capitals without its colon comes as `?` and itself.
    """
    if ":" not in line and not _MAYBE.search(line):
        return "", line
    label = _LABEL.match(line)
    rest = line[label.end() :] if label else line
    if found := _KEYWORD.match(rest):
        word = found["word"].upper()
        opened = found["open"] or (label["open"] if label and not label["shut"] + label["after"] else "")
        words = _inside(opened, found["shut"], found["after"], rest[found.end() :])
        return _AGENTCLINIC.get(word, word), words.removeprefix(" ")
    if found := _SHOUT.match(rest):
        word = _AGENTCLINIC.get(found["word"], found["word"])
        if word == "IMAGES" and _ONLY_IMAGES.match(rest, found.end()):
            return word, ""
        return "?", word
    if label:
        return "", _inside(label["open"], label["shut"], label["after"], rest).lstrip()
    return ("FENCE", "") if _FENCE.match(line) else ("", line)


def _inside(opened: str, shut: str, after: str, rest: str) -> str:
    """What follows the colon, without the marks that were opened before it (bold, italic, code)."""
    if not opened:
        return after + rest
    bare = rest.rstrip()
    if not shut and not after and bare.endswith(opened[::-1]):
        return bare[: -len(opened)]
    return rest


def _action(block: _Block, legal: Collection[type]) -> Action | None:
    """The action of a keyword's block, or why there is none; None for prose."""
    word = block.word
    if not word:
        return None
    if word == "?":
        form = _FORMS["IMAGE" if block.rest == "IMAGES" else block.rest]
        return Unparsed(block.text, f"An action needs a colon after its keyword: write `{form}`.")
    if KINDS[word] not in legal:
        return Unparsed(block.text, _not_legal(word, legal))
    if word == "PLAN":
        return Unparsed(block.text, PLAN_ALONE)
    if word == "LEAVE":
        return Leave(block.rest)
    if word == "ANSWER":
        answer = _peeled(" ".join(block.rest.split()))
        return Answer(answer) if answer else Unparsed(block.text, "ANSWER is empty: write `ANSWER: words`.")
    return _with_items(block)


def _with_items(block: _Block) -> Action:
    word = "IMAGE" if block.word == "IMAGES" else block.word
    most = MAX_DIAGNOSES if word == "DIAGNOSE" else MAX_ITEMS
    listed = block.lines[1 : block.head] if block.plan >= 0 else block.lines[1:]
    items: list[str] = []
    for part in (";".join([block.rest, *listed]) if listed else block.rest).split(";"):
        item = " ".join(part.split())
        if len(item) > MAX_ITEM:
            why = f"An item of {word} is over {MAX_ITEM} characters: write short names, as `{_FORMS[word]}`."
            return Unparsed(block.text, why)
        item = _peeled(item, numbers=True)
        if _LETTER.search(item):
            items.append(item)
    if not items and block.word == "IMAGES":
        items = ["images"]
    if not items:
        return Unparsed(block.text, f"{word} is empty: write `{_FORMS[word]}`.")
    if len(items) > most:
        return Unparsed(block.text, f"{word} has {len(items)} items: write {most} at most, the best first.")
    if word == "DIAGNOSE":
        return Diagnose(tuple(items))
    if word == "ORDER":
        return OrderTests(tuple(items))
    return Examine(tuple(items)) if word == "EXAMINE" else RequestImage(tuple(items))


def _peeled(item: str, numbers: bool = False) -> str:
    """A short item without the marks around the whole of it, and without its bullet or number."""
    while item and not item[0].isalpha() and len(item) <= MAX_ITEM:
        mark = item[0]
        if mark in "*_`" and len(item) > 1 and item[-1] == mark and mark not in item.strip("*_`"):
            item = item[1:-1].strip()
        elif numbers and (found := _LISTED.match(item)):
            item = item[found.end() :]
        else:
            break
    return item


def _plan(lines: Iterable[str]) -> Plan:
    """A plan from its lines. A list right below a field's bare name belongs to that field."""
    fields: dict[str, list[str]] = {name: [] for name in ("text", *PLAN_FIELDS)}
    heading = "text"
    for line in lines:
        if _FENCE.match(line) or not line.strip():
            continue
        name, value = _plan_line(line)
        if name:
            fields[name].append(value)
            heading = "text" if value else name
        else:
            heading = heading if _LISTED.match(line) else "text"
            fields[heading].append(line)
    return Plan(**{name: "\n".join(value) for name, value in fields.items()})


def _plan_line(line: str) -> tuple[str, str]:
    """The field that a line of a plan names, and its value; no field for free text."""
    found = _FIELD.match(line) if ":" in line else None
    if not found:
        return "", line
    word = found["word"].lower()
    name = next(each for each in ("text", *PLAN_FIELDS) if each[:4] == word[:4])
    return name, _inside(found["open"], found["shut"], found["after"], line[found.end() :]).strip()


def _speech(text: str, legal: Collection[type]) -> Action:
    if Say in legal:
        return Say(text)
    return Unparsed(_speech_text(text, escape=True), _not_legal("SAY", legal))


def _not_legal(word: str, legal: Collection[type]) -> str:
    word = "IMAGE" if word == "IMAGES" else word
    forms = [f"`{form}`" for each, form in _FORMS.items() if each != "PLAN" and KINDS[each] in legal]
    return f"{word} is not possible now; you may write {' or '.join(forms) or 'nothing'}."


def render(actions: Iterable[Action]) -> str:
    """The text that `parse` reads as these actions; `aside` and ids are not part of it.

    Raises IllegalAction for an action that has no text form, and for a second final action.
    """
    out: list[str] = []
    second: list[str] = []
    final: Action | None = None
    before: Action | None = None
    for action in actions:
        if isinstance(action, FINAL):
            if final:
                raise IllegalAction("a reply has one of Diagnose, Answer and Leave at most")
            final = action
        elif isinstance(action, Unparsed) and action.reason == SECOND:
            second.append(action.text)  # it was read as second because the final action came first
        elif isinstance(action, Say):
            # below an unreadable line, speech might be taken for that line's list or plan
            out.append(_speech_text(action.text, escape=isinstance(before, Unparsed)))
        else:
            out.append(_line(action))
        before = action
    if final:
        out.append(_line(final))
    out += second
    if isinstance(final, Diagnose) and final.plan:
        out.append(_plan_text(final.plan))
    return "\n".join(out)


def _line(action: Action) -> str:
    match action:
        case Examine(items):
            return f"EXAMINE: {'; '.join(items)}"
        case OrderTests(items):
            return f"ORDER: {'; '.join(items)}"
        case RequestImage(items):
            return f"IMAGE: {'; '.join(items)}"
        case Diagnose(differential):
            return f"DIAGNOSE: {'; '.join(differential)}"
        case Answer(text):
            return f"ANSWER: {text}"
        case Leave(text):
            return f"LEAVE: {text}".rstrip()
        case Unparsed(text):
            return text
    raise IllegalAction(f"{type(action).__name__} has no text form")


def _speech_text(text: str, escape: bool) -> str:
    """Speech, with `SAY:` before the lines that would read as something else, or before the first."""
    if not escape and ":" not in text and not _MAYBE.search(text):
        return text
    first, *rest = (line if _read(line) == ("", line) else f"SAY: {line}" for line in text.split("\n"))
    if escape and not first.startswith("SAY: "):
        first = f"SAY: {first}"
    return "\n".join([first, *rest])


def _plan_text(plan: Plan) -> str:
    lines = [
        f"text: {line}" if _plan_line(line)[0] or _FENCE.match(line) else line
        for line in plan.text.splitlines()
    ]
    for name in PLAN_FIELDS:
        label = name.replace("_", "-")
        lines += [f"{label}: {line}" for line in getattr(plan, name).splitlines()]
    return "PLAN: " + "\n".join(lines)


def render_results(report: Report) -> str:
    """Results as the doctor reads them: one `name: values` for each, further lines indented."""
    if not report.results:
        return "No results."
    return "\n".join(
        f"{each.name or each.item}: " + "\n  ".join(line.strip() for line in each.text.strip().split("\n"))
        for each in report.results
    )


_USAGE: tuple[tuple[type, str], ...] = (
    (Examine, "EXAMINE: abdomen; calves\n    examine the patient"),
    (OrderTests, "ORDER: troponin; ECG\n    order tests"),
    (RequestImage, "IMAGE: chest x-ray\n    ask for images"),
    (
        Diagnose,
        f"DIAGNOSE: most likely; second; third\n"
        f"    your ranked diagnoses, 1 to {MAX_DIAGNOSES}; this ends the consultation\n"
        "PLAN: words\n"
        "    on the lines below DIAGNOSE, last; a line of the plan may start with\n"
        f"    {', '.join(name.replace('_', '-') + ':' for name in PLAN_FIELDS)}",
    ),
    (Answer, "ANSWER: words or an option's letter\n    your answer; this ends the consultation"),
    (Leave, "LEAVE:\n    end the conversation"),
    (Say, "SAY: words\n    only for speech that would look like one of these lines"),
)


def usage(legal: Collection[type]) -> str:
    """What a person or a model may write now: the lines for the action classes in `legal`, and no others."""
    start = "What you write is what you say. " if Say in legal else ""
    start += "A line that starts with one of these words and a colon is an action; `;` goes between items:"
    return "\n".join([start, *(lines for kind, lines in _USAGE if kind in legal)])
