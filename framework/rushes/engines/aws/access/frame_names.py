"""The numbers of a sequence as few names with ``?``, each of which stands for any one character. Pure.

1001 to 1096 are ``100?`` to ``109?``: with those ten names, no more than the ends of a decade are said too
much, and with fewer as little as they can say. This module must not know what the names are part of.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["names_of"]


def names_of(first: int, last: int, padding: int, most: int) -> list[str]:
    """Names that together stand for every number from `first` to `last`, both in, in their order.

    Args:
        first: the lowest.
        last: the highest.
        padding: numbers have so many digits at least, with zeros before them.
        most: no more names than so many, but for one a length of the numbers.
    """
    blocks: list[_Block] = []
    for digits in range(max(padding, len(str(first))), max(padding, len(str(last))) + 1):
        low = max(first, 10 ** (digits - 1) if digits > padding else 0)
        blocks.append(_around(low, min(last, 10**digits - 1), digits))
    while True:
        widest = max(blocks, key=lambda one: one.more_than(first, last))
        if not widest.more_than(first, last):
            break
        parts = [one for one in widest.tenths() if one.meets(first, last)]
        if len(blocks) - 1 + len(parts) > most:
            break
        at = blocks.index(widest)
        blocks[at : at + 1] = parts
    return [one.name for one in blocks]


class _Block(NamedTuple):
    """Ten to the `free` numbers, from `low`."""

    low: int
    free: int
    digits: int

    @property
    def name(self) -> str:
        fixed = f"{self.low:0{self.digits}d}"[: self.digits - self.free]
        return fixed + "?" * self.free

    def meets(self, first: int, last: int) -> bool:
        return self.low <= last and first < self.low + 10**self.free

    def more_than(self, first: int, last: int) -> int:
        """So many of its numbers are none of these."""
        count: int = 10**self.free
        return count - (min(last, self.low + count - 1) - max(first, self.low) + 1)

    def tenths(self) -> list[_Block]:
        step = 10 ** (self.free - 1)
        return [_Block(self.low + n * step, self.free - 1, self.digits) for n in range(10)]


def _around(first: int, last: int, digits: int) -> _Block:
    """The smallest block with both."""
    free = 0
    while first // 10**free != last // 10**free:
        free += 1
    return _Block(first // 10**free * 10**free, free, digits)
