"""What invocations will take by the size of their clips, in the form in which a quote asks. Pure.

Where runs are counted by size alone (`sized_runs.py`), nothing is known of a clip but its bytes: how far runs
of about that size lie off their curve is how sure the estimate is. This module must not know tiers or tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log, sqrt
from typing import Final, Protocol

from rushes.core.learning.durations import Estimate, log_normal
from rushes.core.learning.histogram import GROWTH
from rushes.core.learning.sized_runs import Expected
from rushes.core.learning.work import WorkTraits

__all__ = ["SizedEstimates"]

_LATE_Z: Final = 2.326
"""Standard deviations from the middle to what 99 of a hundred do not exceed."""
_FEW_SPREAD: Final = 1.8
"""While too few were seen to say how late one may be: chosen as wide as what is published of encoders."""


class Sizes(Protocol):
    """What is asked of the runs that were seen: `rushes.core.learning.sized_runs.SizedRuns`."""

    def expected(self, size_bytes: int) -> Expected | None:
        """What a run of that size takes; None where too little was seen."""


class SizedEstimates:
    """Estimates of one function on one tier.

    Args:
        runs: that were seen.
    """

    def __init__(self, runs: Sizes) -> None:
        self._runs = runs

    def runs_of(self, function: str, on: str) -> int:  # noqa: ARG002 - of one function, on one tier
        """How many runs they rest on."""
        found = self._runs.expected(1)
        return 0 if found is None else round(found.runs)

    def grouped(self, works: Iterable[WorkTraits]) -> list[tuple[int, Estimate]]:
        """How many works take about the same (to `GROWTH`), with what such a one takes."""
        found: dict[int, list[Expected]] = {}
        for work in works:
            expected = self._runs.expected(max(work.size_bytes, 1))
            if expected is not None:
                found.setdefault(round(log(expected.likely_s) / log(GROWTH)), []).append(expected)
        return [(len(alike), _estimate(alike)) for alike in found.values()]


def _estimate(alike: list[Expected]) -> Estimate:
    seconds = sum(one.likely_s for one in alike) / len(alike)
    late = [one.late_s / one.likely_s for one in alike if one.late_s is not None]
    spread = exp(log(max(late)) / _LATE_Z) if late else _FEW_SPREAD
    spread = max(spread, GROWTH)
    runs = max(alike[0].runs, 1.0)
    return Estimate(
        log_normal(seconds, spread), runs=round(runs), basis="learnt", doubt=log(spread) / sqrt(runs)
    )
