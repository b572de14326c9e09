"""Several bodies over one clip, in turns: one runs at a time, and they meet where they want tools.

Each body has a thread of its own, and they take turns by messages, so that an author's code runs as it does
alone. When all that have not ended wait for a tool, or read aside, the main thread runs what they want, as
one command where that can be: tools are started from there alone, because the kernel would take the end of
the thread that started them for ours. This module must not know tasks, outputs or what a tool is.

An exception in the main thread, such as the one that a cancel's signal raises, ends all bodies before it
goes on: those that wait get it for an answer, the one that runs gets it between two steps of its code.
"""

from __future__ import annotations

import contextvars
import ctypes
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from rushes.errors import Cancelled
from rushes.media.running.company import COMPANY

if TYPE_CHECKING:
    from rushes.media.running.process import ToolCall, ToolRun
    from rushes.media.running.shared_pass import Answer

__all__ = ["Body", "Gathering"]

T = TypeVar("T")
_LOOK_S: Final = 0.2
"""How often a thread that died without a word would be noticed."""
_PACE_S: Final = 0.05
_AHEAD_BYTES: Final = 512 * 1024 * 1024
"""How far a reading may be before the others': what is behind it is in memory still when they come to it."""

Said = Literal["call", "aside", "back", "here", "ended"]


class Body:
    """One body in its thread. Its methods but `answer` and `start` are called by that thread alone."""

    def __init__(self, work: Callable[[Body], None], gathering: Gathering) -> None:
        self._work = work
        self._gathering = gathering
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._pid = os.getpid()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.call: ToolCall | None = None
        """What it waits for."""
        self.errand: Callable[[], Any] | None = None
        """What it wants done in the main thread at once."""
        self.is_aside = False
        self.ended = False
        self.publishing = False
        """Nothing may interrupt it: what it has begun to make visible it finishes."""
        self.value: Any = None
        self.error: BaseException | None = None

    def start(self) -> None:
        self.thread.start()

    def answer(self, value: Any) -> None:
        """Let it go on with `value`, or raise it there when it is an exception."""
        self._answers.put(value)

    def interrupt(self, error: type[BaseException]) -> None:
        """Raise `error` between two steps of its code."""
        if self.thread.ident is not None and not self.publishing:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.thread.ident), ctypes.py_object(error)
            )

    def _run(self) -> None:
        try:
            context = contextvars.copy_context()
            context.run(COMPANY.set, self)
            context.run(self._work, self)
        except BaseException as error:  # noqa: BLE001 - whatever a body raises is its part's answer
            self.error = error
        if os.getpid() != self._pid:  # a child that the body forked came back here
            os._exit(0)
        self._gathering.say(self, "ended")

    # -- `rushes.media.running.company.Company` ------------------------------------------------------

    def run(self, call: ToolCall) -> ToolRun:
        self._gathering.check()
        self.call = call
        self._gathering.say(self, "call")
        found: ToolRun = self._wait()
        return found

    def aside(self, work: Callable[[], T]) -> T:
        self._gathering.check()
        if self.is_aside:
            return work()
        self.is_aside = True
        self._gathering.say(self, "aside")
        try:
            return work()
        finally:
            self.is_aside = False
            self._gathering.say(self, "back")
            self._wait()

    def here(self, work: Callable[[], T]) -> T:
        self._gathering.check()
        self.errand = work
        self._gathering.say(self, "here")
        found: T = self._wait()
        return found

    def keep_pace(self, done_bytes: int, total_bytes: int) -> None:
        while self._gathering.is_behind(done_bytes, total_bytes):
            self._gathering.stopping.wait(_PACE_S)
        self._gathering.check()

    def _wait(self) -> Any:
        value = self._answers.get()
        if isinstance(value, BaseException):
            raise value
        return value


