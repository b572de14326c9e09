"""Which quality value to try next, given what the ones before were worth. Decides; it encodes nothing.

The curve of the encoder gives the first guess. One point shifts that curve along the encoder's scale, for a
clip that is harder or easier than the average; from two points around the target on, what is between them is
interpolated. Every value is within bounds, on the encoder's grid, and tried once. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rushes.media.quality.estimates import Scale
from rushes.media.quality.interpolation import Falling, falling

__all__ = ["MOST_TRIES", "TOLERANCE", "Settled", "Try", "next_step", "prior_over"]

TOLERANCE: Final = 0.5
"""Points of VMAF on the samples; the whole clip adds its own deviation, and the sum is to stay below 1."""
MOST_TRIES: Final = 5
# Near 100 a curve is flat, and a whole shift along it goes too far (measured: 7.5 where 4 were needed).
_CAUTION: Final = 0.85


@dataclass(frozen=True, slots=True)
class Try:
    """Encode with this value next."""

    value: float


@dataclass(frozen=True, slots=True)
class Settled:
    """Use this value.

    Args:
        value: one that was tried.
        vmaf: what it was worth.
        within: the target was met within the tolerance; else it is the nearest that was found.
        limit: ``best`` or ``worst`` where the encoder's scale ended before the target, else None.
    """

    value: float
    vmaf: float
    within: bool
    limit: str | None = None


def prior_over(curve: Falling, scale: Scale) -> Falling:
    """A curve stretched over all of an encoder's scale, so that a guess beyond its points has a slope."""
    points = list(curve.points)
    if curve.low > scale.low:
        points.insert(0, (scale.low, max(100.0, curve.best)))
    if curve.high < scale.high:
        (x0, y0), (x1, y1) = points[-2:]
        points.append((scale.high, max(0.0, y1 + (scale.high - x1) * min(0.0, (y1 - y0) / (x1 - x0)))))
    return falling(points)


def next_step(
    measured: Sequence[tuple[float, float]],
    prior: Falling,
    target: float,
    scale: Scale,
    *,
    tolerance: float = TOLERANCE,
    most: int = MOST_TRIES,
) -> Try | Settled:
    """The next value to try, or the answer.

    Args:
        measured: (value, VMAF) of every try so far.
        prior: what values are worth on average, over all of the scale.
        target: the wished VMAF.
        scale: bounds and steps of the encoder's value.
        tolerance: how far off is near enough, in points of VMAF.
        most: tries altogether.
    """
    if not measured:
        return Try(scale.nearest(prior.solve(target)))
    nearest = min(measured, key=lambda point: (abs(point[1] - target), point[0]))
    if abs(nearest[1] - target) <= tolerance:
        return Settled(*nearest, within=True)
    if len(measured) >= most:
        return Settled(*nearest, within=False)
    tried = {value for value, _ in measured}
    # Noise may make a higher value look better; the innermost pair around the target is the one to trust.
    better = max((value for value, vmaf in measured if vmaf > target), default=None)
    worse = min((value for value, vmaf in measured if vmaf < target), default=None)
    if better is not None and worse is not None and better < worse:
        vmaf_of = dict(measured)
        pair = ((better, vmaf_of[better]), (worse, vmaf_of[worse]))
        between = _between(pair, prior, target, scale)
        return Settled(*nearest, within=False) if between is None or between in tried else Try(between)
    value = _beyond(nearest, prior, target, scale, falls_short=nearest[1] < target)
    if value in tried:
        limit = "best" if nearest[1] < target else "worst"
        return Settled(*nearest, within=False, limit=limit if value in {scale.low, scale.high} else None)
    return Try(value)


def _between(
    pair: tuple[tuple[float, float], tuple[float, float]], prior: Falling, target: float, scale: Scale
) -> float | None:
    """The value between two tried ones where the prior, laid through both, meets the target; None without."""
    (x0, y0), (x1, y1) = pair
    if x1 - x0 < 2 * scale.step:
        return None
    u0, u1, wanted = prior.solve(y0), prior.solve(y1), prior.solve(target)
    share = (wanted - u0) / (u1 - u0) if u0 < wanted < u1 else (y0 - target) / (y0 - y1)
    guess = scale.nearest(x0 + (x1 - x0) * share)
    return min(max(guess, x0 + scale.step), x1 - scale.step)


def _beyond(
    nearest: tuple[float, float], prior: Falling, target: float, scale: Scale, *, falls_short: bool
) -> float:
    """Where the prior, shifted through the nearest point, meets the target; a step further at least."""
    value, vmaf = nearest
    guess = scale.nearest(value + _CAUTION * (prior.solve(target) - prior.solve(vmaf)))
    guess = min(guess, value - scale.step) if falls_short else max(guess, value + scale.step)
    return min(max(guess, scale.low), scale.high)
