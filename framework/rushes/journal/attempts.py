"""Attempts, intents to publish, displacement reports and results in the journal.

This module must not know the rules of scheduling; it keeps rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rushes.journal.names import named
from rushes.journal.turns import SqliteTurns
from rushes.runtime.records.ports import ResultRow

__all__ = ["SqliteAttempts"]

PAGE_BYTES: Final = 8 * 1024 * 1024
"""Results in one answer: a row more than that ends the page."""


class SqliteAttempts(SqliteTurns):
    """`rushes.runtime.records.ports.AttemptRecords`."""

    _joined = False
    """Anybody has ever run joint invocations: asked until it is so."""

    def attempt(self, rows: list[tuple[int, int, float, float, str, str]]) -> None:
        """(invocation, attempt, ended, seconds, outcome, data): attempts that did not simply succeed."""
        self.write(
            "INSERT INTO attempts(invocation,attempt,ended,seconds,outcome,data) VALUES(?,?,?,?,?,?)", rows
        )

    def attempts(self, invocation: int) -> list[tuple[int, float, float, str, str]]:
        return self.db.execute(
            "SELECT attempt,ended,seconds,outcome,data FROM attempts WHERE invocation=? ORDER BY rowid",
            (invocation,),
        ).fetchall()

    def intend(self, invocation: int, data: str) -> None:
        """Record what is about to be published, with its hashes."""
        self.write("INSERT OR REPLACE INTO intents VALUES(?,?)", [(invocation, data)])

    def intended(self) -> set[int]:
        """The invocations with an intent that has not been settled."""
        return {row[0] for row in self.db.execute("SELECT invocation FROM intents")}

    def intent(self, invocation: int) -> str | None:
        found = self.one("SELECT data FROM intents WHERE invocation=?", invocation)
        return None if found is None else str(found)

    def forget_intents(self, rows: list[tuple[int]]) -> None:
        self.write("DELETE FROM intents WHERE invocation=?", rows)

    def keep_swarm(self, number: int, report: str) -> None:
        """The displacement report of a batch, as JSON."""
        self.write("INSERT OR REPLACE INTO swarms VALUES(?,?)", [(number, report)])

    def swarm(self, number: int) -> str | None:
        found = self.one("SELECT report FROM swarms WHERE batch=?", number)
        return None if found is None else str(found)

    def keep_member(self, key: bytes, show: str, invocation: int, data: str) -> None:
        """What one function of a joint invocation made is known by that function's own key."""
        self.write("INSERT OR REPLACE INTO members VALUES(?,?,?,?)", [(key, show, invocation, data)])

    def members(self, keys: Sequence[bytes], show: str) -> list[tuple[bytes, int, str]]:
        """(key, joint invocation, data) of those of `keys` that one made."""
        if not self._joined:  # asked for every key that is submitted, and mostly nobody has run joint ones
            self._joined = self.one("SELECT 1 FROM members LIMIT 1") is not None
            if not self._joined:
                return []
        marks = ",".join("?" * len(keys))
        return self.db.execute(
            f"SELECT key,invocation,data FROM members WHERE show=? AND key IN ({marks})",  # noqa: S608
            [show, *keys],
        ).fetchall()

    def results(
        self, number: int, after: int, limit: int
    ) -> list[tuple[int, int, int, float, int, str, str, int]]:
        """(seq, invocation, state, seconds, cached, data, source, attempt), as they ended.

        At most `limit`, and no more than a page of the socket takes.
        """
        found = self.db.execute(
            "SELECT r.seq,r.invocation,r.state,r.seconds,r.cached,r.data,i.source,i.attempt FROM results r "
            "JOIN invocations i ON i.id=r.invocation WHERE r.batch=? AND r.seq>? ORDER BY r.seq LIMIT ?",
            (number, after, limit),
        )
        rows, size = [], 0
        for row in found:
            rows.append(row)
            size += len(row[5] or "")
            if size > PAGE_BYTES:
                break
        return named(rows, 6)

    def result_at(self, number: int, seq: int) -> ResultRow | None:
        found = self.db.execute(
            "SELECT seq,invocation,state,seconds,cached,data FROM results WHERE batch=? AND seq=?",
            (number, seq),
        ).fetchone()
        return None if found is None else ResultRow._make(found)
