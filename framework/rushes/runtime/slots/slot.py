"""The slot: a warm child process that runs attempts, one at a time, for the worker that started it.

Two sockets, both of packets. `work` carries invocations one way, a packet each: the kernel is the queue, so
what this process has not taken the worker can take back at any moment, however busy the body is. `talk`
carries results, progress and intents out, and the worker's answers in. There are no threads here but those of
a joint invocation's bodies, which take turns (`gathering`): ffmpeg is started from the main thread, for the
death of the thread that started it would be taken for the parent's.

Short invocations come a few in a packet, and their answers go back a few in a packet. When one of them turns
out to be long, the worker sends `back` and SIGTERM: the answers so far and the invocations behind it return
at once. A page that is shared with the worker (`slot_page`) holds the invocation that runs, so that the
worker knows which one a death is to be charged to.

A cancel is a packet on `talk` that names the invocation, then SIGTERM; a signal that comes after its
invocation has ended finds no match and does nothing.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import mmap
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from rushes import __version__
from rushes.asset import Asset, FrameRange
from rushes.core.learning.work import LEARNT_FROM_S
from rushes.errors import Cancelled, RushesError
from rushes.joint import Joint
from rushes.media.readers.coming import expect, is_asked
from rushes.runtime.attempts.attempt import Made, Task, run_attempt
from rushes.runtime.attempts.loaded_batch import LoadedBatch, learn
from rushes.runtime.attempts.raised import as_error, bounded
from rushes.runtime.attempts.signed_in import signing_in
from rushes.runtime.sending.workload import what_it_was
from rushes.runtime.slots.log import take_prints, write_failure
from rushes.runtime.slots.mapped import MappedParts
from rushes.runtime.slots.orphans import adopt_orphans
from rushes.runtime.slots.page import CURRENT, WORD, SlotPage
from rushes.runtime.slots.rank import rank_told
from rushes.runtime.slots.spool import unpack
from rushes.runtime.slots.talk import SlotTalk
from rushes.runtime.wire import WIRE

__all__ = ["die_with", "main", "search_path"]

# How many of the clips that are to come are told to those who can prepare for them.
_TOLD_AHEAD: Final = 9
_PR_SET_PDEATHSIG: Final = 1


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux); ends it if that is so already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class SlotLoop:
    """The loop of one slot."""

    def __init__(self, work: socket.socket, talk: socket.socket, home: Path, now: mmap.mmap) -> None:
        self._work = work
        self._talk = SlotTalk(talk, home)
        self._home = home
        self._keep_root = home / "keep"
        self._batches: dict[int, LoadedBatch | RushesError] = {}
        self._current = 0
        self._fence = 0
        self._cancelled = False
        self._interruptible = False
        self._signalled = False
        self._taken: deque[Any] = deque()
        self._now = now
        self._page = SlotPage(now)
        self._waited_s = 0.0
        self._pid = os.getpid()
        self._signed_in = signing_in(run_attempt, os.environ)
        self._run = self._signed_in or run_attempt

    def run(self) -> None:
        """Take work until the worker closes its end."""
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._talk.say(["ready", WIRE, os.getpid(), __version__])
        while packet := self._next():
            header, _ = unpack(packet)
            if header[0] == "spec":
                if header[3]:
                    self._batches.clear()
                    if self._signed_in is not None:
                        self._signed_in.forget()
                self._learn(header[1], header[2])
                continue
            self._taken.extend(header[1])
            while self._taken:
                self._attempt(self._taken.popleft())

    def _next(self) -> bytes:
        """The next packet; answers are sent before this process would have to wait for it."""
        try:
            return self._work.recv(1 << 20, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            self._talk.answer()
            if not self._page.bounded:
                return self._work.recv(1 << 20)
            # Somebody with a limit paid for it until now: nobody does for waiting.
            self._page.idle_ns = time.monotonic_ns()
            packet = self._work.recv(1 << 20)
            self._page.idle_ns = 0
            return packet

    # -- one attempt --------------------------------------------------------------------------------------

    def _attempt(self, header: Any) -> None:
        (number, attempt, fence, batch, source, frames, params, subdir, tag, fingerprint, more) = header
        began = time.perf_counter()
        try:
            self._current, self._fence, self._cancelled = number, fence, False
            self._waited_s = 0.0
            WORD.pack_into(self._now, CURRENT, number)
            known = self._of(batch)
            if is_asked():
                expect(next_[4] for next_ in islice(self._taken, _TOLD_AHEAD) if next_[3] == batch)
            task = Task(
                known.function,
                Asset(source, FrameRange(*frames) if frames else None),
                known.params if params is None else known.function.params_model.model_validate_json(params),
                f"{known.id}.{number & 0xFFFFFFFF}",
                attempt,
                fingerprint=fingerprint or "",
                subdir=subdir or "",
                tag=tag or "",
                logs=known.log,
                pool=self._pool_of(known, number, fence),
                spent=(lambda: self._talk.ask_spent(number, fence)) if known.counted else None,
                **known.shared,
                **(more or {}),
            )
            self._interruptible = True
            if self._signalled:
                self._obey()
            made = self._run(task, self._report, self._gate, self._is_cancelled, self._keep)
            self._interruptible = False
            self._end_if_forked()
            seconds = time.perf_counter() - began - self._waited_s
            if seconds >= LEARNT_FROM_S and not made.cached:
                made.work = what_it_was(task)
            self._talk.done(number, fence, seconds, made)
        except BaseException as error:  # noqa: BLE001 - everything that a body can raise becomes an answer
            self._end_if_forked()
            self._interruptible = False
            self._talk.answer()
            failure = as_error(error, self._name_of(batch))
            log = self._write_log(batch, number, attempt, error, failure)
            body = bounded({**failure.to_dict(), "log": log})
            self._talk.say(["fail", number, fence, time.perf_counter() - began - self._waited_s], body)
            if isinstance(error, SystemExit | MemoryError):
                # The interpreter may be in any state: a fresh slot is cheaper than a wrong result.
                os._exit(0)
        self._flush_prints(batch, number)

    def _of(self, batch: int) -> LoadedBatch:
        known = self._batches[batch]
        if isinstance(known, RushesError):
            raise known
        return known

    def _name_of(self, batch: int) -> str:
        known = self._batches.get(batch)
        return known.function.name if isinstance(known, LoadedBatch) else "the function"

    def _is_cancelled(self) -> bool:
        return self._cancelled

    def _learn(self, number: int, spec: dict[str, Any]) -> None:
        """Load a batch's function and options; a failure fails each of its invocations, not the slot."""
        # No invocation is number 0: should loading end this process, the worker knows that it did.
        WORD.pack_into(self._now, CURRENT, number << 32)
        try:
            known = learn(spec, self._home)
            rank = partial(rank_told, self._now, number, known.rank)
            self._batches[number] = replace(known, shared={**known.shared, "rank": rank})
            if self._signed_in is not None:
                self._signed_in.learn(spec)
        except BaseException as error:  # noqa: BLE001 - as in `_attempt`
            self._batches[number] = as_error(error, "the function")
        WORD.pack_into(self._now, CURRENT, 0)

    # -- what an attempt tells -----------------------------------------------------------------------------

    def _report(self, fraction: float, note: str) -> None:
        self._talk.progress(self._current, self._fence, fraction, note)

    def _keep(self, which: int, made: Made | None) -> None:
        """A function of a joint invocation has ended: what it made is the worker's, and a cancel is heard."""
        self._talk.kept(self._current, self._fence, which, made)
        self._interruptible = True
        if self._signalled:
            self._obey()

    def _end_if_forked(self) -> None:
        """A child that the body forked came back here: there must not be two of this slot."""
        if os.getpid() != self._pid:
            os._exit(0)

    def _gate(self, intent: dict[str, Any]) -> None:
        """Ask the worker to journal what is about to be published; it answers only the current lease."""
        self._end_if_forked()
        self._interruptible = False
        self._talk.ask_leave(self._current, self._fence, intent)

    # -- parts of its own ---------------------------------------------------------------------------------

    def _pool_of(self, known: LoadedBatch, number: int, fence: int) -> MappedParts | None:
        """The pool as an attempt sees it. The bodies of a joint invocation have threads, and no pool."""
        if isinstance(known.function, Joint):
            return None
        invocation = f"{known.id}.{number & 0xFFFFFFFF}"
        return MappedParts(
            invocation, number, fence, self._keep_root, self._talk.say, self._undisturbed, self._wait_for
        )

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """A cancel is obeyed before or after, not within."""
        self._interruptible = False
        try:
            yield
        finally:
            self._interruptible = True
            if self._signalled:
                self._obey()

    def _wait_for(self, number: int, fence: int, batches: list[str]) -> None:
        """Lend this slot until batches that the body mapped have ended, and its cores are free."""
        began = time.perf_counter()
        self._interruptible = False
        self._end_if_forked()
        self._give_back()
        self._talk.last_progress()
        self._talk.say(["waits", number, fence, batches])
        try:
            while not self._talk.may_go_on(number, fence):
                self._interruptible = True
                if self._signalled:
                    self._obey()
                self._talk.heard(0.5)
                self._interruptible = False
                self._talk.take_in()
        finally:
            self._waited_s += time.perf_counter() - began
        self._interruptible = True
        if self._signalled:
            self._obey()

    # -- what the worker wants ------------------------------------------------------------------------------

    def _on_term(self, _signal: int, _frame: Any) -> None:
        self._signalled = True
        if self._interruptible:
            self._obey()

    def _obey(self) -> None:
        """Do what the worker wants at once. Only while a body runs: so nothing of this loop is torn."""
        self._interruptible = False
        cancel = False
        while self._signalled:
            self._signalled = False
            back, wanted = self._talk.orders(self._current)
            cancel = cancel or wanted
            if back:
                self._give_back()
        if cancel:
            self._cancelled = True
            raise Cancelled
        self._interruptible = True

    def _give_back(self) -> None:
        """The body turned out to be long: what is behind it is somebody else's."""
        self._talk.answer()
        back = [header[0] for header in self._taken]
        self._taken.clear()
        self._talk.say(["back", back])

    # -- logs -------------------------------------------------------------------------------------------

    def _write_log(
        self, batch: int, number: int, attempt: int, error: BaseException, failure: RushesError
    ) -> str | None:
        known = self._batches.get(batch)
        if not isinstance(known, LoadedBatch) or isinstance(error, Cancelled):
            return None
        return write_failure(known.log / f"{number & 0xFFFFFFFF}.log", attempt, error, failure)

    def _flush_prints(self, batch: int, number: int) -> None:
        known = self._batches.get(batch)
        folder = known.log if isinstance(known, LoadedBatch) else None
        if not take_prints(folder, f"{number & 0xFFFFFFFF}.log"):
            # The body closed what it was given; what is opened next would take its place.
            self._talk.answer()
            os._exit(0)


