"""A pool that grows and shrinks under the scheduler: what starts, what drains, what waits."""

from __future__ import annotations

from typing import Any

from rushes.core.commands import CloseSlot
from rushes.core.events import Capacity, ClassPolicy, Resized, Shape
from rushes.core.policy import SchedulerSettings

SLOW = Shape("slow", "e", "slow")


def _pool(model_pool: Any, cpu: float, **more: Any) -> Any:
    return model_pool(Capacity(cpu=cpu, memory=100.0), seconds={"slow": 30.0, "quick": 0.001}, **more)


def _resize(pool: Any, cpu: float) -> None:
    pool.do(Resized(Capacity(cpu=cpu, memory=100.0)))
    pool.deliver_all()


def test_a_pool_that_grows_starts_waiting_work_at_once(model_pool: Any) -> None:
    pool = _pool(model_pool, 1)
    pool.submit("standard", "dune", SLOW, 5)
    pool.deliver_all()
    assert len(pool.running()) == 1

    _resize(pool, 4)

    assert len(pool.running()) == 4


def test_a_pool_that_shrinks_stops_nothing_and_starts_nothing_until_what_runs_fits(model_pool: Any) -> None:
    pool = _pool(model_pool, 4)
    pool.submit("standard", "dune", SLOW, 20)
    pool.deliver_all()

    _resize(pool, 2)
    assert len(pool.running()) == 4

    for left in (3, 2, 2, 2):
        pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))
        pool.deliver_all()
        assert len(pool.running()) == left


def test_a_slot_of_a_pool_that_shrank_is_given_no_more_short_work(model_pool: Any) -> None:
    # given two slots, each with a backlog of short work and much more of it waiting
    quick = Shape("quick", "e", "quick")
    pool = _pool(model_pool, 2)
    pool.submit("standard", "dune", quick, 400)
    pool.deliver_all()
    for _ in range(4):
        for number in [n for n, slot in pool.slots.items() if slot.backlog]:
            pool.finish(number)
            pool.deliver_all()
    assert sum(len(slot.backlog) > 1 for slot in pool.slots.values()) == 2

    # when there is room for one of them only
    _resize(pool, 1)
    while sum(bool(slot.backlog) for slot in pool.slots.values()) == 2:
        before = len(pool.started)
        pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))
        busy = sum(bool(slot.backlog) for slot in pool.slots.values())
        assert busy == 1 or len(pool.started) == before

    # then one goes on with all that is left
    pool.run()
    assert len(pool.ended) == 400


def test_idle_slots_beyond_the_limit_are_closed_when_the_pool_shrinks(model_pool: Any) -> None:
    pool = _pool(model_pool, 6)
    pool.submit("standard", "dune", SLOW, 6)
    pool.run()
    assert len(pool.slots) == 6

    pool.do(Resized(Capacity(cpu=1, memory=100.0)))

    assert sum(isinstance(command, CloseSlot) for command in pool.commands) == 3  # one core, and two to spare
    assert len(pool.slots) == 3


def test_a_limit_of_slots_that_was_given_stays_as_it_is(model_pool: Any) -> None:
    pool = _pool(model_pool, 2, settings=SchedulerSettings(slot_limit=3))
    pool.submit("standard", "dune", SLOW, 9)
    pool.deliver_all()

    _resize(pool, 8)

    assert len(pool.slots) == 3


def test_a_pool_without_a_core_starts_nothing_and_says_so(model_pool: Any) -> None:
    pool = _pool(model_pool, 0)
    (one,) = pool.submit("standard", "dune", SLOW)
    pool.deliver_all()
    pool.tick()
    assert pool.running() == []
    assert "the pool has no cores now" in pool.scheduler.explain(one, pool.now)

    _resize(pool, 1)

    assert pool.running() == [one]


def test_work_as_big_as_the_pool_was_runs_alone_in_what_is_left_of_it(model_pool: Any) -> None:
    pool = _pool(model_pool, 8)
    wide = Shape("wide", "e", "slow", cpu=8)
    pool.submit("standard", "dune", wide, 2)
    pool.deliver_all()

    _resize(pool, 2)
    pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog))
    pool.deliver_all()

    assert len(pool.running()) == 1
    assert pool.scheduler.snapshot().free["cpu"] == 0.0


def test_urgent_work_in_a_pool_that_drains_takes_no_more_than_the_pool_has(model_pool: Any) -> None:
    classes = (ClassPolicy("urgent", 0, may_displace=True), ClassPolicy("standard", 1))
    pool = _pool(model_pool, 6, classes=classes)
    pool.submit("standard", "dune", SLOW, 6)
    pool.deliver_all()
    pool.now += 10.0
    _resize(pool, 2)

    # when urgent work for one core comes into a pool in which four cores too many are in use
    pool.submit("urgent", "dune", Shape("now", "e", "slow"))
    pool.deliver_all()

    # then those beyond stand aside with the one in whose place it runs
    assert sum(slot.computes for slot in pool.slots.values()) == 2
    assert sum(slot.paused for slot in pool.slots.values()) == 5
    pool.run()
    assert len(pool.ended) == 7
