"""What has been seen of a batch so far, and the exit code that it earns. Pure.

Bounded: it counts, and keeps the first failures and the kinds of notes only. This module must not know where
ends come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from rushes.cli.notes import Notes
from rushes.core.states import State
from rushes.invocation import Counts, Finished

__all__ = ["FAILURES_SHOWN", "SeenEnds", "exit_code"]

FAILURES_SHOWN: Final = 20


@dataclass(slots=True)
class SeenEnds:
    """The ends of a batch that have been seen."""

    counts: Counts = field(default_factory=Counts)
    media_s: float = 0.0
    cost_nano: int = 0
    failures: list[Finished] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    for_budget: int = 0
    """Of those that failed or were cancelled, the ones that a budget refused."""

    @property
    def ended(self) -> int:
        return self.counts.ended

    def add(self, page: Iterable[Finished]) -> None:
        """Count ends that had not been seen."""
        for one in page:
            name = one.state.value
            setattr(self.counts, name, getattr(self.counts, name) + 1)
            self.counts.cached += one.cached
            self.media_s += one.media_s
            self.cost_nano += one.cost_nano
            if one.warnings and one.state is State.succeeded:  # why it failed is said anyway
                self.notes.add(one)
            if one.state is State.failed:
                self.for_budget += _over_budget(one)
                if len(self.failures) < FAILURES_SHOWN:
                    self.failures.append(one)


def exit_code(ends: SeenEnds, *, interrupted: bool = False, held: bool = False) -> int:
    """The CLI contract's code: 130 interrupted, 1 some failed, 3 held by budget, else 0.

    2, a wrong command line, ranks between 130 and 1, and never gets as far as counting ends.

    Args:
        ends: of the batch.
        interrupted: a person had enough.
        held: all that is left of it is held by a budget.
    """
    if interrupted:
        return 130
    failed = ends.counts.failed - ends.for_budget + ends.counts.cancelled
    if failed:
        return 1
    return 3 if held or ends.for_budget else 0


def _over_budget(one: Finished) -> bool:
    error = one.error or {}
    return error.get("kind") == "policy" and str(error.get("code", "")).startswith("budget")
