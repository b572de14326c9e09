"""Hosts on ECS as a fleet: the contract of every fleet, and what only a service does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import pytest
from aws_double import EcsDouble, Kept

from rushes.core.hosts import HostState
from rushes.engines.aws.fleet.ecs_fleet import EcsFleet
from rushes.engines.aws.fleet.fleet_book import FleetBook
from rushes.errors import PlatformError
from rushes.ports import Fleet
from rushes.testing.clock import FakeClock
from rushes.testing.fleet_contract import FleetContract

TIERS = {"cpu": "rushes-dev-hosts-cpu", "gpu": "rushes-dev-hosts-gpu"}


class Ecs(EcsFleet):
    """With the double behind it at hand."""

    double: EcsDouble
    clock: FakeClock
    told: list[tuple[str, bool]]


def fleet_on(double: EcsDouble, clock: FakeClock, kept: Kept, **definitions: str) -> Ecs:
    told: list[tuple[str, bool]] = []
    made = Ecs(
        double.client("ecs"), double.client("autoscaling"), "rushes-dev", services=TIERS,
        machines={"gpu": TIERS["gpu"]}, definitions=definitions, kept=kept,
        drained=lambda tasks: told.extend((one, True) for one in tasks),
        resumed=lambda tasks: told.extend((one, False) for one in tasks), clock=clock.now,
    )  # fmt: skip
    made.double, made.clock, made.told = double, clock, told
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_700_000_000.0)


@pytest.fixture
def double(clock: FakeClock) -> EcsDouble:
    return EcsDouble("rushes-dev", list(TIERS.values()), clock.now)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def ecs(double: EcsDouble, clock: FakeClock, kept: Kept) -> Ecs:
    return fleet_on(double, clock, kept)


class TestEcsFleet(FleetContract):
    tier: ClassVar[str] = "cpu"
    lacks: ClassVar[frozenset[str]] = frozenset({"refusal"})  # a service says so later, in an event

    @pytest.fixture
    def fleet(self, ecs: Ecs) -> Fleet:
        return ecs

    def settle(self, fleet: Fleet) -> None:
        assert isinstance(fleet, Ecs)
        fleet.double.settle()

    def occupy(self, fleet: Fleet, host: str) -> None:
        self._protect(fleet, host, protected=True)

    def vacate(self, fleet: Fleet, host: str) -> None:
        self._protect(fleet, host, protected=False)

    def _protect(self, fleet: Fleet, host: str, *, protected: bool) -> None:
        assert isinstance(fleet, Ecs)
        fleet.hosts()
        fleet.double.tasks[fleet._book.task_of(host)].protected = protected


def _states(fleet: Ecs) -> list[HostState]:
    return sorted(host.state for host in fleet.hosts())


def test_an_order_whose_scaler_died_is_the_same_order_for_the_next_one(
    ecs: Ecs, double: EcsDouble, clock: FakeClock, kept: Kept
) -> None:
    first = ecs.order("cpu", 2, "t1")
    double.services[TIERS["cpu"]].desired = 0  # the service was never told

    again = fleet_on(double, clock, kept)
    assert list(again.order("cpu", 2, "t1")) == list(first)
    assert {host.id for host in again.hosts()} == set(first)
    assert double.services[TIERS["cpu"]].desired == 2


def test_hosts_of_a_tier_that_a_deployment_took_away_are_hosts_no_more(
    double: EcsDouble, clock: FakeClock, kept: Kept
) -> None:
    book = FleetBook.of(kept.read())
    book.order("cpu-trial", 2, "a", clock.now())
    book.order("cpu", 1, "b", clock.now())
    kept.write(book.kept())
    assert [one.tier for one in fleet_on(double, clock, kept).hosts()] == ["cpu"]


def test_a_new_image_is_told_to_its_service_and_busy_hosts_end_on_the_old_one(
    ecs: Ecs, double: EcsDouble, clock: FakeClock, kept: Kept
) -> None:
    ecs.order("cpu", 2, "t1")
    double.settle()
    busy, idle = double.tasks.values()
    busy.protected = True

    deployed = fleet_on(double, clock, kept, cpu="host:2")
    assert len(deployed.hosts()) == 2
    assert double.services[TIERS["cpu"]].definition == "host:2"
    assert double.services[TIERS["gpu"]].definition == "host:1"  # nobody said what that is to be
    assert (busy.arn, True) in deployed.told  # it takes no more, so that it ends one day

    double.settle()
    assert busy.arn in double.tasks
    assert idle.arn not in double.tasks
    assert sorted(one.definition for one in double.tasks.values()) == ["host:1", "host:2"]
    busy.protected = False
    double.settle()
    assert [one.definition for one in double.tasks.values()] == ["host:2", "host:2"]

    double.asked.clear()
    deployed.told.clear()
    deployed.hosts()
    assert "UpdateService" not in {name for name, _ in double.asked}
    assert not deployed.told


def test_a_service_that_a_deployment_set_to_none_is_told_again(ecs: Ecs, double: EcsDouble) -> None:
    ecs.order("cpu", 3, "t1")
    double.settle()
    double.services[TIERS["cpu"]].desired = 0

    ecs.hosts()

    assert double.services[TIERS["cpu"]].desired == 3


@pytest.mark.parametrize("newest_first", [False, True])
def test_whichever_idle_task_a_service_stops_the_named_host_is_gone_and_the_others_stay(
    ecs: Ecs, double: EcsDouble, *, newest_first: bool
) -> None:
    ids = ecs.order("cpu", 3, "t1")
    double.settle()
    ecs.hosts()
    double.newest_first = newest_first

    assert list(ecs.release([ids[1]])) == [ids[1]]
    double.settle()

    assert {host.id for host in ecs.hosts()} == {ids[0], ids[2]}


def test_a_host_that_became_busy_after_it_was_let_go_is_not_stopped(ecs: Ecs, double: EcsDouble) -> None:
    ids = ecs.order("cpu", 2, "t1")
    double.settle()
    ecs.hosts()
    ecs.release([ids[0]])
    for task in double.tasks.values():  # both take work before the service has chosen one
        task.protected = True

    double.settle()

    assert len(double.tasks) == 2
    assert _states(ecs) == [HostState.busy, HostState.leaving]


def test_a_task_that_says_that_it_rests_is_seen_so_while_it_does_nothing(ecs: Ecs, double: EcsDouble) -> None:
    (host,) = ecs.order("cpu", 1, "t1")
    double.settle()
    ecs.hosts()
    task = ecs._book.task_of(host)
    ecs.hear_resting({task.rpartition("/")[2]: 5.0})
    assert [(one.state, one.since) for one in ecs.hosts()] == [(HostState.resting, 5.0)]
    double.tasks[task].protected = True
    assert _states(ecs) == [HostState.busy]
    double.tasks[task].protected = False
    ecs.hear_resting({})
    assert _states(ecs) == [HostState.idle]


def test_a_task_that_died_is_replaced_under_another_name(ecs: Ecs, double: EcsDouble) -> None:
    (id_,) = ecs.order("cpu", 1, "t1")
    double.settle()
    ecs.hosts()
    double.tasks.clear()

    assert _states(ecs) == [HostState.ordered]
    double.settle()

    (host,) = ecs.hosts()
    assert host.state is HostState.idle
    assert host.id != id_
    assert double.services[TIERS["cpu"]].desired == 1


def test_a_task_that_nobody_ordered_is_seen_for_it_costs(ecs: Ecs, double: EcsDouble) -> None:
    double.begin(TIERS["cpu"])

    (host,) = ecs.hosts()

    assert (host.tier, host.state) == ("cpu", HostState.ordered)


def test_hosts_that_are_drained_are_told_of_it(ecs: Ecs, double: EcsDouble) -> None:
    (id_,) = ecs.order("cpu", 1, "t1")
    double.settle()
    ecs.hosts()
    (task,) = double.tasks.values()
    task.protected = True

    ecs.drain([id_])

    assert ecs.told == [(task.arn, True)]
    assert double.services[TIERS["cpu"]].desired == 0


def test_an_order_beside_a_host_that_is_to_leave_and_works_on_is_that_host_again(
    ecs: Ecs, double: EcsDouble
) -> None:
    (id_,) = ecs.order("cpu", 1, "t1")
    double.settle()
    ecs.hosts()
    (task,) = double.tasks.values()
    task.protected = True
    ecs.drain([id_])

    (other,) = ecs.order("cpu", 1, "t2")

    assert [(host.id, host.state) for host in ecs.hosts()] == [(other, HostState.busy)]
    assert ecs.told == [(task.arn, True), (task.arn, False)]
    double.settle()
    assert len(double.tasks) == 1


def test_what_a_service_could_not_place_is_a_refusal_for_a_while(
    ecs: Ecs, double: EcsDouble, clock: FakeClock
) -> None:
    said = "(service cpu) was unable to place a task. Reason: Capacity is unavailable at this time."
    at = datetime.fromtimestamp(clock.now() - 30, UTC)
    steady = {"id": "2", "createdAt": at, "message": "(service cpu) has reached a steady state."}
    double.services[TIERS["cpu"]].events = [{"id": "1", "createdAt": at, "message": said}, steady]
    ecs.hosts()
    assert [(one.tier, one.at) for one in ecs.refusals()] == [("cpu", clock.now() - 30)]


def test_a_refusal_of_hours_ago_says_nothing_of_now(ecs: Ecs, double: EcsDouble, clock: FakeClock) -> None:
    said = "(service cpu) was unable to place a task. Reason: Capacity is unavailable at this time."
    at = datetime.fromtimestamp(clock.now() - 3600, UTC)
    double.services[TIERS["cpu"]].events = [{"id": "1", "createdAt": at, "message": said}]
    ecs.hosts()
    assert list(ecs.refusals()) == []


def test_machines_that_could_not_be_had_are_a_refusal_while_a_host_waits_for_one(
    ecs: Ecs, double: EcsDouble, clock: FakeClock
) -> None:
    said = "We currently do not have sufficient g6.xlarge capacity"
    double.failed = [
        {"StartTime": datetime.fromtimestamp(clock.now(), UTC), "StatusCode": "Failed", "StatusMessage": said}
    ]
    assert list(ecs.refusals()) == []  # nobody asked for one
    ecs.order("gpu", 1, "t1")
    assert [(one.tier, one.reason) for one in ecs.refusals()] == [("gpu", said)]


def test_machines_without_a_host_linger(ecs: Ecs, double: EcsDouble) -> None:
    double.machines[TIERS["gpu"]] = 3
    ecs.order("gpu", 1, "t1")
    assert ecs.lingering() == {"gpu": 2}


def test_an_idle_environment_asks_once_for_all_its_services(ecs: Ecs, double: EcsDouble) -> None:
    ecs.hosts()
    assert [name for name, _ in double.asked] == ["DescribeServices"]


def test_an_environment_that_is_not_there_says_what_to_do(double: EcsDouble, clock: FakeClock) -> None:
    del double.services[TIERS["gpu"]]
    with pytest.raises(PlatformError, match="has no service rushes-dev-hosts-gpu") as caught:
        fleet_on(double, clock, Kept()).hosts()
    assert caught.value.code == "not-deployed"
