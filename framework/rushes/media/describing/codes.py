"""Numbers of libavcodec and of standards, in the words that people use. Tables and cached look-ups.

Colour names are those of ITU-T H.273 as ffmpeg spells them; levels are as each standard writes them. This
module must not know containers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rushes.media.describing.schema import Colour, FieldOrder

__all__ = ["PixelFacts", "audio_bits", "colour", "field_order", "level", "pixel_facts"]

_PRIMARIES: Final = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_TRANSFER: Final = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
    10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
    16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_MATRIX: Final = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
    15: "ipt-c2", 16: "ycgco-re", 17: "ycgco-ro",
}  # fmt: skip
_FIELD_ORDERS: Final[tuple[FieldOrder, ...]] = ("unknown", "progressive", "tt", "bb", "tb", "bt")
_MPEG2_LEVELS: Final = {4: "High", 5: "High-P", 6: "High-1440", 8: "Main", 10: "Low"}
_PCM_BITS: Final = re.compile(r"pcm_[suf](\d+)")
_COMPANDED: Final = frozenset(("pcm_alaw", "pcm_mulaw", "pcm_vidc"))
_SUBSAMPLINGS: Final = {
    (1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1", (4, 4): "4:1:0", (1, 2): "4:4:0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """What a pixel format's name implies."""

    bit_depth: int | None
    subsampling: str | None
    alpha: bool


@lru_cache(maxsize=512)
def colour(primaries: int, transfer: int, matrix: int, range_: int) -> Colour:
    """The colour description of libavutil's four numbers; "unspecified" is None."""
    return Colour(
        primaries=_PRIMARIES.get(primaries),
        transfer=_TRANSFER.get(transfer),
        matrix=_MATRIX.get(matrix),
        range="limited" if range_ == 1 else "full" if range_ == 2 else None,
    )


def field_order(number: int) -> FieldOrder:
    """The field order of libavcodec's number."""
    return _FIELD_ORDERS[number] if 0 <= number < len(_FIELD_ORDERS) else "unknown"


@lru_cache(maxsize=512)
def level(codec: str, number: int) -> str | None:
    """A codec level as its standard writes it: ``4.1`` for H.264's 41 and HEVC's 123."""
    if number < 0:
        return None
    if codec == "mpeg2video":
        return _MPEG2_LEVELS.get(number)
    if codec == "h264":
        return "1b" if number == 9 else _tenths(number)
    if codec == "hevc":
        return _tenths(number // 3) if number else None
    if codec == "av1":
        return f"{2 + (number >> 2)}.{number & 3}" if number < 24 else None
    return _tenths(number) if codec == "vp9" and number else str(number) if number else None


def _tenths(number: int) -> str:
    whole, tenth = divmod(number, 10)
    return f"{whole}.{tenth}" if tenth else str(whole)


@lru_cache(maxsize=512)
def pixel_facts(pix_fmt: str) -> PixelFacts:
    """Depth, chroma subsampling and alpha of a pixel format that libavutil knows."""
    from av.video.format import VideoFormat  # noqa: PLC0415 - heavy, and only for clips with pictures

    pixels = VideoFormat(pix_fmt)
    parts = pixels.components
    has_chroma = len(parts) > 2 and not pixels.is_rgb and not pixels.has_palette
    steps = (16 // pixels.chroma_width(16), 16 // pixels.chroma_height(16)) if has_chroma else None
    return PixelFacts(
        bit_depth=8 if pixels.has_palette else max((c.bits for c in parts), default=None),
        subsampling=_SUBSAMPLINGS.get(steps) if steps else None,
        alpha=any(c.is_alpha for c in parts),
    )


def audio_bits(codec: str, extradata: bytes | None) -> int | None:
    """Bits a sample of PCM and of lossless codecs that state them; None for lossy ones."""
    pcm = _pcm_bits(codec)
    if pcm or not extradata:
        return pcm
    if codec == "flac" and len(extradata) >= 34:  # STREAMINFO: 5 bits across bytes 12 and 13, minus one
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec == "alac" and len(extradata) >= 36:  # an atom header of 12 bytes, then ALACSpecificConfig
        return extradata[17]
    return None


@lru_cache(maxsize=256)
def _pcm_bits(codec: str) -> int | None:
    if codec in _COMPANDED:
        return 8
    found = _PCM_BITS.match(codec)
    return int(found[1]) if found else None
