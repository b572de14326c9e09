"""A distribution of seconds, how sure it is, and what it rests on.

This module must not know what takes the seconds, nor how that is learnt.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from math import erf, exp, log, sqrt
from typing import Final, NamedTuple

from rushes.core.learning.histogram import GROWTH

__all__ = ["TABLE", "UNKNOWN", "Z_90", "Estimate", "Interval", "Prior", "log_normal"]

# An interval of a quantile is as wide as if so many runs more had been seen.
_MORE_RUNS: Final = 4.0
Z_90: Final = 1.645
"""Half-width of a 90 % interval, in standard deviations."""
TABLE: Final = 256


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before anything was measured.

    Args:
        seconds: that the work will take: as likely longer as shorter.
        spread: two times out of three it is between `seconds` / `spread` and `seconds` × `spread`.
        basis: where that comes from, in a word: ``measured``, ``published``, ``estimate``, ``unknown``.
    """

    seconds: float
    spread: float
    basis: str


UNKNOWN: Final = Prior(1.0, 5.0, "unknown")
"""Of a function that nobody knows anything about; it is wide enough to be wrong by a hundred."""


class Interval(NamedTuple):
    """A figure with the bounds between which it is nine times out of ten."""

    low: float
    likely: float
    high: float


class Estimate:
    """A distribution of seconds, and how sure it is.

    Args:
        weights: seconds and how much each counts, of any sum.
        runs: how many runs of the finest level are in it.
        basis: ``learnt``, or what the prior rests on.
        doubt: standard deviation of the logarithm of the mean: what more runs would make smaller.
    """

    __slots__ = ("_below", "_values", "basis", "doubt", "mean", "runs", "table")

    def __init__(self, weights: Mapping[float, float], *, runs: int, basis: str, doubt: float) -> None:
        self._values = sorted(weights)
        whole = sum(weights.values())
        self._below = list(accumulate(weights[value] / whole for value in self._values))
        self.mean = sum(value * weights[value] for value in self._values) / whole
        self.runs = runs
        self.basis = basis
        self.doubt = doubt
        self.table = tuple(self.quantile((index + 0.5) / TABLE) for index in range(TABLE))

    def quantile(self, part: float) -> float:
        """Seconds that `part` (0 to 1) of invocations do not exceed."""
        # A hair less, so that the sum of weights, which is 1 only nearly, still reaches the last.
        index = bisect_left(self._below, part - 1e-12)
        return self._values[min(index, len(self._values) - 1)]

    def at_most(self, part: float) -> float:
        """The same, and what one bucket hides on top: what a reservation is made by."""
        return self.quantile(part) * sqrt(GROWTH)

    def interval(self, part: float) -> Interval:
        """The same with its bounds: how far the quantile of so few runs can be off, and `doubt`."""
        runs = max(self.runs, 1)
        off = Z_90 * sqrt(part * (1.0 - part) / (runs + _MORE_RUNS))
        likely = self.quantile(part)
        factor = exp(Z_90 * self.doubt)
        low = self.quantile(max(part - off, 0.0)) / factor
        return Interval(low, likely, max(self.quantile(min(part + off, 1.0)), likely) * factor)

    def times(self, factor: float) -> Estimate:
        """The same of work that takes `factor` times as long."""
        other = copy(self)
        other.mean = self.mean * factor
        other._values = [value * factor for value in self._values]  # noqa: SLF001 - its own
        other.table = tuple(value * factor for value in self.table)
        return other

    def elsewhere(self, factor: float, spread: float) -> Estimate:
        """The same where it takes `factor` times as long, give or take `spread`: nobody has measured it."""
        other = self.times(factor)
        other.basis = "estimate"
        other.doubt = sqrt(self.doubt**2 + log(spread) ** 2)
        return other

    @property
    def mean_interval(self) -> Interval:
        """The mean of seconds with its bounds: what a large batch is quoted by."""
        factor = exp(Z_90 * self.doubt)
        return Interval(self.mean / factor, self.mean, self.mean * factor)


def log_normal(median: float, spread: float) -> dict[float, float]:
    """A log-normal distribution in steps of `GROWTH`, out to three times the spread on both sides."""
    sigma = max(log(spread), log(GROWTH))
    step = log(GROWTH)
    reach = int(3.0 * sigma / step) + 1
    return {
        median * exp(index * step): _normal((index + 0.5) * step / sigma)
        - _normal((index - 0.5) * step / sigma)
        for index in range(-reach, reach + 1)
    }


def _normal(z: float) -> float:
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))
