"""Metering: what each slot uses of the machine, and what its attempts have cost when they end.

A slot holds its share of the machine from when it is given an invocation until its answer is heard; while
what it runs is paused, or waits for parts of its own, it holds nothing. What came back in one answer divides
what the slot held, by its seconds. All of it is `rushes.core.spending.machine_time`; here is only when it is
told what. There is no `Metering` where nothing has a price or a power: nothing is counted then.

The ledger is written in the turn in which something ended, and every few seconds: so at any moment its lines
sum to the price of the time that it holds. This module must not know SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, NamedTuple

from rushes.core.money import micros
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.machine_time import MachineShare, MachineTime, divided_by
from rushes.invocation import Spent, function_name
from rushes.runtime.dispatch.families import whole_of
from rushes.runtime.records.cost_records import CostRow, MachineHour

if TYPE_CHECKING:
    from rushes.runtime.dispatch.pool import Pool
    from rushes.runtime.records.batches import BatchState
    from rushes.runtime.slots.processes import SlotProcess

__all__ = ["KEEP_EVERY_S", "MeteredEnd", "Metering"]

KEEP_EVERY_S: Final = 5.0
"""Of a machine's time, what a worker that is killed can leave uncounted."""
BATCHES_KNOWN: Final = 256


class MeteredEnd(NamedTuple):
    """One attempt that has left its slot.

    Args:
        number: its invocation.
        seconds: it was at work, pauses not counted.
        wasted: what it made was thrown away.
        wasted_for: the show whose urgent work that was for; "" where it is its own.
        media_s: of the outputs that it published.
        hedge: it was begun beside another attempt.
    """

    number: int
    seconds: float
    wasted: bool = False
    wasted_for: str = ""
    media_s: float = 0.0
    hedge: bool = False


