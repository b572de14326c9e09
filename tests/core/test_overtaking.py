"""Within a class and show, what fits goes before what does not; and what was passed has its turn in time."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.core.commands import Lease
from rushes.core.events import Capacity, ClassPolicy, QueueKey, Shape
from rushes.core.policy import SchedulerSettings

FOUR = Capacity(cpu=4, memory=100)
AGEING_S = 60.0
CLASSES = (
    ClassPolicy("urgent", 1, may_displace=True, ageing_s=AGEING_S),
    ClassPolicy("standard", 2, ageing_s=AGEING_S),
    ClassPolicy("background", 3, ageing_s=AGEING_S),
)
SECONDS = {"big": 10.0, "small": 10.0, "warm": 0.01}


def big(cpu: float = 3.0) -> Shape:
    return Shape("big", "env", "big", cpu=cpu, preemptible=False)


def small(batch: str = "small") -> Shape:
    return Shape(batch, "env", "small", preemptible=False)


def a_pool(model_pool: Any, capacity: Capacity = FOUR, **more: Any) -> Any:
    """With a warm slot for each of four cores, and work of `dune` on two of them."""
    pool = model_pool(capacity, classes=CLASSES, seconds=SECONDS, **more)
    pool.submit("standard", "dune", Shape("warm", "env", "warm"), 4)
    pool.run()
    pool.submit("standard", "dune", Shape("running", "env", "small", preemptible=False), 2)
    pool.deliver_all()
    return pool


def test_what_fits_goes_before_what_does_not(model_pool: Any) -> None:
    pool = a_pool(model_pool)
    (first,) = pool.submit("standard", "dune", big())
    later = pool.submit("standard", "dune", small(), 2)
    pool.deliver_all()

    assert set(later) <= set(pool.running())
    assert "what fits of its show goes first for 1 m 00 s" in pool.scheduler.explain(first, pool.now)


def test_who_fits_best_in_order_goes_first(model_pool: Any) -> None:
    pool = a_pool(model_pool)
    pool.submit("standard", "dune", big())
    second = pool.submit("standard", "dune", small("second"), 2)
    third = pool.submit("standard", "dune", small("third"), 2)
    pool.deliver_all()

    assert set(second) <= set(pool.running())
    assert not set(third) & set(pool.running())


def test_work_of_another_show_does_not_go_before_it(model_pool: Any) -> None:
    pool = a_pool(model_pool)
    pool.submit("standard", "arrival", big())
    pool.submit("standard", "arrival", big(4.0))
    others = pool.submit("standard", "dune", small(), 2)
    pool.deliver_all()

    assert not set(others) & set(pool.running())


def test_work_of_a_lower_class_does_not_take_what_those_who_were_passed_need(model_pool: Any) -> None:
    pool = a_pool(model_pool)
    pool.submit("standard", "dune", big())
    (mine,) = pool.submit("standard", "dune", small())
    (lower,) = pool.submit("background", "dune", small("lower"))
    pool.deliver_all()

    assert mine in pool.running()
    assert lower not in pool.running()


def test_nobody_passes_work_with_a_deadline(model_pool: Any) -> None:
    pool = a_pool(model_pool)
    pool.submit("standard", "dune", big(), order=round((pool.now + 600) * 1000))
    later = pool.submit("standard", "dune", small(), 2)
    pool.deliver_all()

    assert not set(later) & set(pool.running())


def test_nobody_passes_work_of_a_class_that_may_displace(model_pool: Any) -> None:
    pool = a_pool(model_pool)
    pool.submit("urgent", "dune", big())
    later = pool.submit("urgent", "dune", small(), 2)
    pool.deliver_all()

    assert not set(later) & set(pool.running())


def test_what_was_passed_for_the_ageing_bound_keeps_what_comes_free(model_pool: Any) -> None:
    pool = a_pool(model_pool)
    (first,) = pool.submit("standard", "dune", big())
    pool.submit("standard", "dune", small(), 100)
    pool.deliver_all()
    since = pool.now

    while first not in pool.starts:
        pool.tick(2.5)
        pool.finish(min((slot.backlog[0].id, n) for n, slot in pool.slots.items() if slot.backlog)[1])
        pool.deliver_all()
        assert pool.now < since + AGEING_S + 4 * 2.5, "cores come free one by one, and the next are kept"

    assert pool.now >= since + AGEING_S


def test_one_lane_of_a_class_keeps_what_comes_free_at_a_time(model_pool: Any) -> None:
    # given two that lack memory, each of which would keep cores as well, until they were passed for the bound
    pool = a_pool(model_pool, Capacity(cpu=6, memory=100))
    (holds,) = pool.submit("standard", "dune", Shape("holds", "env", "small", memory=90, preemptible=False))
    pool.deliver_all()
    (first,) = pool.submit("standard", "dune", Shape("first", "env", "big", cpu=2, memory=90))
    (second,) = pool.submit("standard", "dune", Shape("second", "env", "big", cpu=3, memory=80))
    pool.deliver_all()
    for _ in range(8):
        (one,) = pool.submit("standard", "dune", small())
        pool.deliver_all()
        pool.tick(AGEING_S / 6)
        pool.finish(next(n for n, slot in pool.slots.items() if slot.backlog and slot.backlog[0].id == one))
    assert "is kept for it" in pool.scheduler.explain(first, pool.now)

    # when there is more to do that needs none of that memory
    later = pool.submit("standard", "dune", small("later"), 3)
    pool.deliver_all()

    # then it has the cores that the first cannot use yet
    assert {holds, later[0], later[1]} <= set(pool.running())
    assert second not in pool.starts


def test_where_nothing_in_hand_fits_others_of_the_queue_are_asked_for(model_pool: Any) -> None:
    pool = a_pool(model_pool, settings=SchedulerSettings(lease_window=8))
    pool.submit("standard", "dune", big(), 100)
    (other,) = pool.submit("standard", "dune", small())
    pool.deliver_all()
    assert other in pool.outside_ids(QueueKey("standard", "dune"))

    pool.tick()

    assert Lease(QueueKey("standard", "dune"), 1, ("big",)) in pool.commands
    pool.deliver_all()
    assert other in pool.running()


def test_where_nothing_else_waits_it_is_asked_for_once(model_pool: Any) -> None:
    pool = a_pool(model_pool, settings=SchedulerSettings(lease_window=8))
    pool.submit("standard", "dune", big(), 100)
    pool.deliver_all()
    pool.tick()
    assert [type(command) for command in pool.commands] == [Lease]
    pool.deliver_all()

    for _ in range(5):
        pool.tick()
        assert not [command for command in pool.commands if isinstance(command, Lease)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    ageing_s=st.floats(5.0, 100.0),
    run_s=st.lists(st.floats(0.5, 10.0), min_size=2, max_size=4),
    need=st.tuples(st.sampled_from([2.0, 3.0, 4.0]), st.sampled_from([0, 50, 100]), st.sampled_from([0, 1])),
    shows=st.integers(1, 3),
)
def test_nothing_is_passed_for_longer_than_the_bound_and_a_few_runs(
    model_pool: Any, ageing_s: Any, run_s: Any, need: Any, shows: Any
) -> None:
    # given shows that never run out of small work, of several shapes, and something big in one of them
    cpu, memory, gpu = need
    seconds = {f"f{n}": s for n, s in enumerate(run_s)} | {"big": 5.0}
    classes = (ClassPolicy("standard", 0, ageing_s=ageing_s),)
    pool = model_pool(Capacity(cpu=4, memory=100, gpu=1), classes=classes, seconds=seconds)
    for number, function in enumerate(sorted(seconds)[1:]):
        for show in range(shows):
            shape = Shape(f"{function}-{show}", "env", function, memory=20 * (number % 2), gpu=number % 2 / 2)
            pool.submit("standard", f"show{show}", shape, 60)
    pool.deliver_all()
    pool.submit("standard", "show0", Shape("big", "env", "big", cpu, memory, 0, gpu), queued_at=pool.now - 1)
    pool.deliver_all()
    begun, ends = pool.now, {}
    (big_one,) = [id_ for id_, ask in pool.leased.items() if ask.shape.batch == "big"]

    # when the pool runs
    while big_one not in pool.starts:
        for number, slot in pool.slots.items():
            if slot.backlog and number not in ends:
                ends[number] = pool.now + seconds[slot.backlog[0].shape.function]
        number = min(ends, key=lambda n: (ends[n], n))
        pool.now = ends.pop(number)
        pool.finish(number)
        pool.deliver_all()

    # then the big one waits for the bound, and for what ran in each dimension, a turn of each show beside
    assert pool.now - begun <= ageing_s + (3 + 2 * shows) * max(run_s)
