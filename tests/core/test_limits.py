"""Limits by name: of a function, of an exclusive key, beside the slots of a batch."""

from __future__ import annotations

from typing import Any

import pytest

from rushes.core.events import Capacity, Shape

FOUR = Capacity(cpu=4, memory=100)


def licensed(batch: str, **need: Any) -> Shape:
    return Shape(batch, "env", "f", limits=(("function denoise@1", 2),), **need)


def reel(batch: str, key: str) -> Shape:
    return Shape(batch, "env", "f", limits=((f"key {key}", 1),))


@pytest.fixture
def pool(model_pool: Any) -> Any:
    class Pool(model_pool):  # type: ignore[misc]
        def _check(self, *_: Any) -> None:
            """Its rules of who is kept waiting know no limits."""

    return Pool(FOUR, seconds={"f": 60.0})


def test_a_function_runs_so_often_at_once_whatever_batches_ask_for_it(pool: Any) -> None:
    pool.submit("standard", "dune", licensed("one"), 3)
    pool.submit("urgent", "arrival", licensed("two"), 3)
    pool.deliver_all()

    assert len(pool.running()) == 2
    assert "as many run as may at once (2) of its function denoise" in pool.scheduler.explain(1, pool.now)
    pool.run()
    assert len(pool.ended) == 6


def test_work_that_is_limited_holds_no_other_work_back(pool: Any) -> None:
    pool.submit("standard", "dune", licensed("one"), 2000)
    pool.submit("standard", "dune", Shape("free", "env", "f"), 2)
    pool.deliver_all()
    pool.tick()
    pool.deliver_all()

    assert {pool.slots[n].backlog[0].shape.batch for n in pool.slots if pool.slots[n].backlog} == {
        "one",
        "free",
    }


def test_one_invocation_of_a_key_runs_at_a_time_and_others_of_its_batch_go_on(pool: Any) -> None:
    for key in ("reel 1", "reel 1", "reel 2"):
        pool.submit("standard", "dune", reel("conform", key), 3)
    pool.deliver_all()

    keys = [pool.slots[n].backlog[0].shape.limits for n in pool.slots if pool.slots[n].backlog]
    assert sorted(keys) == [(("key reel 1", 1),), (("key reel 2", 1),)]
    waits = next(id_ for id_ in pool.leased if pool.leased[id_].shape.limits[0][0] == "key reel 1")
    assert "an invocation with its exclusive key reel 1 runs" in pool.scheduler.explain(waits, pool.now)
    pool.run()
    assert len(pool.ended) == 9


def test_who_waits_for_parts_lends_its_place_of_a_function_but_keeps_its_key(pool: Any) -> None:
    whole = Shape("whole", "env", "f", limits=(("function conform@1", 1), ("key reel 1", 1)))
    pool.submit("standard", "dune", whole, 2)
    pool.submit("standard", "dune", reel("other", "reel 1"))
    pool.deliver_all()
    (number,) = [n for n in pool.slots if pool.slots[n].backlog]

    pool.wait_for_parts(number, Shape("part", "env", "f", depth=1, limits=(("function conform@1", 1),)))
    pool.deliver_all()

    running = [pool.slots[n].backlog[0].shape.batch for n in pool.slots if pool.slots[n].computes]
    assert running == ["part"]
    pool.run()
    assert len(pool.ended) == 4
