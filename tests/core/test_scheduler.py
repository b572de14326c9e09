"""The scheduler by example: one promise each, on a pool without machines."""

from __future__ import annotations

from typing import Any

import pytest
from core.shapes import ONE, TWO, shape, warm

from rushes.core.commands import CloseSlot, Lease, OpenSlot, Start
from rushes.core.events import (
    Ask,
    AttemptFinished,
    Capacity,
    ClassPolicy,
    Deferred,
    Leased,
    Paused,
    Queued,
    QueueKey,
    SlotReady,
    Tick,
)
from rushes.core.policy import SchedulerSettings
from rushes.core.scheduler import Scheduler
from rushes.core.states import State

# -- starting ---------------------------------------------------------------------------------------------


def test_queued_work_is_leased_then_a_slot_opens_then_it_starts() -> None:
    scheduler = Scheduler(ONE)
    queue, one = QueueKey("standard", "dune"), shape()

    assert scheduler.handle(Queued(queue, 1), 0) == [Lease(queue, 1)]
    assert scheduler.handle(Leased(queue, [Ask(7, 0, 0, one)], 0), 0) == [OpenSlot(1, "env")]
    assert scheduler.handle(SlotReady(1), 1) == [Start(1, [7])]
    assert scheduler.handle(AttemptFinished(1, 7, State.succeeded, 2.0), 3) == []


def test_a_warm_slot_starts_work_in_the_same_breath_as_the_lease(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)

    pool.submit("standard", "dune", shape())
    pool.deliver()

    assert [type(command) for command in pool.commands] == [Start]


def test_one_slot_opens_for_each_core_not_for_each_ask(model_pool: Any) -> None:
    pool = model_pool(TWO)

    pool.submit("standard", "dune", shape(), 100)
    pool.deliver()
    pool.tick()
    pool.tick()

    assert len(pool.slots) == 2


def test_everything_runs_once_and_leaves_the_pool_empty(model_pool: Any) -> None:
    pool = model_pool(TWO, seconds={"f": 0.001})

    ids = pool.submit("standard", "dune", shape(), 3000)
    pool.run()

    assert set(pool.ended) == set(ids)
    assert max(pool.starts.values()) == 1
    left = pool.scheduler.snapshot()
    assert left.free == left.capacity
    assert all(queue.waiting == 0 for queue in left.queues)


# -- order ------------------------------------------------------------------------------------------------


def test_a_better_class_goes_first_whenever_it_comes(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)
    background = pool.submit("background", "dune", shape("bg"), 3)
    pool.deliver_all()
    urgent = pool.submit("urgent", "dune", shape("ur"), 3)
    interactive = pool.submit("interactive", "dune", shape("in"), 1)

    pool.run()

    assert pool.started == [background[0], *interactive, *urgent, *background[1:]]


def test_within_a_show_the_earliest_order_goes_first_and_ties_go_by_id(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)
    pool.do(Paused(paused=True))
    late = pool.submit("standard", "dune", shape("late"), 2, order=30)
    early = pool.submit("standard", "dune", shape("early"), 2, order=10)
    middle = pool.submit("standard", "dune", shape("middle"), 1, order=20)
    pool.do(Paused(paused=False))

    pool.run()

    assert pool.started == [*early, *middle, *late]


def test_an_earlier_deadline_that_comes_later_overtakes_what_is_in_hand(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)
    first = pool.submit("standard", "dune", shape(), 3, order=10)
    pool.deliver_all()
    second = pool.submit("standard", "dune", shape(), 1, order=5)

    pool.run()

    assert pool.started == [first[0], second[0], first[1], first[2]]


def test_work_past_the_ageing_bound_competes_one_rank_higher(model_pool: Any) -> None:
    classes = (ClassPolicy("high", 0), ClassPolicy("low", 1, ageing_s=60.0))
    pool = model_pool(ONE, classes=classes, seconds={"f": 10.0})
    pool.submit("high", "flood", shape("flood"), 200)
    old = pool.submit("low", "dune", shape("old"))[0]

    while old not in pool.starts:
        pool.deliver_all()
        pool.tick(10.0)
        for number in [n for n, slot in pool.slots.items() if slot.backlog]:
            pool.finish(number)

    # 60 s until it has aged; then its show, new among the high ones, waits for no more than one run.
    assert pool.now - 1000.0 <= 60.0 + 20.0


