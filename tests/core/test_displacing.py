"""Urgent work takes the pool, and gives it back: by example, on a pool without machines."""

from __future__ import annotations

from typing import Any

import pytest

from rushes.core.commands import GiveBack, OpenSlot, Pause, Resume, Start
from rushes.core.displacement import DisplacementPolicy
from rushes.core.events import Capacity, QueueKey, Restamped, Shape
from rushes.core.policy import SchedulerSettings
from rushes.core.states import State
from rushes.core.swarm import Share

ONE = Capacity(cpu=1, memory=100)
SECONDS = {"encode": 60.0, "pull": 20.0}


def encode(batch: str, **need: Any) -> Shape:
    return Shape(batch, "env", "encode", **{"memory": 10.0, **need})


def plate(batch: str = "plates", **need: Any) -> Shape:
    return Shape(batch, "env", "pull", **{"memory": 10.0, **need})


def busy(model_pool: Any, capacity: Capacity = ONE, **shape: Any) -> tuple[Any, list[int]]:
    """A pool that is full of standard encodes, each of which has run for two seconds."""
    pool = model_pool(capacity, seconds=SECONDS)
    ids = pool.submit("standard", "dune", encode("dailies", **shape), int(capacity.cpu))
    pool.deliver_all()
    pool.tick(2.0)
    assert sorted(pool.running()) == ids
    return pool, ids


def of(commands: list[Any], *kinds: type) -> list[Any]:
    return [command for command in commands if isinstance(command, kinds)]


def said(pool: Any, *kinds: type) -> list[Any]:
    """Deliver all answers; the commands of some kinds that were given meanwhile."""
    found = of(pool.commands, *kinds)
    while pool.pending:
        pool.deliver()
        found += of(pool.commands, *kinds)
    return found


def test_urgent_work_pauses_what_runs_and_gives_the_pool_back(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool)

    (pulled,) = pool.submit("urgent", "vfx", plate())

    assert said(pool, Pause, OpenSlot, Start) == [
        Pause(1, encoding, "plates"),
        OpenSlot(2, "env"),
        Start(2, [pulled]),
    ]
    pool.finish(2)
    assert of(pool.commands, Resume) == [Resume(1, encoding)]


def test_work_that_has_just_begun_is_left_alone_for_a_second(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds=SECONDS)
    pool.submit("standard", "dune", encode("dailies"))
    pool.deliver_all()

    pool.submit("urgent", "vfx", plate())
    assert said(pool, Pause) == []

    pool.tick(1.0)
    assert of(pool.commands, Pause) == [Pause(1, 1, "plates")]


def test_a_swarm_takes_all_that_it_can_use_at_once(model_pool: Any) -> None:
    pool, ids = busy(model_pool, Capacity(cpu=4, memory=100))

    pool.submit("urgent", "vfx", plate(), 40)

    assert {pause.id for pause in said(pool, Pause)} == set(ids)
    assert sum(pool.queue_of[id_].priority == "urgent" for id_ in pool.running()) == 4


@pytest.mark.parametrize(("theirs", "ours"), [("standard", "standard"), ("background", "standard")])
def test_a_class_that_may_not_displace_waits(model_pool: Any, theirs: str, ours: str) -> None:
    pool = model_pool(ONE, seconds=SECONDS)
    pool.submit(theirs, "dune", encode("dailies"))
    pool.deliver_all()
    pool.tick(2.0)

    pool.submit(ours, "vfx", plate())

    assert said(pool, Pause, GiveBack) == []


def test_a_class_that_may_not_be_displaced_runs_on(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds=SECONDS)
    pool.submit("interactive", "dune", encode("review"))
    pool.deliver_all()
    pool.tick(2.0)

    pool.submit("urgent", "vfx", plate())

    assert said(pool, Pause, GiveBack) == []


def test_a_function_that_is_exempt_runs_on(model_pool: Any) -> None:
    pool, _ = busy(model_pool, preemptible=False)

    pool.submit("urgent", "vfx", plate())

    assert said(pool, Pause, GiveBack) == []


def test_what_lacks_memory_has_work_given_back_that_runs_again_later(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool, Capacity(cpu=1, memory=100), memory=60.0, cpu=0.5)

    (pulled,) = pool.submit("urgent", "vfx", plate(memory=50.0))
    (given,) = of(pool.commands, GiveBack) or said(pool, GiveBack)

    assert (given.id, given.by) == (encoding, "plates")
    pool.run()
    assert pool.ended[pulled] is State.succeeded
    assert pool.ended[encoding] is State.succeeded
    assert pool.starts[encoding] == 2
    assert pool.started.index(pulled) < len(pool.started) - 1 - pool.started[::-1].index(encoding)


def test_who_stands_aside_goes_on_before_others_of_its_class(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool)
    pool.submit("urgent", "vfx", plate())
    pool.deliver_all()
    pool.submit("standard", "tron", encode("others"), order=-1)
    pool.deliver_all()

    pool.finish(2)

    assert of(pool.commands, Resume, Start) == [Resume(1, encoding)]


