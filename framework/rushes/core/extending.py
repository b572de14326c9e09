"""Money for what runs: given more of it, refused it, given back, drawn on.

At every tick an attempt that may reach its reservation before the next one is given more, down to the last
crumbs of a cap, or is refused it and has to be paused; one that says that it is nearly done gives back what
it will not need. While it waits for parts of its own it spends nothing, and what it reserved is free for
them. This module must not know what starts, nor who has a limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rushes.core.bills import Bills
from rushes.core.paid import Dues, Paid
from rushes.core.shortage import Shortage
from rushes.core.spending.budget import Budget, Granted, Refused
from rushes.core.spending.tariff import AHEAD_S, LOOK_S, Tariff
from rushes.core.unwritten import Unwritten

__all__ = ["Extending"]

LEAST_MORE_S: Final = 2 * AHEAD_S
"""What an extension is for where there is money: less would have to be extended at once again."""
SURELY: Final = 1.5
"""An attempt that says how much of it is left is believed up to so many times that."""
TOLD_FROM_S: Final = 1.0
"""Work that has taken less does not know how long it will take."""


class Extending:
    """Changes reservations of what is open on one pool; the parts are those of its `Purse`."""

    __slots__ = ("_bills", "_budget", "_dues", "_open", "_shortage", "_tariff", "_unwritten")

    def __init__(
        self,
        budget: Budget,
        tariff: Tariff | None,
        bills: Bills,
        *,
        open: dict[int, Paid],  # noqa: A002 - as `Purse.open`
        shortage: Shortage,
        unwritten: Unwritten,
    ) -> None:
        self._budget = budget
        self._tariff = tariff
        self._bills = bills
        self._open = open
        self._shortage = shortage
        self._unwritten = unwritten
        self._dues = Dues()

    def enter(self, id: int, paid: Paid, worked_s: float, now: float) -> None:  # noqa: A002 - as everywhere
        """A reservation is open from now on."""
        self._open[id] = paid
        if self._unwritten.booked:
            self._look(id, paid, 0.0)
        else:
            self._dues.expect(id, paid, worked_s, now)

    def due(self, now: float) -> set[int]:
        """Those that may have spent what they may by now; whoever looks at them calls `look_again`.

        Where changes are written down all are looked at each time, and nothing is kept for this.
        """
        return self._dues.by(now, self._open)

    def look_again(self, id: int, worked_s: float, now: float) -> None:  # noqa: A002 - as everywhere
        """What has worked so long need not be looked at before it may have spent what it may."""
        paid = self._open.get(id)
        if paid is not None:
            self._expect(id, paid, worked_s, now)

    def spends(self, id: int, worked_s: float, now: float, left_s: float | None = None) -> bool:  # noqa: A002
        """An attempt has worked so long. Whether it may go on until the next look, or is to be paused.

        `left_s`: how long it will still take, by its own word.
        """
        paid = self._open.get(id)
        if paid is None or self._tariff is None:
            return True
        spent = self._tariff.cost(paid.shape, worked_s)
        self._budget.spend(paid.number, spent, now)
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
        self._shortage.refuse(id, refused)
        return False

    def draws(self, id: int, worked_s: float, behind: Iterable[int], now: float) -> None:  # noqa: A002
        """An attempt may have worked for longer than it had, for what those behind it on its slot have.

        They were bound together; what it has had of theirs is its own from now on.
        """
        paid = self._open.get(id)
        if paid is None or worked_s <= paid.seconds:
            return
        for other_id in behind:
            other = self._open.get(other_id)
            if other is None or self._tariff is None or worked_s <= paid.seconds:
                break
            least = self._tariff.cost(other.shape, 0.0)  # to begin costs something, too
            if other.amount <= least:
                continue
            self._budget.shrink(other.number, least, now)
            answer = self._budget.extend(paid.number, paid.amount + other.amount - least, 0, now)
            if isinstance(answer, Granted):
                paid.amount, paid.seconds = answer.amount, paid.seconds + other.seconds
            other.amount = other.by_next = least
            other.seconds = 0.0
            self._expect(other_id, other, 0.0, now)
            self._unwritten.changed(other_id, other)
        self._look(id, paid, worked_s)

    def goes_on(self, id: int, worked_s: float, now: float) -> bool:  # noqa: A002 - as everywhere
        """Whether an attempt that stood still, its money free meanwhile, is given money to go on."""
        paid = self._open.get(id)
        if paid is None or self._tariff is None:
            return True
        refused = self._extend(id, paid, worked_s, self._tariff.cost(paid.shape, worked_s), now)
        if refused is not None:
            self._shortage.refuse(id, refused)
        return refused is None

    def asks_again(self, id: int) -> None:  # noqa: A002 - as everywhere
        """Somebody who was refused money to go on after its parts is to be asked for once more."""
        self._shortage.relieve(id)

    def rests(self, id: int, worked_s: float, now: float) -> None:  # noqa: A002 - as everywhere
        """An attempt stands still, for want of money or to wait for its parts: what it had left is free."""
        paid = self._open.get(id)
        if paid is None or self._tariff is None:
            return
        spent = self._tariff.cost(paid.shape, worked_s)
        self._shortage.came_back(paid.amount - spent)
        self._budget.paused(paid.number, spent, now)
        paid.amount = paid.by_next = spent
        paid.seconds = paid.looked_s = worked_s
        self._unwritten.changed(id, paid)

    def begin(self, id: int, now: float) -> None:  # noqa: A002 - as everywhere
        """An attempt that stood behind another is the first of its slot: it needs time to be looked at."""
        paid = self._open[id]
        if self._tariff is None:
            return
        seconds = paid.seconds + AHEAD_S
        answer = self._budget.extend(paid.number, self._tariff.cost(paid.shape, seconds), 0, now)
        if isinstance(answer, Granted):
            self._extended(id, paid, answer, seconds)
            self._look(id, paid, 0.0)
            self._expect(id, paid, 0.0, now)

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
            answer = self._budget.extend(paid.number, self._tariff.cost(paid.shape, seconds), spent, now)
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
        self._shortage.relieve(id_)
        if answer.demoted:
            self._shortage.demote(paid.payer, answer.demoted)

    def _take_crumbs(self, id_: int, paid: Paid, worked_s: float, spent: int, now: float) -> None:
        """Where there is too little for an extension, what there is: nothing of a cap is left lying."""
        room = self._budget.room(paid.payer, now)
        if room <= 0:
            return
        answer = self._budget.extend(paid.number, paid.amount + room, spent, now)
        if isinstance(answer, Granted):
            self._extended(id_, paid, answer, self._bills.lasts(paid.shape, answer.amount))
            self._look(id_, paid, worked_s)

    def _give_back(self, paid: Paid, needed_s: float, now: float) -> None:
        """An attempt will not need all that it has: the rest is free."""
        if self._tariff is None or needed_s + AHEAD_S > paid.seconds:
            return
        amount = self._tariff.cost(paid.shape, needed_s)
        if amount < paid.amount:
            self._budget.shrink(paid.number, amount, now)
            self._shortage.came_back(paid.amount - amount)
            paid.amount, paid.seconds = amount, needed_s

    def _look(self, id_: int, paid: Paid, worked_s: float) -> None:
        paid.looked_s = worked_s
        if not self._unwritten.booked:
            return
        if self._tariff is not None:
            paid.by_next = min(paid.amount, self._tariff.cost(paid.shape, paid.until_s))
        self._unwritten.changed(id_, paid)

    def _expect(self, id_: int, paid: Paid, worked_s: float, now: float) -> None:
        if not self._unwritten.booked:
            self._dues.expect(id_, paid, worked_s, now)
