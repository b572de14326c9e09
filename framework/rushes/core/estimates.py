"""What an invocation will take, learnt from what others took.

Seconds are learnt for each unit of work (a megapixel where there is a picture, else an invocation), on each
tier, at four levels from coarse to fine:

    function → and codec → and size of the picture → and amount of work

The finest level says most, but may have seen little. So each level is mixed with the coarser one, which
counts as `PRIOR_RUNS` runs, and the coarsest with a prior: what the encoder catalogue says, or `UNKNOWN`.
Joules and nano-dollars are not learnt: they are seconds times what the tier draws and costs, so a price that
changes changes every estimate at once. This module must not know the catalogue, prices or clocks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import erf, exp, log, sqrt
from typing import Any, Final, NamedTuple

from rushes.core.histogram import GROWTH, LogHistogram

__all__ = ["UNKNOWN", "Estimate", "Estimates", "Interval", "Prior", "Work"]

SCHEMA: Final = 1
PRIOR_RUNS: Final = 4.0
"""What the coarser level counts for: after 40 runs of its own a level says 91 %."""
MOST_KEYS: Final = 4096
"""Histograms that are kept; the one that was used longest ago goes first."""
Z_90: Final = 1.645
"""Half-width of a 90 % interval, in standard deviations."""
TABLE: Final = 256

Key = tuple[str, ...]
Weights = dict[float, float]


class Work(NamedTuple):
    """One invocation, as far as its header tells.

    Args:
        function: what runs.
        on: the tier, or the encoder on it: where it runs, in a word that stays the same.
        codec: that it makes, or "".
        width, height: of its picture; 0 where there is none.
        frames: how many.
    """

    function: str
    on: str
    codec: str = ""
    width: int = 0
    height: int = 0
    frames: int = 0

    @property
    def amount(self) -> float:
        """Units of work: megapixels, at least a thousandth, or 1 without a picture."""
        pixels = self.width * self.height * self.frames
        return max(pixels / 1e6, 1e-3) if pixels > 0 else 1.0

    @property
    def keys(self) -> tuple[Key, ...]:
        """Where it is learnt, the coarsest level first. Sizes and amounts are by powers of two."""
        size = str(max(self.width * self.height, 1).bit_length())
        amount = str(max(round(self.amount * 1000), 1).bit_length())
        coarse = (self.function, self.on)
        return coarse, (*coarse, self.codec), (*coarse, self.codec, size), (*coarse, self.codec, size, amount)


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
        off = Z_90 * sqrt(part * (1.0 - part) / (runs + PRIOR_RUNS))
        likely = self.quantile(part)
        factor = exp(Z_90 * self.doubt)
        low = self.quantile(max(part - off, 0.0)) / factor
        return Interval(low, likely, max(self.quantile(min(part + off, 1.0)), likely) * factor)

    @property
    def mean_interval(self) -> Interval:
        """The mean of seconds with its bounds: what a large batch is quoted by."""
        factor = exp(Z_90 * self.doubt)
        return Interval(self.mean / factor, self.mean, self.mean * factor)


class Estimates:
    """What was learnt, in bounded memory. It can be merged with what another worker has learnt."""

    def __init__(self) -> None:
        self._known: dict[Key, LogHistogram] = {}

    def learn(self, work: Work, seconds: float) -> None:
        """An attempt at `work` has succeeded and took `seconds`; nonsense is ignored."""
        if not 0.0 < seconds < float("inf"):
            return
        for key in work.keys:
            # Put at the end again: the first is then the one that was used longest ago.
            histogram = self._known.pop(key, None) or LogHistogram()
            self._known[key] = histogram
            histogram.add(seconds / work.amount)
        while len(self._known) > MOST_KEYS:
            del self._known[next(iter(self._known))]

    def merge(self, other: Estimates) -> None:
        """Learn all that `other` has learnt."""
        for key, histogram in other._known.items():
            self._known.setdefault(key, LogHistogram()).merge(histogram)
        while len(self._known) > MOST_KEYS:
            del self._known[next(iter(self._known))]

    def estimate(self, work: Work, prior: Prior | None = None) -> Estimate:
        """What `work` will take.

        Args:
            work: as for `learn`.
            prior: what the catalogue says; None where it says nothing.
        """
        believed = prior or UNKNOWN
        amount = work.amount
        mixed = _log_normal(believed.seconds / amount, believed.spread)
        # Each level's part of the mixture, and how far the mean may be off if it were all of it.
        parts = [(1.0, log(believed.spread))]
        runs = 0
        for key in work.keys:
            histogram = self._known.get(key)
            runs = histogram.count if histogram is not None else 0
            if histogram is None or not runs:
                continue
            own = runs / (runs + PRIOR_RUNS)
            parts = [(part * (1.0 - own), off) for part, off in parts]
            parts.append((own, _spread(histogram)))
            mixed = {value: weight * (1.0 - own) for value, weight in mixed.items()}
            for value, count in histogram.values():
                mixed[value] = mixed.get(value, 0.0) + own * count / runs
        if runs:  # the finest level is of this very kind of work: more of it makes its mean surer
            part, off = parts[-1]
            parts[-1] = (part, off / sqrt(runs))
        learnt = sum(part for part, _ in parts[1:])
        return Estimate(
            {value * amount: weight for value, weight in mixed.items()},
            runs=runs,
            basis="learnt" if learnt > 0.5 else believed.basis,
            doubt=sqrt(sum((part * off) ** 2 for part, off in parts)),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-able data; `from_json` is its inverse."""
        return {
            "schema": SCHEMA,
            "known": [[list(key), histogram.to_json()] for key, histogram in self._known.items()],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Estimates:
        """What `to_json` wrote.

        Raises:
            ValueError: it is of another schema, or no such data.
        """
        estimates = cls()
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']!r} is not {SCHEMA}")
            for key, histogram in data["known"]:
                estimates._known[tuple(map(str, key))] = LogHistogram.from_json(histogram)
        except (KeyError, TypeError) as error:
            raise ValueError(f"these are no estimates: {type(error).__name__}: {error}") from error
        return estimates


def _log_normal(median: float, spread: float) -> Weights:
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


def _spread(histogram: LogHistogram) -> float:
    """Standard deviation of the logarithms, no less than what one bucket hides."""
    pairs: Iterable[tuple[float, int]] = list(histogram.values())
    count = histogram.count
    mean = sum(log(value) * weight for value, weight in pairs) / count
    variance = sum((log(value) - mean) ** 2 * weight for value, weight in pairs) / count
    return max(sqrt(variance), log(GROWTH) / 2)
