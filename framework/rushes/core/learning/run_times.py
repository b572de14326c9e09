"""How long the longest of a hundred attempts of a function is at work, from those that have ended.

It is what a reservation is made by: an attempt that takes longer asks for more. This module must not know
money, clips or clocks.
"""

from __future__ import annotations

from math import sqrt
from typing import Final, NamedTuple

from rushes.core.learning.histogram import GROWTH, LogHistogram

__all__ = ["ENOUGH", "GUESS", "ExpectedRun", "RunTimes"]

ENOUGH: Final = 4
"""Runs after which the longest says more than a guess."""
PART: Final = 0.99
TELLING: Final = 0.98
"""What fewer than one in fifty more have done moves no percentile that anybody pays by."""
USUAL: Final = 0.9
"""Of those that begin with the last of a cap, so many end with it."""


class ExpectedRun(NamedTuple):
    """How long an attempt may take, at the 99th percentile.

    Args:
        seconds: at work, without pauses.
        sure: it was learnt, or measured; else it is a guess, and may be wrong by a hundred.
    """

    seconds: float
    sure: bool


GUESS: Final = ExpectedRun(40.0, sure=False)
"""Of a function of which nothing is known: of a log-normal with a median of 1 s and a spread of 5, as
`estimates` believes too."""


class RunTimes:
    """The runs of each function."""

    __slots__ = ("_counted", "_known", "_longest", "_usual")

    def __init__(self) -> None:
        self._known: dict[str, LogHistogram] = {}
        self._longest: dict[str, ExpectedRun] = {}
        self._usual: dict[str, float] = {}
        self._counted: dict[str, int] = {}  # how many were counted by then

    def learn(self, function: str, seconds: float) -> None:
        """An attempt has ended after so long; `longest` says so once `passes` was called."""
        known = self._known.get(function)
        if known is None:
            known = self._known[function] = LogHistogram()
        known.add(seconds)

    def longest(self, function: str) -> ExpectedRun | None:
        """How long one may take; None while too few have ended."""
        found = self._longest.get(function)
        if found is None and (known := self._known.get(function)) is not None and known.count >= ENOUGH:
            found = self._longest[function] = ExpectedRun(_quantile(known, PART), sure=True)
        return found

    def usual(self, function: str) -> float | None:
        """Within how many seconds nine of ten are done; None while too few have ended."""
        found = self._usual.get(function)
        if found is None and (known := self._known.get(function)) is not None and known.count >= ENOUGH:
            found = self._usual[function] = _quantile(known, USUAL)
        return found

    def passes(self) -> bool:
        """Time has passed: what was learnt since is counted from now on; whether that says something new."""
        news = False
        for function, known in self._known.items():
            if known.count * TELLING > self._counted.get(function, 0):
                self._counted[function] = known.count
                self._longest.pop(function, None)
                self._usual.pop(function, None)
                news = True
        return news


def _quantile(known: LogHistogram, part: float) -> float:
    left = part * known.count
    value = 0.0
    for value, count in known.values():  # noqa: B007 - the last one is wanted
        left -= count
        if left <= 0:
            break
    return value * sqrt(GROWTH)  # the top of its bucket
