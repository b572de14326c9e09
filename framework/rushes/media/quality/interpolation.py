"""A smooth curve through few points that never turns: quality against an encoder's scale, and back.

Piecewise cubic Hermite interpolation with the slopes of Fritsch and Butland ("A Method for Constructing
Local Monotone Piecewise Cubic Interpolants", SIAM J. Sci. Stat. Comput. 5, 1984): where the points fall, the
curve falls, so it can be read both ways. Pure; it must not know what is measured.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

__all__ = ["Falling", "falling"]

_HALVINGS = 60


class Falling:
    """A function that never rises, through points of rising x and never rising y.

    Args:
        points: (x, y), at least two; x strictly rises.

    Raises:
        ValueError: there are fewer than two points, x does not rise, or y does.
    """

    def __init__(self, points: Iterable[tuple[float, float]]) -> None:
        self.points = tuple(points)
        if len(self.points) < 2:
            msg = "a curve needs two points at least"
            raise ValueError(msg)
        if any(b[0] <= a[0] or b[1] > a[1] for a, b in pairwise(self.points)):
            msg = f"expected rising x and falling y, got {self.points}"
            raise ValueError(msg)
        self._slopes = _slopes(self.points)

    @property
    def low(self) -> float:
        """The smallest x."""
        return self.points[0][0]

    @property
    def high(self) -> float:
        """The largest x."""
        return self.points[-1][0]

    @property
    def best(self) -> float:
        """The largest y."""
        return self.points[0][1]

    @property
    def worst(self) -> float:
        """The smallest y."""
        return self.points[-1][1]

    def at(self, x: float) -> float:
        """The y at `x`; beyond the ends, that of the end."""
        if x <= self.low:
            return self.best
        if x >= self.high:
            return self.worst
        right = bisect_right(self.points, x, key=lambda point: point[0])
        (x0, y0), (x1, y1) = self.points[right - 1 : right + 1]
        width = x1 - x0
        t = (x - x0) / width
        d0, d1 = self._slopes[right - 1] * width, self._slopes[right] * width
        value = (
            y0 * (1 + 2 * t) * (1 - t) ** 2
            + d0 * t * (1 - t) ** 2
            + y1 * t**2 * (3 - 2 * t)
            + d1 * t**2 * (t - 1)
        )
        # Rounding may leave the interval by an ulp, and a reader back relies on it not turning.
        return min(y0, max(y1, value))

    def solve(self, y: float) -> float:
        """The largest x that still gives `y`; the low end where none does."""
        if y > self.best:
            return self.low
        if y <= self.worst:
            return self.high
        low, high = self.low, self.high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.at(middle) >= y else (low, middle)
        return low


def falling(points: Iterable[tuple[float, float]]) -> Falling:
    """The curve through measured points: the noise that makes neighbours rise is averaged out.

    Neighbours that rise are pooled into their mean (Ayer et al. 1955), so no point is favoured.

    Raises:
        ValueError: there are fewer than two points, or two of the same x.
    """
    ordered = sorted(points)
    pools: list[list[float]] = []
    for _, y in ordered:
        pools.append([y])
        while len(pools) > 1 and _mean(pools[-1]) > _mean(pools[-2]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = [_mean(pool) for pool in pools for _ in pool]
    return Falling((x, y) for (x, _), y in zip(ordered, level, strict=True))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _slopes(points: tuple[tuple[float, float], ...]) -> list[float]:
    widths = [b[0] - a[0] for a, b in pairwise(points)]
    rises = [(b[1] - a[1]) / width for (a, b), width in zip(pairwise(points), widths, strict=True)]
    inner = [
        _between(before, after, left, right)
        for (before, after), (left, right) in zip(pairwise(rises), pairwise(widths), strict=True)
    ]
    return [rises[0], *inner, rises[-1]]


def _between(before: float, after: float, left: float, right: float) -> float:
    """The slope at a point between two rises; flat where either is, so that the curve does not turn."""
    if before * after <= 0:
        return 0.0
    one, two = 2 * right + left, right + 2 * left
    return (one + two) / (one / before + two / after)
