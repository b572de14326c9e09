"""Fleets, hosts and backlogs for what is decided of them."""

from __future__ import annotations

from typing import Any

from rushes.core.capacity.elastic import (
    Backlog,
    Desired,
    FleetMemory,
    FleetPolicy,
    Memory,
    Plan,
    ScalingPolicy,
    Snapshot,
)
from rushes.core.capacity.scaling import decide
from rushes.core.capacity.steps import Incremental, Step
from rushes.core.hosts import Host, HostState, Refusal
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits

__all__ = ["MACHINE", "NOW", "PRICES", "STEPS", "TIERS", "UP", "USD", "hosts", "one", "plan", "waiting"]

NOW = 1_700_000_000.0
MACHINE = Machine(8, 1 << 34, 1 << 37)
TIERS = {
    "spot": Tier("spot", MACHINE, Purchase.spot, "us-east-1", start_s=90.0),
    "firm": Tier("firm", MACHINE, Purchase.on_demand, "us-east-1", start_s=90.0),
    "gpu": Tier("gpu", MACHINE, Purchase.on_demand, "us-east-1", start_s=180.0, limits=TierLimits(at_once=4)),
    "lambda": Tier("lambda", MACHINE, Purchase.on_demand, "us-east-1", per_invocation=True),
}
USD = 1_000_000_000
PRICES = {"spot": USD, "firm": 3 * USD, "gpu": 2 * USD}
UP = (HostState.idle, HostState.busy)


def hosts(tier: str, state: HostState, count: int, *, for_s: float = 0.0, first: int = 0) -> tuple[Host, ...]:
    return tuple(Host(f"{tier}-{state}-{first + n}", tier, state, NOW - for_s) for n in range(count))


def plan(  # noqa: PLR0917 - the arguments of `decide`, each with a default
    policy: FleetPolicy | ScalingPolicy,
    backlog: tuple[Backlog, ...] = (),
    there: tuple[Host, ...] = (),
    memory: FleetMemory | None = None,
    refusals: tuple[Refusal, ...] = (),
    now: float = NOW,
) -> Plan:
    if isinstance(policy, FleetPolicy):
        policy = ScalingPolicy((policy,))
    snapshot = Snapshot(backlog, there, refusals)
    first = policy.fleets[0].tier
    return decide(policy, TIERS, PRICES, snapshot, Memory({first: memory or FleetMemory()}), now=now)


def one(*arguments: Any, **named: Any) -> Desired:
    """The row of the first tier."""
    return plan(*arguments, **named).desired[0]


def waiting(count: int, work_s: float = 0.0, priority: str = "standard", tier: str = "firm") -> Backlog:
    return Backlog(tier, priority, count, 0, work_s)


STEPS = Incremental((Step(10, 1), Step(50, 5)), every_s=60.0)
