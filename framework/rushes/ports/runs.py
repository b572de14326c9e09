"""What runs took, as counts that all who work add to and all who decide read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from rushes.core.learning.run_cells import Counted

__all__ = ["RunCounts"]


@runtime_checkable
class RunCounts(Protocol):
    """Counts by function, tier, version and week.

    Either verb may raise `PlatformError` where the table does not answer. To count twice does a little harm,
    and to forget a few none: nothing hangs on a single run.
    """

    def add(self, function: str, tier: str, counted: Counted) -> None:
        """Add counts of one version and week, some hundreds of cells at most."""
        ...

    def counted(self, function: str) -> Mapping[str, Sequence[Counted]]:
        """All that there is of a function, by tier; what cannot be read of it is left out."""
        ...
