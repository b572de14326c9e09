"""Work that arrives at a virtual pool, as values: batches with their class, show, needs and run times.

A load is a sequence of `Arrival`, in the order of time, and what befalls the pool meanwhile. Run times are
drawn when the work arrives, from one seeded source, so that two policies are tried on exactly the same work;
a replay brings its own. This module must not know the pool.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Final

from rushes.core.accounts import Scope, SpendLimits
from rushes.core.events import QueueKey, Shape

__all__ = ["Arrival", "Loss", "RunTime", "Scenario", "drawn", "in_order", "shape_of"]

_ENVIRONMENT: Final = "virtual"

# The standard normal deviates below which 95 and 99 of a hundred values lie.
_AT_95: Final = 1.6449
_AT_99: Final = 2.3263


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

    @property
    def _spread(self) -> float:
        return log(self.p95_s / self.median_s) / _AT_95

    @property
    def mean_s(self) -> float:
        """What they take on average."""
        return self.median_s * exp(self._spread**2 / 2)

    @property
    def p99_s(self) -> float:
        """99 of a hundred take less."""
        return self.median_s * exp(self._spread * _AT_99)

    def draw(self, chance: random.Random) -> float:
        """The run time of one invocation in seconds."""
        if self.p95_s == self.median_s:
            return self.median_s
        return exp(log(self.median_s) + self._spread * chance.gauss(0.0, 1.0))


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
        limits: names under which no more than so many run at once, on the whole pool: see `core/limits.py`.
        media_s: seconds of output that each of them makes; 0 for none.
        seconds: what each of them took, in their order, where that is known; then `run_time` is not drawn.
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
    seconds: Sequence[float] = ()
    limits: tuple[tuple[str, int], ...] = ()

    @property
    def queue(self) -> QueueKey:
        """Where it waits."""
        return QueueKey(self.priority, self.show)

    @property
    def mean_s(self) -> float:
        """What each takes on average."""
        return sum(self.seconds) / self.count if self.seconds else self.run_time.mean_s

    @property
    def late_s(self) -> float:
        """99 of a hundred take less."""
        if self.seconds:
            return sorted(self.seconds)[int(0.99 * (self.count - 1))]
        return self.run_time.p99_s


@dataclass(frozen=True, slots=True)
class Loss:
    """A part of the pool is gone for a while; what ran there is queued again.

    Args:
        at, until: virtual seconds.
        share: of cores, memory and scratch, from 0 to 1; `gpu`: of devices.
        why: in two words.
    """

    at: float
    until: float
    share: float = 0.0
    gpu: float = 0.0
    why: str = "hosts lost"

    def __post_init__(self) -> None:
        if not (0 <= self.share < 1 and 0 <= self.gpu <= 1 and 0 <= self.at < self.until):
            raise ValueError(f"a loss needs 0 <= share < 1, 0 <= gpu <= 1 and at < until: {self}")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load, and what befalls the pool meanwhile.

    Args:
        load: what arrives.
        losses: what fails.
        caps: nano-dollars that a show may spend, by show.
        soft: nano-dollars beyond which its work goes on one class lower, likewise.
        budgets: the limits of shows, batches and the organisation, by the hour, too; `caps` and `soft` of a
            show stand above its own here.
        assumed: what stands behind the figures, a sentence each.
    """

    load: tuple[Arrival, ...]
    losses: tuple[Loss, ...] = ()
    caps: Mapping[str, int] = field(default_factory=dict, hash=False)
    soft: Mapping[str, int] = field(default_factory=dict, hash=False)
    budgets: Mapping[Scope, SpendLimits] = field(default_factory=dict, hash=False)
    assumed: tuple[str, ...] = ()

    @property
    def limits(self) -> Mapping[Scope, SpendLimits]:
        """Who may spend how much."""
        found = dict(self.budgets)
        for show in dict.fromkeys((*self.caps, *self.soft)):
            scope = Scope("show", show)
            old = found.get(scope, SpendLimits())
            cap, soft = self.caps.get(show, old.cap), self.soft.get(show, old.soft)
            found[scope] = replace(old, cap=cap, soft=soft)
        return found


def in_order(arrivals: Iterable[Arrival]) -> tuple[Arrival, ...]:
    """The load in the order of time.

    Raises:
        ValueError: two arrivals have one name, one of them is not at a time, or has not as many run times as
            invocations.
    """
    load = tuple(sorted(arrivals, key=lambda one: one.at))
    names = Counter(one.batch for one in load)
    for name, times in names.items():
        if times > 1:
            raise ValueError(f"two batches of the load are called {name!r}")
    if load and load[0].at < 0:
        raise ValueError(f"batch {load[0].batch!r} arrives before the clock starts")
    for one in load:
        if one.seconds and len(one.seconds) != one.count:
            raise ValueError(f"batch {one.batch!r} has {one.count} invocations and {len(one.seconds)} times")
    return load


def drawn(load: Sequence[Arrival], seed: int) -> array[float]:
    """The run time of every invocation of a load, batch by batch, in seconds."""
    chance = random.Random(seed)  # noqa: S311 - a simulation that can be repeated
    found = array("d")
    for one in load:
        found.extend(one.seconds or (one.run_time.draw(chance) for _ in range(one.count)))
    return found


def shape_of(arrival: Arrival) -> Shape:
    """What each invocation of a batch is, to the scheduler."""
    return Shape(
        arrival.batch,
        _ENVIRONMENT,
        arrival.function,
        arrival.cpu,
        arrival.memory,
        arrival.scratch,
        arrival.gpu,
        arrival.max_slots,
        limits=arrival.limits,
    )
