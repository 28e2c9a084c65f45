"""Lint on questions: options, and pairs as far as they can be seen."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clinicenv.clinic.lint import lint_file, lint_files
from clinicenv.importers.base import to_yaml
from clinicenv.importers.questions import scenario
from clinicenv.scenario import Imported, Meta, Question, Source
from clinicenv.workup import Image


def write(folder: Path, id: str, **changes: Any) -> Path:
    """A question's file, with some fields of the question changed."""
    base = {
        "ask": "Is there one?",
        "options": [{"id": "A", "text": "Yes", "correct": True}, {"id": "B", "text": "No"}],
    }
    case = scenario(
        id, "A question", Question.model_validate({**base, **changes}),
        Meta(specialty="general", license="CC0", sources=(Source(name="s"),), disclaimer="derived"), (),
        Imported(format="x", file="x", line=1),
    )  # fmt: skip
    file = folder / f"{id}.yaml"
    file.write_text(to_yaml(case))
    return file


NO = [{"id": "A", "text": "Yes"}, {"id": "B", "text": "No", "correct": True}]
TWO_RIGHT = [{"id": "A", "text": "x", "correct": True}, {"id": "B", "text": "y", "correct": True}]


def whats(files: list[Path]) -> list[str]:
    return [f"{f.level}: {f.what}" for f in lint_files(files)]


def test_a_pair_of_two_with_different_answers_is_silent(tmp_path: Path) -> None:
    files = [write(tmp_path, "one", pair="p"), write(tmp_path, "two", pair="p", options=NO)]
    assert whats(files) == []
    assert whats(files[:1]) == []  # the other one lies beside it


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": TWO_RIGHT}, "2 options are right"),
        (
            {"options": [{"id": "A", "text": "x"}, {"id": "B", "text": "y"}], "accept": ["z"]},
            "0 options are right",
        ),
        ({"options": [{"id": "A", "text": "x", "correct": True}]}, "one option is no choice"),
        (
            {"options": [{"id": "A", "text": "x", "correct": True}, {"id": "B", "text": "X."}]},
            "the same as option A",
        ),
        ({"image": "film"}, "there is no image `film`"),
        ({"pair": "p"}, "no other question here has the pair `p`"),
    ],
)
def test_faults_of_one_question(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    (found,) = lint_files([write(tmp_path, "one", **changes)])
    assert said in found.what
    assert found.level == "error"
    assert found.line > 1


def test_several_right_options_are_for_free_answers(tmp_path: Path) -> None:
    assert lint_file(write(tmp_path, "one", options=TWO_RIGHT, kind="free")) == []


def test_three_in_a_pair_are_one_too_many(tmp_path: Path) -> None:
    files = [
        write(tmp_path, name, pair="p", options=options)
        for name, options in (("a", NO), ("b", NO), ("c", NO))
    ]
    assert len([w for w in whats(files) if "3 questions have the pair `p`" in w]) == 3


def test_a_pair_that_one_answer_gets_is_warned_of(tmp_path: Path) -> None:
    files = [write(tmp_path, "one", pair="p"), write(tmp_path, "two", pair="p")]
    assert [w for w in whats(files) if w.startswith("warning: the same answer is right for both")] == whats(
        files
    )
    assert len(whats(files)) == 2


def test_the_question_must_not_get_another_image_of_the_same_name(tmp_path: Path) -> None:
    file = write(tmp_path, "one", image="b")
    data = yaml.safe_load(file.read_text())
    common = {
        "name": "Film",
        "modality": "xray",
        "body_part": "chest",
        "alt_text": "x",
        "report": "y",
        "license": "CC0",
    }
    data["images"] = [
        Image(id=i, **common).model_dump(mode="json", exclude_defaults=True) for i in ("a", "b")
    ]
    file.write_text(yaml.safe_dump(data))
    assert any("two images are called `Film`" in f.what for f in lint_file(file))
