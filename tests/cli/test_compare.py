"""`clinicenv score` and `compare`: what a person gets from one run and from several."""

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from clinicenv.cli.main import call
from clinicenv.report.comparison import COLUMNS
from clinicenv.report.tables import table
from clinicenv.runs import scoring
from clinicenv.runs.store import lock_of
from clinicenv.score.marks import MARKS

CHEST = ("--scenarios", "group:sharp-chest-pain,group:sudden-headache")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = call([*map(str, arguments)])
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture
def first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    folder = tmp_path / "first"
    doctors = ("--doctor", "scripted", "--doctor", "guess")
    assert run(capsys, "run", *doctors, *CHEST, "--repeats", 2, "--out", folder)[0] == 0
    return folder


def test_a_run_is_scored_by_all_rules(capsys: pytest.CaptureFixture[str], first: Path) -> None:
    code, out, _ = run(capsys, "score", first)
    assert code == 0
    assert re.search(r"mark\s+guess\s+scripted", out)
    assert re.search(r"top_3\s+[\d.]+ \(16\)\s+[\d.]+ \(16\)", out)
    data = json.loads(run(capsys, "score", first, "--json")[1])["arms"]
    assert set(data["scripted"]) <= set(MARKS)
    assert data["scripted"]["history"]["mean"] > data["guess"]["history"]["mean"]
    by = json.loads(run(capsys, "score", first, "--by", "group", "--json")[1])["arms"]
    assert set(by) == {
        f"{d}: {g}" for d in ("scripted", "guess") for g in ("sharp-chest-pain", "sudden-headache")
    }


