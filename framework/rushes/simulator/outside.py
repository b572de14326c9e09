"""The queues outside a virtual pool: what has been submitted and is not in the pool's hands yet.

A batch waits as one span of ids, whatever its size; an `Ask` is made of one when it is leased. This module
must not know slots or time.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from rushes.core.events import Ask, QueueKey, Shape

__all__ = ["Outside"]


class _Span(NamedTuple):
    """Invocations of one batch that wait, from `first` to before `end`."""

    order: int
    first: int
    end: int
    queued_at: float
    shape: Shape


class Outside:
    """All queues outside."""

    def __init__(self) -> None:
        self._spans: dict[QueueKey, list[_Span]] = {}
        self._counts: dict[QueueKey, int] = {}

    def put(self, key: QueueKey, order: int, ids: range, queued_at: float, shape: Shape) -> None:
        """These wait; they are of one batch and have one place in the order."""
        heappush(self._spans.setdefault(key, []), _Span(order, ids.start, ids.stop, queued_at, shape))
        self._counts[key] = self._counts.get(key, 0) + len(ids)

    def take(self, key: QueueKey, count: int, without: Collection[str]) -> list[Ask]:
        """Up to `count` of a queue in its order, but none of the batches in `without`."""
        spans = self._spans.get(key, [])
        asks: list[Ask] = []
        aside: list[_Span] = []
        while spans and len(asks) < count:
            order, first, end, queued_at, shape = span = heappop(spans)
            if shape.batch in without:
                aside.append(span)
                continue
            until = min(end, first + count - len(asks))
            asks += [Ask(id_, order, queued_at, shape) for id_ in range(first, until)]
            if until < end:
                heappush(spans, span._replace(first=until))
        for span in aside:
            heappush(spans, span)
        if asks:
            self._counts[key] -= len(asks)
        return asks

    def move(self, key: QueueKey, to: QueueKey, batch: str) -> int:
        """What waits of a batch waits in another queue from now on; gives how many those are."""
        spans = self._spans.get(key, [])
        mine = [span for span in spans if span.shape.batch == batch]
        if not mine:
            return 0
        count = sum(span.end - span.first for span in mine)
        self._spans[key] = [span for span in spans if span.shape.batch != batch]
        heapify(self._spans[key])
        there = self._spans.setdefault(to, [])
        for span in mine:
            heappush(there, span)
        self._counts[key] -= count
        self._counts[to] = self._counts.get(to, 0) + count
        return count

    def drop(self, key: QueueKey, id_: int) -> None:
        """One that was queued again by itself waits no longer, if it does."""
        spans = self._spans.get(key, [])
        kept = [span for span in spans if (span.first, span.end) != (id_, id_ + 1)]
        if len(kept) < len(spans):
            heapify(kept)
            self._spans[key] = kept
            self._counts[key] -= 1

    def ids(self, key: QueueKey, batch: str) -> set[int]:
        """What waits of a batch in a queue."""
        spans = self._spans.get(key, ())
        return {id_ for span in spans if span.shape.batch == batch for id_ in range(span.first, span.end)}

    def waiting(self, key: QueueKey) -> int:
        """How many of a queue wait."""
        return self._counts.get(key, 0)

    def counts(self) -> dict[QueueKey, int]:
        """How many wait, by queue."""
        return {key: count for key, count in self._counts.items() if count}
