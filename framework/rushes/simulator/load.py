"""Work that arrives at a virtual pool, as values: batches with their class, show, needs and run times.

A load is a sequence of `Arrival`, in the order of time. Run times are drawn when the work arrives, from one
seeded source, so that two policies are tried on exactly the same work. This module must not know the pool.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

from rushes.core.events import QueueKey

__all__ = ["Arrival", "RunTime", "drawn", "in_order"]

# The standard normal deviate below which 95 of a hundred values lie.
_AT_95: Final = 1.6449


@dataclass(frozen=True, slots=True)
class RunTime:
    """How long invocations of one kind take: log-normal, as run times of media work are.

    Args:
        median_s: half of them take less; seconds.
        p95_s: 95 of a hundred take less; equal to `median_s` for work that always takes the same.
    """

    median_s: float
    p95_s: float

    def __post_init__(self) -> None:
        if not 0 < self.median_s <= self.p95_s:
            raise ValueError(f"run times need 0 < median <= p95, not {self.median_s:g} and {self.p95_s:g} s")

    def draw(self, chance: random.Random) -> float:
        """The run time of one invocation in seconds."""
        if self.p95_s == self.median_s:
            return self.median_s
        spread = log(self.p95_s / self.median_s) / _AT_95
        return exp(log(self.median_s) + spread * chance.gauss(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch that is submitted at a time.

    Args:
        at: seconds on the virtual clock.
        batch: its name; each arrival has its own.
        count: invocations.
        run_time: of each.
        cpu, memory, scratch, gpu: what one attempt takes while it runs, in the units of `Shape`.
        deadline: virtual seconds, or None.
        max_slots: at most this many at once, or None.
        media_s: seconds of output that each of them makes; 0 for none.
    """

    at: float
    batch: str
    count: int
    run_time: RunTime
    function: str = "proxy"
    priority: str = "standard"
    show: str = "default"
    cpu: float = 1.0
    memory: float = 0.0
    scratch: float = 0.0
    gpu: float = 0.0
    deadline: float | None = None
    max_slots: int | None = None
    media_s: float = 0.0

    @property
    def queue(self) -> QueueKey:
        """Where it waits."""
        return QueueKey(self.priority, self.show)


def in_order(arrivals: Iterable[Arrival]) -> tuple[Arrival, ...]:
    """The load in the order of time.

    Raises:
        ValueError: two arrivals have one name, or one of them is not at a time.
    """
    load = tuple(sorted(arrivals, key=lambda one: one.at))
    names = Counter(one.batch for one in load)
    for name, times in names.items():
        if times > 1:
            raise ValueError(f"two batches of the load are called {name!r}")
    if load and load[0].at < 0:
        raise ValueError(f"batch {load[0].batch!r} arrives before the clock starts")
    return load


def drawn(load: Sequence[Arrival], seed: int) -> array[float]:
    """The run time of every invocation of a load, batch by batch, in seconds."""
    chance = random.Random(seed)  # noqa: S311 - a simulation that can be repeated
    return array("d", (one.run_time.draw(chance) for one in load for _ in range(one.count)))
