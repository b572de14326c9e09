"""This machine's slots keep every promise of a fleet, and the pool follows them."""

from __future__ import annotations

import pytest

from rushes.core.hosts import HostState
from rushes.ports import Fleet
from rushes.runtime.scaling.own_slots import OwnSlots
from rushes.testing import FakeClock
from rushes.testing.fleet_contract import FleetContract


class TestOwnSlots(FleetContract):
    tier = "here"
    lacks = frozenset({"delay", "refusal"})

    @pytest.fixture
    def fleet(self) -> Fleet:
        self.taken = 0
        return OwnSlots("here", 4, lambda: self.taken, FakeClock())

    def settle(self, fleet: Fleet) -> None:
        fleet.hosts()

    def occupy(self, fleet: Fleet, host: str) -> None:
        self.taken = [one.id for one in fleet.hosts()].index(host) + 1

    def vacate(self, fleet: Fleet, host: str) -> None:
        self.taken = 0

    def test_an_order_beyond_the_machine_says_so(self, fleet: Fleet) -> None:
        fleet.order("here", 4, "all")

        assert list(fleet.order("here", 1, "one more")) == []
        assert [(one.tier, one.reason) for one in fleet.refusals()] == [("here", "this machine has 4 slots")]


def test_what_runs_keeps_as_many_of_those_that_leave_as_do_not_fit_into_the_others() -> None:
    taken, clock = [4], FakeClock()
    fleet = OwnSlots("here", 4, lambda: taken[0], clock)
    ids = fleet.order("here", 4, "all")

    fleet.drain(ids[1:])

    sizes = []
    for taken[0] in (4, 3, 2, 1, 0):
        sizes.append((fleet.size, sum(h.state is HostState.leaving for h in fleet.hosts())))
    assert sizes == [(1, 3), (1, 2), (1, 1), (1, 0), (1, 0)]


def test_those_that_leave_take_no_room_from_an_order() -> None:
    taken = [4]
    fleet = OwnSlots("here", 4, lambda: taken[0], FakeClock())
    fleet.drain(fleet.order("here", 4, "all"))

    again = fleet.order("here", 4, "again")

    assert len(again) == fleet.size == 4
    assert all(host.state is HostState.busy for host in fleet.hosts() if host.id in again)


def test_a_slot_is_idle_since_what_ran_there_has_ended() -> None:
    taken, clock = [1], FakeClock(1000.0)
    fleet = OwnSlots("here", 4, lambda: taken[0], clock)
    fleet.order("here", 1, "one")
    fleet.hosts()

    clock.advance(60.0)
    taken[0] = 0

    (host,) = fleet.hosts()
    assert (host.state, host.since) == (HostState.idle, 1060.0)
