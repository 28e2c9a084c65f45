"""Lint of the patient's agenda and of twins: each fault at its line, with what to do."""

from pathlib import Path

import pytest

from clinicenv.clinic.lint import Finding, lint_file
from clinicenv.shipped import folder

SCENARIOS = folder("scenarios")
TALK = (SCENARIOS / "goals-of-care-01.yaml").read_text()
BASE, TWIN = (
    (SCENARIOS / f"{name}.yaml").read_text() for name in ("sharp-chest-pain-01", "sharp-chest-pain-01b")
)


def findings(tmp_path: Path, name: str, text: str) -> list[Finding]:
    file = tmp_path / f"{name}.yaml"
    file.write_text(text)
    return lint_file(file)


def broken(text: str, old: str, new: str) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ("  cues: [{id: c1, say: 'It is hard.', answered_by: [empathize]}]", "no dialogue act `empathize`"),
        (
            "  decisions: [{id: d1, asked_by: ['do it now'], maker: aunt, agrees: 'Yes.', refuses: 'No.'}]",
            "no informant `aunt`",
        ),
        (
            "  decisions: [{id: d1, asked_by: ['have it done'], needs: {corrected: [x]}, agrees: 'Yes.',"
            " refuses: 'No.'}]",
            "no belief `x`",
        ),
        (
            "  beliefs: [{id: b1, holds: 'It spreads.', corrected_by: ['the a'], then_says: 'Oh.'}]",
            "can never be heard",
        ),
        (
            "  beliefs: [{id: b1, holds: 'It spreads.', corrected_by: ['our fault'], then_says: 'Oh.'}]",
            "only `fault`",
        ),
    ],
)
def test_agenda_that_cannot_work_is_found(tmp_path: Path, added: str, words: str) -> None:
    text = broken(BASE, "  facts:\n", f"{added}\n  facts:\n")
    found = findings(tmp_path, "sharp-chest-pain-01", text)
    line = text[: text.index(added)].count("\n") + 1
    assert [(f.line, words in f.what) for f in found] == [(line, True)]


def test_a_fact_of_somebody_who_is_not_there_is_found(tmp_path: Path) -> None:
    found = findings(tmp_path, "goals-of-care-01", TALK.replace("informant: lidia", "informant: sister"))
    assert found
    assert all("no informant `sister`" in f.what for f in found)


def test_a_condition_on_what_is_not_in_the_case_is_found(tmp_path: Path) -> None:
    text = broken(TALK, "goals:\n", "goals:\n  - {id: g0, text: X, met_by: {any: [{picked_up: nothing}]}}\n")
    assert ["no cue `nothing`" in f.what for f in findings(tmp_path, "goals-of-care-01", text)] == [True]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value: 7, unit: ng/L", "value: 8, unit: ng/L", "must not differ here"),
        ("    age: 31\n", "    age: 32\n", "add `age` to `differs_in`"),
        (
            "differs_in: [name, ethnicity]",
            "differs_in: [name, ethnicity, education]",
            "`education` is the same",
        ),
        (
            "twin_of: sharp-chest-pain-01\n",
            "twin_of: sharp-chest-pain-09\n",
            "no sharp-chest-pain-09.yaml beside",
        ),
        ("twin_of: sharp-chest-pain-01\n", "", "only a twin differs"),
        ("  split: dev\n", "  split: test\n", "twins belong to one split"),
    ],
)
def test_a_twin_that_is_none_is_found(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "sharp-chest-pain-01.yaml").write_text(BASE)
    assert findings(tmp_path, "sharp-chest-pain-01b", TWIN) == []
    found = findings(tmp_path, "sharp-chest-pain-01b", broken(TWIN, old, new))
    assert [words in f.what for f in found] == [True]
