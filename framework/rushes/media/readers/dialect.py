"""What the majors of PyAV say differently, 18 and 19; what else reads hears it one way.

    before 19   ratios are `Fraction`, or None where there is none; texts are decoded as `av.open` is told
    from 19 on  ratios are `AVRational`, false where there is none; between themselves they are rounded to 32
                bits. Texts are decoded with escapes for what is no UTF-8, and `av.open` is told nothing.
                What lies beside a picture is walked by its kinds, and not by itself

This module must not know what is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Any

__all__ = ["beside", "ratio", "text_options", "texts"]


def ratio(told: Any) -> Fraction | None:
    """A ratio that PyAV tells, exact; None where it tells none."""
    if told is None or type(told) is Fraction:
        return told
    return Fraction(told.numerator, told.denominator) if told else None


def beside(frame: Any) -> dict[str, bytes]:
    """What lies beside a decoded picture, by the name of its kind."""
    found = frame.side_data
    if _major() >= 19:
        return {kind.name: bytes(found[kind]) for kind in found}
    return {item.type.name: bytes(item) for item in found}


def texts(told: Mapping[str, str]) -> dict[str, str]:
    """The texts of a file, with a mark in place of what is no UTF-8: JSON takes no other."""
    return {_whole(name): _whole(text) for name, text in told.items()}


def _whole(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@cache
def text_options() -> dict[str, Any]:
    """Arguments for `av.open`, so that a text that is no UTF-8 is no error."""
    return {"metadata_errors": "replace"} if _major() < 19 else {}


@cache
def _major() -> int:
    import av  # noqa: PLC0415 - heavy; the command line imports this module

    return int(av.__version__.partition(".")[0])
