"""How the bytes of a source are reached: by its name, or, in a reader, by the one descriptor it was handed.

A reader cannot open anything. Its source is its standard input: one open file with one position, which
nothing here moves. Bytes are read at a place, and libavformat is handed a file of ours that does so.

A source that is not on this machine is handed as a socket at whose other end its bytes are fetched
(`rushes.media.readers.ranged`): a reader says from where and how many, and is told them. This module must not
know what the bytes mean, nor where they come from.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import ClassVar, Final

__all__ = [
    "ASKED",
    "SOON",
    "TOLD",
    "Bytes",
    "by_ranges",
    "bytes_of",
    "is_handed",
    "only_handed",
    "protocol",
    "size_of",
    "url_of",
]

ASKED: Final = struct.Struct("=QQ")
"""What a reader says of a source elsewhere: from which byte, and how many."""
SOON: Final = 1 << 63
"""Added to how many: they will be read soon, and are not told yet. Where the next is, the one before does not
know; who fetches can fetch several at a time."""
TOLD: Final = struct.Struct("=I")
"""Before the bytes that it is told: how many there are, fewer at the end alone."""
_HANDED: Final = 0
_LEAST: Final = 4096
"""Bytes that are asked for at once: a box's header is followed by its content."""
_state: Final = {"handed": False}
_elsewhere: Final[list[int]] = []
"""The size of the source that is handed now, where its bytes are fetched."""


class Bytes:
    """The bytes of a source behind a place of their own; what `missing_end` takes for a file."""

    is_elsewhere: ClassVar[bool] = False
    """Whether each of them has to be fetched."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0
        self.size = os.fstat(descriptor).st_size

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`, fewer at the end alone."""
        return os.pread(self._descriptor, count, offset)

    def expect(self, offset: int, count: int) -> None:
        """These bytes will be read soon; of a file that is here nobody needs to know."""

    def seek(self, at: int, whence: int = os.SEEK_SET) -> int:
        self._at = at + (0, self._at, self.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, fewer at the end alone."""
        data = os.pread(self._descriptor, count, self._at) if self._at < 2**63 else b""
        self._at += len(data)
        return data

    def close(self) -> None:
        os.close(self._descriptor)


class _Local(Bytes):
    """The file that was handed, as what PyAV takes for a file.

    Only of what is called a file libavformat takes that a seek costs nothing. Of its own protocol `fd:` it
    reads on instead, up to 16 MiB at a time, between an index at the end of a clip and its first frames
    (`ff_configure_buffers_for_index`): of a clip of 400 MB 21 MB, over a network as here.
    """

    name: Final = "file:"

    def close(self) -> None:
        """The descriptor stays open for the next question about the same source."""


class _Ranged(Bytes):
    """A source elsewhere: also what PyAV takes for a file."""

    name: Final = "file:"
    is_elsewhere = True

    def __init__(self, size: int) -> None:
        self.size = size
        self._at = 0
        self._start = 0
        self._kept = b""

    def at(self, offset: int, count: int) -> bytes:
        data = self._near(offset, count)
        while 0 < len(data) < min(count, self.size - offset):
            data += self._near(offset + len(data), count - len(data))
        return data

    def expect(self, offset: int, count: int) -> None:
        if 0 <= offset < self.size:
            os.write(_HANDED, ASKED.pack(offset, count | SOON))

    def _near(self, offset: int, count: int) -> bytes:
        if count <= 0 or not 0 <= offset < self.size:
            return b""
        if not self._start <= offset < self._start + len(self._kept):
            self._kept = _told(offset, max(count, _LEAST))
            self._start = offset
        at = offset - self._start
        return self._kept[at : at + count]

    def read(self, count: int) -> bytes:
        data = self.at(self._at, count)
        self._at += len(data)
        return data

    def close(self) -> None:
        """The socket stays open for the next question about the same source."""


def _told(offset: int, count: int) -> bytes:
    """What is at the other end of the socket.

    Raises:
        OSError: it is closed: whoever is there says why.
    """
    os.write(_HANDED, ASKED.pack(offset, count))
    return _exactly(TOLD.unpack(_exactly(TOLD.size))[0])


def _exactly(count: int) -> bytes:
    parts: list[bytes] = []
    while count > 0:
        # read(2) and not recv(2): what is read counts as getting on (`rushes.media.readers.patience`).
        part = os.read(_HANDED, count)
        if not part:
            raise OSError(errno.EIO, "nothing more is told")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def by_ranges(size: int | None) -> None:
    """What is handed now is a socket behind which a source of so many bytes is; None: a file."""
    _elsewhere[:] = () if size is None else (size,)


def only_handed() -> None:
    """From here on this process opens no source by its name: it is handed each, one after the other."""
    _state["handed"] = True


def is_handed() -> bool:
    """Whether this process is a reader."""
    return _state["handed"]


def bytes_of(path: str | os.PathLike[str]) -> Bytes:
    """The bytes of the source, to be closed; a pipe that took its place is not waited for.

    Raises:
        OSError, ValueError: there is no such file, or it may not be read.
    """
    if _state["handed"]:
        return _Ranged(_elsewhere[0]) if _elsewhere else Bytes(os.dup(_HANDED))
    return Bytes(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))


def size_of(path: str | os.PathLike[str]) -> int:
    """The size of the source in bytes.

    Raises:
        OSError: there is no such file.
    """
    if _elsewhere:
        return _elsewhere[0]
    return os.fstat(_HANDED).st_size if _state["handed"] else os.stat(path).st_size  # noqa: PTH116


def url_of(path: str) -> str | Bytes:
    """What PyAV opens the source by, which it is about to read from its start: a name, or a file."""
    if _elsewhere:
        return _Ranged(_elsewhere[0])
    if _state["handed"]:
        return _Local(_HANDED)
    return f"file:{path}"


def protocol() -> str:
    """The one protocol that FFmpeg may use."""
    return "fd" if _state["handed"] else "file"
