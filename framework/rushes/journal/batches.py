"""Batches and queues in the journal.

This module must not know the rules of scheduling; it keeps rows.
"""

from __future__ import annotations

from typing import Final

from rushes.journal.turns import SqliteTurns
from rushes.runtime.records.ports import BatchRow

__all__ = ["SqliteBatches"]

_BATCH: Final = "SELECT number,id,spec,submitted,ended,sealed,seq,seconds,media_s FROM batches"


class SqliteBatches(SqliteTurns):
    """`rushes.runtime.records.ports.BatchRecords`."""

    def open_batch(self, batch: str, spec: str, now: float) -> int:
        """Add a batch and return its number, which no batch has had before."""
        # Slots remember batches by their numbers: one that was pruned must not be taken for another.
        number = 1 + max(
            int(self.one("SELECT coalesce(max(number),0) FROM batches")),
            int(self.one("SELECT value FROM meta WHERE key='pruned'") or 0),
        )
        self.write(
            "INSERT INTO batches(number,id,spec,submitted) VALUES(?,?,?,?)", [(number, batch, spec, now)]
        )
        return number

    def batch(self, batch: str) -> BatchRow | None:
        """A batch by its id."""
        found = self.db.execute(f"{_BATCH} WHERE id=?", (batch,)).fetchone()
        return None if found is None else BatchRow._make(found)

    def batches(self, limit: int) -> list[BatchRow]:
        """The newest batches first."""
        return [*map(BatchRow._make, self.db.execute(f"{_BATCH} ORDER BY number DESC LIMIT ?", (limit,)))]

    def batches_of(self, invocation: str) -> list[BatchRow]:
        """The batches that a body mapped while it ran as that invocation, oldest first."""
        rows = self.db.execute(
            # The word is looked for first: reading the specifications of all batches would take long.
            f"{_BATCH} WHERE instr(spec,?)>0 AND json_extract(spec,'$.parent')=? ORDER BY number",
            (invocation, invocation),
        )
        return [*map(BatchRow._make, rows)]

    def open_batches(self) -> list[BatchRow]:
        """The batches that have not ended, oldest first."""
        return [*map(BatchRow._make, self.db.execute(f"{_BATCH} WHERE ended IS NULL ORDER BY number"))]

    def turned_around(self, priority: str, target_s: float, since: float, newest: int) -> tuple[int, int]:
        """Of a class: how many batches ended since then, among so many of the newest; how many in time."""
        ended, met = self.db.execute(
            "SELECT count(*),sum(ended-submitted<=?) FROM batches WHERE ended>=? "
            "AND number>(SELECT coalesce(max(number),0) FROM batches)-? "
            "AND json_extract(spec,'$.priority')=? AND coalesce(json_extract(spec,'$.parent'),'')=''",
            (target_s, since, newest, priority),
        ).fetchone()
        return int(ended), int(met or 0)

    def save_batch(
        self, number: int, *, ended: float | None, sealed: bool, seq: int, seconds: float, media_s: float
    ) -> None:
        self.write(
            "UPDATE batches SET ended=?,sealed=?,seq=?,seconds=?,media_s=? WHERE number=?",
            [(ended, int(sealed), seq, seconds, media_s, number)],
        )

    def counts(self, number: int) -> list[tuple[int, int]]:
        """(state, how many) of a batch's invocations."""
        return self.db.execute(
            "SELECT state,count(*) FROM invocations WHERE id>=? AND id<? GROUP BY state",
            (number << 32, number + 1 << 32),
        ).fetchall()

    def cached_count(self, number: int) -> int:
        return int(self.one("SELECT count(*) FROM results WHERE batch=? AND cached=1", number))

    def last_n(self, number: int) -> int:
        """The highest n of a batch; 0 for an empty one."""
        last = self.one(
            "SELECT max(id) FROM invocations WHERE id>=? AND id<?", number << 32, number + 1 << 32
        )
        return int(last) & 0xFFFFFFFF if last is not None else 0

    def queue(self, priority: str, show: str) -> int:
        """The number of a class-and-show queue, made on first use."""
        found = self.one("SELECT id FROM queues WHERE priority=? AND show=?", priority, show)
        if found is None:
            self.write("INSERT INTO queues(priority,show) VALUES(?,?)", [(priority, show)])
            found = self.one("SELECT id FROM queues WHERE priority=? AND show=?", priority, show)
        return int(found)

    def queues(self) -> list[tuple[int, str, str]]:
        return self.db.execute("SELECT id,priority,show FROM queues").fetchall()

    def waiting(self) -> list[tuple[int, int]]:
        """(queue, how many are queued)."""
        return self.db.execute(
            "SELECT queue,count(*) FROM invocations WHERE state=0 GROUP BY queue"
        ).fetchall()
