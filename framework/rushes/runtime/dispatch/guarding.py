"""Guarding: until when what runs may go on without a word from this worker, and who stops it else.

After the commit of every turn each slot whose work somebody with a limit pays for is told a new bound, in the
page that it shares; so a bound is never beyond what is written down. At the beginning of a turn those that
the guard has stopped meanwhile are the scheduler's to judge, from when they stood still: nobody pays for the
time after. Where nobody has a limit nothing of this is there, and no guard.

Nothing with a bound leaves for its slot before the guard is up; where it cannot be started the worker says so
and watches alone. This module must not know prices, nor who may go on.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from typing import Final

from rushes.core import events as ev
from rushes.media.running.family import thaw
from rushes.runtime.dispatch.pool import Pool
from rushes.runtime.slots.processes import PACKETS, SlotProcess

__all__ = ["Guarding"]

COMES_UP_S: Final = 20.0
"""A guard that is not up by then is not waited for."""
_S: Final = 1_000_000_000


class Guarding:
    """The bounds of one pool's slots, and the guard that keeps them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._started = 0.0
        self._up = False
        self._watched: dict[int, SlotProcess] = {}
        self._bounded: set[int] = set()

    # -- at the beginning of a turn -----------------------------------------------------------------------

    def look(self) -> None:
        """Take in what has come to its bound since the last turn, in the order in which it did."""
        if not (self._watched or self.pool.scheduler.purse.watches):
            return
        self._keep_up()
        halted = []
        for at_ns, number, idle in sorted(self._stopped()):
            slot = self._watched[number]
            at = self.pool.now - (self.pool.monotonic_ns - at_ns) / _S
            if self.pool.meter is not None:
                self.pool.meter.rest(slot, at)
            if not idle and self._is_news(slot):
                halted.append((number, at))
        if halted:  # all at once: what stands still is not asked to stand aside
            self.pool.feed(ev.Halted(halted))

    def _stopped(self) -> list[tuple[int, int, bool]]:
        """Since when slots do not work, which, and whether that is for having done all they were given."""
        found = []
        guarded = self._up and self._process is not None and self._process.poll() is None
        for number, slot in self._watched.items():
            if number not in self.pool.slots:
                continue
            page = slot.page
            until, halted, idle = page.until_ns, page.halted_ns, page.idle_ns
            if idle < slot.gave_ns or slot.waits:
                idle = 0
            # What a busy machine let it run beyond its bound before the guard had its turn is nobody's.
            over = until if guarded and 0 < until <= self.pool.monotonic_ns else 0
            at = min((one for one in (over, halted, idle) if one), default=0)
            if at:
                found.append((at, number, bool(idle)))
        return found

    def _is_news(self, slot: SlotProcess) -> bool:
        """Whether the scheduler takes what stands still for running; a slot without work is let go."""
        run = self.pool.run_on(slot.number, slot.given[0]) if slot.given else None
        if run is None:
            self.let_go(slot)
        return run is not None and not run.paused_since

    @staticmethod
    def let_go(slot: SlotProcess) -> None:
        """A slot goes on; its bound is a new one by now, or none."""
        slot.page.halted_ns = 0
        thaw(slot.pid)

    # -- after the commit ---------------------------------------------------------------------------------

    def bind(self) -> None:
        """Say until when what runs may go on; before anything that was decided leaves this process."""
        purse = self.pool.scheduler.purse
        if not (purse.open or self._bounded):
            return
        bounds = self.pool.scheduler.bounds()
        for number in self._bounded - bounds.keys():
            if number in self.pool.slots:
                self.pool.slots[number].page.until_ns = 0
        asleep = not self._bounded
        self._bounded = {number for number in bounds if number in self.pool.slots}
        for number in self._bounded:
            slot = self.pool.slots[number]
            if number not in self._watched:
                self._watch(slot)
            left_ns = round((bounds[number] - self.pool.now) * _S)
            slot.page.until_ns = max(self.pool.monotonic_ns + left_ns, 1)
        for number in self._watched.keys() - self.pool.slots.keys():
            del self._watched[number]
            self._say("forget", number)
        if asleep and self._bounded:
            self._say("look")

    def holds(self, number: int) -> bool:
        """Whether what a slot was given is not to leave yet, for nobody would stop it."""
        return number in self._bounded and not self._up and self._process is not None

    # -- the guard ----------------------------------------------------------------------------------------

    def _watch(self, slot: SlotProcess) -> None:
        self._watched[slot.number] = slot
        if self._link is not None:
            self._say("watch", slot)

    def _say(self, verb: str, about: SlotProcess | int = 0) -> None:
        if self._link is None:
            return
        slot = about if isinstance(about, SlotProcess) else None
        packet = json.dumps([verb, about if slot is None else slot.number, 0 if slot is None else slot.pid])
        handles = [] if slot is None else [slot.page_handle]
        try:
            socket.send_fds(self._link, [packet.encode()], handles)
        except OSError:  # it is gone, or does not listen: another takes its place
            self.close()

    def _keep_up(self) -> None:
        """Start a guard where there is none, and hear that it is up."""
        if self._process is not None and self._process.poll() is not None:
            sys.stderr.write("rushes worker: the guard of its slots has ended; another is started\n")
            self.close()
        if self._process is None and (self.pool.scheduler.purse.watches or self._bounded):
            self._start()
        if self._up or self._link is None:
            return
        try:
            self._up = self._link.recv(64, socket.MSG_DONTWAIT) == b"ready"
        except (BlockingIOError, InterruptedError):
            if time.monotonic() - self._started > COMES_UP_S:
                sys.stderr.write("rushes worker: the guard of its slots does not come up\n")
                self._up = True
        except OSError:
            self.close()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, PACKETS)
        self._started = time.monotonic()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "rushes.runtime.slots.guard", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                sys.stderr.write(f"rushes worker: the guard of its slots cannot be started: {error}\n")
                ours.close()
                return
        ours.setblocking(False)  # noqa: FBT003 - its only parameter
        self._link = ours
        for slot in self._watched.values():
            if slot.number in self.pool.slots:
                self._say("watch", slot)

    def close(self) -> None:
        """End the guard."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._process is not None:
            try:
                self._process.wait(2.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._up = False
