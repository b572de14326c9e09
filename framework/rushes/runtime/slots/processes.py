"""Slot processes as the worker sees them: started, given work, taken back from, killed.

One warm process a slot under this supervisor, because a pool library loses its whole queue to one kill -9.
This module must not know queues or rules; the dispatcher decides.
"""

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
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from rushes.errors import PlatformError
from rushes.runtime.slots.orphans import MARK
from rushes.runtime.slots.page import SlotPage
from rushes.runtime.slots.rank import tell_rank
from rushes.runtime.slots.spool import unpack

__all__ = ["PACKETS", "SlotProcess"]

# Unix sockets with packets keep the edges of messages; macOS has only the datagram kind of them.
PACKETS: Final = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
_BUFFER: Final = 1024 * 1024


class SlotProcess:
    """One slot: the process, its two sockets, and what it has been given and not yet answered.

    `given` is in the order of sending; its first element is what the slot runs, or is about to take. One that
    is `prepared` loads what media work needs before it says that it is ready.
    """

    def __init__(
        self, number: int, environment: str, how: Mapping[str, Any], home: Path, *, prepared: bool = False
    ) -> None:
        self.number = number
        self.environment = environment
        self.given: deque[int] = deque()
        self.knows: set[int] = set()
        self.ready = False
        self.began = time.time()
        self.alive = self.began
        self.doomed = 0.0
        """When it is killed unless it has stopped by itself; 0: nobody has asked it to."""
        self.killed_for: PlatformError | None = None
        """What the watch killed it for, for its invocation to be told."""
        self._unsent: deque[tuple[bytes, Sequence[int]]] = deque()
        self._work, work_far = socket.socketpair(socket.AF_UNIX, PACKETS)
        self.talk, talk_far = socket.socketpair(socket.AF_UNIX, PACKETS)
        for sock in (self._work, talk_far, self.talk):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        # The far end of `work` stays open here too: what the slot has not taken can be read back from it.
        self._far = work_far
        self._far.setblocking(True)  # noqa: FBT003 - its only parameter
        self._work.setblocking(False)  # noqa: FBT003 - its only parameter
        self.talk.setblocking(False)  # noqa: FBT003 - its only parameter
        self.prints = home / "logs" / f"slot-{os.getpid()}-{number}.out"
        handle = _unnamed_page(home)
        self._now = mmap.mmap(handle, mmap.PAGESIZE)
        self.page = SlotPage(self._now)
        self.page_handle = handle
        self.gave_ns = 0
        """When it was given something last, by the monotonic clock."""
        with self.prints.open("w+b") as prints:
            self.process = subprocess.Popen(
                [
                    how["executable"],
                    "-m",
                    "rushes.runtime.slots.slot",
                    str(work_far.fileno()),
                    str(talk_far.fileno()),
                    str(handle),
                    str(os.getpid()),
                    str(home),
                    *(["prepared"] if prepared else []),
                ],
                env={
                    **how["variables"],
                    MARK: str(os.getpid()),
                    "RUSHES_SYS_PATH": json.dumps(how.get("sys_path", [])),
                },
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=prints,
                stderr=prints,
                pass_fds=(work_far.fileno(), talk_far.fileno(), handle),
                start_new_session=True,
            )
        talk_far.close()

    @property
    def current(self) -> int:
        """The invocation that the slot runs, by its own account; 0 before the first."""
        return self.page.current

    @property
    def pid(self) -> int:
        return self.process.pid

    def rank(self, batch: int, rank: int) -> None:
        """What it has of a batch is of another class now; what it is given after that it learns anew."""
        if batch in self.knows:
            self.knows.discard(batch)
            tell_rank(self._now, batch, rank)

    def give(self, packet: bytes, invocations: Sequence[int]) -> None:
        """Queue a packet for the slot; with no invocations it is a batch's specification."""
        self._unsent.append((packet, invocations))

    @property
    def waits(self) -> bool:
        """True while the kernel has not taken everything."""
        return bool(self._unsent)

    def push(self) -> None:
        """Send what the kernel takes."""
        while self._unsent:
            try:
                self._work.send(self._unsent[0][0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # the slot is dead: its end is noticed by its silence on `talk`
                return
            self._unsent.popleft()
            self.gave_ns = time.monotonic_ns()

    def take_back(self) -> list[int]:
        """Everything that the slot has not taken yet, in order; the kernel decides each race."""
        back: list[int] = []
        while True:
            try:
                packet = self._far.recv(1 << 20, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError, OSError):
                break
            if not packet:
                break
            header, _ = unpack(packet)
            if header[0] == "spec":
                self.knows.discard(header[1])
            else:
                back.extend(row[0] for row in header[1])
        for packet, invocations in self._unsent:
            if invocations:
                back.extend(invocations)
            else:
                self.knows.discard(unpack(packet)[0][1])
        self._unsent.clear()
        self.drop(back)
        return back

    def drop(self, invocations: Sequence[int]) -> None:
        """These are no longer with the slot."""
        gone = set(invocations)
        self.given = deque(i for i in self.given if i not in gone)

    def answered(self, invocation: int, now: float) -> None:
        """One of those given is no longer with the slot; what is next begins now."""
        if self.given and self.given[0] == invocation:
            self.given.popleft()
        elif invocation in self.given:
            self.given.remove(invocation)
        self.began = self.alive = now
        self.doomed = 0.0

    def hear(self) -> list[tuple[Any, bytes]] | None:
        """What the slot has said; None once it is gone and has been heard out."""
        heard: list[tuple[Any, bytes]] = []
        for _ in range(256):
            try:
                packet = self.talk.recv(1 << 20)
            except (BlockingIOError, InterruptedError):
                return heard
            except OSError:
                packet = b""
            if not packet:
                return heard or None
            heard.append(unpack(packet))
        return heard

    def answer(self, packet: bytes) -> None:
        """Send one answer on `talk`."""
        with suppress(OSError):
            self.talk.send(packet)

    def interrupt(self, packet: bytes) -> None:
        """Ask the body to stop: the packet says which invocation is meant."""
        self.answer(packet)
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def tree_bytes(self) -> int:
        """Resident memory of the slot and of everything that it started."""
        try:
            root = psutil.Process(self.pid)
            family = [root, *root.children(recursive=True)]
        except psutil.Error:
            return 0
        total = 0
        for process in family:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def kill(self) -> None:
        """KILL the slot and everything that it started; a stopped process does not hear TERM."""
        family: list[psutil.Process] = []
        with suppress(psutil.Error):
            family = psutil.Process(self.pid).children(recursive=True)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self.process.kill()
        for process in family:
            with suppress(psutil.Error):
                process.kill()

    def let_go(self) -> None:
        """Close our end of `work`: an idle slot ends by itself."""
        self._work.close()
        self._far.close()

    def bury(self) -> str:
        """Wait for the dead process, close everything, and say how it died.

        What it had started ends with it.
        """
        self.page.until_ns = 0  # as long as it is not waited for its number is nobody else's
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            status = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.wait()
        last = ""
        with suppress(OSError):
            text = self.prints.read_bytes()[-2000:].decode(errors="replace").strip()
            last = text.splitlines()[-1] if text else ""
            self.prints.unlink()
        for sock in (self._work, self._far, self.talk):
            sock.close()
        self.page.close()
        os.close(self.page_handle)
        if status < 0:
            with suppress(ValueError):
                return f"was killed by {signal.Signals(-status).name}"
        return f"ended with status {status}" + (f" ({last[:200]})" if last else "")


def _unnamed_page(folder: Path) -> int:
    """A descriptor of one page that has no name any more; the slot inherits it."""
    handle, name = tempfile.mkstemp(dir=folder, prefix="slot-")
    os.unlink(name)  # noqa: PTH108 - it is a name from mkstemp
    os.ftruncate(handle, mmap.PAGESIZE)
    return handle
