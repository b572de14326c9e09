"""Events that wait to be told, and how far each sink has been told.

This module must not know what an event says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rushes.core.sinks import Heard
from rushes.journal.names import named
from rushes.journal.turns import Row, SqliteTurns

__all__ = ["SqliteOutbox"]

_MOST_NAMED: Final = 500
"""Ids in one statement; SQLite before 3.32 takes 999."""


class SqliteOutbox(SqliteTurns):
    """`rushes.runtime.records.ports.OutboxRecords`."""

    def post(self, rows: list[tuple[str, str, str, str]]) -> None:
        self.write("INSERT INTO events(kind,show,function,body) VALUES(?,?,?,?)", rows)

    def events(self, after: int, limit: int) -> list[tuple[int, str, str, str, str]]:
        return self.db.execute(
            "SELECT id,kind,show,function,body FROM events WHERE id>? ORDER BY id LIMIT ?", (after, limit)
        ).fetchall()

    def last_event(self) -> int:
        return int(self.one("SELECT seq FROM sqlite_sequence WHERE name='events'") or 0)

    def trim_events(self, upto: int) -> None:
        self.write("DELETE FROM events WHERE id<=?", [(upto,)])

    def heard(self) -> dict[str, Heard]:
        rows = self.db.execute("SELECT name,upto,tries,next_at,delivered,dropped,error FROM sinks")
        return {name: Heard(*rest) for name, *rest in rows}

    def save_heard(self, heard: dict[str, Heard]) -> None:
        self.write(
            "INSERT OR REPLACE INTO sinks VALUES(?,?,?,?,?,?,?)",
            [
                (name, one.upto, one.tries, one.next_at, one.delivered, one.dropped, one.error)
                for name, one in heard.items()
            ],
        )

    def sources(self, ids: Sequence[int]) -> dict[int, str]:
        found: list[Row] = []
        for start in range(0, len(ids), _MOST_NAMED):
            some = ids[start : start + _MOST_NAMED]
            marks = ",".join("?" * len(some))
            found += self.db.execute(f"SELECT id,source FROM invocations WHERE id IN ({marks})", some)  # noqa: S608 - marks
        return dict(named(found, 1))

    def forget_sinks(self, names: Sequence[str]) -> None:
        self.write("DELETE FROM sinks WHERE name=?", [(name,) for name in names])
