"""The numbers that a person may change: priority classes and the scheduler's settings, as data.

This module must not know how they are used; `scheduler.py` explains each of them in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rushes.core.classes import DEFAULT_CLASSES
from rushes.core.displacement import DisplacementPolicy

__all__ = ["DEFAULT_CLASSES", "SchedulerSettings"]


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """What the scheduler may assume of its pool.

    Args:
        lease_window: asks kept in hand for each queue; all others stay outside, so memory is bounded.
        micro_batch_s: expected seconds of work that one slot is given at once.
        micro_batch_max: invocations that one slot is given at once, however short they are.
        recall_after_s, recall_factor: the first of a micro-batch may run for the longer of
            `recall_after_s` and `recall_factor` times its expected seconds; then those behind it are
            taken back.
        idle_slot_s: a warm slot that ran nothing for so long is closed.
        slot_limit: slot processes at once, busy, idle and opening; None: two more than there are cores.
            The two spare ones let a second environment stay warm beside the first.
        burst_s: a show that did not use its share lately may have the whole pool for so long before it takes
            turns with those that did; no more than what it left to them.
        unknown_run_s: what a function is charged for before it was ever measured; corrected when it
            finishes.
        waiting_limit: attempts of one depth that may wait for parts of their own at once, each holding a
            process; work of functions that do so starts when there are fewer.
        displacement: the bounds within which running work stands aside; None where nothing can be paused or
            stopped for other work.
        reopen_after_s, reopen_max_s: how long an environment rests after its slot died before it was
            ready; doubled each time in a row, up to the maximum.
    """

    lease_window: int = 512
    micro_batch_s: float = 0.02
    micro_batch_max: int = 64
    recall_after_s: float = 0.1
    recall_factor: float = 5.0
    idle_slot_s: float = 600.0
    slot_limit: int | None = None
    burst_s: float = 60.0
    unknown_run_s: float = 1.0
    waiting_limit: int = 32
    displacement: DisplacementPolicy | None = field(default_factory=DisplacementPolicy)
    reopen_after_s: float = 0.5
    reopen_max_s: float = 30.0
