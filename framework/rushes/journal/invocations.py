"""Invocations in the journal, from their submission to their end.

This module must not know the rules of scheduling; it keeps rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rushes.journal.batches import SqliteBatches
from rushes.journal.names import named, plain, with_names
from rushes.journal.turns import Row
from rushes.runtime.records.ports import EndRow, InvocationRow, KnownRow, LeasedRow, NewRow

__all__ = ["SqliteInvocations"]

ROW: Final = ",".join(LeasedRow._fields)
*_, SUCCEEDED, FAILED, CANCELLED = range(7)  # by `rushes.journal.schema`, which no later enum may change


class SqliteInvocations(SqliteBatches):
    """`rushes.runtime.records.ports.InvocationRecords`; an id is ``batch number << 32 | n``."""

    def add(self, rows: list[NewRow]) -> None:
        """Insert invocations; one that is there already stays as it is: a client may send a chunk twice.

        Each row: id, state, queue, ord, queued_at, key, source, frames, params, subdir, tag, fingerprint,
        extra, reason.
        """
        self.write(
            "INSERT OR IGNORE INTO invocations(id,state,queue,ord,queued_at,key,source,frames,params,subdir,"
            "tag,fingerprint,extra,reason) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [row if plain(row[6], row[9]) else with_names(row) for row in rows],
        )

    def known(self, keys: Sequence[bytes]) -> list[KnownRow]:
        """(key, id, state, seq, show) of the invocations with one of these keys, oldest first."""
        marks = ",".join("?" * len(keys))
        return self.db.execute(
            "SELECT i.key,i.id,i.state,i.seq,q.show FROM invocations i JOIN queues q ON q.id=i.queue "  # noqa: S608
            f"WHERE i.key IN ({marks}) ORDER BY i.id",
            keys,
        ).fetchall()

    def lease(self, queue: int, count: int, held_back: int, without: Sequence[int] = ()) -> list[LeasedRow]:
        """The first rows of a queue in its order; `held_back` of them may be in hand already.

        Rows of the batches `without` are left out.
        """
        left_out = f"AND id>>32 NOT IN ({','.join(map(str, without))})" if without else ""
        rows = self.db.execute(
            f"SELECT {ROW} FROM invocations WHERE state=0 AND queue=? {left_out} ORDER BY ord,id LIMIT ?",  # noqa: S608
            (queue, count + held_back),
        ).fetchall()
        return [*map(LeasedRow._make, named(rows, 4, 7))]

    def status_of(self, invocation: int) -> InvocationRow | None:
        """Where an invocation stands."""
        found: Row | None = self.db.execute(
            "SELECT state,attempt,losses,reason,not_before,seq,queue,queued_at,source,extra "
            "FROM invocations WHERE id=?",
            (invocation,),
        ).fetchone()
        return None if found is None else InvocationRow._make(named([found], 8)[0])

    def moved(self, rows: list[tuple[int, int, int, float, str, int]]) -> None:
        """(state, attempts so far, losses so far, not_before, reason, id): held until the next try."""
        self.write("UPDATE invocations SET state=?,attempt=?,losses=?,not_before=?,reason=? WHERE id=?", rows)

    def ended(self, rows: list[tuple[int, int, int, int]], results: list[EndRow]) -> None:
        """rows: (state, seq, attempts, id). results: (batch, seq, id, state, seconds, cached, data)."""
        self.write("UPDATE invocations SET state=?,seq=?,attempt=? WHERE id=?", rows)
        self.write("INSERT OR REPLACE INTO results VALUES(?,?,?,?,?,?,?)", results)

    def due(self, now: float) -> list[tuple[int, int]]:
        """(id, queue) of held invocations whose next try is due."""
        return self.db.execute(
            "SELECT id,queue FROM invocations WHERE not_before<=? AND state=1 LIMIT 5000", (now,)
        ).fetchall()

    def awaited(self, number: int) -> list[tuple[str, int, int]]:
        """Why invocations of a batch wait for their next try: (reason, how many, the first of them)."""
        # By the index of those alone that wait so: of a million that wait for another batch, none is read.
        return self.db.execute(
            "SELECT reason,count(*),min(id) FROM invocations INDEXED BY due WHERE not_before IS NOT NULL "
            "AND state=1 AND id>=? AND id<? GROUP BY reason ORDER BY 2 DESC,3 LIMIT 3",
            (number << 32, number + 1 << 32),
        ).fetchall()

    def next_due(self) -> float | None:
        found = self.one("SELECT min(not_before) FROM invocations WHERE not_before IS NOT NULL")
        return None if found is None else float(found)

    def requeue(self, rows: list[tuple[int, int]]) -> None:
        """(queue, id): held invocations are queued."""
        self.write("UPDATE invocations SET state=0,queue=?,not_before=NULL,reason=NULL WHERE id=?", rows)

    def queued_of(self, number: int) -> list[tuple[int, int]]:
        """(queue, how many of a batch are queued in it): what was raised alone stands elsewhere."""
        return self.db.execute(
            "SELECT queue,count(*) FROM invocations WHERE id>=? AND id<? AND state=0 GROUP BY queue",
            (number << 32, number + 1 << 32),
        ).fetchall()

    def requeue_batch(self, number: int, queue: int, spec: str) -> None:
        """A batch has another queue and specification: what of it has not ended goes along."""
        self.write("UPDATE batches SET spec=? WHERE number=?", [(spec, number)])
        self.write(
            "UPDATE invocations SET queue=? WHERE id>=? AND id<? AND state<2",
            [(queue, number << 32, number + 1 << 32)],
        )

    def unfinished(self, number: int, limit: int) -> list[tuple[int, int, int]]:
        """(id, state, queue) of up to `limit` invocations of a batch that are queued or held."""
        return self.db.execute(
            "SELECT id,state,queue FROM invocations WHERE id>=? AND id<? AND state<2 LIMIT ?",
            (number << 32, number + 1 << 32, limit),
        ).fetchall()

    def reopen(self, number: int) -> list[tuple[int, int]]:
        """Queue the failed and cancelled invocations of a batch again; gives (id, queue)."""
        low, high = number << 32, number + 1 << 32
        rows = self.db.execute(
            "SELECT id,queue FROM invocations WHERE id>=? AND id<? AND state IN (5,6)", (low, high)
        ).fetchall()
        self.write(
            "DELETE FROM results WHERE batch=? AND state IN (5,6)",
            [(number,)],
        )
        self.write(
            "UPDATE invocations SET state=0,seq=NULL,attempt=0,losses=0,reason=NULL,not_before=NULL "
            "WHERE id>=? AND id<? AND state IN (5,6)",
            [(low, high)],
        )
        return rows

    def depend(self, rows: list[tuple[int, int, int]]) -> None:
        """(invocation, after, cancel on failure)."""
        self.write("INSERT OR IGNORE INTO dependencies VALUES(?,?,?)", rows)

    def dependencies(self) -> list[tuple[int, int, int]]:
        """(invocation, after, cancel) of the held invocations."""
        return self.db.execute(
            "SELECT d.invocation,d.after,d.cancel FROM dependencies d "
            "JOIN invocations i ON i.id=d.invocation WHERE i.state=1 ORDER BY d.invocation"
        ).fetchall()

    def ended_states(self, ids: Sequence[int]) -> dict[int, int]:
        """The state of those of `ids` that have ended; an id with n=0 stands for its whole batch."""
        found: dict[int, int] = {}
        for one in ids:
            if one & 0xFFFFFFFF:
                state = self.one("SELECT state FROM invocations WHERE id=? AND state>=4", one)
                if state is not None:
                    found[one] = int(state)
            elif self.one("SELECT 1 FROM batches WHERE number=? AND ended IS NOT NULL", one >> 32):
                bad = any(state in {FAILED, CANCELLED} for state, _ in self.counts(one >> 32))
                found[one] = FAILED if bad else SUCCEEDED
        return found
