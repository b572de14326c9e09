"""The simulator under everything that the scheduler can do, as a script that prints one line of JSON.

simulator_ours.py COUNT CORES [FEATURE ...]

50 shows, each with a batch in each of the four classes: 200 batches, all waiting from the first minutes on.
Urgent and interactive work comes a minute later and displaces; work ages; every other batch has a deadline,
every tenth a limit of slots, one function in five a limit of its own; needs are vectors of cores and memory.
`shares`: parts of the pool are kept for interactive and for urgent work, and background work never has all of
it. `caps`: every show has one, so each attempt's price is reserved, looked after each second, and settled.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import replace

from rushes.core.classes import DEFAULT_CLASSES
from rushes.core.events import Capacity
from rushes.core.limits import function_limit
from rushes.core.money import parse_dollars
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.prices import Source, TierPrice
from rushes.core.tiers import Purchase
from rushes.simulator.changing import ChangingPool
from rushes.simulator.load import Arrival, RunTime, Scenario

NAMES = ("interactive", "urgent", "standard", "background")
INTERACTIVE, URGENT, STANDARD, BACKGROUND = DEFAULT_CLASSES
SHARED = (
    replace(INTERACTIVE, reserved_share=0.02),
    replace(URGENT, reserved_share=0.1),
    STANDARD,
    replace(BACKGROUND, max_share=0.9),
)
GIB = 2.0**30
CORE_HOUR = parse_dollars("0.04")


def load(count: int) -> list[Arrival]:
    return [
        Arrival(
            at=60.0 if number % 4 < 2 else 0.0,
            batch=f"batch-{number}",
            count=count // 200,
            run_time=RunTime(20.0 + number % 7, 60.0 + number % 11),
            function=f"function-{number % 5}",
            priority=NAMES[number % 4],
            show=f"show-{number // 4}",
            cpu=1.0 + number % 3,
            memory=(1 + number % 4) * GIB,
            deadline=3600.0 * (1 + number % 9) if number % 2 else None,
            max_slots=20 if number % 10 == 0 else None,
            media_s=10.0,
            limits=((function_limit("function-4"), 150),) if number % 5 == 4 else (),
        )
        for number in range(200)
    ]


def caps(arrivals: list[Arrival]) -> dict[str, int]:
    """What each show may spend: four times what its work will cost."""
    found: dict[str, int] = {}
    for one in arrivals:
        cost = one.count * one.run_time.mean_s / 3600 * max(one.cpu, one.memory / (4 * GIB)) * CORE_HOUR
        found[one.show] = found.get(one.show, 0) + round(4 * cost)
    return found


def main(count: int, cores: int, *features: str) -> None:
    arrivals = load(count)
    capacity = Capacity(cpu=cores, memory=4 * GIB * cores)
    source = Source("of this benchmark", "2026-11-21")
    tier = TierPrice("cores", Purchase.on_demand, "here", CORE_HOUR * cores, source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    pool = ChangingPool(
        Scenario(tuple(arrivals), caps=caps(arrivals) if "caps" in features else {}),
        capacity,
        price=MachinePrice(tier, capacity),
        classes=SHARED if "shares" in features else DEFAULT_CLASSES,
    )
    trace = pool.follow().trace
    cpu_s = time.process_time() - began
    assert all(at >= 0 for at in trace.ended), "not everything ran"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "cpu_s": cpu_s,
                "bytes_each": (after - before) * 1024 / count,
                "utilisation": trace.busy_cpu_s / cores / trace.until,
                "stood_aside": len(trace.stints),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
