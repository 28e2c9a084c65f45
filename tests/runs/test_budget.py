"""The spend ceiling: never passed, nothing in flight lost, and what is left is said."""

import asyncio
import re
from fractions import Fraction
from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinicenv.files import InputError
from clinicenv.models.prices import Price, Prices
from clinicenv.runs.budget import Budget, spent_before

AMOUNT = st.floats(0, 3, allow_nan=False)


def call(key: str, usd: float | None, **more: object) -> dict[str, object]:
    return {"key": key, "role": "doctor", "model": "openai:small", "usd": usd, **more}


@given(
    ceiling=st.floats(0, 10),
    before=st.floats(0, 10),
    most=st.lists(AMOUNT, min_size=1, max_size=12),
    data=st.data(),
)
def test_no_order_of_ends_and_no_share_of_the_most_passes_the_ceiling(
    ceiling: float, before: float, most: list[float], data: st.DataObject
) -> None:
    budget = Budget(ceiling, spent=min(before, ceiling))
    spent, running, waiting = Fraction(min(before, ceiling)), {}, dict(enumerate(most))
    while waiting or running:
        if waiting and (not running or data.draw(st.booleans())):
            n = data.draw(st.sampled_from(sorted(waiting)))
            amount = waiting.pop(n)
            if budget.reserve(str(n), amount):
                running[n] = Fraction(amount)
        else:
            n = data.draw(st.sampled_from(sorted(running)))
            paid = float(running[n]) * data.draw(st.sampled_from([0.0, 0.25, 1.0]))
            paid = paid if paid <= running[n] else nextafter(paid, 0)  # it was rounded up
            if paid and data.draw(st.booleans()):
                running[n] -= Fraction(paid)
                spent += Fraction(paid)
                budget.charge(call(str(n), paid))
            else:
                del running[n]
                budget.release(str(n))
        assert spent + sum(running.values()) <= Fraction(ceiling)
        assert budget.left == float(Fraction(ceiling) - spent - sum(running.values()))
    assert budget.spent == float(spent)


def test_thousands_of_small_charges_do_not_drift() -> None:
    budget = Budget(1.0)
    assert budget.reserve("a", 1.0)
    for _ in range(10_000):
        budget.charge(call("a", 0.0001))
    budget.release("a")
    assert budget.spent == pytest.approx(1.0, abs=1e-15)
    assert not budget.reserve("b", 0.0001)


def test_what_a_consultation_did_not_need_is_free_again() -> None:
    budget = Budget(1.0)
    assert budget.reserve("a", 0.8)
    assert not budget.reserve("b", 0.3)
    budget.charge(call("a", 0.1))
    assert budget.left == pytest.approx(0.2)
    budget.release("a")
    assert budget.left == pytest.approx(0.9)
    assert budget.reserve("b", 0.3)


def test_a_consultation_that_costs_more_than_it_reserved_stops_the_next() -> None:
    budget = Budget(1.0)
    assert budget.reserve("a", 0.5)
    budget.charge(call("a", 0.9))
    assert not budget.reserve("b", 0.2)
    assert budget.reserve("c", 0.05)


def test_failed_calls_cost_nothing_and_uncounted_ones_all_that_was_reserved() -> None:
    budget = Budget(1.0)
    assert budget.reserve("a", 0.4)
    budget.charge(call("a", None, error="timeout"))
    budget.release("a")
    assert budget.spent == 0
    assert budget.reserve("b", 0.4)
    budget.charge(call("b", None, prompt_tokens=None))
    budget.release("b")
    assert budget.spent == 0.4


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_a_ceiling_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match="ceiling"):
        Budget(wrong)


def test_what_has_no_upper_bound_is_never_started() -> None:
    assert not Budget(1e9).reserve("a", float("inf"))
    with pytest.raises(ValueError, match="no amount"):
        Budget(1.0).reserve("a", float("nan"))


# Waiting


async def played(budget: Budget, costs: list[tuple[float, float]], at_once: int = 8) -> list[int]:
    """Consultations that may cost the first of each pair and do cost the second, as a batch plays them."""
    done: list[int] = []
    todo = iter(enumerate(costs))

    async def worker() -> None:
        for n, (most, actual) in todo:
            if await budget.admit(str(n), most):
                await asyncio.sleep(0)
                budget.charge(call(str(n), actual))
                await asyncio.sleep(0)
                budget.release(str(n))
                done.append(n)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return done


async def test_who_does_not_fit_now_waits_until_others_have_ended() -> None:
    budget = Budget(1.0)
    done = await played(budget, [(0.5, 0.01)] * 40)
    assert sorted(done) == list(range(40))  # 40 x 0.50 reserved, 40 x 0.01 spent
    assert budget.spent == pytest.approx(0.4)


async def test_it_ends_when_nothing_more_fits_and_nothing_runs() -> None:
    budget = Budget(1.0)
    done = await played(budget, [(0.5, 0.3)] * 10)
    assert len(done) == 2
    assert budget.spent == pytest.approx(0.6)
    assert budget.said(8) == (
        "$0.600 of $1.00 spent, 8 consultations left to play, and the next may cost up to $0.500;"
        " to go on: --resume --max-cost 1.10 or more"
    )


async def test_a_dear_one_is_left_out_and_a_cheap_one_still_played() -> None:
    budget = Budget(1.0)
    assert await played(budget, [(2.0, 0.1), (0.5, 0.1)]) == [1]


@given(
    costs=st.lists(st.tuples(AMOUNT, st.floats(0, 1)), max_size=30),
    ceiling=st.floats(0, 5),
    at_once=st.integers(1, 9),
)
def test_a_batch_never_passes_the_ceiling_and_always_ends(
    costs: list[tuple[float, float]], ceiling: float, at_once: int
) -> None:
    async def within_a_while() -> Budget:
        budget = Budget(ceiling)
        async with asyncio.timeout(20):
            await played(budget, [(most, most * share) for most, share in costs], at_once)
        return budget

    assert asyncio.run(within_a_while()).spent <= ceiling


async def test_one_that_is_called_off_while_it_waits_keeps_nobody_waiting() -> None:
    budget = Budget(1.0)
    assert await budget.admit("a", 0.9)
    waiting = asyncio.create_task(budget.admit("b", 0.9))
    next_one = asyncio.create_task(budget.admit("c", 0.5))
    await asyncio.sleep(0)
    waiting.cancel()
    budget.release("a")
    assert await next_one
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_what_it_says_names_a_ceiling_that_is_enough_for_one_more() -> None:
    budget = Budget(0.1)

    async def refused() -> bool:
        return await budget.admit("a", 0.1000001)

    assert not asyncio.run(refused())
    enough = re.search(r"--max-cost (\S+)", budget.said(1))
    assert enough
    assert Budget(float(enough[1])).reserve("a", 0.1000001)
    assert budget.said(0) == "$0 of $0.100 spent, 0 consultations left to play"


# Earlier sessions


def test_all_tries_count_and_calls_without_a_price_are_counted_at_todays() -> None:
    prices = Prices({"openai:small": Price(input=1.0, output=2.0)})
    calls = [
        call("a", 0.5, attempt=0),
        call("a", 0.25, attempt=1),
        call("a", 0, cached=True, prompt_tokens=10**6, completion_tokens=0),
        call("a", None, error="server"),
        {"key": "b", "model": "openai:small", "prompt_tokens": 100_000, "completion_tokens": 100_000},
    ]
    assert spent_before(calls, prices) == pytest.approx(1.05)
    with pytest.raises(InputError, match=r"`openai:other` has none; add it to prices\.yaml"):
        spent_before([{**call("a", None), "model": "openai:other"}], prices)
