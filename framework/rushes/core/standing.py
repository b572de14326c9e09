"""Running work that stands aside for more urgent work: choosing it, noting it, letting it go on.

`displacement` says who, `swarm` what it cost; here both meet the slots of a pool. Commands go out as soon as
something is decided, so that the worker stops an attempt before it starts another in its place. This module
must not know queues or the order in which work is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rushes.core.awaiting import Awaiting
from rushes.core.commands import Command, GiveBack, Pause, Recall, Resume
from rushes.core.displacement import Displaceable, Displacement, DisplacementPolicy, Running
from rushes.core.events import ClassPolicy, QueueKey
from rushes.core.holding import note
from rushes.core.learning.expected import ExpectedRuns
from rushes.core.ordering import Lane, Level
from rushes.core.packing import Need, Room
from rushes.core.paused_lines import PausedLines
from rushes.core.slots import Slot, Slots, SlotState
from rushes.core.swarm import Aside, Swarms
from rushes.core.waiting import Waiting

__all__ = ["Standing"]


class Standing:
    """Who stands aside on one pool, and for whom.

    A pass asks here whenever something urgent does not fit, which on a large pool is nearly always. So those
    who may be asked are kept by their rank, those who are paused in their order, and neither is looked for
    among all slots.
    """

    __slots__ = (
        "_able", "_awaiting", "_expected", "_leaving", "_policy", "_room", "_slots",
        "_times", "_unpaid", "_waiting", "lines", "paused", "swarms", "went_on",
    )  # fmt: skip

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
        self._able: dict[
            tuple[int, str], dict[int, Slot]
        ] = {}  # by rank and class, and slot number: who may be
        self._leaving: dict[int, Slot] = {}  # by slot number: told to give back, and not gone yet
        self._awaiting = Awaiting()
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
        if self._policy is None or lane is None or policy is None:
            return
        if policy.may_be_displaced and lane.shape.preemptible:
            if slot.able is not None:
                slot.able.pop(slot.number, None)
            stamp = _stamped(slot, policy), policy.name
            able = self._able.get(stamp)
            if able is None:
                able = self._able[stamp] = {}
            able[slot.number] = slot
            slot.able = able

    def reached(self, slot: Slot, fraction: float) -> None:
        """What runs on a slot is so far, 0..1, by its own word."""
        if self._policy is not None:
            self._awaiting.reached(slot, fraction)

    def freed(self, slot: Slot) -> None:
        """Nothing runs on a slot any more, or nothing that may be asked."""
        self._awaiting.forget(slot)
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
        if slot.backlog and slot.backlog[0][0] in self._times:
            self._times[slot.backlog[0][0]] = 0
            self._awaiting.release(slot.backlog[0][0])
        if lined:
            self.lines.stand(slot)
        if slot.state is not SlotState.paused:
            self.occupied(slot)

    # -- making room ---------------------------------------------------------------------------------------

    def make_room(self, lane: Lane, wanted: int, now: float, out: list[Command]) -> None:
        """Let others stand aside so that up to `wanted` more asks of `lane` fit, if its class may ask that.

        What is paused is free at once; what is stopped or awaited is free when it has ended.
        """
        if self._policy is None or not (asking := self._waiting.policy(lane.queue.key)).may_displace:
            return
        if self._awaiting:
            self._wait_no_longer(now)
        need = lane.need
        busy = self._may_ask(asking.rank)
        if not busy and (
            not self.paused or (need[0] > self._room.left_cpu and not self._leaving and not self._awaiting)
        ):
            return  # what is paused has no cores to give
        able: Displaceable | None = None
        running: list[Running] = []

        def resting() -> list[Running]:
            return self._spared(self._resting(), running)

        while (sure := self._sure(need)) < wanted:
            lack = self._lack(need, sure + 1)
            if (lack[0] > 0 and not busy) or self._comes_later(lack, need, sure + 1):
                return  # what is paused has no cores to give
            if able is None:
                running = self._spared(self._running(asking.rank, now), ())
                able = Displaceable(asking.rank, running, now, self._policy_for(lane.shape.batch))
            found = able.take(lack, resting)
            for one in found:
                self._set_aside(one, lane, now, out)
            if not found:
                return

    def make_way(self, slot: Slot, holders: Iterable[Slot], now: float, out: list[Command]) -> None:
        """Let one of `holders` end, whose session of a device what runs on `slot` waits for.

        One that is paused cannot end by itself, and would keep it for as long as it stands aside.
        """
        policy = self._policy
        if policy is None or slot.lane is None or slot.policy is None or not slot.policy.may_displace:
            return
        if self._awaiting:
            self._wait_no_longer(now)
        promised = self._awaiting.promised()
        running = []
        for one in holders:
            if one.yields or one in promised:
                return
            if one.lane is None or one.policy is None:
                continue
            if one.state is SlotState.busy or one.state is SlotState.paused:
                at = now if one.state is SlotState.busy else None
                running.append(self._view(one, one.policy, one.lane, _SESSION, at, pausable=False))
        able = Displaceable(slot.policy.rank, running, now, self._policy_for(slot.lane.shape.batch))
        for found in able.take(_SESSION):
            self._set_aside(found, slot.lane, now, out)

    def may_free_cores(self, rank: int) -> bool:
        """Whether anybody may be asked for cores by work of this rank, or has been."""
        return bool(self._awaiting) or self._may_ask(rank)

    def _may_ask(self, rank: int) -> bool:
        """Whether anything runs that work of this rank may ask."""
        for (at, name), able in self._able.items():
            if at > rank and able and (self._waiting.cpuless or self._waiting.shares.may_spare(name)):
                return True
        return False

    def _policy_for(self, batch: str) -> DisplacementPolicy:
        policy = self._policy or DisplacementPolicy()
        return replace(policy, near_s=0.0) if self._awaiting.in_vain(batch) else policy

    def _comes_later(self, lack: Need, need: Need, times: int) -> bool:
        """Whether the cores that are lacking could not be used yet: somebody is awaited for the rest."""
        if not self._awaiting or any(lack[1:]):
            return False
        return any(self._room.lack(need, times)[1:])

    def _sure(self, need: Need) -> int:
        """How often `need` fits, now or once those have ended that were told to, or are awaited."""
        if not self._leaving and not self._awaiting:
            return self._room.times(need)
        a = b = c = d = 0
        for one in self._will_be_free():
            a, b, c, d = a + one[0], b + one[1], c + one[2], d + one[3]
        return self._room.times_with(need, (a, b, c, d))

    def _lack(self, need: Need, times: int) -> Need:
        """What is missing for `need` to fit so often, but for what will be free soon."""
        lack = self._room.lack(need, times)
        return _without(lack, self._will_be_free()) if self._leaving or self._awaiting else lack

    def _running(self, rank: int, now: float) -> list[Running]:
        # What could never be spared is left out here, before anything is made of it: see `_spared`.
        spares = self._waiting.shares.spares() if self._waiting.shares.any else None
        return [
            self._view(slot, slot.policy, slot.lane, slot.lane.need, now, pausable=True)
            for (at, _), able in self._able.items()
            if at > rank
            for slot in able.values()
            if slot.state is SlotState.busy
            and slot.backlog
            and not slot.yields
            and slot.lane is not None
            and slot.policy is not None
            and (spares is None or _within(slot.lane.need, spares.get(slot.policy.name, slot.lane.need)))
        ]

    def _spared(self, running: list[Running], beside: Iterable[Running]) -> list[Running]:
        """Of `running`, those that may be taken from their classes, `beside` others: nothing kept."""
        shares = self._waiting.shares
        if not shares.any:
            return running
        taken: dict[str, list[Need]] = {}
        for one in beside:
            taken.setdefault(self._class_of(one), []).append(one.need)
        for slot in (*self._leaving.values(), *self._awaiting.promised()):
            if slot.policy is not None and slot.lane is not None:
                taken.setdefault(slot.policy.name, []).append(slot.lane.need)
        spare: dict[str, Need] = {}
        found = []
        for one in sorted(running, key=lambda one: (-one.began, one.id)):
            name = self._class_of(one)
            if name not in spare:
                spare[name] = _without(shares.spare(name), taken.get(name, ()))
            if _within(one.need, spare[name]):
                found.append(one)
                spare[name] = _without(spare[name], (one.need,))
        return found

    def _class_of(self, one: Running) -> str:
        policy = self._slots.by_number[one.slot].policy
        return policy.name if policy is not None else ""

    def _resting(self) -> list[Running]:
        return [
            self._view(slot, slot.policy, slot.lane, (0, *slot.lane.need[1:]), None, pausable=False)
            for slot in self.paused.values()
            if slot.lane is not None and slot.policy is not None and slot.backlog and not slot.yields
        ]

    def _view(
        self,
        slot: Slot,
        policy: ClassPolicy,
        lane: Lane,
        need: Need,
        now: float | None,
        *,
        pausable: bool,
    ) -> Running:
        """One attempt, at work `now`; None: it is paused."""
        id_, expected_s = slot.backlog[0][0], self._expected.seconds(lane.shape.function)
        return Running(
            id=id_,
            slot=slot.number,
            rank=_stamped(slot, policy),
            need=need,
            began=slot.head_since,
            expected_s=expected_s,
            ran_s=slot.ran_before_s,
            displaced=self._times.get(id_, 0),
            preemptible=lane.shape.preemptible and policy.may_be_displaced,
            pausable=pausable,
            left_s=None if now is None else self._awaiting.left_s(slot, expected_s, now),
            part=lane.shape.depth > 0,
            waited_for=id_ in self._awaiting,
        )

    def _will_be_free(self) -> list[Need]:
        """What will be free once those have ended that were told to."""
        needs: list[Need] = []
        for number, slot in list(self._leaving.items()):
            if not slot.yields or slot.lane is None:
                del self._leaving[number]
                continue
            cpu = 0 if slot.state is SlotState.paused else slot.lane.need[0]
            needs.append((cpu, *slot.lane.need[1:]))
        return needs + self._awaiting.needs()

    def _wait_no_longer(self, now: float) -> None:
        """Who is awaited and has not ended in time may be asked again."""
        for id_, slot in self._awaiting.look(now):
            self.swarms.back(id_, now)
            if slot is not None:
                self.occupied(slot)

    def _set_aside(self, one: Displacement, swarm: Lane, now: float, out: list[Command]) -> None:
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
            self._awaiting.drop(one.id)
            slot.yields = True
            self._leaving[slot.number] = slot
            out.append(GiveBack(slot.number, one.id, by))
        self._times[one.id] = self._times.get(one.id, 0) + (one.how != "await")
        aside = Aside(one.id, lane.shape.batch, lane.queue.key.show, one.how, now)
        aside.redone_s = ran_s if one.how == "stop" else 0.0
        self.swarms.aside(by, aside)

    def _await(self, slot: Slot, by: str, now: float) -> None:
        """Let what runs on a slot finish; nobody else stops or pauses it meanwhile."""
        self._awaiting.begin(slot, now + (self._policy.near_s if self._policy is not None else 0.0), by)
        self._is_not_able(slot)

    def told_left_s(self, slot: Slot, now: float) -> float | None:
        """How long what runs on a slot will still run, by its own word; None where it has not said."""
        return self._awaiting.told_left_s(slot, now)

    def hold(self, slot: Slot, now: float, out: list[Command], *, stands: bool = False) -> None:
        """An attempt has spent what it may: it stands still until somebody pays for more.

        `stands`: it does so already, since `now`.
        """
        self._times.setdefault(slot.backlog[0][0], 0)
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
        if self._policy is not None and self._times.get(slot.backlog[0][0], 0) < self._policy.most:
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
        if self._awaiting and self._awaiting.drop(id):
            self.swarms.back(id, now)
        if ended:
            self._times.pop(id, None)
            self.swarms.back(id, now)

    @property
    def any(self) -> bool:
        """Whether anybody has ever stood aside who has not ended."""
        return bool(self._times)


def _stamped(slot: Slot, policy: ClassPolicy) -> int:
    """The rank of what runs on a slot: of its class, or the better one at which it competed when it started.

    Else work that had waited long enough to go one rank higher would be displaced as soon as it ran, by those
    with whom it had stood in line.
    """
    level = slot.level
    return policy.rank if level is None or level.rank >= policy.rank else level.rank


def _within(need: Need, may: Need) -> bool:
    return need[0] <= may[0] and need[1] <= may[1] and need[2] <= may[2] and need[3] <= may[3]


_SESSION: Need = (0, 0, 0, 1)
"""Of a device, whichever it is: one that holds a session is as good as another."""


def _without(lack: Need, leaving: Iterable[Need]) -> Need:
    a, b, c, d = lack
    for need in leaving:
        a, b, c, d = a - need[0], b - need[1], c - need[2], d - need[3]
    return max(a, 0), max(b, 0), max(c, 0), max(d, 0)
