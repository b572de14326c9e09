"""How long runs took by the size of their clips: counts that any number of processes add up.

A run is one count more in a cell, of its size and of its seconds, both in steps of a quarter of an octave.
Sums of products would be smaller, but one wrong value in them is wrong for ever; a count is one, whatever was
measured, so what is far off stays one run among many. A run that a tier stopped says that its work takes
*more* than that, and is counted as twice as long; one that its memory or scratch could not hold is counted by
its size.

What is read from them is a curve, a start and so much for each byte (`curves.py`, which gives less weight to
what is far off), and how runs of about the same size lie off it. So neither work that grows faster than its
clips nor a few clips of another kind mislead it far. What was counted long ago counts for less; what another
version took says as much as a few runs, until there are some of one's own.

This module must not know tiers, tables or clocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import exp, floor, inf, log, log2
from typing import Final, NamedTuple

from rushes.core.learning.curves import PRIOR_RUNS, Curve, Seen, at, fitted
from rushes.core.learning.run_cells import MOST_BYTES, MOST_S, SECONDS_STEPS, SIZE_STEPS, Counted, RunKind

__all__ = ["ENOUGH", "Expected", "SizedRuns"]

ENOUGH: Final = 3.5
"""Runs before anything is expected: four, whatever fading made of them."""
_TELLING: Final = 8.0
"""Runs of about one size, before the longest of them say how long one may take."""
_LATE: Final = 0.99
_ALONE: Final = 1.5
"""A run that nothing near it resembles is no sign that the next one takes as long."""
_FADES: Final = 0.5
"""What counts of one week weigh against those of the week after."""
_MOST_RUNS: Final = 1e6
"""Of one cell: more is a fault, or somebody's hand."""
_CELL: Final = re.compile(r"(?P<kind>[rtmd])(?P<size>\d{1,3})(?:\.(?P<seconds>-?\d{1,3}))?", re.ASCII)
# Reading and starting take a little; a disk or network brings 50 MB a second. Nearly anything outweighs it.
_BEFORE: Final[Curve] = {"start": 0.5, "bytes": 0.02}
_TRUST: Final = 0.05
# Of runs twice as large, or half as large, as what is asked about, so much is believed of how they lie off.
_NEARNESS: Final = 0.25


class Expected(NamedTuple):
    """What a run of one size takes.

    Args:
        likely_s: as likely longer as shorter.
        late_s: within which nearly all are done; None where too few were seen.
        runs: that it rests on.
    """

    likely_s: float
    late_s: float | None
    runs: float


class _Cell(NamedTuple):
    """Runs of one size and time; `size` in steps."""

    outcome: RunKind
    size: int
    seconds: float
    runs: float

    @property
    def seen(self) -> Seen:
        return Seen(_parts(_middle(self.size, SIZE_STEPS)), self.seconds, self.runs)


