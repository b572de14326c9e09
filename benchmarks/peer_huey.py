"""Huey on its SQLite storage, two consumer processes: one line of JSON.

    peer_huey.py N default|unsynced

`default` is `SqliteHuey` as it comes, which leaves SQLite at synchronous=FULL; `unsynced` is `fsync=False`,
which sets synchronous=OFF: a power cut can lose work. Polling is set to a millisecond, which is faster than
Huey's default of a tenth of a second, so that it is not measured asleep.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from huey import SqliteHuey

DATABASE = os.environ.get("BENCH_HUEY_DB", "")
OPTIONS = {} if os.environ.get("BENCH_HUEY_MODE") == "default" else {"fsync": False}
huey = SqliteHuey("bench", filename=DATABASE or ":memory:", results=True, **OPTIONS)


def same(n: int) -> int:
    return n


noop: Any = huey.task()(same)


def consume() -> None:
    consumer = huey.create_consumer(
        workers=2, worker_type="process", initial_delay=0.001, max_delay=0.001, backoff=1.0, periodic=False
    )
    consumer.run()


def submit(n: int) -> None:
    for pending in [noop(i) for i in range(-200, 0)]:  # until both processes are up
        assert pending.get(blocking=True, timeout=60) < 0
    began = time.perf_counter()
    waiting = [noop(i) for i in range(1, n + 1)]
    values = [result.get(blocking=True, timeout=600, backoff=1, max_delay=0.001) for result in waiting]
    seconds = time.perf_counter() - began
    assert sum(values) == n * (n + 1) // 2
    assert len(values) == n
    print(json.dumps({"n": n, "seconds": seconds}))


def main(n: str, mode: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as folder:
        environment = {
            **os.environ,
            "BENCH_HUEY_DB": str(Path(folder) / "huey.db"),
            "BENCH_HUEY_MODE": mode,
            "PYTHONPATH": str(Path(__file__).parent),
        }
        me = [sys.executable, "-c"]
        consumer = subprocess.Popen(
            [*me, "import peer_huey; peer_huey.consume()"],
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            subprocess.run(
                [*me, f"import peer_huey; peer_huey.submit({int(n)})"], env=environment, check=True
            )
        finally:
            os.killpg(consumer.pid, signal.SIGKILL)
            consumer.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended too
    main(*sys.argv[1:])