def test_one_consultation_shows_the_events_behind_its_marks(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    key = json.loads(run(capsys, "show", first, "--json")[1])["consultations"][0]["key"]
    code, out, _ = run(capsys, "score", first, key[:10])
    assert code == 0
    assert "parts of the score" in out
    data = json.loads(run(capsys, "score", first, key, "--json")[1])
    assert set(data["marks"]) == set(MARKS)
    assert data["events"].keys() <= set(MARKS)


def test_a_run_is_scored_when_the_scenario_files_are_gone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from clinicenv.scenario import load_scenario
    from clinicenv.shipped import folder

    cases = tmp_path / "cases"
    cases.mkdir()
    source = folder("scenarios") / "sharp-chest-pain-01.yaml"
    (cases / "mine.yaml").write_text(source.read_text().replace("id: sharp-chest-pain-01", "id: mine", 1))
    assert load_scenario(cases / "mine.yaml").id == "mine"
    assert run(capsys, "run", "--doctor", "scripted", "--scenarios", cases, "--out", tmp_path / "r")[0] == 0
    before = run(capsys, "score", tmp_path / "r", "--json")[1]
    shutil.rmtree(cases)
    assert run(capsys, "score", tmp_path / "r", "--json")[1] == before
    assert run(capsys, "compare", tmp_path / "r", "--mark", "score")[0] == 0


def test_doctors_are_compared_in_every_format(capsys: pytest.CaptureFixture[str], first: Path) -> None:
    code, out, err = run(capsys, "compare", first)
    assert (code, err) == (0, "")
    assert re.search(r"scripted\s+8 x 2\s+\d+%\s+\d+% to \d+%\s+\d.*reference", out)
    assert "80 % power" in out
    rows = list(csv.reader(io.StringIO(run(capsys, "compare", first, "--format", "csv")[1])))
    assert rows[0] == [
        "doctor", "n", "mean", "95 %", "rank", "difference", "its 95 %", "p", "q", "all right",
            "turns", "cost",
    ]  # fmt: skip
    assert "| scripted | 8 x 2 |" in run(capsys, "compare", first, "--format", "md")[1]
    assert r"95 \%" in run(capsys, "compare", first, "--format", "latex")[1]
    data = json.loads(run(capsys, "compare", first, "--format", "json", "--mark", "score")[1])
    (comparison,) = data["comparisons"]
    assert [row["arm"] for row in comparison["rows"]] == ["scripted", "guess"]
    assert comparison["rows"][1]["difference"] < 0


def test_a_comparison_is_divided_and_its_reference_named(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    data = json.loads(
        run(capsys, "compare", first, "--by", "group", "--reference", "guess", "--format", "json")[1]
    )
    assert [c["of"] for c in data["comparisons"]] == ["sharp-chest-pain", "sudden-headache"]
    assert {c["reference"] for c in data["comparisons"]} == {"guess"}
    code, _, err = run(capsys, "compare", first, "--reference", "nobody")
    assert code == 2
    assert "there are: guess, scripted" in err


def test_runs_that_differ_in_more_than_the_doctor_are_said_to(
    capsys: pytest.CaptureFixture[str], first: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    assert run(capsys, "run", "--doctor", "scripted", *CHEST, "--seed", 5, "--out", other)[0] == 0
    code, out, err = run(capsys, "compare", first, other)
    assert code == 0
    assert (
        "the doctors differ in the seed, so a difference may come from that: 0 (guess | scripted); 5" in err
    )
    same = tmp_path / "same"
    shutil.copytree(first, same)
    _, out, err = run(capsys, "compare", first, same)
    assert err == ""
    assert "scripted [first]" in out
    assert "scripted [same]" in out


def test_different_scenarios_of_one_name_are_not_compared(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from clinicenv.shipped import folder

    source = (folder("scenarios") / "sharp-chest-pain-01.yaml").read_text()
    for name, text in (("a", source), ("b", source.replace("cost: 40", "cost: 41", 1))):
        (tmp_path / f"{name}.yaml").write_text(text)
        out = tmp_path / name
        assert (
            run(capsys, "run", "--doctor", "guess", "--scenarios", tmp_path / f"{name}.yaml", "--out", out)[0]
            == 0
        )
    code, _, err = run(capsys, "compare", tmp_path / "a", tmp_path / "b")
    assert code == 2
    assert "`sharp-chest-pain-01` is not the same scenario in all runs" in err


def test_what_is_no_run_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for verb in ("score", "compare"):
        code, out, err = run(capsys, verb, tmp_path)
        assert (code, out) == (2, "")
        assert "no run's folder" in err


def test_a_rubric_is_rated_by_rule_and_what_was_rated_is_kept(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    code, out, _ = run(capsys, "score", first, "--rubric", "amie-patient-26")
    assert code == 0
    assert re.search(r"empathy\s+1\.0 of 5 \(16\)\s+[3-5]\.\d of 5 \(16\)\s+local", out)
    assert re.search(r"honest\s+not rated\s+not rated\s+none", out)
    kept = first / "scores" / "amie-patient-26@rule.jsonl"
    before = kept.read_bytes()
    assert len(before.splitlines()) == 32
    assert run(capsys, "score", first, "--rubric", "amie-patient-26")[1] == out
    assert kept.read_bytes() == before  # nothing is rated twice, and nothing is lost
    data = json.loads(run(capsys, "score", first, "--rubric", "amie-specialist-32", "--json")[1])
    axes = {row["axis"]: row for row in data["arms"]["scripted"]}
    assert len(axes) == 32
    assert (axes["escalation"]["not_rated"], axes["escalation"]["mean"]) == (16, None)
    assert axes["family_history"]["n"] + axes["family_history"]["not_applicable"] == 16


def test_one_consultation_is_rated_with_its_evidence(capsys: pytest.CaptureFixture[str], first: Path) -> None:
    key = json.loads(run(capsys, "show", first, "--json")[1])["consultations"][-1]["key"]
    _, out, _ = run(capsys, "score", first, key, "--rubric", "amie-specialist-32")
    assert re.search(r"^presenting_complaint\s+\w+", out, re.M)
    assert re.search(r"^follow_up\s+not rated$", out, re.M)
    data = json.loads(run(capsys, "score", first, key, "--rubric", "amie-specialist-32", "--json")[1])
    assert data["ratings"]["ddx_appropriate"]["events"]
    code, _, err = run(capsys, "score", first, "--rubric", "amie-patient")
    assert code == 2
    assert "did you mean `amie-patient-26`" in err


def test_a_torn_line_of_ratings_is_made_again_and_a_spoilt_one_said(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    run(capsys, "score", first, "--rubric", "amie-patient-26")
    kept = first / "scores" / "amie-patient-26@rule.jsonl"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-40])
    assert run(capsys, "score", first, "--rubric", "amie-patient-26")[0] == 0
    assert sorted(kept.read_bytes().splitlines()) == sorted(whole.splitlines())
    kept.write_bytes(b'{"key": 3}\n' + whole)
    code, _, err = run(capsys, "score", first, "--rubric", "amie-patient-26")
    assert code == 2
    assert "amie-patient-26@rule.jsonl:1: this line cannot be read" in err


def test_several_processes_find_what_one_does(
    capsys: pytest.CaptureFixture[str], first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = run(capsys, "score", first, "--json")[1]
    rated = run(capsys, "score", first, "--rubric", "amie-patient-26", "--json")[1]
    shutil.rmtree(first / "scores")
    monkeypatch.setattr(scoring, "MANY", 4)
    monkeypatch.setattr(scoring, "BATCH", 5)
    assert run(capsys, "score", first, "--json")[1] == alone
    assert run(capsys, "score", first, "--rubric", "amie-patient-26", "--json")[1] == rated


def test_the_cheapest_comes_first_where_less_is_better(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    data = json.loads(run(capsys, "compare", first, "--mark", "cost", "--format", "json")[1])
    rows = data["comparisons"][0]["rows"]
    assert [row["arm"] for row in rows] == ["guess", "scripted"]
    assert rows[0]["mean"] < rows[1]["mean"]


def test_one_run_is_not_compared_with_itself(capsys: pytest.CaptureFixture[str], first: Path) -> None:
    code, out, err = run(capsys, "compare", first, first)
    assert (code, out) == (2, "")
    assert "twice" in err


def test_while_another_process_rates_a_run_nothing_is_written(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    scores = first / "scores"
    scores.mkdir()
    lock = lock_of(scores, ".amie-patient-26@rule.lock")
    try:
        code, out, err = run(capsys, "score", first, "--rubric", "amie-patient-26")
    finally:
        os.close(lock)
    assert (code, out) == (2, "")
    assert "another process is writing" in err
    assert not list(scores.glob("*.jsonl"))
    assert run(capsys, "score", first, "--rubric", "amie-patient-26")[0] == 0


def test_of_one_scenario_nothing_is_said_of_others(capsys: pytest.CaptureFixture[str], first: Path) -> None:
    _, out, _ = run(capsys, "compare", first, "--by", "scenario", "--mark", "history", "--format", "json")
    comparisons = json.loads(out, parse_constant=pytest.fail)["comparisons"]
    rows = [row for comparison in comparisons for row in comparison["rows"]]
    assert rows
    assert {(row["low"], row["high"], row["difference_low"]) for row in rows} == {(None, None, None)}


@pytest.mark.parametrize("mark", ["correct", "credit", "score"])
def test_score_and_compare_have_the_same_mark(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mark: str
) -> None:
    cases = ("--scenarios", "sharp-chest-pain-01,bad-news-01,tracing-faints-01")
    assert run(capsys, "run", "--doctor", "scripted", *cases, "--out", tmp_path / "r")[0] == 0
    scored = json.loads(run(capsys, "score", tmp_path / "r", "--json")[1])["arms"]["scripted"][mark]
    out = run(capsys, "compare", tmp_path / "r", "--mark", mark, "--format", "json")[1]
    (comparison,) = json.loads(out)["comparisons"]
    assert comparison["rows"][0]["mean"] == pytest.approx(scored["mean"])
    assert comparison["rows"][0]["consultations"] == scored["n"]


def test_a_narrow_terminal_cuts_off_no_name_and_no_figure() -> None:
    cells = (
        "scripted",
        "8 x 2",
        "69%",
        "41% to 88%",
        "1-2",
        "-7%",
        "-10% to +20%",
        "0.012",
        "<0.1",
        "2 of 2",
    )
    console = Console(width=80, file=io.StringIO())
    console.print(table(COLUMNS, [cells], figures=True))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(part in shown for cell in cells for part in cell.split())


def test_a_comparison_is_divided_by_any_setting_of_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "scenarios: group:sharp-chest-pain\ncast: {doctor: [bayes, guess]}\nseed: [0, 1]\n"
        "limits: {max_turns: [3, 10]}\nimages: [{route: report}, {route: auto}]\n"
    )
    folder = tmp_path / "run"
    assert run(capsys, "run", spec, "--out", folder)[0] == 0

    def named(by: str) -> dict[str, set[str]]:
        found = json.loads(run(capsys, "compare", folder, "--by", by, "--format", "json")[1])["comparisons"]
        return {c["of"]: {row["arm"] for row in c["rows"]} for c in found}

    limits = named("limits")
    assert set(limits) == {"max_turns 3", "max_turns 10"}
    assert limits["max_turns 3"] == limits["max_turns 10"]
    assert {arm.partition(",")[0] for arm in limits["max_turns 3"]} == {"bayes", "guess"}
    assert set(named("seed")) == {"0", "1"}
    assert named("seed")["0"] == named("seed")["1"]
    doctors = named("doctor")
    assert doctors["bayes"] == doctors["guess"]
    assert len(doctors["bayes"]) == 8
    images = named("images")
    assert set(images) == {"request, by report", "request"}
    assert images["request, by report"] == images["request"]
    assert set(named("profile")) == {"default"}
    assert named("patient")["scripted"] == named("moderator")["none"]
    table = json.loads(run(capsys, "compare", folder, "--by", "limits", "--format", "json")[1])["comparisons"]
    turns = {c["of"]: dict(c["took"])["bayes"][0] for c in table}
    assert turns["max_turns 3"] == 3 < turns["max_turns 10"]


def test_no_doctors_score_stands_without_how_the_patient_was_played(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    more = ("--rubric", "amie-patient-26"), ("--stations",), ("--cut-off", "2")
    shown = ("show", ()), ("compare", ()), ("score", more[0]), ("score", more[1]), ("compare", more[2])
    for verb, arguments in shown:
        out = run(capsys, verb, first, *arguments)[1]
        assert re.search(
            r"patient scripted, [\d,]+ replies: leaks of the answer 0, of guarded facts 0, ", out
        )
    data = json.loads(run(capsys, "show", first, "--json")[1])["patients"]
    assert data["looked_at"] == data["of"] == 32
    assert data["by"]["scripted"]["asked"] >= data["by"]["scripted"]["told"] > 0
    assert set(data["by"]["scripted"]["slips"].values()) == {0}


def test_turns_and_cost_are_of_the_scenarios_that_all_have(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert run(capsys, "run", "--doctor", "bayes", *CHEST, "--out", whole)[0] == 0
    two = ("--scenarios", "sharp-chest-pain-01,sharp-chest-pain-02")
    assert run(capsys, "run", "--doctor", "guess", *two, "--out", part)[0] == 0
    data = json.loads(run(capsys, "compare", whole, part, "--format", "json")[1])["comparisons"][0]
    played = json.loads(run(capsys, "show", whole, "--json")[1])["consultations"]
    common = [c for c in played if c["scenario"] in two[1].split(",")]
    assert data["took"]["bayes"] == [
        pytest.approx(sum(c["turns"] for c in common) / 2),
        pytest.approx(sum(c["cost"] for c in common) / 2),
    ]


def test_several_comparisons_are_one_csv(capsys: pytest.CaptureFixture[str], first: Path) -> None:
    out = run(capsys, "compare", first, "--by", "group", "--format", "csv")[1]
    rows = [row for row in csv.reader(io.StringIO(out)) if row and not row[0].startswith("#")]
    assert rows[0][:2] == ["group", "doctor"]
    assert {(row[0], row[1]) for row in rows[1:]} == {
        (g, d) for g in ("sharp-chest-pain", "sudden-headache") for d in ("guess", "scripted")
    }
    assert {len(row) for row in rows} == {len(COLUMNS) + 1}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("compare", "--mark", "goals"), "nothing to compare on goals"),
        (("compare", "--mark", "goals", "--format", "json"), "nothing to compare on goals"),
        (("compare", "--cut-off", "2", "--by", "group"), "leave --mark, --by"),
        (("compare", "--cut-off", "2", "--seed", "3"), "and --seed out"),
        (("compare", "--cut-off", ""), "numbers of turns"),
        (("score", "--rubric", ""), "no rubric is called"),
        (("score", "--stations", "--by", "group"), "--stations is of a whole run"),
    ],
)
def test_what_makes_no_sense_together_is_one_sentence(
    capsys: pytest.CaptureFixture[str], first: Path, arguments: tuple[str, ...], why: str
) -> None:
    code, out, err = run(capsys, arguments[0], first, *arguments[1:])
    assert (code, out) == (2, "")
    assert why in err.splitlines()[-1]


def test_scenarios_gone_from_the_folder_are_unknown_and_not_part_of_the_whole(
    capsys: pytest.CaptureFixture[str], first: Path
) -> None:
    for file in (first / "scenarios").iterdir():
        file.unlink()
    assert "guess: unknown" in run(capsys, "show", first, "--by", "specialty")[1]
    assert run(capsys, "compare", first, "--by", "specialty")[1].startswith("unknown")


def test_arms_that_differ_in_how_pictures_are_shown_are_not_taken_for_repeats(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "scenarios: sharp-chest-pain-01\ncast: {doctor: guess}\n"
        "images: [{route: auto}, {route: auto, longest: 512}, {route: report, both: true}, {route: report}]\n"
    )
    folder = tmp_path / "run"
    assert run(capsys, "run", spec, "--out", folder)[0] == 0
    found = json.loads(run(capsys, "compare", folder, "--by", "images", "--format", "json")[1])["comparisons"]
    assert len(found) == 4
    assert {row["consultations"] for c in found for row in c["rows"]} == {1}