class Metering:
    """Counts one machine, from the start of a worker to its end."""

    def __init__(self, pool: Pool, price: MachinePrice) -> None:
        self.pool = pool
        self.price = price
        self.told: Callable[[Sequence[tuple[int, int]]], None] | None = None
        """Who is told at once what attempts have cost that have ended: by what the scheduler knows each."""
        self._time: MachineTime[int] = MachineTime(price.tier, pool.now, price.kwh_nano)
        self._shares: dict[int, int] = {}
        self._payers: dict[tuple[str, str], int] = {}
        self._accounts: dict[int, tuple[int, int, BatchState]] = {}
        self._rows: list[CostRow] = []
        self._kept = (MachineShare(), MachineShare())
        self._kept_at = self._seen = pool.now
        self._machine = 0

    def open(self) -> None:
        """Take up what an earlier worker did not close, and begin to count."""
        journal = self.pool.journal
        for left in journal.left_machines():
            cut_off = [CostRow._make(row) for row in json.loads(left.running or "[]")]
            if cut_off:
                journal.charge(cut_off)
            nothing = MachineHour(left.id, int(left.until // 3600), 0, 0, 0, 0, 0, 0)
            journal.keep_machine(left.id, left.until, left.counted_us, None, nothing)
        tier = self.price.tier
        figures = {**asdict(tier), "kwh_nano": self.price.kwh_nano}
        now = self._kept_at = self._seen = self.pool.now
        self._time = MachineTime(tier, now, self.price.kwh_nano)
        self._machine = journal.open_machine(tier.name, json.dumps(figures), now)

    # -- what slots hold ----------------------------------------------------------------------------------

    def look(self, slot: SlotProcess) -> None:
        """What a slot has been given, or how that runs, has changed."""
        now = self._awake()
        first = slot.given[0] if slot.given else 0
        run = self.pool.run_on(slot.number, first)
        if run is None:
            self._time.leave(slot.number, now)
            self._shares.pop(slot.number, None)
            return
        share = self.price.share(self.pool.batches[first >> 32].shape)
        self._shares[slot.number] = share
        self._time.begin(slot.number, 0 if run.paused_since or run.waits_since else share, now)

    def rest(self, slot: SlotProcess, at: float) -> None:
        """What a slot was given holds nothing since `at`: it is done and was not heard, or was stopped."""
        self._awake()
        self._time.reshare(slot.number, 0, at)

    def settle(self, slot: SlotProcess, ends: Sequence[MeteredEnd]) -> list[int]:
        """Attempts have left a slot: charge them what it held; gives what each has cost, in nano-dollars."""
        now = self._awake()
        rows: list[CostRow] = []
        if ends:
            held = self._time.end(slot.number, now)
            share = self._shares.get(slot.number, 0)
            uses = divided_by(held, [micros(end.seconds) for end in ends])
            rows = [self._charged(end, used, share) for end, used in zip(ends, uses, strict=True)]
            self._rows += rows
            if self.told is not None:
                # The scheduler knows a second attempt by another number (`Run.ask`) than the rows have.
                costs = zip(ends, rows, strict=True)
                self.told([(-end.number if end.hedge else end.number, row.nano) for end, row in costs])
        self.look(slot)
        return [row.nano for row in rows]

    def spent_on(self, number: int, slot: int) -> Spent:
        """What an invocation has cost until now, with the attempt that a slot runs, and its parts."""
        if self._rows:
            self.keep()
        before = self.pool.journal.spent_on(number, parts_of=self._account(number >> 32)[0])
        used = self._time.so_far(slot, self._awake())
        nano = used.compute + used.energy + self.price.tier.request_nano
        return Spent(before.nano + nano, before.waste_nano, before.joules + used.millijoules / 1000)

    # -- the ledger ---------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Write what the turn has gathered; called at the end of every turn."""
        now = self._awake()
        if self._rows or now - self._kept_at >= KEEP_EVERY_S or now < self._kept_at:
            self.keep()

    def keep(self) -> None:
        """Bring the ledger up to this moment."""
        now = self._awake()
        self._keep(now, json.dumps(self._running(now), separators=(",", ":")))

    def close(self) -> None:
        """The worker ends: what still runs is cut off, and begun again by the next one."""
        now = self._awake()
        self._rows += self._running(now)
        for slot in self._shares:
            self._time.end(slot, now)
        self._keep(now, None)

    def _keep(self, now: float, running: str | None) -> None:
        if self._rows:
            self.pool.journal.charge(self._rows)
            self._rows = []
        total, idle = self._time.total(now), self._time.idle(now)
        before, idle_before = self._kept
        hour = MachineHour(
            self._machine,
            int(now // 3600),
            total.compute - before.compute,
            total.energy - before.energy,
            total.millijoules - before.millijoules,
            idle.compute - idle_before.compute,
            idle.energy - idle_before.energy,
            idle.millijoules - idle_before.millijoules,
        )
        self.pool.journal.keep_machine(self._machine, now, self._time.counted_us(now), running, hour)
        self._kept, self._kept_at = (total, idle), now

    def _running(self, now: float) -> list[CostRow]:
        """What runs, as it is to be charged if this worker is killed: it was for nothing."""
        rows = []
        for slot in self.pool.slots.values():
            number = slot.given[0] if slot.given else 0
            if slot.number not in self._shares or self.pool.run_on(slot.number, number) is None:
                continue
            end = MeteredEnd(number, max(now - slot.began, 0.0), wasted=True)
            rows.append(self._charged(end, self._time.so_far(slot.number, now), self._shares[slot.number]))
        return rows

    def _charged(self, end: MeteredEnd, used: MachineShare, share: int) -> CostRow:
        """The row of one attempt."""
        number = end.number
        root, payer, state = self._account(number >> 32)
        if end.wasted_for:
            payer = self._payer(end.wasted_for, function_name(whole_of(self.pool, state.spec)[1]["function"]))
        # Nothing that runs here asks a store that bills requests, and nothing leaves the machine's region.
        # What parts make is published by the invocation that they are parts of.
        return CostRow(
            root or number, number, self._machine, payer, int(end.wasted), 1, self.pool.now, share,
            end.seconds, used.compute, self.price.tier.request_nano, 0, used.energy, used.millijoules,
            0 if end.wasted or root else micros(end.media_s),
        )  # fmt: skip

    def _account(self, batch: int) -> tuple[int, int, BatchState]:
        """Of a batch: the invocation that a person submitted and it is made of parts of, or 0; who pays."""
        known = self._accounts.get(batch)
        if known is None:
            if len(self._accounts) >= BATCHES_KNOWN:
                self._accounts.clear()
            state = self.pool.batches[batch]
            root, spec = whole_of(self.pool, state.spec)
            payer = self._payer(state.queue.show, function_name(spec["function"]))
            known = self._accounts[batch] = root, payer, state
        return known

    def _payer(self, show: str, function: str) -> int:
        if (show, function) not in self._payers:
            self._payers[show, function] = self.pool.journal.payer(show, function)
        return self._payers[show, function]

    def _awake(self) -> float:
        """The time; what the machine slept is not counted."""
        now = self.pool.now
        if now != self._seen:
            if self.pool.slept_s > 0:
                self._time.skip(now - self.pool.slept_s, now)
            self._seen = now
        return now
