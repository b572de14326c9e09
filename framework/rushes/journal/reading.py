"""The journal as one may read it who does not own it: what is asked here costs the worker nothing.

This module must not write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rushes.errors import PlatformError

__all__ = ["LedgerReader", "open_for_reading", "read_once"]

_BUSY_S: Final = 10.0
_AT_ONCE: Final = 900
"""Values in one statement: SQLite takes 999 where it was built long ago."""
_SUCCEEDED: Final = 4  # by `rushes.journal.schema`


def open_for_reading(journal: Path) -> sqlite3.Connection:
    """A connection that cannot change anything; it does not wait for the worker's turns, nor they for it."""
    return sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)


@contextmanager
def read_once(journal: Path) -> Iterator[sqlite3.Connection]:
    """The journal for as long as one question takes.

    Raises:
        PlatformError: it cannot be read (``journal-unreadable``).
    """
    try:
        with closing(open_for_reading(journal)) as db:
            yield db
    except sqlite3.Error as error:
        raise PlatformError(
            f"the journal {journal} cannot be read: {error}.",
            code="journal-unreadable",
            fix="`rushes doctor` looks at it.",
        ) from error


class LedgerReader:
    """Questions about what has run."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    def succeeded(self, keys: Sequence[str], show: str) -> frozenset[str]:
        """Those of `keys` that have a result for a show.

        Raises:
            PlatformError: the journal cannot be read (``journal-unreadable``).
        """
        if not self._journal.exists():
            return frozenset()
        wanted = {bytes.fromhex(key): key for key in keys if key}
        found: set[str] = set()
        blobs = list(wanted)
        with read_once(self._journal) as db:
            for start in range(0, len(blobs), _AT_ONCE):
                page = blobs[start : start + _AT_ONCE]
                rows = db.execute(
                    "SELECT DISTINCT i.key FROM invocations i JOIN queues q ON q.id=i.queue "  # noqa: S608
                    f"WHERE i.state={_SUCCEEDED} AND q.show=? AND i.key IN ({','.join('?' * len(page))})",
                    (show, *page),
                )
                found.update(wanted[row[0]] for row in rows)
        return frozenset(found)
