"""The paused attempts of a pool: by level, in the order in which they go on, and what they wait for.

A pass asks for both each time, so neither is looked for among all slots. This module must not know who is
paused, why, or whether anybody may go on.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import NamedTuple

from rushes.core.ordering import Level
from rushes.core.slots import Slot

__all__ = ["PausedLine", "PausedLines"]


class _Place(NamedTuple):
    order: int
    id: int
    slot: int


class PausedLine:
    """The paused attempts of one level, in their order, and the cores of all of them together."""

    __slots__ = ("cpu", "cpu_of", "places")

    def __init__(self) -> None:
        self.places: list[_Place] = []
        self.cpu = 0
        self.cpu_of: dict[str, int] = {}  # the same by class; who waits for none is not in it

    def add(self, place: _Place, name: str, cpu: int) -> None:
        insort(self.places, place)
        self._count(name, cpu)

    def drop(self, place: _Place, name: str, cpu: int) -> None:
        del self.places[bisect_left(self.places, place)]
        self._count(name, -cpu)

    def _count(self, name: str, cpu: int) -> None:
        self.cpu += cpu
        self.cpu_of[name] = self.cpu_of.get(name, 0) + cpu
        if not self.cpu_of[name]:
            del self.cpu_of[name]


class PausedLines:
    """All of them."""

    __slots__ = ("_found", "of")

    def __init__(self) -> None:
        self.of: dict[Level, PausedLine] = {}
        self._found: dict[int, tuple[PausedLine, _Place, str, int]] = {}  # by slot number

    def __contains__(self, slot: Slot) -> bool:
        return slot.number in self._found

    def stand(self, slot: Slot) -> None:
        """What is paused on a slot goes on in its turn."""
        if slot.level is None or slot.lane is None:
            return
        line = self.of.get(slot.level)
        if line is None:
            line = self.of[slot.level] = PausedLine()
        place = _Place(slot.backlog[0][1], slot.backlog[0][0], slot.number)
        name, cpu = slot.policy.name if slot.policy is not None else "", slot.lane.need[0]
        line.add(place, name, cpu)
        self._found[slot.number] = (line, place, name, cpu)

    def leave(self, slot: Slot) -> None:
        """It does not, or has; nothing happens when it did not stand there."""
        found = self._found.pop(slot.number, None)
        if found is not None:
            line, place, name, cpu = found
            line.drop(place, name, cpu)

    def count_anew(self, slots: Mapping[int, Slot]) -> None:
        """What lanes need has changed."""
        for number in list(self._found):
            self.leave(slots[number])
            self.stand(slots[number])
