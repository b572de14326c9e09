"""Budgets in the journal: limits, what was spent under them, and what is set aside for what runs.

This module must not know what a limit does; it keeps rows.
"""

from __future__ import annotations

from rushes.core.accounts import HOUR_S, Scope, SpendLimits
from rushes.core.events import Outlay
from rushes.core.spending.bookkeeping import Books, Changes, Reservation
from rushes.core.spending.budget import NO_LIMITS
from rushes.journal.turns import SqliteTurns

__all__ = ["SqliteBudgets"]

_NOT_ENDED = "(level!='batch' OR name IN (SELECT id FROM batches WHERE ended IS NULL))"


class SqliteBudgets(SqliteTurns):
    """`rushes.runtime.records.budget_records.BudgetRecords`."""

    def keep_limits(self, scope: Scope, limits: SpendLimits) -> None:
        """These from now on."""
        if limits == NO_LIMITS:
            self.write("DELETE FROM limits WHERE level=? AND name=?", [scope])
            return
        row = (*scope, limits.cap, limits.hour_cap, limits.soft, limits.hour_soft)
        self.write("INSERT OR REPLACE INTO limits VALUES(?,?,?,?,?,?)", [row])

    def limits(self) -> dict[Scope, SpendLimits]:
        """Those that are set, of batches only where they have not ended."""
        rows = self.db.execute(f"SELECT * FROM limits WHERE {_NOT_ENDED}")  # noqa: S608 - ours
        return {Scope(level, name): SpendLimits(*rest) for level, name, *rest in rows}

    def limits_of(self, scope: Scope) -> SpendLimits:
        """Those of one payer."""
        found = self.db.execute("SELECT * FROM limits WHERE level=? AND name=?", scope).fetchone()
        return NO_LIMITS if found is None else SpendLimits(*found[2:])

    def keep_books(self, changes: Changes) -> None:
        """What has changed in this turn."""
        self.write("INSERT OR REPLACE INTO books VALUES(?,?,?,?,?)", changes.books)
        if changes.reservations:
            self.write("INSERT OR REPLACE INTO reservations VALUES(?,?,?,?,?,?,?)", changes.reservations)
        if changes.gone:
            self.write("DELETE FROM reservations WHERE number=?", [(one,) for one in changes.gone])

    def books(self) -> list[Books]:
        """Of every payer whose books were kept, of batches only where they have not ended."""
        rows = self.db.execute(f"SELECT * FROM books WHERE {_NOT_ENDED}")  # noqa: S608 - ours
        return [*map(Books._make, rows)]

    def reservations(self) -> list[Reservation]:
        """Those that are open, or were when a worker died."""
        return [*map(Reservation._make, self.db.execute("SELECT * FROM reservations ORDER BY number"))]

    def is_tried_again(self, number: int) -> bool:
        """Whether an invocation of a batch is held until its next try."""
        found = self.one(
            "SELECT 1 FROM invocations WHERE not_before IS NOT NULL AND state=1 AND id>=? AND id<? LIMIT 1",
            number << 32,
            number + 1 << 32,
        )
        return found is not None

    def spent_by(self, scope: Scope, now: float) -> Outlay:
        """What the ledger says that a payer has spent."""
        hour = now // HOUR_S * HOUR_S
        where: str = "1"
        values: tuple[str, ...] = ()
        if scope.level == "show":
            where, values = "p.show=?", (scope.name,)
        elif scope.level == "batch":
            where, values = "c.root>>32=(SELECT number FROM batches WHERE id=?)", (scope.name,)
        cost = "c.compute+c.requests+c.transfer+c.energy"
        ever, this_hour = self.db.execute(
            f"SELECT coalesce(sum({cost}),0),coalesce(sum(CASE WHEN c.ended>=? THEN {cost} END),0) "  # noqa: S608
            f"FROM costs c JOIN payers p ON p.id=c.payer WHERE {where}",
            (hour, *values),
        ).fetchone()
        if scope.level != "batch":
            pruned = "SELECT coalesce(sum(c.compute+c.requests+c.transfer+c.energy),0) FROM spent c"
            ever += self.one(f"{pruned} JOIN payers p ON p.id=c.payer WHERE {where}", *values)
        return Outlay(ever, this_hour)
