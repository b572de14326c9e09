"""An engine in memory: runs each body in this process, in order, as soon as it is submitted.

It publishes outputs through the same code as the real engines, and keeps everything else in a dictionary.
With ``held=True`` nothing runs until `run_next`, so that a test can look at a batch half-way. This module
must not start processes or touch a journal.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rushes import __version__
from rushes.asset import Asset
from rushes.core.states import State
from rushes.errors import Cancelled, RushesError
from rushes.invocation import BatchSpec, BatchStatus, Finished, Invocation
from rushes.runtime.refusals import (
    CONTROLS,
    has_ended,
    known_class,
    unknown_batch,
    unknown_control,
    unknown_invocation,
)
from rushes.testing.stub_rows import StubBatch, StubRow, end_of, explanation_of, first_state, status_of

if TYPE_CHECKING:
    from rushes.batch import Items
    from rushes.function import Function, Options, Params, Result
    from rushes.ports import Clock
    from rushes.runtime.attempts.attempt import Made

__all__ = ["StubEngine"]


class _SystemClock:
    def now(self) -> float:
        return time.time()


class StubEngine:
    """A `rushes.ports.Engine` in memory.

    Args:
        clock: where time comes from; the system's by default.
        held: True to run nothing until `run_next`.
    """

    def __init__(self, clock: Clock | None = None, *, held: bool = False) -> None:
        self.held = held
        self.paused = False
        self.cores = 1.0
        self._clock = clock or _SystemClock()
        self._batches: dict[str, StubBatch] = {}
        self._known: dict[tuple[str, str], tuple[Finished, dict[str, Any]]] = {}
        self._changed = threading.Condition(threading.RLock())

    # -- rushes.ports.Engine ------------------------------------------------------------------------------

    def open(self, spec: BatchSpec) -> str:
        """Open a batch and return its id."""
        with self._changed:
            batch = StubBatch(f"stub{len(self._batches) + 1}", spec, self._clock.now())
            self._batches[batch.id] = batch
            return batch.id

    def submit(self, batch: str, invocations: Iterable[Invocation]) -> int:
        """Add invocations and, unless held, run them."""
        found = self._batch(batch)
        count = 0
        for invocation in invocations:
            with self._changed:
                row = StubRow(f"{batch}.{len(found.rows) + 1}", invocation, first_state(invocation))
                found.rows.append(row)
                if invocation.problem is not None:
                    self._end(found, row, State.failed, error=invocation.problem)
            count += 1
            self._settle()
        return count

    def seal(self, batch: str) -> None:
        """Say that the batch is complete."""
        with self._changed:
            found = self._batch(batch)
            found.sealed = True
            self._close(found)
        self._settle()

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        """The ends after sequence number `after`, oldest first."""
        found = self._batch(batch)
        with self._changed:
            self._changed.wait_for(
                lambda: any(f.seq > after for f in found.ends) or found.ended is not None, wait_s
            )
            return [f for f in found.ends if f.seq > after][:limit]

    def status(self, batch: str) -> BatchStatus:
        """Where a batch stands."""
        with self._changed:
            return status_of(self._batch(batch), paused=self.paused)

    def batches(self, *, limit: int = 50) -> Sequence[BatchStatus]:
        """The newest batches first."""
        with self._changed:
            return [status_of(b, paused=self.paused) for b in reversed(list(self._batches.values()))][:limit]

    def cancel(self, batch: str) -> None:
        """Cancel what has not ended."""
        with self._changed:
            found = self._batch(batch)
            found.sealed = True
            for row in found.rows:
                if not row.state.ended:
                    self._end(found, row, State.cancelled, error=Cancelled().to_dict())
            self._close(found)
        self._settle()

    def retry(self, batch: str) -> int:
        """Queue the failed and cancelled invocations again."""
        with self._changed:
            found = self._batch(batch)
            again = [row for row in found.rows if row.state in {State.failed, State.cancelled}]
            for row in again:
                if row.finished is not None:
                    found.ends.remove(row.finished)
                row.state, row.finished = first_state(row.invocation), None
                row.attempts, row.reason = 0, ""
                if row.invocation.problem is not None:
                    self._end(found, row, State.failed, error=row.invocation.problem)
            found.ended = None
        self._settle()
        with self._changed:
            self._close(found)
        return len(again)

    def set_priority(self, batch: str, priority: str) -> None:
        """Give a batch another class."""
        known_class(priority)
        with self._changed:
            found = self._batch(batch)
            if found.ended is not None:
                raise has_ended(batch)
            found.spec = replace(found.spec, priority=priority)

    def explain(self, invocation: str) -> Mapping[str, Any]:
        """Everything known of one invocation."""
        batch, _, number = invocation.partition(".")
        with self._changed:
            rows = self._batch(batch).rows
            if not number.isdigit() or not 1 <= int(number) <= len(rows):
                raise unknown_invocation(invocation)
            row, spec = rows[int(number) - 1], self._batch(batch).spec
            return explanation_of(row, spec)

    def running(self) -> bool:
        """It always is."""
        return True

    def pool(self) -> Mapping[str, Any]:
        """Slots, what they run, capacity, queue depths."""
        with self._changed:
            rows = [row for batch in self._batches.values() for row in batch.rows]
            waiting = sum(row.state is State.queued for row in rows)
            return {
                "capacity": {"cpu": self.cores, "memory": 2.0**30, "gpu": 0},
                "paused": self.paused,
                "draining": False,
                "worker": {"pid": os.getpid(), "version": __version__},
                "slots": [],
                "queues": [{"priority": "standard", "show": "default", "waiting": waiting}] * bool(waiting),
                "batches": [b.id for b in self._batches.values() if b.ended is None],
            }

    def control(self, verb: str, *, slots: int | None = None) -> Mapping[str, Any]:
        """``pause``, ``resume``, ``resize``, ``drain`` or ``stop``.

        Raises:
            CallerError: another verb.
        """
        if verb not in CONTROLS:
            raise unknown_control(verb)
        if verb == "resize":
            self.cores = 1.0 if slots is None else float(slots)
            return {"action": verb, "running": 0}
        self.paused = verb != "resume"
        self._settle()
        return {"action": verb, "running": 0}

    # -- what a `Function` asks ---------------------------------------------------------------------------

    def call(self, function: Function[Any, Any], source: Asset, params: Params, options: Options) -> Result:
        """Run here and now."""
        from rushes.runtime.attempts.direct import call  # noqa: PLC0415 - only when something runs

        return call(function, source, params, options)

    def launch(
        self, function: Function[Any, Any], options: Options, items: Items, params: Params
    ) -> tuple[str, int]:
        from rushes.runtime.sending import submission  # noqa: PLC0415 - as above
        from rushes.runtime.sources.inputs import Found  # noqa: PLC0415

        batch = self.open(submission.batch_spec(function, options, params, title=function.name))
        found = (Found(asset, params=_plain(own)) for asset, own in items)
        total = self.submit(batch, submission.invocations(function, options, params, found))
        self.seal(batch)
        return batch, total

    # -- what a test asks ---------------------------------------------------------------------------------

    def run_next(self, count: int = 1) -> int:
        """Run up to `count` waiting invocations of a held engine; returns how many ran."""
        for done in range(count):
            if not self._run_one():
                return done
        return count

    # -- inside -------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        while not self.held and not self.paused and self._run_one():
            pass

    def _run_one(self) -> bool:
        with self._changed:
            ready = next(
                (
                    (batch, row)
                    for batch in self._batches.values()
                    for row in batch.rows
                    if row.state in {State.queued, State.held} and self._may_start(batch, row)
                ),
                None,
            )
            if ready is None:
                return False
            batch, row = ready
            row.state = State.running
            row.attempts += 1
        began = self._clock.now()
        try:
            made, cached = self._attempt(batch.spec, row)
        except RushesError as error:
            with self._changed:
                state = State.cancelled if isinstance(error, Cancelled) else State.failed
                self._end(batch, row, state, error=error.to_dict(), seconds=self._clock.now() - began)
            return True
        with self._changed:
            self._end(
                batch, row, State.succeeded, made=made, cached=cached, seconds=self._clock.now() - began
            )
        return True

    def _may_start(self, batch: StubBatch, row: StubRow) -> bool:
        """True when all that it waits for has ended; ends it when one of them failed and it is to follow."""
        waits = [found for one in row.invocation.after for found in self._rows_of(one)]
        whole = [self._batch(one) for one in row.invocation.after if "." not in one]
        if any(not w.state.ended for w in waits) or any(b.ended is None for b in whole):
            row.reason = f"waits for {', '.join(row.invocation.after)}"
            return False
        failed = next((w for w in waits if w.state is not State.succeeded), None)
        if failed is not None and row.invocation.on_failure == "cancel":
            error = Cancelled(
                f"{failed.id}, which it waits for, did not succeed.", code="dependency-failed"
            ).to_dict()
            self._end(batch, row, State.cancelled, error=error)
            return False
        return True

    def _rows_of(self, after: str) -> list[StubRow]:
        batch, _, number = after.partition(".")
        rows = self._batch(batch).rows
        return [row for row in rows if not number or row.id == after]

    def _attempt(self, spec: BatchSpec, row: StubRow) -> tuple[Made, bool]:
        from rushes.testing.stub_attempt import attempt  # noqa: PLC0415 - only when something runs

        return attempt(spec, row, None if spec.force else self._known.get((spec.show, row.invocation.key)))

    def _end(
        self,
        batch: StubBatch,
        row: StubRow,
        state: State,
        *,
        made: Made | None = None,
        cached: bool = False,
        error: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
    ) -> None:
        if row.state.ended:  # cancelled while its body ran: nothing of it counts
            return
        batch.last_seq += 1
        row.state = state
        row.finished = end_of(batch, row, made=made, cached=cached, error=error, seconds=seconds)
        batch.ends.append(row.finished)
        if made is not None and row.invocation.key:
            kept = json.loads(made.data())
            self._known[batch.spec.show, row.invocation.key] = (row.finished, kept)
        self._close(batch)

    def _close(self, batch: StubBatch) -> None:
        if batch.sealed and batch.ended is None and all(row.state.ended for row in batch.rows):
            batch.ended = self._clock.now()
        self._changed.notify_all()

    def _batch(self, batch: str) -> StubBatch:
        found = self._batches.get(batch)
        if found is None:
            raise unknown_batch(batch)
        return found


def _plain(own: Mapping[str, Any] | Params | None) -> dict[str, Any] | None:
    if own is None or isinstance(own, Mapping):
        return dict(own) if own else None
    return own.model_dump(mode="json")
