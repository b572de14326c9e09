"""Who of a class and show may go before whom: what fits, before what does not.

In strict order work that does not fit keeps what it needs from all that comes later, and a mixed load leaves
a third of a pool idle. So within one class and one show the first that fits goes. When nothing that needs so
much was served for the ageing bound of the class, the first lane of that need is *overdue*: it goes before
other shows, too, and keeps what comes free, one dimension after the other: what it lacks, and once it had to
wait for a dimension, that one until it starts. One lane of a level is overdue at a time: each that keeps
something costs the pool a part of its width.

Nobody passes work with a deadline, work of a class that may displace, or a part of what has begun. Between
shows and between classes all claims stand: they are made when a show has nothing more that fits.

This module must not know slots or commands. Where the lanes of a show are of one shape nothing here is kept.
"""

from __future__ import annotations

from typing import Final

from rushes.core.ordering import NO_DEADLINE_MS, Flow, Lane, Level
from rushes.core.packing import Room
from rushes.core.waiting import Waiting

__all__ = ["Overtaking"]

MOST_PASSED: Final = 32
"""Lanes of one show that are looked past in one pass: each costs the pass a look."""


class Overtaking:
    """The lanes that were passed in one pass, and who is overdue."""

    __slots__ = ("_room", "_waiting", "passed")

    def __init__(self, room: Room, waiting: Waiting) -> None:
        self._room = room
        self._waiting = waiting
        self.passed: dict[Flow, list[Lane]] = {}
        """By show: who did not fit and has claimed nothing yet, in their order."""

    def lets_by(self, lane: Lane, now: float) -> bool:
        """Whether others of its show may go before a lane that does not fit."""
        flow = lane.flow
        if not flow.mixed or lane.queue.policy.may_displace or lane.shape.depth or _has_deadline(lane):
            return False
        if not self._room.left_cpu and not self._waiting.cpuless:
            return False  # nobody else fits either
        passed = self.passed.get(flow)
        if passed is None:
            passed = self.passed[flow] = []
        if len(passed) >= MOST_PASSED:
            return False
        since = flow.level.unserved.setdefault(lane.need, now)
        if now - since >= lane.queue.ageing_s and self._is_overdue(lane):
            self._keep(lane)
        passed.append(lane)
        return True

    def dry(self, flow: Flow) -> list[Lane]:
        """A show has nothing more that fits: who was passed claims what it needs, in this order."""
        return self.passed.pop(flow, [])

    def first(self, level: Level) -> Lane | None:
        """Who of a level is overdue, and goes first there, before other shows, too."""
        lane = level.overdue
        if lane is not None and not _waits(lane, level):
            lane = level.overdue = None
        return lane

    def _is_overdue(self, lane: Lane) -> bool:
        level = lane.flow.level
        if self.first(level) is None:
            level.overdue = lane
            level.keeps = 0
        return level.overdue is lane

    def _keep(self, lane: Lane) -> None:
        """Claim what an overdue lane lacks, or has lacked since it is overdue."""
        level, need, room = lane.flow.level, lane.need, self._room
        keeps = level.keeps = level.keeps | room.lacks(need)
        a, b, c, d = need
        room.claim((keeps & 1 and a, keeps & 2 and b, keeps & 4 and c, keeps & 8 and d))


def _waits(lane: Lane, level: Level) -> bool:
    """Whether a lane that was overdue still is: nothing like it was served since, and it was not parked."""
    return bool(lane.asks) and not lane.parked and lane.flow.level is level and lane.need in level.unserved


def _has_deadline(lane: Lane) -> bool:
    _, order, queued_at, _ = lane.asks[0]
    return order < 1000 * queued_at + NO_DEADLINE_MS - 1
