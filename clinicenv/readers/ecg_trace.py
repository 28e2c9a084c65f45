"""Gets the twelve signals back out of an ECG that `clinicenv.drawing.ecg.draw` put on paper.

Paper is told by its colour, the trace by its darkness, and the scale comes from the squares, so a picture may
have been resized or saved as JPEG. A photograph (tilted, creased, unevenly lit) is not read.
"""

from io import BytesIO
from typing import Any, TypeAlias

from clinicenv.drawing.ecg import BASELINES, GRID, HZ, LEADS, MM_PER_MV, MM_PER_S, ROWS, START
from clinicenv.files import InputError

try:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, UnidentifiedImageError
except ImportError as e:
    raise InputError("reading an ECG needs the `ecg` extra: pip install 'clinicenv[ecg]'") from e

Array: TypeAlias = "NDArray[Any]"

ABOVE, BELOW = 19.0, 15.5
"""mm around a baseline where its trace is looked for"""

DARK = 0.45
"""share of full darkness from which a point counts as ink"""


def traces(picture: bytes) -> Array:
    """Twelve leads by 5000 samples in mV, as `drawing.ecg.signal` gives them.

    Lead II is the rhythm strip's, over the whole time; the others have their quarter, elsewhere no number.
    """
    pixels = _pixels(picture)
    bare = pixels[:, :, 0] > 222  # neither trace nor names
    pink = np.where(bare, 255 - pixels[:, :, 1], 0)
    left, across = _squares(pink.sum(axis=0) / (bare.sum(axis=0) + 1), GRID[0])
    top, down = _squares(pink.sum(axis=1) / (bare.sum(axis=1) + 1), GRID[1])
    ink = np.clip((225 - pixels.max(axis=2)) / 195, 0, 1)
    seconds = (np.arange(pixels.shape[1]) - left) / across / MM_PER_S - START / MM_PER_S
    leads = np.full((len(LEADS), 10 * HZ), np.nan)
    times = np.arange(10 * HZ) / HZ
    for row, names in zip(BASELINES, ROWS, strict=True):
        zero = top + row * down
        first, last = round(zero - ABOVE * down), round(zero + BELOW * down)
        for place, name in enumerate(names):
            start, end = place * 10 / len(names), (place + 1) * 10 / len(names)
            columns = np.flatnonzero((seconds > start + 0.004) & (seconds < end - 0.004))
            height = _follow(ink[max(first, 0) : last, columns]) + max(first, 0)
            drawn = np.isfinite(height)
            if drawn.mean() < 0.9:
                raise InputError(f"no trace where lead {name} should be; give a picture that `draw` made")
            mv = (zero - height[drawn]) / down / MM_PER_MV
            inside = (times >= start) & (times < end)
            leads[LEADS.index(name), inside] = np.interp(times[inside], seconds[columns[drawn]], mv)
    return leads


def _pixels(picture: bytes) -> Array:
    try:
        with Image.open(BytesIO(picture)) as image:
            return np.asarray(image.convert("RGB"), dtype=float)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as e:
        raise InputError("not a picture that can be opened; give a PNG or JPEG") from e


def _squares(profile: Array, mm: int) -> tuple[float, float]:
    """Where the paper begins and how many pixels a millimetre has, from the coarse lines in one direction."""
    tinted = np.flatnonzero(profile > 0.35 * np.median(profile))
    if len(tinted) < 3 * mm or np.median(profile) < 4:
        raise InputError("no ECG paper found; give a picture that `draw` made, at 3 pixels a mm or more")
    rough, lines, at = (tinted[-1] - tinted[0]) / mm, np.arange(0, mm + 1, 5), np.arange(len(profile))
    firsts = tinted[0] + np.arange(-1, 1, 0.05) * rough
    lasts = tinted[-1] + np.arange(-1, 1, 0.05) * rough
    # the comb of lines, one each 5 mm, that lies on the darkest columns; squares make fine lines count little
    sharp = np.clip(profile - np.median(profile), 0, None) ** 2
    combs = firsts[:, None, None] + (lasts[None, :, None] - firsts[:, None, None]) * (lines / mm)
    score = np.interp(combs, at, sharp).mean(axis=2)
    i, j = np.unravel_index(int(score.argmax()), score.shape)
    if score[i, j] < 2 * sharp.mean():
        raise InputError("the paper's squares are uneven; give a picture that `draw` made, not a photograph")
    near = score > 0.9 * score[i, j]
    near &= (np.abs(np.arange(len(firsts))[:, None] - i) < 8) & (np.abs(np.arange(len(lasts)) - j) < 8)
    first = float(np.average(np.broadcast_to(firsts[:, None], near.shape)[near], weights=score[near]))
    last = float(np.average(np.broadcast_to(lasts, near.shape)[near], weights=score[near]))
    return first, (last - first) / mm


def _follow(ink: Array) -> Array:
    """The height of the trace in each column, in pixels from the top; not a number in columns without ink."""
    count = ink.shape[1]
    top, bottom = np.full(count, np.nan), np.full(count, np.nan)
    last: float | None = None
    for column in range(count):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (ink[:, column] > DARK).astype(int), [0]])))
        runs = list(zip(edges[::2], edges[1::2], strict=True))
        if not runs:
            continue
        away = [0.0 if last is None else abs((a + b - 1) / 2 - last) for a, b in runs]
        start, end = runs[int(np.argmin(away))]
        part = slice(max(start - 1, 0), min(end + 1, len(ink)))
        shade = ink[part, column]
        middle = np.average(np.arange(part.start, part.stop), weights=shade)
        tall = shade.sum()
        top[column], bottom[column] = middle - tall / 2, middle + tall / 2
        last = middle
    half = np.nanmedian(bottom - top) / 2 if np.isfinite(top).any() else 0.0
    height = (top + bottom) / 2
    # at a sharp peak the line goes up and down within a column: its tip counts, not its middle
    around = [np.concatenate([side[:1], side[:-1]]) for side in (top, bottom)]
    after = [np.concatenate([side[1:], side[-1:]]) for side in (top, bottom)]
    tall_column = bottom - top > 3 * half
    up = tall_column & (top < around[0]) & (top < after[0])
    down = tall_column & (bottom > around[1]) & (bottom > after[1]) & ~up
    height[up], height[down] = top[up] + half, bottom[down] - half
    return np.asarray(height)
