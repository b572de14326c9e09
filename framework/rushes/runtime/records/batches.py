"""A batch in the worker's hands: its counts, what its invocations share, who waits for its results.

This module must not know slots or sockets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rushes.core.events import QueueKey, Shape
from rushes.core.limits import function_limit, key_limit
from rushes.core.states import TRANSITIONS, State, transition
from rushes.invocation import OWNER, PASS_OF
from rushes.runtime.records.ports import BatchRow

__all__ = ["STATES", "BatchState", "n_of", "shape_of", "spec_packet", "state_number", "status_json"]

STATES: Final = tuple(State)
_LAST_N: Final = 2**32 - 1
_NUMBER: Final = {state: number for number, state in enumerate(STATES)}
# By number, because every invocation passes here twice.
_LEGAL: Final = frozenset(
    (_NUMBER[before], _NUMBER[after]) for before, afters in TRANSITIONS.items() for after in afters
)
_TOLD_TO_SLOTS: Final = (
    "function", "version", "source_digest", "params", "out", "name", "show", "deadline", "receipts",
    "settle_s",
)  # fmt: skip


def state_number(state: State) -> int:
    """The journal's number of a state."""
    return _NUMBER[state]


def n_of(text: str) -> int:
    """The n of ``<batch>.<n>``; 0 for what is none. The journal has 32 bits for it."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_LAST_N)):
        return 0
    return n if (n := int(text)) <= _LAST_N else 0


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
    withdrawn: set[int] = field(default_factory=set)
    """Of its invocations, those that are to end though the batch goes on; until they have."""
    client: int | None = None
    orphaned: float | None = None
    littered: bool = False
    """An attempt was lost, so its scratch folder may still be there."""
    counted_s: float = 0.0
    """Of `seconds`, what has been counted for its class and show."""
    keyed: dict[tuple[str, ...], Shape] = field(default_factory=dict)
    """The shapes of those of its invocations that have exclusive keys, by these."""
    parent: int = 0
    """The invocation that it is made of parts of; 0 for what people submit."""

    @property
    def lent(self) -> bool:
        """Whether a host has handed it to this pool: the truth of it is in a shared ledger."""
        return OWNER in (self.spec.get("tags") or {})

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def unfinished(self) -> int:
        return sum(self.counts[:4])

    def move(self, before: int, after: int) -> None:
        """One invocation went from a state to another.

        Raises:
            IllegalTransition: it cannot have; nothing has changed.
        """
        if (before, after) not in _LEGAL:
            transition(STATES[before], STATES[after])
        self.counts[before] -= 1
        self.counts[after] += 1
        self.dirty = True

    def shape_with(self, extra: str | None) -> Shape:
        """The shape of an invocation, by what is kept beside it: those with exclusive keys have their own."""
        keys = tuple(json.loads(extra).get("exclusive") or ()) if extra else ()
        if not keys:
            return self.shape
        shape = self.keyed.get(keys)
        if shape is None:
            limits = (*self.shape.limits, *((key_limit(key), 1) for key in keys))
            shape = self.keyed[keys] = replace(self.shape, limits=limits)
        return shape

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
        preemptible=bool(spec.get("preemptible", True)),
        depth=int(spec.get("depth", 0)),
        charged=str(spec.get("charged", "")),
        limits=tuple((function_limit(name), int(most)) for name, most in (spec.get("limits") or {}).items()),
    )


def spec_packet(state: BatchState, *, counted: bool, rank: int) -> list[Any]:
    """What a slot is told of a batch before its first invocation.

    Args:
        state: the batch.
        counted: it may ask what it has cost.
        rank: of its class, for the line before a device.
    """
    told = {name: state.spec.get(name) for name in _TOLD_TO_SLOTS}
    if signed := (state.spec.get("tags") or {}).get(PASS_OF):
        told["pass"] = signed
    return ["spec", state.number, {"id": state.id, "counted": counted, "rank": rank, **told}]


def status_json(row: BatchRow, counts: list[int], cached: int) -> dict[str, Any]:
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
        "parent": spec.get("parent") or "",
        "quote": spec.get("quote"),
        "class_note": spec.get("class_note") or "",
        "counts": counts,
        "cached": cached,
        "sealed": bool(sealed),
        "submitted": submitted,
        "ended": ended,
        "seq": seq,
        "seconds": seconds,
        "media_s": media_s,
    }
