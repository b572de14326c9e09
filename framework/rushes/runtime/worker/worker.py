"""The worker: one process a user and machine that owns the journal and the slots; terminals are its clients.

One thread, one loop: wait for sockets, take in what they say, let the dispatcher decide, commit once, send.
This module must not know SQL, verbs or scheduling rules; it knows sockets and turns.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rushes.core.classes import DEFAULT_CLASSES
from rushes.core.policy import SchedulerSettings
from rushes.core.scheduler import Scheduler
from rushes.core.sinks import Sink
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.tariff import LOOK_S
from rushes.core.tiers import Purchase
from rushes.errors import PlatformError
from rushes.runtime.configuration.capacity_file import CapacityFile
from rushes.runtime.configuration.class_file import ClassFile
from rushes.runtime.configuration.machine import capacity_of
from rushes.runtime.configuration.settings import Settings
from rushes.runtime.dispatch.budgeting import Budgeting
from rushes.runtime.dispatch.dispatcher import Dispatcher
from rushes.runtime.records.ports import Journal
from rushes.runtime.scaling.elastic import Elastic
from rushes.runtime.sending.estimating import Before
from rushes.runtime.slots.orphans import adopt_orphans
from rushes.runtime.slots.processes import SlotProcess
from rushes.runtime.telling.outlet import Outlet
from rushes.runtime.wire import Stream
from rushes.runtime.worker.following import GATHER_S, Following
from rushes.runtime.worker.lent_turns import LentTurns
from rushes.runtime.worker.listening import listen
from rushes.runtime.worker.verbs import ClientState, Verbs

__all__ = ["Worker"]

ORPHAN_S: Final = 60.0
"""How long a batch waits for a submitter that has gone before it is taken to be complete as it is."""
TICK_S: Final = 0.5
# A slot is given up to 256 very short invocations, some 4 ms of work: as long as a commit can take.
POOL: Final = SchedulerSettings(lease_window=2048, micro_batch_max=256)
WAITING_BYTES: Final = 256 * 1024 * 1024
"""Of the pool's memory, for each attempt that may wait for parts of its own: a process with its imports."""


