"""A pool without machines: it does what the scheduler commands, on a fake clock, and watches it.

`ModelPool` plays the journal (what waits outside), the slots, and time. Answers to commands do not come at
once: they wait in `pending` until the test delivers them, in whatever order it likes. After every event it
checks what must always hold; a broken promise raises AssertionError where it was broken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from rushes.core.commands import (
    CloseSlot,
    Command,
    GiveBack,
    GoOn,
    Lease,
    OpenSlot,
    Pause,
    Recall,
    Release,
    Resume,
    Start,
)
from rushes.core.events import (
    Ask,
    AttemptFinished,
    Capacity,
    ClassPolicy,
    Event,
    InvocationEnded,
    Leased,
    Paused,
    Queued,
    QueueKey,
    Resized,
    Returned,
    Shape,
    SlotLost,
    SlotReady,
    Tick,
    Waits,
    Withdrawn,
    Woken,
)
from rushes.core.ordering import order_of
from rushes.core.policy import DEFAULT_CLASSES, SchedulerSettings
from rushes.core.purse import Purse
from rushes.core.scheduler import Scheduler
from rushes.core.states import State

DIMENSIONS = ("cpu", "memory", "scratch", "gpu")


@dataclass
class ModelSlot:
    """What a slot process would know."""

    environment: str
    ready: bool = False
    dying: bool = False
    waiting: bool = False
    """Its attempt waits for parts of its own."""
    has_waited: bool = False
    paused: bool = False
    backlog: list[Ask] = field(default_factory=list)

    @property
    def computes(self) -> bool:
        return bool(self.backlog) and not self.waiting and not self.paused


@dataclass(frozen=True)
class GivenBack:
    """An attempt has ended because it was told to give its place back."""

    slot: int
    id: int


class ModelPool:
    """A worker without machines.

    Args:
        seconds: run time by function; what is not named takes one second.
    """

    def __init__(
        self,
        capacity: Capacity,
        *,
        seconds: dict[str, float] | None = None,
        classes: Sequence[ClassPolicy] = DEFAULT_CLASSES,
        settings: SchedulerSettings | None = None,
        purse: Purse | None = None,
    ) -> None:
        self.capacity = capacity
        self.settings = settings or SchedulerSettings()
        self.scheduler = Scheduler(capacity, classes, self.settings, purse)
        self.ranks = {policy.name: policy.rank for policy in classes}
        self.ageing = {policy.name: policy.ageing_s for policy in classes}
        self.seconds = seconds or {}
        self.now = 1000.0
        self.paused = False
        self.outside: dict[QueueKey, list[Ask]] = defaultdict(list)
        self.queue_of: dict[int, QueueKey] = {}
        self.leased: dict[int, Ask] = {}  # in the scheduler's hands, not given to a slot
        self.aged: set[int] = set()
        self.slots: dict[int, ModelSlot] = {}
        self.pending: list[Event | GivenBack] = []
        self.times_paused: Counter[int] = Counter()
        self.given_back: Counter[int] = Counter()
        self.ended_paused: set[int] = set()
        self.awaited: dict[int, float] = {}  # by id: since when it is let finish
        self.unanswered: set[QueueKey] = set()
        self.resting: set[str] = set()
        self.starts: Counter[int] = Counter()
        self.excused: Counter[int] = Counter()  # returned, or to be tried again: may start once more
        self.ended: dict[int, State] = {}
        self.released: list[Release] = []
        self.commands: list[Command] = []  # all of the last event
        self.started: list[int] = []  # in order, over all events
        self.parts: dict[int, set[int]] = {}  # of those who wait: what has not ended
        self.mappers: set[str] = set()  # functions that have waited
        self.woken: set[int] = set()
        self.most_waiting = 0
        self.beyond = dict.fromkeys(DIMENSIONS, 0.0)  # what ran beyond the capacity when that shrank, below 0
        self.late = False
        """Whether those who waited hear of it after others may have begun."""
        self.served_at: dict[QueueKey, float] = {}
        self.served: dict[str, float] = defaultdict(float)  # cpu-seconds by show
        self._next = 1

    # -- what a test does ------------------------------------------------------------------------------

    def submit(
        self,
        priority: str,
        show: str,
        shape: Shape,
        count: int = 1,
        *,
        order: int | None = None,
        queued_at: float | None = None,
    ) -> list[int]:
        """Queue `count` invocations; their ids."""
        key = QueueKey(priority, show)
        ids = list(range(self._next, self._next + count))
        self._next += count
        at = self.now if queued_at is None else queued_at
        for id_ in ids:
            self.queue_of[id_] = key
            self.outside[key].append(Ask(id_, order_of(None, at) if order is None else order, at, shape))
        self.outside[key].sort(key=lambda ask: (ask.order, ask.id))
        self.do(Queued(key, count))
        return ids

    def wait_for_parts(self, number: int, *parts: Shape) -> list[int]:
        """The attempt on a slot submits parts, in its own queue and place in line, and waits for them."""
        slot = self.slots[number]
        ask = slot.backlog[0]
        queue = self.queue_of[ask.id]
        ids = [
            id_
            for shape in parts
            for id_ in self.submit(
                queue.priority, queue.show, shape, order=ask.order - 1, queued_at=ask.queued_at
            )
        ]
        self.parts[ask.id] = set(ids)
        slot.waiting = slot.has_waited = True
        self.mappers.add(ask.shape.function)
        self.do(Waits(number, ask.id))
        return ids

    def do(self, event: Event) -> list[Command]:
        """Hand the scheduler an event, carry out its commands, check everything."""
        free_before = self.free()
        if isinstance(event, Tick | Leased):
            self._note_age(event)
        if isinstance(event, Paused):
            self.paused = event.paused
        if isinstance(event, Resized):
            self.capacity = event.capacity
            free_before = self.free()
            self.beyond = {name: min(left, 0.0) for name, left in free_before.items()}
        self.commands = self.scheduler.handle(event, self.now)
        fresh: list[Ask] = []
        for command in self.commands:
            fresh += self._carry_out(command)
        self._check(fresh, free_before)
        return self.commands

    def deliver(self, index: int = 0) -> None:
        """Let one of the pending answers arrive."""
        event = self.pending.pop(index)
        if isinstance(event, Leased):
            self.unanswered.discard(event.queue)
            for ask in event.asks:
                self.leased[ask.id] = ask
                self.aged.discard(ask.id)  # it may come back to a queue that is served
        elif isinstance(event, SlotReady):
            slot = self.slots.get(event.slot)
            if slot is not None:
                slot.ready = True
                self.resting.discard(slot.environment)
        elif isinstance(event, GivenBack):
            slot = self.slots.get(event.slot)
            if slot is not None and slot.backlog and slot.backlog[0].id == event.id:
                self.given_back[event.id] += 1
                self.finish(event.slot, State.queued, 0.5)
            return
        elif isinstance(event, Returned):
            slot = self.slots.get(event.slot)
            if slot is None:
                return  # it died meanwhile, and has reported all that it had
            back, slot.backlog = slot.backlog[1:], slot.backlog[:1]
            event = Returned(event.slot, tuple(ask.id for ask in back))
            self._take_back(back)
        self.do(event)

    def deliver_all(self) -> None:
        while self.pending:
            self.deliver()

    def finish(self, number: int, state: State = State.succeeded, seconds: float | None = None) -> int:
        """The first invocation of a slot's backlog ends (or is to be tried again); its id."""
        slot = self.slots[number]
        if state.ended:
            self._tell_parents(slot.backlog[0].id)
        ask = slot.backlog.pop(0)
        if slot.paused:
            self.ended_paused.add(ask.id)  # it ended before the pause reached it
        took = self.seconds.get(ask.shape.function, 1.0) if seconds is None else seconds
        self.served[self.queue_of[ask.id].show] += took * min(ask.shape.cpu, self.capacity.cpu)
        slot.waiting = False
        slot.has_waited = slot.has_waited and bool(slot.backlog)
        self._close_books(ask, state)
        self.do(AttemptFinished(number, ask.id, state, took))
        if not state.ended:
            self._requeue(ask)
        return ask.id

    def kill(self, number: int, *, lost_first: bool = True) -> None:
        """A slot dies: its first invocation is to be tried again, the others come back."""
        slot = self.slots[number]
        if not slot.ready:
            self.resting.add(slot.environment)
            self.pending = [e for e in self.pending if e != SlotReady(number)]
        slot.dying = True
        slot.paused = False
        slot.waiting = False  # it counts towards no limit until all that it had is reported
        had, slot.backlog = slot.backlog, []
        if lost_first:
            del self.slots[number]
            self.do(SlotLost(number))
        if had:
            self._close_books(had[0], State.queued)
            self.do(AttemptFinished(number, had[0].id, State.queued, 0.1))
        if had[1:]:
            self._take_back(had[1:])
            self.do(Returned(number, tuple(ask.id for ask in had[1:])))
        if not lost_first:
            given_since = slot.backlog
            self.slots.pop(number, None)  # it may have been closed meanwhile, for nothing waited for it
            self.do(SlotLost(number))
            if given_since:
                self._take_back(given_since)
                self.do(Returned(number, tuple(ask.id for ask in given_since)))
        if had:
            self._requeue(had[0])

    def withdraw(self, ids: Iterable[int]) -> None:
        """Cancel what has not been given to a slot."""
        gone = [id_ for id_ in ids if id_ in self.leased]
        for id_ in gone:
            self._tell_parents(id_)
        for id_ in gone:
            del self.leased[id_]
            self.ended[id_] = State.cancelled
        self.do(Withdrawn(gone))

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.do(Tick())

    def run(self, most: int = 100_000) -> None:
        """Let time pass until nothing is left to do: every run takes what `seconds` says."""
        ends: dict[int, tuple[int, float]] = {}  # by slot: the id, when it ends
        for _ in range(most):
            self.deliver_all()
            ends = {number: end for number, end in ends.items() if number in self.slots}
            for number, slot in self.slots.items():
                if not slot.backlog or slot.waiting or slot.paused:
                    ends.pop(number, None)
                elif ends.get(number, (0, 0.0))[0] != slot.backlog[0].id:
                    ask = slot.backlog[0]
                    ends[number] = (ask.id, self.now + self.seconds.get(ask.shape.function, 1.0))
            if not ends:
                waiting = any(slot.waiting or slot.paused for slot in self.slots.values())
                if not self.leased and not any(self.outside.values()) and not waiting:
                    return
                self.tick()
                continue
            number = min(ends, key=lambda n: (ends[n][1], n))
            id_, until = ends.pop(number)
            if self.now + 1.0 < until:  # a few ticks stand for many
                for _ in range(3):
                    self.tick((until - self.now) / 2)
            self.now = max(self.now, until)
            if self._still_runs(number, id_):
                self.finish(number)
        raise AssertionError(f"{len(self.leased)} asks in hand never ran: {self.scheduler.snapshot()}")

    def _still_runs(self, number: int, id_: int) -> bool:
        """No tick has taken it off its slot meanwhile, or stopped it there."""
        slot = self.slots.get(number)
        here = slot is not None and bool(slot.backlog) and slot.backlog[0].id == id_
        return here and slot is not None and not slot.paused and not slot.waiting

    # -- what it watches -------------------------------------------------------------------------------

    def free(self) -> dict[str, float]:
        """What is left of the capacity by what really runs."""
        left = {name: getattr(self.capacity, name) for name in DIMENSIONS}
        for slot in self.slots.values():
            if slot.backlog:
                paused = tuple(name for name in DIMENSIONS if name != "cpu")
                held = ("memory", "scratch") if slot.waiting else paused if slot.paused else DIMENSIONS
                for name in held:
                    left[name] -= self.need(slot.backlog[0].shape, name)
        return left

    def outside_ids(self, queue: QueueKey) -> list[int]:
        return [ask.id for ask in self.outside[queue]]

    def waiting_at(self, depth: int) -> int:
        return sum(1 for s in self.slots.values() if s.waiting and s.backlog[0].shape.depth == depth)

    def need(self, shape: Shape, name: str) -> float:
        least = 0.001 if name == "cpu" else 0.0  # without a core nothing starts that needs any
        return float(min(getattr(shape, name), max(getattr(self.capacity, name), least)))

    def busy_of(self, batch: str) -> int:
        return sum(1 for slot in self.slots.values() if slot.backlog and slot.backlog[0].shape.batch == batch)

    def rank(self, id_: int) -> int:
        rank = self.ranks[self.queue_of[id_].priority]
        return max(rank - 1, 0) if id_ in self.aged else rank

    def running(self) -> list[int]:
        return [slot.backlog[0].id for slot in self.slots.values() if slot.backlog]

    def _note_age(self, event: Tick | Leased) -> None:
        asks = self.leased.values() if isinstance(event, Tick) else event.asks
        for ask in asks:
            queue = self.queue_of[ask.id]
            since = max(ask.queued_at, self.served_at.get(queue, 0.0))
            if since <= self.now - self.ageing[queue.priority]:
                self.aged.add(ask.id)

    def _carry_out(self, command: Command) -> list[Ask]:
        match command:
            case Lease(queue, count, without):
                assert queue not in self.unanswered, "one lease at a time"
                assert not self.paused, "a paused pool leases nothing"
                assert count > 0
                self.unanswered.add(queue)
                waiting = self.outside[queue]
                taken = [ask for ask in waiting if ask.shape.batch not in without][:count]
                self.outside[queue] = [ask for ask in waiting if ask not in taken]
                self.pending.append(Leased(queue, tuple(taken), len(self.outside[queue])))
            case OpenSlot(slot, environment):
                assert slot not in self.slots, "a slot's number is used once"
                self.slots[slot] = ModelSlot(environment)
                self.pending.append(SlotReady(slot))
            case CloseSlot(slot):
                closed = self.slots.pop(slot)
                assert closed.ready, "only idle slots are closed"
                assert not closed.backlog, "only idle slots are closed"
            case Start(slot, ids):
                return self._start(slot, ids)
            case GoOn(slot, id_):
                self._go_on(slot, id_)
            case Pause() | Resume() | GiveBack():
                self._stand_aside(command)
            case Recall(slot):
                assert slot in self.slots
                self.pending.append(Returned(slot, ()))
            case Release():
                self.released.append(command)
        return []

    def _stand_aside(self, command: Pause | Resume | GiveBack) -> None:
        slot, id_ = self.slots[command.slot], command.id
        policy = self.settings.displacement
        if policy is not None and not isinstance(command, Resume):
            since = self.awaited.get(id_, -1e9)
            assert self.now - since >= policy.near_s - 1e-6, "who is let finish is left alone for so long"
        if isinstance(command, Pause):
            self._pause_run(command.slot, id_)
        elif isinstance(command, Resume):
            assert slot.paused or slot.dying, "only who is paused resumes"
            assert slot.dying or id_ in self.ended_paused or slot.backlog[0].id == id_
            slot.paused = False
        else:
            assert slot.backlog[0].id == id_
            self.pending.append(GivenBack(command.slot, id_))

    def _pause_run(self, number: int, id_: int) -> None:
        slot = self.slots[number]
        assert slot.backlog[0].id == id_, "who runs is paused"
        assert not slot.paused, "once"
        assert not slot.waiting, "who waits computes nothing"
        slot.paused = slot.has_waited = True
        self.times_paused[id_] += 1

    def _go_on(self, number: int, id_: int) -> None:
        slot = self.slots[number]
        assert slot.waiting, "only who waits goes on"
        assert slot.backlog[0].id == id_
        assert id_ in self.woken, "its parts have ended"
        assert not self.parts.get(id_)
        self.woken.discard(id_)
        self.parts.pop(id_, None)
        slot.waiting = False

    def _start(self, number: int, ids: Sequence[int]) -> list[Ask]:
        assert not self.paused, "a paused pool starts nothing"
        slot = self.slots[number]
        assert slot.ready, "a slot takes nothing before it is ready"
        assert ids, "a start starts something"
        asks = [self.leased.pop(id_) for id_ in ids]  # KeyError: not in hand, or given twice
        for ask in asks:
            assert ask.shape.environment == slot.environment
            assert ask.id not in self.ended, "nothing starts after its end"
            self.starts[ask.id] += 1
            self.served_at[self.queue_of[ask.id]] = self.now
            self.started.append(ask.id)
            assert self.starts[ask.id] <= 1 + self.excused[ask.id], "started once"
        slot.backlog += asks
        assert len({ask.shape for ask in slot.backlog}) == 1, "a backlog has one shape"
        assert len(slot.backlog) <= self.settings.micro_batch_max
        for name in ("memory", "scratch"):
            if self.free()[name] < self.beyond[name] - 1e-6 and self.need(asks[0].shape, name) > 0:
                others = [
                    n
                    for n, s in self.slots.items()
                    if n != number and s.backlog and not s.waiting and self.need(s.backlog[0].shape, name) > 0
                ]
                assert not others, "one at a time begins beyond what there is"
        depth = asks[0].shape.depth
        if asks[0].shape.function in self.mappers:
            assert self.waiting_at(depth) < self.settings.waiting_limit, "no more than so many wait"
        limit = asks[0].shape.max_slots
        assert limit is None or self.busy_of(asks[0].shape.batch) <= limit, "max_slots holds"
        return asks

    def _note_awaited(self) -> None:
        found = {id_: self.scheduler.swarms.stands(id_) for id_ in self.running()}
        for id_, aside in found.items():
            if aside is not None and aside[1].how == "await":
                self.awaited.setdefault(id_, self.now)
        self.awaited = {id_: since for id_, since in self.awaited.items() if id_ in found}

    def _check(self, fresh: list[Ask], free_before: dict[str, float]) -> None:
        self._note_awaited()
        free = self.free()
        self._check_size(fresh, free)
        self.most_waiting = max(self.most_waiting, sum(slot.waiting for slot in self.slots.values()))
        if not self.most_waiting:
            assert all(free[name] >= self.beyond[name] - 1e-6 for name in free), f"over capacity: {free}"
        limit = self.settings.slot_limit
        counted = sum(not slot.has_waited for slot in self.slots.values())
        idle = any(slot.ready and not slot.backlog and not slot.dying for slot in self.slots.values())
        assert counted <= (max(int(self.capacity.cpu), 1) + 2 if limit is None else limit) or not idle
        if self.paused or not self.leased or any(slot.dying for slot in self.slots.values()):
            return
        eligible = [
            ask
            for ask in self.leased.values()
            if ask.shape.environment not in self.resting
            and not self.is_short(ask)
            and (ask.shape.max_slots is None or self.busy_of(ask.shape.batch) < ask.shape.max_slots)
            and not (
                ask.shape.function in self.mappers
                and self.waiting_at(ask.shape.depth) >= self.settings.waiting_limit
            )
        ]
        if not eligible:
            return
        warm = {slot.environment for slot in self.slots.values() if slot.ready and not slot.backlog}

        def could_start(ask: Ask) -> bool:
            return ask.shape.environment in warm and all(
                self.need(ask.shape, name) <= free[name] + 1e-6 for name in DIMENSIONS
            )

        # Work conserving, and no inversion: whoever is first in order has claims on it by nobody, so if all
        # of the best rank could start, the first of them would have.
        best = min(self.rank(ask.id) for ask in eligible)
        # (An environment that rests after a death may be back at any time, and then has claims again; who
        # is to go on has claims too, after its parts or a pause.)
        uncertain = (
            any(
                ask.shape.environment in self.resting and self.rank(ask.id) <= best
                for ask in self.leased.values()
            )
            or bool(self.woken)
            or any(slot.paused and self.rank(slot.backlog[0].id) <= best for slot in self.slots.values())
        )
        assert uncertain or not all(could_start(ask) for ask in eligible if self.rank(ask.id) == best), (
            "idle for nothing"
        )
        self._check_inversions(fresh, eligible, free)

    def _check_inversions(self, fresh: list[Ask], eligible: list[Ask], free: dict[str, float]) -> None:
        # No inversion through packing: nobody took a part of what somebody better lacks. What was paused went
        # on after they had started, and may take what it likes of what is kept for work that lacks memory.
        went_on = any(isinstance(command, GoOn) for command in self.commands)
        for command in self.commands:
            slot = self.slots.get(command.slot) if isinstance(command, Resume) else None
            if slot is not None and slot.backlog:
                free["cpu"] += self.need(slot.backlog[0].shape, "cpu")
        for ask in fresh:
            for other in eligible:
                if self.rank(other.id) >= self.rank(ask.id):
                    continue
                if other.shape.function in self.mappers and (self.waiting_at(other.shape.depth) or went_on):
                    continue  # it may be barred, or was until one of those went on, and claims nothing then
                for name in DIMENSIONS:
                    lacking = self.need(other.shape, name) > max(free[name], 0.0) + 1e-6
                    assert not (lacking and self.need(ask.shape, name) > 0), (
                        f"{ask} took {name} that {other} waits for"
                    )

    def _check_size(self, fresh: list[Ask], free: dict[str, float]) -> None:
        for name, left in self.beyond.items():  # what has drained is not made up for
            self.beyond[name] = min(max(left, free[name]), 0.0)
        for name in ("cpu", "gpu"):
            assert free[name] >= self.beyond[name] - 1e-6, f"over capacity: {free}"
            for ask in fresh:
                assert not self.need(ask.shape, name) or free[name] > -1e-6, f"{ask} started beyond: {free}"

    def is_short(self, ask: Ask) -> bool:
        """Whether it cannot start for want of money."""
        return any(ask in lane.asks for lane in self.scheduler.purse.shortage.lanes)

    def _close_books(self, ask: Ask, state: State) -> None:
        self.parts.pop(ask.id, None)
        self.woken.discard(ask.id)
        self.pending = [e for e in self.pending if not (isinstance(e, Woken) and e.id == ask.id)]
        if state.ended:
            assert ask.id not in self.ended, "ends once"
            self.ended[ask.id] = state
        else:
            self.excused[ask.id] += 1

    def _tell_parents(self, id_: int) -> None:
        """Whoever waited for this part alone wants to go on."""
        for parent, parts in list(self.parts.items()):
            parts.discard(id_)
            if not parts and parent not in self.woken:
                for number, slot in list(self.slots.items()):
                    if slot.waiting and slot.backlog[0].id == parent:
                        self.woken.add(parent)
                        if self.late:
                            self.pending.append(Woken(number, parent))
                        else:  # before its core is given to somebody else
                            self.do(Woken(number, parent))

    def _requeue(self, ask: Ask) -> None:
        key = self.queue_of[ask.id]
        self.outside[key].append(ask)
        self.outside[key].sort(key=lambda a: (a.order, a.id))
        self.do(Queued(key, 1))

    def _take_back(self, asks: Iterable[Ask]) -> None:
        for ask in asks:
            self.leased[ask.id] = ask
            self.excused[ask.id] += 1

    def end(self, id_: int, state: State) -> None:
        """Something that others may depend on has ended."""
        self.do(InvocationEnded(id_, state))


@pytest.fixture(scope="session")
def model_pool() -> type[ModelPool]:
    return ModelPool
