"""An object as a file that is read here and there: by ranges, each fetched once.

An index stands at the start of a file or at its end, so a probe reads a little of both. What follows the last
range is fetched with more behind it, twice as much each time, so a long index takes few requests and a leap
costs one small one. The index of an MXF file of 5 GB lies in eighty places, the headers of a fragmented one
in hundreds: of each no more is fetched than was read of the one before. Who knows the places beforehand says
so: once one of them is read, the next of them are fetched beside it, so that eighty places are not eighty
round trips. What is not come to is not fetched.
This module must not know how bytes are fetched, nor what they mean.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

from rushes.errors import PlatformError
from rushes.stored import Stored

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

__all__ = ["RangeReader"]

BLOCK_BYTES: Final = 8 * 1024
KEPT_BYTES: Final = 32 * 1024 * 1024
"""Of blocks that were read: a demuxer returns to what it has just seen, and an index is read twice."""
FIRST: Final = 32
"""Blocks in the first request of a place: 256 KiB, most of what a container has at its top, or its end."""
LEAPS: Final = 2
"""To the start and to the end; after them as much is fetched of a place as was read of the one before."""
MOST_AHEAD: Final = 256
"""Blocks in one request, 2 MiB."""
AT_ONCE: Final = 16
"""Requests for places that were said beforehand: more than one round trip brings nobody much more."""
MOST_EXPECTED: Final = 4096
"""Places: who says more of them is not believed."""


class RangeReader(io.RawIOBase):
    """A read-only, seekable file of one object, pinned to what it was when it was opened.

    Args:
        stored: the object.
        get: gives the bytes from one offset up to, but without, another.
    """

    def __init__(self, stored: Stored, get: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self.stored = stored
        self.name = stored.uri
        self.fetched_bytes = 0
        self.requests = 0
        self._get = get
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._at = 0
        self._next = -1
        self._ahead = FIRST
        self._leaps = 0
        self._place = range(0)
        self._touched = 0
        self._expected: dict[int, int] = {}

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
        part = self._part(self._at, len(view))
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`, fewer at the end alone; the file's position stays."""
        parts = []
        while count > 0 and (part := self._part(offset, count)):
            parts.append(part)
            offset += len(part)
            count -= len(part)
        return b"".join(parts)

    def expect(self, offset: int, count: int) -> None:
        """These bytes will be read soon, after those that were said before: the order is that of reading."""
        if count > 0 and offset < self.stored.size_bytes and len(self._expected) < MOST_EXPECTED:
            first = offset // BLOCK_BYTES
            self._expected[first] = (offset + count - 1) // BLOCK_BYTES - first + 1

    def _part(self, at: int, count: int) -> bytes:
        if at >= self.stored.size_bytes or count <= 0:
            return b""
        number, offset = divmod(at, BLOCK_BYTES)
        block = self._blocks.get(number)
        if block is None:
            block = self._fetch(number)
        else:
            self._blocks.move_to_end(number)
        if number in self._place:
            self._touched = max(self._touched, number - self._place.start + 1)
        return block[offset : offset + count]

    def _fetch(self, number: int) -> bytes:
        if number in self._expected:
            return self._fetch_expected(number)
        if number == self._next:
            self._ahead = min(self._ahead * 2, MOST_AHEAD)
        else:
            self._leaps += 1
            self._ahead = FIRST if self._leaps <= LEAPS else min(max(self._touched, 1), FIRST)
            self._begin_place(number)
        count = self._missing(number, self._ahead)
        self._keep(number, self._bytes(number, count))
        self._next = number + count
        return self._blocks[number]

    def _fetch_expected(self, number: int) -> bytes:
        """A place that was said beforehand, with those that are read after it."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most clips say none

        all_ = list(self._expected.items())
        near = islice(all_, all_.index((number, self._expected[number])), None)
        wanted = [(first, count) for first, most in near if (count := self._missing(first, most))][:AT_ONCE]
        with ThreadPoolExecutor(len(wanted)) as threads:
            found = list(threads.map(lambda one: self._bytes(*one), wanted))
        for (first, _), data in zip(wanted, found, strict=True):
            self._keep(first, data)
            del self._expected[first]
        self._begin_place(number)
        self._next = number + wanted[0][1]
        return self._blocks[number]

    def _begin_place(self, number: int) -> None:
        self._place, self._touched = range(number, number + MOST_AHEAD), 0

    def _missing(self, number: int, most: int) -> int:
        """How many blocks from one on are not there, up to so many."""
        count = 0
        while count < most and number + count not in self._blocks and self._exists(number + count):
            count += 1
        return count

    def _exists(self, number: int) -> bool:
        return number * BLOCK_BYTES < self.stored.size_bytes

    def _bytes(self, number: int, count: int) -> bytes:
        """Some blocks, in one request."""
        start = number * BLOCK_BYTES
        stop = min(start + count * BLOCK_BYTES, self.stored.size_bytes)
        data = self._get(start, stop)
        if len(data) != stop - start:
            raise PlatformError(
                f"{self.name} gave {len(data)} of {stop - start} bytes at {start}.",
                code="damaged-transfer",
                fix="It is tried again by itself.",
            )
        return data

    def _keep(self, number: int, data: bytes) -> None:
        self.requests += 1
        self.fetched_bytes += len(data)
        count = -(-len(data) // BLOCK_BYTES)
        for index in range(count):
            self._blocks[number + index] = data[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
        while len(self._blocks) * BLOCK_BYTES > KEPT_BYTES and len(self._blocks) > count:
            self._blocks.popitem(last=False)
