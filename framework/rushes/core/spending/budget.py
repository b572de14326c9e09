"""Spending that cannot go over its caps: reserve before a start, extend or be refused, settle after.

    reserve → granted     the quoted 99th percentile is set aside with every payer at once, or with none
            → waits       it does not fit beside what is reserved; it may when that is settled
            → held        it does not fit beside what is spent; a person, or the next hour, has to help
    extend                more for a running attempt, likewise; refused: pause it, `paused` frees the rest
    settle                what it truly cost; the rest of the reservation is free again

The payers of an attempt are its batch, its show and the organisation, each with a cap in all and by the hour
(`accounts`). Since every attempt stays within its reservation, and every reservation within every cap, no cap
is overshot, in whatever order things happen. Work is called held only when even the money that is reserved
could not help, so a cap is used up to less than one reservation: with reservations of at most a twentieth of
a cap, at least 0.95 of it is spent by then.

Every call may be repeated or come late, and the same calls in the same order always give the same answers.
A reservation has a number that is used once, and numbers rise (a lease's fencing token will do); one that was
settled is never opened again, and settling it again changes nothing. The highest `REMEMBERED` numbers that
were settled are kept; lower ones are refused unseen, and the caller takes a new number. This module must not
know clocks, prices, machines or queues.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappush, heappushpop
from typing import Any, Final

from rushes.core.accounts import HOUR_S, Account, Lack, Scope, SpendLimits
from rushes.core.spending.reservations import Granted, Payer, Refused, Settled

__all__ = ["NO_LIMITS", "Budget", "Granted", "Payer", "Refused", "Scope", "Settled", "SpendLimits"]

SCHEMA: Final = 1
REMEMBERED: Final = 65_536
NO_LIMITS: Final = SpendLimits()


class _Books:
    """The accounts of one payer, and which of them have limits: most have none, and every attempt asks."""

    __slots__ = ("all", "capped", "hour", "soft")

    def __init__(self, accounts: tuple[Account, ...]) -> None:
        self.all = accounts
        self.capped = [one for one in accounts if one.limits.caps]
        self.soft = [one for one in accounts if one.limits.lowers]
        self.hour = 0


@dataclass(slots=True)
class _Open:
    payer: Payer
    amount: int
    spent: int = 0
    wanted: int = 0  # an extension that was refused: what others may not take before it

    @property
    def left(self) -> int:
        return self.amount - self.spent


class Budget:
    """The money of one organisation.

    Args:
        limits: by scope; what is not named has none.
    """

    def __init__(self, limits: Mapping[Scope, SpendLimits] | None = None) -> None:
        self._accounts: dict[Scope, Account] = {}
        self._paying: dict[Payer, _Books] = {}  # since a limit was set
        self._limits = dict(limits or {})
        self._open: dict[int, _Open] = {}
        self._claiming: dict[int, None] = {}
        self._done: set[int] = set()
        self._lowest: list[int] = []  # the same, as a heap
        self._oldest = 0  # numbers up to here are refused, unless they are open

    # -- limits -----------------------------------------------------------------------------------------

    def limit(self, scope: Scope, limits: SpendLimits) -> None:
        """Set the limits of a scope. Lower than what is spent and reserved: nothing new starts."""
        if limits == NO_LIMITS:
            self._limits.pop(scope, None)
        else:
            self._limits[scope] = limits
        if scope in self._accounts:
            self._accounts[scope].limits = limits
        self._paying.clear()

    @property
    def limits(self) -> Mapping[Scope, SpendLimits]:
        """Those that are set, by scope."""
        return self._limits

    def limited(self, payer: Payer) -> bool:
        """Whether anybody who pays has a limit; for others nothing has to be asked."""
        return any(scope in self._limits for scope in payer.scopes)

    def account(self, scope: Scope) -> Account:
        """The books of a scope, for looking at."""
        account = self._accounts.get(scope)
        if account is None:
            limits = self._limits.get(scope, SpendLimits())
            account = self._accounts[scope] = Account(scope, limits)
        return account

    def forget(self, batch: str) -> None:
        """Drop the books of a batch that has ended; nothing happens while it has open reservations."""
        scope = Scope("batch", batch)
        if scope in self._accounts and not self._accounts[scope].running:
            del self._accounts[scope]
            self._limits.pop(scope, None)
            self._paying = {payer: one for payer, one in self._paying.items() if payer.batch != batch}

    # -- reservations -----------------------------------------------------------------------------------

    def reserve(self, id: int, payer: Payer, amount: int, now: float) -> Granted | Refused:  # noqa: A002
        """Set `amount` nano-dollars aside with all payers, or with none."""
        known = self._open.get(id)
        if known is not None:
            return Granted(id, known.amount)
        if id in self._done or id <= self._oldest:
            return _stale(id, "was settled before")
        amount = max(0, amount)
        books = self._books_of(payer, now)
        short = self._missing(books, amount)
        if short is not None:
            return _refused(id, short)
        demoted = _demoted(books, amount) if books.soft else ""
        self._open[id] = _Open(payer, amount)
        for account in books.all:
            account.outstanding += amount
            account.running += 1
        return Granted(id, amount, demoted)

    def has(self, payer: Payer, amount: int, now: float) -> bool:
        """Whether `reserve` would grant `amount`, whatever becomes of what others claim."""
        for account in self._books_of(payer, now).capped:  # noqa: SIM110 - hot: written out
            if not account.fits(amount, account.claimed):
                return False
        return True

    def lacks(self, payer: Payer, amount: int, now: float) -> Refused | None:
        """Why `reserve` would refuse `amount`, or None; nothing is set aside."""
        short = self._missing(self._books_of(payer, now), amount)
        return None if short is None else _refused(0, short)

    def room(self, payer: Payer, now: float) -> int:
        """The largest amount that `payer` has left: neither spent nor set aside; claims are not looked at."""
        return max(0, min(account.room for account in self._books_of(payer, now).all))

    def shrink(self, id: int, to: int, now: float) -> None:  # noqa: A002
        """An attempt will not spend more than `to` in all: the rest of its reservation is free."""
        entry = self._open.get(id)
        if entry is not None and to < entry.amount:
            self._book(entry, entry.spent, max(to, entry.spent), now)

    def adopt(self, id: int, payer: Payer, spent: int, now: float) -> None:  # noqa: A002
        """Take an attempt in that runs already and has spent `spent`; it may spend no more until `extend`."""
        if id in self._open or id in self._done or id <= self._oldest:
            return
        self._open[id] = _Open(payer, spent, spent)
        for account in self._books_of(payer, now).all:
            account.spend(spent)
            account.running += 1

    def begin(self, scope: Scope, spent: int, hour_spent: int, now: float) -> None:
        """What a payer had spent before anything was asked of its books, ever and in this hour.

        What is open is on top: it was not in anybody's books while it was not asked about.
        """
        account = self.account(scope)
        account.turn(int(now // HOUR_S))
        running = sum(one.spent for one in self._open.values() if scope in one.payer.scopes)
        account.spent, account.hour_spent = spent + running, hour_spent + running

    def correct(self, payer: Payer, by: int, now: float) -> None:
        """What was settled cost so much more than was known then; less, where it is negative."""
        for account in self._books_of(payer, now).all:
            account.spend(by)

    def demotes(self, payer: Payer, now: float) -> str:
        """What a person is told while a payer is beyond a soft limit, or ""."""
        return _demoted(self._books_of(payer, now), 0)

    def extend(self, id: int, to: int, spent: int, now: float) -> Granted | Refused:  # noqa: A002
        """Set as much more aside that an attempt, which has spent `spent` so far, may spend `to` in all.

        Refused, it has to be paused before it has spent its reservation, and `paused` be called then. Until
        it is granted, or nothing that runs can make room for it, nobody new gets what it wants.
        """
        entry = self._open.get(id)
        if entry is None:
            return _stale(id, "is not open")
        self.spend(id, spent, now)
        more = max(0, to - entry.amount)
        books = self._books_of(entry.payer, now)
        self._claim(id, 0)
        # Who is paused goes before who starts, and the one that asks first before other paused ones.
        found = [short for account in books.capped if (short := account.lack(more, claimed=0)) is not None]
        if found and more:
            short = _worst(found)
            if not short.held:
                self._claim(id, more)
            return _refused(id, short)
        demoted = _demoted(books, more)
        entry.amount += more
        for account in books.all:
            account.outstanding += more
        return Granted(id, entry.amount, demoted)

    def spend(self, id: int, spent: int, now: float) -> None:  # noqa: A002
        """An attempt has spent `spent` nano-dollars so far; less than was reported before changes nothing."""
        entry = self._open.get(id)
        if entry is not None and spent > entry.spent:
            self._book(entry, spent, max(entry.amount, spent), now)

    def paused(self, id: int, spent: int, now: float) -> None:  # noqa: A002
        """An attempt stands still, having spent `spent`: the rest of its reservation is free meanwhile."""
        entry = self._open.get(id)
        if entry is not None:
            spent = max(spent, entry.spent)
            self._book(entry, spent, spent, now)

    def settle(self, id: int, cost: int, now: float) -> Settled:  # noqa: A002
        """An attempt has ended and cost `cost` in all. Again, or of one that is not open: nothing."""
        entry = self._open.get(id)
        if entry is None:
            return Settled(0, 0)
        if entry.wanted:
            self._claim(id, 0)
        cost = max(0, cost)
        overrun = cost - entry.amount if cost > entry.amount else 0
        returned = 0 if overrun else entry.amount - max(cost, entry.spent)
        left, more = entry.amount - entry.spent, cost - entry.spent
        for account in self._books_of(entry.payer, now).all:
            account.spend(more)
            account.outstanding -= left
            account.running -= 1
        del self._open[id]
        done = self._done
        done.add(id)
        if len(done) > REMEMBERED:
            self._oldest = heappushpop(self._lowest, id)
            done.remove(self._oldest)
        else:
            heappush(self._lowest, id)
        return Settled(returned, overrun)

    def reservation(self, id: int) -> tuple[int, int] | None:  # noqa: A002
        """What an open reservation may spend in all, and has spent; None for one that is not open."""
        entry = self._open.get(id)
        return None if entry is None else (entry.amount, entry.spent)

    def open_ids(self) -> tuple[int, ...]:
        """The reservations that are open: after a crash, those whose attempts have to be settled."""
        return tuple(self._open)

    # -- what outlives the process ----------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """JSON-able data; `from_json` is its inverse, but for the limits, which are settings."""
        return {
            "schema": SCHEMA,
            "oldest": self._oldest,
            "done": _runs(self._done),
            "accounts": [account.to_json() for account in self._accounts.values()],
            "open": [
                [id_, one.payer.show, one.payer.batch, one.amount, one.spent, one.wanted]
                for id_, one in self._open.items()
            ],
            "claiming": list(self._claiming),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], limits: Mapping[Scope, SpendLimits] | None = None) -> Budget:
        """What `to_json` wrote.

        Raises:
            ValueError: it is of another schema, or no such data.
        """
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']!r} is not {SCHEMA}")
            budget = cls(limits)
            budget._oldest = int(data["oldest"])
            budget._done = {id_ for first, last in data["done"] for id_ in range(first, last + 1)}
            budget._lowest = sorted(budget._done)
            for row in data["accounts"]:
                account = budget.account(Scope(*row["scope"]))
                account.spent, account.hour = int(row["spent"]), int(row["hour"])
                account.hour_spent = int(row["hour_spent"])
            for id_, show, batch, amount, spent, wanted in data["open"]:
                entry = _Open(Payer(show, batch), int(amount), int(spent), int(wanted))
                budget._open[int(id_)] = entry
                for scope in entry.payer.scopes:
                    account = budget.account(scope)
                    account.outstanding += entry.left
                    account.claimed += entry.wanted
                    account.running += 1
            budget._claiming = dict.fromkeys(map(int, data["claiming"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no budget: {type(error).__name__}: {error}") from error
        return budget

    # -- inside -----------------------------------------------------------------------------------------

    def _books_of(self, payer: Payer, now: float) -> _Books:
        books = self._paying.get(payer)
        if books is None:
            books = self._paying[payer] = _Books(tuple(self.account(scope) for scope in payer.scopes))
        hour = int(now // HOUR_S)
        if hour > books.hour:
            books.hour = hour
            for account in books.all:
                account.turn(hour)
        return books

    def _book(self, entry: _Open, spent: int, amount: int, now: float) -> None:
        """The reservation is `amount` from now on, and `spent` of it is."""
        more, less = spent - entry.spent, entry.left - (amount - spent)
        entry.spent, entry.amount = spent, amount
        for account in self._books_of(entry.payer, now).all:
            account.spend(more)
            account.outstanding -= less

    def _missing(self, books: _Books, amount: int) -> Lack | None:
        """What lacks for `amount`; claims that nobody could have stand in nobody's way."""
        for account in books.capped:
            if not account.fits(amount, account.claimed):
                return self._lack(books.all, amount)
        return None

    def _lack(self, accounts: tuple[Account, ...], amount: int) -> Lack | None:
        for _ in range(2):
            found = [s for a in accounts if (s := a.lack(amount, claimed=a.claimed)) is not None]
            if not found:
                return None
            if not any(account.claimed for account in accounts) or not self._drop_vain_claims():
                break
        return _worst(found)

    def _drop_vain_claims(self) -> bool:
        """Drop the claims that nothing that runs could fulfil any more; whether there were any."""
        vain = []
        for id_ in self._claiming:
            entry = self._open[id_]
            shorts = [self.account(s).lack(entry.wanted, claimed=0) for s in entry.payer.scopes]
            if any(short is not None and short.held for short in shorts):
                vain.append(id_)
        for id_ in vain:
            self._claim(id_, 0)
        return bool(vain)

    def _claim(self, id_: int, wanted: int) -> None:
        entry = self._open[id_]
        for scope in entry.payer.scopes:
            self.account(scope).claimed += wanted - entry.wanted
        entry.wanted = wanted
        if wanted:
            self._claiming[id_] = None
        else:
            self._claiming.pop(id_, None)


def _demoted(books: _Books, amount: int) -> str:
    return next((why for account in books.soft if (why := account.beyond_soft(amount))), "")


def _runs(numbers: set[int]) -> list[list[int]]:
    """Numbers as runs, first and last: those that were settled are nearly all of them."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _refused(id_: int, short: Lack) -> Refused:
    return Refused(id_, short.held, short.sentence, short.frees_at, short.short, scope=short.scope)


def _stale(id_: int, why: str) -> Refused:
    return Refused(id_, held=False, sentence=f"reservation {id_} {why}; take a new number.", stale=True)


def _worst(found: list[Lack]) -> Lack:
    """The one that keeps it longest: held before waiting, for a person before for the next hour."""
    return min(found, key=lambda one: (not one.held, one.frees_at is not None, -one.short))
