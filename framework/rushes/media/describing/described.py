"""The clips that this process described last: so that what an attempt has read need not be read again.

For whoever wants to know what a clip was, once it has been worked on; never in place of looking at it. This
module must not know what is done with it.
"""

from __future__ import annotations

from typing import Final

from rushes.media.describing.schema import MediaInfo

__all__ = ["recall", "remember"]

# A joint attempt describes its source and what each function has made of it.
_KEPT: Final = 8
_described: Final[dict[str, MediaInfo]] = {}


def remember(uri: str, info: MediaInfo) -> None:
    """A clip has been described; the one that was described longest ago may be forgotten."""
    _described.pop(uri, None)
    _described[uri] = info
    while len(_described) > _KEPT:
        _described.pop(next(iter(_described)), None)


def recall(uri: str) -> MediaInfo | None:
    """What a clip was when this process last described it; None where it has not, or has forgotten."""
    return _described.get(uri)
