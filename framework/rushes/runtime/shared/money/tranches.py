"""What this process may spend of caps that many hosts share.

An attempt reserves before it starts and is given more as it runs, within the tranches that this process has
taken; what they allow is decided by `rushes.core.spending.budget`, as on a pool of its own. The ledger is
asked for a tranche now and then, and told in advance what may be spent of it: not once for each attempt.
Where nobody who pays has a cap, a minute costs one request.

A tranche that was taken back is not missed: what was exposed counts as spent by then, so attempts that run
within it end as they may, and what is new takes another. This module must not know what is bought.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Final

from rushes.core.accounts import Scope
from rushes.core.money import format_dollars
from rushes.core.spending.budget import Budget, Granted, Payer, Refused, SpendLimits
from rushes.core.spending.tranches import CapState, exposed, surplus, wanted
from rushes.errors import CallerError, RushesError
from rushes.ports import Money

__all__ = ["LOOK_S", "TAKEN_BACK", "Funds", "SharedMoney", "Short", "Tranche"]

LOOK_S: Final = 60.0
"""So old may what is known of caps be; a new one is heard of then."""
TRIES: Final = 3
"""Of an attempt whose tranche is taken back at the moment at which it is asked for."""
SILENT_S: Final = 900.0
"""A holder that was not heard of for so long has gone: as long as a Lambda may run."""


@dataclass(frozen=True, slots=True)
class Short:
    """Why an attempt may not start, or go on.

    Args:
        sentence: for a person.
        frees_at: when it may by itself (UTC epoch seconds), or None.
    """

    sentence: str
    frees_at: float | None = None


TAKEN_BACK: Final = Short("the money of its host was taken back: it was not heard of for long.")


@dataclass(slots=True)
class Funds:
    """What one attempt may spend, in nano-dollars."""

    number: int
    payer: Payer
    amount: int
    ends_here: bool = False
    """The tranche was taken back: it may spend this and no more."""
    origin: int = 0
    """What it may have spent before the hour of which the amount is."""
    seen: int = 0
    """What it may have spent since, when it was looked at last."""


@dataclass(slots=True)
class Tranche:
    """What this process has of one cap.

    Args:
        holder: under which name.
        base: what was spent and reserved under other names before: the books begin at nothing only once.
        taken, exposed, spent: as the ledger knows them.
        typical: the size of the last reservation.
        begun: the ledger has it, if it was not taken back.
        until: nobody takes it back before that, UTC epoch seconds.
    """

    holder: str
    base: int = 0
    taken: int = 0
    exposed: int = 0
    spent: int = 0
    typical: int = 0
    begun: bool = False
    until: float = 0.0


@dataclass
class SharedMoney:
    """The money of one process.

    Args:
        money: the caps.
        holder: this process; to each of its tranches a name is appended that none before or after it has.
        clock: UTC epoch seconds.
        silent_s: after so long without a word its tranches are taken back.
    """

    by_hour: ClassVar[bool] = False
    """It is what may be spent in an hour of the clock."""

    money: Money
    holder: str
    clock: Callable[[], float]
    silent_s: float = SILENT_S
    _turn: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _budget: Budget = field(default_factory=Budget, repr=False)
    _tranches: dict[Scope, Tranche] = field(default_factory=dict, repr=False)
    _open: dict[int, Funds] = field(default_factory=dict, repr=False)
    _capped: dict[Scope, CapState | None] = field(default_factory=dict, repr=False)
    _looked_at: float | None = None
    _next: int = 1

    # -- before an attempt ---------------------------------------------------------------------------------

    def concerns(self, payer: Payer, *, capped: bool = False) -> bool:
        """Whether somebody who pays has a cap.

        Args:
            payer: who pays.
            capped: the batch was sent with one.
        """
        with self._looking():
            if self._looked_at is None or self.clock() - self._looked_at >= LOOK_S:
                self.learn(self.money.caps())
            if capped and payer.batch is not None:
                self._capped.setdefault(Scope("batch", payer.batch), None)
            return any(scope in self._capped for scope in payer.scopes)

    def learn(self, states: Iterable[CapState]) -> None:
        """This is how all caps stand now, but those of batches."""
        with self._turn:
            self._capped = {one.scope: one for one in states if one.by_hour == self.by_hour}
            self._looked_at = self.clock()

    def learn_of(self, scope: Scope, state: CapState | None) -> None:
        """This is how that of a batch stands; None: it has none."""
        with self._turn:
            if state is not None and not state.free:
                self._capped[scope] = state

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """One at a time."""
        with self._turn:
            self._tick()
            yield

    def _tick(self) -> None:
        """Time has passed."""

    def reserve(self, payer: Payer, amount: int) -> Funds | Short:
        """Set money aside for an attempt that is about to start.

        Raises:
            PlatformError: the ledger does not answer; nothing is set aside.
        """
        with self._looking():
            for scope in payer.scopes:
                if why := self._unread(scope):
                    return Short(f"waits for money: {why}")
                if scope in self._capped and scope not in self._tranches:
                    self._begin(scope)
            for _ in range(TRIES):
                found = self._reserve(payer, amount)
                if isinstance(found, Short) or not found.ends_here:
                    return found
                self.settle(found, 0)  # it has not begun: another tranche is taken for it
            return TAKEN_BACK

    def _unread(self, scope: Scope) -> str:
        state = self._capped.get(scope)
        return "" if state is None else state.unread

    def _reserve(self, payer: Payer, amount: int) -> Funds | Short:
        number, self._next = self._next, self._next + 1
        short = self._within(lambda now: self._budget.reserve(number, payer, amount, now), amount)
        if short is not None:
            return short
        funds = self._open[number] = Funds(number, payer, amount)
        try:
            self._expose(payer, amount)
        except RushesError:
            self.settle(funds, 0)
            raise
        return funds

    def _renew(self, scope: Scope) -> None:
        """Another tranche of this cap, of which nothing was taken yet."""
        for funds in self._open.values():
            funds.ends_here = funds.ends_here or scope in funds.payer.scopes
        self._begin(scope)

    def _begin(self, scope: Scope) -> None:
        account = self._budget.account(scope)
        base = account.spent + account.outstanding
        self._tranches[scope] = Tranche(f"{self.holder}#{uuid.uuid4().hex[:12]}", base)
        self._budget.limit(scope, SpendLimits(cap=base))

    def _within(self, ask: Callable[[float], Granted | Refused], amount: int) -> Short | None:
        """Ask the budget until it grants, taking what it lacks; why it does not."""
        while not isinstance(answer := ask(self.clock()), Granted):
            if answer.scope not in self._tranches or answer.short <= 0:
                return Short(answer.sentence)
            short = self._take(answer.scope, answer.short, amount)
            if short is not None:
                return short
        return None

    def _take(self, scope: Scope, lacks: int, amount: int) -> Short | None:
        tranche = self._tranches[scope]
        until, most = self.clock() + self.silent_s, max(lacks, wanted(amount))
        got = self.money.take(scope, tranche.holder, lacks, most, until, first=not tranche.begun)
        if got is None:  # it was taken back, or an answer of the ledger was lost: begin another
            self._renew(scope)
            return None
        if got == 0:
            return self._short(scope, lacks, amount)
        tranche.begun, tranche.until = True, until
        self._has(scope, tranche, tranche.taken + got)
        return None

    def _short(self, scope: Scope, lacks: int, amount: int) -> Short:  # noqa: ARG002 - as by the hour
        return Short(f"waits for money: {scope} has less than {format_dollars(lacks)} left.")

    def _has(self, scope: Scope, tranche: Tranche, taken: int) -> None:
        tranche.taken = taken
        self._budget.limit(scope, SpendLimits(cap=tranche.base + taken))

    def _expose(self, payer: Payer, amount: int) -> None:
        """Say in advance what may be spent, where what was said does not cover it."""
        for scope in payer.scopes:
            tranche = self._tranches.get(scope)
            if tranche is not None:
                tranche.typical = amount
                if self._may_spend(scope, tranche) > tranche.exposed:
                    self._report(scope, tranche)

    def _may_spend(self, scope: Scope, tranche: Tranche) -> int:
        account = self._budget.account(scope)
        return account.spent + account.outstanding - tranche.base

    def _running(self, scope: Scope) -> list[Funds]:
        return [one for one in self._open.values() if scope in one.payer.scopes and not one.ends_here]

    def _report(self, scope: Scope, tranche: Tranche) -> bool:
        """Say what is spent, and what may be; False where the tranche was taken back."""
        may_spend, running = self._may_spend(scope, tranche), self._running(scope)
        said = exposed(may_spend, tranche.typical if running else 0, tranche.taken)
        spent = may_spend - sum(self._reserved(one) for one in running)
        until = self._heard_until(idle=not running)
        if self.money.report(scope, tranche.holder, spent, said, until):
            tranche.exposed, tranche.spent, tranche.until = said, spent, until
            return True
        self._renew(scope)
        return False

    def _heard_until(self, *, idle: bool) -> float:  # noqa: ARG002 - as by the hour
        """Until when nobody has to hear of this process."""
        return self.clock() + self.silent_s

    # -- while it runs, and after it -----------------------------------------------------------------------

    def spends(self, funds: Funds, spent: int, ahead: int) -> Short | None:
        """Whether an attempt may go on, or why not.

        Args:
            funds: what it may spend until now.
            spent: by it so far.
            ahead: what it may have spent when it is looked at next.

        Raises:
            PlatformError: the ledger does not answer; nothing more is granted.
        """
        with self._looking():
            if ahead <= funds.amount:
                return None
            if funds.ends_here:
                return TAKEN_BACK
            # A good deal more, so that it need not be asked for at once again; else the last crumbs too.
            short = self._extend(funds, spent, ahead + max(ahead // 4, ahead - spent))
            if short is not None and not funds.ends_here:
                short = self._extend(funds, spent, ahead)
            return short

    def _extend(self, funds: Funds, spent: int, amount: int) -> Short | None:
        lacks, ask = amount - funds.amount, self._budget.extend
        short = self._within(lambda now: ask(funds.number, amount, spent, now), lacks)
        if short is not None:
            return short
        self._expose(funds.payer, lacks)
        if funds.ends_here:
            return TAKEN_BACK
        funds.amount = amount  # not before the ledger knows of it
        return None

    def settle(self, funds: Funds, cost: int) -> None:
        """An attempt has ended and cost so much in all."""
        with self._looking():
            if self._open.pop(funds.number, None) is None:
                return
            # What was exposed of a tranche that was taken back counts as spent: nothing of it is free again.
            charged = max(cost, self._reserved(funds)) if funds.ends_here else cost
            self._budget.settle(funds.number, charged, self.clock())

    def _reserved(self, funds: Funds) -> int:
        known = self._budget.reservation(funds.number)
        return funds.amount if known is None else known[0]

    def tend(self, *, keep: bool = False) -> None:
        """Say that this process lives and what it has spent; give back what others may be short of.

        Args:
            keep: what nothing runs on stays here until this process falls silent: it may be frozen now, and
                be woken for the next.

        Raises:
            CallerError: something of a cap cannot be read, or is refused; all others were looked after.
            PlatformError: the ledger does not answer; it is said again the next time.
        """
        wrong = list[RushesError]()
        with self._looking():
            for scope, tranche in list(self._tranches.items()):
                try:
                    self._tend_one(scope, tranche, keep=keep)
                except RushesError as error:
                    if not isinstance(error, CallerError) and error.code != "service-refused":
                        raise
                    wrong.append(error)  # of one cap: a silent holder loses what it has of the others
        if wrong:
            raise wrong[0]

    def _tend_one(self, scope: Scope, tranche: Tranche, *, keep: bool) -> None:
        idle = not self._running(scope)
        if idle and not keep and scope.level == "batch":
            self._leave(scope, tranche)  # batches end, and there are many
            return
        if tranche.taken <= self._may_spend(scope, tranche) and idle:
            return  # nothing of it is left: it is heard of when it is needed again
        if self._report(scope, tranche) and not keep:
            self._give_back(scope, tranche, idle=idle)

    def _give_back(self, scope: Scope, tranche: Tranche, *, idle: bool) -> None:
        may_spend = self._may_spend(scope, tranche)
        back = tranche.taken - may_spend
        if not idle:
            back = surplus(tranche.taken, max(may_spend, tranche.exposed), tranche.typical)
        if back > 0:
            self._has(scope, tranche, tranche.taken - back)  # first: what is said may be lost on the way
            self.money.give(scope, tranche.holder, back)

    def _leave(self, scope: Scope, tranche: Tranche) -> None:
        spent = self._may_spend(scope, tranche)
        del self._tranches[scope]
        self._budget.forget(scope.name)
        if tranche.begun:
            self.money.close(scope, tranche.holder, spent)

    def close(self) -> None:
        """This process ends: all that was not spent goes back.

        Raises:
            PlatformError: the ledger does not answer; it comes back when this process was not heard of.
        """
        with self._looking():
            for scope, tranche in list(self._tranches.items()):
                if tranche.begun and not self._running(scope):
                    spent = self._may_spend(scope, tranche)
                    self._renew(scope)
                    self.money.close(scope, tranche.holder, spent)
