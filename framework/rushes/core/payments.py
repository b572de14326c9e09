"""Money for what has begun: asked for while it runs, when it goes on, and when a payer gets a limit.

What has not begun pays where it starts, in `assignment`; who may spend what is `purse`. This module must not
know prices, nor the order in which work is served.
"""

from __future__ import annotations

from rushes.core.commands import Command, Recall
from rushes.core.limits import batch_limit
from rushes.core.purse import Purse
from rushes.core.slots import Slot, Slots, SlotState
from rushes.core.spending.tariff import AHEAD_S
from rushes.core.standing import Standing
from rushes.core.waiting import Waiting
from rushes.core.yielding import Yielding

__all__ = ["Payments"]


class Payments:
    """Who of those that have begun may go on spending."""

    __slots__ = (
        "_extending", "_paused", "_purse", "_slots", "_standing", "_waiting", "_went_on", "_yielding",
    )  # fmt: skip

    def __init__(
        self, purse: Purse, waiting: Waiting, slots: Slots, standing: Standing, yielding: Yielding
    ) -> None:
        self._purse = purse
        self._extending = purse.extending
        # Those that were due while they were paused, and what `Standing.went_on` was then.
        self._paused: dict[int, Slot] = {}
        self._went_on = 0
        self._waiting = waiting
        self._slots = slots
        self._standing = standing
        self._yielding = yielding

    def ask_again(self, now: float) -> None:
        """Money has come back: those that have begun are asked for first, then those that wait, in order."""
        purse = self._purse
        for slot in self._standing.unpaid():
            if self._extending.goes_on(slot.backlog[0][0], slot.worked_s(now), now):
                self._standing.has_paid(slot)
        for slot in self._yielding.woken.values():
            self._extending.asks_again(slot.backlog[0][0])
        for lane in purse.shortage.asked_again():
            self._waiting.unpark(batch_limit(lane.shape.batch))

    def is_unpaid(self, slot: Slot, now: float) -> bool:
        """Whether an attempt that waited has to wait on, for money; it is asked for once, then as all are."""
        id_ = slot.backlog[0][0]
        if id_ not in self._purse.open:
            return False
        return id_ in self._purse.shortage.begun or not self._extending.goes_on(id_, slot.ran_before_s, now)

    def watch(self, now: float, out: list[Command]) -> None:
        """Those that may reach what is reserved for them are given more, or are paused."""
        purse = self._purse
        if not purse.unwritten.booked:
            if self._went_on != self._standing.went_on:
                self._look_again(now)
            if due := self._extending.due(now):
                self._watch_due(due, now, out)
            return
        for slot in self._slots:
            if slot.state is SlotState.busy and slot.backlog and not slot.yields:
                self._look(slot, slot.worked_s(now), now, out)

    def _watch_due(self, due: set[int], now: float, out: list[Command]) -> None:
        """The same of a few; where nobody keeps books, those that have enough are not looked at."""
        slots = [slot for slot in map(self._slot_of, due) if slot is not None]
        for slot in sorted(slots, key=lambda slot: slot.number):
            id_, worked_s = slot.backlog[0][0], slot.worked_s(now)
            if slot.state is SlotState.busy and not slot.yields and not self._has_enough(id_, worked_s):
                self._look(slot, worked_s, now, out)
            due.remove(id_)
            if slot.state is SlotState.paused:
                self._paused[id_] = slot
            else:
                self._extending.look_again(id_, worked_s, now)
        for id_ in due:  # they stand behind another
            self._extending.look_again(id_, 0.0, now)

    def _look_again(self, now: float) -> None:
        """Some that were paused are at work again, and may come to an end of what they have."""
        paused, self._paused = self._paused, {}
        self._went_on = self._standing.went_on
        for id_, slot in paused.items():
            if not slot.backlog or slot.backlog[0][0] != id_:
                continue
            if slot.state is SlotState.paused:
                self._paused[id_] = slot
            else:
                self._extending.look_again(id_, slot.worked_s(now), now)

    def _slot_of(self, id_: int) -> Slot | None:
        """Where it runs."""
        lane = self._waiting.where.get(id_)
        slots = lane.slots if lane is not None else ()
        return next((slot for slot in slots if slot.backlog and slot.backlog[0][0] == id_), None)

    def _look(self, slot: Slot, worked_s: float, now: float, out: list[Command]) -> None:
        id_ = slot.backlog[0][0]
        self.draw(slot, now)
        if not self._extending.spends(id_, worked_s, now, self._standing.told_left_s(slot, now)):
            self._standing.hold(slot, now, out)
            self._extending.rests(id_, worked_s, now)

    def _has_enough(self, id_: int, worked_s: float) -> bool:
        paid = self._purse.open.get(id_)
        return paid is not None and worked_s + AHEAD_S <= paid.seconds

    def bounds(self) -> dict[int, float]:
        """By slot, when what it runs has spent what it may, if nobody looks before (UTC epoch seconds)."""
        found: dict[int, float] = {}
        paid = self._purse.open
        for slot in self._slots:
            if slot.state is SlotState.busy and slot.backlog and slot.backlog[0][0] in paid:
                lasts_s = sum(paid[ask[0]].seconds for ask in slot.backlog if ask[0] in paid)
                lasts_s = min(lasts_s, paid[slot.backlog[0][0]].until_s)
                found[slot.number] = slot.head_since - slot.ran_before_s + lasts_s
        return found

    def halted(self, slot: Slot, at: float, now: float, out: list[Command]) -> None:
        """What runs on a slot stands still since `at`; where it is paid for it goes on."""
        id_ = slot.backlog[0][0]
        self._standing.hold(slot, min(max(at, slot.head_since), now), out, stands=True)
        self.draw(slot, now)
        if self._extending.spends(id_, slot.ran_before_s, now):
            self._standing.has_paid(slot)
        else:
            self._extending.rests(id_, slot.ran_before_s, now)

    def draw(self, slot: Slot, now: float) -> None:
        """What runs may have worked, unseen, for what is set aside for those behind it on its slot."""
        if self._purse.open and len(slot.backlog) > 1:
            behind = [ask[0] for ask in slot.backlog][1:]
            self._extending.draws(slot.backlog[0][0], slot.worked_s(now), behind, now)

    def adopt(self, now: float, out: list[Command]) -> None:
        """Payers have limits that had none: what runs for them is in their books from now on."""
        for slot in self._slots:
            if slot.lane is None or not slot.backlog or not self._purse.concerns(slot.lane):
                continue
            for place, ask in enumerate(slot.backlog):
                self._purse.adopt(ask[0], slot.lane, slot.worked_s(now) if place == 0 else 0.0, now)
            if len(slot.backlog) > 1 and not slot.recalling:
                slot.slow = slot.recalling = True
                out.append(Recall(slot.number))
            if slot.state is SlotState.paused and slot.backlog[0][0] in self._purse.open:
                self._standing.is_to_pay(slot)
        self.watch(now, out)
