"""What the worker asks of its journal: ports, each as narrow as its callers, and the rows that they carry.

`rushes.journal` holds what answers. An invocation's number is its batch's number shifted left by 32, plus its
n; states are numbers in the order of `rushes.core.states.State`; times are UTC epoch seconds. What is written
between `begin` and `commit` is durable together, or not at all. This module must not know SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rushes.core.sinks import Heard
from rushes.runtime.records.budget_records import BudgetRecords
from rushes.runtime.records.cost_records import CostRecords

__all__ = [
    "AttemptRecords",
    "BatchRecords",
    "BatchRow",
    "EndRow",
    "Housekeeping",
    "InvocationRecords",
    "InvocationRow",
    "Journal",
    "KnownRow",
    "LeasedRow",
    "NewRow",
    "OutboxRecords",
    "ResultRow",
    "Turns",
]


class BatchRow(NamedTuple):
    """A batch as it was last saved."""

    number: int
    id: str
    spec: str
    """JSON of the `BatchSpec`."""
    submitted: float
    ended: float | None
    sealed: int
    seq: int
    seconds: float
    media_s: float


class InvocationRow(NamedTuple):
    """Where an invocation stands."""

    state: int
    attempt: int
    losses: int
    reason: str | None
    not_before: float | None
    seq: int | None
    """Its end's place in the batch, once it has ended."""
    queue: int
    queued_at: float
    source: str
    extra: str | None
    """JSON: the invocation that it ``joined``, or the place of the ``known`` result."""


class ResultRow(NamedTuple):
    """How an invocation ended."""

    seq: int
    invocation: int
    state: int
    seconds: float
    cached: int
    data: str
    """JSON: result, outputs, receipt, encoder, warnings, error."""


class LeasedRow(NamedTuple):
    """An invocation that waits, with all that its slot has to be told: the columns of the journal's table."""

    id: int
    attempt: int
    losses: int
    queued_at: float
    source: str
    frames: str | None
    params: str | None
    subdir: str | None
    tag: str | None
    fingerprint: str | None
    extra: str | None
    ord: int
    """Its place in its queue."""
    key: bytes | None
    queue: int
    """The number of the queue that it was leased from, which need not be its batch's."""


# Every invocation passes as each of these and nobody looks at them, so they are plain tuples.
NewRow = tuple[
    int, int, int, int, float, bytes | None, str, str | None, str | None, str | None, str | None, str | None,
    str | None, str | None,
]  # fmt: skip
"""id, state, queue, order, queued_at, key, source, frames, params, subdir, tag, fingerprint, extra,
reason."""
EndRow = tuple[int, int, int, int, float, int, str]
"""batch, seq, id, state, seconds, cached, data."""
KnownRow = tuple[bytes, int, int, int | None, str]
"""key, id, state, seq, show."""


class Turns(Protocol):
    """The worker's turns, each one transaction."""

    def begin(self, *, lent: bool = False) -> None:
        """Start a turn; `lent`: a power cut may take it, for the truth of all in it is elsewhere."""

    def commit(self, *, lent: bool = False) -> None:
        """Make the turn durable, against a power cut too unless it is `lent` still.

        Raises:
            PlatformError: the disk is full (``journal-full``); the turn is kept, and may be committed later.
        """

    def close(self) -> None: ...

    def look_for_space(self) -> bool:
        """True when new work may be taken."""

    @property
    def room_bytes(self) -> int:
        """What has to be free on its disk before new work is taken again."""

    def next_epoch(self) -> int:
        """A number larger than any before it: the high part of this worker's fencing tokens."""


class BatchRecords(Protocol):
    """Batches and queues."""

    def open_batch(self, batch: str, spec: str, now: float) -> int: ...

    def batch(self, batch: str) -> BatchRow | None: ...

    def batches(self, limit: int) -> list[BatchRow]:
        """The newest first."""

    def batches_of(self, invocation: str) -> list[BatchRow]:
        """Those that a body mapped while it ran as that invocation, oldest first."""

    def open_batches(self) -> list[BatchRow]:
        """Those that have not ended, oldest first."""

    def turned_around(self, priority: str, target_s: float, since: float, newest: int) -> tuple[int, int]:
        """How many batches of a class ended since then, and how many in time."""

    def save_batch(
        self, number: int, *, ended: float | None, sealed: bool, seq: int, seconds: float, media_s: float
    ) -> None: ...

    def counts(self, number: int) -> list[tuple[int, int]]:
        """State and how many, of a batch's invocations."""

    def cached_count(self, number: int) -> int: ...

    def last_n(self, number: int) -> int:
        """The highest n of a batch; 0 for an empty one."""

    def queue(self, priority: str, show: str) -> int:
        """The number of a queue, made on first use."""

    def queues(self) -> list[tuple[int, str, str]]:
        """Number, class and show of each."""

    def waiting(self) -> list[tuple[int, int]]:
        """Queue and how many are queued."""