def search_path(theirs: Sequence[str], own: Sequence[str]) -> list[str]:
    """Where a slot looks for modules: as its submitter does, in that order, and then where it would itself.

    A submitter has the folder of a project last: a ``random.py`` there is not that of the library.
    """
    return [*theirs, *(entry for entry in own if entry not in theirs)]


def main() -> None:
    """The process: ``python -m rushes.runtime.slots.slot WORK_FD TALK_FD NOW_FD PID HOME [prepared]``."""
    work, talk, now, parent = (int(a) for a in sys.argv[1:5])
    die_with(parent)
    adopt_orphans()
    faulthandler.enable()
    sys.path[:] = search_path(json.loads(os.environ.pop("RUSHES_SYS_PATH", "[]")), sys.path)
    os.environ["RUSHES_HOME"] = sys.argv[5]  # parts of its work go to the worker that it belongs to
    slot = SlotLoop(
        socket.socket(fileno=work),
        socket.socket(fileno=talk),
        Path(sys.argv[5]),
        mmap.mmap(now, mmap.PAGESIZE),
    )
    if sys.argv[6:] == ["prepared"]:
        from rushes.runtime.slots.preparing import prepare  # noqa: PLC0415 - what it loads is loaded for it alone

        prepare()
    slot.run()


if __name__ == "__main__":
    main()
