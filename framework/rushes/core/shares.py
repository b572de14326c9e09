"""Shares of the pool by class: what is kept for one, and what another may never have more of.

    general     what is free beyond all that is kept; any class may have it
    own         what is kept for a class and not in use by it; it alone may have it

A reserved share counts in every dimension (of devices, whole ones); a maximum counts in what is computed
with, cores and devices, since memory goes with those. During a pass each class sees the room as `own` +
`general`, less what earlier lanes claim; a claim takes of the claimer's own first. So what a class lacks of
the general part never keeps another from its own, and no order, age or rank opens what is kept for others.

Pure; this module must not know lanes, slots or commands. Where no class has a share nothing here is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rushes.core.classes import ClassPolicy
from rushes.core.packing import MILLI, UNLIMITED, Need, Room, View

__all__ = ["Shares"]

_NOTHING: Final[Need] = (0, 0, 0, 0)
_CPU, _MEMORY, _SCRATCH, _GPU = range(4)
_COMPUTING: Final = (_CPU, _GPU)
"""A maximum counts in these."""


class Shares:
    """What each class holds, what is kept for it, and how much it may have at most."""

    __slots__ = (
        "_claimed", "_claims", "_general_claim", "_held", "_kept", "_lacked", "_most", "_of", "_own",
        "_owned", "_policies", "_reserved", "_used", "_used_of", "any",
    )  # fmt: skip

    def __init__(self, classes: Iterable[ClassPolicy], capacity: Need) -> None:
        self._policies = tuple(classes)
        self.any = any(one.reserved_share > 0 or one.max_share < 1 for one in self._policies)
        self._of: dict[int, tuple[str, Need]] = {}  # by slot: the class of what it holds, and what
        self._held: dict[str, Need] = {}
        self._reserved: dict[str, Need] = {}
        self._most: dict[str, Need] = {}
        self.resize(capacity)
        self.begin()

    def resize(self, capacity: Need) -> None:
        """The pool has another size; shares are of that."""
        self._reserved = {
            one.name: _part(capacity, one.reserved_share) for one in self._policies if one.reserved_share > 0
        }
        self._most = {one.name: _most(capacity, one.max_share) for one in self._policies if one.max_share < 1}
        # Of each class for which something is kept: what of that it does not use, and what it does; and the
        # sums of both. A pass asks for them of each lane, so they are kept and not added up there.
        self._own: dict[str, Need] = {}
        self._used_of: dict[str, Need] = {}
        self._owned = self._used = _NOTHING
        for name in self._reserved:
            self._count(name)

    # -- what is held ----------------------------------------------------------------------------------------

    def note(self, slot: int, name: str | None, held: Need = _NOTHING) -> str | None:
        """What a slot holds now, and for which class; gives the class whose maximum that may open again."""
        before = self._of.pop(slot, None)
        if before is not None:
            self._held[before[0]] = _minus(self._held[before[0]], before[1])
            if before[0] in self._reserved:
                self._count(before[0])
        if name is not None and held != _NOTHING:
            self._of[slot] = (name, held)
            self._held[name] = _plus(self._held.get(name, _NOTHING), held)
            if name in self._reserved:
                self._count(name)
        if before is None or before[0] not in self._most or before == (name, held):
            return None
        return before[0]

    def _count(self, name: str) -> None:
        """What a class holds has changed, and so what it uses of what is kept for it."""
        reserved, held = self._reserved[name], self._held.get(name, _NOTHING)
        own, used = _minus(reserved, held), _least(reserved, held)
        self._owned = _plus(_minus(self._owned, self._own.get(name, _NOTHING)), own)
        self._used = _plus(_minus(self._used, self._used_of.get(name, _NOTHING)), used)
        self._own[name], self._used_of[name] = own, used

    def held(self, name: str) -> Need:
        """What a class holds."""
        return self._held.get(name, _NOTHING)

    def reserved(self, name: str) -> Need:
        """What is kept for a class, in use by it or not."""
        return self._reserved.get(name, _NOTHING)

    def most(self, name: str) -> Need | None:
        """What a class may have at most; None for everything."""
        return self._most.get(name)

    # -- what may be had -------------------------------------------------------------------------------------

    def clamp(self, name: str, need: Need, capacity: Need) -> Need:
        """`need`, but no more than the class may ever have: bigger work runs alone rather than never.

        Work that needs a device waits where all of them are kept for others: it would really take one.
        """
        kept = _NOTHING
        for other, reserved in self._reserved.items():
            if other != name:
                kept = _plus(kept, reserved)
        may = _minus(capacity, kept)
        if name in self._most:
            may = _least(may, self._most[name])
        cpu, memory, scratch, gpu = _least(need, may)
        return cpu, memory, scratch, gpu if may[_GPU] else need[_GPU]

    def times(self, name: str, need: Need) -> int:
        """How many more of `need` a class may have, by its maximum."""
        most = self._most.get(name)
        if most is None:
            return 1 << 30
        held = self.held(name)
        return min((max(most[d] - held[d], 0) // need[d] for d in _COMPUTING if need[d]), default=1 << 30)

    def spare(self, name: str) -> Need:
        """What may be taken from a class: what it holds beyond what is kept for it, in each dimension."""
        return _minus(self.held(name), self.reserved(name))

    def spares(self) -> dict[str, Need]:
        """The same of each class for which something is kept; from others all may be taken that they hold."""
        return {name: self.spare(name) for name in self._reserved}

    def within(self, name: str, need: Need) -> bool:
        """Whether `need` fits into what is kept for a class and not in use by it."""
        own = _minus(self.reserved(name), self.held(name))
        return all(want <= have for want, have in zip(need, own, strict=True))

    def may_take(self, name: str, free: Need) -> Need:
        """What a class may have of what is free: all but what is kept for others."""
        return _least(_plus(self._own.get(name, _NOTHING), _minus(free, self._owned)), free)

    # -- one pass --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a pass: nothing is claimed."""
        self._general_claim = _NOTHING
        self._claims: dict[str, Need] = {}
        self._lacked: dict[str, int] = {"": 0}
        self._claimed: dict[str, int] = {"": 0}
        self._kept: dict[str, int] = {"": 0}

    def enter(self, name: str, room: Room) -> None:
        """Let `room` be what a class may have of it, until `leave`."""
        free, own = room.free, self._own.get(name, _NOTHING)
        room.show(
            View(
                self._left(name, free),
                _bits(self._lacked, name, own),
                _bits(self._claimed, name, own),
                self._kept.get(name, 0) if own[_CPU] else self._kept[""],
                self.may_take(name, free),
                _minus(self._used, self._used_of.get(name, _NOTHING)),
            )
        )

    def leave(self, name: str, room: Room) -> None:
        """What was claimed of `room` meanwhile was claimed by that class: of its own part first."""
        before = self._left(name, room.free)
        seen = room.shown()
        if seen.left != before and (claim := _minus(before, seen.left)) != _NOTHING:
            claims = self._claims.get(name, _NOTHING)
            mine = _least(claim, _minus(self._own.get(name, _NOTHING), claims))
            self._claims[name] = _plus(claims, mine)
            self._general_claim = _plus(self._general_claim, _minus(claim, mine))
        own = self._own.get(name, _NOTHING)
        kept = seen.kept - (self._kept.get(name, 0) if own[_CPU] else self._kept[""])
        for who in (name, ""):
            self._lacked[who] = self._lacked.get(who, 0) | seen.lacked
            self._claimed[who] = self._claimed.get(who, 0) | seen.claimed
            self._kept[who] = self._kept.get(who, 0) + max(kept, 0)

    def is_out(self, names: Iterable[str], free: Need, *, own: bool = False) -> bool:
        """Whether these classes can have no more cores in this pass, or no more of their `own`."""
        if not own and _minus(_minus(free, self._owned), self._general_claim)[_CPU]:
            return False
        for name in names:
            mine = self._own.get(name)
            if mine is not None and mine[_CPU] > self._claims.get(name, _NOTHING)[_CPU]:
                return False
        return True

    def _left(self, name: str, free: Need) -> Need:
        """What a class may take, less what is claimed."""
        left = _minus(_minus(free, self._owned), self._general_claim)
        own = self._own.get(name)
        if own is not None:
            left = _plus(_minus(own, self._claims.get(name, _NOTHING)), left)
        return _least(left, free)


