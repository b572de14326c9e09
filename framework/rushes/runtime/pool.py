"""What the parts of the dispatcher share: the journal, the scheduler, and what is where at this moment.

Only the worker's one thread touches it. This module must not know why anything happens; it keeps the books
straight: counts, queues, and what a turn has to write.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rushes.core import events as ev
from rushes.core.commands import Command
from rushes.core.scheduler import Scheduler
from rushes.core.states import State
from rushes.errors import RushesError
from rushes.runtime.batches import STATES, BatchState, shape_of, state_number
from rushes.runtime.records import BatchRow, EndRow, Journal, LeasedRow
from rushes.runtime.refusals import unknown_batch
from rushes.runtime.slots import SlotProcess

__all__ = [
    "CANCELLED",
    "FAILED",
    "HELD",
    "NOTHING",
    "QUEUED",
    "RUNNING",
    "SUCCEEDED",
    "Pool",
    "Run",
    "error_body",
]

QUEUED, HELD, RUNNING, _, SUCCEEDED, FAILED, CANCELLED = (state_number(s) for s in STATES)
NOTHING: Final = b"{}"


@dataclass(slots=True)
class Run:
    """One attempt that a slot has been given."""

    slot: int
    fence: int
    attempt: int
    losses: int
    row: LeasedRow
    fraction: float = -1.0
    note: str = ""

    @property
    def asset(self) -> str:
        return self.row[4]


class Pool:
    """The state of one pool. `carry_out` is set by the dispatcher: how each kind of command is obeyed."""

    def __init__(
        self,
        scheduler: Scheduler,
        journal: Journal,
        home: Path,
        capacity: ev.Capacity,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.scheduler = scheduler
        self.journal = journal
        self.home = home
        self.capacity = capacity
        self.clock = clock
        self.now = clock()
        self.batches: dict[int, BatchState] = {}
        self.by_id: dict[str, BatchState] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.slots: dict[int, SlotProcess] = {}
        self.dying: list[SlotProcess] = []
        self.running: dict[int, Run] = {}
        self.hand: dict[int, LeasedRow] = {}
        """Rows that were leased and have not been given to a slot."""
        self.leased: dict[ev.QueueKey, int] = {}
        """Of each queue, the rows that are in hand or with a slot: the journal has them as queued."""
        self.waiting: dict[ev.QueueKey, int] = {}
        """Of each queue, the rows that nobody has leased."""
        self.queue_numbers: dict[ev.QueueKey, int] = {}
        self.queue_keys: dict[int, ev.QueueKey] = {}
        self.awaited: set[int] = set()
        """Invocations, and batches as n = 0, that others wait for."""
        self.intents: set[int] = set()
        """Invocations whose intent to publish is in the journal."""
        self.after_commit: list[Callable[[], None]] = []
        self.to_push: set[int] = set()
        self.next_due: float | None = None
        self.paused = False
        self.wedged = False
        self.carry_out: dict[type[Command], Callable[[Any, deque[ev.Event]], None]] = {}
        self._ends: list[tuple[int, int, int, int]] = []
        self._results: list[EndRow] = []
        self._forget: list[tuple[int]] = []

    def feed(self, event: ev.Event) -> None:
        """Tell the scheduler, and carry out what it decides, until it decides nothing more."""
        todo: deque[ev.Event] = deque([event])
        while todo:
            for command in self.scheduler.handle(todo.popleft(), self.now):
                self.carry_out[type(command)](command, todo)

    def flush(self) -> None:
        """Write what the turn has gathered."""
        if self._ends:
            self.journal.ended(self._ends, self._results)
            self._ends, self._results = [], []
        if self._forget:
            self.journal.forget_intents(self._forget)
            self._forget = []

    def queue_number(self, key: ev.QueueKey) -> int:
        if key not in self.queue_numbers:
            self.name_queue(key, self.journal.queue(*key))
        return self.queue_numbers[key]

    def name_queue(self, key: ev.QueueKey, number: int) -> None:
        self.queue_numbers[key] = number
        self.queue_keys[number] = key

    def name_of(self, number: int) -> str:
        state = self.batches.get(number >> 32)
        return state.public_id(number) if state else f"batch {number >> 32}, {number & 0xFFFFFFFF}"

    def end(
        self,
        state: BatchState,
        number: int,
        before: int,
        after: int,
        *,
        body: bytes = NOTHING,
        seconds: float = 0.0,
        attempt: int = 0,
    ) -> list[ev.Event]:
        """An invocation ends other than by success; gives what those that wait for it have to be told."""
        state.move(before, after)
        self.end_row(state, number, after, body=body, seconds=seconds, attempt=attempt)
        self.forget_intent(number)
        return self.after_end(number, STATES[after])

    def end_row(
        self,
        state: BatchState,
        number: int,
        after: int,
        *,
        body: bytes = NOTHING,
        seconds: float = 0.0,
        attempt: int = 0,
    ) -> None:
        """Write an end; the caller moves the count."""
        state.seq += 1
        self._ends.append((after, state.seq, attempt, number))
        self._results.append((state.number, state.seq, number, after, seconds, 0, body.decode()))

    def after_end(self, number: int, state: State) -> list[ev.Event]:
        """What the scheduler has to be told, if anybody waits for this one."""
        if number not in self.awaited:
            return []
        self.awaited.discard(number)
        return [ev.Ended(number, state)]

    def require(self, batch: str) -> BatchRow:
        """A batch's row.

        Raises:
            CallerError: there is no such batch.
        """
        row = self.journal.batch(batch)
        if row is None:
            raise unknown_batch(batch)
        return row

    def take_up(self, row: BatchRow) -> BatchState:
        number, batch, spec_text, submitted, _ended, sealed, seq, seconds, media_s = row
        spec = json.loads(spec_text)
        key = ev.QueueKey(spec["priority"], spec["show"])
        state = BatchState(
            number,
            batch,
            spec,
            submitted,
            key,
            self.queue_number(key),
            shape_of(batch, spec),
            sealed=bool(sealed),
            seq=seq,
            seconds=seconds,
            media_s=media_s,
        )
        self.batches[number] = self.by_id[batch] = state
        self.environments[state.shape.environment] = spec.get("environment") or {}
        return state

    def succeed(
        self, state: BatchState, number: int, *, seconds: float, cached: int, attempt: int, data: str
    ) -> None:
        """Write a success; the caller moves the count."""
        state.seq += 1
        state.cached += cached
        self._ends.append((SUCCEEDED, state.seq, attempt, number))
        self._results.append((state.number, state.seq, number, SUCCEEDED, seconds, cached, data))
        self.forget_intent(number)

    def forget_intent(self, number: int) -> None:
        if number in self.intents:
            self.intents.discard(number)
            self._forget.append((number,))


def error_body(error: RushesError | dict[str, Any]) -> bytes:
    data = error.to_dict() if isinstance(error, RushesError) else error
    return b'{"error":' + json.dumps(data).encode() + b"}"
