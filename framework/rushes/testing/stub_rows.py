"""What the engine in memory keeps of a batch and its invocations, and how both are shown.

This module must not know what runs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rushes.core.states import State
from rushes.invocation import BatchSpec, BatchStatus, Counts, Finished, Invocation, function_name, made_beside

if TYPE_CHECKING:
    from rushes.runtime.attempts.attempt import Made

__all__ = ["StubBatch", "StubRow", "end_of", "explanation_of", "first_state", "status_of"]


@dataclass(slots=True)
class StubRow:
    """An invocation of the stub engine."""

    id: str
    invocation: Invocation
    state: State = State.queued
    finished: Finished | None = None
    attempts: int = 0
    reason: str = ""


@dataclass(slots=True)
class StubBatch:
    """A batch of the stub engine."""

    id: str
    spec: BatchSpec
    submitted: float
    rows: list[StubRow] = field(default_factory=list)
    ends: list[Finished] = field(default_factory=list)
    last_seq: int = 0
    sealed: bool = False
    ended: float | None = None


def first_state(invocation: Invocation) -> State:
    """Where an invocation begins."""
    return State.held if invocation.after else State.queued


def end_of(
    batch: StubBatch,
    row: StubRow,
    *,
    made: Made | None,
    cached: bool,
    error: Mapping[str, Any] | None,
    seconds: float,
) -> Finished:
    """How an invocation ended."""
    beside = made_beside(error or {})
    return Finished(
        seq=batch.last_seq,
        batch=batch.id,
        invocation=row.id,
        asset=row.invocation.source,
        function=function_name(batch.spec.function),
        state=row.state,
        outputs=made.outputs if made else tuple(beside.get("outputs", ())),
        result=json.loads(made.result) if made else beside.get("result"),
        error=error,
        attempts=row.attempts,
        seconds=0.0 if cached else seconds,
        encoder=made.encoder if made else None,
        cached=cached,
        receipt=made.receipt if made else None,
        warnings=made.warnings if made else tuple(beside.get("warnings", ())),
        media_s=0.0 if cached or made is None else made.media_s,
    )


def status_of(batch: StubBatch, *, paused: bool) -> BatchStatus:
    """Where a batch stands."""
    counts = Counts()
    for row in batch.rows:
        setattr(counts, row.state.value, getattr(counts, row.state.value) + 1)
    counts.cached = sum(f.cached for f in batch.ends)
    spec = batch.spec
    running = [row for row in batch.rows if row.state is State.running]
    return BatchStatus(
        batch=batch.id,
        title=spec.title,
        function=function_name(spec.function),
        priority=spec.priority,
        show=spec.show,
        out=spec.out,
        counts=counts,
        sealed=batch.sealed,
        submitted=batch.submitted,
        ended=batch.ended,
        seconds=sum(f.seconds for f in batch.ends),
        media_s=sum(f.media_s for f in batch.ends),
        running=tuple(
            {
                "invocation": r.id,
                "asset": r.invocation.source,
                "fraction": None,
                "note": "",
                "seconds": 0.0,
            }
            for r in running
        ),
        standstill="the pool is paused; `rushes resume` goes on" if paused and batch.ended is None else "",
        tags=spec.tags,
    )


def explanation_of(row: StubRow, spec: BatchSpec) -> dict[str, Any]:
    """Everything known of one invocation."""
    return {
        "invocation": row.id,
        "asset": row.invocation.source,
        "function": spec.function,
        "state": row.state.value,
        "attempts": row.attempts,
        "losses": 0,
        "reason": row.reason or ("waits for a slot" if row.state is State.queued else ""),
        "priority": spec.priority,
        "show": spec.show,
        "history": _history(row),
        "result": _row_data(row.finished) if row.finished else None,
        "seconds": row.finished.seconds if row.finished else None,
        "log": None,
        "spec": {k: v for k, v in asdict(spec).items() if k != "environment"},
    }


def _row_data(finished: Finished) -> dict[str, Any]:
    """What a ledger keeps of an end."""
    row = {
        "result": finished.result,
        "outputs": list(finished.outputs),
        "receipt": finished.receipt,
        "encoder": finished.encoder,
        "warnings": list(finished.warnings),
        "error": dict(finished.error) if finished.error else None,
    }
    return {k: v for k, v in row.items() if v}


def _history(row: StubRow) -> list[dict[str, Any]]:
    if row.finished is None or not row.attempts:
        return []
    return [
        {
            "attempt": row.attempts,
            "ended": None,
            "seconds": row.finished.seconds,
            "outcome": row.state.value,
            "error": dict(row.finished.error) if row.finished.error else None,
        }
    ]
