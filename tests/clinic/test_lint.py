"""The linter: each rule finds its fault at its line, and good cases pass."""

import re
from pathlib import Path

import pytest

from clinicenv import shipped
from clinicenv.cli.scenarios import template
from clinicenv.clinic.lint import Finding, lint_file
from clinicenv.clinic.lint_text import grade
from clinicenv.importers import importer, save
from clinicenv.scenario import find_files

GOOD = template("spinning-01", "diagnose")
BUNDLED = find_files(shipped.folder("scenarios"))
IMPORTABLE = Path(__file__).parents[1] / "importers" / "data" / "agentclinic_like.jsonl"


def lint(folder: Path, text: str, name: str = "spinning-01.yaml") -> list[Finding]:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return lint_file(file)


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def line_of(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


# Every rule: (what stands there, what is put there, where the finding is, its level, words of it) -----------

BROKEN = {
    "what a run does": (
        "\nsetting:",
        '\nperturbed: {kind: belief.false, what: "by hand"}\nsetting:',
        "perturbed: {",
        "error",
        "not by hand",
    ),
    "fact id twice": (
        "id: spinning-onset",
        "id: sick",
        "    - id: sick\n      section: hpi\n      concept: nausea",
        "error",
        "`sick` is already used in line",
    ),
    "test id twice": (
        "- id: ecg",
        "- id: glucose",
        '- id: glucose\n    name: "12-lead',
        "error",
        "already used",
    ),
    "finding id twice": (
        "- id: walk-and-limbs",
        "- id: head-turn",
        "- id: head-turn\n      system: neurological\n      manoeuvre: gait",
        "error",
        "already used",
    ),
    "checklist id twice": (
        "{id: warns,",
        "{id: asks-timing,",
        "{id: asks-timing, domain: management",
        "error",
        "already used",
    ),
    "opening fact unknown": (
        "opening_facts: [spinning]",
        "opening_facts: [spining]",
        "opening_facts: [",
        "error",
        "no fact `spining` (did you mean `spinning`?)",
    ),
    "opening fact not spontaneous": (
        "opening_facts: [spinning]",
        "opening_facts: [sick]",
        "opening_facts: [",
        "error",
        "`asked`",
    ),
    "key fact unknown": ("{id: hears-well}", "{id: hears-wel}", "{id: hears-wel}", "error", "`hears-well`?"),
    "red flag unknown": (
        "red_flags: [talks-well,",
        "red_flags: [talks-bad,",
        "red_flags",
        "error",
        "`talks-bad`",
    ),
    "ruled out by nothing known": (
        '"finding:walk-and-limbs"',
        '"finding:walk"',
        '"finding:walk"',
        "error",
        "no finding `walk`",
    ),
    "ruled out without a kind": (
        '"finding:walk-and-limbs"',
        "walk-and-limbs",
        ", ruled_out_by",
        "error",
        "`finding:ID`",
    ),
    "before what": ("{id: warns,", "{id: warns, before: supper,", "{id: warns,", "error", "no id `supper`"),
    "its own twin": ("task: diagnose", "task: diagnose\ntwin_of: spinning-01", "twin_of", "error", "itself"),
    "act of a question": (
        "satisfied_by: [explain,",
        "satisfied_by: [explian,",
        "satisfied_by",
        "error",
        "`explain`?",
    ),
    "act of a gate": ("unlock: {trust: 0.6}", "unlock: {after: [hug]}", "unlock: ", "error", "act `hug`"),
    "act of a mark": ("{act: safety_net}", "{act: safetynet}", "{act: safetynet}", "error", "`safety_net`?"),
    "act that defuses": (
        "  denials:",
        "  challenge: {type: angry, defused_by: [empathize]}\n  denials:",
        "challenge: {",
        "error",
        "`empathise`?",
    ),
    "concept of a fact": ("concept: nausea", "concept: nausia", "concept: nausia", "error", "`nausea`?"),
    "concept of a finding": (
        "minutes: 3\n      concept: vertigo",
        "minutes: 3\n      concept: vertgo",
        "concept: vertgo",
        "error",
        "`vertigo`?",
    ),
    "concept denied": (
        "[headache, double_vision",
        "[headache, two_vision",
        "explicit:",
        "error",
        "`two_vision`",
    ),
    "asked what": ("{asked: weakness}", "{asked: weekness}", "{asked: weekness}", "error", "`weakness`?"),
    "reached what": (
        "{reached: spinning-timing}",
        "{reached: timing-x}",
        "{reached: timing-x}",
        "error",
        "no fact `timing-x`",
    ),
    "examined what": (
        "{examined: head-turn}",
        "{examined: head-trun}",
        "{examined: head-trun}",
        "error",
        "`head-turn`?",
    ),
    "ordered what": ("{examined: head-turn}", "{ordered: ecgg}", "{ordered: ecgg}", "error", "`ecg`?"),
    "mark out of reach": (
        "      disclosure: open\n  # What the patient asks",
        "      disclosure: never\n  # What",
        "{id: hears-worry",
        "error",
        "`hears-worry` can never be met",
    ),
    "key fact never told": (
        "concept: hearing_loss",
        "disclosure: never\n      concept: hearing_loss",
        "{id: hears-well}",
        "error",
        "never tells `hears-well`",
    ),
    "key fact without a question": (
        '      question_variants: ["How long does the spinning last?",'
        ' "How often does the spinning come?"]\n',
        "",
        "{id: spinning-timing, weight",
        "error",
        "no question reaches `spinning-timing`",
    ),
    "variant for nothing": (
        '"Any hearing loss?"',
        '"You hear well."',
        '"You hear well."',
        "warning",
        "`You hear well.` is not understood",
    ),
    "title": (
        'title: "The room spins',
        'title: "BPPV: the room spins',
        "title:",
        "error",
        "`BPPV` names the answer",
    ),
    "tag": ("tags: [adult]", "tags: [adult, Cupulolithiasis]", "tags:", "error", "`Cupulolithiasis`"),
    "door note": ("Dizzy since", "Canalithiasis since", "door_note", "error", "`Canalithiasis`"),
    "appearance": (
        "She holds her head",
        "Benign  positional-vertigo. She holds her head",
        "appearance:",
        "error",
        "names the answer",
    ),
    "opening": (
        "The room spins when I turn over in bed, doc",
        "I have BPPV, doc",
        "I have BPPV",
        "error",
        "`BPPV`",
    ),
    "fact value": (
        "value: mild, with each spell",
        "value: from cupulolithiasis",
        "value: from",
        "error",
        "names",
    ),
    "say": ("I feel a bit sick", "My canalithiasis is bad", "My canalithiasis", "error", "names"),
    "say_vague": ("A day or so ago.", "My BPPV began a day ago.", "My BPPV", "error", "names"),
    "concern": ("I fear this is one.", "Or is it BPPV?", "Or is it BPPV", "error", "names"),
    "patient's question": ("Will this go away?", "Is it BPPV?", "Is it BPPV", "error", "names"),
    "vital sign": ("rr: 14", "rr: BPPV", "rr: BPPV", "error", "names"),
    "finding": (
        "and the room spins. Head to the left",
        "as in BPPV. Head to the left",
        "as in BPPV",
        "error",
        "names",
    ),
    "normal text": ("Both eardrums normal.", "No canalithiasis.", "No canalithiasis", "error", "names"),
    "result": ("Sinus rhythm 74", "BPPV, rhythm 74", "BPPV, rhythm", "error", "report_reveals"),
    "range upside down": ("low: 4.0, high: 7.8", "low: 7.8, high: 4.0", "high: 4.0", "error", "swap"),
    "flag against value": (
        "flag: normal}\n    cost: 3",
        "flag: high}\n    cost: 3",
        "flag: high}",
        "error",
        "5.4 is inside the reference range but the flag is `high`",
    ),
    "value against flag": ("value: 5.4", "value: 3.1", "value: 3.1", "error", "3.1 is below"),
    "critical inside": (
        "flag: normal}\n    cost: 3",
        "flag: critical}\n    cost: 3",
        "flag: critical",
        "error",
        "inside",
    ),
    "flag missing": (
        "value: 5.4, unit: mmol/L, ref: {low: 4.0, high: 7.8}, flag: normal",
        "value: 9.9, unit: mmol/L, ref: {low: 4.0, high: 7.8}",
        "value: 9.9",
        "warning",
        "`flag: high`",
    ),
    "unit missing": ("value: 5.4, unit: mmol/L,", "value: 5.4,", "value: 5.4,", "warning", "unit"),
    "not finite": ("value: 5.4", "value: .nan", "value: .nan", "error", "finite"),
    "text with a range": ("value: 5.4", "value: fine", "value: fine", "warning", "number"),
    "empty range": ("{low: 4.0, high: 7.8}", "{}", "ref: {}", "warning", "empty"),
    "vital without unit": ("temp: 36.7,", "temp: 36.7, glucose: 5.1,", "glucose: 5.1", "warning", "unit"),
    "too few distractors": (
        "distractor: true",
        "distractor: false",
        "  facts:  # CHANGE",
        "error",
        "at least 2 facts with `distractor: true` needed, found 1",
    ),
    "hard words": (
        "I feel a bit sick when it spins.",
        "Concomitant gastrointestinal discomfort invariably"
        " accompanies the aforementioned rotational episodes, notwithstanding considerable precautionary"
        " measures"
        " undertaken, including immobilisation, rehydration, medication and meditation, unfortunately"
        " without any appreciable improvement at home",
        "Concomitant",
        "warning",
        "school grade",
    ),
    "no source": (
        '\n    - {name: "NHS, Vertigo", url: "https://www.nhs.uk/conditions/vertigo/"}',
        " []",
        "sources:",
        "error",
        "no source",
    ),
    "known fault": (
        "plan:\n",
        "imported: {format: x, file: y, line: 1, flags: [results-name-the-answer]}\nplan:\n",
        "imported:",
        "warning",
        "results-name-the-answer",
    ),
    "no right option": (
        "plan:\n",
        "question: {ask: What now?, options: [{id: A, text: Wait}]}\nplan:\n",
        "question: {ask",
        "error",
        "no right answer",
    ),
    "question's image": (
        "plan:\n",
        "question: {ask: What now?, image: scan, accept: [wait]}\nplan:\n",
        "question: {ask",
        "error",
        "no image `scan`",
    ),
    "missing field": (
        "license: CC-BY-4.0 ",
        "licence: CC-BY-4.0 ",
        "licence:",
        "error",
        "is not a field here",
    ),
    "wrong enum": (
        "      disclosure: spontaneous\n",
        "      disclosure: spontan\n",
        "disclosure: spontan\n",
        "error",
        "spontan",
    ),
    "too deep": (
        "plan:\n",
        "logic: " + "{a: " * 600 + "1" + "}" * 600 + "\nplan:\n",
        "logic:",
        "error",
        "levels deep",
    ),
}


def test_the_template_that_the_faults_are_put_into_has_none(tmp_path):
    assert lint(tmp_path, GOOD) == []


@pytest.mark.parametrize("case", BROKEN)
def test_a_fault_is_found_at_its_line(case, tmp_path):
    old, new, where, level, words = BROKEN[case]
    text = changed(old, new)
    found = lint(tmp_path, text)
    hits = [f for f in found if words in f.what]
    assert hits, found
    assert [(f.line, f.level) for f in hits] == [(line_of(text, where), level)]
    assert hits[0].file.endswith("spinning-01.yaml")
    assert str(hits[0]).startswith(f"{hits[0].file}:{hits[0].line}: {level}: ")


def test_lists_that_are_too_short(tmp_path):
    text = re.sub(r"    - \{name: (?:Ménière|Posterior).*\n", "", GOOD)
    text = text.replace("must_not_miss:", "must_not_miss: []")
    found = {(f.line, f.what) for f in lint(tmp_path, text)}
    assert (line_of(text, "  differentials:"), "at least 3 differentials needed, found 2; add some") in found
    assert (
        line_of(text, "must_not_miss: []"),
        "at least 1 must_not_miss diagnosis needed, found 0; add some",
    ) in found


def test_other_tasks_need_no_differential(tmp_path):
    text = re.sub(
        r"^    - \{name: (?:Vest|Ménière|Orth).*\n", "", template("spinning-01", "communicate"), flags=re.M
    )
    assert lint(tmp_path, text.replace("  differentials:", "  differentials: []")) == []


def test_findings_come_in_order_of_line(tmp_path):
    text = changed("concept: nausea", "concept: nausia", changed("{act: safety_net}", "{act: hug}"))
    text = changed('title: "The', 'title: "BPPV: the', text)
    lines = [f.line for f in lint(tmp_path, text)]
    assert len(lines) == 3
    assert lines == sorted(lines)


# Naming the answer -------------------------------------------------------------------------------


def test_id_and_file_name(tmp_path):
    found = lint(tmp_path, template("dizzy-bppv", "diagnose"), "dizzy-bppv.yaml")
    assert [(f.line, f.field) for f in found] == [(1, ""), (line_of(GOOD, "id: spinning-01"), "id")]
    other = lint(tmp_path, GOOD, "other.yaml")
    assert [(f.field, f.level) for f in other] == [("id", "warning")]
    assert "rename it to `spinning-01.yaml`" in other[0].what


@pytest.mark.parametrize("text", ["The bppvs of it", "A bppv", "Precanalithiasis"])
def test_parts_of_words_and_small_letters_of_an_abbreviation_name_nothing(text, tmp_path):
    assert lint(tmp_path, changed("No block, no change", f"{text}, no change")) == []


@pytest.mark.parametrize(
    "text", ["benign-positional vertigo", "BENIGN POSITIONAL VERTIGO", "Bénign positional vertigo"]
)
def test_other_spellings_name_the_answer(text, tmp_path):
    assert "names the answer" in lint(tmp_path, changed("No block, no change", text))[0].what


def test_a_test_that_may_reveal_and_names_of_tests_are_no_fault(tmp_path):
    text = changed('name: "12-lead ECG"', 'name: "BPPV panel"\n    report_reveals: true')
    assert lint(tmp_path, changed("Sinus rhythm 74", "BPPV, rhythm 74", text)) == []


def test_derived_data_that_names_the_answer_is_a_warning(tmp_path):
    text = changed(
        "disclaimer: fictional", "disclaimer: derived", changed("Sinus rhythm 74", "BPPV, rhythm 74")
    )
    assert [f.level for f in lint(tmp_path, text)] == ["warning"]


# Values, words ---------------------------------------------------------------------------


def test_values_that_have_no_unit_need_none(tmp_path):
    assert (
        lint(tmp_path, changed('name: "Blood glucose, bedside"', "name: INR", changed(" unit: mmol/L,", "")))
        == []
    )


def test_grade_against_figures_worked_out_by_hand():
    assert grade("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 * 1 - 15.59)
    assert grade("Go on. Paracetamol helps a little.") == pytest.approx(0.39 * 3 + 11.8 * 11 / 6 - 15.59)
    assert grade("...") == 0


# Whole files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", BUNDLED, ids=lambda p: p.stem)
def test_bundled_scenarios_have_no_error(file):
    assert [str(f) for f in lint_file(file) if f.level == "error"] == []


def test_imported_cases_have_warnings_only(tmp_path):
    cases = importer("agentclinic").convert(IMPORTABLE).scenarios
    save(cases, tmp_path)
    found = [f for p in find_files(tmp_path) for f in lint_file(p)]
    assert {f.level for f in found} == {"warning"}
    flags = [f.what for f in found if f.field.startswith("imported.flags")]
    assert len(flags) == sum(len(c.imported.flags) for c in cases if c.imported) > 0


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path):
    assert "cannot be read" in lint_file(tmp_path / "none.yaml")[0].what
    (tmp_path / "latin.yaml").write_bytes("Ménière".encode("latin-1"))
    assert "UTF-8" in lint_file(tmp_path / "latin.yaml")[0].what
