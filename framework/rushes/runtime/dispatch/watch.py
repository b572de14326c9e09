"""The watch: what time alone brings, and what people want stopped.

Stalls, memory, time limits, retries that are due, a full disk, cancelled batches. This module must not know
how work starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Any, Final

from rushes.core import events as ev
from rushes.core.states import State
from rushes.core.stragglers import Expectation, Hedges, Kill, Progress, StragglerPolicy, judge
from rushes.errors import PlatformError
from rushes.runtime.dispatch.displacing import Displacing
from rushes.runtime.dispatch.hearing import Hearing
from rushes.runtime.dispatch.hedging import Hedging
from rushes.runtime.dispatch.pool import HELD, NOTHING, QUEUED, RUNNING, Pool, error_body
from rushes.runtime.dispatch.slot_run import SlotRun, progress_of
from rushes.runtime.dispatch.supply import Supply
from rushes.runtime.records.batches import BatchState, state_number
from rushes.runtime.slots.orphans import end_orphans
from rushes.runtime.slots.processes import SlotProcess
from rushes.units import format_duration

__all__ = ["Watch"]

STOP_CHUNK: Final = 5000
"""Waiting invocations that a cancel ends in one turn, so that a million do not stop the pool."""
WATCH_EVERY_S: Final = 1.0
UNSEEN_S: Final = 10.0
"""A worker looks many times a second; when it did not for so long, it was not running."""
START_S: Final = 60.0
"""A slot that has not come up by then never will."""
STALL_MARGIN_S: Final = 5.0
"""The slot's own watchdog over its tool goes first: it can say what was wrong."""


