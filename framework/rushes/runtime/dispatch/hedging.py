"""Hedging: a second attempt beside one that crawls; the first of the two that is done is the one that counts.

`rushes.core.stragglers` says when. The scheduler sees the second attempt as an ask of its own, under the
invocation's number below zero; here it is `Pool.second`. Each has a fencing token. The one that comes to
the gate first, or has ended first where nothing is published, holds the lease from then on; the other is
*beaten*: it is told to stop, and its token opens nothing. A batch ends when those have left their slots, so
that what they cost is in its ledger. An author's tries are not touched: the two are one try.

This module must not know how an attempt is judged.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from rushes.core import events as ev
from rushes.core.states import State
from rushes.core.stragglers import Expectation, Hedge, Hedges, StragglerPolicy, judge
from rushes.errors import PlatformError
from rushes.runtime.dispatch.displacing import Displacing
from rushes.runtime.dispatch.joint_rows import is_joint
from rushes.runtime.dispatch.metering import MeteredEnd
from rushes.runtime.dispatch.pool import PAUSED, RUNNING, Pool
from rushes.runtime.dispatch.slot_run import SlotRun, progress_of
from rushes.runtime.records.batches import BatchState
from rushes.runtime.slots.processes import SlotProcess

__all__ = ["BEATEN", "Hedging"]

BEATEN: Final = "beaten"
"""The outcome of the attempt that was not the first."""


class Hedging:
    """Second attempts, from their order until both of a pair have left their slots."""

    def __init__(self, pool: Pool, displacing: Displacing) -> None:
        self.pool = pool
        self._displacing = displacing

    # -- beginning ----------------------------------------------------------------------------------------

    def consider(self, slot: SlotProcess, number: int, run: SlotRun, policy: StragglerPolicy) -> None:
        """Order a second attempt beside the one on a slot, if it crawls and nothing speaks against it."""
        state = self.pool.batches[number >> 32]
        if run.hedge or number in self.pool.hedged or not self._may_have_one(state, number, run):
            return
        if run.expected_s is None:
            run.expected_s = self.pool.scheduler.expected_s(state.shape.function)
        run_s = run.expected_s
        meter = self.pool.meter
        cost = meter.price.price_of(state.shape, run_s) if meter is not None and run_s is not None else 0
        verdict = judge(
            progress_of(run, self.pool.now - slot.began),
            Expectation(run_s, cost_nano=cost),
            Hedges(
                own=int(bool(run.hedged_for)),
                running=len(self.pool.running),
                hedged=len(self.pool.hedged),
                most_nano=policy.most_nano,
            ),
            policy,
        )
        if isinstance(verdict, Hedge):
            self._begin(state, number, run, verdict.reason)

    def _may_have_one(self, state: BatchState, number: int, run: SlotRun) -> bool:
        """Whether two of it may run at once: not where they would share parts, a folder, or a gate."""
        pool = self.pool
        return (
            state.shape.preemptible
            and state.stopping is None
            and not pool.paused
            and run.parts is None
            and not run.given_back
            and number not in pool.keeps
            and number not in pool.intents
            and not is_joint(run.row.key)
        )

    def _begin(self, state: BatchState, number: int, run: SlotRun, reason: str) -> None:
        run.hedged_for = reason
        self.pool.hedged.add(number)
        sys.stderr.write(f"rushes worker: a second attempt at {state.public_id(number)}: {reason}\n")
        sys.stderr.flush()
        queue = self.pool.queue_keys[run.row.queue]
        ask = ev.Ask(-number, run.row.ord, run.row.queued_at, state.shape)
        self.pool.feed(ev.Leased(queue, (ask,), self.pool.waiting.get(queue, 0)))

    # -- who counts ---------------------------------------------------------------------------------------

    def claim(self, slot: SlotProcess, number: int, fence: int) -> None:
        """An attempt is about to publish, or has succeeded: if it is of a pair, the other is beaten."""
        run = self.pool.run_on(slot.number, number)
        if run is not None and run.fence == fence and not run.beaten:
            self.prefer(number, run)

    def prefer(self, number: int, run: SlotRun) -> None:
        """One of a pair holds the lease from now on; the other has to stop."""
        pool = self.pool
        other = pool.second.pop(number, None)
        if other is None:  # it stands in line still
            self.withdraw(number)
            return
        if other is run:
            other = self._replace(number, run)
        other.beaten = True
        pool.second[number] = other
        slot = pool.slots.get(other.slot)
        if slot is None:
            return
        if other.paused_since:
            other.paused_since = 0.0
            slot.kill()
        elif not slot.doomed:
            self._displacing.interrupt(slot, number)

    def _replace(self, number: int, run: SlotRun) -> SlotRun:
        """The second attempt takes the place of the first in the books; gives the first."""
        pool, state = self.pool, self.pool.batches[number >> 32]
        first, pool.running[number] = pool.running[number], run
        run.hedged_for = first.hedged_for
        if bool(first.paused_since) != bool(run.paused_since):
            state.move(*((PAUSED, RUNNING) if first.paused_since else (RUNNING, PAUSED)))
        return first

    def withdraw(self, number: int) -> None:
        """A second attempt that has not begun is not needed any more."""
        if number in self.pool.hedged and number not in self.pool.second:
            self.pool.hedged.discard(number)
            self.pool.feed(ev.Withdrawn((-number,)))

    # -- leaving ------------------------------------------------------------------------------------------

    def left(
        self, slot: SlotProcess, number: int, run: SlotRun, seconds: float, error: dict[str, Any] | None
    ) -> bool:
        """One of a pair has left its slot, by a failure, or beaten; False: it counts like any other.

        Args:
            slot: where it ran.
            number: its invocation.
            run: it.
            seconds: it was at work.
            error: what it failed with; None where it had succeeded too late.
        """
        pool, state = self.pool, self.pool.batches[number >> 32]
        second = pool.second.get(number)
        if run is second:
            del pool.second[number]
            pool.hedged.discard(number)
            self._close(slot, state, number, run, seconds, error)
            return True
        if second is None:
            self.withdraw(number)
            return False
        if second.beaten:
            return False
        if error is None or error["kind"] != "platform" or state.stopping or run.given_back:
            self.prefer(number, run)  # it would end the same way, or is not wanted
            return False
        # Its machine, or its slot, was at fault: the second attempt is the only one from now on.
        self._replace(number, pool.second.pop(number))
        pool.hedged.discard(number)
        self._close(slot, state, number, run, seconds, error)
        return True

    def _close(  # noqa: PLR0917 - all that a ledger's row says
        self, slot: SlotProcess, state: BatchState, number: int, run: SlotRun, seconds: float,
        error: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        """Write what an attempt came to that does not count, and free its slot."""
        pool = self.pool
        state.seconds += seconds
        state.littered = state.dirty = True
        code = BEATEN if run.beaten or error is None else str(error["code"])
        told = _beaten() if code == BEATEN else error
        pool.journal.attempt([(number, run.attempt, pool.now, seconds, code, json.dumps(told))])
        slot.answered(number, pool.now)
        if pool.meter is not None:
            pool.meter.settle(slot, [MeteredEnd(number, seconds, wasted=True, hedge=run.hedge)])
        pool.feed(ev.AttemptFinished(slot.number, run.ask(number), State.cancelled, seconds))


def _beaten() -> dict[str, Any]:
    return PlatformError(
        "another attempt at the same invocation was done before it.",
        code="beaten",
        fix="Nothing: what the other one made counts.",
    ).to_dict()
