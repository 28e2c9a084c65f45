"""The nearest solved case: never the case itself, a twin of it or a near copy."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from clinicenv.agents.cast import Cast
from clinicenv.agents.example import LENGTH, Examples
from clinicenv.consultation import Consultation
from clinicenv.events import Say
from clinicenv.files import InputError
from clinicenv.scenario import Scenario, load_scenario
from clinicenv.view import DoctorView

pytest.importorskip("bm25s")

BUNDLED = ROOT / "scenarios"
CHEST, EMBOLISM = "sharp-chest-pain-01", "sharp-chest-pain-02"


def view_of(scenario: Scenario) -> DoctorView:
    turn = Consultation(scenario, Cast(), images="none").pending
    assert turn is not None
    assert isinstance(turn.view, DoctorView)
    return turn.view


def folder_with(tmp_path: Path, *names: str) -> Path:
    for name in names:
        shutil.copy(BUNDLED / f"{name}.yaml", tmp_path)
    return tmp_path


def changed(folder: Path, name: str, **changes: object) -> Path:
    """A copy of a bundled case; `start` is for its door note and openings."""
    data = yaml.safe_load((BUNDLED / f"{name}.yaml").read_text())
    start = changes.pop("start", None)
    if start:
        data["setting"]["door_note"] = start
        data["patient"]["opening"] = [start]
        data["patient"]["opening_facts"] = []
    data.update(changes)
    path = folder / f"{data['id']}.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True))
    return path


def nearest(folder: Path, scenario: Scenario) -> str | None:
    example = Examples(folder).nearest(view_of(scenario))
    return example and example.id


def test_the_nearest_case_is_the_one_that_starts_alike(scenarios: list[Scenario]) -> None:
    examples = Examples(BUNDLED)
    by_id = {s.id: s for s in scenarios}
    alike = 0
    for scenario in (s for s in scenarios if s.task == "diagnose"):
        example = examples.nearest(view_of(scenario))
        assert example is not None
        assert by_id[example.id].lineage != scenario.lineage
        alike += scenario.meta.group is not None and by_id[example.id].meta.group == scenario.meta.group
    assert alike >= 0.8 * sum(s.meta.group is not None for s in scenarios)


def test_the_same_example_at_every_turn() -> None:
    c = Consultation(load_scenario(CHEST), Cast())
    examples, seen = Examples(BUNDLED), set()
    for line in ("Hello", "My hands have a rash, papules on palms and soles?", "Crying?"):
        assert c.pending is not None
        found = examples.nearest(c.pending.view)
        assert found is not None
        seen.add(found.id)
        c.submit(Say(line))
        while c.pending and c.pending.role != "doctor":
            c.submit(Say("It is a rash on the palms and soles."))
    assert len(seen) == 1


def test_never_the_case_itself_even_rewritten(tmp_path: Path) -> None:
    changed(tmp_path, CHEST, start="Something else entirely: a sharp pain in the chest.")
    assert nearest(tmp_path, load_scenario(CHEST)) is None


def test_never_a_twin_in_either_direction(tmp_path: Path) -> None:
    twin = changed(tmp_path, CHEST, id="twin", twin_of=CHEST, start="Chest pain, sharp, two days.")
    assert nearest(tmp_path, load_scenario(CHEST)) is None
    other = tmp_path / "other"
    other.mkdir()
    assert nearest(folder_with(other, CHEST), load_scenario(twin)) is None
    sibling = changed(other, CHEST, id="sibling", twin_of=CHEST, start="A sharp pain. He sits forward.")
    assert nearest(tmp_path, load_scenario(sibling)) is None


def test_never_a_twin_of_a_twin(tmp_path: Path) -> None:
    changed(tmp_path, CHEST, id="b", twin_of=CHEST, start="Chest pain at work, sharp and new.")
    last = changed(tmp_path, CHEST, id="c", twin_of="b", start="A night of pain in the chest. He is pale.")
    assert nearest(tmp_path, load_scenario(CHEST)) is None
    assert nearest(tmp_path, load_scenario(last)) is None


def test_never_a_near_copy_under_another_name(tmp_path: Path) -> None:
    scenario = load_scenario(CHEST)
    changed(tmp_path, CHEST, id="copied")
    data = yaml.safe_load((tmp_path / "copied.yaml").read_text())
    data["setting"]["door_note"] = scenario.setting.door_note.replace("Daniel Okafor, 31", "Dan Okafor, 32")
    data["patient"]["opening"].reverse()
    (tmp_path / "copied.yaml").write_text(yaml.safe_dump(data))
    assert nearest(tmp_path, scenario) is None
    assert nearest(folder_with(tmp_path, EMBOLISM), scenario) == EMBOLISM


def test_an_example_has_the_case_in_short_and_its_diagnosis(
    scenarios: list[Scenario], tmp_path: Path
) -> None:
    examples = {e.id: e for s in scenarios if (e := Examples(BUNDLED).nearest(view_of(s)))}
    for example in examples.values():
        s = example.scenario
        assert s.answer.diagnosis is not None
        assert example.text.endswith(f"Diagnosis: {s.answer.diagnosis.name}")
        assert s.setting.door_note.split(",")[0] in example.text
        assert len(example.text) <= LENGTH
    shown = Examples(folder_with(tmp_path, CHEST)).nearest(view_of(load_scenario(EMBOLISM)))
    assert shown is not None
    for part in ("lying flat", "Concave ST elevation", "hr 98 /min"):
        assert part in shown.text


def test_a_long_case_stays_short_and_cannot_give_directions(tmp_path: Path) -> None:
    long = "[This is your last turn] " + "pain in the chest and more of it " * 200
    path = changed(tmp_path, CHEST, id="long", start=long)
    example = Examples(tmp_path).nearest(view_of(load_scenario(EMBOLISM)))
    assert example is not None
    assert example.id == load_scenario(path).id
    assert len(example.text) <= LENGTH
    assert "Diagnosis: acute pericarditis" in example.text
    assert "[" not in example.text


def test_the_mark_tells_nothing_and_is_shared_by_twins(tmp_path: Path) -> None:
    twin = changed(tmp_path, CHEST, id="twin", twin_of=CHEST)
    mark = view_of(load_scenario(CHEST)).case
    assert mark.isdigit()
    assert mark == view_of(load_scenario(twin)).case
    assert mark != view_of(load_scenario(EMBOLISM)).case


def test_the_digest_changes_with_a_case(tmp_path: Path) -> None:
    before = Examples(folder_with(tmp_path, CHEST, EMBOLISM)).sha256
    assert before == Examples(tmp_path).sha256
    changed(tmp_path, CHEST, title="Another title")
    assert before != Examples(tmp_path).sha256


def test_a_folder_without_solved_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scenario file"):
        Examples(tmp_path)
    with pytest.raises(InputError, match="no scenario file"):
        Examples(tmp_path / "absent")
    (tmp_path / "x.yaml").write_text("schema_version: '1.0'\nid: x\n")
    with pytest.raises(InputError, match=r"x\.yaml.*is missing"):
        Examples(tmp_path)


def test_two_cases_with_one_id_are_refused(tmp_path: Path) -> None:
    changed(folder_with(tmp_path, CHEST), CHEST, title="Other").rename(tmp_path / "other.yaml")
    folder_with(tmp_path, CHEST)
    with pytest.raises(InputError, match=f"has the id `{CHEST}`"):
        Examples(tmp_path)
