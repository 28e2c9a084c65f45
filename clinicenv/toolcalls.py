"""Actions as tool calls: the tools that a model is offered, and the actions in its calls.

What a model writes beside its calls is speech, or keyword lines, which `protocol` reads. A call that cannot
be read is an `Unparsed` whose text shows the call and whose reason says how to do it right.
"""

import json
import re
from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from clinicenv import protocol
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
    Result,
    Say,
    Unparsed,
)
from clinicenv.files import printable
from clinicenv.protocol import BESIDE, EMPTY, MAX_DIAGNOSES, MAX_ITEM, SECOND

Message: TypeAlias = dict[str, Any]

NOTED = "Noted."
NOT_DONE = "Not carried out."
REPORTED = "Reported beside another item."
"""For a call all of whose items show what another item of the turn has shown."""

MAX_ARGUMENTS = 100_000
"""The longest arguments that are read, in characters."""
_SHOWN = 500
_SHOWN_NAME = 64
_ID = re.compile(r"[!-~]{1,100}")
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


class Call(Protocol):
    """A tool call as it came; `arguments` is JSON text, or data where a server decodes it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def arguments(self) -> str | Mapping[str, Any]: ...


def _tool(name: str, description: str, **fields: dict[str, Any]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _list(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


_TEXT: dict[str, Any] = {"type": "string"}
_TOOLS: dict[type, dict[str, Any]] = {
    Examine: _tool("examine", "Examine the patient.", items=_list("e.g. abdomen, calves")),
    OrderTests: _tool("order_tests", "Order tests.", items=_list("e.g. troponin, ECG")),
    RequestImage: _tool("request_image", "Ask for images.", items=_list("e.g. chest x-ray")),
    Diagnose: _tool(
        "diagnose",
        "Your ranked diagnoses, and a plan in any of its fields (else empty); this ends the consultation.",
        differential=_list(f"1 to {MAX_DIAGNOSES}, most likely first"),
        plan=_TEXT,
        **dict.fromkeys(PLAN_FIELDS, _TEXT),
    ),
    Answer: _tool(
        "answer",
        "Your answer; this ends the consultation.",
        text={**_TEXT, "description": "an option's letter, or words"},
    ),
    Leave: _tool("leave", "End the conversation.", text={**_TEXT, "description": "why; may be empty"}),
}
_KINDS: dict[str, type] = {tool["function"]["name"]: kind for kind, tool in _TOOLS.items()}
_EXAMPLES = {
    "examine": '{"items": ["abdomen", "calves"]}',
    "order_tests": '{"items": ["troponin", "ECG"]}',
    "request_image": '{"items": ["chest x-ray"]}',
    "diagnose": '{"differential": ["most likely", "next"], "plan": "words"}',
    "answer": '{"text": "words"}',
    "leave": '{"text": ""}',
}


def tools(legal: Collection[type]) -> tuple[dict[str, Any], ...]:
    """The function tools for the action classes in `legal`, in a fixed order; speech needs none.

    In every schema all fields are required and no others allowed, as strict servers want it.
    """
    return tuple(tool for kind, tool in _TOOLS.items() if kind in legal)


def usage(legal: Collection[type]) -> str:
    """How to act by tool calls, for the system message; the tools describe themselves."""
    names = [name for name, kind in _KINDS.items() if kind in legal]
    ends = [name for name in names if issubclass(_KINDS[name], FINAL)]
    parts = ["What you write is what you say."] if Say in legal else []
    if names:
        parts.append("All else you do by calling tools, several in one reply if you like.")
    if ends:
        parts.append(f"To end, call {' or '.join(ends)}, with no order beside it.")
    return " ".join(parts)


# Reading


class _Unreadable(ValueError):
    """Why a call is no action."""


def read(calls: Sequence[Call], text: str, legal: Collection[type]) -> list[Action]:
    """The actions in a reply, at least one, a final one last. Never raises.

    `text` is read by `protocol.parse`. What it repeats of the calls counts once, and where both hold a final
    action, the first call's counts.
    """
    called = [_action(call, legal) for call in calls]
    written = [a for a in protocol.parse(_unicode(text), legal) if not called or a != Unparsed("", EMPTY)]
    finals = [a for a in (*called, *written) if isinstance(a, FINAL)]
    final = finals[0] if finals else None
    shown = [_shown(call) for call in calls]
    acts: list[Action] = []
    asked = {(type(a), item.casefold()) for a in called if isinstance(a, ORDERS) for item in a.items}
    ended = [a for a in called if isinstance(a, FINAL)]
    for action in written:
        left = _not_called(action, asked, ended)
        if left is not None:
            acts += _placed(left, protocol.render([left]), final)
    for action, call in zip(called, shown, strict=True):
        acts += _placed(action, call, final)
    return [*acts, _whole(final, finals)] if final else acts


def _placed(action: Action, text: str, final: Action | None) -> list[Action]:
    """The action, or why it is not taken beside the final one, which has its place at the end."""
    if action is final:
        return []
    if final and isinstance(action, ORDERS):
        return [Unparsed(text, BESIDE)]
    if isinstance(action, FINAL):
        return [Unparsed(text, SECOND)]
    return [action]


def _not_called(action: Action, asked: set[tuple[type, str]], ended: Sequence[Action]) -> Action | None:
    """What a written action adds to the calls' items and final actions; None where they say it all."""
    if isinstance(action, ORDERS):
        items = tuple(item for item in action.items if (type(action), item.casefold()) not in asked)
        if len(items) < len(action.items):
            return type(action)(items) if items else None
    if isinstance(action, FINAL) and any(_same(action, other) for other in ended):
        return None
    return action


