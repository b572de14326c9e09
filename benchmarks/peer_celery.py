"""Celery on Redis, two worker processes: one line of JSON.

    peer_celery.py N

Redis keeps nothing on disk here (no RDB, no AOF), which is the kindest to throughput; prefetch is 64, as it
was the best of those tried. Without `redis-server` on PATH it ends with a reason, and the row is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from celery import Celery
from celery.result import ResultSet

URL = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:1/0")
app = Celery("peer_celery", broker=URL, backend=URL)
app.conf.update(
    worker_prefetch_multiplier=64, task_ignore_result=False, broker_connection_retry_on_startup=True
)


def same(n: int) -> int:
    return n


noop: Any = app.task(name="noop")(same)


def submit(n: int) -> None:
    for result in [noop.delay(i) for i in range(100)]:
        result.get(timeout=60)
    began = time.perf_counter()
    waiting = ResultSet([noop.delay(i) for i in range(1, n + 1)])
    values = waiting.join_native(timeout=600)
    seconds = time.perf_counter() - began
    assert values == list(range(1, n + 1))
    print(json.dumps({"n": n, "seconds": seconds}))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def main(n: str) -> None:
    server = shutil.which("redis-server")
    if server is None:
        sys.exit("redis-server is not on PATH")
    port = free_port()
    environment = {
        **os.environ,
        "BENCH_REDIS": f"redis://127.0.0.1:{port}/0",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    started = []
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as folder:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        try:
            started.append(
                subprocess.Popen(
                    [server, *options],
                    cwd=folder,
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            worker = [
                "-m",
                "celery",
                "-A",
                "peer_celery",
                "worker",
                "--concurrency",
                "2",
                "--pool",
                "prefork",
            ]
            alone = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
            started.append(
                subprocess.Popen(
                    [sys.executable, *worker, *alone],
                    env=environment,
                    cwd=folder,
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            subprocess.run(
                [sys.executable, "-c", f"import peer_celery; peer_celery.submit({int(n)})"],
                env=environment,
                check=True,
            )
        finally:
            for process in reversed(started):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended too
    main(*sys.argv[1:])
