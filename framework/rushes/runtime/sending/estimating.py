"""What invocations will take on this machine: learnt from its ledger, and before that from the catalogue.

This module must not know where what was learnt is kept; it is handed the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from rushes.core.learning.durations import Estimate, Prior
from rushes.core.learning.estimates import Estimates
from rushes.core.learning.work import HERE, WorkTraits

__all__ = ["Before", "Estimator", "LearntRun", "LearntRuns"]


class LearntRun(NamedTuple):
    """One run, or `runs` of them that took `seconds` each on average."""

    work: WorkTraits
    seconds: float
    runs: float = 1.0


class Before(NamedTuple):
    """What runs of a function took before a worker began, whatever their clips.

    Args:
        mean_s: on average.
        late_s: the longest of a hundred.
        runs: how many.
    """

    mean_s: float
    late_s: float
    runs: float


class LearntRuns(Protocol):
    """Where what was learnt is kept."""

    def refresh(self) -> None:
        """Learn from what has ended since."""

    def runs_of(self, function: str) -> Iterable[LearntRun]:
        """The runs of one function, oldest first."""


class Estimator:
    """Estimates of the functions that are asked about; each is learnt when it is first asked about.

    Args:
        kept: what was learnt.
        believed: what the encoder catalogue says of work.
    """

    def __init__(
        self, kept: LearntRuns, believed: Callable[[WorkTraits], Prior | None] | None = None
    ) -> None:
        self._kept = kept
        self.believed = believed
        self._estimates = Estimates(believed)
        self._loaded: set[str] = set()
        self._blind: set[str] = set()
        """Functions whose attempts have never looked at a header."""

    def of(self, function: str) -> Estimates:
        """The estimates, with all that was learnt of one function."""
        if function not in self._loaded:
            if not self._loaded:
                self._kept.refresh()
            self._loaded.add(function)
            runs = list(self._kept.runs_of(function))
            for run in runs:
                self._estimates.learn(run.work, run.seconds, run.runs)
            if runs and not any(run.work.frames or run.work.media_s for run in runs):
                self._blind.add(function)
        return self._estimates

    def reads_headers(self, function: str) -> bool:
        """Whether what a function takes depends on headers, as far as is known; it does where nothing is."""
        self.of(function)
        return function not in self._blind

    def estimate(self, function: str, work: WorkTraits | None = None) -> Estimate:
        """What an invocation takes; without `work`, one of those that were seen."""
        estimates = self.of(function)
        seen = estimates.of_function(function, HERE) if work is None else None
        return seen or estimates.estimate(work or WorkTraits(function, HERE))

    def seconds(self, function: str, work: WorkTraits | None = None) -> tuple[float, float]:
        """The 50th and the 99th percentile of what an invocation takes.

        Args:
            function: its reference, as in the batch's specification.
            work: what is to be done; None where nobody has looked at its clip.
        """
        found = self.estimate(function, work)
        return found.quantile(0.5), found.at_most(0.99)
