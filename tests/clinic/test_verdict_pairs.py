"""Verdicts on diagnoses as doctors and models write them, labelled by others: right, broader or wrong.

`verdicts_own*.tsv` (scenario, label, answer) are about bundled cases, `verdicts_agentclinic*.tsv` (row,
label, answer) about AgentClinic's, whose right answers stay in their file. All were written without sight of
the rule and of the thesaurus. The rule was made on the first two files and mended on the two `later` ones;
nothing was made on the two `third` ones, which judge it.
"""

from collections import Counter
from pathlib import Path

import pytest
from conftest import SHARED

from clinicenv.clinic.disease_names import FILE, Thesaurus, thesaurus
from clinicenv.clinic.ranking import rank
from clinicenv.importers import importer
from clinicenv.scenario import Scenario, select

HERE = Path(__file__).parent
AGENTCLINIC = SHARED / "agentclinic" / "agentclinic_medqa.jsonl"
CLASS = {
    "exact": "right",
    "synonym": "right",
    "subtype": "right",
    "parent": "broader",
    "undecided": "undecided",
}


def pairs(name: str) -> list[list[str]]:
    text = (HERE / f"verdicts_{name}.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()]


Judged = list[tuple[str, str]]
"""labels and the rule's verdicts"""


def judged(name: str, cases: dict[str, Scenario]) -> Judged:
    found = ((label, rank(answer, cases[case]).verdict) for case, label, answer in pairs(name))
    return [(label, CLASS.get(verdict, "wrong")) for label, verdict in found]


def shares(found: Judged) -> tuple[float, float]:
    """Of wrong and of undecided verdicts."""
    count = Counter("undecided" if verdict == "undecided" else verdict == label for label, verdict in found)
    return count[False] / len(found), count["undecided"] / len(found)


def own(later: str = "") -> Judged:
    return judged(f"own{later}", {s.id: s for s in select("all")})


def agentclinic(later: str = "") -> Judged:
    if not AGENTCLINIC.is_file():
        pytest.skip("AgentClinic's cases are not beside the checkout")
    done = importer("agentclinic").convert(AGENTCLINIC)
    return judged(f"agentclinic{later}", {str(s.imported.line): s for s in done.scenarios if s.imported})


def test_verdicts_on_bundled_cases() -> None:
    found = own()
    assert len(found) >= 300
    wrong, undecided = shares(found)
    assert wrong <= 0.03
    assert undecided <= 0.12


def test_verdicts_on_both_kinds_of_cases() -> None:
    found = own() + agentclinic()
    assert len(found) >= 600
    wrong, undecided = shares(found)
    assert wrong <= 0.03
    assert undecided <= 0.12


def test_verdicts_that_the_rule_was_made_without() -> None:
    found = own("_third") + agentclinic("_third")
    assert len(found) >= 300
    wrong, undecided = shares(found)
    assert wrong <= 0.03
    assert undecided <= 0.12


def test_hardly_a_wrong_diagnosis_is_called_right() -> None:
    found = [pair for part in ("", "_later", "_third") for pair in own(part) + agentclinic(part)]
    called = [label for label, verdict in found if verdict == "right"]
    assert sum(label == "wrong" for label in called) / len(called) <= 0.01


# The thesaurus


def test_each_line_has_its_five_columns_and_no_name_stands_twice() -> None:
    lines = [line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert {len(columns) for columns in lines} == {5}
    assert len({columns[0].lower() for columns in lines}) == len(lines) > 4000


def test_every_disease_is_found_by_its_name_and_so_is_every_group_that_is_named() -> None:
    every = thesaurus()
    assert [every.find(name) for name in every.names] == list(range(len(every.names)))
    lines = [line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines()]
    groups = {group.strip() for line in lines for group in line[4].split(";") if group.strip()}
    assert [group for group in sorted(groups) if every.find(group) is None] == []


def test_a_kind_that_stands_on_two_lines_is_a_kind_of_both() -> None:
    every = Thesaurus("one\t\t\tboth x\t\ntwo\t\t\tboth x\t\n")
    both, one, two = map(every.find, ("both x", "one", "two"))
    assert both is not None
    assert every.wider(both) == {one, two}


def test_nothing_is_a_kind_of_itself() -> None:
    every = thesaurus()
    for number in range(len(every.names)):
        assert all(number not in every.wider(group) for group in every.groups[number]), every.names[number]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Frozen shoulder (left)", ["adhesive capsulitis"]),
        ("NMS due to haloperidol", ["neuroleptic malignant syndrome"]),
        ("Sixth disease", ["roseola infantum"]),
        ("a bad day", []),
        ("", []),
    ],
)
def test_diseases_are_found_in_a_text(text: str, names: list[str]) -> None:
    every = thesaurus()
    assert [every.names[m.disease] for m in every.mentioned(text)] == names
