"""What an invocation will take, learnt from what others took.

How long a work takes follows from its parts (`curves.py`), at three levels from coarse to fine:

    function → and what it encodes to → and with which options

The finest level says most, but may have seen little. So each level's curve is drawn towards that of the
coarser one, and how far runs lie off their curve is mixed likewise: the coarser counts as `PRIOR_RUNS` runs.
Behind the coarsest stands a prior: what the encoder catalogue says, or `UNKNOWN`. Joules and nano-dollars are
not learnt: they are seconds times what the tier draws and costs, so a price that changes changes every
estimate at once. This module must not know the catalogue, prices or clocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Final

from rushes.core.learning.curves import PRIOR_RUNS, Curve, Seen, at, fitted
from rushes.core.learning.durations import UNKNOWN, Estimate, Prior, log_normal
from rushes.core.learning.histogram import GROWTH, LogHistogram
from rushes.core.learning.places import told_apart
from rushes.core.learning.work import Key, WorkTraits

__all__ = ["MOST_LEVELS", "MOST_RUNS", "Believed", "Estimates"]

MOST_RUNS: Final = 256
"""Runs that a level remembers: the newest."""
MOST_LEVELS: Final = 2048
"""Levels that are kept; the one that was used longest ago goes first."""
# Before anything was seen: reading and starting take a little, and the catalogue is right.
_BEFORE: Final[Curve] = {"start": 0.2, "encode": 1.0}
# For how many runs the height of that counts: nearly none where the catalogue says nothing of the work.
_TRUST: Final = 1.0
_BLIND_TRUST: Final = 0.05
# Of work a hundred times as long as any that was seen, the mean may be off by a factor of two: chosen, for
# curves are laid through short runs, in which starting counts for more than it does in long ones.
_BEYOND: Final = 0.15

Weights = dict[float, float]
Believed = Callable[[WorkTraits], Prior | None]
"""What is believed of work before anything like it was seen; None where nobody says anything."""


@dataclass(slots=True)
class _Level:
    """Runs of one kind, and what was made of them: a curve, and how far they lie off it."""

    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=MOST_RUNS))
    curve: Curve = field(default_factory=lambda: _BEFORE)
    fitted: Curve | None = None
    """What the curve was drawn towards; None where it has to be laid anew."""
    off: LogHistogram = field(default_factory=LogHistogram)
    runs: float = 0.0
    longest_s: float = 0.0
    """Seconds of the longest run that was seen."""
    blind: bool = True
    """The catalogue said nothing of any of its runs."""


class Estimates:
    """What was learnt, in bounded memory.

    Args:
        believed: what the encoder catalogue says; None: nothing of anything.
    """

    def __init__(self, believed: Believed | None = None) -> None:
        self._believed = believed or _nothing
        self._levels: dict[Key, _Level] = {}

    def learn(self, work: WorkTraits, seconds: float, runs: float = 1.0) -> None:
        """An attempt at `work` has succeeded and took `seconds`; nonsense is ignored.

        Args:
            work: what it was.
            seconds: of one run.
            runs: that this stands for, where it is the mean of several.
        """
        if not (0.0 < seconds < float("inf") and 0.0 < runs < float("inf")):
            return
        prior = self._believed(work)
        seen = Seen(work.parts(prior.seconds if prior is not None else 0.0), seconds, runs)
        for key in work.keys:
            # Put at the end again: the first is then the one that was used longest ago.
            level = self._levels.pop(key, None) or _Level()
            self._levels[key] = level
            level.seen.append(seen)
            level.fitted = None
            level.blind = level.blind and prior is None
        while len(self._levels) > MOST_LEVELS:
            del self._levels[next(iter(self._levels))]

    def expects(self, work: WorkTraits) -> float:
        """Seconds that `work` will about take."""
        prior = self._believed(work)
        way = self._way(work)
        if not way:
            return (prior or UNKNOWN).seconds
        return max(at(way[-1].curve, work.parts(prior.seconds if prior is not None else 0.0)), 1e-6)

    def estimate(self, work: WorkTraits) -> Estimate:
        """What `work` will take."""
        believed = self._believed(work) or UNKNOWN
        seconds = self.expects(work)
        mixed = log_normal(1.0, believed.spread)
        # Each level's part of the mixture, and how far the mean may be off if it were all of it.
        parts = [(1.0, log(believed.spread))]
        way = self._way(work)
        for level in way:
            own = level.runs / (level.runs + PRIOR_RUNS)
            parts = [(part * (1.0 - own), off) for part, off in parts]
            parts.append((own, _spread(level.off)))
            mixed = {value: weight * (1.0 - own) for value, weight in mixed.items()}
            for value, count in level.off.values():
                mixed[value] = mixed.get(value, 0.0) + own * count / level.off.count
        runs = way[-1].runs if len(way) == len(work.keys) else 0.0
        if runs:  # the finest level is of this very kind of work: more of it makes its mean surer
            part, off = parts[-1]
            parts[-1] = (part, off / sqrt(runs))
        learnt = sum(part for part, _ in parts[1:])
        beyond = max(log(seconds / max(level.longest_s for level in way)), 0.0) if way else 0.0
        return Estimate(
            {value * seconds: weight for value, weight in mixed.items()},
            runs=int(runs),
            basis="learnt" if learnt > 0.5 else believed.basis,
            doubt=sqrt(sum((part * off) ** 2 for part, off in parts) + (_BEYOND * beyond) ** 2),
        )

    def of_function(self, function: str, on: str) -> Estimate | None:
        """What an invocation of a function takes whose clip nobody has looked at; None: none was seen."""
        level = self._levels.get((function, on))
        if level is None:
            return None
        weights: Weights = {}
        for seen in level.seen:
            weights[seen.seconds] = weights.get(seen.seconds, 0.0) + seen.runs
        runs = sum(weights.values())
        mean = sum(log(value) * weight for value, weight in weights.items()) / runs
        variance = sum((log(value) - mean) ** 2 * weight for value, weight in weights.items()) / runs
        return Estimate(weights, runs=int(runs), basis="learnt", doubt=sqrt(max(variance, 1e-3) / runs))

    def runs_of(self, function: str, on: str) -> int:
        """How many runs of a function are remembered."""
        level = self._levels.get((function, on))
        return int(sum(seen.runs for seen in level.seen)) if level is not None else 0

    def grouped(self, works: Iterable[WorkTraits]) -> list[tuple[int, Estimate]]:
        """How many works take about the same (to `GROWTH`), with what such a one takes."""
        found: dict[tuple[Key, int], list[float]] = {}
        alike: dict[Key, tuple[WorkTraits, float]] = {}
        for work in works:
            seconds = self.expects(work)
            key = work.keys[-1]
            found.setdefault((key, round(log(seconds) / log(GROWTH))), []).append(seconds)
            alike.setdefault(key, (work, seconds))
        first = {key: (self.estimate(work), seconds) for key, (work, seconds) in alike.items()}
        return [
            (len(each), first[key][0].times(sum(each) / len(each) / first[key][1]))
            for (key, _), each in found.items()
        ]

    # -- levels ----------------------------------------------------------------------------------------------

    def _way(self, work: WorkTraits) -> list[_Level]:
        """The levels that have seen something, from coarse to fine, each with its curve."""
        found: list[_Level] = []
        towards, trust = _BEFORE, _TRUST
        for key in work.keys:
            level = self._levels.get(key)
            if level is None:
                break
            if level.fitted is not towards:
                _fit(level, towards, _BLIND_TRUST if level.blind and not found else trust)
            found.append(level)
            towards, trust = level.curve, PRIOR_RUNS
        return found


def _nothing(_work: WorkTraits) -> None:
    return None


def _fit(level: _Level, towards: Curve, trust: float) -> None:
    curve = fitted(told_apart(level.seen), towards, trust=trust)
    level.curve, level.fitted = curve, towards
    level.runs = sum(one.runs for one in level.seen)
    level.longest_s = max(one.seconds for one in level.seen)
    # A curve lies nearer to the few runs that it was laid through than to the next one.
    stretch = sqrt((len(level.seen) + len(level.seen[-1].parts)) / len(level.seen))
    level.off = LogHistogram()
    for one in level.seen:
        level.off.add((one.seconds / max(at(curve, one.parts), 1e-9)) ** stretch)


def _spread(histogram: LogHistogram) -> float:
    """Standard deviation of the logarithms, no less than what one bucket hides."""
    pairs: Iterable[tuple[float, int]] = list(histogram.values())
    count = histogram.count
    mean = sum(log(value) * weight for value, weight in pairs) / count
    variance = sum((log(value) - mean) ** 2 * weight for value, weight in pairs) / count
    return max(sqrt(variance), log(GROWTH) / 2)
