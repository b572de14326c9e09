"""What parameter sets say and libavformat keeps to itself: chroma location, reordering.

Reads H.264 and HEVC extradata (ITU-T H.264 7.3 and annex E; H.265 likewise). Nothing is decoded. Pure
functions of bytes: what cannot be parsed gives the value that the standard infers, or None.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rushes.media.describing.coded_units import unescape, units_of

__all__ = ["chroma_location", "reorder_is_stated"]

_LOCATIONS: Final = ("left", "center", "topleft", "top", "bottomleft", "bottom")
_H264_HIGH: Final = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_H264_SPS: Final = 7
_HEVC_SPS: Final = 33
_EXTENDED_SAR: Final = 255
_IN_DECODING_ORDER: Final = 2


class _Bits:
    """A reader of bits; running past the end raises ValueError or IndexError, which callers expect."""

    __slots__ = ("at", "text")

    def __init__(self, payload: bytes) -> None:
        self.text = format(int.from_bytes(b"\x01" + payload, "big"), "b")[1:]
        self.at = 0

    def u(self, count: int) -> int:
        start = self.at
        self.at = start + count
        return int(self.text[start : self.at], 2)

    def ue(self) -> int:
        one = self.text.index("1", self.at)
        zeros = one - self.at
        self.at = one + zeros + 1
        return int(self.text[one : self.at], 2) - 1

    def skip(self, count: int) -> None:
        self.at += count


# Clips of one camera share their parameter sets: a thousand of them are parsed once.
@lru_cache(maxsize=512)
def chroma_location(codec: str, extradata: bytes) -> str | None:
    """Where chroma samples lie in 4:2:0 pictures, as H.264 or HEVC parameter sets say or infer.

    Args:
        codec: ``h264`` or ``hevc``.
        extradata: the stream's, in either packaging.
    """
    is_hevc = codec == "hevc"
    try:
        for unit in units_of(codec, extradata):
            kind = unit[0] >> 1 & 0x3F if is_hevc else unit[0] & 0x1F
            if kind == (_HEVC_SPS if is_hevc else _H264_SPS):
                raw = unescape(unit)
                at = _hevc_location(_Bits(raw[2:])) if is_hevc else _h264_location(_Bits(raw[1:]))
                return _LOCATIONS[at] if at < len(_LOCATIONS) else None
    except (ValueError, IndexError):
        return None
    return None


@lru_cache(maxsize=512)
def reorder_is_stated(extradata: bytes) -> bool:
    """Whether an H.264 stream says how far its pictures are reordered; otherwise that is seen by decoding.

    It does by its bitstream restriction (E.2.1), or because output follows decoding order (type 2, 8.2.1).
    """
    try:
        for unit in units_of("h264", extradata):
            if unit[0] & 0x1F == _H264_SPS:
                bits = _Bits(unescape(unit)[1:])
                if _h264_before_vui(bits) == _IN_DECODING_ORDER:
                    return True
                return bool(bits.u(1)) and _restricted(bits)
    except (ValueError, IndexError):
        return False
    return False


def _h264_location(bits: _Bits) -> int:
    _h264_before_vui(bits)
    return _vui_location(bits) if bits.u(1) else 0


def _h264_before_vui(bits: _Bits) -> int:
    """Read on to the flag that says whether a VUI follows; gives the type of picture order count."""
    profile = bits.u(8)
    bits.skip(16)
    bits.ue()
    chroma = 1
    if profile in _H264_HIGH:
        chroma = bits.ue()
        if chroma == 3:
            bits.skip(1)
        bits.ue()
        bits.ue()
        bits.skip(1)
        if bits.u(1):
            _h264_scaling(bits, 12 if chroma == 3 else 8)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.skip(1)
        bits.ue()
        bits.ue()
        for _ in range(bits.ue()):
            bits.ue()
    bits.ue()
    bits.skip(1)
    bits.ue()
    bits.ue()
    if not bits.u(1):
        bits.skip(1)
    bits.skip(1)
    _cropping(bits)
    return order


def _restricted(bits: _Bits) -> bool:
    """Whether a VUI of H.264 has the bitstream restriction, which states the reordering."""
    _vui_location(bits)
    if bits.u(1):
        bits.skip(65)
    timed = False
    for _ in range(2):
        if bits.u(1):
            _hrd(bits)
            timed = True
    if timed:
        bits.skip(1)
    bits.skip(1)
    return bool(bits.u(1))


def _hrd(bits: _Bits) -> None:
    """Skip the parameters of a hypothetical reference decoder (E.1.2)."""
    count = bits.ue() + 1
    bits.skip(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.skip(1)
    bits.skip(20)


def _h264_scaling(bits: _Bits, count: int) -> None:
    for i in range(count):
        if not bits.u(1):
            continue
        last = following = 8
        for _ in range(16 if i < 6 else 64):
            if following:
                code = bits.ue()
                following = (last + (code + 1 >> 1 if code & 1 else -(code >> 1))) % 256
            last = following or last


def _cropping(bits: _Bits) -> None:
    if bits.u(1):
        for _ in range(4):
            bits.ue()


def _vui_location(bits: _Bits) -> int:
    """The chroma location of a VUI, whose start H.264 and HEVC share; 0 (left) is inferred."""
    if bits.u(1) and bits.u(8) == _EXTENDED_SAR:
        bits.skip(32)
    if bits.u(1):
        bits.skip(1)
    if bits.u(1):
        bits.skip(4)
        if bits.u(1):
            bits.skip(24)
    if bits.u(1):
        top = bits.ue()
        bits.ue()
        return top
    return 0


def _hevc_location(bits: _Bits) -> int:
    bits.skip(4)
    sublayers = bits.u(3)
    bits.skip(1)
    _hevc_tier(bits, sublayers)
    bits.ue()
    if bits.ue() == 3:
        bits.skip(1)
    bits.ue()
    bits.ue()
    _cropping(bits)
    bits.ue()
    bits.ue()
    order_bits = bits.ue() + 4
    for _ in range(1 if not bits.u(1) else sublayers + 1):
        for _ in range(3):
            bits.ue()
    for _ in range(6):
        bits.ue()
    if bits.u(1) and bits.u(1):
        _hevc_scaling(bits)
    bits.skip(2)
    if bits.u(1):
        bits.skip(8)
        bits.ue()
        bits.ue()
        bits.skip(1)
    _hevc_picture_sets(bits)
    if bits.u(1):
        for _ in range(bits.ue()):
            bits.skip(order_bits + 1)
    bits.skip(2)
    return _vui_location(bits) if bits.u(1) else 0


def _hevc_tier(bits: _Bits, sublayers: int) -> None:
    bits.skip(96)
    if not sublayers:
        return
    present = [(bits.u(1), bits.u(1)) for _ in range(sublayers)]
    bits.skip(2 * (8 - sublayers))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)


def _hevc_scaling(bits: _Bits) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.u(1):
                bits.ue()
                continue
            if size > 1:
                bits.ue()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                bits.ue()


def _hevc_picture_sets(bits: _Bits) -> None:
    counts: list[int] = []
    total = bits.ue()
    if total > 64:
        raise ValueError(total)
    for i in range(total):
        if i and bits.u(1):
            bits.skip(1)
            bits.ue()
            kept = 0
            for _ in range(counts[-1] + 1):
                if bits.u(1) or bits.u(1):
                    kept += 1
            counts.append(kept)
            continue
        negative, positive = bits.ue(), bits.ue()
        if negative + positive > 32:
            raise ValueError(negative)
        for _ in range(negative + positive):
            bits.ue()
            bits.skip(1)
        counts.append(negative + positive)
