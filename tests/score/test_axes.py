"""Rubric packs keep what was rated; rules put good doctors above average ones, and these above bad ones."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from graded_doctors import GRADES, Reads, good
from hypothesis import given
from hypothesis import strategies as st

from clinicenv import Cast, Diagnose, Examine, OrderTests, Say, play
from clinicenv.events import Plan, Trajectory
from clinicenv.files import InputError
from clinicenv.runs.ratings import Rater, by_rule, keeping, read
from clinicenv.scenario import Scenario, select
from clinicenv.score.axes import Rated, option_of, rate
from clinicenv.score.axis_rules import RULES
from clinicenv.score.rubric import FOLDER, Axis, Rubric, load_rubric

CASES = [s for s in select("all") if s.task == "diagnose"]
PACKS = ("amie-patient-26", "amie-specialist-32")
AXES = [(load_rubric(name), axis) for name in PACKS for axis in load_rubric(name).axes]
RULED = [(rubric, axis) for rubric, axis in AXES if axis.rule]
"""The axes that rules rate."""


def test_the_packs_have_the_axes_of_the_study_in_its_order() -> None:
    patient, specialist = map(load_rubric, PACKS)
    assert (len(patient.axes), len(specialist.axes)) == (26, 32)
    kinds = [[r.scale(a).kind for a in r.axes] for r in (patient, specialist)]
    assert kinds[0] == ["ordinal"] * 9 + ["binary"] * 13 + ["ordinal"] * 4
    assert [len(patient.scale(a).options) for a in patient.axes if patient.scale(a).kind == "ordinal"] == [
        5
    ] * 13
    assert kinds[1][:24] == ["ordinal"] * 24
    options = {a.id: len(specialist.scale(a).options) for a in specialist.axes}
    assert options["ddx_comprehensive"] == 4  # the only ordinal scale of four
    assert [options[a] for a in ("escalation", "investigations", "treatments", "follow_up")] == [4, 3, 3, 4]
    assert [a.id for a in specialist.axes if specialist.scale(a).kind == "nominal"] == [
        "escalation",
        "follow_up",
    ]
    groups = [a.group for a in patient.axes]
    assert [groups.count(g) for g in ("GMCPQ", "PCCBP", "PACES")] == [11, 11, 4]


@pytest.mark.parametrize(("rubric", "axis"), AXES, ids=lambda x: getattr(x, "id", ""))
def test_every_answer_and_not_applicable_comes_back_as_it_was_given(
    rubric: Rubric, axis: Axis, tmp_path: Path
) -> None:
    given = {
        str(n): {axis.id: Rated(axis.id, option, None, (3, 5))}
        for n, option in enumerate((*(o.id for o in rubric.scale(axis).options), None))
    }
    with keeping(tmp_path, rubric, by_rule()) as keep:
        for key, ratings in given.items():
            keep(key, ratings)
    assert read(tmp_path, rubric, by_rule()) == given
    assert read(tmp_path, rubric, Rater(by_rule().name, "another rule")) == {}


def test_a_rule_rates_on_no_scale_without_an_order(tmp_path: Path) -> None:
    text = (FOLDER / "amie-specialist-32.yaml").read_text()
    nominal = next(a for a in load_rubric("amie-specialist-32").axes if a.id == "escalation")
    at = text.index("id: escalation,")
    own = tmp_path / "mine.yaml"
    own.write_text(f"{text[:at]}id: escalation, rule: polite,{text[at + len('id: escalation,') :]}")
    with pytest.raises(InputError, match=f"axis `{nominal.id}`: a rule rates on scales with an order only"):
        load_rubric(str(own))


@given(st.sampled_from(AXES), st.floats(-1, 2))
def test_a_value_falls_on_an_option_and_more_is_never_worse(which: tuple[Rubric, Axis], value: float) -> None:
    scale = which[0].scale(which[1])
    assert 0 <= option_of(scale, value) < len(scale.options)
    assert option_of(scale, value) <= option_of(scale, value + 0.1)
    assert (option_of(scale, 0), option_of(scale, 1)) == (0, len(scale.options) - 1)


@pytest.mark.parametrize(
    ("name", "axes"), [("auto-paces-4", 4), ("difficult-conversation", 18), ("artefacts-9", 9)]
)
def test_the_other_packs_load_and_rate_what_they_can(name: str, axes: int) -> None:
    rubric = load_rubric(name)
    assert len(rubric.axes) == axes
    assert {a.validated for a in rubric.axes if a.rule} == {"local"}
    case = CASES[0]
    rated = rate(rubric, case, play(case, Cast(doctor="scripted")))
    assert set(rated) == {a.id for a in rubric.axes if a.rule}
    for axis in rubric.axes:
        if axis.id in rated and rated[axis.id].option:
            assert rated[axis.id].option in [o.id for o in rubric.scale(axis).options]


def test_no_axis_without_an_order_is_rated_by_a_number() -> None:
    assert not [a.id for rubric, a in RULED if rubric.scale(a).kind == "nominal"]


def test_at_least_24_of_the_58_are_rated_by_rule_and_each_says_how_it_was_validated() -> None:
    assert len(AXES) == 58
    assert len(RULED) >= 24
    assert all(a.validated == "local" for _, a in RULED)
    assert all(a.validated == "none" for _, a in AXES if not a.rule)


# Known groups


@cache
def graded(case: str, grade: str) -> tuple[Scenario, Trajectory]:
    scenario = next(s for s in CASES if s.id == case)
    return scenario, play(scenario, Cast(doctor=Reads(GRADES[grade](scenario))), max_turns=30)


def values(rubric: Rubric, axis: Axis, case: str) -> list[float | None]:
    """Of the good, the average and the bad doctor."""
    return [rate(rubric, *graded(case, grade))[axis.id].value for grade in GRADES]


def compared(rubric: Rubric, axis: Axis) -> Iterator[bool]:
    """For each case and pair of grades, whether the better one is rated better; an axis that only says yes or
    no must not turn two neighbours round, and must tell the good from the bad."""
    yes_or_no = rubric.scale(axis).kind == "binary"
    for case in CASES:
        found = values(rubric, axis, case.id)
        pairs = [*pairwise(found), (found[0], found[-1])]
        for n, (better, worse) in enumerate(pairs):
            if better is not None and worse is not None:
                yield better >= worse if yes_or_no and n < 2 else better > worse


@pytest.mark.parametrize(("rubric", "axis"), RULED, ids=lambda x: getattr(x, "id", ""))
def test_known_groups_come_out_in_their_order(rubric: Rubric, axis: Axis) -> None:
    found = list(compared(rubric, axis))
    assert len(found) >= len(CASES)
    assert sum(found) / len(found) >= 0.95


def test_evidence_is_in_the_log() -> None:
    for rubric in map(load_rubric, PACKS):
        for grade in GRADES:
            scenario, done = graded(CASES[0].id, grade)
            for rated in rate(rubric, scenario, done).values():
                assert all(0 <= n < len(done.events) for n in rated.events)
                assert list(rated.events) == sorted(set(rated.events))


def test_what_a_task_has_not_does_not_apply() -> None:
    tasks = {s.task: s for s in select("all")}
    specialist = load_rubric("amie-specialist-32")
    question, talk = tasks["question"], tasks["communicate"]
    rated = rate(specialist, question, play(question, Cast(doctor="scripted")))
    assert {r.option for r in rated.values()} == {None}
    rated = rate(specialist, talk, play(talk, Cast(doctor="scripted")))
    assert rated["family_history"].option is None
    assert rated["empathy"].option is not None


# Single faults

Change = Callable[[list[Any], Scenario], list[Any]]


def without(*words: str) -> Change:
    """Leaves out the sentences with one of these words."""

    def change(acts: list[Any], s: Scenario) -> list[Any]:
        return [kept for act in acts if (kept := _cut(act, words)) is not None]

    return change


def _cut(act: Any, words: tuple[str, ...]) -> Any:
    if isinstance(act, list):
        return [kept for a in act if (kept := _cut(a, words)) is not None] or None
    if not isinstance(act, Say):
        return act
    sentences = act.text.replace("?", "?|").replace(".", ".|").split("|")
    text = " ".join(s.strip() for s in sentences if not any(w in s for w in words)).strip()
    return Say(text) if text else None


def added(line: str) -> Change:
    return lambda acts, s: [*acts[:3], Say(line), *acts[3:]]


def planned(**fields: str) -> Change:
    def change(acts: list[Any], s: Scenario) -> list[Any]:
        last = acts[-1]
        return [*acts[:-1], Diagnose(last.differential, replace(last.plan, **fields))]

    return change


def unplanned(acts: list[Any], s: Scenario) -> list[Any]:
    return [*acts[:-1], Diagnose(acts[-1].differential, Plan())]


def wrong(acts: list[Any], s: Scenario) -> list[Any]:
    return [*acts[:-1], Diagnose(("tension headache", "common cold"), acts[-1].plan)]


def one_only(acts: list[Any], s: Scenario) -> list[Any]:
    return [*acts[:-1], Diagnose(acts[-1].differential[:1], acts[-1].plan)]


def untested(acts: list[Any], s: Scenario) -> list[Any]:
    return [a for a in acts if not isinstance(a, OrderTests)]


def unexamined(acts: list[Any], s: Scenario) -> list[Any]:
    return [[x for x in a if not isinstance(x, Examine)] if isinstance(a, list) else a for a in acts]


def overtested(acts: list[Any], s: Scenario) -> list[Any]:
    unfit = [t.name for t in (*s.tests, *s.images) if t.indicated in ("low_value", "harmful")]
    return [*acts[:-1], OrderTests(tuple(unfit[:20])), acts[-1]] if unfit else acts


def harmful(acts: list[Any], s: Scenario) -> list[Any]:
    item = s.plan.avoid[0].item if s.plan.avoid else ""
    last = acts[-1]
    return [*acts[:-1], Diagnose(last.differential, replace(last.plan, text=item))]


HISTORY = {"assessing", "gathering", "see_again"}
TELLING = {"explaining", "clear", "comprehensive", "providing", "enabling", "see_again"}
TOGETHER = {"involving", "deciding", "partnership", "concerns", "valuing", "enabling", "participation"}
FEELING = {"at_ease", "rapport", "empathy", "welfare", "emotions", "relationship", "see_again"}
LISTED = {"differential", "ddx_appropriate", "ddx_comprehensive"}
PLANNING = {"arranging", "management", "plan_appropriate", "treatments", "treatments_avoided"}
"""Axes that look at the same thing, and may move together."""

COMPLAINT = (
    "When did", "Where exactly", "describe", "go anywhere", "How bad", "come and go", "worse?", "better?",
    "anything else",
)  # fmt: skip

FAULTS: dict[str, tuple[Change, str, set[str]]] = {
    "rude turn": (
        added("Don't waste my time, you are being ridiculous."), "polite",
        FEELING | TOGETHER | {"professional", "listening"},
    ),
    "no greeting": (
        without("Hello"), "greeting", {"polite", "at_ease", "professional", "relationship", "see_again"},
    ),
    "jargon": (
        added("It is merely idiopathic paroxysmal dyspnoea with orthopnoea."), "language", TELLING,
    ),
    "leading question": (added("You don't smoke, do you?"), "listening", {"see_again", "systems_review"}),
    "no empathy": (
        without("sorry", "hard", "a lot to take in"), "empathy",
        FEELING | TELLING | {"commitment", "listening", "involving", "deciding"},
    ),
    "no summary": (
        without("To summarise", "get that right"), "clear",
        {"listening", "see_again", "presenting_complaint"},
    ),
    "no explanation": (
        lambda a, s: planned(explanation="")(without("Let me explain")(a, s), s), "explaining",
        TELLING | {"involving", "deciding", "empathy", "emotions"},
    ),
    "no safety-net": (
        lambda a, s: planned(safety_net="")(without("come back")(a, s), s), "commitment",
        TELLING | {"welfare", "arranging", "management", "plan_appropriate"},
    ),
    "concerns not asked": (without("worries"), "concerns", {"participation", "valuing", "see_again"}),
    "expectations not asked": (without("hoping"), "involving", TOGETHER | {"see_again", "listening"}),
    "person not asked about": (
        without("work", "home", "daily life", "hoping"), "valuing", TOGETHER | {"see_again", "listening"},
    ),
    "no family history": (without("family"), "family_history", HISTORY | {"systems_review"}),
    "no past history": (without("conditions", "operations", "this before"), "past_history", HISTORY),
    "no medication history": (
        without("medicines", "as you should", "allergic"), "medication_history", HISTORY | {"enabling"},
    ),
    "thin history of the complaint": (
        without(*COMPLAINT), "presenting_complaint", HISTORY | {"listening", "systems_review", "clear"},
    ),
    "diagnosis without a plan": (
        unplanned, "management", PLANNING | TELLING | {"commitment", "welfare", "differential"},
    ),
    "wrong diagnosis": (wrong, "differential", LISTED),
    "one diagnosis only": (one_only, "ddx_comprehensive", LISTED),
    "no tests": (untested, "investigations", set()),
    "unfit tests": (overtested, "investigations_avoided", set()),
    "no examination": (unexamined, "assessing", {"gathering"}),
    "harmful plan": (harmful, "treatments_avoided", PLANNING),
}  # fmt: skip
"""A fault, the axis that is its own, and those that may move with it."""


def moved(fault: Change, case: Scenario) -> tuple[dict[str, float], bool]:
    """How far each axis that rules rate falls, and whether the fault changes anything in this case."""
    acts = good(case)
    faulty = fault(acts, case)
    if [repr(a) for a in faulty] == [repr(a) for a in acts]:
        return {}, False
    _, before = graded(case.id, "good")
    after = play(case, Cast(doctor=Reads(faulty)), max_turns=30)
    found = {}
    for rubric in map(load_rubric, PACKS):
        was, now = rate(rubric, case, before), rate(rubric, case, after)
        for name in was:
            a, b = was[name].value, now[name].value
            fall = 0.0 if a == b else 1.0 if a is None or b is None else a - b
            found[name] = max(found.get(name, 0.0), fall)
    return found, True


@pytest.mark.parametrize("name", FAULTS)
def test_a_single_fault_moves_its_own_axis_and_no_unrelated_one(name: str) -> None:
    fault, own, related = FAULTS[name]
    falls = [found for case in CASES[::2] for found, there in [moved(fault, case)] if there]
    assert len(falls) >= 8
    assert sum(found[own] > 0 for found in falls) / len(falls) >= 0.9
    others = [found[a] > 0.01 for found in falls for a in found if a != own and a not in related]
    assert sum(others) / len(others) <= 0.1


def test_there_are_twenty_faults() -> None:
    assert len(FAULTS) >= 20


# Files


def test_a_rubric_of_ones_own(tmp_path: Path) -> None:
    text = (FOLDER / "amie-patient-26.yaml").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(
        text.replace("id: amie-patient-26\n", "id: mine\n", 1).replace("rule: polite,", "rule: polit,", 1)
    )
    with pytest.raises(InputError, match=r"axis `polite`: there is no rule `polit` .did you mean `polite`"):
        load_rubric(str(own))
    own.write_text(text.replace("id: at_ease,", "id: polite,", 1))
    with pytest.raises(InputError, match="two axes have the id `polite`"):
        load_rubric(str(own))
    with pytest.raises(InputError, match="no rubric is called `amie`"):
        load_rubric("amie")


def test_every_rule_is_used() -> None:
    assert {a.rule for _, a in RULED} == set(RULES)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"perspective": "patient"}, "a patient knows the transcript only"),
        ({"axes": [{"id": "a", "group": "g", "asks": "?", "scale": "s", "needs": []}]}, "at least 1"),
        ({"axes": [{"id": "a", "group": "g", "asks": "?", "scale": "s", "rank": 1}]}, "with an order only"),
        ({"axes": [{"id": "a", "group": "g", "asks": "?", "scale": "t"}]}, "there is no scale `t`"),
    ],
)
def test_a_rubric_that_could_not_be_rated_fairly_is_refused(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    options = [{"id": "one", "text": "one", "good": True}, {"id": "two", "text": "two", "good": False}]
    axis = {"id": "a", "group": "g", "asks": "?", "scale": "s", "needs": ["transcript", "answer_key"]}
    rubric = {
        "id": "own-1", "title": "t", "sources": ["s"], "perspective": "examiner",
        "scales": {"s": {"kind": "nominal", "options": options}}, "axes": [axis],
    }  # fmt: skip
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(rubric))
    assert load_rubric(str(file)).id == "own-1"
    file.write_text(yaml.safe_dump({**rubric, **changes}))
    with pytest.raises(InputError, match=why):
        load_rubric(str(file))
