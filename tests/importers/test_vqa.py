"""Importing questions about pictures: good lines, bad ones, and ones that mean harm."""

import contextlib
import hashlib
import io
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from clinicenv.cli.main import call
from clinicenv.clinic.lint import lint_files
from clinicenv.files import InputError
from clinicenv.importers import Conversion, importer
from clinicenv.scenario import find_files, load_file

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001"
    "48afa4710000000049454e44ae426082"
)
"""One grey pixel."""
GOOD: dict[str, Any] = {
    "id": "Q 1",
    "question": "Is there an effusion?",
    "options": ["Yes", "No"],
    "answer": "No",
}


def written(folder: Path, *lines: Any) -> Path:
    file = folder / "mini.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return file


def convert(folder: Path, *lines: Any) -> Conversion:
    return importer("vqa").convert(written(folder, *lines))


def imported(file: Path, out: Path, *more: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = call(["import", "vqa", str(file), "--out", str(out), *more])
    return code, stdout.getvalue(), stderr.getvalue()


def test_a_question_with_its_picture_is_a_case_that_lints(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "Mr-Smith.png").write_bytes(PNG)
    file = written(
        tmp_path,
        {**GOOD, "image": "films/Mr-Smith.png", "pair": "P1", "modality": "xray", "license": "CC0"},
        {
            **GOOD,
            "id": "Q 2",
            "question": "Is there no effusion?",
            "image": "films/Mr-Smith.png",
            "answer": "a",
            "pair": "P1",
        },
        {"id": 3, "question": "What is seen?", "answer": "free air"},
    )
    code, out, err = imported(file, tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("3 cases")
    files = find_files(tmp_path / "out")
    assert [f.stem for f in files] == ["3", "q-1", "q-2"]
    errors = [f for f in lint_files(files) if f.level == "error" or "pair" in f.what]
    assert errors == []
    case = load_file(tmp_path / "out" / "q-1.yaml")
    assert case.question
    assert [(o.id, o.text, o.correct) for o in case.question.options] == [
        ("A", "Yes", False),
        ("B", "No", True),
    ]
    (image,) = case.images
    assert (case.question.image, case.question.pair, image.modality) == (image.id, "p1", "xray")
    (copied,) = [p for p in (tmp_path / "out").iterdir() if p.suffix == ".png"]  # one for both questions
    assert image.file == (copied.name,)
    assert image.sha256 == (hashlib.sha256(PNG).hexdigest(),)
    assert "smith" not in (tmp_path / "out" / "q-1.yaml").read_text().lower()
    free = load_file(tmp_path / "out" / "3.yaml").question
    assert free
    assert (free.kind, free.accept, free.options) == ("free", ("free air",), ())


def test_options_may_have_ids_of_their_own_and_the_answer_be_one_or_its_text(tmp_path: Path) -> None:
    offered = {"left": "The left lung", "right": "The right lung"}
    done = convert(
        tmp_path,
        {**GOOD, "options": offered, "answer": "RIGHT"},
        {**GOOD, "id": "2", "options": offered, "answer": "the right lung."},
    )
    assert done.bad == []
    for case in done.scenarios:
        assert case.question
        assert [o.id for o in case.question.options if o.correct] == ["right"]


def test_an_unknown_field_is_kept_and_said(tmp_path: Path) -> None:
    done = convert(tmp_path, {**GOOD, "reader": "A. B."})
    (note,) = done.notes
    assert (note.field, note.unmapped) == ("reader", True)
    assert done.scenarios[0].imported
    assert done.scenarios[0].imported.unmapped == {"reader": "A. B."}


BAD: tuple[tuple[Any, str], ...] = (
    ({**GOOD, "answer": ...}, "`answer`: is missing"),
    ({**GOOD, "answer": ..., "anwser": "No"}, "did you mean `anwser`"),
    ({**GOOD, "question": " "}, "`question`: should be text, found empty text"),
    ({**GOOD, "question": ["x"]}, "`question`: should be text, found a list"),
    ({**GOOD, "id": "///"}, "`id`: `///` cannot be an id"),
    ({**GOOD, "id": True}, "`id`: should be text, found true or false"),
    ({**GOOD, "answer": "Maybe"}, "`answer`: `Maybe` is no option's id or text"),
    ({**GOOD, "options": {"A": "B", "B": "A"}, "answer": "A"}, "is one option's id and another's text"),
    ({**GOOD, "options": "Yes"}, "`options`: should be a list or an object, found text"),
    ({**GOOD, "options": []}, "`options`: 0 of them"),
    ({**GOOD, "options": ["Yes"]}, "`options`: 1 of them"),
    ({**GOOD, "options": ["Yes", 3]}, "`options`: option B should be text, found a number"),
    ({**GOOD, "options": ["No", "no."]}, "`options`: the text `no` is there twice"),
    ({**GOOD, "options": {"a": "x", "A": "y"}}, "`options`: the id `a` is there twice"),
    ({**GOOD, "options": {"../x": "x", "A": "y"}}, "`../x` is no id"),
    ({**GOOD, "options": [str(n) for n in range(27)]}, "`options`: 27 of them"),
    ({**GOOD, "pair": "p"}, "`pair`: 1 usable question has the pair `p`"),
    ({**GOOD, "image": 3}, "`image`: should be a path or a list of paths, found a number"),
    ({**GOOD, "image": "none.png"}, "`image`: none.png: cannot be read"),
    ({**GOOD, "image": "text.png"}, "`image`: `text.png` is no PNG, JPEG or DICOM"),
    ({**GOOD, "image": "../secret.png"}, "`image`: `../secret.png` leads out of the folder"),
    ({**GOOD, "image": "..\\secret.png"}, "leads out of the folder"),
    ({**GOOD, "image": "/etc/passwd"}, "leads out of the folder"),
    ({**GOOD, "image": "C:\\x.png"}, "leads out of the folder"),
    ({**GOOD, "image": "linked/secret.png"}, "is a link out of the folder"),
    ({**GOOD, "image": "https://example.org/a.png"}, "is an address"),
    ({**GOOD, "image": "a" * 5000 + ".png"}, "`image`: "),
    ({**GOOD, "image": "."}, "`image`: "),
    ("{", "not valid JSON"),
    ("[]", "expected one JSON object a line, found a list"),
    ('{"id": "a", "id": "b"}', "stands twice"),
)  # fmt: skip


@pytest.mark.parametrize(("line", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_a_bad_line_is_named_with_its_field_and_nothing_is_written(
    line: Any, said: str, tmp_path: Path
) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    (tmp_path / "secret.png").write_bytes(PNG)
    (inner / "text.png").write_text("no picture")
    (inner / "linked").symlink_to(tmp_path)
    if isinstance(line, dict):
        line = {k: v for k, v in line.items() if v is not ...}
    file = written(inner, {**GOOD, "id": "first"}, line)
    code, _, err = imported(file, tmp_path / "out")
    assert code == 2
    assert f"{file}:2: " in err
    assert said in err
    assert not (tmp_path / "out").exists()
    code, out, err = imported(file, tmp_path / "out", "--skip-bad")
    assert code == 0
    assert "1 bad skipped" in out
    assert said in err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["first.yaml"]


def test_the_other_question_of_a_bad_one_is_left_out_too(tmp_path: Path) -> None:
    done = convert(
        tmp_path, {**GOOD, "pair": "p"}, {**GOOD, "id": "2", "pair": "p", "answer": "x"}, {**GOOD, "id": "3"}
    )
    assert [s.id for s in done.scenarios] == ["3"]
    assert [e.line for e in done.bad] == [1, 2]


def test_two_questions_with_one_id_are_refused(tmp_path: Path) -> None:
    done = convert(tmp_path, GOOD, {**GOOD, "id": "q-1"})
    assert [e.what for e in done.bad] == ["`id`: `q-1` is also the id of line 1; give it another"]


def test_pictures_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").write_bytes(PNG)
    file = written(tmp_path, {**GOOD, "image": "a.png"})
    assert imported(file, tmp_path / "out")[0] == 2
    assert imported(file, tmp_path / "out", "--images", str(tmp_path / "films"))[0] == 0


def test_what_lies_in_the_target_folder_is_not_written_through_or_over(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    name = next(iter(convert(tmp_path, {**GOOD, "image": "a.png"}).pictures))
    out, victim = tmp_path / "out", tmp_path / "victim.png"
    out.mkdir()
    victim.write_bytes(PNG)
    os.symlink(victim, out / name)
    code, _, err = imported(tmp_path / "mini.jsonl", out)
    assert code == 2
    assert "is there already" in err
    assert victim.read_bytes() == PNG
    assert [p.name for p in out.iterdir()] == [name]


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    file, out = written(tmp_path, {**GOOD, "image": "a.png"}), tmp_path / "out"
    assert imported(file, out)[0] == imported(file, out)[0] == 0
    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_a_question_is_an_error(content: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no question in this file"):
        convert(tmp_path, content)


def test_a_mutated_line_is_imported_or_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    draw = random.Random(1)
    odd: tuple[Any, ...] = (
        None,
        True,
        -1,
        1e400,
        "",
        "x" * 9000,
        "\x1b[31m",
        [],
        {},
        [None],
        {"a": {}},
        "../a.png",
        "é",
    )
    for _ in range(300):
        line = {**GOOD, "image": "a.png", "pair": "p", "modality": "ct", "license": "CC0"}
        for _ in range(draw.randint(1, 3)):
            line[draw.choice(list(line))] = draw.choice(odd)
        file = written(tmp_path, json.dumps(line))
        done = importer("vqa").convert(file)
        assert len(done.scenarios) + len(done.bad) == 1
        for error in done.bad:
            assert str(error).startswith(f"{file}:1: ")
            assert str(error).isprintable()
