"""Cells in which runs are counted, by the size of their clips and by their seconds, in steps of an octave.

Apart from what is read from them (`sized_runs`): who only counts is to start quickly. This module must not
know tiers, tables or clocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import floor, isfinite, log2
from typing import Final, NamedTuple

__all__ = [
    "MOST_BYTES",
    "MOST_S",
    "SECONDS_STEPS",
    "SIZE_STEPS",
    "WEEK_S",
    "Counted",
    "RunKind",
    "cell",
    "week_of",
]

WEEK_S: Final = 7 * 86_400
"""Counts are kept by the week, so that what is old can count for less, and vanish."""
SIZE_STEPS: Final = 4
SECONDS_STEPS: Final = 4
LEAST_S: Final = 0.01
MOST_S: Final = 1e6
MOST_BYTES: Final = 2**60


class RunKind(StrEnum):
    """What a run says of its size."""

    ran = "r"
    too_long = "t"
    """It was stopped while it got on: it takes longer than that."""
    memory = "m"
    scratch = "d"


class Counted(NamedTuple):
    """Counts of one version in one week, by the names of their cells."""

    version: str
    week: int
    counts: Mapping[str, float]


def week_of(now: float) -> int:
    """The number of the week of a time, UTC epoch seconds."""
    return int(now // WEEK_S)


def cell(outcome: RunKind, size_bytes: int, seconds: float) -> str:
    """The name of the cell that a run is counted in; "" for one that says nothing."""
    if not (isfinite(seconds) and seconds >= 0.0 and size_bytes >= 0):
        return ""
    size = floor(SIZE_STEPS * log2(min(max(size_bytes, 1), MOST_BYTES)))
    if outcome in {RunKind.memory, RunKind.scratch}:
        return f"{outcome.value}{size}"
    return f"{outcome.value}{size}.{floor(SECONDS_STEPS * log2(min(max(seconds, LEAST_S), MOST_S)))}"
