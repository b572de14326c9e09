"""How many attempts may run at once where each has a machine of its own, so that an hour keeps its cap: pure.

Nothing is ordered there, and nothing idles; what can be said is how many messages of a queue are worked on at
a time. All of them running for an hour is the most that they can cost, so the sum of that stays within what
is left of the cap. The provider takes two at least, or none.

Money is given by class, the most urgent first: first to the least of every queue, so that none is without
when its first message comes; then to what waits; then to as much as each may have, so that a burst need not
wait for the next look. This module must not know providers or queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["LEAST", "EventSource", "allowances", "reserved_nano"]

LEAST: Final = 2
"""Attempts at once that a queue may be held to (https://docs.aws.amazon.com/lambda/latest/dg/
services-sqs-scaling.html)."""


class EventSource(NamedTuple):
    """One queue.

    Args:
        name: of it.
        rank: of its class, 0 for the most urgent.
        hour_nano: nano-dollars that one attempt costs in an hour.
        most: attempts at once.
        waiting: messages that wait, or are worked on.
    """

    name: str
    rank: int
    hour_nano: int
    most: int
    waiting: int = 0


def allowances(sources: Sequence[EventSource], left_nano: int) -> dict[str, int]:
    """How many attempts of each queue may run at once; 0 for one that has to rest.

    Args:
        sources: all queues.
        left_nano: nano-dollars that they may cost in an hour.
    """
    given = {one.name: 0 for one in sources}
    ranked = sorted(sources, key=lambda one: (one.rank, one.name))
    for wanted in (_least, _for_what_waits, _most):
        for one in ranked:
            more = wanted(one) - given[one.name]
            if one.hour_nano > 0:
                more = min(more, max(left_nano, 0) // one.hour_nano)
            if more <= 0 or given[one.name] + more < LEAST:
                continue
            given[one.name] += more
            left_nano -= more * one.hour_nano
    return given


def _least(one: EventSource) -> int:
    return min(LEAST, one.most)


def _for_what_waits(one: EventSource) -> int:
    return min(one.most, one.waiting)


def _most(one: EventSource) -> int:
    return one.most


def reserved_nano(sources: Sequence[EventSource]) -> int:
    """Nano-dollars an hour that the least of every queue costs."""
    return sum(min(LEAST, one.most) * one.hour_nano for one in sources)
