"""A histogram of positive numbers in logarithmic buckets: streaming and bounded.

Each bucket is `GROWTH` times as wide as the one before, so any quantile is right to 4 % of its value, with at
most some 450 counters whatever is counted (Masson, Rim and Lee, DDSketch, VLDB 2019, show the idea). When
`MOST` runs are in it, all counts are halved: it goes on learning, and what was long ago fades. This module
must not know what is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, exp, log
from typing import Any, Final

__all__ = ["GROWTH", "LogHistogram"]

GROWTH: Final = 1.08
MOST: Final = 4096
_LEAST_VALUE: Final = 1e-6
_MOST_VALUE: Final = 1e9
_LOG: Final = log(GROWTH)
_FIRST: Final = ceil(log(_LEAST_VALUE) / _LOG)
_LAST: Final = ceil(log(_MOST_VALUE) / _LOG)


class LogHistogram:
    """Counts by bucket, and the number of them."""

    __slots__ = ("count", "counts")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = 0

    def add(self, value: float) -> None:
        """Count one value; what is no positive number is ignored, what is out of bounds is at the bound."""
        if not value > 0.0:
            return
        bucket = max(_FIRST, min(_LAST, ceil(log(min(value, _MOST_VALUE)) / _LOG)))
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.count += 1
        self._fade()

    def values(self) -> Iterator[tuple[float, int]]:
        """The middle of each bucket with its count, in ascending order."""
        for bucket in sorted(self.counts):
            yield middle(bucket), self.counts[bucket]

    def _fade(self) -> None:
        while self.count > MOST:
            self.counts = {bucket: half for bucket, count in self.counts.items() if (half := count // 2)}
            self.count = sum(self.counts.values())

    def to_json(self) -> dict[str, Any]:
        """JSON-able data; `from_json` is its inverse."""
        return {"growth": GROWTH, "counts": [[bucket, self.counts[bucket]] for bucket in sorted(self.counts)]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LogHistogram:
        """What `to_json` wrote.

        Raises:
            ValueError: its buckets are others, or it is no such data.
        """
        histogram = cls()
        try:
            if data["growth"] != GROWTH:
                raise ValueError(f"buckets that grow by {data['growth']!r}, not by {GROWTH}")
            for bucket, count in data["counts"]:
                if not (_FIRST <= bucket <= _LAST and count > 0):
                    raise ValueError(f"bucket {bucket!r} with count {count!r}")
                histogram.counts[int(bucket)] = int(count)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no histogram: {type(error).__name__}: {error}") from error
        histogram.count = sum(histogram.counts.values())
        return histogram


def middle(bucket: int) -> float:
    """The value that stands for a bucket: the one whose relative error is the same at both its ends."""
    return exp((bucket - 0.5) * _LOG)
