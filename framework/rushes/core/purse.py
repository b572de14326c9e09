"""The money of a pool: what may start, what runs may spend, and who is short.

The scheduler asks here where something is about to start, at every tick, and when something ends; what it
learns is kept in a `Budget`. Where no payer of a lane has a limit nothing is asked, and where nothing costs
anything nobody is watched (`watches`): then this costs one look.

An attempt reserves its quoted 99th percentile before it starts. Where that is only a guess it reserves a
twentieth of the smallest cap at most, and is given more as it runs (`extending`).

Nothing here stops anybody by itself. What an attempt may spend is so many seconds of work (`Paid.seconds`),
and never more than `LEASE_S` beyond the last look: whoever runs it stops it then, also where nobody looks.

Who is short is `shortage`, what is asked for before a start `bills`, one reservation `paid`. `changes` is
what has to be written down (`unwritten`); whoever keeps no books asks for it now and then all the same, and
drops it. This module must not know clocks, prices, slots or the order of work.
"""

from __future__ import annotations

from itertools import islice

from rushes.core.bills import Bill, Bills
from rushes.core.events import Outlay
from rushes.core.extending import Extending
from rushes.core.learning.run_times import RunTimes
from rushes.core.ordering import Lane
from rushes.core.paid import Paid
from rushes.core.shortage import Shortage
from rushes.core.spending.bookkeeping import Changes
from rushes.core.spending.budget import NO_LIMITS, Budget, Granted, Refused, Scope, SpendLimits
from rushes.core.spending.tariff import Tariff
from rushes.core.unwritten import Unwritten

__all__ = ["Purse"]


