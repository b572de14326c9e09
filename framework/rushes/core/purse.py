"""The money of a pool: what may start, what runs may spend, and who is short.

The scheduler asks here where something is about to start, at every tick, and when something ends; what it
learns is kept in a `Budget`. Where no payer of a lane has a limit nothing is asked, and where nothing costs
anything nobody is watched (`watches`): then this costs one look.

An attempt reserves its quoted 99th percentile before it starts. Where that is only a guess it reserves a
twentieth of the smallest cap at most, and is given more as it runs. At every tick an attempt that may reach
its reservation before the next one is given more, down to the last crumbs of a cap, or is refused it and has
to be paused; one that says that it is nearly done gives back what it will not need. While it waits for parts
of its own it spends nothing, and what it reserved is free for them.

Nothing here stops anybody by itself. What an attempt may spend is so many seconds of work (`Paid.seconds`),
and never more than `LEASE_S` beyond the last look: whoever runs it stops it then, also where nobody looks.

Who is short is `shortage`, what is asked for before a start `bills`, one reservation `paid`. `changes` is
what has to be written down; whoever keeps no books asks for it now and then all the same, and drops it. This
module must not know clocks, prices, slots or the order of work.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from rushes.core.bills import Bill, Bills
from rushes.core.events import Outlay
from rushes.core.learning.run_times import RunTimes
from rushes.core.ordering import Lane
from rushes.core.paid import Dues, Paid
from rushes.core.shortage import Shortage
from rushes.core.spending.bookkeeping import Books, Changes, Reservation
from rushes.core.spending.budget import NO_LIMITS, Budget, Granted, Payer, Refused, Scope, SpendLimits
from rushes.core.spending.tariff import AHEAD_S, LOOK_S, Tariff

__all__ = ["Purse"]

LEAST_MORE_S: Final = 2 * AHEAD_S
"""What an extension is for where there is money: less would have to be extended at once again."""
SURELY: Final = 1.5
"""An attempt that says how much of it is left is believed up to so many times that."""
TOLD_FROM_S: Final = 1.0
"""Work that has taken less does not know how long it will take."""


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
        "_bills", "_charged", "_costs", "_dues", "_next", "_parted", "_tariff", "_times", "_touched",
        "_turned", "booked", "budget", "open", "shortage", "watches",
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
        self.booked = booked
        self._costs: dict[int, int] = {}  # what attempts that are about to end truly cost
        self._charged: dict[int, tuple[Payer, int]] = {}  # what was charged since `changes`, by invocation
        self._times = RunTimes()
        self._bills = Bills(self.budget, tariff, self._times)
        self._dues = Dues()
        self.open: dict[int, Paid] = {}  # by invocation
        self.shortage = Shortage(self.open)
        self._turned: dict[int, int] = {}  # reservations that have changed since `changes`: their invocations
        self._touched: set[Scope] = set()  # payers whose books have
        self._parted: list[Books] = []  # of batches that have ended
        self.watches = self._any()

    def _any(self) -> bool:
        return self._tariff is not None and bool(self.budget.limits or self.open)

    # -- limits -------------------------------------------------------------------------------------------

    def limit(self, scope: Scope, limits: SpendLimits, spent: Outlay | None = None, now: float = 0.0) -> None:
        """Somebody has set the limits of a payer, or taken them away; `spent`: what it had spent without."""
        if spent is not None and scope not in self.budget.limits:
            self.budget.begin(scope, spent.ever, spent.this_hour, now)
            self._touched.add(scope)
        self.budget.limit(scope, limits)
        self._bills.since += 1
        if limits == NO_LIMITS and scope.level == "batch":
            self._part(scope)
        self.watches = self._any()
        self.shortage.stirred = True

    def _part(self, scope: Scope) -> None:
        """Nobody asks about a batch any more: what its books come to is written once more."""
        if scope in self._touched:
            self._touched.remove(scope)
            self._parted.append(Books.of(self.budget.account(scope)))
        self.budget.forget(scope.name)

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
            self._enter(ask[0], Paid(self._next, shape, payer, answer.amount, seconds), 0.0, now)
            if answer.demoted:
                self.shortage.demote(payer, answer.demoted)
            self._next += 1
        return count

    def _enter(self, id_: int, paid: Paid, worked_s: float, now: float) -> None:
        self.open[id_] = paid
        if self.booked:
            self._look(id_, paid, 0.0)
        else:
            self._expect(id_, paid, worked_s, now)

    # -- while it runs --------------------------------------------------------------------------------------

    def due(self, now: float) -> set[int]:
        """Those that may have spent what they may by now; whoever looks at them calls `look_again`.

        Where changes are written down all are looked at each time, and nothing is kept for this.
        """
        return self._dues.by(now, self.open)

    def look_again(self, id: int, worked_s: float, now: float) -> None:  # noqa: A002 - as everywhere
        """What has worked so long need not be looked at before it may have spent what it may."""
        paid = self.open.get(id)
        if paid is not None:
            self._expect(id, paid, worked_s, now)

    def _expect(self, id_: int, paid: Paid, worked_s: float, now: float) -> None:
        if not self.booked:
            self._dues.expect(id_, paid, worked_s, now)

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
        self._enter(id, Paid(self._next, lane.shape, payer, spent, max(worked_s, 0.0)), worked_s, now)
        self._next += 1
        self.watches = True

    def spends(self, id: int, worked_s: float, now: float, left_s: float | None = None) -> bool:  # noqa: A002
        """An attempt has worked so long. Whether it may go on until the next look, or is to be paused.

        `left_s`: how long it will still take, by its own word.
        """
        paid = self.open.get(id)
        if paid is None or self._tariff is None:
            return True
        spent = self._tariff.cost(paid.shape, worked_s)
        self.budget.spend(paid.number, spent, now)
        if left_s is not None and worked_s >= TOLD_FROM_S:
            left_s = left_s * SURELY + AHEAD_S
            self._give_back(paid, worked_s + left_s, now)
        self._look(id, paid, worked_s)
        if worked_s + AHEAD_S <= paid.seconds:
            return True
        refused = self._extend(id, paid, worked_s, spent, now, left_s)
        if refused is None:
            return True
        self._take_crumbs(id, paid, worked_s, spent, now)
        if worked_s + LOOK_S <= paid.seconds:
            return True
        self.shortage.refuse(id, refused)
        return False

    def draws(self, id: int, worked_s: float, behind: Iterable[int], now: float) -> None:  # noqa: A002
        """An attempt may have worked for longer than it had, for what those behind it on its slot have.

        They were bound together; what it has had of theirs is its own from now on.
        """
        paid = self.open.get(id)
        if paid is None or worked_s <= paid.seconds:
            return
        for other_id in behind:
            other = self.open.get(other_id)
            if other is None or self._tariff is None or worked_s <= paid.seconds:
                break
            least = self._tariff.cost(other.shape, 0.0)  # to begin costs something, too
            if other.amount <= least:
                continue
            self.budget.shrink(other.number, least, now)
            answer = self.budget.extend(paid.number, paid.amount + other.amount - least, 0, now)
            if isinstance(answer, Granted):
                paid.amount, paid.seconds = answer.amount, paid.seconds + other.seconds
            other.amount = other.by_next = least
            other.seconds = 0.0
            self._expect(other_id, other, 0.0, now)
            self._changed(other_id, other)
        self._look(id, paid, worked_s)

    def goes_on(self, id: int, worked_s: float, now: float) -> bool:  # noqa: A002 - as everywhere
        """Whether an attempt that stood still, its money free meanwhile, is given money to go on."""
        paid = self.open.get(id)
        if paid is None or self._tariff is None:
            return True
        refused = self._extend(id, paid, worked_s, self._tariff.cost(paid.shape, worked_s), now)
        if refused is not None:
            self.shortage.refuse(id, refused)
        return refused is None

    def _extend(  # noqa: PLR0917 - all that it hangs on
        self, id_: int, paid: Paid, worked_s: float, spent: int, now: float, left_s: float | None = None
    ) -> Refused | None:
        """Give an attempt more; else why not."""
        if self._tariff is None:
            return None
        # What it was expected to take is no longer true: a quarter more each time.
        more_s = max(worked_s / 4, LEAST_MORE_S)
        if left_s is not None:
            more_s = max(min(more_s, left_s), AHEAD_S)
        refused: Refused | None = None
        for seconds in (worked_s + more_s, worked_s + AHEAD_S):
            answer = self.budget.extend(paid.number, self._tariff.cost(paid.shape, seconds), spent, now)
            if isinstance(answer, Granted):
                self._extended(id_, paid, answer, seconds)
                self._look(id_, paid, worked_s)
                self._expect(id_, paid, worked_s, now)
                return None
            refused = answer
        return refused

    def _extended(self, id_: int, paid: Paid, answer: Granted, seconds: float) -> None:
        # An extension that comes to less than there was leaves what there was.
        paid.seconds = max(seconds, paid.seconds) if answer.amount == paid.amount else seconds
        paid.amount = answer.amount
        self.shortage.relieve(id_)
        if answer.demoted:
            self.shortage.demote(paid.payer, answer.demoted)

    def _take_crumbs(self, id_: int, paid: Paid, worked_s: float, spent: int, now: float) -> None:
        """Where there is too little for an extension, what there is: nothing of a cap is left lying."""
        room = self.budget.room(paid.payer, now)
        if room <= 0:
            return
        answer = self.budget.extend(paid.number, paid.amount + room, spent, now)
        if isinstance(answer, Granted):
            self._extended(id_, paid, answer, self._bills.lasts(paid.shape, answer.amount))
            self._look(id_, paid, worked_s)

    def _give_back(self, paid: Paid, needed_s: float, now: float) -> None:
        """An attempt will not need all that it has: the rest is free."""
        if self._tariff is None or needed_s + AHEAD_S > paid.seconds:
            return
        amount = self._tariff.cost(paid.shape, needed_s)
        if amount < paid.amount:
            self.budget.shrink(paid.number, amount, now)
            self.shortage.came_back(paid.amount - amount)
            paid.amount, paid.seconds = amount, needed_s

    def _look(self, id_: int, paid: Paid, worked_s: float) -> None:
        paid.looked_s = worked_s
        if not self.booked:
            return
        if self._tariff is not None:
            paid.by_next = min(paid.amount, self._tariff.cost(paid.shape, paid.until_s))
        self._changed(id_, paid)

    def asks_again(self, id: int) -> None:  # noqa: A002 - as everywhere
        """Somebody who was refused money to go on after its parts is to be asked for once more."""
        self.shortage.relieve(id)

    def rests(self, id: int, worked_s: float, now: float) -> None:  # noqa: A002 - as everywhere
        """An attempt stands still, for want of money or to wait for its parts: what it had left is free."""
        paid = self.open.get(id)
        if paid is None or self._tariff is None:
            return
        spent = self._tariff.cost(paid.shape, worked_s)
        self.shortage.came_back(paid.amount - spent)
        self.budget.paused(paid.number, spent, now)
        paid.amount = paid.by_next = spent
        paid.seconds = paid.looked_s = worked_s
        self._changed(id, paid)

    # -- after it -------------------------------------------------------------------------------------------

    def costs(self, id: int, nano: int, now: float) -> None:  # noqa: A002 - as everywhere
        """What an attempt that is about to end, or has just ended, has truly cost."""
        charged = self._charged.pop(id, None)
        if charged is not None:
            self.budget.correct(charged[0], nano - charged[1], now)
            self._touched.update(charged[0].scopes)
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
            if self.booked:
                self._charged[id] = paid.payer, cost
        if seconds is not None:
            self._times.learn(paid.shape.function, seconds)
        if self.shortage.begun:
            self.shortage.relieve(id)
        if self.booked:
            self._changed(id, paid)
        self.shortage.came_back(self.budget.settle(paid.number, cost, now).returned)
        if heir in self.open:
            self._begin(heir, now)
        if not self.open:
            self.watches = self._any()

    def _begin(self, id_: int, now: float) -> None:
        """An attempt that stood behind another is the first of its slot: it needs time to be looked at."""
        paid = self.open[id_]
        if self._tariff is None:
            return
        seconds = paid.seconds + AHEAD_S
        answer = self.budget.extend(paid.number, self._tariff.cost(paid.shape, seconds), 0, now)
        if isinstance(answer, Granted):
            self._extended(id_, paid, answer, seconds)
            self._look(id_, paid, 0.0)
            self._expect(id_, paid, 0.0, now)

    def _changed(self, id_: int, paid: Paid) -> None:
        if self.booked:
            self._turned[paid.number] = id_
            self._touched.update(paid.payer.scopes)

    def changes(self) -> Changes | None:
        """What has to be written down, since it was asked for last; None where nothing has changed."""
        if not (self._touched or self._parted):
            return None
        books = [*self._parted, *(Books.of(self.budget.account(one)) for one in sorted(self._touched))]
        rows = [
            Reservation(number, id_, *paid.payer, paid.amount, known[1], paid.by_next)
            for number, id_ in self._turned.items()
            if (paid := self.open.get(id_)) is not None
            and paid.number == number
            and (known := self.budget.reservation(number)) is not None
        ]
        opened = {row.number for row in rows}
        gone = [number for number in self._turned if number not in opened]
        self._turned.clear()
        self._touched.clear()
        self._charged.clear()
        self._parted.clear()
        return Changes(books, rows, gone)
