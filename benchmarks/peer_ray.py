"""Ray tasks on two CPUs of this machine: one line of JSON.

peer_ray.py N
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray


def same(n: int) -> int:
    return n


noop: Any = ray.remote(same)


def main(n: int) -> None:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
    )
    assert ray.get([noop.remote(i) for i in range(200)]) == list(range(200))
    began = time.perf_counter()
    values = ray.get([noop.remote(i) for i in range(1, n + 1)])
    seconds = time.perf_counter() - began
    assert values == list(range(1, n + 1))
    ray.shutdown()
    print(json.dumps({"n": n, "seconds": seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
