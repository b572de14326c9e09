"""The fleet in memory keeps every promise of a fleet."""

from __future__ import annotations

import pytest

from rushes.core.hosts import HostState
from rushes.core.tiers import Machine, Purchase, Tier
from rushes.errors import PlatformError
from rushes.ports import Fleet
from rushes.testing import FakeClock, StubFleet
from rushes.testing.fleet_contract import FleetContract

HOSTS = Tier("hosts", Machine(8, 1 << 34, 0), Purchase.on_demand, "us-east-1", start_s=90.0)


class TestStubFleet(FleetContract):
    clock: FakeClock

    @pytest.fixture
    def fleet(self) -> Fleet:
        self.clock = FakeClock()
        return StubFleet(self.clock, {"hosts": HOSTS}, grant_s=10.0)

    def settle(self, fleet: Fleet) -> None:
        self.clock.advance(100.0)

    def occupy(self, fleet: Fleet, host: str) -> None:
        assert isinstance(fleet, StubFleet)
        fleet.occupy(host)

    def vacate(self, fleet: Fleet, host: str) -> None:
        assert isinstance(fleet, StubFleet)
        fleet.vacate(host)

    def refuse(self, fleet: Fleet) -> None:
        assert isinstance(fleet, StubFleet)
        fleet.refuse("hosts")


def test_a_host_is_ordered_then_starts_then_is_idle_since_it_was_up() -> None:
    clock = FakeClock(1000.0)
    fleet = StubFleet(clock, {"hosts": HOSTS}, grant_s=10.0)
    fleet.order("hosts", 1, "a")

    seen = []
    for _ in range(4):
        (host,) = fleet.hosts()
        seen.append((host.state, host.since))
        clock.advance(45.0)

    assert seen == [
        (HostState.ordered, 1000.0),
        (HostState.starting, 1010.0),
        (HostState.starting, 1010.0),
        (HostState.idle, 1100.0),
    ]


def test_an_order_whose_answer_was_lost_is_found_again_by_its_token() -> None:
    fleet = StubFleet(FakeClock(), {"hosts": HOSTS})
    fleet.lose_answers = 1

    with pytest.raises(PlatformError):
        fleet.order("hosts", 2, "a")

    assert len(fleet.order("hosts", 2, "a")) == 2
    assert len(fleet.hosts()) == 2


def test_every_call_is_recorded_with_its_answer() -> None:
    clock = FakeClock(1000.0)
    fleet = StubFleet(clock, {"hosts": HOSTS})
    fleet.refuse("hosts", after=1)

    fleet.order("hosts", 2, "a")
    clock.advance(5.0)
    fleet.release(["hosts-1", "other"])

    assert [(call.at, call.verb, dict(call.arguments), call.answer) for call in fleet.calls] == [
        (1000.0, "order", {"tier": "hosts", "count": 2, "token": "a"}, ("hosts-1",)),
        (1005.0, "release", {"hosts": ("hosts-1", "other")}, ("hosts-1",)),
    ]
