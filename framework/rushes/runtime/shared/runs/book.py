"""What runs took, as who decides by it reads it: now and then, and kept for some minutes.

What cannot be read is not known, or as it was before: nothing ever waits for it. This module must not know
which table it is, nor what is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from rushes.core.learning.run_cells import week_of
from rushes.core.learning.sized_runs import SizedRuns
from rushes.errors import RushesError
from rushes.ports import RunCounts

__all__ = ["RunBook"]

READ_S: Final = 120.0
"""What was read of a function is taken to be so for so long."""
REST_S: Final = 30.0
"""After a service that did not answer."""


class RunBook:
    """What runs of functions took, as far as it is known here.

    Args:
        kept: where it is read.
        clock: UTC epoch seconds.
    """

    def __init__(self, kept: RunCounts, clock: Callable[[], float]) -> None:
        self._kept = kept
        self._clock = clock
        self._read: dict[tuple[str, str], tuple[float, dict[str, SizedRuns]]] = {}

    def of(self, function: str, version: str) -> dict[str, SizedRuns]:
        """The runs of a version of a function, by tier."""
        now = self._clock()
        until, known = self._read.get((function, version), (0.0, {}))
        if now >= until:
            keep_s = REST_S
            with suppress(RushesError):
                week = week_of(now)
                found = self._kept.counted(function)
                known = {tier: SizedRuns(version, rows, week) for tier, rows in found.items()}
                keep_s = READ_S
            self._read[function, version] = now + keep_s, known
        return known
