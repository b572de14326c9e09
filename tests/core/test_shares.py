"""Shares of the pool: what is kept for a class is there for it, and none has more than its maximum."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rushes.core.classes import ClassPolicy
from rushes.core.events import (
    Barred,
    Capacity,
    Paused,
    QueueKey,
    Reclassed,
    Restamped,
    Shape,
    Tick,
    Withdrawn,
)
from rushes.core.policy import SchedulerSettings
from rushes.core.states import State

FOUR = Capacity(cpu=4, memory=100, gpu=2)


def classes(**shares: dict[str, Any]) -> tuple[ClassPolicy, ...]:
    plain = {
        "interactive": {"rank": 0, "may_displace": True, "may_be_displaced": False},
        "urgent": {"rank": 1, "may_displace": True},
        "standard": {"rank": 2},
        "background": {"rank": 3},
    }
    return tuple(ClassPolicy(name, **{**how, **shares.get(name, {})}) for name, how in plain.items())


def shape(batch: str, function: str = "f", **need: Any) -> Shape:
    return Shape(batch, "env", function, **need)


def running(pool: Any, priority: str) -> int:
    return sum(
        1 for s in pool.slots.values() if s.computes and pool.queue_of[s.backlog[0].id].priority == priority
    )


@pytest.fixture
def pool_of(model_pool: Any) -> Any:
    """A pool of four cores and two gpus whose own rules of fairness are left aside: shares change them."""

    class Pool(model_pool):  # type: ignore[misc]
        def _check(self, *_: Any) -> None:
            pass

    def build(capacity: Capacity = FOUR, **shares: dict[str, Any]) -> Any:
        return Pool(capacity, classes=classes(**shares), seconds={"f": 60.0, "quick": 0.01})

    return build


def test_no_burst_takes_what_is_kept_for_a_class(pool_of: Any) -> None:
    pool = pool_of(standard={"reserved_share": 0.25})

    pool.submit("interactive", "dune", shape("burst"), 50)
    pool.deliver_all()
    pool.submit("standard", "dune", shape("lane"))
    pool.deliver_all()

    assert running(pool, "interactive") == 3
    assert running(pool, "standard") == 1


def test_what_runs_within_its_kept_share_is_not_displaced(pool_of: Any) -> None:
    pool = pool_of(background={"reserved_share": 0.5})
    pool.submit("background", "archive", shape("night"), 10)
    pool.deliver_all()
    assert running(pool, "background") == 4
    pool.tick(10.0)

    pool.submit("urgent", "dune", shape("burst"), 50)
    pool.deliver_all()

    assert running(pool, "background") == 2
    assert running(pool, "urgent") == 2


def test_a_slot_that_died_is_asked_for_nothing_while_its_reports_arrive(pool_of: Any) -> None:
    pool = pool_of(standard={"reserved_share": 0.25})
    pool.submit("standard", "archive", shape("night", "quick", cpu=0.5), 5)
    pool.submit("interactive", "dune", shape("burst", cpu=3), 2)
    pool.deliver_all()
    pool.finish(3)
    assert len(pool.slots[3].backlog) == 2  # so its end is two reports

    pool.kill(3)
    pool.run()

    assert len(pool.ended) == 7


def test_no_age_opens_what_is_kept_for_others(pool_of: Any) -> None:
    pool = pool_of(interactive={"reserved_share": 0.25})
    pool.submit("background", "archive", shape("night"), 20)
    pool.deliver_all()

    pool.tick(10 * 24 * 3600.0)
    pool.deliver_all()

    assert running(pool, "background") == 3
    view = pool.scheduler.explain(next(iter(pool.leased)), pool.now)
    assert "kept for other classes" in view


def test_a_class_never_has_more_than_its_maximum_however_idle_the_pool_is(pool_of: Any) -> None:
    pool = pool_of(background={"max_share": 0.5})

    pool.submit("background", "archive", shape("night"), 20)
    pool.deliver_all()

    assert running(pool, "background") == 2
    waits = pool.scheduler.explain(next(iter(pool.leased)), pool.now)
    assert "class background has all of the pool that it may have (2.0 of 2.0 cores)" in waits


def test_what_waits_for_its_class_holds_nobody_else_back(pool_of: Any) -> None:
    pool = pool_of(urgent={"max_share": 0.25})
    pool.submit("urgent", "dune", shape("burst"), 20)

    pool.submit("background", "archive", shape("night"), 20)
    pool.deliver_all()

    assert (running(pool, "urgent"), running(pool, "background")) == (1, 3)
    pool.run()
    assert len(pool.ended) == 40


def test_work_bigger_than_its_class_may_have_runs_alone_in_it(pool_of: Any) -> None:
    pool = pool_of(background={"max_share": 0.5})

    pool.submit("background", "archive", shape("huge", cpu=4), 2)
    pool.deliver_all()

    assert running(pool, "background") == 1
    pool.run()
    assert len(pool.ended) == 2


def test_what_is_kept_counts_in_memory_and_in_whole_gpus(pool_of: Any) -> None:
    pool = pool_of(interactive={"reserved_share": 0.5})
    pool.submit("background", "archive", shape("large", cpu=0.5, memory=40), 5)
    pool.submit("background", "archive", shape("cards", cpu=0.1, gpu=1), 5)
    pool.deliver_all()
    assert running(pool, "background") == 2

    pool.submit("interactive", "dune", shape("preview", cpu=2, memory=50, gpu=1))
    pool.deliver_all()

    assert running(pool, "interactive") == 1


def test_a_kept_share_has_a_slot_even_where_small_work_has_taken_all_of_them(pool_of: Any) -> None:
    pool = pool_of(urgent={"reserved_share": 0.25})
    pool.submit("background", "archive", shape("tiny", cpu=0.1), 100)
    pool.deliver_all()
    assert running(pool, "background") == 6  # two more slots than cores

    pool.submit("urgent", "dune", shape("burst", cpu=1))
    pool.deliver_all()

    assert running(pool, "urgent") == 1


def test_who_lacks_something_does_not_claim_what_is_kept_for_others(pool_of: Any) -> None:
    pool = pool_of(standard={"reserved_share": 0.25})
    pool.submit("background", "archive", shape("night"), 2)
    pool.deliver_all()
    # given an interactive ask that is too wide for what is free, with nobody to displace yet
    pool.submit("interactive", "dune", shape("wide", cpu=3))
    pool.deliver_all()

    pool.submit("standard", "dune", shape("lane"))
    pool.deliver_all()

    assert running(pool, "standard") == 1


def test_within_a_kept_share_bigger_work_that_came_first_is_not_overtaken(pool_of: Any) -> None:
    pool = pool_of(urgent={"reserved_share": 0.5, "may_displace": False})
    pool.submit("urgent", "dune", shape("one", cpu=1))
    pool.submit("background", "archive", shape("night"), 10)
    pool.deliver_all()

    (wide,) = pool.submit("urgent", "dune", shape("wide", cpu=3), order=5)
    pool.submit("urgent", "dune", shape("small", cpu=1), 4, order=6)
    pool.run()

    assert pool.started.index(wide) < min(pool.started.index(id_) for id_ in range(wide + 1, wide + 5))


def test_changed_classes_count_for_what_waits_and_what_runs(pool_of: Any) -> None:
    pool = pool_of()
    pool.submit("background", "archive", shape("night"), 20)
    pool.submit("standard", "dune", shape("day"), 5)
    pool.deliver_all()
    for number in [n for n, s in pool.slots.items() if s.backlog]:
        pool.finish(number)
    pool.deliver_all()
    first = running(pool, "standard")

    # when background goes before standard, and may have half
    pool.do(Reclassed(classes(background={"rank": 1, "max_share": 0.5}, standard={"rank": 3})))
    pool.run()

    assert first == 1
    assert len(pool.ended) == 25
    view = pool.scheduler.snapshot()
    assert view.free == view.capacity


def test_changed_classes_take_shares_from_nobody_who_runs(pool_of: Any) -> None:
    pool = pool_of()
    pool.submit("background", "archive", shape("night"), 20)
    pool.deliver_all()

    pool.do(Reclassed(classes(background={"max_share": 0.25}, interactive={"reserved_share": 0.5})))

    assert running(pool, "background") == 4
    pool.finish(next(n for n, s in pool.slots.items() if s.backlog))
    pool.deliver_all()
    assert running(pool, "background") == 3
    pool.submit("interactive", "dune", shape("preview"))
    pool.deliver_all()
    assert running(pool, "interactive") == 1


def test_a_restamped_run_counts_in_its_new_class(pool_of: Any) -> None:
    pool = pool_of(urgent={"max_share": 0.25})
    pool.submit("standard", "dune", shape("b"))
    pool.deliver_all()

    pool.do(Restamped("b", QueueKey("urgent", "dune")))
    pool.submit("urgent", "dune", shape("c"))
    pool.deliver_all()

    assert pool.running() == [1]
    assert "class urgent has all" in pool.scheduler.explain(2, pool.now)


def test_a_cancelled_wait_for_a_class_leaves_nothing(pool_of: Any) -> None:
    pool = pool_of(background={"max_share": 0.25})
    ids = pool.submit("background", "archive", shape("night"), 5)
    pool.deliver_all()

    pool.withdraw(ids[1:])
    pool.run()

    pool.do(Withdrawn(ids))
    pool.do(Tick())
    assert pool.scheduler.snapshot().queues == ()


# -- under anything -----------------------------------------------------------------------------------------


CLASSES = (
    ClassPolicy("interactive", 0, may_displace=True, may_be_displaced=False, ageing_s=50.0),
    ClassPolicy("urgent", 1, may_displace=True, ageing_s=50.0, reserved_share=0.25, max_share=0.75),
    ClassPolicy("standard", 2, ageing_s=50.0, reserved_share=0.25),
    ClassPolicy("background", 3, ageing_s=200.0, max_share=0.5),
)
OTHERS = (
    CLASSES[0],
    replace(CLASSES[1], rank=3, reserved_share=0.0, max_share=0.5),
    replace(CLASSES[2], rank=1, max_share=0.75),
    replace(CLASSES[3], rank=2, max_share=1.0),
)
SIZE = Capacity(cpu=4, memory=100, scratch=20, gpu=2)
SHAPES = [
    Shape("quick-a", "e1", "quick"),
    Shape("quick-b", "e1", "quick", cpu=0.5),
    Shape("slow", "e1", "slow", cpu=2, memory=20),
    Shape("wide", "e2", "slow", cpu=3, memory=10),
    Shape("memory", "e1", "slow", cpu=1, memory=45),
    Shape("gpu", "e3", "slow", cpu=0.5, gpu=1),
    Shape("capped", "e1", "quick", max_slots=1),
    Shape("licence", "e1", "slow", limits=(("function licensed", 2),)),
    Shape("licence-two", "e2", "quick", limits=(("function licensed", 2),)),
    Shape("reel-1", "e1", "slow", limits=(("key reel 1", 1),)),
    Shape("reel-1-again", "e2", "quick", cpu=0.5, limits=(("function licensed", 2), ("key reel 1", 1))),
    Shape("impossible", "e1", "slow", cpu=50, memory=1e6),
]
SECONDS = {"quick": 0.002, "slow": 30.0, "part": 2.0}
PARTS = [
    Shape("part", "e1", "part", depth=1),
    Shape("part-memory", "e2", "slow", cpu=2, memory=30, depth=1),
    Shape("part-licence", "e1", "part", depth=1, limits=(("function licensed", 2),)),
]
DIMENSIONS = ("cpu", "memory", "scratch", "gpu")


class Books:
    """What each class holds of a model pool, counted anew from what runs on it."""

    def __init__(self, pool: Any, classes: Any) -> None:
        self.by_name = {one.name: one for one in classes}
        self.held = {one.name: dict.fromkeys(DIMENSIONS, 0.0) for one in classes}
        for slot in pool.slots.values():
            if slot.backlog and not slot.dying:
                ask = slot.backlog[0]
                holds = (
                    ("memory", "scratch") if slot.waiting else DIMENSIONS[1:] if slot.paused else DIMENSIONS
                )
                for name in holds:
                    of = pool.stamped.get(ask.id, pool.queue_of[ask.id].priority)
                    self.held[of][name] += self.need(of, ask.shape, name)

    def reserved(self, name: str, dimension: str) -> float:
        share = self.by_name[name].reserved_share * getattr(SIZE, dimension)
        return float(share // 1) if dimension == "gpu" else share

    def most(self, name: str, dimension: str) -> float:
        share = self.by_name[name].max_share * getattr(SIZE, dimension)
        return max(float(share // 1), 1.0) if dimension == "gpu" else share

    def need(self, name: str, shape: Shape, dimension: str) -> float:
        may = getattr(SIZE, dimension) - sum(
            self.reserved(other, dimension) for other in self.by_name if other != name
        )
        if dimension in ("cpu", "gpu"):
            may = min(may, self.most(name, dimension))
        return float(min(getattr(shape, dimension), may))

    def unused(self, dimension: str, *, but: str = "") -> float:
        """What is kept in one dimension and not in use."""
        return sum(
            max(self.reserved(one, dimension) - self.held[one][dimension], 0.0)
            for one in self.by_name
            if one != but
        )


class ShareMachine(RuleBasedStateMachine):
    """Everything that can happen to a pool with shares, limits and keys, in any order."""

    pool_type: type

    def __init__(self) -> None:
        super().__init__()
        machine = self

        class Pool(self.pool_type):  # type: ignore[misc, name-defined]
            def need(self, shape: Shape, name: str) -> float:
                return float(min(getattr(shape, name), getattr(SIZE, name)))

            def free(self) -> dict[str, float]:
                # One may begin beyond also beside those who work in what is kept for their class.
                return {name: max(left, 0.0) for name, left in super().free().items()}

            def _check(self, fresh: Any, _free: Any) -> None:
                machine.check(fresh)

        self.classes = CLASSES
        self.settled = True
        """The classes have not been changed since something began under others."""
        self.pool: Any = None
        pool = Pool(
            SIZE,
            seconds=SECONDS,
            classes=CLASSES,
            settings=SchedulerSettings(lease_window=8, waiting_limit=2),
        )
        pool.stamped = {}
        self.pool = pool
        self.waits: set[int] = set()

    def check(self, fresh: Any) -> None:
        """What must hold after every event."""
        if self.pool is None or any(slot.dying for slot in self.pool.slots.values()):
            return
        books = Books(self.pool, self.classes)
        self.check_limits()
        for name in books.by_name:
            starts = [ask for ask in fresh if self.pool.queue_of[ask.id].priority == name]
            for d in ("cpu", "gpu"):
                if self.settled or any(getattr(ask.shape, d) for ask in starts):
                    assert books.held[name][d] <= books.most(name, d) + 1e-6, (name, d)
        if self.settled:
            # Who waits for parts may let one of them begin beyond the memory that there is.
            for d in ("cpu", "gpu") if self.waits else DIMENSIONS:
                free = getattr(SIZE, d) - sum(held[d] for held in books.held.values())
                assert free >= books.unused(d) - 1e-6, f"{d} is not there for its class"

    def check_limits(self) -> None:
        """No more run under a name than may; who waits for parts lends all but its keys."""
        pool, busy = self.pool, Counter[str]()
        for slot in pool.slots.values():
            if slot.backlog:
                for name, _ in slot.backlog[0].shape.limits:
                    busy[name] += name.startswith("key ") or not slot.waiting
        for slot in pool.slots.values():
            if slot.backlog:
                assert all(busy[name] <= most for name, most in slot.backlog[0].shape.limits), busy

    @rule(
        priority=st.sampled_from([policy.name for policy in CLASSES]),
        show=st.sampled_from(["dune", "arrival"]),
        shape=st.sampled_from(SHAPES),
        count=st.integers(1, 12),
    )
    def submit(self, priority: Any, show: Any, shape: Any, count: Any) -> None:
        self.pool.submit(priority, show, shape, count)

    @precondition(lambda self: self.pool.pending)
    @rule(data=st.data())
    def an_answer_arrives(self, data: Any) -> None:
        self.pool.deliver(data.draw(st.integers(0, len(self.pool.pending) - 1)))

    @precondition(lambda self: any(s.computes for s in self.pool.slots.values()))
    @rule(data=st.data(), state=st.sampled_from([State.succeeded] * 3 + [State.failed]))
    def an_attempt_finishes(self, data: Any, state: Any) -> None:
        number = data.draw(st.sampled_from(sorted(n for n, s in self.pool.slots.items() if s.computes)))
        self.pool.now += SECONDS[self.pool.slots[number].backlog[0].shape.function]
        self.pool.finish(number, state)

    @precondition(lambda self: any(s.computes for s in self.pool.slots.values()))
    @rule(data=st.data(), shape=st.sampled_from(PARTS), count=st.integers(1, 3))
    def an_attempt_waits_for_parts(self, data: Any, shape: Any, count: Any) -> None:
        able = [
            n
            for n, s in self.pool.slots.items()
            if s.computes and s.backlog[0].shape.depth < shape.depth and s.backlog[0].id not in self.waits
        ]
        if able:
            number = data.draw(st.sampled_from(sorted(able)))
            self.waits.add(self.pool.slots[number].backlog[0].id)
            self.pool.wait_for_parts(number, *[shape] * count)

    @precondition(lambda self: self.pool.slots)
    @rule(data=st.data(), lost_first=st.booleans())
    def a_slot_dies(self, data: Any, lost_first: Any) -> None:
        self.pool.kill(data.draw(st.sampled_from(sorted(self.pool.slots))), lost_first=lost_first)

    @rule(seconds=st.sampled_from([0.2, 5.0, 60.0, 150.0]))
    def time_passes(self, seconds: Any) -> None:
        self.pool.tick(seconds)

    @rule(paused=st.booleans())
    def somebody_pauses_or_resumes(self, paused: Any) -> None:
        self.pool.do(Paused(paused))

    @precondition(lambda self: self.pool.leased)
    @rule(data=st.data())
    def somebody_cancels(self, data: Any) -> None:
        waiting = st.sampled_from(sorted(self.pool.leased))
        self.pool.withdraw(data.draw(st.lists(waiting, max_size=5, unique=True)))

    @rule(barred=st.booleans(), show=st.sampled_from(["dune", "arrival"]))
    def a_show_has_used_its_hours(self, barred: Any, show: Any) -> None:
        self.pool.do(Barred(QueueKey("urgent", show), "its hours are used up" if barred else ""))

    @rule(classes=st.sampled_from([CLASSES, OTHERS]))
    def somebody_changes_the_classes(self, classes: Any) -> None:
        self.settled = self.settled and (classes is self.classes or not self.pool.running())
        self.classes = classes
        self.pool.do(Reclassed(classes))

    @invariant()
    def everything_can_be_explained(self) -> None:
        for id_ in list(self.pool.leased)[:3] + self.pool.running()[:3]:
            assert "not in the pool's hands" not in self.pool.scheduler.explain(id_, self.pool.now)

    @invariant()
    def what_is_kept_for_a_class_is_given_to_it_at_once(self) -> None:
        """In hand, small enough, nothing of its class before it, a warm slot: then it runs."""
        pool = self.pool
        if pool.paused or pool.pending or pool.resting or self.waits or not self.settled:
            return
        books = Books(pool, self.classes)
        for name, policy in books.by_name.items():
            if not policy.reserved_share:
                continue
            waiting = [ask for ask in pool.leased.values() if pool.queue_of[ask.id].priority == name]
            simple = [ask for ask in waiting if not ask.shape.limits and ask.shape.max_slots is None]
            barred = any(pool.queue_of[ask.id] in pool.scheduler._waiting.bars for ask in waiting)
            if not simple or barred or len(simple) != len(waiting):
                continue
            own = {d: books.reserved(name, d) - books.held[name][d] for d in DIMENSIONS}
            fits = [
                all(books.need(name, ask.shape, d) <= own[d] + 1e-6 for d in DIMENSIONS if d != "scratch")
                for ask in simple
            ]
            assert not all(fits), f"{simple} wait for what is kept for {name}"

    def teardown(self) -> None:
        """Then everything that was ever submitted ends, exactly once, and nothing is left."""
        pool = self.pool
        for show in ("dune", "arrival"):
            pool.do(Barred(QueueKey("urgent", show)))
        pool.do(Paused(paused=False))
        pool.run()
        assert set(pool.ended) == set(pool.queue_of), "every invocation ends"
        view = pool.scheduler.snapshot()
        assert view.free == view.capacity
        assert all(not any(pool.scheduler._waiting.shares.held(one.name)) for one in self.classes)


def run_machine(model_pool: Any, examples: int) -> None:
    class Machine(ShareMachine):
        pool_type = model_pool

    how = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Machine, settings=how)


def test_shares_limits_and_keys_hold_whatever_happens_in_whatever_order(model_pool: Any) -> None:
    run_machine(model_pool, 60)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_shares_limits_and_keys_hold_whatever_happens_in_whatever_order_at_length(model_pool: Any) -> None:
    run_machine(model_pool, 3000)
