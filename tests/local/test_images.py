"""A real multimodal model behind `local:` that looks at a case's picture, as the doctor and as the reader."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clinicenv import Cast, aplay
from clinicenv.agents.imaging import ImagePlan
from clinicenv.events import Report, Result, Role, Trajectory
from clinicenv.models import local, sight
from clinicenv.models.call import Model
from clinicenv.models.gateway import Gateway
from clinicenv.scenario import Scenario, load_file
from clinicenv.shipped import folder

PIL = pytest.importorskip("PIL.Image", reason="needs the `images` extra")


@pytest.fixture(autouse=True)
def _served(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its weights are random: it tells pictures apart, but cannot name their colours as the proof asks."""

    async def tells_apart(model: Model, seed: int = 0) -> sight.Sight:
        found = await prove(model, seed)
        return sight.Sight(len(set(found.answers)) == 2, "it says different things", found.answers)

    prove = sight.prove
    monkeypatch.setattr(sight, "prove", tells_apart)
    yield
    local.close()


def case(tmp_path: Path, colour: str) -> Scenario:
    """A bundled case that shows its films at the start, all of one colour."""
    data = yaml.safe_load((folder("scenarios") / "sharp-chest-pain-01.yaml").read_text())
    PIL.new("RGB", (64, 48), colour).save(tmp_path / f"{colour}.png")
    for image in data["images"]:
        image["file"] = f"{colour}.png"
    file = tmp_path / f"{colour}.yaml"
    file.write_text(yaml.safe_dump(data))
    return load_file(file)


async def consult(scenario: Scenario, llava: Path, plan: ImagePlan, doctor: str) -> Trajectory:
    settings = {"doctor": {"max_tokens": 24, "temperature": 0}} if doctor != "scripted" else {}
    cast = Cast(doctor=doctor, images=plan, gateway=Gateway(), arguments=settings)
    done = await aplay(scenario, cast, images="start", max_turns=2)
    assert done.outcome
    assert done.outcome.status != "error", done.events[-2]
    return done


def images(done: Trajectory) -> list[Result]:
    first = next(e.what for e in done.of(Report) if e.turn == 0)
    return list(first.results)  # type: ignore[union-attr]


async def test_it_looks_as_the_doctor(llava: Path, tmp_path: Path) -> None:
    said = {}
    for colour in ("red", "blue"):
        done = await consult(case(tmp_path, colour), llava, ImagePlan(route="direct"), f"local:{llava}")
        assert {r.route for r in images(done)} == {("direct",)}
        acts = [e.what for e in done.events if e.role is Role.DOCTOR]
        said[colour] = (acts[0].aside or {})["raw"]  # type: ignore[union-attr]
    assert said["red"] != said["blue"]


async def test_it_looks_as_the_reader(llava: Path, tmp_path: Path) -> None:
    plan = ImagePlan(route="reader", readers={"*": f"local:{llava}"})
    readings = {}
    for colour in ("red", "blue"):
        done = await consult(case(tmp_path, colour), llava, plan, "scripted")
        shown = images(done)
        assert {r.source for r in shown} == {"reader"}
        readings[colour] = [r.text for r in shown]
    assert readings["red"] != readings["blue"]
