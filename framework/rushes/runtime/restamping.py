"""A person gives a batch another class: what waits changes its queue, what runs its rank.

Nothing else restamps running work: a rank that were looked up anew at every turn could displace one victim
again and again. This module must not know why, nor who may.
"""

from __future__ import annotations

import json

from rushes.core import events as ev
from rushes.runtime.batches import BatchState
from rushes.runtime.pool import QUEUED, Pool

__all__ = ["restamp"]


def restamp(pool: Pool, state: BatchState, priority: str) -> None:
    """Move a batch, and the batches of its invocations' parts, to another class."""
    for part in [one for one in pool.batches.values() if one.parent >> 32 == state.number and one.parent]:
        restamp(pool, part, priority)
    old, new = state.queue, ev.QueueKey(priority, state.queue.show)
    if old == new:
        return
    pool.flush()
    in_hand = [number for number in pool.hand if number >> 32 == state.number]
    at_slots = sum(number >> 32 == state.number for number in pool.running)
    for number in in_hand:
        del pool.hand[number]
    waiting = state.counts[QUEUED]
    state.queue, state.queue_number = new, pool.queue_number(new)
    state.spec["priority"] = priority
    pool.journal.requeue_batch(state.number, state.queue_number, json.dumps(state.spec))
    pool.waiting[old] = max(pool.waiting.get(old, 0) - (waiting - len(in_hand)), 0)
    pool.waiting[new] = pool.waiting.get(new, 0) + waiting
    pool.leased[old] = pool.leased.get(old, 0) - len(in_hand) - at_slots
    pool.leased[new] = pool.leased.get(new, 0) + at_slots
    if in_hand:
        pool.feed(ev.Withdrawn(in_hand))
    pool.feed(ev.Restamped(state.id, new))
    if waiting:
        pool.feed(ev.Queued(new, waiting))
