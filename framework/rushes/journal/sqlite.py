"""The journal of one machine: SQLite in WAL mode, one writer, one transaction a turn of the worker.

`synchronous=FULL`: a commit that has been answered survives power loss. Measured on this design, FULL with
a commit for every invocation costs about 30 times FULL with a commit a turn, while NORMAL instead of FULL
saves a quarter: so what matters is the batch, and durability is nearly free with it.

A full disk cannot wedge it: a ballast file beside the database is given up, the turn is written again into
the room that it leaves, and `look_for_space` tells the worker to take no more work until there is space.
This module must not know the rules of scheduling; it keeps rows.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rushes.errors import PlatformError
from rushes.journal.ballast import Ballast
from rushes.journal.schema import MIGRATIONS
from rushes.runtime.records import BatchRow, EndRow, InvocationRow, KnownRow, LeasedRow, NewRow, ResultRow

__all__ = ["SqliteJournal"]

*_, SUCCEEDED, FAILED, CANCELLED = range(7)  # by `rushes.journal.schema`, which no later enum may change
PAGE_BYTES: Final = 8 * 1024 * 1024
"""Results in one answer: a row more than that ends the page."""

Row = tuple[Any, ...]
ROW: Final = (
    "id, attempt, losses, queued_at, source, frames, params, subdir, tag, fingerprint, extra, ord, key, queue"
)


class SqliteJournal:
    """The durable record of batches, invocations, attempts and results.

    An invocation's id is ``batch number << 32 | n``: rows are appended in order, and a batch is a range.
    All writes happen between `begin` and `commit`.
    """

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
            os.chmod(path, 0o600)  # noqa: PTH101 - same call, and the path is known to exist
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={synchronous}")
            self._db.execute("PRAGMA cache_size=-65536")
            self._db.execute("PRAGMA wal_autocheckpoint=4000")
            self._db.execute("PRAGMA temp_store=MEMORY")
            self._migrate()
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        self._open = False
        self._joined = False
        self._turn: list[tuple[str, Sequence[Row]]] = []
        self.ballast = Ballast(path.with_name("ballast"))

    def close(self) -> None:
        self._db.close()

    # -- turns ------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a turn; nothing is written to disk before its `commit`."""
        if not self._open:
            self._db.execute("BEGIN IMMEDIATE")
            self._open = True

    def commit(self) -> None:
        """Make the turn durable.

        Raises:
            PlatformError: the disk is full and giving up the ballast was not enough; the turn is kept, and
                `commit` may be called again.
        """
        if not self._open:
            if self._turn:
                self._replay()
            return
        try:
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._rollback()
            self._require_full(error)
            self.ballast.give_up()
            self._replay()
            return
        self._open = False
        self._turn.clear()

    def _write(self, sql: str, rows: Sequence[Row]) -> None:
        self.begin()
        try:
            self._db.executemany(sql, rows)
            self._turn.append((sql, rows))
        except sqlite3.OperationalError as error:
            self._turn.append((sql, rows))
            self._rollback()
            self._require_full(error)
            self.ballast.give_up()
            self._replay(commit=False)

    def _replay(self, *, commit: bool = True) -> None:
        try:
            self.begin()
            for sql, rows in self._turn:
                self._db.executemany(sql, rows)
            if commit:
                self._db.execute("COMMIT")
                self._open = False
                self._turn.clear()
        except sqlite3.OperationalError as error:
            self._rollback()
            self._require_full(error)
            raise PlatformError(
                f"the disk of the journal is full ({self.path}).",
                code="journal-full",
                fix="Free some space; what has finished is kept and work goes on by itself.",
            ) from error

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._open = False

    def _require_full(self, error: sqlite3.OperationalError) -> None:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
            raise _unreadable(self.path, error) from error

    def look_for_space(self) -> bool:
        """True when new work may be taken; lays the ballast down again once there is room."""
        self.ballast.lay()
        return not self.ballast.low

    @property
    def room_bytes(self) -> int:
        """What has to be free on its disk before new work is taken again."""
        return self.ballast.room_bytes

    # -- batches ----------------------------------------------------------------------------------------

    def next_epoch(self) -> int:
        """A number larger than any before it: the high part of this worker's fencing tokens."""
        self._write("UPDATE meta SET value=value+1 WHERE key='epoch'", [()])
        return int(self._one("SELECT value FROM meta WHERE key='epoch'"))

    def open_batch(self, batch: str, spec: str, now: float) -> int:
        """Add a batch and return its number, which no batch has had before."""
        # Slots remember batches by their numbers: one that was pruned must not be taken for another.
        number = 1 + max(
            int(self._one("SELECT coalesce(max(number),0) FROM batches")),
            int(self._one("SELECT value FROM meta WHERE key='pruned'") or 0),
        )
        self._write(
            "INSERT INTO batches(number,id,spec,submitted) VALUES(?,?,?,?)", [(number, batch, spec, now)]
        )
        return number

    def batch(self, batch: str) -> BatchRow | None:
        """A batch by its id."""
        found = self._db.execute(f"{_BATCH} WHERE id=?", (batch,)).fetchone()
        return None if found is None else BatchRow._make(found)

    def batches(self, limit: int) -> list[BatchRow]:
        """The newest batches first."""
        return [*map(BatchRow._make, self._db.execute(f"{_BATCH} ORDER BY number DESC LIMIT ?", (limit,)))]

    def open_batches(self) -> list[BatchRow]:
        """The batches that have not ended, oldest first."""
        return [*map(BatchRow._make, self._db.execute(f"{_BATCH} WHERE ended IS NULL ORDER BY number"))]

    def save_batch(
        self, number: int, *, ended: float | None, sealed: bool, seq: int, seconds: float, media_s: float
    ) -> None:
        self._write(
            "UPDATE batches SET ended=?,sealed=?,seq=?,seconds=?,media_s=? WHERE number=?",
            [(ended, int(sealed), seq, seconds, media_s, number)],
        )

    def counts(self, number: int) -> list[tuple[int, int]]:
        """(state, how many) of a batch's invocations."""
        return self._db.execute(
            "SELECT state,count(*) FROM invocations WHERE id>=? AND id<? GROUP BY state",
            (number << 32, number + 1 << 32),
        ).fetchall()

    def cached_count(self, number: int) -> int:
        return int(self._one("SELECT count(*) FROM results WHERE batch=? AND cached=1", number))

    def last_n(self, number: int) -> int:
        """The highest n of a batch; 0 for an empty one."""
        last = self._one(
            "SELECT max(id) FROM invocations WHERE id>=? AND id<?", number << 32, number + 1 << 32
        )
        return int(last) & 0xFFFFFFFF if last is not None else 0

    def queue(self, priority: str, show: str) -> int:
        """The number of a class-and-show queue, made on first use."""
        found = self._one("SELECT id FROM queues WHERE priority=? AND show=?", priority, show)
        if found is None:
            self._write("INSERT INTO queues(priority,show) VALUES(?,?)", [(priority, show)])
            found = self._one("SELECT id FROM queues WHERE priority=? AND show=?", priority, show)
        return int(found)

    def queues(self) -> list[tuple[int, str, str]]:
        return self._db.execute("SELECT id,priority,show FROM queues").fetchall()

    def waiting(self) -> list[tuple[int, int]]:
        """(queue, how many are queued)."""
        return self._db.execute(
            "SELECT queue,count(*) FROM invocations WHERE state=0 GROUP BY queue"
        ).fetchall()

    # -- invocations ------------------------------------------------------------------------------------

    def add(self, rows: list[NewRow]) -> None:
        """Insert invocations; one that is there already stays as it is: a client may send a chunk twice.

        Each row: id, state, queue, ord, queued_at, key, source, frames, params, subdir, tag, fingerprint,
        extra, reason.
        """
        self._write(
            "INSERT OR IGNORE INTO invocations(id,state,queue,ord,queued_at,key,source,frames,params,subdir,"
            "tag,fingerprint,extra,reason) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [row if _plain(row[6], row[9]) else _with_names(row) for row in rows],
        )

    def known(self, keys: Sequence[bytes]) -> list[KnownRow]:
        """(key, id, state, seq, show) of the invocations with one of these keys, oldest first."""
        marks = ",".join("?" * len(keys))
        return self._db.execute(
            "SELECT i.key,i.id,i.state,i.seq,q.show FROM invocations i JOIN queues q ON q.id=i.queue "  # noqa: S608
            f"WHERE i.key IN ({marks}) ORDER BY i.id",
            keys,
        ).fetchall()

    def lease(self, queue: int, count: int, held_back: int, without: Sequence[int] = ()) -> list[LeasedRow]:
        """The first rows of a queue in its order; `held_back` of them may be in hand already.

        Rows of the batches `without` are left out.
        """
        left_out = f"AND id>>32 NOT IN ({','.join(map(str, without))})" if without else ""
        rows = self._db.execute(
            f"SELECT {ROW} FROM invocations WHERE state=0 AND queue=? {left_out} ORDER BY ord,id LIMIT ?",  # noqa: S608
            (queue, count + held_back),
        ).fetchall()
        return _named(rows, 4, 7)

    def status_of(self, invocation: int) -> InvocationRow | None:
        """Where an invocation stands."""
        found: Row | None = self._db.execute(
            "SELECT state,attempt,losses,reason,not_before,seq,queue,queued_at,source,extra "
            "FROM invocations WHERE id=?",
            (invocation,),
        ).fetchone()
        return None if found is None else InvocationRow._make(_named([found], 8)[0])

    def moved(self, rows: list[tuple[int, int, int, float, str, int]]) -> None:
        """(state, attempts so far, losses so far, not_before, reason, id): held until the next try."""
        self._write(
            "UPDATE invocations SET state=?,attempt=?,losses=?,not_before=?,reason=? WHERE id=?", rows
        )

    def ended(self, rows: list[tuple[int, int, int, int]], results: list[EndRow]) -> None:
        """rows: (state, seq, attempts, id). results: (batch, seq, id, state, seconds, cached, data)."""
        self._write("UPDATE invocations SET state=?,seq=?,attempt=? WHERE id=?", rows)
        self._write("INSERT OR REPLACE INTO results VALUES(?,?,?,?,?,?,?)", results)

    def due(self, now: float) -> list[tuple[int, int]]:
        """(id, queue) of held invocations whose next try is due."""
        return self._db.execute(
            "SELECT id,queue FROM invocations WHERE not_before<=? AND state=1 LIMIT 5000", (now,)
        ).fetchall()

    def next_due(self) -> float | None:
        found = self._one("SELECT min(not_before) FROM invocations WHERE not_before IS NOT NULL")
        return None if found is None else float(found)

    def requeue(self, rows: list[tuple[int, int]]) -> None:
        """(queue, id): held invocations are queued."""
        self._write("UPDATE invocations SET state=0,queue=?,not_before=NULL,reason=NULL WHERE id=?", rows)

    def queued_of(self, number: int) -> list[tuple[int, int]]:
        """(queue, how many of a batch are queued in it): what was raised alone stands elsewhere."""
        return self._db.execute(
            "SELECT queue,count(*) FROM invocations WHERE id>=? AND id<? AND state=0 GROUP BY queue",
            (number << 32, number + 1 << 32),
        ).fetchall()

    def requeue_batch(self, number: int, queue: int, spec: str) -> None:
        """A batch has another queue and specification: what of it has not ended goes along."""
        self._write("UPDATE batches SET spec=? WHERE number=?", [(spec, number)])
        self._write(
            "UPDATE invocations SET queue=? WHERE id>=? AND id<? AND state<2",
            [(queue, number << 32, number + 1 << 32)],
        )

    def unfinished(self, number: int, limit: int) -> list[tuple[int, int, int]]:
        """(id, state, queue) of up to `limit` invocations of a batch that are queued or held."""
        return self._db.execute(
            "SELECT id,state,queue FROM invocations WHERE id>=? AND id<? AND state<2 LIMIT ?",
            (number << 32, number + 1 << 32, limit),
        ).fetchall()

    def reopen(self, number: int) -> list[tuple[int, int]]:
        """Queue the failed and cancelled invocations of a batch again; gives (id, queue)."""
        low, high = number << 32, number + 1 << 32
        rows = self._db.execute(
            "SELECT id,queue FROM invocations WHERE id>=? AND id<? AND state IN (5,6)", (low, high)
        ).fetchall()
        self._write(
            "DELETE FROM results WHERE batch=? AND state IN (5,6)",
            [(number,)],
        )
        self._write(
            "UPDATE invocations SET state=0,seq=NULL,attempt=0,losses=0,reason=NULL,not_before=NULL "
            "WHERE id>=? AND id<? AND state IN (5,6)",
            [(low, high)],
        )
        return rows

    # -- dependencies, attempts, intents, results ---------------------------------------------------------

    def depend(self, rows: list[tuple[int, int, int]]) -> None:
        """(invocation, after, cancel on failure)."""
        self._write("INSERT OR IGNORE INTO dependencies VALUES(?,?,?)", rows)

    def dependencies(self) -> list[tuple[int, int, int]]:
        """(invocation, after, cancel) of the held invocations."""
        return self._db.execute(
            "SELECT d.invocation,d.after,d.cancel FROM dependencies d "
            "JOIN invocations i ON i.id=d.invocation WHERE i.state=1 ORDER BY d.invocation"
        ).fetchall()

    def ended_states(self, ids: Sequence[int]) -> dict[int, int]:
        """The state of those of `ids` that have ended; an id with n=0 stands for its whole batch."""
        found: dict[int, int] = {}
        for one in ids:
            if one & 0xFFFFFFFF:
                state = self._one("SELECT state FROM invocations WHERE id=? AND state>=4", one)
                if state is not None:
                    found[one] = int(state)
            elif self._one("SELECT 1 FROM batches WHERE number=? AND ended IS NOT NULL", one >> 32):
                bad = any(state in {FAILED, CANCELLED} for state, _ in self.counts(one >> 32))
                found[one] = FAILED if bad else SUCCEEDED
        return found

    def attempt(self, rows: list[tuple[int, int, float, float, str, str]]) -> None:
        """(invocation, attempt, ended, seconds, outcome, data): attempts that did not simply succeed."""
        self._write(
            "INSERT INTO attempts(invocation,attempt,ended,seconds,outcome,data) VALUES(?,?,?,?,?,?)", rows
        )

    def attempts(self, invocation: int) -> list[tuple[int, float, float, str, str]]:
        return self._db.execute(
            "SELECT attempt,ended,seconds,outcome,data FROM attempts WHERE invocation=? ORDER BY rowid",
            (invocation,),
        ).fetchall()

    def intend(self, invocation: int, data: str) -> None:
        """Record what is about to be published, with its hashes."""
        self._write("INSERT OR REPLACE INTO intents VALUES(?,?)", [(invocation, data)])

    def intended(self) -> set[int]:
        """The invocations with an intent that has not been settled."""
        return {row[0] for row in self._db.execute("SELECT invocation FROM intents")}

    def intent(self, invocation: int) -> str | None:
        found = self._one("SELECT data FROM intents WHERE invocation=?", invocation)
        return None if found is None else str(found)

    def forget_intents(self, rows: list[tuple[int]]) -> None:
        self._write("DELETE FROM intents WHERE invocation=?", rows)

    def keep_swarm(self, number: int, report: str) -> None:
        """The displacement report of a batch, as JSON."""
        self._write("INSERT OR REPLACE INTO swarms VALUES(?,?)", [(number, report)])

    def swarm(self, number: int) -> str | None:
        found = self._one("SELECT report FROM swarms WHERE batch=?", number)
        return None if found is None else str(found)

    def keep_member(self, key: bytes, show: str, invocation: int, data: str) -> None:
        """What one function of a joint invocation made is known by that function's own key."""
        self._write("INSERT OR REPLACE INTO members VALUES(?,?,?,?)", [(key, show, invocation, data)])

    def members(self, keys: Sequence[bytes], show: str) -> list[tuple[bytes, int, str]]:
        """(key, joint invocation, data) of those of `keys` that one made."""
        if not self._joined:  # asked for every key that is submitted, and mostly nobody has run joint ones
            self._joined = self._one("SELECT 1 FROM members LIMIT 1") is not None
            if not self._joined:
                return []
        marks = ",".join("?" * len(keys))
        return self._db.execute(
            f"SELECT key,invocation,data FROM members WHERE show=? AND key IN ({marks})",  # noqa: S608
            [show, *keys],
        ).fetchall()

    def results(
        self, number: int, after: int, limit: int
    ) -> list[tuple[int, int, int, float, int, str, str, int]]:
        """(seq, invocation, state, seconds, cached, data, source, attempt), as they ended.

        At most `limit`, and no more than a page of the socket takes.
        """
        found = self._db.execute(
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
        return _named(rows, 6)

    def result_at(self, number: int, seq: int) -> ResultRow | None:
        found = self._db.execute(
            "SELECT seq,invocation,state,seconds,cached,data FROM results WHERE batch=? AND seq=?",
            (number, seq),
        ).fetchone()
        return None if found is None else ResultRow._make(found)

    # -- housekeeping ------------------------------------------------------------------------------------

    def prune(self, before: float, *, keep: int = 0) -> int:
        """Forget ended batches submitted before a time, but the newest `keep`; returns how many.

        Their results can no longer be known again: the same work is done anew.
        """
        numbers = [
            row[0]
            for row in self._db.execute(
                "SELECT number FROM batches WHERE ended IS NOT NULL AND submitted<? AND number NOT IN "
                "(SELECT number FROM batches ORDER BY number DESC LIMIT ?)",
                (before, keep),
            )
        ]
        if numbers:
            self._write(
                "INSERT OR REPLACE INTO meta VALUES('pruned',"
                "max(?,coalesce((SELECT value FROM meta WHERE key='pruned'),0)))",
                [(max(numbers),)],
            )
        for number in numbers:
            low, high = number << 32, number + 1 << 32
            for table in ("attempts", "intents", "dependencies", "members"):
                self._write(f"DELETE FROM {table} WHERE invocation>=? AND invocation<?", [(low, high)])  # noqa: S608
            self._write("DELETE FROM results WHERE batch=?", [(number,)])
            self._write("DELETE FROM swarms WHERE batch=?", [(number,)])
            self._write("DELETE FROM invocations WHERE id>=? AND id<?", [(low, high)])
            self._write("DELETE FROM batches WHERE number=?", [(number,)])
        return len(numbers)

    def backup(self, target: Path) -> None:
        """A consistent copy, while work goes on."""
        self.commit()
        copy = sqlite3.connect(target)
        try:
            self._db.backup(copy)
        finally:
            copy.close()

    def statistics(self) -> dict[str, Any]:
        """Sizes and counts, for ``rushes journal``."""
        return {
            "path": str(self.path),
            "size_bytes": sum(
                p.stat().st_size for p in self.path.parent.glob(self.path.name + "*") if p.is_file()
            ),
            "batches": self._one("SELECT count(*) FROM batches"),
            "invocations": self._one("SELECT count(*) FROM invocations"),
            "failures": self._failures(),
            "schema": self._one("SELECT value FROM meta WHERE key='schema'"),
            "low_on_space": self.ballast.low,
        }

    def _failures(self) -> dict[str, int]:
        """How many attempts failed of each cause, the commonest first, also where the next one succeeded."""
        counts = "SELECT outcome, count(*) AS n FROM attempts GROUP BY outcome ORDER BY n DESC, outcome"
        return dict(self._db.execute(counts))

    def _one(self, sql: str, *values: Any) -> Any:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _migrate(self) -> None:
        """Bring an older journal forward; a newer one is refused by name."""
        self._db.execute("CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value)")
        version = int(self._one("SELECT value FROM meta WHERE key='schema'") or 0)
        if version > len(MIGRATIONS):
            raise PlatformError(
                f"{self.path} was written by a newer Rushes (schema {version}; this one knows "
                f"{len(MIGRATIONS)}).",
                code="journal-newer",
                fix="Upgrade Rushes, or set RUSHES_HOME to another folder.",
            )
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            self._db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self._db.execute(statement)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES('schema',?)", (number,))
            self._db.execute("COMMIT")


_BATCH: Final = "SELECT number,id,spec,submitted,ended,sealed,seq,seconds,media_s FROM batches"


def _unreadable(path: Path, error: sqlite3.Error) -> PlatformError:
    aside = f"{path}.{time.strftime('%Y%m%d')}"
    return PlatformError(
        f"the journal {path} cannot be used: {error}.",
        code="journal-unreadable",
        fix=f"Move it to {aside} to start a new one; outputs and receipts are not touched.",
        details={"sqlite": str(error)},
    )


def _plain(source: str, subdir: str | None) -> bool:
    return source.isascii() and (subdir is None or subdir.isascii())


def _with_names(row: Row) -> Row:
    """The row with its source (6) and subdir (9) as bytes where they are no UTF-8, which SQLite refuses."""
    return (*row[:6], _storable(row[6]), *row[7:9], _storable(row[9]), *row[10:])


def _storable(name: str | None) -> str | bytes | None:
    if name is None:
        return None
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _named(rows: list[Row], *columns: int) -> list[Row]:
    """Rows as they came, the names in these columns as text again where they were kept as bytes."""
    if not any(type(row[c]) is bytes for row in rows for c in columns):
        return rows
    return [
        tuple(os.fsdecode(v) if i in columns and type(v) is bytes else v for i, v in enumerate(row))
        for row in rows
    ]