class Worker:
    """The loop. `journal` is open; `settings` say where the socket goes and how large the pool is.

    `sinks` are told of state changes; `capacity_file` says how the pool grows and shrinks, `class_file` which
    priority classes there are; `price` is that of the machine, None: nothing costs anything; `learnt` is what
    runs of functions took before.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        sinks: Sequence[Sink] = (),
        capacity_file: CapacityFile | None = None,
        class_file: ClassFile | None = None,
        *,
        price: MachinePrice | None = None,
        learnt: Mapping[str, Before] | None = None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._selector = selectors.DefaultSelector()
        capacity = capacity_of(settings)
        waiting = min(max(settings.memory_bytes // WAITING_BYTES, 2), 64)
        budgeting = Budgeting(journal, price, time.time())
        pool_settings = replace(POOL, waiting_limit=waiting)
        classes = DEFAULT_CLASSES if class_file is None else class_file.read()
        scheduler = Scheduler(capacity, classes, pool_settings, purse=budgeting.purse)
        self._dispatcher = Dispatcher(
            scheduler,
            journal,
            settings.home,
            capacity,
            price=price,
            budgeting=budgeting,
            watch=self._watch,
            unwatch=self._unwatch,
            class_file=class_file,
        )
        self._pool = self._dispatcher.pool
        self._pool.learnt = learnt or {}
        if sinks:
            self._pool.outlet = Outlet(journal, sinks, self._watch_outlet, self._unwatch_outlet)
        self._following = Following(self._pool)
        purchase = Purchase.owned if price is None else price.tier.purchase
        self._elastic = Elastic(self._pool, settings.tier, capacity_file, purchase)
        self._verbs = Verbs(self._dispatcher, self._following, settings, self._elastic)
        self._lent_turns = LentTurns(self._pool)
        self._clients: dict[int, ClientState] = {}
        self._next_client = 0
        self._busy_at = time.time()
        self._listener: socket.socket | None = None

    def run(self) -> None:
        """Serve until told to stop, or until nothing has happened for the idle time."""
        adopt_orphans()
        self._journal.begin()
        self._dispatcher.recover()
        self._journal.commit()
        self._listen()
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            while not self._verbs.stopping:
                self._turn()
            self._close_books()
        finally:
            if self._listener is not None:
                self._settings.socket.unlink(missing_ok=True)
                self._listener.close()
            self._dispatcher.watch.stop()
            self._dispatcher.guarding.close()
            if self._pool.outlet is not None:
                self._pool.outlet.close()
            self._journal.close()

    def _close_books(self) -> None:
        """What still runs is cut off, and its cost is written; only after turns that ended well."""
        if self._pool.meter is None:
            return
        self._pool.now = time.time()
        try:
            self._pool.meter.close()
            self._journal.commit()
        except PlatformError as error:  # a full disk: the next worker goes by what was written last
            sys.stderr.write(f"rushes worker: {error}\n")

    def _on_signal(self, _signal: int, _frame: Any) -> None:
        self._verbs.stopping = True

    # -- the loop -----------------------------------------------------------------------------------------

    def _turn(self) -> None:
        ready = self._selector.select(self._patience())
        now = time.time()
        self._pool.tell_time(now, time.monotonic_ns())
        self._journal.begin(lent=self._lent_turns.begins())
        try:
            self._dispatcher.guarding.look()
            for key, mask in ready:
                self._take_in(key.data, mask)
            self._dispatcher.watch.tick()
            self._dispatcher.spares.tick()
            self._elastic.tick()
            self._dispatcher.classes.tick()
            self._seal_orphans(now)
            self._dispatcher.close_turn()
            self._journal.commit(lent=self._lent_turns.ends())
        except PlatformError as error:
            if error.code != "journal-full":
                raise
            self._wait_for_space(error)
        self._dispatcher.push()
        self._following.answer()
        for client in list(self._clients.values()):
            self._send(client)
        self._rest(now)

    def _take_in(self, who: Any, mask: int) -> None:
        if isinstance(who, SlotProcess):
            if who.number in self._pool.slots:
                self._dispatcher.hearing.hear(who)
            else:
                self._dispatcher.spares.hear(who)
        elif isinstance(who, ClientState):
            if mask & selectors.EVENT_READ and who.number in self._clients:
                self._serve(who)
        elif isinstance(who, Outlet):
            who.hear(self._pool.now)
        else:
            self._accept()

    def _patience(self) -> float:
        """How long the loop may wait for a socket."""
        pool = self._pool
        if pool.after_commit or any(b.stopping and b.unfinished for b in pool.batches.values()):
            return 0.02
        # A slot whose socket is full has no event of its own here; it drains within a millisecond or two.
        if any(slot.waits for slot in pool.slots.values()):
            return 0.002
        # Somebody may wait behind a long one: the scheduler looks at the clock on a tick.
        if any(len(slot.given) > 1 for slot in pool.slots.values()):
            return 0.05
        # What is spent is looked at well before it can have been too much.
        tick_s = LOOK_S if pool.scheduler.purse.open else TICK_S
        return GATHER_S if self._following.impatient else tick_s

    def _wait_for_space(self, error: PlatformError) -> None:
        """The disk is full to the last byte: keep the turn, and try until it is written."""
        sys.stderr.write(f"rushes worker: {error}\n")
        sys.stderr.flush()
        while not self._verbs.stopping:
            time.sleep(1.0)
            try:
                self._journal.commit()
            except PlatformError:
                continue
            return

    def _rest(self, now: float) -> None:
        """Leave when drained, or when nobody has wanted anything for the idle time."""
        # Who waits for parts that start no more would wait for ever: it begins again, on the next worker.
        at_work = any(not run.waits_since for run in self._pool.running.values())
        if self._pool.draining and not at_work:
            self._verbs.stopping = True
        telling = self._pool.outlet is not None and self._pool.outlet.busy(now)
        if self._clients or not self._dispatcher.idle or telling:
            self._busy_at = now
        elif now - self._busy_at > self._settings.idle_s:
            self._verbs.stopping = True

    def _seal_orphans(self, now: float) -> None:
        """A batch whose submitter is gone for good is complete as it is."""
        for state in self._pool.batches.values():
            if state.orphaned is not None and not state.sealed and now - state.orphaned > ORPHAN_S:
                state.sealed = state.dirty = True

    # -- sockets ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener = listen(self._settings.socket)
        self._selector.register(self._listener, selectors.EVENT_READ, self._listener)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        uid = _peer(sock)
        if uid not in {os.getuid(), 0}:
            sock.close()
            return
        sock.setblocking(False)  # noqa: FBT003 - its only parameter
        self._next_client += 1
        client = ClientState(self._next_client, Stream(sock), uid)
        self._clients[client.number] = client
        self._selector.register(sock, selectors.EVENT_READ, client)

    def _watch(self, slot: SlotProcess) -> None:
        self._selector.register(slot.talk, selectors.EVENT_READ, slot)

    def _watch_outlet(self, outlet: Outlet, talk: socket.socket) -> None:
        self._selector.register(talk, selectors.EVENT_READ, outlet)

    def _unwatch_outlet(self, talk: socket.socket) -> None:
        self._selector.unregister(talk)

    def _unwatch(self, slot: SlotProcess) -> None:
        self._selector.unregister(slot.talk)

    def _serve(self, client: ClientState) -> None:
        alive = client.stream.read()
        frames = client.stream.frames()
        while (frame := self._next_frame(client, frames)) is not None:
            answer = self._verbs.answer(client, *frame)
            self._lent_turns.hear(frame[0])
            if answer is not None:
                self._answer_later(client, answer)
        if not alive or client.lost:
            self._drop(client)

    @staticmethod
    def _next_frame(client: ClientState, frames: Iterator[tuple[Any, bytes]]) -> tuple[Any, bytes] | None:
        """The next whole request; None too once a client speaks what is no frame of ours."""
        try:
            header, body = next(frames)
        except StopIteration:
            return None
        except (PlatformError, ValueError, RecursionError) as error:
            sys.stderr.write(f"rushes worker: a client was let go: {error}\n")
            sys.stderr.flush()
            client.lost = True
            return None
        if isinstance(header, dict):
            return header, body
        client.lost = True
        return None

    def _answer_later(self, client: ClientState, answer: dict[str, Any]) -> None:
        self._pool.after_commit.append(lambda: client.stream.queue(answer))

    def _drop(self, client: ClientState) -> None:
        self._selector.unregister(client.stream.sock)
        client.stream.sock.close()
        del self._clients[client.number]
        self._following.forget(client.stream)
        for number in client.batches:
            state = self._pool.batches.get(number)
            if state is not None and not state.sealed and state.client == client.number:
                state.orphaned = self._pool.now

    def _send(self, client: ClientState) -> None:
        more = client.stream.flush()
        if more != client.writing:
            client.writing = more
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if more else 0)
            self._selector.modify(client.stream.sock, events, client)


def _peer(sock: socket.socket) -> int:
    """The user at the other end of a Unix socket."""
    if hasattr(socket, "SO_PEERCRED"):
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", raw)[1])
    return os.getuid()  # elsewhere the folder's mode, 0700, is the check
