"""An object as a file that is read here and there: by ranges, each fetched once.

An index stands at the start of a file or at its end, so a probe reads a little of both. Ranges are fetched in
blocks; a block that follows the last one is fetched with more behind it, twice as much each time, so a long
index takes few requests and a leap costs one small one. This module must not know how bytes are fetched.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rushes.stored import Stored

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

__all__ = ["S3Reader"]

KEPT_BYTES: Final = 16 * 1024 * 1024
"""Of blocks that were read: a demuxer returns to what it has just seen."""
MOST_AHEAD: Final = 8
"""Blocks in one request."""


class S3Reader(io.RawIOBase):
    """A read-only, seekable file of one object, pinned to what it was when it was opened.

    Args:
        stored: the object.
        get: gives the bytes from one offset up to, but without, another.
        block_bytes: the least that is fetched at once.
    """

    def __init__(
        self, stored: Stored, get: Callable[[int, int], bytes], *, block_bytes: int = 256 * 1024
    ) -> None:
        super().__init__()
        self.stored = stored
        self.name = stored.uri
        self.fetched_bytes = 0
        self.requests = 0
        self._get = get
        self._block = block_bytes
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._at = 0
        self._next = -1
        self._ahead = 1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.stored.size_bytes}[whence]
        if base + offset < 0:
            msg = f"{base + offset} is before the start of {self.name}"
            raise ValueError(msg)
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer` from here, as far as one block reaches."""
        view = memoryview(buffer).cast("B")
        if self._at >= self.stored.size_bytes or not view:
            return 0
        number, offset = divmod(self._at, self._block)
        block = self._blocks.get(number)
        if block is None:
            block = self._fetch(number)
        else:
            self._blocks.move_to_end(number)
        part = block[offset : offset + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _fetch(self, number: int) -> bytes:
        self._ahead = min(self._ahead * 2, MOST_AHEAD) if number == self._next else 1
        start = number * self._block
        count = 1
        while count < self._ahead and number + count not in self._blocks:
            count += 1
        stop = min(start + count * self._block, self.stored.size_bytes)
        data = self._get(start, stop)
        if len(data) != stop - start:
            msg = f"{self.name} gave {len(data)} of {stop - start} bytes at {start}"
            raise OSError(msg)
        self.requests += 1
        self.fetched_bytes += len(data)
        self._next = number + count
        for index in range(count):
            self._blocks[number + index] = data[index * self._block : (index + 1) * self._block]
        while len(self._blocks) * self._block > KEPT_BYTES and len(self._blocks) > count:
            self._blocks.popitem(last=False)
        return self._blocks[number]
