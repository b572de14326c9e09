"""What this process may spend of caps by the hour that many hosts share.

As `tranches`, within one hour of the clock (UTC). When it is over, the tranches are had
once more, and of what attempts may spend that is counted in the new hour which they had not spent when they
were looked at last. Nobody is asked for that: the ledger has it out of the new hour already. What is idle
at the end of an hour is given up then, by whoever looks first.

An attempt whose tranche was taken back stops: what it might spend in later hours stands nowhere any more.
This module must not know what is bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rushes.core.accounts import HOUR_S, Scope
from rushes.core.money import format_dollars
from rushes.core.spending.budget import Budget, Granted, SpendLimits
from rushes.core.spending.tranches import hour_of
from rushes.runtime.shared.money.tranches import TAKEN_BACK, Funds, SharedMoney, Short

__all__ = ["HourlyMoney"]


@dataclass
class HourlyMoney(SharedMoney):
    """The money of one process in this hour; its `money` is the caps by the hour."""

    by_hour: ClassVar[bool] = True
    _hour: int = 0
    _swept: int = 0

    def most(self, funds_of: tuple[Scope, ...]) -> int | None:
        """The least of the caps by the hour that these payers have, as far as they are known here."""
        with self._turn:
            states = (self._capped.get(scope) for scope in funds_of)
            return min((one.cap for one in states if one is not None and not one.free), default=None)

    def spends(self, funds: Funds, spent: int, ahead: int) -> Short | None:
        with self._looking():
            for scope in funds.payer.scopes:
                tranche = self._tranches.get(scope)
                if tranche is not None and tranche.begun and self.clock() >= tranche.until:
                    self._report(scope, tranche)
            if funds.ends_here:
                return TAKEN_BACK
            funds.seen = max(funds.seen, spent - funds.origin)
            return super().spends(funds, spent - funds.origin, ahead - funds.origin)

    def settle(self, funds: Funds, cost: int) -> None:
        with self._looking():
            # How much of it was before this hour is not known to the cent: it was not more than reserved.
            super().settle(funds, min(cost, funds.amount) if funds.origin else cost)

    def _tick(self) -> None:
        """Where another hour has begun, its books begin: with what is reserved, and nothing spent."""
        now = self.clock()
        for tranche in self._tranches.values():
            if now >= tranche.until:
                tranche.exposed = 0  # it may have been taken back: whatever it is used for is said first
        if hour_of(now) <= self._hour:
            return
        self._hour, self._budget = hour_of(now), Budget()
        for scope, tranche in self._tranches.items():
            tranche.base = 0
            # What was said in advance holds for what had not been spent by then.
            tranche.exposed, tranche.spent = max(tranche.exposed - tranche.spent, 0), 0
            self._budget.limit(scope, SpendLimits(cap=tranche.taken))
        running, self._open = list(self._open.values()), {}
        for funds in running:
            funds.number, self._next = self._next, self._next + 1
            funds.origin, funds.amount = funds.origin + funds.seen, max(funds.amount - funds.seen, 0)
            funds.seen = 0
            self._open[funds.number] = funds
            if not funds.ends_here:
                kept = self._budget.reserve(funds.number, funds.payer, funds.amount, now)
                funds.ends_here = not isinstance(kept, Granted)  # its payer has a cap since it began

    def _heard_until(self, *, idle: bool) -> float:
        until = super()._heard_until(idle=idle)
        return min(until, self._ends_at) if idle else until

    @property
    def _ends_at(self) -> float:
        return float((self._hour + 1) * HOUR_S)

    def _take(self, scope: Scope, lacks: int, amount: int) -> Short | None:
        short = super()._take(scope, lacks, amount)
        if short is None or self._swept == self._hour:
            return short
        self._swept = self._hour  # what was idle when the hour began may lie there still
        return super()._take(scope, lacks, amount) if self.money.reclaim(self.clock()) else short

    def _short(self, scope: Scope, lacks: int, amount: int) -> Short:
        state = self._capped.get(scope)
        per_hour = f"{format_dollars(state.cap)} an hour" if state is not None else "so much an hour"
        if state is not None and amount > state.cap:
            return Short(
                f"held: {scope} may spend {per_hour}, and this alone may cost {format_dollars(amount)}; it "
                "goes on when the cap is raised."
            )
        then = self._ends_at
        clock = f"{int(then) % 86400 // 3600:02d}:00 UTC"
        return Short(
            f"held: {scope} may spend {per_hour}, and has less than {format_dollars(lacks)} of that left; it "
            f"goes on at {clock}, or when the cap is raised.",
            then,
        )
