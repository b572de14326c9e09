"""How long a function is expected to run, learnt from how long it ran.

An exponentially weighted mean for each function. It moves with the runs of this very pool, and begins with
what earlier ones took (`believe`). It decides how many invocations a slot is given at once and what a show is
charged before the truth is known, so it need not be exact: both are corrected later. What one clip takes and
another does not is told by `estimates`, at a cost that no dispatch could pay. This module must not know
slots, shows or clocks.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ExpectedRuns"]

# Weight of one observation. A first run is often a hundred times too long (imports, cold caches): with 0.3
# its share is below 1 % after 13 further runs.
WEIGHT: Final = 0.3


class ExpectedRuns:
    """Expected run seconds by function name."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def learn(self, function: str, total_s: float, count: int) -> None:
        """`count` runs took `total_s` seconds together; nonsense (no runs, a negative time) is ignored."""
        if count <= 0 or not total_s >= 0.0:
            return
        mean = total_s / count
        known = self._seconds.get(function)
        if known is None:
            self._seconds[function] = mean
        else:
            self._seconds[function] = known + (mean - known) * (1.0 - (1.0 - WEIGHT) ** count)

    def believe(self, function: str, seconds: float) -> None:
        """What a run took before this pool began, where none of its own has ended yet.

        A first run is longer than all after it: imports, cold caches. With this it does not count alone.
        """
        if seconds > 0.0:
            self._seconds.setdefault(function, seconds)

    def seconds(self, function: str) -> float | None:
        """Expected seconds of one run, or None when it never finished one."""
        return self._seconds.get(function)

    def at_once(self, function: str, budget_s: float, most: int) -> int:
        """How many runs fit in `budget_s`, from 1 to `most`; 1 when nothing is known."""
        known = self._seconds.get(function)
        if known is None or known >= budget_s:
            return 1
        if known * most <= budget_s:
            return max(1, most)
        # A hair more than the quotient: 0.02 / 0.001 is to be 20 however the mean was rounded.
        return max(1, int(budget_s / known * (1 + 1e-9)))
