"""What a run is added up to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.events import Capacity
from rushes.simulator.load import Arrival, RunTime
from rushes.simulator.outcome import Spread, outcome_of
from rushes.simulator.pool import simulate


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ([5.0], Spread(5.0, 5.0, 5.0, 5.0)),
        (list(map(float, range(1, 101))), Spread(50.0, 90.0, 99.0, 100.0)),
        ([3.0, 1.0, 2.0], Spread(2.0, 3.0, 3.0, 3.0)),
    ],
)
def test_percentiles_are_of_the_nearest_rank(values: list[float], spread: Spread) -> None:
    assert Spread.of(values) == spread


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_rise_and_are_values_that_occurred(values: list[float]) -> None:
    found = Spread.of(values)

    assert found.p50 <= found.p90 <= found.p99 <= found.most
    assert {found.p50, found.p90, found.p99, found.most} <= set(values)


def test_what_a_swarm_cost_the_others_is_in_the_outcome() -> None:
    load = [
        Arrival(0.0, "dailies", 1, RunTime(60.0, 60.0), show="dune"),
        Arrival(30.0, "plates", 1, RunTime(10.0, 10.0), priority="urgent", show="vfx"),
    ]

    found = outcome_of(simulate(load, Capacity(cpu=1, memory=1e12), start_up_s=0.0))

    ((batch, share),) = found.displacement
    assert (batch, share.batch, share.paused, share.aside_s) == ("plates", "dailies", 1, 10.0)
    assert found.to_dict()["displacement"][0]["for"] == "plates"


def test_each_class_and_show_stands_for_itself() -> None:
    second = RunTime(1.0, 1.0)
    load = [
        Arrival(0.0, "a", 4, second, show="dune", media_s=10.0),
        Arrival(0.0, "b", 2, second, priority="urgent", show="tron"),
    ]

    found = outcome_of(simulate(load, Capacity(cpu=1, memory=1e12), start_up_s=0.0))

    by_show = {group.show: group for group in found.groups}
    assert by_show["tron"].invocations == 2
    assert by_show["dune"].done_s == pytest.approx(6.0)
    assert by_show["dune"].first_s < by_show["dune"].done_s
    assert found.utilisation == pytest.approx(1.0)
    assert found.media_s == 40.0
    assert found.to_dict()["groups"][0]["turnaround_s"]["max"] == pytest.approx(6.0)
