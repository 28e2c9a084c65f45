"""A page about one or several runs: one HTML file that opens without a network."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from clinicenv import __version__
from clinicenv.files import InputError, printable
from clinicenv.report import overview, plots, quality
from clinicenv.report.consulted import consulted
from clinicenv.report.grid import grids
from clinicenv.report.overview import Arms, Cell, Entry
from clinicenv.report.rated import Rated
from clinicenv.runs.compared import Run, differences, load, shared_arms
from clinicenv.runs.pictures import Album
from clinicenv.runs.scoring import each
from clinicenv.score.statistics import need_stats

MOST_PICTURES = 20_000_000
"""Bytes of pictures in a page; the later ones are only named."""


def report(folders: Sequence[Path]) -> str:
    """The page about the runs in these folders; the same for the same runs.

    InputError where an extra is missing, and as from `runs.compared.load`.
    """
    need_stats()
    plots.need_plots()
    runs = load(folders)
    if not any(run.all_results for run in runs):
        raise InputError("nothing was played yet", file=folders[0])
    entries = list(_entries(runs))
    shared = shared_arms(runs)
    plain: dict[str, list[Entry]] = {}
    for e in entries:
        if not e.result.perturbed:
            plain.setdefault(e.arm, []).append(e)
    arms = Arms(plain)
    pictures, shown = _pictures(entries)
    rated = Rated(runs)
    data = {e.id: _data(e, shown, rated) for e in _in_order(entries, list(arms.entries))}

    def name(run: Run, arm: str) -> str:
        return run.name(arm, shared)

    return _render(
        version=__version__,
        runs=[_about(run) for run in runs],
        counts=_counts(entries, arms),
        warnings=differences(runs),
        leaderboard=overview.leaderboard(arms),
        paired=overview.paired(arms),
        plots=list(_plots(arms)),
        marks=overview.all_marks(arms),
        quality=[quality.patients(arms), quality.measurements(arms)],
        endings=quality.endings(arms),
        failures=[e for e in entries if e.found.failed],
        more=[*overview.pairs_table(runs, name), *overview.robustness_tables(runs, name)],
        rated=rated.tables(),
        grids=grids(entries, list(arms.entries)),
        data={id: as_json(one) for id, one in data.items()},
        pictures=pictures,
    )


def _entries(runs: Sequence[Run]) -> Iterator[Entry]:
    shared, used = shared_arms(runs), set[str]()
    for number, run in enumerate(runs, 1):
        results = sorted(run.all_results, key=lambda r: (r.scenario, r.perturbed, r.arm, r.repeat, r.key))
        for result, found in zip(results, each(run.store, [r.key for r in results], consulted), strict=True):
            arm = result.arm.removesuffix(f", {result.perturbed}") if result.perturbed else result.arm
            id = result.key if result.key not in used else f"{result.key}-{number}"
            used.add(id)
            yield Entry(id, run, result, run.name(arm, shared), found)


def _in_order(entries: Sequence[Entry], arms: Sequence[str]) -> list[Entry]:
    """As the grid has them, which is the order of next and previous."""
    place = {arm: n for n, arm in enumerate(arms)}
    return sorted(
        entries,
        key=lambda e: (
            bool(e.result.perturbed),
            e.result.scenario,
            e.result.perturbed,
            place.get(e.arm, len(place)),
            e.arm,
            e.result.repeat,
        ),
    )


def _about(run: Run) -> dict[str, Any]:
    return {
        "label": run.label,
        "version": str(run.store.versions.get("clinicenv", "unknown")),
        "consultations": len(run.all_results),
    }


def _counts(entries: Sequence[Entry], arms: Arms) -> dict[str, int]:
    return {
        "consultations": len(entries),
        "scenarios": len({e.result.scenario for e in entries}),
        "doctors": len(arms.entries),
        "perturbed": sum(bool(e.result.perturbed) for e in entries),
    }


def _data(entry: Entry, shown: Mapping[tuple[str, str, str], Any], rated: Rated) -> dict[str, Any]:
    """What the page has of a consultation."""
    where = (entry.run.label, entry.found.scenario_hash)
    page = entry.found.page
    images = [[n, name, alt, *shown[*where, image]] for n, image, name, alt in page["images"]]
    return {
        **page,
        "arm": printable(entry.result.arm),
        "run": entry.run.label,
        "images": images,
        "ratings": [{k: _words(v) for k, v in one.items()} for one in rated.of(entry.run, entry.result.key)],
    }


def _words(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def _pictures(entries: Sequence[Entry]) -> tuple[dict[str, str], dict[tuple[str, str, str], Any]]:
    """The pictures by key, in base64; and of each image ([keys], why there are none)."""
    found: dict[str, str] = {}
    shown: dict[tuple[str, str, str], Any] = {}
    albums: dict[str, Album] = {}
    size = 0
    for e in entries:
        for image in e.found.images:
            place = (e.run.label, e.found.scenario_hash, image)
            if place in shown:
                continue
            album = albums.setdefault(e.run.label, Album(e.run.store.folder))
            scenario = e.run.store.scenario(e.found.scenario_hash)
            kept = album.of(scenario, next(i for i in scenario.images if i.id == image))
            new = {key: png for key, png in kept.pngs.items() if key not in found}
            if size + sum(map(len, new.values())) > MOST_PICTURES:
                shown[place] = ([], "the picture is left out, as all together would make this page too large")
                continue
            size += sum(map(len, new.values()))
            found |= {key: base64.b64encode(png).decode() for key, png in new.items()}
            shown[place] = (list(kept.pngs), printable(kept.missing))
    return found, shown


def _plots(arms: Arms) -> Iterator[dict[str, str]]:
    order = list(arms.entries)
    titles = {"correct": "Right diagnoses and answers", "score": "Score of the whole consultation"}
    for mark, title in titles.items():
        if rows := overview.means_with_intervals(arms, mark):
            label = f"{title}, mean and 95 % interval: " + "; ".join(map(_said, rows))
            yield {"title": title, "svg": plots.intervals(rows, order, "mean and 95 % interval", label)}
    for took, what, form in (("turns", "turns of the doctor", "d"), ("cost", "cost of tests, $", "~s")):
        rows = [
            {**row, took: found}
            for row in overview.means_with_intervals(arms, "correct")
            if (found := arms.mean(str(row["arm"]), took)) is not None
        ]
        if rows:
            label = f"Right against {what}: " + "; ".join(f"{_said(r)}, {took} {r[took]:.1f}" for r in rows)
            title = f"Right against {what.partition(',')[0]}"
            yield {"title": title, "svg": plots.scatter(rows, order, took, f"{what}, mean", form, label)}


def _said(row: Mapping[str, Any]) -> str:
    return f"{printable(row['arm'])} {row['mean']:.0%} ({row['low']:.0%} to {row['high']:.0%})"


def as_json(data: Any) -> str:
    """JSON that may stand in a script element: no text in it can end the element or a line of a script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _part(name: str) -> str:
    return (files("clinicenv.report") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _render(**found: Any) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def one_line(value: Any) -> Any:
        """Text of files, models and people without control characters; what is markup already stays."""
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    page = Environment(
        autoescape=True, finalize=one_line, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page.filters["cell"] = lambda given: given if isinstance(given, Cell) else Cell(str(given))
    script, style = _part("page.js"), _part("page.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)};"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )
    return page.from_string(_part("page.html")).render(policy=policy, script=script, style=style, **found)
