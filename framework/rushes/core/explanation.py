"""What `rushes why` and `rushes pool` say about a pool: read-only views, in words and as values.

This module changes nothing, and must not know how anything is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rushes.core.assignment import Assignment
from rushes.core.classes import ClassPolicy
from rushes.core.dependencies import Dependencies
from rushes.core.events import QueueKey
from rushes.core.limits import KEY, class_limit
from rushes.core.ordering import Lane
from rushes.core.packing import DIMENSIONS, MILLI, Need
from rushes.core.slots import Slot, SlotState
from rushes.units import format_duration

__all__ = ["ClassView", "PoolView", "QueueView", "SlotView", "explain", "snapshot", "why_paused"]

# Need is in thousandths of cores and devices, and in bytes; people read cores, devices and GiB.
GIB: Final = 1 << 30
SCALES: Final = {"cpu": (MILLI, ""), "memory": (GIB, " GiB"), "scratch": (GIB, " GiB"), "gpu": (MILLI, "")}


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot: ``opening``, ``idle``, ``busy``, ``waiting`` (for parts of what it runs), or ``paused``.

    While it is one of the last three: what it runs, since when, how many are behind it.
    """

    number: int
    environment: str
    state: str
    batch: str | None = None
    function: str | None = None
    running: int | None = None
    since: float | None = None
    behind: int = 0


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue: asks in hand that wait, those of them that have aged, and how many wait outside."""

    queue: QueueKey
    waiting: int
    aged: int
    outside: int


@dataclass(frozen=True, slots=True)
class ClassView:
    """A class: how many of its attempts run and on how many cores, what is kept for it, what it may have."""

    name: str
    running: int
    cpu: float
    reserved: float
    most: float


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool at one moment. `capacity` and `free` by dimension: cores, bytes, bytes, devices."""

    paused: bool
    capacity: dict[str, float]
    free: dict[str, float]
    slots: tuple[SlotView, ...]
    queues: tuple[QueueView, ...]
    held: int
    classes: tuple[ClassView, ...] = ()


def snapshot(pool: Assignment, *, held: int, paused: bool) -> PoolView:
    """The pool as it is now."""
    queues = [
        QueueView(
            key,
            queue.in_hand,
            sum(len(lane.asks) for lane in queue.lanes if lane.flow.level is not queue.level),
            queue.outside,
        )
        for key, queue in sorted(pool.waiting.queues.items())
    ]
    slots = tuple(_view(slot) for slot in pool.slots)
    room = pool.room
    classes = tuple(_class_view(pool, policy) for policy in pool.waiting.ranks.classes)
    return PoolView(paused, _amounts(room.capacity), _amounts(room.free), slots, tuple(queues), held, classes)


def _class_view(pool: Assignment, policy: ClassPolicy) -> ClassView:
    mine = [slot for slot in pool.slots if slot.occupied and slot.policy and slot.policy.name == policy.name]
    busy = [slot.lane.need[0] for slot in mine if slot.lane is not None and slot.state is SlotState.busy]
    shares, most = pool.waiting.shares, pool.waiting.shares.most(policy.name)
    return ClassView(
        policy.name,
        len(mine),
        sum(busy) / MILLI,
        shares.reserved(policy.name)[0] / MILLI,
        (pool.room.capacity if most is None else most)[0] / MILLI,
    )


def explain(pool: Assignment, held: Dependencies, id_: int, now: float, *, paused: bool) -> str:
    """One line: where the invocation stands, and what it waits for."""
    unmet = sorted(held.waits_for(id_))
    if unmet:
        more = f" and {len(unmet) - 3} more" if len(unmet) > 3 else ""
        return f"held: it waits for {', '.join(map(str, unmet[:3]))}{more} to end"
    lane = pool.waiting.where.get(id_)
    if lane is None:
        return "not in the pool's hands: it waits outside in its queue, is held elsewhere, or has ended"
    for slot in (*pool.slots, *pool.slots.lost.values()):
        for place, ask in enumerate(slot.backlog):
            if ask[0] == id_:
                return _given(pool, slot, place, now)
    short = pool.purse.shortage.lanes.get(lane)
    said = short.sentence if short is not None else _reason(pool, lane, now)
    reason = "the pool is paused" if paused else said
    aside = pool.standing.swarms.stands(id_)
    gave = f"it gave its place back for batch {aside[0]}; " if aside is not None else ""
    return f"{_place(lane, id_)}; {gave}{reason}"


def _given(pool: Assignment, slot: Slot, place: int, now: float) -> str:
    if place:
        return f"{_ordinal(place + 1)} in the backlog of slot {slot.number}"
    short = pool.purse.shortage.begun.get(slot.backlog[0][0])
    if short is not None:
        how = "paused" if slot.state is SlotState.paused else "stands still"
        return f"{how} on slot {slot.number}, having spent what was reserved for it; {short.sentence}"
    aside = pool.standing.swarms.stands(slot.backlog[0][0])
    if aside is not None and aside[1].how == "await":
        return f"running on slot {slot.number}, near its end; batch {aside[0]} has its place after it"
    if aside is not None:
        how = "paused" if slot.state is SlotState.paused else "about to give its place back"
        return f"{how} on slot {slot.number} for {aside[1].seconds(now):.1f} s: batch {aside[0]} goes first"
    number = slot.number
    if slot.state is SlotState.paused:
        return f"paused on slot {number}; {_paid_for(pool, slot)}"
    for_s = f" for {max(0.0, now - slot.head_since):.1f} s"
    where = ", where it waits for parts of its own" if slot.state is SlotState.waiting else for_s
    return f"running on slot {number}{where}"


