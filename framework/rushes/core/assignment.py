"""A pass over the waiting work, in its order: what fits starts, what does not claims what it needs.

`Assignment.run` is called whenever something may have become possible; `release` and `settle` undo and
correct what it gave. This module must not know events. The theory stands at the top of `scheduler.py`.
"""

from __future__ import annotations

from rushes.core.commands import Command, Start
from rushes.core.expected import ExpectedRuns
from rushes.core.ordering import Lane
from rushes.core.packing import MILLI, Room
from rushes.core.policy import SchedulerSettings
from rushes.core.slots import Slot, Slots
from rushes.core.waiting import Waiting

__all__ = ["Assignment"]

# Work that asks for no cpu is not free: it is charged for a tenth of a core, so that shows still take turns.
LEAST_CPU_CHARGED = 0.1


class Assignment:
    """What runs on which slot, and who pays for it."""

    __slots__ = (
        "_busy_of_batch", "_coming", "_full", "_settings", "_warmed", "expected", "room", "slots", "waiting",
    )  # fmt: skip

    def __init__(self, room: Room, waiting: Waiting, slots: Slots, settings: SchedulerSettings) -> None:
        self.room = room
        self.waiting = waiting
        self.slots = slots
        self.expected = ExpectedRuns()
        self._settings = settings
        self._busy_of_batch: dict[str, int] = {}  # slots, for batches with `max_slots`
        # Within one run:
        self._coming: dict[str, int] = {}  # slots that are opening and that nobody waits for yet
        self._warmed = False
        self._full = False

    def busy_of(self, batch: str) -> int:
        """How many slots a batch with `max_slots` has."""
        return self._busy_of_batch.get(batch, 0)

    def run(self, now: float, out: list[Command]) -> None:
        """Start what can start, open the slots that are missing, ask for more of what was started."""
        self.room.begin()
        self._coming.clear()
        self._warmed = self._full = False
        aside: list[Lane] = []
        for level in self.waiting.levels:
            while not self._full and (flow := level.shows.first()) is not None:
                lane = flow.lanes.first()
                if lane is None or not self._serve(lane, now, out):
                    if lane is not None:
                        flow.lanes.drop(lane)
                        aside.append(lane)
                    flow.stand()
        for lane in aside:
            lane.stand()

    def _serve(self, lane: Lane, now: float, out: list[Command]) -> bool:
        """Start the first of `lane`, or claim what it needs. Whether to look at this show again."""
        shape, need, room, slots = lane.shape, lane.need, self.room, self.slots
        most = shape.max_slots
        allowed = 1 << 30 if most is None else max(most, 1) - self._busy_of_batch.get(shape.batch, 0)
        fits = room.fits(need)
        if fits and allowed > 0 and (slot := slots.take_idle(shape.environment)) is not None:
            others = min(slots.idle(shape.environment), room.times(need) - 1, allowed - 1)
            self._occupy(slot, lane)
            self._give(slot, len(lane.slots) + others, now, out)
            return True
        if not room.awaited(need):
            for slot in lane.slots:
                if slot.refillable() and self._give(slot, len(lane.slots), now, out):
                    return True
        if allowed <= 0:
            self.waiting.park(lane)
            return True
        if slots.rests_until(shape.environment) > now:
            return False
        if fits:
            self._await_slots(lane, min(len(lane.asks), room.times(need), allowed), out)
            return False
        room.claim(need)
        self._full = room.cpu_awaited and not self.waiting.cpuless
        if not self._warmed:  # have a slot ready by the time that there is room
            self._warmed = True
            if not slots.has(shape.environment):
                slots.open(shape.environment, out, close_idle=False)
        return False

    def _await_slots(self, lane: Lane, wanted: int, out: list[Command]) -> None:
        """Only slots are missing: wait for those that are opening, open others; keep what they will need."""
        environment = lane.shape.environment
        for _ in range(wanted):
            coming = self._coming.get(environment)
            if coming is None:
                coming = self.slots.opening(environment)
            if coming:
                self._coming[environment] = coming - 1
            elif self.slots.open(environment, out):
                self._coming[environment] = 0
            else:
                self._full = True  # no slot for this one, so none for anybody after it
                return
            self.room.claim(lane.need)

    def _occupy(self, slot: Slot, lane: Lane) -> None:
        """An idle slot becomes busy with a lane."""
        slot.lane = lane
        lane.slots.append(slot)
        self.room.take(lane.need)
        if lane.shape.max_slots is not None:
            batch = lane.shape.batch
            self._busy_of_batch[batch] = self._busy_of_batch.get(batch, 0) + 1

    def _give(self, slot: Slot, sharers: int, now: float, out: list[Command]) -> bool:
        """Fill a busy slot up from its lane, which `sharers` slots are to have equal parts of."""
        lane = slot.lane
        if lane is None:
            return False
        settings, backlog, flow = self._settings, slot.backlog, lane.flow
        most = self.expected.at_once(lane.shape.function, settings.micro_batch_s, settings.micro_batch_max)
        everything = len(lane.asks) + sum(len(other.backlog) for other in lane.slots)
        fair = -(-everything // sharers)
        count = min(most - len(backlog), fair - len(backlog), len(lane.asks))
        if count <= 0:
            return False
        self.settle(slot)
        asks = self.waiting.take(lane, count)
        expected_s = self.expected.seconds(lane.shape.function)
        each_s = settings.unknown_run_s if expected_s is None else expected_s
        slot.each_s = (slot.each_s * len(backlog) + each_s * count) / (len(backlog) + count)
        if not backlog:
            slot.head_since = now
        backlog.extend(asks)
        slot.low = most // 2
        flow.level.vtime = max(flow.level.vtime, flow.vtime)
        flow.charge(each_s * count * _cpu_charged(lane))
        lane.stand()
        out.append(Start(slot.number, [ask[0] for ask in asks]))
        self.waiting.lease(lane.queue, out)
        return True

    def release(self, slot: Slot) -> None:
        """A slot is no longer busy: what it held is free."""
        lane = slot.lane
        if lane is None:
            return
        self.settle(slot)
        self.room.give(lane.need)
        lane.slots.remove(slot)
        shape = lane.shape
        if shape.max_slots is not None:
            self._busy_of_batch[shape.batch] -= 1
            if not self._busy_of_batch[shape.batch]:
                del self._busy_of_batch[shape.batch]
            self.waiting.unpark(shape.batch)
        self.waiting.tidy(lane)

    def settle(self, slot: Slot) -> None:
        """Correct what the show was charged, and learn, from what has finished since the last time."""
        lane = slot.lane
        if lane is None or not slot.done:
            return
        lane.flow.charge((slot.spent_s - slot.each_s * slot.done) * _cpu_charged(lane))
        lane.flow.stand()
        self.expected.learn(lane.shape.function, slot.good_s, slot.good)
        slot.done = slot.good = 0
        slot.spent_s = slot.good_s = 0.0

    def refund(self, slot: Slot, count: int) -> None:
        """`count` invocations left a slot's backlog without a result: their show pays nothing."""
        lane = slot.lane
        if lane is not None:
            lane.flow.charge(-slot.each_s * count * _cpu_charged(lane))
            lane.flow.stand()


def _cpu_charged(lane: Lane) -> float:
    return max(lane.need[0] / MILLI, LEAST_CPU_CHARGED)
