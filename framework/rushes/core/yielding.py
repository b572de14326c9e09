"""Attempts that wait for parts of their own: which they are, who may go on, who may not begin meanwhile.

Whoever waits lends its cores and keeps its process and its memory. So that those do not pile up, no more than
`limit` attempts of one depth may wait at once: work of a function that has been seen to wait is barred until
there are fewer. Barred work stands in no line and claims nothing. Parts are never barred by those who wait
for them, as these are of a lower depth; so the deepest always go on, and with them in the end all others.
This module must not know rooms or commands.
"""

from __future__ import annotations

from rushes.core.events import Shape
from rushes.core.ordering import Level
from rushes.core.slots import Slot

__all__ = ["Yielding"]


class Yielding:
    """Who waits on one pool."""

    __slots__ = ("_at_depth", "_limit", "barred", "known", "woken")

    def __init__(self, limit: int) -> None:
        self._limit = max(limit, 1)
        self._at_depth: dict[int, int] = {}
        self.known: set[str] = set()  # functions that have been seen to wait
        self.woken: dict[int, Slot] = {}  # by slot number: they want to go on
        self.barred: set[str] = set()  # batches that stand in no line until fewer wait

    def waits(self, shape: Shape) -> None:
        """An attempt of this shape waits."""
        self._at_depth[shape.depth] = self.waiting_at(shape.depth) + 1
        self.known.add(shape.function)

    def waits_no_longer(self, slot: Slot, shape: Shape) -> list[str]:
        """It goes on, or has ended; gives the batches that may stand in line again."""
        self._at_depth[shape.depth] -= 1
        self.woken.pop(slot.number, None)
        freed = sorted(self.barred)
        self.barred.clear()
        return freed

    def woken_first(self, level: Level) -> list[Slot]:
        """Those of a level that want to go on, in its order."""
        found = [s for s in self.woken.values() if s.lane is not None and s.level is level]
        return sorted(found, key=lambda slot: (slot.backlog[0][1], slot.backlog[0][0]))

    def bars(self, shape: Shape, *, beyond: bool) -> bool:
        """Whether work of this shape may not begin, as too many of its depth wait.

        Args:
            shape: the work's.
            beyond: whether it would begin beyond the memory that there is: then one is too many.
        """
        if shape.function not in self.known:
            return False
        return self.waiting_at(shape.depth) >= (1 if beyond else self._limit)

    def waiting_at(self, depth: int) -> int:
        """How many attempts of one depth wait."""
        return self._at_depth.get(depth, 0)
