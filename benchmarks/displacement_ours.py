"""An urgent batch on a pool of two cores, empty or full of background encodes, as a script that prints JSON.

displacement_ours.py burst|start|undisturbed|displaced FOLDER LONG SHORT empty|full

The state folder is new, its slots are warm. `burst`: the wall-clock of three urgent encodes. `start`: from
submission (it is committed when `map` returns; the clock runs before) until the urgent ffmpeg is there and
all others stand still, and until it has written something. `undisturbed` and `displaced`: one background
encode, left alone or displaced by urgent work that only waits; its processor time and its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import measure
import psutil

os.environ["RUSHES_CPU"] = "2"
# In a bubblewrap box the processor time of a tool is known only as last seen; here it has to be all of it.
if sys.argv[1] in {"undisturbed", "displaced"}:
    os.environ["RUSHES_BOX"] = "rlimits"

from rushes import catalog
from rushes.engines.local import LocalEngine
from rushes.media.running.family import descendants
from rushes_functions.transcode import transcode

ASIDE = Path(__file__).with_name("aside.py")
BURST = 3
TIMES = 3  # an invocation that has stood aside so often runs on; two of them make six
LONGEST_S = 300.0
LET_RUN_S = 8.0
LOOK_S = 0.001  # as often as at the bare ffmpeg; who looks all the time has one of the two cores


def main(what: str, folder: str, long: str, short: str, state: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as home:
        os.environ["RUSHES_HOME"] = home
        engine = LocalEngine()
        place = Path(folder)
        try:
            transcode.with_options(out=str(place / "warm"), force=True).remote(short, **_wish())
            if what in {"undisturbed", "displaced"}:
                print(json.dumps(_background(engine, place, long, times=TIMES if what == "displaced" else 0)))
                return
            others = _fill(engine, place, long) if state == "full" else []
            print(json.dumps(_burst(place, short) if what == "burst" else _start(engine, place, short)))
            for batch in others:
                batch.cancel()
        finally:
            engine.control("stop")


def _wish() -> dict[str, Any]:
    return {"speed": "medium", "threads": 2}


def _encode(place: Path, clips: list[str], name: str, priority: str) -> Any:
    here = transcode.with_options(out=str(place / name), force=True, priority=priority, show=name)
    return here.map(clips, **_wish())


def _fill(engine: LocalEngine, place: Path, long: str) -> list[Any]:
    """A background encode that has run long enough to be displaced, and more behind it."""
    batches = [_encode(place, [long], f"low-{number}", "background") for number in range(3)]
    # Longer than anything of this function has taken before: what is expected to end soon is left alone.
    _until(lambda: any(slot.get("seconds", 0) > LET_RUN_S for slot in engine.pool()["slots"]))
    return batches


def _burst(place: Path, short: str) -> dict[str, float]:
    began = time.perf_counter()
    batches = [_encode(place, [short], f"urgent-{number}", "urgent") for number in range(BURST)]
    for batch in batches:
        for outcome in batch:
            assert outcome.ok, outcome.error
    return {"wall_s": time.perf_counter() - began}


def _start(engine: LocalEngine, place: Path, short: str) -> dict[str, float]:
    worker = psutil.Process(int(engine.hello["pid"]))
    before = {process.pid for process in _encodes(worker)}
    began = time.perf_counter()
    batch = _encode(place, [short], "urgent", "urgent")
    committed = time.perf_counter()
    found: list[psutil.Process] = []
    while not found:
        time.sleep(LOOK_S)
        found = [process for process in _encodes(worker) if process.pid not in before]
        assert time.perf_counter() - began < LONGEST_S, "no urgent encode has started"
    started = time.perf_counter()
    running = [process.pid for process in _encodes(worker) if process.pid in before and not _stands(process)]
    assert not running, f"{running} have the cores still"
    while not any(_has_written(process) for process in found):
        time.sleep(LOOK_S)
        assert time.perf_counter() - began < LONGEST_S, "the urgent encode has written nothing"
    written = time.perf_counter()
    for outcome in batch:
        assert outcome.ok, outcome.error
    return {"start_s": started - committed, "packet_s": written - committed}


def _background(engine: LocalEngine, place: Path, long: str, *, times: int) -> dict[str, Any]:
    """Two encodes one after the other, each displaced so often."""
    worker = int(engine.hello["pid"])
    with measure.cost_of([worker]) as cost:
        batches = [_encode(place, [long], f"low-{number}", "background") for number in range(2)]
        for batch in batches:
            for _ in range(times):
                _until(lambda batch=batch: batch.progress.counts.running == 1)
                time.sleep(1.3)  # what has run for less than a second is left alone
                urgent = catalog.find(f"{ASIDE}:stand").with_options(
                    priority="urgent", show="vfx", force=True
                )
                urgent.remote(long, seconds=0.5)
            for outcome in batch:
                assert outcome.ok, outcome.error
    stood = sum(
        share["paused"] for one in engine.batches() for share in engine.status(one.batch).displacement
    )
    outputs = sorted(str(path) for number in range(2) for path in (place / f"low-{number}").glob("*.mp4"))
    assert len(outputs) == 2, outputs
    return {"cpu_s": cost.cpu_s, "paused": stood, "sha256": [_hash(path) for path in outputs]}


def _encodes(worker: psutil.Process) -> Iterator[psutil.Process]:
    """Every ffmpeg that encodes below the worker, through its boxes."""
    for pid in descendants(worker.pid):  # psutil goes through every process of the machine
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.name().startswith("ffmpeg") and "libx264" in process.cmdline():
                yield process


def _stands(process: psutil.Process) -> bool:
    try:
        return bool(process.status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE})
    except psutil.Error:
        return True


def _has_written(process: psutil.Process) -> bool:
    """Whether any ordinary file that it has open for writing has anything in it."""
    for number in _descriptors(process.pid):
        with suppress(OSError, StopIteration):
            info = Path(f"/proc/{process.pid}/fdinfo/{number}").read_text()
            flags = int(next(line.split()[1] for line in info.splitlines() if line.startswith("flags")), 8)
            status = Path(f"/proc/{process.pid}/fd/{number}").stat()
            if flags & 3 and status.st_size and status.st_mode & 0o170000 == 0o100000:
                return True
    return False


def _descriptors(pid: int) -> list[str]:
    with suppress(OSError):
        return [path.name for path in Path(f"/proc/{pid}/fd").iterdir()]
    return []


def _hash(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _until(met: Any) -> None:
    until = time.perf_counter() + LONGEST_S
    while not met():
        assert time.perf_counter() < until, "it did not come to that"
        time.sleep(0.1)  # each look is work for the worker, and counted


if __name__ == "__main__":
    main(*sys.argv[1:])
