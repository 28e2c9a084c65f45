"""What spoils a picture: blur, a cut, the wrong side round, a photograph of a screen, words over it.

Effects are so strong that a careful reader can say what is wrong, and that what the picture was taken for can
hardly be told from it; in a mirrored one all but the side can. The same picture, effect and seed give the
same bytes. Needs the `images` extra.
"""

from random import Random
from typing import TYPE_CHECKING

from clinicenv.drawing.document import drawable, font, luck, wrapped
from clinicenv.files import InputError
from clinicenv.pictures.limits import opened
from clinicenv.pictures.plain import Picture, guarded, plain_picture
from clinicenv.workup import Altered

if TYPE_CHECKING:
    from PIL.Image import Image

BLUR = 1 / 90
"""Radius of the weakest blur, in longer sides; the strongest has twice that."""

KEPT = 0.35
"""Share of each side that a crop leaves."""

DOTS = 4
"""Pixels of a screen's dots, and between its lines."""


def altered(picture: Picture, how: Altered) -> Picture:
    """The picture with the effect, then with the words over it; what the font cannot draw is `?`.

    PictureError where the picture cannot be read.
    """

    def work() -> Picture:
        image = opened(picture.png, "PNG").convert("RGB")
        if how.effect:
            image = _EFFECTS[how.effect](image, luck(how.effect, how.seed))
        return plain_picture(_under(image, how.words) if how.words else image)

    return guarded("the picture", work)


def _blur(image: "Image", chance: Random) -> "Image":
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(max(image.size) * BLUR * (1 + chance.random())))


def _crop(image: "Image", chance: Random) -> "Image":
    """A corner, without the middle, where most pictures have what matters."""
    width, height = (max(1, round(side * KEPT)) for side in image.size)
    left, top = chance.choice((0, image.width - width)), chance.choice((0, image.height - height))
    return image.crop((left, top, left + width, top + height))


def _mirror(image: "Image", chance: Random) -> "Image":
    from PIL import ImageOps

    return ImageOps.mirror(image)


def _screen(image: "Image", chance: Random) -> "Image":
    """Askew, with a screen's coarse dots and lines, and a lamp's reflection on it."""
    from PIL import Image, ImageDraw, ImageFilter

    coarse = image.resize([max(1, side // DOTS) for side in image.size])
    photo = coarse.resize(image.size, Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(photo)
    for y in range(0, photo.height, DOTS):
        pen.line((0, y, photo.width, y), fill=(70, 70, 80))
    x, y = (round(side * chance.uniform(0.25, 0.75)) for side in image.size)
    reach = max(image.size) // 4
    lamp = Image.new("L", image.size)
    ImageDraw.Draw(lamp).ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    photo.paste((255, 255, 250), mask=lamp.filter(ImageFilter.GaussianBlur(reach / 3)))
    tilt = chance.choice((-1, 1)) * chance.uniform(4, 8)
    return photo.rotate(tilt, Image.Resampling.BICUBIC, expand=True, fillcolor=(15, 15, 18))


_EFFECTS = {"blur": _blur, "crop": _crop, "mirror": _mirror, "screen": _screen}


def _under(image: "Image", words: str) -> "Image":
    """Below a strip with these words in black on white."""
    from PIL import Image, ImageDraw

    size = max(12, min(28, image.width // 36))
    lines = list(wrapped([_drawn(word) for word in words.split()], size, max(image.width - size, 6 * size)))
    step = round(1.5 * size)
    strip = step * len(lines) + size
    whole = Image.new("RGB", (image.width, image.height + strip), "white")
    whole.paste(image, (0, strip))
    pen = ImageDraw.Draw(whole)
    for n, line in enumerate(lines):
        pen.text((size // 2, size // 2 + step * n), line, font=font(size), fill="black")
    return whole


def _drawn(word: str) -> str:
    return "".join(map(_letter, word))


def _letter(character: str) -> str:
    try:
        return drawable(character)
    except InputError:
        return "?"
