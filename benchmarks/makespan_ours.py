"""A mixed load on six nodes under one policy, beside the bound of the configuration linear program.

makespan_ours.py SEED

Six nodes of 16 cores, 64 GiB and 500 million pixels a second, each under a scheduler of its own, lease from
one queue. 3,494 invocations of seven shapes wait from the start; 120 urgent ones come after a while. What an
invocation takes is wrong by up to a half against what is expected of its function. A configuration is a set
of attempts that fits on one node; the program finds how long the nodes need at least, if they could change
between configurations at will. Beside it: first come first served on the same nodes, no order but that.
"""

# ruff: noqa: SLF001 - six pools are made to share a clock and a queue, which one pool need not offer

from __future__ import annotations

import json
import random
import sys
from array import array
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

from scipy.optimize import linprog

from rushes.core.events import Capacity, Queued
from rushes.core.ordering import order_of
from rushes.core.policy import SchedulerSettings
from rushes.simulator.load import Arrival, RunTime, in_order
from rushes.simulator.outside import Outside
from rushes.simulator.pool import TICK_S, VirtualPool

NODES = 6
GIB = 2.0**30
PIXELS_PER_S = 500e6
CAPACITY = Capacity(cpu=16.0, memory=64 * GIB, gpu=1.0)
"""A device is the pixel rate of a node; what takes a part of it takes that part of the rate."""
URGENT_AT_S = 1800.0
URGENT = 120


@dataclass(frozen=True, slots=True)
class Kind:
    """What invocations of one function take; so many of them."""

    name: str
    count: int
    cpu: float
    memory_gib: float
    pixels_per_s: float
    seconds: float

    @property
    def need(self) -> tuple[float, float, float]:
        return self.cpu / 16, self.memory_gib / 64, self.pixels_per_s / PIXELS_PER_S


KINDS = (
    Kind("inspect", 900, 1, 1, 0, 20),
    Kind("proxy-hd", 1100, 2, 3, 62e6, 90),
    Kind("pull-hd", 600, 3, 6, 124e6, 150),
    Kind("transcode-uhd", 350, 4, 10, 249e6, 420),
    Kind("conform-8k", 64, 6, 30, 400e6, 900),
    Kind("denoise", 300, 8, 12, 0, 600),
    Kind("assemble", 180, 2, 24, 20e6, 480),
)
URGENT_KIND = Kind("plate", URGENT, 3, 6, 124e6, 120)


def load_of(seed: int) -> list[Arrival]:
    chance = random.Random(seed)  # noqa: S311 - a simulation that can be repeated
    arrivals = []
    shows = ("dune", "tron", "sicario", "arrival")
    for kind in (*KINDS, URGENT_KIND):
        urgent = kind is URGENT_KIND
        for number, show in enumerate(("vfx",) if urgent else shows):
            count = kind.count if urgent else kind.count // 4 + (number < kind.count % 4)
            seconds = tuple(kind.seconds * chance.uniform(0.5, 1.5) for _ in range(count))
            arrivals.append(
                Arrival(
                    at=URGENT_AT_S if urgent else 0.0, batch=f"{kind.name}-{show}", count=count,
                    run_time=RunTime(kind.seconds, kind.seconds), function=kind.name,
                    priority="urgent" if urgent else "standard", show=show, cpu=kind.cpu,
                    memory=kind.memory_gib * GIB, gpu=kind.pixels_per_s / PIXELS_PER_S, seconds=seconds,
                )
            )  # fmt: skip
    return arrivals


# -- the bound ---------------------------------------------------------------------------------------------


def bound_s(arrivals: list[Arrival]) -> float:
    """The least time in which the nodes can do this work, by the configuration linear program."""
    kinds = {kind.name: kind for kind in (*KINDS, URGENT_KIND)}
    work: dict[str, float] = {}
    for arrival in arrivals:
        work[arrival.function] = work.get(arrival.function, 0.0) + sum(arrival.seconds)
    names = list(work)
    found = _maximal([kinds[name].need for name in names])
    rows = [[-config[at] for config in found] for at in range(len(names))]
    solved = linprog([1.0] * len(found), A_ub=rows, b_ub=[-work[name] for name in names], method="highs")
    assert solved.success, solved.message
    return max(float(solved.fun) / NODES, *(max(arrival.seconds) for arrival in arrivals))


