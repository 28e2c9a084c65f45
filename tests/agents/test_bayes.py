"""The baseline doctor: few questions, dangers ruled out, the patient heard, a plan given."""

from clinicenv import Cast, Trajectory, load_scenario, play, select
from clinicenv.agents.bayes import BayesDoctor, Policy
from clinicenv.agents.doctor_lines import VIEWS
from clinicenv.events import Diagnose, Examine, Heard, OrderTests, RequestImage, Role, Say

CASES = [s for s in select("split:dev") if s.task == "diagnose"]


def consult(case: str, doctor: object = "bayes", **settings: int) -> Trajectory:
    return play(load_scenario(case), Cast(doctor=doctor), **settings)  # type: ignore[arg-type]


def questions(done: Trajectory) -> int:
    return sum(len(e.what.probes) for e in done.of(Heard))  # type: ignore[union-attr]


def test_it_is_right_on_most_dev_cases_with_far_fewer_questions_than_the_scripted_doctor() -> None:
    bayes, scripted = ([consult(s.id, d, seed=1) for s in CASES] for d in ("bayes", "scripted"))
    right = sum(d.verdict.ranks[0].verdict in ("exact", "synonym", "subtype") for d in bayes if d.verdict)
    assert right >= 0.75 * len(CASES)
    assert sum(map(questions, bayes)) <= 0.6 * sum(map(questions, scripted))


def test_it_hears_the_patients_view_explains_and_gives_a_full_plan() -> None:
    done = consult("sharp-chest-pain-01", seed=2)
    said = [e.what.text for e in done.events if e.role is Role.DOCTOR and isinstance(e.what, Say)]
    assert any(line in text for text in said for line in VIEWS)
    final = next(e.what for e in done.events if isinstance(e.what, Diagnose))
    assert final.plan.safety_net
    assert final.plan.treatment
    acts = {a for e in done.of(Heard) for a in e.what.acts}  # type: ignore[union-attr]
    assert {"greet", "explain", "safety_net", "close"} <= acts


def test_every_step_is_one_kind_and_it_examines_once() -> None:
    for case in CASES:
        done = consult(case.id, seed=3)
        assert len([e for e in done.events if isinstance(e.what, Examine)]) <= 1
        for turn in range(1, done.events[-1].turn):
            acts = [e.what for e in done.events if e.turn == turn and e.role is Role.DOCTOR]
            orders = [a for a in acts if isinstance(a, (OrderTests, RequestImage))]
            assert sum(len(a.items) for a in orders) <= 2


def test_a_doctor_whose_questions_cost_more_asks_less() -> None:
    dear, cheap = BayesDoctor(Policy(question=20.0)), BayesDoctor(Policy(question=5.0))
    asked = [sum(questions(consult(s.id, d, seed=1)) for s in CASES) for d in (dear, cheap)]
    assert asked[0] < 0.75 * asked[1]


def test_it_ends_in_time_whatever_the_limit_and_in_talks_too() -> None:
    for limit in (1, 2, 3, 5):
        done = consult("sharp-chest-pain-01", max_turns=limit)
        assert done.outcome is not None
        assert done.outcome.reason == "diagnose"
    talk = consult("bad-news-01")
    assert talk.outcome is not None
    assert talk.outcome.reason == "leave"


def test_it_keeps_nothing_between_consultations() -> None:
    doctor = BayesDoctor()
    first = [consult(s.id, doctor, seed=4).events for s in CASES[:3]]
    again = [consult(s.id, doctor, seed=4).events for s in reversed(CASES[:3])]
    assert first == again[::-1]
