"""What a failed attempt comes to: its invocation ends, is held for another try, or goes on in its pair.

This module must not know what slots say, nor how one dies.
"""

from __future__ import annotations

import json
from typing import Any

from rushes.core import events as ev
from rushes.core.capacity.fitting import reached
from rushes.core.retry import LOSS_CODES, RetryAfter, decide
from rushes.core.states import State
from rushes.runtime.dispatch.displacing import Displacing
from rushes.runtime.dispatch.families import Families
from rushes.runtime.dispatch.hedging import Hedging
from rushes.runtime.dispatch.metering import MeteredEnd
from rushes.runtime.dispatch.pool import HELD, NOTHING, RUNNING, Pool, error_body
from rushes.runtime.dispatch.slot_run import SlotRun, progress_of
from rushes.runtime.records.batches import BatchState, state_number
from rushes.runtime.slots.processes import SlotProcess

__all__ = ["Failures"]


class Failures:
    """Turns failures into ends, and retries."""

    def __init__(self, pool: Pool, families: Families, displacing: Displacing, hedging: Hedging) -> None:
        self._pool = pool
        self._families = families
        self._displacing = displacing
        self._hedging = hedging

    def goes_on_in_pair(
        self, slot: SlotProcess, number: int, fence: int | None, seconds: float, error: dict[str, Any]
    ) -> bool:
        """Whether an attempt of a pair has failed, and the other one goes on or has won."""
        run = self._pool.run_on(slot.number, number)
        if run is None or fence not in {None, run.fence}:
            return False
        return self._hedging.left(slot, number, run, max(seconds - run.paused_s, 0.0), error)

    def wasted(self, slot: SlotProcess, number: int, run: SlotRun, seconds: float) -> None:
        """What an attempt has cost was for nothing; what another's urgent work has undone, that one pays."""
        if self._pool.meter is not None:
            state = self._pool.batches[number >> 32]
            swarm, show = run.given_back_for if not state.stopping else ("", "")
            end = MeteredEnd(number, seconds, wasted=True, wasted_for=show, hedge=run.hedge)
            for nano in self._pool.meter.settle(slot, [end]):
                if swarm:
                    self._displacing.undone(swarm, state.id, nano)

    def failed(
        self, slot: int, number: int, run: SlotRun, seconds: float, error: dict[str, Any], *, lost: int = 0
    ) -> None:
        """Decide what a failed attempt comes to."""
        state = self._pool.batches[number >> 32]
        state.seconds += seconds
        # It may have been interrupted between two steps, also between those that make or remove its folder.
        state.littered = state.littered or error["kind"] == "cancelled"
        if run.given_back and not state.stopping:
            self._displacing.returned(slot, state, run, number, seconds)
            return
        losses = run.losses + lost
        if error.get("code") in LOSS_CODES and not lost:
            # Memory ran out, its tool was killed, or it raises a loss of a part: as losses they are bounded.
            losses, lost = losses + 1, 1
        if state.stopping or error["kind"] == "cancelled":
            self._end(slot, number, run, seconds, state.stopping[0] if state.stopping else State.cancelled)
            return
        retries = int(state.spec.get("retries", 2))
        lent = state.lent
        progressed = progress_of(run, seconds).progresses
        limit_s = self._pool.most_run_s
        verdict = decide(
            error["kind"], _cause(error, lent=lent), run.attempt - losses, losses, retries, number,
            queued_s=self._pool.now - run.row.queued_at, progressed=progressed,
            outgrew=reached(error["code"], limit_s, seconds, progressed=progressed, own_machine=False),
            lent=lent,
        )  # fmt: skip
        self._pool.journal.attempt(
            [(number, run.attempt, self._pool.now, seconds, error["code"], json.dumps(error))]
        )
        if not isinstance(verdict, RetryAfter):  # this pool has one tier, and nobody to go up to
            error = {**error, "verdict": verdict.reason, "attempts": run.attempt}
            self._end(slot, number, run, seconds, State.failed, error_body(error))
            return
        self._hold(state, number, run, seconds, verdict, losses, error)
        self._pool.feed(ev.AttemptFinished(slot, run.ask(number), State.held, seconds))

    def _end(  # noqa: PLR0917 - all of an end
        self, slot: int, number: int, run: SlotRun, seconds: float, after: State, body: bytes = NOTHING
    ) -> None:
        state = self._pool.batches[number >> 32]
        for event in self._pool.end(
            state, number, RUNNING, state_number(after), body=body, seconds=seconds, attempt=run.attempt
        ):
            self._pool.feed(event)
        self._families.count_down(state)
        self._pool.feed(ev.AttemptFinished(slot, run.ask(number), after, seconds))

    def _hold(  # noqa: PLR0917 - all of a hold
        self,
        state: BatchState,
        number: int,
        run: SlotRun,
        seconds: float,
        verdict: RetryAfter,
        losses: int,
        error: dict[str, Any],
    ) -> None:
        """It waits for its next try."""
        due = self._pool.now + verdict.delay_s
        self._pool.flush()
        self._pool.journal.moved([(HELD, run.attempt - verdict.free, losses, due, verdict.reason, number)])
        state.move(RUNNING, HELD)
        if self._pool.outlet is not None:
            self._pool.outlet.note(
                "held", state, number, attempt=run.attempt, seconds=seconds, reason=verdict.reason,
                result=json.dumps({"error": error}),
            )  # fmt: skip
        self._pool.next_due = due if self._pool.next_due is None else min(due, self._pool.next_due)


def _cause(error: dict[str, Any], *, lent: bool) -> str:
    """The code of a failure; that no device was free means of another's work that one is full, not sick."""
    code = str(error["code"])
    sick = code == "no-free-device" and (error.get("details") or {}).get("because") == "device-sick"
    return "device-sick" if lent and sick else code
