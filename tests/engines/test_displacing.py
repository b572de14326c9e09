"""Urgent work takes a real pool from what runs on it, and gives it back."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import until

from rushes import catalog
from rushes.engines.local import LocalEngine
from rushes.media.running.builds import find_build
from rushes_functions.transcode import transcode

Find = Callable[[str], Any]
ASIDE = Path(__file__).with_name("aside.py")


@pytest.fixture
def small(rushes_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of one core and 8 GiB."""
    monkeypatch.setenv("RUSHES_CPU", "1")
    monkeypatch.setenv("RUSHES_MEMORY", "8GiB")


@pytest.fixture
def aside(small: None, engine: LocalEngine) -> Find:
    return lambda name: catalog.find(f"{ASIDE}:{name}")


class Held:
    """A body that runs until it is let go."""

    def __init__(self, function: Any, clip: str, folder: Path, name: str, **options: Any) -> None:
        self.gate = folder / f"{name}.gate"
        self.batch = function.with_options(**options).map([clip], gate=str(self.gate))

    @property
    def pid(self) -> int:
        return int(self.gate.with_suffix(".pid").read_text() or 0)

    @property
    def starts(self) -> int:
        path = self.gate.with_suffix(".starts")
        return len(path.read_text()) if path.exists() else 0

    def let_go(self) -> None:
        self.gate.touch()

    def outcome(self) -> Any:
        self.let_go()
        (outcome,) = self.batch
        return outcome


def at_work(engine: LocalEngine, held: Held) -> Held:
    """Wait until it has run long enough to be displaced."""
    until(lambda: held.gate.with_suffix(".pid").exists() and held.pid)
    until(lambda: any(s["pid"] == held.pid and s["seconds"] > 1.1 for s in engine.pool()["slots"]))
    return held


def paused(held: Held) -> bool:
    return bool(held.batch.progress.counts.paused == 1)


