"""What a run would ask of models: never less than what can happen, near what is likely."""

import io
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from clinicenv import protocol
from clinicenv.agents import prompts
from clinicenv.agents.cards import AgentCard, load_card
from clinicenv.agents.cast import Cast, play
from clinicenv.consultation import Turn, make_header
from clinicenv.events import Action, Header, Role, Say
from clinicenv.files import InputError
from clinicenv.models.prices import Price, Prices
from clinicenv.report.spending import print_estimate
from clinicenv.runs.estimate import Estimator, SeatEstimate
from clinicenv.runs.results import ResultLine
from clinicenv.runs.spec import Arm, Job
from clinicenv.scenario import Scenario, select

NAME = "openai:small@http://localhost:9/v1"
PRICE = Price(input=1.0, output=10.0)
PRICES = Prices({NAME: PRICE})
SCENARIOS = select("all")


class Talker:
    """A model's seat that writes `text` in every turn, and counts its calls and the bytes that it reads."""

    def __init__(self, card: AgentCard, text: str = "", model: str = NAME) -> None:
        self.card, self.name, self.text = card.model_copy(update={"model": model}), model, text
        self.settings = card.settings()
        self.calls = self.read = 0

    async def preflight(self) -> None:
        raise AssertionError("an estimate calls no model")

    def act(self, turn: Turn) -> Sequence[Action]:
        assert self.card.system
        said = prompts.messages(turn.view, self.card.system, turn.legal)
        self.calls += 1
        self.read += sum(len(m["content"].encode()) for m in said)
        if turn.role is Role.DOCTOR:
            first, *more = protocol.parse(self.text, turn.legal)
            return [first, *more]
        return [Say(self.text)]


def card(role: str, **changes: Any) -> AgentCard:
    changed = {"model": NAME, "sampling": {"max_tokens": 200}, **changes}
    return load_card(role, "chat").model_copy(update=changed)


def job(scenario: Scenario = SCENARIOS[0], repeat: int = 0, arm: Arm | None = None, **seats: Any) -> Job:
    arm = arm or Arm(Cast(**{"doctor": "scripted", **seats}), 0, {}, "request")
    first = make_header(scenario, arm.cast, seed=0, images="request")
    return Job(arm, scenario, first, repeat, Header.key_of(repeat, first.digest()))


def seat(one: Job, prices: Prices = PRICES, role: str = "doctor") -> SeatEstimate:
    return next(s for s in Estimator(prices).of(one) if s.role == role)


def words(size: int) -> str:
    return ("How is it now? " * size)[:size]


ORDERS = "ORDER: ECG; full blood count; chest x-ray\nEXAMINE: vitals"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
@pytest.mark.parametrize("text", [words(200), ORDERS], ids=["talks", "orders"])
def test_no_consultation_asks_more_of_a_doctor_than_the_most(scenario: Scenario, text: str) -> None:
    doctor = Talker(card("doctor"), text)
    one = job(scenario, doctor=doctor)
    most = seat(one).most
    play(scenario, one.arm.cast)
    assert most
    assert most.calls >= 2 * doctor.calls  # each may be asked again once
    assert most.prompt_tokens >= 2 * doctor.read
    assert most.completion_tokens == most.calls * 200


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_no_consultation_asks_more_of_two_models_than_the_most(scenario: Scenario) -> None:
    doctor, patient = Talker(card("doctor"), words(200)), Talker(card("patient"), words(200))
    one = job(scenario, doctor=doctor, patient=patient)
    play(scenario, one.arm.cast)
    for talker, role in ((doctor, "doctor"), (patient, "patient")):
        most = seat(one, role=role).most
        assert most
        assert most.calls >= 2 * talker.calls
        assert most.prompt_tokens >= 2 * talker.read


