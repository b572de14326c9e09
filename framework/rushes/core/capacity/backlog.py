"""What unfinished work is worth to a fleet, in hosts and seconds of hosts: pure, from counts and shapes.

`core/capacity/demand.py` says how many hosts that makes. A batch that may have so many slots and no more is
worth no more hosts than those. This module must not know where the counts come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, inf

from rushes.core.capacity.elastic import Backlog
from rushes.core.events import Capacity, Shape

__all__ = ["Unfinished", "backlog_of", "hosts_taken", "share_of_host"]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What of one batch has not ended.

    Args:
        priority: its class.
        shape: what one of its invocations takes.
        waiting, running: how many; what is held waits for something else, and is in neither.
        each_s: expected seconds of one; None where nothing like it was ever measured.
    """

    priority: str
    shape: Shape
    waiting: int
    running: int
    each_s: float | None = None


def backlog_of(tier: str, host: Capacity, unfinished: Iterable[Unfinished]) -> tuple[Backlog, ...]:
    """The backlog of each class, for hosts of one tier that lend one another what they have.

    Args:
        tier: the name of the hosts' tier.
        host: what one of them has.
        unfinished: of every batch.
    """
    found: dict[str, Backlog] = {}
    for one in unfinished:
        most = inf if one.shape.max_slots is None else max(one.shape.max_slots, 1)
        running = one.running
        waiting = int(min(one.waiting, max(most - running, 0)))
        if waiting + running == 0:
            continue
        share = share_of_host(one.shape, host)
        seen = found.get(one.priority, Backlog(tier, one.priority, widest=1))
        found[one.priority] = Backlog(
            tier,
            one.priority,
            seen.waiting + waiting,
            seen.running + running,
            seen.work_s + (one.each_s or 0.0) * share * (waiting + running),
            max(seen.widest, ceil(share - 1e-9)),
        )
    return tuple(found.values())


def share_of_host(shape: Shape, host: Capacity) -> float:
    """How many hosts an invocation takes, by what it takes most of: 2.0 for two cores of hosts with one.

    Of a dimension that hosts do not have there is none to be had by more of them.
    """
    needs = ((shape.cpu, host.cpu), (shape.memory, host.memory), (shape.scratch, host.scratch))
    return max((need / have for need, have in needs if 0 < have < inf), default=0.0)


def hosts_taken(taken: Capacity, host: Capacity) -> int:
    """How many hosts what runs fills."""
    shape = Shape("", "", "", cpu=taken.cpu, memory=taken.memory, scratch=taken.scratch)
    return ceil(share_of_host(shape, host) - 1e-9)
