"""Pays for one attempt of a shared ledger: reserves before it, asks for more as it runs, settles after it.

It looks ahead beyond its next look: an attempt that would come to its reservation before then is given more
or has to stop. This module must not know how a cap is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rushes.core.spending.budget import Payer
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.runtime.shared.money.caps import SharedCaps
from rushes.runtime.shared.money.meter import Meter
from rushes.runtime.shared.money.tranches import Funds, SharedMoney, Short

__all__ = ["AttemptMoney", "fund"]

FIRST_LOOKS: Final = 3
"""Looks that are paid for before an attempt starts."""
AHEAD: Final = 2.0
"""Looks ahead."""


def fund(
    shared: SharedCaps, payer: Payer, meter: Meter, look_s: float, *, capped: bool, least: int = 0
) -> AttemptMoney | Short | None:
    """Money for an attempt that is about to start; why there is none; or None where nobody asks.

    Args:
        shared: where it comes from.
        payer: who pays.
        meter: of the attempt.
        look_s: how often it will be looked at.
        capped: its batch was sent with a cap.
        least: nano-dollars that attempts before it have cost: with less it would come no further than they.
            Of an hour not more than all of it, for they may have cost that in several.
    """
    parts: list[tuple[SharedMoney, Funds]] = []
    first = meter.ahead(FIRST_LOOKS * look_s)
    try:
        for one in shared.concerned(payer, capped=capped):
            most = shared.by_hour.most(payer.scopes) if one is shared.by_hour else None
            found = one.reserve(payer, max(first, least if most is None else min(least, most)))
            if isinstance(found, Short):
                _settle(parts, 0)
                return found
            parts.append((one, found))
    except PlatformError as error:
        _settle(parts, 0)
        return Short(f"waits for money: the ledger did not say how much there is ({error.code}).")
    except CallerError as error:  # somebody has changed the books by hand: work waits until they are mended
        _settle(parts, 0)
        return Short(f"waits for money: {error.message}")
    return AttemptMoney(parts, meter, look_s) if parts else None


def _settle(parts: Sequence[tuple[SharedMoney, Funds]], cost: int) -> None:
    for shared, funds in parts:
        shared.settle(funds, cost)


class AttemptMoney:
    """What one attempt spends.

    Args:
        parts: what it may spend, of every kind of cap.
        meter: what it has spent.
        look_s: how often it is looked at.
    """

    def __init__(self, parts: Sequence[tuple[SharedMoney, Funds]], meter: Meter, look_s: float) -> None:
        self._parts = parts
        self._meter = meter
        self._look_s = look_s
        self.short: Short | None = None
        """Why it has to stop."""

    def look(self) -> None:
        """Reserve what it may spend until it is looked at next, or say that it has to stop."""
        for shared, funds in self._parts:
            self.short = self.short or self._short(shared, funds)

    def _short(self, shared: SharedMoney, funds: Funds) -> Short | None:
        ahead = self._meter.ahead(AHEAD * self._look_s)
        # What was spent in an hour is known as soon as it may have been; what was spent in all, when it is.
        spent = self._meter.ahead(0.0) if shared.by_hour else self._meter.cost().total
        try:
            return shared.spends(funds, spent, ahead)
        except RushesError as error:
            # It is asked again at the next look, if what is reserved lasts until then.
            if self._meter.ahead(self._look_s) - funds.origin > funds.amount:
                return Short(f"ran out of money while the ledger did not answer ({error.code}).")
        return None

    def settle(self) -> None:
        """The attempt has ended."""
        _settle(self._parts, self._meter.cost().total)
