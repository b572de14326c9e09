"""The guard: a process that stops what its worker has not looked at in time, and does nothing else.

A worker says until when what runs on a slot may go on (`slot_page`), and moves that on as it looks. A worker
that waits for its disk, or was stopped itself, moves nothing; then the guard stops the slot where it stands,
with everything below it, as for more urgent work. It never lets anything go on: the worker does, when it is
back. Where the worker has died its slots die too; elsewhere than on Linux the guard sees to those it stopped.

It sleeps while nobody has a bound. This module must not know money, invocations or sockets of clients.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import signal
import socket
import sys
import time
from typing import Final

from rushes.media.running.family import born, descendants, freeze, thaw
from rushes.runtime.slots.page import SlotPage

__all__ = ["EARLY_NS", "Guard", "main"]

EARLY_NS: Final = 20_000_000
"""It begins so long before: to be waken takes time, and to stop a dozen processes some milliseconds."""
LOOKS_S: Final = 0.02
"""A bound that comes nearer is seen within this."""
_S: Final = 1_000_000_000


class _Watched:
    """One slot."""

    __slots__ = ("born", "page", "pid")

    def __init__(self, pid: int, page: SlotPage) -> None:
        self.pid = pid
        self.page = page
        self.born = born(pid)

    @property
    def lives(self) -> bool:
        """Whether its process is the one that it was: numbers are given anew."""
        return self.born is not None and born(self.pid) == self.born


class Guard:
    """The slots of one worker.

    Args:
        link: to the worker, of packets; at its end the guard ends.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._slots: dict[int, _Watched] = {}

    def run(self) -> None:
        """Watch until the worker is gone."""
        self._link.send(b"ready")
        while True:
            ready, _, _ = select.select([self._link], [], [], self._patience_s())
            if ready and not self.take_in():
                return self.end()
            self.look(time.monotonic_ns())

    def take_in(self) -> bool:
        """What the worker says: of which slots there is a page, and which are no more."""
        try:
            packet, handles, _, _ = socket.recv_fds(self._link, 4096, 1)
        except OSError:
            return False
        if not packet:
            return False
        verb, number, pid = json.loads(packet)
        for handle in handles:
            self._slots[number] = _Watched(pid, SlotPage(mmap.mmap(handle, mmap.PAGESIZE)))
            os.close(handle)
        if verb == "forget" and number in self._slots:
            self._slots.pop(number).page.close()
        return True

    def _patience_s(self) -> float | None:
        """How long nothing can have to be stopped; None: until the worker says something."""
        bound = [one.page for one in self._slots.values() if one.page.bounded and not one.page.halted_ns]
        if not bound:
            return None
        # What has done all that it was given may be given more, and is looked at again.
        nearest = min((page.until_ns for page in bound if not page.idle_ns), default=0)
        left_s = (nearest - EARLY_NS - time.monotonic_ns()) / _S
        return min(max(left_s, 0.0), LOOKS_S) if nearest else LOOKS_S

    def look(self, now_ns: int) -> None:
        """Stop what has come to its bound."""
        for one in self._slots.values():
            page, until = one.page, one.page.until_ns
            if until and now_ns >= until - EARLY_NS and not page.halted_ns and not page.idle_ns:
                self._halt(one)

    @staticmethod
    def _halt(one: _Watched) -> None:
        if not one.lives:
            one.page.until_ns = 0
            return
        freeze(one.pid)
        at = time.monotonic_ns()
        until = one.page.until_ns
        if until and at >= until - EARLY_NS:
            one.page.halted_ns = at
        else:  # the worker has looked meanwhile
            thaw(one.pid)

    def end(self) -> None:
        """The worker is gone, and nobody else would let go on what stands here."""
        for one in self._slots.values():
            if one.page.halted_ns and one.lives:
                for pid in (*descendants(one.pid), one.pid):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Entry of the process: ``python -m rushes.runtime.slots.guard LINK_FD``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Guard(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
