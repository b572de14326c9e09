"""What a failed try says of the device that it ran on: that it is full, that it is gone, that it may be ill.

Pure. This module must not know what follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from rushes.errors import PlatformError, RushesError

__all__ = ["News", "held_not_failed", "news_of"]

News = Literal["", "busy", "lost", "fault", "unknown"]
"""``busy``: it had no session or memory. ``lost``: it says itself that it is of no use. ``fault``: it may
have been its fault. ``unknown``: nobody knows what its words mean, and that is counted. ``""``: the try says
nothing of the device."""

# Whatever the first lines were about: nvEncodeAPI.h (device does not exist), Intel's mfxdefs.h, the kernel.
_LOST: Final = re.compile(
    r"device does not exist|MFX_ERR_DEVICE_(LOST|FAILED)|device failed \(-17\)|fallen off the bus|NVRM: Xid"
    r"|CUDA_ERROR_(ECC_UNCORRECTABLE|DEVICE_UNAVAILABLE)",
    re.IGNORECASE,
)
# A clip that makes every encoder fail so makes a device sick that is none: one picture clears it of that.
_FAULTS: Final = frozenset({"encoder-failed", "crashed", "stalled", "bad-output"})


def news_of(error: RushesError) -> News:
    """What the error of a try on a device says of the device."""
    if not isinstance(error, PlatformError):
        return ""
    if error.code == "encoder-busy":
        return "busy"
    if error.code == "device-sick" or _LOST.search(str(error.details.get("stderr_tail", ""))):
        return "lost"
    if error.code in _FAULTS:
        return "fault"
    return "unknown" if error.code == "tool-failed" else ""


@contextmanager
def held_not_failed() -> Iterator[None]:
    """What is done here fails with ``no-free-device`` where a device was full or is sick: nobody's failure.

    Around all that may make an output: what is one of several ways fails as it fails.

    Raises:
        PlatformError: code ``no-free-device``.
    """
    try:
        yield
    except PlatformError as error:
        if news_of(error) not in {"busy", "lost"}:
            raise
        raise PlatformError(
            error.message,
            code="no-free-device",
            fix="It is tried again by itself; allow a fallback to go on without this device.",
            details={**error.details, "because": error.code},
        ) from error
