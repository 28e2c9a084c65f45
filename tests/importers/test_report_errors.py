"""Questions on errors in reports: the same for a seed, fair, and twins but for the error."""

import difflib
from pathlib import Path

import pytest

from clinicenv.clinic.lint import lint_files
from clinicenv.files import InputError
from clinicenv.importers import save
from clinicenv.importers.report_errors import KINDS, LEVELS, errors
from clinicenv.importers.report_questions import CLEAN, generate, read
from clinicenv.scenario import Scenario

REPORTS = """\
FINDINGS: The heart is of normal size. A round nodule of 12 mm lies in the right upper lobe. No pleural
effusion. No pneumothorax. The aorta has 31 mm.
IMPRESSION: Nodule of 12 mm in the right upper lobe. Follow-up in three months.

FINDINGS: A stone of 8 mm sits in the left ureter. Hydronephrosis on the left. The right kidney is normal.
No fluid around the kidneys.
IMPRESSION: Left ureteric stone of 8 mm with hydronephrosis of the left kidney.

Lungs clear. No consolidation. Heart of normal size. No rib fracture on the left.
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "reports.txt"
    path.write_text(REPORTS)
    return path


def made(file: Path, n: int, seed: int = 0) -> list[Scenario]:
    return generate(read(str(file)), n, seed)


def right(case: Scenario) -> str:
    assert case.question
    return next(o.text for o in case.question.options if o.correct)


def pairs(cases: list[Scenario]) -> list[tuple[Scenario, Scenario]]:
    """(the one with the error, the clean one)"""
    found = zip(cases[::2], cases[1::2], strict=True)
    return [(a, b) if right(b) == CLEAN else (b, a) for a, b in found]


def test_paragraphs_are_reports_with_their_lines(file: Path) -> None:
    assert [r.line for r in read(str(file))] == [1, 5, 9]


def test_the_same_seed_gives_the_same_files_and_another_others(file: Path) -> None:
    assert made(file, 8, 1) == made(file, 8, 1)
    assert [right(s) for s in made(file, 8, 1)] != [right(s) for s in made(file, 8, 2)]
    assert made(file, 8, 1) == made(file, 12, 1)[:16]


def test_twins_differ_only_in_the_error(file: Path) -> None:
    for wrong, clean in pairs(made(file, 20)):
        a, b = (s.model_dump(mode="json", exclude={"id", "imported"}) for s in (wrong, clean))
        texts = [d["question"].pop("report") for d in (a, b)]
        offered = [[o.pop("correct") for o in d["question"]["options"]] for d in (a, b)]
        assert a == b
        assert offered[0] != offered[1]
        changes = difflib.SequenceMatcher(None, *texts, autojunk=False).get_opcodes()
        parts = [c for c in changes if c[0] != "equal"]
        assert texts[0] != texts[1]
        assert max(c[2] for c in parts) - min(c[1] for c in parts) < 90
        assert wrong.question
        assert clean.question
        assert wrong.question.pair == clean.question.pair


def test_every_kind_is_made_at_both_levels_in_turn(file: Path) -> None:
    ten = pairs(made(file, 10))
    assert [right(wrong) for wrong, _ in ten] == [*KINDS, *KINDS]
    assert [wrong.meta.tags[1] for wrong, _ in ten] == [f"level-{level}" for level in LEVELS for _ in KINDS]
    assert {right(clean) for _, clean in ten} == {CLEAN}


def test_neither_id_nor_order_tells_which_one_is_clean(file: Path) -> None:
    letters = [wrong.id[-1] for seed in range(5) for wrong, _ in pairs(made(file, 10, seed))]
    assert 15 < letters.count("a") < 35


@pytest.mark.parametrize(
    ("report", "kind", "level", "changed"),
    [
        ("A cyst of 9 mm in the left lobe. Left lobe cyst as before.", "side", 1, "right"),
        ("A cyst in the left lobe. Left cyst as before. Right lobe normal.", "side", 2, "right"),
        ("A cyst of 9 mm is seen. Cyst of 9 mm, harmless.", "number", 1, "90"),
        ("A cyst of 45 mm is seen. Liver smooth.", "number", 1, "450"),
        ("A cyst of 12 mm is seen. Cyst of 12 mm, harmless.", "number", 2, "21"),
        ("A cyst of 12 mm is seen. Liver smooth.", "unit", 1, "m"),
        ("A cyst of 12 mm is seen. Cyst of 12 mm, harmless.", "unit", 2, "cm"),
        ("No effusion. Heart normal.", "insertion", 1, " A large effusion is seen."),
        ("No free air. Heart normal.", "insertion", 2, " Slight free air is noted."),
        ("There is a scar in the left lobe.", "omission", 1, ""),
    ],
)
def test_what_an_error_is(report: str, kind: str, level: int, changed: str) -> None:
    assert changed in [e.wrong for e in errors(report) if (e.kind, e.level) == (kind, level)]


def test_a_left_out_finding_is_still_in_the_impression() -> None:
    report = "FINDINGS: Heart normal. A fracture of the third rib is seen. IMPRESSION: Rib fracture."
    (left_out,) = [e for e in errors(report) if (e.kind, e.level) == ("omission", 2)]
    assert left_out.made_in(report) == "FINDINGS: Heart normal.  IMPRESSION: Rib fracture."


@pytest.mark.parametrize(
    "report",
    [
        "A cyst in the left lobe. Liver smooth.",  # nothing else says which side
        "A cyst in the left lobe. Another cyst in the right lobe.",
        "A cyst of 9 mm is seen. Liver smooth.",  # 90 mm could be
        "Left lung clear. Right lung clear.",
    ],
)
def test_no_error_is_made_that_nobody_could_find(report: str) -> None:
    assert [
        e for e in errors(report) if e.kind == "side" or (e.kind, e.level) in (("number", 1), ("unit", 2))
    ] == []


def test_more_than_the_reports_allow_is_an_error_that_says_how_many(file: Path) -> None:
    with pytest.raises(InputError, match=r"these 3 reports allow \d+ errors, not 1000"):
        made(file, 1000)


def test_a_file_without_reports_and_an_unknown_selection_are_errors(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("Too short.\n\n")
    with pytest.raises(InputError, match="no report of 40 characters"):
        read(str(tmp_path / "x.txt"))
    with pytest.raises(InputError, match="no bundled scenario"):
        read("no-such")


def test_reports_of_the_bundled_images_will_do_too() -> None:
    reports = read("all")
    assert len({r.text for r in reports}) == len(reports) > 30
    assert len(generate(reports, 20, 0)) == 40


def test_made_questions_lint_and_are_never_overwritten(file: Path, tmp_path: Path) -> None:
    files = save(made(file, 10), tmp_path / "out")
    assert [f for f in lint_files(files) if f.level == "error"] == []
    assert save(made(file, 10), tmp_path / "out") == files
    with pytest.raises(InputError, match="is there already"):
        save([made(file, 1)[0].model_copy(update={"title": "Other"})], tmp_path / "out")
