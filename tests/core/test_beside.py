"""How many hosts try a version beside the others: within the size of their fleet, whatever its share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.capacity.beside import at_most, fleet_beside, parted, shared_out, stage_of, untouched, usual
from rushes.core.capacity.elastic import FleetPolicy
from rushes.core.capacity.hours import Hours
from rushes.core.hosts import Host, HostState


@pytest.mark.parametrize(
    ("maximum", "share", "there", "waiting", "parts"),
    [
        (20, 5.0, (0, 0), 0, (19, 1)),
        (20, 25.0, (0, 0), 0, (15, 5)),
        (20, 50.0, (0, 0), 1, (10, 10)),
        (4, 5.0, (0, 0), 1, (3, 1)),  # one at least
        (2, 50.0, (1, 0), 1, (1, 1)),
        (20, 5.0, (20, 0), 1, (19, 0)),  # all are there: it waits until one has gone
        (20, 50.0, (19, 1), 1, (10, 1)),
        (20, 0.0, (12, 3), 1, (17, 0)),  # it went back: those that are there end what they have
        (20, 0.0, (12, 0), 1, (20, 0)),
        (20, 100.0, (12, 3), 1, (10, 8)),  # it took over: what waits for it is still done
        (20, 100.0, (12, 3), 0, (17, 0)),
        (1, 50.0, (0, 0), 1, (1, 0)),  # no room for another
        (0, 50.0, (0, 0), 1, (0, 0)),
        (3, 50.0, (5, 2), 1, (1, 0)),  # somebody has lowered it
    ],
)
def test_a_fleet_gives_a_version_as_large_a_part_as_it_has_of_the_work(
    maximum: int, share: float, there: tuple[int, int], waiting: int, parts: tuple[int, int]
) -> None:
    assert parted(maximum, share, *there, waits=waiting > 0) == parts


@given(st.data())
def test_both_together_are_never_more_than_the_fleet_may_have(data: st.DataObject) -> None:
    maximum = data.draw(st.integers(0, 12))
    there = [0, 0]
    for _ in range(data.draw(st.integers(1, 12))):
        share = data.draw(st.sampled_from([0.0, 5.0, 25.0, 50.0, 100.0]))
        found = parted(maximum, share, *there, waits=data.draw(st.booleans()))
        for kind, most in enumerate(found):  # the scaler orders up to that, in one turn
            there[kind] += data.draw(st.integers(0, max(most - there[kind], 0)))
        assert sum(there) <= maximum
        for kind in range(2):
            there[kind] -= data.draw(st.integers(0, there[kind]))


@pytest.mark.parametrize(
    ("shares", "stage"),
    [
        ([5.0], 5.0), ([5.0, 50.0], 50.0), ([100.0, 5.0], 5.0), ([0.0, 25.0], 25.0), ([0.0, 100.0], 100.0),
        ([0.0, 0.0], 0.0), ([], 0.0),
    ],
)  # fmt: skip
def test_several_trials_have_hosts_together(shares: list[float], stage: float) -> None:
    assert stage_of(shares) == stage


@pytest.mark.parametrize(
    ("since", "waits", "there", "busy", "after"),
    [
        ({}, ["a"], {"a"}, set(), {"a": 9.0}),
        ({"a": 3.0}, ["a"], {"a"}, set(), {"a": 3.0}),
        ({"a": 3.0}, ["a"], set(), set(), {"a": 3.0}),  # its hosts come and go again
        ({"a": 3.0}, ["a"], {"a"}, {"a"}, {}),
        ({"a": 3.0}, [], {"a"}, set(), {}),
        ({}, ["a"], set(), set(), {}),  # there has been no room for one
    ],
)
def test_work_that_hosts_leave_lying_is_known_since_when(
    since: dict[str, float], waits: list[str], there: set[str], busy: set[str], after: dict[str, float]
) -> None:
    assert untouched(since, waits, there, busy, 9.0) == after


def test_hours_are_shared_too_and_nothing_that_tries_is_kept_warm() -> None:
    night = Hours(20, 6, minimum=3, maximum=4)
    day = Hours(6, 20, minimum=2)
    fleet = FleetPolicy("spot", 10, minimum=10, fallback="cpu", schedule=(night, day))
    tried, other, alone = shared_out(
        [fleet, FleetPolicy("gpu", 2)], {"spot": 50.0}, [Host("1", "cpu", HostState.busy, 0.0)], set()
    )
    assert (other.tier, other.maximum, other.minimum) == ("spot", 5, 5)
    assert [(one.minimum, one.maximum) for one in other.schedule] == [(2, 2), (2, None)]
    assert (tried.tier, tried.fallback, tried.maximum, tried.minimum) == ("spot-trial", "cpu-trial", 5, 0)
    assert [(one.minimum, one.maximum) for one in tried.schedule] == [(None, 2), (None, None)]
    assert alone == FleetPolicy("gpu", 2)


def test_a_fleet_beside_another_is_named_after_it() -> None:
    assert fleet_beside(FleetPolicy("cpu", 3)).tiers == ("cpu-trial",)
    assert [usual(one) for one in ("hosts-nvenc-trial", "hosts", "trial")] == [
        "hosts-nvenc",
        "hosts",
        "trial",
    ]


def test_a_fleet_of_which_fewer_are_to_be_had_is_shared_by_those() -> None:
    fleet = FleetPolicy("gpu", 20, minimum=4, schedule=(Hours(20, 6, minimum=9, maximum=12), Hours(6, 20)))
    few = at_most(fleet, 8)
    assert (few.maximum, few.minimum) == (8, 4)
    assert few.schedule == (Hours(20, 6, minimum=8, maximum=8), Hours(6, 20))
    tried, other = shared_out([few], {"gpu": 50.0}, [], ())
    assert (tried.maximum, other.maximum) == (4, 4)
