"""Money in integer nano-dollars: the one rounding rule, exact division, and how amounts are read and written.

What is owed is price × quantity, worked out exactly and rounded **up** to a whole nano-dollar, once, where
the price meets the quantity: no bill is ever larger than what was counted. What has been counted is only
divided in whole units, by largest remainder, so parts always add up to the whole. There are no floats here.
This module must not know what is bought.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from rushes.errors import CallerError

__all__ = [
    "GIB",
    "HOUR_US",
    "KWH_NJ",
    "NANO",
    "format_dollars",
    "micros",
    "owed",
    "parse_dollars",
    "share_out",
]

NANO: Final = 1_000_000_000
"""Nano-dollars of a dollar."""
HOUR_US: Final = 3_600_000_000
"""Microseconds of an hour: times of machines are whole microseconds, which UTC seconds in a float resolve."""
GIB: Final = 1 << 30
"""What clouds bill as a GB."""
KWH_NJ: Final = 3_600_000 * NANO
"""Nanojoules of a kilowatt-hour; milliwatts × microseconds are nanojoules."""

# $0.0000002 a request is real; anything that has no whole nano-dollars is not a price anybody quotes.
MOST_DOLLARS: Final = 10**12
# Half of the world writes 5,00 for five: taken for 500 it would be a cap a hundred times too high.
_THOUSANDS: Final = re.compile(r"\$?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?", re.ASCII)


def owed(price: int, quantity: int, per: int = 1) -> int:
    """Nano-dollars owed for `quantity` at `price` nano-dollars for each `per`: exact, then rounded up."""
    return -(-price * quantity // per)


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in whole parts by weight; the parts sum to it exactly.

    What whole parts leave over goes, one unit each, to the largest remainders, the earlier first. With no
    weight at all everything is the last one's.
    """
    whole = sum(weights)
    if whole <= 0:
        return [0] * (len(weights) - 1) + [total] if weights else []
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    if left:
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
        for index in by_remainder[:left]:
            parts[index] += 1
    return parts


def micros(seconds: float) -> int:
    """Whole microseconds of an instant or a duration in seconds."""
    return round(seconds * 1_000_000)


def parse_dollars(value: str | int | Decimal, *, per: int = 1) -> int:
    """Nano-dollars of a number of dollars such as ``0.526`` or ``$40``, times `per`.

    `per` turns a price into that of a larger unit, in which it is whole: dollars a second, × 3600.

    Raises:
        CallerError: it is no number of dollars from 0 up, or finer than a nano-dollar.
    """
    text = str(value).strip()
    if "," in text and not _THOUSANDS.fullmatch(text):
        raise _bad(text, "has a comma that sets no thousands apart")
    try:
        exact = Decimal(text.removeprefix("$").replace(",", "")) * NANO * per
    except InvalidOperation:
        raise _bad(text, "is no number of dollars") from None
    if not exact.is_finite() or exact < 0 or exact > MOST_DOLLARS * NANO:
        raise _bad(text, f"is no price: it has to be 0 or more, and at most {MOST_DOLLARS:,}")
    if exact != exact.to_integral_value():
        raise _bad(text, "is finer than a nano-dollar")
    return int(exact)


def format_dollars(nano: int, *, at_least: bool = False) -> str:
    """An amount for people: ``$1,204.10``, ``$0.0031``, ``$0``: cents, or two digits of what is smaller.

    It is rounded to the nearest; with `at_least`, up: whoever pays what is shown has paid enough.
    """
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    if nano == 0:
        return "$0"
    places = 2
    while places < 9 and nano < 10 ** (10 - places):  # two digits that are not 0
        places += 1
    step = 10 ** (9 - places)
    rounded = -(-nano // step) if at_least else (nano + step // 2) // step
    whole, part = divmod(rounded, 10**places)
    return f"{sign}${whole:,}.{part:0{places}d}"


def _bad(text: str, what: str) -> CallerError:
    return CallerError(f"{text!r} {what}.", code="bad-value", fix="Write dollars, such as 0.526 or $40.")