class Purse:
    """Who may spend what on one pool.

    Args:
        budget: the books; whoever owns the pool keeps them over a restart.
        tariff: what running costs; None where it costs nothing.
        first: the first number for a reservation: larger than any that the budget has seen.
        booked: somebody asks for `changes` and writes them down. Else what runs is entered when it ends, or
            may reach its reservation, and not at each look: in a simulation nobody is killed.
    """

    __slots__ = (
        "_bills", "_costs", "_next", "_tariff", "_times", "budget", "extending", "open", "shortage",
        "unwritten", "watches",
    )  # fmt: skip

    def __init__(
        self,
        budget: Budget | None = None,
        tariff: Tariff | None = None,
        *,
        first: int = 1,
        booked: bool = True,
    ) -> None:
        self.budget = budget or Budget()
        self._tariff = tariff
        self._next = first
        self.unwritten = Unwritten(booked=booked)
        self._costs: dict[int, int] = {}  # what attempts that are about to end truly cost
        self._times = RunTimes()
        self._bills = Bills(self.budget, tariff, self._times)
        self.open: dict[int, Paid] = {}  # by invocation
        self.shortage = Shortage(self.open)
        self.extending = Extending(
            self.budget,
            tariff,
            self._bills,
            open=self.open,
            shortage=self.shortage,
            unwritten=self.unwritten,
        )
        self.watches = self._any()

    def _any(self) -> bool:
        return self._tariff is not None and bool(self.budget.limits or self.open)

    # -- limits -------------------------------------------------------------------------------------------

    def limit(self, scope: Scope, limits: SpendLimits, spent: Outlay | None = None, now: float = 0.0) -> None:
        """Somebody has set the limits of a payer, or taken them away; `spent`: what it had spent without."""
        if spent is not None and scope not in self.budget.limits:
            self.budget.begin(scope, spent.ever, spent.this_hour, now)
            self.unwritten.touched.add(scope)
        self.budget.limit(scope, limits)
        self._bills.since += 1
        if limits == NO_LIMITS and scope.level == "batch":
            self.unwritten.part(scope, self.budget)
            self.budget.forget(scope.name)
        self.watches = self._any()
        self.shortage.stirred = True

    def concerns(self, lane: Lane) -> bool:
        """Whether somebody who pays for a lane has a limit."""
        return self._bills.of(lane).limited

    # -- before a start -----------------------------------------------------------------------------------

    def affords(self, lane: Lane, now: float) -> bool:
        """Whether the first of a lane may start; else the lane is short from now on."""
        bill: Bill | None = lane.bill
        if bill is None or bill.since != self._bills.since:
            bill = self._bills.of(lane)
        if not bill.limited:
            return True
        asked, payer = bill.asked or self._bills.asked(bill, lane.shape), bill.payer
        shortage = self.shortage
        if not shortage.anybody and self.budget.has(payer, asked.amount, now):
            return True
        short = self.budget.lacks(payer, asked.amount, now)
        if short is not None and short.held:  # so much will not be there again; perhaps less does
            short = self.budget.lacks(payer, asked.least, now)
        short = short or shortage.before(payer, lane.shape)
        if short is None:
            return True
        shortage.affords_not(lane, short)
        return False

    def reserve(self, lane: Lane, count: int, now: float, *, behind: bool = False) -> int:
        """How many of the first `count` of a lane may start: money is set aside for each of them.

        `behind`: they stand behind another of their lane, on the same slot.
        """
        bill = self._bills.of(lane)
        if not bill.limited:
            return count
        payer, shape, bills = bill.payer, lane.shape, self._bills
        for done, ask in enumerate(islice(lane.asks, count)):
            if done < 2:  # all others are as the second is
                if behind or done:
                    asked = bill.behind or bills.asked_behind(bill, shape)
                else:
                    asked = bill.asked or bills.asked(bill, shape)
                seconds = asked.seconds or self._bills.lasts(shape, asked.amount)
            answer = self.budget.reserve(self._next, payer, asked.amount, now)
            if isinstance(answer, Refused) and answer.held and not done:
                # What is left of a cap, for one that may do with less than it asked for.
                amount = self.budget.room(payer, now)
                if amount >= asked.least:
                    seconds = self._bills.lasts(shape, amount)
                    answer = self.budget.reserve(self._next, payer, amount, now)
            if not isinstance(answer, Granted):
                return done
            self.extending.enter(ask[0], Paid(self._next, shape, payer, answer.amount, seconds), 0.0, now)
            if answer.demoted:
                self.shortage.demote(payer, answer.demoted)
            self._next += 1
        return count

    # -- while it runs: `extending` --------------------------------------------------------------------------

    def passes(self, now: float) -> None:
        """Time has passed: an hour may have begun, and run times were learnt, so all are asked again."""
        self.shortage.passes(self.budget, now)
        if self._times.passes():
            self._bills.since += 1

    def adopt(self, id: int, lane: Lane, worked_s: float, now: float) -> None:  # noqa: A002 - as everywhere
        """An attempt was given to a slot before its payer had a limit: what it has spent is in the books."""
        bill = self._bills.of(lane)
        if self._tariff is None or id in self.open or not bill.limited:
            return
        payer = bill.payer
        spent = self._tariff.cost(lane.shape, worked_s) if worked_s > 0 else 0
        self.budget.adopt(self._next, payer, spent, now)
        self.extending.enter(
            id, Paid(self._next, lane.shape, payer, spent, max(worked_s, 0.0)), worked_s, now
        )
        self._next += 1
        self.watches = True

    # -- after it -------------------------------------------------------------------------------------------

    def costs(self, id: int, nano: int, now: float) -> None:  # noqa: A002 - as everywhere
        """What an attempt that is about to end, or has just ended, has truly cost."""
        charged = self.unwritten.charged.pop(id, None)
        if charged is not None:
            self.budget.correct(charged[0], nano - charged[1], now)
            self.unwritten.touched.update(charged[0].scopes)
            self.shortage.came_back(charged[1] - nano)
        elif id in self.open:
            self._costs[id] = nano

    def settle(self, id: int, seconds: float | None, now: float, heir: int = 0) -> None:  # noqa: A002
        """An attempt has left its slot, after so many seconds at work; None: it never began.

        `heir`: what stood behind it there and is the first now, or 0.
        """
        paid = self.open.pop(id, None)
        if paid is None or self._tariff is None:
            return
        known = self._costs.pop(id, None)
        cost = known or 0
        if known is None and seconds is not None:
            cost = self._tariff.cost(paid.shape, seconds)
            if self.unwritten.booked:
                self.unwritten.charged[id] = paid.payer, cost
        if seconds is not None:
            self._times.learn(paid.shape.function, seconds)
        if self.shortage.begun:
            self.shortage.relieve(id)
        if self.unwritten.booked:
            self.unwritten.changed(id, paid)
        self.shortage.came_back(self.budget.settle(paid.number, cost, now).returned)
        if heir in self.open:
            self.extending.begin(heir, now)
        if not self.open:
            self.watches = self._any()

    def changes(self) -> Changes | None:
        """What has to be written down, since it was asked for last; None where nothing has changed."""
        return self.unwritten.take(self.budget, self.open)