def test_urgent_work_runs_at_once_and_what_stood_aside_goes_on(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    low = at_work(engine, Held(aside("hold"), clip, tmp_path, "low", priority="background", show="dune"))

    urgent = Held(aside("hold"), clip, tmp_path, "urgent", priority="urgent", show="vfx")

    until(lambda: urgent.starts)
    assert paused(low)
    assert psutil.Process(low.pid).status() == psutil.STATUS_STOPPED
    explained = engine.explain(f"{low.batch.id}.1")
    assert explained["state"] == "paused"
    assert urgent.batch.id in explained["reason"]
    clocks = [[s["seconds"] for s in engine.pool()["slots"] if s["paused"]] for _ in range(2)]
    assert clocks[0] == clocks[1]
    assert low.batch.progress.running[0]["note"] == f"paused: batch {urgent.batch.id} goes first"
    assert urgent.outcome().ok
    until(lambda: low.batch.progress.counts.running == 1)
    outcome = low.outcome()
    assert outcome.ok
    assert outcome.finished.attempts == 1
    assert low.starts == 1


def test_an_urgent_start_on_a_full_pool_finds_a_process_ready(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    def spares() -> list[int]:
        below = psutil.Process(int(engine.hello["pid"])).children()
        return [one.pid for one in below if one.cmdline()[-1:] == ["prepared"]]

    low = at_work(engine, Held(aside("hold"), clip, tmp_path, "low", priority="background"))
    (spare,) = until(spares)

    urgent = Held(aside("hold_memory"), clip, tmp_path, "urgent", priority="urgent")

    until(lambda: urgent.gate.with_suffix(".pid").exists() and urgent.pid)  # written behind `.starts`
    assert urgent.pid == spare
    assert paused(low)
    assert spares() == [spare]  # no other is opened while somebody stands aside
    assert urgent.outcome().ok
    assert low.outcome().ok


def test_the_report_of_a_swarm_stays(aside: Find, engine: LocalEngine, clip: str, tmp_path: Path) -> None:
    low = at_work(engine, Held(aside("hold"), clip, tmp_path, "low", priority="background", show="dune"))
    urgent = Held(aside("hold"), clip, tmp_path, "urgent", priority="urgent")
    until(lambda: paused(low))
    urgent.outcome()
    low.outcome()
    until(lambda: not engine.pool()["batches"])
    engine.control("stop")  # a new worker answers from what was written down

    (share,) = until(lambda: engine.status(urgent.batch.id).displacement)

    assert (share["batch"], share["show"], share["paused"]) == (low.batch.id, "dune", 1)
    assert share["aside_s"] > 0
    assert (share["redone_s"], share["standing"]) == (0, 0)


def test_time_that_is_stood_aside_is_nobodys_run_time(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    low = at_work(engine, Held(aside("hold"), clip, tmp_path, "low", priority="background"))
    urgent = Held(aside("hold"), clip, tmp_path, "urgent", priority="urgent")
    until(lambda: paused(low))
    until(lambda: engine.status(urgent.batch.id).displacement[0]["aside_s"] > 2.0)
    urgent.outcome()

    finished = low.outcome().finished

    (share,) = engine.status(urgent.batch.id).displacement
    whole = low.batch.progress
    assert whole.ended is not None
    assert finished.seconds <= whole.ended - whole.submitted - share["aside_s"] + 0.1


def test_a_batch_that_is_paused_can_be_cancelled(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    low = at_work(engine, Held(aside("hold"), clip, tmp_path, "low", priority="background"))
    urgent = Held(aside("hold"), clip, tmp_path, "urgent", priority="urgent")
    until(lambda: paused(low))
    pid = low.pid

    low.batch.cancel()

    assert low.batch.progress.counts.cancelled == 1
    until(lambda: not psutil.pid_exists(pid))
    assert urgent.outcome().ok


def test_a_worker_that_dies_over_a_paused_attempt_loses_nothing(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    low = at_work(engine, Held(aside("hold"), clip, tmp_path, "low", priority="background"))
    urgent = Held(aside("hold"), clip, tmp_path, "urgent", priority="urgent")
    until(lambda: paused(low))
    pid = low.pid

    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)

    until(lambda: not psutil.pid_exists(pid))
    assert urgent.outcome().ok
    assert low.outcome().ok
    assert low.starts == 2


def test_memory_is_given_back_and_the_work_runs_again_without_losing_a_try(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    low = at_work(engine, Held(aside("hold_memory"), clip, tmp_path, "low", priority="background"))

    urgent = Held(aside("hold_memory"), clip, tmp_path, "urgent", priority="urgent")

    until(lambda: urgent.starts)
    assert engine.explain(f"{low.batch.id}.1")["state"] == "queued"
    assert urgent.batch.id in engine.explain(f"{low.batch.id}.1")["reason"]
    assert urgent.outcome().ok
    outcome = low.outcome()
    assert outcome.ok
    assert outcome.finished.attempts == 1
    assert low.starts == 2
    (share,) = engine.status(urgent.batch.id).displacement
    assert (share["stopped"], share["redone_s"] > 1) == (1, True)


def test_a_batch_that_waits_takes_the_pool_once_it_is_made_urgent(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    low = at_work(engine, Held(aside("hold"), clip, tmp_path, "low", priority="standard"))
    other = Held(aside("hold"), clip, tmp_path, "other", priority="standard")
    until(lambda: other.batch.progress.counts.queued == 1)

    engine.set_priority(other.batch.id, "urgent")

    until(lambda: other.starts)
    assert paused(low)
    # And what runs can be given another class as well: now it is the other that stands aside.
    until(lambda: any(s["pid"] == other.pid and s["seconds"] > 1.1 for s in engine.pool()["slots"]))
    engine.set_priority(other.batch.id, "background")
    until(lambda: other.batch.progress.counts.paused == 0)
    assert other.outcome().ok
    assert low.outcome().ok
    assert engine.status(other.batch.id).priority == "background"


def test_a_function_that_is_exempt_is_waited_for(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    low = at_work(engine, Held(aside("hold_on"), clip, tmp_path, "low", priority="background"))
    urgent = Held(aside("hold"), clip, tmp_path, "urgent", priority="urgent")

    until(lambda: urgent.batch.progress.counts.queued == 1)
    low.let_go()

    assert urgent.outcome().ok
    assert engine.status(urgent.batch.id).displacement == ()


def test_an_encode_that_is_paused_in_its_box_comes_out_byte_for_byte_the_same(
    aside: Find, engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    source = tmp_path / "long.mp4"
    made = [find_build().path, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=12"]
    subprocess.run([*map(str, made), "-c:v", "libx264", "-preset", "ultrafast", str(source)], check=True)
    options: dict[str, Any] = {"speed": "veryslow", "threads": 1}
    batch = transcode.with_options(out=str(tmp_path / "paused"), priority="background").map(
        [source], **options
    )
    until(lambda: _encoding(engine))
    until(lambda: any(s["running"] and s["seconds"] > 1.5 for s in engine.pool()["slots"]))

    urgent = Held(aside("hold"), clip, tmp_path, "urgent", priority="urgent")
    until(lambda: urgent.starts)
    states = {one.status() for one in _encoding(engine)}
    urgent.outcome()
    (outcome,) = batch

    assert states == {psutil.STATUS_STOPPED}
    assert outcome.ok
    alone = transcode(source, out=tmp_path / "alone", **options)
    assert _digest(outcome.outputs[0]) == _digest(str(alone.transcoded))


def _encoding(engine: LocalEngine) -> list[psutil.Process]:
    """The ffmpeg processes below the slots, through their boxes."""
    slots = [psutil.Process(slot["pid"]) for slot in engine.pool()["slots"] if slot["running"]]
    family = [one for slot in slots for one in slot.children(recursive=True) if "ffmpeg" in one.name()]
    return [one for one in family if one.status() != psutil.STATUS_ZOMBIE and "-progress" in one.cmdline()]


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
