"""HDR metadata in the messages (SEI) of H.264 and HEVC: beside parameter sets, and in coded frames.

ITU-T H.264 annex D; H.265 likewise. Nothing is decoded. Pure functions of bytes: what cannot be parsed is not
there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rushes.media.describing.coded_units import sized, start_coded, unescape, units_of
from rushes.media.describing.hdr_boxes import content_light, mastering_display
from rushes.media.describing.schema import ContentLight, MasteringDisplay

__all__ = ["StaticHdr", "hdr_of_frame", "hdr_of_parameters"]

_H264_SEI: Final = 6
_HEVC_SEI: Final = (39, 40)
_HEVC_DOLBY_RPU: Final = 62
_SEI_T35: Final = 4
_SEI_MASTERING: Final = 137
_SEI_LIGHT: Final = 144
# country US, provider 0x003C (Samsung), oriented code 1, application 4: HDR10+ (CTA-861 annex S).
_HDR10_PLUS: Final = b"\xb5\x00\x3c\x00\x01\x04"


@dataclass(frozen=True, slots=True)
class StaticHdr:
    """HDR messages that were found."""

    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    hdr10_plus: bool = False
    dolby_rpu: bool = False


@lru_cache(maxsize=512)
def hdr_of_parameters(codec: str, extradata: bytes) -> StaticHdr:
    """The HDR messages that an encoder put beside its parameter sets."""
    return _hdr(codec, units_of(codec, extradata))


def hdr_of_frame(codec: str, packet: bytes, extradata: bytes) -> StaticHdr:
    """The HDR messages of one coded frame, whose packaging `extradata` tells."""
    at = 21 if codec == "hevc" else 4
    if len(extradata) <= at or extradata[0] != 1:
        return _hdr(codec, start_coded(packet))
    return _hdr(codec, sized(packet, (extradata[at] & 3) + 1))


def _hdr(codec: str, units: Iterator[bytes]) -> StaticHdr:
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    plus = rpu = False
    is_hevc = codec == "hevc"
    for unit in units:
        kind = unit[0] >> 1 & 0x3F if is_hevc else unit[0] & 0x1F
        if is_hevc and kind == _HEVC_DOLBY_RPU:
            rpu = True
        if (kind in _HEVC_SEI) if is_hevc else kind == _H264_SEI:
            for message, payload in _messages(unescape(unit)[2 if is_hevc else 1 :]):
                if message == _SEI_MASTERING:
                    mastering = mastering_display(payload)
                elif message == _SEI_LIGHT:
                    light = content_light(payload)
                elif message == _SEI_T35 and payload.startswith(_HDR10_PLUS):
                    plus = True
    return StaticHdr(mastering, light, plus, rpu)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 < len(data):
        kind = size = 0
        while at < len(data) and data[at] == 0xFF:
            kind += 255
            at += 1
        if at >= len(data):
            return
        kind += data[at]
        at += 1
        while at < len(data) and data[at] == 0xFF:
            size += 255
            at += 1
        if at >= len(data):
            return
        size += data[at]
        at += 1
        yield kind, data[at : at + size]
        at += size
