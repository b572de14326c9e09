"""What a person asks of the journal itself: pruning, a copy, sizes and counts.

This module must not know the rules of scheduling; it keeps rows.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from rushes.journal.costs import SqliteCosts

__all__ = ["SqliteHousekeeping"]


class SqliteHousekeeping(SqliteCosts):
    """`rushes.runtime.records.ports.Housekeeping`."""

    def prune(self, before: float, *, keep: int = 0) -> int:
        """Forget ended batches submitted before a time, but the newest `keep`; returns how many.

        Their results can no longer be known again: the same work is done anew. Of what they cost, sums by day
        are kept.
        """
        numbers = [
            row[0]
            for row in self.db.execute(
                "SELECT number FROM batches WHERE ended IS NOT NULL AND submitted<? AND number NOT IN "
                "(SELECT number FROM batches ORDER BY number DESC LIMIT ?)",
                (before, keep),
            )
        ]
        if numbers:
            self.write(
                "INSERT OR REPLACE INTO meta VALUES('pruned',"
                "max(?,coalesce((SELECT value FROM meta WHERE key='pruned'),0)))",
                [(max(numbers),)],
            )
        self.forget_costs(numbers)
        day = time.strftime("%Y-%m-%d", time.localtime(before))
        self.write("DELETE FROM class_hours WHERE day<?", [(day,)])
        for number in numbers:
            low, high = number << 32, number + 1 << 32
            for table in ("attempts", "intents", "dependencies", "members"):
                self.write(f"DELETE FROM {table} WHERE invocation>=? AND invocation<?", [(low, high)])  # noqa: S608
            self.write("DELETE FROM results WHERE batch=?", [(number,)])
            self.write("DELETE FROM swarms WHERE batch=?", [(number,)])
            own = "level='batch' AND name=(SELECT id FROM batches WHERE number=?)"
            for table in ("limits", "books"):
                self.write(f"DELETE FROM {table} WHERE {own}", [(number,)])  # noqa: S608 - ours
            self.write("DELETE FROM invocations WHERE id>=? AND id<?", [(low, high)])
            self.write("DELETE FROM batches WHERE number=?", [(number,)])
        return len(numbers)

    def backup(self, target: Path) -> None:
        """A consistent copy, while work goes on."""
        self.commit()
        copy = sqlite3.connect(target)
        try:
            self.db.backup(copy)
        finally:
            copy.close()

    def statistics(self) -> dict[str, Any]:
        """Sizes and counts, for ``rushes journal``."""
        return {
            "path": str(self.path),
            "size_bytes": sum(
                p.stat().st_size for p in self.path.parent.glob(self.path.name + "*") if p.is_file()
            ),
            "batches": self.one("SELECT count(*) FROM batches"),
            "invocations": self.one("SELECT count(*) FROM invocations"),
            "failures": self._failures(),
            "schema": self.one("SELECT value FROM meta WHERE key='schema'"),
            "low_on_space": self.ballast.low,
        }

    def _failures(self) -> dict[str, int]:
        """How many attempts failed of each cause, the commonest first, also where the next one succeeded."""
        counts = "SELECT outcome, count(*) AS n FROM attempts GROUP BY outcome ORDER BY n DESC, outcome"
        return dict(self.db.execute(counts))
