"""Urgent work takes the pool, and gives it back: by example, on a pool without machines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.core.commands import GiveBack, OpenSlot, Pause, Resume, Start
from rushes.core.displacement import DisplacementPolicy
from rushes.core.events import Capacity, Lacks, QueueKey, Reached, Restamped, Shape
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


def holding(model_pool: Any, *, fraction: float, **facts: Any) -> tuple[Any, int]:
    """A pool whose memory a part of a background encode holds, that has run for eight seconds."""
    pool = model_pool(Capacity(cpu=2, memory=100), **facts)
    (part,) = pool.submit("background", "dune", Shape("parts", "env", "part", memory=60.0, depth=1))
    pool.deliver_all()
    pool.tick(8.0)
    pool.do(Reached(1, part, fraction))
    return pool, part


def test_a_part_that_is_near_its_end_gives_its_memory_there_and_nothing_lower_follows(
    model_pool: Any,
) -> None:
    pool, part = holding(model_pool, fraction=0.8)
    pool.submit("background", "dune", Shape("parts", "env", "part", memory=60.0, depth=1), 3)

    (pulled,) = pool.submit("urgent", "vfx", plate(memory=50.0))
    assert said(pool, Pause, GiveBack) == []
    pool.tick(2.0)
    assert of(pool.commands, Pause, GiveBack) == []
    pool.finish(1, seconds=10.0)
    pool.deliver_all()

    assert pool.started == [part, pulled]
    assert pool.starts[part] == 1
    assert pool.scheduler.swarms.of("plates").report(pool.now) == [
        Share(
            "parts", "dune", 0, paused=0, stopped=0, aside_s=0.0, redone_s=0.0, standing=0,
            awaited=1, awaited_s=2.0,
        )
    ]  # fmt: skip


def test_a_part_that_does_not_end_in_time_is_given_back_after_all(model_pool: Any) -> None:
    pool, part = holding(model_pool, fraction=0.8)
    pool.submit("urgent", "vfx", plate(memory=50.0))
    pool.deliver_all()
    pool.tick(9.0)
    assert of(pool.commands, GiveBack) == []

    pool.tick(1.0)

    assert of(pool.commands, GiveBack) == [GiveBack(1, part, "plates")]
    pool.run()
    (share,) = pool.scheduler.swarms.of("plates").report(pool.now)
    assert (share.awaited, share.awaited_s, share.stopped, share.redone_s) == (1, 10.0, 1, 18.0)
    assert pool.ended[part] is State.succeeded


def test_a_part_that_is_far_from_its_end_is_given_back_at_once(model_pool: Any) -> None:
    pool, part = holding(model_pool, fraction=0.3)

    pool.submit("urgent", "vfx", plate(memory=50.0))

    assert said(pool, GiveBack) == [GiveBack(1, part, "plates")]


def test_a_bound_of_nothing_awaits_nobody(model_pool: Any) -> None:
    never = SchedulerSettings(displacement=DisplacementPolicy(near_s=0.0))
    pool, part = holding(model_pool, fraction=0.9, settings=never)

    pool.submit("urgent", "vfx", plate(memory=50.0))

    assert said(pool, GiveBack) == [GiveBack(1, part, "plates")]


def test_who_is_awaited_is_not_paused_for_cores_meanwhile(model_pool: Any) -> None:
    pool, _ = holding(model_pool, fraction=0.8)
    (wants,) = pool.submit("urgent", "vfx", plate(memory=50.0))
    pool.deliver_all()

    pool.submit("interactive", "vfx", plate("grade", cpu=2.0))
    assert said(pool, Pause, GiveBack) == []
    pool.finish(1, seconds=10.0)
    pool.run()

    assert pool.ended[wants] is State.succeeded


def test_an_await_that_nobody_needs_any_more_is_forgotten(model_pool: Any) -> None:
    pool, part = holding(model_pool, fraction=0.8)
    (wants,) = pool.submit("urgent", "vfx", plate(memory=50.0))
    pool.deliver_all()
    pool.withdraw([wants])
    pool.tick(20.0)
    assert of(pool.commands, Pause, GiveBack) == []

    pool.submit("urgent", "vfx", plate("later", cpu=2.0))

    assert said(pool, Pause) == [Pause(1, part, "later")]


def test_a_swarm_that_lacks_memory_has_all_of_it_given_back_at_once(model_pool: Any) -> None:
    pool, _ = busy(model_pool, Capacity(cpu=4, memory=100), memory=25.0)

    pool.submit("urgent", "vfx", plate(memory=25.0), 3)

    assert len({one.id for one in said(pool, GiveBack)}) == 3


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    parts=st.lists(
        st.tuples(st.integers(1, 50), st.floats(1.0, 40.0), st.floats(0.0, 1.0)), min_size=1, max_size=5
    ),
    memory=st.integers(51, 100),
)
def test_urgent_work_waits_no_longer_than_the_bound_for_what_never_ends(
    model_pool: Any, parts: list[tuple[int, float, float]], memory: int
) -> None:
    # given parts that say whatever they like of themselves, and never end
    pool = model_pool(Capacity(cpu=8, memory=100))
    for number, (holds, _, _) in enumerate(parts):
        shape = Shape(f"parts-{number}", "env", "part", memory=holds, depth=1)
        pool.submit("background", "dune", shape)
    pool.deliver_all()
    for number, (_, runs_s, fraction) in enumerate(parts):
        pool.tick(runs_s / len(parts))
        for slot, one in list(pool.slots.items()):
            if one.backlog and one.backlog[0].shape.batch == f"parts-{number}":
                pool.do(Reached(slot, one.backlog[0].id, fraction))
    pool.tick(1.0)

    (urgent,) = pool.submit("urgent", "vfx", plate(memory=float(memory)))
    for _ in range(int(DisplacementPolicy().near_s) + 2):
        pool.deliver_all()
        if urgent in pool.starts:
            break
        pool.tick(1.0)

    assert urgent in pool.starts
    assert len(pool.ended) == 0
    held = set(pool.given_back)
    pool.run()
    assert set(pool.ended) == set(pool.queue_of)
    assert all(pool.starts[one] == 1 for one in pool.ended if one not in held and one not in pool.given_back)


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


# -- sessions of devices ------------------------------------------------------------------------------------


def with_a_session(model_pool: Any, *, cpu: float = 2.0) -> tuple[Any, int, int]:
    """An encode that has had the card for eight seconds, and an urgent one that lacks it; their ids."""
    pool = model_pool(Capacity(cpu=cpu, memory=100), seconds={"encode": 60.0})
    (low,) = pool.submit("background", "dune", encode("dailies"))
    pool.deliver_all()
    pool.tick(8.0)
    (urgent,) = pool.submit("urgent", "vfx", encode("plates"))
    pool.deliver_all()
    return pool, low, urgent


def test_who_holds_a_session_that_urgent_work_lacks_is_given_back_once(model_pool: Any) -> None:
    pool, low, urgent = with_a_session(model_pool)

    pool.do(Lacks(2, urgent, [(1, low)]))
    assert of(pool.commands, GiveBack) == [GiveBack(1, low, "plates")]
    pool.do(Lacks(2, urgent, [(1, low)]))
    assert of(pool.commands, GiveBack) == []

    pool.run()
    assert pool.ended[low] is pool.ended[urgent] is State.succeeded


def test_who_is_paused_for_the_cores_gives_its_session_back_as_well(model_pool: Any) -> None:
    pool, low, urgent = with_a_session(model_pool, cpu=1.0)
    assert pool.times_paused[low] == 1

    pool.do(Lacks(2, urgent, [(1, low)]))

    assert of(pool.commands, GiveBack) == [GiveBack(1, low, "plates")]


def test_a_session_is_awaited_of_work_that_is_near_its_end_and_no_longer_than_may_be(model_pool: Any) -> None:
    pool, low, urgent = with_a_session(model_pool)
    pool.do(Reached(1, low, 0.8))

    pool.do(Lacks(2, urgent, [(1, low)]))
    assert of(pool.commands, GiveBack, Pause) == []
    pool.now += 10.0
    pool.do(Lacks(2, urgent, [(1, low)]))

    assert of(pool.commands, GiveBack) == [GiveBack(1, low, "plates")]


def test_less_urgent_work_waits_for_a_session(model_pool: Any) -> None:
    pool, low, urgent = with_a_session(model_pool)

    pool.do(Lacks(1, low, [(2, urgent)]))

    assert of(pool.commands, GiveBack, Pause) == []
