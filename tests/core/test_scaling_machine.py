"""The scaler and a fleet in memory under anything: work comes and goes, hosts break, answers are lost.

Whoever carries a plan out does so late and badly here: between a decision and its execution hosts take work,
and an order's answer may never arrive.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from rushes.core.capacity.elastic import Backlog, FleetPolicy, Memory, ScalingPolicy, Snapshot
from rushes.core.capacity.hours import Hours
from rushes.core.capacity.scaling import decide
from rushes.core.capacity.steps import DEFAULT_STEPS, Incremental, Step
from rushes.core.hosts import HostState
from rushes.core.tiers import Machine, Purchase, Tier
from rushes.errors import PlatformError
from rushes.testing import FakeClock, StubFleet

MACHINE = Machine(8, 1 << 34, 1 << 37)
TIERS = {
    "spot": Tier("spot", MACHINE, Purchase.spot, "us-east-1", start_s=90.0),
    "firm": Tier("firm", MACHINE, Purchase.on_demand, "us-east-1", start_s=90.0),
    "gpu": Tier("gpu", MACHINE, Purchase.on_demand, "us-east-1", start_s=180.0),
}
USD = 1_000_000_000
PRICES = {"spot": USD, "firm": 3 * USD, "gpu": 2 * USD}
POLICY = ScalingPolicy(
    (
        FleetPolicy(
            "spot",
            12,
            1,
            "firm",
            DEFAULT_STEPS,
            {"urgent": 300.0},
            schedule=(Hours(0, 6, minimum=3),),
        ),
        FleetPolicy("gpu", 5, steps=Incremental((Step(0, 1), Step(20, 3)), 30.0), idle_s=120.0, calm_s=0.0),
    ),
    most_per_hour=17 * USD,
)


class ScalerMachine(RuleBasedStateMachine):
    """Everything that can happen to a scaled fleet, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.fleet = StubFleet(self.clock, TIERS, grant_s=20.0)
        self.memory = Memory()
        self.backlog: dict[tuple[str, str], Backlog] = {}
        self.tokens: dict[str, int] = {}

    @rule(
        tier=st.sampled_from(["spot", "gpu"]),
        priority=st.sampled_from(["urgent", "standard"]),
        waiting=st.integers(0, 300),
        work_s=st.floats(0, 30_000),
    )
    def work_changes(self, tier: str, priority: str, waiting: int, work_s: float) -> None:
        self.backlog[tier, priority] = Backlog(tier, priority, waiting, 0, work_s)

    @rule(seconds=st.sampled_from([1.0, 10.0, 30.0, 100.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(data=st.data(), busy=st.booleans())
    def hosts_take_and_finish_work(self, data: Any, busy: bool) -> None:  # noqa: FBT001 - drawn
        self._occupy(data, HostState.idle if busy else HostState.busy)

    @rule(data=st.data())
    def a_host_breaks_or_is_taken_back(self, data: Any) -> None:
        there = self.fleet.hosts()
        if there:
            self.fleet.lose(data.draw(st.sampled_from([host.id for host in there])))

    @rule(tier=st.sampled_from(list(TIERS)), after=st.none() | st.integers(0, 3))
    def the_provider_runs_out_or_has_hosts_again(self, tier: str, after: int | None) -> None:
        if after is None:
            self.fleet.give(tier)
        else:
            self.fleet.refuse(tier, after)

    @rule(data=st.data(), lost=st.sampled_from([0, 0, 0, 1]))
    def it_is_decided_and_carried_out(self, data: Any, lost: int) -> None:
        snapshot = Snapshot(
            tuple(self.backlog.values()), tuple(self.fleet.hosts()), tuple(self.fleet.refusals())
        )
        plan = decide(POLICY, TIERS, PRICES, snapshot, self.memory, now=self.clock.now())
        self._occupy(data, HostState.idle)
        busy = {host.id for host in self.fleet.hosts() if host.state is HostState.busy}
        self.fleet.lose_answers = lost
        answered = True
        for row in plan.desired:
            if row.order:
                try:
                    self.fleet.order(row.tier, row.order, row.token)
                except PlatformError:
                    answered = False
            gone = self.fleet.release(row.release)
            assert not busy & set(gone)
            assert set(self.fleet.drain(row.drain)) <= {host.id for host in self.fleet.hosts()} | set(
                row.drain
            )
        self.fleet.lose_answers = 0
        if answered:
            self.memory = plan.memory
        assert busy <= {host.id for host in self.fleet.hosts()}

    @invariant()
    def there_are_never_more_hosts_than_allowed(self) -> None:
        there = self.fleet.hosts()
        assert sum(host.tier in {"spot", "firm"} for host in there) <= 12
        assert sum(host.tier == "gpu" for host in there) <= 5

    @invariant()
    def an_hour_never_costs_more_than_allowed(self) -> None:
        assert sum(PRICES[host.tier] for host in self.fleet.hosts()) <= 17 * USD

    def _occupy(self, data: Any, state: HostState) -> None:
        """Some of the hosts in a state take work, or finish it."""
        there = [host.id for host in self.fleet.hosts() if host.state is state]
        if there:
            for id_ in data.draw(st.sets(st.sampled_from(there))):
                (self.fleet.occupy if state is HostState.idle else self.fleet.vacate)(id_)


def test_whatever_happens_no_cap_is_passed_and_no_busy_host_goes() -> None:
    run_state_machine_as_test(
        ScalerMachine,
        settings=settings(
            deadline=None,
            max_examples=40,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
