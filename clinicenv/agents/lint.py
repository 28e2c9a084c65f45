"""The linter of agent cards: everything that is wrong with a card, with its line and what to do."""

import math
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import jinja2
import yaml
from jinja2 import nodes

from clinicenv.agents import prompts
from clinicenv.agents.cards import AgentCard
from clinicenv.agents.cast import Cast
from clinicenv.consultation import Acted, Consultation, Turn
from clinicenv.events import Diagnose, Examine, Report, Role, Say
from clinicenv.files import (
    Document,
    Fault,
    FileFaults,
    InputError,
    did_you_mean,
    load_model,
    parse_yaml,
    printable,
    read_text,
)
from clinicenv.models import templates
from clinicenv.models.names import ModelName, checked_url
from clinicenv.scenario import Scenario, Task, select
from clinicenv.view import DoctorView, MeasurementView, PatientView

PER_TURN = ("turn", "turns_left")
"""What a step's template may name and a system message may not."""

_OURS = ("messages", "model", "n", "response_format", "stream", "tools", "tool_choice")
_NUMBERS: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "repetition_penalty": (0, 10),
}
_WHOLE = {"max_tokens": 1, "max_completion_tokens": 1, "top_k": -1, "seed": 0}
_SAMPLING = (*_NUMBERS, *_WHOLE, "reasoning_effort", "stop", "verbosity", "service_tier")
"""Parameters that most endpoints know. Another name passes, unless it looks like a slip of one of these."""


def lint_card(path: Path) -> list[Fault]:
    """All faults of a card's file, in order of line; what does not load is a fault too."""
    try:
        card, document = load_model(AgentCard, path)
    except FileFaults as e:
        return [f if f.field else _placed(f, path) for f in e.faults]
    except InputError as e:
        return [Fault(e.line or 1, "", e.what)]
    found = {fault for rule in _RULES for fault in rule(card, document)}
    return sorted(found, key=lambda f: (f.line, f.field, f.what))


def same_names(files: Iterable[Path]) -> list[tuple[Path, Fault]]:
    """Cards of one role that share a name with an earlier file of the list."""
    first: dict[tuple[str, str], Path] = {}
    found: list[tuple[Path, Fault]] = []
    for path in files:
        try:
            card, document = load_model(AgentCard, path)
        except InputError:
            continue  # `lint_card` says why it does not load
        if (other := first.setdefault((card.role, card.name), path)) != path:
            what = f"{other} is a {card.role} of this name too; rename one of them"
            found.append((path, Fault(document.line(("name",)), "name", what)))
    return found


def _placed(fault: Fault, path: Path) -> Fault:
    """A fault of the card as a whole at the line of the field that it speaks of."""
    document = parse_yaml(read_text(path), path)
    named = re.search(r"`(\w+)`", fault.what)
    field = named[1] if named else "steps" if "step" in fault.what else ""
    return Fault(document.line((field,)), field, fault.what) if field in document.data else fault


def _roles(card: AgentCard, document: Document) -> Iterator[Fault]:
    if card.rates and card.role != "patient":
        yield _fault(document, ("rates",), f"is for patients, not for a {card.role}; remove it")
    if card.kind == "human" and card.role != "doctor":
        yield _fault(document, ("kind",), "a person plays the doctor only; write scripted or model")


def _addresses(card: AgentCard, document: Document) -> Iterator[Fault]:
    for field, read in (("model", ModelName.parse), ("base_url", checked_url)):
        if (value := getattr(card, field)) is not None:
            try:
                read(value)
            except InputError as e:
                yield _fault(document, (field,), e.what)


def _folders(card: AgentCard, document: Document) -> Iterator[Fault]:
    named: dict[tuple[str, ...], str] = {("lookup", name): path for name, path in card.lookup.items()}
    if card.example is not None:
        named["example",] = card.example
    for where, folder in named.items():
        if "\0" in folder or not Path(folder).is_dir():
            yield _fault(
                document, where, f"there is no folder `{folder}`; correct the path, or make the folder"
            )


def _sampling(card: AgentCard, document: Document) -> Iterator[Fault]:
    for name, value in card.sampling.items():
        if what := _sampling_fault(name, value):
            yield _fault(document, ("sampling", name), what)


def _sampling_fault(name: str, value: float | str | bool) -> str:
    if name in _OURS:
        return "is set by clinicenv; remove it"
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        if not least <= number <= most:
            return f"should be a number from {least:g} to {most:g}, found {repr(value)[:60]}; change it"
    elif name in _WHOLE:
        if not number >= _WHOLE[name] or number % 1:
            return f"should be a whole number from {_WHOLE[name]} on, found {repr(value)[:60]}; change it"
    elif name not in _SAMPLING and (near := did_you_mean(name, list(_SAMPLING))):
        return f"is no parameter that endpoints know{near}; rename or remove it"
    return ""


