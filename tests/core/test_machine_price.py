"""What an attempt may cost is never less than what it is charged when it has run alone or with others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rushes.core.events import Capacity, Shape
from rushes.core.money import NANO
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.machine_time import WHOLE, MachineTime
from rushes.core.spending.prices import Source, TierPrice
from rushes.core.tiers import Purchase

SAID = Source("a list", "2026-01")
RACK = TierPrice("rack", Purchase.owned, "here", 3_600_000_000, SAID)
GIB = 1 << 30


def _shape(**needs: float) -> Shape:
    return Shape("b", "e", "f@1", **{"cpu": 0.0, **needs})  # type: ignore[arg-type]


def test_a_share_is_the_largest_part_of_any_dimension_that_the_machine_has() -> None:
    price = MachinePrice(RACK, Capacity(8, 32 * GIB, gpu=1))

    assert price.share(_shape(cpu=2, memory=2 * GIB)) == WHOLE // 4
    assert price.share(_shape(cpu=1, memory=16 * GIB)) == WHOLE // 2
    assert price.share(_shape(gpu=1)) == WHOLE
    assert price.share(_shape(scratch=1 << 50)) == 0  # its disk has no limit
    assert price.share(_shape(cpu=99)) == WHOLE


def test_seconds_are_priced_by_the_share_that_is_held() -> None:
    price = MachinePrice(RACK, Capacity(8, 32 * GIB))

    assert price.price_of(_shape(cpu=2), 10.0) == 10 * NANO // 1000 // 4


def test_a_machine_without_price_and_watts_counts_nothing_and_watts_alone_count_joules() -> None:
    here = TierPrice("here", Purchase.owned, "here", 0, SAID)
    drawing = TierPrice("here", Purchase.owned, "here", 0, SAID, idle_milliwatts=1, busy_milliwatts=2)
    capacity = Capacity(8, 32 * GIB)

    assert MachinePrice(here, capacity).free
    assert not MachinePrice(here, capacity, kwh_nano=NANO).counted
    assert MachinePrice(drawing, capacity).free
    assert MachinePrice(drawing, capacity).counted
    assert not MachinePrice(drawing, capacity, kwh_nano=NANO).free
    assert not MachinePrice(RACK, capacity).free


@given(
    hour=st.integers(0, 10**12),
    request=st.integers(0, 1000),
    kwh=st.integers(0, NANO),
    watts=st.tuples(st.integers(0, 500_000), st.integers(0, 500_000)),
    cpu=st.floats(0, 8),
    other=st.integers(0, WHOLE),
    seconds=st.floats(0, 100_000),
)
def test_no_attempt_is_charged_more_than_its_price(
    *, hour: int, request: int, kwh: int, watts: tuple[int, int], cpu: float, other: int, seconds: float
) -> None:
    tier = TierPrice(
        "t", Purchase.owned, "here", hour, SAID, request_nano=request, idle_milliwatts=min(watts),
        busy_milliwatts=max(watts),
    )  # fmt: skip
    price = MachinePrice(tier, Capacity(8, GIB), kwh)
    shape = _shape(cpu=cpu)
    machine: MachineTime[str] = MachineTime(tier, 0.0, kwh)

    machine.begin("it", price.share(shape), 0.0)
    machine.begin("another", other, 0.0)
    charged = machine.end("it", seconds)

    assert charged.compute + charged.energy + request <= price.price_of(shape, seconds)
