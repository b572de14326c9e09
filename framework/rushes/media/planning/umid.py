"""Material identifiers of an MXF file that are the same again for the same work, and unlike any other's.

ffmpeg draws its UMIDs (SMPTE ST 330) at random, so that no repeat is byte-identical; told to be exact it
writes the same zeros into every file, and Avid takes all of them for one clip. Here the zeros are filled
from a digest of what makes the file. This module must not know what that is.
"""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path
from typing import Final

from rushes.errors import PlatformError

__all__ = ["stamp_umid"]

_LABEL: Final = bytes.fromhex("060A2B340101010501010D0013")
"""Universal label, type and length: what every UMID that ffmpeg writes begins with."""
_BLANK: Final = _LABEL + bytes(3 + 15)
"""Instance number (3) and material number (16) as ffmpeg leaves them; the 16th byte tells packages apart."""


def stamp_umid(path: Path, identity: str) -> int:
    """Fill every blank UMID of an MXF file in place; returns how many there were.

    Args:
        path: a file that ffmpeg wrote with ``-fflags +bitexact``.
        identity: what makes this file this file; equal text gives equal UMIDs.

    Raises:
        PlatformError: there was none: the muxer writes them otherwise than is known here.
    """
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).digest()
    stamped = _LABEL + digest[:3] + digest[3:18]
    count = 0
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        place = view.find(_BLANK)
        while place >= 0:
            view[place : place + len(stamped)] = stamped
            count += 1
            place = view.find(_BLANK, place + len(_BLANK))
    if not count:
        raise PlatformError(
            "the MXF file has no blank identifier to fill.",
            code="bad-output",
            fix="Use the bundled ffmpeg, or container mov.",
        )
    return count
