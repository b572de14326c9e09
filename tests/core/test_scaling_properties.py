"""How many hosts there are to be: by properties, whatever there is, and as time goes by."""

from __future__ import annotations

from math import inf
from typing import Any

from core.fleets import NOW, PRICES, STEPS, TIERS, UP, USD, waiting
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.capacity.elastic import (
    Backlog,
    FleetMemory,
    FleetPolicy,
    Memory,
    Plan,
    ScalingPolicy,
    Snapshot,
)
from rushes.core.capacity.scaling import decide
from rushes.core.capacity.steps import DEFAULT_STEPS
from rushes.core.hosts import Host, HostState, Refusal
from rushes.runtime.scaling.scaler import Scaler
from rushes.testing import FakeClock, StubFleet

# -- whatever there is ------------------------------------------------------------------------------------

CLASSES = ("interactive", "urgent", "background")
backlogs = st.lists(
    st.builds(
        Backlog,
        st.sampled_from(["spot", "firm", "gpu", "lambda"]),
        st.sampled_from(CLASSES),
        st.integers(0, 400),
        st.integers(0, 50),
        st.floats(0, 100_000),
    ),
    max_size=5,
).map(tuple)
some_hosts = st.lists(
    st.tuples(st.sampled_from(["spot", "firm", "gpu"]), st.sampled_from(HostState), st.floats(0, 5000)),
    max_size=12,
).map(lambda rows: tuple(Host(f"h{n}", tier, state, NOW - s) for n, (tier, state, s) in enumerate(rows)))
steps = st.sampled_from([None, DEFAULT_STEPS, STEPS])
drains = st.dictionaries(st.sampled_from(CLASSES), st.sampled_from([30.0, 300.0, 7200.0, inf]))
policies = st.builds(
    lambda a, b, c, d, spot_max, gpu_max, warm, money: ScalingPolicy(
        (
            FleetPolicy("spot", spot_max + warm, warm, "firm", a, b, at_once=2),
            FleetPolicy("gpu", gpu_max, 0, "", c, d),
        ),
        money,
    ),
    steps, drains, steps, drains,
    st.integers(0, 30), st.integers(0, 8), st.integers(0, 3), st.none() | st.integers(0, 60 * USD),
)  # fmt: skip
moments = st.floats(0, 2000).map(lambda s: NOW - s)
memories = st.dictionaries(
    st.sampled_from(["spot", "gpu"]),
    st.builds(FleetMemory, *[st.none() | moments] * 3, st.integers(0, 5)),
).map(Memory)
refused = st.lists(st.builds(Refusal, st.sampled_from(["spot", "firm", "gpu"]), moments), max_size=3).map(
    tuple
)
situations = st.tuples(policies, st.builds(Snapshot, backlogs, some_hosts, refused), memories)


@settings(max_examples=60)
@given(situations)
def test_nothing_is_ordered_beyond_the_size_or_the_money(situation: Any) -> None:
    policy, snapshot, memory = situation

    found = decide(policy, TIERS, PRICES, snapshot, memory, now=NOW)

    for fleet in policy.fleets:
        ordered = sum(found.of(tier).order for tier in fleet.tiers)
        there = sum(host.tier in fleet.tiers for host in snapshot.hosts)
        assert ordered == 0 or there + ordered <= fleet.maximum
    new = sum(row.order * PRICES[row.tier] for row in found.desired)
    old = sum(PRICES[host.tier] for host in snapshot.hosts)
    assert found.per_hour == old + new
    assert policy.most_per_hour is None or new == 0 or old + new <= policy.most_per_hour


@settings(max_examples=60)
@given(situations)
def test_a_busy_host_is_never_asked_for_and_every_other_at_most_once(situation: Any) -> None:
    policy, snapshot, memory = situation
    states = {host.id: host.state for host in snapshot.hosts}

    found = decide(policy, TIERS, PRICES, snapshot, memory, now=NOW)

    asked = [id_ for row in found.desired for id_ in (*row.release, *row.drain)]
    assert len(asked) == len(set(asked))
    assert {states[id_] for row in found.desired for id_ in row.drain} <= {HostState.busy}
    asked = [id_ for row in found.desired for id_ in row.release]
    assert {states[id_] for id_ in asked}.isdisjoint({HostState.busy, HostState.leaving})


@settings(max_examples=60)
@given(situations)
def test_sizes_are_what_stays_and_what_is_ordered(situation: Any) -> None:
    policy, snapshot, memory = situation

    found = decide(policy, TIERS, PRICES, snapshot, memory, now=NOW)

    for row in found.desired:
        here = [h for h in snapshot.hosts if h.tier == row.tier and h.state is not HostState.leaving]
        assert row.size == len(here) - len(row.release) - len(row.drain) + row.order
        assert bool(row.token) == (row.order > 0)
        assert row.reason.endswith(".")


@settings(max_examples=60)
@given(situations, st.sampled_from(CLASSES), st.integers(0, 300), st.integers(0, 50), st.floats(0, 50_000))
def test_more_work_never_means_fewer_hosts(
    situation: Any, priority: str, more: int, running: int, more_s: float
) -> None:
    policy, snapshot, memory = situation
    heavier = Snapshot(
        (*snapshot.backlog, Backlog("spot", priority, more, running, more_s)),
        snapshot.hosts,
        snapshot.refusals,
    )

    light = decide(policy, TIERS, PRICES, snapshot, memory, now=NOW)
    heavy = decide(policy, TIERS, PRICES, heavier, memory, now=NOW)

    def able(plan: Plan, tier: str) -> int:
        """Hosts that can work: one that rests gives up its place for another where there is no room."""
        row = plan.of(tier)
        rests = {h.id for h in snapshot.hosts if h.tier == tier and h.state is HostState.resting}
        return row.size - len(rests - {*row.release, *row.drain})

    for tier in ("spot", "firm"):
        assert able(heavy, tier) >= able(light, tier)


