"""The ends of one batch as a follower counts them: in the order in which they were found, each once.

A ledger that many write has no order of ends of its own. It tells what ended since a time by the clocks of
those who ended it, a little late now and then; so each look begins a little before the last one ended, and
where a count says that something was missed, all of it is looked at again. This module must not know which
ledger it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rushes.ledger import Tally
    from rushes.ports import Desk

__all__ = ["Ends"]

OVERLAP_S: Final = 10.0
"""What clocks of hosts differ by, and what an index is late by, at most, as a rule."""
AGAIN_S: Final = 5.0
"""Between two looks at everything."""
WORTH_A_LOOK: Final = 10
"""Who can wait looks once a tenth more than it knows has ended: looks grow with the digits of a batch's size,
and not with its length in seconds."""


class Ends:
    """What has ended of a batch, by sequence numbers from 1.

    Args:
        desk: the ledger.
        batch: its id there.
    """

    def __init__(self, desk: Desk, batch: str) -> None:
        self._desk = desk
        self._batch = batch
        self._order: list[int] = []
        """Numbers by sequence; 0 where one ended again, later."""
        self._found: dict[int, tuple[float, int]] = {}
        """When a number ended, and its place in the order."""
        self._counted: tuple[int, float | None] = (0, None)
        self._newest = 0.0
        self._all_at = float("-inf")

    def look(self, tally: Tally, now: float, *, patient: bool = False) -> None:
        """Take in what has ended, where the count of a batch says that something has.

        Args:
            tally: how far the batch is.
            now: seconds, on any clock.
            patient: a little of much can wait until there is more.
        """
        ended = sum(tally.ended.values())
        counted = ended, tally.last
        if counted == self._counted and len(self._found) >= ended:
            return
        if patient and ended < tally.total and ended - len(self._found) < len(self._found) // WORTH_A_LOOK:
            return
        self._take(max(self._newest - OVERLAP_S, 0.0))
        if len(self._found) < ended and now - self._all_at >= AGAIN_S:
            self._all_at = now
            self._take(0.0)
        if self._newest >= (tally.last or 0.0):  # else the index is late, and is asked again
            self._counted = counted

    def after(self, seq: int, limit: int) -> list[tuple[int, int]]:
        """Sequence numbers and numbers of the ends behind `seq`, at most so many."""
        out: list[tuple[int, int]] = []
        for place in range(seq, len(self._order)):
            if self._order[place]:
                out.append((place + 1, self._order[place]))
                if len(out) == limit:
                    break
        return out

    def _take(self, since: float) -> None:
        for at, n in self._desk.ends(self._batch, since):
            before = self._found.get(n)
            if before is not None:
                if before[0] == at:
                    continue
                self._order[before[1]] = 0  # it was tried again, and this is how it ended now
            self._found[n] = at, len(self._order)
            self._order.append(n)
            self._newest = max(self._newest, at)
