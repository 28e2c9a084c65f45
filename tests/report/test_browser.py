"""The page in a real browser: it asks for nothing, complains of nothing, and a keyboard is enough."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Lines, Unhelpful
from pages import HOSTILE, case_with_picture, page_of, play_hostile, play_pictured, play_plain

from clinicenv import Cast, play
from clinicenv.events import Say
from clinicenv.files import printable
from clinicenv.runs.store import Store
from clinicenv.scenario import select

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the dev group")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt install chromium)")

SETTLED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        found = p.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return page_of(play_plain(folder / "plain"), out=folder / "page.html")


class Tab:
    """A page in the browser, and all that it complained of or asked for."""

    def __init__(self, browser: Any, file: Path, hash: str = "", **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(f"console {m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.complaints.append(f"error: {e}"))
        self.page.on("dialog", lambda d: (self.complaints.append(f"dialog: {d.message}"), d.dismiss()))
        self.page.on("request", self._asked)
        self.own = file.as_uri()
        self.page.goto(self.own + hash)

    def _asked(self, request: Any) -> None:
        if request.url.partition("#")[0] != self.own and not request.url.startswith("data:"):
            self.complaints.append(f"request: {request.url}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.page.evaluate(SETTLED)

    def focused(self, what: str) -> Any:
        return self.page.evaluate(f"document.activeElement.{what}")

    @property
    def shown(self) -> str:
        """The key of the consultation that is open; empty for the overview."""
        pane = self.page.locator("#consultation")
        return pane.locator("dt:text-is('key') + dd").inner_text() if pane.is_visible() else ""


@pytest.fixture
def tab(browser: Any, file: Path) -> Iterator[Tab]:
    made = Tab(browser, file)
    yield made
    made.context.close()
    assert made.complaints == []


def test_a_keyboard_is_enough(tab: Tab) -> None:
    tab.press("Tab")
    assert tab.focused("textContent") == "Skip to the results"
    for _ in range(200):
        tab.press("Tab")
        if "try" in tab.focused("className"):
            break
    key = tab.focused("hash")[1:]
    scrolled = tab.page.evaluate("window.scrollY")
    tab.press("Enter")
    assert tab.shown == key
    assert tab.focused("tagName") == "H1"
    tab.press("n", "n", "p")
    second = tab.shown
    assert second not in ("", key)
    tab.press("Escape")
    assert tab.shown == ""
    assert tab.focused("hash")[1:] == key
    assert tab.page.evaluate("window.scrollY") == scrolled
    tab.press("n", "Escape")  # do nothing here
    assert tab.shown == ""


def test_links_and_the_back_button_lead_to_consultations(browser: Any, file: Path, tab: Tab) -> None:
    keys = [link.get_attribute("href")[1:] for link in tab.page.locator("a.try[href]").all()]
    direct = Tab(browser, file, f"#{keys[1]}")
    assert direct.shown == keys[1]
    direct.press("Escape")
    assert direct.focused("hash") == f"#{keys[1]}"
    tab.page.locator(f"a.try[href='#{keys[0]}']").click()
    tab.page.get_by_role("link", name="Next →").click()
    assert tab.shown == keys[1]
    tab.page.go_back()
    tab.page.evaluate(SETTLED)
    assert tab.shown == keys[0]
    tab.page.go_back()
    tab.page.evaluate(SETTLED)
    assert tab.shown == ""
    for strange in ("#nothing", "#%", "#__proto__", "#marks"):
        other = Tab(browser, file, strange)
        assert other.shown == ""
        assert other.complaints == []
    assert direct.complaints == []


def test_a_mark_leads_to_the_event_that_earned_it(tab: Tab) -> None:
    tab.page.locator("a.try.right").first.click()
    link = tab.page.locator("#consultation table a.event").first
    n = link.inner_text()
    link.click()
    tab.page.evaluate(SETTLED)
    assert tab.focused("id") == f"event-{n}"
    assert tab.page.locator(f"#event-{n}.target").is_visible()


def test_a_slip_of_the_patient_stands_at_its_turn(browser: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    case = select("sharp-chest-pain-01")[0]
    with Store.create(run, {}, {}, resume=True, force=False) as store:
        store.put_scenario(case)
        store.append(
            play(case, Cast(doctor=Lines([Say("Has she had a fever?")]), patient=Unhelpful()), max_turns=2)
        )
    tab = Tab(browser, page_of(run, out=tmp_path / "page.html"), f"#{next(iter(Store.open(run).results()))}")
    slip = tab.page.locator("li.line.patient", has_text="I don't know.").first.locator(".slip")
    assert "missed: could have answered, and told nothing of it" in slip.inner_text()


def test_every_consultation_opens(tab: Tab) -> None:
    tab.page.locator("a.try").first.click()
    seen = set()
    while tab.shown not in seen:
        seen.add(tab.shown)
        assert tab.page.locator("#consultation li.line").count() > 1
        tab.press("n")
    assert len(seen) == tab.page.locator("a.try").count()


def test_no_text_of_a_case_a_model_or_a_person_acts(browser: Any, tmp_path: Path) -> None:
    run = play_hostile(tmp_path / "hostile")
    keys = list(Store.open(run).results())
    tab = Tab(browser, page_of(run, out=tmp_path / "page.html"))
    for key in keys:
        tab.page.goto(f"{tab.own}#{key}")
        tab.page.evaluate(SETTLED)
        assert tab.shown == key
        assert printable(HOSTILE) in tab.page.locator("#consultation h1").text_content()
        assert (
            printable(HOSTILE) in tab.page.locator("#consultation td", has_text="alert").first.text_content()
        )
    assert tab.page.locator("img, #consultation script").count() == 0
    assert tab.complaints == []


def test_a_picture_is_seen(browser: Any, tmp_path: Path) -> None:
    run = play_pictured(tmp_path / "run", case_with_picture(tmp_path / "cases"))
    shutil.rmtree(tmp_path / "cases")
    key = next(iter(Store.open(run).results()))
    tab = Tab(browser, page_of(run, out=tmp_path / "page.html"), f"#{key}")
    image = tab.page.locator("#consultation figure img").first
    image.scroll_into_view_if_needed()
    image.evaluate("i => i.decode()")
    assert image.evaluate("i => [i.naturalWidth, i.naturalHeight]") == [1024, 461]
    assert image.get_attribute("alt")
    assert tab.complaints == []


@pytest.mark.parametrize("where", ["overview", "consultation"])
def test_a_phone_scrolls_no_page_sideways(browser: Any, file: Path, where: str) -> None:
    tab = Tab(browser, file, viewport={"width": 360, "height": 740})
    if where == "consultation":
        tab.page.locator("a.try").first.click()
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 360
    assert tab.complaints == []


def test_dark_mode_has_its_own_colours_and_both_can_be_read(browser: Any, file: Path) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        tab = Tab(browser, file, color_scheme=scheme)
        body = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
        ink, paper = tab.page.evaluate(f"() => {{ {body} }}")
        label = tab.page.locator("svg text").first.evaluate("t => getComputedStyle(t).fill")
        assert label == ink  # of plots, too
        colours[scheme] = (_light(ink), _light(paper))
        assert abs(_light(ink) - _light(paper)) > 150
        assert tab.complaints == []
    assert colours["light"][0] < colours["light"][1]
    assert colours["dark"][0] > colours["dark"][1]


def _light(rgb: str) -> float:
    parts = [float(part) for part in rgb.partition("(")[2].rstrip(")").split(",")[:3]]
    return sum(parts) / 3
