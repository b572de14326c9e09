"""Quantities as people write them, turned into the one unit that the code uses.

Bytes are integers, times are seconds, money is integer nano-dollars. This module must not know what is
measured.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rushes.errors import CallerError

_SIZE_UNITS: Final = {
    "": 1, "b": 1,
    "k": 1000, "kb": 1000, "m": 1000**2, "mb": 1000**2, "g": 1000**3, "gb": 1000**3,
    "t": 1000**4, "tb": 1000**4,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4,
}  # fmt: skip
_TIME_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_QUANTITY: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


@lru_cache(maxsize=256)
def parse_size(text: str | int) -> int:
    """Bytes of a size such as ``2GiB``, ``500 MB`` or ``4096``.

    Raises:
        CallerError: `text` is no size.
    """
    if isinstance(text, int):
        return text
    number, factor = _split(text, _SIZE_UNITS, "size", "2GiB, 500MB or a number of bytes")
    return round(number * factor)


def parse_duration(text: str | float) -> float:
    """Seconds of a duration such as ``90s``, ``15m``, ``2h`` or ``1.5``.

    Raises:
        CallerError: `text` is no duration.
    """
    if isinstance(text, int | float):
        return float(text)
    number, factor = _split(text, _TIME_UNITS, "duration", "90s, 15m, 2h or a number of seconds")
    return number * factor


def format_size(size_bytes: float) -> str:
    """A size for people: ``1.4 GiB``."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def format_duration(seconds: float) -> str:
    """A duration for people: ``0.42 s``, ``12 s``, ``3 m 05 s``, ``2 h 10 m``."""
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def _split(
    text: str, units: dict[str, int] | dict[str, float], noun: str, example: str
) -> tuple[float, float]:
    match = _QUANTITY.fullmatch(text)
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise CallerError(f"{text!r} is no {noun}.", code="bad-value", fix=f"Write {example}.")
    return float(match[1]), float(factor)


def format_digits(value: float, digits: int = 2) -> str:
    """A number with so many digits that count, without an exponent: ``0.079``, ``5.6``, ``12,000``."""
    from decimal import Decimal  # noqa: PLC0415 - every start imports this module, and few show figures

    return f"{Decimal(f'{value:.{digits}g}'):,f}"
