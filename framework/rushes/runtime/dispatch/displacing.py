"""Displacing: stops running attempts where they stand, lets them go on, gives others back; and reports it.

The scheduler says who; the processes are found by walking the tree below the slot, through every box. What
is paused keeps its lease, its memory and its files, and its clock stands still. This module must not know
why anybody stands aside.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rushes.core import commands as cmd
from rushes.core import events as ev
from rushes.core.states import State
from rushes.core.swarm import Swarm
from rushes.media.running.family import freeze, thaw
from rushes.runtime.dispatch.guarding import Guarding
from rushes.runtime.dispatch.pool import PAUSED, QUEUED, RUNNING, Pool
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.records.batches import BatchState
from rushes.runtime.slots.processes import SlotProcess
from rushes.runtime.wire import encode_packet

__all__ = ["GRACE_S", "Displacing"]

GRACE_S = 5.0
"""Between asking a slot to stop and killing it."""


class Displacing:
    """Carries out what the scheduler commands for the sake of more urgent work."""

    def __init__(self, pool: Pool, guarding: Guarding) -> None:
        self.pool = pool
        self._guarding = guarding
        self._reported: set[str] = set()
        self._undone: dict[str, dict[str, int]] = {}
        """Of each swarm, nano-dollars of work that is done again for its sake, by the batch that does it."""

    def pause(self, command: cmd.Pause) -> None:
        """Stop every process of an attempt, at once: what comes next may be given its cores."""
        slot, run = self._find(command.slot, command.id)
        if slot is None or run is None:
            return
        run.paused_since = self.pool.now if command.at is None else command.at
        number = abs(command.id)
        if run is self.pool.running.get(number):
            self._tell_paused(command, number, run)
        if command.by:
            self._reported.add(command.by)
        freeze(slot.pid)
        if self.pool.meter is not None:
            self.pool.meter.look(slot)

    def _tell_paused(self, command: cmd.Pause, number: int, run: SlotRun) -> None:
        state, outlet = self.pool.batches[number >> 32], self.pool.outlet
        state.move(RUNNING, PAUSED)
        if outlet is not None and command.by:
            outlet.note("displaced", state, number, by=command.by)
        elif outlet is not None:
            why = self.pool.scheduler.explain(command.id, self.pool.now)
            outlet.note("held", state, number, reason=why, attempt=run.attempt)

    def resume(self, command: cmd.Resume) -> None:
        """Let an attempt go on; also a slot whose attempt ended just before it was paused."""
        slot, run = self._find(command.slot, command.id)
        if slot is None:
            return
        if run is not None and run.paused_since:
            number = abs(command.id)
            self.leave(slot, run, number)
            if self.pool.outlet is not None and run is self.pool.running.get(number):
                self.pool.outlet.note("resumed", self.pool.batches[number >> 32], number)
        if not self.pool.scheduler.purse.watches:
            thaw(slot.pid)
            return

        def go_on() -> None:  # once it is written down what that may cost, and it has a bound
            if run is None or not run.paused_since:
                self._guarding.let_go(slot)

        self.pool.after_commit.append(go_on)

    def leave(self, slot: SlotProcess, run: SlotRun, number: int) -> None:
        """A paused attempt is one that runs again, in the books: the time between is nobody's."""
        if not run.paused_since:
            return
        stood_s = max(self.pool.now - run.paused_since, 0.0)
        run.paused_s += stood_s
        run.paused_since = 0.0
        slot.began += stood_s
        slot.alive = self.pool.now
        if run is not self.pool.second.get(number):
            self.pool.batches[number >> 32].move(PAUSED, RUNNING)
        if self.pool.meter is not None and self.pool.run_on(slot.number, number) is run:
            self.pool.meter.look(slot)

    def give_back(self, command: cmd.GiveBack) -> None:
        """End an attempt, so that what it holds is free; `returned` queues its invocation again."""
        slot, run = self._find(command.slot, command.id)
        if slot is None or run is None:
            return
        run.given_back = True
        number = abs(command.id)
        if self.pool.outlet is not None and run is self.pool.running.get(number):
            state = self.pool.batches[number >> 32]
            self.pool.outlet.note("displaced", state, number, by=command.by, given_back=True)
        urgent = self.pool.by_id.get(command.by)
        run.given_back_for = command.by, urgent.queue.show if urgent is not None else ""
        self._reported.add(command.by)
        self.interrupt(slot, number)

    def interrupt(self, slot: SlotProcess, number: int) -> None:
        """Ask an attempt to stop, and kill its slot if it does not; a paused one hears nothing."""
        run = self.pool.run_on(slot.number, number)
        if run is None:
            return
        slot.doomed = self.pool.now + GRACE_S
        if run.paused_since:
            slot.kill()
            return
        self.pool.after_commit.append(lambda: slot.interrupt(encode_packet(["cancel", number, run.fence])))

    def returned(self, slot: int, state: BatchState, run: SlotRun, number: int, seconds: float) -> None:
        """An attempt that was to give its place back has ended: no try is used up, and it waits again."""
        state.move(RUNNING, QUEUED)
        queue = self.pool.queue_keys[run.row.queue]
        self.pool.await_more(queue, 1)
        self.pool.feed(ev.AttemptFinished(slot, run.ask(number), State.queued, seconds))
        self.pool.feed(ev.Queued(queue, 1))

    def _find(self, slot: int, number: int) -> tuple[SlotProcess | None, SlotRun | None]:
        return self.pool.slots.get(slot), self.pool.run_on(slot, abs(number))

    # -- the report ------------------------------------------------------------------------------------

    def report(self, batch: str, number: int) -> list[dict[str, Any]]:
        """What each other batch bore for this one; empty when nobody stood aside for it."""
        swarm = self.pool.scheduler.swarms.of(batch)
        if swarm is not None:
            return self._shares(batch, swarm)
        kept = self.pool.journal.swarm(number)
        return json.loads(kept) if kept else []

    def keep_reports(self) -> None:
        """Write down the swarms whose batch has ended, and forget those that nobody stands aside for."""
        for batch in [one for one in self._reported if one not in self.pool.by_id]:
            swarm = self.pool.scheduler.swarms.of(batch)
            row = self.pool.journal.batch(batch)
            if swarm is not None and row is not None:
                self.pool.journal.keep_swarm(row.number, json.dumps(self._shares(batch, swarm)))
            if swarm is None or self.pool.scheduler.swarms.forget(batch) is not None:
                self._reported.discard(batch)
                self._undone.pop(batch, None)

    def undone(self, swarm: str, batch: str, nano: int) -> None:
        """What an attempt of `batch` had cost is for nothing: it gave its place back to `swarm`."""
        bill = self._undone.setdefault(swarm, {})
        bill[batch] = bill.get(batch, 0) + nano

    def _shares(self, batch: str, swarm: Swarm) -> list[dict[str, Any]]:
        bill = self._undone.get(batch, {})
        shares = swarm.report(self.pool.now)
        return [{**asdict(share), "redone_nano": bill.get(share.batch, 0)} for share in shares]
