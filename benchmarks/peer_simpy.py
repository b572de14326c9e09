"""A FIFO queue before a number of servers in SimPy, as a script that prints one line of JSON.

peer_simpy.py COUNT SERVERS
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Generator
from typing import Any

import simpy


def main(count: int, servers: int) -> None:
    chance = random.Random(1)  # noqa: S311 - a simulation that can be repeated
    seconds = [chance.lognormvariate(3.0, 0.6) for _ in range(count)]
    environment = simpy.Environment()
    pool = simpy.Resource(environment, servers)
    done = 0

    def work(length: float) -> Generator[Any, Any, None]:
        nonlocal done
        with pool.request() as turn:
            yield turn
            yield environment.timeout(length)
        done += 1

    began = time.process_time()
    for length in seconds:
        environment.process(work(length))
    environment.run()
    cpu_s = time.process_time() - began
    assert done == count
    print(json.dumps({"cpu_s": cpu_s, "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
