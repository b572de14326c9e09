"""Attempts that wait for parts of their own: they lend their cores, go on first, and never stop the pool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.core.commands import GoOn, OpenSlot, Recall, Start
from rushes.core.events import AttemptFinished, Capacity, Paused, Shape, Waits, Woken
from rushes.core.policy import SchedulerSettings
from rushes.core.states import State

ONE = Capacity(cpu=1, memory=100)


def shape(batch: str = "b", *, function: str = "f", **need: Any) -> Shape:
    return Shape(batch, "env", function, **need)


def running_on(pool: Any, id_: int) -> int:
    """The slot that an invocation is on."""
    (number,) = [n for n, slot in pool.slots.items() if slot.backlog and slot.backlog[0].id == id_]
    return int(number)


def begin(pool: Any, *args: Any, **kwargs: Any) -> int:
    """Submit one invocation and let it begin; its id."""
    (id_,) = pool.submit(*args, **kwargs)
    pool.deliver_all()
    assert id_ in pool.running()
    return int(id_)


# -- by example -------------------------------------------------------------------------------------------


def test_parts_run_on_the_one_core_of_whoever_waits_for_them(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole"))

    parts = pool.wait_for_parts(running_on(pool, parent), *[shape("parts", depth=1)] * 3)
    pool.run()

    assert pool.started == [parent, *parts]
    assert set(pool.ended) == {parent, *parts}


def test_whoever_waits_is_shown_as_waiting_and_holds_memory_but_no_core(model_pool: Any) -> None:
    pool = model_pool(Capacity(cpu=1, memory=100, gpu=1))
    parent = begin(pool, "standard", "dune", shape("whole", memory=30, gpu=1))

    pool.wait_for_parts(running_on(pool, parent), shape("parts", depth=1))

    view = pool.scheduler.snapshot()
    assert [slot.running for slot in view.slots if slot.state == "waiting"] == [parent]
    assert (view.free["cpu"], view.free["gpu"], view.free["memory"]) == (1.0, 1.0, 70.0)
    assert "waits for parts of its own" in pool.scheduler.explain(parent, pool.now)


def test_parts_go_before_work_of_their_class_that_came_before_them(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole"))
    others = pool.submit("standard", "dune", shape("other"), 3)
    pool.deliver_all()

    parts = pool.wait_for_parts(running_on(pool, parent), *[shape("parts", depth=1)] * 2)
    pool.run()

    assert pool.started == [parent, *parts, *others]
    assert list(pool.ended)[:3] == [*parts, parent]


def test_whoever_waited_goes_on_before_its_class_and_after_a_better_one(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole"))
    (part,) = pool.wait_for_parts(running_on(pool, parent), shape("parts", depth=1))
    pool.deliver_all()
    same = pool.submit("standard", "dune", shape("same"), 2)
    (urgent,) = pool.submit("urgent", "dune", shape("urgent"))
    pool.deliver_all()

    pool.finish(running_on(pool, part))
    pool.deliver_all()
    assert pool.running() == [parent, urgent] or pool.running() == [urgent, parent]
    assert parent in pool.woken
    pool.run()

    assert list(pool.ended) == [part, urgent, parent, *same]


def test_it_goes_on_only_when_its_cores_are_free(model_pool: Any) -> None:
    pool = model_pool(Capacity(cpu=2, memory=100))
    parent = begin(pool, "standard", "dune", shape("whole", cpu=2))
    short, long = pool.wait_for_parts(running_on(pool, parent), *[shape("parts", depth=1)] * 2)
    pool.deliver_all()
    slot = running_on(pool, parent)
    (other,) = pool.submit("standard", "dune", shape("other"))
    pool.finish(running_on(pool, short))
    pool.deliver_all()
    assert other in pool.running()

    pool.finish(running_on(pool, long))
    pool.deliver_all()
    assert parent in pool.woken
    pool.finish(running_on(pool, other))

    assert GoOn(slot, parent) in pool.commands


def test_a_paused_pool_lets_whoever_waited_go_on(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole"))
    (part,) = pool.wait_for_parts(running_on(pool, parent), shape("parts", depth=1))
    pool.deliver_all()
    pool.do(Paused(paused=True))

    pool.finish(running_on(pool, part))
    pool.deliver_all()

    assert pool.commands == [GoOn(running_on(pool, parent), parent)]


def test_a_slot_opens_for_the_parts_even_when_all_slots_wait(model_pool: Any) -> None:
    pool = model_pool(ONE, settings=SchedulerSettings(slot_limit=1))
    parent = begin(pool, "standard", "dune", shape("whole"))

    pool.wait_for_parts(running_on(pool, parent), shape("parts", depth=1))
    pool.deliver(0)

    assert [type(command) for command in pool.commands] == [OpenSlot]
    pool.run()
    assert len(pool.slots) == 1, "and is closed when there are too many"


def test_what_is_behind_one_that_waits_is_taken_back(model_pool: Any) -> None:
    pool = model_pool(ONE, seconds={"f": 0.001})
    pool.submit("standard", "dune", shape(), 40)
    pool.deliver_all()
    (slot,) = pool.slots
    for _ in range(4):
        pool.finish(slot)
    assert len(pool.slots[slot].backlog) > 1

    pool.wait_for_parts(slot, shape("parts", depth=1))

    assert Recall(slot) in pool.commands
    pool.run()
    assert len(pool.ended) == 41


def test_no_more_than_so_many_wait_and_the_others_say_why_they_do_not_start(model_pool: Any) -> None:
    # given a device that is taken, which all the parts need
    pool = model_pool(Capacity(cpu=1, memory=100, gpu=1), settings=SchedulerSettings(waiting_limit=2))
    taken = begin(pool, "urgent", "dune", shape("taken", function="taken", cpu=0, gpu=1))
    parents = pool.submit("standard", "dune", shape("whole", function="map"), 4)
    pool.deliver_all()

    # when two wait for theirs
    for parent in parents[:2]:
        pool.wait_for_parts(running_on(pool, parent), shape("parts", cpu=0, gpu=1, depth=1))
        pool.deliver_all()

    # then no third one begins, other work does, and in the end all is done
    assert pool.running() == [taken, *parents[:2]]
    assert "2 attempts like it wait" in pool.scheduler.explain(parents[3], pool.now)
    plain = begin(pool, "standard", "dune", shape("plain", function="plain"))
    pool.run()
    assert set(pool.ended) >= {taken, plain, *parents}


def test_memory_that_only_whoever_waits_holds_does_not_stop_its_parts(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole", memory=80))

    parts = pool.wait_for_parts(running_on(pool, parent), *[shape("parts", memory=50, depth=1)] * 2)
    pool.run()

    assert pool.started == [parent, *parts]


def test_those_who_wait_do_not_pile_up_beyond_the_memory_that_there_is(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parents = pool.submit("standard", "dune", shape("whole", function="map", memory=60), 2)
    pool.deliver_all()
    pool.wait_for_parts(running_on(pool, parents[0]), shape("parts", memory=60, depth=1))
    pool.deliver_all()

    assert parents[1] not in pool.running()
    pool.run()
    assert set(pool.ended) >= set(parents)


def test_a_slot_that_dies_while_it_waits_gives_everything_back(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole", memory=60))
    parts = pool.wait_for_parts(running_on(pool, parent), shape("parts", depth=1))

    pool.kill(running_on(pool, parent))
    pool.run()

    assert set(pool.ended) == {parent, *parts}
    view = pool.scheduler.snapshot()
    assert view.free == view.capacity


def test_one_that_fails_while_it_waits_gives_everything_back(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole", memory=60))
    pool.wait_for_parts(running_on(pool, parent), shape("parts", depth=1))

    pool.finish(running_on(pool, parent), State.failed)
    pool.run()

    view = pool.scheduler.snapshot()
    assert view.free == view.capacity
    assert all(slot.state == "idle" for slot in view.slots)


@pytest.mark.parametrize("kind", [Waits, Woken])
def test_an_event_about_what_does_not_wait_changes_nothing(model_pool: Any, kind: Any) -> None:
    pool = model_pool(ONE)
    running = begin(pool, "standard", "dune", shape())
    slot = running_on(pool, running)

    assert pool.do(kind(slot + 1, running)) == []
    assert pool.do(kind(slot, running + 1)) == []
    assert pool.do(Woken(slot, running)) == []
    assert pool.do(AttemptFinished(slot, running + 1, State.succeeded, 1.0)) == []


def test_one_that_said_that_it_waits_before_it_was_paused_waits(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole"))
    slot = running_on(pool, parent)
    pool.tick(2.0)
    urgent = begin(pool, "urgent", "dune", shape("urgent"))
    assert pool.slots[slot].paused

    pool.wait_for_parts(slot, shape("parts", depth=1))

    states = {view.number: view.state for view in pool.scheduler.snapshot().slots}
    assert states[slot] == "waiting"
    pool.run()
    assert set(pool.ended) >= {parent, urgent}


# -- whatever is asked for ----------------------------------------------------------------------------------


@dataclass
class Work:
    """Something to run, and what it waits for, one round after the other."""

    shape: Shape
    rounds: list[list[Work]] = field(default_factory=list)


@st.composite
def works(draw: Any, depth: int = 0) -> Work:
    able = depth < 3
    name = f"{depth}-{draw(st.integers(0, 2))}"
    most = draw(st.sampled_from([None, None, 1]))
    made = Shape(
        f"batch-{name}-{most}",
        draw(st.sampled_from(["e1", "e2"])),
        f"map-{name}" if able else "leaf",
        cpu=draw(st.sampled_from([0, 0.5, 1, 2, 9])),
        memory=draw(st.sampled_from([0, 10, 60, 500])),
        scratch=draw(st.sampled_from([0, 0, 8])),
        gpu=draw(st.sampled_from([0, 0, 0, 1])),
        max_slots=most,
        depth=depth,
    )
    rounds: list[list[Work]] = []
    if able and draw(st.integers(0, 2)):
        rounds = [
            draw(st.lists(works(depth + 1), min_size=1, max_size=3)) for _ in range(draw(st.integers(1, 2)))
        ]
    return Work(made, rounds)


def drive(pool: Any, roots: list[Work], data: Any) -> None:
    """Run everything; answers come in any order, and now and then a slot dies."""
    plan: dict[int, list[list[Work]]] = {}
    for number, root in enumerate(roots):
        priority = data.draw(st.sampled_from(["urgent", "standard"]))
        (id_,) = pool.submit(priority, f"show{number % 2}", root.shape)
        plan[id_] = list(root.rounds)
    pool.late = data.draw(st.booleans())
    deaths = data.draw(st.integers(0, 2))
    for _ in range(20_000):
        while pool.pending:
            pool.deliver(data.draw(st.integers(0, len(pool.pending) - 1)) if len(pool.pending) > 1 else 0)
        able = sorted(n for n, slot in pool.slots.items() if slot.backlog and not slot.waiting)
        if not able:
            if not pool.leased and not any(pool.outside.values()):
                assert not pool.running()
                return
            before = pool.now
            pool.tick(1.0 if pool.now < 3000.0 else 300.0)
            assert before < 100_000.0, f"it stands still: {pool.scheduler.snapshot()}"
            continue
        number = data.draw(st.sampled_from(able)) if len(able) > 1 else able[0]
        id_ = pool.slots[number].backlog[0].id
        if deaths and data.draw(st.booleans()):
            deaths -= 1
            pool.kill(data.draw(st.sampled_from(sorted(pool.slots))))
        elif plan.get(id_):
            parts = plan[id_].pop(0)
            ids = pool.wait_for_parts(number, *[part.shape for part in parts])
            plan.update(zip(ids, (list(part.rounds) for part in parts), strict=True))
        else:
            pool.finish(number)
    raise AssertionError(f"it never ends: {pool.scheduler.snapshot()}")


pools = st.builds(
    lambda cores, limit, slots: (
        Capacity(cpu=cores, memory=100, scratch=10, gpu=1),
        SchedulerSettings(waiting_limit=limit, slot_limit=slots, lease_window=4),
    ),
    st.sampled_from([1, 1, 2, 3]),
    st.integers(1, 3),
    st.sampled_from([None, 1]),
)


def check_that_everything_ends(model_pool: Any, examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(roots=st.lists(works(), min_size=1, max_size=6), of=pools, data=st.data())
    def check(roots: Any, of: Any, data: Any) -> None:
        pool = model_pool(of[0], settings=of[1])

        drive(pool, roots, data)

        assert set(pool.ended) == set(pool.queue_of)
        view = pool.scheduler.snapshot()
        assert view.free == view.capacity

    check()


def test_whatever_waits_for_whatever_everything_ends(model_pool: Any) -> None:
    check_that_everything_ends(model_pool, 60)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_whatever_waits_for_whatever_everything_ends_at_length(model_pool: Any) -> None:
    check_that_everything_ends(model_pool, 3000)


def test_the_go_on_of_one_and_the_start_of_another_are_told_apart(model_pool: Any) -> None:
    pool = model_pool(ONE)
    parent = begin(pool, "standard", "dune", shape("whole"))
    slot = running_on(pool, parent)
    (part,) = pool.wait_for_parts(slot, shape("parts", depth=1))
    pool.deliver_all()
    pool.finish(running_on(pool, part))

    pool.deliver_all()

    assert pool.commands == [GoOn(slot, parent)]
    assert not any(isinstance(command, Start) for command in pool.commands)
