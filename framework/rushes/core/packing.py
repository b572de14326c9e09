"""Vector packing: what an attempt needs, and what the pool has left.

A need has four dimensions (cpu, memory, scratch, gpu), in whole numbers, so that taking and giving back
never drifts: thousandths of a core, bytes, bytes, thousandths of a device. `Room` knows what is free;
`begin` starts a pass over the waiting work in its order, in which `claim` keeps for an earlier ask what a
later one may therefore not have. This module must not know who the asks are.
"""

from __future__ import annotations

from math import ceil, isinf
from typing import Final

from rushes.core.events import Capacity, Shape

__all__ = ["DIMENSIONS", "MILLI", "UNLIMITED", "Need", "Room"]

Need = tuple[int, int, int, int]

DIMENSIONS: Final = ("cpu", "memory", "scratch", "gpu")
MILLI: Final = 1000
"""Cores and devices are counted in thousandths."""
UNLIMITED: Final = 1 << 60
"""More than anybody has, and twice that is a small integer still where the core is compiled."""


class Room:
    """What a pool has, what is taken, and, during a pass, what is left for those later in order."""

    __slots__ = (
        "_cpu", "_gpu", "_memory", "_scratch", "capacity", "claimed", "drains", "free", "kept", "lacked",
        "lying",
    )  # fmt: skip

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = self.free = _whole(capacity)
        self.drains = False
        """More runs than there is room for, since the pool has shrunk: nothing follows it."""
        self.lying: Need = (0, 0, 0, 0)
        """Memory and scratch of attempts that wait: held, and not worked with."""
        self._cpu, self._memory, self._scratch, self._gpu = self.free
        # Of one pass: dimensions in which earlier lanes lack something, or claim any, as bits; cores that are
        # kept for work which lacks only these.
        self.lacked = self.claimed = self.kept = 0

    @property
    def taken(self) -> Capacity:
        """What is held of it."""
        cpu, memory, scratch, gpu = (have - left for have, left in zip(self.capacity, self.free, strict=True))
        return Capacity(cpu / MILLI, float(memory), float(scratch), gpu / MILLI)

    def need_of(self, shape: Shape) -> Need:
        """What one attempt of `shape` takes here.

        More than the pool has is clamped to all that it has: such work runs alone rather than never;
        refusing it is for whoever accepts submissions.
        """
        cpu, memory, scratch, gpu = self.capacity
        return (
            # In a pool without a core work waits until it has one; it is not free.
            min(_units(shape.cpu, MILLI), max(cpu, 1)),
            min(_units(shape.memory, 1), memory),
            min(_units(shape.scratch, 1), scratch),
            min(_units(shape.gpu, MILLI), gpu),
        )

    def resize(self, capacity: Capacity | None) -> None:
        """The pool has this much from now on, and nothing is taken: what is held has to be taken anew.

        None: it has what it had.
        """
        self.capacity = self.free = self.capacity if capacity is None else _whole(capacity)
        self.lying = (0, 0, 0, 0)
        self.drains = True  # until a pass finds that it does not

    def take(self, need: Need) -> None:
        """A slot becomes busy with `need`: it is gone from what is free and from what is left."""
        a, b, c, d = need
        e, f, g, h = self.free
        self.free = (e - a, f - b, g - c, h - d)
        self._cpu = self._cpu - a if self._cpu > a else 0
        self._memory = self._memory - b if self._memory > b else 0
        self._scratch = self._scratch - c if self._scratch > c else 0
        self._gpu = self._gpu - d if self._gpu > d else 0

    def give(self, need: Need) -> None:
        """A slot is no longer busy with `need`."""
        a, b, c, d = need
        e, f, g, h = self.free
        self.free = (e + a, f + b, g + c, h + d)

    def lend(self, need: Need) -> None:
        """An attempt waits: cores and devices are free for others; memory and scratch it keeps."""
        a, b, c, d = need
        self.give((a, 0, 0, d))
        _, f, g, _ = self.lying
        self.lying = (0, f + b, g + c, 0)

    def ease(self, cpu: int) -> None:
        """An attempt is paused: its cores are free, in this pass as well; all else it keeps."""
        owed = max(-self.free[0], 0)
        self.give((cpu, 0, 0, 0))
        self._cpu += max(cpu - owed, 0)

    def reclaim(self, need: Need) -> None:
        """An attempt that waited has its cores and devices again."""
        a, b, c, d = need
        self.take((a, 0, 0, d))
        _, f, g, _ = self.lying
        self.lying = (0, f - b, g - c, 0)

    # -- one pass ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a pass: nothing is claimed."""
        a, b, c, d = self._cpu, self._memory, self._scratch, self._gpu = free = self.free
        if (
            a < 0 or b < 0 or c < 0 or d < 0
        ):  # somebody started `beyond`: who needs none of that is not held up by it
            self._cpu, self._memory, self._scratch, self._gpu = (max(left, 0) for left in free)
        elif self.drains:
            self.drains = False
        self.lacked = self.claimed = self.kept = 0

    def fits(self, need: Need) -> bool:
        """Whether `need` fits beside what runs and what those earlier in order have claimed."""
        return (
            need[0] <= self._cpu
            and need[1] <= self._memory
            and need[2] <= self._scratch
            and need[3] <= self._gpu
        )

    def beyond(self, need: Need, others: Need = (0, 0, 0, 0)) -> bool:
        """Whether `need` lacks only memory or scratch that attempts hold which wait, and nobody who works.

        One at a time may then start beyond what there is: else those who wait could hold what the parts need
        that they wait for, for ever. `others`: what other classes hold of their own parts.
        """
        if need[0] > self._cpu or need[3] > self._gpu:
            return False
        left = (self._cpu, self._memory, self._scratch, self._gpu)
        return all(
            need[d] <= left[d]
            or (not self.claimed >> d & 1 and self.capacity[d] - self.free[d] - others[d] <= self.lying[d])
            for d in (1, 2)
        )

    def lack(self, need: Need, times: int) -> Need:
        """What is missing for `need` to fit so many times into what is left."""
        a, b, c, d = need
        if self.drains:
            e, f, g, h = self.free
            return (
                max(a * times - self._cpu + max(-e, 0), 0),
                max(b * times - self._memory + max(-f, 0), 0),
                max(c * times - self._scratch + max(-g, 0), 0),
                max(d * times - self._gpu + max(-h, 0), 0),
            )
        return (
            max(a * times - self._cpu, 0),
            max(b * times - self._memory, 0),
            max(c * times - self._scratch, 0),
            max(d * times - self._gpu, 0),
        )

    def resumes(self, cpu: int, free_cpu: int | None = None) -> bool:
        """Whether a paused attempt may have its cores again, of `free_cpu`, or of all that are free.

        Those count that are free, and not kept for work which lacks nothing else: work that lacks memory may
        lack just what the paused attempt holds, and is not waited for.
        """
        return cpu <= (self.free[0] if free_cpu is None else free_cpu) - self.kept

    def times(self, need: Need) -> int:
        """How often `need` fits into what is left."""
        a, b, c, d = need
        found = self._cpu // a if a else 1 << 30
        if b and self._memory // b < found:
            found = self._memory // b
        if c and self._scratch // c < found:
            found = self._scratch // c
        if d and self._gpu // d < found:
            found = self._gpu // d
        return found

    def times_with(self, need: Need, more: Need) -> int:
        """How often `need` will fit once `more` is free as well."""
        owed = [max(-free, 0) for free in self.free] if self.drains else (0, 0, 0, 0)
        left = (self._cpu, self._memory, self._scratch, self._gpu)
        return min(
            (max(left[d] + more[d] - owed[d], 0) // need[d] for d in range(4) if need[d]), default=1 << 30
        )

    def claim(self, need: Need) -> None:
        """Keep `need` for an ask that cannot start yet.

        A dimension that it lacks is claimed whole, so nothing that needs any of it gets in before; of the
        others, what it will need itself.
        """
        # Written out, as `awaited` is: every ask that does not fit comes here, in every pass.
        a, b, c, d = need
        e, f, g, h = self._cpu, self._memory, self._scratch, self._gpu
        lacked = (a > e) | (b > f) << 1 | (c > g) << 2 | (d > h) << 3  # `lacks`
        # Who lacks cores only because others before it keep them for the time when they have memory, too, is
        # not waited for either: else what is paused and holds that memory would never go on.
        if lacked == 0 or (lacked == 1 and a > self.free[0] - self.kept):
            self.kept += a
        self.lacked |= lacked
        self.claimed |= (a > 0) | (b > 0) << 1 | (c > 0) << 2 | (d > 0) << 3
        self._cpu = e - a if e > a else 0
        self._memory = f - b if f > b else 0
        self._scratch = g - c if g > c else 0
        self._gpu = h - d if h > d else 0

    def awaited(self, need: Need) -> bool:
        """Whether somebody earlier in order lacks a dimension that `need` takes a part of."""
        lacked = self.lacked
        if not lacked:
            return False
        return bool(
            (lacked & 1 and need[0])
            or (lacked & 2 and need[1])
            or (lacked & 4 and need[2])
            or (lacked & 8 and need[3])
        )

    def show(self, left: Need, lacked: int, claimed: int, kept: int) -> None:
        """Be what one class sees of it in a pass (`shares`), until the next `show` or `begin`."""
        self._cpu, self._memory, self._scratch, self._gpu = left
        self.lacked, self.claimed, self.kept = lacked, claimed, kept

    @property
    def left(self) -> Need:
        """What is left of what was shown."""
        return self._cpu, self._memory, self._scratch, self._gpu

    def lacks(self, need: Need) -> int:
        """The dimensions in which `need` does not fit, as bits."""
        a, b, c, d = need
        return (a > self._cpu) | (b > self._memory) << 1 | (c > self._scratch) << 2 | (d > self._gpu) << 3

    @property
    def left_cpu(self) -> int:
        """Cores that are free and that nobody before has claimed."""
        return self._cpu

    @property
    def cpu_awaited(self) -> bool:
        return bool(self.lacked & 1)


def _whole(capacity: Capacity) -> Need:
    return (
        _units(capacity.cpu, MILLI),
        _units(capacity.memory, 1),
        _units(capacity.scratch, 1),
        _units(capacity.gpu, MILLI),
    )


def _units(amount: float, scale: int) -> int:
    if amount <= 0:
        return 0
    if isinf(amount):
        return UNLIMITED
    return min(ceil(amount * scale - 1e-6), UNLIMITED)
