"""Sight is proven by what a model says of two pictures: who sees passes, who guesses or repeats does not."""

import base64
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_server import BROKEN, FakeServer, Messages, nobody

from clinicenv.models import loop, sight
from clinicenv.models.call import ModelError
from clinicenv.models.gateway import Gateway
from clinicenv.models.names import ModelName

NAMES = {rgb: name for name, rgb in sight.COLOURS.items()}


def shown(messages: Messages) -> bytes | None:
    """The picture in the last message."""
    parts = messages[-1]["content"]
    urls = [p["image_url"]["url"] for p in parts if isinstance(p, dict) and p["type"] == "image_url"]
    return base64.b64decode(urls[0].partition(",")[2]) if urls else None


def colours(png: bytes) -> list[str]:
    """The colours down the middle of a picture, top first: what eyes would see."""
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    pixels = zlib.decompress(png[start + 4 : start + 4 + length])
    middle = [row * (1 + 3 * width) + 1 + 3 * (width // 2) for row in range(height)]
    column = [NAMES[tuple(pixels[at : at + 3])] for at in middle]
    return [c for n, c in enumerate(column) if n == 0 or c != column[n - 1]]


def sees(messages: Messages) -> str:
    """What a model with eyes says."""
    png = shown(messages)
    return ", ".join(colours(png)) if png else "I see no picture."


@pytest.fixture
def prove(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., sight.Sight]]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def prove(server: FakeServer, seed: int = 0) -> sight.Sight:
        model = Gateway(retries=1).model(ModelName("openai", "tiny", server.url))
        return loop.run(sight.prove(model, seed))

    return prove


Prove = Callable[..., sight.Sight]


@pytest.mark.parametrize("seed", range(5))
def test_who_sees_passes(prove: Prove, seed: int) -> None:
    with FakeServer(sees) as server:
        found = prove(server, seed)
    assert found.proven
    assert found.answers == tuple(", ".join(order) for order in sight.orders(seed))
    assert "once in 14,280" in found.why


@pytest.mark.parametrize(
    "manner",
    [
        str.upper,
        lambda s: s.replace(", ", "\n- "),
        lambda s: f"**{s.title()}.**",
        lambda s: s.replace(",", ";"),
    ],
    ids=["capitals", "list", "markdown", "semicolons"],
)
def test_how_it_is_written_does_not_matter(prove: Prove, manner: Callable[[str], str]) -> None:
    with FakeServer(lambda messages: manner(sees(messages))) as server:
        assert prove(server).proven


def test_the_pictures_differ_and_nothing_else_does(prove: Prove) -> None:
    with FakeServer(sees) as server:
        prove(server, 3)
    first, second = [seen.body for seen in server.requests]
    images = [body["messages"][0]["content"].pop() for body in (first, second)]
    assert images[0] != images[1]
    assert first == second
    assert (first["temperature"], first["seed"]) == (0, 3)
    assert not set(sight.orders(3)[0]) - set(sight.named(str(first["messages"])))  # no colour is given away


BLIND: dict[str, Callable[[Messages], Any]] = {
    "always the same": lambda _: "The picture shows red, green, blue.",
    "right for the first only": lambda _: ", ".join(sight.orders(0)[0]),
    "all colours": lambda _: ", ".join(sight.COLOURS),
    "an invention": lambda _: "A chest X-ray without findings.",
    "nothing": lambda _: "",
    "upside down": lambda messages: ", ".join(reversed(sees(messages).split(", "))),
    "one colour too few": lambda messages: sees(messages).rpartition(", ")[0],
}


@pytest.mark.parametrize("said", BLIND.values(), ids=BLIND)
def test_who_does_not_see_does_not_pass(prove: Prove, said: Callable[[Messages], Any]) -> None:
    with FakeServer(said) as server:
        assert not prove(server).proven


def test_it_is_said_why(prove: Prove) -> None:
    with FakeServer(BLIND["an invention"]) as server:
        why = prove(server).why
    assert why == "it says the same to two different pictures: `A chest X-ray without findings.`"
    with FakeServer(BLIND["upside down"]) as server:
        why = prove(server).why
    order = sight.orders(0)[0]
    assert why == (f"it was shown {', '.join(order)}, top first, and said: `{', '.join(reversed(order))}`")


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_that_refuses_pictures_has_not_proven_sight(prove: Prove, status: int) -> None:
    refusal = (status, {"error": {"message": "image input is not supported"}}, {"retry-after-ms": "1"})
    with FakeServer(lambda messages: refusal if shown(messages) else "Hello.") as server:
        found = prove(server)
    assert not found.proven
    assert "image input is not supported" in found.why
    assert found.answers == ()


def test_who_cannot_be_asked_is_an_error(prove: Prove) -> None:
    with nobody() as url:
        model = Gateway(retries=0).model(ModelName("openai", "tiny", url))
        with pytest.raises(ModelError, match="no connection"):
            loop.run(sight.prove(model))
    with FakeServer(sees) as server:
        server.fail(BROKEN)  # passes, and is asked again
        assert prove(server).proven


def test_who_thinks_first_gets_room_for_it(prove: Prove) -> None:
    class Thinker(FakeServer):
        def _answer(self, seen: Any) -> Any:
            answer = super()._answer(seen)
            if seen.body["max_tokens"] < 1000:
                answer.body["choices"][0].update(
                    finish_reason="length", message={"content": "", "reasoning": "Hmm"}
                )
            return answer

    with Thinker(sees) as server:
        assert prove(server).proven
    assert [seen.body["max_tokens"] for seen in server.requests] == [64, 2048, 64, 2048]


def test_a_picture_is_a_png_that_others_can_read() -> None:
    image = pytest.importorskip("PIL.Image")
    order = ("red", "white", "black")
    with image.open(io.BytesIO(sight.picture(order))) as read:
        read.load()
        assert (read.format, read.size, read.mode) == ("PNG", (192, 192), "RGB")
        seen = [read.getpixel((x, y)) for y in (0, 63, 64, 127, 128, 191) for x in (0, 191)]
    assert seen == [sight.COLOURS[colour] for colour in order for _ in range(4)]


def test_pictures_follow_from_the_seed() -> None:
    assert sight.orders(7) == sight.orders(7)
    drawn = {sight.orders(seed) for seed in range(50)}
    assert len(drawn) > 45
    assert all(first != second for first, second in drawn)
    assert all(len(set(order)) == 3 for pair in drawn for order in pair)
