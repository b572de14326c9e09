"""How many messages a host asks a shared queue for: pure.

A message that lies here is one that nobody else has, so no more is taken than is begun at once, while work is
long. While it is short, ten in a request cost a tenth of ten requests: so many are taken ahead as are begun
within a second, and only when there is room for all of them; of what is very short twice as many, so that
there is something to do while more is fetched. This module must not know queues.
"""

from __future__ import annotations

from typing import Final

__all__ = ["AHEAD_S", "MOST", "mean_after", "wanted"]

MOST: Final = 10
"""Messages in one request."""
AHEAD_S: Final = 1.0
"""Of work that waits here for a place, at most."""
WEIGHT: Final = 0.2
"""Of the latest in a mean: work changes from batch to batch."""


def wanted(here: int, width: int, mean_s: float | None) -> int:
    """How many messages to ask for now; 0 where there is no room.

    Args:
        here: invocations that are here, those that wait for a place among them.
        width: that are worked on at a time.
        mean_s: how long one takes; None while that is not known.
    """
    ahead = 0 if mean_s is None else min(int(AHEAD_S * width / max(mean_s, 1e-3)), 2 * MOST)
    room = min(width + ahead - here, MOST)
    return room if room >= min(max(ahead, 1), MOST) else 0


def mean_after(mean_s: float | None, seconds: float) -> float:
    """How long one takes, after another that took so long."""
    return seconds if mean_s is None else mean_s + WEIGHT * (seconds - mean_s)