def why_paused(pool: Assignment, slot: Slot) -> str:
    """In a few words, why what a slot runs stands still; "" where it does not."""
    if slot.state is not SlotState.paused or not slot.backlog:
        return ""
    id_ = slot.backlog[0][0]
    short, aside = pool.purse.shortage.begun.get(id_), pool.standing.swarms.stands(id_)
    if short is not None:
        return "it has spent what it may" if short.held else short.sentence
    return _paid_for(pool, slot) if aside is None else f"batch {aside[0]} goes first"


def _paid_for(pool: Assignment, slot: Slot) -> str:
    """What keeps one waiting that is paused for nobody, and not for want of money any more."""
    if slot.unpaid or slot.lane is None:
        return "it is asked for at the next look whether it may cost more"
    need, free = slot.lane.need[0], max(pool.room.free[0], 0)
    cores = f"{_amount('cpu', need)} needed, {_amount('cpu', free)} free"
    return f"it is paid for, and goes on when there are cores for it ({cores})"


def _place(lane: Lane, id_: int) -> str:
    queue = lane.queue
    own = next((ask[1], ask[0]) for ask in lane.asks if ask[0] == id_)
    before = sum((ask[1], ask[0]) < own for other in queue.lanes for ask in other.asks)
    aged = " (it has waited long and competes one class higher)" if lane.flow.level is not queue.level else ""
    return f"{_ordinal(before + 1)} in {queue.key.priority}/{queue.key.show}{aged}"


def _reason(pool: Assignment, lane: Lane, now: float) -> str:
    shape, room, slots = lane.shape, pool.room, pool.slots
    if lane.parked:
        return _why_parked(pool, lane)
    rests_s = slots.rests_until(shape.environment) - now
    if rests_s > 0:
        return f"slots of its environment die before they are ready; the next try is in {rests_s:.1f} s"
    lacks = [
        f"{name} {_amount(name, lane.need[d])}, {_amount(name, max(room.free[d], 0))} free"
        for d, name in enumerate(DIMENSIONS)
        if lane.need[d] > room.free[d]
    ]
    if lacks:
        without = not room.capacity[0] and lane.need[0]
        if without:
            return "the pool has no cores now"
        return "waits for " + "; ".join(lacks) + _passed(lane, now)
    return _kept_for_others(pool, lane) or _which_slot(pool, lane)


def _passed(lane: Lane, now: float) -> str:
    """Until when others of its show go before a lane that does not fit."""
    since = lane.flow.level.unserved.get(lane.need)
    if since is None:
        return ""
    left_s = since + lane.queue.ageing_s - now
    if left_s > 0:
        return f"; what fits of its show goes first for {format_duration(left_s)}"
    return "; it has waited for long, and what comes free is kept for it"


def _which_slot(pool: Assignment, lane: Lane) -> str:
    shape, slots = lane.shape, pool.slots
    if slots.opening(shape.environment):
        return "waits for a slot of its environment that is opening"
    if not slots.idle(shape.environment) and sum(1 for _ in slots) >= slots.limit:
        return f"waits for one of {slots.limit} slots"
    return "waits for its turn behind earlier work"


def _why_parked(pool: Assignment, lane: Lane) -> str:
    shape, queue, name = lane.shape, lane.queue.key, lane.waits_on
    if queue in pool.waiting.bars:
        return pool.waiting.bars[queue]
    if shape.batch in pool.yielding.barred:
        waiting = pool.yielding.waiting_at(shape.depth)
        return f"{waiting} attempts like it wait for parts of their own; it starts when there are fewer"
    most = dict(shape.limits).get(name)
    if most is not None and name.startswith(KEY):
        return f"an invocation with its exclusive {name} runs"
    if most is not None:
        return f"as many run as may at once ({most}) of its {name.partition('@')[0]}"
    if name == class_limit(lane.queue.policy.name):
        return f"class {lane.queue.policy.name} has all of the pool that it may have" + _share(pool, lane)
    return f"its batch has all the slots that it may have ({shape.max_slots})"


def _share(pool: Assignment, lane: Lane) -> str:
    name = lane.queue.policy.name
    most, held = pool.waiting.shares.most(name), pool.waiting.shares.held(name)
    if most is None:
        return ""
    return f" ({_amount('cpu', held[0])} of {_amount('cpu', most[0])} cores)"


def _kept_for_others(pool: Assignment, lane: Lane) -> str:
    """What keeps a lane waiting that would fit, if nothing were kept for other classes."""
    shares, name = pool.waiting.shares, lane.queue.policy.name
    if not shares.any:
        return ""
    may = shares.may_take(name, pool.room.free)
    fits = all(want <= have for want, have in zip(lane.need, may, strict=True))
    return "" if fits else "what is free is kept for other classes"


def _view(slot: Slot) -> SlotView:
    lane = slot.lane
    if lane is None or not slot.backlog:
        return SlotView(slot.number, slot.environment, slot.state.value)
    return SlotView(
        slot.number,
        slot.environment,
        slot.state.value,
        lane.shape.batch,
        lane.shape.function,
        slot.backlog[0][0],
        slot.head_since,
        len(slot.backlog) - 1,
    )


def _amounts(need: Need) -> dict[str, float]:
    cpu, memory, scratch, gpu = (max(units, 0) for units in need)
    return {
        "cpu": cpu / MILLI,
        "memory": float(memory),
        "scratch": float(scratch),
        "gpu": gpu / MILLI,
    }


def _amount(name: str, units: int) -> str:
    scale, unit = SCALES[name]
    return f"{units / scale:.1f}{unit}"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
