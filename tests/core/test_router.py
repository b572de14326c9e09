"""Invocations on several tiers: the real scheduler on each, scaled fleets in memory, a virtual clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.capacity.backlog import hosts_taken
from rushes.core.capacity.elastic import Backlog, FleetPolicy, ScalingPolicy
from rushes.core.capacity.fitting import Routable, RoutingPolicy
from rushes.core.capacity.router import TierRouter
from rushes.core.capacity.routing import NoRoute, Route
from rushes.core.commands import CloseSlot, OpenSlot, Start
from rushes.core.events import (
    Ask,
    AttemptFinished,
    Capacity,
    Leased,
    QueueKey,
    Resized,
    Shape,
    SlotReady,
    Tick,
    Withdrawn,
)
from rushes.core.hosts import Host, HostState
from rushes.core.scheduler import Scheduler
from rushes.core.spending.prices import PriceBook, Source, TierPrice
from rushes.core.states import State
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits
from rushes.runtime.scaling.scaler import Scaler
from rushes.testing import FakeClock, StubFleet

GIB = 1 << 30
USD = 1_000_000_000
SAID = Source("made up for these tests", "undated")
QUEUE = QueueKey("standard", "dune")
STEP_S = 5.0

LAMBDA = Tier(
    "lambda", Machine(6, 10 * GIB, 10 * GIB), Purchase.on_demand, "us-east-1",
    limits=TierLimits(run_s=900.0, at_once=100), per_invocation=True,
)  # fmt: skip
HOSTS = Tier("hosts", Machine(8, 16 * GIB, 200 * GIB), Purchase.on_demand, "us-east-1", start_s=90.0)
LARGE = replace(HOSTS, name="large", price="", machine=Machine(32, 64 * GIB, 200 * GIB))
SLOW_LIMIT = replace(HOSTS, name="brief", price="", limits=TierLimits(run_s=600.0))
PRICES = {"lambda": 4 * USD, "hosts": USD, "large": 6 * USD, "brief": USD // 2}
BOOK = PriceBook(
    tiers={name: TierPrice(name, Purchase.on_demand, "", nano, SAID) for name, nano in PRICES.items()},
    transfer={},
)


@dataclass
class Job:
    """What is asked for, how long it really takes, and what became of it."""

    work: Routable
    truth_s: float
    ran_on: tuple[str, ...] = ()
    ended: State | None = None
    reason: str = ""


class Cloud:
    """An engine of several tiers without machines: what waits on a tier is in the hands of its scheduler."""

    def __init__(self, *tiers: Tier, policy: RoutingPolicy | None = None, most: int = 20) -> None:
        self.clock = FakeClock(0.0)
        self.tiers = {tier.name: tier for tier in tiers}
        self.router = TierRouter(self.tiers, BOOK, policy or RoutingPolicy())
        scaled = {name: tier for name, tier in self.tiers.items() if not tier.per_invocation}
        self.fleet = StubFleet(self.clock, scaled)
        fleets = tuple(
            FleetPolicy(name, most, drain_s={"standard": 600.0}, idle_s=120.0, calm_s=30.0) for name in scaled
        )
        self.scaler = Scaler(self.fleet, ScalingPolicy(fleets), scaled, {}, clock=self.clock)
        self.schedulers = {name: Scheduler(self._size(name)) for name in self.tiers}
        self.jobs: dict[int, Job] = {}
        self.running: dict[tuple[str, int], tuple[int, float]] = {}
        self.starts: Counter[tuple[int, str]] = Counter()
        self.opening: list[tuple[str, int]] = []

    def _size(self, name: str) -> Capacity:
        tier = self.tiers[name]
        hosts = (tier.limits.at_once or 1) if tier.per_invocation else len(self._up(name))
        machine = tier.machine
        return Capacity(hosts * machine.cpu, float(hosts * machine.memory_bytes))

    def _up(self, name: str) -> list[Host]:
        up = {HostState.idle, HostState.busy}
        return [host for host in self.fleet.hosts() if host.tier == name and host.state in up]

    def submit(self, *jobs: Job) -> None:
        for job in jobs:
            id_ = len(self.jobs) + 1
            self.jobs[id_] = job
            self._go(id_, self.router.admit(id_, job.work, {}, self.clock.now()))

    def _go(self, id_: int, found: Route | NoRoute) -> None:
        job = self.jobs[id_]
        if isinstance(found, NoRoute):
            job.ended, job.reason = State.failed, found.reason
            return
        tier = self.tiers[found.tier]
        cpu = tier.machine.cpu if tier.per_invocation else job.work.cpu
        ask = Ask(id_, id_, self.clock.now(), Shape("batch", "e", f"f{job.truth_s:g}", cpu=cpu))
        self._tell(found.tier, Leased(QUEUE, (ask,), 0))

    def _tell(self, name: str, event: Any) -> None:
        for command in self.schedulers[name].handle(event, self.clock.now()):
            match command:
                case OpenSlot(slot, _):
                    self.opening.append((name, slot))
                case CloseSlot():
                    pass
                case Start(slot, ids):
                    for id_ in ids:
                        self.running[name, slot] = (id_, self.clock.now())
                        self.router.begins(id_)
                        self.starts[id_, name] += 1
                        self.jobs[id_].ran_on += (name,)

    def step(self) -> None:
        self.clock.advance(STEP_S)
        now = self.clock.now()
        opening, self.opening = self.opening, []
        for name, slot in opening:
            self._tell(name, SlotReady(slot))
        for (name, slot), (id_, since) in list(self.running.items()):
            self._look(name, slot, id_, now - since)
        for one in self.router.hops({}, now):
            self._tell(one.tier, Withdrawn((one.id,)))
            self._go(one.id, one.route)
        self._scale()

    def _look(self, name: str, slot: int, id_: int, ran_s: float) -> None:
        tier, job = self.tiers[name], self.jobs[id_]
        limit_s = tier.limits.run_s
        if ran_s * tier.speed >= job.truth_s and (limit_s is None or ran_s <= limit_s):
            assert job.ended is None, "it ends once"
            job.ended = State.succeeded
            self.router.ended(id_)
            self._end(name, slot, id_, State.succeeded, ran_s)
        elif limit_s is not None and ran_s >= limit_s:
            found = self.router.failed(id_, "timeout", ran_s, {}, self.clock.now(), progressed=True)
            assert found is not None, "it got on"
            self._end(name, slot, id_, State.queued, ran_s)
            self._go(id_, found)

    def _end(self, name: str, slot: int, id_: int, state: State, ran_s: float) -> None:
        del self.running[name, slot]
        self._tell(name, AttemptFinished(slot, id_, state, ran_s))

    def _scale(self) -> None:
        backlog = []
        for name, tier in self.tiers.items():
            if tier.per_invocation:
                self._tell(name, Tick())
                continue
            on = [(i, j) for i, j in self.jobs.items() if j.ended is None and self.router.tier_of(i) == name]
            busy = sum(at == name for at, _ in self.running)
            work_s = sum(j.work.run_s or 0.0 for _, j in on) / (tier.machine.cpu * tier.speed)
            backlog.append(Backlog(name, "standard", len(on) - busy, busy, work_s))
            taken = hosts_taken(self.schedulers[name].taken, tier.capacity)
            up = [
                h
                for h in self.fleet.hosts()
                if h.tier == name and h.state in {HostState.idle, HostState.busy}
            ]
            for number, host in enumerate(up):
                (self.fleet.occupy if number < taken else self.fleet.vacate)(host.id)
        self.scaler.turn(backlog)
        for name in self.tiers:
            self._tell(name, Resized(self._size(name)))

    def run(self, seconds: float = 40_000.0) -> None:
        while any(job.ended is None for job in self.jobs.values()):
            assert self.clock.now() < seconds, "it never ends"
            self.step()

    def hosts(self) -> Counter[str]:
        return Counter(host.tier for host in self.fleet.hosts())


def test_short_work_goes_where_a_machine_is_started_for_it_and_long_work_to_hosts_that_come_and_go() -> None:
    cloud = Cloud(LAMBDA, HOSTS)
    cloud.submit(*[Job(Routable(run_s=20.0), 20.0) for _ in range(150)])
    cloud.submit(*[Job(Routable(run_s=400.0, cpu=4), 400.0) for _ in range(30)])

    cloud.run()

    assert {job.ran_on for job in list(cloud.jobs.values())[:150]} == {("lambda",)}
    assert {job.ran_on for job in list(cloud.jobs.values())[150:]} == {("hosts",)}
    assert sum(call.verb == "order" for call in cloud.fleet.calls) >= 1
    for _ in range(60):
        cloud.step()
    assert cloud.hosts() == {}


def test_work_that_a_tier_stopped_for_its_size_is_done_on_one_that_can_and_tried_on_no_other() -> None:
    cloud = Cloud(LAMBDA, SLOW_LIMIT, HOSTS)
    cloud.submit(*[Job(Routable(run_s=30.0), 2000.0) for _ in range(12)])

    cloud.run()

    assert all(job.ended is State.succeeded for job in cloud.jobs.values())
    assert {job.ran_on for job in cloud.jobs.values()} == {("lambda", "hosts")}


def test_work_that_is_too_big_for_every_tier_fails_with_a_sentence_that_says_so_of_each() -> None:
    cloud = Cloud(LAMBDA, SLOW_LIMIT)
    cloud.submit(Job(Routable(run_s=30.0), 2000.0))

    cloud.run()

    (job,) = cloud.jobs.values()
    assert job.ended is State.failed
    assert job.ran_on == ("lambda",)  # the other has less time still
    assert job.reason.startswith("No tier can do it.")
    assert "lambda: the work was too big for as much time as it has" in job.reason
    assert "brief: " in job.reason


def test_work_that_has_waited_long_hops_to_where_it_ends_sooner_and_is_run_there_once() -> None:
    cloud = Cloud(HOSTS, LARGE, policy=RoutingPolicy(hop_after_s=60.0, hop_dearer=100.0), most=40)
    cloud.fleet.refuse("hosts")
    cloud.submit(*[Job(Routable(run_s=120.0), 120.0) for _ in range(10)])
    cloud.router.hops({}, 0.0)
    assert {cloud.router.tier_of(i) for i in cloud.jobs} == {"hosts"}

    cloud.clock.advance(61.0)
    moved = cloud.router.hops({"hosts": 3600.0}, cloud.clock.now())
    for one in moved:
        cloud._tell(one.tier, Withdrawn((one.id,)))
        cloud._go(one.id, one.route)
    cloud.run()

    assert {one.id for one in moved} == set(cloud.jobs)
    assert {job.ran_on for job in cloud.jobs.values()} == {("large",)}
    assert set(cloud.starts.values()) == {1}


def test_where_there_is_one_tier_there_is_nothing_to_choose() -> None:
    assert not TierRouter({"hosts": HOSTS}, BOOK, RoutingPolicy()).chooses
    assert TierRouter({"hosts": HOSTS, "lambda": LAMBDA}, BOOK, RoutingPolicy()).chooses


@pytest.mark.parametrize(("code", "progressed"), [("timeout", False), ("slot-lost", True), ("damaged", True)])
def test_a_failure_that_says_nothing_of_its_size_leaves_work_where_it_is(
    code: str, *, progressed: bool
) -> None:
    router = TierRouter({"lambda": LAMBDA, "hosts": HOSTS}, BOOK, RoutingPolicy())
    router.admit(1, Routable(run_s=20.0), {}, 0.0)

    assert router.failed(1, code, 900.0, {}, 900.0, progressed=progressed) is None
    router.waits_again(1, 900.0)

    assert router.tier_of(1) == "lambda"


jobs = st.lists(
    st.builds(
        Job,
        st.builds(
            Routable,
            run_s=st.none() | st.sampled_from([5.0, 50.0, 500.0]),
            cpu=st.sampled_from([1.0, 4.0, 8.0, 20.0]),
            media_s=st.none() | st.just(20.0),
        ),
        st.sampled_from([5.0, 300.0, 800.0, 2000.0]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25)
@given(
    jobs, st.lists(st.sampled_from([LAMBDA, SLOW_LIMIT, HOSTS, LARGE]), min_size=1, max_size=4, unique=True)
)
def test_whatever_is_asked_for_everything_ends_once_and_nothing_is_tried_twice_on_a_tier(
    asked: list[Job], tiers: list[Tier]
) -> None:
    cloud = Cloud(*tiers)
    cloud.submit(*[replace(job) for job in asked])

    cloud.run()

    ends: dict[State | None, int] = defaultdict(int)
    for job in cloud.jobs.values():
        ends[job.ended] += 1
        assert len(set(job.ran_on)) == len(job.ran_on)
        assert (job.ended is State.failed) == bool(job.reason)
        for name in job.ran_on:
            assert job.work.cpu <= cloud.tiers[name].machine.cpu
    assert ends[State.succeeded] + ends[State.failed] == len(asked)
    assert max(cloud.starts.values(), default=1) == 1
