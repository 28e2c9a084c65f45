"""Questions that are right only together: MediConfusion's and ProbMed's rules, and who can win by them."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clinicenv import Answer, Cast, aplay, gallery
from clinicenv.agents.imaging import ImagePlan
from clinicenv.agents.replay import Replay
from clinicenv.consultation import Turn
from clinicenv.events import Report, Role, Verdict
from clinicenv.importers import importer, save
from clinicenv.runs.store import Store
from clinicenv.scenario import load_scenario, select
from clinicenv.score.pairs import PairRow, summarise
from clinicenv.view import DoctorView

PIL = pytest.importorskip("PIL.Image", reason="needs the `images` extra")

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}
YES_NO = ("Yes", "No")


def png(colour: str) -> bytes:
    file = io.BytesIO()
    PIL.new("RGB", (40, 30), COLOURS[colour]).save(file, "png")
    return file.getvalue()


def benchmark(folder: Path) -> Path:
    """Two look-alike pictures under one question, a question with its negation, and one by itself."""
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(png(colour))
    lines = [
        {"id": f"film-{colour}", "question": "Which colour has the film?", "image": f"{colour}.png",
         "options": ["Red", "Blue"], "answer": colour, "pair": "film"}
        for colour in COLOURS
    ]  # fmt: skip
    lines += [
        {"id": f"is-{claim}", "question": f"Is the film {claim}?", "image": "red.png",
         "options": list(YES_NO), "answer": "Yes" if claim == "red" else "No", "pair": "negation"}
        for claim in COLOURS
    ]  # fmt: skip
    lines += [
        {"id": "alone", "question": "Is it red?", "image": "red.png", "options": list(YES_NO), "answer": "A"}
    ]
    file = folder / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


class Doctor:
    """A function of the view; one with eyes is shown pictures."""

    def __init__(self, answer: Callable[[DoctorView], str], sees: bool = False) -> None:
        self._answer, self.sees = answer, sees

    def act(self, turn: Turn) -> Answer:
        assert isinstance(turn.view, DoctorView)
        return Answer(self._answer(turn.view))


def colour_seen(view: DoctorView) -> str:
    (shown,) = [r for e in view.events if isinstance(e.what, Report) for r in e.what.results]
    (key,) = shown.pictures
    data = base64.b64decode(gallery.part(key)["image_url"]["url"].partition(",")[2])
    with PIL.open(io.BytesIO(data)) as image:
        pixel = image.convert("RGB").getpixel((5, 5))
    return next(name for name, rgb in COLOURS.items() if rgb == pixel)


def looking(view: DoctorView) -> str:
    colour = colour_seen(view)
    if any(o.text in YES_NO for o in view.options):
        return (
            "Yes."
            if colour in (view.question or "") or "it red" in (view.question or "")
            else "No, it is not."
        )
    return f"The film is {colour}: " and colour


def reading(view: DoctorView) -> str:
    """Answers by the words alone, and knows which pair of words is which."""
    return "Red" if view.options[0].text == "Red" else "Yes" if "red" in (view.question or "") else "No"


async def scored(tmp_path: Path, doctor: Doctor, images: str = "request", repeats: int = 1) -> PairRow:
    done = importer("vqa").convert(benchmark(tmp_path))
    assert done.bad == []
    save(done.scenarios, tmp_path / "cases", done.pictures)
    cast = Cast(doctor=doctor, images=ImagePlan())
    with Store.create(tmp_path / "run", {}, {}, resume=False, force=False) as store:
        for scenario in select(str(tmp_path / "cases")):
            for repeat in range(repeats):
                store.append(await aplay(scenario, cast, images=images, repeat=repeat))
        (row,) = summarise(store.results().values())
    return row


async def test_a_doctor_that_sees_gets_all_pairs(tmp_path: Path) -> None:
    row = await scored(tmp_path, Doctor(looking, sees=True), repeats=2)
    assert (row.pairs, row.incomplete, row.both, row.accuracy, row.confusion) == (2, 0, 1.0, 1.0, 0.0)
    assert (row.questions, row.credit) == (5, 1.0)


async def test_an_always_a_gets_half_the_questions_and_no_pair(tmp_path: Path) -> None:
    row = await scored(tmp_path, Doctor(lambda _: "A"))
    assert (row.both, row.accuracy, row.alike, row.confusion) == (0.0, 0.5, 2, 1.0)
    assert row.credit == pytest.approx(1 / 5)  # the question that has no twin


async def test_a_doctor_that_only_reads_is_caught_by_look_alikes_and_not_by_negations(tmp_path: Path) -> None:
    row = await scored(tmp_path, Doctor(reading))
    assert (row.both, row.confusion) == (0.5, 0.5)


@pytest.mark.parametrize("images", ["request", "start"])
async def test_the_picture_of_a_question_comes_unasked_before_the_first_turn(
    tmp_path: Path, images: str
) -> None:
    assert (await scored(tmp_path, Doctor(looking, sees=True), images)).both == 1.0


async def test_with_no_images_the_same_doctor_is_shown_none(tmp_path: Path) -> None:
    seen: list[Any] = []

    def watching(view: DoctorView) -> str:
        seen.extend(e for e in view.events if isinstance(e.what, Report))
        return "A"

    await scored(tmp_path, Doctor(watching, sees=True), "none")
    assert seen == []


async def test_one_without_eyes_gets_no_picture_and_no_word_that_would_help(tmp_path: Path) -> None:
    texts: set[str] = set()

    def watching(view: DoctorView) -> str:
        for e in view.events:
            texts.update(r.text for r in getattr(e.what, "results", ()))
        return "A"

    await scored(tmp_path, Doctor(watching))
    assert texts == {"No report was written for this picture."}


def result(scenario: str, pair: str, chosen: str, correct: bool, **more: Any) -> Any:
    marks = {
        "pair": pair,
        "options": more.pop("options", ["Yes", "No"]),
        "chosen": chosen,
        "correct": correct,
    }
    given = {"scenario": scenario, "arm": "x", "status": "terminated", "marks": marks, "repeat": 0, **more}
    return SimpleNamespace(**given)


def test_chance_is_named_for_two_options_as_in_the_papers() -> None:
    row = summarise([result("a", "p", "Yes", True), result("b", "p", "No", True)])[0]
    assert (row.accuracy_chance, row.both_chance, row.confusion_chance) == (0.5, 0.25, 0.5)
    assert row.credit_chance == 0.25


def test_a_free_question_has_no_chance_level_and_no_confusion() -> None:
    row = summarise([result("a", "p", "", True, options=[]), result("b", "p", "", False, options=[])])[0]
    assert (row.accuracy, row.both, row.alike) == (0.5, 0.0, 0)
    assert (row.accuracy_chance, row.both_chance, row.confusion, row.confusion_chance) == (None,) * 4


def test_options_in_another_order_are_the_same_options() -> None:
    row = summarise([result("a", "p", "No", True), result("b", "p", "No", False, options=["No", "Yes"])])[0]
    assert (row.alike, row.confusion) == (1, 1.0)


def test_two_unanswered_questions_are_wrong_and_not_confused() -> None:
    row = summarise([result("a", "p", "", False), result("b", "p", "", False)])[0]
    assert (row.both, row.confusion) == (0.0, 0.0)


def test_a_pair_with_one_broken_question_counts_nowhere() -> None:
    broken = SimpleNamespace(scenario="b", arm="x", status="error", marks={}, repeat=0)
    whole = [result("c", "q", "Yes", True), result("d", "q", "No", True)]
    row = summarise([result("a", "p", "Yes", True), broken, *whole])[0]
    assert (row.pairs, row.incomplete, row.both, row.questions) == (1, 1, 1.0, 2)


def test_repeats_are_paired_by_number_and_count_as_one_pair() -> None:
    row = summarise(
        [result(s, "p", "Yes", right, repeat=n) for s, rights in (("a", (1, 1)), ("b", (1, 0)))
         for n, right in enumerate(rights)]
    )[0]  # fmt: skip
    assert (row.pairs, row.both, row.accuracy) == (1, 0.5, 0.75)
    assert row.low is not None
    assert row.low < 0.2


def test_a_run_without_pairs_has_no_row() -> None:
    assert summarise([result("a", "", "Yes", True)]) == []
    assert (
        summarise([SimpleNamespace(scenario="a", arm="x", status="terminated", marks={"correct": True})])
        == []
    )


async def test_the_log_says_what_was_chosen(tmp_path: Path) -> None:
    done = importer("vqa").convert(benchmark(tmp_path))
    case = next(s for s in done.scenarios if s.id == "is-blue")
    log = await aplay(case, Cast(doctor=Doctor(lambda _: "No, it is red.")))
    verdict = log.verdict
    assert isinstance(verdict, Verdict)
    assert verdict.chosen
    assert (verdict.answer_correct, verdict.chosen.pair, verdict.chosen.option) == (True, "negation", "No")


async def test_a_consultation_with_an_unasked_picture_can_be_replayed(tmp_path: Path) -> None:
    done = importer("vqa").convert(benchmark(tmp_path))
    save(done.scenarios, tmp_path / "cases", done.pictures)
    case = load_scenario(tmp_path / "cases" / "alone.yaml")
    cast = Cast(doctor=Doctor(looking, sees=True), images=ImagePlan())
    log = await aplay(case, cast)
    again = cast
    for role in (Role.DOCTOR, Role.MEASUREMENT, Role.PATIENT):
        again = again.with_agent(role, Replay(log, role))
    assert (await aplay(case, again)).to_json() == log.to_json()