def test_work_that_aged_outside_is_leased_as_aged(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)
    pool.do(Paused(paused=True))
    young = pool.submit("standard", "a", shape("young"))
    old = pool.submit("standard", "b", shape("old"), queued_at=pool.now - 4000)
    pool.do(Paused(paused=False))
    pool.deliver(1)  # the old one's lease; a slot is warm, so it starts
    pool.run()

    assert pool.started == [*old, *young]


# -- shows ------------------------------------------------------------------------------------------------


def test_two_shows_share_evenly_however_much_each_asks_for(model_pool: Any) -> None:
    pool = model_pool(TWO, seconds={"f": 3.0})
    pool.submit("standard", "big", shape("big"), 400)
    pool.submit("standard", "small", shape("small"), 40)
    pool.deliver_all()
    while sum(pool.served.values()) < 120:
        pool.tick(3.0)
        for number in [n for n, slot in pool.slots.items() if slot.backlog]:
            pool.finish(number)
        pool.deliver_all()

    assert pool.served["big"] == pytest.approx(pool.served["small"], abs=6.0)


def test_a_weight_of_two_gets_twice_as_much(model_pool: Any) -> None:
    classes = (ClassPolicy("standard", 0, weights={"heavy": 2.0}),)
    pool = model_pool(ONE, classes=classes, seconds={"f": 1.0})
    pool.submit("standard", "heavy", shape("heavy"), 300)
    pool.submit("standard", "light", shape("light"), 300)
    pool.deliver_all()
    while sum(pool.served.values()) < 90:
        pool.tick(1.0)
        for number in [n for n, slot in pool.slots.items() if slot.backlog]:
            pool.finish(number)
        pool.deliver_all()

    assert pool.served["heavy"] == pytest.approx(60, abs=2)


def test_a_show_that_was_away_goes_first_for_a_minute_of_the_pool_and_then_takes_turns(
    model_pool: Any,
) -> None:
    pool = model_pool(ONE, seconds={"f": 1.0})
    pool.submit("standard", "steady", shape("steady"), 500)
    pool.deliver_all()

    def passes(seconds: int) -> None:
        for _ in range(seconds):
            pool.tick(1.0)
            pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))
            pool.deliver_all()

    passes(100)
    pool.served.clear()
    pool.submit("standard", "back", shape("back"), 200)
    pool.deliver_all()
    passes(60)

    assert pool.served["back"] == pytest.approx(60.0, abs=2.0)
    pool.served.clear()
    passes(40)
    assert pool.served["back"] == pytest.approx(pool.served["steady"], abs=2.0)


def test_leaving_and_coming_back_does_not_pay(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 1.0}, settings=SchedulerSettings(burst_s=5.0))
    pool.submit("standard", "steady", shape("steady"), 500)
    pool.deliver_all()

    # when a show sends as much as it may have first, lets a tick pass without any, and sends again
    for turn in range(30):
        pool.submit("standard", "clever", shape(f"clever-{turn}"), 5)
        pool.deliver_all()
        for _ in range(8):
            pool.tick(1.0)
            pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))
            pool.deliver_all()

    # then it has no more than its half
    assert pool.served["clever"] <= pool.served["steady"] + 10.0


def test_work_of_a_show_that_is_served_does_not_age_past_its_peers(model_pool: Any) -> None:
    classes = (ClassPolicy("high", 0), ClassPolicy("low", 1, ageing_s=50.0))
    pool = model_pool(ONE, classes=classes, seconds={"f": 1.0})
    pool.submit("low", "flood", shape("flood"), 1000)
    pool.deliver_all()
    for _ in range(100):
        pool.tick(1.0)
        pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))
        pool.deliver_all()

    (peer,) = pool.submit("low", "peer", shape("peer"))
    pool.deliver_all()
    pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))

    assert peer in pool.running()


def test_shows_pay_for_what_their_work_really_took(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"long": 9.0, "brief": 1.0})
    pool.submit("standard", "a", shape("a", function="long"), 50)
    pool.submit("standard", "b", shape("b", function="brief"), 400)
    pool.deliver_all()
    while sum(pool.served.values()) < 200:
        number = next(n for n, slot in pool.slots.items() if slot.backlog)
        pool.tick(pool.seconds[pool.slots[number].backlog[0].shape.function])
        pool.finish(number)
        pool.deliver_all()

    assert pool.served["a"] == pytest.approx(pool.served["b"], abs=18.0)


