"""One class on a host: a poller of its queue, and threads that each work on one invocation.

Of each class as many are here as the host is wide, and of short work more, so that clips are fetched while
others run and a request carries many messages (`rushes.core.capacity.intake`): it is mostly waiting for
services, so twice as many are worked on. A notice is deleted once
its invocation is claimed: a queue keeps a message back for twelve hours at most, the ledger for as long as
the host lives. Ten are deleted in one request; one that comes again meanwhile does no harm. While the
host rests, nothing is taken, and what came all the same is sent back as if it had never been received: a
queue counts how often it gives a message, and sets it aside. Work of a function that this host has not is
sent back before it is claimed, for a while in which others look, and a taker to which nothing else comes asks
less often: hosts that have it are to find it there. This module must not know what is worked on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from rushes.core.capacity.intake import MOST, mean_after, wanted
from rushes.core.retry import HOST_CODES, SERVICE_CODES
from rushes.core.states import State
from rushes.errors import RushesError
from rushes.runtime.attempts.raised import as_error

if TYPE_CHECKING:
    from rushes.engines.aws.hosts.host import Protection
    from rushes.notices import Message, Notice
    from rushes.ports import Queue
    from rushes.runtime.shared.claims.run import After, ClaimRunner

__all__ = ["Fitness", "Taker"]

ROOM_S: Final = 1.0
"""Between two looks at what is to be deleted, while there is no room."""
LEFT_S: Final = 15
"""Seconds for which what this host could not use is kept from all: it would have it back at once,"""
LACKS_ROW: Final = 3
"""and once so many came one after another, it asks no sooner than after"""
LACKS_REST_S: Final = 5.0
SAID_AGAIN_S: Final = 600.0
"""Between two lines of the log that say the same of a queue."""
REST_S: Final = 5.0
"""Between tries of a service that does not answer."""
T = TypeVar("T")


class Fitness(Protocol):
    """What a taker asks its host, and tells it."""

    def most(self, group: str) -> float:
        """How many may be here at a time: 0 while the host rests."""
        ...

    def succeeded(self) -> None:
        """Work has succeeded here."""
        ...

    def heard(self, error: RushesError) -> None:
        """A service did not answer as it should."""
        ...


class _Well:
    """Of a host that nobody doubts."""

    def most(self, group: str) -> float:  # noqa: ARG002 - of all
        return inf

    def succeeded(self) -> None:
        return

    def heard(self, error: RushesError) -> None:  # noqa: ARG002 - nor is this one doubted for it
        return


class Taker:
    """Takes messages of one queue and works on them.

    Args:
        key: its class, or ``<group>/<class>``.
        queue: where they come from.
        runner: works on one.
        width: at a time.
        poll_s: how long a request to an empty queue waits.
        protection: held before the first is begun.
        say: writes a line of the log.
        lower: sends a notice on to the class below, and says why; "" where it stays.
        is_over: whether what a notice tells of has ended; asked of what this host cannot work on.
        fitness: of the host.
        clock: seconds, on any clock.
    """

    def __init__(
        self,
        key: str,
        queue: Queue,
        runner: ClaimRunner,
        width: int,
        *,
        poll_s: float,
        protection: Protection,
        say: Callable[..., None],
        lower: Callable[[Notice], str] = lambda _: "",
        is_over: Callable[[Notice], bool] = lambda _: False,
        fitness: Fitness | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key = key
        self.queue = queue
        self.drained = False
        """It takes no more."""
        self._runner = runner
        self._width = width
        self._poll_s = poll_s
        self._protection = protection
        self._say = say
        self._lower = lower
        self._is_over = is_over
        self._fitness = fitness or _Well()
        self._group = key.rpartition("/")[0]
        self._clock = clock
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._here = 0
        self._mean_s: float | None = None
        self._done = (0, 0.0)
        self._finished: list[Message] = []
        self._lacked = 0
        """Messages in a row of functions that this host has not."""
        self._said_at: dict[str, float] = {}
        """Of what was waited for, when that was said last."""
        # More than the width are here only while they are short.
        self._workers = ThreadPoolExecutor(2 * width, thread_name_prefix=key)
        self._poller = threading.Thread(target=self._poll, name=f"poll {key}")

    @property
    def here(self) -> int:
        """Invocations that are here."""
        return self._here

    def start(self) -> None:
        """Begin to take messages."""
        self._poller.start()

    def stop(self) -> None:
        """Take no more, and give back what runs; returns at once. Also from a signal handler."""
        self._stopping.set()
        self._runner.yield_back()

    def join(self) -> None:
        """Return when nothing is here any more."""
        self._poller.join()
        self._workers.shutdown()
        self._flush()

    def take_done(self) -> tuple[int, float]:
        """How many were worked on since this was asked last, and for how many seconds."""
        with self._changed:
            done, self._done = self._done, (0, 0.0)
            return done

    def put_back(self, done: tuple[int, float]) -> None:
        """What was taken was told to nobody."""
        with self._changed:
            self._done = self._done[0] + done[0], self._done[1] + done[1]

    # -- taking --------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._try(self._poll_once)

    def _poll_once(self) -> None:
        if self._lacked >= LACKS_ROW:
            self._lacked = 0
            self._flush()
            self._stopping.wait(LACKS_REST_S)
            return
        count = self._room()
        if not count:
            self._flush()
            return
        if self._finished and not self._here:
            self._flush()  # the next message may be long in coming
        found = self.queue.receive(count, self._poll_s)
        if found and self._stopping.is_set():
            self.queue.extend(found, 0)  # another host may have them at once
        elif found:
            self._take(found)

    def _room(self) -> int:
        """How many to ask for; waits a moment for room where there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping.is_set() or self._wanted(), ROOM_S)
            return 0 if self._stopping.is_set() else self._wanted()

    def _wanted(self) -> int:
        count = 0 if self.drained else wanted(self._here, self._width, self._mean_s)
        most = self._fitness.most(self._group)
        return count if most >= count + self._here else max(int(most) - self._here, 0)

    def _take(self, found: Any) -> None:
        with self._changed:
            self._here += len(found)
        self._protection.hold()
        for message in found:
            self._workers.submit(self._work, message)

    # -- working -------------------------------------------------------------------------------------------

    def _work(self, message: Message) -> None:
        began = self._clock()
        try:
            self._try(lambda: self._run(message))
        finally:
            seconds = self._clock() - began
            with self._changed:
                self._here -= 1
                self._mean_s = mean_after(self._mean_s, seconds)
                self._done = self._done[0] + 1, self._done[1] + seconds
                self._changed.notify()

    def _run(self, message: Message) -> None:
        if self._stopping.is_set():
            self.queue.extend([message], 0)
            return
        if not self._fitness.most(self._group):
            self._send_back(message)
            return
        claimed: list[Message] = []

        def claim() -> None:
            claimed.append(message)
            self._delete(message)

        try:
            if why := self._lower(message.notice):
                self._say("lowered", invocation=message.notice.invocation, reason=why)
                self._delete(message)
                return
            after = self._runner.run(message.notice.invocation, claimed=claim)
        except RushesError as error:
            # A queue counts how often it gives a message: in an hour without a ledger all would be set aside.
            if error.code in SERVICE_CODES | HOST_CODES and not claimed:
                self._send_back(message, delay_s=LEFT_S)
            raise
        if after.lacks:
            self._lacked += 1
            if self._is_over(message.notice):
                self._delete(message)  # nobody else would say so while nobody else has the function
            else:
                self._send_back(message, delay_s=LEFT_S)
            return
        self._lacked = 0
        self._follow(message, after, known=bool(claimed))

    def _follow(self, message: Message, after: After, *, known: bool) -> None:
        """What becomes of a message that was worked on; `known`: it is deleted already, or will be."""
        state = after.state.value if after.state else "unknown"
        if after.unpriced:
            self._say("unpriced", missing=after.unpriced)
        cost = {"cost_usd": after.cost_nano / 1e9} if after.cost_nano else {}
        self._say(state, invocation=message.notice.invocation, **cost)
        if after.state is State.succeeded:
            self._fitness.succeeded()
        if after.unfit or (self._stopping.is_set() and after.again_s == 0.0):
            self._send_back(message, known=known)  # another host may have it at once
        elif not known:
            self._delete(message)  # it is done with, or the sweep tells of it in time

    def _send_back(self, message: Message, *, known: bool = False, delay_s: int = 0) -> None:
        """Let another have it, as it was; `known`: what came is deleted already, or will be."""
        self.queue.send([message.notice], delay_s=delay_s)
        if not known:
            self._delete(message)

    def _delete(self, message: Message) -> None:
        with self._changed:
            self._finished.append(message)
            many = len(self._finished) >= MOST
        if many:
            self._flush()

    def _flush(self) -> None:
        with self._changed:
            finished, self._finished = self._finished, []
        if finished:
            self._try(lambda: self.queue.done(finished))

    def _try(self, act: Callable[[], T]) -> T | None:
        """Do something that may fail for a while; what it left undone comes again."""
        try:
            return act()
        except RushesError as error:
            self._say_waits(error)
            self._fitness.heard(error)
        except Exception as error:  # noqa: BLE001 - a poller that ends leaves its class unheard, and says nothing
            self._say("fault", error=as_error(error, f"the taker {self.key}").to_dict())
        self._stopping.wait(REST_S)
        return None

    def _say_waits(self, error: RushesError) -> None:
        """Once, and again each ten minutes: a queue that has gone would fill a log with one line."""
        now, what = self._clock(), f"{error.code} {error.message.partition(':')[0]}"
        with self._changed:
            if now - self._said_at.get(what, -inf) < SAID_AGAIN_S:
                return
            self._said_at = {one: at for one, at in self._said_at.items() if now - at < SAID_AGAIN_S}
            self._said_at[what] = now
        self._say("waits", queue=self.key, error=error.to_dict())
