"""A batch in the worker's hands: its counts, what its invocations share, who waits for its results.

This module must not know slots or sockets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from rushes.core.events import QueueKey, Shape
from rushes.core.states import State

__all__ = ["STATES", "BatchState", "state_number"]

STATES = tuple(State)
_NUMBER = {state: number for number, state in enumerate(STATES)}


def state_number(state: State) -> int:
    """The journal's number of a state."""
    return _NUMBER[state]


@dataclass(slots=True)
class BatchState:
    """One batch that has not ended.

    `counts` holds how many of its invocations are in each state, by the journal's numbers; `stopping`
    is what its waiting invocations are being ended with, chunk by chunk: a cancel, or an error.
    """

    number: int
    id: str
    spec: dict[str, Any]
    submitted: float
    queue: QueueKey
    queue_number: int
    shape: Shape
    counts: list[int] = field(default_factory=lambda: [0] * len(STATES))
    cached: int = 0
    last_n: int = 0
    sealed: bool = False
    seq: int = 0
    seconds: float = 0.0
    media_s: float = 0.0
    ended: float | None = None
    dirty: bool = False
    stopping: tuple[State, dict[str, Any] | None] | None = None
    client: int | None = None
    orphaned: float | None = None

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def unfinished(self) -> int:
        return sum(self.counts[:4])

    def move(self, before: int, after: int) -> None:
        """One invocation went from a state to another."""
        self.counts[before] -= 1
        self.counts[after] += 1
        self.dirty = True

    def public_id(self, invocation: int) -> str:
        """``<batch>.<n>`` of an invocation's number."""
        return f"{self.id}.{invocation & 0xFFFFFFFF}"


def shape_of(batch: str, spec: dict[str, Any]) -> Shape:
    """What the scheduler packs and keeps slots by; the environment includes the function's source."""
    needs = spec.get("resources") or {}
    environment = spec.get("environment") or {}
    return Shape(
        batch,
        f"{environment.get('digest', '')}:{spec.get('source_digest', '')}",
        f"{spec['function']}@{spec['version']}",
        cpu=float(needs.get("cpu", 1.0)),
        memory=float(needs.get("memory", 0.0)),
        scratch=float(needs.get("scratch", 0.0)),
        gpu=float(needs.get("gpu", 0.0)),
        max_slots=spec.get("max_slots"),
    )


def spec_packet(state: BatchState) -> list[Any]:
    """What a slot is told of a batch before its first invocation."""
    kept = (
        "function version source_digest params out name show deadline receipts settle_s".split()  # noqa: SIM905
    )
    return ["spec", state.number, {"id": state.id, **{k: state.spec.get(k) for k in kept}}]


def status_json(row: Any, counts: list[int], cached: int) -> dict[str, Any]:
    """A batch's row as a client reads it."""
    number, batch, spec_text, submitted, ended, sealed, seq, seconds, media_s = row
    spec = json.loads(spec_text)
    return {
        "number": number,
        "batch": batch,
        "title": spec.get("title", ""),
        "function": spec["function"],
        "priority": spec["priority"],
        "show": spec["show"],
        "out": spec.get("out"),
        "tags": spec.get("tags") or {},
        "counts": counts,
        "cached": cached,
        "sealed": bool(sealed),
        "submitted": submitted,
        "ended": ended,
        "seq": seq,
        "seconds": seconds,
        "media_s": media_s,
    }
