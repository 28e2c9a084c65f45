"""`run --perturb` and `show --by`: perturbed cases beside their clean twins, and a table divided."""

import json
import re
from pathlib import Path

import pytest
import yaml

from clinicenv.cli.main import call
from clinicenv.perturb import KINDS

CHEST = ("--scenarios", "group:sharp-chest-pain")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(list(arguments))
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "r")


def test_each_case_is_played_perturbed_beside_its_clean_twin(
    capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    flags = ("--doctor", "scripted", "--perturb", "belief.false", "--perturb", "text.mislabel")
    code, out, err = run(capsys, "run", *flags, *CHEST, "--out", folder)
    assert code == 0
    assert "clinicenv: belief.false is put on 4 of 4 scenarios" in err
    assert "16 of 16 consultations, 0 errors" in err  # as it is, one twin of the one, two of the other
    assert re.search(r"│ scripted\s+│\s+4 │", out)  # the perturbed ones are no part of its accuracy
    assert "robustness of scripted" in out
    assert re.search(r"belief\.false\s+4 of 4\s+\d+%\s+\d+%\s+\d+% \(\d+-\d+%\)\s+0%\s+-\s+-", out)
    again = run(capsys, "run", *flags, *CHEST, "--out", folder, "--resume")
    assert again[1] == out
    assert "consultations" not in again[2]


def test_all_of_them_as_json(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    flags = ("--doctor", "guess", "--perturb", "all", "--json", "--scenarios", "all", "--out", folder)
    code, out, _ = run(capsys, "run", *flags)
    assert code == 0
    found = json.loads(out)["robustness"]
    assert [row["perturbation"] for row in found] == sorted(KINDS)
    assert {row["arm"] for row in found} == {"guess"}
    assert all(row["played"] >= 12 and row["broken"] == 0 for row in found)
    _, out, _ = run(capsys, "show", folder, "--json")
    data = json.loads(out)
    assert data["robustness"] == found
    assert [row["arm"] for row in data["arms"]] == ["guess"]
    one = next(c for c in data["consultations"] if c["perturbed"] == "under belief.false")
    assert one["arm"] == "guess, under belief.false"
    _, out, _ = run(capsys, "show", folder, one["key"])
    assert re.search(r"^  under belief\.false: the referring doctor is sure of ", out, re.M)
    assert "The referring doctor is sure of the diagnosis" in " ".join(out.split())


def test_arms_and_seeds_have_rows_of_their_own(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    flags = (
        "--doctor",
        "guess",
        "--doctor",
        "random",
        "--perturb",
        "belief.false",
        "--json",
        "--out",
        folder,
    )
    code, out, _ = run(capsys, "run", *flags, *CHEST, "--repeats", "2")
    assert code == 0
    assert [(r["arm"], r["met"], r["scenarios"]) for r in json.loads(out)["robustness"]] == [
        ("guess", 8, 4),
        ("random", 8, 4),
    ]


def test_a_specification_says_it_too(capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("scenarios: group:sharp-chest-pain\ncast: {doctor: guess}\nperturb: image.absent\n")
    _, out, _ = run(capsys, "run", str(file), "--print-spec")
    assert yaml.safe_load(out)["perturb"] == "image.absent"
    _, out, _ = run(capsys, "run", str(file), "--dry-run")
    assert "8 consultations" in out
    _, out, _ = run(capsys, "run", "--print-spec")
    assert "perturb" not in yaml.safe_load(out)


def test_of_all_those_that_fit_are_played(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    flags = ("--doctor", "guess", "--perturb", "all", "--json", "--out", folder)
    code, out, err = run(capsys, "run", *flags, "--scenarios", "goals-of-care-01")
    assert code == 0
    assert [row["perturbation"] for row in json.loads(out)["robustness"]] == ["report.contradict"]
    assert "image.absent is put on 0 of 1 scenarios" in err


def test_names_are_joined_by_commas(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    flags = ("--doctor", "guess", "--perturb", "image.absent, belief.false", "--json", "--out", folder)
    code, out, _ = run(capsys, "run", *flags, *CHEST)
    assert code == 0
    assert [row["perturbation"] for row in json.loads(out)["robustness"]] == ["belief.false", "image.absent"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("image.degrade,image.absent", "image.degrade fits none"),
        ("image.abscent", "did you mean `image.absent`?"),
        ("image.degrade", "image.degrade fits none of these scenarios: it needs a picture"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: str, kind: str, words: str
) -> None:
    code, out, err = run(capsys, "run", "--doctor", "guess", "--perturb", kind, *CHEST, "--out", folder)
    assert (code, out) == (2, "")
    assert words in err
    assert not Path(folder).exists()
    file = tmp_path / "spec.yaml"
    file.write_text(f"perturb: [{kind}]\nscenarios: group:sharp-chest-pain\ncast: {{doctor: guess}}\n")
    code, _, err = run(capsys, "run", str(file), "--out", folder)
    assert code == 2
    assert "spec.yaml" in err
    assert words in err


def test_a_table_can_be_divided(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    assert run(capsys, "run", "--doctor", "guess", "--out", folder)[0] == 0
    _, out, _ = run(capsys, "show", folder, "--by", "specialty", "--json")
    arms = {row["arm"]: row["consultations"] for row in json.loads(out)["arms"]}
    assert arms["guess: cardiology"] > 4
    assert len(arms) >= 10
    _, out, _ = run(capsys, "show", folder, "--by", "modality")
    assert re.search(r"│ guess: ecg\s+│\s+6 │", out)
    _, out, _ = run(capsys, "show", folder)
    assert re.search(r"│ guess\s+│", out)
