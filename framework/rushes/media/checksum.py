"""Digests of whole clips, on request: the only part of an inspection that reads all of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rushes.errors import CallerError
from rushes.media.schema import Checksum

__all__ = ["digest"]

_KNOWN: Final = ("sha256", "sha1", "md5", "blake2b")
# Large enough that the loop costs nothing, small enough to stay in the second-level cache.
_BLOCK_BYTES: Final = 1 << 20


def digest(paths: Iterable[Path], algorithm: str) -> Checksum:
    """The digest of the files' bytes, one after the other.

    Raises:
        CallerError: no such algorithm, or a file cannot be read.
    """
    if algorithm not in _KNOWN:
        raise CallerError(
            f"checksum {algorithm!r} is not known.", code="bad-value", fix=f"Use one of {', '.join(_KNOWN)}."
        )
    # md5 and sha1 are what manifests of the trade name; nothing here relies on them for security.
    total = hashlib.new(algorithm, usedforsecurity=False)
    buffer = bytearray(_BLOCK_BYTES)
    view = memoryview(buffer)
    for path in paths:
        try:
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    total.update(view[:count])
        except OSError as error:
            raise CallerError(
                f"{path} cannot be read: {error.strerror}.",
                code="not-readable",
                fix="Check the disk and the permissions.",
            ) from error
    return Checksum(algorithm=algorithm, value=total.hexdigest())
