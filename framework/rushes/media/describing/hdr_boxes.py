"""HDR descriptions as containers and bitstreams write them: ST 2086, CTA-861.3, Dolby Vision.

The ISO boxes `mdcv` and `clli` and the SEI messages 137 and 144 have the same payload (ISO/IEC 14496-12,
ITU-T H.265 annex D). Pure functions of bytes; an impossible payload gives None.
"""

from __future__ import annotations

import struct
from typing import Final

from rushes.media.describing.schema import ContentLight, DolbyVision, MasteringDisplay

__all__ = ["content_light", "dolby_vision", "mastering_display"]

_CHROMATICITY: Final = 50_000  # units of 0.00002
_LUMINANCE: Final = 10_000  # units of 0.0001 cd/m²


def mastering_display(payload: bytes) -> MasteringDisplay | None:
    """ST 2086 of 24 bytes: green, blue, red, white in x, y, then the brightest and the darkest level."""
    if len(payload) < 24:
        return None
    values = struct.unpack_from(">8H2I", payload)
    if not any(values):
        return None
    green, blue, red, white = (
        (values[i] / _CHROMATICITY, values[i + 1] / _CHROMATICITY) for i in range(0, 8, 2)
    )
    return MasteringDisplay(
        red=red,
        green=green,
        blue=blue,
        white=white,
        max_luminance=values[8] / _LUMINANCE,
        min_luminance=values[9] / _LUMINANCE,
    )


def content_light(payload: bytes) -> ContentLight | None:
    """CTA-861.3 of 4 bytes: MaxCLL, MaxFALL; zeros mean "not known"."""
    if len(payload) < 4:
        return None
    brightest, average = struct.unpack_from(">HH", payload)
    return ContentLight(max_cll=brightest, max_fall=average) if brightest or average else None


def dolby_vision(record: bytes) -> DolbyVision | None:
    """The Dolby Vision decoder configuration record (`dvcC`, `dvvC`) of at least 5 bytes."""
    if len(record) < 5:
        return None
    bits = int.from_bytes(record[2:5], "big")
    return DolbyVision(
        version=f"{record[0]}.{record[1]}",
        profile=bits >> 17,
        level=(bits >> 11) & 0x3F,
        rpu=bool(bits & 0x400),
        enhancement_layer=bool(bits & 0x200),
        base_layer=bool(bits & 0x100),
        compatibility=(bits & 0xFF) >> 4,
    )
