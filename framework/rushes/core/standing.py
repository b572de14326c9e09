"""Running work that stands aside for more urgent work: choosing it, noting it, letting it go on.

`displacement` says who, `swarm` what it cost; here both meet the slots of a pool. Commands go out as soon as
something is decided, so that the worker stops an attempt before it starts another in its place. This module
must not know queues or the order in which work is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rushes.core.commands import Command, GiveBack, Pause, Recall, Resume
from rushes.core.displacement import Displacement, DisplacementPolicy, Running, displace
from rushes.core.expected import ExpectedRuns
from rushes.core.ordering import Lane, Level
from rushes.core.packing import Need, Room
from rushes.core.slots import Slot, Slots, SlotState
from rushes.core.swarm import Aside, Swarms
from rushes.core.waiting import Waiting

__all__ = ["Standing"]


class Standing:
    """Who stands aside on one pool, and for whom."""

    __slots__ = ("_expected", "_policy", "_room", "_slots", "_times", "_waiting", "paused", "swarms")

    def __init__(
        self,
        room: Room,
        waiting: Waiting,
        slots: Slots,
        expected: ExpectedRuns,
        policy: DisplacementPolicy | None,
    ) -> None:
        self._room = room
        self._waiting = waiting
        self._slots = slots
        self._expected = expected
        self._policy = policy
        self._times: dict[int, int] = {}  # by id: how often it has stood aside
        self.paused: dict[int, Slot] = {}  # by slot number
        self.swarms = Swarms()

    # -- making room ---------------------------------------------------------------------------------------

    def make_room(self, lane: Lane, wanted: int, now: float, out: list[Command]) -> None:
        """Let others stand aside so that up to `wanted` more asks of `lane` fit, if its class may ask that.

        What is paused is free at once; what has to be stopped is free when it has ended.
        """
        if self._policy is None or not (asking := self._waiting.policy(lane.queue.key)).may_displace:
            return
        room, need = self._room, lane.need
        running: list[Running] | None = None
        while (fitting := room.times(need)) < wanted:
            if running is None:
                running = list(self._running())
            lack = _without(room.lack(need, fitting + 1), self._leaving())
            found = displace(lack, asking.rank, running, now, self._policy)
            if not found:
                return
            gone = {one.id for one in found}
            running = [one for one in running if one.id not in gone]
            for one in found:
                self._set_aside(one, lane, now, out)
            if any(one.how == "stop" for one in found):
                return

    def _running(self) -> Iterator[Running]:
        for slot in self._slots:
            lane = slot.lane
            policy = slot.policy
            if lane is None or policy is None or not slot.backlog or slot.yields:
                continue
            if slot.state is SlotState.busy:
                need, pausable = lane.need, True
            elif slot.state is SlotState.paused:
                need, pausable = (0, *lane.need[1:]), False
            else:
                continue
            yield Running(
                id=slot.backlog[0][0],
                slot=slot.number,
                rank=policy.rank,
                need=need,
                began=slot.head_since,
                expected_s=self._expected.seconds(lane.shape.function),
                ran_s=slot.ran_before_s,
                displaced=self._times.get(slot.backlog[0][0], 0),
                preemptible=lane.shape.preemptible and policy.may_be_displaced,
                pausable=pausable,
            )

    def _leaving(self) -> Iterator[Need]:
        """What will be free once those have ended that were told to."""
        for slot in self._slots:
            if slot.yields and slot.lane is not None:
                cpu = 0 if slot.state is SlotState.paused else slot.lane.need[0]
                yield (cpu, *slot.lane.need[1:])

    def _set_aside(self, one: Displacement, swarm: Lane, now: float, out: list[Command]) -> None:
        slot = self._slots.by_number[one.slot]
        lane = slot.lane
        if lane is None:
            return
        since_s = 0.0 if slot.state is SlotState.paused else max(now - slot.head_since, 0.0)
        ran_s = slot.ran_before_s + since_s
        by = swarm.shape.batch
        if one.how == "pause":
            if len(slot.backlog) > 1 and not slot.recalling:
                slot.slow = slot.recalling = True
                out.append(Recall(slot.number))
            slot.ran_before_s = ran_s
            self._slots.stand_aside(slot, SlotState.paused)
            self._room.ease(lane.need[0])
            self.paused[slot.number] = slot
            out.append(Pause(slot.number, one.id, by))
        else:
            if slot.state is SlotState.paused:
                self.swarms.back(one.id, now)
            slot.yields = True
            out.append(GiveBack(slot.number, one.id, by))
        self._times[one.id] = self._times.get(one.id, 0) + 1
        aside = Aside(one.id, lane.shape.batch, lane.queue.key.show, one.how, now)
        aside.redone_s = ran_s if one.how == "stop" else 0.0
        self.swarms.aside(by, aside)

    # -- coming back ---------------------------------------------------------------------------------------

    def resume(self, level: Level, now: float, out: list[Command]) -> None:
        """Let those of a level go on whose cores are free, and keep theirs for the others.

        They go before all of their level that has not begun.
        """
        for slot in sorted(self.paused.values(), key=lambda one: (one.backlog[0][1], one.backlog[0][0])):
            lane = slot.lane
            if lane is None or slot.level is not level or slot.yields:
                continue
            cpu = lane.need[0]
            if self._room.resumes(cpu):
                self.end_pause(slot, now)
                out.append(Resume(slot.number, slot.backlog[0][0]))
            else:
                self._room.claim((cpu, 0, 0, 0))

    def end_pause(self, slot: Slot, now: float) -> None:
        """It is paused no longer, whatever comes next: it has its cores again."""
        lane = slot.lane
        if lane is None or slot.state is not SlotState.paused:
            return
        slot.become(SlotState.busy)
        slot.head_since = now
        del self.paused[slot.number]
        self._room.take((lane.need[0], 0, 0, 0))
        if slot.backlog and not slot.yields:
            self.swarms.back(slot.backlog[0][0], now)

    def starts(self, ids: Iterable[int], now: float) -> None:
        """These are given to a slot: whoever stood aside among them does so no longer."""
        for id_ in ids:
            self.swarms.back(id_, now)

    def left(self, id: int, now: float, *, ended: bool) -> None:  # noqa: A002 - named as everywhere
        """An invocation has left its slot; one that is queued again may stand aside still."""
        if ended:
            self._times.pop(id, None)
            self.swarms.back(id, now)

    def forgive(self, id: int) -> None:  # noqa: A002 - as above
        """How often it has stood aside counts for nothing from now on."""
        if id in self._times:
            self._times[id] = 0

    @property
    def any(self) -> bool:
        """Whether anybody has ever stood aside who has not ended."""
        return bool(self._times)


def _without(lack: Need, leaving: Iterable[Need]) -> Need:
    a, b, c, d = lack
    for need in leaving:
        a, b, c, d = a - need[0], b - need[1], c - need[2], d - need[3]
    return max(a, 0), max(b, 0), max(c, 0), max(d, 0)
