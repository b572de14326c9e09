"""The virtual pool: it does what the scheduler commands, at once or after virtual time has passed.

It plays the queues outside, the slots, and the clock; nothing is decided here. A million invocations are a
few arrays: when each was submitted, started and ended. This module must not know what a policy is.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import repeat
from typing import Any, Final

from rushes.core.commands import (
    CloseSlot,
    Demote,
    Freed,
    GiveBack,
    Hold,
    Lease,
    OpenSlot,
    Pause,
    Promote,
    Recall,
    Release,
    Resume,
    Start,
)
from rushes.core.events import (
    AttemptFinished,
    Capacity,
    ClassPolicy,
    Event,
    Leased,
    Queued,
    Returned,
    Shape,
    SlotReady,
    Tick,
)
from rushes.core.ordering import order_of
from rushes.core.policy import DEFAULT_CLASSES, SchedulerSettings
from rushes.core.purse import Purse
from rushes.core.scheduler import Scheduler
from rushes.core.states import State
from rushes.simulator.load import Arrival, drawn, in_order, shape_of
from rushes.simulator.outside import Outside
from rushes.simulator.trace import Trace

__all__ = ["VirtualPool", "simulate"]

_NEVER: Final = -1.0
TICK_S: Final = 1.0


class _Slot:
    """One virtual slot."""

    __slots__ = ("backlog", "paused", "ran_s", "running", "since", "stint")

    def __init__(self) -> None:
        self.backlog: deque[int] = deque()
        self.running = False
        self.paused = False
        self.since = 0.0  # when the first of the backlog began, or went on
        self.ran_s = 0.0  # how long it had run before that
        # Counts what runs here, so that an end that was foreseen before a pause is known to be off.
        self.stint = 0


class VirtualPool:
    """One run of a load on a pool.

    Args:
        load: what arrives.
        capacity: what the pool has.
        classes, settings: the scheduler's.
        start_up_s: how long a slot takes until it is warm.
        seed: of the run times.
        purse: the money of the pool; None where nobody has a limit.
    """

    def __init__(
        self,
        load: Sequence[Arrival],
        capacity: Capacity,
        *,
        classes: Sequence[ClassPolicy] = DEFAULT_CLASSES,
        settings: SchedulerSettings = SchedulerSettings(),  # noqa: B008 - frozen
        start_up_s: float = 0.5,
        seed: int = 1,
        purse: Purse | None = None,
    ) -> None:
        self._load = in_order(load)
        self._seconds = drawn(self._load, seed)
        self._scheduler = Scheduler(capacity, classes, settings, purse)
        self._start_up_s = start_up_s
        self._now = 0.0
        self._agenda: list[tuple[float, int, Callable[[int, int], None], int, int]] = []
        self._serial = 0
        self._outside = Outside()
        self._slots: dict[int, _Slot] = {}
        self._answers: deque[Event] = deque()
        self._batch_of = array("l")
        self._shapes: list[Shape] = [shape_of(arrival) for arrival in self._load]
        # By the number of the batch: where it waits, which may change, and its first invocation.
        self._queues = [arrival.queue for arrival in self._load]
        self._firsts: list[int] = []
        self._cpus = self._cpus_within(capacity)
        self._left = len(self._seconds)
        self._under_way = 0
        submitted, started, ended = (array("d", repeat(_NEVER, self._left)) for _ in range(3))
        self.trace = Trace(self._load, submitted, started, ended, capacity, self._scheduler.swarms)
        self._displaced: set[int] = set()
        self._frees: dict[str, float | None] = {}
        # By the number of the batch: invocations that have not started, and that have not ended.
        self._waiting: dict[int, int] = {}
        self._under_way_of: dict[int, int] = {}
        self._act: dict[type[Any], Callable[[Any], None]] = {
            Lease: self._lease,
            OpenSlot: self._open,
            CloseSlot: self._close,
            Start: self._start,
            Pause: self._pause,
            Resume: self._resume,
            GiveBack: self._give_back,
            Recall: self._recall,
            Release: self._release,
            Hold: self._hold,
            Freed: self._freed,
            Demote: self._demote,
            Promote: self._promote,
        }

    def run(self) -> Trace:
        """Let time pass until all work has ended."""
        first = 0
        for number, arrival in enumerate(self._load):
            self._at(arrival.at, self._arrive, number, first)
            self._batch_of.extend(repeat(number, arrival.count))
            self._firsts.append(first)
            first += arrival.count
        agenda, tick = self._agenda, self._tick
        ticking = False
        while self._left and agenda:
            self._now, _, action, one, other = heappop(agenda)
            if action == tick:
                ticking = False
                if self._frees and self._stands_still():
                    break
            action(one, other)
            if not ticking and self._under_way:
                ticking = True
                self._at(self._now + TICK_S, tick)
        self.trace.until = max(self.trace.ended, default=0.0)
        return self.trace

    # -- what time brings ---------------------------------------------------------------------------------

    def _arrive(self, number: int, first: int) -> None:
        arrival = self._load[number]
        ids = range(first, first + arrival.count)
        queue, order = self._queues[number], order_of(arrival.deadline, self._now)
        self._outside.put(queue, order, ids, self._now, self._shapes[number])
        self.trace.submitted[first : ids.stop] = array("d", repeat(self._now, arrival.count))
        self._under_way += arrival.count
        self._waiting[number] = self._under_way_of[number] = arrival.count
        self._tell(Queued(queue, arrival.count))

    def _tick(self, _one: int, _other: int) -> None:
        self._tell(Tick())

    def _ready(self, number: int, _other: int) -> None:
        if number in self._slots:
            self._tell(SlotReady(number))

    def _finish(self, number: int, stint: int) -> None:
        slot = self._slots.get(number)
        if slot is None or slot.stint != stint or slot.paused:
            return  # it was paused, given back or lost before
        id_ = slot.backlog[0]
        self._stop(slot)
        slot.backlog.popleft()
        slot.ran_s = 0.0
        self.trace.ended[id_] = self._now
        self._left -= 1
        self._under_way -= 1
        batch = self._batch_of[id_]
        self._under_way_of[batch] -= 1
        if not self._under_way_of[batch]:
            del self._under_way_of[batch]
        if slot.backlog:
            self._go_on(number)
        self._tell(AttemptFinished(number, id_, State.succeeded, self._seconds[id_]))

    def _go_on(self, number: int) -> None:
        """Run the first of a slot's backlog, if none runs."""
        slot = self._slots[number]
        if slot.running or slot.paused or not slot.backlog:
            return
        id_ = slot.backlog[0]
        slot.running = True
        slot.since = self._now
        slot.stint += 1
        if self.trace.started[id_] < 0:
            self.trace.started[id_] = self._now
            batch = self._batch_of[id_]
            self._waiting[batch] -= 1
            if not self._waiting[batch]:
                del self._waiting[batch]
        self._at(self._now + self._seconds[id_] - slot.ran_s, self._finish, number, slot.stint)

    def _stop(self, slot: _Slot) -> None:
        """What runs on a slot runs no longer."""
        id_ = slot.backlog[0]
        seconds = self._now - slot.since
        slot.running = False
        slot.ran_s += seconds
        self.trace.busy_cpu_s += seconds * self._cpus[self._batch_of[id_]]
        if id_ in self._displaced:
            self.trace.stints.append((id_, slot.since, self._now))

    # -- what the scheduler commands ----------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        """Hand an event over, carry out what is commanded, and what is commanded about that."""
        handle, act, answers, now = self._scheduler.handle, self._act, self._answers, self._now
        for command in handle(event, now):
            act[type(command)](command)
        if answers:
            self._tell_answers()

    def _tell_answers(self) -> None:
        """Hand over what the commands so far led to."""
        handle, act, answers, now = self._scheduler.handle, self._act, self._answers, self._now
        while answers:
            for command in handle(answers.popleft(), now):
                act[type(command)](command)

    def _lease(self, command: Lease) -> None:
        asks = self._outside.take(command.queue, command.count, command.without)
        self._answers.append(Leased(command.queue, asks, self._outside.waiting(command.queue)))

    def _open(self, command: OpenSlot) -> None:
        self._slots[command.slot] = _Slot()
        self._at(self._now + self._start_up_s, self._ready, command.slot)

    def _close(self, command: CloseSlot) -> None:
        del self._slots[command.slot]

    def _start(self, command: Start) -> None:
        self._slots[command.slot].backlog.extend(command.ids)
        self._go_on(command.slot)

    def _pause(self, command: Pause) -> None:
        slot = self._slots[command.slot]
        self._displaced.add(command.id)
        self._stop(slot)
        slot.paused = True

    def _resume(self, command: Resume) -> None:
        self._slots[command.slot].paused = False
        self._go_on(command.slot)

    def _give_back(self, command: GiveBack) -> None:
        slot = self._slots[command.slot]
        id_ = command.id
        self._displaced.add(id_)
        if slot.running:
            self._stop(slot)
        slot.backlog.popleft()
        slot.stint += 1
        slot.paused = False
        self._again(command.slot, slot, id_)
        self._go_on(command.slot)

    def _again(self, number: int, slot: _Slot, id_: int) -> None:
        """What a slot ran is queued again, from its beginning."""
        batch = self._batch_of[id_]
        arrival = self._load[batch]
        self.trace.redone_cpu_s += slot.ran_s * self._cpus[batch]
        ran_s, slot.ran_s = slot.ran_s, 0.0
        order = order_of(arrival.deadline, arrival.at)
        queue = self._queues[batch]
        self._outside.put(queue, order, range(id_, id_ + 1), arrival.at, self._shapes[batch])
        self._answers.append(AttemptFinished(number, id_, State.queued, ran_s))
        self._answers.append(Queued(queue, 1))

    def _recall(self, command: Recall) -> None:
        slot = self._slots[command.slot]
        back = list(slot.backlog)[1:]
        slot.backlog = deque(list(slot.backlog)[:1])
        self._answers.append(Returned(command.slot, back))

    def _release(self, _command: Release) -> None:
        """Nothing depends on anything in a load."""

    def _demote(self, _command: Demote) -> None:
        """Nobody has a soft limit here: `ruled`."""

    def _promote(self, _command: Promote) -> None:
        """As `_demote`."""

    def _hold(self, command: Hold) -> None:
        self.trace.held[command.batch] = command.why
        self._frees[command.batch] = command.frees_at

    def _freed(self, command: Freed) -> None:
        self.trace.held.pop(command.batch, None)
        self._frees.pop(command.batch, None)

    def _stands_still(self) -> bool:
        """Whether all that is left is held for good: nobody raises a limit here."""
        if not self._frees or any(at is not None for at in self._frees.values()):
            return False
        if any(slot.running for slot in self._slots.values()):
            return False
        return self._left == self._under_way and all(
            self._load[number].batch in self._frees for number in self._under_way_of
        )

    def _cpus_within(self, capacity: Capacity) -> list[float]:
        """The cores of an invocation of each batch: as the scheduler does it, one that needs more has all."""
        return [min(arrival.cpu, capacity.cpu) for arrival in self._load]

    def _at(self, when: float, action: Callable[[int, int], None], one: int = 0, other: int = 0) -> None:
        self._serial += 1
        heappush(self._agenda, (when, self._serial, action, one, other))


def simulate(
    load: Sequence[Arrival],
    capacity: Capacity,
    *,
    classes: Sequence[ClassPolicy] = DEFAULT_CLASSES,
    settings: SchedulerSettings = SchedulerSettings(),  # noqa: B008 - frozen
    start_up_s: float = 0.5,
    seed: int = 1,
) -> Trace:
    """What becomes of `load` on a pool of `capacity`.

    Raises:
        ValueError: the load makes no sense.
    """
    pool = VirtualPool(load, capacity, classes=classes, settings=settings, start_up_s=start_up_s, seed=seed)
    return pool.run()
