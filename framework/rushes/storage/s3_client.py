"""Clients of S3 that add to a transfer what s3transfer has no argument for: a condition, sums of the whole.

A part is summed while it is under way, by the thread that moves it; the CRC-32 of the whole follows from
those of its parts. Both stand before somebody else's client and change nothing else of it. This module must
not know what is transferred.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from rushes.storage.crc32 import crc32_of_parts, crc32_text, crc32_value

__all__ = ["FetchingClient", "PublishingClient"]

_RANGE: Final = re.compile(r"bytes (\d+)-")


class PublishingClient:
    """A client whose last request of an upload carries a condition, and the CRC-32 of the whole.

    Args:
        client: of boto3.
        condition: ``IfNoneMatch`` or ``IfMatch``.
        whole: the CRC-32 of what is uploaded, for a store that does not tell those of the parts.
    """

    def __init__(self, client: Any, condition: Mapping[str, str], whole: Callable[[], int]) -> None:
        self._client = client
        self._condition = condition
        self._whole = whole
        self._lengths: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **asked: Any) -> Any:
        asked["ChecksumCRC32"] = crc32_text(self._whole())
        return self._client.put_object(**asked, **self._condition)

    def upload_part(self, **asked: Any) -> Any:
        self._lengths[asked["PartNumber"]] = len(asked["Body"])
        return self._client.upload_part(**asked)

    def complete_multipart_upload(self, **asked: Any) -> Any:
        parts = asked["MultipartUpload"]["Parts"]
        if all("ChecksumCRC32" in part for part in parts):
            # Of what S3 has received, as it said: a part that it did not receive as it was is refused before.
            crc = crc32_of_parts(
                (crc32_value(part["ChecksumCRC32"]), self._lengths[part["PartNumber"]]) for part in parts
            )
        else:
            crc = self._whole()
        asked["ChecksumCRC32"] = crc32_text(crc)
        return self._client.complete_multipart_upload(**asked, **self._condition)


class FetchingClient:
    """A client that reads one object, as it was found, and knows the CRC-32 of what was read.

    Args:
        client: of boto3.
        mark: the object's ETag when it was found.
        sums: whether the CRC-32 is wanted.
    """

    def __init__(self, client: Any, mark: str, *, sums: bool = True) -> None:
        self._client = client
        self._mark = mark
        self._sums = sums
        self._read: dict[int, _Summed] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **asked: Any) -> Any:
        answer = self._client.get_object(**{"IfMatch": self._mark, **asked})
        if not self._sums:
            return answer
        found = _RANGE.match(answer.get("ContentRange") or "")
        body = _Summed(answer["Body"])
        self._read[int(found[1]) if found else 0] = body  # a range that is asked for again begins anew
        answer["Body"] = body
        return answer

    def crc32(self, size_bytes: int) -> int | None:
        """Of all that was read; None where that is not so many bytes, one behind the other."""
        at = 0
        for start, part in sorted(self._read.items()):
            if start != at:
                return None
            at += part.length
        if at != size_bytes:
            return None
        return crc32_of_parts((part.crc, part.length) for _, part in sorted(self._read.items()))


class _Summed:
    """A body that sums what is read of it."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.crc = 0
        self.length = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def read(self, amount: int | None = None) -> bytes:
        data: bytes = self._body.read(amount)
        self.crc = zlib.crc32(data, self.crc)
        self.length += len(data)
        return data
