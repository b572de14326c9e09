"""Running work that stands aside for more urgent work: noting it, letting it go on.

`making_room` says who, `swarm` what it cost; here both meet the slots of a pool. Commands go out as soon as
something is decided, so that the worker stops an attempt before it starts another in its place. This module
must not know queues or the order in which work is served.
"""

from __future__ import annotations

from collections.abc import Iterable

from rushes.core.awaiting import Awaiting
from rushes.core.commands import Command, GiveBack, Pause, Recall, Resume
from rushes.core.displacement import Displacement, DisplacementPolicy
from rushes.core.events import ClassPolicy, QueueKey
from rushes.core.holding import note
from rushes.core.ordering import Lane, Level
from rushes.core.packing import Room
from rushes.core.paused_lines import PausedLines
from rushes.core.slots import Slot, Slots, SlotState
from rushes.core.swarm import Aside, Swarms
from rushes.core.waiting import Waiting

__all__ = ["Standing", "stamped"]


class Standing:
    """Who stands aside on one pool, and for whom.

    Who is to stand aside is asked for whenever something urgent does not fit, which on a large pool is nearly
    always. So those who may be asked are kept by their rank, those who are paused in their order, and neither
    is looked for among all slots.
    """

    __slots__ = (
        "_room", "_slots", "_unpaid", "_waiting", "able", "awaiting", "leaving", "lines", "paused", "policy",
        "swarms", "times", "went_on",
    )  # fmt: skip

    def __init__(
        self,
        room: Room,
        waiting: Waiting,
        slots: Slots,
        policy: DisplacementPolicy | None,
    ) -> None:
        self._room = room
        self._waiting = waiting
        self._slots = slots
        self.policy = policy
        self.times: dict[int, int] = {}  # by id: how often it has stood aside
        # Who may be asked, by rank and class, and slot number.
        self.able: dict[tuple[int, str], dict[int, Slot]] = {}
        self.leaving: dict[int, Slot] = {}  # by slot number: told to give back, and not gone yet
        self.awaiting = Awaiting()
        self.lines = PausedLines()
        self.paused: dict[int, Slot] = {}  # by slot number
        self._unpaid: dict[int, Slot] = {}  # those of them that are paused for want of money
        self.swarms = Swarms()
        self.went_on = 0
        """How often something was paused no longer."""

    # -- who may be asked ----------------------------------------------------------------------------------

    def occupied(self, slot: Slot) -> None:
        """Something new runs on a slot, or what runs there may be asked again."""
        lane, policy = slot.lane, slot.policy
        if self.policy is None or lane is None or policy is None:
            return
        if policy.may_be_displaced and lane.shape.preemptible:
            if slot.able is not None:
                slot.able.pop(slot.number, None)
            stamp = stamped(slot, policy), policy.name
            able = self.able.get(stamp)
            if able is None:
                able = self.able[stamp] = {}
            able[slot.number] = slot
            slot.able = able

    def reached(self, slot: Slot, fraction: float) -> None:
        """What runs on a slot is so far, 0..1, by its own word."""
        if self.policy is not None:
            self.awaiting.reached(slot, fraction)

    def freed(self, slot: Slot) -> None:
        """Nothing runs on a slot any more, or nothing that may be asked."""
        self.awaiting.forget(slot)
        self._is_not_able(slot)

    @staticmethod
    def _is_not_able(slot: Slot) -> None:
        if slot.able is not None:
            slot.able.pop(slot.number, None)
            slot.able = None

    def restamp(self, slot: Slot, queue: QueueKey, policy: ClassPolicy, level: Level) -> None:
        """A person gave what runs on a slot another class: what it bore for the old one is forgotten."""
        self.freed(slot)
        lined = slot in self.lines
        self.lines.leave(slot)
        slot.queue, slot.policy, slot.level = queue, policy, level
        if slot.backlog and slot.backlog[0][0] in self.times:
            self.times[slot.backlog[0][0]] = 0
            self.awaiting.release(slot.backlog[0][0])
        if lined:
            self.lines.stand(slot)
        if slot.state is not SlotState.paused:
            self.occupied(slot)

    # -- standing aside --------------------------------------------------------------------------------------

    def set_aside(self, one: Displacement, swarm: Lane, now: float, out: list[Command]) -> None:
        """One that was chosen stands aside for a lane, in the way that was chosen."""
        slot = self._slots.by_number[one.slot]
        lane = slot.lane
        if lane is None:
            return
        ran_s = slot.worked_s(now)
        by = swarm.shape.batch
        if one.how == "await":
            self._await(slot, by, now)
        elif one.how == "pause":
            self._stop_in_place(slot, by, now, out)
            self.lines.stand(slot)
        else:
            if slot.state is SlotState.paused:
                self.swarms.back(one.id, now)
                self.lines.leave(slot)
            self.awaiting.drop(one.id)
            slot.yields = True
            self.leaving[slot.number] = slot
            out.append(GiveBack(slot.number, one.id, by))
        self.times[one.id] = self.times.get(one.id, 0) + (one.how != "await")
        aside = Aside(one.id, lane.shape.batch, lane.queue.key.show, one.how, now)
        aside.redone_s = ran_s if one.how == "stop" else 0.0
        self.swarms.aside(by, aside)

    def _await(self, slot: Slot, by: str, now: float) -> None:
        """Let what runs on a slot finish; nobody else stops or pauses it meanwhile."""
        self.awaiting.begin(slot, now + (self.policy.near_s if self.policy is not None else 0.0), by)
        self._is_not_able(slot)

    def told_left_s(self, slot: Slot, now: float) -> float | None:
        """How long what runs on a slot will still run, by its own word; None where it has not said."""
        return self.awaiting.told_left_s(slot, now)

    def hold(self, slot: Slot, now: float, out: list[Command], *, stands: bool = False) -> None:
        """An attempt has spent what it may: it stands still until somebody pays for more.

        `stands`: it does so already, since `now`.
        """
        self.times.setdefault(slot.backlog[0][0], 0)
        self._stop_in_place(slot, "", now, out, stands=stands)
        self._is_unpaid(slot)

    def is_to_pay(self, slot: Slot) -> None:
        """What is paused on a slot does not go on, even where its cores are free, until `has_paid`."""
        self._is_unpaid(slot)
        self.lines.leave(slot)

    def has_paid(self, slot: Slot) -> None:
        """What is paused on a slot goes on as soon as its cores are free."""
        self._is_paid(slot)
        self.lines.stand(slot)

    def unpaid(self) -> list[Slot]:
        """Those that are paused for want of money, the best class first."""
        if not self._unpaid:  # every end of something that was paid for asks
            return []
        found = [(slot.policy.rank, slot) for slot in self._unpaid.values() if slot.policy]
        return [slot for _, slot in sorted(found, key=lambda one: (one[0], *one[1].backlog[0][1::-1]))]

    def _is_unpaid(self, slot: Slot) -> None:
        slot.unpaid = True
        self._unpaid[slot.number] = slot

    def _is_paid(self, slot: Slot) -> None:
        slot.unpaid = False
        self._unpaid.pop(slot.number, None)

    def _stop_in_place(
        self, slot: Slot, by: str, now: float, out: list[Command], *, stands: bool = False
    ) -> None:
        lane = slot.lane
        if lane is None:
            return
        if len(slot.backlog) > 1 and not slot.recalling:
            slot.slow = slot.recalling = True
            out.append(Recall(slot.number))
        slot.ran_before_s = slot.worked_s(now)
        self._slots.stand_aside(slot, SlotState.paused)
        self._room.ease(lane.need[0])
        self._note(slot)
        self.paused[slot.number] = slot
        self.freed(slot)
        out.append(Pause(slot.number, slot.backlog[0][0], by, now if stands else None))

    # -- coming back ---------------------------------------------------------------------------------------

    def resume(self, level: Level, now: float, out: list[Command]) -> None:
        """Let those of a level go on whose cores are free, and keep theirs for the others.

        They go before all of their level that has not begun.
        """
        if self._waiting.shares.any:
            self._resume_shares(level, now, out)
            return
        line = self.lines.of.get(level)
        while line is not None and line.places:
            slot = self.paused[line.places[0][2]]
            if slot.lane is None or not self._room.resumes(slot.lane.need[0]):
                # Once the first has to wait so have all others, since its cores are kept for it.
                self._room.claim((line.cpu, 0, 0, 0))
                return
            self.end_pause(slot, now)
            out.append(Resume(slot.number, slot.backlog[0][0]))

    def _resume_shares(self, level: Level, now: float, out: list[Command]) -> None:
        """The same, where a class may have to wait and another may not."""
        shares, line = self._waiting.shares, self.lines.of.get(level)
        if line is None:
            return
        waits: set[str] = set()
        for place in list(line.places):
            slot = self.paused[place[2]]
            if slot.lane is None or slot.policy is None or slot.policy.name in waits:
                continue
            cpu, name = slot.lane.need[0], slot.policy.name
            if shares.times(name, (cpu, 0, 0, 0)) < 1:
                continue
            shares.enter(name, self._room)
            if self._room.resumes(cpu, shares.may_take(name, self._room.free)[0]):
                self.end_pause(slot, now)
                out.append(Resume(slot.number, slot.backlog[0][0]))
            else:  # as have all others of its class
                self._room.claim((line.cpu_of.get(name, cpu), 0, 0, 0))
                waits.add(name)
            shares.leave(name, self._room)
            if len(waits) >= max(len(line.cpu_of), 1):
                return

    def end_pause(self, slot: Slot, now: float) -> None:
        """It is paused no longer, whatever comes next: it has its cores again."""
        lane = slot.lane
        if lane is None or slot.state is not SlotState.paused:
            return
        slot.become(SlotState.busy)
        slot.head_since = now
        self._is_paid(slot)
        self.went_on += 1
        del self.paused[slot.number]
        self.lines.leave(slot)
        self._room.take((lane.need[0], 0, 0, 0))
        self._note(slot)
        if not slot.backlog or slot.yields:
            return
        self.swarms.back(slot.backlog[0][0], now)
        if self.policy is not None and self.times.get(slot.backlog[0][0], 0) < self.policy.most:
            self.occupied(slot)

    def count_anew(self) -> None:
        """What lanes need has changed, and so what is kept for those who are paused."""
        self.lines.count_anew(self.paused)

    def _note(self, slot: Slot) -> None:
        if self._waiting.shares.any:
            note(self._waiting, slot)

    def starts(self, ids: Iterable[int], now: float) -> None:
        """These are given to a slot: whoever stood aside among them does so no longer."""
        for id_ in ids:
            self.swarms.back(id_, now)

    def left(self, id: int, now: float, *, ended: bool) -> None:  # noqa: A002 - named as everywhere
        """An invocation has left its slot; one that is queued again may stand aside still."""
        if self.awaiting and self.awaiting.drop(id):
            self.swarms.back(id, now)
        if ended:
            self.times.pop(id, None)
            self.swarms.back(id, now)

    @property
    def any(self) -> bool:
        """Whether anybody has ever stood aside who has not ended."""
        return bool(self.times)


def stamped(slot: Slot, policy: ClassPolicy) -> int:
    """The rank of what runs on a slot: of its class, or the better one at which it competed when it started.

    Else work that had waited long enough to go one rank higher would be displaced as soon as it ran, by those
    with whom it had stood in line.
    """
    level = slot.level
    return policy.rank if level is None or level.rank >= policy.rank else level.rank
