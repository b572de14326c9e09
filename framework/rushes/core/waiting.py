"""The asks in the pool's hands that have not started, and when to take more of them from outside.

Of each queue at most a window of asks is in hand; the rest waits outside (the journal, SQS), so a million
waiting invocations cost a number. This module must not know slots, and starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rushes.core.commands import Command, Lease
from rushes.core.events import Ask, ClassPolicy, QueueKey, Shape
from rushes.core.ordering import Lane, Level, Queue
from rushes.core.packing import Room

__all__ = ["Waiting"]

# Asks of batches that have all the slots they may have do not count towards the window, else they would
# keep everything behind them outside; but they may fill no more than this many windows.
MOST_WINDOWS = 4


class Waiting:
    """Levels, queues and lanes of one pool, and who is in which."""

    __slots__ = ("_classes", "_parked", "_room", "_window", "cpuless", "levels", "queues", "where")

    def __init__(self, classes: Sequence[ClassPolicy], room: Room, window: int) -> None:
        if not classes:
            raise ValueError("a pool needs at least one priority class")
        ranks = sorted({policy.rank for policy in classes})
        self.levels = [Level() for _ in ranks]
        self._classes = {policy.name: (policy, ranks.index(policy.rank)) for policy in classes}
        self._room = room
        self._window = window
        self._parked: dict[str, list[Lane]] = {}  # by batch
        self.queues: dict[QueueKey, Queue] = {}
        self.where: dict[int, Lane] = {}  # by id, of all asks in hand: waiting, or given to a slot
        self.cpuless = 0  # lanes that need no cpu: while there are any, a pass may not end when cpu is out

    # -- in -------------------------------------------------------------------------------------------

    def policy(self, key: QueueKey) -> ClassPolicy:
        """The class of a queue; one that nobody knows goes last rather than nowhere."""
        return self._class(key)[0]

    def _class(self, key: QueueKey) -> tuple[ClassPolicy, int]:
        return self._classes.get(key.priority) or max(self._classes.values(), key=lambda c: c[1])

    def queue(self, key: QueueKey) -> Queue:
        queue = self.queues.get(key)
        if queue is None:
            policy, rank = self._class(key)
            above = self.levels[max(rank - 1, 0)]
            queue = self.queues[key] = Queue(key, self.levels[rank], above, policy.ageing_s)
        return queue

    def receive(self, queue: Queue, asks: Iterable[Ask], now: float) -> None:
        """Put leased asks into their lanes; those already in hand are left as they are."""
        where = self.where
        aged_before = now - queue.ageing_s
        touched: dict[Lane, None] = {}
        shape: Shape | None = None
        aged = False
        for ask in asks:
            if ask[0] in where:
                continue
            if ask[3] is not shape or (ask[2] <= aged_before) is not aged:
                shape = ask[3]
                aged = ask[2] <= aged_before
                lane = self._lane(queue, shape, queue.aged if aged else queue.level)
                lane.flow.wake()
                touched[lane] = None
                add = lane.add
            where[ask[0]] = lane
            add(ask)
            queue.in_hand += 1
            if lane.parked:
                queue.parked += 1
        for lane in touched:
            lane.stand()

    def put_back(self, origin: Lane, asks: Sequence[Ask], key: QueueKey) -> None:
        """Asks that were given to a slot and have not started stand in line again.

        Args:
            origin: the lane that they came from.
            asks: they.
            key: their queue now: a person may have given their batch another class since.
        """
        queue = self.queue(key)
        lane = self._lane(queue, origin.shape, origin.flow.level if key == origin.queue.key else queue.level)
        for ask in asks:
            self.where[ask[0]] = lane
            lane.add(ask)
        queue.in_hand += len(asks)
        if lane.parked:
            queue.parked += len(asks)
        lane.stand()

    def _lane(self, queue: Queue, shape: Shape, level: Level) -> Lane:
        show = queue.key.show
        policy = self._classes.get(queue.key.priority)
        flow = level.flow(show, max(policy[0].weights.get(show, 1.0), 1e-6) if policy else 1.0)
        lane = flow.by_shape.get((queue.key, shape))
        if lane is None:
            lane = Lane(flow, queue, shape, self._room.need_of(shape))
            flow.by_shape[queue.key, shape] = lane
            queue.lanes[lane] = None
            self.cpuless += not lane.need[0]
        return lane

    def resize(self) -> None:
        """The pool has another size: what lanes need is clamped to that."""
        for queue in self.queues.values():
            for lane in queue.lanes:
                lane.need = self._room.need_of(lane.shape)

    # -- out ------------------------------------------------------------------------------------------

    def take(self, lane: Lane, count: int) -> list[Ask]:
        """The first `count` of a lane; they stay in hand until `forget`."""
        waiting = lane.asks
        taken = [waiting.popleft() for _ in range(count)]
        lane.queue.in_hand -= count
        if not waiting:
            lane.oldest = float("inf")
        return taken

    def withdraw(self, ids: Iterable[int]) -> list[int]:
        """Forget those of `ids` that wait; the ids in hand that do not, since a slot was given them."""
        by_lane: dict[Lane, set[int]] = {}
        for id_ in ids:
            lane = self.where.get(id_)
            if lane is not None:
                by_lane.setdefault(lane, set()).add(id_)
        given: list[int] = []
        for lane, wanted in by_lane.items():
            gone = wanted.intersection(ask[0] for ask in lane.asks)
            given.extend(sorted(wanted - gone))
            if gone:
                kept = [ask for ask in lane.asks if ask[0] not in gone]
                lane.asks.clear()
                lane.asks.extend(kept)
                for id_ in gone:
                    del self.where[id_]
                lane.queue.in_hand -= len(gone)
                if lane.parked:
                    lane.queue.parked -= len(gone)
                lane.stand()
                self.tidy(lane)
        return given

    def tidy(self, lane: Lane) -> None:
        """Forget a lane that neither waits nor runs."""
        if lane.asks or lane.slots or lane not in lane.queue.lanes:
            return
        if lane.parked:
            self._parked[lane.shape.batch].remove(lane)
        lane.flow.lanes.drop(lane)
        lane.flow.stand()
        del lane.flow.by_shape[lane.queue.key, lane.shape]
        del lane.queue.lanes[lane]
        self.cpuless -= not lane.need[0]

    # -- batches that have all the slots that they may have ---------------------------------------------

    def park(self, lane: Lane) -> None:
        """The lane's batch has all its slots: it stands in no line until one of them is free."""
        lane.parked = True
        lane.queue.parked += len(lane.asks)
        self._parked.setdefault(lane.shape.batch, []).append(lane)
        lane.stand()

    def unpark(self, batch: str) -> None:
        for lane in self._parked.pop(batch, ()):
            lane.parked = False
            lane.queue.parked -= len(lane.asks)
            lane.queue.stale = False
            lane.stand()

    # -- time -------------------------------------------------------------------------------------------

    def age(self, now: float) -> None:
        """Move what has waited past its class's bound to the level above."""
        for queue in self.queues.values():
            if queue.aged is queue.level or not queue.in_hand:
                continue
            aged_before = now - queue.ageing_s
            for lane in [x for x in queue.lanes if x.oldest <= aged_before and x.flow.level is queue.level]:
                self._age_lane(lane, aged_before)

    def _age_lane(self, lane: Lane, aged_before: float) -> None:
        queue = lane.queue
        old = [ask for ask in lane.asks if ask[2] <= aged_before]
        young = [ask for ask in lane.asks if ask[2] > aged_before]
        lane.asks.clear()
        lane.asks.extend(young)
        lane.oldest = min((ask[2] for ask in young), default=float("inf"))
        if not old:
            return
        if lane.parked:
            queue.parked -= len(old)
        lane.stand()
        above = self._lane(queue, lane.shape, queue.aged)
        above.flow.wake()
        for ask in old:
            above.add(ask)
            self.where[ask[0]] = above
        if above.parked:
            queue.parked += len(old)
        above.stand()
        self.tidy(lane)

    def forget_idle(self) -> None:
        """Forget shows and queues that have nothing here and nothing outside."""
        for level in self.levels:
            level.forget_idle()
        for key in [
            k for k, q in self.queues.items() if not (q.lanes or q.outside or q.leasing or q.in_hand)
        ]:
            del self.queues[key]

    # -- leases -----------------------------------------------------------------------------------------

    def lease(self, queue: Queue, out: list[Command]) -> None:
        """Ask for more of a queue when less than half of its window is in hand; once at a time."""
        if queue.leasing or queue.stale or queue.outside <= 0:
            return
        startable = queue.in_hand - queue.parked
        if 2 * startable >= self._window or queue.in_hand >= MOST_WINDOWS * self._window:
            return
        without: tuple[str, ...] = ()
        if queue.parked:
            without = tuple(sorted({lane.shape.batch for lane in queue.lanes if lane.parked and lane.asks}))
        queue.leasing = True
        queue.news = 0
        out.append(Lease(queue.key, min(self._window - startable, queue.outside), without))
