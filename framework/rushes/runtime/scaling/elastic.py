"""The size of this machine's pool, over time: every few seconds a turn of scaling, and a word from a person.

Without a file of capacity and without that word nothing is done here: the pool has the whole machine. With
either, the machine's slots are a fleet like any other (`own_slots`), a `Scaler` decides, and what comes of it
is the capacity that the scheduler is told. A file that has changed is read again; while the new one cannot be
used the old one stays. This module must not know how a size is decided, nor sockets.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rushes.core.capacity.backlog import Unfinished, backlog_of, hosts_taken
from rushes.core.capacity.capacity_file import CapacityPolicy
from rushes.core.capacity.elastic import Backlog, FleetPolicy, Memory, ScalingPolicy, aimed
from rushes.core.capacity.fitting import RoutingPolicy
from rushes.core.events import Capacity, Resized
from rushes.core.hosts import HostState
from rushes.core.tiers import Machine, Purchase, Tier
from rushes.errors import CallerError
from rushes.runtime.configuration.capacity_file import CapacityFile
from rushes.runtime.dispatch.pool import PAUSED, QUEUED, RUNNING, Pool
from rushes.runtime.scaling.own_slots import OwnSlots
from rushes.runtime.scaling.scaler import Scaled, Scaler

__all__ = ["EVERY_S", "Elastic"]

EVERY_S: Final = 2.0
"""From one turn to the next. A pool without a slot does not wait that long for its first work."""


@dataclass(frozen=True, slots=True)
class _PoolClock:
    pool: Pool

    def now(self) -> float:
        return self.pool.now


class Elastic:
    """Keeps the pool at the size that a policy, or a person, gives it.

    Args:
        pool: whose capacity.
        tier: the name of this machine's tier.
        file: of capacity; None for none.
        purchase: how this machine is paid for, where the file does not say it.

    Raises:
        CallerError: the file cannot be used.
    """

    def __init__(
        self, pool: Pool, tier: str, file: CapacityFile | None, purchase: Purchase = Purchase.owned
    ) -> None:
        self._pool = pool
        self._name = tier
        self._purchase = purchase
        self._file = file
        self._whole = pool.capacity
        self.policy: CapacityPolicy | None = file.read() if file is not None else None
        self._clock = _PoolClock(pool)
        self._next = 0.0
        self._stamp = file.stamp() if file is not None else ()
        self._problem = ""
        self._pinned: int | None = None
        self._tier = self._slot()
        self._fleet: OwnSlots | None = None
        self._scaler: Scaler | None = None
        self._turn: Scaled | None = None
        self._said = ""
        self._begin(slots=0)
        self.tick()

    def tick(self) -> None:
        """One turn, when it is time for one."""
        if self._file is None and self._scaler is None:
            return
        if self._pool.now < self._next and not (self._fleet is not None and self._starved(self._fleet)):
            return
        self._next = self._pool.now + EVERY_S
        self._look_at_the_file()
        if self._classes != self._pool.scheduler.classes:  # with other targets, perhaps
            self._begin()
        if self._scaler is not None and self._fleet is not None:
            offset_s = float(time.localtime(self._pool.now).tm_gmtoff)
            self._turn = self._scaler.turn(self._backlog(), utc_offset_s=offset_s)
            self._resize(self._sized(self._fleet.size))

    def pin(self, slots: int | None) -> None:
        """A person gives the pool so many slots until further notice; None gives it back to its policy.

        Raises:
            CallerError: the machine has fewer.
        """
        limit = self._limit()
        if slots is not None and slots > limit:
            raise CallerError(
                f"the pool cannot have {slots} slots: this machine has {limit}.",
                code="bad-pool-size",
                fix=f"Give it 0 to {limit}, or raise RUSHES_CPU and start the worker again.",
            )
        self._pinned = slots
        self._begin()
        self._next = 0.0
        self.tick()

    def describe(self) -> dict[str, Any]:
        """What `rushes pool` shows of it."""
        found: dict[str, Any] = {
            "file": str(self._file.path) if self._file else None,
            "problem": self._problem,
            "pinned": self._pinned,
            "tiers": [],
        }
        if self._fleet is not None and self._turn is not None:
            states = [host.state for host in self._fleet.hosts()]
            row = self._turn.plan.of(self._name)
            found["tiers"].append(
                {
                    "tier": self._name,
                    "hosts": self._fleet.size,
                    "busy": states.count(HostState.busy),
                    "leaving": states.count(HostState.leaving),
                    "least": row.least,
                    "most": row.most,
                    "reason": row.reason,
                }
            )
        return found

    # -- what the size is decided by -----------------------------------------------------------------------

    def _begin(self, slots: int | None = None) -> None:
        """Take the policy of the moment: a person's word goes before a file's.

        Args:
            slots: that the pool has so far; None for as many as it has cores for, so that none is cut off.
        """
        policy = self._fleet_policy()
        self._tier = self._slot()
        self._pool.tier = self._tier
        self._pool.routing = self.policy.routing if self.policy is not None else RoutingPolicy()
        self._classes = self._pool.scheduler.classes
        stragglers = self.policy.stragglers if self.policy is not None else None
        self._pool.stragglers = stragglers if stragglers is not None and stragglers.hedge else None
        if policy is None:
            self._fleet = self._scaler = self._turn = None
            self._resize(self._whole)
            return
        fleet = OwnSlots(self._name, self._limit(), self._taken, self._clock)
        fleet.order(self._name, self._now_has() if slots is None else slots, "at first")
        memory = Memory(series=f"{self._pool.now:.3f}.")
        self._fleet = fleet
        self._scaler = Scaler(
            fleet,
            aimed(ScalingPolicy((policy,)), self._classes),
            {self._name: self._tier},
            {},
            clock=self._clock,
            memory=memory,
        )

    def _fleet_policy(self) -> FleetPolicy | None:
        if self._pinned is not None:
            return FleetPolicy(self._name, self._pinned, self._pinned, idle_s=0.0, calm_s=0.0)
        fleets = self.policy.scaling.fleets if self.policy is not None else ()
        return next((fleet for fleet in fleets if fleet.tier == self._name), None)

    def _slot(self) -> Tier:
        """One slot's worth of this machine: what the file says, or a core of it with all of its memory."""
        described = self.policy.tiers.get(self._name) if self.policy is not None else None
        if described is not None:
            return described
        memory = int(self._whole.memory)
        return Tier(self._name, Machine(min(self._whole.cpu, 1.0), memory, 0), self._purchase, "here")

    def _limit(self) -> int:
        return max(int(self._whole.cpu / self._slot().machine.cpu + 1e-9), 1)

    def _now_has(self) -> int:
        """Slots' worth of what the pool has."""
        return min(self._limit(), max(int(self._pool.size.cpu / self._tier.machine.cpu + 1e-9), 0))

    def _sized(self, slots: int) -> Capacity:
        """So many slots of the machine, never more than it has; its devices are no part of a slot."""
        slot, whole = self._tier.machine, self._whole
        scratch = min(slots * slot.scratch_bytes, whole.scratch) if slot.scratch_bytes else whole.scratch
        return Capacity(
            min(slots * slot.cpu, whole.cpu), min(slots * slot.memory_bytes, whole.memory), scratch, whole.gpu
        )

    def _taken(self) -> int:
        return hosts_taken(self._pool.scheduler.taken, self._tier.capacity)

    def _backlog(self) -> tuple[Backlog, ...]:
        return backlog_of(self._name, self._tier.capacity, self._unfinished())

    def _unfinished(self) -> Iterator[Unfinished]:
        for state in self._pool.batches.values():
            counts = state.counts
            waiting = 0 if self._pool.paused or state.stopping else counts[QUEUED]
            running = counts[RUNNING] + counts[PAUSED]
            if waiting or running:
                each_s = self._pool.scheduler.expected_s(state.shape.function)
                yield Unfinished(state.queue.priority, state.shape, waiting, running, each_s)

    def _starved(self, fleet: OwnSlots) -> bool:
        return (
            not self._pool.size.cpu
            and fleet.size == 0
            and any(state.counts[QUEUED] for state in self._pool.batches.values())
        )

    # -- what comes of it ----------------------------------------------------------------------------------

    def _resize(self, capacity: Capacity) -> None:
        if capacity == self._pool.size:
            return
        self._pool.size = capacity
        self._pool.feed(Resized(capacity))
        reason = self._turn.plan.of(self._name).reason if self._turn else "the whole machine"
        self._say(f"the pool has {_cores(capacity.cpu)} now: {reason}")

    def _look_at_the_file(self) -> None:
        """A file that has changed is taken whole, or not at all."""
        if self._file is None or (stamp := self._file.stamp()) == self._stamp:
            return
        self._stamp = stamp
        try:
            self.policy = self._file.read()
        except CallerError as error:
            self._problem = f"{error.message} What it said before still holds."
            self._say(self._problem)
            return
        self._problem = ""
        self._begin()

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            sys.stderr.write(f"rushes worker: {text}\n")
            sys.stderr.flush()


def _cores(count: float) -> str:
    return "1 core" if count == 1 else f"{count:g} cores"
