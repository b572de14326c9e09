"""What attempts and idleness cost together is what the machine cost, to the nano-dollar."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.money import HOUR_US, KWH_NJ, NANO, owed
from rushes.core.spending.cost import Cost, CostTotal, Statement, Usage, attempt_cost
from rushes.core.spending.machine_time import WHOLE, MachineShare, MachineTime, share_of
from rushes.core.spending.prices import PriceBook, Source, Storage, TierPrice, Transfer
from rushes.core.tiers import Purchase

SAID = Source("a list", "2026-01")
START = 1_700_000_000.0


def _tier(hour: int = 3_600_000, **more: Any) -> TierPrice:
    """A nano-dollar a millisecond, if nothing else is said."""
    return TierPrice("t", Purchase.owned, "here", hour, SAID, **more)


# -- dividing a machine's time ------------------------------------------------------------------------------


def test_an_attempt_pays_for_its_share_and_the_rest_is_idle() -> None:
    machine: MachineTime[str] = MachineTime(_tier(), START)
    machine.begin("a", WHOLE // 4, START + 1)

    used = machine.end("a", START + 3)
    idle = machine.close(START + 4)

    assert used.compute == 500
    assert idle.compute == 3500


def test_shares_that_are_more_than_the_machine_divide_it_in_their_proportion() -> None:
    machine: MachineTime[str] = MachineTime(_tier(), START)
    machine.begin("cores", 800_000, START)
    machine.begin("memory", 400_000, START)

    cores, memory, idle = (
        machine.end("cores", START + 3), machine.end("memory", START + 3), machine.close(START + 3),
    )  # fmt: skip

    assert (cores.compute, memory.compute, idle.compute) == (2000, 1000, 0)


def test_paused_time_costs_the_attempt_nothing() -> None:
    machine: MachineTime[str] = MachineTime(_tier(), START)
    machine.begin("a", WHOLE, START)
    machine.reshare("a", 0, START + 1)
    machine.reshare("a", WHOLE, START + 10)

    assert machine.end("a", START + 11).compute == 2000
    assert machine.close(START + 11).compute == 9000


def test_what_was_late_repeated_or_never_there_is_counted_once_or_not_at_all() -> None:
    machine: MachineTime[str] = MachineTime(_tier(), START)
    machine.begin("a", WHOLE, START + 2)
    machine.begin("a", WHOLE, START + 1)  # late and again
    machine.reshare("b", WHOLE, START + 2)

    assert machine.so_far("a", START + 3).compute == 1000
    assert machine.end("a", START + 4).compute == 2000
    assert machine.end("a", START + 5) == MachineShare()
    assert machine.close(START + 6) is machine.close(START + 60)
    assert machine.total(START + 60).compute == 6000


def test_a_machine_that_dies_names_what_its_attempts_had_cost() -> None:
    machine: MachineTime[str] = MachineTime(_tier(), START)
    machine.begin("a", WHOLE // 2, START)

    closed = machine.close(START + 2)

    assert [(name, share.compute) for name, share in closed.cut_off] == [("a", 1000)]
    assert closed.compute == 1000


def test_least_times_and_steps_are_on_the_idle_line() -> None:
    machine: MachineTime[str] = MachineTime(
        _tier(billed_step_us=1_000_000, billed_least_us=60_000_000), START
    )
    machine.begin("a", WHOLE, START)

    assert machine.end("a", START + 1.5).compute == 1500
    assert machine.close(START + 1.5).compute == 58_500


def test_power_is_divided_like_time_and_above_idling_by_shares_alone() -> None:
    tier = _tier(idle_milliwatts=100_000, busy_milliwatts=300_000)
    machine: MachineTime[str] = MachineTime(tier, START, kwh_nano=NANO * 36 // 100)
    machine.begin("a", WHOLE // 2, START)

    used, idle = machine.end("a", START + 10), machine.close(START + 10)

    # 100 W idling: half each; 200 W above it, half of which is drawn, all of it for the attempt
    assert (used.millijoules, idle.millijoules) == (1_500_000, 500_000)
    assert (used.energy, idle.energy) == (150_000, 50_000)  # 0.36 dollars a kWh are 100 nano-dollars a joule


@pytest.mark.parametrize(
    ("need", "capacity", "share"),
    [
        ((1000, 1, 0, 0), (4000, 100, 100, 0), 250_000),
        ((1000, 80, 0, 0), (4000, 100, 100, 0), 800_000),
        ((9000, 1, 0, 0), (4000, 100, 100, 0), WHOLE),
        ((0, 0, 0, 5), (4000, 100, 100, 0), 0),
        ((1, 0, 0, 0), (3, 0, 0, 0), 333_334),
    ],
)
def test_a_share_is_the_largest_part_of_any_dimension(
    need: tuple[int, ...], capacity: tuple[int, ...], share: int
) -> None:
    assert share_of(need, capacity) == share


EVENT = st.tuples(
    st.sampled_from(["begin", "reshare", "end"]),
    st.integers(0, 5),
    st.integers(0, WHOLE) | st.sampled_from([WHOLE, WHOLE // 3]),
    st.floats(-5, 5000) | st.floats(0, 0.01),
)


@settings(max_examples=150)
@given(
    hour=st.integers(0, 10**11),
    idle_mw=st.integers(0, 500_000),
    above_mw=st.integers(0, 500_000),
    kwh=st.integers(0, NANO),
    step=st.sampled_from([1, 1000, 1_000_000]),
    least=st.sampled_from([0, 60_000_000]),
    events=st.lists(EVENT, max_size=25),
)
def test_the_lines_of_all_attempts_and_the_idle_line_sum_exactly_to_price_book_times_machine_time(
    *, hour: int, idle_mw: int, above_mw: int, kwh: int, step: int, least: int, events: list[Any]
) -> None:
    billed = {"billed_step_us": step, "billed_least_us": least}
    tier = _tier(hour, idle_milliwatts=idle_mw, busy_milliwatts=idle_mw + above_mw, **billed)
    machine: MachineTime[int] = MachineTime(tier, START, kwh_nano=kwh)
    now = last = START
    lines: list[MachineShare] = []
    holds: dict[int, int] = {}
    nanojoules = 0
    for verb, attempt, share, wait in events:
        now += wait
        passed = round(max(now, last) * 1e6) - round(last * 1e6)
        used = min(WHOLE, sum(holds.values()))
        nanojoules += idle_mw * passed + above_mw * passed * used // WHOLE
        last = max(now, last)
        if verb == "end":
            lines.append(machine.end(attempt, now))
            holds.pop(attempt, None)
        else:
            getattr(machine, verb)(attempt, share, now)
            if verb == "begin" or attempt in holds:
                holds[attempt] = share
    closed = machine.close(last)
    lines += [share for _, share in closed.cut_off]

    elapsed_us = round(last * 1e6) - round(START * 1e6)
    assert sum(line.compute for line in lines) + closed.compute == tier.cost(elapsed_us)
    assert sum(line.energy for line in lines) + closed.energy == owed(kwh, nanojoules, KWH_NJ)
    assert sum(line.millijoules for line in lines) + closed.millijoules == nanojoules // 1_000_000
    assert all(min(line.compute, line.energy, line.millijoules) >= 0 for line in (*lines, closed))


@settings(max_examples=60)
@given(seconds=st.lists(st.floats(0.001, 900), min_size=1, max_size=20), hour=st.integers(1, 10**11))
def test_no_attempt_is_off_by_more_than_a_nano_dollar_however_often_others_come_and_go(
    seconds: list[float], hour: int
) -> None:
    machine: MachineTime[object] = MachineTime(_tier(hour), START)
    machine.begin("long", WHOLE // 2, START)
    now = START
    for number, wait in enumerate(seconds):
        machine.begin(number, WHOLE // 4, now)
        now += wait
        machine.end(number, now)

    used = machine.end("long", now)

    elapsed_us = round(now * 1e6) - round(START * 1e6)
    owes = Fraction(hour * elapsed_us, 2 * HOUR_US)
    assert 0 <= owes - used.compute < 1 + Fraction(len(seconds), HOUR_US)


# -- the lines of an attempt --------------------------------------------------------------------------------


def test_an_attempt_pays_for_its_requests_and_for_what_it_moved() -> None:
    book = PriceBook(
        storage={"east": Storage(5_000, 400, 23_000_000, SAID)},
        transfer={"east": {"*": Transfer(20_000_000, SAID)}},
    )
    usage = Usage(
        puts=3, gets=10, storage="east", moved=(("east", "west", 1 << 29), ("east", "east", 1 << 40))
    )

    cost = attempt_cost(MachineShare(1000, 50, 7), _tier(request_nano=200), book, usage)

    assert cost == Cost(
        compute=1000, requests=200 + 15_000 + 4_000, transfer=10_000_000, energy=50, millijoules=7
    )
    assert cost.total == 10_020_250


# -- the statement --------------------------------------------------------------------------------------


def test_a_published_minute_costs_what_was_spent_on_it_waste_included() -> None:
    statement = Statement()
    statement.enter(("dune", "proxy"), CostTotal(Cost(compute=600), attempts=1, published_us=120_000_000))
    statement.enter(("dune", "proxy"), CostTotal(waste=Cost(compute=301), attempts=1))  # failed
    statement.enter(("dune", "inspect"), CostTotal(Cost(compute=9), attempts=1))
    statement.enter(("arrival", "proxy"), CostTotal(Cost(compute=100), attempts=1, published_us=60_000_000))
    statement.idle["t"] = Cost(compute=90, energy=10)

    assert statement.of(show="dune", function="proxy").minute_nano == 451  # 901 over two minutes, rounded up
    assert statement.of(function="proxy").minute_nano == 334
    assert statement.of(show="dune", function="inspect").minute_nano is None
    assert statement.of(show="dune").attempts == 3
    assert statement.total == 600 + 301 + 9 + 100 + 100
    assert statement.minute_nano == 370
