"""The scheduler under anything: whatever happens in whatever order, its promises hold.

The checks themselves stand in `ModelPool`, which makes them after every event; here is what happens to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rushes.core.events import (
    Ask,
    AttemptFinished,
    Capacity,
    ClassPolicy,
    Lacks,
    Leased,
    Paused,
    Queued,
    QueueKey,
    Reached,
    Resized,
    Returned,
    Shape,
    SlotLost,
    SlotReady,
    Waits,
    Withdrawn,
    Woken,
)
from rushes.core.policy import SchedulerSettings
from rushes.core.states import State

CLASSES = (
    ClassPolicy("interactive", 0, ageing_s=50.0),
    ClassPolicy("urgent", 1, ageing_s=50.0),
    ClassPolicy("standard", 2, ageing_s=50.0),
    ClassPolicy("background", 3, ageing_s=200.0),
)
DISPLACING = (
    ClassPolicy("interactive", 0, may_displace=True, may_be_displaced=False, ageing_s=50.0),
    ClassPolicy("urgent", 1, may_displace=True, ageing_s=50.0),
    *CLASSES[2:],
)
SECONDS = {"quick": 0.001, "brief": 0.008, "slow": 30.0, "part": 2.0}
WINDOW = 8
SHAPES = [
    Shape("quick-a", "e1", "quick"),
    Shape("quick-b", "e1", "quick", cpu=0.5),
    Shape("brief", "e2", "brief"),
    Shape("slow", "e1", "slow", cpu=2, memory=40),
    Shape("wide", "e2", "slow", cpu=3, memory=10),
    Shape("memory", "e1", "slow", cpu=1, memory=70),
    Shape("gpu", "e3", "slow", cpu=0, gpu=1),
    Shape("gpu-cpu", "e3", "quick", cpu=1, gpu=1, scratch=5),
    Shape("capped", "e1", "quick", max_slots=1),
    Shape("capped-slow", "e2", "slow", max_slots=2),
    Shape("impossible", "e1", "slow", cpu=50, memory=1e6, scratch=1e6, gpu=5),
]
PARTS = [
    Shape("part", "e1", "part", depth=1),
    Shape("part-memory", "e2", "slow", cpu=2, memory=60, depth=1),
    Shape("part-gpu", "e3", "slow", cpu=0, gpu=1, depth=1),
    Shape("part-of-part", "e1", "part", memory=30, depth=2),
    Shape("part-of-part-all", "e2", "brief", cpu=50, memory=1e6, scratch=20, depth=2),
]
MOST_TRIES = 3
MOST_WAITS = 2


class PoolMachine(RuleBasedStateMachine):
    """Everything that can happen to a pool, in any order."""

    pool_type: type
    classes: Sequence[ClassPolicy] = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.pool = self.pool_type(
            Capacity(cpu=3, memory=100, scratch=10, gpu=1),
            seconds=SECONDS,
            classes=self.classes,
            settings=SchedulerSettings(lease_window=WINDOW, idle_slot_s=100.0, waiting_limit=2),
        )
        self.waits: dict[int, int] = {}

    @rule(
        priority=st.sampled_from([policy.name for policy in CLASSES]),
        show=st.sampled_from(["dune", "arrival", "sicario"]),
        shape=st.sampled_from(SHAPES),
        count=st.integers(1, 30),
        order=st.none() | st.integers(0, 5),
    )
    def submit(self, priority: Any, show: Any, shape: Any, count: Any, order: Any) -> None:
        self.pool.submit(priority, show, shape, count, order=order)

    @precondition(lambda self: self.pool.pending)
    @rule(data=st.data())
    def an_answer_arrives(self, data: Any) -> None:
        self.pool.deliver(data.draw(st.integers(0, len(self.pool.pending) - 1)))

    @precondition(lambda self: self.pool.running())
    @rule(data=st.data(), state=st.sampled_from([State.succeeded] * 4 + [State.failed, State.queued]))
    def an_attempt_finishes(self, data: Any, state: Any) -> None:
        busy = sorted(
            n
            for n, slot in self.pool.slots.items()
            if slot.backlog and (slot.computes or not slot.backlog[1:])
        )
        if not busy:
            return
        number = data.draw(st.sampled_from(busy))
        id_ = self.pool.slots[number].backlog[0].id
        if self.pool.starts[id_] >= MOST_TRIES and state is State.queued:
            state = State.failed
        self.pool.now += SECONDS[self.pool.slots[number].backlog[0].shape.function]
        self.pool.finish(number, state)

    @precondition(lambda self: any(s.computes for s in self.pool.slots.values()))
    @rule(data=st.data(), shape=st.sampled_from(PARTS), count=st.integers(1, 4))
    def an_attempt_waits_for_parts(self, data: Any, shape: Any, count: Any) -> None:
        able = [
            n
            for n, s in self.pool.slots.items()
            if s.computes
            and s.backlog[0].shape.depth < shape.depth
            and self.waits.get(s.backlog[0].id, 0) < MOST_WAITS
        ]
        if not able:
            return
        number = data.draw(st.sampled_from(sorted(able)))
        id_ = self.pool.slots[number].backlog[0].id
        self.waits[id_] = self.waits.get(id_, 0) + 1
        self.pool.wait_for_parts(number, *[shape] * count)

    @precondition(lambda self: self.pool.running())
    @rule(data=st.data(), fraction=st.sampled_from([0.05, 0.5, 0.9, 1.0, 2.0]))
    def an_attempt_says_how_far_it_is(self, data: Any, fraction: Any) -> None:
        number = data.draw(st.sampled_from(sorted(n for n, slot in self.pool.slots.items() if slot.backlog)))
        self.pool.do(Reached(number, self.pool.slots[number].backlog[0].id, fraction))

    @rule(fraction=st.sampled_from([0.1, 0.6, 0.9]), ran_s=st.sampled_from([2.0, 6.0]))
    def urgent_work_lacks_what_others_hold(self, fraction: Any, ran_s: Any) -> None:
        self.pool.submit("background", "dune", Shape("slow", "e1", "slow", cpu=2, memory=40), 2)
        self.pool.deliver_all()
        self.pool.tick(ran_s)
        for number, slot in sorted(self.pool.slots.items()):
            if slot.backlog:
                self.pool.do(Reached(number, slot.backlog[0].id, fraction))
        self.pool.submit("interactive", "sicario", Shape("memory", "e1", "slow", cpu=1, memory=70))
        self.pool.deliver_all()

    @precondition(lambda self: len(self.pool.running()) > 1)
    @rule(data=st.data())
    def an_attempt_lacks_a_device(self, data: Any) -> None:
        busy = sorted(n for n, slot in self.pool.slots.items() if slot.backlog)
        number, *others = data.draw(st.permutations(busy))
        holders = [(n, self.pool.slots[n].backlog[0].id) for n in others]
        self.pool.do(Lacks(number, self.pool.slots[number].backlog[0].id, holders))

    @precondition(lambda self: self.pool.slots)
    @rule(data=st.data(), lost_first=st.booleans())
    def a_slot_dies(self, data: Any, lost_first: Any) -> None:
        self.pool.kill(data.draw(st.sampled_from(sorted(self.pool.slots))), lost_first=lost_first)

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0, 9.0, 22.0, 60.0, 150.0]))
    def time_passes(self, seconds: Any) -> None:
        self.pool.tick(seconds)

    @rule(paused=st.booleans())
    def somebody_pauses_or_resumes(self, paused: Any) -> None:
        self.pool.do(Paused(paused))

    @rule(cpu=st.sampled_from([1.0, 2.0, 3.0, 6.0]), memory=st.sampled_from([50, 100]), gpu=st.integers(0, 2))
    def the_pool_grows_or_shrinks(self, cpu: Any, memory: Any, gpu: Any) -> None:
        self.pool.do(Resized(Capacity(cpu=cpu, memory=memory, scratch=10, gpu=gpu)))

    @precondition(lambda self: self.pool.leased)
    @rule(data=st.data())
    def somebody_cancels(self, data: Any) -> None:
        self.pool.withdraw(
            data.draw(st.lists(st.sampled_from(sorted(self.pool.leased)), max_size=5, unique=True))
        )

    @rule(number=st.integers(1, 8), id_=st.integers(-1, 60), data=st.data())
    def an_event_comes_that_makes_no_sense(self, number: Any, id_: Any, data: Any) -> None:
        known = self.pool.slots.get(number)
        ids = {ask.id for ask in known.backlog} if known else set()
        waits = sorted(self.pool.leased)
        queue = QueueKey("standard", "dune")
        nonsense = [
            AttemptFinished(1000, id_, State.succeeded, 1.0),
            Returned(1000, (id_,)),
            SlotReady(1000),
            SlotLost(1000),
            Withdrawn((100_000,)),
            Waits(1000, id_),
            Woken(1000, id_),
            Reached(1000, id_, 0.9),
            Lacks(1000, id_, [(number, id_)]),
            Queued(queue, 0),
        ]
        if known is None or not known.waiting:
            nonsense.append(Woken(number, id_))
        if not known or not known.backlog or known.waiting or known.backlog[0].id != id_:
            nonsense.append(Waits(number, id_))
        if id_ not in ids:
            nonsense += [AttemptFinished(number, id_, State.succeeded, 1.0), Returned(number, (id_,))]
        if known is not None and known.ready:
            nonsense.append(SlotReady(number))
        if waits and queue not in self.pool.unanswered:
            again = tuple(self.pool.leased[i] for i in waits)
            nonsense.append(Leased(queue, again, len(self.pool.outside[queue])))
        self.pool.do(data.draw(st.sampled_from(nonsense)))

    @invariant()
    def what_is_in_hand_is_bounded(self) -> None:
        waiting: dict[QueueKey, int] = {}
        for id_ in self.pool.leased:
            waiting[self.pool.queue_of[id_]] = waiting.get(self.pool.queue_of[id_], 0) + 1
        # Retries and what slots give back come on top of what was leased.
        assert all(count <= 4 * WINDOW + 64 for count in waiting.values())

    @invariant()
    def the_scheduler_agrees_with_the_pool(self) -> None:
        view = self.pool.scheduler.snapshot()
        assert sum(queue.waiting for queue in view.queues) == len(self.pool.leased)
        assert {slot.number for slot in view.slots} == set(self.pool.slots)
        assert sorted(s.running for s in view.slots if s.running is not None) == sorted(self.pool.running())
        free = self.pool.free()
        waiting = sorted(slot.running or 0 for slot in view.slots if slot.state == "waiting")
        assert waiting == sorted(s.backlog[0].id for s in self.pool.slots.values() if s.waiting)
        assert all(abs(view.free[name] - max(free[name], 0.0)) < 1e-6 for name in ("cpu", "memory", "gpu"))

    @invariant()
    def everything_can_be_explained(self) -> None:
        for id_ in list(self.pool.leased)[:3] + self.pool.running()[:3]:
            assert "not in the pool's hands" not in self.pool.scheduler.explain(id_, self.pool.now)

    def teardown(self) -> None:
        """Then everything that was ever submitted ends, exactly once, and nothing is left."""
        pool = self.pool
        pool.do(Paused(paused=False))
        pool.run()
        assert set(pool.ended) == set(pool.queue_of), "every invocation ends"
        view = pool.scheduler.snapshot()
        assert view.free == view.capacity
        pool.tick(1.0)
        assert pool.scheduler.snapshot().queues == ()
        pool.tick(100.0)
        assert pool.scheduler.snapshot().slots == ()


def run_machine(model_pool: Any, examples: Any, of: Sequence[ClassPolicy]) -> None:
    class Machine(PoolMachine):
        pool_type = model_pool
        classes = of

    quick = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Machine, settings=quick)


@pytest.mark.parametrize("classes", [CLASSES, DISPLACING], ids=["patient", "displacing"])
def test_promises_hold_whatever_happens_in_whatever_order(model_pool: Any, classes: Any) -> None:
    run_machine(model_pool, 80, classes)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("classes", [CLASSES, DISPLACING], ids=["patient", "displacing"])
def test_promises_hold_whatever_happens_in_whatever_order_at_length(model_pool: Any, classes: Any) -> None:
    run_machine(model_pool, 3000, classes)


run_times = st.lists(st.floats(0.5, 20.0), min_size=20, max_size=60)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(times=st.lists(run_times, min_size=2, max_size=5), cores=st.integers(1, 3))
def test_shows_that_always_have_work_never_drift_apart_further_than_the_bound(
    model_pool: Any, times: Any, cores: Any
) -> None:
    # given shows of equal weight, each with more work than the pool can do, whose runs differ in length
    pool = model_pool(Capacity(cpu=cores, memory=10))
    for number, of_show in enumerate(times):
        for place, _ in enumerate(of_show):
            pool.submit("standard", f"show{number}", Shape(f"{number}-{place}", "e", f"{number}-{place}"))
    lengths = {f"{n}-{place}": s for n, of in enumerate(times) for place, s in enumerate(of)}
    pool.seconds = lengths
    pool.deliver_all()
    ends: dict[int, float] = {}
    longest = max(lengths.values())
    paid = dict.fromkeys((f"show{n}" for n in range(len(times))), 0.0)

    # when the pool runs while all of them have work waiting
    while True:
        for slot in pool.slots:
            if pool.slots[slot].backlog and slot not in ends:
                ends[slot] = pool.now + lengths[pool.slots[slot].backlog[0].shape.function]
        waiting = {pool.queue_of[id_].show for id_ in pool.leased}
        if len(waiting) < len(times) or not ends:
            break
        slot = min(ends, key=lambda n: (ends[n], n))
        pool.now = ends.pop(slot)
        ask = pool.slots[slot].backlog[0]
        paid[pool.queue_of[ask.id].show] += lengths[ask.shape.function]
        pool.finish(slot)
        pool.deliver_all()
        # then no two shows are ever further apart than what all cores may have been given in ignorance
        assert max(paid.values()) - min(paid.values()) <= (cores + 1) * (longest + 1.0)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    ageing=st.floats(5.0, 100.0),
    run_s=st.floats(0.5, 10.0),
    better_shows=st.integers(1, 4),
)
def test_aged_work_waits_no_longer_than_its_bound_and_one_turn_of_each_better_show(
    model_pool: Any, ageing: Any, run_s: Any, better_shows: Any
) -> None:
    classes = (ClassPolicy("high", 0), ClassPolicy("low", 1, ageing_s=ageing))
    pool = model_pool(Capacity(cpu=1, memory=10), classes=classes, seconds={"f": run_s})
    for number in range(better_shows):
        pool.submit("high", f"flood{number}", Shape(f"flood{number}", "e", "f"), 300)
    (old,) = pool.submit("low", "patient", Shape("patient", "e", "f"))
    begun = pool.now

    while old not in pool.starts:
        pool.deliver_all()
        pool.tick(run_s)
        for slot in [n for n, slot in pool.slots.items() if slot.backlog]:
            pool.finish(slot)

    assert pool.now - begun <= ageing + (better_shows + 3) * run_s


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    work=st.lists(
        st.tuples(
            st.sampled_from(["urgent", "standard", "background"]),
            st.sampled_from(["dune", "arrival"]),
            st.sampled_from(SHAPES),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=25,
    ),
    data=st.data(),
)
def test_the_order_in_which_equal_events_come_does_not_matter_for_what_runs(
    model_pool: Any, work: Any, data: Any
) -> None:
    # given the same asks, leased in two different orders at one moment
    asks = [
        (QueueKey(priority, show), Ask(id_, order, 1000.0, shape))
        for id_, (priority, show, shape, order) in enumerate(work, start=1)
    ]
    shuffled = data.draw(st.permutations(asks))
    results = []
    for arrangement in (asks, shuffled):
        pool = model_pool(Capacity(cpu=3, memory=100, scratch=10, gpu=1), seconds=SECONDS, classes=CLASSES)
        pool.do(Paused(paused=True))
        for queue, ask in arrangement:
            pool.queue_of[ask.id] = queue
            pool.leased[ask.id] = ask
            pool.do(Leased(queue, (ask,), 0))
        pool.do(Paused(paused=False))
        pool.run()
        results.append((set(pool.ended), pool.started))

    # then the same work runs, and in the same order
    assert results[0] == results[1]
