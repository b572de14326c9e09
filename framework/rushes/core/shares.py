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
from rushes.core.packing import MILLI, UNLIMITED, Need, Room

__all__ = ["Shares"]

_NOTHING: Final[Need] = (0, 0, 0, 0)
_CPU: Final = 0
_GPU: Final = 3
_ALL: Final = 0b1111
"""All dimensions, as bits."""


class _Part:
    """What one class has of a pool, and, during a pass, what it claims and lacks."""

    __slots__ = (
        "claimed", "claims", "foreign", "held", "kept", "lacked", "most", "name", "own", "reserved", "used",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.held: Need = _NOTHING
        self.reserved: Need = _NOTHING
        self.most: Need | None = None
        # Of what is kept for it: what it does not use, what it does, and the dimensions, as bits, in which
        # nothing is left of it, where it lacks what all lack.
        self.own: Need = _NOTHING
        self.used: Need = _NOTHING
        self.foreign = _ALL
        self.begin()

    def begin(self) -> None:
        """Nothing is claimed."""
        self.claims: Need = _NOTHING
        self.lacked = self.claimed = self.kept = 0


class Shares:
    """What each class holds, what is kept for it, and how much it may have at most."""

    __slots__ = (
        "_claim", "_claimed", "_kept", "_lacked", "_left_free", "_left_part", "_of", "_owned", "_parts",
        "_policies", "_reserving", "_seen", "_touched", "_used", "any",
    )  # fmt: skip

    def __init__(self, classes: Iterable[ClassPolicy], capacity: Need) -> None:
        self._policies = tuple(classes)
        self.any = any(one.reserved_share > 0 or one.max_share < 1 for one in self._policies)
        self._of: dict[int, tuple[_Part, Need]] = {}  # by slot: the class of what it holds, and what
        self._parts: dict[str, _Part] = {}
        self._touched: list[_Part] = []  # of which something was claimed in this pass
        # What a class was shown last, and what was free then: while that is so it is not added up again.
        self._left_part: _Part | None = None
        self._left_free: Need = _NOTHING
        self._seen: Need = _NOTHING
        self.resize(capacity)
        self.begin()

    def resize(self, capacity: Need) -> None:
        """The pool has another size; shares are of that."""
        self._owned = self._used = _NOTHING
        self._reserving: list[_Part] = []
        for one in self._policies:
            part = self._part(one.name)
            part.own = part.used = part.reserved = _NOTHING
            part.most = _most(capacity, one.max_share) if one.max_share < 1 else None
            if one.reserved_share > 0:
                part.reserved = _kept(capacity, one.reserved_share)
                self._reserving.append(part)
            self._count(part)

    def _part(self, name: str) -> _Part:
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = _Part(name)
        return part

    # -- what is held ----------------------------------------------------------------------------------------

    def note(self, slot: int, name: str | None, held: Need = _NOTHING) -> str | None:
        """What a slot holds now, and for which class; gives the class whose maximum that may open again."""
        before = self._of.pop(slot, None)
        if before is not None:
            part = before[0]
            a, b, c, d = before[1]
            e, f, g, h = part.held
            part.held = (e - a, f - b, g - c, h - d)
            if part.reserved != _NOTHING:
                self._count(part)
        if name is not None and held != _NOTHING:
            part = self._parts.get(name) or self._part(name)
            self._of[slot] = (part, held)
            part.held = _plus(part.held, held)
            if part.reserved != _NOTHING:
                self._count(part)
        if before is None or before[0].most is None or (before[0].name == name and before[1] == held):
            return None
        return before[0].name

    def _count(self, part: _Part) -> None:
        """What a class holds has changed, and so what it uses of what is kept for it."""
        own, used = _minus(part.reserved, part.held), _least(part.reserved, part.held)
        if own == part.own and used == part.used:
            return
        # A pass asks for the sums of each lane, so they are kept and not added up there.
        self._owned = _plus(_minus(self._owned, part.own), own)
        self._used = _plus(_minus(self._used, part.used), used)
        part.own, part.used = own, used
        a, b, c, d = own
        part.foreign = (not a) | (not b) << 1 | (not c) << 2 | (not d) << 3
        self._left_part = None

    def held(self, name: str) -> Need:
        """What a class holds."""
        return self._part(name).held

    def reserved(self, name: str) -> Need:
        """What is kept for a class, in use by it or not."""
        return self._part(name).reserved

    def most(self, name: str) -> Need | None:
        """What a class may have at most; None for everything."""
        return self._part(name).most

    # -- what may be had -------------------------------------------------------------------------------------

    def clamp(self, name: str, need: Need, capacity: Need) -> Need:
        """`need`, but no more than the class may ever have: bigger work runs alone rather than never.

        Work that needs a device waits where all of them are kept for others: it would really take one.
        """
        kept = _NOTHING
        for part in self._reserving:
            if part.name != name:
                kept = _plus(kept, part.reserved)
        may = _minus(capacity, kept)
        if (most := self._part(name).most) is not None:
            may = _least(may, most)
        cpu, memory, scratch, gpu = _least(need, may)
        return cpu, memory, scratch, gpu if may[_GPU] else need[_GPU]

    def times(self, name: str, need: Need) -> int:
        """How many more of `need` a class may have, by its maximum."""
        part = self._parts.get(name)
        if part is None or part.most is None:
            return 1 << 30
        # A maximum counts in cores and devices; written out, as every lane that is looked at comes here.
        most, held, found = part.most, part.held, 1 << 30
        if need[_CPU]:
            found = max(most[_CPU] - held[_CPU], 0) // need[_CPU]
        if need[_GPU]:
            found = min(max(most[_GPU] - held[_GPU], 0) // need[_GPU], found)
        return found

    def spare(self, name: str) -> Need:
        """What may be taken from a class: what it holds beyond what is kept for it, in each dimension."""
        part = self._part(name)
        return _minus(part.held, part.reserved)

    def spares(self) -> dict[str, Need]:
        """The same of each class for which something is kept; from others all may be taken that they hold."""
        return {part.name: self.spare(part.name) for part in self._reserving}

    def may_spare(self, name: str) -> bool:
        """Whether a class holds more cores than are kept for it; true of one for which nothing is kept."""
        part = self._parts.get(name) or self._part(name)
        return part.reserved == _NOTHING or part.held[_CPU] > part.reserved[_CPU]

    def within(self, name: str, need: Need) -> bool:
        """Whether `need` fits into what is kept for a class and not in use by it."""
        return all(want <= have for want, have in zip(need, self._part(name).own, strict=True))

    def may_take(self, name: str, free: Need) -> Need:
        """What a class may have of what is free: all but what is kept for others."""
        return _least(_plus(self._part(name).own, _minus(free, self._owned)), free)

    def of_others(self, name: str) -> Need:
        """What other classes hold of their own parts, which this one never waits for."""
        return _minus(self._used, self._part(name).used)

    # -- one pass --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a pass: nothing is claimed."""
        self._claim = _NOTHING
        self._lacked = self._claimed = self._kept = 0
        for part in self._touched:
            part.begin()
        self._touched.clear()
        self._left_part = None

    def enter(self, name: str, room: Room) -> None:
        """Let `room` be what a class may have of it, until `leave`."""
        part = self._parts.get(name) or self._part(name)
        foreign, free = part.foreign, room.free
        self._seen = seen = self._left(part, free)
        self._left_part, self._left_free = part, free
        room.show(
            seen,
            part.lacked | self._lacked & foreign,
            part.claimed | self._claimed & foreign,
            self._kept if foreign & 1 else part.kept,
        )

    def leave(self, name: str, room: Room) -> None:
        """What was claimed of `room` meanwhile was claimed by that class: of its own part first."""
        part = self._parts.get(name) or self._part(name)
        free, left = room.free, room.left
        is_same = self._left_part is part and self._left_free == free
        before = self._seen if is_same else self._left(part, free)
        self._touched.append(part)
        if left != before:
            claim = _minus(before, left)
            if part.foreign != _ALL:
                mine = _least(claim, _minus(part.own, part.claims))
                part.claims = _plus(part.claims, mine)
                claim = _minus(claim, mine)
            self._claim = _plus(self._claim, claim)
            self._left_part = None
        kept = room.kept - (self._kept if part.foreign & 1 else part.kept)
        if kept > 0:
            part.kept += kept
            self._kept += kept
        lacked, claimed = room.lacked, room.claimed
        part.lacked |= lacked
        part.claimed |= claimed
        self._lacked |= lacked
        self._claimed |= claimed

    def is_out(self, names: dict[str, int], free_cpu: int, *, own: bool = False) -> bool:
        """Whether these classes can have no more cores in this pass, or no more of their `own`."""
        if not own and free_cpu - self._owned[_CPU] > self._claim[_CPU]:  # no claim is negative
            return False
        for name in names:
            part = self._parts.get(name)
            if part is not None and part.own[_CPU] > part.claims[_CPU]:
                return False
        return True

    def _left(self, part: _Part, free: Need) -> Need:
        """What a class may take, less what is claimed."""
        # Written out, as `_minus`, `_plus` and `_least` of all four: every lane that is looked at comes here.
        # Taken apart one by one: compiled, a tuple of tuples would be made and walked through.
        a, b, c, d = free
        e, f, g, h = self._owned
        i, j, k, m = self._claim
        e, f, g, h = a - e, b - f, c - g, d - h
        e = e - i if e > i else 0
        f = f - j if f > j else 0
        g = g - k if g > k else 0
        h = h - m if h > m else 0
        if part.foreign != _ALL:
            i, j, k, m = part.own
            w, x, y, z = part.claims
            if i > w:
                e += i - w
            if j > x:
                f += j - x
            if k > y:
                g += k - y
            if m > z:
                h += m - z
        return min(a, e), min(b, f), min(c, g), min(d, h)


def _kept(capacity: Need, share: float) -> Need:
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
    a, b, c, d = one
    e, f, g, h = other
    return a - e if a > e else 0, b - f if b > f else 0, c - g if c > g else 0, d - h if d > h else 0


def _least(one: Need, other: Need) -> Need:
    a, b, c, d = one
    e, f, g, h = other
    return a if a < e else e, b if b < f else f, c if c < g else g, d if d < h else h  # noqa: FURB136 - hot
