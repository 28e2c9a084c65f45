"""What a perturbation does to pixels: doctors that see meet it, the clean twin's are untouched."""

import base64
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from clinicenv import Answer, Cast, aplay, gallery
from clinicenv.agents.image_plan import ImagePlan
from clinicenv.consultation import Turn
from clinicenv.drawing.effects import altered
from clinicenv.events import Report, Result, Trajectory
from clinicenv.perturb import Pool, twins
from clinicenv.pictures.plain import Picture, read_bytes
from clinicenv.readers.asked import Asked
from clinicenv.scenario import Scenario, load_scenario, select
from clinicenv.workup import Altered

PIL = pytest.importorskip("PIL.Image", reason="needs the `images` extra")
pytest.importorskip("PIL.ImageFilter")

POOL = Pool(select("all"))
SHEET = "sheet-small-cells-01"


class Sees:
    sees = True

    def act(self, turn: Turn) -> Any:
        return Answer("A")


def shown(done: Trajectory) -> Result:
    (result,) = [r for e in done.of(Report) if isinstance(e.what, Report) for r in e.what.results]
    return result


def pixels(part: dict[str, Any]) -> Any:
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return PIL.open(io.BytesIO(data)).convert("RGB")


async def look(scenario: Scenario, plan: ImagePlan | None = None) -> Result:
    return shown(await aplay(scenario, Cast(doctor=Sees(), images=plan or ImagePlan())))


def drawn(scenario: Scenario) -> Picture:
    (picture,) = gallery.pictures(scenario.images[0], scenario.folder)
    return picture


@pytest.mark.parametrize("effect", ["blur", "crop", "mirror", "screen"])
def test_an_effect_is_the_same_for_the_same_seed_and_changes_the_picture(effect: Any) -> None:
    picture = drawn(load_scenario(SHEET))
    one, again, other = (altered(picture, Altered(effect=effect, seed=seed)) for seed in (1, 1, 2))
    assert one == again
    assert one.png != picture.png
    if effect != "mirror":
        assert one.png != other.png or effect == "crop"
    assert read_bytes(one.png, "x")[0].png == one.png  # still plain: no chunk that tells anything


def test_a_mirrored_picture_is_the_picture_when_it_is_mirrored_again() -> None:
    picture = drawn(load_scenario(SHEET))
    how = Altered(effect="mirror")
    assert altered(altered(picture, how), how).png == picture.png


def test_words_stand_above_the_picture_whatever_letters_they_have() -> None:
    picture = drawn(load_scenario(SHEET))
    for words in ("Patient: Ann.", "患者 \x1b[31m ü", "w" * 500):
        labelled = altered(picture, Altered(words=words))
        assert labelled.height > picture.height
        assert labelled.width == picture.width
        below = pixels(gallery.as_part(labelled, 8192, "auto")).crop(
            (0, labelled.height - picture.height, picture.width, labelled.height)
        )
        assert below.tobytes() == pixels(gallery.as_part(picture, 8192, "auto")).tobytes()


async def test_a_doctor_that_sees_gets_other_pixels_under_the_same_words() -> None:
    for kind in ("image.swap_modality", "image.swap_patient", "image.degrade", "inject.instruction"):
        pair = twins(kind, load_scenario(SHEET), 0, POOL)
        assert pair
        clean, perturbed = [await look(t) for t in pair]
        assert clean.text == perturbed.text == "[The picture is shown.]"
        assert clean.pictures != perturbed.pictures, kind


async def test_a_caption_stands_beside_a_picture_that_is_the_same() -> None:
    for kind in ("text.mislabel", "report.contradict"):
        pair = twins(kind, load_scenario(SHEET), 0, POOL)
        assert pair
        clean, perturbed = [await look(t) for t in pair]
        assert clean.text != perturbed.text
        assert clean.text.endswith("\n[The picture is shown.]")
        assert perturbed.text.endswith("\n[The picture is shown.]")
        first, second = [pixels(gallery.part(r.pictures[0])).tobytes() for r in (clean, perturbed)]
        assert first == second


async def test_no_picture_is_shown_or_read_where_none_comes() -> None:
    pair = twins("image.absent", load_scenario(SHEET), 0, POOL)
    assert pair
    for plan in (
        ImagePlan(),
        ImagePlan(route="reader", readers={"*": "document"}),
        ImagePlan(route="report"),
    ):
        result = await look(pair.perturbed, plan)
        assert (result.text, result.pictures, result.route) == ("[The picture is shown.]", (), ("report",))


async def test_a_reader_reads_what_was_perturbed_and_the_caption_comes_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[Picture] = []

    def reader(asked: Asked) -> str:
        read.append(asked.pictures[0])
        return "A table of results."

    monkeypatch.setattr(sys.modules[__name__], "reader", reader, raising=False)
    plan = ImagePlan(route="reader", readers={"*": f"plugin:{__name__}:reader"})
    for kind in ("image.degrade", "text.mislabel"):
        pair = twins(kind, load_scenario(SHEET), 0, POOL)
        assert pair
        texts = [(await look(t, plan)).text for t in pair]
        if kind == "text.mislabel":
            assert all(t.startswith("Caption: ") and t.endswith("\nA table of results.") for t in texts)
            assert read[0].png == read[1].png
        else:
            assert texts == ["A table of results."] * 2
            assert read[0].png != read[1].png
        read.clear()


def test_pictures_are_borrowed_from_files_of_the_same_folder_only(tmp_path: Path) -> None:
    case = load_scenario(SHEET)
    donor = load_scenario("sheet-small-cells-02")
    filed = donor.images[0].model_copy(update={"draw": None, "file": ("film.png",)})
    far = donor.changed(images=(filed,))
    far._folder = tmp_path
    assert twins("image.confusable", case, 0, Pool([case, far])) is None
    far._folder = case.folder
    assert twins("image.confusable", case, 0, Pool([case, far])) is not None
