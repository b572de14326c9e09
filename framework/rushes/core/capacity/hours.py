"""Schedules by hour of day: from when to when a fleet keeps how many hosts warm, and may have at most.

Hours are those of the clock on the wall; how far it is from UTC just now is given by whoever knows the time
zone. This module must not read a clock, nor know what is scheduled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rushes.errors import CallerError

__all__ = ["Hours", "applying"]

DAY_S: Final = 86400
THURSDAY: Final = 3
"""The weekday of 1 January 1970, counted from Monday = 0."""


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of the day, from `start_h` until just before `end_h`, over midnight where that is earlier.

    Args:
        start_h, end_h: hours, 0 to 24, with fractions: 17.5 is half past five. The same hour twice is the
            whole day.
        minimum: hosts that are kept warm meanwhile; None leaves the fleet's own.
        maximum: hosts that there may be meanwhile; None leaves the fleet's own.
        days: on which it begins, Monday = 0; none for every day.

    Raises:
        CallerError: an hour, day or size that cannot be.
    """

    start_h: float
    end_h: float
    minimum: int | None = None
    maximum: int | None = None
    days: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not (0 <= self.start_h <= 24 and 0 <= self.end_h <= 24):
            raise _refused(f"hours go from 0 to 24, not from {self.start_h:g} to {self.end_h:g}")
        if not self.days <= frozenset(range(7)):
            raise _refused(f"days go from 0 (Monday) to 6, not {sorted(self.days)}")
        if (self.minimum or 0) < 0 or (self.maximum or 0) < 0:
            raise _refused("a size is 0 or more")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise _refused(f"the minimum {self.minimum} is above the maximum {self.maximum}")

    def contains(self, now: float, utc_offset_s: float) -> bool:
        """Whether the clock on the wall is within it."""
        day, second = divmod(now + utc_offset_s, DAY_S)
        start_s, end_s = self.start_h * 3600, self.end_h * 3600
        weekday = int(day + THURSDAY) % 7
        if start_s < end_s:
            return start_s <= second < end_s and self._begins_on(weekday)
        if second >= start_s:
            return self._begins_on(weekday)
        return second < end_s and self._begins_on((weekday - 1) % 7)

    def _begins_on(self, weekday: int) -> bool:
        return not self.days or weekday in self.days


def applying(schedule: Iterable[Hours], now: float, utc_offset_s: float) -> Hours | None:
    """The first of a schedule that holds now."""
    return next((hours for hours in schedule if hours.contains(now, utc_offset_s)), None)


def _refused(why: str) -> CallerError:
    return CallerError(
        f"A schedule cannot be used: {why}.",
        code="bad-hours",
        fix="Write hours of the day from 0 to 24, days from 0 to 6, a minimum not above the maximum.",
    )
