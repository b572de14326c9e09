"""A run of real encodes on a real pool, and the same run replayed by the simulator from its ledger.

twin_ours.py FOLDER CLIP COUNT

Background encodes fill the pool, standard ones come behind them, an urgent burst comes a little later.
Turnaround is taken by the clock of whoever submitted: from the submission of a batch to each of its results.
Prints, by class, the turnaround of the real run and of the replay.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CORES = 4
"""Of the pool: two encodes at once, which is what two processors can bear."""


def main(folder: str, clip: str, count: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as home:
        os.environ |= {"RUSHES_HOME": home, "RUSHES_CPU": str(CORES)}
        print(json.dumps(compared(Path(folder), clip, int(count))))


def compared(folder: Path, clip: str, count: int) -> dict[str, dict[str, float]]:
    """By class: the real and the simulated turnaround, 50 and 90 of a hundred, in seconds."""
    from rushes.engines.local import LocalEngine  # noqa: PLC0415 - the environment says which pool

    engine = LocalEngine()
    try:
        real = _real(folder, clip, count)
        journal = Path(os.environ["RUSHES_HOME"]) / "journal.sqlite3"
    finally:
        engine.control("stop")
    twin = _twin(journal)
    return {
        name: {
            f"{what}_{percent}": _percentile(values, percent)
            for what, values in (("real", real[name]), ("twin", twin[name]))
            for percent in (50, 90)
        }
        for name in real
    }


def _real(folder: Path, clip: str, count: int) -> dict[str, list[float]]:
    from rushes_functions.transcode import transcode  # noqa: PLC0415

    taken: dict[str, list[float]] = {"background": [], "standard": [], "urgent": []}
    threads: list[threading.Thread] = []

    def wait(priority: str, batch: Any, began: float) -> None:
        for outcome in batch:
            assert outcome.ok, outcome.error
            taken[priority].append(time.perf_counter() - began)

    def submit(priority: str, number: int) -> None:
        for n in range(number):
            here = transcode.with_options(
                out=str(folder / f"{priority}-{n}"), force=True, priority=priority, show=priority
            )
            began = time.perf_counter()
            batch = here.map([clip], speed="medium", threads=2)
            threads.append(threading.Thread(target=wait, args=(priority, batch, began)))
            threads[-1].start()

    transcode.with_options(out=str(folder / "warm")).remote(clip, speed="medium", threads=2)
    submit("background", count // 2)
    submit("standard", count // 4)
    time.sleep(4.0)
    submit("urgent", count // 4)
    for thread in threads:
        thread.join()
    return taken


def _twin(journal: Path) -> dict[str, list[float]]:
    from rushes.core.events import Capacity  # noqa: PLC0415
    from rushes.journal.replay import ran_batches  # noqa: PLC0415
    from rushes.simulator.pool import simulate  # noqa: PLC0415
    from rushes.simulator.replay import replayed  # noqa: PLC0415

    ran = ran_batches(journal)[1:]  # the first warmed the pool
    scenario = replayed(ran)
    trace = simulate(scenario.load, Capacity(cpu=CORES, memory=2.0**36))
    found: dict[str, list[float]] = {}
    for arrival, at in zip(trace.load, trace.ended, strict=True):  # one clip a batch
        found.setdefault(arrival.priority, []).append(at - arrival.at)
    return found


def _percentile(values: Iterable[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


if __name__ == "__main__":
    main(*sys.argv[1:])
