"""A clip that is not on this machine, of which only the headers are wanted: they are fetched as asked for.

ffmpeg and PyAV are given no URL, and the process that reads is sealed. So this process serves it: the reader
says over a socket which bytes it wants, a thread fetches them and tells them. What goes wrong on the way is
kept and told here, whatever the reader makes of an end of its bytes. A clip that wants to be read here and
there without end is not worth it: it is fetched whole then. This module must not know where the bytes are.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rushes.asset import Asset
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.media.readers.handed import ASKED, SOON, TOLD
from rushes.range_reader import RangeReader

__all__ = ["TOO_SCATTERED", "RangedAsset"]

TOO_SCATTERED: Final = "too-scattered"
"""The code of the error that says: fetch it whole."""
MOST_ASKED: Final = 4 * 1024 * 1024
"""Bytes that a reader is told at once."""
MOST_EXPECTED: Final = 64 * 1024
"""Bytes of a place that a reader says it will look at."""
# Below this nobody saves by fetching the whole; above, a quarter of a clip is no header any more.
FREE_BYTES: Final = 64 * 1024 * 1024
MOST_PART: Final = 4
MOST_REQUESTS: Final = 2_000


@dataclass(frozen=True)
class RangedAsset(Asset):
    """A clip whose headers can be read where it is; it has no path on this machine.

    Args:
        ranges: gives its bytes.
        known_bytes: its size, where nothing of it is read.
    """

    ranges: RangeReader | None = None
    known_bytes: int = 0
    failures: list[RushesError] = field(default_factory=list, compare=False, repr=False)
    """Why its bytes did not come."""

    @property
    def path(self) -> Path:
        """There is none.

        Raises:
            CallerError: always (``not-local``).
        """
        raise CallerError(
            f"{self.uri} is read by its headers and is not on this machine.",
            code="not-local",
            fix="Leave headers_only out of the function's declaration: then it is copied here first.",
        )

    @property
    def size_bytes(self) -> int:
        """Of the clip."""
        return self.known_bytes if self.ranges is None else self.ranges.stored.size_bytes

    def serve(self) -> int:
        """A descriptor at whose other end a thread tells the clip's bytes, until it is closed."""
        ours, theirs = socket.socketpair()
        name = f"ranges of {self.name}"
        threading.Thread(target=self._tell, args=(ours,), name=name, daemon=True).start()
        return theirs.detach()

    def _tell(self, ours: socket.socket) -> None:
        # Whoever asked may have gone: a reader that crashed, a question that was cancelled.
        with ours, suppress(OSError):
            while asked := ours.recv(ASKED.size, socket.MSG_WAITALL):
                if len(asked) != ASKED.size:
                    return
                offset, count = ASKED.unpack(asked)
                if count & SOON:
                    self._expect(offset, count ^ SOON)
                    continue
                data = self._fetched(offset, count)
                if data is None:
                    return
                ours.sendall(TOLD.pack(len(data)) + data)

    def _expect(self, offset: int, count: int) -> None:
        if self.ranges is not None:
            self.ranges.expect(offset, min(count, MOST_EXPECTED))

    def _fetched(self, offset: int, count: int) -> bytes | None:
        ranges = self.ranges
        if ranges is None or self.failures:
            return None
        try:
            data = ranges.read_at(offset, min(count, MOST_ASKED))
        except RushesError as error:
            self.failures.append(error)
            return None
        most = max(FREE_BYTES, self.size_bytes // MOST_PART)
        if ranges.fetched_bytes > most or ranges.requests > MOST_REQUESTS:
            self.failures.append(
                PlatformError(
                    f"the headers of {self.name} are all over it.",
                    code=TOO_SCATTERED,
                    fix="It is fetched whole.",
                )
            )
            return None
        return data

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Within it, what kept its bytes from coming is raised, whatever was made of that."""
        try:
            yield
        except RushesError as error:
            if self.failures:
                raise self.failures[0] from error
            raise
        if self.failures:
            raise self.failures[0]
