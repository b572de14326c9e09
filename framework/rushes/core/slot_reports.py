"""What slots report: ready, lost, finished, returned; that an attempt waits, goes on, or stands still.

Each report changes what a slot holds, and then whoever may start is looked for. One that is late, repeated,
or about an unknown id or slot changes nothing. This module must not know queues outside, nor who may start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rushes.core.assignment import Assignment
from rushes.core.commands import Command, Recall, Resume
from rushes.core.events import (
    AttemptFinished,
    Halted,
    Lacks,
    Reached,
    Returned,
    SlotLost,
    SlotReady,
    Waits,
    Woken,
)
from rushes.core.policy import SchedulerSettings
from rushes.core.slots import Slot, SlotState
from rushes.core.states import State

__all__ = ["SlotReports"]


class SlotReports:
    """Hears what slots report.

    Args:
        assignment: what runs where.
        settings: what may be assumed of the pool.
        assign: looks for what may start now.
    """

    __slots__ = (
        "_assign", "_expected", "_handover", "_lending", "_making_room", "_payments", "_purse", "_settings",
        "_slots", "_standing", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        assignment: Assignment,
        settings: SchedulerSettings,
        assign: Callable[[float, list[Command]], None],
    ) -> None:
        self._assign = assign
        self._settings = settings
        self._expected = assignment.expected
        self._handover = assignment.handover
        self._lending = assignment.lending
        self._payments = assignment.payments
        self._purse = assignment.purse
        self._slots = assignment.slots
        self._making_room = assignment.making_room
        self._standing = assignment.standing
        self._waiting = assignment.waiting

    def slot_ready(self, event: SlotReady, now: float, out: list[Command]) -> None:
        slot = self._slots.by_number.get(event.slot)
        if slot is not None and slot.state is SlotState.opening:
            self._slots.rest(slot, now)
            self._assign(now, out)

    def slot_lost(self, event: SlotLost, now: float, out: list[Command]) -> None:
        slot = self._slots.by_number.get(event.slot)
        if slot is None:
            return
        if slot.occupied:
            self._handover.release(slot, now)
            if slot.backlog:  # its reports are still to come
                self._slots.lost[slot.number] = slot
        self._slots.lose(slot, now)
        self._assign(now, out)

    def finished(self, event: AttemptFinished, now: float, out: list[Command]) -> None:
        # The hot path: this and the three lines of `handle` are all that most finished invocations cost.
        slot = self._slots.by_number.get(event.slot)
        if slot is None or not slot.backlog or slot.backlog[0][0] != event.id:
            self._finished_elsewhere(event, now, out)
            return
        backlog = slot.backlog
        backlog.popleft()
        del self._waiting.where[event.id]
        seconds = event.seconds
        slot.done += 1
        slot.spent_s += seconds
        if event.state is State.succeeded:
            slot.good += 1
            slot.good_s += seconds
        if self._purse.open:
            self._purse.settle(event.id, seconds, now, backlog[0][0] if backlog else 0)
        if self._standing.any:
            self._left(slot, event, now, out)
        slot.begin_head(now)
        left = len(backlog)
        if not left:
            self._handover.release(slot, now)
            self._slots.rest(slot, now)
            self._assign(now, out)
        elif slot.state is SlotState.waiting:  # what is behind it goes on in its place
            self._lending.end_wait(slot, now)
            self._assign(now, out)
        elif left == slot.low:
            self._handover.settle(slot)
            if slot.lane is not None and slot.lane.parked:  # it may have this slot, if no further
                self._waiting.unpark(slot.lane.waits_on)
            self._assign(now, out)

    def _left(self, slot: Slot, event: AttemptFinished, now: float, out: list[Command]) -> None:
        """The first of a slot's backlog is no longer there, and somebody has stood aside lately."""
        standing = self._standing
        if slot.state is SlotState.paused:  # it ended just before it was stopped, and its slot was
            standing.end_pause(slot, now)
            out.append(Resume(slot.number, event.id))
        standing.left(event.id, now, ended=event.state.ended)
        if slot.backlog:
            standing.occupied(slot)  # what is behind it has borne nothing yet

    def _finished_elsewhere(self, event: AttemptFinished, now: float, out: list[Command]) -> None:
        """AttemptFinished out of turn, or on a slot that was lost meanwhile, or nothing that we know."""
        self._standing.left(event.id, now, ended=event.state.ended)
        self._purse.settle(event.id, event.seconds, now)
        slot = self._slots.find(event.slot)
        if slot is not None:
            self.take_from(slot, frozenset((event.id,)), now, back=False)
            self._assign(now, out)

    def returned(self, event: Returned, now: float, out: list[Command]) -> None:
        slot = self._slots.find(event.slot)
        if slot is not None:
            slot.recalling = False
            self.take_from(slot, frozenset(event.ids), now, back=True)
            self._assign(now, out)

    def take_from(self, slot: Slot, ids: frozenset[int], now: float, *, back: bool) -> None:
        """Take what a slot was given from it, back into line or out of hand."""
        lane = slot.lane
        first = slot.backlog[0] if slot.backlog else None
        self._payments.draw(slot, now)
        taken = slot.remove(ids, now)
        if lane is None or not taken:
            return
        if slot.occupied:
            self._handover.refund(slot, len(taken))
        if back:
            self.settle_unstarted([ask[0] for ask in taken], now)
            self._waiting.put_back(lane, taken, slot.queue or lane.queue.key)
        else:
            for ask in taken:
                del self._waiting.where[ask[0]]
        if slot.number in self._slots.lost:
            if not slot.backlog:
                del self._slots.lost[slot.number]
        elif slot.backlog:
            if slot.backlog[0] is not first:
                self._begin_next(slot, now)
        elif slot.occupied:
            self._handover.release(slot, now)
            self._slots.rest(slot, now)

    def _begin_next(self, slot: Slot, now: float) -> None:
        """What ran first on a slot is gone, and what is behind it is begun."""
        if slot.state is SlotState.waiting:
            self._lending.end_wait(slot, now)
        else:
            self._standing.end_pause(slot, now)
            self._standing.occupied(slot)

    # -- attempts that wait ------------------------------------------------------------------------------

    def waits(self, event: Waits, now: float, out: list[Command]) -> None:
        slot = self._slots.by_number.get(event.slot)
        if slot is None or not slot.backlog or slot.backlog[0][0] != event.id:
            return
        if slot.state is SlotState.paused and not slot.yields:  # it had said so before it was paused
            self._standing.end_pause(slot, now)
            out.append(Resume(slot.number, event.id))
        if slot.state is not SlotState.busy:
            return
        self._lending.lend(slot, now)
        if len(slot.backlog) > 1 and not slot.recalling:
            slot.slow = slot.recalling = True
            out.append(Recall(slot.number))
        self._assign(now, out)

    def woken(self, event: Woken, now: float, out: list[Command]) -> None:
        slot = self._slots.by_number.get(event.slot)
        if slot is None or slot.state is not SlotState.waiting or slot.backlog[0][0] != event.id:
            return
        self._lending.yielding.woken[slot.number] = slot
        self._assign(now, out)

    def reached(self, event: Reached, _now: float, _out: list[Command]) -> None:
        slot = self._slots.by_number.get(event.slot)
        if slot is not None and slot.backlog and slot.backlog[0][0] == event.id:
            self._standing.reached(slot, event.fraction)

    def lacks(self, event: Lacks, now: float, out: list[Command]) -> None:
        slot = self._slots.by_number.get(event.slot)
        if slot is None or slot.state is not SlotState.busy or slot.backlog[0][0] != event.id:
            return
        holders = []
        for number, id_ in event.holders:
            holder = self._slots.by_number.get(number)
            if holder is not None and holder.backlog and holder.backlog[0][0] == id_:
                holders.append(holder)
        self._making_room.make_way(slot, holders, now, out)

    def halted(self, event: Halted, now: float, out: list[Command]) -> None:
        for number, at in event.slots:
            slot = self._slots.by_number.get(number)
            if slot is not None and slot.state is SlotState.busy and slot.backlog and not slot.yields:
                self._payments.halted(slot, at, now, out)
        self._purse.shortage.stirred = True
        self._assign(now, out)

    def settle_unstarted(self, ids: Iterable[int], now: float) -> None:
        """These were given to a slot and never began: what was set aside for them is free."""
        if self._purse.open:
            for id_ in ids:
                self._purse.settle(id_, None, now)

    def recall_slow(self, now: float, out: list[Command]) -> None:
        """Take back what stands behind a first that runs much longer than expected."""
        settings = self._settings
        for slot in self._slots.stacked():
            lane = slot.lane
            if lane is None or slot.recalling:
                continue
            expected_s = self._expected.seconds(lane.shape.function) or 0.0
            if now - slot.head_since > max(settings.recall_after_s, settings.recall_factor * expected_s):
                slot.slow = slot.recalling = True
                out.append(Recall(slot.number))
