"""A quote is what then happens, and a refusal comes with what is possible."""

from __future__ import annotations

import heapq
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.learning.durations import Estimate, Prior
from rushes.core.learning.estimates import Estimates
from rushes.core.learning.work import WorkTraits
from rushes.core.money import NANO
from rushes.core.spending.machine_time import WHOLE
from rushes.core.spending.prices import Source, TierPrice
from rushes.core.spending.quote import Lot, Offer, Quote, Taken, joules_of, price_of, quote
from rushes.core.spending.solving import Declined, solve
from rushes.core.tiers import Purchase
from rushes.errors import CallerError

SAID = Source("a list", "2026-01")


def _tier(name: str = "t", hour: float = 3.6, **more: Any) -> TierPrice:
    return TierPrice(name, Purchase.on_demand, "east", round(hour * NANO), SAID, **more)


def _sure(seconds: float) -> Estimate:
    """Every invocation takes just that."""
    return Estimate({seconds: 1.0}, runs=1000, basis="learnt", doubt=0.0)


def _between(low: float, high: float, doubt: float = 0.0) -> Estimate:
    steps = {low + (high - low) * (step + 0.5) / 200: 1.0 for step in range(200)}
    return Estimate(steps, runs=200, basis="learnt", doubt=doubt)


@pytest.mark.parametrize(
    ("count", "slots", "seconds"),
    [(1, 1, 10), (10, 1, 100), (10, 10, 10), (11, 10, 20), (5, 99, 10), (0, 1, 0)],
)
def test_invocations_that_all_take_the_same_are_done_wave_by_wave(
    count: int, slots: int, seconds: float
) -> None:
    made = quote([Lot(count, {"t": _sure(10)})], [Taken(Offer(_tier()), slots)])

    assert made.seconds == pytest.approx((seconds, seconds, seconds))
    assert made.cost == pytest.approx((count * 10 * NANO // 1000,) * 3)


def test_a_large_batch_is_played_in_part_and_quoted_whole() -> None:
    offer = Offer(_tier(busy_milliwatts=200_000, idle_milliwatts=0), share=WHOLE // 4)

    made = quote([Lot(1_000_000, {"t": _sure(2)})], [Taken(offer, 100)])

    assert made.seconds.likely == pytest.approx(20_000, rel=0.001)
    assert made.cost.likely == pytest.approx(1_000_000 * 2 * NANO / 1000 / 4, rel=0.001)
    assert made.joules.likely == pytest.approx(1_000_000 * 2 * 50, rel=0.001)


def test_more_slots_than_can_be_played_are_played_in_part() -> None:
    made = quote([Lot(100_000, {"t": _sure(2)})], [Taken(Offer(_tier()), 50_000)])

    assert made.seconds.likely == pytest.approx(4, rel=0.01)
    assert made.cost.likely == pytest.approx(100_000 * 2 * NANO / 1000, rel=0.01)


def test_slots_that_have_to_start_come_later_and_cost_meanwhile() -> None:
    offer = Offer(_tier(), most=4, ready=1, start_s=60)

    made = quote([Lot(4, {"t": _sure(100)})], [Taken(offer, 4)])

    assert made.seconds.likely == pytest.approx(160)
    assert made.cost.likely == pytest.approx((4 * 100 + 3 * 60) * NANO // 1000)


def test_an_attempt_costs_its_share_its_request_and_its_energy() -> None:
    tier = _tier(request_nano=200, idle_milliwatts=100_000, busy_milliwatts=300_000)
    offer = Offer(tier, share=WHOLE // 2, kwh_nano=360_000_000)

    assert price_of(offer, 10.0) == 5_000_000 + 200 + 150_000
    assert joules_of(offer, 10.0) == 1500


def test_lots_that_differ_are_mixed_by_their_numbers() -> None:
    lots = [Lot(300, {"t": _sure(1)}), Lot(100, {"t": _sure(9)})]

    made = quote(lots, [Taken(Offer(_tier()), 4)])

    assert made.seconds.likely == pytest.approx(1200 / 4, rel=0.05)


@pytest.mark.parametrize("numbers", [(1, 1, 1), (5, 1, 2), (0, 3, 1)])
def test_of_a_small_batch_every_invocation_is_played_once(numbers: tuple[int, ...]) -> None:
    lots = [Lot(count, {"t": _sure(10.0**place)}) for place, count in enumerate(numbers)]

    made = quote(lots, [Taken(Offer(_tier()), 1)])

    assert made.seconds.likely == pytest.approx(sum(count * 10**place for place, count in enumerate(numbers)))


def test_the_same_question_has_the_same_answer() -> None:
    asked = [Lot(500, {"t": _between(1, 9)})], [Taken(Offer(_tier()), 7)]

    assert quote(*asked) == quote(*asked)


def test_what_is_known_badly_is_quoted_with_wide_bounds() -> None:
    known, unknown = (
        quote([Lot(500, {"t": _between(1, 9, doubt)})], [Taken(Offer(_tier()), 7)]) for doubt in (0.0, 0.5)
    )

    assert unknown.seconds.likely == known.seconds.likely
    assert unknown.seconds.high > 2 * known.seconds.high
    assert unknown.seconds.low < known.seconds.low / 2


@pytest.mark.parametrize(("count", "width"), [(40, 8), (400, 8), (3000, 30)])
def test_the_truth_is_within_the_interval_nine_times_out_of_ten(count: int, width: int) -> None:
    low, _, late = quote([Lot(count, {"t": _between(1, 9)})], [Taken(Offer(_tier()), width)]).seconds

    inside = 0
    for seed in range(100):
        draw = random.Random(seed)  # noqa: S311
        free = [0.0] * width
        for _ in range(count):
            heapq.heapreplace(free, free[0] + draw.uniform(1, 9))
        inside += low <= max(free) <= late

    assert inside >= 80


@settings(max_examples=40)
@given(count=st.integers(1, 400), width=st.integers(1, 50), doubt=st.floats(0, 0.5))
def test_bounds_are_in_order_and_more_slots_are_not_later(count: int, width: int, doubt: float) -> None:
    lots = [Lot(count, {"t": _between(1, 5, doubt)})]

    narrow, wide = (quote(lots, [Taken(Offer(_tier()), slots)]) for slots in (width, 2 * width))

    for made in (narrow, wide):
        for interval in (made.seconds, made.cost, made.joules):
            assert interval.low <= interval.likely <= interval.high
    assert wide.seconds.likely <= narrow.seconds.likely * 1.02


# -- solving ------------------------------------------------------------------------------------------------

DEAR, CHEAP = Offer(_tier("dear", 7.2), most=40), Offer(_tier("cheap", 3.6), most=10)
LOTS = [Lot(100, {"cheap": _sure(10), "dear": _sure(10)})]


def test_without_wishes_it_is_one_slot_of_the_cheapest() -> None:
    made = solve(LOTS, [DEAR, CHEAP])

    assert isinstance(made, Quote)
    assert made.slots == (("cheap", 1),)


@pytest.mark.parametrize(
    ("within_s", "slots"),
    [
        (1000, (("cheap", 1),)),
        (500, (("cheap", 2),)),
        (100, (("cheap", 10),)),
        (50, (("cheap", 10), ("dear", 10))),
    ],
)
def test_as_few_and_as_cheap_slots_as_do_it_in_time(within_s: float, slots: Any) -> None:
    made = solve(LOTS, [DEAR, CHEAP], within_s=within_s)

    assert isinstance(made, Quote)
    assert made.slots == slots
    assert made.seconds.high <= within_s


def test_a_tier_whose_limit_would_be_hit_is_left_out() -> None:
    brief = Offer(_tier("brief", 0.1), most=100, limit_s=9)
    lots = [Lot(10, {"brief": _sure(10), "cheap": _sure(10)})]

    made = solve(lots, [brief, CHEAP], within_s=50)

    assert isinstance(made, Quote)
    assert made.slots == (("cheap", 2),)
    refused = solve(lots, [brief])
    assert isinstance(refused, Declined)
    assert refused.sentence == "no tier that is offered can hold an invocation as long as these."


def test_what_cannot_be_in_time_is_declined_with_the_soonest() -> None:
    made = solve(LOTS, [CHEAP], within_s=50)

    assert isinstance(made, Declined)
    assert made.sentence == (
        "not within 50 s: with 10 of cheap it is done in 1 m 40 s, at the latest in 1 m 40 s, and costs about"
        " $1.00."
    )
    assert [one.slots for one in made.instead] == [(("cheap", 10),)]


def test_what_is_too_dear_in_time_is_declined_with_both_ways_out() -> None:
    made = solve(LOTS, [DEAR, CHEAP], within_s=50, max_cost=round(1.2 * NANO))

    assert isinstance(made, Declined)
    in_time, for_the_money = made.instead
    assert in_time.seconds.high <= 50
    assert in_time.cost.high > 1.2 * NANO
    assert for_the_money.cost.high <= 1.2 * NANO
    assert for_the_money.seconds.high < 100
    assert made.sentence.startswith(
        "not for $1.20: it may cost $1.50 within 50 s, with 10 of cheap and 10 of dear; "
    )


def test_what_is_too_dear_even_on_one_slot_says_so() -> None:
    made = solve(LOTS, [CHEAP], max_cost=NANO // 2)

    assert isinstance(made, Declined)
    assert (
        made.sentence
        == "not for $0.50: it may cost $1.00, with 1 of cheap; nothing that is offered is cheaper."
    )


@settings(max_examples=25)
@given(
    count=st.integers(1, 300),
    within_s=st.floats(1, 3000),
    dollars=st.floats(0.001, 3),
    doubt=st.floats(0, 0.3),
)
def test_what_is_promised_keeps_both_wishes_and_what_is_offered_instead_keeps_one(
    count: int, within_s: float, dollars: float, doubt: float
) -> None:
    lots = [Lot(count, {"cheap": _between(1, 15, doubt), "dear": _between(1, 5, doubt)})]
    max_cost = round(dollars * NANO)

    made = solve(lots, [DEAR, CHEAP], within_s=within_s, max_cost=max_cost)

    if isinstance(made, Quote):
        assert made.seconds.high <= within_s
        assert made.cost.high <= max_cost
    else:
        assert made.instead
        assert made.sentence.endswith(".")
        late = made.sentence.startswith("not within")
        assert late or any(one.seconds.high <= within_s for one in made.instead)
        assert late or len(made.instead) == 1 or made.instead[1].cost.high <= max_cost


def test_a_quote_needs_a_slot_and_an_estimate() -> None:
    with pytest.raises(CallerError, match="needs a slot"):
        quote(LOTS, [])
    with pytest.raises(CallerError, match="on else"):
        quote(LOTS, [Taken(Offer(_tier("else")), 1)])


def test_what_rests_on_more_than_learning_says_so() -> None:
    estimates = Estimates(lambda _work: Prior(20, 1.8, "published"))
    known, new = WorkTraits("proxy", "t"), WorkTraits("ladder", "t")
    for _ in range(50):
        estimates.learn(known, 5.0)
    lots = [
        Lot(10, {"t": estimates.estimate(known)}),
        Lot(10, {"t": estimates.estimate(new)}),
    ]

    assert quote(lots[:1], [Taken(Offer(_tier()), 1)]).basis == "learnt"
    assert quote(lots[1:], [Taken(Offer(_tier()), 1)]).basis == "published"
    assert quote(lots, [Taken(Offer(_tier()), 1)]).basis == "mixed"
