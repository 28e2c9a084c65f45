"""Prompt templates: Jinja in a sandbox, over plain data only."""

import traceback
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from clinicenv.files import InputError, printable

_PLAIN = (str, int, float, bool, type(None))
_FAULTS = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What a template that is wrong raises when it is rendered; anything else is our own fault."""

_sandbox = ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(template: str, **data: Any) -> str:
    """The template filled in, without blank space at its ends.

    `data` is strings, numbers, lists and dicts, so that no template reaches an object's methods; TypeError
    for anything else. InputError, with the template's line, where it is wrong or names what is not there.
    """
    for name, value in data.items():
        _check_plain(value, name)
    check(template)
    try:
        return _compiled(template).render(data).strip()
    except _FAULTS as e:
        frames = traceback.extract_tb(e.__traceback__)
        lines = [f.lineno for f in frames if f.filename == "<template>"]
        raise _fault(str(e) or type(e).__name__, lines[-1] if lines else None) from e


def check(template: str) -> None:
    """InputError, with the line, where the template cannot be read."""
    try:
        _compiled(template)
    except jinja2.TemplateSyntaxError as e:
        raise _fault(e.message or "cannot be read", e.lineno) from e


@lru_cache(maxsize=64)
def _compiled(template: str) -> jinja2.Template:
    return _sandbox.from_string(template)


def _fault(what: str, line: int | None) -> InputError:
    where = f", line {line}" if line else ""
    return InputError(f"prompt template{where}: {printable(what)}; mend the template", line=line)


def _check_plain(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_plain(inner, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_plain(inner, f"{path}[]")
    elif not isinstance(value, _PLAIN):
        raise TypeError(f"templates take plain data; `{path}` is a {type(value).__name__}")
