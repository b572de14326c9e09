"""The scheduler of a pool: `handle(event, now) -> commands`. No clock, no I/O, no randomness.

The simulator, the embedded worker and every other worker run this same object. What it promises:

**Order.** The best class goes first. Work that has waited past its class's ageing bound competes one rank
higher, unless its queue is served meanwhile: a flood does not age past its peers. Within a rank, shows share
by weighted virtual time (start-time fair queueing, Goyal, Vin and Cheng 1996): a show is charged the expected
cpu-seconds of what it starts, divided by its weight, and the difference to what it really took when that is
known; the show with the least charge goes next. One that comes back goes first for what it left to others,
`burst_s` seconds of the whole pool at most: so the bursts of some wait for little more than a free core while
another floods the pool. Within a show, `order` decides (the earliest deadline), then `id`.

**Packing.** Needs are vectors. A pass looks at waiting work in order. What fits, starts. What does not fit
yet *claims* its need: the dimensions that it lacks entirely, of the others as much as it will take. Later
work may only use what nobody before it claims. So nothing big starves, no lower class delays a higher one,
and what the one in front cannot use still works. Within one class and show what fits goes before what does
not, for the ageing bound at most (`overtaking`).

**Slots.** A slot is warm for one environment and holds no resources while it is idle. One is opened when
work fits and only a slot is missing; work that waits for a slot that is opening keeps its claim. An
environment whose slots die before they are ready rests for a while and claims nothing meanwhile.

**Micro-batches.** A slot is given as many short invocations of one lane at once as are expected to take
`micro_batch_s`, and more when half of them are done, if that lane is still next in order: so it never runs
dry, and a better ask waits for at most one such backlog. When the first of a backlog runs far longer than
expected, those behind it are recalled: a long invocation never holds others back.

**Parts.** An attempt may wait for invocations of its own. Meanwhile others have its cores and devices, it
keeps its memory, and its slot counts towards no limit, so that its parts run even where every slot waits.
When they have ended it goes on as soon as its cores are free, before all work of its class that has not
begun. How many may wait is bounded (`yielding`); memory that only waiting attempts hold stops nobody for ever
(`Room.beyond`).

**Displacement.** Where work of a class that may displace does not fit, running work of lower classes stands
aside for it (`displacement` says who): paused, which frees cores and counts towards no limit of slots, or
given back, which frees everything once it has ended. What is near its end is awaited instead, within a bound:
its place is promised (`awaiting`), and the claim of the urgent work keeps it from everything lower. What is
paused goes on before all of its class that has not begun. The class of running work is stamped when it
starts; only `Restamped`, a person's word, changes it. `swarm` adds up what each swarm cost the others.

**Size.** A pool may grow and shrink (`Resized`). What it has more starts waiting work at once. What it has
less stops nothing: what runs beyond goes on to its end, nothing follows it, and no slot gets more of its
lane until all that runs fits again. Idle slots beyond the limit are closed. Needs are clamped to the size of
the moment.

**Money.** Where a payer has a limit, what is about to start has its price set aside first (`purse`). What
cannot be paid for stands in no line and claims nothing; it waits while money that is reserved may come back,
and is held when only a person or the next hour can help. What runs into its reservation is given more or is
paused where it stands, and goes on before anything new is paid for. `bounds` says how long what runs may go
on if this scheduler is not heard of again; whoever stops it then says so (`Halted`).

**Memory.** A window of asks for each queue is in hand; all others are a number outside.

**Robustness.** Slots die at any time, so an event that is late, repeated, or about an unknown id or slot
changes nothing. `Leased` is trusted: asks that are not in hand are taken in, asked for or not.

Where it lives: order and lanes in `ordering`, classes in `ranks`, what waits in `waiting`, when more of it is
taken from outside in `leasing`, vectors in `packing`, slots in `slots` and what they report in
`slot_reports`, the pass in `assignment`, what a slot is given in `handover`, run times in `expected`, held
work in `dependencies`, who waits for parts in `yielding` and what they lend in `lending`, who stands aside in
`standing`, who may spend what in `purse`, money for what has begun in `payments`; `why` and `pool` are
answered by `explanation`. Scaling stands beside them and is not consulted here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from rushes.core.assignment import Assignment
from rushes.core.commands import Command
from rushes.core.dependencies import Dependencies
from rushes.core.events import (
    AttemptFinished,
    Barred,
    Budgeted,
    Capacity,
    ClassPolicy,
    Costed,
    Deferred,
    Event,
    Halted,
    InvocationEnded,
    Lacks,
    Leased,
    Paused,
    Queued,
    Reached,
    Reclassed,
    Resized,
    Restamped,
    Returned,
    SlotLost,
    SlotReady,
    Tick,
    Waits,
    Withdrawn,
    Woken,
)
from rushes.core.explanation import PoolView, explain, snapshot, why_paused
from rushes.core.holding import note
from rushes.core.limits import queue_limit
from rushes.core.ordering import PoolQueue
from rushes.core.packing import Room
from rushes.core.policy import DEFAULT_CLASSES, SchedulerSettings
from rushes.core.purse import Purse
from rushes.core.slot_reports import SlotReports
from rushes.core.slots import Slots
from rushes.core.swarm import Swarms
from rushes.core.waiting import Waiting

__all__ = ["DEFAULT_CLASSES", "Scheduler", "SchedulerSettings"]


class Scheduler:
    """Decides what runs where on one pool.

    Args:
        capacity: what the pool has.
        classes: the priority classes; a queue of an unknown class goes with the last of them.
        settings: what may be assumed of the pool.
        purse: who may spend what; None where nothing costs anything.
    """

    def __init__(
        self,
        capacity: Capacity,
        classes: Sequence[ClassPolicy] = DEFAULT_CLASSES,
        settings: SchedulerSettings = SchedulerSettings(),  # noqa: B008 - frozen
        purse: Purse | None = None,
    ) -> None:
        self._purse = purse or Purse()
        self._settings = settings
        self._room = Room(capacity)
        self._waiting = Waiting(classes, self._room, settings.lease_window, settings.burst_s)
        self._slots = Slots(_slot_limit(capacity, settings), settings)
        self._assignment = Assignment(self._room, self._waiting, self._slots, settings, self._purse)
        self._handover = self._assignment.handover
        self._held = Dependencies()
        self._paused = False
        self._reports = reports = SlotReports(self._assignment, settings, self._assign)
        self._on: dict[type[Any], Callable[[Any, float, list[Command]], None]] = {
            AttemptFinished: reports.finished,
            Leased: self._leased,
            Queued: self._queued,
            SlotReady: reports.slot_ready,
            SlotLost: reports.slot_lost,
            Returned: reports.returned,
            Halted: reports.halted,
            Waits: reports.waits,
            Woken: reports.woken,
            Reached: reports.reached,
            Lacks: reports.lacks,
            Withdrawn: self._withdrawn,
            Restamped: self._restamped,
            Reclassed: self._reclassed,
            Barred: self._barred,
            Deferred: self._deferred,
            InvocationEnded: self._ended,
            Budgeted: self._budgeted,
            Costed: self._costed,
            Paused: self._pause,
            Resized: self._resized,
            Tick: self._tick,
        }

    def handle(self, event: Event, now: float) -> list[Command]:
        """What to do about `event`, in this order. Never raises for an event that makes no sense."""
        out: list[Command] = []
        self._on[type(event)](event, now, out)
        return out

    def explain(self, id: int, now: float) -> str:  # noqa: A002 - named as everywhere
        """One line on where an invocation stands and what it waits for, for `rushes why`."""
        return explain(self._assignment, self._held, id, now, paused=self._paused)

    def why_paused(self, slot: int) -> str:
        """In a few words, why what a slot runs stands still; "" where it does not."""
        found = self._slots.by_number.get(slot)
        return "" if found is None else why_paused(self._assignment, found)

    def waiters(self, id: int) -> tuple[int, ...]:  # noqa: A002 - as above
        """Those that are held until this one has ended."""
        return self._held.waiters(id)

    @property
    def classes(self) -> tuple[ClassPolicy, ...]:
        """The priority classes as they are now, the best first."""
        return self._waiting.ranks.classes

    @property
    def swarms(self) -> Swarms:
        """Who stood aside for whom; reports are read from it, and nothing is written to it."""
        return self._assignment.standing.swarms

    @property
    def purse(self) -> Purse:
        """Who may spend what; it is read from, and nothing is written to it."""
        return self._purse

    @property
    def taken(self) -> Capacity:
        """How much of the pool is in use."""
        return self._room.taken

    def expected_s(self, function: str) -> float | None:
        """How long one run of a function is expected to take; None where it never finished one."""
        return self._assignment.expected.seconds(function)

    def believe(self, function: str, seconds: float) -> None:
        """How long one run of a function took before, as long as none has ended here."""
        self._assignment.expected.believe(function, seconds)

    def bounds(self) -> dict[int, float]:
        """By slot, when what it runs is to be stopped where it stands if nothing is heard from here before.

        UTC epoch seconds; only of slots whose work is paid for by somebody with a limit. `Halted` says so.
        """
        return self._assignment.payments.bounds() if self._purse.open else {}

    def snapshot(self) -> PoolView:
        """The pool as it is, for `rushes pool`; a copy that nothing changes later."""
        return snapshot(self._assignment, held=len(self._held), paused=self._paused)

    # -- work comes and goes ---------------------------------------------------------------------------

    def _queued(self, event: Queued, _now: float, out: list[Command]) -> None:
        queue = self._waiting.queue(event.queue)
        queue.outside += max(event.count, 0)
        queue.news += max(event.count, 0)
        queue.stale = queue.looked = False
        self._lease(queue, out)

    def _leased(self, event: Leased, now: float, out: list[Command]) -> None:
        queue = self._waiting.queue(event.queue)
        queue.leasing = False
        # Whether `remaining` was counted before or after what came meanwhile cannot be known. Too many only
        # costs an empty lease; too few would leave work outside.
        queue.outside = max(event.remaining, queue.news)
        queue.stale = False
        if queue.looking:
            queue.looking = False
            queue.looked = not event.asks and not queue.news
        elif not event.asks and not queue.news:
            self._waiting.answered_empty(queue)
        queue.news = 0
        self._waiting.receive(queue, event.asks, now)
        self._assign(now, out)
        self._lease(queue, out)

    def _withdrawn(self, event: Withdrawn, now: float, out: list[Command]) -> None:
        for id_ in event.ids:
            self._held.forget(id_)
            self._assignment.standing.left(id_, now, ended=True)
        given = frozenset(self._waiting.withdraw(event.ids))
        if given:
            for slot in (*self._slots, *self._slots.lost.values()):
                self._reports.take_from(slot, given, now, back=False)
            self._reports.settle_unstarted(given, now)
        self._assign(now, out)
        self._lease_all(out)

    def _restamped(self, event: Restamped, now: float, out: list[Command]) -> None:
        policy = self._waiting.policy(event.queue)
        level = self._waiting.queue(event.queue).level
        for slot in self._slots:
            if slot.lane is not None and slot.lane.shape.batch == event.batch:
                self._assignment.standing.restamp(slot, event.queue, policy, level)
                if self._waiting.shares.any:
                    note(self._waiting, slot)
        self._assign(now, out)

    def _reclassed(self, event: Reclassed, now: float, out: list[Command]) -> None:
        if not event.classes:
            return
        self._handover.reclass(event.classes)
        self._waiting.age(now)
        self._assign(now, out)
        self._lease_all(out)

    def _barred(self, event: Barred, now: float, out: list[Command]) -> None:
        if self._waiting.bar(event.queue, event.reason):
            self._waiting.unpark(queue_limit(event.queue))
            self._assign(now, out)
            self._lease_all(out)

    def _deferred(self, event: Deferred, _now: float, out: list[Command]) -> None:
        out += self._held.defer(event.id, event.after, cancel_on_failure=event.cancel_on_failure)

    def _ended(self, event: InvocationEnded, _now: float, out: list[Command]) -> None:
        out += self._held.ended(event.id, event.state)

    # -- money -----------------------------------------------------------------------------------------

    def _budgeted(self, event: Budgeted, now: float, out: list[Command]) -> None:
        self._purse.limit(event.scope, event.limits, event.spent, now)
        if self._purse.watches:
            self._assignment.payments.adopt(now, out)
        self._assign(now, out)
        self._lease_all(out)

    def _costed(self, event: Costed, now: float, _out: list[Command]) -> None:
        self._purse.costs(event.id, event.nano, now)

    # -- time ------------------------------------------------------------------------------------------

    def _pause(self, event: Paused, now: float, out: list[Command]) -> None:
        self._paused = event.paused
        self._assign(now, out)
        self._lease_all(out)

    def _resized(self, event: Resized, now: float, out: list[Command]) -> None:
        self._handover.resize(event.capacity)
        self._slots.limit = _slot_limit(event.capacity, self._settings)
        self._assign(now, out)
        self._lease_all(out)

    def _tick(self, _event: Tick, now: float, out: list[Command]) -> None:
        self._reports.recall_slow(now, out)
        if self._purse.watches:
            self._assignment.payments.watch(now, out)
            self._purse.passes(now)
        self._waiting.age(now)
        self._assign(now, out)
        self._slots.close_unused(now, out)
        for queue in self._waiting.unasked():
            self._lease(queue, out)
        if not self._paused:
            self._waiting.look_past(out)
        self._waiting.forget_idle()

    def _assign(self, now: float, out: list[Command]) -> None:
        self._assignment.run(now, out, paused=self._paused)
        self._slots.trim(out)

    def _lease(self, queue: PoolQueue, out: list[Command]) -> None:
        if not self._paused:
            self._waiting.leasing.lease(queue, out)

    def _lease_all(self, out: list[Command]) -> None:
        for queue in self._waiting.queues.values():
            self._lease(queue, out)


def _slot_limit(capacity: Capacity, settings: SchedulerSettings) -> int:
    limit = settings.slot_limit
    return max(ceil(capacity.cpu), 1) + 2 if limit is None else max(limit, 1)