def _bits(by_class: dict[str, int], name: str, own: Need) -> int:
    """Of what earlier lanes lack, what concerns a class: of its own part, only what it lacks itself."""
    bits = by_class.get(name, 0)
    for d in range(4):
        if not own[d]:
            bits |= by_class[""] & 1 << d
    return bits


def _part(capacity: Need, share: float) -> Need:
    """What is kept: of devices only whole ones, since nobody uses a half; of what has no bound nothing."""
    cpu, memory, scratch, gpu = (0 if amount >= UNLIMITED else int(amount * share) for amount in capacity)
    return cpu, memory, scratch, gpu // MILLI * MILLI


def _most(capacity: Need, share: float) -> Need:
    """What may be had at most: of devices whole ones, and one at least where there is any."""
    gpu = int(capacity[_GPU] * share) // MILLI * MILLI
    return int(capacity[_CPU] * share), UNLIMITED, UNLIMITED, max(gpu, min(MILLI, capacity[_GPU]))


def _plus(one: Need, other: Need) -> Need:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def _minus(one: Need, other: Need) -> Need:
    return (
        max(one[0] - other[0], 0),
        max(one[1] - other[1], 0),
        max(one[2] - other[2], 0),
        max(one[3] - other[3], 0),
    )


def _least(one: Need, other: Need) -> Need:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )
