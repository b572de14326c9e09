"""The scheduler and its purse: what may start, who goes first, what is told, and how well a cap is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.core.accounts import HOUR_S, ORGANISATION, Scope, SpendLimits
from rushes.core.commands import Command, Demote, Freed, Hold, Pause, Promote, Resume
from rushes.core.events import Budgeted, Capacity, Costed, Halted, Outlay, Reached, Shape, Tick
from rushes.core.learning.run_times import ENOUGH, GUESS, ExpectedRun, RunTimes
from rushes.core.policy import SchedulerSettings
from rushes.core.purse import Purse
from rushes.core.spending.bookkeeping import Books, Reservation, recovered
from rushes.core.spending.budget import Budget
from rushes.core.spending.tariff import AHEAD_S, LEASE_S, LOOK_S, TRIAL, Tariff
from rushes.core.states import State

DUNE = Scope("show", "dune")
RATE = 1000
"""Nano-dollars a second of each core."""
LONG = Shape("long", "e", "long")
SHORT = Shape("short", "e", "short")
KNOWN = {
    "long": ExpectedRun(10.0, sure=True),
    "short": ExpectedRun(1.0, sure=True),
    "tiny": ExpectedRun(0.001, sure=True),
}


def price(shape: Shape, seconds: float) -> int:
    return round(RATE * seconds * shape.cpu)


def pool_with(model_pool: Any, limits: dict[Scope, SpendLimits], **more: Any) -> Any:
    tariff = Tariff(price, lambda shape: KNOWN.get(shape.function))
    purse = Purse(Budget(limits), tariff)
    return model_pool(Capacity(cpu=2, memory=100), purse=purse, settings=SchedulerSettings(**more))


def passes(pool: Any, seconds: float) -> list[Command]:
    """Time passes as a worker has it pass: it looks often."""
    told: list[Command] = []
    for _ in range(round(seconds / LOOK_S)):
        pool.tick(LOOK_S)
        told += pool.commands
        pool.deliver_all()
    return told


def of(kind: type, commands: Sequence[Command]) -> list[Any]:
    return [one for one in commands if isinstance(one, kind)]


def account(pool: Any, scope: Scope) -> Any:
    return pool.scheduler.purse.budget.account(scope)


# -- before a start ---------------------------------------------------------------------------------------


def test_where_nobody_has_a_limit_nothing_is_asked_and_nothing_kept(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=10**9)})

    pool.submit("standard", "arrival", LONG, 4)
    pool.deliver_all()

    assert len(pool.running()) == 2
    assert not pool.scheduler.purse.open


def test_without_a_price_a_limit_watches_nobody(model_pool: Any) -> None:
    pool = model_pool(Capacity(cpu=2, memory=100), purse=Purse(Budget({DUNE: SpendLimits(cap=0)})))

    pool.submit("standard", "dune", LONG, 2)
    pool.deliver_all()

    assert len(pool.running()) == 2
    assert not pool.scheduler.purse.watches


def test_what_does_not_fit_waits_while_money_is_reserved_and_is_held_once_spent(
    model_pool: Any,
) -> None:
    each = price(LONG, 10 + AHEAD_S)
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=each + each // 2)})

    pool.submit("standard", "dune", LONG, 3)
    pool.deliver_all()
    waits = pool.scheduler.explain(2, pool.now)
    told = list(pool.commands)
    (hold,) = of(Hold, passes(pool, 9))
    pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog), State.succeeded, 9.0)
    passes(pool, 1)

    assert pool.running() == []
    assert "waits for money: of show dune's" in waits
    assert not of(Hold, told)
    assert hold.batch == "long"
    assert hold.why.startswith("held: show dune has spent ")
    assert "held: show dune has spent $0.0000090 of its" in pool.scheduler.explain(2, pool.now)
    assert pool.scheduler.purse.shortage.held == ["long"]


def test_a_cap_that_is_raised_lets_go_what_it_held(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=5)})
    pool.submit("standard", "dune", LONG, 1)
    pool.deliver_all()
    assert pool.scheduler.purse.shortage.held == ["long"]

    pool.do(Budgeted(DUNE, SpendLimits(cap=10**9)))

    assert of(Freed, pool.commands) == [Freed("long")]
    pool.deliver_all()
    assert pool.running() == [1]


def test_an_hour_that_begins_lets_go_what_the_last_one_held(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(hour_cap=price(SHORT, 1.1 + AHEAD_S))})
    pool.submit("standard", "dune", SHORT, 2)
    pool.deliver_all()
    pool.finish(1, State.succeeded, 1.0)
    (hold,) = of(Hold, passes(pool, 0.5))
    assert hold.frees_at == HOUR_S * (pool.now // HOUR_S + 1)

    pool.now = hold.frees_at - 1
    pool.tick(0.5)
    assert pool.running() == []
    pool.tick(0.5)

    assert of(Freed, pool.commands) == [Freed("short")]
    pool.deliver_all()
    assert pool.running() == [2]


def test_money_that_comes_back_is_kept_for_the_first_in_order_who_waits(model_pool: Any) -> None:
    """A cheap background batch does not take, each time, what an urgent one waits for."""
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=price(LONG, 10.8 + AHEAD_S))})
    pool.submit("background", "dune", SHORT, 9)
    pool.deliver_all()
    pool.submit("urgent", "dune", LONG, 1)

    while 10 not in pool.running():
        pool.deliver_all()
        busy = [n for n, slot in pool.slots.items() if slot.backlog and slot.computes]
        assert busy, "somebody runs, or the urgent one does"
        pool.finish(busy[0], State.succeeded, 0.01)

    assert len(pool.ended) <= 2, "nothing cheap was begun in between"


def test_a_guess_reserves_no_more_than_a_twentieth_of_a_cap(model_pool: Any) -> None:
    cap = price(LONG, 100)
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=cap)})

    pool.submit("standard", "dune", Shape("new", "e", "new"), 1)
    pool.deliver_all()

    assert account(pool, DUNE).outstanding == cap // TRIAL
    assert GUESS.seconds > 100 / TRIAL


def test_run_times_are_the_longest_of_a_hundred_once_a_few_have_ended() -> None:
    times = RunTimes()
    for n in range(ENOUGH - 1):
        times.learn("f", 1.0 + n / 10)
    assert times.longest("f") is None

    for _ in range(100):
        times.learn("f", 1.0)
    times.learn("f", 50.0)
    few = times.longest("f")
    for _ in range(20):
        times.learn("f", 50.0)

    assert few is not None
    assert few.sure
    assert 1.0 <= few.seconds <= 1.4
    assert times.longest("f") == few, "until time has passed"
    times.passes()
    longest = times.longest("f")
    assert longest is not None
    assert 50.0 <= longest.seconds <= 50.0 * 1.08**2


# -- while it runs ----------------------------------------------------------------------------------------


def test_what_runs_into_its_reservation_is_given_more_while_there_is_any(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=price(SHORT, 60))})
    pool.submit("standard", "dune", SHORT, 1)
    pool.deliver_all()

    told = passes(pool, 30)

    assert not of(Pause, told)
    assert account(pool, DUNE).spent >= price(SHORT, 29)
    assert account(pool, DUNE).outstanding >= price(SHORT, AHEAD_S / 2)


def test_where_there_is_no_more_it_is_paused_within_its_cap_and_goes_on_before_anything_new(
    model_pool: Any,
) -> None:
    cap = price(SHORT, 12)
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=cap)})
    pool.submit("standard", "dune", SHORT, 1)
    pool.deliver_all()

    told = passes(pool, 20)
    (pause,) = of(Pause, told)
    (hold,) = of(Hold, told)
    spent = account(pool, DUNE).spent
    pool.submit("standard", "dune", SHORT, 3)
    pool.deliver_all()

    assert (pause.id, pause.by) == (1, "")
    assert hold.batch == "short"
    assert price(SHORT, 12 - 2 * AHEAD_S) <= spent <= cap
    assert "paused on slot 1, having spent what was reserved for it; held: show dune" in (
        pool.scheduler.explain(1, pool.now)
    )
    pool.do(Budgeted(DUNE, SpendLimits(cap=cap + price(SHORT, 2 + AHEAD_S))))
    assert of(Resume, pool.commands) == [Resume(1, 1)]
    assert [id_ for id_ in pool.running() if id_ != 1] == []


@pytest.mark.parametrize("cap_s", [6.2, 8.0, 9.2])
def test_while_some_are_paused_for_money_no_other_of_their_kind_begins_only_to_be_paused(
    model_pool: Any, cap_s: float
) -> None:
    """What is left is too little for what has begun, and enough for the trial of a guess."""
    new = Shape("new", "e", "new")
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=price(new, cap_s))})
    pool.submit("standard", "dune", new, 6)
    pool.deliver_all()

    told = passes(pool, cap_s + 20)
    begun = sorted(pool.scheduler.purse.open)
    pool.do(Budgeted(DUNE, SpendLimits(cap=price(new, 1000))))
    pool.deliver_all()

    assert sorted({one.id for one in of(Pause, told)}) == begun == [1, 2]
    assert sorted(pool.running()) == begun
    for number in [n for n, slot in pool.slots.items() if slot.backlog]:
        pool.finish(number, State.succeeded, 80.0)
    passes(pool, 1)
    assert sorted(pool.running()) == [3, 4], "then the next begin"


def test_an_attempt_that_waits_for_its_parts_lets_them_have_its_money(model_pool: Any) -> None:
    part = Shape("part", "e", "short", depth=1, charged="long")
    pool = pool_with(model_pool, {Scope("batch", "long"): SpendLimits(cap=price(LONG, 10 + AHEAD_S))})
    pool.submit("standard", "dune", LONG, 1)
    pool.deliver_all()
    number = next(n for n, slot in pool.slots.items() if slot.backlog)

    pool.wait_for_parts(number, part, part)
    pool.deliver_all()

    batch = account(pool, Scope("batch", "long"))
    assert len([id_ for id_ in pool.running() if id_ != 1]) == 2
    assert batch.outstanding == 2 * price(SHORT, 1 + AHEAD_S)
    pool.run()
    assert len(pool.ended) == 3
    assert batch.outstanding == 0


def test_one_whose_parts_have_spent_all_goes_on_once_there_is_more(model_pool: Any) -> None:
    part = Shape("part", "e", "short", depth=1, charged="long")
    batch = Scope("batch", "long")
    pool = pool_with(model_pool, {batch: SpendLimits(cap=price(LONG, 10 + AHEAD_S))})
    pool.submit("standard", "dune", LONG, 1)
    pool.deliver_all()
    number = next(n for n, slot in pool.slots.items() if slot.backlog)
    pool.wait_for_parts(number, part)
    pool.deliver_all()
    passes(pool, 10)
    other = next(n for n, slot in pool.slots.items() if slot.backlog and n != number)
    pool.finish(other, State.succeeded, 10.5)
    passes(pool, 1)

    assert pool.slots[number].waiting
    assert pool.scheduler.purse.shortage.held == ["long"]
    assert "held: batch long has spent" in pool.scheduler.explain(1, pool.now)
    pool.do(Budgeted(batch, SpendLimits(cap=price(LONG, 30))))
    assert not pool.slots[number].waiting
    assert pool.scheduler.purse.shortage.held == []


def test_what_runs_for_a_show_that_gets_a_cap_is_under_it_with_what_it_has_spent(
    model_pool: Any,
) -> None:
    pool = pool_with(model_pool, {})
    pool.submit("standard", "dune", LONG, 3)
    pool.deliver_all()
    passes(pool, 4)
    before = Outlay(500, 100)

    pool.do(Budgeted(DUNE, SpendLimits(cap=500 + price(LONG, 24)), before))
    told = [*pool.commands, *passes(pool, 20)]

    assert {one.id for one in of(Pause, told)} == {1, 2}
    assert account(pool, DUNE).spent <= 500 + price(LONG, 24)
    assert account(pool, DUNE).spent >= 500 + price(LONG, 24 - 4 * AHEAD_S)


def test_what_an_attempt_truly_cost_is_what_is_charged_before_and_after_its_end(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=10**6)})
    pool.submit("standard", "dune", SHORT, 2)
    pool.deliver_all()
    numbers = [n for n, slot in pool.slots.items() if slot.backlog]

    pool.do(Costed(1, 700))
    pool.finish(numbers[0], State.succeeded, 1.0)
    pool.finish(numbers[1], State.succeeded, 1.0)
    charged = account(pool, DUNE).spent
    pool.do(Costed(2, 650))
    pool.do(Costed(2, 650))

    assert charged == 700 + price(SHORT, 1.0)
    assert account(pool, DUNE).spent == 700 + 650


def test_a_soft_limit_is_told_once_and_taken_back_when_it_is_raised(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(soft=price(SHORT, 4))})
    pool.submit("standard", "dune", SHORT, 6)
    pool.deliver_all()
    told = list(pool.commands)
    for _ in range(2):
        told += passes(pool, 1)
        pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog), State.succeeded, 1.0)
        told += pool.commands

    assert of(Demote, told) == [Demote("short", "show dune is beyond its soft limit of $0.0000040")]
    pool.do(Budgeted(DUNE, SpendLimits(soft=price(SHORT, 100))))
    assert of(Promote, passes(pool, 1)) == [Promote("short")]


def test_one_that_says_how_little_is_left_of_it_gives_back_what_it_will_not_need(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=price(LONG, 10 + AHEAD_S + 3))})
    pool.submit("standard", "dune", LONG, 1)
    pool.submit("standard", "dune", SHORT, 3)
    pool.deliver_all()
    before = account(pool, DUNE).outstanding

    (slot,) = [n for n, one in pool.slots.items() if one.backlog and one.backlog[0].id == 1]
    passes(pool, 2)
    pool.do(Reached(slot, 1, 0.8))
    passes(pool, LOOK_S)
    left_s = pool.scheduler.purse.open[1].seconds - 2 - LOOK_S

    assert before >= price(LONG, 10)
    assert 0.5 + AHEAD_S <= left_s <= 2.0
    assert not of(Pause, passes(pool, 1))


def test_where_the_whole_is_too_dear_what_is_left_is_given_to_one_that_may_do_with_less(
    model_pool: Any,
) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=price(SHORT, 1.2))})

    pool.submit("standard", "dune", SHORT, 2)
    pool.deliver_all()

    assert pool.running() == [1]
    assert account(pool, DUNE).outstanding == price(SHORT, 1.2)
    pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog), State.succeeded, 0.6)
    told = [*pool.commands, *passes(pool, LOOK_S)]
    assert [one.batch for one in of(Hold, told)] == ["short"], (
        "with less than such work takes nothing is begun"
    )


# -- where nobody looks -----------------------------------------------------------------------------------


def test_what_runs_is_bound_by_what_it_may_spend_and_by_the_last_look_at_it(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=10**9)})
    pool.submit("standard", "dune", SHORT, 1)
    pool.submit("standard", "dune", LONG, 1)
    pool.deliver_all()
    began = pool.now
    by_id = {slot.backlog[0].id: n for n, slot in pool.slots.items() if slot.backlog}

    first = pool.scheduler.bounds()
    passes(pool, 1.0)
    later = pool.scheduler.bounds()

    assert first[by_id[1]] == pytest.approx(began + 1.0 + AHEAD_S)
    assert first[by_id[2]] == pytest.approx(began + LEASE_S)
    assert later[by_id[2]] == pytest.approx(pool.now + LEASE_S)
    pool.do(Budgeted(DUNE, SpendLimits()))
    pool.run()
    assert pool.scheduler.bounds() == {}


def test_what_was_halted_is_charged_until_then_and_goes_on_where_it_is_paid_for(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=10**9)})
    pool.submit("standard", "dune", LONG, 1)
    pool.deliver_all()
    (slot,) = pool.scheduler.bounds()
    at = pool.now + LEASE_S

    pool.now += 600.0
    told = pool.do(Halted([(slot, at)]))
    pool.tick(0.0)

    assert of(Pause, told) == [Pause(slot, 1, "", at)]
    assert of(Resume, told) == [Resume(slot, 1)]
    assert account(pool, DUNE).spent == price(LONG, LEASE_S)
    assert pool.scheduler.bounds()[slot] == pytest.approx(pool.now + LEASE_S)


def test_one_that_ran_on_unseen_has_used_what_those_behind_it_on_its_slot_had(model_pool: Any) -> None:
    tiny = Shape("tiny", "e", "tiny")
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=10**9)}, micro_batch_s=1.0, micro_batch_max=64)
    pool.scheduler.believe("tiny", 0.001)
    pool.submit("standard", "dune", tiny, 400)
    pool.deliver_all()
    had = {n: len(slot.backlog) for n, slot in pool.slots.items() if slot.backlog}
    ((slot, at), *_) = pool.scheduler.bounds().items()
    assert had[slot] > 1
    books = account(pool, DUNE)
    cap = books.outstanding
    pool.do(Budgeted(DUNE, SpendLimits(cap=cap)))

    pool.now += 600.0
    pool.do(Halted([(slot, at)]))

    assert books.spent >= price(tiny, AHEAD_S)
    assert books.spent + books.outstanding <= cap


def test_one_that_is_paid_for_again_says_that_it_waits_for_cores_now(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=price(SHORT, 2))})
    pool.submit("standard", "dune", SHORT, 1)
    pool.deliver_all()
    (slot,) = pool.scheduler.bounds()
    passes(pool, 4)
    assert pool.scheduler.why_paused(slot) == "it has spent what it may"
    pool.submit("standard", "arrival", Shape("other", "e", "other"), 2)
    pool.deliver_all()

    pool.do(Budgeted(DUNE, SpendLimits(cap=price(SHORT, 100))))

    says = "it is paid for, and goes on when there are cores for it (1.0 needed, 0.0 free)"
    assert pool.scheduler.why_paused(slot) == says
    assert pool.scheduler.explain(1, pool.now) == f"paused on slot {slot}; {says}"


def test_what_was_halted_with_all_spent_is_held_until_there_is_more(model_pool: Any) -> None:
    cap = price(LONG, 1.5)
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=cap)})
    pool.submit("standard", "dune", Shape("new", "e", "new"), 1)
    pool.deliver_all()
    passes(pool, LOOK_S)
    ((slot, at),) = pool.scheduler.bounds().items()

    pool.now += 600.0
    told = [*pool.do(Halted([(slot, at)])), *passes(pool, 60)]

    assert of(Pause, told)[0] == Pause(slot, 1, "", at)
    assert [one.batch for one in of(Hold, told)] == ["new"]
    assert pool.slots[slot].paused
    assert cap - price(LONG, AHEAD_S) <= account(pool, DUNE).spent <= cap
    assert pool.scheduler.bounds() == {}
    assert of(Resume, pool.do(Budgeted(DUNE, SpendLimits(cap=4 * cap)))) == [Resume(slot, 1)]


# -- what outlives a process ------------------------------------------------------------------------------


def test_what_is_written_down_is_all_that_a_new_process_needs(model_pool: Any) -> None:
    pool = pool_with(model_pool, {DUNE: SpendLimits(cap=10**6)})
    pool.submit("standard", "dune", SHORT, 3)
    pool.deliver_all()
    pool.finish(1, State.succeeded, 1.0)
    passes(pool, 0.5)
    changes = pool.scheduler.purse.changes()
    assert changes is not None
    assert pool.scheduler.purse.changes() is None

    budget, settled = recovered(changes.books, changes.reservations, {DUNE: SpendLimits(cap=10**6)}, pool.now)

    assert [row.invocation for row in changes.reservations] == [2, 3]
    assert settled.gone == [row.number for row in changes.reservations]
    assert budget.open_ids() == ()
    assert budget.account(DUNE).outstanding == 0
    spent = price(SHORT, 1.0) + sum(row.by_next for row in changes.reservations)
    assert budget.account(DUNE).spent == budget.account(ORGANISATION).spent == spent
    assert all(row.by_next <= row.amount for row in changes.reservations)


def test_a_batch_that_ends_leaves_what_it_has_spent(model_pool: Any) -> None:
    batch = Scope("batch", "short")
    pool = pool_with(model_pool, {batch: SpendLimits(cap=10**6)})
    pool.submit("standard", "dune", SHORT, 1)
    pool.deliver_all()
    pool.finish(1, State.succeeded, 1.0)

    pool.do(Budgeted(batch, SpendLimits()))
    changes = pool.scheduler.purse.changes()

    assert changes is not None
    assert Books("batch", "short", 1000, 0, 1000) in changes.books
    assert not pool.scheduler.purse.watches


def test_rows_that_were_never_looked_at_again_are_charged_with_what_they_can_have_spent() -> None:
    rows = [Reservation(7, 1, "dune", "b", 5000, 300, 800)]

    budget, changes = recovered([Books("show", "dune", 1300, 4, 300)], rows, {}, 4.5 * HOUR_S)

    assert budget.account(DUNE).spent == 1000 + 800
    assert budget.account(DUNE).hour_spent == 800
    assert changes.gone == [7]


# -- how well a cap is used -------------------------------------------------------------------------------


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), spread=st.floats(0.05, 1.0), known=st.booleans(), slots=st.integers(1, 4))
def test_at_least_nineteen_twentieths_of_a_cap_are_spent_when_work_is_first_held(
    seed: int, spread: float, known: Any, slots: int
) -> None:
    """Whatever the durations, learnt or guessed: where a run is a twentieth of the cap or less."""
    random, longest = Random(seed), 2.0  # noqa: S311 - durations
    seconds = [longest * (1 - spread * random.random()) for _ in range(400)]
    expected = ExpectedRun(longest, sure=True) if known else None
    cap = price(SHORT, TRIAL * longest * 1.08**2)  # run times are known by the eighth
    purse = Purse(Budget({DUNE: SpendLimits(cap=cap)}), Tariff(price, lambda _: expected))
    spent, held = _spend(purse, deque(seconds), slots, cap)

    assert held
    assert 0.95 * cap <= spent <= cap


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cap_s=st.floats(1, 100), slots=st.integers(1, 4))
def test_what_outlasts_its_cap_leaves_nothing_of_it_but_what_goes_by_between_two_looks(
    cap_s: float, slots: int
) -> None:
    purse = Purse(Budget({DUNE: SpendLimits(cap=price(SHORT, cap_s))}), Tariff(price))

    spent, held = _spend(purse, deque([1000.0] * 10), slots, price(SHORT, cap_s))

    assert held
    assert price(SHORT, cap_s - (slots + 1) * LOOK_S) <= spent


def _spend(purse: Purse, seconds: deque[float], slots: int, cap: int) -> tuple[int, bool]:
    """Play a pool of so many slots until something is held; what was truly spent by then."""
    from rushes.core.commands import OpenSlot, Start  # noqa: PLC0415 - only here
    from rushes.core.events import Ask, AttemptFinished, Leased, Queued, QueueKey, SlotReady  # noqa: PLC0415
    from rushes.core.scheduler import Scheduler  # noqa: PLC0415

    one_each = SchedulerSettings(micro_batch_max=1)  # the pool that is played here knows no backlogs
    scheduler = Scheduler(Capacity(cpu=slots, memory=1.0), settings=one_each, purse=purse)
    queue, now = QueueKey("standard", "dune"), 0.0
    asks = tuple(Ask(n + 1, n, 0.0, SHORT) for n in range(len(seconds)))
    todo: deque[Any] = deque([Queued(queue, 0), Leased(queue, asks, 0)])
    left: dict[int, tuple[int, float]] = {}  # by slot: what runs, and for how long still
    ran: dict[int, float] = {}
    for _ in range(100_000):
        while todo:
            for command in scheduler.handle(todo.popleft(), now):
                if isinstance(command, OpenSlot):
                    todo.append(SlotReady(command.slot))
                elif isinstance(command, Start):
                    left[command.slot] = command.ids[0], seconds[command.ids[0] - 1]
                elif isinstance(command, Pause):
                    left.pop(command.slot, None)  # it may have ended meanwhile
        true = sum(price(SHORT, done) for done in ran.values())
        assert true <= cap
        if purse.shortage.held:
            return true, True
        now += LOOK_S
        for slot, (id_, more) in list(left.items()):
            step = min(more, LOOK_S)
            ran[id_] = ran.get(id_, 0.0) + step
            left[slot] = id_, more - step
            if more <= step:
                del left[slot]
                todo.append(AttemptFinished(slot, id_, State.succeeded, ran[id_]))
        todo.append(Tick())
    return 0, False


@pytest.mark.parametrize("level", ["organisation", "show", "batch"])
def test_each_payer_holds_by_itself(model_pool: Any, level: str) -> None:
    scope = {"organisation": ORGANISATION, "show": DUNE, "batch": Scope("batch", "long")}[level]
    pool = pool_with(model_pool, {scope: SpendLimits(cap=1)})

    pool.submit("standard", "dune", LONG, 1)
    pool.deliver_all()

    held = pool.scheduler.purse.shortage.holds("long")
    assert held is not None
    assert held.scope == scope
