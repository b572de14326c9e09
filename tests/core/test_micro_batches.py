"""How many of a lane a slot is given at once."""

from __future__ import annotations

from typing import Any

import pytest
from core.shapes import ONE, TWO, shape, warm

from rushes.core.commands import Recall
from rushes.core.events import (
    Capacity,
)


def test_an_unknown_function_is_given_one_at_a_time(model_pool: Any) -> None:
    pool = model_pool(ONE)
    pool.submit("standard", "dune", shape(function="new"), 10)
    pool.deliver_all()

    assert [len(slot.backlog) for slot in pool.slots.values()] == [1]


@pytest.mark.parametrize(
    ("seconds", "at_once"), [(0.00001, 64), (0.001, 20), (0.006, 3), (0.02, 1), (5.0, 1)]
)
def test_a_slot_is_given_as_much_as_is_expected_to_fit_the_budget(
    model_pool: Any, seconds: Any, at_once: Any
) -> None:
    pool = model_pool(ONE, seconds={"f": seconds})
    warm(pool)

    pool.submit("standard", "dune", shape(), 300)
    pool.deliver_all()

    assert [len(slot.backlog) for slot in pool.slots.values()] == [at_once]


def test_a_slot_is_refilled_when_half_of_its_backlog_is_done(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 0.001})
    warm(pool)
    pool.submit("standard", "dune", shape(), 300)
    pool.deliver_all()
    number, slot = next(iter(pool.slots.items()))

    lengths = []
    for _ in range(30):
        pool.finish(number)
        lengths.append(len(slot.backlog))

    assert min(lengths) > 10
    assert max(lengths) == 20


def test_several_free_slots_share_a_short_queue(model_pool: Any) -> None:
    pool = model_pool(TWO, seconds={"f": 0.0001})
    warm(pool, count=2)

    pool.submit("standard", "dune", shape(), 20)
    pool.deliver_all()

    assert [len(slot.backlog) for slot in pool.slots.values()] == [10, 10]


def test_a_better_ask_stops_the_refilling(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 0.001})
    warm(pool)
    pool.submit("standard", "dune", shape("many"), 300)
    pool.deliver_all()
    number = next(iter(pool.slots))
    urgent = pool.submit("urgent", "dune", shape("urgent"))[0]
    pool.deliver_all()

    before = len(pool.started)
    while urgent not in pool.starts:
        pool.finish(number)

    assert pool.started[before] == urgent


def test_a_slot_is_not_refilled_with_what_a_better_ask_lacks(model_pool: Any) -> None:
    pool = model_pool(Capacity(cpu=3, memory=100, gpu=1), seconds={"f": 0.001})
    warm(pool)
    pool.submit("background", "dune", shape("many", gpu=1), 300)
    pool.deliver_all()
    number = next(n for n, slot in pool.slots.items() if slot.backlog)
    given = len(pool.slots[number].backlog)
    urgent = pool.submit("urgent", "dune", shape("urgent", gpu=1))[0]
    pool.deliver_all()

    for _ in range(given):
        assert urgent not in pool.starts
        pool.finish(number)
        pool.deliver_all()

    assert urgent in pool.starts


def test_what_waits_behind_a_long_run_is_recalled(model_pool: Any) -> None:
    pool = model_pool(TWO, seconds={"f": 0.001})
    warm(pool, count=2)
    ids = pool.submit("standard", "dune", shape(), 30)
    pool.deliver_all()
    stuck, other = sorted(pool.slots)
    behind = [ask.id for ask in pool.slots[stuck].backlog[1:]]

    while pool.slots[other].backlog:
        pool.finish(other)
    pool.tick(1.0)
    assert Recall(stuck) in pool.commands
    pool.deliver_all()

    assert [ask.id for ask in pool.slots[other].backlog] == behind[: len(pool.slots[other].backlog)]
    assert len(pool.slots[stuck].backlog) == 1, "and it is given nothing more until it has finished"
    pool.run()
    assert set(ids) <= set(pool.ended)
