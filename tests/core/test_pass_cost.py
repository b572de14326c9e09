"""What a pass costs does not grow with the number of slots: counted in calls, the same on every machine."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rushes.core.events import Capacity
from rushes.simulator.load import Arrival, RunTime
from rushes.simulator.pool import simulate

GIB = 2.0**30


def calls_of(cores: int, count: int) -> float:
    """Calls within `rushes` for each invocation, of a load that always waits and is displaced and paused."""
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
    calls = 0

    def counts(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(counts)
    try:
        simulate(load, Capacity(cpu=cores, memory=4 * GIB * cores))
    finally:
        sys.setprofile(None)
    return calls / count


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else counts calls")
def test_ten_times_the_slots_do_not_make_an_invocation_dearer() -> None:
    # Enough of them that what each slot does once, to open and to stand aside, does not count.
    assert calls_of(400, 9000) <= 1.5 * calls_of(40, 3000)
