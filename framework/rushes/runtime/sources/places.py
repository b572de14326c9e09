"""Which output name each input takes, so that no two inputs ever make the same one.

Exact, and bounded in memory: beyond some thousands the names lie in a private table on disk that nobody
else sees and that vanishes with the process. This module must not know what the inputs are.
"""

from __future__ import annotations

import hashlib
import os
import sys
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Places", "short_hash"]

_IN_MEMORY: Final = 20_000


def short_hash(of: bytes, digits: int = 4) -> str:
    """A tag for a name that is taken: ``~`` and hex digits of the SHA-256 of `of`."""
    return "~" + hashlib.sha256(of).hexdigest()[:digits]


class Places:
    """The names that are taken, and by what."""

    def __init__(self) -> None:
        self._taken: dict[bytes, bytes] = {}
        self._table: sqlite3.Connection | None = None

    def take(self, subdir: str, stem: str, relative: str, identity: str) -> tuple[str, bool]:
        """The tag that makes the output name of an input unique: ``""`` for the first that asks for it.

        Args:
            subdir: folder below the destination.
            stem: the name that an output would have, without extension.
            relative: the input's path below its INPUT, of which the tag is made.
            identity: what the input is; the same one asking twice for a place is a duplicate.

        Returns:
            The tag, and whether this very input had the place already.
        """
        mark = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).digest()[:16]
        place = os.fsencode(_folded(f"{subdir}\0{stem}"))
        holder = self._claim(place, mark)
        if holder is None or holder == mark:
            return "", holder == mark
        # The path below INPUT keeps a tag when a tree is moved; two trees may hold the same one.
        for seed in (os.fsencode(relative), mark):
            for digits in (4, 8, 16, 32):
                tag = short_hash(seed, digits)
                holder = self._claim(place + tag.encode(), mark)
                if holder is None or holder == mark:
                    return tag, holder == mark
        msg = f"no name is left for {identity!r}"  # needs two equal SHA-256s
        raise AssertionError(msg)

    def close(self) -> None:
        """Let go of the table on disk."""
        if self._table is not None:
            self._table.close()
            self._table = None
        self._taken.clear()

    def _claim(self, place: bytes, mark: bytes) -> bytes | None:
        """None when `place` was free and is `mark`'s now; else whose it is."""
        if self._table is None:
            holder = self._taken.setdefault(place, mark)
            if holder is not mark:
                return holder
            if len(self._taken) > _IN_MEMORY:
                self._spill()
            return None
        done = self._table.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", (place, mark))
        if done.rowcount == 1:
            return None
        row = self._table.execute("SELECT mark FROM taken WHERE place = ?", (place,)).fetchone()
        return bytes(row[0])

    def _spill(self) -> None:
        import sqlite3  # noqa: PLC0415 - most batches stay in memory, and the import costs milliseconds

        # "" is SQLite's private temporary database: on disk, unlinked at once, gone when it is closed.
        self._table = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("PRAGMA cache_size = -8192")
        self._table.execute("CREATE TABLE taken (place BLOB PRIMARY KEY, mark BLOB) WITHOUT ROWID")
        self._table.execute("BEGIN")
        self._table.executemany("INSERT INTO taken VALUES (?, ?)", self._taken.items())
        self._taken = {}


def _folded(text: str) -> str:
    """Names that macOS' file systems take for the same are the same there."""
    return unicodedata.normalize("NFC", text).casefold() if sys.platform == "darwin" else text
