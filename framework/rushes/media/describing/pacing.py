"""Constant or variable frame rate, and how that was decided.

In order of trust: every timestamp, when packets were counted; the sample table of an ISO file; the edit rate
of an MXF or a sequence, which cannot vary; else whether the average rate that the container states equals the
nominal one, which is what its writer meant, not what it wrote. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from rushes.media.describing.schema import RateDecision, RateMode

__all__ = ["Pace", "decide", "is_constant", "working_rate"]

Pace = tuple[RateMode, RateDecision]

# Two statements of one rate that were rounded differently: 23.976 and 24000/1001.
_SAME: Fraction = Fraction(1, 2000)
# Nothing is shot as variable rate above this; a nominal rate beyond it is the clock of the timestamps.
_MAX_NOMINAL = 120
_MAX_CLOCK = 1000
_FIXED: Final[dict[str, RateDecision]] = {"mxf": "edit-rate", "image2": "sequence"}


def decide(
    *,
    family: str,
    table: bool | None,
    frames: int,
    average: Fraction | None,
    nominal: Fraction | None,
) -> Pace:
    """The rate mode of a track from headers alone.

    Args:
        family: ``iso``, ``matroska``, ``mxf``, ``image2`` or "".
        table: whether the container's table of timestamps is constant; None if it has none.
        frames: declared number of frames, 0 if unknown.
        average: frames divided by duration, as the container states it.
        nominal: lowest rate that can tell all timestamps apart that were seen.
    """
    if frames == 1:
        return "cfr", "single-frame"
    if table is not None:
        return ("cfr" if table else "vfr"), "sample-table"
    if family in _FIXED:
        return "cfr", _FIXED[family]
    if not average or not nominal or nominal > _MAX_CLOCK or average > _MAX_CLOCK:
        return "unknown", "undecided"
    if average == nominal or abs(average - nominal) <= nominal * _SAME:
        return "cfr", "average-equals-nominal"
    return "vfr", "average-differs-from-nominal"


def working_rate(mode: RateMode, guessed: Fraction | None, average: Fraction | None) -> Fraction | None:
    """The rate to work with: the guessed one, unless it is only the clock of a variable rate's timestamps."""
    if guessed and guessed <= _MAX_CLOCK:
        if mode != "vfr" or not average:
            return guessed
        if guessed <= _MAX_NOMINAL and guessed <= 2 * average:
            return guessed
    return average if average and average <= _MAX_CLOCK else None


def is_constant(timestamps: Sequence[int]) -> bool:
    """Whether presentation timestamps lie within one tick of a constant rate.

    Args:
        timestamps: in presentation order, in ticks of the track's time base.
    """
    steps = len(timestamps) - 1
    if steps < 2:
        return True
    first, span = timestamps[0], timestamps[-1] - timestamps[0]
    return all(abs((t - first) * steps - i * span) <= steps for i, t in enumerate(timestamps))
