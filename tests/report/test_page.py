"""`clinicenv report`: what the page holds, that no text can break out of it, and what bad input gives."""

import base64
import hashlib
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pages import HOSTILE, case_with_picture, clinicenv, page_of, play_hostile, play_pictured, play_plain
from PIL import Image

from clinicenv.files import printable
from clinicenv.report.html import report
from clinicenv.runs.store import Store

OURS = {
    "html", "head", "meta", "link", "title", "style", "body", "a", "noscript", "p", "div", "header", "h1",
    "h2", "h3", "ul", "li", "strong", "nav", "main", "section", "table", "thead", "tbody", "tr", "th", "td",
    "small", "span", "figure", "figcaption", "script", "svg", "g", "path", "line", "text",
}  # fmt: skip
"""The elements that the page is made of."""


class Page(HTMLParser):
    """The elements of a page, and the text in each script."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def consultations(self) -> dict[str, dict[str, Any]]:
        return {
            str(a["data-consultation"]): json.loads(text)
            for a, text in self.scripts
            if "data-consultation" in a
        }

    def pictures(self) -> dict[str, bytes]:
        return {str(a["data-picture"]): base64.b64decode(t) for a, t in self.scripts if "data-picture" in a}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play_plain(tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play_hostile(tmp_path_factory.mktemp("runs") / "hostile")


def test_no_text_becomes_an_element_or_ends_a_script(hostile: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text(report([hostile]))
    page = Page(out)
    assert {tag for tag, _ in page.tags} <= OURS
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [a for tag, a in page.tags if tag != "link" and ("src" in a or "style" in a)]
    shown = printable(HOSTILE)
    assert page.text.count(shown) > 8  # it is all there, as text
    consultations = page.consultations()
    assert len(consultations) == 3
    for one in consultations.values():
        assert one["title"] == f"T {shown}"
        assert one["arm"].startswith(f"A {shown}")
        assert one["ratings"][0]["reason"] == shown
    said = [" ".join(line[4].split()) for one in consultations.values() for line in one["lines"]]
    assert f"S {shown}" in said
    assert f"doctor: C {shown}" in said
    failed = {
        one["failed"][0]: " ".join(one["failed"][1].split())
        for one in consultations.values()
        if one["failed"]
    }
    assert failed == {"doctor": f"C {shown}", "patient": f"C {shown}"}
    raw = out.read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202e]", raw)


def test_nothing_but_the_page_itself_may_be_loaded_or_run(plain: Path, tmp_path: Path) -> None:
    page = Page(page_of(plain, out=tmp_path / "page.html"))
    (policy,) = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    ((_, script),) = [s for s in page.scripts if not s[0]]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    links = [a["href"] for _, a in page.tags if "href" in a]
    assert links
    assert all(str(link).startswith(("#", "data:,")) for link in links)
    assert "innerHTML" not in script


def test_the_page_says_who_did_how_well_and_how_well_the_patient_was_played(
    plain: Path, tmp_path: Path
) -> None:
    page = Page(page_of(plain, out=tmp_path / "page.html"))
    for words in (
        "2 doctors in", "It is no medical device", "Leaderboard", "patient leaks", "patient invents",
        "patient misses", "Differences in what is right", "Differences in the score",
        "Where results came from",
        "answer leak", "premature", "self-contradiction", "volunteered", "Robustness of scripted",
        "image.degrade", "Nothing: every consultation came to its end.", "paired bootstrap by scenario",
    ):  # fmt: skip
        assert words in page.text, words
    plots = [a for tag, a in page.tags if tag == "svg"]
    assert [a["role"] for a in plots] == ["img"] * 4
    assert all("scripted" in str(a["aria-label"]) for a in plots)
    fills = {a.get("fill") for tag, a in page.tags if tag == "text"}
    assert fills == {"currentColor"}


def test_each_consultation_has_its_transcript_marks_and_evidence(plain: Path, tmp_path: Path) -> None:
    page = Page(page_of(plain, out=tmp_path / "page.html"))
    store = Store.open(plain)
    found = page.consultations()
    assert found.keys() == store.results().keys()
    ids = [str(a["href"])[1:] for tag, a in page.tags if tag == "a" and "try" in str(a.get("class"))]
    assert sorted(ids) == sorted(found)
    for key, one in found.items():
        events = {e.n for e in store.trajectory(key).events}
        assert {line[0] for line in one["lines"]} <= events
        assert {n for _, _, earned in one["marks"] for n in earned} <= events
    talk = next(o for o in found.values() if o["task"] == "diagnose" and o["arm"] == "scripted")
    assert any(earned for _, _, earned in talk["marks"])
    assert any(label == "verdict" for _, _, _, label, _ in talk["lines"])


def test_the_same_runs_give_the_same_bytes(plain: Path, tmp_path: Path) -> None:
    first = page_of(plain, out=tmp_path / "a.html")
    assert first.read_bytes() == page_of(plain, out=tmp_path / "b.html").read_bytes()
    copy = tmp_path / "elsewhere" / "plain"
    shutil.copytree(plain, copy)
    assert page_of(copy, out=tmp_path / "c.html").read_bytes() == first.read_bytes()


def test_a_picture_is_shown_without_its_secrets_when_all_files_are_gone(tmp_path: Path) -> None:
    cases = case_with_picture(tmp_path / "cases")
    run = play_pictured(tmp_path / "run", cases)
    (kept,) = (run / "pictures").glob("*.png")
    assert b"Secret Person" not in kept.read_bytes()
    assert max(Image.open(kept).size) == 1024
    assert len((run / "pictures" / "index.jsonl").read_text().splitlines()) == 1
    before = page_of(run, out=tmp_path / "before.html")
    (picture,) = Page(before).pictures().values()
    assert picture == kept.read_bytes()
    shown = [image for one in Page(before).consultations().values() for image in one["images"]]
    assert len(shown) == 4
    assert {(tuple(image[3]), image[4]) for image in shown} == {((kept.stem,), "")}
    shutil.rmtree(cases)
    assert page_of(run, out=tmp_path / "after.html").read_bytes() == before.read_bytes()


def test_a_picture_that_cannot_be_read_stops_nothing_and_is_said(tmp_path: Path) -> None:
    cases = case_with_picture(tmp_path / "cases")
    (cases / "tracing.png").write_bytes(b"no picture")
    run = play_pictured(tmp_path / "run", cases)
    page = Page(page_of(run, out=tmp_path / "page.html"))
    assert not page.pictures()
    said = {image[4] for one in page.consultations().values() for image in one["images"]}
    (words,) = said
    assert words.startswith("the picture was not kept: tracing.png: is not PNG, JPEG or DICOM")


def test_drawn_pictures_are_drawn_again_from_the_run(plain: Path, tmp_path: Path) -> None:
    page = Page(page_of(plain, out=tmp_path / "page.html"))
    assert len(page.pictures()) >= 2  # of both drawn cases, or more with the degraded ones
    assert not (plain / "pictures").exists()


def test_two_runs_stand_side_by_side_and_what_sets_them_apart_is_said(plain: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    cases = "sharp-chest-pain-01,bad-news-01"
    assert clinicenv("run", "--doctor", "scripted", "--seed", 3, "--scenarios", cases, "--out", other) == 0
    page = Page(page_of(plain, other, out=tmp_path / "page.html"))
    assert "the doctors differ in the seed, so a difference may come from that" in page.text
    assert "2 compared, " in page.text  # of four scenarios
    same = tmp_path / "same"
    shutil.copytree(plain, same)
    both = Page(page_of(plain, same, out=tmp_path / "both.html"))
    assert "scripted [same]" in both.text
    assert len(both.consultations()) == 2 * len(Store.open(plain).results())  # one key in two runs: two pages


def test_what_broke_is_told_apart_from_wrong_answers(hostile: Path, tmp_path: Path) -> None:
    page = Page(page_of(hostile, out=tmp_path / "page.html"))
    assert re.search(
        r"doctor broke patient broke measurement broke moderator broke clinicenv broke", page.text
    )
    assert "3 0 0 1 0 0 1 1 0 0 0 " in page.text  # played, right, wrong, undecided, ..., broke by role
    assert Page(tmp_path / "page.html").consultations()


@pytest.mark.parametrize("out", ["missing/page.html", "folder.html", "page.txt", "run.json"])
def test_a_page_that_cannot_be_written_is_refused_in_a_sentence(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert clinicenv("report", plain, "--out", tmp_path / out) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_runs_that_give_no_page_are_said_in_a_sentence(
    plain: Path, hostile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, out = tmp_path / "empty", tmp_path / "page.html"
    Store.create(empty, {}, {}, resume=True, force=False).close()
    for runs, words in (
        ((empty,), "nothing was played yet"),
        ((tmp_path / "none",), "none"),
        ((plain, plain), "twice"),
        ((plain, hostile), "is not the same scenario in all runs"),
    ):
        assert clinicenv("report", *runs, "--out", out) == 2
        said = capsys.readouterr()
        assert words in said.err
        assert (said.out, len(said.err.strip().splitlines())) == ("", 1)
        assert not out.exists()


def test_a_missing_extra_is_named(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    assert clinicenv("report", plain, "--out", tmp_path / "page.html") == 2
    assert "pip install 'clinicenv[report]'" in capsys.readouterr().err


def test_a_run_that_only_broke_has_a_page_too(tmp_path: Path) -> None:
    whole = play_hostile(tmp_path / "whole")
    lines = (whole / "trajectories.jsonl").read_bytes().split(b"\n")
    (whole / "trajectories.jsonl").write_bytes(b"\n".join(lines[1:]))
    (whole / "results.jsonl").unlink()
    page = Page(page_of(whole, out=tmp_path / "page.html"))
    assert "The doctors are not compared on correct" in page.text
    assert {one["state"] for one in page.consultations().values()} == {"error"}
