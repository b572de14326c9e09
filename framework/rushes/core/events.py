"""What happens to a pool, as values: the scheduler's input.

Times are UTC epoch seconds and always arrive as the `now` of `Scheduler.handle`, never inside an event,
except where the event speaks of another moment. This module must not know where events come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rushes.core.accounts import Scope, SpendLimits
from rushes.core.classes import ClassPolicy
from rushes.core.states import State

__all__ = [
    "Ask",
    "AttemptFinished",
    "Barred",
    "Budgeted",
    "Capacity",
    "ClassPolicy",
    "Costed",
    "Deferred",
    "Event",
    "InvocationEnded",
    "Lacks",
    "Leased",
    "Outlay",
    "Paused",
    "QueueKey",
    "Queued",
    "Reached",
    "Reclassed",
    "Resized",
    "Restamped",
    "Returned",
    "Shape",
    "SlotLost",
    "SlotReady",
    "Tick",
    "Waits",
    "Withdrawn",
    "Woken",
]


class QueueKey(NamedTuple):
    """One queue: invocations of one class that one show pays for."""

    priority: str
    show: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the pool has to give, in the units of `Shape`."""

    cpu: float
    memory: float
    scratch: float = float("inf")
    gpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """What all invocations of one batch have in common; made once, shared by reference.

    Args:
        environment: which warm slots can run it; slots are kept by environment.
        function: name for expected run time; learnt per function.
        cpu, memory, scratch, gpu: what one attempt takes while it runs (memory and scratch in bytes).
        max_slots: at most this many slots at once for the batch, or None.
        preemptible: it may be paused, or stopped and run again, for more urgent work.
        depth: 0 for what people submit, 1 for the parts that its attempts wait for, 2 for their parts …
        charged: the batch whose money it spends, where that is another: parts are paid for by what maps them.
        limits: names under which no more than so many run at once, on the whole pool: see `limits`.
    """

    batch: str
    environment: str
    function: str
    cpu: float = 1.0
    memory: float = 0.0
    scratch: float = 0.0
    gpu: float = 0.0
    max_slots: int | None = None
    preemptible: bool = True
    depth: int = 0
    charged: str = ""
    limits: tuple[tuple[str, int], ...] = ()

    def __hash__(self) -> int:
        # A batch has few shapes, and every attempt is looked up by its own: all fields would cost five times
        # as much.
        return hash((self.batch, self.function))


class Ask(NamedTuple):
    """One invocation in the pool's hands.

    `order` is the sortable integer of its queue: an earlier deadline is a smaller number; ties go by `id`.
    `queued_at` is when it was first queued: ageing counts from there.
    """

    id: int
    order: int
    queued_at: float
    shape: Shape


# -- events -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Queued:
    """`count` more invocations wait in a queue outside (the journal, SQS); lease them when there is room."""

    queue: QueueKey
    count: int


@dataclass(frozen=True, slots=True)
class Leased:
    """Answer to a `Lease` command: these are now in the pool's hands. `remaining` still wait outside."""

    queue: QueueKey
    asks: Sequence[Ask]
    remaining: int


@dataclass(frozen=True, slots=True)
class SlotReady:
    """A slot that was asked for by `OpenSlot` is warm."""

    slot: int


@dataclass(frozen=True, slots=True)
class SlotLost:
    """A slot died or was replaced.

    What it had been given is reported by `AttemptFinished` and `Returned`, before or after. After is better:
    nothing is then given to a slot that is known to be dead.
    """

    slot: int


@dataclass(slots=True)  # not frozen, which would make it three times as dear: there is one an invocation
class AttemptFinished:
    """An attempt left its slot; `seconds` is its run time there.

    `state` is where the invocation went: an ended state, or `queued`/`held` when it will be tried again (it
    then comes back by `Queued`).
    """

    slot: int
    id: int
    state: State
    seconds: float


@dataclass(frozen=True, slots=True)
class Returned:
    """Invocations that a slot had been given but had not started came back (answer to `Recall`)."""

    slot: int
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Halted:
    """What some slots run was stopped where it stands, and not by a `Pause`: all of which that is known.

    It had come to the time that `Scheduler.bounds` gave for it, and nobody had looked by then.

    Args:
        slots: the number of each, and since when it stands still (UTC epoch seconds), in that order.
    """

    slots: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Waits:
    """The attempt that a slot runs waits for parts of its own, and computes nothing until `Woken`."""

    slot: int
    id: int


@dataclass(frozen=True, slots=True)
class Woken:
    """The parts that an attempt waited for have ended: it wants to go on, and may once `GoOn` says so."""

    slot: int
    id: int


@dataclass(frozen=True, slots=True)
class Lacks:
    """A running attempt waits for a session of a device, which these have, by their slots and ids.

    It is said again about once a second while that lasts.
    """

    slot: int
    id: int
    holders: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Reached:
    """An attempt has said how far it is, 0..1. It changes nothing by itself, and is forgotten with it."""

    slot: int
    id: int
    fraction: float


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Invocations left the pool's hands without a start: cancelled, or held by somebody else."""

    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Restamped:
    """A person gave a batch another class: what of it runs has its rank from now on.

    What of it waits is withdrawn before, and queued there after.
    """

    batch: str
    queue: QueueKey


@dataclass(frozen=True, slots=True)
class Reclassed:
    """The priority classes are others from now on. What runs keeps running, in the class of its name."""

    classes: Sequence[ClassPolicy]


@dataclass(frozen=True, slots=True)
class Barred:
    """Nothing of a queue starts any more, and `reason` says why; an empty one lets it go on."""

    queue: QueueKey
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """An invocation waits for others: it is `held` until all of `after` have ended.

    `cancel_on_failure` says what a failed or cancelled dependency does to it.
    """

    id: int
    after: Sequence[int]
    cancel_on_failure: bool = True


@dataclass(frozen=True, slots=True)
class InvocationEnded:
    """An invocation that others may depend on has ended; sent only for such ids."""

    id: int
    state: State


class Outlay(NamedTuple):
    """What a payer has spent: ever, and since this hour began; nano-dollars."""

    ever: int
    this_hour: int


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A payer has these limits from now on; none, where all of them are None.

    `spent` is what it had spent before, where it had no limits and nobody has kept its books.
    """

    scope: Scope
    limits: SpendLimits
    spent: Outlay | None = None


@dataclass(frozen=True, slots=True)
class Costed:
    """What an attempt has truly cost, in nano-dollars: told just before or after it is `AttemptFinished`.

    Until then, and where nobody knows, its seconds are what it is charged for.
    """

    id: int
    nano: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The pool starts nothing new while `paused`; running work goes on."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Resized:
    """The pool has this much from now on. What runs beyond that goes on, and nothing starts in its place."""

    capacity: Capacity


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; `handle` is called at least once a second while work is about."""

    reason: str = field(default="")


Event = (
    Queued
    | Leased
    | SlotReady
    | SlotLost
    | AttemptFinished
    | Returned
    | Halted
    | Waits
    | Woken
    | Reached
    | Lacks
    | Withdrawn
    | Restamped
    | Reclassed
    | Barred
    | Deferred
    | InvocationEnded
    | Budgeted
    | Costed
    | Paused
    | Resized
    | Tick
)