def test_what_is_likely_is_less_and_grows_with_the_turns() -> None:
    one = seat(job(doctor=Talker(card("doctor"))))
    assert one.most
    assert 0 < one.likely.calls < one.most.calls
    assert 0 < one.likely.prompt_tokens < one.most.prompt_tokens / 4
    assert one.likely.completion_tokens == one.likely.calls * 60
    assert one.likely.usd == pytest.approx(
        (one.likely.prompt_tokens + 10 * one.likely.completion_tokens) / 1_000_000
    )


def test_likely_replies_are_no_longer_than_allowed() -> None:
    one = seat(job(doctor=Talker(card("doctor", sampling={"max_tokens": 20}))))
    assert one.likely.completion_tokens == one.likely.calls * 20


FEATURES: list[dict[str, Any]] = [
    {"reflect": True},
    {"notebook": 2000},
    {"lookup": {"books": "books"}},
    {"example": "cases"},
    {"protocol": "tools"},
]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: next(iter(f)))
def test_whatever_a_card_switches_on_is_counted(feature: dict[str, Any]) -> None:
    plain = seat(job(doctor=Talker(card("doctor")))).most
    more = seat(job(doctor=Talker(card("doctor", **feature)))).most
    assert plain
    assert more
    assert more.prompt_tokens > plain.prompt_tokens
    assert more.calls >= plain.calls


def test_steps_are_calls_that_read_each_other() -> None:
    from clinicenv.agents.cards import Step

    steps = tuple(Step(name=name, prompt="Think.") for name in ("analyse", "respond", "refine"))
    plain = seat(job(doctor=Talker(card("doctor"))))
    three = seat(job(doctor=Talker(card("doctor", steps=steps))))
    assert plain.most
    assert three.most
    turns = plain.likely.calls
    assert three.likely.calls == 3 * turns
    assert three.most.calls == 2 * plain.most.calls  # only the last of the three is asked again
    assert three.most.prompt_tokens > 2 * plain.most.prompt_tokens


def test_a_run_is_the_sum_of_its_consultations() -> None:
    arms = [Arm(Cast(Talker(card("doctor"))), n, {}, "request") for n in range(2)]
    all_jobs = [job(s, n, arm=arm) for n, arm, s in itertools.product(range(3), arms, SCENARIOS[:2])]
    estimator = Estimator(PRICES)
    whole = estimator.total(all_jobs)
    singles = [seat(one) for one in all_jobs]
    assert len(whole.seats) == 1
    assert whole.most
    assert whole.likely.calls == sum(one.likely.calls for one in singles)
    assert whole.most.prompt_tokens == sum(one.most.prompt_tokens for one in singles if one.most)
    assert whole.most.usd == pytest.approx(sum(estimator.most_usd(one) for one in all_jobs))


def test_an_estimate_is_plain_data() -> None:
    whole = Estimator(PRICES).total([job(doctor=Talker(card("doctor")))])
    (kept,) = json.loads(json.dumps(asdict(whole)))["seats"]
    assert (kept["role"], kept["model"], kept["limited"], kept["priced"]) == ("doctor", NAME, True, True)
    assert kept["likely"]["usd"] < kept["most"]["usd"]


def test_scripted_roles_ask_nothing() -> None:
    whole = Estimator(PRICES).total([job()])
    assert (whole.seats, whole.notes, whole.likely.calls, whole.likely.usd) == ([], [], 0, 0.0)
    assert Estimator(PRICES).most_usd(job()) == 0


# What is not known


def test_a_model_without_max_tokens_has_no_upper_bound_and_no_ceiling() -> None:
    doctor, patient = Talker(card("doctor")), Talker(card("patient", sampling={}))
    one = job(doctor=doctor, patient=patient)
    estimator = Estimator(PRICES)
    whole = estimator.total([one])
    assert whole.most is None
    assert whole.likely.calls > 0
    assert f"No upper bound for the patient's {NAME}: give max_tokens." in whole.notes
    with pytest.raises(InputError, match=r"the patient's model `openai:small@\S+` has none; give max_tokens"):
        estimator.most_usd(one)


