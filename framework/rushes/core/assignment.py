"""A pass over the waiting work, in its order: what fits starts, what does not claims what it needs.

`Assignment.run` is called whenever something may have become possible. What a slot is given is written down
in `handover`. This module must not know what happened. The theory stands at the top of `scheduler.py`.
"""

from __future__ import annotations

from rushes.core.commands import Command
from rushes.core.handover import Handover
from rushes.core.learning.expected import ExpectedRuns
from rushes.core.lending import Lending
from rushes.core.limits import BOUNDLESS, NamedLimits, batch_limit, class_limit, queue_limit
from rushes.core.making_room import MakingRoom
from rushes.core.ordering import Flow, Lane, Level
from rushes.core.overtaking import Overtaking
from rushes.core.packing import Room
from rushes.core.payments import Payments
from rushes.core.policy import SchedulerSettings
from rushes.core.purse import Purse
from rushes.core.slots import Slots
from rushes.core.standing import Standing
from rushes.core.waiting import Waiting
from rushes.core.yielding import Yielding

__all__ = ["Assignment"]


class Assignment:
    """What runs on which slot, and who pays for it."""

    __slots__ = (
        "_closed", "_coming", "_full", "_warmed", "expected", "handover", "lending", "limits", "making_room",
        "overtaking", "payments", "purse", "room", "slots", "standing", "waiting", "yielding",
    )  # fmt: skip

    def __init__(
        self, room: Room, waiting: Waiting, slots: Slots, settings: SchedulerSettings, purse: Purse
    ) -> None:
        self.purse = purse
        self.room = room
        self.waiting = waiting
        self.slots = slots
        self.expected = ExpectedRuns()
        self.yielding = Yielding(settings.waiting_limit)
        self.standing = Standing(room, waiting, slots, settings.displacement)
        self.making_room = MakingRoom(room, waiting, slots, self.expected, self.standing)
        self.payments = Payments(purse, waiting, slots, self.standing, self.yielding)
        self.overtaking = Overtaking(room, waiting)
        self.limits = NamedLimits()
        self.lending = Lending(
            room, waiting, slots, purse, limits=self.limits, yielding=self.yielding, payments=self.payments
        )
        self.handover = Handover(
            room, waiting, slots, settings, purse,
            expected=self.expected, limits=self.limits, standing=self.standing, lending=self.lending,
        )  # fmt: skip
        # Within one run:
        self._coming: dict[str, int] = {}  # slots that are opening and that nobody waits for yet
        self._warmed = False
        self._full = False  # nothing more starts
        self._closed = False  # nothing more starts but in what is kept for its class

    def busy_of(self, batch: str) -> int:
        """How many slots a batch with `max_slots` has."""
        return self.limits.busy(batch_limit(batch))

    def run(self, now: float, out: list[Command], *, paused: bool = False) -> None:
        """Start what can start, open the slots that are missing, ask for more of what was started.

        While `paused`, only what has begun goes on.
        """
        if self.purse.shortage.stirred:
            self.payments.ask_again(now)
        while self._pass(now, out, paused=paused):
            pass
        if self.purse.shortage.untold:
            out += self.purse.shortage.tell()

    def _pass(self, now: float, out: list[Command], *, paused: bool) -> bool:
        """Go through all that waits; True when that let others stand in line, who may come before."""
        self.room.begin()
        shares = self.waiting.shares
        if shares.any:
            shares.begin()
        self._coming.clear()
        self._warmed = self._full = self._closed = False
        aside: list[Lane] = []
        woken, standing = self.yielding.woken, self.standing
        again = False
        for level in self.waiting.levels:
            if woken:
                again, claimed = self.lending.go_on(level, now, out)
                if claimed:
                    self._note_full()
                if again:
                    break
            if standing.paused and level in standing.lines.of:
                standing.resume(level, now, out)
            if paused or self._full or not level.shows:
                continue
            if level.displaces or not self._is_out(level):
                self._serve_level(level, now, out, aside)
        for lane in aside:
            lane.stand()
        return again

    def _serve_share(self, lane: Lane, now: float, out: list[Command]) -> bool:
        """The same as `_serve`, where the class of `lane` sees no more of the room than it may have."""
        if self._closed and not self._own(lane):
            return False
        shares, name = self.waiting.shares, lane.queue.policy.name
        shares.enter(name, self.room)
        went = self._serve(lane, now, out)
        if not went:  # else it has claimed nothing
            shares.leave(name, self.room)
        return went

    def _serve_level(self, level: Level, now: float, out: list[Command], aside: list[Lane]) -> None:
        """Start what can start of one level; lanes that cannot go `aside` for the rest of the pass."""
        shows, passed, shared = level.shows, self.overtaking.passed, self.waiting.shares.any
        lane = None if level.overdue is None else self.overtaking.first(level)
        if lane is not None:
            went = self._serve_share(lane, now, out) if shared else self._serve(lane, now, out)
            if not went and not self._full:
                self._set_aside(lane, aside, out)
        while not self._full and (flow := shows.first()) is not None:
            lane = flow.lanes.first()
            if lane is None:
                flow.stand()
            elif self.room.free[0] <= 0 and self._is_spent(lane, now):
                self._full = True
            elif not (self._serve_share(lane, now, out) if shared else self._serve(lane, now, out)):
                # Where nobody else is looked at it need not leave its line, only to stand there again.
                if self._full or (not passed and self._is_out(level)):
                    break
                self._set_aside(lane, aside, out)
                if self._is_out(level):
                    break
        for flow in list(passed):  # lower classes see their claims, whatever ended the pass
            self._claim_passed(flow, out)

    def _set_aside(self, lane: Lane, aside: list[Lane], out: list[Command]) -> None:
        """A lane cannot go, and leaves its line for the rest of the pass."""
        flow = lane.flow
        flow.lanes.drop(lane)
        aside.append(lane)
        if not flow.lanes and flow in self.overtaking.passed:
            self._claim_passed(flow, out)
        flow.stand()

    def _is_spent(self, lane: Lane, now: float) -> bool:
        """Where no core is free: whether a lane could only claim what is not there, as all after it could.

        That is the end of most passes, and cheaper to see than to find out.
        """
        waiting, level = self.waiting, lane.flow.level
        is_spent = (
            not waiting.cpuless
            and not waiting.shares.any
            and not (level.displaces and self.making_room.may_free_cores(level.rank))
            and self.slots.has(lane.shape.environment)
            and self.handover.most(lane) == 1  # else a slot of its own may be given more
        )
        if is_spent and self.purse.watches:
            if not self.purse.affords(lane, now):
                return False  # it is to leave its line
            self._note_unfit(lane)
        return is_spent

    def _is_out(self, level: Level) -> bool:
        """Whether nothing more of a level can start, where classes have shares: nobody looks, then."""
        shares = self.waiting.shares
        if not shares.any or self.waiting.cpuless:
            return False
        return shares.is_out(level.classes, self.room.free[0], own=self._closed)

    def _serve(self, lane: Lane, now: float, out: list[Command]) -> bool:
        """Start the first of `lane`, or claim what it needs. Whether to look at this show again."""
        shape, need, room, slots = lane.shape, lane.need, self.room, self.slots
        if (self.purse.watches or self.waiting.bars) and self._stands_back(lane, now):
            return True
        fits, allowed = room.fits(need), BOUNDLESS
        if shape.max_slots is not None or shape.limits or self.yielding.known:
            fits, allowed = self._allowed(lane, fits=fits)
        if (shares := self.waiting.shares).any:
            allowed = min(allowed, shares.times(lane.queue.policy.name, need))
        rests = bool(slots.failures) and slots.rests_until(shape.environment) > now
        if not fits and allowed > 0 and not rests and not room.awaited(need):
            self.making_room.make_room(lane, min(len(lane.asks), allowed), now, out)
            fits = room.fits(need)
        most = self.handover.most(lane)
        if fits and allowed > 0 and (slot := slots.take_idle(shape.environment)) is not None:
            others = self._others(lane, allowed) if most > 1 else 0  # of one each nobody gets another's part
            self.handover.occupy(slot, lane)
            self.handover.give(slot, most, len(lane.slots) + others, now, out)
            return True
        if most > 1 and self._refill(lane, most, now, out):
            return True
        if allowed <= 0:
            self.waiting.park(lane, self._full_of(lane))
            return True
        if fits and not rests:  # only slots are missing
            self._await_slots(lane, min(len(lane.asks), max(room.times(need), 1), allowed), out)
        elif not rests:
            self._wait(lane, now, out)
        return False

    def _stands_back(self, lane: Lane, now: float) -> bool:
        """Whether a lane leaves its line, for want of money or since its queue is barred."""
        if self.purse.watches and not self.purse.affords(lane, now):
            self.waiting.park(lane, batch_limit(lane.shape.batch))
            return True
        # What has begun goes on to its end, and so do the parts that it waits for.
        if self.waiting.bars and not lane.shape.depth and lane.queue.key in self.waiting.bars:
            self.waiting.park(lane, queue_limit(lane.queue.key))
            return True
        return False

    def _others(self, lane: Lane, allowed: int) -> int:
        """How many more slots a lane may soon have, beside one."""
        idle = self.slots.idle(lane.shape.environment)
        return max(min(idle, self.room.times(lane.need) - 1, allowed - 1), 0)

    def _refill(self, lane: Lane, most: int, now: float, out: list[Command]) -> bool:
        """Give one of a lane's own slots more, where that keeps nothing from anybody."""
        if not lane.slots or self.room.drains or self.room.awaited(lane.need):
            return False
        return any(
            slot.refillable() and self.handover.give(slot, most, len(lane.slots), now, out)
            for slot in lane.slots
        )

    def _wait(self, lane: Lane, now: float, out: list[Command]) -> None:
        """A lane lacks room: others of its show are let by, or it keeps what it needs from all after it."""
        self._note_unfit(lane)
        if not self.overtaking.lets_by(lane, now):
            self._claim(lane, out)

    def _note_unfit(self, lane: Lane) -> None:
        """Others of its queue may fit."""
        if lane.queue.outside and not lane.queue.looked:
            self.waiting.leasing.unfit[lane.queue] = None

    def _claim_passed(self, flow: Flow, out: list[Command]) -> None:
        """Those of a show that were passed keep what they need from other shows and lower classes."""
        shares = self.waiting.shares
        for lane in self.overtaking.dry(flow):
            if shares.any:
                shares.enter(lane.queue.policy.name, self.room)
            self._claim(lane, out)
            if shares.any:
                shares.leave(lane.queue.policy.name, self.room)

    def _allowed(self, lane: Lane, *, fits: bool) -> tuple[bool, int]:
        """Whether one of a lane fits, perhaps beyond what there is, and how many more slots it may have."""
        shape, need = lane.shape, lane.need
        if self.yielding.known:
            shares, name = self.waiting.shares, lane.queue.policy.name
            others = shares.of_others(name) if shares.any else (0, 0, 0, 0)
            beyond = not fits and self.room.beyond(need, others)
            if self.yielding.bars(shape, beyond=beyond):
                self.yielding.barred.add(shape.batch)
                return fits, 0
            fits = fits or beyond
        return fits, self.limits.allowed(shape)

    def _full_of(self, lane: Lane) -> str:
        """The name under which a lane that may have no more has all that it may have."""
        if lane.shape.batch in self.yielding.barred:
            return batch_limit(lane.shape.batch)
        return self.limits.full(lane.shape) or class_limit(lane.queue.policy.name)

    def _claim(self, lane: Lane, out: list[Command]) -> None:
        """Keep for a lane what the next of it needs."""
        self.room.claim(lane.need)
        self._note_full()
        if not self._warmed:  # have a slot ready by the time that there is room
            self._warmed = True
            if not self.slots.has(lane.shape.environment):
                self.slots.open(lane.shape.environment, out, close_idle=False)

    def _note_full(self) -> None:
        """Nothing after what lacks cpu starts any more, unless cores are kept for its class."""
        self._full = self.room.cpu_awaited and not self.waiting.cpuless and not self.waiting.shares.any

    def _await_slots(self, lane: Lane, wanted: int, out: list[Command]) -> None:
        """Only slots are missing: wait for those that are opening, open others; keep what they will need."""
        environment = lane.shape.environment
        for _ in range(wanted):
            coming = self._coming.get(environment)
            if coming is None:
                coming = self.slots.opening(environment)
            if coming:
                self._coming[environment] = coming - 1
            elif self.slots.open(environment, out, beyond=self._own(lane)):
                self._coming[environment] = 0
            else:
                # No slot for this one, so none for anybody after it.
                self._closed = self.waiting.shares.any
                self._full = not self._closed
                return
            self.room.claim(lane.need)

    def _own(self, lane: Lane) -> bool:
        """Whether what a lane needs is kept for its class: then there is a slot for it, too."""
        shares = self.waiting.shares
        return shares.any and shares.within(lane.queue.policy.name, lane.need)