# -- packing ----------------------------------------------------------------------------------------------


def test_big_work_is_not_starved_by_small_work_behind_it(model_pool: Any) -> None:
    pool = model_pool(Capacity(cpu=4, memory=100), seconds={"f": 5.0})
    warm(pool, count=4)
    small = pool.submit("standard", "dune", shape("small"), 4, order=1)
    pool.deliver_all()
    big = pool.submit("standard", "dune", shape("big", cpu=4), 1, order=2)
    more = pool.submit("standard", "dune", shape("more"), 20, order=3)

    pool.run()

    assert pool.started[:5] == [*small, *big]
    assert len(pool.started) == 5 + len(more)


def test_work_that_needs_nothing_of_what_the_first_lacks_goes_on(model_pool: Any) -> None:
    pool = model_pool(Capacity(cpu=2, memory=100, gpu=1), seconds={"f": 5.0})
    warm(pool, count=2)
    pool.submit("standard", "dune", shape("running", gpu=1), 1, order=1)
    pool.deliver_all()
    blocked = pool.submit("standard", "dune", shape("needs-gpu", gpu=1), 1, order=2)
    pool.deliver_all()
    beside = pool.submit("background", "dune", shape("cpu-only"), 1)
    pool.deliver_all()

    assert blocked[0] not in pool.starts
    assert beside[0] not in pool.starts, "the one core left is what the blocked one will take with the gpu"
    free = pool.submit("background", "dune", shape("no-cpu", cpu=0), 1)
    pool.deliver_all()
    assert free[0] in pool.starts


def test_what_is_bigger_than_the_pool_runs_alone(model_pool: Any) -> None:
    pool = model_pool(TWO)
    huge = pool.submit("standard", "dune", shape("huge", cpu=64, memory=1e9, gpu=8), 2)
    small = pool.submit("standard", "dune", shape("small"), 4)

    pool.run()

    assert set(pool.ended) == {*huge, *small}


def test_a_batch_gets_no_more_than_its_slots_and_others_go_on(model_pool: Any) -> None:
    pool = model_pool(Capacity(cpu=3, memory=100), seconds={"f": 5.0})
    warm(pool, count=3)
    capped = pool.submit("standard", "dune", shape("capped", max_slots=1), 5, order=1)
    others = pool.submit("standard", "dune", shape("others"), 5, order=2)
    pool.deliver_all()

    assert sorted(pool.running()) == [capped[0], others[0], others[1]]
    pool.run()
    assert set(pool.ended) == {*capped, *others} | set(pool.ended)


def test_a_capped_batch_that_fills_the_window_does_not_keep_others_outside(model_pool: Any) -> None:
    pool = model_pool(TWO, settings=SchedulerSettings(lease_window=8), seconds={"f": 5.0})
    warm(pool, count=2)
    pool.submit("standard", "dune", shape("capped", max_slots=1), 500, order=1)
    other = pool.submit("standard", "dune", shape("other"), 1, order=2)
    pool.deliver_all()

    assert other[0] in pool.running()


# -- slots ------------------------------------------------------------------------------------------------


def test_an_idle_slot_makes_room_for_another_environment(model_pool: Any) -> None:
    pool = model_pool(ONE)
    for environment in ("a", "b", "c"):
        warm(pool, environment)
    pool.submit("standard", "dune", shape(environment="d"))
    pool.deliver()

    closed = [command for command in pool.commands if isinstance(command, CloseSlot)]
    assert [command.slot for command in closed] == [1], "the least recently used"
    assert OpenSlot(4, "d") in pool.commands


def test_idle_slots_are_closed_after_a_while(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)

    pool.tick(599)
    assert len(pool.slots) == 1
    pool.tick(1)
    assert pool.slots == {}


def test_a_slot_that_dies_is_replaced_and_its_backlog_runs_elsewhere(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 0.001})
    warm(pool)
    ids = pool.submit("standard", "dune", shape(), 50)
    pool.deliver_all()
    victim = next(n for n, slot in pool.slots.items() if slot.backlog)

    pool.kill(victim)
    pool.run()

    assert set(ids) <= set(pool.ended)