def _same(one: Action, other: Action) -> bool:
    """Whether two final actions of one kind say the same, plans apart."""
    if isinstance(one, Diagnose) and isinstance(other, Diagnose):
        return [d.casefold() for d in one.differential] == [d.casefold() for d in other.differential]
    if isinstance(one, Answer) and isinstance(other, Answer):
        return one.text.casefold() == other.text.casefold()
    return isinstance(one, Leave) and isinstance(other, Leave)


def _whole(final: Action, finals: Sequence[Action]) -> Action:
    """The final action; a diagnosis without a plan gets the one that the same diagnosis has elsewhere."""
    if isinstance(final, Diagnose) and not final.plan:
        same = (f.plan for f in finals if isinstance(f, Diagnose) and _same(f, final))
        return Diagnose(final.differential, next((plan for plan in same if plan), Plan()))
    return final


def _action(call: Call, legal: Collection[type]) -> Action:
    """The action of a call, or why there is none."""
    try:
        kind = _KINDS.get(str(call.name))
        if kind not in legal:
            raise _Unreadable(_not_possible(str(call.name), legal))
        return _built(str(call.name), _arguments(call))
    except _Unreadable as e:
        return Unparsed(_shown(call), str(e))


def _not_possible(name: str, legal: Collection[type]) -> str:
    may = [f"call {' or '.join(names)}"] if (names := [n for n, k in _KINDS.items() if k in legal]) else []
    may += ["write what you say"] if Say in legal else []
    what = f"{name} is not possible now" if name in _KINDS else f"There is no tool `{_clipped(name, 64)}`"
    return f"{what}; you may {', or '.join(may) or 'do nothing'}."


def _arguments(call: Call) -> Mapping[str, Any]:
    given: Any = call.arguments
    if isinstance(given, str):
        if len(given) > MAX_ARGUMENTS:
            raise _Unreadable(f"The arguments are over {MAX_ARGUMENTS} characters: {_form(call.name)}.")
        given = _json(given) if given.strip() else {}
    if not isinstance(given, Mapping):
        raise _Unreadable(f"The arguments are no JSON object: {_form(call.name)}.")
    return given


