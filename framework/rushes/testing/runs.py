"""Counts of runs in memory, by the same rules as those that all share.

The next of a verb can be made to fail, or its answer to be lost. This module must not know any real table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rushes.core.learning.run_cells import Counted
from rushes.testing.failing import Failing

__all__ = ["StubRunCounts"]


class StubRunCounts(Failing):
    """A `rushes.ports.RunCounts` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, dict[tuple[str, str, int], Counter[str]]] = {}

    def add(self, function: str, tier: str, counted: Counted) -> None:
        with self._called("add"):
            if not counted.counts:
                return
            its = self._kept.setdefault(function, {})
            its.setdefault((tier, counted.version, counted.week), Counter()).update(
                {name: int(count) for name, count in counted.counts.items()}
            )

    def counted(self, function: str) -> Mapping[str, Sequence[Counted]]:
        with self._called("counted"):
            found: dict[str, list[Counted]] = {}
            for (tier, version, week), counts in self._kept.get(function, {}).items():
                found.setdefault(tier, []).append(Counted(version, week, dict(counts)))
            return found
