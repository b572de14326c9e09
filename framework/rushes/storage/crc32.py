"""CRC-32 of a whole from those of its parts, so that nothing has to be read a second time.

The arithmetic is that of zlib's ``crc32_combine``: what stands before so many bytes is multiplied by x to
the power of so many bits, modulo the polynomial of CRC-32 (ITU-T V.42), whose bits are in reverse. This
module must not know files.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from typing import Final

__all__ = ["crc32_of_parts", "crc32_text", "crc32_value"]

_POLYNOMIAL: Final = 0xEDB8_8320
_ONE: Final = 1 << 31
"""x to the power of 0."""


def crc32_of_parts(parts: Iterable[tuple[int, int]]) -> int:
    """Of bytes that are known by the CRC-32 and the length of each of their parts, in order."""
    whole = 0
    for crc, length in parts:
        whole = _times(_shift(length), whole) ^ crc
    return whole


def crc32_text(crc: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(crc.to_bytes(4)).decode()


def crc32_value(text: str) -> int:
    """What S3 wrote."""
    return int.from_bytes(base64.b64decode(text))


@cache
def _shift(length: int) -> int:
    """X to the power of the bits of so many bytes; nearly all parts of a file have one length."""
    power, square, bits = _ONE, _ONE >> 1, length * 8
    while bits:
        if bits & 1:
            power = _times(power, square)
        square = _times(square, square)
        bits >>= 1
    return power


def _times(one: int, other: int) -> int:
    product = 0
    for place in range(31, -1, -1):
        if one >> place & 1:
            product ^= other
        other = other >> 1 ^ _POLYNOMIAL if other & 1 else other >> 1
    return product
