"""The books of a budget as rows that outlive a process, and what they come to when it has died.

Whoever owns the pool writes what has changed together with what was decided by it: so a start is never known
to anybody before its reservation is, and an end is settled once. This module must not know where rows are
kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rushes.core.accounts import Account, Scope, SpendLimits
from rushes.core.spending.budget import Budget, Payer

__all__ = ["Books", "Changes", "Reservation", "recovered"]


class Books(NamedTuple):
    """What one payer has spent: ever, and since `hour` (of UTC, since the epoch) began."""

    level: str
    name: str
    spent: int
    hour: int
    hour_spent: int

    @classmethod
    def of(cls, account: Account) -> Books:
        """Those of an account as it is now."""
        return cls(*account.scope, account.spent, account.hour, account.hour_spent)


class Reservation(NamedTuple):
    """One that is open.

    Args:
        number: in the budget; it is used once.
        invocation: whose attempt it is for.
        show, batch: who pays.
        amount: what it may spend in all.
        spent: what it had spent when that was looked at last; it is in the payers' books.
        by_next: what it can have spent by the next look.
    """

    number: int
    invocation: int
    show: str | None
    batch: str | None
    amount: int
    spent: int
    by_next: int


class Changes(NamedTuple):
    """What is to be written down: books, reservations, and the numbers of those that are no longer open."""

    books: Sequence[Books]
    reservations: Sequence[Reservation]
    gone: Sequence[int]


def recovered(
    books: Iterable[Books],
    reservations: Iterable[Reservation],
    limits: Mapping[Scope, SpendLimits],
    now: float,
) -> tuple[Budget, Changes]:
    """The budget of a pool whose process has died, its attempts with it, and what is to be written down.

    Every reservation is settled, with what its attempt can have spent by the look that never came.

    Args:
        books: of every payer, as they were written last.
        reservations: those that were open, likewise.
        limits: those that are set.
        now: UTC epoch seconds.
    """
    reservations = list(reservations)
    budget = Budget.from_json(
        {
            "schema": 1,
            "oldest": 0,
            "done": [],
            "accounts": [
                {"scope": row[:2], "spent": row.spent, "hour": row.hour, "hour_spent": row.hour_spent}
                for row in books
            ],
            "open": [[row.number, row.show, row.batch, row.amount, row.spent, 0] for row in reservations],
            "claiming": [],
        },
        limits,
    )
    for row in reservations:
        budget.settle(row.number, row.by_next, now)
    touched = {scope for row in reservations for scope in Payer(row.show, row.batch).scopes}
    written = [Books.of(budget.account(scope)) for scope in sorted(touched)]
    return budget, Changes(written, [], [row.number for row in reservations])
