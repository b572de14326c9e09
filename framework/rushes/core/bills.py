"""Who pays for a lane, and what each of it asks for before it starts.

Every lane that is looked at in a pass is asked for its bill, so it is kept with the lane until limits or run
times change. This module must not know what was spent, nor who is short.
"""

from __future__ import annotations

from rushes.core.events import Shape
from rushes.core.learning.run_times import RunTimes
from rushes.core.ordering import Lane
from rushes.core.spending.budget import Budget, Payer
from rushes.core.spending.tariff import Asked, Tariff, asked_of

__all__ = ["Bill", "Bills", "payer_of"]


class Bill:
    """Who pays for a lane, and what each of it asks for: valid until limits or run times change.

    Args:
        payer: of the lane.
        limited: whether anybody who pays has a limit.
    """

    __slots__ = ("asked", "behind", "limited", "payer", "since")

    def __init__(self, payer: Payer, since: int, *, limited: bool) -> None:
        self.payer = payer
        self.since = since
        self.limited = limited
        self.asked: Asked | None = None
        self.behind: Asked | None = None  # the same of one that stands behind another on its slot


class Bills:
    """Makes them.

    Args:
        budget: whose limits they are made by.
        tariff: what running costs; None where it costs nothing.
        times: how long such attempts took.
    """

    __slots__ = ("_budget", "_tariff", "_times", "since")

    def __init__(self, budget: Budget, tariff: Tariff | None, times: RunTimes) -> None:
        self._budget = budget
        self._tariff = tariff
        self._times = times
        self.since = 0
        """How often limits or run times have changed: older bills are made anew."""

    def of(self, lane: Lane) -> Bill:
        """The bill of a lane."""
        bill: Bill | None = lane.bill
        if bill is None or bill.since != self.since:
            payer = payer_of(lane)
            lane.bill = bill = Bill(payer, self.since, limited=self._budget.limited(payer))
        return bill

    def asked(self, bill: Bill, shape: Shape) -> Asked:
        """What one of a shape asks for that is the first of its slot."""
        asked = self._asked(shape, bill.payer, behind=False)
        if self._is_known(shape):
            bill.asked = asked
        return asked

    def asked_behind(self, bill: Bill, shape: Shape) -> Asked:
        """What one asks for that stands behind another."""
        asked = self._asked(shape, bill.payer, behind=True)
        if self._is_known(shape):
            bill.behind = asked
        return asked

    def lasts(self, shape: Shape, amount: int) -> float:
        """How long one can work for so many nano-dollars."""
        return self._tariff.lasts(shape, amount) if self._tariff is not None else 0.0

    def _is_known(self, shape: Shape) -> bool:
        """Whether what a shape asks for stays so until `passes`; else the next end may tell."""
        return self._tariff is not None and self._times.longest(shape.function) is not None

    def _asked(self, shape: Shape, payer: Payer, *, behind: bool) -> Asked:
        if self._tariff is None:
            return Asked(0, 0.0, 0)
        known = self._budget.limits
        limits = (known[scope] for scope in payer.scopes if scope in known)
        return asked_of(shape, self._tariff, self._times, limits, behind=behind)


def payer_of(lane: Lane) -> Payer:
    """Who pays for a lane: parts are paid for by the batch that people sent."""
    return Payer(lane.queue.key.show, lane.shape.charged or lane.shape.batch)
