"""Budgeting: the purse of a pool over its restarts, and what becomes of batches that it holds or demotes.

The scheduler asks its purse; here that is filled from the journal before anything starts, and what it has set
aside, spent and settled is written in the turn in which that was decided. So a start leaves this process only
with its reservation written down, and an end is settled in the transaction that has its result. A worker that
is killed takes its attempts with it: the next one settles what was set aside for them, with all that they can
have spent by then. This module must not know how a cap is kept, nor what a price is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes.core import commands as cmd
from rushes.core import events as ev
from rushes.core.accounts import HOUR_S, ORGANISATION, Scope, SpendLimits
from rushes.core.learning.run_times import ENOUGH, ExpectedRun
from rushes.core.purse import Purse
from rushes.core.sinks import BATCH_FREED, BATCH_HELD
from rushes.core.spending.bookkeeping import recovered
from rushes.core.spending.budget import NO_LIMITS, Payer
from rushes.core.spending.tariff import Tariff
from rushes.runtime.dispatch.pool import HELD, Pool
from rushes.runtime.dispatch.restamping import restamp
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.records.batches import BatchState
from rushes.runtime.records.budget_records import BudgetRecords

if TYPE_CHECKING:
    from rushes.core.spending.machine_price import MachinePrice

__all__ = ["Budgeting", "HeldBatch"]


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """Why a batch is held.

    Args:
        why: a sentence, with what ends it.
        frees_at: when it goes on by itself (UTC epoch seconds); None: only when somebody raises a limit.
        scope: whose money is spent.
    """

    why: str
    frees_at: float | None
    scope: Scope | None


class Budgeting:
    """The money of a pool, as its worker keeps it. Only the worker's one thread touches it.

    Args:
        journal: what outlives the worker.
        price: of this machine; None, or free: limits are kept, and hold nothing back.
        now: UTC epoch seconds.
    """

    pool: Pool
    """Set by the dispatcher, which makes it."""

    def __init__(self, journal: BudgetRecords, price: MachinePrice | None, now: float) -> None:
        self._journal = journal
        self._tier = price.tier.name if price is not None else ""
        self.free = price is None or price.free
        reservations = journal.reservations()
        budget, self._recovered = recovered(journal.books(), reservations, journal.limits(), now)
        tariff = None if price is None or price.free else Tariff(price.price_of, self._before)
        first = 1 + max((one.number for one in reservations), default=0)
        self.purse = Purse(budget, tariff, first=first)
        self._reclass: dict[str, str | None] = {}

    def _before(self, shape: ev.Shape) -> ExpectedRun | None:
        """What one may take where none has ended since this worker began."""
        before = self.pool.learnt.get(shape.function.rpartition("@")[0])
        return None if before is None else ExpectedRun(before.late_s, sure=before.runs >= ENOUGH)

    def recover(self) -> None:
        """Write down what became of the attempts of a worker that died; called in the first turn."""
        if self._recovered.gone:
            self._journal.keep_books(self._recovered)
        for state in self.pool.batches.values():
            if state.spec.get("demoted_from"):
                self.purse.shortage.was_demoted(state.id, Payer(state.queue.show, state.id))

    def write(self) -> None:
        """Write down what has changed; called at the end of every turn, before its commit."""
        changes = self.purse.changes()
        if changes is not None:
            self._journal.keep_books(changes)

    def costed(self, costs: Sequence[tuple[int, int]]) -> None:
        """What attempts that have ended have truly cost: their payers were charged by their seconds."""
        if self.purse.watches:
            for ask, nano in costs:
                self.pool.feed(ev.Costed(ask, nano))

    # -- limits -------------------------------------------------------------------------------------------

    def set(self, scope: Scope, limits: SpendLimits) -> None:
        """Somebody sets the limits of a payer, or takes them away."""
        self._journal.keep_limits(scope, limits)
        spent = None
        if limits != NO_LIMITS and not self.free and scope not in self.purse.budget.limits:
            spent = self._journal.spent_by(scope, self.pool.now)
        self.pool.feed(ev.Budgeted(scope, limits, spent))

    def opened(self, state: BatchState) -> None:
        """A batch has come in, perhaps with a cap of its own."""
        cap = state.spec.get("max_cost_nano")
        if cap is not None and not state.parent:
            scope, limits = Scope("batch", state.id), SpendLimits(cap=cap)
            self._journal.keep_limits(scope, limits)
            self.pool.feed(ev.Budgeted(scope, limits))

    def reopens(self, batch: str) -> None:
        """A batch that may have ended is begun again: under the cap that it had, with what it has spent."""
        scope = Scope("batch", batch)
        limits = self._journal.limits_of(scope)
        if limits != NO_LIMITS and scope not in self.purse.budget.limits:
            self.set(scope, limits)

    def ended(self, batch: str) -> None:
        """A batch has ended: its cap stays in the journal alone."""
        if Scope("batch", batch) in self.purse.budget.limits:
            self.pool.feed(ev.Budgeted(Scope("batch", batch), NO_LIMITS))

    def describe(self) -> dict[str, Any]:
        """Every payer that has limits, with what is spent and set aside; the organisation first."""
        limits = sorted(self.purse.budget.limits.items(), key=_in_order)
        rows = [self._row(scope, its) for scope, its in limits]
        return {"free": self.free, "tier": self._tier, "rows": rows}

    def _row(self, scope: Scope, limits: SpendLimits) -> dict[str, Any]:
        account = self.purse.budget.account(scope)
        account.turn(int(self.pool.now // HOUR_S))
        held = [(batch, self.purse.shortage.holds(batch)) for batch in self.purse.shortage.held]
        return {
            "level": scope.level,
            "name": scope.name,
            "cap_nano": limits.cap,
            "hour_cap_nano": limits.hour_cap,
            "soft_nano": limits.soft,
            "hour_soft_nano": limits.hour_soft,
            "spent_nano": account.spent,
            "hour_spent_nano": account.hour_spent,
            "reserved_nano": account.outstanding,
            "running": account.running,
            "held": [batch for batch, one in held if one is not None and one.scope == scope],
        }

    # -- held ---------------------------------------------------------------------------------------------

    def held(self, state: BatchState) -> HeldBatch | None:
        """Why something of a batch is held; None where nothing is."""
        one = self.purse.shortage.holds(state.id) if self.purse.watches else None
        return None if one is None else HeldBatch(one.sentence, one.frees_at, one.scope)

    def holds_all(self, state: BatchState) -> bool:
        """Whether all that is left of a batch is held: nothing runs, is tried again, or waits for money."""
        if not state.sealed or self.purse.shortage.waits(state.id) is not None or self.held(state) is None:
            return False
        if state.counts[HELD] and self._journal.is_tried_again(state.number):
            return False
        own = ((number, run) for number, run in self.pool.running.items() if number >> 32 == state.number)
        return all(self._stands(number, run) for number, run in own)

    def _stands(self, number: int, run: SlotRun) -> bool:
        """Whether an attempt stands still for want of money, or since all parts that it waits for do."""
        refused = self.purse.shortage.begun.get(run.ask(number))
        if refused is not None and refused.held:
            return True
        parts = [self.pool.batches[one] for one in run.parts or () if one in self.pool.batches]
        return bool(run.waits_since and parts) and all(self.holds_all(part) for part in parts)

    def tell(self, command: cmd.Hold | cmd.Freed) -> None:
        """A batch is held, or is no longer: whoever wants to hear of it is told."""
        state = self.pool.by_id.get(command.batch)
        if state is None or self.pool.outlet is None:
            return
        if isinstance(command, cmd.Hold):
            self.pool.outlet.note(BATCH_HELD, state, 0, reason=command.why, frees_at=command.frees_at)
        else:
            self.pool.outlet.note(BATCH_FREED, state, 0)

    # -- demoted --------------------------------------------------------------------------------------------

    def reclass(self, batch: str, why: str | None) -> None:
        """A payer of a batch is beyond a soft limit, and `why`; None: it is no longer."""
        self._reclass[batch] = why

    def give_classes(self) -> None:
        """One class lower, or back: at the end of a turn, when no command about the old one is left."""
        if not self._reclass:
            return
        reclass, self._reclass = self._reclass, {}
        for batch, why in reclass.items():
            state = self.pool.by_id.get(batch)
            if state is None or state.stopping:
                continue
            was = state.spec.get("demoted_from")
            if why is not None and not was and (lower := self._lower(state.queue.priority)):
                state.spec["demoted_from"], state.spec["demoted_why"] = state.queue.priority, why
                restamp(self.pool, state, lower)
            elif why is None and was:
                del state.spec["demoted_from"], state.spec["demoted_why"]
                restamp(self.pool, state, was)

    def _lower(self, priority: str) -> str | None:
        """The next class below one; None where there is none, or the class is no more."""
        classes = [one.name for one in self.pool.scheduler.classes]
        at = classes.index(priority) + 1 if priority in classes else len(classes)
        return classes[at] if at < len(classes) else None


def _in_order(row: tuple[Scope, SpendLimits]) -> tuple[bool, str, str]:
    return row[0] != ORGANISATION, row[0].level, row[0].name
