"""What of a function fits into Lambda, and with which memory, time and scratch. Pure.

Limits: 10,240 MB of memory, 900 s, 10,240 MB of scratch
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). Lambda gives processors by memory:
one for 1,769 MB (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). This module must
not know templates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rushes.errors import CallerError
from rushes.units import parse_size

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["MB", "MB_A_CORE", "NANO_A_GB_HOUR", "Size", "hour_nano", "size_of", "unfit"]

MB: Final = 1024 * 1024
MOST_MB: Final = 10_240
LEAST_SCRATCH_MB: Final = 512
MB_A_CORE: Final = 1769
MOST_S: Final = 900
NANO_A_GB_HOUR: Final = 60_000_120
"""Nano-dollars of Lambda on x86, 3,600 times $0.0000166667, its first price step; other regions cost more
(https://aws.amazon.com/lambda/pricing/)."""
MARGIN_S: Final = 60
"""Beside an attempt's own limit: fetching, publishing, and the time in which it is stopped."""


class Size(NamedTuple):
    """What a function is given on Lambda."""

    memory_mb: int
    timeout_s: int
    scratch_mb: int


def unfit(function: Function[Any, Any], largest_clip: str | int) -> str:
    """Why a function cannot run on Lambda; "" where it can."""
    declared = function.resources
    size = _wanted(function, largest_clip)
    if declared.gpu:
        return f"gpu={declared.gpu}, and Lambda has none"
    if size.memory_mb > MOST_MB:
        asked = f"cpu={declared.cpu:g} and memory={declared.memory}"
        return f"{size.memory_mb:,} MB of memory for {asked}; {MOST_MB:,} at most"
    if size.scratch_mb > MOST_MB:
        asked = f"a clip of {largest_clip} and its outputs"
        return f"{size.scratch_mb:,} MB of scratch for {asked}; {MOST_MB:,} at most"
    if size.timeout_s > MOST_S:
        return f"timeout_s={function.timeout_s:g}; {MOST_S - MARGIN_S} at most"
    return ""


def size_of(function: Function[Any, Any], largest_clip: str | int) -> Size:
    """What it is given.

    Raises:
        CallerError: it cannot run on Lambda (``too-big-for-lambda``).
    """
    if why := unfit(function, largest_clip):
        raise CallerError(
            f"function {function.name} cannot run on Lambda: it wants {why}.",
            code="too-big-for-lambda",
            fix="Declare less, say --largest-clip, or give the environment hosts with --hosts.",
        )
    return _wanted(function, largest_clip)


def hour_nano(size: Size) -> int:
    """Nano-dollars that one attempt costs that runs for an hour, rounded up."""
    return -(-NANO_A_GB_HOUR * size.memory_mb // 1024)


def _wanted(function: Function[Any, Any], largest_clip: str | int) -> Size:
    declared = function.resources
    memory = max(parse_size(declared.memory) / MB, declared.cpu * MB_A_CORE, 256)
    # The clip is fetched whole, and what is made of it lies beside it until it is published.
    scratch = (parse_size(largest_clip) + parse_size(declared.scratch)) / MB + LEAST_SCRATCH_MB
    limit = MOST_S if function.timeout_s is None else function.timeout_s + MARGIN_S
    return Size(math.ceil(memory), math.ceil(limit), math.ceil(max(scratch, LEAST_SCRATCH_MB)))
