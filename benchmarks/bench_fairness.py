"""Fairness: 50 shows share a pool and one floods it; what the others wait, with the flood and without.

The real scheduler on a virtual clock, so nothing here is measured in seconds of this machine. Each show sends
20 clips at a time at random moments of an hour, for 70 % of the pool in all; one of them sends 100,000 more.
"""

from __future__ import annotations

import random
from math import ceil
from typing import Final

import measure
from report import AT_MOST, Goal, Options, Row, Section

from rushes.core.events import Capacity
from rushes.simulator.load import Arrival, RunTime, in_order
from rushes.simulator.pool import simulate

SHOWS: Final = 50
CORES: Final = 500
CLIPS: Final = 20
HOUR_S: Final = 3600.0
USED: Final = 0.7
CLIP: Final = RunTime(20.0, 45.0)
MEAN_S: Final = 22.6
"""Of `CLIP`: the mean of that log-normal distribution."""
FLOODER: Final = "show-00"


def load_of(flood: int, seed: int, *, cores: int = CORES, shows: int = SHOWS) -> tuple[Arrival, ...]:
    """An hour of all shows, and so many invocations more of one of them."""
    chance = random.Random(seed)  # noqa: S311 - a load that can be repeated
    batches = max(1, round(cores * HOUR_S * USED / MEAN_S / shows / CLIPS))
    arrivals = [
        Arrival(chance.uniform(0, HOUR_S), f"{show}-{n}", CLIPS, CLIP, show=f"show-{show:02d}")
        for show in range(shows)
        for n in range(batches)
    ]
    if flood:
        arrivals.append(Arrival(0.0, "flood", flood, CLIP, show=FLOODER))
    return in_order(arrivals)


def p95_of_others(load: tuple[Arrival, ...], cores: int = CORES) -> float:
    """Turnaround in seconds that 95 of a hundred invocations of the other shows stay below."""
    trace = simulate(load, Capacity(cpu=cores, memory=1e15))
    found, first = [], 0
    for arrival in load:
        if arrival.show != FLOODER:
            found += [trace.ended[n] - trace.submitted[n] for n in range(first, first + arrival.count)]
        first += arrival.count
    found.sort()
    return found[ceil(0.95 * len(found)) - 1]


def run(options: Options) -> Section:
    flood = options.large
    section = Section(
        f"Fairness: {SHOWS} shows, one floods with {flood:,}",
        f"The other shows' 95th percentile of turnaround, with the flood against without it: {CORES} cores, "
        f"{USED:.0%} of them asked for by all shows together, {CLIPS} clips of {CLIP.median_s:g} s (median) "
        "at a time. On a virtual clock; a round is another hour.",
    )
    seeds = iter(range(1, 1000))
    loads: dict[str, float] = {}

    def once(name: str) -> float:
        seed = loads.get("seed", 0)
        if name == "without":
            loads["seed"] = seed = next(seeds)
        return p95_of_others(load_of(flood if name == "with" else 0, int(seed)))

    series, section.left_out = measure.interleave(
        {name: (lambda name=name: once(name)) for name in ("without", "with")},  # type: ignore[misc]
        options.rounds,
    )
    if len(series) == 2:
        ours, theirs = series["with"], series["without"]
        section.rows.append(
            Row(
                "p95 of the others, with the flood",
                measure.ratios(ours, theirs),
                Goal(AT_MOST, 1.1),
                ours,
                theirs,
                "s",
            )
        )
    return section
