"""What holding a share of one machine costs: its price, its power, and what that is a price of.

The price of a tier is that of a whole machine. An attempt holds a share of it: the largest part of any one
dimension that its shape takes (`machine_time.share_of`). This module must not know clocks, nor which machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

from rushes.core.events import Capacity, Shape
from rushes.core.money import HOUR_US, KWH_NJ, micros, owed
from rushes.core.spending.machine_time import WHOLE, share_of
from rushes.core.spending.prices import TierPrice

__all__ = ["MachinePrice", "held_cost"]

_MILLI = 1000

KEPT = 4096
"""Shapes whose share is remembered: what runs is asked for its price again and again."""


def held_cost(tier: TierPrice, kwh_nano: int, share: int, seconds: float) -> int:
    """Nano-dollars of one attempt that holds `share` millionths of a machine for `seconds`.

    Time, request and energy; rounded up, and at full power, so that what is charged later
    (`machine_time.MachineTime`) for so many seconds is never more.
    """
    elapsed_us = micros(seconds)
    energy_nj = -(-(tier.busy_milliwatts or 0) * elapsed_us * share // WHOLE)
    return (
        owed(tier.hour_nano * share, elapsed_us, HOUR_US * WHOLE)
        + tier.request_nano
        + owed(kwh_nano, energy_nj, KWH_NJ)
    )


@dataclass(frozen=True, slots=True)
class MachinePrice:
    """The price of one machine, and what it is the price of.

    Args:
        tier: what a machine costs and draws.
        capacity: what the machine has; the shares of attempts are parts of it.
        kwh_nano: the price of energy there (`PriceBook.energy_nano`).
    """

    tier: TierPrice
    capacity: Capacity
    kwh_nano: int = 0
    _shares: dict[Shape, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def free(self) -> bool:
        """Whether nothing that runs here costs anything."""
        return not (self.tier.hour_nano or self.tier.request_nano or (self.kwh_nano and self._draws))

    @property
    def counted(self) -> bool:
        """Whether there is anything to count: money, or energy where the watts are stated."""
        return not self.free or self._draws

    @property
    def _draws(self) -> bool:
        return bool(self.tier.busy_milliwatts)

    def share(self, shape: Shape) -> int:
        """The millionths of the machine that an attempt of this shape holds."""
        return share_of(
            (round(shape.cpu * _MILLI), round(shape.memory), round(shape.scratch), round(shape.gpu * _MILLI)),
            _units_of(self.capacity),
        )

    def price_of(self, shape: Shape, seconds: float) -> int:
        """Nano-dollars of an attempt of this shape that takes `seconds`, pauses not counted."""
        share = self._shares.get(shape)
        if share is None:
            if len(self._shares) >= KEPT:
                self._shares.clear()
            share = self._shares[shape] = self.share(shape)
        return held_cost(self.tier, self.kwh_nano, share, seconds)


def _units_of(capacity: Capacity) -> tuple[int, int, int, int]:
    """As `share_of` counts: of a dimension that is not limited, nothing is the whole."""
    scratch = round(capacity.scratch) if isfinite(capacity.scratch) else 0
    memory = round(capacity.memory) if isfinite(capacity.memory) else 0
    return round(capacity.cpu * _MILLI), memory, scratch, round(capacity.gpu * _MILLI)
