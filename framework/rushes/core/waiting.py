"""The asks in the pool's hands that have not started: in which line each stands.

When more of them are taken from outside is `leasing`. This module must not know slots, and starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rushes.core.commands import Command
from rushes.core.events import Ask, ClassPolicy, QueueKey, Shape
from rushes.core.leasing import Leasing
from rushes.core.limits import class_limit
from rushes.core.ordering import Lane, Level, PoolQueue
from rushes.core.packing import MILLI, Need, Room
from rushes.core.ranks import Ranks
from rushes.core.shares import Shares

__all__ = ["Waiting"]

# A pass over all lanes looks for old work no later than this before some of it may be due: sums of times are
# not exact to the last digit.
_MARGIN_S = 1e-3

# Shows that owe are looked at again so many times less often: that they do not any more changes nothing.
ROUNDS = 16


class Waiting:
    """Levels, queues and lanes of one pool, and who is in which."""

    __slots__ = (
        "_age_at", "_burst_s", "_parked", "_room", "_rounds", "_untidy", "bars", "cpuless", "leasing",
        "levels", "queues", "ranks", "shares", "where",
    )  # fmt: skip

    def __init__(self, classes: Sequence[ClassPolicy], room: Room, window: int, burst_s: float = 0.0) -> None:
        self._room = room
        self._burst_s = burst_s
        self._rank(classes)
        self.shares = Shares(classes, room.capacity)
        self.bars: dict[QueueKey, str] = {}  # of which nothing starts, and why
        self.leasing = Leasing(window)
        self._parked: dict[str, list[Lane]] = {}  # by the name that each waits on
        self.queues: dict[QueueKey, PoolQueue] = {}
        self.where: dict[int, Lane] = {}  # by id, of all asks in hand: waiting, or given to a slot
        # What a tick need not look for among all queues: nothing ages before this; something may be idle.
        self._age_at = float("inf")
        self._untidy = False
        self._rounds = 0  # calls of `forget_idle` until those are looked at again that owed the last time
        self.cpuless = 0  # lanes that need no cpu: while there are any, a pass may not end when cpu is out

    # -- in -------------------------------------------------------------------------------------------

    def policy(self, key: QueueKey) -> ClassPolicy:
        """The class of a queue; one that nobody knows goes last rather than nowhere."""
        return self.ranks.policy(key)

    def _rank(self, classes: Sequence[ClassPolicy]) -> None:
        self.ranks = Ranks(classes, self._burst_s * self._room.capacity[0] / MILLI)
        self.levels = self.ranks.levels

    def queue(self, key: QueueKey) -> PoolQueue:
        queue = self.queues.get(key)
        if queue is None:
            policy, level, above = self.ranks.placed(key)
            queue = self.queues[key] = PoolQueue(key, level, above, policy)
            self._untidy = True
        return queue

    def reclass(self, classes: Sequence[ClassPolicy], of_slots: Iterable[Lane]) -> None:
        """The classes are others: everything that waits stands in line by those.

        A lane that has slots stays theirs and takes no more; its asks go to a new one. `of_slots` are all
        such lanes, also of earlier classes.
        """
        self._rank(classes)
        self.shares = Shares(classes, self._room.capacity)
        self._parked.clear()
        for queue in list(self.queues.values()):
            was_aged = {lane for lane in queue.lanes if lane.flow.level is not queue.level}
            queue.policy, queue.level, queue.aged = self.ranks.placed(queue.key)
            queue.ageing_s = queue.policy.ageing_s
            lanes, queue.lanes = list(queue.lanes), {}
            queue.parked = 0
            for lane in lanes:
                self.cpuless -= not lane.need[0]
                self._move(lane, queue.aged if lane in was_aged else queue.level)
        self._age_at, self._untidy = float("-inf"), True
        self.leasing.unasked.update(dict.fromkeys(self.queues.values()))
        for lane in of_slots:
            lane.need = self._need_of(lane.shape, self.queue(lane.queue.key))
            if lane.flow.level not in self.levels:
                lane.flow = self.queue(lane.queue.key).level.flow(
                    lane.queue.key.show, self.ranks.weight(lane.queue.key)
                )

    def _move(self, lane: Lane, level: Level) -> None:
        queue, asks = lane.queue, list(lane.asks)
        lane.flow = level.flow(queue.key.show, self.ranks.weight(queue.key))
        lane.parked = False
        lane.asks.clear()
        lane.oldest = float("inf")
        if not asks:
            return
        fresh = self._lane(queue, lane.shape, level)
        fresh.flow.wake()
        for ask in asks:
            fresh.add(ask)
            self.where[ask[0]] = fresh
        fresh.stand()

    def receive(self, queue: PoolQueue, asks: Iterable[Ask], now: float) -> None:
        """Put leased asks into their lanes; those already in hand are left as they are."""
        where = self.where
        aged_before = _aged_before(queue, now)
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
            self._watch_age(lane)
            if lane.parked:
                self.leasing.unasked[queue] = None
        if not queue.lanes:
            self._untidy = True

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
            self.leasing.unasked[queue] = None
        lane.stand()
        self._watch_age(lane)

    def _lane(self, queue: PoolQueue, shape: Shape, level: Level) -> Lane:
        show = queue.key.show
        flow = level.flow(show, self.ranks.weight(queue.key))
        lane = flow.by_shape.get((queue.key, shape))
        if lane is None:
            lane = Lane(flow, queue, shape, self._need_of(shape, queue))
            other = next(iter(flow.by_shape.values()), lane)
            flow.mixed = flow.mixed or other.need != lane.need
            flow.by_shape[queue.key, shape] = lane
            queue.lanes[lane] = None
            level.classes[queue.policy.name] = level.classes.get(queue.policy.name, 0) + 1
            self.cpuless += not lane.need[0]
        return lane

    def resize(self) -> None:
        """The pool has another size: what lanes need is clamped to that, and shares are of that."""
        self.shares = Shares(self.ranks.classes, self._room.capacity)
        for queue in self.queues.values():
            for lane in queue.lanes:
                lane.need = self._need_of(lane.shape, queue)
                lane.flow.mixed = len(lane.flow.by_shape) > 1
        for policy in self.ranks.classes:
            self.unpark(class_limit(policy.name))

    def _need_of(self, shape: Shape, queue: PoolQueue) -> Need:
        need = self._room.need_of(shape)
        return self.shares.clamp(queue.policy.name, need, self._room.capacity) if self.shares.any else need

    def bar(self, queue: QueueKey, reason: str) -> bool:
        """Let nothing of a queue start, for a reason; "" lets it go on. Whether it goes on from now on."""
        if reason:
            self.bars[queue] = reason
            return False
        return self.bars.pop(queue, None) is not None

    # -- out ------------------------------------------------------------------------------------------

    def take(self, lane: Lane, count: int) -> list[Ask]:
        """The first `count` of a lane; they stay in hand until `forget`."""
        waiting = lane.asks
        taken = [waiting.popleft() for _ in range(count)]
        lane.queue.in_hand -= count
        if not waiting:
            lane.oldest = float("inf")
            lane.queue.looked = False
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
            self._parked[lane.waits_on].remove(lane)
        lane.flow.lanes.drop(lane)
        lane.flow.stand()
        del lane.flow.by_shape[lane.queue.key, lane.shape]
        del lane.queue.lanes[lane]
        classes, name = lane.flow.level.classes, lane.queue.policy.name
        classes[name] -= 1
        if not classes[name]:
            del classes[name]
        lane.flow.level.unserved.pop(lane.need, None)
        lane.flow.mixed = lane.flow.mixed and len(lane.flow.by_shape) > 1
        self.cpuless -= not lane.need[0]
        self._untidy = True

    def answered_empty(self, queue: PoolQueue) -> None:
        """A lease brought nothing: ask again when something has changed, or at the next tick."""
        queue.stale = True
        self.leasing.unasked[queue] = None
        self._untidy = True

    def unasked(self) -> list[PoolQueue]:
        """Queues that may want more though nothing came and nothing went; each is told once."""
        found = self.leasing.asked_again()
        return [queue for queue in self.queues.values() if queue in found] if found else []

    def look_past(self, out: list[Command]) -> None:
        """Where what is in hand does not fit, what else there is outside may."""
        self.leasing.look_past(out, full=self._room.free[0] <= 0 and not self.cpuless)

    # -- what has all that it may have -------------------------------------------------------------------

    def park(self, lane: Lane, name: str) -> None:
        """A lane has all that it may have under a name: it stands in no line until some of it is free."""
        lane.parked = True
        lane.waits_on = name
        lane.queue.parked += len(lane.asks)
        self.leasing.unasked[lane.queue] = None
        self._parked.setdefault(name, []).append(lane)
        lane.stand()

    def unpark(self, name: str) -> None:
        for lane in self._parked.pop(name, ()):
            lane.parked = False
            lane.queue.parked -= len(lane.asks)
            lane.queue.stale = False
            self.leasing.unasked[lane.queue] = None
            lane.stand()

    # -- time -------------------------------------------------------------------------------------------

    def age(self, now: float) -> None:
        """Move what has waited past its class's bound to the level above."""
        if now < self._age_at:
            return
        self._age_at = float("inf")
        for queue in self.queues.values():
            if queue.aged is queue.level or not queue.in_hand:
                continue
            aged_before = _aged_before(queue, now)
            for lane in [x for x in queue.lanes if x.oldest <= aged_before and x.flow.level is queue.level]:
                self._age_lane(lane, aged_before)
            for lane in queue.lanes:
                self._watch_age(lane)

    def _watch_age(self, lane: Lane) -> None:
        queue = lane.queue
        if lane.flow.level is queue.level and queue.aged is not queue.level:
            since = max(lane.oldest, queue.served_at)
            self._age_at = min(self._age_at, since + queue.ageing_s - _MARGIN_S)

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
        if (since := queue.level.unserved.get(lane.need)) is not None:
            queue.aged.unserved.setdefault(lane.need, since)
        above.flow.wake()
        for ask in old:
            above.add(ask)
            self.where[ask[0]] = above
        if above.parked:
            queue.parked += len(old)
            self.leasing.unasked[queue] = None
        above.stand()
        self.tidy(lane)

    def forget_idle(self) -> None:
        """Forget shows and queues that have nothing here and nothing outside."""
        if not self._untidy:
            self._rounds = max(self._rounds - 1, 0)
            if self._rounds != 1:
                return
        # A show that owes stays, and is looked at again, but not each time.
        self._untidy = False
        self._rounds = ROUNDS if sum(level.forget_idle() for level in self.levels) else 0
        for key in [
            k for k, q in self.queues.items() if not (q.lanes or q.outside or q.leasing or q.in_hand)
        ]:
            self.leasing.unasked.pop(self.queues.pop(key), None)


def _aged_before(queue: PoolQueue, now: float) -> float:
    """Work of a queue that was queued before this competes one rank higher.

    None does while the queue is served: who has sent a great deal waits for its own work alone, and would
    pass by all others of its class, not only by those who keep it from being served.
    """
    aged_before = now - queue.ageing_s
    return aged_before if queue.served_at <= aged_before else float("-inf")
