"""The virtual pool: it does what the scheduler commands, at once or after virtual time has passed.

It plays the queues outside, the slots, and the clock; nothing is decided here. A million invocations are a
few arrays: when each was submitted, started and ended. This module must not know what a policy is.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Final

from rushes.core.commands import (
    CloseSlot,
    Command,
    GiveBack,
    Lease,
    OpenSlot,
    Pause,
    Recall,
    Release,
    Resume,
    Start,
)
from rushes.core.events import (
    Ask,
    Capacity,
    ClassPolicy,
    Event,
    Finished,
    Leased,
    Queued,
    QueueKey,
    Returned,
    Shape,
    SlotReady,
    Tick,
)
from rushes.core.ordering import order_of
from rushes.core.policy import DEFAULT_CLASSES, SchedulerSettings
from rushes.core.scheduler import Scheduler
from rushes.core.states import State
from rushes.core.swarm import Swarms
from rushes.simulator.load import Arrival, drawn, in_order

__all__ = ["Trace", "VirtualPool", "simulate"]

_ENVIRONMENT: Final = "virtual"
_NEVER: Final = -1.0
TICK_S: Final = 1.0
_Entry = tuple[int, int, Ask]
"""An ask that waits outside, behind its order and its id."""


@dataclass(slots=True)
class Trace:
    """What happened: for each invocation, batch by batch in the order of the load, when.

    Args:
        load: what arrived.
        submitted, started, ended: virtual seconds; negative for what never was.
        stints: from when to when something ran on a slot, of those alone that stood aside for others: their
            invocation, and two virtual times.
        swarms: who stood aside for whom.
        busy_cpu_s: core-seconds in which something ran; `redone_cpu_s` of them were thrown away.
        until: when the last invocation had ended.
        capacity: of the pool.
    """

    load: Sequence[Arrival]
    submitted: array[float]
    started: array[float]
    ended: array[float]
    capacity: Capacity
    swarms: Swarms
    stints: list[tuple[int, float, float]] = field(default_factory=list)
    busy_cpu_s: float = 0.0
    redone_cpu_s: float = 0.0
    until: float = 0.0


@dataclass(slots=True)
class _Slot:
    backlog: deque[int] = field(default_factory=deque)
    running: bool = False
    paused: bool = False
    since: float = 0.0
    """When the first of the backlog began, or went on."""
    ran_s: float = 0.0
    """How long it had run before that."""
    stint: int = 0
    """Counts what runs here, so that an end that was foreseen before a pause is known to be off."""


class VirtualPool:
    """One run of a load on a pool.

    Args:
        load: what arrives.
        capacity: what the pool has.
        classes, settings: the scheduler's.
        start_up_s: how long a slot takes until it is warm.
        seed: of the run times.
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
    ) -> None:
        self._load = in_order(load)
        self._seconds = drawn(self._load, seed)
        self._scheduler = Scheduler(capacity, classes, settings)
        self._start_up_s = start_up_s
        self._now = 0.0
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._serial = 0
        self._outside: dict[QueueKey, list[_Entry]] = {}
        self._slots: dict[int, _Slot] = {}
        self._answers: deque[Event] = deque()
        self._batch_of: list[int] = []
        self._shapes: dict[int, Shape] = {}
        self._left = len(self._seconds)
        self._under_way = 0
        nothing = [_NEVER] * self._left
        self.trace = Trace(
            self._load,
            array("d", nothing),
            array("d", nothing),
            array("d", nothing),
            capacity,
            self._scheduler.swarms,
        )
        self._displaced: set[int] = set()
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
        }

    def run(self) -> Trace:
        """Let time pass until all work has ended."""
        first = 0
        for number, arrival in enumerate(self._load):
            self._at(arrival.at, self._arrive, number, first)
            self._batch_of += [number] * arrival.count
            first += arrival.count
        ticking = False
        while self._left and self._agenda:
            at, _, action, arguments = heappop(self._agenda)
            self._now = at
            if action == self._tick:
                ticking = False
            action(*arguments)
            if not ticking and self._under_way:
                ticking = True
                self._at(self._now + TICK_S, self._tick)
        self.trace.until = max(self.trace.ended, default=0.0)
        return self.trace

    # -- what time brings ---------------------------------------------------------------------------------

    def _arrive(self, number: int, first: int) -> None:
        arrival = self._load[number]
        key = QueueKey(arrival.priority, arrival.show)
        shape = Shape(
            arrival.batch,
            _ENVIRONMENT,
            arrival.function,
            arrival.cpu,
            arrival.memory,
            arrival.scratch,
            arrival.gpu,
            arrival.max_slots,
        )
        self._shapes[number] = shape
        order = order_of(arrival.deadline, self._now)
        waiting = self._outside.setdefault(key, [])
        for id_ in range(first, first + arrival.count):
            heappush(waiting, (order, id_, Ask(id_, order, self._now, shape)))
            self.trace.submitted[id_] = self._now
        self._under_way += arrival.count
        self._tell(Queued(key, arrival.count))

    def _tick(self) -> None:
        self._tell(Tick())

    def _ready(self, number: int) -> None:
        if number in self._slots:
            self._tell(SlotReady(number))

    def _finish(self, number: int, stint: int) -> None:
        slot = self._slots[number]
        if slot.stint != stint or slot.paused:
            return  # it was paused or given back before
        id_ = slot.backlog[0]
        self._stop(slot)
        slot.backlog.popleft()
        slot.ran_s = 0.0
        self.trace.ended[id_] = self._now
        self._left -= 1
        self._under_way -= 1
        self._go_on(number)
        self._tell(Finished(number, id_, State.succeeded, self._seconds[id_]))

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
        self._at(self._now + self._seconds[id_] - slot.ran_s, self._finish, number, slot.stint)

    def _stop(self, slot: _Slot) -> float:
        """What runs on a slot runs no longer; gives the core-seconds of this stint."""
        id_ = slot.backlog[0]
        seconds = self._now - slot.since
        slot.running = False
        slot.ran_s += seconds
        cpu_s = seconds * self._cpu(id_)
        self.trace.busy_cpu_s += cpu_s
        if id_ in self._displaced:
            self.trace.stints.append((id_, slot.since, self._now))
        return cpu_s

    def _cpu(self, id_: int) -> float:
        return min(self._load[self._batch_of[id_]].cpu, self.trace.capacity.cpu)

    # -- what the scheduler commands ----------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        """Hand an event over, carry out what is commanded, and what is commanded about that."""
        self._answers.append(event)
        while self._answers:
            for command in self._scheduler.handle(self._answers.popleft(), self._now):
                self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        self._act[type(command)](command)

    def _lease(self, command: Lease) -> None:
        waiting = self._outside.get(command.queue, [])
        asks: list[Ask] = []
        aside: list[_Entry] = []
        without = set(command.without)
        while waiting and len(asks) < command.count:
            entry = heappop(waiting)
            if entry[2].shape.batch in without:
                aside.append(entry)
            else:
                asks.append(entry[2])
        for entry in aside:
            heappush(waiting, entry)
        self._answers.append(Leased(command.queue, asks, len(waiting)))

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
        self.trace.redone_cpu_s += slot.ran_s * self._cpu(id_)
        ran_s, slot.ran_s = slot.ran_s, 0.0
        arrival = self._load[self._batch_of[id_]]
        key = QueueKey(arrival.priority, arrival.show)
        ask = Ask(id_, order_of(arrival.deadline, arrival.at), arrival.at, self._shapes[self._batch_of[id_]])
        heappush(self._outside.setdefault(key, []), (ask.order, id_, ask))
        self._go_on(command.slot)
        self._answers.append(Finished(command.slot, id_, State.queued, ran_s))
        self._answers.append(Queued(key, 1))

    def _recall(self, command: Recall) -> None:
        slot = self._slots[command.slot]
        back = list(slot.backlog)[1:]
        slot.backlog = deque(list(slot.backlog)[:1])
        self._answers.append(Returned(command.slot, back))

    def _release(self, _command: Release) -> None:
        """Nothing depends on anything in a load."""

    def _at(self, when: float, action: Callable[..., None], *arguments: Any) -> None:
        self._serial += 1
        heappush(self._agenda, (when, self._serial, action, arguments))


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
