"""The baseline doctor's disease profiles and its reasoning over them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clinicenv.clinic.catalogue import catalogue, find
from clinicenv.clinic.differential import (
    BANDS,
    FILE,
    Disease,
    Evidence,
    disease,
    diseases,
    must_not_miss,
    next_findings,
    next_tests,
    plan_for,
    rank,
)

AGES = {"infant": 0.5, "child": 8.0, "young": 28.0, "middle": 52.0, "old": 74.0}
CONCEPTS = sorted({concept for one in diseases() for concept in one.findings})
TESTS = sorted({test for one in diseases() for test in one.tests})


def typical(one: Disease, tested: bool = True) -> Evidence:
    """A patient with all that is common in the disease, at its commonest age and sex."""
    return Evidence(
        age=AGES[max(AGES, key=lambda band: one.age.get(band, 1.0))],  # type: ignore[call-overload]
        sex=max(("female", "male"), key=lambda sex: one.sex.get(sex, 1.0)),  # type: ignore[call-overload]
        findings={concept: True for concept, band in one.findings.items() if BANDS[band] >= 0.6},
        tests=dict.fromkeys(one.tests, True) if tested else {},
    )


def words(value: Any) -> Iterator[str]:
    """All keys and strings in plain data."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("one", diseases(), ids=lambda one: one.name)
def test_the_typical_patient_has_the_disease(one: Disease) -> None:
    assert rank(typical(one))[0][0] == one.name


def test_history_alone_puts_each_disease_among_the_first_three() -> None:
    for one in diseases():
        assert one.name in [name for name, _ in rank(typical(one, tested=False))[:3]]


def test_profiles_use_known_concepts_and_tests() -> None:
    lexicon = set(words(yaml.safe_load((FILE.parent / "lexicon.yaml").read_text(encoding="utf-8"))))
    assert not [concept for concept in CONCEPTS if concept not in lexicon]
    assert not [test for test in TESTS if test not in catalogue()]


def test_profiles_are_complete() -> None:
    assert len(diseases()) >= 45
    for one in diseases():
        assert 8 <= len(one.findings) <= 18, one.name
        assert all(0 < factor <= 10 for factor in (*one.sex.values(), *one.age.values())), one.name
        assert len({s.lower() for s in (one.name, *one.synonyms)}) == 1 + len(one.synonyms), one.name
        assert all(len(line) < 160 for line in plan_for(one.name).model_dump().values()), one.name


def test_an_abnormal_test_speaks_for_the_disease_it_belongs_to() -> None:
    for one in diseases():
        for test, accuracy in one.tests.items():
            assert accuracy.sensitivity + accuracy.specificity > 1, (one.name, test)


def test_names_are_not_shared() -> None:
    names = [n.lower() for one in diseases() for n in (one.name, *one.synonyms, *one.abbreviations)]
    assert len(set(names)) == len(names)


@given(
    age=st.none() | st.floats(min_value=0, max_value=120),
    sex=st.sampled_from([None, "female", "male", "intersex"]),
    findings=st.dictionaries(st.sampled_from([*CONCEPTS, "unheard_of"]), st.booleans()),
    tests=st.dictionaries(
        st.sampled_from([*TESTS, "unheard_of"]), st.sampled_from([True, False, "low", "high"])
    ),
)
def test_any_evidence_gives_a_sorted_distribution(
    age: float | None, sex: str | None, findings: dict[str, bool], tests: dict[str, Any]
) -> None:
    ranked = rank(Evidence(age, sex, findings, tests))
    assert sorted(name for name, _ in ranked) == sorted(one.name for one in diseases())
    assert sum(p for _, p in ranked) == pytest.approx(1)
    assert ranked == sorted(ranked, key=lambda pair: (-pair[1], pair[0]))


def test_age_and_sex_move_the_prior() -> None:
    belly = {"abdominal_pain": True, "pelvic_pain": True, "missed_period": True}
    assert rank(Evidence(28, "female", belly))[0][0] == "Ectopic pregnancy"
    assert dict(rank(Evidence(28, "male", belly)))["Ectopic pregnancy"] < 0.01
    head = {"headache": True, "jaw_pain": True}
    assert rank(Evidence(75, "female", head))[0][0] == "Giant cell arteritis"
    assert dict(rank(Evidence(25, "female", head)))["Giant cell arteritis"] < 0.01


