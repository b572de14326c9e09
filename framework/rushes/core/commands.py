"""What the scheduler decides, as values: its output. Whatever acts carries them out, and has no opinions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rushes.core.events import QueueKey

__all__ = [
    "CloseSlot",
    "Command",
    "Demote",
    "Freed",
    "GiveBack",
    "GoOn",
    "Hold",
    "Lease",
    "OpenSlot",
    "Pause",
    "Promote",
    "Recall",
    "Release",
    "Resume",
    "Start",
]


@dataclass(frozen=True, slots=True)
class Lease:
    """Take up to `count` invocations of a queue, in its order, and answer with `Leased`, even with none.

    Leave out those of the batches in `without`: they have all the slots that they may have, and enough of
    them are in hand; taking more would only fill the pool's hands with work that cannot start.
    """

    queue: QueueKey
    count: int
    without: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """Start a slot process of this number for an environment, and answer with `SlotReady`."""

    slot: int
    environment: str


@dataclass(frozen=True, slots=True)
class CloseSlot:
    """Let an idle slot go. It is gone for the scheduler at once; no event answers."""

    slot: int


@dataclass(slots=True)  # not frozen, which would make it three times as dear: there is one an attempt
class Start:
    """Give these invocations to a slot, in this order; it runs one at a time."""

    slot: int
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class GoOn:
    """The attempt that waited on this slot has its cores again, and may go on."""

    slot: int
    id: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop every process of the attempt on this slot where it stands: `by`, a batch, needs its cores.

    With no `by` it has spent what was reserved for it, and no more is to be had. `at`: since when it stands
    still already (UTC epoch seconds); None: it runs.
    """

    slot: int
    id: int
    by: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """The attempt that is paused on this slot goes on."""

    slot: int
    id: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """End the attempt on this slot and queue its invocation again: `by`, a batch, needs what it holds.

    The answer is `Finished` with the state ``queued``. It is no failure, and uses up none of its tries.
    """

    slot: int
    id: int
    by: str


@dataclass(frozen=True, slots=True)
class Recall:
    """The first of what a slot was given runs longer than expected: take the rest back.

    The answer is `Returned`, with no ids when there was nothing left to take.
    """

    slot: int


@dataclass(frozen=True, slots=True)
class Release:
    """Dependencies are settled: `ids` may be queued now (``cancel`` False), or must be cancelled.

    They are cancelled when something that they wait for failed or was cancelled; `because` is its id.
    """

    ids: Sequence[int]
    cancel: bool = False
    because: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing more of a batch starts: its payers' money is spent, and `why` says whose, and what ends it.

    `frees_at` is when it may go on by itself (UTC epoch seconds); None: only when somebody raises a limit.
    """

    batch: str
    why: str
    frees_at: float | None = None


@dataclass(frozen=True, slots=True)
class Freed:
    """A batch that was held is held no longer."""

    batch: str


@dataclass(frozen=True, slots=True)
class Demote:
    """A payer of a batch is beyond a soft limit: the batch goes on one class lower."""

    batch: str
    why: str


@dataclass(frozen=True, slots=True)
class Promote:
    """No payer of a batch that was demoted is beyond a soft limit any more."""

    batch: str


Command = (
    Lease
    | OpenSlot
    | CloseSlot
    | Start
    | GoOn
    | Pause
    | Resume
    | GiveBack
    | Recall
    | Release
    | Hold
    | Freed
    | Demote
    | Promote
)