class SizedRuns:
    """What runs of one function took on one tier, by size.

    Args:
        version: of the function, that is asked about.
        counted: counts of it and of other versions; what cannot be read of them says nothing.
        week: now.
    """

    def __init__(self, version: str, counted: Iterable[Counted], week: int) -> None:
        own, others = dict[str, float](), dict[str, float]()
        for one in counted:
            age = max(week - one.week, 0)
            into = own if one.version == version else others
            for name, count in one.counts.items():
                if isinstance(count, int | float) and 0 < count <= _MOST_RUNS:
                    into[name] = into.get(name, 0.0) + count * _FADES**age
        scale = min(PRIOR_RUNS / max(sum(others.values()), PRIOR_RUNS), 1.0)
        for name, count in others.items():
            own[name] = own.get(name, 0.0) + count * scale
        cells = [found for name, count in own.items() if (found := _cell(name, count)) is not None]
        self._timed = [one for one in cells if one.outcome in {RunKind.ran, RunKind.too_long}]
        self._failed = [one for one in cells if one.outcome not in {RunKind.ran, RunKind.too_long}]
        self.runs = sum(one.runs for one in self._timed)
        """That it rests on; older ones count for less."""
        self._curve = fitted([one.seen for one in self._timed], _BEFORE, trust=_TRUST)
        self._off: dict[int, tuple[float, float | None]] = {}

    def expected(self, size_bytes: int) -> Expected | None:
        """What a run of that size takes; None where too little was seen."""
        size = floor(SIZE_STEPS * log2(max(size_bytes, 1)))
        # One that was stopped says at once how long the next of its size takes, but nothing of small ones.
        least = min((o.size for o in self._timed if o.outcome is RunKind.too_long), default=inf)
        if not self._timed or (self.runs < ENOUGH and size < least - SIZE_STEPS):
            return None
        usual, late = self._around(size)
        on_curve = at(self._curve, _parts(max(size_bytes, 1)))
        return Expected(on_curve * usual, None if late is None else on_curve * late, self.runs)

    def too_big_for(self, size_bytes: int) -> RunKind | None:
        """What clips of that size were mostly too big for; None for nothing.

        Of clips no smaller than half of it more were too big than were not: one that was, alone, may have
        been another kind of clip.
        """
        size = floor(SIZE_STEPS * log2(max(size_bytes, 1)))
        ran = sum(one.runs for one in self._timed if one.size >= size - SIZE_STEPS)
        for outcome in (RunKind.memory, RunKind.scratch):
            # It was no larger than what is asked about, give or take its cell: that fits less.
            failed = sum(one.runs for one in self._failed if one.outcome is outcome and one.size <= size)
            if failed > max(ran, 1.0):
                return outcome
        return None

    def _around(self, size: int) -> tuple[float, float | None]:
        """How far runs of about a size lie off the curve: usually, and at the most."""
        found = self._off.get(size)
        if found is None:
            found = self._off[size] = self._off_at(size)
        return found

    def _off_at(self, size: int) -> tuple[float, float | None]:
        rows = sorted(
            (
                log(one.seconds / max(at(self._curve, one.seen.parts), 1e-9)),
                one.runs,
                one.runs * _NEARNESS ** (abs(one.size - size) / SIZE_STEPS),
            )
            for one in self._timed
        )
        near = [(off, weight) for off, _, weight in rows]
        usual = _quantile(near, 0.5)
        # What is far away says little of here: with it counts the curve itself, as a few runs.
        mass = sum(weight for _, weight in near)
        usual *= mass / (mass + 1.0)
        late = _quantile(near, min(_LATE, 1.0 - _ALONE / max(mass, _ALONE))) if mass >= _TELLING else None
        return exp(usual), None if late is None else exp(max(late, usual)) * _width()


def _cell(name: str, runs: float) -> _Cell | None:
    """What a cell says; None for a name that is none."""
    found = _CELL.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return None
    outcome, size, step = RunKind(found["kind"]), int(found["size"]), found["seconds"]
    if size > SIZE_STEPS * log2(MOST_BYTES) or (step is None) != (outcome in "md"):
        return None
    seconds = 0.0 if step is None else _middle(int(step), SECONDS_STEPS)
    if not seconds <= MOST_S * 2:
        return None
    return _Cell(outcome, size, seconds * 2 if outcome is RunKind.too_long else seconds, runs)


def _middle(step: int, steps: int) -> float:
    """The value that stands for a cell: as far from its ends, as a factor."""
    return float(2.0 ** ((step + 0.5) / steps))


def _width() -> float:
    """From the middle of a cell of seconds to its top."""
    return float(2.0 ** (0.5 / SECONDS_STEPS))


def _parts(size_bytes: float) -> tuple[tuple[str, float], ...]:
    return ("start", 1.0), ("bytes", size_bytes / 1e6)


def _quantile(rows: Iterable[tuple[float, float]], part: float) -> float:
    """Of values in their order with their weights."""
    known = list(rows)
    left = part * sum(weight for _, weight in known)
    value = 0.0
    for value, weight in known:  # noqa: B007 - the last one is wanted
        left -= weight
        if left <= 1e-12:
            break
    return value
