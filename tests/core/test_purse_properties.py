"""No cap is overshot, whatever happens to a pool that spends: late looks and events, kills, restarts.

Some invocations have a second attempt beside the first (its id is below zero): that reserves and spends as
any other, whichever of the two is the one that counts.

The model knows how long every attempt has truly been at work, and so what was truly spent. The scheduler and
its purse know what they are told; what they wrote down is all that outlives a crash.
"""

from __future__ import annotations

from collections import defaultdict
from math import ceil, inf
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rushes.core.accounts import HOUR_S, ORGANISATION, Scope, SpendLimits
from rushes.core.commands import Start
from rushes.core.events import (
    Ask,
    AttemptFinished,
    Budgeted,
    Capacity,
    Halted,
    Leased,
    Queued,
    Returned,
    Shape,
    SlotLost,
    Tick,
)
from rushes.core.learning.run_times import ExpectedRun
from rushes.core.policy import DEFAULT_CLASSES, SchedulerSettings
from rushes.core.purse import Purse
from rushes.core.spending.bookkeeping import Books, Reservation, recovered
from rushes.core.spending.budget import Budget, Payer
from rushes.core.spending.tariff import Tariff
from rushes.core.states import State

RATE = {"quick": 1000, "slow": 700, "unknown": 300, "part": 200}
"""Nano-dollars a second."""
EXPECTED = {
    "quick": ExpectedRun(0.2, sure=True),
    "slow": ExpectedRun(4.0, sure=True),
    "part": ExpectedRun(1.0, sure=True),
}
TARIFF = Tariff(
    lambda shape, seconds: ceil(round(RATE[shape.function] * seconds, 6)) + 1,
    lambda shape: EXPECTED.get(shape.function),
)
CAPS = {
    ORGANISATION: SpendLimits(cap=40_000, hour_cap=25_000),
    Scope("show", "dune"): SpendLimits(cap=12_000, soft=6_000),
    Scope("batch", "slow"): SpendLimits(cap=9_000),
    Scope("batch", "unknown"): SpendLimits(hour_cap=6_000),
}
SHAPES = [
    Shape("quick", "e1", "quick"),
    Shape("slow", "e1", "slow", memory=30),
    Shape("unknown", "e2", "unknown", cpu=2),
    Shape("free", "e1", "slow", cpu=0.5),
]
PART = Shape("part", "e1", "part", depth=1, charged="slow")
# In parts of two, so that what the model adds up is what the scheduler takes off a clock.
STEP_S = 0.375


