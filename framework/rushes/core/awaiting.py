"""Running work that is let finish before its place goes to more urgent work: which, and how long it may take.

Its place is promised, so nobody else is asked for what it will free; nobody stops or pauses it meanwhile, and
nothing follows it on its slot. One that has not ended in time is promised no longer, and is not awaited
again. How far attempts are, by their own word, is kept here too. This module must not know who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rushes.core.packing import Need
from rushes.core.slots import Slot, SlotState

__all__ = ["Awaiting"]

TELLING: Final = 0.1
"""Once it is so far, what an attempt says of itself tells more than how long others took."""


@dataclass(slots=True)
class _Awaited:
    """One that is let finish until then, for a batch; `over`: it had not ended."""

    slot: Slot
    until: float
    by: str
    over: bool = False


class Awaiting:
    """Who is awaited on one pool, and who was in vain and has not ended yet."""

    __slots__ = ("_by_id", "_reached")

    def __init__(self) -> None:
        self._by_id: dict[int, _Awaited] = {}
        self._reached: dict[int, tuple[int, float]] = {}  # by slot number: the id, and how far it is

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def __contains__(self, id: int) -> bool:  # noqa: A002 - named as everywhere
        return id in self._by_id

    def begin(self, slot: Slot, until: float, by: str) -> None:
        """Let what runs on a slot finish, before its place is that of the batch `by`."""
        self._by_id[slot.backlog[0][0]] = _Awaited(slot, until, by)
        slot.slow = True

    def drop(self, id: int) -> bool:  # noqa: A002 - as above
        """It has ended, or is to end; whether somebody still waited for it."""
        found = self._by_id.pop(id, None)
        return found is not None and not found.over

    def release(self, id: int) -> None:  # noqa: A002 - as above
        """Nobody has to wait for it any more: its time is over when somebody looks the next time."""
        if (found := self._by_id.get(id)) is not None:
            found.until = 0.0

    def in_vain(self, by: str) -> bool:
        """Whether a batch has waited as long as may be, for one that runs on: it waits for no other, then."""
        return any(one.over and one.by == by for one in self._by_id.values())

    def promised(self) -> list[Slot]:
        """The slots whose places are promised."""
        return [one.slot for one in self._by_id.values() if not one.over and one.slot.lane is not None]

    def needs(self) -> list[Need]:
        """What is promised."""
        return [slot.lane.need for slot in self.promised() if slot.lane is not None]

    def look(self, now: float) -> list[tuple[int, Slot | None]]:
        """Those who are awaited no longer; with their slot, where they run on."""
        found: list[tuple[int, Slot | None]] = []
        for id_, one in list(self._by_id.items()):
            slot = one.slot
            here = bool(slot.backlog) and slot.backlog[0][0] == id_
            works = here and slot.state is SlotState.busy
            if here and (one.over or (works and now < one.until)):
                continue
            if not one.over:
                found.append((id_, slot if works else None))
            if works:
                one.over = True
            else:
                del self._by_id[id_]
        return found

    # -- how far they are ----------------------------------------------------------------------------------

    def reached(self, slot: Slot, fraction: float) -> None:
        """What runs on a slot is so far, 0..1, by its own word."""
        self._reached[slot.number] = (slot.backlog[0][0], fraction)

    def forget(self, slot: Slot) -> None:
        """Another may run there."""
        if self._reached:
            self._reached.pop(slot.number, None)

    def left_s(self, slot: Slot, expected_s: float | None, now: float) -> float | None:
        """How long what runs on a slot will still run: by its own word, else by what is usual."""
        if len(slot.backlog) > 1:  # then it is short, and so is what stands behind it: see `recall_after_s`
            return None
        told_s = self.told_left_s(slot, now)
        if told_s is not None:
            return told_s
        worked_s = slot.worked_s(now)
        return None if expected_s is None or worked_s > expected_s else expected_s - worked_s

    def told_left_s(self, slot: Slot, now: float) -> float | None:
        """The same, by its own word alone; None where it has said nothing yet."""
        id_, fraction = self._reached.get(slot.number, (0, 0.0))
        if id_ != slot.backlog[0][0] or fraction < TELLING:
            return None
        return slot.worked_s(now) * (1.0 - min(fraction, 1.0)) / fraction
