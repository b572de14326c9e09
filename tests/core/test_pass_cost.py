"""What a pass costs does not grow with the number of slots: counted in calls, the same on every machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from rushes.core import scheduler
from rushes.core.classes import DEFAULT_CLASSES
from rushes.core.events import Capacity
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.prices import Source, TierPrice
from rushes.core.tiers import Purchase
from rushes.simulator.changing import ChangingPool
from rushes.simulator.load import Arrival, RunTime, Scenario

GIB = 2.0**30
INTERACTIVE, URGENT, STANDARD, BACKGROUND = DEFAULT_CLASSES
SHARED = (
    replace(INTERACTIVE, reserved_share=0.05),
    replace(URGENT, reserved_share=0.1),
    STANDARD,
    replace(BACKGROUND, max_share=0.95),
)


def calls_of(cores: int, count: int, *, shares: bool = False, caps: bool = False) -> float:
    """Calls within `rushes` for each invocation, of a load that always waits and is displaced and paused.

    `shares`: parts of the pool are kept; `caps`: every show has one, which is never reached.
    """
    load = [
        Arrival(
            0.0 if number % 4 > 1 else 40.0,
            f"b{number}",
            count // 20,
            RunTime(20.0 + number, 60.0 + number),
            priority=("interactive", "urgent", "standard", "background")[number % 4],
            show=f"show-{number // 4}",
            memory=2 * GIB,
        )
        for number in range(20)
    ]
    capacity = Capacity(cpu=cores, memory=4 * GIB * cores)
    tier = TierPrice(
        "cores", Purchase.on_demand, "here", 1_000_000 * cores, Source("of a test", "2026-11-22")
    )
    pool = ChangingPool(
        Scenario(tuple(load), caps={one.show: 10**15 for one in load} if caps else {}),
        capacity,
        price=MachinePrice(tier, capacity),
        classes=SHARED if shares else DEFAULT_CLASSES,
    )
    calls = 0

    def counts(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(counts)
    try:
        pool.follow()
    finally:
        sys.setprofile(None)
    return calls / count


COUNTS = pytest.mark.skipif(
    sys.gettrace() is not None or scheduler.__file__.endswith(".so"),
    reason="something else counts calls, or there are none: the core is compiled",
)


@COUNTS
def test_ten_times_the_slots_do_not_make_an_invocation_dearer() -> None:
    # Enough of them that what each slot does once, to open and to stand aside, does not count.
    assert calls_of(400, 9000) <= 1.5 * calls_of(40, 3000)


@COUNTS
def test_nor_do_they_where_parts_are_kept_and_every_show_has_a_cap() -> None:
    assert calls_of(400, 9000, shares=True, caps=True) <= 1.5 * calls_of(40, 3000, shares=True, caps=True)


@COUNTS
def test_caps_and_shares_cost_a_bounded_part_more() -> None:
    plain = calls_of(40, 3000)
    assert calls_of(40, 3000, caps=True) <= 2.0 * plain
    assert calls_of(40, 3000, shares=True, caps=True) <= 2.8 * plain