class Watch:
    """Looks after slots and batches between events."""

    def __init__(
        self, pool: Pool, supply: Supply, hearing: Hearing, displacing: Displacing, hedging: Hedging
    ) -> None:
        self.pool = pool
        self._hedging = hedging
        self._displacing = displacing
        self.supply = supply
        self.hearing = hearing
        self._watched = pool.now

    def cancel(self, state: BatchState) -> None:
        """End what waits and stop what runs; the batch ends a few turns later."""
        state.stopping = (State.cancelled, None)
        state.sealed = True
        state.dirty = True

    def withdraw(self, state: BatchState, numbers: Iterable[int]) -> None:
        """End some of a batch, which goes on: a few turns later they have."""
        state.withdrawn |= {state.number << 32 | n for n in numbers}
        state.dirty = True

    def stop_some(self, state: BatchState) -> None:
        after, error = state.stopping or (State.cancelled, None)
        body = error_body(error) if error else NOTHING
        rows = [row for row in self._to_stop(state) if row[0] not in self.pool.running]
        told = [
            event
            for number, before, _ in rows
            for event in self.pool.end(state, number, before, state_number(after), body=body)
        ]
        self.pool.flush()
        # Only now: whatever the scheduler asks for next, these have ended.
        self._withdraw(rows)
        for event in told:
            self.pool.feed(event)
        for number in [one for one in self.pool.hedged if _is_to_stop(state, one)]:
            self._hedging.withdraw(number)
        for slot in self.pool.slots.values():
            if slot.given and _is_to_stop(state, slot.given[0]):
                self._interrupt(slot, state)
            elif any(_is_to_stop(state, number) for number in slot.given):
                self.pool.feed(ev.Returned(slot.number, self.supply.take_back(slot)))

    def _to_stop(self, state: BatchState) -> list[tuple[int, int, int]]:
        """(id, state, queue) of what of a batch is queued or held, and is to end."""
        if state.stopping is not None:
            return self.pool.journal.unfinished(state.number, STOP_CHUNK)
        found = []
        for number in sorted(state.withdrawn):
            row = self.pool.journal.status_of(number)
            if row is None or row.state > RUNNING:
                state.withdrawn.discard(number)
            elif row.state < RUNNING:
                found.append((number, row.state, row.queue))
        return found

    def _withdraw(self, rows: list[tuple[int, int, int]]) -> None:
        """These wait no longer: take them out of hand and counts, and of the displacement report."""
        gone = []
        for number, before, queue in rows:
            held = self.pool.hand.pop(number, None)
            if held is not None:
                self.pool.unlend(held)
            elif before == QUEUED:
                self.pool.await_more(self.pool.queue_keys[queue], -1)
            if held is not None or self.pool.scheduler.swarms.stands(number):
                gone.append(number)
        if gone:
            self.pool.feed(ev.Withdrawn(gone))

    def _interrupt(self, slot: SlotProcess, state: BatchState) -> None:
        if slot.doomed or not slot.given:
            return
        number = slot.current if self.pool.run_on(slot.number, slot.current) else slot.given[0]
        # What stands first may have ended, and its answer be under way: another runs by now.
        if state.stopping is not None or number in state.withdrawn:
            self._displacing.interrupt(slot, number)

    def tick(self) -> None:
        """What time alone brings: retries that are due, stalls, memory, space, dead slots."""
        if self.pool.next_due is not None and self.pool.next_due <= self.pool.now:
            self._requeue_due()
        self.pool.feed(ev.Tick())
        since = self.pool.now - self._watched
        if 0 <= since < WATCH_EVERY_S:
            return
        self._watched = self.pool.now
        if not 0 <= since < UNSEEN_S:
            self._forgive(since)
        for slot in list(self.pool.slots.values()):
            self._watch_over(slot)
        self.pool.dying = [slot for slot in self.pool.dying if not self._gone(slot)]
        self._end_orphans()
        self._displacing.keep_reports()
        if self.pool.journal.look_for_space() is self.pool.wedged:
            self.pool.wedged = not self.pool.wedged
            self.tell_paused()

    def _requeue_due(self) -> None:
        self.pool.flush()
        rows = self.pool.journal.due(self.pool.now)
        self.pool.journal.requeue([(queue, number) for number, queue in rows])
        for number, queue in rows:
            key = self.pool.queue_keys[queue]
            self.pool.batches[number >> 32].move(HELD, QUEUED)
            self.pool.waiting[key] = self.pool.waiting.get(key, 0) + 1
            self.pool.feed(ev.Queued(key, 1))
        self.pool.next_due = self.pool.journal.next_due()

    def _watch_over(self, slot: SlotProcess) -> None:
        if slot.process.poll() is not None:
            self.hearing.hear(slot)
            if slot.number in self.pool.slots:
                self.hearing.lost(slot)
            return
        if slot.doomed and self.pool.now >= slot.doomed:
            slot.kill()
            return
        if not slot.ready and self.pool.now - slot.began > START_S:
            slot.killed_for = _stopped(f"it waited {START_S:.0f} s for its slot to come up")
            slot.kill()
            return
        if not slot.given:
            return
        number = slot.given[0]
        run = self.pool.run_on(slot.number, number)
        if run is not None and (run.waits_since or run.paused_since):
            return  # who waits for parts of its own hangs no more than they do, and who is paused not at all
        error = self._overrun(slot, run, self.pool.batches[number >> 32].spec)
        if error is not None:
            slot.killed_for = error
            slot.kill()
        elif self.pool.stragglers is not None and run is not None:
            self._hedging.consider(slot, number, run, self.pool.stragglers)

    def _overrun(self, slot: SlotProcess, run: SlotRun | None, spec: dict[str, Any]) -> PlatformError | None:
        """The limit of its function that the attempt in a slot has passed, if any."""
        ran_s = self.pool.now - slot.began
        progress = Progress(ran_s) if run is None else progress_of(run, ran_s)
        # Whoever says anything at all is alive: not all bodies know how far they are.
        heard = replace(progress, rose_s=slot.alive - slot.began)
        policy = StragglerPolicy(stall_s=float(spec.get("stall_s") or 120.0) + STALL_MARGIN_S)
        verdict = judge(heard, Expectation(), Hedges(), policy)
        if isinstance(verdict, Kill):
            return _stopped(verdict.reason)
        own_s, tier_s = float(spec.get("timeout_s") or inf), self.pool.most_run_s or inf
        if ran_s > min(own_s + STALL_MARGIN_S, tier_s):
            return _too_long(min(own_s, tier_s), progress, of_tier=tier_s < own_s)
        allowed = float((spec.get("resources") or {}).get("memory") or 0.0)
        if ran_s <= WATCH_EVERY_S or not allowed:
            return None
        size = slot.tree_bytes()
        if size <= allowed:
            return None
        return PlatformError(
            f"the attempt grew to {size / 2**20:.0f} MiB; its function declares {allowed / 2**20:.0f}, "
            "so it was stopped.",
            code="out-of-memory",
            fix="Declare more with Resources(memory=...), or use a smaller clip.",
        )

    @staticmethod
    def _gone(slot: SlotProcess) -> bool:
        if slot.process.poll() is None:
            return False
        slot.bury()
        return True

    def _forgive(self, lost_s: float) -> None:
        """The machine slept, this process was stopped, or the clock was set: nobody hung meanwhile."""
        now, slept_s = self.pool.now, self.pool.slept_s
        for slot in self.pool.slots.values():
            run = self.pool.run_on(slot.number, slot.given[0]) if slot.given else None
            stands = run is not None and (run.paused_since or run.waits_since)
            # What stands still is given all of that time when it goes on, but for what the machine slept.
            slot.began = min(slot.began + (slept_s if stands else lost_s), now)
            slot.alive = min(slot.alive + lost_s, now)
            slot.doomed += lost_s if slot.doomed else 0.0
        for run in (*self.pool.running.values(), *self.pool.second.values()):
            run.paused_since += slept_s if run.paused_since else 0.0
            run.waits_since += slept_s if run.waits_since else 0.0

    def _end_orphans(self) -> None:
        mine = (*self.pool.slots.values(), *self.pool.dying, *self.pool.spares)
        end_orphans({slot.pid for slot in mine})

    def stop(self) -> None:
        """End every slot now; what ran is queued again by the next worker."""
        processes = [*self.pool.slots.values(), *self.pool.dying, *self.pool.spares]
        for slot in processes:
            slot.kill()
        for slot in processes:
            slot.bury()
        self.pool.slots.clear()
        self.pool.dying.clear()
        self.pool.spares.clear()
        self._end_orphans()

    def tell_paused(self) -> None:
        """Nothing new starts while a person paused the pool, or while the journal's disk is nearly full."""
        self.pool.feed(ev.Paused(self.pool.paused or self.pool.wedged))


def _stopped(why: str) -> PlatformError:
    return PlatformError(
        f"the attempt was stopped: {why}.",
        code="slot-killed",
        fix="If the work is sound, raise stall_s or timeout_s of the function.",
    )


def _too_long(limit_s: float, progress: Progress, *, of_tier: bool) -> PlatformError:
    limit = format_duration(limit_s)
    what = "limits.run of the tier (RUSHES_CAPACITY)" if of_tier else "timeout_s of its function"
    whose = "the limit of this machine's tier," if of_tier else "its limit of"
    if not progress.progresses:
        return _stopped(f"it ran longer than {whose} {limit}, and did not get on")
    needed = format_duration(progress.ran_s + progress.left_s)
    return PlatformError(
        f"the attempt was stopped at {whose} {limit}: it was at {progress.fraction:.0%}, and would have "
        f"needed about {needed}.",
        code="time-limit",
        fix=f"Raise {what} above {needed}, or cut the clip into parts.",
    )


def _is_to_stop(state: BatchState, number: int) -> bool:
    """Whether an invocation is to end: any of a batch that is stopped, else what was withdrawn."""
    return number in state.withdrawn if state.stopping is None else number >> 32 == state.number
