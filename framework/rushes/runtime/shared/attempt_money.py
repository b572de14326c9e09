"""Pays for one attempt of a shared ledger: reserves before it, asks for more as it runs, settles after it.

It looks ahead beyond its next look: an attempt that would come to its reservation before then is given more
or has to stop. This module must not know how a cap is shared.
"""

from __future__ import annotations

from typing import Final

from rushes.core.spending.budget import Payer
from rushes.errors import PlatformError
from rushes.runtime.shared.meter import Meter
from rushes.runtime.shared.shared_money import Funds, SharedMoney, Short

__all__ = ["HELD_S", "AttemptMoney", "fund"]

HELD_S: Final = 600.0
"""What is held for want of money is tried again after so long: each try is two requests."""
FIRST_LOOKS: Final = 3
"""Looks that are paid for before an attempt starts."""
AHEAD: Final = 2.0
"""Looks ahead."""


def fund(
    shared: SharedMoney, payer: Payer, meter: Meter, look_s: float, *, capped: bool, least: int = 0
) -> AttemptMoney | Short | None:
    """Money for an attempt that is about to start; why there is none; or None where nobody asks.

    Args:
        shared: where it comes from.
        payer: who pays.
        meter: of the attempt.
        look_s: how often it will be looked at.
        capped: its batch was sent with a cap.
        least: nano-dollars that attempts before it have cost: with less it would come no further than they.
    """
    try:
        if not shared.concerns(payer, capped=capped):
            return None
        found = shared.reserve(payer, max(meter.ahead(FIRST_LOOKS * look_s), least))
    except PlatformError as error:
        return Short(f"waits for money: the ledger did not say how much there is ({error.code}).")
    return found if isinstance(found, Short) else AttemptMoney(shared, found, meter, look_s)


class AttemptMoney:
    """What one attempt spends."""

    def __init__(self, shared: SharedMoney, funds: Funds, meter: Meter, look_s: float) -> None:
        self._shared = shared
        self._funds = funds
        self._meter = meter
        self._look_s = look_s
        self.short: Short | None = None
        """Why it has to stop."""

    def look(self) -> None:
        """Reserve what it may spend until it is looked at next, or say that it has to stop."""
        ahead = self._meter.ahead(AHEAD * self._look_s)
        try:
            self.short = self.short or self._shared.spends(self._funds, self._meter.cost().total, ahead)
        except PlatformError as error:
            # It is asked again at the next look, if what is reserved lasts until then.
            if self._meter.ahead(self._look_s) > self._funds.amount:
                self.short = Short(f"ran out of money while the ledger did not answer ({error.code}).")

    def settle(self) -> None:
        """The attempt has ended."""
        self._shared.settle(self._funds, self._meter.cost().total)
