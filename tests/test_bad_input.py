"""Broken files, 200 of them: each ends in one sentence that names the file, or is still a good file."""

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from clinicenv.cli.main import call

SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
CARD = (ROOT / "agents" / "doctor" / "chat.yaml").read_text() + (
    "\nmodel: openai:tiny@http://127.0.0.1:9/v1\nbase_url: http://127.0.0.1:9/v1\n"
)
SPECIFICATION = """\
scenarios: [sharp-chest-pain-01, sharp-chest-pain-02]
cast: {doctor: [guess, random], patient: scripted, measurement: scripted, moderator: null}
profiles: {doctor: default, patient: default}
seed: [1, 2]
repeats: 2
limits: {max_turns: [5, 9], minutes: 30, budget: 400.0}
models: {}
images: request
"""
CASES = (ROOT / "tests" / "importers" / "data" / "agentclinic_like.jsonl").read_text()

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 7, 10**30, 10**400, 1e308, float("inf"), float("nan"), "", " ", "no-such", "x" * 5000,
    "a\x00b", "a\x00b.yaml", "\x1b[31mred\x1b[0m", "two\nlines", "{{ 1 / 0 }}", "{% for", "../../etc/passwd",
    "x" * 300 + ".yaml", "openai:", "http://", ".", "*", [], {}, [[]], [None], {"a": 1}, {"": ""},
    [1, "a", {}],
)  # fmt: skip

