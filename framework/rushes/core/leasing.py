"""When more of a queue is taken from outside.

Of each queue at most a window of asks is in hand; the rest waits outside (the journal, SQS), so a million
waiting invocations cost a number. This module must not know in which line an ask stands, nor slots.
"""

from __future__ import annotations

from rushes.core.commands import Command, Lease
from rushes.core.limits import KEY
from rushes.core.ordering import PoolQueue

__all__ = ["Leasing"]

# Asks of batches, or under keys, that have all that they may have do not count towards the window, else they
# would keep everything behind them outside; but they may fill no more than this many windows.
MOST_WINDOWS = 4

# Of batches of which nothing is in hand, one of so many parts of a window is asked for at once: what another
# host could do is not to lie here. No look is taken past more batches than this: it names them all.
LOOKS = 8
MOST_BATCHES = 32


class Leasing:
    """Asks for more of queues.

    Args:
        window: how many asks of a queue are to be in hand.
    """

    __slots__ = ("_window", "unasked", "unfit")

    def __init__(self, window: int) -> None:
        self._window = window
        # What a tick need not look for among all queues: these may want a lease though nothing happened to
        # them since; of those something in hand does not fit, and more is outside.
        self.unasked: dict[PoolQueue, None] = {}
        self.unfit: dict[PoolQueue, None] = {}

    def asked_again(self) -> dict[PoolQueue, None]:
        """Those of `unasked`, which are told once: each may be asked for again."""
        if not self.unasked:
            return {}
        found, self.unasked = self.unasked, {}
        for queue in found:
            queue.stale = False
        return found

    def look_past(self, out: list[Command], *, full: bool) -> None:
        """Ask for a few of other batches, where what is in hand of a queue does not fit but more would.

        `full`: nothing would.
        """
        unfit, self.unfit = self.unfit, {}
        if full:
            return
        for queue in unfit:
            if queue.leasing or queue.looked or queue.outside <= 0:
                continue
            batches = {lane.shape.batch for lane in queue.lanes if lane.asks}
            if not batches or len(batches) > MOST_BATCHES or queue.in_hand >= MOST_WINDOWS * self._window:
                continue
            queue.leasing = queue.looking = True
            queue.news = 0
            count = min(max(self._window // LOOKS, 1), queue.outside)
            out.append(Lease(queue.key, count, tuple(sorted(batches))))

    def lease(self, queue: PoolQueue, out: list[Command]) -> None:
        """Ask for more of a queue when less than half of its window is in hand; once at a time."""
        if queue.leasing or queue.stale or queue.outside <= 0:
            return
        startable = queue.in_hand - queue.parked
        if 2 * startable >= self._window or queue.in_hand >= MOST_WINDOWS * self._window:
            return
        without: tuple[str, ...] = ()
        if queue.parked:
            parked = (lane for lane in queue.lanes if lane.parked and lane.asks)
            # Others of a batch may well start while one key of it is in use.
            without = tuple(sorted({one.shape.batch for one in parked if not one.waits_on.startswith(KEY)}))
        queue.leasing = True
        queue.news = 0
        out.append(Lease(queue.key, min(self._window - startable, queue.outside), without))
