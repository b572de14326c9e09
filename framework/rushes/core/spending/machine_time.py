"""Dividing what a machine costs among the attempts on it; what nobody used is idle.

A machine costs for every moment that it is there. Each moment is divided among the attempts that run in it
by their shares of the machine: the largest part of any one dimension that they hold (`share_of`). The rest of
it, while the shares are less than the whole, is idle; where they are more (one holds the cores, another the
memory), the moment is divided in their proportion. Power is divided likewise: what the machine draws with
nothing to do as its time is, what it draws above that by the shares alone.

Exact: moments are divided in units of nano-dollars/3.6e9 (price an hour × microseconds) and in nanojoules, by
largest remainder, so nothing is lost or made. When an attempt ends its part is rounded down to nano-dollars
and millijoules; those crumbs, and what the price's steps and least time add, are on the idle line. So the
lines of all attempts and the idle line sum to `TierPrice.cost` of the machine's time, to the nano-dollar.
This module must not know clocks, shows or budgets.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from rushes.core.money import HOUR_US, KWH_NJ, micros, owed, share_out
from rushes.core.spending.prices import TierPrice

__all__ = ["WHOLE", "Closed", "MachineShare", "MachineTime", "divided_by", "share_of"]

WHOLE: Final = 1_000_000
"""Shares are millionths of a machine."""
_NJ_OF_MJ: Final = 1_000_000


def share_of(need: Sequence[int], capacity: Sequence[int]) -> int:
    """The dominant share of a need: the largest part of any dimension, in millionths, `WHOLE` at most.

    Dimensions of which the machine has nothing count for nothing. (Ghodsi et al., Dominant Resource
    Fairness, NSDI 2011, call it so.)
    """
    parts = (-(-want * WHOLE // have) for want, have in zip(need, capacity, strict=True) if have > 0)
    return max(0, min(WHOLE, max(parts, default=0)))


@dataclass(frozen=True, slots=True)
class MachineShare:
    """What one attempt, or idleness, used of a machine.

    Args:
        compute: nano-dollars of the machine's price.
        energy: nano-dollars of energy, where it is bought apart.
        millijoules: energy drawn.
    """

    compute: int = 0
    energy: int = 0
    millijoules: int = 0


def divided_by(share: MachineShare, weights: Sequence[int]) -> list[MachineShare]:
    """A share in parts by weight, which sum to it: of attempts that held it one after the other.

    Without any weight all have the same.
    """
    if len(weights) == 1:
        return [share]
    if not any(weights):
        weights = [1] * len(weights)
    return [
        MachineShare(*parts)
        for parts in zip(
            share_out(share.compute, weights),
            share_out(share.energy, weights),
            share_out(share.millijoules, weights),
            strict=True,
        )
    ]


@dataclass(frozen=True, slots=True)
class Closed(MachineShare):
    """The idle line of a machine that is gone, and the shares of the attempts that were cut off with it."""

    cut_off: tuple[tuple[Hashable, MachineShare], ...] = ()


@dataclass(slots=True)
class _Part:
    share: int
    units: int = 0
    nanojoules: int = 0


A = TypeVar("A", bound=Hashable)


@dataclass(slots=True)
class MachineTime(Generic[A]):
    """One machine's time, from its start until it is gone.

    Instants are UTC epoch seconds; one that lies before the last is taken as the last, so events may come
    late, repeated, or about an attempt that is not there, and nothing is counted twice.

    Args:
        tier: its price and its power.
        since: when it began to cost.
        kwh_nano: the price of energy there (`PriceBook.energy_nano`).
    """

    tier: TierPrice
    since: float
    kwh_nano: int = 0
    _parts: dict[A, _Part] = field(default_factory=dict)
    _from_us: int = field(init=False)
    _at_us: int = field(init=False)
    _nanojoules: int = 0  # of the whole machine
    _ended: MachineShare = field(default_factory=MachineShare)  # of all attempts that have ended
    _closed: Closed | None = None

    def __post_init__(self) -> None:
        self._from_us = self._at_us = micros(self.since)

    def begin(self, attempt: A, share: int, now: float) -> None:
        """An attempt begins to hold `share` millionths; one that is there changes to that share."""
        if self._closed is not None:
            return
        self._advance(now)
        part = self._parts.get(attempt)
        if part is None:
            self._parts[attempt] = _Part(max(0, share))
        else:
            part.share = max(0, share)

    def reshare(self, attempt: A, share: int, now: float) -> None:
        """An attempt holds `share` millionths from now on; 0 while it is paused, which costs it nothing."""
        self._advance(now)
        if attempt in self._parts:
            self.begin(attempt, share, now)

    def end(self, attempt: A, now: float) -> MachineShare:
        """An attempt has ended: what it used. One that is not there used nothing."""
        self._advance(now)
        part = self._parts.pop(attempt, None)
        if part is None:
            return MachineShare()
        share = self._rounded(part)
        self._ended = _sum(self._ended, share)
        return share

    def leave(self, attempt: A, now: float) -> None:
        """An attempt was not begun after all: what it held was nobody's, and is idle."""
        self._advance(now)
        self._parts.pop(attempt, None)

    def skip(self, since: float, now: float) -> None:
        """From `since` until `now` the machine was not there: it slept. Nothing is counted for that time."""
        self._advance(since)
        skipped = micros(now) - self._at_us
        if skipped > 0 and self._closed is None:
            self._at_us += skipped
            self._from_us += skipped

    def so_far(self, attempt: A, now: float) -> MachineShare:
        """What a running attempt has used until now."""
        self._advance(now)
        part = self._parts.get(attempt)
        return MachineShare() if part is None else self._rounded(part)

    def close(self, now: float) -> Closed:
        """The machine is gone: its idle line, and the attempts that it took with it. Once; then the same."""
        if self._closed is None:
            self._advance(now)
            cut_off = tuple((attempt, self.end(attempt, now)) for attempt in tuple(self._parts))
            total = self.total(now)
            self._closed = Closed(
                compute=total.compute - self._ended.compute,
                energy=total.energy - self._ended.energy,
                millijoules=total.millijoules - self._ended.millijoules,
                cut_off=cut_off,
            )
        return self._closed

    def idle(self, now: float) -> MachineShare:
        """What the machine has cost until now and no attempt has used; less when an attempt's part grows."""
        total = self.total(now)
        used = self._ended
        for part in self._parts.values():
            used = _sum(used, self._rounded(part))
        return MachineShare(
            total.compute - used.compute, total.energy - used.energy, total.millijoules - used.millijoules
        )

    def counted_us(self, now: float) -> int:
        """Microseconds that the machine has been there."""
        self._advance(now)
        return self._at_us - self._from_us

    def total(self, now: float) -> MachineShare:
        """What the whole machine has cost and drawn until now: price book × time, and nothing of attempts."""
        self._advance(now)
        return MachineShare(
            compute=self.tier.cost(self._at_us - self._from_us),
            energy=owed(self.kwh_nano, self._nanojoules, KWH_NJ),
            millijoules=self._nanojoules // _NJ_OF_MJ,
        )

    def _advance(self, now: float) -> None:
        """Divide the moment since the last event; the shares have been the same all through it."""
        passed = micros(now) - self._at_us
        if passed <= 0 or self._closed is not None:
            return
        self._at_us += passed
        parts = list(self._parts.values())
        shares = [part.share for part in parts]
        used = sum(shares)
        with_idle = [*shares, max(0, WHOLE - used)]
        idle_mw, busy_mw = self.tier.idle_milliwatts or 0, self.tier.busy_milliwatts or 0
        above = (busy_mw - idle_mw) * passed * min(used, WHOLE) // WHOLE
        self._nanojoules += idle_mw * passed + above
        if not parts:
            return
        # The last part of a list is idleness: it is not kept, but is what the total has more than its parts.
        units = share_out(self.tier.hour_nano * passed, with_idle)
        base = share_out(idle_mw * passed, with_idle)
        more = share_out(above, shares) if used else [0] * len(parts)
        for part, unit, low, high in zip(parts, units, base, more, strict=False):
            part.units += unit
            part.nanojoules += low + high

    def _rounded(self, part: _Part) -> MachineShare:
        return MachineShare(
            compute=part.units // HOUR_US,
            energy=part.nanojoules * self.kwh_nano // KWH_NJ,
            millijoules=part.nanojoules // _NJ_OF_MJ,
        )


def _sum(one: MachineShare, other: MachineShare) -> MachineShare:
    return MachineShare(
        one.compute + other.compute, one.energy + other.energy, one.millijoules + other.millijoules
    )