Mutation = Callable[[random.Random, str], bytes]


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in the data with each of its keys or indices."""
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from places(data[key])


def in_data(change: Callable[[random.Random, Any, Any], None]) -> Mutation:
    """A mutation of one value somewhere in the file."""

    def mutate(draw: random.Random, text: str) -> bytes:
        data = yaml.safe_load(text)
        change(draw, *draw.choice(list(places(data))))
        return (json.dumps(data) if text.startswith("{") else yaml.safe_dump(data, sort_keys=False)).encode()

    return mutate


def in_lines(change: Callable[[random.Random, list[str], int], None]) -> Mutation:
    """A mutation of the text near one line."""

    def mutate(draw: random.Random, text: str) -> bytes:
        lines = text.split("\n")
        change(draw, lines, draw.randrange(len(lines)))
        return "\n".join(lines).encode()

    return mutate


def delete(_: random.Random, place: Any, key: Any) -> None:
    del place[key]


def swap(draw: random.Random, place: Any, key: Any) -> None:
    place[key] = draw.choice(ODD)


def rename(draw: random.Random, place: Any, key: Any) -> None:
    if isinstance(place, dict):
        place[draw.choice([f"{key}s", str(key).upper(), "", 7, None, True, "id"])] = place.pop(key)
    else:
        place.append(place[key])


def wrap(draw: random.Random, place: Any, key: Any) -> None:
    place[key] = draw.choice([[place[key]], {"value": place[key]}, str(place[key])])


def bury(draw: random.Random, place: Any, key: Any) -> None:
    for _ in range(draw.choice([5, 60, 300])):
        place[key] = [place[key]]


def repeat_line(_: random.Random, lines: list[str], n: int) -> None:
    lines.insert(n, lines[n])


def tab(_: random.Random, lines: list[str], n: int) -> None:
    lines[n] = "\t" + lines[n].lstrip()


def insert(draw: random.Random, lines: list[str], n: int) -> None:
    lines.insert(n, draw.choice([
        "a: &a [1]\nb: *a", "<<: *nothing", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "x: !!python/name:os.system", "? [1, 2]\n: 3", "---", "%TAG ! a", "@", "key: value: again",
        "x: " + "[" * 4000, "x: " + "- " * 400, "x: 2001-99-99", "x: " + "9" * 5000, 'x: "\\ud800"',
        'x: "unclosed', "\x00", "\x07", "'", "}", "null", "[]", "x: !!binary =", "x: 1_000:99", "\u2028",
        "\ufeff", "=: =",
    ]))  # fmt: skip


def truncate(draw: random.Random, text: str) -> bytes:
    return text.encode()[: draw.randrange(len(text))]


def spoil(draw: random.Random, text: str) -> bytes:
    raw = bytearray(text.encode())
    for _ in range(draw.choice([1, 3, 30])):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def replace_all(draw: random.Random, text: str) -> bytes:
    return draw.choice([
        b"", b"\n\n", b"# nothing\n", b"[]", b"null", b"7", b"text", b"{}", b"[" * 100_000, b"{" * 1000,
        b"\x00" * 99, bytes(range(256)), text.encode("utf-16"), text.encode("latin-1", "replace") + b"\xe9",
        b"\xef\xbb\xbf", text.replace("\n", "\r\n").encode(), text.encode() * 2, b"a: " + b"x" * 4_100_000,
    ])  # fmt: skip


MUTATIONS: tuple[Mutation, ...] = (
    in_data(delete), in_data(swap), in_data(swap), in_data(swap), in_data(rename), in_data(wrap),
    in_data(bury), in_lines(repeat_line), in_lines(tab), in_lines(insert), in_lines(insert), truncate, spoil,
    replace_all,
)  # fmt: skip


def mutant(what: str, n: int, text: str) -> bytes:
    """The n-th broken version of a text; each mutation has its turn."""
    return MUTATIONS[n % len(MUTATIONS)](random.Random(f"{what} {n}"), text)


class Folder:
    """A folder with one broken file in it; looks at what a command makes of the file."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self._capsys = path, capsys

    def tried(self, name: str, content: bytes, *command: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of the command with `FILE` in it replaced."""
        file = self.path / name
        file.write_bytes(content)
        code = call([str(file) if part == "FILE" else part for part in command])
        said = self._capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        assert not [c for c in said.out + said.err if not c.isprintable() and c != "\n"]
        assert all(len(line) < 1000 for line in said.err.splitlines())
        return code, said.out, said.err

    def dry_run(self, name: str, content: bytes, *command: str) -> int:
        code, out, err = self.tried(
            name, content, "run", *command, "--dry-run", "--out", str(self.path / "r")
        )
        assert code in (0, 2)
        if code == 2:
            assert out == ""
            assert err.startswith("clinicenv: ")
            assert err.count("\n") == 1
            assert name in err
        assert [p.name for p in self.path.iterdir()] == [name]
        return code


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, capsys)


@pytest.mark.parametrize("n", range(70))
def test_broken_scenarios(folder: Folder, n: int) -> None:
    broken = mutant("scenario", n, SCENARIOS[n % len(SCENARIOS)].read_text())
    ran = folder.dry_run("case.yaml", broken, "--doctor", "guess", "--scenarios", "FILE")
    code, out, err = folder.tried("case.yaml", broken, "scenarios", "lint", "FILE")
    assert code in ((0, 1) if ran == 0 else (1,))
    findings = out.splitlines()
    assert all("case.yaml:" in line for line in findings)
    assert any(": error: " in line for line in findings) == (code == 1)
    assert err.startswith("1 file, ")


@pytest.mark.parametrize("n", range(43))
def test_broken_cards(folder: Folder, n: int) -> None:
    folder.dry_run("card.yaml", mutant("card", n, CARD), "--doctor", "FILE")


@pytest.mark.parametrize("n", range(43))
def test_broken_specifications(folder: Folder, n: int) -> None:
    folder.dry_run("spec.yaml", mutant("specification", n, SPECIFICATION), "FILE")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('scenarios: "a\\0b.yaml"', "spec.yaml:1: scenarios[0]: is no name, path or model string"),
        (f"profiles: {{patient: {'x' * 300}}}", "spec.yaml:1: profiles.patient[0]: is no name, path"),
        (f"repeats: {10**30}", "spec.yaml:1: repeats: input should be less than or equal to 100000"),
        ("profiles: {patient: grumpy}", "spec.yaml: no profile `grumpy` for the patient"),
        ("cast: {doctor: scriptd}", "spec.yaml: no doctor is called `scriptd`"),
        ("scenarios: sharp-chest", "spec.yaml: no bundled scenario `sharp-chest`"),
        ("sead: 1", "spec.yaml:1: sead: is not a field here (did you mean `seed`?)"),
        ("- seed: 1", "spec.yaml: expected a mapping"),
    ],
)
def test_what_is_wrong_with_a_specification(folder: Folder, line: str, says: str) -> None:
    code, out, err = folder.tried("spec.yaml", line.encode(), "run", "FILE", "--dry-run")
    assert (code, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("model: openai:tiny", "model: tiny", "is not a model; write PROVIDER:NAME, e.g. openai:NAME"),
        ("model: openai:", "model: local:", "a local model has no address; for a server that runs"),
        ("base_url: http:", "base_url: ftp:", "base_url: `ftp://127.0.0.1:9/v1` is not a server's address"),
        ("base_url: http://", "base_url: http://me:secret@", "has a password or a query in it"),
        ("role: doctor", "role: patient", "this card is for the patient, not for the doctor"),
    ],
)
def test_what_is_wrong_with_a_card(folder: Folder, old: str, new: str, says: str) -> None:
    assert old in CARD
    broken = CARD.replace(f"\n{old}", f"\n{new}")
    line = 1 + next(n for n, text in enumerate(broken.splitlines()) if text.startswith(new))
    code, out, err = folder.tried("card.yaml", broken.encode(), "run", "--doctor", "FILE", "--dry-run")
    assert (code, out) == (2, "")
    assert f"card.yaml:{line}: " in err
    assert says in err
    assert "secret" not in err


def test_a_provider_that_is_none_is_told_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    doctor = ("--doctor", "antropic:tiny@http://127.0.0.1:9/v1")
    assert call(["run", *doctor, "--out", str(tmp_path / "r")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "there is no provider `antropic` (did you mean `anthropic`?)" in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", ["0", "-1", ".inf", ".nan", "1e308", f"{10**400}", "many", "true"])
def test_a_limit_that_limits_nothing_is_no_limit(folder: Folder, limit: str) -> None:
    card = re.sub(r"max_tokens: \d+", f"max_tokens: {limit}", CARD).encode()
    code, out, _ = folder.tried("card.yaml", card, "run", "--doctor", "FILE", "--dry-run")
    assert code == 0
    assert "No upper bound for the doctor's openai:tiny" in " ".join(out.split())


def test_a_parameter_that_is_no_single_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "--doctor", "openai:tiny", "--doctor-arg", "stop=[a]", "--dry-run"]) == 2
    assert (
        capsys.readouterr().err
        == "clinicenv: the value in `stop=[a]` should be a number, text, true or false\n"
    )


@pytest.mark.parametrize("n", range(44))
def test_broken_agentclinic_files(folder: Folder, n: int) -> None:
    lines = CASES.splitlines()
    lines[n % len(lines)] = mutant("agentclinic", n, lines[n % len(lines)]).decode("latin-1")
    content = "\n".join(lines).encode("latin-1" if n % 2 else "utf-8", "replace")
    code, out, err = folder.tried("cases.jsonl", content, "import", "agentclinic", "FILE", "--out", "made")
    assert code in (0, 2)
    made = folder.path / "made"
    if code == 2:
        assert out == ""
        *each, whole = err.splitlines()
        assert whole.startswith("clinicenv: ")
        assert all(line.startswith("error: ") for line in each)
        assert all("cases.jsonl" in line for line in (*each, whole))
        assert not made.exists()
    else:
        assert out.count("\n") == 1
        assert call(["run", "--scenarios", str(made), "--doctor", "guess", "--dry-run"]) == 0