def _json(text: str) -> Any:
    """The data in a JSON text; None where it cannot be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _form(name: str) -> str:
    return f"call {name} with {_EXAMPLES[name]}"


def _built(name: str, given: Mapping[str, Any]) -> Action:
    if name == "diagnose":
        diagnoses = _items(name, given, "differential", MAX_DIAGNOSES)
        plan = {field: _words(name, given, field) for field in PLAN_FIELDS}
        return Diagnose(diagnoses, Plan(text=_words(name, given, "plan"), **plan))
    if name == "answer":
        if answer := _words(name, given, "text"):
            return Answer(answer)
        raise _Unreadable(f"`text` is missing or empty: {_form(name)}.")
    if name == "leave":
        return Leave(_words(name, given, "text"))
    items = _items(name, given, "items", MAX_ITEMS)
    if name == "order_tests":
        return OrderTests(items)
    return Examine(items) if name == "examine" else RequestImage(items)


def _items(name: str, given: Mapping[str, Any], field: str, most: int) -> tuple[str, ...]:
    """A list of short names; text is split at its semicolons, or read as the JSON list that it is."""
    listed = given.get(field)
    if isinstance(listed, str):
        inner = _json(listed) if listed.lstrip().startswith("[") else None
        listed = inner if isinstance(inner, list) else [listed]
    if not isinstance(listed, (list, tuple)) or not all(isinstance(item, str) for item in listed):
        raise _Unreadable(f"`{field}` is missing or no list of names: {_form(name)}.")
    parts = [" ".join(_unicode(part).split()) for item in listed for part in item.split(";")]
    items = tuple(part for part in parts if any(c.isalnum() for c in part))
    if not items:
        raise _Unreadable(f"`{field}` is empty: {_form(name)}.")
    if any(len(item) > MAX_ITEM for item in items):
        raise _Unreadable(f"An item of `{field}` is over {MAX_ITEM} characters: write short names.")
    if len(items) > most:
        raise _Unreadable(f"`{field}` has {len(items)} items: give {most} at most, the best first.")
    return items


def _words(name: str, given: Mapping[str, Any], field: str) -> str:
    """A text, or a list of lines; empty where there is none."""
    value = given.get(field)
    if value is None:
        return ""
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        raise _Unreadable(f"`{field}` is no text: {_form(name)}.")
    return _unicode("\n".join(lines)).strip()


def _unicode(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can name and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _shown(call: Call) -> str:
    """The call as a person reads it: one line of bounded length."""
    given = call.arguments
    if not isinstance(given, str):
        given = _dumped(given)
    return f"{_clipped(str(call.name), _SHOWN_NAME)}({_clipped(given, _SHOWN)})"


def _clipped(text: str, most: int) -> str:
    text = printable(_unicode(text[: most * 2]))
    return text if len(text) <= most else f"{text[:most]}…"


def _dumped(data: Any) -> str:
    try:
        return json.dumps(data, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "{}"


def call_of(action: Action) -> tuple[str, dict[str, Any]]:
    """The tool's name and the arguments that `read` makes this action of; `aside` is not part of it.

    Raises IllegalAction for an action without a tool, such as speech.
    """
    match action:
        case Examine(items) | OrderTests(items) | RequestImage(items):
            return action.type, {"items": list(items)}
        case Diagnose(differential, plan):
            filled = {name: value for name in PLAN_FIELDS if (value := getattr(plan, name))}
            text = {"plan": plan.text} if plan.text else {}
            return action.type, {"differential": list(differential), **text, **filled}
        case Answer(text) | Leave(text):
            return action.type, {"text": text}
    raise IllegalAction(f"{type(action).__name__} has no tool")


# The history


def assistant(raw: str | None, calls: Sequence[Call]) -> Message:
    """What a model replied, as the message that stands for it in the history.

    A name or arguments that a server would refuse (no name of a function, no JSON object) are mended, so
    that one bad call does not end the consultation; all else comes back as the model wrote it. With calls,
    `answers` has to follow at once.
    """
    message: Message = {"role": "assistant", "content": _unicode(raw or "").strip()}
    if calls:
        message["tool_calls"] = [
            {
                "id": id,
                "type": "function",
                "function": {"name": _sendable(call.name), "arguments": _sent(call)},
            }
            for id, call in zip(ids(calls), calls, strict=True)
        ]
    return message


def answers(
    calls: Sequence[Call], acts: Sequence[Action], results: Sequence[Result] | None = None
) -> tuple[list[Message], list[Result]]:
    """One `tool` message for each call, and the results that belong to none of them.

    Args:
        calls: the calls of a reply.
        acts: what `read` made of that reply.
        results: of that turn's `Report`, in its order; `item` is the name as the doctor asked. None where the
            reply was not carried out, because it is asked for again.

    A call's message has the results of its items, or why it could not be read, or `NOTED`. The results that
    are left over were ordered in text; they go into the next user message, as does the patient's reply.
    """
    reasons: dict[str, deque[str]] = defaultdict(deque)
    for act in acts:
        if isinstance(act, Unparsed):
            reasons[act.text].append(act.reason)
    done = [_outcome(call, reasons) for call in calls]
    own, rest = _shared(done, results or ())
    none = NOT_DONE if results is None else REPORTED if results else protocol.render_results(Report(()))
    messages: list[Message] = []
    for id, outcome, found in zip(ids(calls), done, own, strict=True):
        if isinstance(outcome, str):
            content = outcome
        elif isinstance(outcome, ORDERS):
            content = protocol.render_results(Report(tuple(found))) if found else none
        else:
            content = NOTED
        messages.append({"role": "tool", "tool_call_id": id, "content": content})
    return messages, rest


def _outcome(call: Call, reasons: dict[str, "deque[str]"]) -> Action | str:
    """The action of a call that was taken, or the reason why it was not."""
    if why := reasons.get(_shown(call)):
        return why.popleft()
    return _action(call, tuple(_TOOLS))


_KIND_OF_RESULT: dict[type, str] = {Examine: "exam", OrderTests: "test", RequestImage: "image"}


def _shared(
    done: Sequence[Action | str], results: Sequence[Result]
) -> tuple[list[list[Result]], list[Result]]:
    """Each call's results in the order of its items, and the rest.

    An item takes the result of its name and kind; failing that, of its name alone (an ECG that was asked for
    as an examination is a test). It has none where another item showed the same.
    """
    wanted = [
        (n, item, type(act)) for n, act in enumerate(done) if isinstance(act, ORDERS) for item in act.items
    ]
    waiting: dict[tuple[str, str], deque[Result]] = defaultdict(deque)
    for result in results:
        waiting[result.item, result.kind].append(result)
    found: dict[int, Result] = {}
    for exact in (True, False):
        for k, (_, item, order) in enumerate(wanted):
            kinds = [_KIND_OF_RESULT[order]] if exact else _KIND_OF_RESULT.values()
            pool = next((waiting[item, kind] for kind in kinds if waiting.get((item, kind))), None)
            if k not in found and pool:
                found[k] = pool.popleft()
    own: list[list[Result]] = [[] for _ in done]
    for k, result in sorted(found.items()):
        own[wanted[k][0]].append(result)
    left = {id(result) for pool in waiting.values() for result in pool}
    return own, [result for result in results if id(result) in left]


def ids(calls: Sequence[Call]) -> list[str]:
    """The ids under which `assistant` and `answers` name the calls: those that they came with, but for one
    that is there twice, or that no server would give."""
    found: dict[str, None] = {}
    for n, call in enumerate(calls):
        id = str(call.id or "")
        if not _ID.fullmatch(id) or id in found:
            id = f"call_{n}_of_{len(calls)}"
            while id in found:
                id += "_"
        found[id] = None
    return list(found)


def _sendable(name: str) -> str:
    return _NO_NAME.sub("_", str(name))[:_SHOWN_NAME] or "unnamed"


def _sent(call: Call) -> str:
    given = call.arguments
    if not isinstance(given, str):
        return _dumped(given) if isinstance(given, Mapping) else "{}"
    if len(given) <= MAX_ARGUMENTS and isinstance(_json(given), dict):
        return _unicode(given)
    return json.dumps({"unreadable": _clipped(given, _SHOWN)}, ensure_ascii=False) if given.strip() else "{}"
