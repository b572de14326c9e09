"""A person gives a batch another class: what waits changes its queue, what runs its rank.

Nothing else restamps running work: a rank that were looked up anew at every turn could displace one victim
again and again. This module must not know why, nor who may.
"""

from __future__ import annotations

import json

from rushes.core import events as ev
from rushes.runtime.dispatch.pool import Pool
from rushes.runtime.records.batches import BatchState

__all__ = ["restamp"]


def restamp(pool: Pool, state: BatchState, priority: str) -> None:
    """Move a batch, and the batches of its invocations' parts, to another class."""
    for part in [one for one in pool.batches.values() if one.parent >> 32 == state.number and one.parent]:
        restamp(pool, part, priority)
    new = ev.QueueKey(priority, state.queue.show)
    if state.queue == new:
        return
    pool.flush()
    number = pool.queue_number(new)
    outside = dict(pool.journal.queued_of(state.number))
    in_hand = [one for one in pool.hand if one >> 32 == state.number]
    for one in in_hand:
        row = pool.hand.pop(one)
        outside[row.queue] -= 1
        pool.unlend(row)
    for run in (run for one, run in pool.running.items() if one >> 32 == state.number):
        outside[run.row.queue] -= 1
        pool.unlend(run.row)
        run.row = run.row._replace(queue=number)
        pool.leased[new] = pool.leased.get(new, 0) + 1
    for queue, count in outside.items():
        pool.await_more(pool.queue_keys[queue], -count)
    waiting = sum(outside.values()) + len(in_hand)
    pool.await_more(new, waiting)
    state.queue, state.queue_number = new, number
    state.spec["priority"] = priority
    pool.journal.requeue_batch(state.number, number, json.dumps(state.spec))
    if in_hand:
        pool.feed(ev.Withdrawn(in_hand))
    pool.feed(ev.Restamped(state.id, new))
    rank = pool.rank_of(priority)
    for slot in pool.slots.values():
        slot.rank(state.number, rank)
    if waiting:
        pool.feed(ev.Queued(new, waiting))