class Gathering:
    """Some bodies, and the thread that gives them their turns.

    Args:
        run: runs what bodies want of tools, and gives an answer to each.
        ended: told of each body that has ended, in this thread, before another has its turn.
        fraction: how far the tools that run are, 0..1; None where that is not known.
    """

    def __init__(
        self,
        run: Callable[[Sequence[ToolCall]], list[Answer]],
        ended: Callable[[Body], None],
        fraction: Callable[[], float | None],
    ) -> None:
        self._run_calls = run
        self._ended = ended
        self._fraction = fraction
        self._heard: queue.SimpleQueue[tuple[Body, Said]] = queue.SimpleQueue()
        self._bodies: list[Body] = []
        self._ready: deque[Body] = deque()
        self._turn: Body | None = None
        self._running_tools = False
        self.stopping = threading.Event()

    def body(self, work: Callable[[Body], None]) -> Body:
        """A body of this gathering, which `run` starts; `work` leaves its value in the body."""
        return Body(work, self)

    def run(self, bodies: Sequence[Body]) -> None:
        """Give all of them their turns, until all have ended."""
        self._bodies = list(bodies)
        try:
            for body in self._bodies:
                self._turn = body
                body.start()
                self._until_it_waits(body)
            while not all(body.ended for body in self._bodies):
                if self._ready:
                    self._resume(self._ready.popleft(), None)
                elif waiting := [body for body in self._bodies if body.call is not None]:
                    self._serve(waiting)
                else:
                    self._hear()
        except BaseException:
            self._stop()
            raise

    def _serve(self, waiting: Sequence[Body]) -> None:
        """Run what the bodies wait for, then let each go on, one after the other."""
        self._running_tools = True
        try:
            answers = self._run_calls([body.call for body in waiting if body.call is not None])
        finally:
            self._running_tools = False
        for body, answer in zip(waiting, answers, strict=True):
            self._resume(body, answer)

    def _resume(self, body: Body, answer: Answer | None) -> None:
        self._turn = body
        body.call = None
        body.answer(answer)
        self._until_it_waits(body)

    def _until_it_waits(self, body: Body) -> None:
        """Hear until the body whose turn it is wants something, goes aside or ends."""
        while True:
            who, what = self._hear()
            if who is body and what not in ("back", "here"):
                self._turn = None
                return

    def _hear(self) -> tuple[Body, Said]:
        while True:
            try:
                who, what = self._heard.get(timeout=_LOOK_S)
            except queue.Empty:
                self._bury()
                continue
            if what == "here":
                who.answer(_done(who.errand))
            elif what == "back":
                self._ready.append(who)
            elif what == "ended":
                who.ended = True
                self._ended(who)
            return who, what

    def _bury(self) -> None:
        """A thread that was interrupted in its last step has said nothing."""
        dead = [
            body
            for body in self._bodies
            if not body.ended and body.thread.ident is not None and not body.thread.is_alive()
        ]
        if not self._heard.empty():
            return  # it may have said it, and died, since this one looked
        for body in dead:
            body.error = body.error or Cancelled()
            self.say(body, "ended")

    def _stop(self) -> None:
        """End every body, and wait until they have."""
        self.stopping.set()
        for body in self._bodies:
            if body.ended:
                continue
            body.answer(Cancelled())  # for the one whose turn it is: should it come to wait after all
            if body is self._turn:
                body.interrupt(Cancelled)
        for body in self._bodies:
            while body.thread.ident is not None and body.thread.is_alive():
                body.thread.join(_LOOK_S)

    # -- what bodies ask ----------------------------------------------------------------------------------

    def say(self, body: Body, what: Said) -> None:
        self._heard.put((body, what))

    def check(self) -> None:
        """Pass while nobody has stopped the pass.

        Raises:
            Cancelled: somebody has.
        """
        if self.stopping.is_set():
            raise Cancelled

    def is_behind(self, done_bytes: int, total_bytes: int) -> bool:
        """Whether the tools that run have far less of the clip read than `done_bytes`."""
        if not self._running_tools or self.stopping.is_set():
            return False
        fraction = self._fraction()
        return fraction is not None and done_bytes > fraction * total_bytes + _AHEAD_BYTES


def _done(errand: Callable[[], Any] | None) -> Any:
    """What an errand gives, or the exception that it raises, for the body that sent it."""
    try:
        return None if errand is None else errand()
    except Cancelled:
        raise  # a signal's: it is meant for all
    except Exception as error:  # noqa: BLE001 - it is raised again where it belongs
        return error
