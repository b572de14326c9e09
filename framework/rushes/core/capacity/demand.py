"""How many hosts the unfinished work is worth: by how long it would take, and by how many invocations it is.

By time: work that is due within a class's target has to be done by then, together with all work that is due
earlier, for that goes first. So for each target d the hosts must have done everything due within d, and the
largest of these demands counts. A host that is there works for d; one that is ordered now works for what is
left of d when it has started, and for half of d at least: where starting takes longer than that the target is
missed whatever is done, and the answer is to be late by little, not to order without end.

By count: a step table, of `core/capacity/steps.py`; an incremental one keeps what there is while anything
waits. Where both are given, the larger holds; and unfinished work is worth one host at least.

This module must not know money, schedules or which host is which.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, inf

from rushes.core.capacity.elastic import Backlog, FleetPolicy
from rushes.core.capacity.steps import Absolute, Incremental
from rushes.core.hosts import counted_hosts
from rushes.units import format_duration

__all__ = ["Demand", "Strength", "demand"]


@dataclass(frozen=True, slots=True)
class Strength:
    """What a fleet has.

    Args:
        ready: hosts that can work.
        coming: hosts that are ordered or start, and are not given up.
        start_s: seconds that one takes from its order to its first work.
        since_growth_s: seconds since hosts were last ordered.
    """

    ready: int
    coming: int
    start_s: float = 0.0
    since_growth_s: float = inf


@dataclass(frozen=True, slots=True)
class Demand:
    """So many hosts are wanted, and why: the start of a sentence."""

    hosts: int
    why: str


def demand(policy: FleetPolicy, backlog: Iterable[Backlog], strength: Strength) -> Demand:
    """How many hosts the unfinished work of a fleet is worth."""
    rows = [row for row in backlog if policy.starts_hosts(row.priority)]
    waiting = sum(row.waiting for row in rows)
    count = waiting + sum(row.running for row in rows)
    best = Demand(0, "nothing waits")
    if count:
        widest = max(row.widest for row in rows if row.waiting or row.running)
        best = Demand(widest, f"{_invocations(count)} not finished")
        if widest > 1:
            best = Demand(widest, f"{best.why}, the largest of which takes {counted_hosts(widest)}")
    by_count = _by_count(policy.steps, waiting, count, strength)
    if by_count.hosts > best.hosts:
        best = by_count
    for target_s in sorted({policy.target_s(row.priority) for row in rows if row.work_s > 0}):
        due_s = sum(row.work_s for row in rows if policy.target_s(row.priority) <= target_s)
        hosts = _by_time(policy, due_s, target_s, strength)
        if hosts > best.hosts:
            due, target = format_duration(due_s), format_duration(target_s)
            best = Demand(hosts, f"{due} of work have to be done within {target}")
    return best


def _by_time(policy: FleetPolicy, due_s: float, target_s: float, strength: Strength) -> int:
    there = strength.ready + strength.coming
    useful_s = max(target_s - strength.start_s, target_s / 2)
    can_s = policy.at_once * (strength.ready * target_s + strength.coming * useful_s)
    if due_s > can_s * (1.0 + policy.tolerance):
        return there + _up((due_s - can_s) / (policy.at_once * useful_s))
    # What is there is enough. Fewer may be.
    return min(there, _up(due_s / (policy.at_once * target_s)))


def _by_count(steps: Absolute | Incremental | None, waiting: int, count: int, strength: Strength) -> Demand:
    if isinstance(steps, Absolute):
        hosts = steps.hosts(count)
        return Demand(
            hosts, f"{_invocations(count)} not finished, for which the step table has {counted_hosts(hosts)}"
        )
    if isinstance(steps, Incremental) and waiting:
        there = strength.ready + strength.coming
        # The next step waits until the last one can show what it brings: for its hosts, and for some time.
        due = not strength.coming and strength.since_growth_s >= steps.every_s
        more = steps.more(waiting) if due else 0
        if more:
            why = f"{_invocations(waiting)} waiting, for which the step table adds {counted_hosts(more)}"
            return Demand(there + more, why)
        return Demand(there, f"{_invocations(waiting)} waiting")
    return Demand(0, "")


def _up(hosts: float) -> int:
    """Rounded up; 3.0000000001 is 3, however the seconds were added."""
    return ceil(hosts - 1e-9)


def _invocations(count: int) -> str:
    return "1 invocation is" if count == 1 else f"{count} invocations are"
