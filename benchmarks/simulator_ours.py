"""The simulator under everything that the scheduler can do, as a script that prints one line of JSON.

simulator_ours.py COUNT CORES

50 shows, each with a batch in each of the four classes: 200 batches, all waiting from the first minutes on.
Urgent and interactive work comes a minute later and displaces; work ages; every other batch has a deadline,
every tenth a limit of slots; needs are vectors of cores and memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from rushes.core.events import Capacity
from rushes.simulator.load import Arrival, RunTime
from rushes.simulator.pool import simulate

CLASSES = ("interactive", "urgent", "standard", "background")
GIB = 2.0**30


def load(count: int) -> list[Arrival]:
    return [
        Arrival(
            at=60.0 if number % 4 < 2 else 0.0,
            batch=f"batch-{number}",
            count=count // 200,
            run_time=RunTime(20.0 + number % 7, 60.0 + number % 11),
            function=f"function-{number % 5}",
            priority=CLASSES[number % 4],
            show=f"show-{number // 4}",
            cpu=1.0 + number % 3,
            memory=(1 + number % 4) * GIB,
            deadline=3600.0 * (1 + number % 9) if number % 2 else None,
            max_slots=20 if number % 10 == 0 else None,
            media_s=10.0,
        )
        for number in range(200)
    ]


def main(count: int, cores: int) -> None:
    arrivals = load(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    trace = simulate(arrivals, Capacity(cpu=cores, memory=4 * GIB * cores))
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
    main(*map(int, sys.argv[1:]))