def _templates(card: AgentCard, document: Document) -> Iterator[Fault]:
    if card.system:
        yield from _template(card, document, ("system",), card.system, ())
    if card.role == "doctor":
        for n, step in enumerate(card.steps):
            yield from _template(card, document, ("steps", n, "prompt"), step.prompt, PER_TURN)


_RULES = (_roles, _addresses, _folders, _sampling, _templates)


def _fault(document: Document, where: tuple[int | str, ...], what: str, below: int = 0) -> Fault:
    """A fault at a field, or on a line of the text block that the field holds (from 1; 0 for the field)."""
    field = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")
    line = document.line(where) + (below if below and _is_block(document.node, where) else 0)
    return Fault(line, field, printable(what))


def _is_block(node: yaml.Node | None, where: tuple[int | str, ...]) -> bool:
    """Whether the value at this place is a literal block, whose first line is below the field's."""
    for part in where:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
    return isinstance(node, yaml.ScalarNode) and node.style == "|"


# Templates


def _template(
    card: AgentCard, document: Document, where: tuple[int | str, ...], text: str, more: tuple[str, ...]
) -> Iterator[Fault]:
    """What is wrong with a template: its syntax, names that are not offered there, or how it renders."""
    try:
        templates.check(text)
    except InputError as e:
        yield _rendered(document, where, e)
        return
    offered = {name for data in samples(card.role) for name in data} | set(more)
    unknown = dict.fromkeys(_unknown(text, offered))
    for name, line in unknown:
        yield _fault(document, where, _not_offered(name, offered), line)
    if unknown:
        return
    for data in samples(card.role):
        turns = {"turn": 1, "turns_left": data.get("max_turns", 1) - 1} if more else {}
        try:
            templates.render(text, **data, **turns)
        except InputError as e:
            yield _rendered(document, where, e)
            return


def _unknown(text: str, offered: set[str]) -> Iterator[tuple[str, int]]:
    """The names in a template that it neither sets nor is offered, each with its line."""
    tree = jinja2.Environment(autoescape=True).parse(text)
    known = offered | jinja2.Environment(autoescape=True).globals.keys()
    own = {n.name for n in tree.find_all(nodes.Name) if n.ctx in ("store", "param")} | {"loop"}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name not in known | own:
            yield name.name, name.lineno


def _not_offered(name: str, offered: set[str]) -> str:
    if name in PER_TURN:
        return (
            f"`{name}` changes from turn to turn, and the system message does not; remove it: the newest"
            " message has the turn's number, and a step may name it"
        )
    near = did_you_mean(name, offered)
    return f"`{name}` is not offered here{near}; there are: {', '.join(sorted(offered))}"


def _rendered(document: Document, where: tuple[int | str, ...], error: InputError) -> Fault:
    what = error.what.removeprefix(f"prompt template, line {error.line}: ").removeprefix("prompt template: ")
    return _fault(document, where, what, error.line or 0)


# Data to render with


class _Sitter:
    """Sits where a model would, so that the view is what a model gets."""

    settings = {"kind": "model", "name": "lint"}  # noqa: RUF012 (an agent's settings are read only)

    def act(self, turn: Turn) -> Acted:
        raise AssertionError(f"the {turn.role} is never asked")


@cache
def samples(role: str) -> tuple[dict[str, Any], ...]:
    """What a template of the role gets, for one bundled case of each task."""
    bundled = select("all")
    cases = [next((s for s in bundled if s.task == task), None) for task in get_args(Task)]
    found = [data for case in cases if case for data in _sample(case, role)]
    assert found, f"no bundled case has a turn of the {role}"
    return tuple(found)


def _sample(case: Scenario, role: str) -> Iterator[dict[str, Any]]:
    consultation = Consultation(case, Cast(_Sitter(), _Sitter(), _Sitter(), _Sitter()))
    acts: dict[str, Acted] = {
        "patient": Say("Hello."),
        "measurement": Examine(("vital signs",)),
        "moderator": Diagnose(("a cold",)),
    }
    turn = consultation.pending
    assert turn
    if turn.role is Role.MEASUREMENT:  # the picture of a question, which comes unasked
        consultation.submit(Report(()))
        turn = consultation.pending
        assert turn
    if role in acts:
        if role == "moderator" and Diagnose not in turn.legal:
            return
        consultation.submit(acts[role])
        turn = consultation.pending
        assert turn
        assert turn.role is Role(role)
    for language in ("", "French"):
        yield {**_data(turn), "language": language}


def _data(turn: Turn) -> dict[str, Any]:
    view = turn.view
    if isinstance(view, DoctorView):
        return prompts.doctor_data(view, turn.legal)
    if isinstance(view, PatientView):
        return prompts.patient_data(view)
    if isinstance(view, MeasurementView):
        return prompts.measurement_data(view)
    return prompts.manner(view.profile)
