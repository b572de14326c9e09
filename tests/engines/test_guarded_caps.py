"""A cap holds where its worker does not look: stopped, killed, or both, with work at what it may spend."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from kept_money import SECOND, money_kept
from waiting import until

from rushes import catalog
from rushes.core.money import NANO
from rushes.core.spending.tariff import LEASE_S
from rushes.engines.local import LocalEngine
from rushes.media.running.builds import find_build

Find = Callable[[str], Any]
SPENDS = Path(__file__).with_name("spends.py")
STEP_S = 0.01


@pytest.fixture
def spends(priced: None, engine: LocalEngine) -> Find:
    return lambda name: catalog.find(f"{SPENDS}:{name}")


class AtWork:
    """A batch of one that would be at work for a minute, and how far it is by what it has left on disk."""

    def __init__(self, spends: Find, clip: str, folder: Path, cap: int) -> None:
        self._steps = folder / "steps"
        function = spends("spend").with_options(max_cost=cap / NANO)
        self.batch = function.map([clip], seconds=60.0, steps=str(self._steps))
        until(lambda: self.steps)

    @property
    def steps(self) -> int:
        """So many hundredths of a second it has been at work, at least."""
        return self._steps.stat().st_size if self._steps.exists() else 0

    def only_held(self) -> bool:
        return bool(self.batch.progress.only_held)


def busy_slot(engine: LocalEngine) -> psutil.Process:
    (slot,) = [slot for slot in engine.pool()["slots"] if slot["running"]]
    return psutil.Process(slot["pid"])


def guard_of(worker: psutil.Process) -> psutil.Process | None:
    return next((one for one in worker.children() if says(one, "rushes.runtime.slots.guard")), None)


def says(process: psutil.Process, word: str) -> bool:
    """Whether a process was started with this word; not one that has ended meanwhile."""
    try:
        return word in process.cmdline()
    except psutil.Error:
        return False


def stands_still(process: psutil.Process) -> bool:
    return bool(process.status() == psutil.STATUS_STOPPED)


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@contextmanager
def stopped(worker: psutil.Process) -> Iterator[None]:
    """A worker that looks at nothing."""
    worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.send_signal(signal.SIGCONT)


def test_no_cap_is_overshot_while_the_worker_stands_still(
    spends: Find, engine: LocalEngine, clip: str, tmp_path: Path, rushes_home: Path
) -> None:
    cap_s = 2.5
    work = AtWork(spends, clip, tmp_path, round(cap_s * SECOND))
    slot, worker = busy_slot(engine), psutil.Process(engine.pool()["worker"]["pid"])

    with stopped(worker):
        until(lambda: stands_still(slot))
        stood, since = work.steps, time.monotonic()
        until(lambda: time.monotonic() > since + cap_s)
        assert work.steps == stood
    until(work.only_held)
    kept = money_kept(rushes_home)

    assert work.steps * STEP_S <= cap_s + STEP_S
    assert kept.books["batch", work.batch.id] + kept.set_aside <= cap_s * SECOND
    assert stands_still(slot)
    work.batch.cancel()
    kept = money_kept(rushes_home)
    assert kept.books["batch", work.batch.id] == kept.ledger <= cap_s * SECOND


def test_what_stands_still_when_its_worker_is_killed_ends_with_it_and_is_charged_for(
    spends: Find, engine: LocalEngine, clip: str, tmp_path: Path, rushes_home: Path
) -> None:
    cap_s = LEASE_S + 2.0
    work = AtWork(spends, clip, tmp_path, round(cap_s * SECOND))
    slot, worker = busy_slot(engine), psutil.Process(engine.pool()["worker"]["pid"])
    guard = until(lambda: guard_of(worker))

    worker.send_signal(signal.SIGSTOP)
    until(lambda: stands_still(slot))
    stood = work.steps
    worker.kill()
    until(lambda: has_ended(slot) and has_ended(guard))
    until(work.only_held)  # on the next worker
    kept = money_kept(rushes_home)

    assert stood < work.steps <= cap_s / STEP_S + 2
    assert work.steps * STEP_S <= kept.books["batch", work.batch.id] / SECOND + 2 * STEP_S
    assert kept.books["batch", work.batch.id] + kept.set_aside <= cap_s * SECOND
    work.batch.cancel()


def test_an_encode_that_its_guard_stopped_comes_out_byte_for_byte_the_same(
    spends: Find, engine: LocalEngine, tmp_path: Path
) -> None:
    """And a guard that is killed has a successor."""
    source, alone = tmp_path / "clip.mp4", tmp_path / "alone.mp4"
    ffmpeg = [str(find_build().path), "-nostdin", "-v", "error"]
    made = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6", "-c:v", "mpeg4", str(source)]
    subprocess.run([*ffmpeg, *made], check=True)
    subprocess.run([*ffmpeg, "-i", str(source), "-c:v", "libx264", "-threads", "1", str(alone)], check=True)
    engine.set_budget("organisation", "", {"cap": NANO})
    worker = psutil.Process(engine.pool()["worker"]["pid"])
    first = until(lambda: guard_of(worker))
    first.kill()
    until(lambda: (another := guard_of(worker)) and another.pid != first.pid)
    batch = spends("encode_in_real_time").with_options(out=str(tmp_path / "out")).map([source])
    encoder = until(lambda: encoder_of(engine))

    with stopped(worker):
        until(lambda: stands_still(encoder))
    (outcome,) = batch

    assert outcome.ok
    assert outcome.finished.attempts == 1
    assert digest(outcome.outputs[0]) == digest(str(alone))


def encoder_of(engine: LocalEngine) -> psutil.Process | None:
    """The ffmpeg below the slots, through its box."""
    slots = [psutil.Process(slot["pid"]) for slot in engine.pool()["slots"] if slot["running"]]
    family = [one for slot in slots for one in slot.children(recursive=True)]
    return next((one for one in family if says(one, "-re") and "ffmpeg" in one.name()), None)


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
