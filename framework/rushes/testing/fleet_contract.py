"""What every fleet promises, as tests: mix `FleetContract` into a pytest class and say how one is built.

    class TestMyFleet(FleetContract):
        @pytest.fixture
        def fleet(self) -> Fleet: ...
        tier = "hosts"
        def settle(self, fleet: Fleet) -> None: ...   # until what is on its way has come
        def occupy(self, fleet: Fleet, host: str) -> None: ...

What a fleet cannot do is declared in `lacks`, and its tests are skipped by that name. This module must not
know which fleet it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from typing import ClassVar

import pytest

from rushes.core.hosts import Host, HostState
from rushes.errors import CallerError
from rushes.ports import Fleet

__all__ = ["FleetContract"]

_ON_THE_WAY = (HostState.ordered, HostState.starting)


class FleetContract:
    """Tests that every fleet passes."""

    tier: ClassVar[str] = "hosts"
    """A tier that can be ordered, of which there are three more hosts at least."""
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of ``refusal`` (it can be brought to refuse an order), ``delay`` (an order takes time to come)."""

    @pytest.fixture
    def fleet(self) -> Fleet:
        """The fleet that is examined, with no host in it."""
        raise NotImplementedError

    def settle(self, fleet: Fleet) -> None:
        """Wait until what is on its way has come, and what leaves has gone."""
        raise NotImplementedError

    def occupy(self, fleet: Fleet, host: str) -> None:
        """Give a host work that does not end by itself."""
        raise NotImplementedError

    def vacate(self, fleet: Fleet, host: str) -> None:
        """Let the work of a host end."""
        raise NotImplementedError

    def refuse(self, fleet: Fleet) -> None:
        """See to it that there are no more hosts of `tier`."""
        raise NotImplementedError

    def _host(self, fleet: Fleet, id_: str) -> Host | None:
        return next((host for host in fleet.hosts() if host.id == id_), None)

    def _one(self, fleet: Fleet) -> str:
        """The name of one host that is there and idle."""
        (id_,) = fleet.order(self.tier, 1, "one")
        self.settle(fleet)
        return id_

    def _need(self, capability: str) -> None:
        if capability in self.lacks:
            pytest.skip(f"not supported: {capability}")

    # -- ordering -----------------------------------------------------------------------------------------

    def test_it_is_a_fleet(self, fleet: Fleet) -> None:
        assert isinstance(fleet, Fleet)

    def test_what_is_ordered_is_seen_at_once(self, fleet: Fleet) -> None:
        ids = fleet.order(self.tier, 2, "first")

        assert len(ids) == 2
        assert {host.id for host in fleet.hosts()} == set(ids)
        assert {host.tier for host in fleet.hosts()} == {self.tier}

    def test_what_is_ordered_comes(self, fleet: Fleet) -> None:
        (id_,) = fleet.order(self.tier, 1, "first")

        self.settle(fleet)

        host = self._host(fleet, id_)
        assert host is not None
        assert host.state is HostState.idle

    def test_what_is_on_its_way_is_not_idle_yet(self, fleet: Fleet) -> None:
        self._need("delay")

        (id_,) = fleet.order(self.tier, 1, "first")

        host = self._host(fleet, id_)
        assert host is not None
        assert host.state in _ON_THE_WAY

    def test_the_same_token_is_the_same_order(self, fleet: Fleet) -> None:
        ids = fleet.order(self.tier, 1, "first")

        again = fleet.order(self.tier, 1, "first")

        assert list(again) == list(ids)
        assert len(fleet.hosts()) == 1

    def test_another_token_is_another_order(self, fleet: Fleet) -> None:
        first = fleet.order(self.tier, 1, "first")

        second = fleet.order(self.tier, 1, "second")

        assert not set(first) & set(second)
        assert len(fleet.hosts()) == 2

    def test_an_order_of_nothing_brings_nothing(self, fleet: Fleet) -> None:
        assert list(fleet.order(self.tier, 0, "nothing")) == []
        assert list(fleet.hosts()) == []

    def test_a_tier_that_it_does_not_have_is_refused(self, fleet: Fleet) -> None:
        with pytest.raises(CallerError) as refused:
            fleet.order("no-such-tier", 1, "first")

        assert refused.value.code == "unknown-tier"
        assert list(fleet.hosts()) == []

    def test_an_order_that_cannot_be_filled_says_so(self, fleet: Fleet) -> None:
        self._need("refusal")
        self.refuse(fleet)

        ids = fleet.order(self.tier, 1, "first")

        assert list(ids) == []
        assert [refusal.tier for refusal in fleet.refusals()] == [self.tier]

    def test_a_fleet_that_was_never_refused_anything_says_nothing(self, fleet: Fleet) -> None:
        fleet.order(self.tier, 1, "first")

        assert list(fleet.refusals()) == []

    # -- releasing ----------------------------------------------------------------------------------------

    def test_an_idle_host_that_is_released_goes(self, fleet: Fleet) -> None:
        id_ = self._one(fleet)

        released = fleet.release([id_])

        assert list(released) == [id_]
        host = self._host(fleet, id_)
        assert host is None or host.state is HostState.leaving
        self.settle(fleet)
        assert self._host(fleet, id_) is None

    def test_a_busy_host_is_left_alone(self, fleet: Fleet) -> None:
        id_ = self._one(fleet)
        self.occupy(fleet, id_)

        released = fleet.release([id_])

        assert list(released) == []
        host = self._host(fleet, id_)
        assert host is not None
        assert host.state is HostState.busy

    def test_a_busy_host_that_is_drained_leaves_and_goes_when_it_is_done(self, fleet: Fleet) -> None:
        id_ = self._one(fleet)
        self.occupy(fleet, id_)

        drained = fleet.drain([id_, "never-was"])

        assert list(drained) == [id_]
        host = self._host(fleet, id_)
        assert host is not None
        assert host.state is HostState.leaving
        self.vacate(fleet, id_)
        self.settle(fleet)
        assert self._host(fleet, id_) is None

    def test_an_idle_host_that_is_drained_goes(self, fleet: Fleet) -> None:
        id_ = self._one(fleet)

        drained = fleet.drain([id_])

        self.settle(fleet)
        assert list(drained) == [id_]
        assert self._host(fleet, id_) is None

    def test_an_order_that_is_still_open_can_be_taken_back(self, fleet: Fleet) -> None:
        self._need("delay")
        (id_,) = fleet.order(self.tier, 1, "first")

        released = fleet.release([id_])

        self.settle(fleet)
        assert list(released) == [id_]
        assert self._host(fleet, id_) is None

    def test_a_host_that_is_gone_is_passed_over(self, fleet: Fleet) -> None:
        id_ = self._one(fleet)
        fleet.release([id_])
        self.settle(fleet)

        assert list(fleet.release([id_, "never-was"])) == []

    def test_a_name_is_never_given_twice(self, fleet: Fleet) -> None:
        first = self._one(fleet)
        fleet.release([first])
        self.settle(fleet)

        (second,) = fleet.order(self.tier, 1, "two")

        assert second != first
