"""What running costs on a pool, and what an attempt asks for before it starts.

    sure     its 99th percentile, and the time in which it is looked at
    a guess  a twentieth of the smallest cap of its payers, at most
    least    with less than this it is not begun, since it would only be paused

This module must not know budgets' books, clocks or what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from rushes.core.accounts import SpendLimits
from rushes.core.events import Shape
from rushes.core.learning.run_times import GUESS, ExpectedRun, RunTimes

__all__ = ["AHEAD_S", "LEASE_S", "LOOK_S", "TRIAL", "Asked", "Tariff", "asked_of"]

LOOK_S: Final = 0.25
"""How often a worker looks, at least, while anything is open."""
AHEAD_S: Final = 0.75
"""An attempt is given more so long before it has spent what it may. A worker that looks later than that costs
nothing but time: what it has not looked at stands still until it does."""
LEASE_S: Final = 2.0
"""Nothing works longer than this beyond the last look. So it is what an attempt is charged for at most,
beyond what it had worked then, when its worker is killed and nobody knows how far it came."""
TRIAL: Final = 20
"""A guess reserves no more than this part of a cap, so that no cap is held back by guesses."""
LONGEST_S: Final = 1e8
"""No attempt works for longer: three years."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What running costs on a pool: pure functions.

    Args:
        cost: nano-dollars that an attempt of a shape has cost after so many seconds at work, at most.
        expected: how long one of a shape may take, where that was known before any ran here.
    """

    cost: Callable[[Shape, float], int]
    expected: Callable[[Shape], ExpectedRun | None] = lambda _: None

    def lasts(self, shape: Shape, nano: int) -> float:
        """How long an attempt can work for so many nano-dollars."""
        if self.cost(shape, 0.0) > nano:
            return 0.0
        low, high = 0.0, 1.0
        while high < LONGEST_S and self.cost(shape, high) <= nano:
            low, high = high, 2 * high
        while high - low > max(1e-6, 1e-6 * low):
            middle = (low + high) / 2
            low, high = (middle, high) if self.cost(shape, middle) <= nano else (low, middle)
        return low


class Asked(NamedTuple):
    """What an attempt asks for.

    Args:
        amount: nano-dollars that it reserves where there are so many.
        seconds: how long they last; None: as long as the tariff says.
        least: nano-dollars with less than which it is not begun.
    """

    amount: int
    seconds: float | None
    least: int


def asked_of(
    shape: Shape, tariff: Tariff, times: RunTimes, limits: Iterable[SpendLimits], *, behind: bool
) -> Asked:
    """What one attempt of a shape asks for.

    Args:
        shape: what runs.
        tariff: what that costs.
        times: how long such attempts took.
        limits: of those who pay.
        behind: it stands behind another on its slot; whoever is the first there has the time to be looked at.
    """
    expected = times.longest(shape.function) or tariff.expected(shape) or GUESS
    seconds = expected.seconds + (0.0 if behind else AHEAD_S)
    amount = tariff.cost(shape, seconds)
    if expected.sure:
        usual_s = min(times.usual(shape.function) or expected.seconds, expected.seconds)
        return Asked(amount, seconds, tariff.cost(shape, usual_s))
    caps = [cap for one in limits for cap in (one.cap, one.hour_cap) if cap is not None]
    trial = max(min(caps, default=amount) // TRIAL, tariff.cost(shape, AHEAD_S))
    least = min(amount, trial, tariff.cost(shape, LOOK_S))
    return Asked(amount, seconds, least) if amount <= trial else Asked(trial, None, least)