def test_a_sex_other_than_female_and_male_tells_nothing() -> None:
    belly = {"abdominal_pain": True, "pelvic_pain": True}
    for sex in ("unknown", "intersex"):
        assert rank(Evidence(28, sex, belly)) == rank(Evidence(28, None, belly))


def test_a_normal_test_speaks_against() -> None:
    before = typical(disease("Pulmonary embolism"), tested=False)
    after = Evidence(before.age, before.sex, before.findings, {"ct_pulmonary_angiogram": False})
    assert dict(rank(after))["Pulmonary embolism"] < dict(rank(before))["Pulmonary embolism"] / 3


def test_the_side_of_a_result_tells_diseases_apart() -> None:
    tired = {"fatigue": True}
    assert rank(Evidence(40, "female", tired, {"thyroid_function": "low"}))[0][0] == "Hyperthyroidism"
    assert rank(Evidence(40, "female", tired, {"thyroid_function": "high"}))[0][0] == "Hypothyroidism"


def test_questions_are_new_and_tell_the_leading_diseases_apart() -> None:
    evidence = Evidence(30, "female", {"headache": True, "nausea": True})
    first = next_findings(evidence, 5)
    assert len(first) == 5
    assert not set(first) & set(evidence.findings)
    leaders = [disease(name) for name, _ in rank(evidence)[:5]]
    assert any(first[0] in one.findings for one in leaders)
    assert first[0] not in next_findings(evidence, 5, asked=first[:1])
    assert next_findings(evidence, 3) == first[:3]


def test_tests_are_new_named_and_cheap_ones_first_where_they_tell_as_much() -> None:
    evidence = typical(disease("Pulmonary embolism"), tested=False)
    names = next_tests(evidence, 8)
    assert {"D-dimer", "CT pulmonary angiogram"} <= set(names)
    assert names.index("D-dimer") < names.index("CT pulmonary angiogram")
    assert all(find(name) is not None for name in names)
    assert names[0] not in next_tests(evidence, 8, ordered=[names[0]])
    thyroid = typical(disease("Hypothyroidism"), tested=False)
    assert "thyroid_function" not in next_tests(thyroid, 8, ordered=["thyroid_function"])
    assert "Thyroid function tests" not in next_tests(thyroid, 8, ordered=["thyroid_function"])


def test_nothing_is_worth_asking_once_all_is_known() -> None:
    done = Evidence(30, "female", dict.fromkeys(CONCEPTS, False), dict.fromkeys(TESTS, False))
    assert next_findings(done, 5) == []
    assert next_tests(done, 5) == []


def test_asking_what_it_suggests_finds_the_disease() -> None:
    """Patients who show exactly what is common in their disease, asked twelve questions."""
    right = 0
    for one in diseases():
        patient = typical(one)
        opening = max(patient.findings, key=lambda concept: BANDS[one.findings[concept]])
        known = {opening: True}
        for _ in range(12):
            for concept in next_findings(Evidence(patient.age, patient.sex, known), 1):
                known[concept] = concept in patient.findings
        right += one.name in [name for name, _ in rank(Evidence(patient.age, patient.sex, known))[:3]]
    assert right >= 0.85 * len(diseases())


def test_dangerous_diseases_are_marked() -> None:
    assert must_not_miss("Subarachnoid haemorrhage")
    assert not must_not_miss("Tension-type headache")
    with pytest.raises(KeyError):
        must_not_miss("Hiccups")


def test_the_same_evidence_gives_the_same_order_in_any_process() -> None:
    code = (
        "from clinicenv.clinic.differential import *\n"
        "e = Evidence(44, 'female', {'fatigue': True, 'cough': False}, {'crp': True})\n"
        "print(rank(e), next_findings(e, 20), next_tests(e, 20))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(seen) == 1
