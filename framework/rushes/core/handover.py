"""What a slot is given of a lane, what it holds meanwhile, and what its show is charged for it.

A slot that is occupied takes what its lane needs from the room, counts under the limits of its shape and for
the share of its class, until it is released. A show is charged what is expected when something is given, and
the difference when it has finished. This module must not know the order of work, nor who else waits.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized

from rushes.core.commands import Command, Start
from rushes.core.events import Capacity, ClassPolicy
from rushes.core.holding import note
from rushes.core.learning.expected import ExpectedRuns
from rushes.core.lending import Lending
from rushes.core.limits import NamedLimits
from rushes.core.ordering import Lane
from rushes.core.packing import MILLI, Room
from rushes.core.policy import SchedulerSettings
from rushes.core.purse import Purse
from rushes.core.slots import Slot, Slots, SlotState
from rushes.core.standing import Standing
from rushes.core.waiting import Waiting

__all__ = ["Handover"]

# Work that asks for no cpu is not free: it is charged for a tenth of a core, so that shows still take turns.
LEAST_CPU_CHARGED = 0.1


class Handover:
    """Gives work to slots, and takes back what they held for it."""

    __slots__ = (
        "_expected", "_leasing", "_lending", "_limits", "_purse", "_room", "_settings", "_slots", "_standing",
        "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        room: Room,
        waiting: Waiting,
        slots: Slots,
        settings: SchedulerSettings,
        purse: Purse,
        *,
        expected: ExpectedRuns,
        limits: NamedLimits,
        standing: Standing,
        lending: Lending,
    ) -> None:
        self._room = room
        self._waiting = waiting
        self._leasing = waiting.leasing
        self._slots = slots
        self._settings = settings
        self._purse = purse
        self._expected = expected
        self._limits = limits
        self._standing = standing
        self._lending = lending

    def occupy(self, slot: Slot, lane: Lane) -> None:
        """An idle slot becomes busy with a lane."""
        shape, queue, shares = lane.shape, lane.queue, self._waiting.shares
        slot.lane, slot.queue, slot.policy, slot.level = lane, queue.key, queue.policy, lane.flow.level
        lane.slots[slot] = None
        self._room.take(lane.need)
        self._standing.occupied(slot)
        if shape.max_slots is not None or shape.limits:
            self._limits.take(shape)
        if shares.any:
            shares.note(slot.number, queue.policy.name, lane.need)

    def give(self, slot: Slot, most: int, sharers: int, now: float, out: list[Command]) -> bool:
        """Fill a busy slot up to `most` from its lane, which `sharers` slots are to have equal parts of."""
        lane = slot.lane
        if lane is None:
            return False
        backlog, flow = slot.backlog, lane.flow
        count = 1 - len(backlog) if most == 1 else _part_of(lane, backlog, most, sharers)
        if count > 0 and self._purse.watches:
            count = self._purse.reserve(lane, count, now, behind=bool(backlog))
        if count <= 0:
            return False
        if slot.done:
            self.settle(slot)
        asks = self._waiting.take(lane, count)
        each_s = self._expected_s(lane)
        if backlog:
            slot.each_s = (slot.each_s * len(backlog) + each_s * count) / (len(backlog) + count)
        else:
            slot.each_s = each_s
            slot.begin_head(now)
        lane.queue.served_at = now
        level = flow.level
        if level.unserved:
            level.unserved.pop(lane.need, None)
        backlog.extend(asks)
        if len(backlog) > 1:
            self._slots.stack(slot)
        ids = [ask[0] for ask in asks]
        if self._standing.any:
            self._standing.starts(ids, now)
        slot.low = most // 2
        if flow.vtime > level.vtime:  # noqa: PLR1730 - hot: `max` costs three times as much
            level.vtime = flow.vtime
        flow.charge(each_s * count * _cpu_charged(lane))
        lane.stand()
        out.append(Start(slot.number, ids))
        self._leasing.lease(lane.queue, out)
        return True

    def _expected_s(self, lane: Lane) -> float:
        found = self._expected.seconds(lane.shape.function)
        return self._settings.unknown_run_s if found is None else found

    def most(self, lane: Lane) -> int:
        """How many of a lane one slot may have at once."""
        function = lane.shape.function
        if function in self._lending.yielding.known:
            return 1  # what is behind one that waits would only be taken back
        settings = self._settings
        return self._expected.at_once(function, settings.micro_batch_s, settings.micro_batch_max)

    def release(self, slot: Slot, now: float) -> None:
        """A slot is no longer busy: what it held is free."""
        lane = slot.lane
        if lane is None:
            return
        if slot.done:
            self.settle(slot)
        if slot.state is SlotState.waiting:
            self._lending.end_wait(slot, now)
        elif slot.state is SlotState.paused:
            self._standing.end_pause(slot, now)
        self._room.give(lane.need)
        self._standing.freed(slot)
        del lane.slots[slot]
        if lane.shape.max_slots is not None or lane.shape.limits:
            for name in self._limits.give(lane.shape):
                self._waiting.unpark(name)
        if self._waiting.shares.any:
            note(self._waiting, slot, gone=True)
        if not lane.asks:
            self._waiting.tidy(lane)

    def resize(self, capacity: Capacity) -> None:
        """The pool has another capacity: needs are clamped to that, and what is held is counted anew."""
        self._room.resize(capacity)
        self._waiting.resize()
        self._count_anew()

    def reclass(self, classes: Sequence[ClassPolicy]) -> None:
        """The classes are others: needs are clamped by what they may have, what is held is counted anew."""
        busy = [slot for slot in (*self._slots, *self._slots.lost.values()) if slot.lane is not None]
        self._waiting.reclass(classes, [slot.lane for slot in busy if slot.lane is not None])
        self._room.resize(None)
        for slot in busy:
            if slot.queue is not None:
                level = self._waiting.queue(slot.queue).level
                self._standing.restamp(slot, slot.queue, self._waiting.policy(slot.queue), level)
        self._count_anew()

    def _count_anew(self) -> None:
        self._standing.count_anew()
        for slot in self._slots:
            if (lane := slot.lane) is None or not slot.occupied:
                continue
            self._room.take(lane.need)
            if slot.state is SlotState.waiting:
                self._room.lend(lane.need)
            elif slot.state is SlotState.paused:
                self._room.give((lane.need[0], 0, 0, 0))
            if self._waiting.shares.any:
                note(self._waiting, slot)

    def settle(self, slot: Slot) -> None:
        """Correct what the show was charged, and learn, from what has finished since the last time."""
        lane = slot.lane
        if lane is None or not slot.done:
            return
        lane.flow.charge((slot.spent_s - slot.each_s * slot.done) * _cpu_charged(lane))
        lane.flow.stand()
        self._expected.learn(lane.shape.function, slot.good_s, slot.good)
        slot.done = slot.good = 0
        slot.spent_s = slot.good_s = 0.0

    def refund(self, slot: Slot, count: int) -> None:
        """`count` invocations left a slot's backlog without a result: their show pays nothing."""
        lane = slot.lane
        if lane is not None:
            lane.flow.charge(-slot.each_s * count * _cpu_charged(lane))
            lane.flow.stand()


def _part_of(lane: Lane, backlog: Sized, most: int, sharers: int) -> int:
    """How many more of a lane a slot is given, of which it is to have `most` at most, and an equal part."""
    count = min(most - len(backlog), len(lane.asks))
    if count <= 0 or len(lane.asks) >= most * sharers:
        return count
    everything = len(lane.asks) + sum(len(other.backlog) for other in lane.slots)
    return min(count, -(-everything // sharers) - len(backlog))


def _cpu_charged(lane: Lane) -> float:
    cpu = lane.need[0] / MILLI
    return cpu if cpu > LEAST_CPU_CHARGED else LEAST_CPU_CHARGED  # noqa: FURB136 - hot
