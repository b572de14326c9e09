"""The encoder catalogue: every encoder that an encode may use, as rows of data, a module a family.

The rows say how an encoder spells a wish; `families` how a device is named and what it decodes; `cards` what
devices can do, draw and cost. Which of them work on a host is found by trying them, elsewhere.
"""

from __future__ import annotations

from typing import Final

from rushes.media.encoders.families import FAMILIES, Decode, Family
from rushes.media.encoders.netint import NETINT
from rushes.media.encoders.nvenc import NVENC
from rushes.media.encoders.others import AMA, QSV, VAAPI
from rushes.media.encoders.rows import (
    EncoderFamily,
    OptionRule,
    Quality,
    Raster,
    Spelling,
    Variant,
    VideoEncoder,
)
from rushes.media.encoders.software import SOFTWARE

__all__ = [
    "FAMILIES",
    "VIDEO_ENCODERS",
    "Decode",
    "EncoderFamily",
    "Family",
    "OptionRule",
    "Quality",
    "Raster",
    "Spelling",
    "Variant",
    "VideoEncoder",
    "rows_of",
]

VIDEO_ENCODERS: Final[tuple[VideoEncoder, ...]] = (*SOFTWARE, *NVENC, *NETINT, *AMA, *QSV, *VAAPI)
"""In order of preference within a codec."""


def rows_of(codec: str, family: str | None = None) -> tuple[VideoEncoder, ...]:
    """The rows that fulfil a codec, of one family where that is given."""
    return tuple(e for e in VIDEO_ENCODERS if e.codec == codec and family in (None, e.family))
