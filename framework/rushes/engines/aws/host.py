"""A host that takes work from shared queues: a machine of ECS, a workstation, anything with credentials.

It has one poller for each class, so an urgent message is heard however much other work is here; the work
itself goes to the machine's own pool, whose scheduler makes room for it. Of each class a little more is taken
than the pool has cores, so that clips are fetched while others run.

A notice is deleted once its invocation is claimed: a queue keeps a message back for twelve hours at most, the
ledger for as long as the host lives. What lapses, and what waits for its next try, is told of again by
`sweep`. On SIGTERM, or a notice that a spot host is taken back, everything is given back at once and loses no
try. This module must not know how the pool works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from rushes.core.retry import MOST_LAPSES
from rushes.errors import RushesError
from rushes.ledger import LONE
from rushes.notices import Message, Notice
from rushes.ports import Lapses
from rushes.runtime.claim_run import ClaimRunner
from rushes.runtime.pool_run import PoolRun
from rushes.storage.s3_uri import local_name, place_of

if TYPE_CHECKING:
    from rushes.batch import RunnableEngine
    from rushes.engines.aws.services import Services
    from rushes.ports import Ledger, Queue

__all__ = ["Host", "sweep"]

POLL_S: Final = 20.0
"""As long as SQS lets a request wait: an empty queue costs three requests a minute."""
SWEEP_S: Final = 60.0
"""Between two looks at what lapsed."""
AGAIN_S: Final = 600.0
"""After a sweep has told of something, nobody else does for so long. Its message may wait behind many others,
and one more each minute would make them more; none is lost but where its sender dies."""
GONE_S: Final = 600.0
"""A submitter that has added nothing for so long, and not said that it is done, is taken to be gone."""
REST_S: Final = 5.0
"""Between tries of a service that does not answer."""
T = TypeVar("T")


class Swept(Lapses, Protocol):
    """What a sweep asks of a ledger."""

    def spec(self, batch: str) -> Mapping[str, Any] | None:
        """What a batch was opened with."""
        ...

    def waiting(self, batch: str) -> Sequence[str]:
        """The invocations of a batch that wait."""
        ...

    def seal(self, batch: str) -> None:
        """Nothing more is added."""
        ...


def sweep(ledger: Swept, queues: Mapping[str, Queue], now: float) -> int:
    """Tell of what lapsed and of waits that are over; gives how much. Several may do so at the same time.

    Args:
        ledger: knows what lapsed.
        queues: by class, or by ``<function>/<class>`` where a function has queues of its own.
        now: UTC epoch seconds.
    """
    told = sum(_completed(ledger, queues, batch) for batch in ledger.abandoned(now - GONE_S))
    for batch in (*ledger.unfinished(), LONE):
        # What goes to queues that are not known here is left to somebody who knows them.
        for one in ledger.lapsed(
            batch, now, now + AGAIN_S, lambda it: _queue_of(queues, it.title, it.priority) is not None
        ):
            told += _tell(queues, one.title, [Notice(one.invocation, one.priority, one.show)])
    return told


def _completed(ledger: Swept, queues: Mapping[str, Queue], batch: str) -> int:
    """Take a batch to be complete as it is: its submitter died, maybe before it told of what it had added."""
    spec = ledger.spec(batch) or {}
    priority, show = str(spec.get("priority")), str(spec.get("show"))
    notices = [Notice(one, priority, show) for one in ledger.waiting(batch)]
    told = _tell(queues, str(spec.get("title") or ""), notices)
    ledger.seal(batch)
    return told


def _tell(queues: Mapping[str, Queue], title: str, notices: Sequence[Notice]) -> int:
    """Tell those who take work of a function and class; nobody, where this host knows no such queue."""
    if not notices:
        return 0
    queue = _queue_of(queues, title, notices[0].priority)
    if queue is None:
        return 0
    queue.send(notices)
    return len(notices)


def _queue_of(queues: Mapping[str, Queue], title: str, priority: str) -> Queue | None:
    return queues.get(f"{title}/{priority}") or queues.get(priority)


@dataclass(frozen=True, slots=True)
class _Class:
    """One class on this host: its queue, and who runs what comes of it."""

    name: str
    queue: Queue
    runner: ClaimRunner
    workers: ThreadPoolExecutor


class Host:
    """Works for shared queues until it is stopped.

    Args:
        services: the ledger, the store, the log.
        engine: this machine's own pool.
        queues: URL of the queue of each class.
        name: of this host.
        width: invocations of one class that are here at a time.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        services: Services,
        engine: RunnableEngine,
        queues: Mapping[str, str],
        *,
        name: str,
        width: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if services.ledger is None:
            raise _no_ledger()
        self._services = services
        self._ledger: Ledger = services.ledger
        self._width = width
        self._clock = clock
        self._stopping = threading.Event()
        self._classes = [
            _Class(
                priority,
                services.queue(url),
                ClaimRunner(
                    self._ledger,
                    services.store,
                    services.settings.scratch,
                    name,
                    lambda uri: local_name(place_of(uri).key),
                    clock=clock,
                    lease_s=services.settings.lease_s,
                    most_lapses=MOST_LAPSES,
                    run_here=PoolRun(engine, priority),
                    grant=services.grant,
                    price=services.price,
                    region=services.region,
                ),
                ThreadPoolExecutor(width, thread_name_prefix=priority),
            )
            for priority, url in queues.items()
        ]

    def run(self) -> None:
        """Work until `stop` is called; returns when everything that was here has ended or was given back."""
        pollers = [
            threading.Thread(target=self._poll, args=(one,), name=f"poll {one.name}") for one in self._classes
        ]
        for poller in pollers:
            poller.start()
        queues = {one.name: one.queue for one in self._classes}
        while not self._stopping.wait(SWEEP_S):
            self._try(lambda: sweep(self._ledger, queues, self._clock()))
        for poller in pollers:
            poller.join()
        for one in self._classes:
            one.workers.shutdown()

    def stop(self) -> None:
        """Give everything back and return: also from a signal handler."""
        self._stopping.set()
        for one in self._classes:
            one.runner.yield_back()

    def _poll(self, one: _Class) -> None:
        """Take messages of a class while there is room for them."""
        free = threading.Semaphore(self._width)
        while not self._stopping.is_set():
            if not free.acquire(timeout=1.0):
                continue
            found = self._try(lambda: one.queue.receive(1, POLL_S))
            if not found:
                free.release()
                continue
            begun: Future[None] = one.workers.submit(self._work, one, found[0])
            begun.add_done_callback(lambda _: free.release())

    def _work(self, one: _Class, message: Message) -> None:
        def work() -> None:
            after = one.runner.run(message.notice.invocation, claimed=lambda: one.queue.done([message]))
            state = after.state.value if after.state else "unknown"
            self._services.say(state, invocation=message.notice.invocation)
            if self._stopping.is_set() and after.again_s == 0.0:
                one.queue.send([message.notice])  # another host may have it at once
            elif after.again_s is None or after.again_s > 0:
                one.queue.done([message])  # the sweep tells of it in time

        self._try(work)

    def _try(self, act: Callable[[], T]) -> T | None:
        """Do something that may fail for a while; what it left undone comes again."""
        try:
            return act()
        except RushesError as error:
            self._services.say("waits", error=error.to_dict())
            self._stopping.wait(REST_S)
            return None


def _no_ledger() -> RushesError:
    from rushes.errors import CallerError  # noqa: PLC0415 - raised once

    return CallerError("a host has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table.")
