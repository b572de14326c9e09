"""That a disk has room for an object, that it has arrived as it is, and the checksum that says so.

This module must not know how it is carried.
"""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from typing import Final

from rushes.errors import PlatformError
from rushes.stored import Stored
from rushes.units import format_size

__all__ = ["crc32_file", "require_room", "require_whole"]

_READ: Final = 4 * 1024 * 1024


def require_room(found: Stored, folder: Path) -> None:
    """Refuse what cannot fit before a byte of it is carried: on a disk that is too small it never will.

    Raises:
        PlatformError: the object is larger than what is free (``disk-full``), or than the disk is
            (``scratch-too-small``).
    """
    total, _, free = shutil.disk_usage(folder)
    if found.size_bytes > total:
        raise PlatformError(
            f"{found.uri} has {format_size(found.size_bytes)}, and the disk of {folder} has "
            f"{format_size(total)} in all.",
            code="scratch-too-small",
            fix="Give it to a host with more scratch: `scratch` of its tier.",
        )
    if found.size_bytes > free:
        raise PlatformError(
            f"{found.uri} has {format_size(found.size_bytes)}, and {format_size(free)} are free in {folder}.",
            code="disk-full",
            fix="Free some space, or give it a host with a larger disk.",
        )


def require_whole(found: Stored, size_bytes: int, crc: int | None) -> None:
    """That what has arrived is what is there.

    Raises:
        PlatformError: it is not (``damaged-transfer``).
    """
    if (size_bytes, crc) != (found.size_bytes, found.crc32):
        raise PlatformError(
            f"{found.uri} was damaged on its way: {size_bytes} of {found.size_bytes} bytes, or others.",
            code="damaged-transfer",
            fix="It is tried again by itself.",
        )


def crc32_file(path: Path) -> int:
    """CRC-32 of a file's content, as zlib computes it."""
    value = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ):
            value = zlib.crc32(chunk, value)
    return value
