"""A turn of the scaler: what is decided is carried out once, whatever the provider answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rushes.core.capacity.elastic import Backlog, FleetPolicy, Memory, ScalingPolicy
from rushes.core.capacity.steps import DEFAULT_STEPS
from rushes.core.hosts import Host
from rushes.core.tiers import Machine, Purchase, Tier
from rushes.errors import CallerError, PlatformError
from rushes.runtime.scaling.scaler import Scaler
from rushes.testing import FakeClock, StubFleet

TIERS = {"hosts": Tier("hosts", Machine(8, 1 << 34, 0), Purchase.on_demand, "here", start_s=90.0)}
POLICY = ScalingPolicy((FleetPolicy("hosts", 10, steps=DEFAULT_STEPS),))
WORK = (Backlog("hosts", "urgent", waiting=30),)


class Silent(StubFleet):
    """A fleet whose provider does not answer when it is told not to."""

    silent: str = ""

    def hosts(self) -> Sequence[Host]:
        self._fail("hosts")
        return super().hosts()

    def release(self, hosts: Sequence[str]) -> Sequence[str]:
        self._fail("release")
        return super().release(hosts)

    def _fail(self, verb: str) -> None:
        if self.silent == verb:
            raise PlatformError("The provider does not answer.", code="no-answer")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fleet(clock: FakeClock) -> Silent:
    return Silent(clock, TIERS)


@pytest.fixture
def scaler(fleet: Silent, clock: FakeClock) -> Scaler:
    return Scaler(fleet, POLICY, TIERS, {}, clock=clock)


def test_what_is_wanted_is_ordered_and_said(scaler: Scaler, fleet: Silent) -> None:
    turn = scaler.turn(WORK)

    assert turn.ordered == tuple(host.id for host in fleet.hosts())
    assert len(turn.ordered) == turn.plan.of("hosts").order == 3


def test_an_order_whose_answer_was_lost_is_not_made_twice(
    scaler: Scaler, fleet: Silent, clock: FakeClock
) -> None:
    fleet.lose_answers = 1

    first = scaler.turn(WORK)
    clock.advance(5.0)
    second = scaler.turn(WORK)

    assert [error.code for error in first.failures] == ["no-answer"]
    assert (second.ordered, second.failures) == ((), ())
    assert len(fleet.hosts()) == 3


def test_an_order_that_never_arrived_is_made_again(fleet: Silent, clock: FakeClock) -> None:
    class Deaf(Silent):
        deaf = True

        def order(self, tier: str, count: int, token: str) -> Sequence[str]:
            if self.deaf:
                raise PlatformError("The provider does not answer.", code="no-answer")
            return super().order(tier, count, token)

    deaf = Deaf(clock, TIERS)
    scaler = Scaler(deaf, POLICY, TIERS, {}, clock=clock)
    scaler.turn(WORK)
    deaf.deaf = False

    assert len(scaler.turn(WORK).ordered) == 3


def test_hosts_that_are_not_needed_any_more_go(scaler: Scaler, fleet: Silent, clock: FakeClock) -> None:
    scaler.turn(WORK)
    clock.advance(100.0)
    scaler.turn(())

    clock.advance(1000.0)
    turn = scaler.turn(())

    assert len(turn.released) == 3
    assert list(fleet.hosts()) == []


def test_a_host_that_has_become_busy_meanwhile_stays(clock: FakeClock) -> None:
    class Sudden(StubFleet):
        def release(self, hosts: Sequence[str]) -> Sequence[str]:
            self.occupy(hosts[0])
            return super().release(hosts)

    fleet = Sudden(clock, TIERS)
    scaler = Scaler(fleet, POLICY, TIERS, {}, clock=clock)
    scaler.turn(WORK)
    clock.advance(100.0)
    scaler.turn(())
    clock.advance(1000.0)

    turn = scaler.turn(())

    assert len(turn.plan.of("hosts").release) == 3
    assert len(turn.released) == 2
    assert len(fleet.hosts()) == 1


def test_a_release_that_was_not_answered_is_asked_for_again(
    scaler: Scaler, fleet: Silent, clock: FakeClock
) -> None:
    scaler.turn(WORK)
    clock.advance(100.0)
    scaler.turn(())
    clock.advance(1000.0)
    fleet.silent = "release"
    failed = scaler.turn(())
    fleet.silent = ""

    turn = scaler.turn(())

    assert (failed.released, len(failed.failures)) == ((), 1)
    assert len(turn.released) == 3


def test_nothing_is_decided_about_a_fleet_that_cannot_be_seen(scaler: Scaler, fleet: Silent) -> None:
    fleet.silent = "hosts"

    with pytest.raises(PlatformError):
        scaler.turn(WORK)

    assert fleet.calls == []


def test_a_scaler_that_goes_on_where_another_stopped_orders_under_new_tokens(
    scaler: Scaler, fleet: Silent, clock: FakeClock
) -> None:
    scaler.turn(WORK)

    Scaler(fleet, POLICY, TIERS, {}, clock=clock, memory=scaler.memory).turn(
        (Backlog("hosts", "urgent", waiting=60),)
    )

    tokens = [call.arguments["token"] for call in fleet.calls]
    assert len(set(tokens)) == 2


def test_a_scaler_that_lost_its_memory_is_not_held_to_the_orders_of_an_earlier_one(
    scaler: Scaler, fleet: Silent, clock: FakeClock
) -> None:
    (first, *_) = scaler.turn(WORK).ordered
    clock.advance(100.0)
    fleet.lose(first)

    ordered = Scaler(fleet, POLICY, TIERS, {}, clock=clock).turn(WORK).ordered

    assert len(ordered) == 1
    assert ordered[0] != first


def test_a_policy_that_cannot_be_carried_out_is_refused_before_anything_is_done(
    fleet: Silent, clock: FakeClock
) -> None:
    with pytest.raises(CallerError):
        Scaler(fleet, ScalingPolicy((FleetPolicy("tape", 1),)), TIERS, {}, clock=clock, memory=Memory())
