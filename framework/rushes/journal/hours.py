"""What shows have used of each class, by day. This module must not know how much they may."""

from __future__ import annotations

from rushes.journal.turns import SqliteTurns

__all__ = ["SqliteHours"]


class SqliteHours(SqliteTurns):
    """`rushes.runtime.records.ports.HourRecords`."""

    def use(self, rows: list[tuple[str, str, str, float]]) -> None:
        self.write(
            "INSERT INTO class_hours(day,priority,show,seconds) VALUES(?,?,?,?) "
            "ON CONFLICT(day,priority,show) DO UPDATE SET seconds=seconds+excluded.seconds",
            rows,
        )

    def used(self, day: str) -> list[tuple[str, str, float]]:
        return self.db.execute("SELECT priority,show,seconds FROM class_hours WHERE day=?", (day,)).fetchall()