class SpendingMachine(RuleBasedStateMachine):
    """A pool with caps, in any order of events."""

    pool_type: type

    def __init__(self) -> None:
        super().__init__()
        self.books: dict[tuple[str, str], Books] = {}
        self.reservations: dict[int, Reservation] = {}
        self.limits = dict(CAPS)
        self.true: dict[Scope, int] = defaultdict(int)  # settled, of those who pay with a limit
        self.by_hour: dict[tuple[Scope, int], int] = defaultdict(int)
        self.worked: dict[int, float] = {}  # by invocation, of the attempt that is on a slot
        self.seen: dict[int, int] = {}  # of what that has cost, what is in `by_hour`
        self.bounds: dict[int, float] = {}  # by slot, as its guard was told last
        self.halted: dict[int, float] = {}  # by slot, since when its guard has it stand still
        self.first = 1
        self.pool: Any = None
        self._begin(Budget(self.limits))

    # -- the pool, and its journal ------------------------------------------------------------------------

    def _begin(self, budget: Budget) -> None:
        """A scheduler begins, with what is in the journal."""
        purse = Purse(budget, TARIFF, first=self.first)
        self.first += 1_000_000
        old = self.pool
        self.pool = self.pool_type(
            Capacity(cpu=5, memory=100, scratch=10, gpu=1),
            seconds={"quick": 0.2},
            settings=SchedulerSettings(lease_window=8, waiting_limit=2),
            purse=purse,
        )
        pool = self.pool
        before = pool.do

        def do(event: Any) -> Any:
            commands = before(event)
            for command in commands:
                if isinstance(command, Start):
                    self.worked.update((id_, 0.0) for id_ in command.ids)
            self._write()
            return commands

        pool.do = do
        if old is not None:
            pool.now, pool._next = old.now, old._next
            pool.queue_of, pool.ended = old.queue_of, old.ended
            pool.excused, pool.starts = old.excused, old.starts
            for key, asks in old.outside.items():
                pool.outside[key] = asks
                if asks:
                    pool.do(Queued(key, len(asks)))

    def _turn(self) -> None:
        """A turn begins: what was made to stand still meanwhile is told before anything else."""
        halted, self.halted = self.halted, {}
        if halted:
            self.pool.do(Halted(sorted(halted.items(), key=lambda one: one[1])))

    def _write(self) -> None:
        """What the worker commits at the end of a turn, and tells its guard then."""
        self.bounds = self.pool.scheduler.bounds()
        changes = self.pool.scheduler.purse.changes()
        if changes is None:
            return
        self.books.update({(row.level, row.name): row for row in changes.books})
        self.reservations.update({row.number: row for row in changes.reservations})
        for number in changes.gone:
            self.reservations.pop(number, None)

    def _payer(self, id_: int, shape: Shape) -> Payer:
        return Payer(self.pool.queue_of[id_].show, shape.charged or shape.batch)

    def _cost(self, shape: Shape, seconds: float) -> int:
        return TARIFF.cost(shape, seconds)

    def _pass(self, seconds: float) -> None:
        """Time passes for everything that computes; what it costs is spent in the hour in which it does."""
        began = self.pool.now
        self.pool.now += seconds
        for number, slot in self.pool.slots.items():
            if slot.computes and number not in self.halted:
                ask, until = slot.backlog[0], self.bounds.get(number, inf)
                self.worked[ask.id] += max(min(self.pool.now, until) - began, 0.0)
                self._enter(ask.id, ask.shape)
                if until < self.pool.now:
                    self.halted[number] = max(until, began)

    def _enter(self, id_: int, shape: Shape) -> None:
        cost = self._cost(shape, self.worked[id_])
        more = cost - self.seen.get(id_, 0)
        self.seen[id_] = cost
        for scope in self._payer(id_, shape).scopes:
            self.true[scope] += more
            self.by_hour[scope, int(self.pool.now // HOUR_S)] += more

    def _left(self, id_: int) -> None:
        self.worked.pop(id_, None)
        self.seen.pop(id_, None)

    # -- what happens -------------------------------------------------------------------------------------

    @rule(
        priority=st.sampled_from([policy.name for policy in DEFAULT_CLASSES]),
        show=st.sampled_from(["dune", "arrival"]),
        shape=st.sampled_from(SHAPES),
        count=st.integers(1, 12),
        at_once=st.sampled_from([True, True, False]),
    )
    def submit(self, priority: str, show: str, shape: Shape, count: int, *, at_once: bool) -> None:
        self._turn()
        self.pool.submit(priority, show, shape, count)
        if at_once:
            while self.pool.pending:
                self._deliver(0)

    @precondition(lambda self: self.pool.pending)
    @rule(data=st.data())
    def an_answer_arrives(self, data: Any) -> None:
        self._turn()
        if not self.pool.pending:
            return
        self._deliver(data.draw(st.integers(0, len(self.pool.pending) - 1)))

    @rule()
    def all_answers_arrive(self) -> None:
        self._turn()
        while self.pool.pending:
            self._deliver(0)

    def _deliver(self, index: int) -> None:
        event = self.pool.pending[index]
        if hasattr(event, "id") and not hasattr(event, "seconds") and type(event).__name__ == "GivenBack":
            slot = self.pool.slots.get(event.slot)
            if slot is not None and slot.backlog and slot.backlog[0].id == event.id:
                self.pool.pending.pop(index)
                self.pool.given_back[event.id] += 1
                if event.id > 0:
                    self._beat(-event.id)
                state = State.queued if event.id > 0 else State.cancelled
                self.pool.finish(event.slot, state, self.worked[event.id])
                self._left(event.id)
                return
        self.pool.deliver(index)

    @rule(steps=st.integers(1, 12))
    def time_passes(self, steps: int) -> None:
        self._turn()
        for _ in range(steps):
            self._pass(STEP_S)
            self._turn()
            self.pool.do(Tick())

    @rule(steps=st.integers(3, 200))
    def the_worker_does_not_look(self, steps: int) -> None:
        """It waits for its disk, or was stopped: what it has let start runs on as far as it may."""
        self._pass(steps * STEP_S)

    @rule()
    def the_hour_ends(self) -> None:
        """Nothing is at work over the turn but what a tick has looked at."""
        self._turn()
        whole = HOUR_S * (self.pool.now // HOUR_S + 1)
        if not any(slot.computes for slot in self.pool.slots.values()):
            self.pool.now = whole - STEP_S / 2
            self.pool.do(Tick())
        self._pass(STEP_S)
        self._turn()
        self.pool.do(Tick())

    @precondition(lambda self: any(slot.backlog for slot in self.pool.slots.values()))
    @rule(data=st.data(), state=st.sampled_from([State.succeeded] * 3 + [State.failed, State.queued]))
    def an_attempt_ends(self, data: Any, state: State) -> None:
        self._turn()
        # What stands behind one that is paused is taken back with the pause, before that can be heard of.
        able = sorted(
            n
            for n, s in self.pool.slots.items()
            if s.backlog and not s.waiting and (s.computes or not s.backlog[1:])
        )
        if not able:
            return
        number = data.draw(st.sampled_from(able))
        ask = self.pool.slots[number].backlog[0]
        self._enter(ask.id, ask.shape)
        seconds = self.worked[ask.id]
        if state is State.queued and (ask.id < 0 or self._on_slot(-ask.id) is not None):
            state = State.cancelled  # the other one goes on alone
        elif state is State.queued:
            self._beat(-ask.id)
        again = AttemptFinished(number, ask.id, state, seconds)
        self.pool.finish(number, state, seconds)
        self._left(ask.id)
        if state.ended:
            self.pool.do(again)  # said twice
        if state in {State.succeeded, State.failed}:
            self._beat(-ask.id)

    @precondition(lambda self: any(s.computes for s in self.pool.slots.values()))
    @rule(data=st.data())
    def a_second_attempt_is_begun_beside_one_that_crawls(self, data: Any) -> None:
        self._turn()
        pool = self.pool
        able = {
            slot.backlog[0].id: slot.backlog[0]
            for slot in pool.slots.values()
            if slot.computes
            and slot.backlog[0].id > 0
            and -slot.backlog[0].id not in pool.queue_of
            and slot.backlog[0].shape.batch not in {"slow", "part"}  # those may have parts, or be some
            and pool.queue_of[slot.backlog[0].id] not in pool.unanswered
        }
        if not able:
            return
        first = able[data.draw(st.sampled_from(sorted(able)))]
        queue = pool.queue_of[-first.id] = pool.queue_of[first.id]
        second = pool.leased[-first.id] = Ask(-first.id, first.order, first.queued_at, first.shape)
        pool.do(Leased(queue, (second,), len(pool.outside[queue])))

    def _on_slot(self, id_: int) -> int | None:
        """The slot that was given an attempt."""
        slots = self.pool.slots.items()
        return next((n for n, slot in slots if any(ask.id == id_ for ask in slot.backlog)), None)

    def _beat(self, id_: int) -> None:
        """The other one of a pair is not needed any more: it ends, or is not begun."""
        pool, number = self.pool, self._on_slot(id_)
        if number is not None and pool.slots[number].backlog[0].id == id_:
            ask = pool.slots[number].backlog[0]
            self._enter(id_, ask.shape)
            pool.finish(number, State.cancelled, self.worked[id_])
            self._left(id_)
            return
        if number is not None:
            slot = pool.slots[number]
            (ask,) = [ask for ask in slot.backlog if ask.id == id_]
            slot.backlog.remove(ask)
            pool._take_back([ask])
            pool.do(Returned(number, (id_,)))
        if id_ in pool.leased:
            pool.withdraw([id_])

    @precondition(lambda self: any(s.computes for s in self.pool.slots.values()))
    @rule(data=st.data(), count=st.integers(1, 3))
    def an_attempt_waits_for_parts(self, data: Any, count: int) -> None:
        self._turn()
        able = [
            n
            for n, s in self.pool.slots.items()
            if s.computes and s.backlog[0].shape.depth == 0 and s.backlog[0].shape.batch == "slow"
        ]
        if able:
            self.pool.wait_for_parts(data.draw(st.sampled_from(sorted(able))), *[PART] * count)

    @precondition(lambda self: self.pool.slots)
    @rule(data=st.data(), lost_first=st.booleans())
    def a_slot_dies(self, data: Any, lost_first: Any) -> None:
        self._turn()
        if not self.pool.slots:
            return
        number = data.draw(st.sampled_from(sorted(self.pool.slots)))
        slot = self.pool.slots[number]
        if slot.backlog:
            ask = slot.backlog[0]
            self._enter(ask.id, ask.shape)
            took = self.worked[ask.id]
            if ask.id < 0 or self._on_slot(-ask.id) is not None:
                self._one_of_a_pair_dies(number, took)
                return
            self._beat(-ask.id)
        had = list(slot.backlog)
        pool = self.pool
        # As `ModelPool.kill`, but for the seconds, which are what it truly was at work.
        before = pool.do

        def do(event: Any) -> Any:
            if isinstance(event, AttemptFinished) and had and event.id == had[0].id:
                event = AttemptFinished(event.slot, event.id, event.state, took)
            return before(event)

        pool.do = do
        try:
            pool.kill(number, lost_first=lost_first)
        finally:
            pool.do = before
        for ask in had[:1]:
            if ask.id not in self._on_slots():
                self._left(ask.id)

    def _one_of_a_pair_dies(self, number: int, took: float) -> None:
        """The other one goes on alone."""
        pool = self.pool
        slot = pool.slots.pop(number)
        (ask, *behind), slot.dying = slot.backlog, True
        pool._close_books(ask, State.cancelled)
        pool.do(SlotLost(number))
        pool.do(AttemptFinished(number, ask.id, State.cancelled, took))
        self._left(ask.id)
        if behind:
            pool._take_back(behind)
            pool.do(Returned(number, tuple(one.id for one in behind)))

    def _on_slots(self) -> set[int]:
        return {ask.id for slot in self.pool.slots.values() for ask in slot.backlog}

    @rule(
        scope=st.sampled_from(sorted(CAPS)),
        by=st.sampled_from([0.5, 1.5, 2.0, None]),
    )
    def somebody_sets_a_cap(self, scope: Scope, by: float | None) -> None:
        """Never below what is spent: that is overshot already."""
        self._turn()
        limits = CAPS[scope]
        if by is None:
            new = SpendLimits()
        else:
            cap = None if limits.cap is None else max(int(limits.cap * by), self._committed(scope))
            hour = limits.hour_cap
            hour = None if hour is None else max(int(hour * by), self._committed(scope))
            new = SpendLimits(cap=cap, hour_cap=hour)
        if by is None:
            return  # what is spent without a limit is not counted here: see the test of adoption
        self.limits[scope] = new
        self.pool.do(Budgeted(scope, new))

    def _committed(self, scope: Scope) -> int:
        account = self.pool.scheduler.purse.budget.account(scope)
        return int(account.spent + account.outstanding + 1)

    @rule()
    def the_worker_is_killed(self) -> None:
        """Its slots die with it, whatever they did; all of it is queued again in the journal."""
        pool = self.pool
        self._pass(STEP_S / 2)  # it was at work since the last look
        self.halted.clear()
        for slot in pool.slots.values():
            for ask in slot.backlog:
                pool.excused[ask.id] += 1
                pool.outside[pool.queue_of[ask.id]].append(ask)
        for ask in pool.leased.values():
            pool.outside[pool.queue_of[ask.id]].append(ask)
        for event in pool.pending:
            for ask in getattr(event, "asks", ()):
                pool.outside[pool.queue_of[ask.id]].append(ask)
        for asks in pool.outside.values():
            for ask in asks:
                if ask.id < 0:
                    pool.ended[ask.id] = State.cancelled
            asks[:] = [ask for ask in asks if ask.id > 0]
            asks[:] = sorted({ask.id: ask for ask in asks}.values(), key=lambda ask: (ask.order, ask.id))
        self.worked.clear()
        self.seen.clear()
        budget, changes = recovered(self.books.values(), self.reservations.values(), self.limits, pool.now)
        self.books.update({(row.level, row.name): row for row in changes.books})
        self.reservations.clear()
        self._begin(budget)

    # -- what always holds ----------------------------------------------------------------------------------

    @invariant()
    def no_cap_is_overshot_by_what_was_truly_spent(self) -> None:
        for scope, limits in self.limits.items():
            if limits.cap is not None:
                assert self.true[scope] <= limits.cap, (scope, self.true[scope], limits)
            if limits.hour_cap is not None:
                spent = self.by_hour[scope, int(self.pool.now // HOUR_S)]
                assert spent <= limits.hour_cap, (scope, spent, limits)

    @invariant()
    def the_books_hold_all_that_was_truly_spent(self) -> None:
        """What is booked and reserved covers what was spent; and each reservation is of an attempt."""
        purse = self.pool.scheduler.purse
        for scope in CAPS:
            account, cap = purse.budget.account(scope), self.limits[scope].cap
            assert self.true[scope] <= account.spent + account.outstanding
            assert cap is None or account.spent + account.outstanding <= cap
        for slot in self.pool.slots.values():
            if slot.computes:
                ask = slot.backlog[0]
                reserved = sum(purse.open[one.id].amount for one in slot.backlog)
                assert self._cost(ask.shape, self.worked[ask.id]) <= reserved, "each is within its own"
        assert set(purse.open) <= self._on_slots() | set(self.pool.leased)
        assert sorted(paid.number for paid in purse.open.values()) == sorted(purse.budget.open_ids())
        assert {row.number for row in self.reservations.values()} == set(purse.budget.open_ids())

    @invariant()
    def everything_can_be_explained(self) -> None:
        for id_ in list(self.pool.leased)[:3] + self.pool.running()[:3]:
            assert "not in the pool's hands" not in self.pool.scheduler.explain(id_, self.pool.now)
        purse = self.pool.scheduler.purse
        for batch in purse.shortage.held:
            held = purse.shortage.holds(batch)
            assert held is not None
            assert held.sentence.startswith("held: ")

    def teardown(self) -> None:
        """When nothing has a limit any more, everything ends, and nothing is left open."""
        self._turn()
        pool = self.pool
        for scope in list(self.limits):
            self.limits[scope] = SpendLimits()
            pool.do(Budgeted(scope, SpendLimits()))
        for _ in range(10_000):
            while pool.pending:
                self._deliver(0)
            able = [n for n, s in pool.slots.items() if s.computes]
            if not able:
                if not (pool.leased or any(pool.outside.values()) or self._on_slots()):
                    break
                pool.do(Tick())
                pool.now += 1
                continue
            ask = pool.slots[able[0]].backlog[0]
            pool.finish(able[0], State.succeeded, self.worked[ask.id])
            self._left(ask.id)
        purse = pool.scheduler.purse
        assert set(pool.ended) == set(pool.queue_of), "every invocation ends"
        assert not purse.open
        assert not purse.shortage.held
        assert not self.reservations


def run_machine(model_pool: Any, examples: int, *, derandomize: bool = False) -> None:
    class Machine(SpendingMachine):
        pool_type = model_pool

    quick = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        derandomize=derandomize,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Machine, settings=quick)


def test_no_cap_is_overshot_whatever_happens_in_whatever_order(model_pool: Any) -> None:
    run_machine(model_pool, 60, derandomize=True)  # the same each time; the soak looks for new ones


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_cap_is_overshot_whatever_happens_in_whatever_order_at_length(model_pool: Any) -> None:
    run_machine(model_pool, 3000)
