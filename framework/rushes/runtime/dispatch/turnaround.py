"""How soon batches were done against the target of their class: what `classes` and `status` show of it.

Counted when somebody asks, from the ledger: batches that ended today, and those that are late already. Parts
are not counted, for nobody waits for them alone. This module must not know what is done about a target.
"""

from __future__ import annotations

import time
from typing import Any, Final

from rushes.runtime.dispatch.pool import Pool

__all__ = ["target_of", "turnaround"]

COUNTED: Final = 20_000
"""The newest batches: a day of more is counted in part, so that asking stops nobody's work."""


def turnaround(pool: Pool, name: str, target_s: float | None) -> dict[str, Any] | None:
    """Of a class: batches that ended today, of those in time, and those that run and are late by now."""
    if target_s is None:
        return None
    today = time.localtime(pool.now)
    midnight = time.mktime((today.tm_year, today.tm_mon, today.tm_mday, 0, 0, 0, 0, 0, -1))
    ended, met = pool.journal.turned_around(name, target_s, midnight, COUNTED)
    late = sum(
        not state.parent and state.queue.priority == name and pool.now - state.submitted > target_s
        for state in pool.batches.values()
    )
    return {"ended": ended, "met": met, "late": late}


def target_of(pool: Pool, priority: str) -> float | None:
    """The target of a class as it is now."""
    return next((one.target_s for one in pool.scheduler.classes if one.name == priority), None)