def test_a_model_without_a_price_has_tokens_and_no_ceiling() -> None:
    one = job(doctor=Talker(card("doctor")))
    estimator = Estimator(Prices({}))
    whole = estimator.total([one])
    assert (whole.likely.usd, whole.likely.calls > 0) == (None, True)
    assert f"No price for {NAME}: add it to prices.yaml." in whole.notes
    with pytest.raises(InputError, match=r"`openai:small@\S+` has none; add it to prices\.yaml"):
        estimator.most_usd(one)


def test_models_that_cost_nothing_need_no_max_tokens() -> None:
    doctor = Talker(card("doctor", sampling={}), model="local:tiny")
    assert Estimator(Prices({})).most_usd(job(doctor=doctor)) == 0


def test_a_price_is_that_of_the_server_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    prices = Prices({"openai:big": Price(input=9, output=9), "openai:big@http://own/v1": PRICE})
    plain = job(doctor=Talker(card("doctor"), model="openai:big"))
    carded = job(doctor=Talker(card("doctor", base_url="http://own/v1"), model="openai:big"))
    dear, cheap = Price(input=9, output=9), PRICE
    for one, price in ((plain, dear), (carded, cheap)):
        likely = seat(one, prices).likely
        assert likely.usd == pytest.approx(price.most(likely.prompt_tokens, likely.completion_tokens))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://own/v1/")
    assert seat(plain, prices) == seat(carded, prices)


def test_a_model_object_of_ones_own_cannot_be_estimated() -> None:
    class Own:
        name = "mine"

        async def preflight(self) -> None: ...

        async def act(self, turn: Turn) -> Say:
            return Say("Hello.")

    one = job(doctor=Own())
    assert "Not estimated: mine" in Estimator(PRICES).total([one]).notes[-1]
    with pytest.raises(InputError, match="`mine` has none"):
        Estimator(PRICES).most_usd(one)


# What is known from before


def result(status: str = "terminated", calls: int = 10, prompt: int = 1000) -> ResultLine:
    row = {"role": "doctor", "model": NAME, "step": "", "calls": calls, "cached": 0, "prompt_tokens": prompt}
    row |= {"completion_tokens": 100, "cached_tokens": 0, "usd": None}
    return ResultLine(
        "k", "case", "arm", status, "diagnose", {}, 5, 5, 0, 0.0, 0, "", prompt + 100, None, {}, [row], 0, 1
    )


def test_finished_consultations_say_what_is_likely() -> None:
    one = job(doctor=Talker(card("doctor")), patient=Talker(card("patient")))
    earlier = [result(), result(calls=20, prompt=3000), result("error", calls=9999)]
    whole = Estimator(PRICES, earlier).total([one, one])
    doctor, patient = whole.seats
    assert (doctor.likely.calls, doctor.likely.prompt_tokens, doctor.likely.completion_tokens) == (
        30,
        4000,
        200,
    )
    assert doctor.likely.usd == pytest.approx((4000 + 10 * 200) / 1_000_000)
    assert patient.likely.calls > 0
    assert whole.notes[0] == "Likely: what this run's finished consultations used."
    assert whole.notes[1].startswith("Likely for the others: half of the turns")


def test_a_person_reads_both_figures_and_what_they_rest_on() -> None:
    one = job(doctor=Talker(card("doctor")), patient=Talker(card("patient", sampling={})))
    out = io.StringIO()
    print_estimate(Estimator(PRICES).total([one]), out)
    shown = out.getvalue()
    assert re.search(r"doctor\s+│ openai:small", shown)
    assert re.search(r"│ likely\s+│\s+\d+ │", shown)
    assert "no limit" in shown
    assert "half of the turns, 60 tokens a reply" in shown
    nothing = io.StringIO()
    print_estimate(Estimator(PRICES).total([job()]), nothing)
    assert nothing.getvalue() == ""
