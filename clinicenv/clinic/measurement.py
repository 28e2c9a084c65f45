"""What tests and images show, in one form for what a scenario lists and what it does not."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal

from clinicenv.clinic import catalogue
from clinicenv.clinic.examination import bedside, examine, plain_words, singular, titled, with_unit
from clinicenv.events import Examine, Order, Report, RequestImage, Result
from clinicenv.view import MeasurementView
from clinicenv.workup import Image, Measured, Test

Number = Callable[[str], float]
Listed = Test | Image

_VAGUE = frozenset(
    {"serum", "plasma", "blood", "level", "levels", "test", "tests", "scan", "panel", "profile", "urgent"}
    | {"stat", "routine", "baseline", "a", "an", "the", "of", "for", "with", "and", "please"}
)
"""Words that tell no test from another."""

NOT_AVAILABLE = "Not available here."


def report(view: MeasurementView, number: Number) -> Report:
    """One result for each item of each order, in their order; a repeated one is reported once.

    `number` gives a number in [0, 1) for a key such as `test:full_blood_count:Haemoglobin`; values of tests
    that the scenario leaves to the catalogue are drawn with it.
    """
    results: dict[tuple[object, ...], Result] = {}
    for order in view.orders:
        for item in order.items:
            result = _listed(order, item, view)
            if result is None:
                result = _unlisted(item, view, number, "image" if isinstance(order, RequestImage) else "test")
            key = (result.kind, result.ids or result.name.lower(), result.text)
            results.setdefault(key, result)
    return Report(tuple(results.values()))


_CASES, _ITEMS = 256, 1024
_shown: dict[tuple[int, ...], tuple[tuple[object, ...], dict[tuple[type, str], Result | None]]] = {}
"""What a case's table shows (None: nothing), by the identity of its parts, which are kept with it."""


def _listed(order: Order, item: str, view: MeasurementView) -> Result | None:
    """What the case's own table shows for an item; None where it has nothing and the catalogue decides.

    Worked out once for a case: finding the name among all the others takes longer than the rest of a turn.
    """
    table = (id(view.exam), id(view.tests), id(view.images))
    kept = _shown.get(table)
    if kept is None:
        if len(_shown) >= _CASES:
            _shown.clear()
        kept = _shown[table] = ((view.exam, view.tests, view.images), {})
    results, key = kept[1], (type(order), item)
    if key not in results:
        if len(results) >= _ITEMS:
            results.clear()
        results[key] = _look_up(order, item, view)
    return results[key]


def _look_up(order: Order, item: str, view: MeasurementView) -> Result | None:
    if isinstance(order, Examine):
        return examine(item, view.exam, lambda name: _is_test(name, view))
    images_first = isinstance(order, RequestImage)
    pools: list[Iterable[Listed]] = [view.images, view.tests] if images_first else [view.tests, view.images]
    listed = _find_listed(item, [entry for pool in pools for entry in pool])
    if isinstance(listed, Image):
        return _image(item, listed)
    if listed:
        return _test(item, listed)
    return bedside(item, view.exam)


def _find_listed(item: str, listed: list[Listed]) -> Listed | None:
    """The scenario's test or image of that name: as written, by the catalogue's other names, or misspelt."""
    names: dict[str, Listed] = {}
    for entry in listed:
        for name in (entry.id, entry.name, *entry.aliases):
            names.setdefault(plain_words(name), entry)
    plain = plain_words(item)
    if plain in names:
        return names[plain]
    core = _core(plain)
    if core and (same := next((e for n, e in names.items() if _core(n) == core), None)):
        return same
    known = catalogue.find(item)
    if known:
        others = (plain_words(n) for n in (known.id, known.name, *known.aliases))
        return next((names[n] for n in others if n in names), None)
    respelt = _respelt(plain, tuple(names))
    return names[respelt] if respelt else None


def _is_test(item: str, view: MeasurementView) -> bool:
    return bool(_find_listed(item, [*view.tests, *view.images]) or catalogue.find(item))


@lru_cache(maxsize=4096)
def _core(plain: str) -> frozenset[str]:
    """The words that tell one test from another; empty where there are none."""
    return frozenset(singular(w) for w in plain.split() if w not in _VAGUE)


