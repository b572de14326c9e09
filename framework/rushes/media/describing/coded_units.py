"""The units of H.264 and HEVC as streams are packed: ``avcC``, ``hvcC``, or start codes.

Pure functions of bytes; where they do not go on, nothing more comes. This module must not
know what a unit says.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["sized", "start_coded", "unescape", "units_of"]


def units_of(codec: str, extradata: bytes) -> Iterator[bytes]:
    """The units of a stream's parameter sets."""
    if extradata[:1] != b"\x01":
        return start_coded(extradata)
    return _hvcc(extradata) if codec == "hevc" else _avcc(extradata)


def _avcc(data: bytes) -> Iterator[bytes]:
    at = 6
    if len(data) < at:
        return
    for _ in range(data[5] & 0x1F):
        length = int.from_bytes(data[at : at + 2], "big")
        unit = data[at + 2 : at + 2 + length]
        if not unit:
            return
        yield unit
        at += 2 + length


def _hvcc(data: bytes) -> Iterator[bytes]:
    if len(data) < 23:
        return
    at = 23
    for _ in range(data[22]):
        count = int.from_bytes(data[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(data[at : at + 2], "big")
            unit = data[at + 2 : at + 2 + length]
            if len(unit) < 2:
                return
            yield unit
            at += 2 + length


def start_coded(data: bytes) -> Iterator[bytes]:
    """Units behind start codes."""
    for part in data.split(b"\x00\x00\x01")[1:]:
        if len(part) > 1:
            yield part


def sized(data: bytes, size: int) -> Iterator[bytes]:
    """Units behind their sizes, of so many bytes each."""
    at = 0
    while at + size < len(data):
        length = int.from_bytes(data[at : at + size], "big")
        unit = data[at + size : at + size + length]
        if len(unit) < 2:
            return
        yield unit
        at += size + length


def unescape(unit: bytes) -> bytes:
    """A unit without what keeps start codes out of it."""
    return unit.replace(b"\x00\x00\x03", b"\x00\x00")
