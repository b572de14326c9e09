"""Names of files that are no UTF-8, which SQLite refuses as text: kept as bytes, given as they came.

This module must not know what is named.
"""

from __future__ import annotations

import os

from rushes.journal.turns import Row

__all__ = ["named", "plain", "with_names"]


def plain(source: str, subdir: str | None) -> bool:
    """Whether both are ASCII, as nearly all are: nothing has to be looked at then."""
    return source.isascii() and (subdir is None or subdir.isascii())


def with_names(row: Row) -> Row:
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


def named(rows: list[Row], *columns: int) -> list[Row]:
    """Rows as they came, the names in these columns as text again where they were kept as bytes."""
    if not any(type(row[c]) is bytes for row in rows for c in columns):
        return rows
    return [
        tuple(os.fsdecode(v) if i in columns and type(v) is bytes else v for i, v in enumerate(row))
        for row in rows
    ]
