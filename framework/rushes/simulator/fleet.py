"""Hosts that come and go on a virtual clock, as the scaling policy of a real pool decides.

The policy, the tiers and the prices are those that a worker reads; the provider is imagined: an order is
filled after the tier's start-up time, and an idle host that is let go is gone at once. All hosts together
are one pool: work is packed over their sum, not host by host. This module must not know the scheduler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rushes.core.capacity.elastic import Backlog, Memory, ScalingPolicy, Snapshot
from rushes.core.capacity.scaling import decide
from rushes.core.events import Capacity
from rushes.core.hosts import Host, HostState
from rushes.core.money import micros
from rushes.core.spending.prices import TierPrice
from rushes.core.tiers import Tier

__all__ = ["DECIDE_S", "Billed", "FleetPlan", "VirtualFleet"]

DECIDE_S: Final = 15.0
"""So often the policy is asked. A real pool asks every few seconds; hosts take minutes to start."""
_UP: Final = frozenset({HostState.idle, HostState.busy})


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What a pool may have, and what that costs.

    Args:
        scaling: how it grows and shrinks.
        tiers: by name.
        prices: by the name of the tier.
    """

    scaling: ScalingPolicy
    tiers: Mapping[str, Tier]
    prices: Mapping[str, TierPrice]


@dataclass(frozen=True, slots=True)
class Billed:
    """What one host came to: its tier, and from when to when it was paid for."""

    tier: str
    since: float
    until: float


@dataclass(slots=True)
class VirtualFleet:
    """The hosts of one run."""

    plan: FleetPlan
    billed: list[Billed] = field(default_factory=list)
    orders: int = 0
    _hosts: dict[str, Host] = field(default_factory=dict)
    _ordered_at: dict[str, float] = field(default_factory=dict)
    _memory: Memory = field(default_factory=Memory)

    def decide(self, backlog: Sequence[Backlog], now: float) -> list[tuple[str, float]]:
        """Ask the policy, and carry out what it says; what was ordered, and when each will be up."""
        hourly = {name: price.hour_nano for name, price in self.plan.prices.items()}
        snapshot = Snapshot(tuple(backlog), tuple(self._hosts.values()))
        plan = decide(self.plan.scaling, self.plan.tiers, hourly, snapshot, self._memory, now=now)
        self._memory = plan.memory
        coming = []
        for row in plan.desired:
            for id_ in row.release:
                self.gone(id_, now)
            for id_ in row.drain:
                self._hosts[id_] = Host(id_, row.tier, HostState.leaving, now)
            for _ in range(row.order):
                self.orders += 1
                id_ = f"{row.tier}-{self.orders}"
                self._hosts[id_] = Host(id_, row.tier, HostState.starting, now)
                self._ordered_at[id_] = now
                coming.append((id_, now + self.plan.tiers[row.tier].start_s))
        return coming

    def up(self, id_: str, now: float) -> None:
        """A host that was ordered takes work."""
        if (host := self._hosts.get(id_)) is not None and host.state is HostState.starting:
            self._hosts[id_] = Host(id_, host.tier, HostState.idle, now)

    def gone(self, id_: str, now: float) -> None:
        """A host is no longer paid for."""
        host = self._hosts.pop(id_, None)
        if host is not None:
            self.billed.append(Billed(host.tier, self._ordered_at.pop(id_), now))

    def end(self, now: float) -> None:
        """The run is over: whoever is still there is paid for until now."""
        for id_ in list(self._hosts):
            self.gone(id_, now)

    def mark(self, cpu: float, memory: float, now: float) -> None:
        """So much is in use: the oldest hosts are busy with it; those that leave go when they are not."""
        hosts = [host for host in self._hosts.values() if host.state in _UP]
        hosts += [host for host in self._hosts.values() if host.state is HostState.leaving]
        for host in hosts:
            machine = self.plan.tiers[host.tier].machine
            state = HostState.busy if cpu > 1e-9 or memory > 0.5 else HostState.idle
            cpu, memory = max(cpu - machine.cpu, 0.0), max(memory - machine.memory_bytes, 0.0)
            if host.state is HostState.leaving:
                if state is HostState.idle:
                    self.gone(host.id, now)
            elif state is not host.state:
                self._hosts[host.id] = Host(host.id, host.tier, state, now)

    @property
    def capacity(self) -> Capacity | None:
        """What all that is up has together; None where nothing is."""
        up = [self.plan.tiers[host.tier].capacity for host in self._hosts.values() if host.state in _UP]
        if not up:
            return None
        return Capacity(
            sum(one.cpu for one in up),
            sum(one.memory for one in up),
            sum(one.scratch for one in up) or float("inf"),
            sum(one.gpu for one in up),
        )

    def up_of(self) -> dict[str, int]:
        """How many hosts take work, by tier."""
        return Counter(host.tier for host in self._hosts.values() if host.state in _UP)

    @property
    def first(self) -> Capacity:
        """What one host of the first fleet has."""
        return self.plan.tiers[self.plan.scaling.fleets[0].tier].capacity

    @property
    def size(self) -> int:
        """How many hosts are paid for."""
        return len(self._hosts)

    def watts(self) -> float:
        """What all hosts draw now."""
        return sum(self._watts(host) for host in self._hosts.values())

    def _watts(self, host: Host) -> float:
        price = self.plan.prices[host.tier]
        busy = host.state in {HostState.busy, HostState.leaving}
        known = price.busy_milliwatts if busy else price.idle_milliwatts
        if known is not None:
            return known / 1000
        return self.plan.tiers[host.tier].watts if busy else 0.0

    def cost(self) -> dict[str, int]:
        """Nano-dollars by tier, of all that is billed."""
        found: dict[str, int] = {}
        for one in self.billed:
            price = self.plan.prices[one.tier]
            found[one.tier] = found.get(one.tier, 0) + price.cost(micros(one.until - one.since))
        return found

    def fleet_for(self, *, gpu: bool) -> str:
        """The tier whose fleet work is counted to: with devices, where it needs some."""
        fleets = [fleet.tier for fleet in self.plan.scaling.fleets]
        if gpu:
            fleets = [name for name in fleets if self.plan.tiers[name].capacity.gpu] or fleets
        return fleets[0]
