"""An object in a store as the store describes it. This module must not know which store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Restored", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """One object, as it was when it was looked at.

    Args:
        uri: what names it; with its version where the store keeps versions.
        size_bytes: of its content.
        mark: changes whenever the content does; nothing else can be read from it.
        mtime: last change, UTC epoch seconds.
        version: the store's name of this version, or "".
        sha256: of the content, hex, where whoever stored it said so; else "".
        crc32: of the content, where the store knows it; else None.
        archived: it has to be brought back from an archive before it can be read; "" for one that can be
            read, else the name of the archive.
        about: what was put beside it when it was published, where the store was asked for that.
    """

    uri: str
    size_bytes: int
    mark: str
    mtime: float
    version: str = ""
    sha256: str = ""
    crc32: int | None = None
    archived: str = ""
    about: Mapping[str, str] = field(default_factory=dict, hash=False)


class Restored(NamedTuple):
    """What became of objects that were asked for.

    Args:
        coming: from an archive; it takes a while.
        readable: now.
    """

    coming: int
    readable: int