@lru_cache(maxsize=1024)
def _respelt(plain: str, names: tuple[str, ...]) -> str | None:
    """The name that this is a slip of; short words and those with digits (`t4`, `ct`) must be the same."""
    from rapidfuzz import fuzz, process

    if len(plain) < 5:
        return None
    near = process.extract(plain, names, scorer=fuzz.ratio, score_cutoff=catalogue.SPELLING_RATIO, limit=5)
    return next((name for name, _, _ in near if _marks(name) == _marks(plain)), None)


def _marks(plain: str) -> set[str]:
    return {w for w in plain.split() if len(w) <= 3 or not w.isalpha()}


def _test(item: str, test: Test) -> Result:
    lines: list[tuple[str, Measured]] = [(c.name, c) for c in test.components]
    if test.result:
        lines.insert(0, (test.name, test.result))
    texts = [_line(name, m, alone=len(lines) == 1) for name, m in lines]
    return Result(
        item,
        test.name,
        "; ".join(texts) + (f". {test.comment}" if test.comment else ""),
        _kind(test.category),
        (test.id,),
        flags=tuple(flag for _, m in lines if (flag := _flag(m)) != "normal"),
        cost=test.cost,
        minutes=test.minutes,
    )


def _image(item: str, image: Image) -> Result:
    return Result(
        item,
        image.name,
        with_caption(image, image.labelled_report),
        "image",
        (image.id,),
        source="report",
        route=("report",),
        cost=image.cost,
        minutes=image.minutes,
    )


SHOWN = "[The picture is shown.]"
"""What stands in a result in place of words, where the picture itself is shown."""


def with_caption(image: Image, text: str) -> str:
    """What is said of an image, after what stands beside it."""
    return f"{image.caption}\n{text}" if image.caption else text


def _unlisted(item: str, view: MeasurementView, number: Number, kind: Literal["test", "image"]) -> Result:
    """A test that the scenario does not list: a healthy result, or none, as the scenario says."""
    known = catalogue.find(item)
    if known is None:
        return Result(item, titled(item), NOT_AVAILABLE, kind, source="unknown")
    kind = _kind(known.category)
    if view.unlisted == "unavailable":
        return Result(item, known.name, NOT_AVAILABLE, kind, source="unavailable", route=("unavailable",))
    readings = catalogue.normal_result(
        known, lambda line: number(f"test:{known.id}:{line}"), view.sex, view.age
    )
    text = "; ".join(_reading(r, alone=len(readings) == 1) for r in readings)
    return Result(
        item,
        known.name,
        text or known.normal_text or "",
        kind,
        source="normal",
        route=("normal",),
        cost=known.cost,
        minutes=known.minutes,
    )


def _reading(reading: catalogue.Reading, alone: bool) -> str:
    if isinstance(reading.value, str):
        shown = reading.value[:1].upper() + reading.value[1:]
        return shown if alone else f"{reading.name}: {reading.value}"
    shown = f"{with_unit(reading.value, reading.unit)}{_range(reading.low, reading.high)}"
    return shown if alone else f"{reading.name} {shown}"


def _kind(category: str) -> Literal["test", "image"]:
    return "image" if category == "imaging" else "test"


def _line(name: str, measured: Measured, alone: bool) -> str:
    """One line of a lab slip: name, value with unit, reference range, H or L where it is outside."""
    value, text = measured.value, measured.text
    if value is None:
        return str(text) if alone else f"{name}: {text}"
    if isinstance(value, str):
        line = f"{'' if alone else name + ': '}{with_unit(value, measured.unit)}"
    else:
        low, high = (measured.ref.low, measured.ref.high) if measured.ref else (None, None)
        shown = f"{with_unit(value, measured.unit)}{_range(low, high)}{_letter(measured)}"
        line = shown if alone else f"{name} {shown}"
    return f"{line}. {text}" if text else line


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f" (<{with_unit(high, '')})" if high is not None else f" (>{with_unit(low or 0, '')})"
    return f" ({with_unit(low, '')}-{with_unit(high, '')})"


def side(measured: Measured) -> Literal["low", "high"] | None:
    """On which side of the reference range the number is; None inside, or without either."""
    value, ref = measured.value, measured.ref
    if isinstance(value, str) or value is None or ref is None:
        return None
    if ref.low is not None and value < ref.low:
        return "low"
    return "high" if ref.high is not None and value > ref.high else None


def _letter(measured: Measured) -> str:
    where = measured.flag if measured.flag in ("low", "high") else side(measured)
    return {"low": " L", "high": " H"}.get(where or "", "")


def _flag(measured: Measured) -> str:
    return measured.flag or side(measured) or "normal"
