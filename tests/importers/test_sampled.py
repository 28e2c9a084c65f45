"""Cases sampled from the profiles: the same for a seed, sound to lint, split by diagnosis, playable."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from clinicenv import Cast, play, select
from clinicenv.clinic.differential import diseases
from clinicenv.clinic.lint import lint_file
from clinicenv.clinic.presentations import presentation
from clinicenv.importers import save
from clinicenv.importers.sampled import bundled_splits, generate
from clinicenv.scenario import Scenario
from tests.conftest import clinicenv

SPLITS = bundled_splits()
CASES = list(generate(120, 5, SPLITS))


def name(case: Scenario) -> str:
    assert case.answer.diagnosis is not None
    return case.answer.diagnosis.name


def test_the_same_seed_gives_the_same_cases_and_another_one_others() -> None:
    assert [s.hash for s in generate(20, 5, SPLITS)] == [s.hash for s in CASES[:20]]
    assert not {s.hash for s in generate(20, 6, SPLITS)} & {s.hash for s in CASES}


def test_they_pass_the_linter_like_any_other(tmp_path: Path) -> None:
    assert [f for p in save(CASES, tmp_path) for f in lint_file(p)] == []


def test_a_diagnosis_is_in_one_split_and_in_that_of_the_bundled_case_that_has_it() -> None:
    splits = defaultdict(set)
    for case in CASES:
        splits[name(case)].add(case.meta.split)
    assert all(len(s) == 1 for s in splits.values())
    assert Counter(s for one in splits.values() for s in one).keys() == {"train", "dev", "test"}
    bundled = {s.answer.diagnosis.name.lower(): s.meta.split for s in select("all") if s.answer.diagnosis}
    shared = [n for n in splits if n.lower() in bundled]
    assert shared
    assert all(splits[n] == {bundled[n.lower()]} for n in shared)


def test_every_profile_can_be_sampled_and_has_its_words() -> None:
    for one in diseases():
        shown = presentation(one.name)
        assert set(one.signs) - {"vital signs"} <= set(shown.signs), one.name
        assert {a.concept for a in shown.attributes.values()} <= set(one.findings), one.name
    assert len({name(c) for c in CASES}) > 25


def test_findings_come_by_the_bands_of_the_profile() -> None:
    many = [c for c in generate(600, 9, {}) if name(c) == "Migraine"]
    assert len(many) >= 8
    there = [sum(f.concept == "photophobia" and f.present for f in c.facts.values()) for c in many]
    assert 0.3 <= sum(there) / len(many) <= 0.95
    assert all(any(f.concept == "headache" for f in c.facts.values()) for c in many)


def test_a_small_child_is_spoken_for_in_the_third_person() -> None:
    small = [c for c in CASES if c.patient.identity.age < 12]
    assert small
    for case in small:
        assert case.patient.informant == "parent"
        said = " ".join(text for f in case.facts.values() for text in f.say)
        assert " my " not in said
        assert "I've" not in said


def test_the_baseline_doctor_finds_most_of_what_its_own_profiles_made() -> None:
    done = [play(c, Cast(doctor="bayes"), seed=1) for c in CASES[:40]]
    right = [
        d.verdict.ranks[0].verdict in ("exact", "synonym") for d in done if d.verdict and d.verdict.ranks
    ]
    assert sum(right) >= 32


def test_the_command_writes_files_and_never_over_others(tmp_path: Path) -> None:
    out = tmp_path / "cases"
    arguments = ("scenarios", "generate", "--n", "3", "--seed", "1", "--out", str(out))
    assert clinicenv(*arguments).returncode == 0
    files = sorted(out.iterdir())
    assert [p.name for p in files] == [f"sampled-1-0000{n}.yaml" for n in range(3)]
    assert clinicenv(*arguments).returncode == 0  # the same files again
    files[1].write_text("mine: true\n")
    again = clinicenv(*arguments)
    assert again.returncode == 2
    assert files[1].name in again.stderr
    assert "Traceback" not in again.stderr
    assert files[1].read_text() == "mine: true\n"


@pytest.mark.parametrize("n", ["0", "-1", "many"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, n: str) -> None:
    done = clinicenv("scenarios", "generate", "--n", n, "--out", str(tmp_path / "x"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()