def _maximal(needs: list[tuple[float, float, float]]) -> list[tuple[int, ...]]:
    """The sets of attempts that fit on a node and to which none can be added."""
    found: list[tuple[int, ...]] = []

    def fits(need: tuple[float, ...], left: tuple[float, ...]) -> bool:
        return all(want <= have + 1e-9 for want, have in zip(need, left, strict=True))

    def go(at: int, left: tuple[float, ...], config: tuple[int, ...]) -> None:
        if at == len(needs):
            if not any(fits(need, left) for need in needs):
                found.append(config)
            return
        times = 0
        while True:
            go(at + 1, left, (*config, times))
            if not fits(needs[at], left):
                return
            left = tuple(have - want for have, want in zip(left, needs[at], strict=True))
            times += 1

    go(0, (1.0, 1.0, 1.0), ())
    return found


# -- the nodes ---------------------------------------------------------------------------------------------


def ours(arrivals: list[Arrival]) -> tuple[float, float]:
    """The makespan, and the longest turnaround of the urgent work."""
    load = in_order(arrivals)
    # A node takes no more into its hands than it is about to run: what it holds the others cannot have. Of
    # batches of which it holds nothing it asks for one at a time where something is free.
    settings = SchedulerSettings(lease_window=2)
    nodes: list[Any] = [VirtualPool(load, CAPACITY, settings=settings) for _ in range(NODES)]
    first = nodes[0]
    batch_of = array("l")
    for number, arrival in enumerate(load):
        batch_of.extend(repeat(number, arrival.count))
    agenda: list[Any] = []
    outside = Outside()
    for number, node in enumerate(nodes):
        node._agenda, node._outside, node.trace, node._batch_of = agenda, outside, first.trace, batch_of
        node._waiting, node._under_way_of = first._waiting, first._under_way_of
        node._serial = number * 10**9
    start = 0
    for number, arrival in enumerate(load):
        heappush(agenda, (arrival.at, -1 - number, None, number, start))
        start += arrival.count
    heappush(agenda, (TICK_S, -(10**6), None, -1, 0))
    while any(at < 0 for at in first.trace.ended):
        now, serial, action, one, other = heappop(agenda)
        if action is not None:
            action.__self__._now = now
            action(one, other)
            continue
        for node in nodes:
            node._now = now
        if one < 0:
            heappush(agenda, (now + TICK_S, serial, None, -1, 0))
            for node in nodes:
                node._tick(0, 0)
            continue
        arrival = load[one]
        ids = range(other, other + arrival.count)
        outside.put(arrival.queue, order_of(arrival.deadline, now), ids, now, first._shapes[one])
        first.trace.submitted[other : ids.stop] = array("d", repeat(now, arrival.count))
        first._waiting[one] = first._under_way_of[one] = arrival.count
        for node in nodes:
            node._tell(Queued(arrival.queue, arrival.count))
    return _verdict(load, first.trace.ended)


def fifo(arrivals: list[Arrival]) -> tuple[float, float]:
    """The same, where the first in line starts on the first node that has room, and nobody before it."""
    load = in_order(arrivals)
    kinds = {kind.name: kind.need for kind in (*KINDS, URGENT_KIND)}
    line, first = [], 0
    for arrival in load:
        line += [
            (arrival.at, arrival.function, seconds, first + n) for n, seconds in enumerate(arrival.seconds)
        ]
        first += arrival.count
    left = [[1.0, 1.0, 1.0] for _ in range(NODES)]
    running: list[tuple[float, int, tuple[float, float, float]]] = []
    ended, now = array("d", repeat(-1.0, first)), 0.0
    for at, function, seconds, id_ in line:
        now, need = max(now, at), kinds[function]
        while (node := _room(left, need)) is None:
            now, free, had = heappop(running)
            left[free] = [a + b for a, b in zip(left[free], had, strict=True)]
        left[node] = [a - b for a, b in zip(left[node], need, strict=True)]
        ended[id_] = now + seconds
        heappush(running, (now + seconds, node, need))
    return _verdict(load, ended)


def _room(left: list[list[float]], need: tuple[float, float, float]) -> int | None:
    for node, have in enumerate(left):
        if all(want <= free + 1e-9 for want, free in zip(need, have, strict=True)):
            return node
    return None


def _verdict(load: tuple[Arrival, ...], ended: array[float]) -> tuple[float, float]:
    urgent, first = 0.0, 0
    for arrival in load:
        if arrival.priority == "urgent":
            urgent = max(ended[first : first + arrival.count]) - arrival.at
        first += arrival.count
    return max(ended), urgent


def main(seed: int) -> None:
    arrivals = load_of(seed)
    least = bound_s(arrivals)
    urgent = bound_s([arrival for arrival in arrivals if arrival.priority == "urgent"])
    said = {"bound_s": least, "urgent_bound_s": urgent}
    for name, policy in (("ours", ours), ("fifo", fifo)):
        makespan, longest = policy(arrivals)
        said |= {f"{name}_s": makespan, f"{name}_urgent_s": longest}
    print(json.dumps(said))


if __name__ == "__main__":
    main(int(sys.argv[1]))