def test_a_pause_that_holds_memory_keeps_nobody_waiting_for_ever(model_pool: Any) -> None:
    # given a paused encode that holds most of the memory
    pool, (encoding,) = busy(model_pool, memory=80.0)
    pool.submit("urgent", "vfx", plate())
    pool.deliver_all()
    # and one that may not displace it and needs that memory, and the core as well
    (other,) = pool.submit("standard", "tron", encode("others", memory=50.0), order=-1)
    pool.deliver_all()

    pool.run()

    assert pool.ended[encoding] is pool.ended[other] is State.succeeded
    assert pool.starts[encoding] == 1


def test_who_has_stood_aside_often_enough_runs_on(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool)
    for number in range(DisplacementPolicy().most):
        pool.submit("urgent", "vfx", plate(f"plates-{number}"))
        pool.deliver_all()
        pool.finish(max(pool.slots))
        pool.tick(2.0)
    assert pool.times_paused[encoding] == 3

    pool.submit("urgent", "vfx", plate("once-more"))

    assert said(pool, Pause, GiveBack) == []


def test_a_pool_that_cannot_displace_does_not(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds=SECONDS, settings=SchedulerSettings(displacement=None))
    pool.submit("standard", "dune", encode("dailies"))
    pool.deliver_all()
    pool.tick(2.0)

    pool.submit("urgent", "vfx", plate())

    assert said(pool, Pause, GiveBack) == []


def test_nobody_takes_the_cores_that_stood_aside_for_somebody_better(model_pool: Any) -> None:
    # given an interactive ask that needs two cores, of which one cannot be had
    pool = model_pool(Capacity(cpu=2, memory=100), seconds=SECONDS)
    pool.submit("interactive", "dune", encode("review"))
    pool.submit("standard", "dune", encode("dailies"))
    pool.deliver_all()
    pool.tick(2.0)
    pool.submit("interactive", "vfx", encode("grade", cpu=2.0))
    pool.deliver_all()

    pool.submit("urgent", "vfx", plate())

    assert said(pool, Pause, GiveBack) == []


def test_one_that_ends_just_before_it_is_paused_leaves_its_slot_usable(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool)
    pool.submit("urgent", "vfx", plate())
    pool.deliver_all()

    pool.finish(1)

    assert of(pool.commands, Resume) == [Resume(1, encoding)]
    pool.run()
    assert set(pool.ended) == set(pool.queue_of)


def test_a_slot_that_dies_while_it_is_paused_is_tried_again(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool)
    pool.submit("urgent", "vfx", plate())
    pool.deliver_all()

    pool.kill(1)
    pool.run()

    assert pool.ended[encoding] is State.succeeded


def test_the_report_says_what_the_swarm_cost(model_pool: Any) -> None:
    pool, _ = busy(model_pool, Capacity(cpu=2, memory=100))
    pool.submit("urgent", "vfx", plate(), 2)
    pool.deliver_all()
    pool.now += 20.0
    for number in sorted(pool.slots)[-2:]:
        pool.finish(number)

    swarm = pool.scheduler.swarms.of("plates")

    assert swarm is not None
    assert swarm.report(pool.now) == [
        Share("dailies", "dune", 2, paused=2, stopped=0, aside_s=40.0, redone_s=0.0, standing=0)
    ]


def test_a_paused_batch_that_is_made_urgent_goes_on_when_its_turn_comes(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool)
    pool.submit("urgent", "vfx", plate(), 3)
    pool.deliver_all()

    pool.queue_of[encoding] = QueueKey("interactive", "dune")
    pool.do(Restamped("dailies", QueueKey("interactive", "dune")))
    pool.finish(2)

    assert of(pool.commands, Resume) == [Resume(1, encoding)]


def test_running_work_that_is_made_background_stands_aside(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds=SECONDS)
    (review,) = pool.submit("interactive", "dune", encode("review"))
    pool.deliver_all()
    pool.tick(2.0)
    pool.submit("urgent", "vfx", plate())
    assert said(pool, Pause) == []

    pool.do(Restamped("review", QueueKey("background", "dune")))

    assert said(pool, Pause) == [Pause(1, review, "plates")]


def test_what_a_slot_gives_back_stands_in_the_class_that_its_batch_has_by_then(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 0.001})
    shape = Shape("brief", "env", "f")
    pool.submit("standard", "dune", shape, 3)
    pool.run()
    ids = pool.submit("standard", "dune", shape, 5)
    pool.deliver_all()
    (number,) = [n for n, slot in pool.slots.items() if len(slot.backlog) > 1]
    urgent = QueueKey("urgent", "dune")
    for id_ in ids:
        pool.queue_of[id_] = urgent
    pool.do(Restamped("brief", urgent))

    pool.tick(5.0)  # the first of them hangs, so that the others are taken back
    pool.deliver_all()

    (view,) = [one for one in pool.scheduler.snapshot().queues if one.waiting]
    assert view.queue == urgent
    assert len(pool.slots[number].backlog) == 1


def test_why_says_that_it_stands_aside_and_for_whom(model_pool: Any) -> None:
    pool, (encoding,) = busy(model_pool)
    pool.submit("urgent", "vfx", plate())
    pool.deliver_all()

    assert "paused on slot 1" in pool.scheduler.explain(encoding, pool.now)
    assert "plates" in pool.scheduler.explain(encoding, pool.now)
