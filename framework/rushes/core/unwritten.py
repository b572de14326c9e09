"""What of the money of a pool has changed since it was written down last.

Nothing is kept here where nobody keeps books (`booked`). This module must not know who writes, nor where.
"""

from __future__ import annotations

from collections.abc import Mapping

from rushes.core.paid import Paid
from rushes.core.spending.bookkeeping import Books, Changes, Reservation
from rushes.core.spending.budget import Budget, Payer, Scope

__all__ = ["Unwritten"]


class Unwritten:
    """Collects it, until somebody asks.

    Args:
        booked: somebody does, and writes it down.
    """

    __slots__ = ("_parted", "_turned", "booked", "charged", "touched")

    def __init__(self, *, booked: bool) -> None:
        self.booked = booked
        self.charged: dict[int, tuple[Payer, int]] = {}  # what was charged, by invocation
        self.touched: set[Scope] = set()  # payers whose books have changed
        self._turned: dict[int, int] = {}  # reservations that have: their invocations
        self._parted: list[Books] = []  # of batches that have ended

    def changed(self, id: int, paid: Paid) -> None:  # noqa: A002 - as everywhere
        """A reservation is another, or is no more."""
        if self.booked:
            self._turned[paid.number] = id
            self.touched.update(paid.payer.scopes)

    def part(self, scope: Scope, budget: Budget) -> None:
        """Nobody asks about a batch any more: what its books come to is written once more."""
        if scope in self.touched:
            self.touched.remove(scope)
            self._parted.append(Books.of(budget.account(scope)))

    def take(self, budget: Budget, open: Mapping[int, Paid]) -> Changes | None:  # noqa: A002 - as `Purse.open`
        """What has to be written down; None where nothing has changed."""
        if not (self.touched or self._parted):
            return None
        books = [*self._parted, *(Books.of(budget.account(one)) for one in sorted(self.touched))]
        rows = [
            Reservation(number, id_, *paid.payer, paid.amount, known[1], paid.by_next)
            for number, id_ in self._turned.items()
            if (paid := open.get(id_)) is not None
            and paid.number == number
            and (known := budget.reservation(number)) is not None
        ]
        opened = {row.number for row in rows}
        gone = [number for number in self._turned if number not in opened]
        self._turned.clear()
        self.touched.clear()
        self.charged.clear()
        self._parted.clear()
        return Changes(books, rows, gone)
