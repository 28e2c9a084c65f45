"""The page about many stored consultations: how large it is, how long it takes to make and to open."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from clinicenv import Cast, play
from clinicenv.report.html import report
from clinicenv.runs.store import Store
from clinicenv.scenario import select

CONSULTATIONS = 1_000
DOCTORS = ("scripted", "bayes", "random", "guess")
TRIES = 3


def measure() -> dict[str, Any]:
    """Megabytes, seconds to make the page, and to open it in Chromium (skipped where there is none)."""
    with tempfile.TemporaryDirectory() as folder:
        _play(Path(folder, "run"))
        page = Path(folder, "page.html")
        seconds = []
        for _ in range(TRIES):
            started = time.perf_counter()
            page.write_text(report([page.parent / "run"]))
            seconds.append(time.perf_counter() - started)
        found = {
            "consultations": CONSULTATIONS,
            "mb": round(page.stat().st_size / 1e6, 1),
            "make_s": round(median(seconds), 2),
        }
        chromium = next(
            filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
        )
        if chromium is None:
            return {**found, "skipped": "no Chromium is installed"}
        return {**found, "open_s": round(median(_open(chromium, page) for _ in range(TRIES)), 2)}


def _play(folder: Path) -> None:
    scenarios = select("all")
    with Store.create(folder, {}, {}, resume=True, force=False) as store:
        for scenario in scenarios:
            store.put_scenario(scenario)
        for n in range(CONSULTATIONS):
            scenario = scenarios[n // len(DOCTORS) % len(scenarios)]
            cast = Cast(doctor=DOCTORS[n % len(DOCTORS)])
            store.append(play(scenario, cast, repeat=n // (len(DOCTORS) * len(scenarios))))


def _open(chromium: str, page: Path) -> float:
    """Seconds in a fresh browser until the page's load event, and the leaderboard is to be seen."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        started = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="load")
        tab.locator("#leaderboard table").first.wait_for(state="visible")
        seconds = time.perf_counter() - started
        browser.close()
    return seconds


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
