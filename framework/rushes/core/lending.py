"""Attempts that wait for parts of their own: what they lend meanwhile, and when they go on.

Who waits lends its cores, its devices, its places under the limits of functions, and the money that it has
left; it keeps its memory, and its places under keys. Who they are and who may not begin meanwhile is
`yielding`. This module must not know what has not begun.
"""

from __future__ import annotations

from rushes.core.commands import Command, GoOn
from rushes.core.holding import note
from rushes.core.limits import NamedLimits, batch_limit
from rushes.core.ordering import Level
from rushes.core.packing import Room
from rushes.core.payments import Payments
from rushes.core.purse import Purse
from rushes.core.slots import Slot, Slots, SlotState
from rushes.core.waiting import Waiting
from rushes.core.yielding import Yielding

__all__ = ["Lending"]


class Lending:
    """What attempts that wait lend to others."""

    __slots__ = ("_limits", "_payments", "_purse", "_room", "_slots", "_waiting", "yielding")

    def __init__(
        self,
        room: Room,
        waiting: Waiting,
        slots: Slots,
        purse: Purse,
        *,
        limits: NamedLimits,
        yielding: Yielding,
        payments: Payments,
    ) -> None:
        self._room = room
        self._waiting = waiting
        self._slots = slots
        self._purse = purse
        self._limits = limits
        self._payments = payments
        self.yielding = yielding

    def lend(self, slot: Slot, now: float) -> None:
        """The attempt of a busy slot waits: others may have its cores, and the money that it has left."""
        lane = slot.lane
        if lane is not None:
            slot.ran_before_s = slot.worked_s(now)
            if self._purse.open:
                self._purse.extending.rests(slot.backlog[0][0], slot.ran_before_s, now)
            self._slots.stand_aside(slot, SlotState.waiting)
            self._room.lend(lane.need)
            self.yielding.waits(lane.shape)
            if lane.shape.limits:
                for name in self._limits.lend(lane.shape):
                    self._waiting.unpark(name)
            if self._waiting.shares.any:
                note(self._waiting, slot)

    def end_wait(self, slot: Slot, now: float) -> bool:
        """It waits no longer, whatever comes next: it has what it had before. Whether others were barred."""
        lane = slot.lane
        if lane is None:
            return False
        slot.become(SlotState.busy)
        slot.head_since = now
        self._room.reclaim(lane.need)
        if lane.shape.limits:
            self._limits.reclaim(lane.shape)
        if self._waiting.shares.any:
            note(self._waiting, slot)
        freed = self.yielding.waits_no_longer(slot, lane.shape)
        for batch in freed:
            self._waiting.unpark(batch_limit(batch))
        return bool(freed)

    def go_on(self, level: Level, now: float, out: list[Command]) -> tuple[bool, bool]:
        """Of those that want to go on, let those do so whose cores are free; keep theirs for the others.

        They go before all that has not begun: they hold a process, and memory. Whether others were barred by
        one of them; and whether cores were claimed.
        """
        claimed = False
        for slot in self.yielding.woken_first(level):
            if slot.lane is None or slot.policy is None or self._payments.is_unpaid(slot, now):
                continue
            if slot.lane.shape.limits and not self._limits.may_go_on(slot.lane.shape):
                continue
            cpu, _, _, gpu = slot.lane.need
            need, shares = (cpu, 0, 0, gpu), self._waiting.shares
            barred = False
            if shares.any:
                if shares.times(slot.policy.name, need) < 1:
                    continue
                shares.enter(slot.policy.name, self._room)
            if self._room.fits(need):
                out.append(GoOn(slot.number, slot.backlog[0][0]))
                barred = self.end_wait(slot, now)
            else:
                self._room.claim(need)
                claimed = True
            if shares.any:
                shares.leave(slot.policy.name, self._room)
            if barred:
                return True, claimed
        return False, claimed
