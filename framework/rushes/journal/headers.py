"""Headers that were read, by the clip's fingerprint: a small database that anybody may remove.

This module must not know what a header says.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rushes import __version__

__all__ = ["SqliteHeaders"]

MOST: Final = 50_000
"""Headers that are kept; compressed, each takes less than a kilobyte."""
_BUSY_S: Final = 10.0
_FASTEST: Final = 1


class SqliteHeaders:
    """`rushes.runtime.sources.headers.KeptHeaders`. What cannot be kept is read again, without an error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def known(self, fingerprints: Sequence[str]) -> Mapping[str, bytes]:
        """The headers of those that are kept."""
        if not fingerprints or not self.path.exists():
            return {}
        marks = ",".join("?" * len(fingerprints))
        try:
            with self._open() as db:
                rows = db.execute(
                    f"SELECT fingerprint,header FROM headers WHERE fingerprint IN ({marks})",  # noqa: S608
                    fingerprints,
                ).fetchall()
            return {fingerprint: zlib.decompress(header) for fingerprint, header in rows}
        except (sqlite3.Error, OSError, zlib.error):
            return {}

    def keep(self, headers: Mapping[str, bytes]) -> None:
        """Keep these too; those that were kept longest ago go."""
        if not headers:
            return
        rows = [(one, zlib.compress(header, _FASTEST)) for one, header in headers.items()]
        try:
            with self._open() as db:
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT OR REPLACE INTO headers(fingerprint,header) VALUES(?,?)", rows)
                db.execute(
                    "DELETE FROM headers WHERE id<=("
                    "SELECT id FROM headers ORDER BY id DESC LIMIT 1 OFFSET ?)",
                    (MOST,),
                )
                db.execute("COMMIT")
        except (sqlite3.Error, OSError):
            # Damaged, or the disk is full: it is only a copy of what the clips say.
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=_BUSY_S)) as db:
            self.path.chmod(0o600)
            # What another version wrote may lack what this one reads.
            if db.execute("PRAGMA user_version").fetchone()[0] != _version():
                db.executescript(
                    "DROP TABLE IF EXISTS headers;"
                    "CREATE TABLE headers("
                    "id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, header BLOB NOT NULL);"
                    f"PRAGMA user_version={_version()};"
                )
            yield db


def _version() -> int:
    return zlib.crc32(__version__.encode()) & 0x7FFFFFFF
