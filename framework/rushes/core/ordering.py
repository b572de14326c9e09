"""The order of waiting work: class (with ageing), then show by weighted virtual time, then order, then id.

    Level   one rank; its shows in the order of their virtual times
    Flow    one show within a level; its lanes in the order of their first asks
    Lane    the waiting asks of one queue and one shape, in order

Work of one shape is alike for everything but its place in line, so whatever holds back the first ask of a
lane holds back the lane: a pass looks at lanes, never at single asks. Work that has aged moves to a lane
of the level above, in the flow of its own show. This module must not know slots, capacity or clocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Final, Generic, TypeVar

from rushes.core.events import Ask, ClassPolicy, QueueKey, Shape
from rushes.core.packing import Need

__all__ = ["NO_DEADLINE_MS", "Flow", "Lane", "Level", "Line", "PoolQueue", "order_of"]

# Work without a deadline stands behind all work with one, and first come is first served among itself. Ten
# years in milliseconds: further off than any deadline.
NO_DEADLINE_MS: Final = 10 * 365 * 24 * 3600 * 1000


def order_of(deadline: float | None, queued_at: float) -> int:
    """The sortable integer of an ask within its queue: smaller goes first.

    Args:
        deadline: when it should be done, UTC epoch seconds, or None.
        queued_at: when it was first queued, UTC epoch seconds.
    """
    if deadline is None:
        return round(queued_at * 1000) + NO_DEADLINE_MS
    return round(deadline * 1000)


T = TypeVar("T", bound=Hashable)
Key = Any  # whatever has an order


class Line(Generic[T]):
    """Things in the order of keys that change.

    A heap in which an entry may be out of date: what has moved back since is put right when it comes to the
    front, as most things move several times before they do, and what has left is skipped there.
    """

    __slots__ = ("_entries", "_keys", "_placed", "_serial")

    def __init__(self) -> None:
        self._entries: list[tuple[Key, int, T]] = []
        self._keys: dict[T, Key] = {}
        self._placed: dict[T, Key] = {}  # with what key each stands in the heap: its own, or an earlier one
        self._serial = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, item: T) -> bool:
        return item in self._keys

    def put(self, item: T, key: Key) -> None:
        """Stand `item` in line by `key`; if it stands there already, it moves."""
        self._keys[item] = key
        placed = self._placed.get(item)
        if placed is not None and placed <= key:
            return
        self._placed[item] = key
        self._serial = serial = self._serial + 1
        entries = self._entries
        heappush(entries, (key, serial, item))
        if len(entries) > 64 + 4 * len(self._keys):
            self._placed = self._keys.copy()
            self._entries = [(key, at, item) for at, (item, key) in enumerate(self._keys.items())]
            heapify(self._entries)

    def drop(self, item: T) -> None:
        """Let `item` leave the line; nothing happens when it does not stand in it."""
        self._keys.pop(item, None)

    def first(self) -> T | None:
        """Who stands first, or None."""
        entries, keys, placed = self._entries, self._keys, self._placed
        while entries:
            at, serial, item = entries[0]
            key = keys.get(item)
            if key is at or key == at:
                return item
            if key is None or placed[item] != at:
                heappop(entries)
                if placed.get(item) == at:
                    del placed[item]
            else:
                placed[item] = key
                heapreplace(entries, (key, serial, item))
        return None


class PoolQueue:
    """One queue: what of it is in hand, and what waits outside."""

    __slots__ = (
        "aged",
        "ageing_s",
        "in_hand",
        "key",
        "lanes",
        "leasing",
        "level",
        "looked",
        "looking",
        "news",
        "outside",
        "parked",
        "policy",
        "served_at",
        "stale",
    )

    def __init__(self, key: QueueKey, level: Level, aged: Level, policy: ClassPolicy) -> None:
        self.key = key
        self.policy = policy
        self.level = level
        self.aged = aged  # the level above, or `level` itself at the top
        self.ageing_s = policy.ageing_s
        self.served_at = float("-inf")  # when something of it was last given to a slot
        self.lanes: dict[Lane, None] = {}
        self.in_hand = 0  # waiting asks, those of parked lanes included
        self.parked = 0  # waiting asks of lanes whose batch has all the slots that it may have
        self.outside = 0
        self.news = 0  # came to the outside since the last Lease was sent
        self.leasing = False  # a Lease was sent and is not answered yet
        self.stale = False  # the last answer was empty: ask again when something has changed
        self.looking = False  # the Lease that was sent is for batches of which nothing is in hand
        self.looked = False  # there were no such batches, and none of those in hand was used up since


class Lane:
    """The waiting asks of one queue and one shape, in order, and the slots that are busy with them."""

    __slots__ = ("asks", "bill", "flow", "need", "oldest", "parked", "queue", "shape", "slots", "waits_on")

    def __init__(self, flow: Flow, queue: PoolQueue, shape: Shape, need: Need) -> None:
        self.flow = flow
        self.queue = queue
        self.shape = shape
        self.need = need
        self.asks: deque[Ask] = deque()
        self.slots: dict[
            Any, None
        ] = {}  # of `slots.Slot`, in the order in which they came; looked into by the scheduler alone
        self.bill: Any = (
            None  # who pays for it, and what it asks for: of the purse, which alone looks into it
        )
        self.oldest = float("inf")  # no ask in it was queued before this
        self.parked = False
        self.waits_on = ""  # while parked: the name that has to let go of something first

    def key(self) -> tuple[int, int]:
        first = self.asks[0]
        return first[1], first[0]

    def add(self, ask: Ask) -> None:
        """Put `ask` in its place: nearly always the end, or the front when it comes back."""
        asks = self.asks
        if ask[2] < self.oldest:  # noqa: PLR1730 - hot: `min` costs three times as much
            self.oldest = ask[2]
        key = (ask[1], ask[0])
        if not asks or key >= (asks[-1][1], asks[-1][0]):
            asks.append(ask)
        elif key < (asks[0][1], asks[0][0]):
            asks.appendleft(ask)
        else:
            low, high = 0, len(asks)
            while low < high:
                middle = (low + high) // 2
                if (asks[middle][1], asks[middle][0]) < key:
                    low = middle + 1
                else:
                    high = middle
            asks.insert(low, ask)

    def stand(self) -> None:
        """Take the right place in line after asks came or went."""
        flow = self.flow
        if self.asks and not self.parked:
            flow.lanes.put(self, self.key())
        else:
            flow.lanes.drop(self)
        flow.stand()


class Flow:
    """One show within a level."""

    __slots__ = ("by_shape", "lanes", "level", "mixed", "show", "vtime", "weight")

    def __init__(self, level: Level, show: str, weight: float) -> None:
        self.level = level
        self.show = show
        self.weight = weight
        self.vtime = level.vtime - level.credit_s
        self.by_shape: dict[tuple[QueueKey, Shape], Lane] = {}
        self.mixed = False  # its lanes may need different things
        self.lanes: Line[Lane] = Line()

    def stand(self) -> None:
        """Take the right place in line after lanes or the virtual time have changed."""
        if self.lanes:
            self.level.shows.put(self, (self.vtime, self.show))
        else:
            self.level.shows.drop(self)

    def wake(self) -> None:
        """Work arrives. Time in which the show asked for nothing earns it no more than the credit."""
        if not self.lanes:
            self.vtime = max(self.vtime, self.level.vtime - self.level.credit_s)

    def charge(self, seconds: float) -> None:
        """Charge cpu-seconds (give back, if negative)."""
        self.vtime += seconds / self.weight


class Level:
    """One rank of the pool. `vtime` is the virtual time of the show that was served last.

    A show that comes back stands `credit_s` cpu-seconds before that at most: what it did not use.
    """

    __slots__ = (
        "classes",
        "credit_s",
        "displaces",
        "flows",
        "keeps",
        "overdue",
        "rank",
        "shows",
        "unserved",
        "vtime",
    )

    def __init__(self, rank: int, credit_s: float = 0.0, *, displaces: bool = True) -> None:
        self.rank = rank
        self.displaces = displaces  # work of lower levels may have to stand aside for some of it
        self.vtime = 0.0
        self.credit_s = credit_s
        self.flows: dict[str, Flow] = {}
        self.shows: Line[Flow] = Line()
        self.classes: dict[str, int] = {}  # how many lanes of which class there are
        # See `overtaking`: since when others go before what needs so much; who lets nobody by any more, and
        # in which dimensions, as bits.
        self.unserved: dict[Need, float] = {}
        self.overdue: Lane | None = None
        self.keeps = 0

    def flow(self, show: str, weight: float) -> Flow:
        flow = self.flows.get(show)
        if flow is None:
            flow = self.flows[show] = Flow(self, show, weight)
        return flow

    def forget_idle(self) -> bool:
        """Forget shows that neither wait, run, nor owe; whether some that are idle owe still.

        A show is remembered until it has all the credit that there is, else leaving and coming back would
        pay.
        """
        idle = [flow for flow in self.flows.values() if not flow.by_shape]
        gone = [flow for flow in idle if flow.vtime <= self.vtime - self.credit_s]
        for flow in gone:
            self.shows.drop(flow)
            del self.flows[flow.show]
        return len(gone) < len(idle)
