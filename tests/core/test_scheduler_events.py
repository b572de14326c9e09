"""What comes to the scheduler beside work: pauses, withdrawals, dependencies, and what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from core.shapes import ONE, shape, warm

from rushes.core.commands import Release, Start
from rushes.core.events import (
    Ask,
    AttemptFinished,
    Deferred,
    InvocationEnded,
    Leased,
    Paused,
    QueueKey,
    Returned,
    SlotLost,
    SlotReady,
    Tick,
    Withdrawn,
)
from rushes.core.scheduler import Scheduler
from rushes.core.states import State

# -- pausing, withdrawing, dependencies ---------------------------------------------------------------------


def test_a_paused_pool_starts_and_leases_nothing_and_goes_on_after(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)
    pool.do(Paused(paused=True))
    ids = pool.submit("interactive", "dune", shape(), 3)
    pool.tick()
    assert pool.commands == []

    pool.do(Paused(paused=False))
    pool.run()

    assert pool.started == ids


def test_withdrawn_work_never_starts(model_pool: Any) -> None:
    pool = model_pool(ONE)
    warm(pool)
    ids = pool.submit("standard", "dune", shape(), 5)
    pool.deliver_all()

    pool.withdraw(ids[2:4])
    pool.run()

    assert pool.started == [ids[0], ids[1], ids[4]]


def test_withdrawing_what_a_slot_was_given_takes_it_from_its_backlog(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 0.001})
    warm(pool)
    ids = pool.submit("standard", "dune", shape(), 10)
    pool.deliver_all()
    number, slot = next(iter(pool.slots.items()))
    gone = {ask.id for ask in slot.backlog[1:]}

    pool.do(Withdrawn(sorted(gone)))
    slot.backlog = slot.backlog[:1]
    pool.finish(number)

    assert len(gone) == len(ids) - 1
    left = pool.scheduler.snapshot()
    assert left.free == left.capacity


def test_held_work_is_released_when_all_that_it_waits_for_has_succeeded() -> None:
    scheduler = Scheduler(ONE)
    scheduler.handle(Deferred(3, (1, 2)), 0)

    assert scheduler.handle(AttemptFinished(9, 1, State.succeeded, 1.0), 0) == []
    scheduler_ended = [
        scheduler.handle(event, 0)
        for event in (
            InvocationEnded(1, State.succeeded),
            InvocationEnded(2, State.succeeded),
            InvocationEnded(2, State.succeeded),
        )
    ]

    assert scheduler_ended == [[], [Release((3,))], []]


@pytest.mark.parametrize("state", [State.failed, State.cancelled])
def test_a_failed_dependency_cancels_or_not_as_asked(state: Any) -> None:
    scheduler = Scheduler(ONE)
    scheduler.handle(Deferred(2, (1,), cancel_on_failure=True), 0)
    scheduler.handle(Deferred(3, (1,), cancel_on_failure=False), 0)

    assert scheduler.handle(InvocationEnded(1, state), 0) == [
        Release((3,)),
        Release((2,), cancel=True, because=1),
    ]


# -- events that make no sense --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        SlotReady(99),
        SlotLost(99),
        SlotReady(1),
        AttemptFinished(99, 5, State.succeeded, 1.0),
        AttemptFinished(1, 99, State.failed, 1.0),
        AttemptFinished(1, 4, State.succeeded, 1.0),  # waits, was never given to that slot
        Returned(99, (1, 2)),
        Returned(1, (99,)),
        Returned(1, ()),
        Withdrawn((99, 100)),
        Deferred(5, ()),
        Leased(QueueKey("standard", "dune"), (), 0),
        Leased(QueueKey("standard", "dune"), (Ask(2, 0, 0.0, shape()), Ask(3, 0, 0.0, shape())), 0),
        Tick(),
    ],
    ids=repr,
)
def test_an_event_that_makes_no_sense_changes_nothing(model_pool: Any, event: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 5.0})
    warm(pool)
    ids = pool.submit("standard", "dune", shape(), 4)
    pool.deliver_all()
    pool.tick(0)
    before = pool.scheduler.snapshot()

    commands = pool.scheduler.handle(event, pool.now)

    assert [c for c in commands if not isinstance(c, Release)] == []
    assert pool.scheduler.snapshot() == before
    pool.run()
    assert set(ids) <= set(pool.ended)


def test_a_report_that_comes_after_its_slot_was_lost_still_counts() -> None:
    scheduler = Scheduler(ONE)
    queue = QueueKey("standard", "dune")
    scheduler.handle(Leased(queue, [Ask(7, 0, 0, shape())], 0), 0)
    scheduler.handle(SlotReady(1), 0)

    scheduler.handle(SlotLost(1), 1)
    scheduler.handle(AttemptFinished(1, 7, State.succeeded, 1.0), 1)
    commands = scheduler.handle(SlotReady(2), 2)

    assert not [command for command in commands if isinstance(command, Start)]
    assert "not in the pool's hands" in scheduler.explain(7, 2)


def test_a_class_that_nobody_knows_goes_last_rather_than_nowhere(model_pool: Any) -> None:
    pool = model_pool(ONE)
    scheduler = pool.scheduler
    scheduler.handle(Leased(QueueKey("mystery", "dune"), [Ask(1, 0, 0, shape("m"))], 0), 0)
    scheduler.handle(Leased(QueueKey("standard", "dune"), [Ask(2, 0, 0, shape("s"))], 0), 0)

    assert scheduler.handle(SlotReady(1), 0) == [Start(1, [2])]
    assert scheduler.handle(AttemptFinished(1, 2, State.succeeded, 1.0), 1) == [Start(1, [1])]
