"""The guard, with real processes, on a clock of the test's own."""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import psutil
import pytest
from waiting import until

from rushes.runtime.slots.guard import EARLY_NS, Guard
from rushes.runtime.slots.page import SlotPage
from rushes.runtime.slots.processes import PACKETS

# A slot with something below it, in a session of its own as in a box.
_FAMILY = """
import subprocess, time
subprocess.Popen(["sleep", "600"], start_new_session=True)
time.sleep(600)
"""


class Bench:
    """A guard that watches one slot."""

    def __init__(self) -> None:
        self.slot = psutil.Popen([sys.executable, "-c", _FAMILY])
        until(self.slot.children)
        (self.below,) = self.slot.children()
        self.link, far = socket.socketpair(socket.AF_UNIX, PACKETS)
        self.guard = Guard(far)
        self.far = far
        with tempfile.TemporaryFile() as file:
            file.truncate(mmap.PAGESIZE)
            self.page = SlotPage(mmap.mmap(file.fileno(), mmap.PAGESIZE))
            self.say("watch", file.fileno())

    def say(self, verb: str, *handles: int) -> bool:
        socket.send_fds(self.link, [json.dumps([verb, 7, self.slot.pid]).encode()], handles)
        return self.guard.take_in()

    @property
    def stands_still(self) -> bool:
        return all(one.status() == psutil.STATUS_STOPPED for one in (self.slot, self.below))

    def close(self) -> None:
        for one in (self.below, self.slot):
            if one.is_running():
                os.kill(one.pid, signal.SIGKILL)
        self.slot.wait()
        self.link.close()
        self.far.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_what_has_come_to_its_bound_is_stopped_with_all_below_it(bench: Bench) -> None:
    bench.page.until_ns = bound = time.monotonic_ns() + EARLY_NS

    bench.guard.look(bound)

    until(lambda: bench.stands_still)
    assert bench.page.halted_ns >= bound - EARLY_NS


@pytest.mark.parametrize("why", ["nobody set a bound", "it is not there yet", "it has done all it was given"])
def test_nobody_else_is_stopped(bench: Bench, why: str) -> None:
    now = time.monotonic_ns()
    bench.page.until_ns = 0 if why == "nobody set a bound" else now
    bench.page.idle_ns = now if why == "it has done all it was given" else 0

    bench.guard.look(now - (2 * EARLY_NS if why == "it is not there yet" else 0))

    assert not bench.stands_still
    assert not bench.page.halted_ns


def test_one_whose_bound_was_moved_on_meanwhile_goes_on(bench: Bench) -> None:
    bench.page.until_ns = bound = time.monotonic_ns() + 3600 * 10**9

    bench.guard.look(bound)  # as if it had been late, and the worker had looked while the processes stopped

    assert not bench.page.halted_ns
    until(lambda: not bench.stands_still)


def test_a_slot_that_is_no_more_is_left_alone_whoever_has_its_number(bench: Bench) -> None:
    bench.page.until_ns = bound = time.monotonic_ns()
    bench.slot.kill()
    bench.slot.wait()

    bench.guard.look(bound)

    assert bench.page.until_ns == bench.page.halted_ns == 0


def test_what_it_has_stopped_does_not_outlive_its_worker(bench: Bench) -> None:
    """Where the system does not end slots with their worker."""
    bench.page.until_ns = bound = time.monotonic_ns()
    bench.guard.look(bound)
    bench.link.close()

    assert not bench.guard.take_in()
    bench.guard.end()

    assert bench.slot.wait(60) == -signal.SIGKILL
    until(lambda: not bench.below.is_running() or bench.below.status() == psutil.STATUS_ZOMBIE)


def test_a_slot_that_is_forgotten_is_not_watched(bench: Bench) -> None:
    bench.page.until_ns = bound = time.monotonic_ns()

    assert bench.say("forget")
    bench.guard.look(bound)

    assert not bench.stands_still


def test_a_guard_that_is_started_says_so_and_ends_with_its_link() -> None:
    link, far = socket.socketpair(socket.AF_UNIX, PACKETS)
    with far:
        process = subprocess.Popen(
            [sys.executable, "-m", "rushes.runtime.slots.guard", str(far.fileno())], pass_fds=[far.fileno()]
        )
    assert link.recv(64) == b"ready"
    link.close()

    assert process.wait(60) == 0
