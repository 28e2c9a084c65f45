"""Scenario files changed at random: neither the linter nor the loader fails on any of them."""

import contextlib
import random
import re
from collections.abc import Callable

import pytest

from clinicenv import shipped
from clinicenv.cli.scenarios import template
from clinicenv.clinic.lint import lint_file
from clinicenv.files import InputError
from clinicenv.scenario import find_files, load_file

GOOD = template("spinning-01", "diagnose")
BUNDLED = find_files(shipped.folder("scenarios"))

Mutation = Callable[[list[str], random.Random], str]


def _delete(lines: list[str], r: random.Random) -> str:
    del lines[r.randrange(len(lines))]
    return "".join(lines)


def _retype(lines: list[str], r: random.Random) -> str:
    keys = [i for i, line in enumerate(lines) if ": " in line]
    i = r.choice(keys)
    value = r.choice(
        ["[]", "{}", "null", "-1", "1.0e400", "true", "[[1]]", "2020-13-45", ".inf", '""', "{a: {}}"]
    )
    lines[i] = lines[i].split(": ")[0] + f": {value}\n"
    return "".join(lines)


def _rename(lines: list[str], r: random.Random) -> str:
    i = r.choice([i for i, line in enumerate(lines) if ":" in line])
    lines[i] = lines[i].replace(":", "x:", 1)
    return "".join(lines)


def _double(lines: list[str], r: random.Random) -> str:
    i = r.randrange(len(lines))
    return "".join([*lines[: i + 1], lines[i], *lines[i + 1 :]])


def _truncate(lines: list[str], r: random.Random) -> str:
    text = "".join(lines)
    return text[: r.randrange(len(text))]


def _inject(lines: list[str], r: random.Random) -> str:
    text = "".join(lines)
    at = r.randrange(len(text))
    odd = [
        "\t",
        "\x00",
        "\x1b[2J",
        "&a ",
        "*a ",
        "!!python/object:os.system ",
        "\ufeff",
        "%",
        "\u202e",
        '"',
        "{{",
    ]
    odd += [": ", "\n---\n", "<<: ", "? ", "\\ud800", '"\\ud800"', "\x85", "0o9", "9" * 5000, "'", "|\n"]
    return text[:at] + r.choice(odd) + text[at:]


def _nest(lines: list[str], r: random.Random) -> str:
    depth = r.choice([50, 900, 3000])
    i = r.choice(
        [i for i, line in enumerate(lines) if line.startswith(("id:", "plan:", "answer:", "tests:"))]
    )
    lines[i] = lines[i].split(":")[0] + ": " + r.choice(["[", "{a: "]) * depth + "\n"
    return "".join(lines)


def _nest_closed(lines: list[str], r: random.Random) -> str:
    depth = r.choice([50, 400, 900])
    return "".join(lines) + "logic: " + "{a: " * depth + "1" + "}" * depth + "\n"


def _misspell(lines: list[str], r: random.Random) -> str:
    words = ["asked", "open", "hpi", "present", "low", "lab", "self", "deny", "female", "history", "clinic"]
    text, word = "".join(lines), r.choice(words)
    return re.sub(rf": {word}\b", f": {word}{r.choice(['x', ' ', 's', '!'])}", text)


MUTATIONS: list[Mutation] = [
    _delete, _retype, _rename, _double, _truncate, _inject, _nest, _nest_closed, _misspell,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(200))
def test_no_file_makes_the_linter_or_the_loader_fail(seed, tmp_path):
    r = random.Random(seed)
    lines = r.choice([GOOD, BUNDLED[seed % len(BUNDLED)].read_text(encoding="utf-8")]).splitlines(
        keepends=True
    )
    text = MUTATIONS[seed % len(MUTATIONS)](lines, r)
    file = tmp_path / "mutant.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    total = text.count("\n") + 1  # what is missing at the end is on the line after it
    found = lint_file(file)
    assert all(f.what and f.level in ("error", "warning") and 1 <= f.line <= total + 1 for f in found)
    if not any(f.level == "error" for f in found):
        assert load_file(file).hash
        return
    with contextlib.suppress(InputError):
        load_file(file)
