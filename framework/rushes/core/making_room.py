"""Choosing who is to stand aside so that something urgent fits, among those who run and those who are paused.

What the class of the urgent may ask for, what will be free anyway and what is kept for others is put together
here; `displacement` chooses. This module must not know what standing aside means for a slot: `standing` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rushes.core.commands import Command
from rushes.core.displacement import Displaceable, DisplacementPolicy, Running
from rushes.core.events import ClassPolicy
from rushes.core.learning.expected import ExpectedRuns
from rushes.core.ordering import Lane
from rushes.core.packing import Need, Room
from rushes.core.slots import Slot, Slots, SlotState
from rushes.core.standing import Standing, stamped
from rushes.core.waiting import Waiting

__all__ = ["MakingRoom"]


class MakingRoom:
    """Who is asked to stand aside on one pool.

    A pass asks here whenever something urgent does not fit, which on a large pool is nearly always.
    """

    __slots__ = ("_expected", "_policy", "_room", "_slots", "_standing", "_waiting")

    def __init__(
        self, room: Room, waiting: Waiting, slots: Slots, expected: ExpectedRuns, standing: Standing
    ) -> None:
        self._room = room
        self._waiting = waiting
        self._slots = slots
        self._expected = expected
        self._standing = standing
        self._policy = standing.policy

    def make_room(self, lane: Lane, wanted: int, now: float, out: list[Command]) -> None:
        """Let others stand aside so that up to `wanted` more asks of `lane` fit, if its class may ask that.

        What is paused is free at once; what is stopped or awaited is free when it has ended.
        """
        if self._policy is None or not (asking := self._waiting.policy(lane.queue.key)).may_displace:
            return
        if self._standing.awaiting:
            self._wait_no_longer(now)
        need = lane.need
        busy = self._may_ask(asking.rank)
        if not busy and (
            not self._standing.paused
            or (need[0] > self._room.left_cpu and not self._standing.leaving and not self._standing.awaiting)
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
                self._standing.set_aside(one, lane, now, out)
            if not found:
                return

    def make_way(self, slot: Slot, holders: Iterable[Slot], now: float, out: list[Command]) -> None:
        """Let one of `holders` end, whose session of a device what runs on `slot` waits for.

        One that is paused cannot end by itself, and would keep it for as long as it stands aside.
        """
        policy = self._policy
        if policy is None or slot.lane is None or slot.policy is None or not slot.policy.may_displace:
            return
        if self._standing.awaiting:
            self._wait_no_longer(now)
        promised = self._standing.awaiting.promised()
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
            self._standing.set_aside(found, slot.lane, now, out)

    def may_free_cores(self, rank: int) -> bool:
        """Whether anybody may be asked for cores by work of this rank, or has been."""
        return bool(self._standing.awaiting) or self._may_ask(rank)

    def _may_ask(self, rank: int) -> bool:
        """Whether anything runs that work of this rank may ask."""
        for (at, name), able in self._standing.able.items():
            if at > rank and able and (self._waiting.cpuless or self._waiting.shares.may_spare(name)):
                return True
        return False

    def _policy_for(self, batch: str) -> DisplacementPolicy:
        policy = self._policy or DisplacementPolicy()
        return replace(policy, near_s=0.0) if self._standing.awaiting.in_vain(batch) else policy

    def _comes_later(self, lack: Need, need: Need, times: int) -> bool:
        """Whether the cores that are lacking could not be used yet: somebody is awaited for the rest."""
        if not self._standing.awaiting or any(lack[1:]):
            return False
        return any(self._room.lack(need, times)[1:])

    def _sure(self, need: Need) -> int:
        """How often `need` fits, now or once those have ended that were told to, or are awaited."""
        if not self._standing.leaving and not self._standing.awaiting:
            return self._room.times(need)
        a = b = c = d = 0
        for one in self._will_be_free():
            a, b, c, d = a + one[0], b + one[1], c + one[2], d + one[3]
        return self._room.times_with(need, (a, b, c, d))

    def _lack(self, need: Need, times: int) -> Need:
        """What is missing for `need` to fit so often, but for what will be free soon."""
        lack = self._room.lack(need, times)
        return (
            _without(lack, self._will_be_free())
            if self._standing.leaving or self._standing.awaiting
            else lack
        )

    def _running(self, rank: int, now: float) -> list[Running]:
        # What could never be spared is left out here, before anything is made of it: see `_spared`.
        spares = self._waiting.shares.spares() if self._waiting.shares.any else None
        return [
            self._view(slot, slot.policy, slot.lane, slot.lane.need, now, pausable=True)
            for (at, _), able in self._standing.able.items()
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
        for slot in (*self._standing.leaving.values(), *self._standing.awaiting.promised()):
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
            for slot in self._standing.paused.values()
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
            rank=stamped(slot, policy),
            need=need,
            began=slot.head_since,
            expected_s=expected_s,
            ran_s=slot.ran_before_s,
            displaced=self._standing.times.get(id_, 0),
            preemptible=lane.shape.preemptible and policy.may_be_displaced,
            pausable=pausable,
            left_s=None if now is None else self._standing.awaiting.left_s(slot, expected_s, now),
            part=lane.shape.depth > 0,
            waited_for=id_ in self._standing.awaiting,
        )

    def _will_be_free(self) -> list[Need]:
        """What will be free once those have ended that were told to."""
        needs: list[Need] = []
        for number, slot in list(self._standing.leaving.items()):
            if not slot.yields or slot.lane is None:
                del self._standing.leaving[number]
                continue
            cpu = 0 if slot.state is SlotState.paused else slot.lane.need[0]
            needs.append((cpu, *slot.lane.need[1:]))
        return needs + self._standing.awaiting.needs()

    def _wait_no_longer(self, now: float) -> None:
        """Who is awaited and has not ended in time may be asked again."""
        for id_, slot in self._standing.awaiting.look(now):
            self._standing.swarms.back(id_, now)
            if slot is not None:
                self._standing.occupied(slot)


def _within(need: Need, may: Need) -> bool:
    return need[0] <= may[0] and need[1] <= may[1] and need[2] <= may[2] and need[3] <= may[3]


_SESSION: Need = (0, 0, 0, 1)
"""Of a device, whichever it is: one that holds a session is as good as another."""


def _without(lack: Need, leaving: Iterable[Need]) -> Need:
    a, b, c, d = lack
    for need in leaving:
        a, b, c, d = a - need[0], b - need[1], c - need[2], d - need[3]
    return max(a, 0), max(b, 0), max(c, 0), max(d, 0)
