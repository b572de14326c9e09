"""One reservation of an attempt, and when which of them may have spent what they may.

Where nobody writes changes down those alone are looked at that may have come to an end of what they have.
This module must not know who pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from typing import Final

from rushes.core.events import Shape
from rushes.core.spending.budget import Payer
from rushes.core.spending.tariff import AHEAD_S, LEASE_S

__all__ = ["Dues", "Paid"]

_MARGIN_S: Final = 1e-6
"""Sums of times are not exact to the last digit."""


@dataclass(slots=True)
class Paid:
    """One reservation.

    Args:
        number: in the budget.
        shape, payer: what runs, and for whom.
        amount: nano-dollars that it may spend.
        seconds: how long that lasts: for so long it may work in all.
        looked_s: how long it had worked when it was looked at last.
        by_next: what it can have spent `LEASE_S` later: what is charged if nothing more is ever heard of it.
    """

    number: int
    shape: Shape
    payer: Payer
    amount: int
    seconds: float = 0.0
    looked_s: float = 0.0
    by_next: int = 0
    due: float = inf
    """When it is looked at next, where that is kept: before it may have spent what it may."""

    @property
    def until_s(self) -> float:
        """How long it may have worked before somebody has to look at it again."""
        return self.looked_s + LEASE_S


class Dues:
    """When what is open may have spent what it may, at the earliest.

    It is asked once a second, so what is due in one second lies together, in no order: every attempt comes in
    and goes out, and one line of them all would be sorted for nothing.
    """

    __slots__ = ("_of", "_seconds")

    def __init__(self) -> None:
        self._of: dict[int, list[tuple[float, int]]] = {}  # by whole second: when, and which
        self._seconds: list[int] = []  # those of `_of`, as a heap

    def expect(self, id: int, paid: Paid, worked_s: float, now: float) -> None:  # noqa: A002 - as everywhere
        """What has worked so long need not be looked at before it may have spent what it may."""
        at = now + max(paid.seconds - worked_s - AHEAD_S, 0.0)
        if at < paid.due:
            paid.due = at
            self._put(int(at), (at, id))

    def _put(self, second: int, entry: tuple[float, int]) -> None:
        together = self._of.get(second)
        if together is None:
            self._of[second] = [entry]
            heappush(self._seconds, second)
        else:
            together.append(entry)

    def by(self, now: float, open: Mapping[int, Paid]) -> set[int]:  # noqa: A002 - as `Purse.open`
        """Those that may have spent what they may by now; whoever looks at them calls `expect`."""
        found: set[int] = set()
        seconds, latest = self._seconds, now + _MARGIN_S
        later: list[tuple[float, int]] = []  # of the second that it is
        while seconds and seconds[0] <= latest:
            for entry in self._of.pop(heappop(seconds)):
                at, id_ = entry
                if at > latest:
                    later.append(entry)
                    continue
                paid = open.get(id_)
                if paid is not None and paid.due == at:
                    paid.due = inf
                    found.add(id_)
        for entry in later:
            self._put(int(entry[0]), entry)
        return found