class InvocationRecords(Protocol):
    """Invocations from their submission to their end, and what they wait for."""

    def add(self, rows: list[NewRow]) -> None:
        """One that is there already stays as it is: a client may send a chunk twice."""

    def known(self, keys: Sequence[bytes]) -> list[KnownRow]:
        """The invocations with one of these keys, oldest first."""

    def lease(self, queue: int, count: int, held_back: int, without: Sequence[int] = ()) -> list[LeasedRow]:
        """The first of a queue in its order, `held_back` more than `count`; none of the batches `without`."""

    def awaited(self, number: int) -> list[tuple[str, int, int]]: ...

    def status_of(self, invocation: int) -> InvocationRow | None: ...

    def moved(self, rows: list[tuple[int, int, int, float, str, int]]) -> None:
        """State, attempts, losses, not before, reason, id: held until the next try."""

    def requeue(self, rows: list[tuple[int, int]]) -> None:
        """Queue and id: queued, there."""

    def ended(self, rows: list[tuple[int, int, int, int]], results: list[EndRow]) -> None:
        """Each of `rows`: state, seq, attempts, id."""

    def due(self, now: float) -> list[tuple[int, int]]:
        """Id and queue of held invocations whose next try is due."""

    def next_due(self) -> float | None: ...

    def queued_of(self, number: int) -> list[tuple[int, int]]:
        """Queue, and how many of a batch are queued in it."""

    def requeue_batch(self, number: int, queue: int, spec: str) -> None:
        """A batch has another queue and specification: what of it has not ended goes along."""

    def unfinished(self, number: int, limit: int) -> list[tuple[int, int, int]]:
        """Id and state of invocations of a batch that are queued or held."""

    def reopen(self, number: int) -> list[tuple[int, int]]:
        """Queue the failed and cancelled invocations of a batch again; gives id and queue."""

    def depend(self, rows: list[tuple[int, int, int]]) -> None:
        """Id, the id that it waits for, whether a failure of that cancels it."""

    def dependencies(self) -> list[tuple[int, int, int]]:
        """Those of held invocations, as `depend` was given them."""

    def ended_states(self, ids: Sequence[int]) -> dict[int, int]:
        """The state of those of `ids` that have ended; an id with n = 0 stands for its whole batch."""


class AttemptRecords(Protocol):
    """What attempts came to, and what they are about to publish."""

    def attempt(self, rows: list[tuple[int, int, float, float, str, str]]) -> None:
        """Id, attempt, when it ended, seconds, outcome, error as JSON."""

    def attempts(self, invocation: int) -> list[tuple[int, float, float, str, str]]: ...

    def intend(self, invocation: int, data: str) -> None: ...

    def intended(self) -> set[int]: ...

    def intent(self, invocation: int) -> str | None: ...

    def forget_intents(self, rows: list[tuple[int]]) -> None: ...

    def keep_swarm(self, number: int, report: str) -> None:
        """The displacement report of a batch, as JSON."""

    def swarm(self, number: int) -> str | None:
        """That report; None when nobody stood aside for the batch, or it is not over."""

    def keep_member(self, key: bytes, show: str, invocation: int, data: str) -> None:
        """What one function of a joint invocation made is known by that function's own key."""

    def members(self, keys: Sequence[bytes], show: str) -> list[tuple[bytes, int, str]]:
        """Key, joint invocation and data of those of `keys` that one made."""

    def results(
        self, number: int, after: int, limit: int
    ) -> list[tuple[int, int, int, float, int, str, str, int]]:
        """Seq, id, state, seconds, cached, data, source, attempts, in the order in which they ended."""

    def result_at(self, number: int, seq: int) -> ResultRow | None: ...


class OutboxRecords(Protocol):
    """Events that wait to be told, and how far each sink has been told."""

    def post(self, rows: list[tuple[str, str, str, str]]) -> None:
        """Kind, show, function and body of each; they are numbered in this order, from 1, never twice."""

    def events(self, after: int, limit: int) -> list[tuple[int, str, str, str, str]]:
        """Number and what was posted, of those after a number, in their order."""

    def last_event(self) -> int:
        """The number of the last one that was ever posted; 0 before the first."""

    def trim_events(self, upto: int) -> None:
        """Everybody has been told up to this number."""

    def sources(self, ids: Sequence[int]) -> dict[int, str]:
        """The source of each invocation."""

    def heard(self) -> dict[str, Heard]:
        """How far each sink has been told, by its name."""

    def save_heard(self, heard: dict[str, Heard]) -> None: ...

    def forget_sinks(self, names: Sequence[str]) -> None: ...


class HourRecords(Protocol):
    """What shows have used of each class."""

    def use(self, rows: list[tuple[str, str, str, float]]) -> None:
        """Day, class, show and slot-seconds of each, added to what was there."""

    def used(self, day: str) -> list[tuple[str, str, float]]:
        """Class, show and slot-seconds of a day."""


class Housekeeping(Protocol):
    """What a person asks of the journal itself."""

    def prune(self, before: float, *, keep: int = 0) -> int: ...

    def backup(self, target: Path) -> None: ...

    def statistics(self) -> dict[str, Any]: ...


class Journal(
    Turns,
    BatchRecords,
    InvocationRecords,
    AttemptRecords,
    OutboxRecords,
    CostRecords,
    BudgetRecords,
    HourRecords,
    Housekeeping,
    Protocol,
):
    """The durable record of one pool: whoever owns it owns the pool."""
