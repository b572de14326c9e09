"""What the parts of the dispatcher share: the journal, the scheduler, and what is where at this moment.

Only the worker's one thread touches it. This module must not know why anything happens; it keeps the books
straight: counts, queues, and what a turn has to write.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.core import events as ev
from rushes.core.capacity.fitting import RoutingPolicy
from rushes.core.commands import Command
from rushes.core.scheduler import Scheduler
from rushes.core.states import State
from rushes.core.stragglers import StragglerPolicy
from rushes.core.tiers import Tier
from rushes.errors import RushesError
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.outputs.scratch import close_scratch
from rushes.runtime.records.batches import STATES, BatchState, n_of, shape_of, state_number
from rushes.runtime.records.ports import BatchRow, EndRow, Journal, LeasedRow
from rushes.runtime.refusals import unknown_batch
from rushes.runtime.sending.estimating import Before
from rushes.runtime.slots.processes import SlotProcess
from rushes.runtime.telling.outlet import Outlet

if TYPE_CHECKING:
    from rushes.runtime.dispatch.metering import Metering

__all__ = [
    "CANCELLED",
    "FAILED",
    "HELD",
    "NOTHING",
    "PAUSED",
    "QUEUED",
    "RUNNING",
    "SUCCEEDED",
    "Pool",
    "error_body",
]

QUEUED, HELD, RUNNING, PAUSED, SUCCEEDED, FAILED, CANCELLED = (state_number(s) for s in STATES)
NOTHING: Final = b"{}"
ASLEEP_S: Final = 1.0
"""Two clocks of a machine that is awake do not part by as much between two turns."""


@dataclass(slots=True, eq=False)
class Pool:
    """The state of one pool. `carry_out` is set by the dispatcher: how each kind of command is obeyed."""

    scheduler: Scheduler
    journal: Journal
    home: Path
    capacity: ev.Capacity
    """The most that it may ever have: what needs more is refused."""
    clock: Callable[[], float] = time.time

    size: ev.Capacity = field(init=False)
    """What it has now."""
    now: float = field(init=False)
    monotonic_ns: int = field(init=False)
    """The same moment, on the clock that stands while the machine sleeps."""
    slept_s: float = field(default=0.0, init=False)
    """How long the machine slept before this turn, or by how much its clock was set."""

    batches: dict[int, BatchState] = field(default_factory=dict, init=False)
    by_id: dict[str, BatchState] = field(default_factory=dict, init=False)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)

    slots: dict[int, SlotProcess] = field(default_factory=dict, init=False)
    dying: list[SlotProcess] = field(default_factory=list, init=False)
    spares: list[SlotProcess] = field(default_factory=list, init=False)
    """Ready to be slots, of no function yet; their numbers are below zero."""
    running: dict[int, SlotRun] = field(default_factory=dict, init=False)
    second: dict[int, SlotRun] = field(default_factory=dict, init=False)
    """Of an invocation with two attempts, the one that does not hold its lease."""
    hedged: set[int] = field(default_factory=set, init=False)
    """Invocations with a second attempt, also one that stands in line still."""
    stragglers: StragglerPolicy | None = field(default=None, init=False)
    """When there are second attempts; None for never."""
    tier: Tier | None = field(default=None, init=False)
    """What this machine is."""
    routing: RoutingPolicy = field(default_factory=RoutingPolicy, init=False)
    """Who may go where."""

    hand: dict[int, LeasedRow] = field(default_factory=dict, init=False)
    """Rows that were leased and have not been given to a slot."""
    leased: dict[ev.QueueKey, int] = field(default_factory=dict, init=False)
    """Of each queue, the rows that are in hand or with a slot: the journal has them as queued."""
    waiting: dict[ev.QueueKey, int] = field(default_factory=dict, init=False)
    """Of each queue, the rows that nobody has leased."""
    queue_numbers: dict[ev.QueueKey, int] = field(default_factory=dict, init=False)
    queue_keys: dict[int, ev.QueueKey] = field(default_factory=dict, init=False)

    awaited: set[int] = field(default_factory=set, init=False)
    """Invocations, and batches as n = 0, that others wait for."""
    parts: dict[int, set[int]] = field(default_factory=dict, init=False)
    """Of an invocation, the batches that it mapped and that have not ended."""
    keeps: dict[int, Path] = field(default_factory=dict, init=False)
    """Of an invocation, the folder that its attempts share."""
    intents: set[int] = field(default_factory=set, init=False)
    """Invocations whose intent to publish is in the journal."""

    after_commit: list[Callable[[], None]] = field(default_factory=list, init=False)
    to_push: set[int] = field(default_factory=set, init=False)
    next_due: float | None = field(default=None, init=False)
    learnt: Mapping[str, Before] = field(default_factory=dict, init=False)
    """What runs of a function took before this worker began, by its reference."""
    paused: bool = field(default=False, init=False)
    draining: bool = field(default=False, init=False)
    """What runs ends, nothing starts, and then the worker ends."""
    wedged: bool = field(default=False, init=False)
    outlet: Outlet | None = field(default=None, init=False)
    """Where state changes go out; None while nobody wants to hear."""
    carry_out: dict[type[Command], Callable[[Any, deque[ev.Event]], None]] = field(
        default_factory=dict, init=False
    )
    meter: Metering | None = field(default=None, init=False)
    """Counts what attempts cost; None where nothing here has a price."""

    _ends: list[tuple[int, int, int, int]] = field(default_factory=list, init=False)
    _results: list[EndRow] = field(default_factory=list, init=False)
    _forget: list[tuple[int]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.size = self.capacity
        self.now = self.clock()
        self.monotonic_ns = time.monotonic_ns()

    def unlend(self, row: LeasedRow) -> None:
        """A row is no longer in hand or with a slot: its queue may lease another for it.

        That queue need not be its batch's: the same work, asked for in a better class, is raised alone.
        """
        self.leased[self.queue_keys[row.queue]] -= 1

    def run_on(self, slot: int, number: int) -> SlotRun | None:
        """The attempt at an invocation that a slot has."""
        run = self.running.get(number)
        if (run is None or run.slot != slot) and number in self.hedged:
            run = self.second.get(number)
        return run if run is not None and run.slot == slot else None

    def await_more(self, queue: ev.QueueKey, count: int) -> None:
        """So many more rows of a queue wait and nobody has leased them; fewer, where it is negative."""
        self.waiting[queue] = max(self.waiting.get(queue, 0) + count, 0)

    def feed(self, event: ev.Event) -> None:
        """Tell the scheduler, and carry out what it decides, until it decides nothing more."""
        todo: deque[ev.Event] = deque([event])
        while todo:
            for command in self.scheduler.handle(todo.popleft(), self.now):
                self.carry_out[type(command)](command, todo)

    def tell_time(self, now: float, monotonic_ns: int) -> None:
        """A turn begins."""
        slept_s = now - self.now - (monotonic_ns - self.monotonic_ns) / 1e9
        self.slept_s = slept_s if abs(slept_s) > ASLEEP_S else 0.0
        self.now, self.monotonic_ns = now, monotonic_ns

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
        self.disown(number)
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
        if self.outlet is not None:
            kind = STATES[after].value
            self.outlet.note(kind, state, number, attempt=attempt, seconds=seconds, result=body.decode())

    def after_end(self, number: int, state: State) -> list[ev.Event]:
        """What the scheduler has to be told, if anybody waits for this one."""
        if number not in self.awaited:
            return []
        self.awaited.discard(number)
        return [ev.InvocationEnded(number, state)]

    def require(self, batch: str) -> BatchRow:
        """A batch's row.

        Raises:
            CallerError: there is no such batch.
        """
        row = self.journal.batch(batch)
        if row is None:
            raise unknown_batch(batch)
        return row

    @property
    def most_run_s(self) -> float | None:
        """So long an attempt may run on this machine's tier, whatever its function allows."""
        return None if self.tier is None else self.tier.limits.run_s

    def rank_of(self, priority: str) -> int:
        """The rank of a class; that of the last for one that is none."""
        ranks = {one.name: one.rank for one in self.scheduler.classes}
        return ranks.get(priority, max(ranks.values(), default=0))

    def number_of(self, invocation: str) -> int:
        """The number of ``<batch>.<n>``; 0 when there is no such batch, or no such n can be."""
        batch, _, n = invocation.partition(".")
        live = self.by_id.get(batch)
        row = self.journal.batch(batch) if live is None else None
        number = live.number if live is not None else row.number if row is not None else 0
        return number << 32 | n_of(n) if number and n_of(n) else 0

    @staticmethod
    def out_of(row: BatchRow) -> str | None:
        """Where a batch's outputs go; None for one that makes none."""
        out: str | None = json.loads(row.spec).get("out")
        return out

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
            counted_s=seconds,
        )
        if spec.get("parent"):
            state.parent = self.number_of(spec["parent"])
        before = self.learnt.get(spec["function"])
        if before is not None:
            self.scheduler.believe(state.shape.function, before.mean_s)
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
        if self.outlet is not None:
            self.outlet.note(
                "succeeded", state, number, attempt=attempt, seconds=seconds, cached=bool(cached), result=data
            )
        self.forget_intent(number)
        self.disown(number)

    def disown(self, number: int) -> None:
        """An invocation has ended: what it left to its next attempt is removed, its parts are for nobody."""
        for part in self.parts.get(number, ()):
            state = self.batches[part]
            if state.stopping is None:
                state.stopping = (State.cancelled, None)
            state.sealed = state.dirty = True
        if number in self.keeps and number not in self.parts:
            folder = self.keeps.pop(number)
            self.after_commit.append(lambda: close_scratch(folder))

    def forget_intent(self, number: int) -> None:
        if number in self.intents:
            self.intents.discard(number)
            self._forget.append((number,))


def error_body(error: RushesError | dict[str, Any]) -> bytes:
    """An error as the body of an end in the journal."""
    data = error.to_dict() if isinstance(error, RushesError) else error
    return b'{"error":' + json.dumps(data).encode() + b"}"
