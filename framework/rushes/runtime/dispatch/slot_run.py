"""One attempt on a slot, as the dispatcher sees it: who has it, how far it is, for whom it stands aside.

This module must not know what else there is on the pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from rushes.core.stragglers import Progress
from rushes.runtime.records.ports import LeasedRow

__all__ = ["SlotRun", "progress_of"]


@dataclass(slots=True)
class SlotRun:
    """One attempt that a slot has been given."""

    slot: int
    fence: int
    attempt: int
    losses: int
    row: LeasedRow
    fraction: float = -1.0
    note: str = ""
    rose_s: float = 0.0
    """How long it had run when its fraction last rose."""
    reached: float = -1.0
    """How far it was when parts of its own had ended: it is not shown to be less far again."""
    paused_since: float = 0.0
    """When it was stopped in place for more urgent work; 0 while it is not."""
    paused_s: float = 0.0
    given_back: bool = False
    """It is to end, and to be queued again, for more urgent work."""
    given_back_for: tuple[str, str] = ("", "")
    """The batch and the show of that work: it pays for what is done again."""
    parts: set[int] | None = None
    """The batches that it waits for and that have not ended; None for one that never waited."""
    waits_since: float = 0.0
    """Since when its slot is lent to others; 0: it is not."""
    hedge: bool = False
    """It was begun beside another: the scheduler knows it by its number below zero."""
    expected_s: float | None = None
    """What was expected of it when it began, for the watch: those of its batch that crawl raise the mean."""
    hedged_for: str = ""
    """Why a second one was begun beside it; "" where none was."""
    beaten: bool = False
    """The other one of its pair counts."""

    def ask(self, number: int) -> int:
        """By what the scheduler knows an attempt at an invocation."""
        return -number if self.hedge else number

    @property
    def asset(self) -> str:
        return self.row.source


def progress_of(run: SlotRun, ran_s: float) -> Progress:
    """How far a run has come that has run for so long."""
    return Progress(ran_s, min(max(run.fraction, 0.0), 1.0), run.rose_s)
