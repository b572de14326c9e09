"""Step tables: how many hosts a count of invocations is worth, or how many more.

Two kinds, as people write them down. `Absolute`: 1–10 → 1, 11–50 → 2–5 …, a size for a count, interpolated
within a band. `Incremental`: more than 10 waiting → +1, more than 50 → +5, steps from whatever there is.
This module must not know hosts, clocks or money.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rushes.errors import CallerError

__all__ = ["DEFAULT_STEPS", "Absolute", "Band", "Incremental", "Step"]


@dataclass(frozen=True, slots=True)
class Band:
    """From `low` to `high` invocations (None: and beyond) are worth `least` to `most` hosts."""

    low: int
    high: int | None
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Absolute:
    """A size for every count: 0 below the first band, the most of the last one far above it.

    Within a band the size grows evenly, rounded to the nearest. A last band without an end grows as fast as
    the one before it, up to its most; where there is none before it, it is at its most at once.

    Raises:
        CallerError: the bands overlap, leave a gap, or fall; or the first does not begin at 1.
    """

    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        if not self.bands or self.bands[0].low != 1:
            raise _refused("the first band has to begin at 1 invocation")
        for band in self.bands:
            if band.high is not None and band.high < band.low:
                raise _refused(f"a band goes from {band.low} to {band.high}")
            if not 0 <= band.least <= band.most:
                raise _refused(f"the band from {band.low} goes from {band.least} to {band.most} hosts")
        for before, after in pairwise(self.bands):
            if before.high is None or after.low != before.high + 1:
                raise _refused(f"the band from {after.low} does not begin where the one before it ends")
            if after.least < before.most:
                raise _refused(f"the band from {after.low} is worth fewer hosts than the one before it")

    @property
    def most(self) -> int:
        return self.bands[-1].most

    def hosts(self, count: int) -> int:
        """The size for so many invocations."""
        before: Band | None = None
        for band in self.bands:
            if count < band.low:
                return 0
            if band.high is None or count <= band.high:
                return _within(band, before, count)
            before = band
        return self.most


@dataclass(frozen=True, slots=True)
class Step:
    """With more than `above` waiting, `add` hosts more."""

    above: int
    add: int


@dataclass(frozen=True, slots=True)
class Incremental:
    """Hosts to be added to those that there are.

    Args:
        steps: in rising order; the last one that applies counts.
        every_s: from one step to the next, so that a step can show what it brings.

    Raises:
        CallerError: the steps do not rise.
    """

    steps: tuple[Step, ...]
    every_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.steps or self.steps[0].above < 0 or self.steps[0].add < 1:
            raise _refused("the first step has to add a host above some count of invocations")
        for before, after in pairwise(self.steps):
            if after.above <= before.above or after.add < before.add:
                raise _refused(f"the step above {after.above} does not rise from the one before it")
        if not self.every_s >= 0:
            raise _refused(f"the time between two steps is {self.every_s}")

    def more(self, waiting: int) -> int:
        """How many hosts more."""
        return max((step.add for step in self.steps if waiting > step.above), default=0)


DEFAULT_STEPS: Final = Absolute(
    (Band(1, 10, 1, 1), Band(11, 50, 2, 5), Band(51, 200, 5, 20), Band(201, None, 20, 50))
)


def _within(band: Band, before: Band | None, count: int) -> int:
    over = count - band.low
    if band.high is not None:
        return band.least + _nearest(over * (band.most - band.least), max(band.high - band.low, 1))
    if before is None or before.high is None or before.most == before.least:
        return band.most
    grown = _nearest(over * (before.most - before.least), max(before.high - before.low, 1))
    return min(band.least + grown, band.most)


def _nearest(over: int, under: int) -> int:
    return (2 * over + under) // (2 * under)


def _refused(why: str) -> CallerError:
    return CallerError(
        f"A step table cannot be used: {why}.",
        code="bad-steps",
        fix="Write bands that join and rise, such as 1-10: 1, 11-50: 2-5; or steps that rise.",
    )
