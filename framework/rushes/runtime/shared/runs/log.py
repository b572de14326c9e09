"""What runs took, noted by who works, and told about once a minute.

Nothing is asked for an invocation: a process notes its runs and adds them up together. What cannot be told is
lost, and never keeps work waiting. This module must not know which table it is, nor what is read from it
(`run_book`), for who works is to start quickly.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from rushes.core.learning.run_cells import Counted, RunKind, cell, week_of
from rushes.errors import RushesError
from rushes.ports import RunCounts

__all__ = ["RunLog"]

TOLD_S: Final = 60.0
"""Between two times that a process tells what its runs took."""
LONG_S: Final = 30.0
"""A run that took so long is told of at once: one request is nothing beside it, and its process may end."""


class RunLog:
    """The runs of one process on one tier.

    Args:
        kept: where they are added up.
        tier: which.
        clock: UTC epoch seconds.
    """

    def __init__(self, kept: RunCounts, tier: str, clock: Callable[[], float]) -> None:
        self.tier = tier
        self._kept = kept
        self._clock = clock
        self._told_at = clock()
        self._noted: dict[tuple[str, str, int], Counter[str]] = {}
        self._lock = threading.Lock()

    def ran(
        self,
        function: str,
        version: str,
        size_bytes: int,
        seconds: float,
        outcome: RunKind = RunKind.ran,
    ) -> None:
        """Note how a run of a function ended, on a clip of this size; one that was long is told of soon."""
        name = cell(outcome, size_bytes, seconds)
        if not name or not size_bytes:  # nobody knew how large it was
            return
        with self._lock:
            counts = self._noted.setdefault((function, version, week_of(self._clock())), Counter())
            counts[name] += 1
            if seconds >= LONG_S or outcome is not RunKind.ran:
                self._told_at = min(self._told_at, self._clock() - TOLD_S)

    def tend(self, *, ends: bool = False) -> None:
        """Tell what was noted, if it is time to; `ends`: in any case. A service may fail it."""
        now = self._clock()
        with self._lock:
            if not self._noted or (now - self._told_at < TOLD_S and not ends):
                return
            noted, self._noted, self._told_at = self._noted, {}, now
        for (function, version, week), counts in noted.items():
            with suppress(RushesError):  # some runs fewer are known; told again, they might count twice
                self._kept.add(function, self.tier, Counted(version, week, counts))
