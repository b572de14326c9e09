"""What happened on a virtual pool, as arrays of times.

This module must not know how it came about.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from rushes.core.events import Capacity
from rushes.core.swarm import Swarms
from rushes.simulator.load import Arrival

__all__ = ["Trace"]


@dataclass(slots=True)
class Trace:
    """What happened: for each invocation, batch by batch in the order of the load, when.

    Args:
        load: what arrived.
        submitted, started, ended: virtual seconds; negative for what never was.
        stints: from when to when something ran on a slot, of those alone that stood aside for others: their
            invocation, and two virtual times.
        swarms: who stood aside for whom.
        busy_cpu_s: core-seconds in which something ran; `redone_cpu_s` of them were thrown away.
        until: when the last invocation had ended.
        capacity: of the pool.
    """

    load: Sequence[Arrival]
    submitted: array[float]
    started: array[float]
    ended: array[float]
    capacity: Capacity
    swarms: Swarms
    stints: list[tuple[int, float, float]] = field(default_factory=list)
    busy_cpu_s: float = 0.0
    redone_cpu_s: float = 0.0
    until: float = 0.0
    lost: int = 0
    """Attempts that ended with the host or the device that they ran on, and were made again."""
    held: dict[str, str] = field(default_factory=dict)
    """By batch: why nothing more of it started, where that was so at the end."""
    demoted: set[str] = field(default_factory=set)
    """Batches that went on in a lower class, for a soft limit or the hours of their show."""
    hedged: int = 0
    """Second attempts that were begun."""
