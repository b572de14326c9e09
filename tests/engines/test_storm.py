"""Storms: slots and workers are killed at random while work with outputs goes through."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from rushes.engines.local import LocalEngine
from rushes.errors import RushesError

Find = Callable[[str], Any]


@contextmanager
def killer(every_s: float, victims: Callable[[], list[int]], seed: int) -> Iterator[list[int]]:
    """Kill -9 one of `victims` about every so often, from a thread, while the block runs."""
    stop = threading.Event()
    killed: list[int] = []
    chance = random.Random(seed)

    def storm() -> None:
        while not stop.wait(every_s * chance.uniform(0.5, 1.5)):
            with suppress(RushesError, ProcessLookupError, OSError):
                found = victims()
                if found:
                    victim = chance.choice(found)
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def clips(folder: Path, count: int) -> list[str]:
    paths = [folder / f"clip{n}.bin" for n in range(count)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [str(path) for path in paths]


def check_outputs(batch: Any, out: Path, count: int) -> None:
    """Each invocation ended once; each output is whole, is what its result says, and nothing else is there."""
    seen: dict[str, str] = {}
    for outcome in batch:
        assert outcome.ok, outcome.error
        assert outcome.finished.invocation not in seen
        seen[outcome.finished.invocation] = str(outcome.result.file)
        assert Path(outcome.outputs[0]).read_text() == outcome.result.text
    assert len(seen) == count
    names = {path.name for path in out.iterdir()}
    assert names == {f"{n}.txt" for n in range(count)} | {f"{n}.txt.rushes.json" for n in range(count)}


@pytest.mark.parametrize(
    ("count", "every_s"),
    [(400, 1.5), pytest.param(10_000, 1.0, marks=pytest.mark.soak)],
)
def test_killed_slots_lose_and_double_nothing(
    engine: LocalEngine, plain: Find, tmp_path: Path, count: int, every_s: float
) -> None:
    out = tmp_path / "out"
    sources = clips(tmp_path, count)
    write = plain("write").with_options(out=str(out))
    with killer(every_s, lambda: [s["pid"] for s in engine.pool()["slots"]], seed=1) as killed:
        batch = write.starmap((source, {"n": n}) for n, source in enumerate(sources))
        batch.wait()

    assert killed
    check_outputs(batch, out, count)


@pytest.mark.parametrize(
    ("count", "every_s"),
    [(400, 2.0), pytest.param(10_000, 5.0, marks=pytest.mark.soak)],
)
def test_killed_workers_lose_and_double_nothing(
    engine: LocalEngine, plain: Find, tmp_path: Path, count: int, every_s: float
) -> None:
    out = tmp_path / "out"
    sources = clips(tmp_path, count)
    write = plain("write").with_options(out=str(out))
    victim = LocalEngine()
    with killer(every_s, lambda: [victim.pool()["worker"]["pid"]], seed=2) as killed:
        batch = write.starmap((source, {"n": n}) for n, source in enumerate(sources))
        batch.wait()

    assert killed
    check_outputs(batch, out, count)
    _no_slot_outlives_its_worker()


def _no_slot_outlives_its_worker() -> None:
    home = os.environ["RUSHES_HOME"]
    for process in psutil.process_iter(["cmdline", "ppid"]):
        words = process.info["cmdline"] or []
        if "rushes.runtime.slot" in words and home in words:
            assert process.info["ppid"] != 1, "a slot outlived its worker"
