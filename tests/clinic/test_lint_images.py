"""The linter on pictures: there, unchanged, readable, and nobody's."""

import hashlib
import struct
import zlib
from pathlib import Path

from clinicenv.cli.scenarios import template
from clinicenv.clinic.lint import Finding, lint_file
from clinicenv.models import sight

IMAGE = """images:
  - id: scan
    name: CT of the head
    modality: ct
    body_part: head
    file: scan.png
    sha256: SUM
    alt_text: Slices of a head.
    report: No bleed.
    license: CC-BY-4.0
answer:
"""
GOOD = template("spinning-01", "diagnose").replace("answer:\n", IMAGE, 1)


def lint(folder: Path, text: str) -> list[Finding]:
    file = folder / "spinning-01.yaml"
    file.write_text(text, encoding="utf-8")
    return lint_file(file)


def line_of(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


def test_image_file(tmp_path):
    text = GOOD
    missing = lint(tmp_path, text)
    assert [(f.line, f.field) for f in missing] == [(line_of(text, "file: scan.png"), "images[0].file")]
    scan = sight.picture(("red", "blue", "green"))
    (tmp_path / "scan.png").write_bytes(scan)
    wrong = lint(tmp_path, text)
    assert [(f.line, f.field) for f in wrong] == [(line_of(text, "sha256: SUM"), "images[0].sha256")]
    right = hashlib.sha256(scan).hexdigest()
    assert lint(tmp_path, text.replace("SUM", right)) == []
    assert right in wrong[0].what
    outside = lint(tmp_path, text.replace("file: scan.png", "file: ../scan.png"))
    assert "outside" in outside[0].what
    assert "without a `file`" in lint(tmp_path, text.replace("    file: scan.png\n", ""))[0].what


def test_a_file_that_is_no_picture_is_an_error_and_one_that_tells_whose_it_is_a_warning(tmp_path):
    text = GOOD.replace("    sha256: SUM\n", "")
    (tmp_path / "scan.png").write_bytes(b"pixels")
    (none,) = lint(tmp_path, text)
    assert (none.level, "scan.png" in none.what) == ("error", True)
    png, note = sight.picture(("red", "blue", "green")), b"Author\0Ada Berg"
    chunk = struct.pack(">I", len(note)) + b"tEXt" + note + struct.pack(">I", zlib.crc32(b"tEXt" + note))
    (tmp_path / "scan.png").write_bytes(png[:33] + chunk + png[33:])
    (named,) = lint(tmp_path, text)
    assert named.level == "warning"
    assert "tEXt" in named.what or "Author" in named.what
    assert "Ada" not in named.what
