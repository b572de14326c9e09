"""How the bytes of a source are reached: by its name, or, in a reader, by the one descriptor it was handed.

A reader cannot open anything. Its source is its standard input, which is where FFmpeg's `fd:` protocol reads
when it is told no number. It is one open file with one position, so whoever starts to read goes to its start
first, and what is read beside a container is read without moving that position. This module must not know
what the bytes mean.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["Bytes", "is_handed", "only_handed", "own_descriptor", "protocol", "size_of", "url_of"]

_HANDED: Final = 0
_state = {"handed": False}


class Bytes:
    """The bytes of a source behind a place of their own; what `missing_end` takes for a file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0
        self.size: Final = os.fstat(descriptor).st_size

    def seek(self, at: int) -> None:
        self._at = at

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, fewer at the end alone."""
        data = os.pread(self._descriptor, count, self._at) if self._at < 2**63 else b""
        self._at += len(data)
        return data


def only_handed() -> None:
    """From here on this process opens no source by its name: it is handed each, one after the other."""
    _state["handed"] = True


def is_handed() -> bool:
    """Whether this process is a reader."""
    return _state["handed"]


def own_descriptor(path: str | os.PathLike[str]) -> int:
    """A descriptor of the source, to be closed; a pipe that took its place is not waited for.

    Raises:
        OSError, ValueError: there is no such file, or it may not be read.
    """
    if _state["handed"]:
        return os.dup(_HANDED)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def size_of(path: str | os.PathLike[str]) -> int:
    """The size of the source in bytes.

    Raises:
        OSError: there is no such file.
    """
    return os.fstat(_HANDED).st_size if _state["handed"] else os.stat(path).st_size  # noqa: PTH116


def url_of(path: str) -> str:
    """What FFmpeg calls the source, which it is about to read from its start."""
    if _state["handed"]:
        os.lseek(_HANDED, 0, os.SEEK_SET)
        return "fd:"
    return f"file:{path}"


def protocol() -> str:
    """The one protocol that FFmpeg may use."""
    return "fd" if _state["handed"] else "file"
