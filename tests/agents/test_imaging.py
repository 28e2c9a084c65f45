"""How what a picture shows gets to the doctor: the picture itself, somebody's reading, or the report."""

import base64
import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import clinicenv
from fake_server import FakeServer, Messages

from clinicenv import Cast, Diagnose, Leave, RequestImage, Say, aplay
from clinicenv.agents.imaging import ImagePlan
from clinicenv.consultation import Turn
from clinicenv.events import Report, Result, Role, Trajectory
from clinicenv.files import InputError
from clinicenv.models import sight
from clinicenv.models.gateway import Gateway
from clinicenv.readers.asked import Asked
from clinicenv.scenario import Scenario, load_file
from clinicenv.shipped import folder

PIL = pytest.importorskip("PIL.Image", reason="needs the `images` extra")

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}
FINDING = {"red": "pneumothorax", "blue": "pneumonia"}


def png(colour: str) -> bytes:
    file = io.BytesIO()
    PIL.new("RGB", (40, 30), COLOURS[colour]).save(file, "png")
    return file.getvalue()


def case(tmp_path: Path, colour: str) -> Scenario:
    """A bundled case whose chest x-ray is a picture of one colour; nothing else differs."""
    data = yaml.safe_load((folder("scenarios") / "sharp-chest-pain-01.yaml").read_text())
    (image,) = [i for i in data["images"] if i["modality"] == "xray"]
    image["file"] = "film.png"
    (tmp_path / "film.png").write_bytes(png(colour))
    file = tmp_path / "sharp-chest-pain-01.yaml"
    file.write_text(yaml.safe_dump(data))
    return load_file(file)


def colours(messages: Messages) -> list[str]:
    """The colours of the pictures in a prompt, in order."""
    found = []
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
                with PIL.open(io.BytesIO(data)) as image:
                    seen = image.convert("RGB").getpixel((5, 5))
                found += [name for name, rgb in COLOURS.items() if rgb == seen] or ["other"]
    return found