def test_an_environment_whose_slots_die_at_once_rests_and_others_go_on(model_pool: Any) -> None:
    pool = model_pool(ONE)
    broken = pool.submit("urgent", "dune", shape("broken", environment="broken"))
    good = pool.submit("standard", "dune", shape("good", environment="good"))
    pool.deliver(0)
    pool.kill(next(iter(pool.slots)))
    assert not [command for command in pool.commands if command == OpenSlot(2, "broken")]
    assert "die before they are ready" in pool.scheduler.explain(broken[0], pool.now)
    pool.deliver_all()

    assert good[0] in pool.starts

    pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))
    pool.tick(1.0)
    assert "broken" in {slot.environment for slot in pool.slots.values()}, "it is tried again"


def test_a_slot_for_blocked_work_opens_ahead(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 50.0})
    warm(pool)
    pool.submit("standard", "dune", shape())
    pool.deliver_all()
    pool.submit("standard", "dune", shape("other", environment="other"))
    pool.deliver_all()

    assert [slot.environment for slot in pool.slots.values()] == ["env", "other"]


# -- memory -----------------------------------------------------------------------------------------------


def test_a_million_queued_outside_cost_a_window_in_hand() -> None:
    scheduler = Scheduler(ONE)
    queue, one = QueueKey("background", "dune"), shape()

    (lease,) = scheduler.handle(Queued(queue, 1_000_000), 0)
    assert isinstance(lease, Lease)
    asks = [Ask(n, n, 0, one) for n in range(lease.count)]
    commands = scheduler.handle(Leased(queue, asks, 1_000_000 - len(asks)), 0)

    assert lease.count == 512
    assert not [command for command in commands if isinstance(command, Lease)]
    (view,) = scheduler.snapshot().queues
    assert (view.waiting, view.outside) == (512, 999_488)


def test_more_is_leased_when_half_of_the_window_is_gone(model_pool: Any) -> None:
    pool = model_pool(ONE, settings=SchedulerSettings(lease_window=10), seconds={"f": 5.0})
    warm(pool)
    pool.submit("standard", "dune", shape(), 100)
    pool.deliver_all()
    number = next(iter(pool.slots))

    leases = []
    for _ in range(6):
        pool.finish(number)
        leases += [command.count for command in pool.commands if isinstance(command, Lease)]

    assert leases == [6]


def test_an_empty_answer_is_not_asked_again_until_something_changes() -> None:
    scheduler = Scheduler(ONE)
    queue = QueueKey("standard", "dune")
    scheduler.handle(Queued(queue, 5), 0)

    assert scheduler.handle(Leased(queue, [], 5), 0) == []
    assert scheduler.handle(Tick(), 1) == [Lease(queue, 5)]


# -- what people ask --------------------------------------------------------------------------------------


def test_explain_says_where_work_stands_and_what_it_waits_for(model_pool: Any) -> None:
    pool = model_pool(TWO, seconds={"f": 5.0})
    warm(pool)
    running = pool.submit("urgent", "dune", shape("one"))[0]
    pool.deliver_all()
    big = pool.submit("urgent", "dune", shape("big", cpu=2), 3)
    pool.deliver_all()
    pool.do(Deferred(900, (1, 2)))
    pool.now += 2.5

    def explain(id_: Any) -> str:
        return str(pool.scheduler.explain(id_, pool.now))

    assert explain(running) == "running on slot 1 for 2.5 s"
    assert explain(big[2]) == "3rd in urgent/dune; waits for cpu 2.0, 1.0 free"
    assert explain(900) == "held: it waits for 1, 2 to end"
    assert explain(12345).startswith("not in the pool's hands")
    pool.do(Paused(paused=True))
    assert explain(big[0]) == "1st in urgent/dune; the pool is paused"


def test_a_snapshot_tells_slots_queues_and_what_is_free(model_pool: Any) -> None:
    pool = model_pool(TWO, seconds={"f": 5.0})
    warm(pool, count=2)
    ids = pool.submit("urgent", "dune", shape("one", memory=10), 3)
    pool.deliver_all()

    view = pool.scheduler.snapshot()

    assert view.free["cpu"] == 0
    assert view.free["memory"] == 80
    assert sorted(slot.running for slot in view.slots) == ids[:2]
    assert [(q.queue.priority, q.waiting) for q in view.queues if q.waiting] == [("urgent", 1)]
