"""What the worker asks of its journal on budgets: limits, books and reservations, kept over a restart.

Money is in nano-dollars. This module must not know SQL, nor what a limit does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rushes.core.accounts import Scope, SpendLimits
from rushes.core.events import Outlay
from rushes.core.spending.bookkeeping import Books, Changes, Reservation

__all__ = ["BudgetRecords"]


class BudgetRecords(Protocol):
    """Limits that people have set, what was spent under them, and what is set aside."""

    def keep_limits(self, scope: Scope, limits: SpendLimits) -> None:
        """These from now on; none, where all of them are None."""

    def limits(self) -> Mapping[Scope, SpendLimits]:
        """Those that are set, of batches only where they have not ended."""

    def limits_of(self, scope: Scope) -> SpendLimits:
        """Those of one payer, ended batches too."""

    def keep_books(self, changes: Changes) -> None:
        """What has changed in this turn."""

    def books(self) -> list[Books]:
        """Of every payer whose books were ever kept."""

    def reservations(self) -> list[Reservation]:
        """Those that are open, or were when a worker died."""

    def is_tried_again(self, number: int) -> bool:
        """Whether an invocation of a batch is held until its next try."""

    def spent_by(self, scope: Scope, now: float) -> Outlay:
        """What the ledger says that a payer has spent, ever and since the hour of `now` began."""
