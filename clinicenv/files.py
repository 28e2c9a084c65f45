"""Reading and writing the files that people edit; errors say which file, line and field, and what to do."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 4_000_000
"""No scenario, card or specification comes near this; a larger file is not one."""

MAX_DEPTH = 50
"""Levels of nesting; a scenario has eight. Deeper ones cost the parser time that grows with their square."""

_ANCHOR = re.compile(r"(?:^|[\s\[{,:-])[&*]\w", re.MULTILINE)
_BRACKET = re.compile(r"[\[\]{}]")


class InputError(Exception):
    """Something a person gave us is wrong. The message is one sentence for that person."""

    def __init__(self, what: str, *, file: Path | str | None = None, line: int | None = None):
        self.what, self.file, self.line = what, file, line
        where = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(printable(where + what))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file: its line, the path of the field, what and how to mend it."""

    line: int
    field: str
    what: str

    def error(self, file: Path | str) -> InputError:
        return InputError(
            f"{self.field}: {self.what}" if self.field else self.what, file=file, line=self.line
        )


class FileFaults(InputError):
    """A file with one or more faults; the message is the first one, `faults` has all."""

    def __init__(self, file: Path | str, faults: list[Fault]):
        self.faults = faults
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(
            (f"{first.field}: " if first.field else "") + first.what + more, file=file, line=first.line
        )


def printable(text: str) -> str:
    """The text on one line, without control characters that a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def read_text(path: Path) -> str:
    """The file's text, or an InputError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"the file is larger than {MAX_BYTES:,} bytes", file=path)
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise InputError(f"not UTF-8 text (byte {e.start}); save the file as UTF-8", file=path) from e
    except (OSError, ValueError) as e:  # ValueError: a path with a NUL in it
        raise InputError(f"cannot be read: {getattr(e, 'strerror', None) or e}", file=path) from e


def read_bytes(path: Path) -> bytes:
    """The file's bytes, or an InputError."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as e:
        raise InputError(f"cannot be read: {getattr(e, 'strerror', None) or e}", file=path) from e


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or nothing."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes the whole file or nothing."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside it, with the same suffix, to write to: it takes the path's place at the end, or is
    removed where something is raised."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(descriptor)
    try:
        yield Path(name)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file: plain data, and the nodes that know the lines."""

    data: Any
    node: yaml.Node | None

    def line(self, path: tuple[int | str, ...]) -> int:
        """The line (from 1) of the deepest part of the path that the file has."""
        node, line = self.node, 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
                if found is None:  # pydantic puts names of union members into its paths
                    continue
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line


def parse_yaml(text: str, file: Path | str) -> Document:
    """Safe YAML without aliases and without a key twice; an InputError with the line otherwise."""
    try:
        if (line := _too_deep(text)) is not None:
            raise InputError(f"brackets nested more than {MAX_DEPTH} levels deep", file=file, line=line)
        if _ANCHOR.search(text):
            for event in yaml.parse(text, yaml.CSafeLoader):
                if isinstance(event, yaml.AliasEvent):
                    raise InputError(
                        f"the alias *{event.anchor} is not supported; write the value out",
                        file=file,
                        line=_line(event.start_mark),
                    )
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Document(None, None)
            repeated = next(_repeated_keys(node), None)
            if repeated:
                raise InputError(
                    f"the key `{repeated.value}` stands here twice; keep one",
                    file=file,
                    line=repeated.start_mark.line + 1,
                )
            return Document(loader.construct_document(node), node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as e:
        line = _line(e.problem_mark or e.context_mark)
        what = f"{e.context + ', ' if e.context else ''}{e.problem}"
        raise InputError(f"not valid YAML: {what}; check indentation and quotes", file=file, line=line) from e
    except yaml.YAMLError as e:
        raise InputError(f"not valid YAML: {e}", file=file) from e
    except (RecursionError, ValueError) as e:  # nested too deep; a number or a date that cannot be
        reason = "nested too deeply" if isinstance(e, RecursionError) else str(e)
        raise InputError(f"not valid YAML: {reason}", file=file) from e


def _line(mark: Any) -> int | None:
    return None if mark is None else int(mark.line) + 1


def _too_deep(text: str) -> int | None:
    """The line where brackets, those in quoted text counted too, are nested too deeply."""
    depth = 0
    for match in _BRACKET.finditer(text):
        depth = depth + 1 if match[0] in "[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            return text.count("\n", 0, match.start()) + 1
    return None


def _repeated_keys(node: yaml.Node, depth: int = 0) -> Iterator[yaml.ScalarNode]:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _repeated_keys(value, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated_keys(value, depth + 1)


def load_model(model: type[M], file: Path) -> tuple[M, Document]:
    """The file as a model; FileFaults with every fault and its line otherwise."""
    document = parse_yaml(read_text(file), file)
    return validate(model, document, file), document


def validate(model: type[M], document: Document, file: Path | str) -> M:
    """The document as a model; FileFaults with every fault and its line otherwise."""
    if not isinstance(document.data, dict):
        raise InputError(f"expected a mapping (`key: value` lines), found {_kind(document.data)}", file=file)
    try:
        return model.model_validate(document.data)
    except ValidationError as e:
        faults = [
            Fault(document.line(error["loc"]), _path(error["loc"]), _explain(error, model))
            for error in e.errors(include_url=False)
        ]
        raise FileFaults(file, sorted(faults, key=lambda f: f.line)) from e


def _path(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc).lstrip(".")


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given = error["type"], error["input"]
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        near = did_you_mean(str(error["loc"][-1]), field_names(model))
        return f"is not a field here{near}; rename or remove it"
    if kind == "string_type":
        return f"should be text, found {_kind(given)}; put it in quotes if it is meant as text"
    if kind == "value_error":
        return error["msg"].removeprefix("Value error, ")
    message = error["msg"][0].lower() + error["msg"][1:]
    shown = repr(given) if isinstance(given, (str, int, float)) else _kind(given)
    return f"{message}, found {shown[:60]}"


def did_you_mean(word: str, known: Iterator[str] | list[str] | set[str]) -> str:
    """` (did you mean X?)`, or nothing where no known word is near."""
    from rapidfuzz import fuzz, process

    near = process.extractOne(word, sorted(known), scorer=fuzz.ratio, score_cutoff=65)
    return f" (did you mean `{near[0]}`?)" if near else ""


def field_names(model: type[BaseModel]) -> set[str]:
    """The names of all fields of a model and of the models inside it."""
    names: set[str] = set()
    for definition in [s := model.model_json_schema(), *s.get("$defs", {}).values()]:
        names.update(definition.get("properties", {}))
    return names
