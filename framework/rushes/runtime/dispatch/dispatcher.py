"""The dispatcher: carries the scheduler's commands out, and tells it what came of them.

Every turn of the worker is one transaction. What happens in a turn (submissions, starts, ends) is written to
the journal, and nothing of it leaves the process before the commit: packets to slots and answers to clients
wait in `after_commit`. So whatever anybody was told is true after a power cut.

    admission   takes invocations in
    supply      gives them to slots
    spares      has a slot ready for what is urgent
    hearing     takes the answers
    watch       stops what hangs, and what people cancel
    guarding    has stopped what nobody looked at
    classes     knows who may use which class, and how much of it
    families    knows whose parts a batch is made of
    reports     says where things stand

This module must not know client sockets; the worker reads those and calls the verbs here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rushes.core import commands as cmd
from rushes.core import events as ev
from rushes.core.scheduler import Scheduler
from rushes.core.sinks import BATCH_ENDED
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.states import State
from rushes.runtime.configuration.class_file import ClassFile
from rushes.runtime.dispatch.admission import Admission
from rushes.runtime.dispatch.budgeting import Budgeting
from rushes.runtime.dispatch.classes import Classes
from rushes.runtime.dispatch.displacing import Displacing
from rushes.runtime.dispatch.families import Families
from rushes.runtime.dispatch.guarding import Guarding
from rushes.runtime.dispatch.hearing import Hearing
from rushes.runtime.dispatch.hedging import Hedging
from rushes.runtime.dispatch.metering import Metering
from rushes.runtime.dispatch.pool import CANCELLED, FAILED, Pool
from rushes.runtime.dispatch.reports import Reports
from rushes.runtime.dispatch.spares import Spares
from rushes.runtime.dispatch.supply import Supply
from rushes.runtime.dispatch.watch import Watch
from rushes.runtime.outputs.scratch import clear_batch, temporary_roots
from rushes.runtime.ownership import scratch_root_of
from rushes.runtime.records.batches import BatchState
from rushes.runtime.records.ports import Journal
from rushes.runtime.slots.processes import SlotProcess

__all__ = ["Dispatcher"]


class Dispatcher:
    """The pool of one machine: a scheduler, a journal, slots."""

    def __init__(
        self,
        scheduler: Scheduler,
        journal: Journal,
        home: Path,
        capacity: ev.Capacity,
        *,
        budgeting: Budgeting,
        price: MachinePrice | None = None,
        watch: Callable[[SlotProcess], None],
        unwatch: Callable[[SlotProcess], None],
        class_file: ClassFile | None = None,
    ) -> None:
        self.pool = pool = Pool(scheduler, journal, home, capacity)
        if price is not None and price.counted:
            pool.meter = Metering(pool, price)
            pool.meter.told = budgeting.costed
        self.classes = Classes(pool, class_file)
        self.admission = Admission(pool)
        self.guarding = Guarding(pool)
        self.spares = Spares(pool, watch, unwatch)
        self.supply = Supply(pool, self.spares, watch)
        self.families = Families(pool)
        self.displacing = Displacing(pool, self.guarding)
        self.hedging = Hedging(pool, self.displacing)
        self.hearing = Hearing(
            pool, self.supply, self.families, self.displacing, self.hedging, unwatch=unwatch
        )
        self.watch = Watch(pool, self.supply, self.hearing, self.displacing, self.hedging)
        self.budgeting = budgeting
        self.reports = Reports(pool, self.families, self.displacing, budgeting)
        budgeting.pool = pool
        pool.carry_out = {
            cmd.Start: lambda command, _: self.supply.start(command.slot, command.ids),
            cmd.Lease: lambda command, todo: todo.append(self.supply.lease(command)),
            cmd.OpenSlot: self.supply.open_slot,
            cmd.GoOn: lambda command, _: self.supply.go_on(command.slot, command.id),
            cmd.Pause: lambda command, _: self.displacing.pause(command),
            cmd.Resume: lambda command, _: self.displacing.resume(command),
            cmd.GiveBack: lambda command, _: self.displacing.give_back(command),
            cmd.CloseSlot: lambda command, _: self.hearing.close(command.slot),
            cmd.Recall: lambda command, todo: todo.extend(self.supply.recall(command.slot)),
            cmd.Release: lambda command, todo: todo.extend(self.admission.release(command)),
            cmd.Hold: lambda command, _: budgeting.tell(command),
            cmd.Freed: lambda command, _: budgeting.tell(command),
            cmd.Demote: lambda command, _: budgeting.reclass(command.batch, command.why),
            cmd.Promote: lambda command, _: budgeting.reclass(command.batch, None),
        }

    def recover(self) -> None:
        """Take up what an earlier worker left.

        A start is not journalled: what ran when a worker died is still queued in the journal, and loses no
        attempt. Its slots died with it; a token of this epoch is larger than any that they hold.
        """
        self.pool.tell_time(self.pool.clock(), time.monotonic_ns())
        self.pool.slept_s = 0.0
        journal = self.pool.journal
        self.supply.next_epoch()
        for number, priority, show in journal.queues():
            self.pool.name_queue(ev.QueueKey(priority, show), number)
        for row in journal.open_batches():
            state = self.pool.take_up(row)
            for number, count in journal.counts(state.number):
                state.counts[number] = count
            state.cached = journal.cached_count(state.number)
            state.last_n = journal.last_n(state.number)
            state.orphaned = None if state.sealed else self.pool.now
            state.littered = True
            state.dirty = True
        self.budgeting.recover()
        self.families.recover()
        self.pool.intents = journal.intended()
        deps: dict[int, list[tuple[int, int]]] = {}
        for invocation, after, cancel in journal.dependencies():
            deps.setdefault(invocation, []).append((after, cancel))
        for invocation, afters in deps.items():
            self.admission.defer(invocation, [a for a, _ in afters], cancel=bool(afters[0][1]))
        for queue, count in journal.waiting():
            key = self.pool.queue_keys[queue]
            self.pool.waiting[key] = count
            self.pool.feed(ev.Queued(key, count))
        self.pool.next_due = journal.next_due()
        if self.pool.outlet is not None:
            self.pool.outlet.recover()
        if self.pool.meter is not None:
            self.pool.meter.open()

    def close_turn(self) -> None:
        """Write the batches that changed; end those that have nothing left."""
        self.budgeting.give_classes()
        self.pool.flush()
        ended = False
        for state in [b for b in self.pool.batches.values() if b.dirty or b.stopping]:
            if state.stopping or state.withdrawn:
                self.watch.stop_some(state)
                self.pool.flush()
            if state.sealed and not state.unfinished and state.ended is None and not self._leaving(state):
                state.ended = self.pool.now
            self.classes.count(state)
            self.pool.journal.save_batch(
                state.number,
                ended=state.ended,
                sealed=state.sealed,
                seq=state.seq,
                seconds=state.seconds,
                media_s=state.media_s,
            )
            state.dirty = bool(state.withdrawn)
            if state.ended is not None:
                ended = True
                if self.pool.outlet is not None:
                    self.pool.outlet.note(BATCH_ENDED, state, 0)
                del self.pool.batches[state.number], self.pool.by_id[state.id]
                self.budgeting.ended(state.id)
                self._tidy(state)
                self.families.ended(state)
                pseudo = state.number << 32
                if pseudo in self.pool.awaited:
                    bad = state.counts[FAILED] or state.counts[CANCELLED]
                    self.pool.awaited.discard(pseudo)
                    self.pool.feed(ev.InvocationEnded(pseudo, State.failed if bad else State.succeeded))
                    self.pool.flush()

        self.classes.write()
        if ended:
            self.displacing.keep_reports()
        self.budgeting.write()
        if self.pool.meter is not None:
            self.pool.meter.turn()
        if self.pool.outlet is not None:  # it tells what has ended with what that has cost
            self.pool.outlet.write(self.pool.now)

    def _leaving(self, state: BatchState) -> bool:
        """Whether an attempt that was beaten has not left its slot yet: what it cost is to be written."""
        return any(number >> 32 == state.number for number in self.pool.second)

    def _tidy(self, state: BatchState) -> None:
        """Leave no scratch folder of a batch whose last attempts were lost."""
        if not state.littered:
            return
        out = state.spec.get("out")
        roots = [scratch_root_of(Path(out))] if out is not None else [self.pool.home / "keep"]
        if out is None:
            roots += temporary_roots((state.spec.get("environment") or {}).get("variables") or {})
        self.pool.after_commit += [partial(clear_batch, root, state.id) for root in roots]

    def push(self) -> None:
        """Send what the commit has made true."""
        self.guarding.bind()
        done, self.pool.after_commit = self.pool.after_commit, []
        for act in done:
            act()
        if self.pool.outlet is not None:
            self.pool.outlet.hand_out(self.pool.now)
        for number in self.pool.to_push:
            slot = self.pool.slots.get(number)
            if slot is not None and not self.guarding.holds(number):
                slot.push()
        self.pool.to_push = {
            n for n in self.pool.to_push if n in self.pool.slots and self.pool.slots[n].waits
        }

    def pause(self, *, paused: bool) -> None:
        self.pool.paused = paused
        self.watch.tell_paused()

    @property
    def idle(self) -> bool:
        return not self.pool.batches and not self.pool.running
