"""The database of a journal and its turns: one writer, one transaction a turn of the worker.

`synchronous=FULL`: a commit that has been answered survives power loss. Measured on this design, FULL with
a commit for every invocation costs about 30 times FULL with a commit a turn, while NORMAL instead of FULL
saves a quarter: so what matters is the batch, and durability is nearly free with it. A turn that its worker
begins `lent` holds nothing that a power cut may not take, and does not wait for the disk.

A full disk cannot wedge it: a ballast file beside the database is given up, the turn is written again into
the room that it leaves, and `look_for_space` tells the worker to take no more work until there is space.
This module must not know what the rows are about.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rushes.errors import PlatformError
from rushes.journal.ballast import Ballast
from rushes.journal.schema import MIGRATIONS

__all__ = ["Row", "SqliteTurns"]

Row = tuple[Any, ...]


class SqliteTurns:
    """A SQLite database in WAL mode, brought forward to the newest schema.

    All writes go through `write`, between `begin` and `commit`: so that a turn can be written again.
    """

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self.path = path
        try:
            self.db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
            os.chmod(path, 0o600)  # noqa: PTH101 - same call, and the path is known to exist
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute(f"PRAGMA synchronous={synchronous}")
            self.db.execute("PRAGMA cache_size=-65536")
            self.db.execute("PRAGMA wal_autocheckpoint=4000")
            self.db.execute("PRAGMA temp_store=MEMORY")
            self._migrate()
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        except OSError as error:
            raise _unwritable(path, error.strerror or str(error)) from error
        self._open = False
        self._synchronous, self._lent, self._behind = synchronous, False, False
        self._turn: list[tuple[str, Sequence[Row]]] = []
        self.ballast = Ballast(path.with_name("ballast"))

    def close(self) -> None:
        self.db.close()

    def begin(self, *, lent: bool = False) -> None:
        """Start a turn; nothing is written to disk before its `commit`, of a `lent` one not then."""
        if not self._open:
            if lent is not self._lent:  # SQLite changes it between transactions only
                self.db.execute(f"PRAGMA synchronous={'NORMAL' if lent else self._synchronous}")
                self._lent = lent
            self.db.execute("BEGIN IMMEDIATE")
            self._open = True

    def commit(self, *, lent: bool = False) -> None:
        """Make the turn durable; one that is still `lent` against a crash only.

        One that began `lent` and is not now is brought to the disk, with all before it.

        Raises:
            PlatformError: the disk is full and giving up the ballast was not enough; the turn is kept, and
                `commit` may be called again.
        """
        if not self._open:
            if self._turn:
                self._replay()
            return
        wrote = bool(self._turn)
        try:
            self.db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._rollback()
            self._require_full(error)
            self.ballast.give_up()
            self._replay()
        else:
            self._open = False
            self._turn.clear()
        if wrote:  # a commit that waited did so for all that went before it
            self._behind = self._lent
        if self._behind and not lent:
            self._sync()

    def _sync(self) -> None:
        """Wait for the disk, as SQLite did not for turns that were lent.

        Raises:
            PlatformError: the disk does not take it (``journal-unwritable``).
        """
        try:  # of the log alone, as SQLite does: nobody has locks in it that closing it would end
            log = os.open(f"{self.path}-wal", os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)
        except OSError as error:
            raise _unwritable(self.path, error.strerror or str(error)) from error
        self._behind = False

    def write(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement for each of `rows`, as a part of this turn."""
        self.begin()
        try:
            self.db.executemany(sql, rows)
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
                self.db.executemany(sql, rows)
            if commit:
                self.db.execute("COMMIT")
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
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
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

    def next_epoch(self) -> int:
        """A number larger than any before it: the high part of this worker's fencing tokens."""
        self.write("UPDATE meta SET value=value+1 WHERE key='epoch'", [()])
        return int(self.one("SELECT value FROM meta WHERE key='epoch'"))

    def one(self, sql: str, *values: Any) -> Any:
        """The first column of the first row; None where there is no row."""
        row = self.db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _migrate(self) -> None:
        """Bring an older journal forward; a newer one is refused by name."""
        self.db.execute("CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value)")
        version = int(self.one("SELECT value FROM meta WHERE key='schema'") or 0)
        if version > len(MIGRATIONS):
            raise PlatformError(
                f"{self.path} was written by a newer Rushes (schema {version}; this one knows "
                f"{len(MIGRATIONS)}).",
                code="journal-newer",
                fix="Upgrade Rushes, or set RUSHES_HOME to another folder.",
            )
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            self.db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self.db.execute(statement)
            self.db.execute("INSERT OR REPLACE INTO meta VALUES('schema',?)", (number,))
            self.db.execute("COMMIT")


def _unreadable(path: Path, error: sqlite3.Error) -> PlatformError:
    if "readonly" in str(error):
        return _unwritable(path, "it is read-only")
    aside = f"{path}.{time.strftime('%Y%m%d')}"
    return PlatformError(
        f"the journal {path} cannot be used: {error}.",
        code="journal-unreadable",
        fix=f"Move it to {aside} to start a new one; outputs and receipts are not touched.",
        details={"sqlite": str(error)},
    )


def _unwritable(path: Path, why: str) -> PlatformError:
    """Somebody else's, or on a disk that is mounted to be read: who ran with more rights has left it so."""
    return PlatformError(
        f"the journal {path} cannot be written: {why}.",
        code="journal-unwritable",
        fix=f"Give {path.parent} and all in it to this user (chown -R), or set RUSHES_HOME to another.",
    )
