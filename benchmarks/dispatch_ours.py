"""Our engine on no-ops, as a script that prints one line of JSON.

    dispatch_ours.py throughput N     submit all → every result read and checked, two warm slots
    dispatch_ours.py latency N        one at a time, the pool warm and idle

The state folder is its own and new, and its worker is ended afterwards: nothing is known already.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure
from noop import noop

from rushes import Asset, RushesError
from rushes.engines.local import LocalEngine

SLOTS = 2


@contextmanager
def warm_pool(folder: Path) -> Iterator[tuple[LocalEngine, Asset]]:
    """A new home whose worker has `SLOTS` slots that are up and know the function."""
    os.environ["RUSHES_HOME"] = str(folder / "home")
    os.environ["RUSHES_CPU"] = str(SLOTS)
    clip = folder / "clip.bin"
    clip.write_bytes(os.urandom(64 * 1024))
    asset = Asset.of(str(clip))
    engine = LocalEngine()
    try:
        began = time.monotonic()
        warmed = 0
        while sum(bool(slot["ready"]) for slot in engine.pool()["slots"]) < SLOTS:
            assert time.monotonic() - began < 60, "the slots did not come up"
            warmed += 100
            for outcome in noop.starmap((asset, {"n": -warmed - i}) for i in range(100)):
                assert outcome.ok
        yield engine, asset
    except RushesError:
        # The folder is about to go, and with it what the worker said.
        sys.stderr.write((folder / "home" / "worker.log").read_text(errors="replace")[-2000:])
        raise
    finally:
        engine.control("stop")


def throughput(n: int, folder: Path) -> dict[str, Any]:
    with warm_pool(folder) as (engine, asset):
        worker = int(engine.hello["pid"])
        before = measure.peak_bytes(worker)
        began = time.perf_counter()
        batch = noop.starmap((asset, {"n": i}) for i in range(1, n + 1))
        submitted = time.perf_counter() - began
        count = total = 0
        for outcome in batch:
            count += 1
            total += outcome.result.n
        seconds = time.perf_counter() - began
        assert count == n, f"{count} results of {n}"
        assert total == n * (n + 1) // 2
        peak = measure.peak_bytes(worker)
        client = measure.peak_bytes(os.getpid())
    return {
        "n": n,
        "seconds": seconds,
        "submit_s": submitted,
        "worker_peak_bytes": peak,
        "worker_before_bytes": before,
        "client_peak_bytes": client,
    }


def latency(n: int, folder: Path) -> dict[str, Any]:
    taken = []
    with warm_pool(folder) as (_, asset):
        for i in range(1, n + 6):
            began = time.perf_counter()
            made = noop.remote(asset, n=i)
            seconds = time.perf_counter() - began
            assert made.n == i
            if i > 5:
                taken.append(seconds)
            time.sleep(0.005)  # idle again
    return {"n": n, "latencies_s": taken}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as made_in:
        run = {"throughput": throughput, "latency": latency}[sys.argv[1]]
        print(json.dumps(run(int(sys.argv[2]), Path(made_in))))