def proof(messages: Messages) -> str | None:
    """The answer of a model that sees to the pictures that prove sight; None to anything else."""
    parts = messages[-1]["content"]
    if not isinstance(parts, list) or "bands" not in parts[0].get("text", ""):
        return None
    with PIL.open(io.BytesIO(base64.b64decode(parts[1]["image_url"]["url"].partition(",")[2]))) as image:
        rows = [image.convert("RGB").getpixel((5, image.height * k // 6)) for k in (1, 3, 5)]
    return ", ".join(name for row in rows for name, rgb in sight.COLOURS.items() if rgb == row)


def seeing_doctor(messages: Messages) -> str:
    """Asks for the film, says what it saw, and decides by the colour."""
    if answer := proof(messages):
        return answer
    return doctor_by(messages, colours(messages))


def doctor_by(messages: Messages, seen: Sequence[str]) -> str:
    said = [m["content"] for m in messages if m["role"] == "assistant"]
    if not said:
        return "IMAGE: chest x-ray"
    what = FINDING.get(seen[-1] if seen else "", "nothing known")
    return f"On the film I see {what}." if len(said) == 1 else f"DIAGNOSE: {what}\nPLAN: rest"


def reading_doctor(messages: Messages) -> str:
    """The same for one that only reads: by the colour that the reading names."""
    assert not colours(messages)
    text = json.dumps(messages)
    return doctor_by(messages, re.findall(r"The film is (red|blue)", text))


def reader(messages: Messages) -> str:
    seen = colours(messages)
    return proof(messages) or (f"The film is {seen[0]}." if seen else "Hello.")


def blind(messages: Messages) -> str:
    return "red, green, blue" if isinstance(messages[-1]["content"], list) else reading_doctor(messages)


async def consult(
    scenario: Scenario, doctor: FakeServer, plan: ImagePlan, **settings: Any
) -> tuple[Trajectory, Result]:
    cast = Cast(doctor=f"openai:stub@{doctor.url}", images=plan, gateway=Gateway(retries=0))
    done = await aplay(scenario, cast, seed=1, **settings)
    assert done.outcome
    assert done.outcome.status == "terminated", done.events[-2]
    (shown,) = [r for e in done.of(Report) for r in e.what.results if r.kind == "image"]  # type: ignore[union-attr]
    return done, shown


def said(done: Trajectory) -> tuple[list[str], tuple[str, ...]]:
    """What the doctor said, and its differential."""
    acts = [e.what for e in done.events if e.role is Role.DOCTOR]
    return [a.text for a in acts if isinstance(a, Say)], next(
        a.differential for a in acts if isinstance(a, Diagnose)
    )


async def test_the_bytes_alone_change_what_a_doctor_with_eyes_says_and_decides(tmp_path: Path) -> None:
    found = {}
    for colour in COLOURS:
        (tmp_path / colour).mkdir()
        with FakeServer(reply=seeing_doctor) as server:
            done, shown = await consult(case(tmp_path / colour, colour), server, ImagePlan())
        assert (shown.source, shown.route, len(shown.pictures)) == ("picture", ("direct",), 1)
        found[colour] = (shown.pictures, *said(done))
    assert found["red"][0] != found["blue"][0]
    assert found["red"][1:] == (["On the film I see pneumothorax."], ("pneumothorax",))
    assert found["blue"][1:] == (["On the film I see pneumonia."], ("pneumonia",))


async def test_the_bytes_alone_change_a_reading_and_what_the_doctor_makes_of_it(tmp_path: Path) -> None:
    found = {}
    for colour in COLOURS:
        (tmp_path / colour).mkdir()
        with FakeServer(reply=reading_doctor) as server, FakeServer(reply=reader) as eyes:
            plan = ImagePlan(route="reader", readers={"xray": f"openai:eyes@{eyes.url}"})
            done, shown = await consult(case(tmp_path / colour, colour), server, plan)
        assert (shown.source, shown.pictures) == ("reader", ())
        found[colour] = (shown.text, *said(done))
    assert found["red"] == ("The film is red.", ["On the film I see pneumothorax."], ("pneumothorax",))
    assert found["blue"] == ("The film is blue.", ["On the film I see pneumonia."], ("pneumonia",))


async def test_a_model_without_sight_gets_no_picture_and_the_log_says_why(tmp_path: Path) -> None:
    with FakeServer(reply=blind) as server, FakeServer(reply=blind) as eyes:
        plan = ImagePlan(route="direct", readers={"*": f"openai:eyes@{eyes.url}"})
        scenario = case(tmp_path, "red")
        _, shown = await consult(scenario, server, plan)
        asked = [r.body["messages"] for r in server.requests]
    (image,) = [i for i in scenario.images if i.modality == "xray"]
    assert (shown.text, shown.source, shown.pictures) == (image.report, "report", ())
    direct, read, report = shown.route
    assert direct.startswith("not direct: it has not proven sight")
    assert read.startswith("not openai:eyes")
    assert report == "report"
    assert [m for m in asked if proof(m) is None and colours(m)] == []


async def test_the_plan_says_who_reads_which_kind(tmp_path: Path) -> None:
    with FakeServer(reply=lambda _: "DIAGNOSE: flu\nPLAN: rest") as server:
        for readers, route in (
            ({"xray": "report", "*": "plugin:test_imaging:says_size"}, ("no reader for xray", "report")),
            ({"*": "plugin:test_imaging:says_size"}, ("reader plugin:test_imaging:says_size",)),
            ({"ecg": "plugin:test_imaging:says_size"}, ("no reader for xray", "report")),
            ({"XRAY": "plugin:test_imaging:fails"},
             ("plugin:test_imaging:fails failed: ValueError: no such organ", "report")),
        ):  # fmt: skip
            scenario = case(tmp_path, "red")
            cast = Cast(doctor=Asks(), images=ImagePlan(route="reader", readers=readers))
            done = await aplay(scenario, cast)
            (shown,) = [r for e in done.of(Report) for r in e.what.results]  # type: ignore[union-attr]
            assert shown.route == route
            if shown.source == "reader":
                assert shown.text == "chest x-ray: 40 x 30"
        assert server.requests == []


class Asks:
    """A doctor that asks for the film and goes."""

    def act(self, turn: Turn) -> RequestImage | Leave:
        return RequestImage(("chest x-ray",)) if turn.view.turn == 1 else Leave("Bye.")


class Sees(Asks):
    sees = True


def says_size(asked: Asked) -> str:
    (picture,) = asked.pictures
    return f"{asked.request}: {picture.width} x {picture.height}"


def fails(asked: Asked) -> str:
    raise ValueError("no such organ")


async def test_a_missing_or_other_file_falls_back_to_the_report_and_is_in_the_log(tmp_path: Path) -> None:
    scenario = case(tmp_path, "red")
    (tmp_path / "film.png").unlink()
    done = await aplay(scenario, Cast(doctor=Sees(), images=ImagePlan()))
    (shown,) = [r for e in done.of(Report) for r in e.what.results]  # type: ignore[union-attr]
    assert shown.source == "report"
    assert shown.route[0].startswith("no picture: film.png")
    assert "pneum" not in " ".join(shown.route)


def test_nothing_of_whose_a_picture_is_leaves_the_file(tmp_path: Path) -> None:
    """A photograph that knows where it was taken and of whom: no model, log, table or transcript has that."""
    secret = ("Ada Lovelace-Berg", "48.8584", "Clinic of the Nine Elms")
    photograph = PIL.new("RGB", (40, 30), COLOURS["red"])
    exif = photograph.getexif()
    exif[0x013B], exif[0x010E] = secret[0], secret[2]
    exif.get_ifd(0x8825)[0x1D] = secret[1]
    case(tmp_path, "red")
    file = tmp_path / "film.png"
    photograph.save(file, "jpeg", exif=exif, comment=secret[0].encode())
    assert secret[0].encode() in file.read_bytes()
    with FakeServer(reply=seeing_doctor) as server, FakeServer(reply=reader) as eyes:
        for route in ("direct", "reader"):
            out = str(tmp_path / route)
            options = ("--image-route", route, "--reader", f"*=openai:eyes@{eyes.url}", "--max-turns", "3")
            cases = ("--scenarios", str(tmp_path / "sharp-chest-pain-01.yaml"), "--out", out)
            run = clinicenv("run", "--doctor", f"openai:stub@{server.url}", *cases, *options)
            assert run.returncode == 0, run.stderr
            assert f"what the doctor got: {route}" in run.stdout
            key = json.loads((tmp_path / route / "results.jsonl").read_text())["key"]
            told = [run.stdout, run.stderr, clinicenv("show", out, key).stdout]
            told += [file.read_text() for file in (tmp_path / route).rglob("*.json*")]
            assert not [word for word in secret for text in told if word in text]
        requests = [r.body for s in (server, eyes) for r in s.requests]
    sent = [data for body in requests for data in pictures(body["messages"])]
    assert len(sent) > 4  # those of the proofs of sight too
    assert not [word for word in secret if word in json.dumps(requests)]
    assert not [word for word in secret for data in sent if word.encode() in data]


def pictures(messages: Messages) -> list[bytes]:
    """The bytes of the pictures in a prompt."""
    parts = [p for m in messages if isinstance(m["content"], list) for p in m["content"]]
    urls = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
    return [base64.b64decode(url.partition(",")[2]) for url in urls]


async def test_without_the_extra_for_pictures_the_report_is_given_and_the_log_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    done = await aplay(case(tmp_path, "blue"), Cast(doctor=Sees(), images=ImagePlan()))
    (shown,) = [r for e in done.of(Report) for r in e.what.results]  # type: ignore[union-attr]
    assert shown.source == "report"
    assert "clinicenv[images]" in shown.route[0]


@pytest.mark.parametrize(("both", "report"), [(False, False), (True, True)])
async def test_a_picture_comes_with_its_report_only_where_the_plan_says_so(
    tmp_path: Path, both: bool, report: bool
) -> None:
    scenario = case(tmp_path, "red")
    done = await aplay(scenario, Cast(doctor=Sees(), images=ImagePlan(both=both)))
    (shown,) = [r for e in done.of(Report) for r in e.what.results]  # type: ignore[union-attr]
    (image,) = [i for i in scenario.images if i.modality == "xray"]
    assert (image.report in shown.text) is report


async def test_pictures_at_the_start_come_before_the_first_turn(tmp_path: Path) -> None:
    views: list[Any] = []

    class Looks(Sees):
        def act(self, turn: Turn) -> Leave:
            views.append(turn.view)
            return Leave("Bye.")

    await aplay(case(tmp_path, "red"), Cast(doctor=Looks(), images=ImagePlan()), images="start")
    shown = [r for e in views[0].events if isinstance(e.what, Report) for r in e.what.results]
    assert any(r.pictures for r in shown)


@pytest.mark.parametrize("name", ["nobody", "plugin:no_such_module:f", "plugin:test_imaging:COLOURS"])
def test_a_reader_that_is_none_is_refused_at_once(name: str) -> None:
    with pytest.raises(InputError, match=re.escape(name)):
        Cast(doctor="scripted", images=ImagePlan(route="reader", readers={"*": name}))


async def test_readings_that_wait_are_read_together() -> None:
    import asyncio
    import threading

    from clinicenv.agents.readers import FunctionReader

    sizes, go = [], threading.Event()

    def one(asked: Asked) -> str:
        raise AssertionError("never one by one")

    def many(batch: Sequence[Asked]) -> list[str]:
        sizes.append(len(batch))
        go.wait(5)
        return [a.request for a in batch]

    one.many = many  # type: ignore[attr-defined]
    batcher = FunctionReader("batch", one)
    turn: Any = None
    first = asyncio.create_task(batcher.read(Asked((), "0"), turn, "0"))
    await asyncio.sleep(0.05)
    rest = [asyncio.create_task(batcher.read(Asked((), str(n)), turn, str(n))) for n in range(1, 9)]
    await asyncio.sleep(0.05)
    go.set()
    assert await asyncio.gather(first, *rest) == [str(n) for n in range(9)]
    assert sizes == [1, 8]