@settings(max_examples=60)
@given(situations, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_hosts_does_not_matter(situation: Any, random: Any) -> None:
    policy, snapshot, memory = situation
    there, backlog = list(snapshot.hosts), list(snapshot.backlog)
    random.shuffle(there)
    random.shuffle(backlog)
    shuffled = Snapshot(tuple(backlog), tuple(there), snapshot.refusals)

    first = decide(policy, TIERS, PRICES, snapshot, memory, now=NOW)
    second = decide(policy, TIERS, PRICES, shuffled, memory, now=NOW)

    assert [(r.size, r.order, set(r.release)) for r in first.desired] == [
        (r.size, r.order, set(r.release)) for r in second.desired
    ]


# -- as time goes by --------------------------------------------------------------------------------------


class World:
    """A fleet in memory under the policy, every ten seconds; `load` hosts of it find work."""

    def __init__(self, policy: ScalingPolicy, *, grant_s: float = 5.0) -> None:
        self.clock = FakeClock(NOW)
        self.fleet = StubFleet(self.clock, TIERS, grant_s=grant_s)
        self.scaler = Scaler(self.fleet, policy, TIERS, PRICES, clock=self.clock)
        self.moves: list[int] = []
        """+n for an order, -n for a release, in their order."""

    def turn(self, backlog: tuple[Backlog, ...], load: int) -> None:
        there = sorted((h for h in self.fleet.hosts() if h.state in UP), key=lambda host: host.id)
        for number, host in enumerate(there):
            (self.fleet.occupy if number < load else self.fleet.vacate)(host.id)
        done = self.scaler.turn(backlog)
        self.moves += [len(done.ordered)] if done.ordered else []
        self.moves += [-len(done.released)] if done.released else []
        self.clock.advance(10.0)

    def size(self) -> int:
        return len(self.fleet.hosts())


one_fleet = st.builds(
    lambda steps, drain, warm: ScalingPolicy(
        (FleetPolicy("spot", 40, warm, "firm", steps, {"standard": drain}),), 45 * USD
    ),
    st.sampled_from([None, DEFAULT_STEPS]),
    st.sampled_from([60.0, 600.0, 3600.0]),
    st.integers(0, 3),
)


@settings(max_examples=15)
@given(one_fleet, st.integers(0, 300), st.floats(0, 40_000), st.integers(0, 40))
def test_a_load_that_stays_as_it_is_never_makes_a_fleet_swing(
    policy: ScalingPolicy, count: int, work_s: float, load: int
) -> None:
    world = World(policy)

    for _ in range(250):
        world.turn((Backlog("spot", "standard", count, 0, work_s),), load)

    grew = [move > 0 for move in world.moves]
    assert grew == sorted(grew, reverse=True), world.moves  # first up, then perhaps down, and never up again
    settled = len(world.moves)
    for _ in range(100):
        world.turn((Backlog("spot", "standard", count, 0, work_s),), load)
    assert len(world.moves) == settled


@settings(max_examples=15)
@given(one_fleet, st.lists(st.tuples(st.integers(0, 300), st.floats(0, 40_000)), max_size=12))
def test_when_the_work_is_done_the_fleet_falls_to_its_warm_minimum_and_stays_there(
    policy: ScalingPolicy, loads: list[tuple[int, float]]
) -> None:
    world = World(policy)
    for count, work_s in loads:
        world.turn((Backlog("spot", "standard", count, 0, work_s),), count)

    for _ in range(100):
        world.turn((), 0)

    assert world.size() == policy.fleets[0].minimum
    quiet = len(world.moves)
    for _ in range(100):
        world.turn((), 0)
    assert len(world.moves) == quiet


@settings(max_examples=15)
@given(
    one_fleet,
    st.lists(st.tuples(st.integers(0, 300), st.floats(0, 40_000), st.sampled_from("gr-")), max_size=40),
    st.sampled_from([5.0, 200.0]),
)
def test_at_no_moment_are_there_more_hosts_or_do_they_cost_more_than_allowed(
    policy: ScalingPolicy, loads: list[tuple[int, float, str]], grant_s: float
) -> None:
    world = World(policy, grant_s=grant_s)
    for count, work_s, provider in loads:
        if provider == "r":
            world.fleet.refuse("spot", after=2)
        elif provider == "g":
            world.fleet.give("spot")
        world.turn((Backlog("spot", "standard", count, 0, work_s),), count)

        there = world.fleet.hosts()
        assert len(there) <= policy.fleets[0].maximum
        assert sum(PRICES[host.tier] for host in there) <= 45 * USD


def test_while_hosts_start_nothing_is_ordered_twice() -> None:
    world = World(ScalingPolicy((FleetPolicy("firm", 100, steps=DEFAULT_STEPS),)))

    for _ in range(12):
        world.turn((waiting(100),), 0)

    assert world.moves == [10]
