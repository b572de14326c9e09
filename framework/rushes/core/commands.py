"""What the scheduler decides, as values: its output. Whatever acts carries them out, and has no opinions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rushes.core.events import QueueKey

__all__ = ["CloseSlot", "Command", "Lease", "OpenSlot", "Recall", "Release", "Start"]


@dataclass(frozen=True, slots=True)
class Lease:
    """Take up to `count` invocations of a queue, in its order, and answer with `Leased`."""

    queue: QueueKey
    count: int


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """Start a slot process of this number for an environment, and answer with `SlotReady`."""

    slot: int
    environment: str


@dataclass(frozen=True, slots=True)
class CloseSlot:
    """Let an idle slot go. It is gone for the scheduler at once; no event answers."""

    slot: int


@dataclass(frozen=True, slots=True)
class Start:
    """Give these invocations to a slot, in this order; it runs one at a time."""

    slot: int
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Recall:
    """The first of what a slot was given runs longer than expected: take the rest back, and answer with
    `Returned` (with no ids when there was nothing left to take)."""

    slot: int


@dataclass(frozen=True, slots=True)
class Release:
    """Dependencies are settled: `ids` may be queued now (``cancel`` False), or must be cancelled because
    something that they wait for failed (``cancel`` True, `because` is its id)."""

    ids: Sequence[int]
    cancel: bool = False
    because: int | None = None


Command = Lease | OpenSlot | CloseSlot | Start | Recall | Release
